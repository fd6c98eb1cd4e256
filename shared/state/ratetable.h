/* SPDX-License-Identifier: Apache-2.0 */
/* Many GCRA buckets in one block of memory that processes share: 8-way sets of {fingerprint, TAT}, 128 bytes a set. A live
 * bucket is never evicted; what finds its set full of live ones is counted in a GCRA sketch (4 rows), which may deny a newcomer early but
 * never forgets a heavy one. Offsets only, so every process may map the block elsewhere. Layout drawn in ratetable.c. */
#ifndef MCPA_STATE_RATETABLE_H
#define MCPA_STATE_RATETABLE_H
#include "base/bytes.h"

typedef struct mcpa_ratetable mcpa_ratetable_t; /* the block itself */

/* Bytes needed for at least 'entries' buckets (rounded up to a power of two sets, >= 8 sets) plus header and sketch. */
size_t mcpa_ratetable_bytes(size_t entries);
/* Lays out zeroed memory of mcpa_ratetable_bytes(entries), 64-byte aligned; 'secret' keys the fingerprints and must be random. */
mcpa_ratetable_t *mcpa_ratetable_init(void *memory, size_t entries, const unsigned char secret[16]);
/* The table in memory laid out before, or NULL when magic, layout version or size are not this program's. */
mcpa_ratetable_t *mcpa_ratetable_attach(void *memory, size_t bytes);
/* One request of 'identity' under rule 'rule_id'. true: allowed and taken. false: *wait_ns says when to come back. Any thread, any process. */
bool mcpa_ratetable_take(mcpa_ratetable_t *table, uint64_t rule_id, mcpa_str_t identity, uint64_t now_ns, uint64_t interval_ns, uint32_t burst,
                         uint64_t *wait_ns);
/* Live buckets at now_ns, by a scan; for gauges. capacity: all slots. overflow: requests that went to the sketch since start. */
void mcpa_ratetable_stats(const mcpa_ratetable_t *table, uint64_t now_ns, size_t *live, size_t *capacity, uint64_t *overflow);
#endif
