/* SPDX-License-Identifier: Apache-2.0 */
/* START HERE. One request, one line a stage: mcpa_decide in decision.c is the whole life of a request, in the order of the design. The
 * module runs it with live keys and tables, mcpauthctl explain runs the very same function offline.
 *
 * Pure: no clock, no sockets, no globals. Thread: any; everything it writes is in the caller's mcpa_decision_t. */
#ifndef MCPA_POLICY_DECISION_H
#define MCPA_POLICY_DECISION_H

#include "base/digest.h"
#include "jose/jwks.h"
#include "mcp/mirror.h"
#include "policy/policy.h"
#include "policy/reason.h"
#include "policy/token.h"
#include "state/ratetable.h"
#include "state/sessions.h"
#include "state/tokencache.h"

#define MCPA_SESSION_ID_MAX_BYTES 255 /* servers give UUIDs; some a signed word */

struct mcpa_decision;

/* What of the request matters; borrowed from the caller. */
typedef struct mcpa_request {
    mcpa_str_t method;         /* "POST" */
    mcpa_str_t query;          /* raw, {NULL,0} when there is none */
    mcpa_str_t authorization;  /* field value, {NULL,0} when absent */
    mcpa_str_t host;           /* Host or :authority as it came, {NULL,0} when absent */
    mcpa_str_t origin;         /* {NULL,0} when absent */
    mcpa_str_t transfer_encoding; /* {NULL,0} when absent */
    mcpa_str_t preflight_method; /* Access-Control-Request-Method, {NULL,0} when absent */
    unsigned char address[16]; /* of the client; IPv4 as ::ffff:a.b.c.d */
    /* The rest matters only where the policy inspects. A field that came more than once is given so that it matches nothing: its values joined by a
     * comma. */
    mcpa_str_t content_type;     /* {NULL,0} when absent */
    mcpa_str_t content_encoding; /* {NULL,0} when absent */
    mcpa_mirrors_t mirrors;
    bool mirrors_repeated;       /* one of them came more than once */
    mcpa_str_t session;          /* Mcp-Session-Id; {NULL,0} when absent */
    bool has_body;               /* a body comes, or may come: of unknown length, or longer than 0 */
} mcpa_request_t;

/* One message, in memory of the caller that lives as long as the decision; the caller begins it by mcpa_message_init. */
typedef struct mcpa_message {
    mcpa_str_t body; /* whole */
    mcpa_rpc_fault_t fault;
    mcpa_revision_t revision; /* that it speaks; MCPA_REVISION_NONE until known */
    mcpa_rpc_t rpc;
    char scopes[MCPA_SCOPE_TEXT_MAX_BYTES]; /* of an operation that names several things */
} mcpa_message_t;

/* body is borrowed. The long texts at the ends stay as they are: zeroing 13 KB would cost more than most decisions. */
void mcpa_message_init(mcpa_message_t *message, mcpa_str_t body);

/* What the world knows, as the caller sees it. Tables may be NULL: no limits, no cache, sessions not looked up (explain). */
typedef struct mcpa_env {
    int64_t now_us;            /* wall clock: exp, nbf */
    uint64_t mono_ns;          /* monotonic clock: limits */
    void *ctx;
    /* The issuer's keys; the caller gets its own reference (released by decide), NULL when there are none (yet, or too old). */
    mcpa_jwks_t *(*keys)(void *ctx, const mcpa_issuer_t *issuer);
    /* Called once when kid is unknown in 'had': waits, bounded, until the daemon answered. Returns a newer set with its own reference, or
     * NULL. NULL function: never waits. */
    mcpa_jwks_t *(*await_key)(void *ctx, const mcpa_issuer_t *issuer, mcpa_str_t kid, const mcpa_jwks_t *had);
    uint64_t (*keys_generation)(void *ctx); /* changes with every change of any key set; NULL: the token cache is not used */
    /* The SHA-256 of the request's token, from where the caller may have it; false: no memory. NULL: it is worked out here. */
    bool (*token_hash)(void *ctx, unsigned char hash[MCPA_SHA256_BYTES], mcpa_str_t token);
    /* Told after each stage, for explain; may be NULL. */
    void (*trace)(void *ctx, const char *stage, mcpa_reason_t reason, const struct mcpa_decision *decision);
    /* Asked once, for a POST with MCPA_INSPECT_BODY, when all that can be decided without the body was: gives the whole body, at most max_body bytes,
     * in a message, and PASS; or BODY_TOO_LARGE, REQUEST_MALFORMED, BODY_UNREAD. NULL: such a request stays UNDECIDED. */
    mcpa_reason_t (*read_message)(void *ctx, uint64_t max_body, mcpa_message_t **message);
    mcpa_ratetable_t *address_limits;
    mcpa_ratetable_t *identity_limits;
    mcpa_tokencache_t *cache;
    mcpa_tokencache_writer_t cache_writer;
    mcpa_sessions_t *sessions;
    uint64_t session_idle_ns; /* a session that was not used for so long is over */
    /* Microseconds on a monotonic clock, to measure the verification; may be NULL. */
    uint64_t (*stopwatch_us)(void *ctx);
} mcpa_env_t;

typedef enum mcpa_cache_use { MCPA_CACHE_UNUSED = 0, MCPA_CACHE_MISS, MCPA_CACHE_HIT } mcpa_cache_use_t;

