/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "apr_thread_proc.h"

#include "clock.h"
#include "places.h"
#include "streamcap.h"
#include "state/siphash.h"
#include "wire/frame.h"

APLOG_USE_MODULE(mcp_auth);

#define SLICE_MS 100  /* how late the link may notice that the child ends */
#define FLUSH_MS 600  /* a slice, and what the link takes to say goodbye */
#define END_MS   2000 /* after that a stuck link is left behind */
/* Counting live buckets scans the whole table, and there may be hundreds of children. */
#define LIMITS_EVERY_US (10 * 1000000LL)
/* After so long somebody tells what a killed child has lost. */
#define INHERIT_EVERY_US 1000000LL

static mod_mcp_shm_t shared; /* the parent's, inherited by fork */
static mod_mcp_runtime_t *runtime;
static _Atomic bool stopping; /* set by the main thread, read by the link's */
static _Atomic bool linking;  /* set by the link's thread while it is at work, read by the main thread */
static apr_thread_t *link_thread;
static _Atomic int active_requests;
static _Atomic uint64_t requests_named;
static unsigned char id_secret[16]; /* makes request ids, also for a child that refuses everything */

const mod_mcp_runtime_t *mod_mcp_runtime(void)
{
    return runtime;
}

void mod_mcp_requests_add(int by)
{
    atomic_fetch_add_explicit(&active_requests, by, memory_order_relaxed);
}

bool mod_mcp_process_is_gone(uint32_t process)
{
    return getpgid((pid_t)process) < 0 && errno == ESRCH;
}

/* httpd and its children are one process group. */
bool mod_mcp_process_is_foreign(uint32_t process)
{
    pid_t group = getpgid((pid_t)process);

    return group < 0 ? errno == ESRCH : group != getpgrp();
}

void mod_mcp_request_id(char id[17])
{
    uint64_t count = atomic_fetch_add_explicit(&requests_named, 1, memory_order_relaxed);
    uint64_t name = mcpa_siphash(id_secret, &count, sizeof(count));

    mcpa_hex(id, (const unsigned char *)&name, sizeof(name));
}

/* Called from the link's thread, about once a second. */
static unsigned fill_gauges(void *ctx __attribute__((unused)), struct mcpa_gauge_value *gauges, unsigned max)
{
    static apr_int64_t counted_us;
    static size_t live, capacity;
    int active = atomic_load_explicit(&active_requests, memory_order_relaxed);
    apr_int64_t now_us = mod_mcp_mono_us();
    uint64_t overflow;
    unsigned n = 0;

    if (!counted_us || now_us - counted_us >= LIMITS_EVERY_US) {
        size_t more_live, more_capacity;

        mcpa_ratetable_stats(runtime->shm.address_limits, (uint64_t)now_us * 1000, &live, &capacity, &overflow);
        mcpa_ratetable_stats(runtime->shm.identity_limits, (uint64_t)now_us * 1000, &more_live, &more_capacity, &overflow);
        live += more_live;
        capacity += more_capacity;
        counted_us = now_us;
    }
    const struct mcpa_gauge_value all[] = {
        { MCPA_GAUGE_ACTIVE_REQUESTS, active > 0 ? (uint64_t)active : 0 },
        { MCPA_GAUGE_LIMIT_ENTRIES, live },
        { MCPA_GAUGE_LIMIT_CAPACITY, capacity },
    };
    while (n < max && n < sizeof(all) / sizeof(all[0])) {
        gauges[n] = all[n];
        n++;
    }
    return n;
}

static void inherit_losses(void)
{
    static apr_int64_t due_us;
    apr_int64_t now_us = mod_mcp_mono_us();

    if (runtime->loss && now_us >= due_us) {
        mod_mcp_losses_inherit(runtime->shm.losses, runtime->loss);
        due_us = now_us + INHERIT_EVERY_US;
    }
}

/* The link's thread: from child_init until the main thread says stop. A thread of our own and not one of mod_watchdog's, because
 * that module waits for its thread only once the thread has begun to run: a prefork child that is told to leave right after its
 * start would take the pools away under it. */
static void *APR_THREAD_FUNC run_link(apr_thread_t *thread __attribute__((unused)), void *data)
{
    mod_mcp_link_t *link = data;

    while (!atomic_load(&stopping)) {
        mod_mcp_link_run(link, SLICE_MS);
        inherit_losses();
    }
    mod_mcp_link_stop(link);
    atomic_store(&linking, false);
    return NULL;
}

/* Tells the link's thread to end; false when it has not after so long. */
static bool await_link_end(mod_mcp_link_t *link, int limit_ms)
{
    atomic_store(&stopping, true);
    mod_mcp_link_hurry(link);
    for (int waited_ms = 0; atomic_load(&linking); waited_ms++) {
        if (waited_ms >= limit_ms) {
            return false;
        }
        apr_sleep(1000);
    }
    return true;
}

/* Waits for the thread, but not for ever: prefork ends a child from within a signal handler, and the main thread it interrupted
 * may hold what the link wants. A process that cannot take its pools away safely leaves at once: what was committed is in the
 * spool, and the daemon finds it there. */
static apr_status_t end_link(void *data)
{
    apr_status_t rv;

    if (!await_link_end(data, END_MS)) {
        _exit(0);
    }
    (void)apr_thread_join(&rv, link_thread);
    return APR_SUCCESS;
}

