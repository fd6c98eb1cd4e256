/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of claims share: an issuer, and a token of good claims with some changed. Included once by a test program. */
#ifndef MCPA_TEST_POLICY_TOKEN_H
#define MCPA_TEST_POLICY_TOKEN_H

#include "policy/token.h"
#include "test_policy_mint.h"

static const mcpa_issuer_t strict = { .url = ISSUER,
                                      .algs = MCPA_ALGS_ASYMMETRIC,
                                      .skew_s = 60,
                                      .scope_claim = "scope",
                                      .subject_claim = "sub",
                                      .client_claim = "client_id",
                                      .audience_claim = "aud" };
static const char *const audiences[] = { RESOURCE, "urn:second", NULL };

static mcpa_principal_t principal;
static mcpa_json_t *claims;

static inline mcpa_reason_t check_at(const mcpa_issuer_t *issuer, const claim_t *changes, size_t n, int64_t now_s)
{
    char memory[16384];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    put_claims(&out, changes, n);
    mcpa_json_free(&claims);
    assert_int_equal(mcpa_json_parse(&claims, mcpa_out_get(&out), MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES), MCPA_OK);
    memset(&principal, 0x55, sizeof(principal));
    return mcpa_token_check_claims(&principal, claims, issuer, audiences, now_s);
}

static inline mcpa_reason_t check(const mcpa_issuer_t *issuer, const char *name, const char *value)
{
    claim_t change = { name, value };

    return check_at(issuer, &change, name ? 1 : 0, NOW_S);
}

static inline int clean_up(void **state)
{
    (void)state;
    mcpa_json_free(&claims);
    return 0;
}

typedef struct row {
    const char *name;
    const char *value;
    mcpa_reason_t reason;
} row_t;

static inline void check_rows(const mcpa_issuer_t *issuer, const row_t *rows, size_t n)
{
    static const mcpa_principal_t zero;

    for (size_t i = 0; i < n; i++) {
        char what[256];

        snprintf(what, sizeof(what), "%s: %.200s", rows[i].name, rows[i].value ? rows[i].value : "(absent)");
        assert_reason(rows[i].reason, check(issuer, rows[i].name, rows[i].value), what);
        if (rows[i].reason != MCPA_REASON_PASS) {
            assert_memory_equal(&principal, &zero, sizeof(zero));
        }
    }
}

#endif
