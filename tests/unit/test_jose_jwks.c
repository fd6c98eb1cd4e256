/* SPDX-License-Identifier: Apache-2.0 */
/* Which key sets we take, and which key of a set a token gets: attacks 31 and 37 to 41 of the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "jose/jwks.h"
#include "test_jose_keys.h"

static mcpa_jwks_t *parse(const char *text)
{
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;

    assert_int_equal(mcpa_jwks_parse(&set, mcpa_str(text), &report), MCPA_OK);
    return set;
}

static void jwks_takes_every_kind_we_verify(void **state)
{
    static const struct {
        const char *kid;
        mcpa_kty_t kty;
        size_t bits;
        mcpa_alg_t fits;
    } rows[] = { { "r", MCPA_KTY_RSA, 2048, MCPA_ALG_PS512 },
                 { "a", MCPA_KTY_EC, 256, MCPA_ALG_ES256 },
                 { "b", MCPA_KTY_EC, 384, MCPA_ALG_ES384 },
                 { "c", MCPA_KTY_EC, 521, MCPA_ALG_ES512 },
                 { "d", MCPA_KTY_OKP, 256, MCPA_ALG_EDDSA } };
    mcpa_jwks_t *set = parse("{\"keys\":[{\"kid\":\"r\"," RSA "},{\"kid\":\"a\"," EC256 "},{\"kid\":\"b\"," EC384
                             "},{\"kid\":\"c\"," EC521 "},{\"kid\":\"d\"," ED "}]}");

    (void)state;
    assert_int_equal(mcpa_jwks_count(set), 5);
    assert_null(mcpa_jwks_at(set, 5));
    for (size_t i = 0; i < 5; i++) {
        const mcpa_key_t *key = mcpa_jwks_at(set, i);

        assert_true(mcpa_str_eqz(mcpa_key_kid(key), rows[i].kid));
        assert_int_equal(mcpa_key_kty(key), rows[i].kty);
        assert_int_equal(mcpa_key_bits(key), rows[i].bits);
        assert_int_equal(mcpa_key_alg(key), MCPA_ALG_NONE);
        for (unsigned alg = 0; alg <= MCPA_ALG_COUNT; alg++) {
            bool expected = rows[i].kty == MCPA_KTY_RSA ? alg >= MCPA_ALG_RS256 && alg <= MCPA_ALG_PS512 : alg == rows[i].fits;

            assert_int_equal(mcpa_key_fits(key, (mcpa_alg_t)alg), expected);
        }
    }
    mcpa_jwks_release(&set);
}

static mcpa_status_t status_of(const char *text)
{
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    mcpa_status_t status = mcpa_jwks_parse(&set, mcpa_str(text), &report);

    assert_int_equal(set != NULL, status == MCPA_OK);
    mcpa_jwks_release(&set);
    return status;
}

static void jwks_refuses_what_is_no_key_set(void **state)
{
    (void)state;
    assert_int_equal(status_of(""), MCPA_EMALFORMED);
    assert_int_equal(status_of("<html>"), MCPA_EMALFORMED);
    assert_int_equal(status_of("[]"), MCPA_EMALFORMED);
    assert_int_equal(status_of("{}"), MCPA_EMALFORMED);
    assert_int_equal(status_of("{" RSA "}"), MCPA_EMALFORMED);
    assert_int_equal(status_of("{\"keys\":{" RSA "}}"), MCPA_EMALFORMED);
    assert_int_equal(status_of("{\"keys\":null}"), MCPA_EMALFORMED);
    assert_int_equal(status_of("{\"keys\":[]}"), MCPA_ENOTFOUND);
    assert_int_equal(status_of("{\"keys\":[1,null,[]]}"), MCPA_ENOTFOUND);
    assert_int_equal(status_of("{\"keys\":[{\"use\":\"enc\"," RSA "}]}"), MCPA_ENOTFOUND);
    assert_int_equal(status_of("{\"keys\":[{" RSA "}],\"keys\":[]}"), MCPA_EDUPLICATE);
    assert_int_equal(status_of("{\"keys\":[{\"kid\":\"a\",\"kid\":\"b\"," RSA "}]}"), MCPA_EDUPLICATE);
    assert_int_equal(status_of("{\"keys\":[{\"x5c\":[[[[[[[]]]]]]]," RSA "}]}"), MCPA_ETOOBIG);
    assert_int_equal(status_of("{\"keys\":[1,{" RSA "}]}"), MCPA_OK);
}

static void jwks_takes_64_keys_and_refuses_65(void **state)
{
    const size_t cap = 32768;
    char *text = malloc(cap);
    mcpa_out_t out;

    (void)state;
    assert_non_null(text);
    for (int count = 64; count <= 65; count++) {
        mcpa_out_init(&out, text, cap);
        mcpa_out_z(&out, "{\"keys\":[");
        for (int i = 0; i < count; i++) {
            mcpa_out_printf(&out, "%s{\"kid\":\"k%d\"," ED "}", i > 0 ? "," : "", i);
        }
        mcpa_out_z(&out, "]}");
        assert_int_equal(mcpa_out_status(&out), MCPA_OK);
        assert_int_equal(status_of(text), count == 64 ? MCPA_OK : MCPA_ETOOBIG);
    }
    free(text);
}

static void jwks_refuses_a_text_over_its_limit(void **state)
{
    size_t len = MCPA_JWKS_MAX_BYTES + 1;
    char *text = malloc(len);
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    static const char body[] = "{\"keys\":[{" RSA "}]}";

    (void)state;
    assert_non_null(text);
    memset(text, ' ', len);
    memcpy(text, body, sizeof(body) - 1);
    assert_int_equal(mcpa_jwks_parse(&set, (mcpa_str_t){ text, len }, &report), MCPA_ETOOBIG);
    assert_null(set);
    assert_int_equal(mcpa_jwks_parse(&set, (mcpa_str_t){ text, len - 1 }, &report), MCPA_OK);
    mcpa_jwks_release(&set);
    free(text);
}

static void jwks_leaves_out_keys_that_share_kid_and_kind(void **state)
{
    static const char text[] = "{\"keys\":[{\"kid\":\"a\"," EC256 "},{\"kid\":\"b\"," ED "},{\"kid\":\"a\"," EC384
                               "},{\"kid\":\"a\"," RSA "},{\"kid\":\"a\"," EC256 "}]}";
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    bool known = false;

    (void)state;
    assert_int_equal(mcpa_jwks_parse(&set, mcpa_str(text), &report), MCPA_OK);
    assert_int_equal(report.usable, 2);
    assert_int_equal(report.rejected, 3);
    assert_string_equal(report.why, "two keys have one kid");
    assert_null(mcpa_jwks_find(set, MCPA_ALG_ES256, MCPA_STR("a"), &known));
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_RS256, MCPA_STR("a"), &known));
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_EDDSA, MCPA_STR("b"), &known));
    mcpa_jwks_release(&set);
    /* A key that is not for verifying takes no kid away. */
    assert_int_equal(status_of("{\"keys\":[{\"kid\":\"a\"," RSA "},{\"kid\":\"a\",\"use\":\"enc\"," RSA "}]}"), MCPA_OK);
    assert_int_equal(status_of("{\"keys\":[{\"kid\":\"a\"," RSA "},{\"kid\":\"a\"," RSA "}]}"), MCPA_ENOTFOUND);
}

