/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a spool, for spool.c (life and commits) and spool_read.c (the link's side) alone. */
#ifndef MOD_MCP_SPOOL_IMPL_H
#define MOD_MCP_SPOOL_IMPL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "segfile.h"
#include "spool.h"

/* Room each segment keeps for one gap record: 16 bytes of envelope, a time, a word and a number. */
#define GAP_BYTES 128
#define GAP_PAYLOAD_BYTES (GAP_BYTES - MCPA_ENVELOPE_BYTES)

/* Where the link reads on. Only its thread touches this. */
typedef struct cursor {
    mod_mcp_segfile_t *file; /* NULL: nowhere */
    apr_size_t at;
    apr_uint64_t seq;        /* of the record that begins at 'at' */
} cursor_t;

/* durability=sync: the thread that syncs and those that wait for it. Guarded by the spool's mutex but for the atomics and the semaphore, which are
 * what a signal handler may use: prefork ends its child in one. */
typedef struct syncer {
    bool is_on;      /* commits wait for the disk */
    bool is_running; /* there is a thread to wait for; else who commits syncs */
    pthread_t thread;
    sem_t wanted;             /* posted at each commit */
    pthread_cond_t settled;   /* settled_seq has grown */
    apr_uint64_t settled_seq; /* up to here every record was synced, or its sync failed */
    apr_uint64_t failed_seq;  /* last record of a sync that failed; 0: none did */
    apr_int64_t since_us;     /* when the sync that is under way began; 0: none is */
    _Atomic bool is_ending;   /* written by the main thread */
    _Atomic bool has_ended;   /* written by the sync's thread, last */
} syncer_t;

struct mod_mcp_spool {
    mod_mcp_segdir_t dir;
    unsigned char instance[MCPA_INSTANCE_BYTES];
    cursor_t cursor;

    /* The rest is guarded by the mutex. Only the link's thread takes files off the list, so it may use one of them without holding the mutex;
     * 'made' tells the end of 'making'. */
    pthread_mutex_t mutex;
    pthread_cond_t made;
    mod_mcp_segfile_t *oldest;
    mod_mcp_segfile_t *current; /* last of the list */
    mod_mcp_segfile_t *spares;  /* made, not yet in the list, in the order of their numbers */
    unsigned n_spares;
    unsigned promised; /* records that will come and must find room: for each the current segment and the spares keep one slot */
    int making;        /* the link's thread is preparing one, without the mutex */
    apr_uint32_t next_number;
    apr_uint64_t next_seq;
    apr_uint64_t acked;
    apr_uint64_t lost;
    apr_uint64_t untold; /* of 'lost': in no gap record yet */
    apr_int64_t retry_us;
    int error;
    syncer_t sync;
};

static inline void mod_mcp_spool_lock(mod_mcp_spool_t *spool)
{
    (void)pthread_mutex_lock(&spool->mutex);
}

static inline void mod_mcp_spool_unlock(mod_mcp_spool_t *spool)
{
    (void)pthread_mutex_unlock(&spool->mutex);
}

/* Under the mutex, which it gives away while it waits. Whether record 'seq', the last one committed, is on the disk; with durability=process always
 * MCPA_OK. MCPA_EIO, errno: the sync failed or took too long. The record may be on the disk all the same. */
mcpa_status_t mod_mcp_spool_await_sync(mod_mcp_spool_t *spool, apr_uint64_t seq) MCPA_MUST_CHECK;

/* The payload of a record that tells of 'lost' records; its bytes. */
apr_size_t mod_mcp_spool_encode_gap(unsigned char payload[GAP_PAYLOAD_BYTES], apr_uint64_t lost);

#endif
