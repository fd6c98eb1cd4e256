/* SPDX-License-Identifier: Apache-2.0 */
/* Forged signatures: attacks 4, 20 to 26, 29 and 30 of the reference. */
#include "test_jose_signer.h"

#include <pthread.h>

#include <openssl/err.h>
#include <openssl/pem.h>

static void jws_of_every_algorithm_verifies_and_no_other_key_takes_it(void **state)
{
    signer_t *all[] = { &rsa, &p256, &p384, &p521, &ed25519, &hmac };
    char memory[4096], header[64];

    (void)state;
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        signer_t *right = signer_of((mcpa_alg_t)alg);
        mcpa_str_t token;

        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"at+jwt\"}", mcpa_alg_name((mcpa_alg_t)alg));
        token = make_token(memory, sizeof(memory), header, PAYLOAD, (mcpa_alg_t)alg);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
            assert_int_equal(accepts(all[i]->set, token), all[i] == right);
        }
    }
}

static void jws_changed_in_any_one_character_is_rejected(void **state)
{
    static const mcpa_alg_t algs[] = { MCPA_ALG_RS256, MCPA_ALG_PS384, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS512 };
    char memory[4096], header[64];

    (void)state;
    for (size_t a = 0; a < sizeof(algs) / sizeof(algs[0]); a++) {
        mcpa_str_t token;

        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mcpa_alg_name(algs[a]));
        token = make_token(memory, sizeof(memory), header, PAYLOAD, algs[a]);
        assert_true(accepts(signer_of(algs[a])->set, token));
        for (size_t i = 0; i < token.len; i++) {
            char kept = memory[i];

            memory[i] = kept == 'A' ? 'B' : 'A';
            assert_false(accepts(signer_of(algs[a])->set, token));
            memory[i] = kept;
        }
    }
}

/* A header that claims another algorithm than the signature was made with. */
static void jws_with_a_swapped_algorithm_is_rejected(void **state)
{
    char memory[4096], header[64];

    (void)state;
    for (unsigned made = MCPA_ALG_NONE + 1; made < MCPA_ALG_COUNT; made++) {
        for (unsigned said = MCPA_ALG_NONE + 1; said < MCPA_ALG_COUNT; said++) {
            mcpa_str_t token;

            (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mcpa_alg_name((mcpa_alg_t)said));
            token = make_token(memory, sizeof(memory), header, PAYLOAD, (mcpa_alg_t)made);
            assert_int_equal(accepts(signer_of((mcpa_alg_t)made)->set, token), made == said);
            if (signer_of((mcpa_alg_t)made) != signer_of((mcpa_alg_t)said)) {
                assert_false(accepts(signer_of((mcpa_alg_t)said)->set, token));
            }
        }
    }
}

/* HMAC with the public key as the secret, in each form an attacker could know it. */
static void jws_hmac_keyed_with_a_public_key_is_rejected(void **state)
{
    char memory[4096];
    mcpa_out_t out;
    unsigned char mac[64], *der = NULL, n[256];
    unsigned mac_len = 0;
    int der_len = i2d_PUBKEY(rsa.pkey, &der);
    BIGNUM *number = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem, jwk[1024];
    mcpa_out_t jwk_out;
    struct {
        const void *bytes;
        size_t len;
    } secrets[4];

    (void)state;
    assert_true(der_len > 0 && PEM_write_bio_PUBKEY(bio, rsa.pkey) == 1);
    assert_int_equal(EVP_PKEY_get_bn_param(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, &number), 1);
    assert_int_equal(BN_bn2binpad(number, n, sizeof(n)), sizeof(n));
    mcpa_out_init(&jwk_out, jwk, sizeof(jwk));
    mcpa_jwks_print(&jwk_out, rsa.set);
    secrets[0].len = (size_t)BIO_get_mem_data(bio, &pem);
    secrets[0].bytes = pem;
    secrets[1].len = (size_t)der_len;
    secrets[1].bytes = der;
    secrets[2].len = sizeof(n);
    secrets[2].bytes = n;
    secrets[3].len = jwk_out.len;
    secrets[3].bytes = jwk;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        mcpa_out_init(&out, memory, sizeof(memory));
        mcpa_b64url_encode(&out, "{\"alg\":\"HS256\",\"kid\":\"k\"}", 25);
        mcpa_out_z(&out, ".e30");
        assert_non_null(
            HMAC(EVP_sha256(), secrets[i].bytes, (int)secrets[i].len, (unsigned char *)memory, out.len, mac, &mac_len));
        mcpa_out_char(&out, '.');
        mcpa_b64url_encode(&out, mac, mac_len);
        assert_false(accepts(rsa.set, mcpa_out_get(&out)));
    }
    BN_free(number);
    BIO_free(bio);
    OPENSSL_free(der);
}

