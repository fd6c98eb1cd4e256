/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/token.h"

#include "base/text.h"

/* One look at a token's claims; what is found goes to the caller only when every check passed. */
typedef struct look {
    const mcpa_json_t *claims;
    const mcpa_issuer_t *issuer;
    const char *const *audiences;
    int64_t now_s;
    mcpa_principal_t found;
} look_t;

/* A configured claim: a member, or a JSON pointer when it starts with '/'. */
static const mcpa_json_t *claim_at(const mcpa_json_t *claims, const char *name)
{
    return name[0] == '/' ? mcpa_json_pointer(claims, mcpa_str(name)) : mcpa_json_member(claims, name);
}

mcpa_reason_t mcpa_token_check_type(const mcpa_issuer_t *issuer, mcpa_str_t typ)
{
    static const mcpa_str_t prefix = { "application/", 12 };

    /* RFC 7515 section 4.1.9: a typ without a slash reads as if "application/" stood before it. */
    if (typ.len > prefix.len && mcpa_str_ieq((mcpa_str_t){ typ.ptr, prefix.len }, prefix)) {
        typ = (mcpa_str_t){ typ.ptr + prefix.len, typ.len - prefix.len };
    }
    if (mcpa_str_ieq(typ, MCPA_STR("at+jwt"))) {
        return MCPA_REASON_PASS;
    }
    if (issuer->any_typ && (!typ.ptr || mcpa_str_ieq(typ, MCPA_STR("JWT")))) {
        return MCPA_REASON_PASS;
    }
    return MCPA_REASON_TYPE_WRONG;
}

static mcpa_reason_t check_issuer(look_t *look)
{
    look->found.issuer = mcpa_json_string(mcpa_json_member(look->claims, "iss"));
    return look->found.issuer.ptr && mcpa_str_eqz(look->found.issuer, look->issuer->url) ? MCPA_REASON_PASS
                                                                                         : MCPA_REASON_ISSUER_UNKNOWN;
}

/* A bound token must never serve as a plain bearer (RFC 9449 section 7.2, RFC 8705 section 3); no binding is checked here, so
 * whatever stands in cnf refuses. */
static mcpa_reason_t check_binding(look_t *look)
{
    return mcpa_json_member(look->claims, "cnf") ? MCPA_REASON_BINDING_UNSUPPORTED : MCPA_REASON_PASS;
}

/* Where the header's typ may say nothing, the claims tell the other kinds: ID tokens (OpenID Connect Core sections 2
 * and 3.1.3.6), security events and logout tokens (RFC 8417), and what Keycloak writes into its payload's own "typ". */
static mcpa_reason_t check_kind(look_t *look)
{
    static const char *const marks[] = { "nonce", "at_hash", "c_hash", "events" };
    static const char *const kinds[] = { "ID", "Refresh", "Offline", "Logout" };
    const char *use = look->issuer->token_use;
    mcpa_str_t kind = mcpa_json_string(mcpa_json_member(look->claims, "typ"));

    if (use && !mcpa_str_eq(mcpa_json_string(mcpa_json_member(look->claims, "token_use")), mcpa_str(use))) {
        return MCPA_REASON_TYPE_WRONG;
    }
    if (!look->issuer->any_typ) {
        return MCPA_REASON_PASS;
    }
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (mcpa_json_member(look->claims, marks[i])) {
            return MCPA_REASON_TYPE_WRONG;
        }
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (mcpa_str_eqz(kind, kinds[i])) {
            return MCPA_REASON_TYPE_WRONG;
        }
    }
    return MCPA_REASON_PASS;
}

static bool is_ours(const look_t *look, mcpa_str_t audience)
{
    for (const char *const *ours = look->audiences; *ours; ours++) {
        if (mcpa_str_eqz(audience, *ours)) {
            return true;
        }
    }
    return false;
}

/* Exact code points (RFC 9068 section 4, RFC 8707): no prefix, no case folding, no slash added. Of an array every element must be
 * a string, also after the one that matches. */
