/* SPDX-License-Identifier: Apache-2.0 */
/* One value, one spelling: attacks 8 and 9 of the reference (foreign characters, padding, free trailing bits). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/b64url.h"

static mcpa_status_t decode(const char *text, unsigned char *memory, size_t cap, size_t *len)
{
    return mcpa_b64url_decode(memory, cap, len, mcpa_str(text));
}

static void b64url_knows_the_vectors_of_rfc4648(void **state)
{
    static const char *const pairs[][2] = {
        { "", "" },           { "f", "Zg" },          { "fo", "Zm8" },         { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        unsigned char bytes[16];
        char memory[16];
        size_t len = 99;
        mcpa_out_t out;

        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_b64url_encode(&out, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(memory, pairs[i][1]);
        assert_int_equal(decode(pairs[i][1], bytes, sizeof(bytes), &len), MCPA_OK);
        assert_int_equal(len, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], len);
    }
}

static void b64url_uses_the_url_alphabet(void **state)
{
    unsigned char bytes[4];
    size_t len;

    (void)state;
    assert_int_equal(decode("-_-_", bytes, sizeof(bytes), &len), MCPA_OK);
    assert_memory_equal(bytes, "\xfb\xff\xbf", 3);
    assert_int_equal(decode("+/+/", bytes, sizeof(bytes), &len), MCPA_EMALFORMED);
}

static void b64url_rejects_every_byte_outside_the_alphabet_at_every_place(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    (void)state;
    for (int c = 0; c < 256; c++) {
        bool inside = c != 0 && strchr(alphabet, c) != NULL;

        /* Longer than twice what is looked at in one step. */
        for (size_t at = 0; at < 40; at++) {
            char text[40];
            unsigned char bytes[30];
            size_t len;

            memset(text, 'A', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(mcpa_b64url_decode(bytes, sizeof(bytes), &len, (mcpa_str_t){ text, sizeof(text) }),
                             inside ? MCPA_OK : MCPA_EMALFORMED);
            assert_int_equal(mcpa_b64url_is_canonical((mcpa_str_t){ text, sizeof(text) }), inside);
        }
    }
}

static void b64url_rejects_padding_and_impossible_lengths(void **state)
{
    static const char *const texts[] = { "Zg==", "Zg=", "Zm8=", "=", "A", "AAAAA", "Zm9v=", "Zg\n", " Zg", "Zg " };
    unsigned char bytes[16];
    size_t len = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(decode(texts[i], bytes, sizeof(bytes), &len), MCPA_EMALFORMED);
        assert_false(mcpa_b64url_is_canonical(mcpa_str(texts[i])));
        assert_int_equal(len, 7);
    }
}

/* Of all texts of two and three characters, exactly one decodes to each value. */
static void b64url_gives_every_short_value_one_spelling(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static unsigned char seen[65536];
    size_t accepted = 0, len;
    unsigned char bytes[4];

    (void)state;
    for (size_t i = 0; i < 64 * 64 * 64; i++) {
        char text[3] = { alphabet[i >> 12], alphabet[i >> 6 & 63], alphabet[i & 63] };
        bool good = mcpa_b64url_decode(bytes, sizeof(bytes), &len, (mcpa_str_t){ text, 3 }) == MCPA_OK;

        assert_int_equal(mcpa_b64url_is_canonical((mcpa_str_t){ text, 3 }), good);
        if (good) {
            accepted++;
            assert_int_equal(seen[bytes[0] << 8 | bytes[1]]++, 0);
        }
    }
    assert_int_equal(accepted, 65536);
    accepted = 0;
    for (size_t i = 0; i < 64 * 64; i++) {
        char text[2] = { alphabet[i >> 6], alphabet[i & 63] };
        bool good = mcpa_b64url_decode(bytes, sizeof(bytes), &len, (mcpa_str_t){ text, 2 }) == MCPA_OK;

        assert_int_equal(mcpa_b64url_is_canonical((mcpa_str_t){ text, 2 }), good);
        accepted += good ? 1 : 0;
    }
    assert_int_equal(accepted, 256);
}