static void jwks_tells_one_kid_of_two_kinds_apart_by_algorithm(void **state)
{
    mcpa_jwks_t *set = parse("{\"keys\":[{\"kid\":\"a\"," EC256 "},{\"kid\":\"a\"," RSA "}]}");

    (void)state;
    assert_int_equal(mcpa_key_kty(mcpa_jwks_find(set, MCPA_ALG_ES256, MCPA_STR("a"), NULL)), MCPA_KTY_EC);
    assert_int_equal(mcpa_key_kty(mcpa_jwks_find(set, MCPA_ALG_PS384, MCPA_STR("a"), NULL)), MCPA_KTY_RSA);
    assert_null(mcpa_jwks_find(set, MCPA_ALG_ES384, MCPA_STR("a"), NULL));
    mcpa_jwks_release(&set);
}

static void jwks_find_without_kid_needs_exactly_one_fitting_key(void **state)
{
    mcpa_jwks_t *set = parse("{\"keys\":[{" RSA "},{\"kid\":\"a\"," EC256 "},{\"kid\":\"b\",\"alg\":\"RS256\"," RSA "}]}");
    bool known = true;

    (void)state;
    assert_null(mcpa_jwks_find(set, MCPA_ALG_RS256, MCPA_STR_NONE, &known));
    assert_false(known);
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_PS256, MCPA_STR_NONE, NULL));
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_ES256, MCPA_STR_NONE, NULL));
    assert_null(mcpa_jwks_find(set, MCPA_ALG_NONE, MCPA_STR_NONE, NULL));
    mcpa_jwks_release(&set);
}