static mcpa_reason_t check_audience(look_t *look)
{
    const mcpa_json_t *claim = claim_at(look->claims, look->issuer->audience_claim);
    bool is_array = mcpa_json_is(claim, MCPA_JSON_ARRAY);
    size_t n = is_array ? mcpa_json_size(claim) : 1;

    if (!claim) {
        return MCPA_REASON_CLAIM_MISSING;
    }
    for (size_t i = 0; i < n; i++) {
        mcpa_str_t audience = mcpa_json_string(is_array ? mcpa_json_at(claim, i) : claim);

        if (!audience.ptr) {
            return MCPA_REASON_CLAIM_MALFORMED;
        }
        if (!look->found.audience.ptr && is_ours(look, audience)) {
            look->found.audience = audience;
        }
    }
    return look->found.audience.ptr ? MCPA_REASON_PASS : MCPA_REASON_AUDIENCE_WRONG;
}

/* PASS with *time_s set, or untouched when the claim is absent. */
static mcpa_reason_t read_time(const look_t *look, const char *name, int64_t *time_s)
{
    const mcpa_json_t *claim = mcpa_json_member(look->claims, name);
    int64_t value;

    if (!claim) {
        return MCPA_REASON_PASS;
    }
    if (!mcpa_json_integer(claim, &value) || value < 0 || value > MCPA_TIME_MAX_S) {
        return MCPA_REASON_CLAIM_MALFORMED;
    }
    *time_s = value;
    return MCPA_REASON_PASS;
}

static mcpa_reason_t check_times(look_t *look)
{
    int64_t exp = -1, nbf = 0, iat = 0;

    if (read_time(look, "exp", &exp) != MCPA_REASON_PASS || read_time(look, "nbf", &nbf) != MCPA_REASON_PASS ||
        read_time(look, "iat", &iat) != MCPA_REASON_PASS) {
        return MCPA_REASON_CLAIM_MALFORMED;
    }
    if (exp < 0) {
        return MCPA_REASON_CLAIM_MISSING;
    }
    look->found.expires_s = exp;
    look->found.not_before_s = nbf > iat ? nbf : iat;
    return mcpa_token_check_times(exp + look->issuer->skew_s, look->found.not_before_s - look->issuer->skew_s, look->now_s);
}

mcpa_reason_t mcpa_token_check_times(int64_t expires_s, int64_t not_before_s, int64_t now_s)
{
    if (now_s >= expires_s) {
        return MCPA_REASON_EXPIRED;
    }
    return now_s < not_before_s ? MCPA_REASON_NOT_YET_VALID : MCPA_REASON_PASS;
}

/* A string we carry on into headers, records and tables: absent, or text that is fit for all of them. */
static mcpa_reason_t read_text(mcpa_str_t *text, const mcpa_json_t *claim)
{
    mcpa_str_t value = mcpa_json_string(claim);

    if (!claim) {
        return MCPA_REASON_PASS;
    }
    if (!value.len || value.len > MCPA_CLAIM_MAX_BYTES || !mcpa_text_is_printable(value) || !mcpa_text_is_utf8(value)) {
        return MCPA_REASON_CLAIM_MALFORMED;
    }
    *text = value;
    return MCPA_REASON_PASS;
}

static mcpa_reason_t check_identity(look_t *look)
{
    mcpa_principal_t *found = &look->found;
    const mcpa_json_t *client = claim_at(look->claims, look->issuer->client_claim);

    /* Auth0 and others change from azp to the standard's name with a switch in their console. */
    if (!client) {
        client = mcpa_json_member(look->claims, "client_id");
    }
    if (read_text(&found->subject, claim_at(look->claims, look->issuer->subject_claim)) != MCPA_REASON_PASS ||
        read_text(&found->client_id, client) != MCPA_REASON_PASS ||
        read_text(&found->token_id, mcpa_json_member(look->claims, "jti")) != MCPA_REASON_PASS) {
        return MCPA_REASON_CLAIM_MALFORMED;
    }
    /* Nobody at all could be neither limited nor recorded. */
    return found->subject.ptr || found->client_id.ptr ? MCPA_REASON_PASS : MCPA_REASON_CLAIM_MISSING;
}

static mcpa_reason_t check_required(look_t *look)
{
    const mcpa_principal_t *found = &look->found;

    /* RFC 9068 section 2.2. */
    if (!look->issuer->any_typ &&
        (!found->subject.ptr || !found->client_id.ptr || !found->token_id.ptr || !mcpa_json_member(look->claims, "iat"))) {
        return MCPA_REASON_CLAIM_MISSING;
    }
    for (const char *const *name = look->issuer->require; name && *name; name++) {
        const mcpa_json_t *claim = claim_at(look->claims, *name);

        if (!claim || mcpa_json_is(claim, MCPA_JSON_NULL)) {
            return MCPA_REASON_CLAIM_MISSING;
        }
    }
    return MCPA_REASON_PASS;
}

