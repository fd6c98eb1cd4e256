/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ring.h"

#include <stdlib.h>

void ctl_ring_add(ctl_ring_t *ring, mcpa_str_t line)
{
    char *copy = malloc(line.len + 1);
    size_t at = ring->cap > 0 ? ring->next : ring->count;

    if (at >= ring->room) {
        size_t room = ring->room == 0 ? 256 : ring->room * 2;
        char **lines = realloc(ring->lines, room * sizeof(*lines));
        size_t *lens = lines != NULL ? realloc(ring->lens, room * sizeof(*lens)) : NULL;

        ring->lines = lines != NULL ? lines : ring->lines;
        ring->lens = lens != NULL ? lens : ring->lens;
        ring->room = lens != NULL ? room : ring->room;
        if (lens == NULL) {
            free(copy);
            copy = NULL;
        }
    }
    if (copy == NULL) {
        ring->failed = true;
        return;
    }
    memcpy(copy, line.ptr, line.len);
    copy[line.len] = '\0';
    if (at < ring->count) {
        free(ring->lines[at]);
    } else {
        ring->count++;
    }
    ring->lines[at] = copy;
    ring->lens[at] = line.len;
    ring->next = ring->cap > 0 ? (at + 1) % ring->cap : 0;
}

mcpa_str_t ctl_ring_get(const ctl_ring_t *ring, size_t i)
{
    size_t first = ring->cap > 0 && ring->count == ring->cap ? ring->next : 0;
    size_t at = ring->count > 0 ? (first + i) % ring->count : 0;

    return (mcpa_str_t){ ring->lines[at], ring->lens[at] };
}

void ctl_ring_clear(ctl_ring_t *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        free(ring->lines[i]);
    }
    free(ring->lines);
    free(ring->lens);
}
