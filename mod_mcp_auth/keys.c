/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "apr_time.h"
#include "http_config.h"
#include "http_log.h"

#include "keyfile.h"
#include "keys_impl.h"
#include "policy/issuer.h"

APLOG_USE_MODULE(mcp_auth);

/* Under the mutex, after any change of a slot. The sum of the digests, each turned by its place, so that no two cancel out. */
static void update_generation(mod_mcp_keys_t *keys)
{
    apr_uint64_t generation = 0;
    apr_int64_t first = MOD_MCP_KEYS_NEVER;

    for (unsigned i = 0; i < keys->n_slots; i++) {
        if (keys->slots[i].set != NULL) {
            generation += (keys->slots[i].digest ^ (i + 1)) * 0x9e3779b97f4a7c15u;
            first = keys->slots[i].expires_us < first ? keys->slots[i].expires_us : first;
        }
    }
    atomic_store(&keys->generation, generation);
    atomic_store(&keys->first_expiry_us, first);
}

/* Whoever looks first after its time lets a set go. */
void mod_mcp_keys_expire(mod_mcp_keys_t *keys)
{
    apr_int64_t now_us = apr_time_now();

    if (now_us < atomic_load(&keys->first_expiry_us)) {
        return;
    }
    for (unsigned i = 0; i < keys->n_slots; i++) {
        if (keys->slots[i].set != NULL && now_us >= keys->slots[i].expires_us) {
            mcpa_jwks_release(&keys->slots[i].set);
            keys->slots[i].digest = 0;
        }
    }
    update_generation(keys);
}

mod_mcp_keyslot_t *mod_mcp_keys_slot(const mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer)
{
    for (unsigned i = 0; i < keys->n_slots; i++) {
        if (keys->slots[i].issuer == issuer) {
            return &keys->slots[i];
        }
    }
    return NULL;
}

mcpa_jwks_t *mod_mcp_keys_get(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer)
{
    mod_mcp_keyslot_t *slot = mod_mcp_keys_slot(keys, issuer);
    mcpa_jwks_t *set = NULL;

    if (slot != NULL) {
        mod_mcp_keys_lock(keys);
        set = slot->set != NULL ? mcpa_jwks_retain(slot->set) : NULL;
        mod_mcp_keys_unlock(keys);
    }
    return set;
}

apr_uint64_t mod_mcp_keys_generation(mod_mcp_keys_t *keys)
{
    if (apr_time_now() >= atomic_load(&keys->first_expiry_us)) {
        mod_mcp_keys_lock(keys);
        mod_mcp_keys_unlock(keys);
    }
    return atomic_load(&keys->generation);
}

unsigned mod_mcp_keys_loaded(mod_mcp_keys_t *keys)
{
    unsigned loaded = 0;

    mod_mcp_keys_lock(keys);
    for (unsigned i = 0; i < keys->n_slots; i++) {
        loaded += keys->slots[i].set != NULL;
    }
    mod_mcp_keys_unlock(keys);
    return loaded;
}

/* One line when a file turns bad, one when it is good again. A missing file is no news: the daemon has not fetched yet. */
static void tell_state(mod_mcp_keyslot_t *slot, mcpa_status_t status)
{
    int broken = status != MCPA_OK && status != MCPA_ENOTFOUND;

    if (broken && !slot->broken) {
        ap_log_error(APLOG_MARK, APLOG_ERR, status == MCPA_EIO ? errno : 0, NULL,
                     "MCPA0230: keys of issuer %s: %s cannot be used (%s); the keys known so far stay in use until they expire",
                     slot->issuer->url, slot->path, mcpa_status_word(status));
    } else if (!broken && slot->broken) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, NULL, "MCPA0231: keys of issuer %s can be read again", slot->issuer->url);
    }
    slot->broken = broken;
}

static void reload_slot(mod_mcp_keys_t *keys, mod_mcp_keyslot_t *slot)
{
    mod_mcp_keyfile_t file = { 0 };
    mcpa_jwks_t *held;
    mcpa_jwks_t *old;
    apr_uint64_t known;
    mcpa_status_t status;

    /* Held over the reading: the set in use may expire in between, and the same keys in the file then mean this set again. */
    mod_mcp_keys_lock(keys);
    held = slot->set != NULL ? mcpa_jwks_retain(slot->set) : NULL;
    known = slot->digest;
    mod_mcp_keys_unlock(keys);
    status = mod_mcp_keyfile_read(&file, slot->path, slot->issuer->url, known);
    tell_state(slot, status);
    if (status != MCPA_OK) {
        mcpa_jwks_release(&held);
        return;
    }
    if (file.set == NULL) {
        file.set = held;
        held = NULL;
    }
    mod_mcp_keys_lock(keys);
    old = slot->set;
    slot->set = file.set;
    slot->digest = file.digest;
    slot->expires_us = file.expires_s * 1000000;
    update_generation(keys);
    mod_mcp_keys_expire(keys);
    mod_mcp_keys_unlock(keys);
    mcpa_jwks_release(&old);
    mcpa_jwks_release(&held);
}

