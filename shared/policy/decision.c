/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision.h"

#include "base/host.h"
#include "policy/credential.h"
#include "policy/stage.h"

/* Stages of verification are left out for a token the cache knows, stages of inspection where the policy does not inspect. */
typedef enum when { ALWAYS, UNLESS_KNOWN, IF_INSPECTED } when_t;

typedef struct stage {
    const char *name;
    when_t when;
    mcpa_reason_t (*run)(mcpa_work_t *w);
} stage_t;

static mcpa_reason_t check_location(mcpa_work_t *w);
static mcpa_reason_t check_method(mcpa_work_t *w);
static mcpa_reason_t check_framing(mcpa_work_t *w);
static mcpa_reason_t check_host(mcpa_work_t *w);
static mcpa_reason_t check_origin(mcpa_work_t *w);
static mcpa_reason_t answer_preflight(mcpa_work_t *w);
static mcpa_reason_t take_credential(mcpa_work_t *w);

/* The life of a request, top to bottom. The first stage that does not pass is final; nothing after it is run or charged. */
static const stage_t stages[] = {
    { "location", ALWAYS, check_location },                    /* a Location without a complete policy lets nobody in */
    { "method", ALWAYS, check_method },                        /* POST, GET, DELETE; OPTIONS of a browser */
    { "framing", ALWAYS, check_framing },                      /* a body that all on the way read alike */
    { "address limit", ALWAYS, mcpa_stage_charge_address },    /* before anything that costs more */
    { "host", ALWAYS, check_host },                            /* of a resource on this machine alone: its own name */
    { "origin", ALWAYS, check_origin },                        /* browsers: only from where we were told */
    { "preflight", ALWAYS, answer_preflight },                 /* OPTIONS ends here */
    { "credential", ALWAYS, take_credential },                 /* exactly one bearer token, in the header */
    { "known token", ALWAYS, mcpa_stage_recall_token },        /* verified before, and still in time? */
    { "structure", UNLESS_KNOWN, mcpa_stage_split_token },     /* three parts, strict base64url and JSON, an algorithm we know */
    { "issuer", UNLESS_KNOWN, mcpa_stage_find_issuer },        /* whose keys to use; what it says is not believed yet */
    { "algorithm", UNLESS_KNOWN, mcpa_stage_check_algorithm }, /* allowed for this issuer */
    { "key", UNLESS_KNOWN, mcpa_stage_find_key },              /* of this issuer; may wait once for one not seen before */
    { "signature", UNLESS_KNOWN, mcpa_stage_check_signature }, /* from here on the claims are the issuer's words */
    { "type", UNLESS_KNOWN, mcpa_stage_check_type },           /* an access token, not another kind of JWT */
    { "claims", UNLESS_KNOWN, mcpa_stage_check_claims },       /* issuer, audience, times, binding, identity */
    { "remember", UNLESS_KNOWN, mcpa_stage_remember_token },   /* for the next request with this token */
    { "subject limit", ALWAYS, mcpa_stage_charge_subject },
    { "client limit", ALWAYS, mcpa_stage_charge_client },
    { "media type", IF_INSPECTED, mcpa_stage_check_media_type }, /* JSON, and not encoded */
    { "body", IF_INSPECTED, mcpa_stage_read_body },           /* whole, up to the policy's size; only for who was let in so far */
    { "message", IF_INSPECTED, mcpa_stage_scan_message },     /* one JSON-RPC message that no two parsers read differently */
    { "mirrors", IF_INSPECTED, mcpa_stage_check_mirrors },    /* headers that others route by say the same */
    { "protocol", IF_INSPECTED, mcpa_stage_check_protocol },  /* a revision that is let in */
    { "operation", IF_INSPECTED, mcpa_stage_rule_operation }, /* what rules say of it; nobody's is nobody's to call */
    { "scopes", ALWAYS, mcpa_stage_check_scopes },            /* all that the Location and the operation need */
    { "session", IF_INSPECTED, mcpa_stage_check_session },    /* of the older era: only whose it is may use or end it */
    { "tool limit", IF_INSPECTED, mcpa_stage_charge_tool },
};

static bool origin_is_listed(const mcpa_policy_t *policy, mcpa_str_t origin)
{
    for (size_t i = 0; origin.ptr && policy->origins && policy->origins[i]; i++) {
        if (mcpa_str_eqz(origin, policy->origins[i])) {
            return true;
        }
    }
    return false;
}

static bool is_left_out(const mcpa_work_t *w, when_t when)
{
    return when == UNLESS_KNOWN ? w->is_known : when == IF_INSPECTED && w->policy->inspect == MCPA_INSPECT_OFF;
}

mcpa_reason_t mcpa_decide(mcpa_decision_t *decision, const mcpa_request_t *request, const mcpa_policy_t *policy,
                          const mcpa_env_t *env)
{
    mcpa_work_t w = { .decision = decision, .request = request, .policy = policy, .env = env, .now_s = env->now_us / 1000000 };
    mcpa_reason_t reason = MCPA_REASON_UNDECIDED;

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        if (is_left_out(&w, stages[i].when)) {
            continue;
        }
        reason = stages[i].run(&w);
        if (env->trace) {
            env->trace(env->ctx, stages[i].name, reason, decision);
        }
        if (reason != MCPA_REASON_PASS) {
            if (stages[i].when == UNLESS_KNOWN) {
                mcpa_work_note_verify_time(&w);
            }
            break;
        }
    }
    mcpa_jws_clear(&w.jws);
    mcpa_json_free(&w.unverified);
    mcpa_jwks_release(&w.keys);
    decision->reason = reason;
    return reason;
}

