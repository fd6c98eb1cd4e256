/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <poll.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "util_filter.h"

#include "streamcap.h"

/* A stream of HTTP/2 has no socket of its own to wait for: so often it is looked at. */
#define LOOK_MS 250

/* Added by this handle: its name would be looked up for each request. */
static ap_filter_rec_t *watch_filter;

/* Memory of the request that this thread is at work for. */
typedef struct watched {
    request_rec *r;
    apr_time_t until; /* 0: no end */
} watched_t;

static _Thread_local watched_t *current;

int mod_mcp_watch_forget(request_rec *r)
{
    /* After a redirect, too: it may come from a request that was never read whole, of which nobody was told. */
    if (!r->main) {
        current = NULL;
    }
    return DECLINED;
}

void mod_mcp_watch_begin(request_rec *r, const mod_mcp_verdict_t *verdict)
{
    if (r->main) {
        return;
    }
    current = apr_pcalloc(r->pool, sizeof(*current));
    current->r = r;
    if (verdict && verdict->policy.stream_until_expiry && verdict->decision.issuer) {
        /* As long as the token would be let in. */
        current->until = apr_time_from_sec(verdict->decision.principal.expires_s + verdict->decision.issuer->skew_s);
    }
}

static int fd_of(conn_rec *c)
{
    apr_socket_t *socket = c->master ? NULL : ap_get_conn_socket(c);
    apr_os_sock_t fd = -1;

    return socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS ? fd : -1;
}

/* What others have to say of the request is theirs. */
void mod_mcp_watch_silence(request_rec *r)
{
    static const char *const names[] = { "mod_proxy.c",      "mod_proxy_http.c", "mod_proxy_http2.c",
                                         "mod_proxy_fcgi.c", "mod_proxy_scgi.c", "mod_proxy_uwsgi.c" };
    struct ap_logconf *log = ap_new_log_config(r->pool, ap_get_request_logconf(r));

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const module *proxy = ap_find_linked_module(names[i]);

        if (proxy) {
            ap_set_module_loglevel(r->pool, log, proxy->module_index, APLOG_CRIT);
        }
    }
    r->log = log;
}

/* The client is treated like one that has left, whether it has or its token is over: else mod_proxy_http2 would end the stream
 * properly, with a page that says 503 in it. */
static apr_status_t give_up(request_rec *r)
{
    mod_mcp_watch_silence(r);
    r->connection->keepalive = AP_CONN_CLOSE;
    r->connection->aborted = 1;
    return APR_ECONNABORTED;
}

/* Milliseconds until the earlier of the two, -1: no end; not more than LOOK_MS where nobody wakes us. */
static int time_left(apr_time_t now, apr_time_t until, apr_time_t timeout_at, bool must_look)
{
    apr_time_t end = until && (!timeout_at || until < timeout_at) ? until : timeout_at;
    apr_time_t ms = end ? (end > now ? (end - now + 999) / 1000 : 0) : -1;

    if (must_look && (ms < 0 || ms > LOOK_MS)) {
        return LOOK_MS;
    }
    return ms > 3600000 ? 3600000 : (int)ms;
}

static bool is_over(const watched_t *watched, apr_time_t now)
{
    return watched->until && now >= watched->until;
}

/* Until the upstream has something to say, or there is a reason not to wait. */
static apr_status_t await_upstream(const watched_t *watched, conn_rec *upstream)
{
    request_rec *r = watched->r;
    struct pollfd fds[2] = { { .fd = fd_of(upstream), .events = POLLIN }, { .fd = fd_of(r->connection), .events = POLLRDHUP } };
    apr_interval_time_t timeout = -1;
    apr_time_t now = apr_time_now(), timeout_at;

    if (fds[0].fd < 0 || apr_socket_timeout_get(ap_get_conn_socket(upstream), &timeout) != APR_SUCCESS) {
        return APR_SUCCESS;
    }
    timeout_at = timeout >= 0 ? now + timeout : 0;
    for (;; now = apr_time_now()) {
        int n;

        if (r->connection->aborted) {
            return give_up(r);
        }
        if (is_over(watched, now)) {
            return give_up(r);
        }
        if (timeout_at && now >= timeout_at) {
            return APR_TIMEUP;
        }
        n = poll(fds, 2, time_left(now, watched->until, timeout_at, fds[1].fd < 0));
        if (n < 0 && errno != EINTR) {
            return APR_SUCCESS; /* the read that follows will tell */
        }
        if (n > 0 && fds[1].revents) {
            r->connection->aborted = 1;
        } else if (n > 0 && fds[0].revents) {
            return APR_SUCCESS;
        }
    }
}

static apr_status_t filter_watch(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                 apr_off_t readbytes)
{
    const watched_t *watched = current;
    apr_bucket_brigade *ahead = f->ctx; /* one for all requests of the connection: it lives in its memory */
    apr_status_t rv;

    if (!watched || mode == AP_MODE_INIT || !mod_mcp_is_stream(watched->r)) {
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    /* Also where the upstream never pauses. */
    if (is_over(watched, apr_time_now())) {
        return give_up(watched->r);
    }
    if (block != APR_BLOCK_READ) {
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    /* What was read from the socket already would wait for nothing. */
    if (!ahead) {
        f->ctx = ahead = apr_brigade_create(f->c->pool, f->c->bucket_alloc);
    }
    rv = ap_get_brigade(f->next, ahead, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
    if (APR_STATUS_IS_EAGAIN(rv) || (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(ahead))) {
        rv = await_upstream(watched, f->c);
    } else {
        rv = APR_SUCCESS;
    }
    apr_brigade_cleanup(ahead);
    return rv == APR_SUCCESS ? ap_get_brigade(f->next, bb, mode, block, readbytes) : rv;
}

int mod_mcp_watch_upstream(conn_rec *c, void *csd __attribute__((unused)))
{
    if (c->outgoing && mod_mcp_global()->guarded) {
        ap_add_input_filter_handle(watch_filter, NULL, NULL, c);
    }
    return OK;
}

void mod_mcp_watch_register(void)
{
    /* Right above the socket: mod_ssl reads through it. */
    watch_filter = ap_register_input_filter("MCPAUTH_WATCH", filter_watch, NULL, (ap_filter_type)(AP_FTYPE_NETWORK - 1));
}
