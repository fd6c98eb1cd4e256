/* SPDX-License-Identifier: Apache-2.0 */
#include "shm.h"

#include "ap_mpm.h"
#include "apr_shm.h"

APLOG_USE_MODULE(mcp_auth);

#define RETAINED_KEY     "mod_mcp_auth:shm"
#define MAGIC            UINT64_C(0x34304d4853434d4d) /* "MMCSHM04": the layout of the head; the tables carry their own */
#define LINE             64
#define STREAMS_A_THREAD 4
#define STREAMS_LEAST    (UINT64_C(1) << 16)
#define STREAMS_MOST     (UINT64_C(1) << 22) /* 32 MiB */
#define ROUND_UP(size)   (((size) + (LINE - 1)) & ~(size_t)(LINE - 1))

/* What is kept over restarts, by httpd; a new version of the module in the same process finds it and must understand it or leave
 * it. */
typedef struct retained {
    apr_shm_t *segment;
    size_t bytes;
} retained_t;

typedef struct layout {
    size_t limit_entries, cache_entries, session_entries, stream_entries; /* limits: of each of the two tables */
    size_t limits_bytes, cache_bytes, sessions_bytes, streams_bytes;
    size_t counters_at, losses_at, address_at, identity_at, cache_at, sessions_at, streams_at, bytes;
} layout_t;

/* First in the block; written once, before any child exists. */
typedef struct head {
    uint64_t magic;
    layout_t layout;
    uint64_t reasons; /* how many counters there are */
} head_t;

/* More than can be open at once: a stream holds a thread, and with HTTP/2, whose threads are others, H2MaxWorkers is one and a
 * half times ThreadsPerChild. What is never needed is never touched, so it may be plenty. */
static size_t streams_at_once(void)
{
    int daemons = 0, threads = 0;
    size_t most;

    (void)ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &daemons);
    (void)ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &threads);
    most = STREAMS_A_THREAD * (size_t)(daemons > 0 ? daemons : 1) * (size_t)(threads > 0 ? threads : 1);
    return most < STREAMS_LEAST ? STREAMS_LEAST : most > STREAMS_MOST ? STREAMS_MOST : most;
}

static void plan(layout_t *layout)
{
    const mod_mcp_global_t *global = mod_mcp_global();

    memset(layout, 0, sizeof(*layout));
    layout->limit_entries = (global->limit_table_entries + 1) / 2;
    layout->cache_entries = global->token_cache_entries;
    layout->session_entries = global->session_table_entries;
    layout->stream_entries = streams_at_once();
    layout->limits_bytes = ROUND_UP(mcpa_ratetable_bytes(layout->limit_entries));
    layout->cache_bytes = layout->cache_entries ? ROUND_UP(mcpa_tokencache_bytes(layout->cache_entries)) : 0;
    layout->sessions_bytes = ROUND_UP(mcpa_sessions_bytes(layout->session_entries));
    layout->streams_bytes = ROUND_UP(mcpa_streams_bytes(layout->stream_entries));
    layout->counters_at = ROUND_UP(sizeof(head_t));
    layout->losses_at = layout->counters_at + ROUND_UP(sizeof(mod_mcp_counters_t));
    layout->address_at = layout->losses_at + ROUND_UP(sizeof(mod_mcp_losses_t));
    layout->identity_at = layout->address_at + layout->limits_bytes;
    layout->cache_at = layout->identity_at + layout->limits_bytes;
    layout->sessions_at = layout->cache_at + layout->cache_bytes;
    layout->streams_at = layout->sessions_at + layout->sessions_bytes;
    layout->bytes = layout->streams_at + layout->streams_bytes;
}

/* apr promises 8-byte alignment behind its own header; the tables want whole lines. */
static char *base_of(apr_shm_t *segment)
{
    char *at = apr_shm_baseaddr_get(segment);

    return at + (LINE - (uintptr_t)at % LINE) % LINE;
}