static void ecdsa_rejects_r_or_s_of_zero_n_and_beyond(void **state)
{
    static const mcpa_alg_t algs[] = { MCPA_ALG_ES256, MCPA_ALG_ES384, MCPA_ALG_ES512 };

    (void)state;
    for (size_t a = 0; a < 3; a++) {
        const mcpa_key_t *key = mcpa_jwks_at(signer_of(algs[a])->set, 0);
        int half = (int)(mcpa_alg_ec_bits(algs[a]) + 7) / 8;
        unsigned char good[160], forged[160], special[4][66];
        BIGNUM *n = NULL;

        assert_int_equal(EVP_PKEY_get_bn_param(signer_of(algs[a])->pkey, OSSL_PKEY_PARAM_EC_ORDER, &n), 1);
        memset(special, 0, sizeof(special)); /* 0 */
        assert_int_equal(BN_bn2binpad(n, special[1], half), half);
        assert_int_equal(BN_add_word(n, 1), 1);
        assert_int_equal(BN_bn2binpad(n, special[2], half), half);
        memset(special[3], 0xff, sizeof(special[3]));
        assert_int_equal(sign_raw(good, sizeof(good), algs[a], MCPA_STR("m")), 2 * half);
        assert_true(mcpa_key_verify(key, algs[a], MCPA_STR("m"), good, 2 * (size_t)half));
        for (size_t i = 0; i < 4; i++) {
            for (size_t where = 1; where < 4; where++) {
                memcpy(forged, good, sizeof(forged));
                if (where & 1) {
                    memcpy(forged, special[i], (size_t)half);
                }
                if (where & 2) {
                    memcpy(forged + half, special[i], (size_t)half);
                }
                assert_false(mcpa_key_verify(key, algs[a], MCPA_STR("m"), forged, 2 * (size_t)half));
            }
        }
        BN_free(n);
    }
}

/* r + n or s + n names the same residue: with a length to spare it would be a second spelling. DER likewise. */
static void signatures_of_any_other_length_are_rejected(void **state)
{
    (void)state;
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        const mcpa_key_t *key = mcpa_jwks_at(signer_of((mcpa_alg_t)alg)->set, 0);
        unsigned char signature[1024] = { 0 };
        size_t len = sign_raw(signature + 1, sizeof(signature) - 2, (mcpa_alg_t)alg, MCPA_STR("m"));

        assert_true(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature + 1, len));
        assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature, len + 1));     /* zero before */
        assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature + 1, len + 1)); /* zero behind */
        for (size_t shorter = 0; shorter < len; shorter++) {
            assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature + 1, shorter));
        }
    }
}

/* OpenSSL alone accepts a PSS signature whose leading zero byte is cut off; one in 256 has one. */
static void pss_rejects_a_signature_without_its_leading_zero(void **state)
{
    const mcpa_key_t *key = mcpa_jwks_at(rsa.set, 0);
    unsigned char signature[256];
    unsigned tries = 0;

    (void)state;
    do {
        assert_int_equal(sign_raw(signature, sizeof(signature), MCPA_ALG_PS256, MCPA_STR("m")), sizeof(signature));
    } while (signature[0] != 0 && ++tries < 20000);
    assert_int_equal(signature[0], 0);
    assert_true(mcpa_key_verify(key, MCPA_ALG_PS256, MCPA_STR("m"), signature, sizeof(signature)));
    assert_false(mcpa_key_verify(key, MCPA_ALG_PS256, MCPA_STR("m"), signature + 1, sizeof(signature) - 1));
}

static void pss_rejects_another_salt_length(void **state)
{
    static const int salts[] = { 0, 20, 31, 33, RSA_PSS_SALTLEN_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof(salts) / sizeof(salts[0]); i++) {
        unsigned char signature[256];
        size_t len = sizeof(signature);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pkey_ctx = NULL;

        assert_int_equal(EVP_DigestSignInit(ctx, &pkey_ctx, EVP_sha256(), NULL, rsa.pkey), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, salts[i]), 1);
        assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)"m", 1), 1);
        assert_false(mcpa_key_verify(mcpa_jwks_at(rsa.set, 0), MCPA_ALG_PS256, MCPA_STR("m"), signature, len));
        EVP_MD_CTX_free(ctx);
    }
}

