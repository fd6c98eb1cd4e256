/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "apr_time.h"

#include "clock.h"
#include "spool_impl.h"

/* Under the mutex. The oldest file with records that were neither synced nor acknowledged (the daemon syncs before it acknowledges). */
static mod_mcp_segfile_t *first_unsettled(mod_mcp_spool_t *spool)
{
    mod_mcp_segfile_t *file = spool->oldest;

    if (spool->sync.settled_seq < spool->acked) {
        spool->sync.settled_seq = spool->acked;
        (void)pthread_cond_broadcast(&spool->sync.settled);
    }
    while (file != NULL && file->last_seq <= spool->sync.settled_seq) {
        file = file->next;
    }
    return file;
}

/* Under the mutex. What became of the records of file 'number' up to 'seq'; the file itself may be gone. After a failure the kernel may have
 * forgotten what it could not write: nothing more goes into that file. */
static void settle(mod_mcp_spool_t *spool, apr_uint32_t number, apr_uint64_t seq, int error)
{
    mod_mcp_segfile_t *file = spool->oldest;

    while (file != NULL && file->number != number) {
        file = file->next;
    }
    if (file != NULL && error == 0) {
        file->is_named = 1;
    } else if (file != NULL) {
        mod_mcp_spool_spoil(spool, file, error);
        seq = file->last_seq; /* what was appended meanwhile may be among it */
    }
    if (error != 0) {
        spool->error = error;
        spool->sync.failed_seq = seq;
    } else {
        spool->is_failing = false;
    }
    spool->sync.settled_seq = seq;
}

/* Under the mutex, which it gives away while the disk works: requests go on appending, and the next round syncs all of theirs at once. */
static void sync_file(mod_mcp_spool_t *spool, const mod_mcp_segfile_t *file)
{
    apr_uint32_t number = file->number;
    apr_uint64_t seq = file->last_seq;
    int with_name = !file->is_named;
    /* The link's thread closes a file when it is acknowledged. */
    int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    int error = fd < 0 ? errno : 0;

    spool->sync.since_us = mod_mcp_mono_us();
    mod_mcp_spool_unlock(spool);
    if (fd >= 0) {
        error = mod_mcp_segfile_sync(fd, &spool->dir, with_name) == MCPA_OK ? 0 : errno;
        close(fd);
    }
    mod_mcp_spool_lock(spool);
    spool->sync.since_us = 0;
    settle(spool, number, seq, error);
    (void)pthread_cond_broadcast(&spool->sync.settled);
}

static void await_work(mod_mcp_spool_t *spool)
{
    while (sem_wait(&spool->sync.wanted) != 0 && errno == EINTR) {
    }
    while (sem_trywait(&spool->sync.wanted) == 0) {
    }
}

static void *run(void *data)
{
    mod_mcp_spool_t *spool = data;
    const mod_mcp_segfile_t *file;

    mod_mcp_spool_lock(spool);
    while (spool->sync.is_running) {
        while ((file = first_unsettled(spool)) != NULL) {
            sync_file(spool, file);
        }
        if (atomic_load(&spool->sync.is_ending)) {
            spool->sync.is_running = false; /* still under the mutex: whoever commits next knows */
            break;
        }
        mod_mcp_spool_unlock(spool);
        await_work(spool);
        mod_mcp_spool_lock(spool);
    }
    mod_mcp_spool_unlock(spool);
    atomic_store(&spool->sync.has_ended, true);
    return NULL;
}

/* After the thread's end: the record is in the current file. */
static mcpa_status_t sync_alone(mod_mcp_spool_t *spool, apr_uint64_t seq)
{
    int error = mod_mcp_segfile_sync(spool->current->fd, &spool->dir, !spool->current->is_named) == MCPA_OK ? 0 : errno;

    settle(spool, spool->current->number, seq, error);
    errno = error;
    return error == 0 ? MCPA_OK : MCPA_EIO;
}

mcpa_status_t mod_mcp_spool_await_sync(mod_mcp_spool_t *spool, apr_uint64_t seq)
{
    syncer_t *sync = &spool->sync;
    apr_int64_t now_us;
    bool in_time;

    if (!sync->is_on) {
        return MCPA_OK;
    }
    if (!sync->is_running) {
        return sync_alone(spool, seq);
    }
    now_us = mod_mcp_mono_us();
    (void)sem_post(&sync->wanted);
    /* When the disk hangs already, the next request need not find that out for itself. */
    in_time = sync->since_us == 0 || now_us - sync->since_us < MOD_MCP_SPOOL_WAIT_US;
    while (in_time && sync->settled_seq < seq) {
        in_time = mod_mcp_spool_wait(spool, &sync->settled, now_us + MOD_MCP_SPOOL_WAIT_US);
    }
    if (!in_time) {
        spool->error = errno = ETIMEDOUT;
        return MCPA_EIO;
    }
    /* Those of an earlier sync who wake up late are told no, too: that is the safe side. */
    return seq > sync->failed_seq ? MCPA_OK : MCPA_EIO;
}

bool mod_mcp_spool_sync_start(mod_mcp_spool_t *spool)
{
    syncer_t *sync = &spool->sync;
    sigset_t all, before;
    bool has_started;

    /* Neither is ever destroyed: they own nothing, and glibc would wait for those who wait, among them perhaps this very thread, below the signal
     * handler that ends its process. */
    if (sem_init(&sync->wanted, 0, 0) != 0 || !mod_mcp_spool_init_cond(&sync->settled)) {
        return false;
    }
    sync->is_on = true;
    sync->is_running = true;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    has_started = pthread_create(&sync->thread, NULL, run, spool) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!has_started) {
        sync->is_on = sync->is_running = false;
    }
    return has_started;
}

bool mod_mcp_spool_sync_end(mod_mcp_spool_t *spool, int limit_ms)
{
    syncer_t *sync = &spool->sync;

    if (!sync->is_on) {
        return true;
    }
    atomic_store(&sync->is_ending, true);
    (void)sem_post(&sync->wanted);
    for (int waited_ms = 0; !atomic_load(&sync->has_ended); waited_ms++) {
        if (waited_ms >= limit_ms) {
            return false;
        }
        apr_sleep(1000);
    }
    return pthread_join(sync->thread, NULL) == 0;
}
