/* SPDX-License-Identifier: Apache-2.0 */
/* The local issuer's keys: what they sign is verified by the code that requests meet, and a private part is nowhere but in one file. */
#include "test_admind_issuer.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/b64url.h"
#include "files.h"
#include "jose/jws.h"

static const mcpa_alg_t algs[] = { MCPA_ALG_RS256, MCPA_ALG_ES256, MCPA_ALG_EDDSA };
#define ALGS (sizeof(algs) / sizeof(algs[0]))

static mcpa_jwks_t *published(const admind_keyring_t *ring, char *text, size_t cap)
{
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL;
    mcpa_out_t out;

    mcpa_out_init(&out, text, cap);
    admind_keyring_print(&out, ring);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_int_equal(mcpa_jwks_parse(&set, mcpa_out_get(&out), &report), MCPA_OK);
    assert_int_equal(report.usable, ring->count);
    return set;
}

/* ---- one key */

static void what_a_key_signs_is_verified_with_what_is_published(void **state)
{
    char token[2048], text[8192];

    (void)state;
    for (size_t i = 0; i < ALGS; i++) {
        admind_signkey_t current = make(algs[i]), next = make(algs[i]), again;
        admind_keyring_t ring = { .count = 0 };
        admind_keytime_t now = at(0);
        mcpa_jws_t jws;
        mcpa_jwks_t *set;
        mcpa_out_t out;
        size_t signed_len;

        admind_keyring_begin(&ring, &current, &next, &now);
        set = published(&ring, text, sizeof(text));
        assert_null(strstr(text, "\"d\""));
        mcpa_out_init(&out, token, sizeof(token));
        snprintf(text, sizeof(text), "{\"alg\":\"%s\",\"kid\":\"%s\"}", mcpa_alg_name(algs[i]), kid_of(&ring, ADMIND_STAGE_CURRENT));
        mcpa_b64url_encode(&out, text, strlen(text));
        mcpa_out_char(&out, '.');
        mcpa_b64url_encode(&out, "{}", 2);
        signed_len = out.len;
        mcpa_out_char(&out, '.');
        admind_signkey_share(&again, &admind_keyring_find(&ring, ADMIND_STAGE_CURRENT)->key);
        assert_true(admind_signkey_sign(&out, &again, (mcpa_str_t){ token, signed_len }));
        assert_int_equal(mcpa_jws_split(&jws, mcpa_out_get(&out)), MCPA_OK);
        assert_true(mcpa_jws_verify(&jws, mcpa_jwks_find(set, algs[i], jws.kid, NULL)));
        assert_false(mcpa_jws_verify(&jws, mcpa_jwks_find(set, algs[i], mcpa_str(kid_of(&ring, ADMIND_STAGE_NEXT)), NULL)));
        mcpa_jws_clear(&jws);
        assert_true(admind_signkey_retire(&again));
        assert_false(admind_signkey_sign(&out, &again, MCPA_STR("x")));
        assert_string_equal(again.kid, kid_of(&ring, ADMIND_STAGE_CURRENT));
        admind_signkey_clear(&again);
        mcpa_jwks_release(&set);
        admind_keyring_clear(&ring);
    }
}

static void parse_public(admind_signkey_t *key, mcpa_alg_t alg, EVP_PKEY *pkey)
{
    char text[1024];
    mcpa_out_t out;

    assert_non_null(pkey);
    mcpa_out_init(&out, text, sizeof(text));
    admind_signkey_print(&out, &(admind_signkey_t){ .pkey = pkey, .alg = alg });
    assert_true(admind_signkey_parse(key, alg, false, mcpa_out_get(&out)));
    EVP_PKEY_free(pkey);
}

/* RFC 7638 section 3.1 and RFC 8037 appendix A.3. */
static void key_ids_are_thumbprints(void **state)
{
    static const char n[] = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM"
                            "stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI"
                            "SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    unsigned char bytes[512];
    size_t len;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    admind_signkey_t key;
    OSSL_PARAM *params;
    BIGNUM *number;

    (void)state;
    assert_int_equal(mcpa_b64url_decode(bytes, sizeof(bytes), &len, mcpa_str(n)), MCPA_OK);
    number = BN_bin2bn(bytes, (int)len, NULL);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, number);
    OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_RSA_E, 65537);
    params = OSSL_PARAM_BLD_to_param(build);
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(number);
    parse_public(&key, MCPA_ALG_RS256, pkey);
    assert_string_equal(key.kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    admind_signkey_clear(&key);
    assert_int_equal(mcpa_b64url_decode(bytes, sizeof(bytes), &len, MCPA_STR("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")), MCPA_OK);
    parse_public(&key, MCPA_ALG_EDDSA, EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, len));
    assert_string_equal(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    admind_signkey_clear(&key);
}

