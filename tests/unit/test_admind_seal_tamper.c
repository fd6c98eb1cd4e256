/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who may write to the journal changes it afterwards: every bit, every line, whole blocks and files. Each change is
 * told. A verifier that believes too much is where such schemes break, so this is its test. */
#include "test_admind_seal_parts.h"

static void untouched_it_is_whole(void **state)
{
    checked_t checked = check_image(&whole, &origin, 1, &newest);

    (void)state;
    assert_int_equal(checked.faults, 0);
    assert_true(checked.sealed.seals == 5 && checked.sealed.proven == 5 && checked.sealed.behind == 0 &&
                checked.sealed.keys == 1);
    assert_int_equal(check_image(&whole, NULL, 0, NULL).faults, 0);
}

static void every_flipped_bit_is_told(void **state)
{
    (void)state;
    for (size_t f = 0; f < whole.n_files; f++) {
        for (size_t i = 0; i < whole.files[f].len; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                char *byte = &whole.files[f].bytes[i];

                *byte = (char)((unsigned char)*byte ^ 1U << bit);
                if (check_image(&whole, &origin, 1, &newest).faults == 0) {
                    fail_msg("bit %u of byte %zu of %s is not missed", bit, i, whole.files[f].name);
                }
                *byte = (char)((unsigned char)*byte ^ 1U << bit);
            }
        }
    }
}

static void every_line_gone_twice_or_moved_is_told(void **state)
{
    parts_t parts;

    (void)state;
    take_apart(&parts);
    assert_int_equal(parts.count, 15);
    for (size_t i = 0; i < 15; i++) {
        for (size_t to = 0; to < 15; to++) { /* i itself: only taken away */
            take_apart(&parts);
            remove_line(&parts, i);
            if (to != i) {
                parts_t copy;

                take_apart(&copy);
                insert_line(&parts, to, copy.lines[to].file, copy.lines[i].text);
            }
            assert_true(check_parts(&parts, &origin, &newest).faults > 0);
        }
        take_apart(&parts);
        insert_line(&parts, i, parts.lines[i].file, parts.lines[i].text);
        assert_true(check_parts(&parts, &origin, &newest).faults > 0);
    }
}

/* Back to the exported seal it is told; behind it nobody can know. */
static void an_end_cut_off_is_told_back_to_the_exported_seal(void **state)
{
    parts_t parts;

    (void)state;
    for (size_t exported = 0; exported < 15; exported++) {
        admind_seal_t anchor;

        take_apart(&parts);
        if (!parts.lines[exported].seal) {
            continue;
        }
        assert_int_equal(admind_seal_parse(&anchor, parts.lines[exported].text), MCPA_OK);
        for (size_t keep = 0; keep <= 15; keep++) {
            checked_t checked;

            parts.count = keep;
            checked = check_parts(&parts, &origin, &anchor);
            assert_int_equal(checked.kinds[ADMIND_FAULT_SEAL_MISSING], keep <= exported ? 1 : 0);
            assert_true(keep > exported || checked.faults > 0);
        }
    }
}

static void whole_blocks_and_files_taken_away_or_moved_are_told(void **state)
{
    parts_t parts;
    image_t image;

    (void)state;
    for (size_t block = 0; block < 5; block++) { /* three lines each */
        take_apart(&parts);
        for (int i = 0; i < 3; i++) {
            remove_line(&parts, 3 * block);
        }
        assert_true(check_parts(&parts, &origin, &newest).faults > 0);
        take_apart(&parts);
        for (size_t i = 0; i < 3; i++) { /* and once more at the end */
            insert_line(&parts, parts.count, 2, parts.lines[3 * block + i].text);
        }
        assert_true(check_parts(&parts, &origin, &newest).faults > 0);
    }
    for (size_t f = 1; f < 3; f++) {
        image = whole;
        image.files[f] = image.files[2];
        image.n_files = 2;
        assert_true(check_image(&image, &origin, 1, &newest).faults > 0);
    }
    image = whole; /* two files under each other's names */
    image.files[0].bytes = whole.files[1].bytes;
    image.files[0].len = whole.files[1].len;
    image.files[1].bytes = whole.files[0].bytes;
    image.files[1].len = whole.files[0].len;
    assert_true(check_image(&image, &origin, 1, &newest).faults > 0);
    image = whole;
    (void)snprintf(image.files[0].name, sizeof(image.files[0].name), "audit-2026-11-20.jsonl");
    assert_int_equal(check_image(&image, &origin, 1, &newest).kinds[ADMIND_FAULT_SEAL_PLACE], 2); /* both its blocks */
}

/* Retention. But no line may be gone from the oldest file that is left, and none be put before it. */
static void the_oldest_files_may_be_gone(void **state)
{
    static char line[] = "{\"ts\":\"2026-11-20T12:00:00.000Z\",\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":1}\n";
    image_t image;
    checked_t checked;
    parts_t parts;

    (void)state;
    for (size_t gone = 1; gone < 3; gone++) {
        image = whole;
        memmove(&image.files[0], &image.files[gone], (3 - gone) * sizeof(image.files[0]));
        image.n_files = 3 - gone;
        checked = check_image(&image, &origin, 1, &newest);
        assert_int_equal(checked.faults, 0);
        assert_int_equal(checked.sealed.first_epoch, 2 * gone);
    }
    take_apart(&parts);
    for (int i = 0; i < 9; i++) { /* the first file, and the first block of the second */
        remove_line(&parts, 0);
    }
    assert_int_equal(check_parts(&parts, &origin, &newest).kinds[ADMIND_FAULT_SEAL_PLACE], 1);
    image.files[1] = image.files[0];
    image.files[0].bytes = line;
    image.files[0].len = strlen(line);
    (void)snprintf(image.files[0].name, sizeof(image.files[0].name), "audit-2026-11-20.jsonl");
    image.n_files = 2;
    assert_int_equal(check_image(&image, &origin, 1, &newest).kinds[ADMIND_FAULT_SEAL_LACKING], 1);
}

