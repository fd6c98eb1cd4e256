/* SPDX-License-Identifier: Apache-2.0 */
/* This child's own spool: committed records in preallocated segment files (segfile.h), held until the daemon has them. One instance per child
 * process, made in child_init after privileges are dropped.
 *
 * Threads: commit, promise, fulfil, release and the counters from any, release from a signal handler, too; sync_start and sync_end from the main
 * thread; the rest from the link's thread only. One process-local mutex orders the commits: no other process takes it, so a killed child leaves at
 * most one torn record at the end of its file, which checksum and seq reveal.
 *
 * What could not be committed is counted and told: as soon as there is room again, or at the end of the process, one record with the event "gap"
 * says how many were lost. Every segment keeps some bytes free for it.
 *
 * A promise is a record that another one will follow. The spool keeps a slot for each: room for a record of the greatest size, in the current segment
 * or in a spare one, all of them preallocated. No other record may use it, so the record that follows finds room when the cap is reached and when
 * the disk is full. A segment that fails takes its slots along: until new ones are made no promise is given, and a promised record goes where there
 * is room, or has a segment made.
 *
 * One thread at a time makes a segment, and nobody commits slower for it who needs none. Who does waits 2 s at most, and not at all when the making
 * hangs already. Two segments in a row that fail tell of a disk that fails everything: for a second none is made but for promised records. */
#ifndef MOD_MCP_SPOOL_H
#define MOD_MCP_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"
#include "wire/record.h"
#include "wire/segment.h"

typedef struct mod_mcp_spool mod_mcp_spool_t;

/* dir: MCPAuthSpoolDir; max_bytes: the cap for all children together (the directory is counted before each new segment, so it is exceeded by one segment
 * per child at the most). The first segment is made here; when that fails the spool exists all the same, counts what it loses and tries again once
 * a second. Freed with the pool (unlinks what is fully acknowledged; leaves the rest to be adopted by the daemon). NULL only when the system has
 * no random numbers or no mutexes to give. */
mod_mcp_spool_t *mod_mcp_spool_new(apr_pool_t *pool, const char *dir, apr_uint64_t max_bytes);
/* Where to count what was lost and is not told yet, instead of in memory that dies with the process (losses.h). What stands there is told like its own.
 * Before the first commit. */
void mod_mcp_spool_count_in(mod_mcp_spool_t *spool, _Atomic uint64_t *untold);
const unsigned char *mod_mcp_spool_instance(const mod_mcp_spool_t *spool);
/* One pwrite; the record counts only when this says MCPA_OK. Else it was counted as lost, and no seq was used. MCPA_EFULL: cap reached or disk full.
 * MCPA_EIO: the disk fails, or hangs with a segment that another thread makes.
 * With durability=sync MCPA_EIO also says that the disk did not confirm in time: then the record stands in the spool, may reach the journal and is
 * not counted as lost. */
mcpa_status_t mod_mcp_spool_commit(mod_mcp_spool_t *spool, const mcpa_record_t *record);
/* The same for a record that another one will follow. MCPA_OK: there is room for it, until exactly one call of fulfil or release. Else there is not,
 * and nothing counts as lost: what the record would have told of must not happen. */
mcpa_status_t mod_mcp_spool_promise(mod_mcp_spool_t *spool, const mcpa_record_t *record) MCPA_MUST_CHECK;
/* Commits the record that was promised. */
mcpa_status_t mod_mcp_spool_fulfil(mod_mcp_spool_t *spool, const mcpa_record_t *record);
/* The record that was promised will never come. For a signal handler, too, in the middle of a commit of the thread that it interrupts. */
void mod_mcp_spool_release(mod_mcp_spool_t *spool);

/* durability=sync. From now on a commit counts when the disk has it: one thread syncs for all that wait. A disk that hangs holds a commit for 2 s
 * and then for no time at all, until it is back. False: the system has no thread to give. */
bool mod_mcp_spool_sync_start(mod_mcp_spool_t *spool);
/* Ends the thread, after a last sync; who commits later syncs by itself. False: it has not ended within limit_ms, and the process can do nothing
 * but leave. For a signal handler, too. Nothing to do without a start. */
bool mod_mcp_spool_sync_end(mod_mcp_spool_t *spool, int limit_ms);

/* Link's side. */
/* Housekeeping, many times a second: prepares the next segment when half of the current one is used, reports losses. */
void mod_mcp_spool_tend(mod_mcp_spool_t *spool);
/* Next unacknowledged records, as sealed envelopes, for one RECORDS frame: fills buffer (cap bytes, at least one record of the greatest size), sets
 * *count and *last_seq. Starts at the record after 'sent', or at the oldest one held. Returns bytes, 0 when there is nothing. Records that cannot be
 * read back (a damaged disk) are replaced, each by a gap record of one, so that seq has no holes. */
apr_size_t mod_mcp_spool_read(mod_mcp_spool_t *spool, apr_uint64_t sent, unsigned char *buffer, apr_size_t cap, apr_uint32_t *count,
                              apr_uint64_t *last_seq);
void mod_mcp_spool_acked(mod_mcp_spool_t *spool, apr_uint64_t seq); /* unlinks segments that are done */

apr_uint64_t mod_mcp_spool_oldest(mod_mcp_spool_t *spool);          /* first seq not acknowledged */
apr_uint64_t mod_mcp_spool_newest(mod_mcp_spool_t *spool);          /* last seq committed, 0: none yet */
apr_uint64_t mod_mcp_spool_backlog_bytes(mod_mcp_spool_t *spool);   /* committed, not acknowledged; an estimate within a segment */
apr_uint64_t mod_mcp_spool_lost(mod_mcp_spool_t *spool);            /* since the child started */
/* Why the last segment could not be made or written: errno, or 0 when the cap was reached. */
int mod_mcp_spool_error(mod_mcp_spool_t *spool);

#endif
