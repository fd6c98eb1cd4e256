/* SPDX-License-Identifier: Apache-2.0 */
/* Key sets: the report adds up, no secret is ever taken, and what is printed is taken again and prints the same. */
#include <stdlib.h>

#include "base/limits.h"
#include "jose/jwks.h"
#include "jose/jws.h"

#define PRINTED_MAX_BYTES (2 * MCPA_JWKS_MAX_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_keys(const mcpa_jwks_t *set)
{
    for (size_t i = 0; i < mcpa_jwks_count(set); i++) {
        const mcpa_key_t *key = mcpa_jwks_at(set, i);

        must(mcpa_key_kty(key) == MCPA_KTY_RSA || mcpa_key_kty(key) == MCPA_KTY_EC || mcpa_key_kty(key) == MCPA_KTY_OKP);
        must(mcpa_key_kid(key).len <= MCPA_KID_MAX_BYTES);
        must(mcpa_key_kty(key) != MCPA_KTY_RSA || mcpa_key_bits(key) >= MCPA_RSA_MIN_BITS);
        for (unsigned alg = MCPA_ALG_HS256; alg <= MCPA_ALG_HS512; alg++) {
            must(!mcpa_key_fits(key, (mcpa_alg_t)alg));
        }
        for (unsigned alg = 0; alg < MCPA_ALG_COUNT; alg++) {
            const unsigned char signature[64] = { 0 };

            must(!mcpa_key_verify(key, (mcpa_alg_t)alg, MCPA_STR("m"), signature, sizeof(signature)));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[PRINTED_MAX_BYTES], second[PRINTED_MAX_BYTES];
    mcpa_jwks_report_t report;
    mcpa_jwks_t *set = NULL, *again = NULL;
    mcpa_out_t out;

    if (mcpa_jwks_parse(&set, (mcpa_str_t){ (const char *)data, size }, &report) != MCPA_OK) {
        must(set == NULL && report.usable == 0);
        return 0;
    }
    must(report.usable == mcpa_jwks_count(set) && report.usable > 0);
    must(report.usable + report.ignored + report.rejected <= MCPA_JWKS_MAX_KEYS);
    must((report.rejected > 0) == (report.why[0] != '\0') && memchr(report.why, '\0', sizeof(report.why)) != NULL);
    check_keys(set);
    mcpa_out_init(&out, first, sizeof(first));
    mcpa_jwks_print(&out, set);
    must(mcpa_out_status(&out) == MCPA_OK);
    must(mcpa_jwks_parse(&again, mcpa_out_get(&out), &report) == MCPA_OK);
    must(report.usable == mcpa_jwks_count(set) && report.ignored == 0 && report.rejected == 0);
    mcpa_out_init(&out, second, sizeof(second));
    mcpa_jwks_print(&out, again);
    must(strcmp(first, second) == 0);
    mcpa_jwks_release(&set);
    mcpa_jwks_release(&again);
    return 0;
}