static void other_keys_than_the_three_are_none(void **state)
{
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), *curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    admind_signkey_t key = { .pkey = NULL };
    char text[4096];

    (void)state;
    assert_false(admind_signkey_make(&key, MCPA_ALG_HS256, 2048) || admind_signkey_make(&key, MCPA_ALG_NONE, 2048) ||
                 admind_signkey_make(&key, MCPA_ALG_RS256, 1024) || admind_signkey_make(&key, MCPA_ALG_RS256, 8192));
    for (size_t i = 0; i < ALGS; i++) {
        EVP_PKEY *pkeys[] = { weak, curve };

        for (size_t k = 0; k < 2; k++) {
            mcpa_out_t out;

            mcpa_out_init(&out, text, sizeof(text));
            admind_signkey_print(&out, &(admind_signkey_t){ .pkey = pkeys[k], .is_private = true });
            assert_int_equal(mcpa_out_status(&out), MCPA_OK);
            assert_false(admind_signkey_parse(&key, algs[i], true, mcpa_out_get(&out)));
        }
        assert_false(admind_signkey_parse(&key, algs[i], true, MCPA_STR("MAAA")));
    }
    assert_null(key.pkey);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(curve);
}

/* ---- the file */

static void what_is_saved_is_loaded_and_each_byte_counts(void **state)
{
    admind_keyring_t ring, again;
    admind_keytime_t later = at(DAY_US);
    struct stat st;
    mcpa_str_t text;

    (void)state;
    assert_int_equal(admind_keystore_load(&again, test_dir), MCPA_ENOTFOUND);
    begin(&ring);
    assert_true(admind_keyring_turn(&ring, &plan, true, &later));
    put_next(&ring, later);
    assert_true(admind_keystore_save(&ring, test_dir));
    assert_true(stat(in_dir(ADMIND_KEYSTORE_FILE), &st) == 0 && (st.st_mode & 07777) == 0600);
    assert_int_equal(admind_keystore_load(&again, test_dir), MCPA_OK);
    assert_int_equal(again.count, 3);
    for (size_t i = 0; i < ring.count; i++) {
        assert_string_equal(again.keys[i].key.kid, ring.keys[i].key.kid);
        assert_true(again.keys[i].since_us == ring.keys[i].since_us && again.keys[i].stage == ring.keys[i].stage);
        assert_true(again.keys[i].key.is_private == (ring.keys[i].stage != ADMIND_STAGE_OLD));
    }
    admind_keyring_clear(&again);
    assert_int_equal(admind_file_read(&text, in_dir(ADMIND_KEYSTORE_FILE), 65536), MCPA_OK);
    for (size_t i = 0; i < text.len; i += 1 + i / 40) {
        ((char *)(uintptr_t)text.ptr)[i] ^= 1;
        assert_int_equal(admind_file_replace(in_dir(ADMIND_KEYSTORE_FILE), text, 0600), MCPA_OK);
        assert_int_equal(admind_keystore_load(&again, test_dir), MCPA_EMALFORMED);
        ((char *)(uintptr_t)text.ptr)[i] ^= 1;
        assert_int_equal(admind_file_replace(in_dir(ADMIND_KEYSTORE_FILE), (mcpa_str_t){ text.ptr, i }, 0600), MCPA_OK);
        assert_int_equal(admind_keystore_load(&again, test_dir), MCPA_EMALFORMED);
    }
    free((char *)(uintptr_t)text.ptr);
    admind_keyring_clear(&ring);
}

static void keys_that_others_may_use_are_refused(void **state)
{
    char why[256];
    admind_keyring_t ring;

    (void)state;
    begin(&ring);
    assert_true(admind_keystore_save(&ring, test_dir));
    assert_true(admind_keystore_is_tight(test_dir, geteuid(), why, sizeof(why)));
    assert_false(admind_keystore_is_tight(test_dir, geteuid() + 1, why, sizeof(why)));
    assert_non_null(strstr(why, "chown"));
    assert_false(admind_keystore_is_tight(in_dir("none"), geteuid(), why, sizeof(why)));
    assert_non_null(strstr(why, "install -d -m 0700"));
    assert_false(admind_keystore_is_tight(in_dir(ADMIND_KEYSTORE_FILE), geteuid(), why, sizeof(why)));
    for (mode_t bit = 1; bit < 0100; bit <<= 1) {
        assert_int_equal(chmod(test_dir, 0700 | bit), 0);
        assert_false(admind_keystore_is_tight(test_dir, geteuid(), why, sizeof(why)));
        assert_int_equal(chmod(test_dir, 0700), 0);
        assert_int_equal(chmod(in_dir(ADMIND_KEYSTORE_FILE), 0600 | bit), 0);
        admind_keyring_clear(&ring);
        assert_int_equal(admind_keystore_load(&ring, test_dir), MCPA_EUNSUPPORTED);
    }
}

