/* SPDX-License-Identifier: Apache-2.0 */
/* What a start reads back of the journal's files, and where writing goes on. A part of audit/journal.h, which holds the directory's lock. */
#ifndef ADMIND_AUDIT_REPLAY_H
#define ADMIND_AUDIT_REPLAY_H

#include "audit/journal.h"
#include "audit/names.h"

typedef struct admind_replay {
    const char *dir; /* borrowed, as the next three */
    int dir_fd;
    admind_sealer_t *sealer;                  /* told of every line; NULL: none */
    bool (*fn)(void *ctx, mcpa_str_t line);   /* false: damage, see admind_journal_replay; NULL: takes all */
    void *ctx;
    /* what was found, when all went well */
    admind_journal_name_t last; /* the newest file; day 0: there is none */
    uint64_t end;               /* its length behind its last good line, all of it durable */
    int fd;                     /* of it, writable, the caller's; -1: it is compressed, or there is none */
} admind_replay_t;

/* As admind_journal_replay. Status other than MCPA_OK: nothing is left open. */
mcpa_status_t admind_replay_run(admind_replay_t *replay, const admind_position_t *from) MCPA_MUST_CHECK;

#endif
