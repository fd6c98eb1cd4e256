/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <sys/random.h>

#include "apr_strings.h"
#include "apr_time.h"
#include "clock.h"
#include "base/crash.h"
#include "spool_impl.h"

#define USUAL_BYTES 1024 /* most records */

/* Under the mutex, with a current segment that has room. memory: an envelope's space and then the payload. The seq is used only
 * when the record stands in the file whole. */
static mcpa_status_t append(mod_mcp_spool_t *spool, unsigned char *memory, apr_size_t payload_len)
{
    mcpa_status_t status;

    mcpa_envelope_seal(memory, spool->instance, spool->next_seq, payload_len);
    status = mod_mcp_segfile_append(spool->current, memory, MCPA_ENVELOPE_BYTES + payload_len);
    if (status != MCPA_OK) {
        mod_mcp_spool_spoil(spool, spool->current, errno);
        return status;
    }
    spool->is_failing = spool->is_failing && spool->sync.is_on;
    MCPA_CRASH("spool.written");
    spool->current->last_seq = spool->next_seq++;
    return MCPA_OK;
}

apr_size_t mod_mcp_spool_encode_gap(unsigned char payload[GAP_PAYLOAD_BYTES], apr_uint64_t lost)
{
    mcpa_record_t record;
    size_t len = 0;

    mcpa_record_init(&record);
    record.ts = apr_time_now();
    record.event = MCPA_STR("gap");
    record.lost = lost < INT64_MAX ? (int64_t)lost : INT64_MAX;
    return mcpa_record_encode(payload, GAP_PAYLOAD_BYTES, &len, &record) == MCPA_OK ? len : 0;
}

/* Under the mutex, with a current segment that has room. A failure spoils it. */
static mcpa_status_t tell_gap(mod_mcp_spool_t *spool)
{
    apr_uint64_t untold = atomic_load(spool->untold);
    unsigned char memory[GAP_BYTES];
    mcpa_status_t status;
    apr_size_t len;

    if (untold == 0) {
        return MCPA_OK;
    }
    len = mod_mcp_spool_encode_gap(memory + MCPA_ENVELOPE_BYTES, untold);
    status = len > 0 ? append(spool, memory, len) : MCPA_ETOOBIG;
    if (status == MCPA_OK) {
        atomic_fetch_sub(spool->untold, untold); /* in this order: who dies in between is told twice, not never */
    }
    return status;
}

/* Under the mutex. The loss is told first, where there is room for both; a promised record has its slot and no more. */
static mcpa_status_t commit(mod_mcp_spool_t *spool, unsigned char *memory, apr_size_t payload_len, role_t role)
{
    claim_t claim = { .role = role };
    bool tells = atomic_load(spool->untold) > 0 && role != PROMISED;
    mcpa_status_t status = MCPA_EIO;

    /* What fails spoils its segment; the second try goes to the next one, and is the record's alone. */
    for (int tries = 0; tries < 2 && status != MCPA_OK; tries++) {
        claim.bytes = MCPA_ENVELOPE_BYTES + payload_len + (tells ? GAP_BYTES : 0);
        status = mod_mcp_spool_get_room(spool, &claim);
        if (status == MCPA_OK && tells) {
            tells = false;
            status = tell_gap(spool);
        }
        if (status == MCPA_OK) {
            status = append(spool, memory, payload_len);
        }
    }
    return status;
}

/* Under the mutex. */
static void take_off_released(mod_mcp_spool_t *spool)
{
    if (atomic_load_explicit(&spool->released, memory_order_relaxed) > 0) {
        spool->promised -= atomic_exchange(&spool->released, 0);
    }
}

/* memory: an envelope's space and then the record, encoded; encoded: how that went. */
static mcpa_status_t enter_encoded(mod_mcp_spool_t *spool, unsigned char *memory, size_t len, mcpa_status_t encoded, role_t role)
{
    mcpa_status_t status = encoded;

    mod_mcp_spool_lock(spool);
    MCPA_CRASH("spool.committing");
    take_off_released(spool);
    if (status == MCPA_OK) {
        status = commit(spool, memory, len, role);
    }
    MCPA_CRASH("spool.committed");
    spool->promised -= role == PROMISED;
    if (status == MCPA_OK) {
        spool->promised += role == PROMISE;
        status = mod_mcp_spool_await_sync(spool, spool->next_seq - 1);
        spool->promised -= status != MCPA_OK && role == PROMISE;
    } else if (role != PROMISE) {
        spool->lost++;
        atomic_fetch_add(spool->untold, 1);
    }
    mod_mcp_spool_unlock(spool);
    return status;
}

static __attribute__((noinline)) mcpa_status_t enter_long(mod_mcp_spool_t *spool, const mcpa_record_t *record, role_t role)
{
    unsigned char memory[MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES];
    size_t len = 0;
    mcpa_status_t encoded = mcpa_record_encode(memory + MCPA_ENVELOPE_BYTES, MCPA_RECORD_MAX_BYTES, &len, record);

    return enter_encoded(spool, memory, len, encoded, role);
}

/* Room for the longest record is not taken on the stack for all of them: what is called from there would work, in each thread, on
 * memory that nothing else has in its cache. */
static mcpa_status_t enter(mod_mcp_spool_t *spool, const mcpa_record_t *record, role_t role)
{
    unsigned char memory[MCPA_ENVELOPE_BYTES + USUAL_BYTES];
    size_t len = 0;
    mcpa_status_t encoded = mcpa_record_encode(memory + MCPA_ENVELOPE_BYTES, USUAL_BYTES, &len, record);

    return encoded == MCPA_ETOOBIG ? enter_long(spool, record, role) : enter_encoded(spool, memory, len, encoded, role);
}

