/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who may write to the journal changes it afterwards, and makes its seals anew with every key he may have. Each change
 * is told. */
#include "test_admind_seal_parts.h"

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
        cmocka_unit_test(a_key_of_a_later_epoch_forges_nothing_earlier),
        cmocka_unit_test(a_key_of_ones_own_is_no_key),
        cmocka_unit_test(a_found_anchor_must_be_a_proven_seal),
        cmocka_unit_test(keys_and_anchors_are_bounded),
    };

    return cmocka_run_group_tests(tests, make_whole, drop_whole);
}
