/* SPDX-License-Identifier: Apache-2.0 */
/* This child's own spool: committed records in preallocated segment files, held until the daemon has them. One instance per child process, made in
 * child_init after privileges are dropped. Commit: any request thread (a process-local mutex); the rest: the link's thread only. */
#ifndef MOD_MCP_SPOOL_H
#define MOD_MCP_SPOOL_H

#include "wire/record.h"
#include "wire/segment.h"

typedef struct mod_mcp_spool mod_mcp_spool_t;

/* dir: MCPAuthSpoolDir; max_bytes: the cap for all children together (checked against the directory now and then). The first segment is made here;
 * when that fails the spool exists all the same, counts what it loses and tries again. Freed with the pool (unlinks a fully acknowledged
 * segment; leaves the rest to be adopted by the daemon). */
mod_mcp_spool_t *mod_mcp_spool_new(apr_pool_t *pool, const char *dir, apr_uint64_t max_bytes);
const unsigned char *mod_mcp_spool_instance(const mod_mcp_spool_t *spool);
/* One pwrite; the record counts only when this says MCPA_OK. MCPA_EFULL: cap reached or disk full; it was counted as lost. */
mcpa_status_t mod_mcp_spool_commit(mod_mcp_spool_t *spool, const mcpa_record_t *record);
/* Whether one more record of the greatest size would find room: MCPAuthAudit Required asks before the handler runs. */
int mod_mcp_spool_has_room(mod_mcp_spool_t *spool);

/* Link's side. Next unacknowledged records, as sealed envelopes, for one RECORDS frame: fills buffer (cap bytes), sets *count. Starts at the record
 * after 'sent'. Returns bytes, 0 when there is nothing. */
apr_size_t mod_mcp_spool_read(mod_mcp_spool_t *spool, apr_uint64_t sent, unsigned char *buffer, apr_size_t cap, apr_uint32_t *count,
                              apr_uint64_t *last_seq);
void mod_mcp_spool_acked(mod_mcp_spool_t *spool, apr_uint64_t seq); /* unlinks segments that are done */
apr_uint64_t mod_mcp_spool_oldest(mod_mcp_spool_t *spool);          /* first seq not acknowledged */
apr_uint64_t mod_mcp_spool_backlog_bytes(mod_mcp_spool_t *spool);
apr_uint64_t mod_mcp_spool_lost(mod_mcp_spool_t *spool);            /* since the child started */

#endif
