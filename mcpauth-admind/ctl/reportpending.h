/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose decision is in the journal and whose final record is not yet: a bounded set. One thread. */
#ifndef CTL_REPORTPENDING_H
#define CTL_REPORTPENDING_H

#include "base/bytes.h"

typedef struct ctl_pending ctl_pending_t;

ctl_pending_t *ctl_pending_new(size_t max); /* NULL: no memory */
void ctl_pending_free(ctl_pending_t **pending);
/* instance: of both records, the same child's; request_id: theirs. MCPA_ENOMEM; MCPA_ETOOBIG: max are waiting, it was not added.
 */
mcpa_status_t ctl_pending_add(ctl_pending_t *pending, const unsigned char instance[16], mcpa_str_t request_id) MCPA_MUST_CHECK;
/* Its final record came. Nothing happens when it does not wait. */
void ctl_pending_remove(ctl_pending_t *pending, const unsigned char instance[16], mcpa_str_t request_id);
size_t ctl_pending_count(const ctl_pending_t *pending);

#endif
