/* SPDX-License-Identifier: Apache-2.0 */
/* Batches as OTLP/HTTP requests. 2xx takes a batch; anything else leaves it standing, to be sent again: a batch is never passed over. */
#ifndef ADMIND_FORWARD_POST_H
#define ADMIND_FORWARD_POST_H

#include "forward/sender.h"

typedef struct admind_post admind_post_t;

/* config: borrowed, its headers too. NULL: no memory, or libcurl cannot be set up. */
admind_post_t *admind_post_new(admind_loop_t *loop, const admind_forward_config_t *config, const admind_sender_events_t *events);
void admind_post_free(admind_post_t **post);
void admind_post_send(admind_post_t *post, const admind_batch_t *batch);

#endif