static mcpa_reason_t check_location(mcpa_work_t *w)
{
    const mcpa_policy_t *policy = w->policy;

    if (!policy || policy->mode == MCPA_MODE_OFF || !policy->resource || !policy->issuers || !policy->issuers[0]) {
        return MCPA_REASON_NO_POLICY;
    }
    w->own_audience[0] = policy->resource;
    w->audiences = policy->audiences ? policy->audiences : w->own_audience;
    /* Known from the start, so that a refusal on the way can be read by the page that asked. */
    w->decision->origin_allowed = origin_is_listed(policy, w->request->origin);
    return MCPA_REASON_PASS;
}

/* HEAD, TRACE and the like have no meaning in MCP's transport; an OPTIONS that no browser sent would only probe. */
static mcpa_reason_t check_method(mcpa_work_t *w)
{
    static const char *const methods[] = { "POST", "GET", "DELETE" };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (mcpa_str_eqz(w->request->method, methods[i])) {
            return MCPA_REASON_PASS;
        }
    }
    return mcpa_str_eqz(w->request->method, "OPTIONS") && w->request->origin.ptr ? MCPA_REASON_PASS
                                                                                 : MCPA_REASON_METHOD_NOT_ALLOWED;
}

/* RFC 9112 section 6.1: nothing but a single "chunked" is needed here, and every other list is how bodies are smuggled. */
static mcpa_reason_t check_framing(mcpa_work_t *w)
{
    mcpa_str_t coding = w->request->transfer_encoding;

    return !coding.ptr || mcpa_str_ieq(coding, MCPA_STR("chunked")) ? MCPA_REASON_PASS : MCPA_REASON_REQUEST_MALFORMED;
}

/* A name of somebody else that was made to point here (DNS rebinding) lets his page talk to us as if it had come from us: to the
 * browser it is one origin, and no foreign Origin tells. But Host has that name. Of a public resource Host is the virtual host's
 * business. */
static mcpa_reason_t check_host(mcpa_work_t *w)
{
    return !mcpa_authority_is_loopback(mcpa_authority_of(mcpa_str(w->policy->resource))) ||
                   mcpa_authority_is_loopback(w->request->host)
               ? MCPA_REASON_PASS
               : MCPA_REASON_HOST_DENIED;
}

static mcpa_reason_t check_origin(mcpa_work_t *w)
{
    return !w->request->origin.ptr || w->decision->origin_allowed ? MCPA_REASON_PASS : MCPA_REASON_ORIGIN_DENIED;
}

static mcpa_reason_t answer_preflight(mcpa_work_t *w)
{
    if (!mcpa_str_eqz(w->request->method, "OPTIONS")) {
        return MCPA_REASON_PASS;
    }
    return w->request->preflight_method.ptr ? MCPA_REASON_PREFLIGHT : MCPA_REASON_METHOD_NOT_ALLOWED;
}

static mcpa_reason_t take_credential(mcpa_work_t *w)
{
    mcpa_decision_t *d = w->decision;
    size_t max = mcpa_lengths_max(&w->policy->lengths, MCPA_LENGTH_TOKEN);
    mcpa_reason_t reason = mcpa_credential_extract(&d->token, w->request->authorization, w->request->query, max);

    if (reason == MCPA_REASON_TOKEN_TOO_LONG) {
        return mcpa_work_refuse_length(w, reason, MCPA_LENGTH_TOKEN, 0);
    }
    if (reason == MCPA_REASON_PASS) {
        d->has_token_hash = w->env->token_hash ? w->env->token_hash(w->env->ctx, d->token_hash, d->token)
                                               : mcpa_sha256(d->token_hash, d->token);
        if (!d->has_token_hash) {
            return MCPA_REASON_UNDECIDED;
        }
    }
    return reason;
}

int mcpa_decision_status(const mcpa_decision_t *decision)
{
    bool is_told = decision->reason == MCPA_REASON_OPERATION_UNKNOWN && mcpa_revision_is_modern(decision->revision);

    return is_told ? 404 : mcpa_reason_row(decision->reason)->status;
}

const mcpa_json_t *mcpa_decision_claims(mcpa_decision_t *decision)
{
    mcpa_jws_t jws;

    if (!decision->authenticated) {
        return NULL;
    }
    if (!decision->claims && mcpa_jws_split(&jws, decision->token) == MCPA_OK) {
        if (mcpa_jws_payload(&decision->claims, &jws) != MCPA_OK) {
            decision->claims = NULL;
        }
        mcpa_jws_clear(&jws);
    }
    return decision->claims;
}

#define DECISION_HEAD_BYTES (offsetof(mcpa_decision_t, principal.scopes.words))

void mcpa_decision_init(mcpa_decision_t *decision)
{
    memset(decision, 0, DECISION_HEAD_BYTES);
}

void mcpa_decision_clear(mcpa_decision_t *decision)
{
    mcpa_json_free(&decision->claims);
    mcpa_decision_init(decision);
}
