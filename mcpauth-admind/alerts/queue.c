/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/queue.h"

#include <stdlib.h>
#include <sys/random.h>

void admind_queue_init(admind_queue_t *queue)
{
    *queue = (admind_queue_t){ .last = &queue->first };
}

/* Takes the message that *link points to out. */
static void drop(admind_queue_t *queue, admind_message_t **link)
{
    admind_message_t *gone = *link;

    *link = gone->next;
    if (*link == NULL) {
        queue->last = link;
    }
    queue->count--;
    queue->bytes -= gone->len;
    free(gone);
}

void admind_queue_drop_first(admind_queue_t *queue)
{
    if (queue->first != NULL) {
        drop(queue, &queue->first);
    }
}

void admind_queue_clear(admind_queue_t *queue)
{
    while (queue->first != NULL) {
        drop(queue, &queue->first);
    }
}

bool admind_queue_add(admind_queue_t *queue, mcpa_str_t body, int64_t now_us, bool busy, size_t *dropped)
{
    static const char prefix[] = "msg_";
    unsigned char random[16];
    admind_message_t *message = malloc(sizeof(*message) + body.len);

    *dropped = 0;
    if (message == NULL || getentropy(random, sizeof(random)) != 0) {
        free(message);
        return false;
    }
    *message = (admind_message_t){ .created_us = now_us, .len = body.len };
    memcpy(message->id, prefix, sizeof(prefix) - 1);
    mcpa_hex(message->id + sizeof(prefix) - 1, random, sizeof(random));
    memcpy(message->body, body.ptr, body.len);
    while (queue->count > (busy ? 1 : 0) && (queue->count >= ADMIND_QUEUE_MAX || queue->bytes + body.len > ADMIND_QUEUE_BYTES)) {
        drop(queue, busy ? &queue->first->next : &queue->first);
        ++*dropped;
    }
    *queue->last = message;
    queue->last = &message->next;
    queue->count++;
    queue->bytes += body.len;
    return true;
}