/* Fresh anonymous memory is zero, and stays untouched where nobody needs it. */
static bool lay_out(char *base, const layout_t *layout)
{
    unsigned char secrets[4][16];
    head_t *head = (head_t *)(void *)base;

    if (apr_generate_random_bytes(secrets[0], sizeof(secrets)) != APR_SUCCESS ||
        !mcpa_ratetable_init(base + layout->address_at, layout->limit_entries, secrets[0]) ||
        !mcpa_ratetable_init(base + layout->identity_at, layout->limit_entries, secrets[1]) ||
        !mcpa_sessions_init(base + layout->sessions_at, layout->session_entries, secrets[2]) ||
        !mcpa_streams_init(base + layout->streams_at, layout->stream_entries, secrets[3]) ||
        (layout->cache_bytes && !mcpa_tokencache_init(base + layout->cache_at, layout->cache_entries))) {
        return false;
    }
    head->magic = MAGIC;
    head->layout = *layout;
    head->reasons = MCPA_REASON_COUNT;
    return true;
}

static bool is_ours(const char *base, const layout_t *layout)
{
    const head_t *head = (const head_t *)(const void *)base;

    return head->magic == MAGIC && head->reasons == MCPA_REASON_COUNT && !memcmp(&head->layout, layout, sizeof(*layout));
}

static bool bind_parts(mod_mcp_shm_t *shm, char *base, const layout_t *layout)
{
    shm->counters = (mod_mcp_counters_t *)(void *)(base + layout->counters_at);
    shm->losses = (mod_mcp_losses_t *)(void *)(base + layout->losses_at);
    shm->address_limits = mcpa_ratetable_attach(base + layout->address_at, mcpa_ratetable_bytes(layout->limit_entries));
    shm->identity_limits = mcpa_ratetable_attach(base + layout->identity_at, mcpa_ratetable_bytes(layout->limit_entries));
    shm->cache = layout->cache_bytes
                     ? mcpa_tokencache_attach(base + layout->cache_at, mcpa_tokencache_bytes(layout->cache_entries))
                     : NULL;
    shm->sessions = mcpa_sessions_attach(base + layout->sessions_at, mcpa_sessions_bytes(layout->session_entries));
    shm->streams = mcpa_streams_attach(base + layout->streams_at, mcpa_streams_bytes(layout->stream_entries));
    shm->bytes = layout->bytes;
    return shm->address_limits && shm->identity_limits && shm->sessions && shm->streams && (shm->cache || !layout->cache_bytes);
}

bool mod_mcp_shm_attach(mod_mcp_shm_t *shm, server_rec *s)
{
    retained_t *retained = ap_retained_data_get(RETAINED_KEY);
    layout_t layout;
    apr_status_t rv;

    plan(&layout);
    if (!retained) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
    }
    if (retained->segment && retained->bytes >= layout.bytes + LINE && is_ours(base_of(retained->segment), &layout) &&
        bind_parts(shm, base_of(retained->segment), &layout)) {
        return true;
    }
    if (retained->segment) {
        /* Unmaps it in this process alone: children of the generation before keep theirs. */
        (void)apr_shm_destroy(retained->segment);
        retained->segment = NULL;
    }
    rv = apr_shm_create(&retained->segment, layout.bytes + LINE, NULL, s->process->pool);
    if (rv != APR_SUCCESS) {
        retained->segment = NULL;
        ap_log_error(APLOG_MARK, APLOG_CRIT | APLOG_STARTUP, rv, s,
                     "MCPA0121: no shared memory of %lu bytes for limits, cached tokens and sessions; "
                     "make MCPAuthLimitTable, MCPAuthTokenCache or MCPAuthSessionTable smaller",
                     (unsigned long)layout.bytes);
        return false;
    }
    retained->bytes = apr_shm_size_get(retained->segment);
    if (!lay_out(base_of(retained->segment), &layout) || !bind_parts(shm, base_of(retained->segment), &layout)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT | APLOG_STARTUP, 0, s, "MCPA0122: the shared memory cannot be set up");
        return false;
    }
    return true;
}