/* A file of anybody's lines with the last seal of a file that is gone behind them: that seal's block lies elsewhere, so it covers
 * nothing here. Last of all tests, because the journal grows. */
static void an_old_seal_behind_new_lines_is_told(void **state)
{
    static char forged[4096] =
        "{\"ts\":\"2026-11-21T12:00:00.000Z\",\"instance\":\"00112233445566778899aabbccddeeff\",\"seq\":1}\n";
    size_t len = strlen(forged);
    image_t grown, image;
    mcpa_str_t seal;
    parts_t parts;

    (void)state;
    take_apart(&parts);
    seal = parts.lines[parts.count - 1].text; /* of the first day's last file */
    assert_true(parts.lines[parts.count - 1].seal && len + seal.len + 1 < sizeof(forged));
    memcpy(forged + len, seal.ptr, seal.len);
    forged[len + seal.len] = '\n';
    append_lines(2, NOON_US + 86400 * SECOND_US);
    seal_now(NOON_US + 86400 * SECOND_US);
    read_image(&grown);
    assert_int_equal(grown.n_files, 4);
    image = grown;
    image.files[1] = grown.files[3];
    image.files[0].bytes = forged;
    image.files[0].len = len + seal.len + 1;
    (void)snprintf(image.files[0].name, sizeof(image.files[0].name), "audit-2026-11-21.7.jsonl");
    image.n_files = 2;
    assert_int_equal(check_image(&image, &origin, 1, &newest).kinds[ADMIND_FAULT_SEAL_LACKING], 1);
    assert_int_equal(check_image(&image, &origin, 1, &newest).faults, 1);
    free_image(&grown);
}

static void seals_that_were_stripped_are_missed(void **state)
{
    parts_t parts;

    (void)state;
    for (size_t from = 0; from < 15; from++) {
        checked_t checked;

        take_apart(&parts);
        for (size_t i = 15; i-- > from;) {
            if (parts.lines[i].seal) {
                remove_line(&parts, i);
            }
        }
        checked = check_parts(&parts, &origin, NULL);
        /* In the newest file it looks like lines that wait for their seal: that is what anchors are for. */
        assert_true(checked.faults > 0 || from >= 12);
        assert_true(checked.faults > 0 || checked.sealed.behind > 0 || from > 14);
        assert_true(check_parts(&parts, &origin, &newest).faults > 0 || from > 14);
    }
}

/* Without a key: what is left to see of a seal that was touched. */
static void a_touched_seal_is_told_without_a_key(void **state)
{
    static const struct {
        const char *from, *to;
        admind_fault_kind_t kind;
    } touches[] = {
        { "\"mac\":\"", "\"mac\":\"", ADMIND_FAULT_SEAL_PREVIOUS }, /* its first digit, see below */
        { "\"lines\":2", "\"lines\":1", ADMIND_FAULT_SEAL_BLOCK },
        { "\"epoch\":1", "\"epoch\":2", ADMIND_FAULT_SEAL_EPOCH },
        { "\"offset\":", "\"offset\":1", ADMIND_FAULT_SEAL_PLACE },
        { ",\"event\":\"seal\"", ", \"event\":\"seal\"", ADMIND_FAULT_SEAL_FORM },
    };
    char text[ADMIND_SEAL_LINE_BYTES + 8];

    (void)state;
    for (size_t i = 0; i < sizeof(touches) / sizeof(touches[0]); i++) {
        size_t from_len = strlen(touches[i].from);
        mcpa_str_t seal;
        const char *at;
        parts_t parts;

        take_apart(&parts);
        seal = parts.lines[5].text; /* the second seal */
        at = memmem(seal.ptr, seal.len, touches[i].from, from_len);
        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%.*s", (int)(at - seal.ptr), seal.ptr, touches[i].to,
                       (int)(seal.len - from_len - (size_t)(at - seal.ptr)), at + from_len);
        if (i == 0) {
            char *digit = strstr(text, touches[0].from) + from_len;

            *digit = *digit == 'a' ? 'b' : 'a';
        }
        parts.lines[5].text = mcpa_str(text);
        assert_true(check_parts(&parts, NULL, NULL).kinds[touches[i].kind] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(untouched_it_is_whole),
        cmocka_unit_test(every_flipped_bit_is_told),
        cmocka_unit_test(every_line_gone_twice_or_moved_is_told),
        cmocka_unit_test(an_end_cut_off_is_told_back_to_the_exported_seal),
        cmocka_unit_test(whole_blocks_and_files_taken_away_or_moved_are_told),
        cmocka_unit_test(the_oldest_files_may_be_gone),
        cmocka_unit_test(seals_that_were_stripped_are_missed),
        cmocka_unit_test(a_touched_seal_is_told_without_a_key),
        cmocka_unit_test(an_old_seal_behind_new_lines_is_told),
    };

    return cmocka_run_group_tests(tests, make_whole, drop_whole);
}
