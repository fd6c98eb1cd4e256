/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <sys/random.h>

#include "apr_strings.h"
#include "apr_time.h"
#include "clock.h"
#include "base/crash.h"
#include "spool_impl.h"

#define HALF_SEGMENT (MCPA_SEGMENT_BYTES / 2)
/* A directory that had no room is asked again after this long. */
#define RETRY_US 1000000

static int has_space(const mod_mcp_segfile_t *file, apr_size_t need)
{
    return file != NULL && !file->spoiled && file->end + need + GAP_BYTES <= MCPA_SEGMENT_BYTES;
}

/* Under the mutex. Afterwards 'prepared' is there, or why not. */
static mcpa_status_t make_now(mod_mcp_spool_t *spool)
{
    mcpa_status_t status;

    while (spool->making) {
        (void)pthread_cond_wait(&spool->made, &spool->mutex);
    }
    if (spool->prepared != NULL) {
        return MCPA_OK;
    }
    if (mod_mcp_mono_us() < spool->retry_us) {
        return MCPA_EFULL;
    }
    status = mod_mcp_segfile_make(&spool->prepared, &spool->dir, spool->next_number, spool->next_seq);
    if (status != MCPA_OK) {
        spool->error = errno;
        spool->retry_us = mod_mcp_mono_us() + RETRY_US;
        return status;
    }
    spool->next_number++;
    return MCPA_OK;
}

/* Under the mutex. Makes the current segment one that has room for 'need' bytes. */
static mcpa_status_t ensure_space(mod_mcp_spool_t *spool, apr_size_t need)
{
    mcpa_status_t status;

    while (!has_space(spool->current, need)) {
        status = make_now(spool);
        if (status != MCPA_OK) {
            return status;
        }
        if (has_space(spool->current, need)) {
            break; /* another thread was faster while this one waited */
        }
        status = mod_mcp_segfile_begin(spool->prepared, spool->instance, spool->next_seq);
        if (status != MCPA_OK) {
            spool->error = errno;
            mod_mcp_segfile_drop(&spool->prepared, &spool->dir);
            return status;
        }
        if (spool->current != NULL) {
            spool->current->next = spool->prepared;
        } else {
            spool->oldest = spool->prepared;
        }
        spool->current = spool->prepared;
        spool->prepared = NULL;
    }
    return MCPA_OK;
}

/* Under the mutex, with a current segment that has room. memory: an envelope's space and then the payload. The seq is used only
 * when the record stands in the file whole. */