/* S + L verifies wherever the range of S is not checked (RFC 8032 section 5.1.7). */
static void ed25519_rejects_s_beyond_the_order(void **state)
{
    const mcpa_key_t *key = mcpa_jwks_at(ed25519.set, 0);
    unsigned char signature[64];
    BIGNUM *order = NULL, *s;

    (void)state;
    assert_true(BN_hex2bn(&order, "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed") > 0);
    assert_int_equal(sign_raw(signature, sizeof(signature), MCPA_ALG_EDDSA, MCPA_STR("m")), 64);
    assert_true(mcpa_key_verify(key, MCPA_ALG_EDDSA, MCPA_STR("m"), signature, 64));
    s = BN_lebin2bn(signature + 32, 32, NULL);
    assert_int_equal(BN_add(s, s, order), 1);
    assert_int_equal(BN_bn2lebinpad(s, signature + 32, 32), 32);
    assert_false(mcpa_key_verify(key, MCPA_ALG_EDDSA, MCPA_STR("m"), signature, 64));
    BN_free(s);
    BN_free(order);
}

static void key_does_not_verify_what_it_does_not_fit(void **state)
{
    static const unsigned odd[] = { MCPA_ALG_NONE, MCPA_ALG_COUNT, MCPA_ALG_COUNT + 1, 99 };
    signer_t *all[] = { &rsa, &p256, &p384, &p521, &ed25519, &hmac };
    unsigned char signature[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const mcpa_key_t *key = mcpa_jwks_at(all[i]->set, 0);

        for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
            size_t len = sign_raw(signature, sizeof(signature), (mcpa_alg_t)alg, MCPA_STR("m"));

            assert_int_equal(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature, len),
                             signer_of((mcpa_alg_t)alg) == all[i]);
        }
        for (size_t o = 0; o < sizeof(odd) / sizeof(odd[0]); o++) {
            assert_false(mcpa_key_verify(key, (mcpa_alg_t)odd[o], MCPA_STR("m"), signature, 64));
        }
    }
}

/* mod_ssl reads the same queue after an I/O call of its own. */
static void verification_leaves_no_errors_in_openssls_queue(void **state)
{
    unsigned char garbage[512];

    (void)state;
    memset(garbage, 0x5a, sizeof(garbage));
    ERR_clear_error();
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        const mcpa_key_t *key = mcpa_jwks_at(signer_of((mcpa_alg_t)alg)->set, 0);
        unsigned char signature[512];
        size_t len = sign_raw(signature, sizeof(signature), (mcpa_alg_t)alg, MCPA_STR("m"));

        assert_false(mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), garbage, len));
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void *verify_many(void *arg)
{
    mcpa_jwks_t *sets[] = { mcpa_jwks_retain(rsa.set), mcpa_jwks_retain(p256.set), mcpa_jwks_retain(ed25519.set),
                            mcpa_jwks_retain(hmac.set) };
    static const mcpa_alg_t algs[] = { MCPA_ALG_PS256, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS256 };
    mcpa_str_t *tokens = arg;
    uintptr_t wrong = 0;

    for (size_t i = 0; i < 400; i++) {
        mcpa_jwks_t *set = mcpa_jwks_retain(sets[i % 4]);

        wrong += mcpa_alg_kty(algs[i % 4]) != mcpa_key_kty(mcpa_jwks_at(set, 0));
        wrong += !accepts(set, tokens[i % 4]);
        wrong += accepts(set, tokens[(i + 1) % 4]);
        mcpa_jwks_release(&set);
    }
    for (size_t i = 0; i < 4; i++) {
        mcpa_jwks_release(&sets[i]);
    }
    return (void *)wrong;
}

static void eight_threads_share_one_set(void **state)
{
    static const mcpa_alg_t algs[] = { MCPA_ALG_PS256, MCPA_ALG_ES256, MCPA_ALG_EDDSA, MCPA_ALG_HS256 };
    char memory[4][2048], header[64];
    mcpa_str_t tokens[4];
    pthread_t threads[8];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", mcpa_alg_name(algs[i]));
        tokens[i] = make_token(memory[i], sizeof(memory[i]), header, PAYLOAD, algs[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many, tokens), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        void *wrong = NULL;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jws_of_every_algorithm_verifies_and_no_other_key_takes_it),
        cmocka_unit_test(jws_changed_in_any_one_character_is_rejected),
        cmocka_unit_test(jws_with_a_swapped_algorithm_is_rejected),
        cmocka_unit_test(jws_hmac_keyed_with_a_public_key_is_rejected),
        cmocka_unit_test(ecdsa_rejects_r_or_s_of_zero_n_and_beyond),
        cmocka_unit_test(signatures_of_any_other_length_are_rejected),
        cmocka_unit_test(pss_rejects_a_signature_without_its_leading_zero),
        cmocka_unit_test(pss_rejects_another_salt_length),
        cmocka_unit_test(ed25519_rejects_s_beyond_the_order),
        cmocka_unit_test(key_does_not_verify_what_it_does_not_fit),
        cmocka_unit_test(verification_leaves_no_errors_in_openssls_queue),
        cmocka_unit_test(eight_threads_share_one_set),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
