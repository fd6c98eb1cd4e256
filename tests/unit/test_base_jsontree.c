/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that is read from a text is the one that another parser (jansson) reads, and what it refuses is refused: attacks 10 to 14 of the
 * reference, where two readers of one token must never see two tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "test_json_peer.h"
#include "test_state.h"

#define TEXT_BYTES 4096

static void must_agree(mcpa_str_t text, unsigned *taken)
{
    bool is_taken = false;

    if (!peer_agrees(text, &is_taken)) {
        fail_msg("another parser reads this in another way: %.*s", MCPA_STR_ARG(text));
    }
    *taken += is_taken;
}

/* Every byte replaced by every value, and the text cut at every place. */
static void every_mutation_is_read_alike(void **state)
{
    static const char *const texts[] = {
        "{\"iss\":\"https://as.example/\",\"aud\":[\"a\",\"\\u00e9\\ud83d\\ude00\"],\"exp\":1763782474,\"e\\n\":-10.25e+3,\"n\":{\"n\":null}}",
        " [ 0 , -0 , 1.0 , true , false , null , { } , [ ] , \"\xc3\xb6\\\"\\\\\" , {\"a\":{\"b\":[1]},\"A\":2} ] ",
        "{\"\xe2\x82\xac\":\"\xf0\x9f\x98\x80\",\"\xef\xbf\xbf\":[\"\xe0\xa0\x80\",\"\xf0\x90\x80\x80\",\"\xf4\x8f\xbf\xbf\"]}",
        "[\"\xed\x9f\xbf\",\"\xee\x80\x80\",\"\\ud7ff\",\"\\ue000\",\"\\ud800\\udc00\",\"\\udbff\\udfff\"]",
        "[\"\xed\xa0\x80\"]", /* a surrogate in UTF-8, and what comes behind U+10FFFF: no JSON */
        "[\"\xf4\x90\x80\x80\"]",
        "9223372036854775807",
        "-9223372036854775808",
        "1.7976931348623157e308",
        "4.9406564584124654e-324",
    };
    unsigned taken = 0, tried = 0;

    (void)state;
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        size_t len = strlen(texts[t]);

        for (size_t i = 0; i <= len; i++) {
            for (int c = 0; c < 257; c++, tried++) {
                size_t used = c < 256 ? len : i;
                char *text = malloc(used > 0 ? used : 1); /* no byte more, so that a sanitizer sees a read beyond it */

                assert_non_null(text);
                memcpy(text, texts[t], used);
                if (i < used) {
                    text[i] = (char)c;
                }
                must_agree((mcpa_str_t){ text, used }, &taken);
                free(text);
            }
        }
    }
    assert_true(taken > 1000 && tried - taken > 1000); /* both sides of the border were walked */
}

static unsigned pick(uint64_t *random, unsigned n)
{
    return (unsigned)(next_random(random) >> 33) % n;
}

/* One of many, so that now and then one stands twice. */
static void put_name(mcpa_out_t *out, uint64_t *random, unsigned members)
{
    /* The last two are others, spelled in another way. */
    static const char *const spelled[] = { "\"a\"", "\"aud\"", "\"\"", "\"\xc3\xa9\"", "\"a\\/\"", "\"\\u0061\"", "\"\\u00e9\"" };

    if (pick(random, 8 * members) == 0) {
        mcpa_out_z(out, spelled[pick(random, sizeof(spelled) / sizeof(spelled[0]))]);
    } else {
        mcpa_out_printf(out, "\"m%u\"", pick(random, 20 * members * members));
    }
}

