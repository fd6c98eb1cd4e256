/* SPDX-License-Identifier: Apache-2.0 */
#include "asks.h"

#include "state/siphash.h"

void mod_mcp_asks_init(mod_mcp_asks_t *asks, const unsigned char hash_key[16])
{
    memset(asks, 0, sizeof(*asks));
    memcpy(asks->hash_key, hash_key, sizeof(asks->hash_key));
}

static int is_open(const mod_mcp_ask_t *ask, apr_int64_t now_us)
{
    return (ask->state == MOD_MCP_ASK_NEW || ask->state == MOD_MCP_ASK_SENT) && now_us - ask->made_us < MOD_MCP_ASKS_LIFE_US;
}

static apr_uint64_t hash(const mod_mcp_asks_t *asks, unsigned issuer, mcpa_str_t kid)
{
    unsigned char memory[sizeof(issuer) + MCPA_KID_MAX_BYTES];

    memcpy(memory, &issuer, sizeof(issuer));
    memcpy(memory + sizeof(issuer), kid.ptr, kid.len);
    return mcpa_siphash(asks->hash_key, memory, sizeof(issuer) + kid.len);
}

static int is_negative(const mod_mcp_asks_t *asks, unsigned issuer, mcpa_str_t kid, apr_int64_t now_us)
{
    apr_uint64_t wanted = hash(asks, issuer, kid);

    for (unsigned i = 0; i < MOD_MCP_NEGATIVE_MAX; i++) {
        if (asks->negative[i].hash == wanted && now_us < asks->negative[i].until_us) {
            return 1;
        }
    }
    return 0;
}

static int take_budget(mod_mcp_asks_t *asks, unsigned issuer, apr_int64_t now_us)
{
    apr_int64_t base = asks->budget_us[issuer] > now_us ? asks->budget_us[issuer] : now_us;

    if (base - now_us > (MOD_MCP_ASKS_BURST - 1) * (apr_int64_t)MOD_MCP_ASKS_INTERVAL_US) {
        return 0;
    }
    asks->budget_us[issuer] = base + MOD_MCP_ASKS_INTERVAL_US;
    return 1;
}

mod_mcp_ask_t *mod_mcp_asks_find(mod_mcp_asks_t *asks, unsigned issuer, mcpa_str_t kid, apr_int64_t now_us, int *made)
{
    mod_mcp_ask_t *vacant = NULL;

    *made = 0;
    if (issuer >= MCPA_ISSUERS_MAX || kid.len == 0 || kid.len > MCPA_KID_MAX_BYTES) {
        return NULL;
    }
    for (mod_mcp_ask_t *ask = asks->asks; ask < asks->asks + MOD_MCP_ASKS_MAX; ask++) {
        if (is_open(ask, now_us)) {
            if (ask->issuer == issuer && mcpa_str_eq((mcpa_str_t){ ask->kid, ask->kid_len }, kid)) {
                return ask;
            }
        } else if (ask->waiters == 0) {
            vacant = ask;
        }
    }
    if (vacant == NULL || is_negative(asks, issuer, kid, now_us) || !take_budget(asks, issuer, now_us)) {
        return NULL;
    }
    vacant->state = MOD_MCP_ASK_NEW;
    vacant->id = ++asks->last_id;
    vacant->issuer = issuer;
    vacant->made_us = now_us;
    vacant->kid_len = kid.len;
    memcpy(vacant->kid, kid.ptr, kid.len);
    *made = 1;
    return vacant;
}

const mod_mcp_ask_t *mod_mcp_asks_next(mod_mcp_asks_t *asks)
{
    mod_mcp_ask_t *next = NULL;

    for (mod_mcp_ask_t *ask = asks->asks; ask < asks->asks + MOD_MCP_ASKS_MAX; ask++) {
        if (ask->state == MOD_MCP_ASK_NEW && (next == NULL || ask->id < next->id)) {
            next = ask;
        }
    }
    if (next != NULL) {
        next->state = MOD_MCP_ASK_SENT;
    }
    return next;
}

void mod_mcp_asks_answer(mod_mcp_asks_t *asks, apr_uint64_t id, int found, apr_int64_t now_us)
{
    mod_mcp_negative_t *negative;

    for (mod_mcp_ask_t *ask = asks->asks; ask < asks->asks + MOD_MCP_ASKS_MAX; ask++) {
        if (ask->state != MOD_MCP_ASK_SENT || ask->id != id) {
            continue;
        }
        ask->state = MOD_MCP_ASK_DONE;
        if (!found) {
            /* A ring: the oldest goes, which in a flood is at least MOD_MCP_NEGATIVE_MAX budgeted questions old. */
            negative = &asks->negative[asks->next_negative++ % MOD_MCP_NEGATIVE_MAX];
            negative->hash = hash(asks, ask->issuer, (mcpa_str_t){ ask->kid, ask->kid_len });
            negative->until_us = now_us + MOD_MCP_NEGATIVE_US;
        }
        return;
    }
}

void mod_mcp_asks_give_up(mod_mcp_asks_t *asks)
{
    for (mod_mcp_ask_t *ask = asks->asks; ask < asks->asks + MOD_MCP_ASKS_MAX; ask++) {
        if (ask->state != MOD_MCP_ASK_FREE) {
            ask->state = MOD_MCP_ASK_DONE;
        }
    }
}
