/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of seals: kept for their owner alone, gone once used, and what happens when one is missing or another's. */
#include "test_admind_seal.h"

/* Damage must not become a key that makes seals nobody can check. */
static void each_byte_of_a_key_file_counts(void **state)
{
    static const unsigned char secret[ADMIND_SEAL_BYTES] = "thirty-two bytes, known to all.";
    char text[ADMIND_SEAL_KEY_BYTES];
    admind_seal_key_t key, again;

    (void)state;
    admind_seal_key_begin(&key, secret);
    for (int epoch = 0; epoch < 2; epoch++) {
        admind_seal_key_print(text, &key);
        assert_true(admind_seal_key_parse(&again, mcpa_str(text)));
        assert_true(again.epoch == key.epoch && memcmp(again.secret, key.secret, sizeof(key.secret)) == 0);
        for (size_t i = 0; text[i] != '\0'; i++) {
            text[i] ^= 1;
            assert_false(admind_seal_key_parse(&again, mcpa_str(text)));
            text[i] ^= 1;
            assert_false(admind_seal_key_parse(&again, (mcpa_str_t){ text, i }));
        }
        admind_seal_key_evolve(&key);
    }
    memcpy(key.id, "somebody", 8);
    key.epoch = 0;
    admind_seal_key_print(text, &key);
    assert_false(admind_seal_key_parse(&again, mcpa_str(text))); /* the id of an origin key is its own hash */
}

static void keys_are_for_the_owner_alone_and_the_used_one_is_gone(void **state)
{
    admind_seal_key_t origin, now;
    struct stat st;

    (void)state;
    open_sealed(1 << 24);
    assert_true(stat(in_dir("seal.key"), &st) == 0 && (st.st_mode & 07777) == 0600);
    assert_true(stat(in_dir("seal-origin.key"), &st) == 0 && (st.st_mode & 07777) == 0600);
    origin = read_key("seal-origin.key");
    now = read_key("seal.key");
    assert_memory_equal(&origin, &now, sizeof(now));
    append_lines(1, NOON_US);
    seal_now(NOON_US);
    now = read_key("seal.key");
    assert_true(now.epoch == 1 && memcmp(now.secret, origin.secret, sizeof(now.secret)) != 0);
    admind_seal_key_evolve(&origin);
    assert_memory_equal(now.secret, origin.secret, sizeof(now.secret));
}

/* A link is how a backup is made that costs nothing. */
static void a_used_key_that_somebody_kept_by_another_name_is_left_alone(void **state)
{
    admind_seal_key_t before, saved;

    (void)state;
    open_sealed(1 << 24);
    before = read_key("seal.key");
    assert_int_equal(link(in_dir("seal.key"), in_dir("kept.key")), 0);
    append_lines(1, NOON_US);
    seal_now(NOON_US);
    assert_int_equal(read_key("seal.key").epoch, 1);
    saved = read_key("kept.key");
    assert_memory_equal(&saved, &before, sizeof(saved));
}

/* The origin key of the chain that began in the misfit's place. */
static admind_seal_key_t second_origin(void)
{
    admind_seal_state_t state = state_now();
    char id[2 * ADMIND_SEAL_ID_BYTES + 1], name[64];

    mcpa_hex(id, state.last.key, sizeof(state.last.key));
    (void)snprintf(name, sizeof(name), "seal-origin-%s.key", id);
    return read_key(name);
}

static void break_key(const char *how)
{
    char text[8192];
    admind_seal_key_t key;

    if (strcmp(how, "gone") == 0) {
        assert_int_equal(unlink(in_dir("seal.key")), 0);
    } else if (strcmp(how, "damaged") == 0) {
        put_file("seal.key", "mcpauth-seal-key 1 0", 20);
    } else if (strcmp(how, "stranger") == 0) {
        admind_seal_key_begin(&key, (const unsigned char *)"another secret of the same size!");
        admind_seal_key_evolve(&key);
        admind_seal_key_print(text, &key);
        put_file("seal.key", text, strlen(text));
    } else { /* the journal was cut behind its first seal */
        const char *end = strchr(strstr(get_file(FILE_ONE), "\"mac\""), '\n') + 1;
        size_t len = (size_t)(end - get_file(FILE_ONE));

        memcpy(text, get_file(FILE_ONE), len);
        put_file(FILE_ONE, text, len);
    }
}

