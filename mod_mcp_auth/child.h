/* SPDX-License-Identifier: Apache-2.0 */
/* What a running child has: its shared memory, spool, keys and link, from child_init until the process ends. */
#ifndef MOD_MCP_CHILD_H
#define MOD_MCP_CHILD_H

#include "config.h"
#include "keys.h"
#include "link.h"
#include "shm.h"
#include "spool.h"

/* Written by child_init before the child's first request, constant afterwards but for the counters. */
typedef struct mod_mcp_runtime {
    mod_mcp_shm_t shm;
    mod_mcp_spool_t *spool;
    mod_mcp_loss_t *loss; /* in shared memory, what this child has lost and not told; NULL: the spool has it alone */
    mod_mcp_keys_t *keys;
    mod_mcp_link_t *link;
    uint32_t process;            /* this child's own number */
} mod_mcp_runtime_t;

/* NULL when nothing is guarded, or before child_init. */
const mod_mcp_runtime_t *mod_mcp_runtime(void);
/* Guarded requests of this child now; any thread. */
void mod_mcp_requests_add(int by);
/* Whether nobody has this number any more. */
bool mod_mcp_process_is_gone(uint32_t process);
/* The same, or a program of others has it by now; also a child that left httpd's process group, which none of httpd's own does. */
bool mod_mcp_process_is_foreign(uint32_t process);
/* Sixteen hex digits, unlike any other child's. */
#define MOD_MCP_REQUEST_ID_BYTES 17
void mod_mcp_request_id(char id[MOD_MCP_REQUEST_ID_BYTES]);

/* Hooks. */
int mod_mcp_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void mod_mcp_child_init(apr_pool_t *pchild, server_rec *s);
void mod_mcp_child_stopping(apr_pool_t *pchild, int graceful);

#endif
