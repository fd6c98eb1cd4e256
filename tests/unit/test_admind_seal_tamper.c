/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who may write to the journal changes it afterwards: every bit, every line, whole blocks and files, with forged seals
 * of every key he may have. Each change is told. A verifier that believes too much is where such schemes break, so this is its
 * test. */
#include "test_admind_seal.h"

#define MAX_LINES 64

/* The journal taken apart. */
typedef struct parts {
    size_t count;
    struct {
        size_t file;
        mcpa_str_t text;
        bool seal;
    } lines[MAX_LINES];
} parts_t;

static image_t whole;
static admind_seal_key_t origin;
static admind_seal_t newest;

/* Three files; blocks of two lines, five in all: two, two, one. */
static int make_whole(void **state)
{
    if (set_up_sealed(state) != 0) {
        return -1;
    }
    open_sealed(1100);
    origin = read_key("seal-origin.key");
    for (int i = 0; i < 5; i++) {
        append_lines(2, NOON_US + i * SECOND_US);
        seal_now(NOON_US + i * SECOND_US);
    }
    newest = state_now().last;
    read_image(&whole);
    return whole.n_files == 3 ? 0 : -1;
}

static int drop_whole(void **state)
{
    free_image(&whole);
    return tear_down_sealed(state);
}

static void take_apart(parts_t *parts)
{
    parts->count = 0;
    for (size_t f = 0; f < whole.n_files; f++) {
        const char *at = whole.files[f].bytes, *end;

        while ((end = strchr(at, '\n')) != NULL) {
            mcpa_str_t text = { at, (size_t)(end - at) };

            assert_true(parts->count < MAX_LINES);
            parts->lines[parts->count].file = f;
            parts->lines[parts->count].seal = memmem(at, text.len, "\"event\":\"seal\"", 14) != NULL;
            parts->lines[parts->count++].text = text;
            at = end + 1;
        }
    }
}

/* As it would stand in the files, and checked: with the key and the newest seal, unless said otherwise. */
static checked_t check_parts(const parts_t *parts, const admind_seal_key_t *key, const admind_seal_t *anchor)
{
    static char memory[MAX_FILES][16384];
    image_t image = { .n_files = 0 };
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < parts->count; i++) {
        mcpa_str_t text = parts->lines[i].text;
        size_t at;

        if (parts->lines[i].file != last) {
            last = parts->lines[i].file;
            (void)snprintf(image.files[image.n_files].name, ADMIND_JOURNAL_NAME_BYTES, "%s", whole.files[last].name);
            image.files[image.n_files].bytes = memory[image.n_files];
            image.n_files++;
        }
        at = image.files[image.n_files - 1].len;
        assert_true(at + text.len + 1 < sizeof(memory[0]));
        memcpy(image.files[image.n_files - 1].bytes + at, text.ptr, text.len);
        image.files[image.n_files - 1].bytes[at + text.len] = '\n';
        image.files[image.n_files - 1].len = at + text.len + 1;
    }
    return check_image(&image, key, key != NULL ? 1 : 0, anchor);
}

static void remove_line(parts_t *parts, size_t at)
{
    memmove(&parts->lines[at], &parts->lines[at + 1], (parts->count - at - 1) * sizeof(parts->lines[0]));
    parts->count--;
}

static void insert_line(parts_t *parts, size_t at, size_t file, mcpa_str_t text)
{
    assert_true(parts->count < MAX_LINES);
    memmove(&parts->lines[at + 1], &parts->lines[at], (parts->count - at) * sizeof(parts->lines[0]));
    parts->count++;
    parts->lines[at].file = file;
    parts->lines[at].text = text;
    parts->lines[at].seal = false;
}

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

/* ---- forged seals */

/* All seals from 'first' on made anew over what stands there now, seal i with keys[i]; the seals before are left. keep_epochs:
 * they say the epoch that belongs there, whatever key made them. */
static void forge(parts_t *parts, size_t first, const admind_seal_key_t *keys, bool keep_epochs)
{
    static char texts[MAX_LINES][ADMIND_SEAL_LINE_BYTES];
    admind_chain_t chain = { .lines = 0 };
    unsigned char previous[ADMIND_SEAL_BYTES] = { 0 };
    uint64_t offset = 0;
    size_t n = 0;

    for (size_t i = 0; i < parts->count; i++) {
        mcpa_str_t *text = &parts->lines[i].text;
        const char *file = whole.files[parts->lines[i].file].name;
        admind_seal_t seal;
        mcpa_out_t out;

        offset = i > 0 && parts->lines[i].file != parts->lines[i - 1].file ? 0 : offset;
        if (!parts->lines[i].seal) {
            assert_true(admind_chain_add(&chain, file, offset, *text));
            offset += text->len + 1;
            continue;
        }
        assert_int_equal(admind_seal_parse(&seal, *text), MCPA_OK);
        if (n >= first) {
            admind_seal_key_t key = keys[n];

            key.epoch = keep_epochs ? n : key.epoch;
            seal.block = chain;
            memcpy(seal.previous, previous, sizeof(previous));
            admind_seal_make(&seal, &key);
            mcpa_out_init(&out, texts[i], sizeof(texts[i]));
            admind_seal_print(&out, &seal);
            *text = mcpa_out_get(&out);
        }
        memcpy(previous, seal.mac, sizeof(previous));
        offset += text->len + 1;
        chain.lines = 0;
        n++;
    }
}

