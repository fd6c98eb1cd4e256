/* SPDX-License-Identifier: Apache-2.0 */
/* One receiver's life: batches out of the journal, a sender that carries them, a cursor behind what was taken. See forward/forward.h. */
#ifndef ADMIND_FORWARD_FORWARDER_H
#define ADMIND_FORWARD_FORWARDER_H

#include "forward/forward.h"

typedef struct admind_forwarder admind_forwarder_t;

typedef struct admind_forward_place { /* what all of them share; borrowed */
    admind_loop_t *loop;
    const char *journal_dir;
    const admind_journal_t *journal;
    mcpa_metrics_t *metrics;
    char host[65]; /* this machine's name */
} admind_forward_place_t;

/* NULL: error (cap bytes) says why. */
admind_forwarder_t *admind_forwarder_new(const admind_forward_place_t *place, const admind_forward_config_t *config, char *error, size_t cap);
void admind_forwarder_free(admind_forwarder_t **forwarder);
/* The journal ends here by now. */
void admind_forwarder_wake(admind_forwarder_t *forwarder, const admind_position_t *end);
/* The journal begins to fail, or was mended: what was read ahead of its last commit is forgotten. */
void admind_forwarder_distrust(admind_forwarder_t *forwarder);
/* Writes the cursor when it moved, or was never written. */
void admind_forwarder_save(admind_forwarder_t *forwarder);
/* It is on disk, wherever it stands. */
bool admind_forwarder_has_cursor(const admind_forwarder_t *forwarder);
void admind_forwarder_refresh(const admind_forwarder_t *forwarder);
void admind_forwarder_view(const admind_forwarder_t *forwarder, admind_forward_view_t *view);

#endif
