/* SPDX-License-Identifier: Apache-2.0 */
/* The server behind the proxied requests of the torture's load: a thread that answers GET /length/... with a told length and GET /chunked/... in
 * chunks, each in two pieces with a moment between them, so that a proxy has sent on the one before it has the other. */
#ifndef MCPA_TORTURE_UPSTREAM_H
#define MCPA_TORTURE_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

/* Listens on this port of 127.0.0.1; the thread ends with the process. false: errno. */
bool upstream_start(uint16_t port);

#endif
