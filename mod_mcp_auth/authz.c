/* SPDX-License-Identifier: Apache-2.0 */
#include "authz.h"

#include "apr_strings.h"
#include "http_request.h"
#include "mod_auth.h"

#include "base/text.h"
#include "context.h"
#include "directives.h"

typedef struct claim_rule {
    mcpa_str_t path, op, value;
} claim_rule_t;

static mod_mcp_verdict_t *authenticated(request_rec *r)
{
    mod_mcp_verdict_t *verdict = mod_mcp_verdict_of(r);

    return verdict && verdict->decision.authenticated ? verdict : NULL;
}

static const char *parse_scopes(cmd_parms *cmd, const char *line, const void **parsed)
{
    const char *scopes = "", *word;

    mod_mcp_note_require(cmd);
    while (*(word = ap_getword_conf(cmd->pool, &line))) {
        if (!mcpa_text_is_scope_token(mcpa_str(word))) {
            return apr_psprintf(cmd->pool,
                                "Require mcp-scope: \"%s\" is no scope; write words as in the tokens, with blanks between them "
                                "and no commas",
                                word);
        }
        scopes = *scopes ? apr_pstrcat(cmd->pool, scopes, " ", word, NULL) : word;
    }
    if (!*scopes) {
        return "Require mcp-scope: needs at least one scope; write Require mcp-scope SCOPE...";
    }
    *parsed = scopes;
    return NULL;
}

static authz_status check_scopes(request_rec *r, const char *line __attribute__((unused)), const void *parsed)
{
    mod_mcp_verdict_t *verdict = authenticated(r);
    const char *needed = parsed;

    if (!verdict) {
        return AUTHZ_DENIED;
    }
    if (mcpa_scopes_cover_all(&verdict->decision.principal.scopes, verdict->policy.scope_model, mcpa_str(needed))) {
        return AUTHZ_GRANTED;
    }
    if (!verdict->needed_scopes) {
        verdict->needed_scopes = needed;
    }
    return AUTHZ_DENIED;
}

static const char *parse_claim(cmd_parms *cmd, const char *line, const void **parsed)
{
    claim_rule_t *rule = apr_pcalloc(cmd->pool, sizeof(*rule));
    bool needs_value;

    mod_mcp_note_require(cmd);
    rule->path = mcpa_str(ap_getword_conf(cmd->pool, &line));
    rule->op = mcpa_str(ap_getword_conf(cmd->pool, &line));
    rule->value = mcpa_str(ap_getword_conf(cmd->pool, &line));
    needs_value = mcpa_str_eqz(rule->op, "=") || mcpa_str_eqz(rule->op, "has");
    if (!rule->path.len || (!needs_value && !mcpa_str_eqz(rule->op, "exists"))) {
        return "Require mcp-claim: not understood; write CLAIM = VALUE, CLAIM has VALUE or CLAIM exists, where CLAIM is a name "
               "or a JSON "
               "pointer such as /realm_access/roles";
    }
    if ((rule->value.len > 0) != needs_value || *line) {
        return apr_psprintf(cmd->pool, "Require mcp-claim: \"%s\" takes %s; put a value with blanks into quotes", rule->op.ptr,
                            needs_value ? "exactly one value" : "no value");
    }
    *parsed = rule;
    return NULL;
}

static authz_status check_claim(request_rec *r, const char *line __attribute__((unused)), const void *parsed)
{
    mod_mcp_verdict_t *verdict = authenticated(r);
    const claim_rule_t *rule = parsed;

    if (!verdict) {
        return AUTHZ_DENIED;
    }
    if (mcpa_token_claim_matches(mcpa_decision_claims(&verdict->decision), rule->path, rule->op, rule->value)) {
        return AUTHZ_GRANTED;
    }
    verdict->claim_denied = true;
    return AUTHZ_DENIED;
}

static const authz_provider scope_provider = { check_scopes, parse_scopes };
static const authz_provider claim_provider = { check_claim, parse_claim };

void mod_mcp_authz_register(apr_pool_t *pool)
{
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "mcp-scope", AUTHZ_PROVIDER_VERSION, &scope_provider,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "mcp-claim", AUTHZ_PROVIDER_VERSION, &claim_provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}