/* The result. Zeroed memory says UNDECIDED and denies. */
typedef struct mcpa_decision {
    mcpa_reason_t reason;
    mcpa_str_t token;               /* borrows from the request; {NULL,0} when none was extracted */
    bool has_token_hash;
    unsigned char token_hash[MCPA_SHA256_BYTES]; /* of the token */
    const mcpa_issuer_t *issuer;    /* NULL until the token named one of ours */
    bool authenticated;             /* signature and claims are good, whatever came after */
    bool origin_allowed;            /* Origin was present and is on the list: the answer carries CORS, refusals too */
    uint32_t retry_after_s;         /* with a limit's reason: when to come back, >= 1 */
    const mcpa_limit_t *limit;      /* the rule that was exceeded */
    /* Of an inspected request, as far as it came. */
    const mcpa_message_t *message;  /* the caller's; NULL: none was read */
    mcpa_revision_t revision;       /* that the request speaks; MCPA_REVISION_NONE until known */
    mcpa_str_t operation;           /* that rules were asked for: a JSON-RPC method, "GET", "DELETE", "response" */
    mcpa_str_t operation_name;      /* of the tool, prompt, resource or task; {NULL,0}: it has none */
    mcpa_ruling_t ruling;           /* the rule that decided: of the operation, or of a thing it names that is denied */
    const char *operation_scopes;   /* needed besides the Location's; NULL: none */
    size_t longest;                 /* bytes that are taken of what 'too_long' says; 0: it was not refused for its length */
    mcpa_length_t too_long;
    int rpc_code;                   /* the protocol's own code for the error answer; 0: none, then it is the status */
    uint32_t supported;             /* with a protocol's reason: MCPA_REVISION_BIT of those let in */
    mcpa_str_t requested;           /* and the revision that was asked for; {NULL,0}: too long to repeat */
    mcpa_cache_use_t cache_use;
    uint32_t verify_us;             /* time spent in verification; 0 when none was done */
    mcpa_json_t *claims;            /* owned; from the moment the signature is good; NULL on a cache hit until mcpa_decision_claims is called */
    /* The rest is long, and not zeroed by mcpa_decision_init: the words of the principal's scopes are its last member. */
    mcpa_principal_t principal;     /* valid once 'authenticated' */
    char operation_memory[MCPA_RPC_URI_MAX_BYTES]; /* a name that a header carried encoded */
    char cached_text[MCPA_TOKENCACHE_TEXT_BYTES]; /* the principal's strings after a cache hit */
} mcpa_decision_t;

/* Undecided. Zeroed memory is as good, but takes longer to make. */
void mcpa_decision_init(mcpa_decision_t *decision);
/* Decides; decision must be initialised. Returns decision->reason. To be cleared in any case.
 *
 * Order: the table in decision.c; the first stage that does not pass is final. Limits are charged where they stand: all address rules before the
 * credential is looked at, then subject rules, then client rules, each kind in the order of the configuration; a rule that is exceeded
 * ends it, the ones before it stay charged. A subject rule counts the client of a token without subject, and the other way round; the two
 * never share a bucket. IPv6 addresses count by /64. Tool rules count each tool of a subject (or client) by itself, for tools/call alone, and only
 * for calls that are allowed otherwise.
 * Inspection: the body decides, and headers that mirror it must say the same; without a body (MCPA_INSPECT_HEADERS) only what headers can tell
 * is let in, and only in revisions that make servers compare: so no notification, whose headers they need not look at. An operation that names further things (completion/complete a prompt or resource,
 * subscriptions/listen resources) needs what getting or reading each of them needs, too.
 * Keys: a kid that no key of the issuer has may be waited for once (await_key), only for fetched key sets (DISCOVER, URL), after issuer and
 * algorithm were found good and only while exp, as claimed, is not over. A kid that is known but does not fit the algorithm is ALG_DENIED, and
 * so is a token whose header demands an extension (crit, b64, zip, nested). A bad signature never asks for keys.
 * Sessions: an id that comes with a request of the older era must be bound to the token's issuer, subject and client; the newer era has none,
 * and the header means nothing there.
 * Cache: used only with keys_generation, because a change of keys must forget what they verified. */
mcpa_reason_t mcpa_decide(mcpa_decision_t *decision, const mcpa_request_t *request, const mcpa_policy_t *policy, const mcpa_env_t *env);
/* The HTTP status of a refusal; 0 when the request goes on. A method nobody knows is 404 in the newer era, where clients are told so. */
int mcpa_decision_status(const mcpa_decision_t *decision);
/* The claims of the authenticated token, parsed from its own bytes when a cache hit skipped that (the request's memory must still
 * be there); NULL when not authenticated. Borrowed. */
const mcpa_json_t *mcpa_decision_claims(mcpa_decision_t *decision);
/* Visible ASCII, not empty, not longer than the greatest. */
bool mcpa_session_id_is_valid(mcpa_str_t id);
/* What binds the session to who was let in; decision: a PASS of this policy. */
void mcpa_decision_session(mcpa_session_key_t *key, const mcpa_decision_t *decision, const mcpa_policy_t *policy,
                           const mcpa_sessions_t *sessions, mcpa_str_t id);
void mcpa_decision_clear(mcpa_decision_t *decision);

#endif