void mod_mcp_keys_reload(mod_mcp_keys_t *keys, const char *issuer_url)
{
    for (unsigned i = 0; i < keys->n_slots; i++) {
        mod_mcp_keyslot_t *slot = &keys->slots[i];

        if (slot->path != NULL && (issuer_url == NULL || strcmp(slot->issuer->url, issuer_url) == 0)) {
            reload_slot(keys, slot);
        }
    }
}

static apr_status_t clean_up(void *data)
{
    mod_mcp_keys_t *keys = data;

    for (unsigned i = 0; i < keys->n_slots; i++) {
        mcpa_jwks_release(&keys->slots[i].set);
    }
    if (keys->wake_fd >= 0) {
        close(keys->wake_fd);
    }
    (void)pthread_cond_destroy(&keys->answered);
    (void)pthread_mutex_destroy(&keys->mutex);
    return APR_SUCCESS;
}

static int init_sync(mod_mcp_keys_t *keys)
{
    pthread_condattr_t attr;
    int failed;

    if (pthread_condattr_init(&attr) != 0) {
        return 0;
    }
    /* apr_thread_cond_timedwait counts on the wall clock: set back by an hour, it would hold a request for an hour. */
    failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 || pthread_mutex_init(&keys->mutex, NULL) != 0;
    if (!failed && pthread_cond_init(&keys->answered, &attr) != 0) {
        (void)pthread_mutex_destroy(&keys->mutex);
        failed = 1;
    }
    (void)pthread_condattr_destroy(&attr);
    return !failed;
}

/* What the parent parsed: all children of one start have the same. A secret cannot be printed, so the digest takes in the number
 * of the start: after each restart such tokens are verified once more. */
static void fix_slot(mod_mcp_keyslot_t *slot, mcpa_jwks_t *set, char *memory, apr_size_t cap)
{
    mcpa_out_t out;
    int start = 0;

    (void)ap_mpm_query(AP_MPMQ_GENERATION, &start);
    mcpa_out_init(&out, memory, cap);
    mcpa_out_printf(&out, "%d ", start);
    mcpa_jwks_print(&out, set);
    slot->set = mcpa_jwks_retain(set);
    slot->digest = mod_mcp_keyfile_digest(slot->issuer->url, mcpa_out_get(&out));
    slot->expires_us = MOD_MCP_KEYS_NEVER;
}

static void init_slots(mod_mcp_keys_t *keys, apr_pool_t *pool, const char *state_dir, const mcpa_issuer_t *const *issuers,
                       mcpa_jwks_t *const *fixed)
{
    apr_pool_t *scratch = NULL;
    char *memory;
    char name[70];

    if (apr_pool_create(&scratch, pool) != APR_SUCCESS) {
        scratch = pool;
    }
    memory = apr_palloc(scratch, MCPA_JWKS_MAX_BYTES);
    for (unsigned i = 0; i < keys->n_slots; i++) {
        mod_mcp_keyslot_t *slot = &keys->slots[i];

        slot->issuer = issuers[i];
        if (slot->issuer->key_source == MCPA_KEYS_DISCOVER || slot->issuer->key_source == MCPA_KEYS_URL) {
            mcpa_issuer_key_file(name, slot->issuer->url);
            slot->path = apr_pstrcat(pool, state_dir, "/keys/", name, NULL);
        } else if (fixed != NULL && fixed[i] != NULL) {
            fix_slot(slot, fixed[i], memory, MCPA_JWKS_MAX_BYTES);
        }
    }
    if (scratch != pool) {
        apr_pool_destroy(scratch);
    }
}

mod_mcp_keys_t *mod_mcp_keys_new(apr_pool_t *pool, const char *state_dir, const mcpa_issuer_t *const *issuers,
                                 mcpa_jwks_t *const *fixed, int key_wait_ms)
{
    mod_mcp_keys_t *keys = apr_pcalloc(pool, sizeof(*keys));
    unsigned char hash_key[16];
    int threads = 0;

    if (getrandom(hash_key, sizeof(hash_key), 0) != (ssize_t)sizeof(hash_key) || !init_sync(keys)) {
        return NULL;
    }
    while (issuers[keys->n_slots] != NULL && keys->n_slots < MCPA_ISSUERS_MAX) {
        keys->n_slots++;
    }
    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    keys->waiters_max = threads > 8 ? (unsigned)threads / 4 : 2;
    keys->wait_us = (apr_int64_t)key_wait_ms * 1000;
    keys->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    keys->slots = apr_pcalloc(pool, keys->n_slots * sizeof(*keys->slots) + 1);
    mod_mcp_asks_init(&keys->asks, hash_key);
    init_slots(keys, pool, state_dir, issuers, fixed);
    update_generation(keys);
    apr_pool_cleanup_register(pool, keys, clean_up, apr_pool_cleanup_null);
    mod_mcp_keys_reload(keys, NULL);
    return keys;
}