mcpa_status_t mod_mcp_spool_commit(mod_mcp_spool_t *spool, const mcpa_record_t *record)
{
    return enter(spool, record, PLAIN);
}

mcpa_status_t mod_mcp_spool_promise(mod_mcp_spool_t *spool, const mcpa_record_t *record)
{
    return enter(spool, record, PROMISE);
}

mcpa_status_t mod_mcp_spool_fulfil(mod_mcp_spool_t *spool, const mcpa_record_t *record)
{
    return enter(spool, record, PROMISED);
}

void mod_mcp_spool_release(mod_mcp_spool_t *spool)
{
    (void)atomic_fetch_add(&spool->released, 1);
}

void mod_mcp_spool_tend(mod_mcp_spool_t *spool)
{
    claim_t claim = { .role = PLAIN, .bytes = GAP_BYTES };

    mod_mcp_spool_lock(spool);
    take_off_released(spool);
    mod_mcp_spool_prepare(spool);
    /* In what is there: the link's thread waits for no other's making. */
    if (atomic_load(spool->untold) > 0 && mod_mcp_spool_fits(spool, &claim) && mod_mcp_spool_get_room(spool, &claim) == MCPA_OK) {
        (void)!tell_gap(spool);
    }
    mod_mcp_spool_unlock(spool);
}

/* In the bytes kept for it; when the segment failed, in another. */
static void tell_last_gap(mod_mcp_spool_t *spool)
{
    claim_t claim = { .role = PROMISED, .bytes = GAP_BYTES };
    bool has_segment = spool->current != NULL && !spool->current->spoiled;

    /* A making that is under way may be this very thread's, below a signal handler. */
    if (atomic_load(spool->untold) > 0 && (has_segment || (spool->making_us == 0 && mod_mcp_spool_get_room(spool, &claim) == MCPA_OK))) {
        (void)!tell_gap(spool);
    }
}

/* At the end of the process: what was lost is told, and what the daemon has need not be adopted. */
static apr_status_t clean_up(void *data)
{
    mod_mcp_spool_t *spool = data;
    mod_mcp_segfile_t *file;

    /* prefork ends a child from a signal handler, perhaps in the middle of a commit: then the lock is this very thread's. The files stay as they
     * are, and the daemon finds what was committed. */
    if (pthread_mutex_trylock(&spool->mutex) != 0) {
        return APR_SUCCESS;
    }
    tell_last_gap(spool);
    while ((file = spool->oldest) != NULL) {
        spool->oldest = file->next;
        if (file->last_seq <= spool->acked) {
            mod_mcp_segfile_drop(&file, &spool->dir);
        } else {
            mod_mcp_segfile_leave(&file);
        }
    }
    spool->current = NULL;
    while ((file = mod_mcp_spool_take_spare(spool)) != NULL) {
        mod_mcp_segfile_drop(&file, &spool->dir);
    }
    mod_mcp_spool_unlock(spool);
    /* 'made' is not destroyed: it owns nothing, and glibc would wait for those who wait for it, among them perhaps this very thread, below the
     * signal handler in which prefork ends. */
    (void)pthread_mutex_destroy(&spool->mutex);
    return APR_SUCCESS;
}

mod_mcp_spool_t *mod_mcp_spool_new(apr_pool_t *pool, const char *dir, apr_uint64_t max_bytes)
{
    mod_mcp_spool_t *spool = apr_pcalloc(pool, sizeof(*spool));
    claim_t claim = { .role = PLAIN, .bytes = GAP_BYTES };
    ssize_t got;

    do {
        got = getrandom(spool->instance, sizeof(spool->instance), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(spool->instance) || pthread_mutex_init(&spool->mutex, NULL) != 0) {
        return NULL;
    }
    if (!mod_mcp_spool_init_cond(&spool->made)) {
        (void)pthread_mutex_destroy(&spool->mutex);
        return NULL;
    }
    spool->dir = (mod_mcp_segdir_t){ .path = apr_pstrdup(pool, dir), .instance = spool->instance, .max_bytes = max_bytes };
    spool->next_seq = 1;
    spool->untold = &spool->untold_alone;
    /* Not for forked programs: their copies of the descriptors close at exec, and unlinking is this process's business. */
    apr_pool_cleanup_register(pool, spool, clean_up, apr_pool_cleanup_null);
    mod_mcp_spool_lock(spool);
    (void)!mod_mcp_spool_get_room(spool, &claim);
    mod_mcp_spool_unlock(spool);
    return spool;
}

void mod_mcp_spool_count_in(mod_mcp_spool_t *spool, _Atomic uint64_t *untold)
{
    spool->untold = untold;
}

const unsigned char *mod_mcp_spool_instance(const mod_mcp_spool_t *spool)
{
    return spool->instance;
}

apr_uint64_t mod_mcp_spool_lost(mod_mcp_spool_t *spool)
{
    apr_uint64_t lost;

    mod_mcp_spool_lock(spool);
    lost = spool->lost;
    mod_mcp_spool_unlock(spool);
    return lost;
}

int mod_mcp_spool_error(mod_mcp_spool_t *spool)
{
    int error;

    mod_mcp_spool_lock(spool);
    error = spool->error;
    mod_mcp_spool_unlock(spool);
    return error;
}
