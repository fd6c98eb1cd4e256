/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on stderr for what takes longer than a second. Nothing is ever drawn where stderr is no terminal, and what was drawn is
 * gone at the end. One thread. */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_PROGRESS_TEXT_BYTES 160

typedef struct ctl_progress {
    FILE *to;       /* NULL: never draws */
    size_t columns; /* of the terminal */
    int64_t begun_us, drawn_us;
    bool visible;
} ctl_progress_t;

/* To stderr when that is a terminal. CLOCK_MONOTONIC. */
void ctl_progress_begin(ctl_progress_t *progress);
/* done of total bytes. Cheap enough for every line. */
void ctl_progress_update(ctl_progress_t *progress, uint64_t done, uint64_t total);
/* Takes the bar away; before anything else is written to the terminal. A later update may draw it again. */
void ctl_progress_hide(ctl_progress_t *progress);

/* The same with the clock as an argument. */
void ctl_progress_at(ctl_progress_t *progress, uint64_t done, uint64_t total, int64_t now_us);
/* "[#####.....]  50%  120 MB/s  0:12 left" in at most 'columns' columns; ASCII. */
void ctl_progress_format(char text[CTL_PROGRESS_TEXT_BYTES], uint64_t done, uint64_t total, int64_t elapsed_us, size_t columns);

#endif
