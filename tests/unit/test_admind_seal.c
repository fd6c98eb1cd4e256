/* SPDX-License-Identifier: Apache-2.0 */
/* The journal seals itself: when, with which key, over restarts and crashes, and never instead of being written. */
#include "test_admind_seal.h"

#include <signal.h>
#include <sys/resource.h>

static void each_byte_of_a_seal_counts(void **state)
{
    char text[ADMIND_SEAL_LINE_BYTES], anchor[ADMIND_SEAL_ANCHOR_BYTES];
    unsigned char mac[ADMIND_SEAL_BYTES];
    admind_seal_t seal = { .ts = NOON_US + 999, .block = { .lines = 7, .file = FILE_ONE, .offset = 4096 } }, again;
    admind_seal_key_t key;
    uint64_t epoch = 0;
    mcpa_out_t out;

    (void)state;
    admind_seal_key_begin(&key, seal.previous);
    admind_seal_key_evolve(&key);
    admind_seal_make(&seal, &key);
    assert_true(seal.epoch == 1 && seal.ts == NOON_US && admind_seal_is_by(&seal, &key));
    mcpa_out_init(&out, text, sizeof(text));
    admind_seal_print(&out, &seal);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_int_equal(admind_seal_parse(&again, mcpa_out_get(&out)), MCPA_OK);
    assert_true(admind_seal_is_by(&again, &key));
    for (size_t i = 0; i < out.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] = (char)((unsigned char)text[i] ^ 1U << bit);
            assert_false(admind_seal_parse(&again, mcpa_out_get(&out)) == MCPA_OK && admind_seal_is_by(&again, &key));
            text[i] = (char)((unsigned char)text[i] ^ 1U << bit);
        }
        assert_int_not_equal(admind_seal_parse(&again, (mcpa_str_t){ text, i }), MCPA_OK);
    }
    admind_seal_anchor_print(anchor, &seal);
    assert_true(admind_seal_anchor_parse(&epoch, mac, mcpa_str(anchor)) && epoch == 1);
    assert_memory_equal(mac, seal.mac, sizeof(mac));
    assert_false(admind_seal_anchor_parse(&epoch, mac, MCPA_STR("")) || admind_seal_anchor_parse(&epoch, mac, MCPA_STR("1:")) ||
                 admind_seal_anchor_parse(&epoch, mac, (mcpa_str_t){ anchor, strlen(anchor) - 1 }));
    admind_seal_key_evolve(&key);
    assert_false(admind_seal_is_by(&seal, &key));
    key.epoch = 1;
    assert_false(admind_seal_is_by(&seal, &key));
}

static void a_seal_comes_with_the_thousandth_line_after_ten_seconds_and_at_the_end(void **state)
{
    admind_seal_key_t origin;
    checked_t checked;

    (void)state;
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(999, NOON_US);
    assert_false(state_now().sealed);
    append_lines(1, NOON_US + SECOND_US);
    assert_true(state_now().sealed && state_now().last.epoch == 0 && state_now().last.block.lines == 1000);
    assert_int_equal(count_lines(get_file(FILE_ONE)), 1001);
    append_lines(1, NOON_US + 2 * SECOND_US);
    append_lines(1, NOON_US + 11 * SECOND_US);
    assert_int_equal(state_now().last.epoch, 0);
    append_lines(1, NOON_US + 12 * SECOND_US);
    assert_true(state_now().last.epoch == 1 && state_now().last.block.lines == 3 && state_now().chain.lines == 0);
    seal_now(NOON_US);
    assert_int_equal(state_now().last.epoch, 1); /* nothing to seal, no seal */
    append_lines(5, NOON_US + 12 * SECOND_US);
    assert_int_equal(admind_sealer_open_lines(sealer), 5);
    seal_now(NOON_US + 13 * SECOND_US);
    assert_true(state_now().last.epoch == 2 && read_key("seal.key").epoch == 3);
    checked = check_dir(&origin, 1, NULL);
    assert_true(checked.faults == 0 && checked.sealed.seals == 3 && checked.sealed.proven == 3 && checked.sealed.behind == 0);
}

static void a_clock_that_steps_back_does_not_put_seals_off(void **state)
{
    (void)state;
    open_sealed(1 << 24);
    append_lines(1, NOON_US);
    append_lines(1, NOON_US - DAY_US);
    assert_true(state_now().sealed);
}

static void a_file_is_sealed_before_it_is_closed(void **state)
{
    admind_seal_key_t origin;
    checked_t checked;

    (void)state;
    open_sealed(2000);
    origin = read_key("seal-origin.key");
    for (int i = 0; i < 45; i++) {
        append_lines(1, NOON_US + i * 1000);
    }
    append_lines(1, NOON_US + DAY_US); /* and at the day's end, however few there are */
    append_lines(1, NOON_US + 2 * DAY_US);
    seal_now(NOON_US + 2 * DAY_US);
    checked = check_dir(&origin, 1, NULL);
    assert_true(checked.faults == 0 && checked.sealed.behind == 0);
    assert_int_equal(checked.sealed.seals, 5);
    assert_true(is_there("audit-2026-11-22.jsonl") && is_there("audit-2026-11-23.jsonl") && is_there(FILE_TWO));
    assert_non_null(strstr(get_file("audit-2026-11-22.jsonl"), "\"event\":\"seal\""));
    assert_int_equal(count_lines(get_file("audit-2026-11-22.jsonl")), 2);
}

