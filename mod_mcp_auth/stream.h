/* SPDX-License-Identifier: Apache-2.0 */
/* A non-blocking Unix stream socket with a buffer on each side that speaks whole frames (wire/frame.h). One thread. */
#ifndef MOD_MCP_STREAM_H
#define MOD_MCP_STREAM_H

#include "apr_pools.h"
#include "wire/frame.h"

/* Room for one RECORDS frame of the greatest size and some small ones before it. */
#define MOD_MCP_STREAM_OUT_BYTES (2 * MCPA_FRAME_MAX_BYTES)

typedef struct mod_mcp_stream {
    int fd;             /* -1: not connected */
    unsigned char *in;  /* MCPA_FRAME_MAX_BYTES: the longest frame there may be */
    apr_size_t in_at;   /* up to here taken by mod_mcp_stream_next */
    apr_size_t in_end;
    unsigned char *out;
    apr_size_t out_at;  /* up to here sent */
    apr_size_t out_end;
} mod_mcp_stream_t;

/* Not connected; memory from the pool. */
void mod_mcp_stream_init(mod_mcp_stream_t *stream, apr_pool_t *pool);
/* 0 or errno; never waits (a full backlog is EAGAIN). ENAMETOOLONG: the path does not fit a socket address. */
int mod_mcp_stream_connect(mod_mcp_stream_t *stream, const char *path);
void mod_mcp_stream_close(mod_mcp_stream_t *stream);

/* Takes in what has arrived, once. 0: fine, also when nothing had; else errno, ECONNRESET at the end of the stream. */
int mod_mcp_stream_receive(mod_mcp_stream_t *stream);
/* The next frame received, borrowing until the next receive. MCPA_ENOTFOUND: not whole yet; anything else: the peer broke the grammar. */
mcpa_status_t mod_mcp_stream_next(mod_mcp_stream_t *stream, mcpa_frame_t *frame) MCPA_MUST_CHECK;

/* Puts a frame (not RECORDS) into the buffer. MCPA_ETOOBIG: no room now, or ever. */
mcpa_status_t mod_mcp_stream_put(mod_mcp_stream_t *stream, const mcpa_frame_t *frame) MCPA_MUST_CHECK;
/* Where the envelopes of a RECORDS frame of the greatest size may be written, *cap bytes; NULL when there is no room now. */
unsigned char *mod_mcp_stream_records(mod_mcp_stream_t *stream, apr_size_t *cap);
/* Makes a frame of the len bytes written there. */
void mod_mcp_stream_put_records(mod_mcp_stream_t *stream, apr_uint32_t count, apr_size_t len);
/* Sends what the socket takes. 0 or errno. Never SIGPIPE. */
int mod_mcp_stream_flush(mod_mcp_stream_t *stream);
static inline int mod_mcp_stream_is_flushed(const mod_mcp_stream_t *stream)
{
    return stream->out_at == stream->out_end;
}

#endif
