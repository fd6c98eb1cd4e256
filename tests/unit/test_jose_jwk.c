/* SPDX-License-Identifier: Apache-2.0 */
/* Which single keys we hold: attacks 25 to 27, 29, 32, 36 and 41 of the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "jose/jwks.h"
#include "test_jose_keys.h"

/* One key beside a good one, which must stay: what is told about the first. */
typedef enum fate { USABLE, IGNORED, REJECTED, REFUSED } fate_t;

static fate_t fate_of(const char *members, char why[160])
{
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    char text[8192];
    int n = snprintf(text, sizeof(text), "{\"keys\":[{%s},{\"kid\":\"good\"," ED "}]}", members);
    mcpa_status_t status;

    assert_true(n > 0 && (size_t)n < sizeof(text));
    status = mcpa_jwks_parse(&set, mcpa_str(text), &report);
    memcpy(why, report.why, sizeof(report.why));
    if (status != MCPA_OK) {
        assert_null(set);
        assert_int_equal(status, MCPA_EMALFORMED);
        return REFUSED;
    }
    assert_int_equal(report.usable + report.ignored + report.rejected, 2);
    assert_int_equal(report.usable, mcpa_jwks_count(set));
    assert_int_equal(report.rejected > 0, report.why[0] != '\0');
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_EDDSA, MCPA_STR("good"), NULL));
    mcpa_jwks_release(&set);
    assert_null(set);
    return report.usable == 2 ? USABLE : report.ignored == 1 ? IGNORED : REJECTED;
}

static void assert_fate(const char *members, fate_t expected)
{
    char why[160];
    fate_t fate = fate_of(members, why);

    if (fate != expected) {
        print_error("fate %d, not %d (%s): %s\n", (int)fate, (int)expected, why, members);
    }
    assert_int_equal(fate, expected);
}

static void assert_rejected_for(const char *members, const char *reason)
{
    char why[160];

    assert_int_equal(fate_of(members, why), REJECTED);
    if (strstr(why, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, reason);
    }
}

static mcpa_jwks_t *parse(const char *text)
{
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;

    assert_int_equal(mcpa_jwks_parse(&set, mcpa_str(text), &report), MCPA_OK);
    return set;
}

static void jwks_rejects_weak_and_broken_rsa_keys(void **state)
{
    char members[4096], n[1400];

    (void)state;
    assert_fate(RSA, USABLE);
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N1024 "\"", "shorter than 2048");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N2047 "\"", "shorter than 2048");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N_ROCA "\"", "ROCA");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"" N2048 "\"", "exponent");                /* 1 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"" N2048 "\"", "exponent");                /* 3 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"__8\",\"n\":\"" N2048 "\"", "exponent");               /* 65535 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAC\",\"n\":\"" N2048 "\"", "exponent");              /* 65538 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAAAAE\",\"n\":\"" N2048 "\"", "exponent");           /* 2^32 + 1 */
    assert_fate("\"kty\":\"RSA\",\"e\":\"_____w\",\"n\":\"" N2048 "\"", USABLE);                        /* 2^32 - 1 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AA\",\"n\":\"" N2048 "\"", "exponent");                /* 0 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AAA" N2048 "\"", "missing, malformed"); /* length 4k+1 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N2048 "=\"", "missing, malformed");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":65537,\"n\":\"" N2048 "\"", "missing, malformed");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\"", "missing, malformed");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"\"", "missing, malformed");
    memset(n, '_', 1366);
    (void)snprintf(members, sizeof(members), "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%.1366s8\"", n); /* 8200 bits */
    assert_rejected_for(members, "longer than 8192");
    (void)snprintf(members, sizeof(members), "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%.1365sw\"", n); /* 8192 bits */
    assert_fate(members, USABLE);
    (void)snprintf(members, sizeof(members), "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%.1364s_g\"", n); /* even */
    assert_rejected_for(members, "even");
}

