/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include "apr_strings.h"

#include "audit.h"
#include "body.h"
#include "child.h"
#include "clock.h"
#include "headers.h"
#include "respond.h"
#include "streamcap.h"
#include "watch.h"
#include "session.h"
#include "tokenhash.h"

APLOG_USE_MODULE(mcp_auth);

#define FAULT_LINE_EVERY_US (60 * 1000000LL)

/* What the callbacks of a decision are told. */
typedef struct asker {
    const mod_mcp_runtime_t *runtime;
    mod_mcp_context_t *context;
    request_rec *r;
} asker_t;

static mcpa_jwks_t *keys(void *ctx, const mcpa_issuer_t *issuer)
{
    return mod_mcp_keys_get(((const asker_t *)ctx)->runtime->keys, issuer);
}

static mcpa_jwks_t *await_key(void *ctx, const mcpa_issuer_t *issuer, mcpa_str_t kid, const mcpa_jwks_t *had)
{
    return mod_mcp_keys_await(((const asker_t *)ctx)->runtime->keys, issuer, kid, had);
}

static uint64_t keys_generation(void *ctx)
{
    return mod_mcp_keys_generation(((const asker_t *)ctx)->runtime->keys);
}

static mcpa_reason_t read_message(void *ctx, uint64_t max_body, mcpa_message_t **message)
{
    const asker_t *asker = ctx;

    return mod_mcp_body_read(asker->r, asker->context, max_body, message);
}

static bool token_hash(void *ctx, unsigned char hash[MCPA_SHA256_BYTES], mcpa_str_t token)
{
    return mod_mcp_token_hash(((const asker_t *)ctx)->r->connection, hash, token);
}

static uint64_t stopwatch_us(void *ctx __attribute__((unused)))
{
    return (uint64_t)mod_mcp_mono_us();
}

static void fill_address(unsigned char address[16], const apr_sockaddr_t *from)
{
    memset(address, 0, 16);
    if (from->family == APR_INET) {
        address[10] = address[11] = 0xff;
        memcpy(address + 12, &from->sa.sin.sin_addr, 4);
    } else if (from->family == APR_INET6) {
        memcpy(address, &from->sa.sin6.sin6_addr, 16);
    }
}

static mcpa_str_t header(const request_rec *r, const char *name)
{
    return mcpa_str(apr_table_get(r->headers_in, name));
}

static void decide(mod_mcp_verdict_t *verdict, mod_mcp_context_t *context, request_rec *r)
{
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    asker_t asker = { .runtime = runtime, .context = context, .r = r };
    mcpa_request_t request = {
        .method = mcpa_str(r->method),
        .query = context->query,
        .authorization = context->authorization,
        .host = header(r, "Host"),
        .origin = header(r, "Origin"),
        .transfer_encoding = header(r, "Transfer-Encoding"),
        .preflight_method = header(r, "Access-Control-Request-Method"),
        .content_type = header(r, "Content-Type"),
        .content_encoding = header(r, "Content-Encoding"),
        /* httpd has joined by a comma what came more than once, for us and for the upstream alike. */
        .mirrors = { .version = header(r, "MCP-Protocol-Version"),
                     .method = header(r, "Mcp-Method"),
                     .name = header(r, "Mcp-Name") },
        .session = header(r, "Mcp-Session-Id"),
        .has_body = mod_mcp_body_comes(r),
    };
    mcpa_env_t env = {
        .now_us = apr_time_now(),
        .mono_ns = (uint64_t)mod_mcp_mono_us() * 1000,
        .ctx = &asker,
        .keys = keys,
        .await_key = await_key,
        .keys_generation = keys_generation,
        .token_hash = token_hash,
        .read_message = read_message,
        .stopwatch_us = stopwatch_us,
    };

    if (!runtime) {
        mod_mcp_verdict_refuse(verdict, MCPA_REASON_NO_POLICY);
        return;
    }
    env.address_limits = runtime->shm.address_limits;
    env.identity_limits = runtime->shm.identity_limits;
    env.cache = runtime->shm.cache;
    env.cache_writer = (mcpa_tokencache_writer_t){ .process = runtime->process, .is_gone = mod_mcp_process_is_gone };
    env.sessions = runtime->shm.sessions;
    env.session_idle_ns = mod_mcp_global()->session_idle_ns;
    fill_address(request.address, r->useragent_addr);
    verdict->reason = mcpa_decide(&verdict->decision, &request, &verdict->policy, &env);
}