static void jwks_find_tells_unknown_kids_from_known_ones_that_do_not_fit(void **state)
{
    mcpa_jwks_t *set = parse("{\"keys\":[{\"kid\":\"a\"," EC256 "},{\"kid\":\"\"," ED "},{" RSA "}]}");
    bool known = false;

    (void)state;
    assert_null(mcpa_jwks_find(set, MCPA_ALG_RS256, MCPA_STR("a"), &known));
    assert_true(known);
    assert_null(mcpa_jwks_find(set, MCPA_ALG_ES256, MCPA_STR("A"), &known));
    assert_false(known);
    assert_null(mcpa_jwks_find(set, MCPA_ALG_RS256, MCPA_STR("x"), &known)); /* a key without kid does not answer to one */
    assert_false(known);
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_EDDSA, MCPA_STR(""), &known)); /* empty is a kid like any other */
    assert_true(known);
    mcpa_jwks_release(&set);
}

static void jwks_print_is_normalised_and_reads_back_the_same(void **state)
{
    /* Written crookedly: leading zeros in n and e, extra members, escapes in kid. */
    mcpa_jwks_t *first =
        parse("{\"x\":1,\"keys\":[{\"kid\":\"q\\\"\\u00e9\",\"e\":\"AAEAAQ\",\"x5t\":\"zz\",\"kty\":\"RSA\",\"n\":\"" N2048
              "\"},{" EC256 ",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]},{" EC384 "},{" EC521 "},{" ED "}]}");
    static const char expected_start[] =
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"q\\\"\xc3\xa9\",\"use\":\"sig\",\"n\":\"" N2048
        "\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256
        "\"}";
    mcpa_jwks_t *second;
    char one[4096], two[4096];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, one, sizeof(one));
    mcpa_jwks_print(&out, first);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_true(mcpa_str_starts(mcpa_out_get(&out), mcpa_str(expected_start)));
    second = parse(one);
    assert_int_equal(mcpa_jwks_count(second), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(mcpa_key_alg(mcpa_jwks_at(first, i)), mcpa_key_alg(mcpa_jwks_at(second, i)));
        assert_true(mcpa_str_eq(mcpa_key_kid(mcpa_jwks_at(first, i)), mcpa_key_kid(mcpa_jwks_at(second, i))));
    }
    mcpa_out_init(&out, two, sizeof(two));
    mcpa_jwks_print(&out, second);
    assert_string_equal(one, two);
    mcpa_jwks_release(&first);
    mcpa_jwks_release(&second);
}

static void jwks_print_never_shows_a_secret(void **state)
{
    mcpa_jwks_t *set = NULL;
    char text[256];
    mcpa_out_t out;

    (void)state;
    assert_int_equal(mcpa_jwks_from_secret(&set, MCPA_STR("0123456789abcdef0123456789abcdef"), MCPA_ALGS_HMAC), MCPA_OK);
    mcpa_out_init(&out, text, sizeof(text));
    mcpa_jwks_print(&out, set);
    assert_string_equal(text, "{\"keys\":[]}");
    mcpa_jwks_release(&set);
}

