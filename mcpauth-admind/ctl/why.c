/* SPDX-License-Identifier: Apache-2.0 */
/* What explain says: each stage with a tick or a cross, then what in the token and in the policy did not go together. */
#include <stdlib.h>

#include "base/text.h"
#include "ctl/explain.h"

#define LINE_BYTES 2048

static mcpa_str_t claim_text(const ctl_explained_t *explained, const char *name, char memory[LINE_BYTES])
{
    const mcpa_json_t *claim = mcpa_json_member(explained->claims, name);
    char *text = claim != NULL ? mcpa_json_print(claim) : NULL;

    snprintf(memory, LINE_BYTES, "%s", mcpa_json_is(claim, MCPA_JSON_STRING) ? "" : text != NULL ? text : "(absent)");
    if (mcpa_json_is(claim, MCPA_JSON_STRING)) {
        snprintf(memory, LINE_BYTES, "%.*s", MCPA_STR_ARG(mcpa_json_string(claim)));
    }
    free(text);
    return mcpa_str(memory);
}

static mcpa_str_t time_text(const ctl_explained_t *explained, const char *name, char memory[LINE_BYTES])
{
    int64_t seconds;

    if (!mcpa_json_integer(mcpa_json_member(explained->claims, name), &seconds) || seconds < 0 || seconds > MCPA_TIME_MAX_S) {
        return claim_text(explained, name, memory);
    }
    mcpa_text_rfc3339(memory, seconds * 1000000);
    return mcpa_str(memory);
}

static mcpa_str_t join(const char *const *list, char memory[LINE_BYTES])
{
    mcpa_out_t out;

    mcpa_out_init(&out, memory, LINE_BYTES);
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        mcpa_out_z(&out, i > 0 ? ", " : "");
        mcpa_out_z(&out, list[i]);
    }
    return mcpa_out_get(&out);
}

static mcpa_str_t issuers_text(const mcpa_policy_t *policy, char memory[LINE_BYTES])
{
    mcpa_out_t out;

    mcpa_out_init(&out, memory, LINE_BYTES);
    for (size_t i = 0; policy->issuers != NULL && policy->issuers[i] != NULL; i++) {
        mcpa_out_z(&out, i > 0 ? ", " : "");
        mcpa_out_z(&out, policy->issuers[i]->url);
    }
    return mcpa_out_get(&out);
}

static mcpa_str_t kids_text(const mcpa_jwks_t *set, char memory[LINE_BYTES])
{
    mcpa_out_t out;

    mcpa_out_init(&out, memory, LINE_BYTES);
    for (size_t i = 0; set != NULL && i < mcpa_jwks_count(set); i++) {
        mcpa_str_t kid = mcpa_key_kid(mcpa_jwks_at(set, i));

        mcpa_out_z(&out, i > 0 ? ", " : "");
        mcpa_out_str(&out, kid.ptr != NULL ? kid : MCPA_STR("(without kid)"));
    }
    return mcpa_out_get(&out);
}

static mcpa_str_t algs_text(mcpa_algs_t algs, char memory[LINE_BYTES])
{
    mcpa_out_t out;

    mcpa_out_init(&out, memory, LINE_BYTES);
    for (int alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        if ((algs & MCPA_ALG_BIT(alg)) != 0) {
            mcpa_out_z(&out, out.len > 0 ? ", " : "");
            mcpa_out_z(&out, mcpa_alg_name((mcpa_alg_t)alg));
        }
    }
    return mcpa_out_get(&out);
}

typedef struct teller {
    void (*tell)(void *ctx, const char *name, mcpa_str_t value);
    void *ctx;
} teller_t;

static void why_audience(const ctl_explained_t *e, const mcpa_issuer_t *issuer, const teller_t *t)
{
    const char *const own[] = { e->policy->resource, NULL };
    char memory[LINE_BYTES];

    t->tell(t->ctx, "the token's audience", claim_text(e, issuer != NULL ? issuer->audience_claim : "aud", memory));
    t->tell(t->ctx, "accepted here", join(e->policy->audiences != NULL ? e->policy->audiences : own, memory));
}

static void why_times(const ctl_explained_t *e, const mcpa_issuer_t *issuer, const teller_t *t)
{
    char memory[LINE_BYTES];

    t->tell(t->ctx, "the token's nbf", time_text(e, "nbf", memory));
    t->tell(t->ctx, "the token's iat", time_text(e, "iat", memory));
    t->tell(t->ctx, "the token's exp", time_text(e, "exp", memory));
    mcpa_text_rfc3339(memory, e->now_us);
    t->tell(t->ctx, "now", mcpa_str(memory));
    snprintf(memory, sizeof(memory), "%d s", issuer != NULL ? issuer->skew_s : 0);
    t->tell(t->ctx, "allowed skew", mcpa_str(memory));
}

