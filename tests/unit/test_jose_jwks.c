/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys we hold, and which sets we refuse: attacks 25 to 27, 29, 31, 32, 36, 38, 39 and 41 of the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "jose/jwks.h"

/* Public numbers made for these tests; nobody holds the private halves. */
#define N2048                                                                                                                     \
    "ql7H6-6x1HNVx8cB_S1sFJFVS_le5GH40qnRZZMoSg-dpqxAWtRWPzC5dwCKtPCLMrBUAricidE_UqdMEtB2jdy3l2jWHMi2xRcJaib6Bd4EcwmNByXzEL5Ux6n" \
    "WeIV9WTY9LxzEa228B5WnDUBkIjlHGYpR8pTQII5wqlKJZALANbQpu8fGUyv0FnogDBqaXU4HbahZPtX9LR4JcEZQV82d3Y60batj7D31iDSoX6b3ilRiY4nU89J" \
    "S84UyCjwBUFvbVrwJdxbKRpzeDWj1WW-76pduMztKjIivNIKe6ep4mT9DZ6OmlCaqRlnE68Bima3YEtfpCSuT0SIKf9rLrw"
#define N2047                                                                                                                     \
    "RR9xLiEQ4ngNMxMSwv-pIBwD4fKO_0-qgv-0zk6W3gL4FmQz_GKfGbWxOQSeWHCFdkhCCu2mBMyHJkyTHXjejxfoh_szZhdq-lzK_8n1Cdf-Iusu2gvYuMjg3mt" \
    "oRElvjDrgQ2h9qJD7SjW1NhXwv71-C9D4MdSg5Ueevhy3-8ha53Lc9P4nLtn4t57aCrBpAPcdCjGNCWgy1TR21LG-u_P00eTLwxsHTsDWAOSzwtIkd8ttWXSHBD" \
    "_8_g069R1XyBsH9rAtmxz6mj6w0tUdRenJ435pP6TwV7csIJ1RGAoKImvI5MiCEOtxr8-smn-6nwVu_YXOe48zhZZ4Lmoenw"
#define N1024                                                                                                                     \
    "ziho_fFTLkBcQEvl4mnRN4_yyWPRaNUdOBcqKrv1y9v_U_XnFbQItvJgWZY-uQ3y963UYSMuxidaVLDmxCVgy3FOrXXVPnKIqRx36shrB6KCpNzKVdAZ_4cF9CV" \
    "fP370lqX_zH0U_q14SHL4BnPzlAJrl3OjoMN2lBv_9hmaChs"
/* Two 1024-bit primes of the form k*M + (65537^a mod M), M the product of the first 126 primes. */
#define N_ROCA                                                                                                                    \
    "su-wRNs20ub2BiozpNmjYBJv06uCviCsU5wVbZqc-bW8x9uCdsqkD0hsjB8AcY4h-ErB9NNt5TWIDR1IuxYXMUf7lBi6LAfqGiAQl1PXLLTA03KFeUzI4VxjNYy" \
    "cNACU8fnREFbgLlxWSSDSzZ0t9SRMBOkyBkOUkp0HKfK0fUWrweYR3Qs4wctANUEEHeeajVm3RoZhVHXjNYb-474qywIGgxNKEKii4xl8EAnaIQZ1DigB0gGpmQg" \
    "iA_cedjNmeIy27ZnPR5oc0TGzCoKVOTtgr1cNRKjZDKJIB5Q6V7GGN5X374XE81aEaJqhjlCrNQtqGzTgiKBRAdCNY3rFlw"
#define X256 "A_ojMYJCNzDXUkryPqi-8ssZjqbaGrhXL4risICdrFQ"
#define Y256 "8Km8t13rOQiLgSA_EvsiH34isARJ368SFpQttLTmsaM"
#define X384 "6-Jj6xzwbHf-PIjBrzIbkabD6ZSEwVSwbl2eOZVxRcLS0CiI7zww3ZafDQ0XLA3i"
#define Y384 "X7CjgZAkQ6zOD1G21YwWzJE6nnyk9RE6CkC8wA7ifkLSxiSizEvh0GYbeT8ErO9v"
#define X521 "ADod2skQLMHN807jxI8apGUc-sh1okKt3bKuR6QV9wR6BY7ovLuFrE-Xe-ItLmSo7IkyVRRKHd192NAI6HNFvE9N"
#define Y521 "AGoJC4TxzVZwEerQFgLTkwI-bcHeYSjMCIfxlVtBt5qkctHbfEMTjFuo2RHe9Gc-LEAmRV4-PPL-JUZ2V00xIcW1"
#define X_ED "32upievrfdQKlFoLuCR9HWsabsayQtHmoO9-f5hkykA"