/* Like the link's thread: a disk that hangs keeps no process. */
static apr_status_t end_sync(void *spool)
{
    if (!mod_mcp_spool_sync_end(spool, END_MS)) {
        _exit(0);
    }
    return APR_SUCCESS;
}

/* The child's spool, NULL without what it needs. Its thread is ended before the subpools and after the link, whose cleanup is
 * registered later. */
static mod_mcp_spool_t *make_spool(apr_pool_t *pchild, const mod_mcp_global_t *global)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(pchild, global->spool_dir.text, global->spool_max_bytes);

    if (!spool || !global->spool_sync) {
        return spool;
    }
    if (!mod_mcp_spool_sync_start(spool)) {
        return NULL;
    }
    apr_pool_pre_cleanup_register(pchild, spool, end_sync);
    return spool;
}

/* After the subpools: a request that ends with its connection's pool still writes its record. */
static apr_status_t forget(void *unused __attribute__((unused)))
{
    runtime = NULL;
    return APR_SUCCESS;
}

/* Signals are the main thread's: the new one is born deaf to all of them. */
static bool start_link(apr_pool_t *pchild, mod_mcp_link_t *link)
{
    sigset_t all, before;
    apr_status_t rv;

    atomic_store(&stopping, false);
    atomic_store(&linking, true);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = apr_thread_create(&link_thread, NULL, run_link, link, pchild);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rv != APR_SUCCESS) {
        atomic_store(&linking, false);
        return false;
    }
    /* Before the subpools and cleanups of what the thread works with. */
    apr_pool_pre_cleanup_register(pchild, link, end_link);
    apr_pool_cleanup_register(pchild, NULL, forget, apr_pool_cleanup_null);
    return true;
}

int mod_mcp_post_config(apr_pool_t *pconf __attribute__((unused)), apr_pool_t *plog __attribute__((unused)), apr_pool_t *ptemp,
                        server_rec *s)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG || !mod_mcp_global()->guarded) {
        return OK;
    }
    if (!mod_mcp_shm_attach(&shared, s)) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    mod_mcp_publish_snapshot(s, ptemp);
#ifdef MCPA_CRASH_POINTS
    ap_log_error(APLOG_MARK, APLOG_ALERT, 0, s,
                 "MCPA0199: this module was built with --enable-crash-points: its children may kill themselves; it is for "
                 "tests/torture alone");
#endif
    return OK;
}

/* Every issuer that a policy may point to, with the keys that the parent read. */
static mod_mcp_keys_t *make_keys(apr_pool_t *pchild)
{
    const mod_mcp_global_t *global = mod_mcp_global();
    size_t n = (size_t)global->issuers->nelts;
    const mcpa_issuer_t **issuers = apr_pcalloc(pchild, (n + 1) * sizeof(*issuers));
    mcpa_jwks_t **fixed = apr_pcalloc(pchild, (n + 1) * sizeof(mcpa_jwks_t *));

    for (size_t i = 0; i < n; i++) {
        const mod_mcp_issuer_t *entry = ((mod_mcp_issuer_t **)(void *)global->issuers->elts)[i];

        issuers[i] = entry->issuer;
        fixed[i] = entry->fixed;
    }
    return mod_mcp_keys_new(pchild, global->state_dir.text, issuers, fixed, global->key_wait_ms);
}

void mod_mcp_child_init(apr_pool_t *pchild, server_rec *s)
{
    const mod_mcp_global_t *global = mod_mcp_global();
    mod_mcp_runtime_t *made;
    bool got_secret;

    if (!global->guarded) {
        return;
    }
    got_secret = apr_generate_random_bytes(id_secret, sizeof(id_secret)) == APR_SUCCESS;
    made = apr_pcalloc(pchild, sizeof(*made));
    made->shm = shared;
    made->process = (uint32_t)getpid();
    made->keys = make_keys(pchild);
    made->spool = make_spool(pchild, global);
    if (!made->keys || !made->spool || !got_secret) {
        /* Guarded requests are answered with 503 then: they find no runtime. */
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                     "MCPA0124: this child has neither keys nor spool and refuses every guarded request");
        return;
    }
    mod_mcp_streamcap_begin(made->shm.streams);
    made->loss = mod_mcp_losses_take(shared.losses);
    if (made->loss) {
        mod_mcp_spool_count_in(made->spool, &made->loss->untold);
    }
    made->link = mod_mcp_link_new(pchild, s, global->socket.text, global->generation, made->spool, made->keys, fill_gauges, NULL);
    runtime = made; /* the link's thread finds it */
    if (!made->link || !start_link(pchild, made->link)) {
        runtime = NULL;
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, "MCPA0124: this child has no link and refuses every guarded request");
    }
}

/* A child that is told to stop at once leaves without destroying its pool, so nobody would wait for the link; here its last
 * records get the time to be sent. What is not sent stays in the spool for the daemon to find. When the stop is graceful the
 * child's requests go on, and so does their link. */
void mod_mcp_child_stopping(apr_pool_t *pchild __attribute__((unused)), int graceful)
{
    if (graceful || !runtime) {
        return;
    }
    (void)await_link_end(runtime->link, FLUSH_MS);
}