/* Every character at every place, and the one way to write each value back. */
static void b64url_reads_every_character_at_every_place(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    (void)state;
    for (size_t turn = 0; turn < 64; turn++) {
        for (size_t chars = 4; chars <= 64; chars += 4) {
            unsigned char bytes[48], expected[48];
            char text[64], again[65];
            size_t len;
            mcpa_out_t out;

            for (size_t i = 0; i < chars; i += 4) {
                size_t v[4];

                for (size_t k = 0; k < 4; k++) {
                    v[k] = (turn + 7 * (i + k)) % 64; /* 7 and 64 have no common divisor */
                    text[i + k] = alphabet[v[k]];
                }
                expected[i / 4 * 3] = (unsigned char)(v[0] << 2 | v[1] >> 4);
                expected[i / 4 * 3 + 1] = (unsigned char)(v[1] << 4 | v[2] >> 2);
                expected[i / 4 * 3 + 2] = (unsigned char)(v[2] << 6 | v[3]);
            }
            assert_int_equal(mcpa_b64url_decode(bytes, sizeof(bytes), &len, (mcpa_str_t){ text, chars }), MCPA_OK);
            assert_int_equal(len, chars / 4 * 3);
            assert_memory_equal(bytes, expected, len);
            mcpa_out_init(&out, again, sizeof(again));
            mcpa_b64url_encode(&out, bytes, len);
            assert_memory_equal(again, text, chars);
        }
    }
}

#define ROOM_CHARS 70 /* more than four times what is read in one step */
#define ROOM_BYTES 54

static void b64url_never_writes_over_the_given_room(void **state)
{
    (void)state;
    for (size_t chars = 0; chars <= ROOM_CHARS; chars++) {
        char text[ROOM_CHARS];
        size_t need = chars / 4 * 3 + (chars % 4 == 0 ? 0 : chars % 4 - 1);

        memset(text, 'A', sizeof(text));
        if (chars % 4 == 1) {
            continue;
        }
        for (size_t cap = 0; cap <= ROOM_BYTES; cap++) {
            unsigned char *memory = malloc(cap + 1);
            size_t len = 99;

            assert_non_null(memory);
            memory[cap] = 0x5a;
            assert_int_equal(mcpa_b64url_decode(memory, cap, &len, (mcpa_str_t){ text, chars }),
                             cap >= need ? MCPA_OK : MCPA_ETOOBIG);
            assert_int_equal(len, cap >= need ? need : 99);
            assert_int_equal(memory[cap], 0x5a);
            assert_true(need <= mcpa_b64url_decoded_max(chars));
            free(memory);
        }
    }
}

/* Whoever calls it with a text that nobody has looked at gets bytes that mean nothing, but no more of them. */
static void b64url_decodes_what_is_not_canonical_into_as_many_bytes(void **state)
{
    static const char fillings[] = { '\0', '=', '.', 'B', '\x7f', '\xff' };

    (void)state;
    for (size_t chars = 0; chars <= ROOM_CHARS; chars++) {
        size_t need = chars / 4 * 3 + (chars % 4 == 0 ? 0 : chars % 4 - 1);

        for (size_t i = 0; i < sizeof(fillings); i++) {
            char *text = malloc(chars > 0 ? chars : 1); /* of just that size: the sanitizers see who reads behind it */
            unsigned char *memory = malloc(need + 1);
            size_t len = 99;

            assert_true(text != NULL && memory != NULL);
            memset(text, fillings[i], chars);
            memory[need] = 0x5a;
            assert_int_equal(mcpa_b64url_decode_canonical(memory, need, &len, (mcpa_str_t){ text, chars }), MCPA_OK);
            assert_int_equal(len, need);
            assert_int_equal(memory[need], 0x5a);
            assert_true(need == 0 ||
                        mcpa_b64url_decode_canonical(memory, need - 1, &len, (mcpa_str_t){ text, chars }) == MCPA_ETOOBIG);
            free(memory);
            free(text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b64url_knows_the_vectors_of_rfc4648),
        cmocka_unit_test(b64url_uses_the_url_alphabet),
        cmocka_unit_test(b64url_rejects_every_byte_outside_the_alphabet_at_every_place),
        cmocka_unit_test(b64url_rejects_padding_and_impossible_lengths),
        cmocka_unit_test(b64url_gives_every_short_value_one_spelling),
        cmocka_unit_test(b64url_reads_every_character_at_every_place),
        cmocka_unit_test(b64url_never_writes_over_the_given_room),
        cmocka_unit_test(b64url_decodes_what_is_not_canonical_into_as_many_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