#define RSA "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N2048 "\""
#define EC256 "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\""
#define EC384 "\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X384 "\",\"y\":\"" Y384 "\""
#define EC521 "\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"" X521 "\",\"y\":\"" Y521 "\""
#define ED "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X_ED "\""

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

static void jwks_takes_every_kind_we_verify(void **state)
{
    static const struct {
        const char *kid;
        mcpa_kty_t kty;
        size_t bits;
        mcpa_alg_t fits;
    } rows[] = { { "r", MCPA_KTY_RSA, 2048, MCPA_ALG_PS512 }, { "a", MCPA_KTY_EC, 256, MCPA_ALG_ES256 },
                 { "b", MCPA_KTY_EC, 384, MCPA_ALG_ES384 },   { "c", MCPA_KTY_EC, 521, MCPA_ALG_ES512 },
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

static void jwks_rejects_weak_and_broken_rsa_keys(void **state)
{
    char members[4096], n[1400];

    (void)state;
    assert_fate(RSA, USABLE);
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N1024 "\"", "shorter than 2048");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N2047 "\"", "shorter than 2048");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N_ROCA "\"", "ROCA");
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"" N2048 "\"", "exponent");             /* 1 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"" N2048 "\"", "exponent");             /* 3 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"__8\",\"n\":\"" N2048 "\"", "exponent");            /* 65535 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAC\",\"n\":\"" N2048 "\"", "exponent");           /* 65538 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AQAAAAE\",\"n\":\"" N2048 "\"", "exponent");        /* 2^32 + 1 */
    assert_fate("\"kty\":\"RSA\",\"e\":\"_____w\",\"n\":\"" N2048 "\"", USABLE);                     /* 2^32 - 1 */
    assert_rejected_for("\"kty\":\"RSA\",\"e\":\"AA\",\"n\":\"" N2048 "\"", "exponent");             /* 0 */
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
    static const char text[] = "{\"keys\":[{\"kid\":\"a\"," EC256 "},{\"kid\":\"b\"," ED "},{\"kid\":\"a\"," EC384 "},{\"kid\":\"a\"," RSA "},{\"kid\":\"a\"," EC256 "}]}";
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
    mcpa_jwks_t *first = parse("{\"x\":1,\"keys\":[{\"kid\":\"q\\\"\\u00e9\",\"e\":\"AAEAAQ\",\"x5t\":\"zz\",\"kty\":\"RSA\",\"n\":\"" N2048
                               "\"},{" EC256 ",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]},{" EC384 "},{" EC521 "},{" ED "}]}");
    static const char expected_start[] = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"q\\\"\xc3\xa9\",\"use\":\"sig\",\"n\":\"" N2048
                                         "\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"x\":\"" X256
                                         "\",\"y\":\"" Y256 "\"}";
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
    static const char *const unknown[] = { "", "none", "None", "NONE", "rs256", "RS256 ", "ES256K", "ES521", "Ed448", "eddsa", "HS128" };

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
        cmocka_unit_test(jwks_rejects_weak_and_broken_rsa_keys),
        cmocka_unit_test(jwks_rejects_points_that_are_not_on_the_curve),
        cmocka_unit_test(jwks_rejects_ed25519_points_of_small_order_or_off_the_curve),
        cmocka_unit_test(jwks_ignores_keys_that_are_not_for_verifying),
        cmocka_unit_test(jwks_binds_a_key_to_its_own_algorithm),
        cmocka_unit_test(jwks_rejects_a_kid_that_could_harm_a_log),
        cmocka_unit_test(jwks_refuses_a_set_with_private_or_symmetric_keys),
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
