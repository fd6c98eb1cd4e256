/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <sys/random.h>

#include "apr_strings.h"
#include "apr_time.h"
#include "clock.h"
#include "base/crash.h"
#include "spool_impl.h"

/* Room for a promised record, whatever its size. */
#define SLOT_BYTES (MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES)
/* What a segment has for records, behind its header and before the bytes of its gap record. */
#define USABLE_BYTES (MCPA_SEGMENT_BYTES - MCPA_SEGMENT_HEADER_BYTES - GAP_BYTES)
/* With fewer slots than this to give away, half a segment, the next one is made. */
#define SPARE_SLOTS (USABLE_BYTES / 2 / SLOT_BYTES)
/* A directory that had no room is asked again after this long. */
#define RETRY_US 1000000

static apr_size_t room(const mod_mcp_segfile_t *file)
{
    apr_size_t used = file != NULL ? file->end + GAP_BYTES : MCPA_SEGMENT_BYTES;

    return file == NULL || file->spoiled || used >= MCPA_SEGMENT_BYTES ? 0 : MCPA_SEGMENT_BYTES - used;
}

/* Under the mutex. Whether 'need' bytes go where the next record goes and leave 'slots' of them. A record is never larger than a slot, and is put
 * into a spare only when the current segment has no slot left: so each record costs one slot at the most. */
static int fits(const mod_mcp_spool_t *spool, apr_size_t need, unsigned slots)
{
    apr_size_t left = room(spool->current);
    unsigned spares = spool->n_spares;

    if (left < need) {
        if (spares == 0) {
            return 0;
        }
        spares--;
        left = USABLE_BYTES;
    }
    return (left - need) / SLOT_BYTES + (apr_uint64_t)spares * (USABLE_BYTES / SLOT_BYTES) >= slots;
}

/* Under the mutex. */
static void add_spare(mod_mcp_spool_t *spool, mod_mcp_segfile_t *made)
{
    mod_mcp_segfile_t **end = &spool->spares;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = made;
    spool->n_spares++;
    spool->next_number++;
}

/* Under the mutex. */
static mod_mcp_segfile_t *take_spare(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *file = spool->spares;

    if (file != NULL) {
        spool->spares = file->next;
        spool->n_spares--;
        file->next = NULL;
    }
    return file;
}

static void note_failure(mod_mcp_spool_t *spool)
{
    spool->error = errno;
    spool->retry_us = mod_mcp_mono_us() + RETRY_US;
}

/* Under the mutex. Afterwards there is one spare more, or why not. */
static mcpa_status_t make_now(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *made = NULL;
    mcpa_status_t status;

    if (spool->making) {
        while (spool->making) {
            (void)pthread_cond_wait(&spool->made, &spool->mutex);
        }
        return MCPA_OK; /* or a time to try again: the next look tells */
    }
    if (mod_mcp_mono_us() < spool->retry_us) {
        return MCPA_EFULL;
    }
    status = mod_mcp_segfile_make(&made, &spool->dir, spool->next_number, spool->next_seq);
    if (status != MCPA_OK) {
        note_failure(spool);
        return status;
    }
    add_spare(spool, made);
    return MCPA_OK;
}

/* Under the mutex. Makes the current segment one that has room for 'need' bytes, with 'slots' left behind them here and in spares. */
static mcpa_status_t ensure_space(mod_mcp_spool_t *spool, apr_size_t need, unsigned slots)
{
    mod_mcp_segfile_t *next;
    mcpa_status_t status;

    while (!fits(spool, need, slots)) {
        status = make_now(spool);
        if (status != MCPA_OK) {
            return status;
        }
    }
    if (room(spool->current) >= need) {
        return MCPA_OK;
    }
    next = take_spare(spool);
    status = mod_mcp_segfile_begin(next, spool->instance, spool->next_seq);
    if (status != MCPA_OK) {
        spool->error = errno;
        mod_mcp_segfile_drop(&next, &spool->dir);
        return status;
    }
    if (spool->current != NULL) {
        spool->current->next = next;
    } else {
        spool->oldest = next;
    }
    spool->current = next;
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

/* Under the mutex. slots: what must be left. The loss is told first, where there is room for both; a promised record has its slot and no more. */
static mcpa_status_t commit(mod_mcp_spool_t *spool, unsigned char *memory, apr_size_t payload_len, unsigned slots, int is_promised)
{
    int tells = spool->untold > 0 && !is_promised;
    mcpa_status_t status = MCPA_EIO;

    /* A write that fails spoils its segment; the second try goes to the next one. */
    for (int tries = 0; tries < 2 && status != MCPA_OK; tries++) {
        status = ensure_space(spool, MCPA_ENVELOPE_BYTES + payload_len + (tells ? GAP_BYTES : 0), slots);
        if (status != MCPA_OK) {
            return status;
        }
        if (tells) {
            tell_gap(spool);
        }
        status = append(spool, memory, payload_len);
    }
    return status;
}

/* What a record is to others. */
typedef enum role { PLAIN, PROMISE, PROMISED } role_t;

static mcpa_status_t enter(mod_mcp_spool_t *spool, const mcpa_record_t *record, role_t role)
{
    unsigned char memory[MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES];
    size_t len = 0;
    mcpa_status_t status;

    status = mcpa_record_encode(memory + MCPA_ENVELOPE_BYTES, MCPA_RECORD_MAX_BYTES, &len, record);
    mod_mcp_spool_lock(spool);
    MCPA_CRASH("spool.committing");
    spool->promised -= role == PROMISED;
    if (status == MCPA_OK) {
        status = commit(spool, memory, len, spool->promised + (role == PROMISE), role == PROMISED);
    }
    MCPA_CRASH("spool.committed");
    if (status == MCPA_OK) {
        spool->promised += role == PROMISE;
        status = mod_mcp_spool_await_sync(spool, spool->next_seq - 1);
        spool->promised -= status != MCPA_OK && role == PROMISE;
    } else if (role != PROMISE) {
        spool->lost++;
        spool->untold++;
    }
    mod_mcp_spool_unlock(spool);
    return status;
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
    mod_mcp_spool_lock(spool);
    spool->promised--;
    mod_mcp_spool_unlock(spool);
}

void mod_mcp_spool_tend(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *made = NULL;
    apr_uint32_t number;
    apr_uint64_t seq;
    mcpa_status_t status;

    mod_mcp_spool_lock(spool);
    if (!fits(spool, 0, spool->promised + SPARE_SLOTS) && mod_mcp_mono_us() >= spool->retry_us) {
        spool->making = 1;
        number = spool->next_number;
        seq = spool->next_seq;
        mod_mcp_spool_unlock(spool);
        status = mod_mcp_segfile_make(&made, &spool->dir, number, seq);
        mod_mcp_spool_lock(spool);
        if (status == MCPA_OK) {
            add_spare(spool, made);
        } else {
            note_failure(spool);
        }
        spool->making = 0;
        (void)pthread_cond_broadcast(&spool->made);
    }
    if (spool->untold > 0 && ensure_space(spool, GAP_BYTES, spool->promised) == MCPA_OK) {
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
    while ((file = take_spare(spool)) != NULL) {
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
    (void)!ensure_space(spool, GAP_BYTES, 0);
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