static mcpa_status_t append(mod_mcp_spool_t *spool, unsigned char *memory, apr_size_t payload_len)
{
    mcpa_status_t status;

    mcpa_envelope_seal(memory, spool->instance, spool->next_seq, payload_len);
    status = mod_mcp_segfile_append(spool->current, memory, MCPA_ENVELOPE_BYTES + payload_len);
    if (status != MCPA_OK) {
        spool->error = errno;
        return status;
    }
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

/* Under the mutex, with a current segment that is not spoiled. */
static void tell_gap(mod_mcp_spool_t *spool)
{
    unsigned char memory[GAP_BYTES];
    apr_size_t len;

    if (spool->untold == 0) {
        return;
    }
    len = mod_mcp_spool_encode_gap(memory + MCPA_ENVELOPE_BYTES, spool->untold);
    if (len > 0 && append(spool, memory, len) == MCPA_OK) {
        spool->untold = 0;
    }
}

/* Under the mutex. */
static mcpa_status_t commit(mod_mcp_spool_t *spool, unsigned char *memory, apr_size_t payload_len)
{
    mcpa_status_t status = MCPA_EIO;

    /* A write that fails spoils its segment; the second try goes to the next one. */
    for (int tries = 0; tries < 2 && status != MCPA_OK; tries++) {
        status = ensure_space(spool, MCPA_ENVELOPE_BYTES + payload_len + (spool->untold > 0 ? GAP_BYTES : 0));
        if (status != MCPA_OK) {
            return status;
        }
        tell_gap(spool);
        status = append(spool, memory, payload_len);
    }
    return status;
}

mcpa_status_t mod_mcp_spool_commit(mod_mcp_spool_t *spool, const mcpa_record_t *record)
{
    unsigned char memory[MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES];
    size_t len = 0;
    mcpa_status_t status;

    status = mcpa_record_encode(memory + MCPA_ENVELOPE_BYTES, MCPA_RECORD_MAX_BYTES, &len, record);
    mod_mcp_spool_lock(spool);
    MCPA_CRASH("spool.committing");
    if (status == MCPA_OK) {
        status = commit(spool, memory, len);
    }
    MCPA_CRASH("spool.committed");
    if (status != MCPA_OK) {
        spool->lost++;
        spool->untold++;
    }
    mod_mcp_spool_unlock(spool);
    return status;
}

int mod_mcp_spool_has_room(mod_mcp_spool_t *spool)
{
    int room;

    mod_mcp_spool_lock(spool);
    room = spool->prepared != NULL || has_space(spool->current, HALF_SEGMENT) || make_now(spool) == MCPA_OK;
    mod_mcp_spool_unlock(spool);
    return room;
}

void mod_mcp_spool_tend(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *made = NULL;
    apr_uint32_t number;
    apr_uint64_t seq;
    mcpa_status_t status;

    mod_mcp_spool_lock(spool);
    if (spool->prepared == NULL && !has_space(spool->current, HALF_SEGMENT) && mod_mcp_mono_us() >= spool->retry_us) {
        spool->making = 1;
        number = spool->next_number;
        seq = spool->next_seq;
        mod_mcp_spool_unlock(spool);
        status = mod_mcp_segfile_make(&made, &spool->dir, number, seq);
        mod_mcp_spool_lock(spool);
        if (status == MCPA_OK) {
            spool->prepared = made;
            spool->next_number++;
        } else {
            spool->error = errno;
            spool->retry_us = mod_mcp_mono_us() + RETRY_US;
        }
        spool->making = 0;
        (void)pthread_cond_broadcast(&spool->made);
    }
    if (spool->untold > 0 && ensure_space(spool, GAP_BYTES) == MCPA_OK) {
        tell_gap(spool);
    }
    mod_mcp_spool_unlock(spool);
}

/* At the end of the process: what was lost is told in the bytes kept for it, and what the daemon has need not be adopted. */
static apr_status_t clean_up(void *data)
{
    mod_mcp_spool_t *spool = data;
    mod_mcp_segfile_t *file;

    /* prefork ends a child from a signal handler, perhaps in the middle of a commit: then the lock is this very thread's. The files stay as they
     * are, and the daemon finds what was committed. */
    if (pthread_mutex_trylock(&spool->mutex) != 0) {
        return APR_SUCCESS;
    }
    if (spool->current != NULL && !spool->current->spoiled) {
        tell_gap(spool);
    }
    while ((file = spool->oldest) != NULL) {
        spool->oldest = file->next;
        if (file->last_seq <= spool->acked) {
            mod_mcp_segfile_drop(&file, &spool->dir);
        } else {
            mod_mcp_segfile_leave(&file);
        }
    }
    spool->current = NULL;
    mod_mcp_segfile_drop(&spool->prepared, &spool->dir);
    mod_mcp_spool_unlock(spool);
    (void)pthread_cond_destroy(&spool->made);
    (void)pthread_mutex_destroy(&spool->mutex);
    return APR_SUCCESS;
}

mod_mcp_spool_t *mod_mcp_spool_new(apr_pool_t *pool, const char *dir, apr_uint64_t max_bytes)
{
    mod_mcp_spool_t *spool = apr_pcalloc(pool, sizeof(*spool));
    ssize_t got;

    do {
        got = getrandom(spool->instance, sizeof(spool->instance), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(spool->instance) || pthread_mutex_init(&spool->mutex, NULL) != 0) {
        return NULL;
    }
    if (pthread_cond_init(&spool->made, NULL) != 0) {
        (void)pthread_mutex_destroy(&spool->mutex);
        return NULL;
    }
    spool->dir = (mod_mcp_segdir_t){ .path = apr_pstrdup(pool, dir), .instance = spool->instance, .max_bytes = max_bytes };
    spool->next_seq = 1;
    /* Not for forked programs: their copies of the descriptors close at exec, and unlinking is this process's business. */
    apr_pool_cleanup_register(pool, spool, clean_up, apr_pool_cleanup_null);
    mod_mcp_spool_lock(spool);
    (void)!ensure_space(spool, 0);
    mod_mcp_spool_unlock(spool);
    return spool;
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
