/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "spool_impl.h"

/* Room for a promised record, whatever its size. */
#define SLOT_BYTES (MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES)
/* What a segment has for records, behind its header and before the bytes of its gap record. */
#define USABLE_BYTES (MCPA_SEGMENT_BYTES - MCPA_SEGMENT_HEADER_BYTES - GAP_BYTES)
/* With fewer slots than this to give away, half a segment, the next one is made. */
#define SPARE_SLOTS (USABLE_BYTES / 2 / SLOT_BYTES)
/* A directory that had no room, and a disk that failed twice in a row, are asked again after this long. */
#define RETRY_US 1000000

bool mod_mcp_spool_init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    bool ok;

    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(cond, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return ok;
}

bool mod_mcp_spool_wait(mod_mcp_spool_t *spool, pthread_cond_t *cond, apr_int64_t until_us)
{
    struct timespec end = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };

    return pthread_cond_timedwait(cond, &spool->mutex, &end) == 0;
}

static apr_size_t room(const mod_mcp_segfile_t *file)
{
    apr_size_t used = file != NULL ? file->end + GAP_BYTES : MCPA_SEGMENT_BYTES;

    return file == NULL || file->spoiled || used >= MCPA_SEGMENT_BYTES ? 0 : MCPA_SEGMENT_BYTES - used;
}

/* A record is never larger than a slot, and is put into a spare only when the current segment has no slot left: so each record costs one slot at
 * the most. */
static bool leaves(const mod_mcp_spool_t *spool, apr_size_t need, unsigned slots)
{
    apr_size_t left = room(spool->current);
    unsigned spares = spool->n_spares;

    if (left < need) {
        if (spares == 0) {
            return false;
        }
        spares--;
        left = USABLE_BYTES;
    }
    return (left - need) / SLOT_BYTES + (apr_uint64_t)spares * (USABLE_BYTES / SLOT_BYTES) >= slots;
}

bool mod_mcp_spool_fits(const mod_mcp_spool_t *spool, const claim_t *claim)
{
    switch (claim->role) {
    case PROMISED:
        return leaves(spool, claim->bytes, 0);
    case PROMISE:
        return leaves(spool, claim->bytes, spool->promised + 1);
    default:
        return leaves(spool, claim->bytes, spool->promised);
    }
}

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

mod_mcp_segfile_t *mod_mcp_spool_take_spare(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *file = spool->spares;

    if (file != NULL) {
        spool->spares = file->next;
        spool->n_spares--;
        file->next = NULL;
    }
    return file;
}

void mod_mcp_spool_spoil(mod_mcp_spool_t *spool, mod_mcp_segfile_t *file, int error)
{
    file->spoiled = 1;
    spool->error = error;
    if (spool->is_failing) {
        spool->calm_us = mod_mcp_mono_us() + RETRY_US;
    }
    spool->is_failing = true;
}

/* When nobody makes one. Gives the mutex away while the disk works: then there is one spare more, or why not. */
static mcpa_status_t make(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *made = NULL;
    apr_uint32_t number = spool->next_number;
    apr_uint64_t seq = spool->next_seq;
    mcpa_status_t status;
    int error;

    spool->making_us = mod_mcp_mono_us();
    mod_mcp_spool_unlock(spool);
    status = mod_mcp_segfile_make(&made, &spool->dir, number, seq);
    error = errno;
    mod_mcp_spool_lock(spool);
    spool->making_us = 0;
    if (status == MCPA_OK) {
        add_spare(spool, made);
    } else {
        spool->error = error;
        spool->refusal = status;
        spool->retry_us = mod_mcp_mono_us() + RETRY_US;
    }
    (void)pthread_cond_broadcast(&spool->made);
    return status;
}

/* Another thread makes a segment. MCPA_OK: it has come back, with one or without. */
static mcpa_status_t await_maker(mod_mcp_spool_t *spool, apr_int64_t now_us, apr_int64_t until_us)
{
    apr_int64_t since_us = spool->making_us;
    /* When the disk hangs already, the next request need not find that out for itself. */
    bool in_time = now_us - since_us < MOD_MCP_SPOOL_WAIT_US;

    while (in_time && spool->making_us == since_us) {
        in_time = mod_mcp_spool_wait(spool, &spool->made, until_us);
    }
    if (!in_time) {
        spool->error = errno = ETIMEDOUT;
        return MCPA_EIO;
    }
    return MCPA_OK;
}

/* Gives the mutex away. MCPA_OK: worth another look. */
static mcpa_status_t get_spare(mod_mcp_spool_t *spool, claim_t *claim)
{
    apr_int64_t now_us = mod_mcp_mono_us();

    if (claim->until_us == 0) {
        claim->until_us = now_us + MOD_MCP_SPOOL_WAIT_US;
    } else if (now_us >= claim->until_us) {
        spool->error = errno = ETIMEDOUT; /* others took what was made */
        return MCPA_EIO;
    }
    if (spool->making_us != 0) {
        return await_maker(spool, now_us, claim->until_us);
    }
    if (now_us < spool->retry_us) {
        return spool->refusal;
    }
    if (now_us < spool->calm_us && claim->role != PROMISED) {
        return MCPA_EIO;
    }
    return make(spool);
}

/* The first spare becomes the current segment. */
static mcpa_status_t turn_over(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *next = mod_mcp_spool_take_spare(spool);
    mcpa_status_t status = mod_mcp_segfile_begin(next, spool->instance, spool->next_seq);

    if (status != MCPA_OK) {
        mod_mcp_spool_spoil(spool, next, errno);
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

mcpa_status_t mod_mcp_spool_get_room(mod_mcp_spool_t *spool, claim_t *claim)
{
    mcpa_status_t status;

    while (!mod_mcp_spool_fits(spool, claim)) {
        status = get_spare(spool, claim);
        if (status != MCPA_OK) {
            return status;
        }
    }
    return room(spool->current) >= claim->bytes ? MCPA_OK : turn_over(spool);
}

void mod_mcp_spool_prepare(mod_mcp_spool_t *spool)
{
    apr_int64_t now_us = mod_mcp_mono_us();
    /* Promised records may have had their room in a segment that failed: theirs comes first. */
    bool is_due = !leaves(spool, 0, spool->promised) || (now_us >= spool->calm_us && !leaves(spool, 0, spool->promised + SPARE_SLOTS));

    if (is_due && spool->making_us == 0 && now_us >= spool->retry_us) {
        (void)!make(spool);
    }
}