static void a_key_that_does_not_fit_begins_a_chain_of_its_own(void **state)
{
    static const char *const hows[] = { "gone", "damaged", "stranger", "ahead" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        admind_seal_key_t origins[2];
        admind_seal_t before, behind, other = { .epoch = 7 };
        checked_t checked;

        open_sealed(1 << 24);
        origins[0] = read_key("seal-origin.key");
        for (int n = 0; n < 3; n++) {
            append_lines(2, NOON_US);
            seal_now(NOON_US);
        }
        close_sealed();
        break_key(hows[i]);
        open_sealed(1 << 24);
        assert_int_equal(admind_sealer_breaks(sealer), 1);
        before = state_now().last;
        append_lines(2, NOON_US);
        seal_now(NOON_US);
        append_lines(2, NOON_US);
        seal_now(NOON_US);
        behind = state_now().last;
        assert_int_equal(state_now().last.epoch, 1);
        origins[1] = second_origin();
        checked = check_dir(origins, 2, NULL);
        assert_true(checked.kinds[ADMIND_FAULT_SEAL_BLOCK] == 0 && checked.kinds[ADMIND_FAULT_SEAL_PREVIOUS] == 0);
        assert_int_equal(checked.sealed.proven, i == 3 ? 3 : 5);
        assert_int_equal(checked.sealed.keys, 2);
        assert_int_equal(check_dir(origins, 1, NULL).kinds[ADMIND_FAULT_SEAL_KEY], 1);
        /* Only what was kept elsewhere says that nothing was cut off where the second begins. */
        assert_true(checked.kinds[ADMIND_FAULT_SEAL_ANEW] == 1 && check_dir(NULL, 0, NULL).kinds[ADMIND_FAULT_SEAL_ANEW] == 1);
        assert_int_equal(check_dir(origins, 2, &before).kinds[ADMIND_FAULT_SEAL_ANEW], 0);
        assert_int_equal(check_dir(origins, 2, &behind).kinds[ADMIND_FAULT_SEAL_ANEW], 0);
        assert_int_equal(check_dir(NULL, 0, &behind).faults, check_dir(NULL, 0, NULL).faults - 1);
        assert_int_equal(check_dir(origins, 2, &other).kinds[ADMIND_FAULT_SEAL_MISSING], 1);
        tear_down_sealed(state);
        assert_int_equal(set_up_sealed(state), 0);
    }
    open_sealed(1 << 24);
}

static void a_key_that_cannot_be_read_for_a_while_goes_on_where_it_was(void **state)
{
    admind_seal_key_t origin;

    (void)state;
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(2, NOON_US);
    seal_now(NOON_US);
    close_sealed();
    assert_int_equal(rename(in_dir("seal.key"), in_dir("kept")), 0);
    assert_int_equal(mkdir(in_dir("seal.key"), 0700), 0); /* reading it fails, and not because it is gone */
    open_sealed(1 << 24);
    append_lines(2, NOON_US + SECOND_US);
    seal_now(NOON_US + SECOND_US);
    assert_true(state_now().last.epoch == 0 && state_now().chain.lines == 2);
    assert_int_equal(rmdir(in_dir("seal.key")), 0);
    assert_int_equal(rename(in_dir("kept"), in_dir("seal.key")), 0);
    seal_now(NOON_US + 2 * ADMIND_SEAL_US);
    assert_true(state_now().last.epoch == 1 && state_now().chain.lines == 0);
    assert_int_equal(admind_sealer_breaks(sealer), 0);
    assert_int_equal(check_dir(&origin, 1, NULL).faults, 0);
}

static void lines_are_taken_while_no_key_can_be_kept(void **state)
{
    admind_seal_key_t origin;

    (void)state;
    assert_int_equal(mkdir(in_dir("seal.key.tmp"), 0700), 0); /* in the way of every new key */
    open_sealed(1 << 24);
    origin = read_key("seal-origin.key");
    append_lines(1001, NOON_US);
    assert_false(state_now().sealed);
    assert_int_equal(rmdir(in_dir("seal.key.tmp")), 0);
    append_lines(1, NOON_US + SECOND_US);
    assert_false(state_now().sealed); /* tried again after ten seconds only */
    append_lines(1, NOON_US + 12 * SECOND_US);
    assert_int_equal(state_now().last.block.lines, 1003);
    assert_int_equal(mkdir(in_dir("seal.key.tmp"), 0700), 0);
    append_lines(1, NOON_US + 13 * SECOND_US);
    seal_now(NOON_US + 13 * SECOND_US);
    assert_int_equal(state_now().last.epoch, 1);
    append_lines(1, NOON_US + 14 * SECOND_US);
    seal_now(NOON_US + 30 * SECOND_US); /* the key on disk is that of the last seal still: no seal on top of that */
    assert_true(state_now().last.epoch == 1 && admind_sealer_open_lines(sealer) == 1);
    assert_int_equal(rmdir(in_dir("seal.key.tmp")), 0);
    seal_now(NOON_US + 50 * SECOND_US);
    assert_int_equal(state_now().last.epoch, 2);
    assert_int_equal(check_dir(&origin, 1, NULL).faults, 0);
}

static void an_origin_key_is_never_written_over(void **state)
{
    static const char other[] = "of another journal";
    admind_seal_key_t origin;
    checked_t checked;

    (void)state;
    put_file("seal-origin.key", other, strlen(other));
    open_sealed(1 << 24);
    append_lines(1, NOON_US);
    seal_now(NOON_US);
    assert_string_equal(get_file("seal-origin.key"), other);
    origin = second_origin();
    checked = check_dir(&origin, 1, NULL);
    assert_true(checked.faults == 0 && checked.sealed.proven == 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_sealed, tear_down_sealed)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_key_file_counts),        TEST(keys_are_for_the_owner_alone_and_the_used_one_is_gone),
        TEST(a_key_that_does_not_fit_begins_a_chain_of_its_own), TEST(a_key_that_cannot_be_read_for_a_while_goes_on_where_it_was),
        TEST(lines_are_taken_while_no_key_can_be_kept),          TEST(an_origin_key_is_never_written_over),
        TEST(a_used_key_that_somebody_kept_by_another_name_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