/* The standard's "scope" is a string (RFC 8693 section 4.2); other claims are arrays with some providers. */
static mcpa_reason_t check_scopes(look_t *look)
{
    const mcpa_issuer_t *issuer = look->issuer;
    bool may_be_array = strcmp(issuer->scope_claim, "scope") != 0;
    mcpa_scopes_t *scopes = &look->found.scopes;
    mcpa_status_t status = mcpa_scopes_add_claim(scopes, claim_at(look->claims, issuer->scope_claim), may_be_array);

    if (status == MCPA_OK && issuer->roles_claim) {
        status = mcpa_scopes_add_claim(scopes, claim_at(look->claims, issuer->roles_claim), true);
    }
    return status == MCPA_OK ? MCPA_REASON_PASS : MCPA_REASON_CLAIM_MALFORMED;
}

mcpa_reason_t mcpa_token_check_claims(mcpa_principal_t *principal, const mcpa_json_t *claims, const mcpa_issuer_t *issuer,
                                      const char *const *audiences, int64_t now_s)
{
    /* Whose, for what and for whom comes before when: an old token of somebody else counts as a guess, not as an expiry. */
    static mcpa_reason_t (*const checks[])(look_t *) = { check_issuer, check_binding,  check_kind,     check_audience,
                                                         check_times,  check_identity, check_required, check_scopes };
    look_t look = { .claims = claims, .issuer = issuer, .audiences = audiences, .now_s = now_s };

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        mcpa_reason_t reason = checks[i](&look);

        if (reason != MCPA_REASON_PASS) {
            memset(principal, 0, sizeof(*principal));
            return reason;
        }
    }
    *principal = look.found;
    return MCPA_REASON_PASS;
}

static bool scalar_equals(const mcpa_json_t *claim, mcpa_str_t value)
{
    char memory[24];
    mcpa_out_t number;
    int64_t integer;

    if (mcpa_json_is(claim, MCPA_JSON_STRING)) {
        return mcpa_str_eq(mcpa_json_string(claim), value);
    }
    if (mcpa_json_is(claim, MCPA_JSON_BOOL)) {
        return mcpa_str_eqz(value, mcpa_json_true(claim) ? "true" : "false");
    }
    if (!mcpa_json_integer(claim, &integer)) {
        return false;
    }
    mcpa_out_init(&number, memory, sizeof(memory));
    mcpa_out_printf(&number, "%lld", (long long)integer);
    return mcpa_str_eq(mcpa_out_get(&number), value);
}

static bool holds(const mcpa_json_t *claim, mcpa_str_t value)
{
    mcpa_str_t rest = mcpa_json_string(claim), word;

    while (rest.len && mcpa_text_next_word(&rest, &word)) {
        if (mcpa_str_eq(word, value)) {
            return true;
        }
    }
    for (size_t i = 0; mcpa_json_is(claim, MCPA_JSON_ARRAY) && i < mcpa_json_size(claim); i++) {
        if (scalar_equals(mcpa_json_at(claim, i), value)) {
            return true;
        }
    }
    return false;
}

bool mcpa_token_claim_matches(const mcpa_json_t *claims, mcpa_str_t path, mcpa_str_t op, mcpa_str_t value)
{
    const mcpa_json_t *claim = NULL;
    char name[MCPA_CLAIM_NAME_MAX_BYTES + 1];

    if (path.len && path.ptr[0] == '/') {
        claim = mcpa_json_pointer(claims, path);
    } else if (path.len && path.len < sizeof(name) && !memchr(path.ptr, '\0', path.len)) {
        memcpy(name, path.ptr, path.len);
        name[path.len] = '\0';
        claim = mcpa_json_member(claims, name);
    }
    if (!claim) {
        return false;
    }
    if (mcpa_str_eqz(op, "exists")) {
        return !mcpa_json_is(claim, MCPA_JSON_NULL);
    }
    if (mcpa_str_eqz(op, "=")) {
        return scalar_equals(claim, value);
    }
    return mcpa_str_eqz(op, "has") && holds(claim, value);
}
