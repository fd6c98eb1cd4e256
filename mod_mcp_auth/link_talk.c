/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <unistd.h>

#include "link_impl.h"

#define GAUGES_US 1000000
/* Between two batches that are not full. Each acknowledgement would else call for the few records that came meanwhile: a sync of
 * the daemon's for each handful, and a wake-up here. */
#define PACE_US 100000

void mod_mcp_link_greet(mod_mcp_link_t *link)
{
    mcpa_frame_t frame = { .type = MCPA_FRAME_HELLO, .policy = link->policy, .pid = (uint32_t)getpid() };

    memcpy(frame.instance, mod_mcp_spool_instance(link->spool), MCPA_INSTANCE_BYTES);
    frame.next_seq = mod_mcp_spool_oldest(link->spool);
    (void)!mod_mcp_stream_put(&link->stream, &frame); /* into an empty buffer */
}

/* What the daemon has is forgotten here. The records before spool_oldest are in no file any more, whatever the daemon says. */
static int take_resume(mod_mcp_link_t *link, const mcpa_frame_t *frame)
{
    if (link->state != MOD_MCP_LINK_GREETING ||
        memcmp(frame->instance, mod_mcp_spool_instance(link->spool), MCPA_INSTANCE_BYTES) != 0 ||
        frame->acked > mod_mcp_spool_newest(link->spool)) {
        return 0;
    }
    mod_mcp_spool_acked(link->spool, frame->acked);
    link->sent = mod_mcp_spool_oldest(link->spool) - 1;
    link->next_gauges_us = link->next_batch_us = 0;
    mod_mcp_link_enter(link, MOD_MCP_LINK_UP);
    /* News may have been missed meanwhile. */
    mod_mcp_keys_reload(link->keys, NULL);
    mod_mcp_keys_link_up(link->keys);
    return 1;
}

/* Cumulative and by seq, never by position: an answer to something else must not shift what it means. */
static int take_ack(mod_mcp_link_t *link, apr_uint64_t acked)
{
    if (link->state != MOD_MCP_LINK_UP || acked > link->sent) {
        return 0;
    }
    mod_mcp_spool_acked(link->spool, acked);
    while (link->n_batches > 0 && link->window[link->first_batch].last_seq <= acked) {
        link->window_bytes -= link->window[link->first_batch].bytes;
        link->first_batch = (link->first_batch + 1) % MOD_MCP_WINDOW_BATCHES;
        link->n_batches--;
    }
    return 1;
}

static int take_keys(mod_mcp_link_t *link, mcpa_str_t issuer)
{
    char url[MCPA_CLAIM_MAX_BYTES + 1];

    if (link->state != MOD_MCP_LINK_UP || issuer.len >= sizeof(url) || memchr(issuer.ptr, '\0', issuer.len) != NULL) {
        return 0;
    }
    memcpy(url, issuer.ptr, issuer.len);
    url[issuer.len] = '\0';
    mod_mcp_keys_reload(link->keys, url);
    link->next_gauges_us = 0; /* the daemon shows who has keys */
    return 1;
}

int mod_mcp_link_take(mod_mcp_link_t *link, const mcpa_frame_t *frame)
{
    switch (frame->type) {
    case MCPA_FRAME_RESUME:
        return take_resume(link, frame);
    case MCPA_FRAME_ACK:
        return take_ack(link, frame->acked);
    case MCPA_FRAME_KEYS:
        return take_keys(link, frame->issuer);
    case MCPA_FRAME_KID_DONE:
        if (link->state == MOD_MCP_LINK_UP) {
            mod_mcp_keys_answered(link->keys, frame->ask, frame->found);
        }
        return link->state == MOD_MCP_LINK_UP;
    default:
        return 0;
    }
}

static void add_gauge(mcpa_frame_t *frame, mcpa_gauge_t id, apr_uint64_t value)
{
    for (uint32_t i = 0; i < frame->count; i++) {
        if (frame->gauges[i].id == (uint16_t)id) {
            return;
        }
    }
    if (frame->count < MCPA_GAUGES_MAX) {
        frame->gauges[frame->count++] = (mcpa_gauge_value_t){ .id = (uint16_t)id, .value = value };
    }
}

static void put_gauges(mod_mcp_link_t *link, apr_int64_t now_us)
{
    mcpa_frame_t frame = { .type = MCPA_FRAME_GAUGES };

    if (now_us < link->next_gauges_us) {
        return;
    }
    if (link->gauges != NULL) {
        frame.count = link->gauges(link->gauges_ctx, frame.gauges, MCPA_GAUGES_MAX);
    }
    add_gauge(&frame, MCPA_GAUGE_SPOOL_BYTES, mod_mcp_spool_backlog_bytes(link->spool));
    add_gauge(&frame, MCPA_GAUGE_LOST, mod_mcp_spool_lost(link->spool));
    add_gauge(&frame, MCPA_GAUGE_KEYS_LOADED, mod_mcp_keys_loaded(link->keys));
    if (mod_mcp_stream_put(&link->stream, &frame) == MCPA_OK) {
        link->next_gauges_us = now_us + GAUGES_US;
    }
}

/* The buffer is empty here, and all questions together are far smaller. */
static void put_questions(mod_mcp_link_t *link)
{
    mcpa_frame_t frame = { .type = MCPA_FRAME_KID };
    const char *url;

    while (mod_mcp_keys_next_ask(link->keys, &frame.ask, &url, &frame.kid)) {
        frame.issuer = mcpa_str(url);
        if (mod_mcp_stream_put(&link->stream, &frame) != MCPA_OK) {
            /* It will never fit: nobody should wait for an answer. */
            mod_mcp_keys_answered(link->keys, frame.ask, 0);
        }
    }
}

/* 0: nothing to send, or not yet, or the window is full. */
static int put_records(mod_mcp_link_t *link, apr_int64_t now_us)
{
    apr_uint64_t last_seq = 0;
    apr_uint32_t count = 0;
    unsigned char *memory;
    apr_size_t cap = 0;
    apr_size_t len;

    if (now_us < link->next_batch_us && !link->is_stopping) {
        return 0;
    }
    if (link->n_batches == MOD_MCP_WINDOW_BATCHES || link->window_bytes + MCPA_FRAME_MAX_BYTES > MOD_MCP_WINDOW_BYTES) {
        return 0;
    }
    memory = mod_mcp_stream_records(&link->stream, &cap);
    len = memory != NULL ? mod_mcp_spool_read(link->spool, link->sent, memory, cap, &count, &last_seq) : 0;
    if (len == 0) {
        return 0;
    }
    mod_mcp_stream_put_records(&link->stream, count, len);
    link->window[(link->first_batch + link->n_batches++) % MOD_MCP_WINDOW_BATCHES] =
        (mod_mcp_batch_t){ .last_seq = last_seq, .bytes = len };
    link->window_bytes += len;
    link->sent = last_seq;
    if (cap - len >= MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES) {
        link->next_batch_us = now_us + PACE_US;
    }
    return 1;
}

int mod_mcp_link_talk(mod_mcp_link_t *link, apr_int64_t now_us)
{
    put_questions(link);
    put_gauges(link, now_us);
    return put_records(link, now_us) || !mod_mcp_stream_is_flushed(&link->stream);
}
