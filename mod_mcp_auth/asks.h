/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for key ids that no key of ours has, so that any flood of them costs a look-up: one question for one (issuer, kid) however many wait for it,
 * a budget for each issuer, and a memory of what the daemon said does not exist. Pure: the caller brings the lock and the time (monotonic
 * microseconds). */
#ifndef MOD_MCP_ASKS_H
#define MOD_MCP_ASKS_H

#include "apr.h"
#include "base/bytes.h"
#include "base/limits.h"

#define MOD_MCP_ASKS_MAX 64                 /* open questions of one child */
#define MOD_MCP_ASKS_BURST 5                /* new questions about one issuer at once, then ... */
#define MOD_MCP_ASKS_INTERVAL_US 1000000    /* ... one in this time */
#define MOD_MCP_ASKS_LIFE_US 30000000       /* a question not answered for so long is asked again */
#define MOD_MCP_NEGATIVE_MAX 256
#define MOD_MCP_NEGATIVE_US 30000000

typedef enum mod_mcp_ask_state { MOD_MCP_ASK_FREE = 0, MOD_MCP_ASK_NEW, MOD_MCP_ASK_SENT, MOD_MCP_ASK_DONE } mod_mcp_ask_state_t;

typedef struct mod_mcp_ask {
    mod_mcp_ask_state_t state;
    unsigned waiters;       /* while not 0 the slot is not used again; the caller counts them */
    apr_uint64_t id;
    unsigned issuer;        /* the caller's index */
    apr_int64_t made_us;
    apr_size_t kid_len;
    char kid[MCPA_KID_MAX_BYTES];
} mod_mcp_ask_t;

typedef struct mod_mcp_negative {
    apr_uint64_t hash;      /* SipHash under a random key: nobody can make another kid collide */
    apr_int64_t until_us;   /* 0: empty */
} mod_mcp_negative_t;

typedef struct mod_mcp_asks {
    unsigned char hash_key[16];
    apr_uint64_t last_id;
    apr_int64_t budget_us[MCPA_ISSUERS_MAX]; /* theoretical arrival times of GCRA */
    mod_mcp_ask_t asks[MOD_MCP_ASKS_MAX];
    mod_mcp_negative_t negative[MOD_MCP_NEGATIVE_MAX];
    unsigned next_negative;
} mod_mcp_asks_t;

/* Zeroed memory plus a random key. */
void mod_mcp_asks_init(mod_mcp_asks_t *asks, const unsigned char hash_key[16]);
/* The open question about this kid (1 to MCPA_KID_MAX_BYTES bytes), or a new one: *made. NULL when it is known not to exist, or the budget or the table
 * is used up. */
mod_mcp_ask_t *mod_mcp_asks_find(mod_mcp_asks_t *asks, unsigned issuer, mcpa_str_t kid, apr_int64_t now_us, int *made);
/* The oldest question that was not sent yet; it counts as sent. NULL: none. */
const mod_mcp_ask_t *mod_mcp_asks_next(mod_mcp_asks_t *asks);
/* An unknown id is ignored: the daemon may answer late. */
void mod_mcp_asks_answer(mod_mcp_asks_t *asks, apr_uint64_t id, int found, apr_int64_t now_us);
/* Ends all questions without an answer. */
void mod_mcp_asks_give_up(mod_mcp_asks_t *asks);

#endif
