/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of a token whose signature is good, under a strict and a lax issuer: whatever passes holds what the principal promises.
 */
#include <stdlib.h>

#include "base/text.h"
#include "policy/preset.h"
#include "policy/token.h"

#define NOW_S INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void must_be_fit(mcpa_str_t s)
{
    must(s.ptr == NULL || (s.len > 0 && s.len <= MCPA_CLAIM_MAX_BYTES && mcpa_text_is_printable(s) && mcpa_text_is_utf8(s)));
}

static void check(const mcpa_json_t *claims, const mcpa_issuer_t *issuer)
{
    static const char *const audiences[] = { "https://r", "app", NULL };
    static const mcpa_principal_t zero;
    char scopes[MCPA_SCOPE_TEXT_MAX_BYTES];
    mcpa_principal_t principal;
    mcpa_reason_t reason;
    mcpa_out_t out;

    memset(&principal, 0x55, sizeof(principal));
    reason = mcpa_token_check_claims(&principal, claims, issuer, audiences, NOW_S);
    if (reason != MCPA_REASON_PASS) {
        must(reason != MCPA_REASON_UNDECIDED && mcpa_reason_row(reason)->status == 401);
        must(memcmp(&principal, &zero, sizeof(zero)) == 0);
        return;
    }
    must(mcpa_str_eqz(principal.issuer, issuer->url));
    must(mcpa_str_eqz(principal.audience, audiences[0]) || mcpa_str_eqz(principal.audience, audiences[1]));
    must(principal.subject.ptr || principal.client_id.ptr);
    must_be_fit(principal.subject);
    must_be_fit(principal.client_id);
    must_be_fit(principal.token_id);
    must(NOW_S < principal.expires_s + issuer->skew_s && NOW_S >= principal.not_before_s - issuer->skew_s);
    must(!mcpa_json_member(claims, "cnf"));
    mcpa_out_init(&out, scopes, sizeof(scopes));
    mcpa_scopes_print(&out, &principal.scopes);
    must(mcpa_out_status(&out) == MCPA_OK);
    for (size_t i = 0; i < principal.scopes.count; i++) {
        must(mcpa_text_is_scope_token(principal.scopes.words[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = { "scope", "/realm_access/roles", "/aud/0", "aud", "exp", "" };
    mcpa_issuer_t strict = { .url = "https://a", .skew_s = 60, .scope_claim = "scope", .subject_claim = "sub" };
    mcpa_issuer_t lax = { .url = "https://a", .skew_s = 300 };
    mcpa_json_t *claims = NULL;

    strict.client_claim = "client_id";
    strict.audience_claim = "aud";
    if (mcpa_json_parse(&claims, (mcpa_str_t){ (const char *)data, size }, MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES) !=
        MCPA_OK) {
        return 0;
    }
    check(claims, &strict);
    for (const char *const *name = mcpa_preset_names(); *name; name++) {
        must(mcpa_preset_apply(&lax, mcpa_str(*name)));
        lax.roles_claim = lax.roles_claim ? lax.roles_claim : "/realm_access/roles";
        check(claims, &lax);
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        bool exists = mcpa_token_claim_matches(claims, mcpa_str(paths[i]), MCPA_STR("exists"), MCPA_STR(""));

        must(exists || !mcpa_token_claim_matches(claims, mcpa_str(paths[i]), MCPA_STR("="), MCPA_STR("a")));
        must(exists || !mcpa_token_claim_matches(claims, mcpa_str(paths[i]), MCPA_STR("has"), MCPA_STR("a")));
    }
    mcpa_json_free(&claims);
    return 0;
}