/* What is our fault is told once a minute; what a client can cause never at a level that is on by default. */
static void log_verdict(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    static _Atomic apr_int64_t told_us;
    const mcpa_reason_row_t *row = mcpa_reason_row(verdict->reason);
    const char *shadow = verdict->policy.mode == MCPA_MODE_SHADOW ? " (shadow)" : "";
    apr_int64_t now_us = mod_mcp_mono_us(), before_us;

    switch (row->outcome) {
    case MCPA_OUTCOME_ALLOW:
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "MCPA0301: %s: %s%s", verdict->policy.location, row->word, shadow);
        break;
    case MCPA_OUTCOME_DENY:
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "MCPA0302: %s: denied: %s%s", verdict->policy.location, row->word, shadow);
        break;
    case MCPA_OUTCOME_LIMIT:
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "MCPA0303: %s: over the limit: %s%s", verdict->policy.location, row->word,
                      shadow);
        break;
    case MCPA_OUTCOME_ERROR:
        before_us = atomic_load(&told_us);
        if ((!before_us || now_us - before_us >= FAULT_LINE_EVERY_US) &&
            atomic_compare_exchange_strong(&told_us, &before_us, now_us)) {
            ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "MCPA0304: %s: cannot serve: %s: %s (told once a minute)%s",
                          verdict->policy.location, row->word, row->description, shadow);
        }
        break;
    }
}

void mod_mcp_gate_refuse(request_rec *r, mod_mcp_verdict_t *verdict, mcpa_reason_t reason)
{
    mod_mcp_verdict_refuse(verdict, reason);
    log_verdict(r, verdict);
}

/* The verdict for where r is now: an earlier one of this client request, or a new one. */
static mod_mcp_verdict_t *judge(request_rec *r, const mod_mcp_dir_t *dir)
{
    mod_mcp_context_t *context = mod_mcp_context_get(r);
    mod_mcp_verdict_t *verdict;
    mcpa_policy_t policy;

    mod_mcp_policy_fill(&policy, dir, r->server);
    verdict = mod_mcp_verdict_find(context, &policy);
    /* A subrequest asks as GET, whatever is to be done in its place. */
    if (!verdict || (verdict->by_subrequest && !r->main && strcmp(r->method, "GET") != 0)) {
        verdict = mod_mcp_verdict_add(context, &policy, r->main != NULL);
        decide(verdict, context, r);
        log_verdict(r, verdict);
        mod_mcp_audit_watch_page(r);
    }
    mod_mcp_set_judged(r, dir, verdict);
    return verdict;
}

/* Lets the request go on, is seen to be whose it is, or answers it. */
static int enforce(request_rec *r)
{
    const mod_mcp_dir_t *dir = mod_mcp_dir_of(r);
    mod_mcp_verdict_t *verdict;

    if (!dir || dir->policy.mode == MCPA_MODE_OFF) {
        return DECLINED;
    }
    if (dir->policy.mode == MCPA_MODE_SHADOW) {
        (void)judge(r, dir);
        return DECLINED;
    }
    /* Before anything that might end here: what follows must never see identity headers that are not ours. */
    mod_mcp_headers_scrub(r);
    verdict = judge(r, dir);
    if (verdict->reason != MCPA_REASON_PASS) {
        return mod_mcp_respond(r, verdict);
    }
    mod_mcp_body_tell(r, mod_mcp_context_find(r));
    mod_mcp_headers_inject(r, mod_mcp_context_find(r), verdict, &dir->policy);
    mod_mcp_session_scrub(r, verdict);
    mod_mcp_set_dressed(r, dir);
    return DECLINED;
}

int mod_mcp_gate_translate(request_rec *r)
{
    return r->method_number == M_TRACE && !r->main ? enforce(r) : DECLINED;
}

int mod_mcp_gate_header_parser(request_rec *r)
{
    return enforce(r);
}

int mod_mcp_gate_access_checker(request_rec *r)
{
    return r->main ? enforce(r) : DECLINED;
}

int mod_mcp_gate_fixups(request_rec *r)
{
    const mod_mcp_verdict_t *verdict = mod_mcp_verdict_of(r);

    /* The ordinary case: it passed, and all was done then. */
    if (verdict && verdict->reason == MCPA_REASON_PASS) {
        return DECLINED;
    }
    return enforce(r);
}

/* Here and not earlier: what Require or another module still refuses has no handler to record, and opens no stream. */
static int admit(request_rec *r, mod_mcp_verdict_t *verdict)
{
    if (!verdict) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (!mod_mcp_streamcap_admit(r, verdict)) {
        return mod_mcp_respond(r, verdict);
    }
    if (verdict->policy.audit == MCPA_AUDIT_REQUIRED && !mod_mcp_audit_promise(r, verdict)) {
        mod_mcp_gate_refuse(r, verdict, MCPA_REASON_AUDIT_UNAVAILABLE);
        return mod_mcp_respond(r, verdict);
    }
    mod_mcp_watch_begin(r, verdict);
    return DECLINED;
}

int mod_mcp_gate_handler(request_rec *r)
{
    const mod_mcp_dir_t *dir = mod_mcp_dir_of(r);
    int answer = DECLINED;

    if (!dir || dir->policy.mode != MCPA_MODE_ON) {
        return DECLINED;
    }
    if (!mod_mcp_is_dressed(r, dir)) { /* not the ordinary case */
        answer = enforce(r);
    }
    return answer == DECLINED ? admit(r, mod_mcp_verdict_of(r)) : answer;
}