/* Who gets hold of the disk finds no key that was used before. */
static void a_key_that_was_replaced_is_written_over(void **state)
{
    char before[4096] = "";
    admind_keyring_t ring;
    admind_keytime_t later = at(DAY_US);
    int old;

    (void)state;
    begin(&ring);
    assert_true(admind_keystore_save(&ring, test_dir));
    old = open(in_dir(ADMIND_KEYSTORE_FILE), O_RDONLY | O_CLOEXEC);
    assert_true(pread(old, before, sizeof(before), 0) > 100 && before[0] == 'm');
    assert_true(admind_keyring_turn(&ring, &plan, true, &later) && admind_keystore_save(&ring, test_dir));
    assert_true(pread(old, before, sizeof(before), 0) > 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(before[i], 0);
    }
    close(old);
    /* killed while it wrote */
    assert_int_equal(admind_file_replace(in_dir(ADMIND_KEYSTORE_FILE ".tmp"), MCPA_STR("half a key"), 0600), MCPA_OK);
    admind_keystore_sweep(test_dir);
    assert_int_not_equal(access(in_dir(ADMIND_KEYSTORE_FILE ".tmp"), F_OK), 0);
    admind_keyring_clear(&ring);
    assert_int_equal(admind_keystore_load(&ring, test_dir), MCPA_OK);
    admind_keyring_clear(&ring);
}

/* A link is how a backup is made that costs nothing. */
static void a_file_that_somebody_kept_by_another_name_is_left_alone(void **state)
{
    admind_keyring_t ring, kept;
    admind_keytime_t later = at(DAY_US);

    (void)state;
    begin(&ring);
    assert_true(admind_keystore_save(&ring, test_dir));
    assert_int_equal(mkdir(in_dir("kept"), 0700), 0);
    assert_int_equal(link(in_dir(ADMIND_KEYSTORE_FILE), in_dir("kept/" ADMIND_KEYSTORE_FILE)), 0);
    assert_true(admind_keyring_turn(&ring, &plan, true, &later) && admind_keystore_save(&ring, test_dir));
    assert_int_equal(admind_keystore_load(&kept, in_dir("kept")), MCPA_OK);
    assert_string_equal(kid_of(&kept, ADMIND_STAGE_CURRENT), kid_of(&ring, ADMIND_STAGE_OLD));
    admind_keyring_clear(&kept);
    admind_keyring_clear(&ring);
    assert_int_equal(unlink(in_dir("kept/" ADMIND_KEYSTORE_FILE)), 0);
    assert_int_equal(rmdir(in_dir("kept")), 0);
}

static void a_wish_stays_until_it_is_dropped(void **state)
{
    (void)state;
    assert_false(admind_keystore_has_wish(test_dir));
    assert_false(admind_keystore_wishes(test_dir, "") || admind_keystore_wishes(test_dir, "one"));
    assert_true(admind_keystore_wish(test_dir, "another") && admind_keystore_wish(test_dir, "one"));
    assert_true(admind_keystore_has_wish(test_dir) && admind_keystore_wishes(test_dir, "one"));
    assert_false(admind_keystore_wishes(test_dir, "another") || admind_keystore_wishes(test_dir, "on") || admind_keystore_wishes(test_dir, ""));
    assert_true(admind_keystore_wish(test_dir, "") && admind_keystore_has_wish(test_dir));
    assert_false(admind_keystore_wishes(test_dir, ""));
    admind_keystore_drop_wish(test_dir);
    assert_false(admind_keystore_has_wish(test_dir));
    assert_false(admind_keystore_wish(in_dir("none"), "one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_key_signs_is_verified_with_what_is_published),
        TEST(key_ids_are_thumbprints),
        TEST(other_keys_than_the_three_are_none),
        TEST(what_is_saved_is_loaded_and_each_byte_counts),
        TEST(keys_that_others_may_use_are_refused),
        TEST(a_key_that_was_replaced_is_written_over),
        TEST(a_file_that_somebody_kept_by_another_name_is_left_alone),
        TEST(a_wish_stays_until_it_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