static void secret_serves_only_algorithms_whose_hash_it_covers(void **state)
{
    static const size_t lengths[] = { 0, 16, 31, 32, 47, 48, 63, 64, 1024 };
    char secret[1025];
    mcpa_jwks_t *set = NULL;

    (void)state;
    memset(secret, 's', sizeof(secret));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t len = lengths[i];
        mcpa_status_t status = mcpa_jwks_from_secret(&set, (mcpa_str_t){ secret, len }, MCPA_ALGS_HMAC);

        assert_int_equal(status, len < 32 ? MCPA_EMALFORMED : MCPA_OK);
        if (status == MCPA_OK) {
            const mcpa_key_t *key = mcpa_jwks_at(set, 0);

            assert_int_equal(mcpa_key_bits(key), len * 8);
            assert_true(mcpa_key_fits(key, MCPA_ALG_HS256));
            assert_int_equal(mcpa_key_fits(key, MCPA_ALG_HS384), len >= 48);
            assert_int_equal(mcpa_key_fits(key, MCPA_ALG_HS512), len >= 64);
            assert_false(mcpa_key_fits(key, MCPA_ALG_RS256));
            mcpa_jwks_release(&set);
        }
    }
    assert_int_equal(mcpa_jwks_from_secret(&set, (mcpa_str_t){ secret, 1025 }, MCPA_ALGS_HMAC), MCPA_ETOOBIG);
    assert_int_equal(mcpa_jwks_from_secret(&set, (mcpa_str_t){ secret, 64 }, MCPA_ALGS_ASYMMETRIC), MCPA_EMALFORMED);
    assert_null(set);
    assert_int_equal(mcpa_jwks_from_secret(&set, (mcpa_str_t){ secret, 64 }, MCPA_ALG_BIT(MCPA_ALG_HS384)), MCPA_OK);
    assert_false(mcpa_key_fits(mcpa_jwks_at(set, 0), MCPA_ALG_HS256));
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_HS384, MCPA_STR("any kid"), NULL));
    assert_null(mcpa_jwks_find(set, MCPA_ALG_HS256, MCPA_STR_NONE, NULL));
    mcpa_jwks_release(&set);
}

static void alg_names_are_exact(void **state)
{
    static const char *const unknown[] = { "",       "none",  "None",  "NONE",  "rs256", "RS256 ",
                                           "ES256K", "ES521", "Ed448", "eddsa", "HS128" };

    (void)state;
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        assert_int_equal(mcpa_alg_find(mcpa_str(mcpa_alg_name((mcpa_alg_t)alg))), alg);
        assert_int_equal((MCPA_ALGS_ASYMMETRIC >> alg & 1) + (MCPA_ALGS_HMAC >> alg & 1), 1);
        assert_int_equal(MCPA_ALGS_HMAC >> alg & 1, mcpa_alg_kty((mcpa_alg_t)alg) == MCPA_KTY_OCT);
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(mcpa_alg_find(mcpa_str(unknown[i])), MCPA_ALG_NONE);
    }
    assert_int_equal(mcpa_alg_find(MCPA_STR("Ed25519")), MCPA_ALG_EDDSA);
    assert_int_equal(mcpa_alg_find(MCPA_STR_NONE), MCPA_ALG_NONE);
    assert_int_equal(mcpa_alg_find(MCPA_STR("RS256\0")), MCPA_ALG_NONE);
    assert_string_equal(mcpa_alg_name((mcpa_alg_t)99), "");
    assert_string_equal(mcpa_kty_name(MCPA_KTY_OCT), "oct");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jwks_takes_every_kind_we_verify),
        cmocka_unit_test(jwks_refuses_what_is_no_key_set),
        cmocka_unit_test(jwks_takes_64_keys_and_refuses_65),
        cmocka_unit_test(jwks_refuses_a_text_over_its_limit),
        cmocka_unit_test(jwks_leaves_out_keys_that_share_kid_and_kind),
        cmocka_unit_test(jwks_tells_one_kid_of_two_kinds_apart_by_algorithm),
        cmocka_unit_test(jwks_find_without_kid_needs_exactly_one_fitting_key),
        cmocka_unit_test(jwks_find_tells_unknown_kids_from_known_ones_that_do_not_fit),
        cmocka_unit_test(jwks_print_is_normalised_and_reads_back_the_same),
        cmocka_unit_test(jwks_print_never_shows_a_secret),
        cmocka_unit_test(secret_serves_only_algorithms_whose_hash_it_covers),
        cmocka_unit_test(alg_names_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
