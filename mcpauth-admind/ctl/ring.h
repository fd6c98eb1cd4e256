/* SPDX-License-Identifier: Apache-2.0 */
/* The newest lines of many: copies, oldest first. Zeroed memory with 'cap' set is an empty ring. */
#ifndef CTL_RING_H
#define CTL_RING_H

#include "base/bytes.h"

typedef struct ctl_ring {
    char **lines;
    size_t *lens;
    size_t cap, count, next; /* cap 0: everything is kept */
    size_t room;
    bool failed;
} ctl_ring_t;

void ctl_ring_add(ctl_ring_t *ring, mcpa_str_t line);
mcpa_str_t ctl_ring_get(const ctl_ring_t *ring, size_t i); /* i < count; 0 is the oldest */
void ctl_ring_clear(ctl_ring_t *ring);

#endif