static void why_key(const ctl_explained_t *e, const teller_t *t)
{
    char memory[LINE_BYTES];

    t->tell(t->ctx, "the token's kid", e->jws.kid.ptr != NULL ? e->jws.kid : MCPA_STR("(absent)"));
    t->tell(t->ctx, "the token's alg", mcpa_str(mcpa_alg_name(e->jws.alg)));
    t->tell(t->ctx, "kids of the issuer", kids_text(e->keys, memory));
    t->tell(t->ctx, "keys", mcpa_str(e->keys_note));
}

static void why_scope(const ctl_explained_t *e, const teller_t *t)
{
    char memory[MCPA_SCOPE_TEXT_MAX_BYTES + 1];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_scopes_print(&out, &e->decision.principal.scopes);
    t->tell(t->ctx, "the token's scopes", mcpa_out_get(&out));
    t->tell(t->ctx, "needed here", mcpa_str(e->policy->scopes));
    if (e->decision.operation_scopes != NULL) {
        t->tell(t->ctx, "and for this operation", mcpa_str(e->decision.operation_scopes));
    }
}

static void why_claims(const ctl_explained_t *e, const mcpa_issuer_t *issuer, const teller_t *t)
{
    static const char *const usual[] = { "sub", "client_id", "iat", "jti" };
    char memory[LINE_BYTES];

    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        t->tell(t->ctx, usual[i], claim_text(e, usual[i], memory));
    }
    for (size_t i = 0; issuer != NULL && issuer->require != NULL && issuer->require[i] != NULL; i++) {
        bool told = false;

        for (size_t k = 0; k < sizeof(usual) / sizeof(usual[0]); k++) {
            told = told || strcmp(issuer->require[i], usual[k]) == 0;
        }
        if (!told) {
            t->tell(t->ctx, issuer->require[i], claim_text(e, issuer->require[i], memory));
        }
    }
}

void ctl_explained_why(const ctl_explained_t *e, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx)
{
    const mcpa_issuer_t *issuer = e->decision.issuer;
    const teller_t t = { tell, ctx };
    char memory[LINE_BYTES];

    switch (e->decision.reason) {
    case MCPA_REASON_ISSUER_UNKNOWN:
        tell(ctx, "the token's iss", claim_text(e, "iss", memory));
        tell(ctx, "trusted here", issuers_text(e->policy, memory));
        break;
    case MCPA_REASON_ALG_DENIED:
        tell(ctx, "the token's alg", e->has_jws ? mcpa_str(mcpa_alg_name(e->jws.alg)) : MCPA_STR("one that is not known here"));
        tell(ctx, "allowed for the issuer", issuer != NULL ? algs_text(issuer->algs, memory) : MCPA_STR_NONE);
        break;
    case MCPA_REASON_KEY_UNKNOWN:
    case MCPA_REASON_KEYS_MISSING:
    case MCPA_REASON_SIGNATURE_BAD:
        why_key(e, &t);
        break;
    case MCPA_REASON_TYPE_WRONG:
        tell(ctx, "the token's typ", e->jws.typ.ptr != NULL ? e->jws.typ : MCPA_STR("(absent)"));
        tell(ctx, "wanted",
             mcpa_str(issuer != NULL && issuer->any_typ ? "at+jwt, JWT or none; no ID token" : "at+jwt (typ=any takes others)"));
        break;
    case MCPA_REASON_AUDIENCE_WRONG:
        why_audience(e, issuer, &t);
        break;
    case MCPA_REASON_EXPIRED:
    case MCPA_REASON_NOT_YET_VALID:
        why_times(e, issuer, &t);
        break;
    case MCPA_REASON_CLAIM_MISSING:
    case MCPA_REASON_CLAIM_MALFORMED:
        why_claims(e, issuer, &t);
        break;
    case MCPA_REASON_SCOPE_MISSING:
        why_scope(e, &t);
        break;
    case MCPA_REASON_HOST_DENIED:
        tell(ctx, "the host", e->request.host);
        tell(ctx, "let in here", MCPA_STR("localhost, 127.0.0.0/8, [::1], with any port"));
        break;
    case MCPA_REASON_ORIGIN_DENIED:
        tell(ctx, "the origin", e->request.origin);
        tell(ctx, "let in here", join(e->policy->origins, memory));
        break;
    default:
        ctl_explained_why_message(e, tell, ctx);
        break;
    }
}

/* ---- for people */

static void print_line(void *ctx, const char *name, mcpa_str_t value)
{
    (void)ctx;
    printf("  %-24s ", name);
    ctl_print_text(stdout, value.len > 0 ? value : MCPA_STR("(none)"));
    putchar('\n');
}

static void print_principal(const mcpa_principal_t *principal)
{
    char scopes[MCPA_SCOPE_TEXT_MAX_BYTES + 1];
    mcpa_out_t out;

    mcpa_out_init(&out, scopes, sizeof(scopes));
    mcpa_scopes_print(&out, &principal->scopes);
    print_line(NULL, "issuer", principal->issuer);
    print_line(NULL, "subject", principal->subject);
    print_line(NULL, "client", principal->client_id);
    print_line(NULL, "audience", principal->audience);
    print_line(NULL, "scopes", mcpa_out_get(&out));
}

