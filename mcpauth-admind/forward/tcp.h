/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of syslog messages over TCP or TLS. A batch counts as taken when the peer's kernel acknowledged all of it on a connection that is still
 * alive; when the connection breaks, forward/window.h says what is sent again. */
#ifndef ADMIND_FORWARD_TCP_H
#define ADMIND_FORWARD_TCP_H

#include "forward/sender.h"

/* Nothing moved for so long: the connection is given up and made anew. */
#define ADMIND_TCP_STALL_US (60 * INT64_C(1000000))

typedef struct admind_tcp admind_tcp_t;

/* config: borrowed. NULL: no memory. */
admind_tcp_t *admind_tcp_new(admind_loop_t *loop, const admind_forward_config_t *config, const admind_sender_events_t *events);
void admind_tcp_free(admind_tcp_t **tcp);
/* Connects when it must. batch: its bytes borrowed until taken or failed. */
void admind_tcp_send(admind_tcp_t *tcp, const admind_batch_t *batch);
/* What is relied upon by now, for the cursor: never behind what was taken. false: no connection, ask for nothing. */
bool admind_tcp_settled(const admind_tcp_t *tcp, admind_position_t *position);

#endif
