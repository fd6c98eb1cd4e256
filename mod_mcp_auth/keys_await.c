/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "keys_impl.h"

static int has_kid(const mcpa_jwks_t *set, mcpa_str_t kid)
{
    for (size_t i = 0; i < mcpa_jwks_count(set); i++) {
        if (mcpa_str_eq(mcpa_key_kid(mcpa_jwks_at(set, i)), kid)) {
            return 1;
        }
    }
    return 0;
}

static void wake_link(const mod_mcp_keys_t *keys)
{
    apr_uint64_t one = 1;

    /* It can only fail because the counter is full, and then the link is awake. */
    (void)!write(keys->wake_fd, &one, sizeof(one));
}

/* Under the mutex. Until the question is answered or its time is over, counted from when it was first put: a daemon that hangs
 * holds up the first who asked, not everyone who comes later. */
static void wait_for(mod_mcp_keys_t *keys, mod_mcp_ask_t *ask)
{
    apr_int64_t until_us = ask->made_us + keys->wait_us;
    struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
    int error = 0;

    if (keys->waiters >= keys->waiters_max || mod_mcp_mono_us() >= until_us) {
        return;
    }
    keys->waiters++;
    ask->waiters++;
    while (ask->state != MOD_MCP_ASK_DONE && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&keys->answered, &keys->mutex, &until);
    }
    ask->waiters--;
    keys->waiters--;
}

mcpa_jwks_t *mod_mcp_keys_await(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer, mcpa_str_t kid, const mcpa_jwks_t *had)
{
    mod_mcp_keyslot_t *slot = mod_mcp_keys_slot(keys, issuer);
    mcpa_jwks_t *set = NULL;
    mod_mcp_ask_t *ask;
    int made = 0;

    if (slot == NULL || slot->path == NULL || kid.len == 0 || kid.len > MCPA_KID_MAX_BYTES) {
        return NULL;
    }
    mod_mcp_keys_lock(keys);
    /* The set may have been swapped between the caller's look-up and now. */
    if (keys->linked && (slot->set == NULL || slot->set == had || !has_kid(slot->set, kid))) {
        ask = mod_mcp_asks_find(&keys->asks, (unsigned)(slot - keys->slots), kid, mod_mcp_mono_us(), &made);
        if (made) {
            wake_link(keys);
        }
        if (ask != NULL) {
            wait_for(keys, ask);
            mod_mcp_keys_expire(keys);
        }
    }
    if (slot->set != NULL && slot->set != had) {
        set = mcpa_jwks_retain(slot->set);
    }
    mod_mcp_keys_unlock(keys);
    return set;
}

int mod_mcp_keys_next_ask(mod_mcp_keys_t *keys, apr_uint64_t *ask, const char **issuer_url, mcpa_str_t *kid)
{
    const mod_mcp_ask_t *next;
    apr_uint64_t count;

    /* First the bell, then the list: who rings in between is found in the list, and at worst rings once too often. */
    (void)!read(keys->wake_fd, &count, sizeof(count));
    mod_mcp_keys_lock(keys);
    next = mod_mcp_asks_next(&keys->asks);
    if (next != NULL) {
        *ask = next->id;
        *issuer_url = keys->slots[next->issuer].issuer->url;
        memcpy(keys->asked_kid, next->kid, next->kid_len);
        *kid = (mcpa_str_t){ keys->asked_kid, next->kid_len };
    }
    mod_mcp_keys_unlock(keys);
    return next != NULL;
}

void mod_mcp_keys_answered(mod_mcp_keys_t *keys, apr_uint64_t ask, int found)
{
    mod_mcp_keys_lock(keys);
    mod_mcp_asks_answer(&keys->asks, ask, found, mod_mcp_mono_us());
    (void)pthread_cond_broadcast(&keys->answered);
    mod_mcp_keys_unlock(keys);
}

void mod_mcp_keys_link_up(mod_mcp_keys_t *keys)
{
    mod_mcp_keys_lock(keys);
    keys->linked = 1;
    mod_mcp_keys_unlock(keys);
}

void mod_mcp_keys_link_lost(mod_mcp_keys_t *keys)
{
    mod_mcp_keys_lock(keys);
    keys->linked = 0;
    mod_mcp_asks_give_up(&keys->asks);
    (void)pthread_cond_broadcast(&keys->answered);
    mod_mcp_keys_unlock(keys);
}

int mod_mcp_keys_wake_fd(const mod_mcp_keys_t *keys)
{
    return keys->wake_fd;
}
