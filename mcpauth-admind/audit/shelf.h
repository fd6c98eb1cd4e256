/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the journal's closed files. */
#ifndef ADMIND_AUDIT_SHELF_H
#define ADMIND_AUDIT_SHELF_H

#include "audit/journal.h"

/* Unlinks files of days before (today - days); never the one that 'end' names, nor later ones. Returns how many. */
size_t admind_shelf_retain(const char *dir, const admind_position_t *end, int64_t days, int64_t now_us);

#endif