/* Three ways to start: from a checkpoint in the middle of a block, from one of a version that did not seal, and without any. */
static void a_restart_goes_on_where_the_chain_was(void **state)
{
    admind_seal_key_t origin;
    checked_t checked;

    (void)state;
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(3, NOON_US);
    keep_state();
    for (int i = 0; i < 6; i++) {
        append_lines(2, NOON_US + SECOND_US);
        close_sealed();
        if (i == 2) {
            kept.known = false;
        } else if (i == 3) {
            forget_state();
        }
        open_sealed(1 << 24);
        if (i == 1 || i == 4) {
            seal_now(NOON_US + SECOND_US);
            append_lines(1, NOON_US + SECOND_US);
            keep_state();
        }
    }
    seal_now(NOON_US + 3 * SECOND_US);
    checked = check_dir(&origin, 1, NULL);
    assert_int_equal(checked.faults, 0);
    assert_int_equal(checked.sealed.seals, 3);
    assert_true(checked.sealed.proven == 3 && admind_sealer_breaks(sealer) == 0);
}

static void a_torn_tail_with_half_a_seal_is_cut_and_sealed_anew(void **state)
{
    char text[8192];
    admind_seal_key_t origin;
    size_t len;

    (void)state;
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(3, NOON_US);
    seal_now(NOON_US);
    len = strlen(get_file(FILE_ONE)) - 100;
    memcpy(text, get_file(FILE_ONE), len);
    close_sealed();
    put_file(FILE_ONE, text, len);
    { /* it was torn before its sync, so the key had not evolved */
        char key[ADMIND_SEAL_KEY_BYTES];

        admind_seal_key_print(key, &origin);
        put_file("seal.key", key, strlen(key));
    }
    open_sealed(1 << 24);
    append_lines(1, NOON_US);
    seal_now(NOON_US);
    assert_true(state_now().last.epoch == 0 && state_now().last.block.lines == 4 && admind_sealer_breaks(sealer) == 0);
    assert_int_equal(check_dir(&origin, 1, NULL).faults, 0);
}

static void killed_between_seal_and_evolution_it_evolves_at_the_start(void **state)
{
    char key[ADMIND_SEAL_KEY_BYTES];
    admind_seal_key_t origin;

    (void)state;
    for (int with_checkpoint = 0; with_checkpoint < 2; with_checkpoint++) {
        open_sealed(1 << 24);
        origin = with_checkpoint == 0 ? read_key("seal-origin.key") : origin;
        (void)snprintf(key, sizeof(key), "%s", get_file("seal.key"));
        append_lines(1, NOON_US);
        seal_now(NOON_US);
        if (with_checkpoint != 0) {
            keep_state();
        }
        close_sealed();
        put_file("seal.key", key, strlen(key));
        open_sealed(1 << 24);
        assert_int_equal(admind_sealer_breaks(sealer), 0);
        assert_int_equal(read_key("seal.key").epoch, with_checkpoint + 1);
        close_sealed();
    }
    open_sealed(1 << 24);
    append_lines(1, NOON_US);
    seal_now(NOON_US);
    assert_int_equal(check_dir(&origin, 1, NULL).faults, 0);
    assert_int_equal(state_now().last.epoch, 2);
}

static void a_batch_that_was_taken_back_is_in_no_chain(void **state)
{
    struct rlimit small = { 2000, RLIM_INFINITY }, large = { RLIM_INFINITY, RLIM_INFINITY };
    admind_seal_key_t origin;
    uint64_t seq;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(2, NOON_US);
    seq = next_seq;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 40; i++) {
        append_line(NOON_US + 20 * SECOND_US);
    }
    assert_int_equal(admind_journal_commit(journal), MCPA_EIO); /* a seal was due in it */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
    assert_true(admind_sealer_open_lines(sealer) == 2 && !state_now().sealed);
    assert_true(admind_journal_probe(journal, NOON_US));
    next_seq = seq;
    append_lines(3, NOON_US + 21 * SECOND_US);
    assert_true(state_now().sealed && state_now().last.block.lines == 5);
    assert_int_equal(check_dir(&origin, 1, NULL).faults, 0);
}

/* forget: and the checkpoint is lost too. */
static void seal_a_journal_from_before(bool forget)
{
    char error[256];
    admind_seal_key_t origin;
    checked_t checked;

    journal = admind_journal_open(test_dir, 400, error, sizeof(error));
    assert_non_null(journal);
    assert_int_equal(admind_journal_replay(journal, &kept_at, take_any, NULL), MCPA_OK);
    append_lines(4, NOON_US);
    append_lines(2, NOON_US);
    admind_journal_position(journal, &kept_at);
    close_sealed();
    if (forget) {
        forget_state();
    }
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(1, NOON_US);
    seal_now(NOON_US);
    assert_int_equal(state_now().last.block.lines, 3); /* of the file that was open */
    checked = check_dir(&origin, 1, NULL);
    assert_true(checked.faults == 0 && checked.sealed.before == 4);
}

static void lines_from_before_sealing_began_are_told_and_bound(void **state)
{
    seal_a_journal_from_before(false);
    assert_int_equal(tear_down_sealed(state), 0);
    assert_int_equal(set_up_sealed(state), 0);
    seal_a_journal_from_before(true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_sealed, tear_down_sealed)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_seal_counts),
        TEST(a_seal_comes_with_the_thousandth_line_after_ten_seconds_and_at_the_end),
        TEST(a_clock_that_steps_back_does_not_put_seals_off),
        TEST(a_file_is_sealed_before_it_is_closed),
        TEST(a_restart_goes_on_where_the_chain_was),
        TEST(a_torn_tail_with_half_a_seal_is_cut_and_sealed_anew),
        TEST(killed_between_seal_and_evolution_it_evolves_at_the_start),
        TEST(a_batch_that_was_taken_back_is_in_no_chain),
        TEST(lines_from_before_sealing_began_are_told_and_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