static void put_value(mcpa_out_t *out, uint64_t *random, unsigned depth)
{
    static const char *const scalars[] = { "null", "true", "false", "0",   "-0",      "-1",       "1763782474", "9223372036854775808",
                                           "1.5",  "1e3",  "-0.0",  "1e-400", "1E400", "\"x\"", "\"\\ud800\"", "\"\\ud83d\\ude00 \\b\"" };
    unsigned kind = pick(random, 10), n = pick(random, 12) == 0 ? 60 : pick(random, 6);

    if (kind < 5 || depth == 0) {
        mcpa_out_z(out, scalars[pick(random, pick(random, 8) == 0 ? 16 : 7)]);
        return;
    }
    mcpa_out_char(out, kind < 8 ? '{' : '[');
    for (unsigned i = 0; i < n; i++) {
        mcpa_out_z(out, i > 0 ? ", " : "");
        if (kind < 8) {
            put_name(out, random, n);
            mcpa_out_char(out, ':');
        }
        put_value(out, random, depth - 1);
    }
    mcpa_out_char(out, kind < 8 ? '}' : ']');
}

static void random_documents_are_read_alike(void **state)
{
    static char memory[1024 * 1024];
    uint64_t random = 20261122;
    unsigned taken = 0, tried = 0;

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        mcpa_out_t out;

        mcpa_out_init(&out, memory, sizeof(memory));
        put_value(&out, &random, 1 + pick(&random, 4));
        assert_int_equal(mcpa_out_status(&out), MCPA_OK);
        must_agree(mcpa_out_get(&out), &taken);
        for (unsigned k = 0; k < 4; k++, tried++) {
            memory[pick(&random, (unsigned)out.len)] = "{}[],:\"\\ 0e.-au"[pick(&random, 15)];
            must_agree(mcpa_out_get(&out), &taken);
        }
    }
    assert_true(taken > 1000 && tried > taken);
}

/* Around the size from which names are sorted, wherever the two stand. */
static void one_name_twice_is_found_among_many(void **state)
{
    static const unsigned sizes[] = { 2, 16, 31, 32, 33, 34, 64, 300 };
    static char memory[TEXT_BYTES * 4];
    mcpa_json_t *json;

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        unsigned n = sizes[s];

        for (unsigned at = 0; at < n; at++) {
            /* The name at 'at' is that of 'of' again; of == at: all differ. */
            unsigned of = (at * 7 + 3) % n;
            mcpa_out_t out;

            mcpa_out_init(&out, memory, sizeof(memory));
            for (unsigned i = 0; i < n; i++) {
                mcpa_out_printf(&out, "%s\"%s%u\":[%u]", i == 0 ? "{" : ",", i % 3 == 0 ? "\\u006e" : "n", i == at ? of : i, i);
            }
            mcpa_out_z(&out, "}");
            assert_int_equal(mcpa_out_status(&out), MCPA_OK);
            json = NULL;
            assert_int_equal(mcpa_json_parse(&json, mcpa_out_get(&out), 2, 1000), of == at ? MCPA_OK : MCPA_EDUPLICATE);
            mcpa_json_free(&json);
        }
    }
}

/* What lies side by side must be found from both ends, whatever lies in between. */
static void elements_keep_their_order(void **state)
{
    mcpa_json_t *json = NULL;
    int64_t value = -1;

    (void)state;
    assert_int_equal(mcpa_json_parse(&json, MCPA_STR("[[0],[[1]],2,{\"a\":[3]},{\"b\":{\"c\":4}},5,[],{}]"), 4, 100), MCPA_OK);
    assert_int_equal(mcpa_json_size(json), 8);
    for (unsigned i = 0; i < 6; i++) {
        static const char *const where[] = { "/0/0", "/1/0/0", "/2", "/3/a/0", "/4/b/c", "/5" };

        assert_true(mcpa_json_integer(mcpa_json_pointer(json, mcpa_str(where[i])), &value));
        assert_int_equal(value, i);
    }
    assert_int_equal(mcpa_json_size(mcpa_json_at(json, 6)), 0);
    assert_true(mcpa_json_is(mcpa_json_at(json, 7), MCPA_JSON_OBJECT));
    mcpa_json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mutation_is_read_alike),
        cmocka_unit_test(random_documents_are_read_alike),
        cmocka_unit_test(one_name_twice_is_found_among_many),
        cmocka_unit_test(elements_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