/* What a thief of the key of epoch 'held' can do to a line of block 'block': make all seals from there on anew, with the keys he
 * has. */
static checked_t steal(size_t block, size_t held, bool keep_epochs, const admind_seal_key_t *check_key,
                       const admind_seal_t *anchor)
{
    static char edited[2048];
    admind_seal_key_t key = origin, keys[5];
    parts_t parts;

    for (size_t n = 0; n < 5; n++) {
        size_t epoch = held <= block ? n : keep_epochs ? (n > held ? n : held) : n < block ? n : held + n - block;

        while (key.epoch < epoch) {
            admind_seal_key_evolve(&key);
        }
        keys[n] = key;
    }
    take_apart(&parts);
    (void)snprintf(edited, sizeof(edited), "%.*s", MCPA_STR_ARG(parts.lines[3 * block].text));
    memcpy(strstr(edited, "alice"), "mally", 5);
    parts.lines[3 * block].text = mcpa_str(edited);
    forge(&parts, block, keys, keep_epochs);
    return check_parts(&parts, check_key, anchor);
}

static void a_key_of_a_later_epoch_forges_nothing_earlier(void **state)
{
    (void)state;
    for (size_t block = 0; block < 5; block++) {
        for (size_t held = 0; held < 10; held++) {
            for (int keep = 0; keep < 2; keep++) {
                checked_t checked = steal(block, held, keep != 0, &origin, NULL);

                if (held <= block) {
                    /* With the key of that very time he makes the seals that belong there; an exported one gives him away. */
                    assert_int_equal(checked.faults, 0);
                } else if (keep != 0) {
                    assert_true(checked.kinds[ADMIND_FAULT_SEAL_MAC] > 0);
                } else if (block > 0) {
                    assert_true(checked.kinds[ADMIND_FAULT_SEAL_EPOCH] > 0);
                } else {
                    assert_int_equal(checked.sealed.first_epoch, held); /* as if retention had taken all that was before */
                }
                assert_true(steal(block, held, keep != 0, &origin, &newest).kinds[ADMIND_FAULT_SEAL_MISSING] == 1);
                /* In form all is well where he counts the epochs as they were: without the origin key nobody can know. */
                assert_int_equal(steal(block, held, keep != 0, NULL, NULL).faults > 0, keep == 0 && held > block && block > 0);
            }
        }
    }
}

static void a_key_of_ones_own_is_no_key(void **state)
{
    admind_seal_key_t keys[5];
    checked_t checked;
    parts_t parts;

    (void)state;
    admind_seal_key_begin(&keys[0], (const unsigned char *)"another secret of the same size!");
    for (size_t i = 1; i < 5; i++) {
        keys[i] = keys[i - 1];
        admind_seal_key_evolve(&keys[i]);
    }
    take_apart(&parts);
    forge(&parts, 0, keys, false);
    assert_int_equal(check_parts(&parts, NULL, NULL).faults, 0); /* without the origin key nobody can know */
    checked = check_parts(&parts, &origin, NULL);
    assert_true(checked.kinds[ADMIND_FAULT_SEAL_KEY] == 1 && checked.sealed.proven == 0);
    for (size_t i = 0; i < 5; i++) { /* with the right key's name on it */
        memcpy(keys[i].id, origin.id, sizeof(origin.id));
    }
    take_apart(&parts);
    forge(&parts, 0, keys, false);
    assert_int_equal(check_parts(&parts, &origin, NULL).kinds[ADMIND_FAULT_SEAL_MAC], 5);
}

static void a_found_anchor_must_be_a_proven_seal(void **state)
{
    char text[ADMIND_SEAL_LINE_BYTES];
    admind_seal_t fake = newest;
    mcpa_out_t out;
    parts_t parts;

    (void)state;
    take_apart(&parts);
    parts.count = 12;
    fake.block.lines = 7;
    fake.block.offset = 1; /* the mac is that of the real one, which was cut off */
    mcpa_out_init(&out, text, sizeof(text));
    admind_seal_print(&out, &fake);
    insert_line(&parts, 12, 2, mcpa_out_get(&out));
    assert_int_equal(check_parts(&parts, &origin, &newest).kinds[ADMIND_FAULT_SEAL_MISSING], 1);
}

static void keys_and_anchors_are_bounded(void **state)
{
    admind_verify_t *verify = admind_verify_new(1, count_fault, NULL);
    admind_seal_key_t later = origin;
    size_t n;

    (void)state;
    assert_non_null(verify);
    admind_seal_key_evolve(&later);
    assert_false(admind_verify_key(verify, &later)); /* a key of a later epoch proves nothing of the first ones */
    for (n = 0; n < 1000 && admind_verify_key(verify, &origin); n++) {
    }
    assert_int_equal(n, ADMIND_VERIFY_KEYS_MAX);
    for (n = 0; n < 1000 && admind_verify_anchor(verify, n, newest.mac); n++) {
    }
    assert_int_equal(n, ADMIND_VERIFY_ANCHORS_MAX);
    admind_verify_free(&verify);
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
        cmocka_unit_test(a_key_of_a_later_epoch_forges_nothing_earlier),
        cmocka_unit_test(a_key_of_ones_own_is_no_key),
        cmocka_unit_test(a_found_anchor_must_be_a_proven_seal),
        cmocka_unit_test(keys_and_anchors_are_bounded),
        cmocka_unit_test(an_old_seal_behind_new_lines_is_told),
    };

    return cmocka_run_group_tests(tests, make_whole, drop_whole);
}
