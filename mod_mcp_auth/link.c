/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "clock.h"
#include "base/crash.h"
#include "link_impl.h"

APLOG_USE_MODULE(mcp_auth);

#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 2000000
/* A link that lived for so long is back, for the log, and may be tried again quickly when it breaks. */
#define STEADY_US      2000000
#define RESUME_WAIT_US 5000000
/* Requests do not wake the link when they commit: that would be a system call each. It looks this often. */
#define LOOK_US      100000
#define STOP_US      500000
#define TELL_LOSS_US 60000000

static apr_status_t close_hurry(void *data)
{
    mod_mcp_link_t *link = data;

    if (link->hurry_fd >= 0) {
        (void)close(link->hurry_fd);
        link->hurry_fd = -1;
    }
    return APR_SUCCESS;
}

mod_mcp_link_t *mod_mcp_link_new(apr_pool_t *pool, server_rec *s, const char *socket_path, apr_uint64_t policy_generation,
                                 mod_mcp_spool_t *spool, mod_mcp_keys_t *keys, mod_mcp_gauges_fn gauges, void *gauges_ctx)
{
    mod_mcp_link_t *link = apr_pcalloc(pool, sizeof(*link));

    link->server = s;
    link->path = apr_pstrdup(pool, socket_path);
    link->policy = policy_generation;
    link->spool = spool;
    link->keys = keys;
    link->gauges = gauges;
    link->gauges_ctx = gauges_ctx;
    link->backoff_us = BACKOFF_MIN_US;
    memcpy(&link->random, mod_mcp_spool_instance(spool), sizeof(link->random));
    link->random |= 1;
    mod_mcp_stream_init(&link->stream, pool);
    link->hurry_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    apr_pool_cleanup_register(pool, link, close_hurry, apr_pool_cleanup_null);
    return link;
}

void mod_mcp_link_hurry(mod_mcp_link_t *link)
{
    uint64_t one = 1;

    (void)!write(link->hurry_fd, &one, sizeof(one));
}

void mod_mcp_link_enter(mod_mcp_link_t *link, mod_mcp_link_state_t state)
{
    link->state = state;
    link->since_us = mod_mcp_mono_us();
}

/* Somewhere in the upper half of the current back-off, so that the children of one server do not come all at once. */
static apr_int64_t jittered(mod_mcp_link_t *link)
{
    apr_int64_t half = link->backoff_us / 2;

    link->random ^= link->random << 13;
    link->random ^= link->random >> 7;
    link->random ^= link->random << 17;
    return half + (apr_int64_t)(link->random % (apr_uint64_t)half);
}

/* why: words; error: errno or 0. */
static void give_up(mod_mcp_link_t *link, const char *why, int error)
{
    apr_int64_t now_us = mod_mcp_mono_us();

    mod_mcp_stream_close(&link->stream);
    mod_mcp_keys_link_lost(link->keys);
    if (link->state == MOD_MCP_LINK_UP && now_us - link->since_us >= STEADY_US) {
        link->backoff_us = BACKOFF_MIN_US;
    }
    link->next_try_us = now_us + jittered(link);
    link->backoff_us = link->backoff_us * 2 < BACKOFF_MAX_US ? link->backoff_us * 2 : BACKOFF_MAX_US;
    mod_mcp_link_enter(link, MOD_MCP_LINK_DOWN);
    if (!link->told_down) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, error, link->server,
                     "MCPA0210: no link to mcpauth-admind at %s: %s; requests go on, audit records wait in the spool", link->path,
                     why);
        link->told_down = 1;
    }
}

static void try_connect(mod_mcp_link_t *link)
{
    int error = mod_mcp_stream_connect(&link->stream, link->path);

    if (error != 0) {
        give_up(link, "cannot connect", error);
        return;
    }
    link->first_batch = link->n_batches = 0;
    link->window_bytes = 0;
    mod_mcp_link_enter(link, MOD_MCP_LINK_GREETING);
    mod_mcp_link_greet(link);
}

static void receive(mod_mcp_link_t *link)
{
    mcpa_status_t status;
    mcpa_frame_t frame;
    int error;

    error = mod_mcp_stream_receive(&link->stream);
    if (error != 0) {
        give_up(link, error == ECONNRESET ? "the daemon closed it" : "cannot read", error == ECONNRESET ? 0 : error);
        return;
    }
    while ((status = mod_mcp_stream_next(&link->stream, &frame)) == MCPA_OK) {
        if (frame.type == MCPA_FRAME_BYE) {
            give_up(link, "the daemon is leaving", 0);
            return;
        }
        if (!mod_mcp_link_take(link, &frame)) {
            status = MCPA_EMALFORMED;
            break;
        }
    }
    if (status != MCPA_ENOTFOUND) {
        give_up(link, "the daemon sent what the protocol does not allow", 0);
    }
}

static void flush(mod_mcp_link_t *link)
{
    int error;

    MCPA_CRASH("link.sending");
    error = mod_mcp_stream_flush(&link->stream);
    MCPA_CRASH("link.sent");
    if (error != 0) {
        give_up(link, "cannot write", error);
    }
}