static void jwks_rejects_points_that_are_not_on_the_curve(void **state)
{
    (void)state;
    assert_fate(EC256, USABLE);
    assert_rejected_for("\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" X256 "\"", "not on its curve");
    assert_rejected_for("\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"", "length");
    assert_rejected_for("\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X384 "\",\"y\":\"" Y384 "\"", "length");
    assert_rejected_for("\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"", "length");
    assert_rejected_for("\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\"", "length");
    assert_rejected_for("\"kty\":\"EC\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"", "without a curve");
    assert_fate("\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"", IGNORED);
    assert_fate("\"kty\":\"EC\",\"crv\":\"p-256\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"", IGNORED);
}

static void jwks_rejects_ed25519_points_of_small_order_or_off_the_curve(void **state)
{
    /* y = 0, 1, -1, both of order 8, then p, p+1 and 2^255-1 (not canonical), then 2 (not on the curve); each with both signs. */
    static const char *const bad[] = {
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA",
        "7P_______________________________________38", "7P________________________________________8",
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU", "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o",
        "7f_______________________________________38", "7f________________________________________8",
        "7v_______________________________________38", "7v________________________________________8",
        "_________________________________________38", "__________________________________________8",
        "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"
    };
    char members[128];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(members, sizeof(members), "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", bad[i]);
        assert_rejected_for(members, "small order");
    }
    assert_rejected_for("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"", "not 32 bytes");
    assert_fate("\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AQ\"", IGNORED);
    assert_fate("\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X_ED "\"", IGNORED);
}

static void jwks_ignores_keys_that_are_not_for_verifying(void **state)
{
    (void)state;
    assert_fate("\"use\":\"enc\"," RSA, IGNORED);
    assert_fate("\"use\":\"\"," RSA, IGNORED);
    assert_fate("\"use\":\"sig\"," RSA, USABLE);
    assert_fate("\"use\":1," RSA, REJECTED);
    assert_fate("\"key_ops\":[\"encrypt\"]," RSA, IGNORED);
    assert_fate("\"key_ops\":[]," RSA, IGNORED);
    assert_fate("\"key_ops\":[\"sign, verify\"]," RSA, IGNORED);
    assert_fate("\"key_ops\":[\"sign\",\"verify\"]," RSA, USABLE);
    assert_fate("\"key_ops\":\"verify\"," RSA, REJECTED);
    assert_fate("\"key_ops\":[\"verify\",1]," RSA, REJECTED);
    assert_fate("\"use\":\"enc\",\"key_ops\":[\"verify\"]," RSA, IGNORED);
    assert_fate("\"kty\":\"AKP\",\"pub\":\"AA\"", IGNORED);
    assert_fate("\"kty\":\"rsa\"", IGNORED);
    assert_fate("\"kty\":1", REJECTED);
    assert_fate("\"kid\":\"no kty\"", REJECTED);
}

static void jwks_binds_a_key_to_its_own_algorithm(void **state)
{
    mcpa_jwks_t *set = parse("{\"keys\":[{\"kid\":\"r\",\"alg\":\"RS256\"," RSA "}]}");

    (void)state;
    assert_int_equal(mcpa_key_alg(mcpa_jwks_at(set, 0)), MCPA_ALG_RS256);
    assert_non_null(mcpa_jwks_find(set, MCPA_ALG_RS256, MCPA_STR("r"), NULL));
    assert_null(mcpa_jwks_find(set, MCPA_ALG_PS256, MCPA_STR("r"), NULL));
    assert_null(mcpa_jwks_find(set, MCPA_ALG_RS512, MCPA_STR("r"), NULL));
    assert_null(mcpa_jwks_find(set, MCPA_ALG_HS256, MCPA_STR("r"), NULL));
    mcpa_jwks_release(&set);
    assert_fate("\"alg\":\"ES256\"," EC256, USABLE);
    assert_fate("\"alg\":\"Ed25519\",\"kid\":\"x\"," ED, USABLE);
    assert_rejected_for("\"alg\":\"ES384\"," EC256, "kind or curve");
    assert_rejected_for("\"alg\":\"RS256\"," EC256, "kind or curve");
    assert_rejected_for("\"alg\":\"HS256\"," RSA, "kind or curve");
    assert_fate("\"alg\":\"RSA-OAEP\"," RSA, IGNORED);
    assert_fate("\"alg\":\"ES521\"," EC521, IGNORED);
    assert_fate("\"alg\":\"rs256\"," RSA, IGNORED);
    assert_fate("\"alg\":\"none\"," RSA, IGNORED);
    assert_fate("\"alg\":null," RSA, REJECTED);
}

static void jwks_rejects_a_kid_that_could_harm_a_log(void **state)
{
    char members[2048], kid[258];

    (void)state;
    assert_fate("\"kid\":null," RSA, REJECTED);
    assert_fate("\"kid\":7," RSA, REJECTED);
    assert_fate("\"kid\":\"a\\r\\nb\"," RSA, REJECTED);
    assert_fate("\"kid\":\"\\u007f\"," RSA, REJECTED);
    assert_fate("\"kid\":\"../../etc/passwd\"," RSA, USABLE); /* never a path to us */
    memset(kid, 'k', sizeof(kid));
    (void)snprintf(members, sizeof(members), "\"kid\":\"%.256s\"," RSA, kid);
    assert_fate(members, USABLE);
    (void)snprintf(members, sizeof(members), "\"kid\":\"%.257s\"," RSA, kid);
    assert_fate(members, REJECTED);
}

static void jwks_refuses_a_set_with_private_or_symmetric_keys(void **state)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };
    char members[2048], why[160];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(members, sizeof(members), "\"%s\":\"AQAB\"," RSA, names[i]);
        assert_int_equal(fate_of(members, why), REFUSED);
        assert_string_equal(why, "key 1: holds private or symmetric key material");
        assert_null(strstr(why, "AQAB"));
    }
    assert_fate("\"use\":\"enc\",\"d\":\"AQAB\"," RSA, REFUSED);
    assert_fate("\"d\":null," EC256, REFUSED);
    assert_fate("\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", REFUSED);
    assert_fate("\"kty\":\"oct\"", REFUSED);
    assert_fate("\"kty\":\"AKP\",\"priv\":\"AA\"", REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jwks_rejects_weak_and_broken_rsa_keys),
        cmocka_unit_test(jwks_rejects_points_that_are_not_on_the_curve),
        cmocka_unit_test(jwks_rejects_ed25519_points_of_small_order_or_off_the_curve),
        cmocka_unit_test(jwks_ignores_keys_that_are_not_for_verifying),
        cmocka_unit_test(jwks_binds_a_key_to_its_own_algorithm),
        cmocka_unit_test(jwks_rejects_a_kid_that_could_harm_a_log),
        cmocka_unit_test(jwks_refuses_a_set_with_private_or_symmetric_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
