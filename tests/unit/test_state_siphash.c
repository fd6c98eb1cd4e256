/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 against the paper's own values and against OpenSSL's. */
#include "test_state.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "state/siphash.h"

static void siphash_knows_the_vectors_of_the_paper(void **state)
{
    /* Key 00 … 0f, input 00, 01, … of the given length; 15 bytes is appendix A. */
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = { { 0, UINT64_C(0x726fdb47dd0e0e31) },  { 1, UINT64_C(0x74f839c593dc67fd) },
                    { 7, UINT64_C(0xab0200f58b01d137) },  { 8, UINT64_C(0x93f5f5799a932462) },
                    { 15, UINT64_C(0xa129ca6149be45e5) }, { 63, UINT64_C(0x958a324ceb064572) } };
    unsigned char key[16];
    unsigned char input[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(input); i++) {
        input[i] = (unsigned char)i;
    }
    memcpy(key, input, sizeof(key));
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(mcpa_siphash(key, input, vectors[i].len) == vectors[i].hash);
    }
}

static uint64_t openssl_siphash(EVP_MAC *mac, const unsigned char key[16], const void *bytes, size_t len)
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t size = 8;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end() };
    unsigned char out[8];
    uint64_t hash = 0;
    size_t written;

    assert_non_null(ctx);
    assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, bytes, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &written, sizeof(out)), 1);
    EVP_MAC_CTX_free(ctx);
    for (unsigned i = 0; i < 8; i++) {
        hash |= (uint64_t)out[i] << (8 * i);
    }
    return hash;
}

static void siphash_agrees_with_openssl_at_every_length(void **state)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    unsigned char key[16];
    unsigned char input[400];
    uint64_t random = 42;

    (void)state;
    if (mac == NULL) {
        skip();
    }
    for (size_t len = 0; len < sizeof(input); len++) {
        for (size_t i = 0; i < sizeof(input); i++) {
            input[i] = (unsigned char)next_random(&random);
            key[i % 16] = (unsigned char)next_random(&random);
        }
        assert_true(mcpa_siphash(key, input, len) == openssl_siphash(mac, key, input, len));
    }
    EVP_MAC_free(mac);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_knows_the_vectors_of_the_paper),
        cmocka_unit_test(siphash_agrees_with_openssl_at_every_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
