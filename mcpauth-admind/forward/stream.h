/* SPDX-License-Identifier: Apache-2.0 */
/* One TCP or TLS connection to a receiver, on the loop: libcurl resolves, connects and shakes hands, then it is a pipe. Names are resolved off the
 * loop's thread; certificates are always verified; plain TCP leaves this machine only when told. What the peer says is thrown away. */
#ifndef ADMIND_FORWARD_STREAM_H
#define ADMIND_FORWARD_STREAM_H

#include "base/bytes.h"
#include "loop.h"

typedef struct admind_stream admind_stream_t;

typedef struct admind_stream_options {
    const char *address;              /* "HOST:PORT", "[::1]:6514" */
    bool tls, anywhere;               /* anywhere: without TLS to other addresses than loopback */
    const char *ca_file;              /* NULL: the system's trust anchors */
    const char *cert_file, *key_file; /* of our own; NULL: none */
} admind_stream_options_t;

/* Called from the loop, never from inside a call below. gone is the last one: close the stream then (from inside it, if you like). orderly: the
 * peer closed and had read everything that was acknowledged. */
typedef struct admind_stream_events {
    void (*connected)(void *ctx);
    void (*writable)(void *ctx); /* after a send that took less than all */
    void (*gone)(void *ctx, const char *words, bool orderly);
    void *ctx;
} admind_stream_events_t;

/* NULL: no memory, or libcurl is not able to. */
admind_stream_t *admind_stream_open(admind_loop_t *loop, const admind_stream_options_t *options, const admind_stream_events_t *events);
void admind_stream_close(admind_stream_t **stream);
/* *n: how much was taken, may be 0. What was not must be offered again unchanged (TLS). MCPA_EIO: broken; 'gone' does not follow. */
mcpa_status_t admind_stream_send(admind_stream_t *stream, mcpa_str_t bytes, size_t *n) MCPA_MUST_CHECK;
/* Bytes in our kernel that the peer's has not acknowledged. false: the connection is not what it was. */
bool admind_stream_unacked(const admind_stream_t *stream, size_t *bytes);

#endif
