/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows libmicrohttpd: the admin listener, answered by a thread of its own in turn with the loop (turn.h), so that a slow disk does
 * not delay it. A view reads and changes nothing. Bounded: ADMIND_HTTP_CONNECTIONS at once, 32
 * KiB of memory and 10 idle seconds each, and a deadline of our own a request, because the idle timer starts again with each
 * byte. */
#ifndef ADMIND_HTTP_HTTP_H
#define ADMIND_HTTP_HTTP_H

#include "config.h"
#include "http/listener.h"
#include "loop.h"

#define ADMIND_HTTP_CONNECTIONS      64
#define ADMIND_HTTP_CONNECTIONS_EACH 56 /* of one address; some stay for the others */
#define ADMIND_HTTP_MEMORY_BYTES     32768
#define ADMIND_HTTP_IDLE_S           10
#define ADMIND_HTTP_REQUEST_S        30

struct admind;
typedef struct admind_http admind_http_t;

/* Answers on listener, which stays the caller's and open. NULL: no memory, or the library cannot be set up. */
admind_http_t *admind_http_new(admind_loop_t *loop, const admind_config_t *config, struct admind *admind, int listener);
/* Requests under way are answered first, for half a second at most. The caller has the turn. */
void admind_http_free(admind_http_t **http);

#endif
