/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the link, for link.c (its life) and link_talk.c (what is said) alone. */
#ifndef MOD_MCP_LINK_IMPL_H
#define MOD_MCP_LINK_IMPL_H

#include "link.h"
#include "stream.h"

/* Records sent and not acknowledged: what a restarted daemon is sent again at the most, and what a slow one makes us hold in sockets. */
#define MOD_MCP_WINDOW_BYTES (1024 * 1024)
#define MOD_MCP_WINDOW_BATCHES 64

typedef enum mod_mcp_link_state { MOD_MCP_LINK_DOWN = 0, MOD_MCP_LINK_GREETING, MOD_MCP_LINK_UP, MOD_MCP_LINK_STOPPED } mod_mcp_link_state_t;

typedef struct mod_mcp_batch {
    apr_uint64_t last_seq;
    apr_size_t bytes;
} mod_mcp_batch_t;

struct mod_mcp_link {
    server_rec *server;
    const char *path;
    apr_uint64_t policy;
    mod_mcp_spool_t *spool;
    mod_mcp_keys_t *keys;
    mod_mcp_gauges_fn gauges;
    void *gauges_ctx;

    int is_stopping;
    int hurry_fd; /* eventfd; -1 when there is none: then the link notices at the end of its slice */
    mod_mcp_stream_t stream;
    mod_mcp_link_state_t state;
    apr_int64_t since_us;    /* when the state began */
    apr_int64_t next_try_us;
    apr_int64_t backoff_us;
    apr_int64_t next_gauges_us;
    apr_int64_t next_batch_us; /* no records before then, unless it is stopping */
    apr_uint64_t random;     /* for the jitter only */
    int told_down;

    apr_uint64_t sent;       /* last seq handed to the stream */
    mod_mcp_batch_t window[MOD_MCP_WINDOW_BATCHES]; /* a ring: sent, not acknowledged */
    unsigned first_batch;
    unsigned n_batches;
    apr_size_t window_bytes;

    apr_uint64_t told_lost;
    apr_int64_t next_tell_us;
};

void mod_mcp_link_enter(mod_mcp_link_t *link, mod_mcp_link_state_t state);
/* First words on a new connection. */
void mod_mcp_link_greet(mod_mcp_link_t *link);
/* One frame of the daemon's. 0: it broke the protocol. */
int mod_mcp_link_take(mod_mcp_link_t *link, const mcpa_frame_t *frame);
/* Fills the empty buffer of a linked child: questions, gauges when due, one batch of records when the window lets it. 0: there was nothing. */
int mod_mcp_link_talk(mod_mcp_link_t *link, apr_int64_t now_us);

#endif