void ctl_explained_print(const ctl_explained_t *explained)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(explained->decision.reason);
    bool allowed = row->outcome == MCPA_OUTCOME_ALLOW, colour = explained->ctl->colour;

    printf("Location %s of %s, %s\n", explained->policy->location,
           explained->policy->vhost != NULL ? explained->policy->vhost : "(any vhost)",
           explained->policy->mode == MCPA_MODE_SHADOW ? "in Shadow: decided, but not enforced" : "enforced");
    for (size_t i = 0; i < explained->n_stages; i++) {
        mcpa_reason_t reason = explained->stages[i].reason;
        bool passed = reason == MCPA_REASON_PASS || mcpa_reason_row(reason)->outcome == MCPA_OUTCOME_ALLOW;

        printf("  %s%s%s %-16s %s\n", ctl_colour_on(colour, passed ? CTL_GREEN : CTL_RED), passed ? "✔" : "✘",
               ctl_colour_off(colour), explained->stages[i].name, passed ? "" : mcpa_reason_word(reason));
    }
    printf("%s%s%s: %s", ctl_colour_on(colour, allowed ? CTL_GREEN : CTL_RED), allowed ? "allowed" : "refused",
           ctl_colour_off(colour), row->word);
    if (!allowed) {
        printf(", %d %s: %s", mcpa_decision_status(&explained->decision), row->error != NULL ? row->error : "", row->description);
    }
    putchar('\n');
    ctl_explained_why(explained, print_line, NULL);
    ctl_explained_operation(explained, print_line, NULL);
    if (explained->decision.authenticated) {
        print_principal(&explained->decision.principal);
    }
    if (explained->policy->n_limits > 0) {
        printf("Limits were not looked at: they live in httpd's memory.\n");
    }
}

/* ---- for programs */

static void print_member(void *ctx, const char *name, mcpa_str_t value)
{
    mcpa_jsonw_str(ctx, name, value.ptr != NULL ? value : MCPA_STR(""));
}

static void write_stages(mcpa_jsonw_t *w, const ctl_explained_t *explained)
{
    mcpa_jsonw_open_array(w, "stages");
    for (size_t i = 0; i < explained->n_stages; i++) {
        mcpa_jsonw_open_object(w, NULL);
        mcpa_jsonw_z(w, "stage", explained->stages[i].name);
        mcpa_jsonw_z(w, "reason", mcpa_reason_word(explained->stages[i].reason));
        mcpa_jsonw_close_object(w);
    }
    mcpa_jsonw_close_array(w);
}

static void write_principal(mcpa_jsonw_t *w, const mcpa_principal_t *principal)
{
    char scopes[MCPA_SCOPE_TEXT_MAX_BYTES + 1];
    mcpa_out_t out;

    mcpa_out_init(&out, scopes, sizeof(scopes));
    mcpa_scopes_print(&out, &principal->scopes);
    mcpa_jsonw_open_object(w, "principal");
    print_member(w, "issuer", principal->issuer);
    print_member(w, "subject", principal->subject);
    print_member(w, "client_id", principal->client_id);
    print_member(w, "audience", principal->audience);
    print_member(w, "scopes", mcpa_out_get(&out));
    mcpa_jsonw_int(w, "expires", principal->expires_s);
    mcpa_jsonw_close_object(w);
}

void ctl_explained_print_json(const ctl_explained_t *explained)
{
    const mcpa_reason_row_t *row = mcpa_reason_row(explained->decision.reason);
    const size_t cap = 256 * 1024; /* texts of one token and one Location, escaped */
    char *memory = malloc(cap);
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (memory == NULL) {
        ctl_complain("out of memory");
        return;
    }
    mcpa_out_init(&out, memory, cap);
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "location", explained->policy->location);
    mcpa_jsonw_z(&w, "vhost", explained->policy->vhost != NULL ? explained->policy->vhost : "");
    mcpa_jsonw_z(&w, "mode", mcpa_mode_word(explained->policy->mode));
    mcpa_jsonw_z(&w, "decision", mcpa_outcome_word(row->outcome));
    mcpa_jsonw_z(&w, "reason", row->word);
    mcpa_jsonw_int(&w, "status", mcpa_decision_status(&explained->decision));
    mcpa_jsonw_z(&w, "description", row->description);
    write_stages(&w, explained);
    mcpa_jsonw_open_object(&w, "why");
    ctl_explained_why(explained, print_member, &w);
    mcpa_jsonw_close_object(&w);
    mcpa_jsonw_open_object(&w, "message");
    ctl_explained_operation(explained, print_member, &w);
    mcpa_jsonw_close_object(&w);
    if (explained->decision.authenticated) {
        write_principal(&w, &explained->decision.principal);
    }
    mcpa_jsonw_close_object(&w);
    printf("%s\n", mcpa_out_get(&out).ptr);
    free(memory);
}
