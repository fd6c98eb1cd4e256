/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include "apr_strings.h"
#include "http_protocol.h"
#include "mod_status.h"

#include "child.h"
#include "clock.h"

typedef struct numbers {
    uint64_t outcomes[MCPA_OUTCOME_ERROR + 1];
    uint64_t shadow_denials, cache_hits, cache_misses;
    size_t address_live, address_slots, identity_live, identity_slots;
    size_t sessions, session_slots, streams, stream_places;
    uint64_t overflow;
    uint64_t backlog_bytes, lost;
    unsigned issuers_loaded;
    int issuers;
} numbers_t;

static uint64_t load(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void collect(numbers_t *numbers, const mod_mcp_runtime_t *runtime)
{
    uint64_t now_ns = (uint64_t)mod_mcp_mono_us() * 1000, overflow = 0;

    memset(numbers, 0, sizeof(*numbers));
    for (int reason = 0; reason < MCPA_REASON_COUNT; reason++) {
        numbers->outcomes[mcpa_reason_row((mcpa_reason_t)reason)->outcome] += load(&runtime->shm.counters->decisions[reason]);
    }
    numbers->shadow_denials = load(&runtime->shm.counters->shadow_denials);
    numbers->cache_hits = load(&runtime->shm.counters->cache_hits);
    numbers->cache_misses = load(&runtime->shm.counters->cache_misses);
    mcpa_ratetable_stats(runtime->shm.address_limits, now_ns, &numbers->address_live, &numbers->address_slots, &overflow);
    mcpa_ratetable_stats(runtime->shm.identity_limits, now_ns, &numbers->identity_live, &numbers->identity_slots,
                         &numbers->overflow);
    numbers->overflow += overflow;
    mcpa_sessions_stats(runtime->shm.sessions, now_ns, mod_mcp_global()->session_idle_ns, &numbers->sessions,
                        &numbers->session_slots);
    mcpa_streams_stats(runtime->shm.streams, &numbers->streams, &numbers->stream_places);
    numbers->backlog_bytes = mod_mcp_spool_backlog_bytes(runtime->spool);
    numbers->lost = mod_mcp_spool_lost(runtime->spool);
    numbers->issuers_loaded = mod_mcp_keys_loaded(runtime->keys);
    numbers->issuers = mod_mcp_global()->issuers->nelts;
}

#define U64 "%" APR_UINT64_T_FMT

/* One "Key: value" a line, the keys for ever the same: exporters read them. */
static void print_short(request_rec *r, const numbers_t *n)
{
    for (int outcome = 0; outcome <= MCPA_OUTCOME_ERROR; outcome++) {
        ap_rprintf(r, "MCPAuthDecisions_%s: " U64 "\n", mcpa_outcome_word((mcpa_outcome_t)outcome), n->outcomes[outcome]);
    }
    ap_rprintf(r, "MCPAuthShadowDenials: " U64 "\nMCPAuthTokenCacheHits: " U64 "\nMCPAuthTokenCacheMisses: " U64 "\n",
               n->shadow_denials, n->cache_hits, n->cache_misses);
    ap_rprintf(r, "MCPAuthLimitEntries: %lu\nMCPAuthLimitCapacity: %lu\nMCPAuthLimitOverflow: " U64 "\n",
               (unsigned long)(n->address_live + n->identity_live), (unsigned long)(n->address_slots + n->identity_slots),
               n->overflow);
    ap_rprintf(r, "MCPAuthSessions: %lu\nMCPAuthSessionCapacity: %lu\n", (unsigned long)n->sessions,
               (unsigned long)n->session_slots);
    ap_rprintf(r, "MCPAuthStreams: %lu\n", (unsigned long)n->streams);
    ap_rprintf(
        r, "MCPAuthChildSpoolBytes: " U64 "\nMCPAuthChildLost: " U64 "\nMCPAuthChildIssuersWithKeys: %u\nMCPAuthIssuers: %d\n",
        n->backlog_bytes, n->lost, n->issuers_loaded, n->issuers);
}

static void print_row(request_rec *r, bool as_table, const char *name, const char *text)
{
    ap_rprintf(r, as_table ? "<tr><th align=\"left\">%s</th><td>%s</td></tr>\n" : "<dt>%s: %s</dt>\n", name, text);
}

static void print_reasons(request_rec *r, const mod_mcp_runtime_t *runtime, bool as_table)
{
    for (int reason = 0; reason < MCPA_REASON_COUNT; reason++) {
        uint64_t count = load(&runtime->shm.counters->decisions[reason]);

        if (count) {
            print_row(r, as_table, mcpa_reason_word((mcpa_reason_t)reason), apr_psprintf(r->pool, U64, count));
        }
    }
}

static void print_html(request_rec *r, const mod_mcp_runtime_t *runtime, const numbers_t *n, bool as_table)
{
    ap_rputs("<hr />\n<h2>MCP authorization</h2>\n", r);
    ap_rputs(as_table ? "<table border=\"0\">\n" : "<dl>\n", r);
    print_row(r, as_table, "Decisions since the start",
              apr_psprintf(r->pool,
                           U64 " allowed, " U64 " denied, " U64 " over a limit, " U64 " not possible; " U64
                               " only noted (Shadow)",
                           n->outcomes[MCPA_OUTCOME_ALLOW], n->outcomes[MCPA_OUTCOME_DENY], n->outcomes[MCPA_OUTCOME_LIMIT],
                           n->outcomes[MCPA_OUTCOME_ERROR], n->shadow_denials));
    print_reasons(r, runtime, as_table);
    print_row(r, as_table, "Cache of verified tokens",
              apr_psprintf(r->pool, U64 " hits, " U64 " misses", n->cache_hits, n->cache_misses));
    print_row(r, as_table, "Rate limits",
              apr_psprintf(r->pool, "%lu of %lu addresses, %lu of %lu identities, " U64 " requests without a bucket of their own",
                           (unsigned long)n->address_live, (unsigned long)n->address_slots, (unsigned long)n->identity_live,
                           (unsigned long)n->identity_slots, n->overflow));
    print_row(r, as_table, "Sessions",
              apr_psprintf(r->pool, "%lu open, %lu places", (unsigned long)n->sessions, (unsigned long)n->session_slots));
    print_row(r, as_table, "Streams", apr_psprintf(r->pool, "%lu open", (unsigned long)n->streams));
    print_row(r, as_table, "This child",
              apr_psprintf(r->pool, "keys of %u of %d issuers; audit spool " U64 " bytes, " U64 " records lost",
                           n->issuers_loaded, n->issuers, n->backlog_bytes, n->lost));
    ap_rputs(as_table ? "</table>\n" : "</dl>\n", r);
}

int mod_mcp_status(request_rec *r, int flags)
{
    const mod_mcp_runtime_t *runtime = mod_mcp_runtime();
    numbers_t numbers;

    if (!runtime) {
        return DECLINED;
    }
    collect(&numbers, runtime);
    if (flags & AP_STATUS_SHORT) {
        print_short(r, &numbers);
    } else {
        print_html(r, runtime, &numbers, !(flags & AP_STATUS_NOTABLE));
    }
    return OK;
}