/* In and out, without waiting. Each round sends one buffer; the window ends it. */
static void pump(mod_mcp_link_t *link, apr_int64_t now_us)
{
    int more = 1;

    receive(link);
    while (more && link->state != MOD_MCP_LINK_DOWN) {
        flush(link);
        more = 0;
        if (link->state == MOD_MCP_LINK_UP && mod_mcp_stream_is_flushed(&link->stream)) {
            more = mod_mcp_link_talk(link, now_us);
        }
    }
    if (link->state == MOD_MCP_LINK_GREETING && now_us - link->since_us > RESUME_WAIT_US) {
        give_up(link, "the daemon does not answer", 0);
    }
}

/* A link that breaks again at once is no news. */
static void tell_return(mod_mcp_link_t *link, apr_int64_t now_us)
{
    if (link->told_down && link->state == MOD_MCP_LINK_UP && now_us - link->since_us >= STEADY_US) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, link->server, "MCPA0211: linked to mcpauth-admind at %s again", link->path);
        link->told_down = 0;
    }
}

static void tell_losses(mod_mcp_link_t *link, apr_int64_t now_us)
{
    apr_uint64_t lost = mod_mcp_spool_lost(link->spool);
    int error;

    if (lost == link->told_lost || now_us < link->next_tell_us) {
        return;
    }
    error = mod_mcp_spool_error(link->spool);
    ap_log_error(APLOG_MARK, APLOG_ERR, error, link->server,
                 "MCPA0220: %" APR_UINT64_T_FMT " audit records of this child are lost so far: %s", lost,
                 error == 0 ? "the spool has reached its cap (MCPAuthSpoolDir max=)" : "the spool cannot be written");
    link->told_lost = lost;
    link->next_tell_us = now_us + TELL_LOSS_US;
}

/* Until something arrives, something may be sent, somebody asks, or there is something to do at a time of our own. */
static void wait_for_work(mod_mcp_link_t *link, apr_int64_t now_us, apr_int64_t until_us)
{
    int flushed = mod_mcp_stream_is_flushed(&link->stream);
    struct pollfd fds[3] = {
        { .fd = link->stream.fd, .events = (short)(flushed ? POLLIN : POLLIN | POLLOUT) },
        /* Questions are taken when the buffer is empty, and only from a linked child. */
        { .fd = link->state == MOD_MCP_LINK_UP && flushed ? mod_mcp_keys_wake_fd(link->keys) : -1, .events = POLLIN },
        { .fd = link->is_stopping ? -1 : link->hurry_fd, .events = POLLIN },
    };

    if (until_us > now_us + LOOK_US) {
        until_us = now_us + LOOK_US;
    }
    if (link->state == MOD_MCP_LINK_UP && link->next_batch_us > now_us && until_us > link->next_batch_us) {
        until_us = link->next_batch_us;
    }
    if (link->state == MOD_MCP_LINK_DOWN && until_us > link->next_try_us) {
        until_us = link->next_try_us;
    }
    (void)poll(fds, 3, until_us > now_us ? (int)((until_us - now_us + 999) / 1000) : 0);
}

/* One round of work. */
static void work(mod_mcp_link_t *link, apr_int64_t now_us)
{
    mod_mcp_spool_tend(link->spool);
    tell_losses(link, now_us);
    if (link->state == MOD_MCP_LINK_DOWN && now_us >= link->next_try_us) {
        try_connect(link);
    }
    if (link->state != MOD_MCP_LINK_DOWN) {
        pump(link, now_us);
    }
    tell_return(link, now_us);
}

void mod_mcp_link_run(mod_mcp_link_t *link, int slice_ms)
{
    apr_int64_t now_us = mod_mcp_mono_us();
    apr_int64_t end_us = now_us + (apr_int64_t)slice_ms * 1000;

    while (link->state != MOD_MCP_LINK_STOPPED) {
        work(link, now_us);
        now_us = mod_mcp_mono_us();
        if (now_us >= end_us) {
            return;
        }
        wait_for_work(link, now_us, end_us);
        now_us = mod_mcp_mono_us();
    }
}

void mod_mcp_link_stop(mod_mcp_link_t *link)
{
    mcpa_frame_t bye = { .type = MCPA_FRAME_BYE };
    apr_int64_t now_us = mod_mcp_mono_us();
    apr_int64_t end_us = now_us + STOP_US;

    if (link->state == MOD_MCP_LINK_STOPPED) {
        return;
    }
    link->is_stopping = 1;
    while (link->state != MOD_MCP_LINK_DOWN && now_us < end_us) {
        work(link, now_us);
        if (link->state == MOD_MCP_LINK_UP && mod_mcp_spool_oldest(link->spool) > mod_mcp_spool_newest(link->spool)) {
            break;
        }
        wait_for_work(link, mod_mcp_mono_us(), end_us);
        now_us = mod_mcp_mono_us();
    }
    if (link->state == MOD_MCP_LINK_UP && mod_mcp_stream_put(&link->stream, &bye) == MCPA_OK) {
        (void)!mod_mcp_stream_flush(&link->stream);
    }
    mod_mcp_stream_close(&link->stream);
    mod_mcp_keys_link_lost(link->keys);
    mod_mcp_link_enter(link, MOD_MCP_LINK_STOPPED);
}
