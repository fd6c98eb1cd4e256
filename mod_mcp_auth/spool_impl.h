/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a spool, for spool.c (life and commits), spool_room.c (segments for them), spool_sync.c (durability=sync) and spool_read.c (the
 * link's side) alone. */
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

/* Making a segment and syncing it take milliseconds. A disk that needs longer than this is not working, and a client is still there after it. */
#define MOD_MCP_SPOOL_WAIT_US 2000000

/* What a record is to others. */
typedef enum role { PLAIN, PROMISE, PROMISED } role_t;

/* The room that a record asks for. */
typedef struct claim {
    role_t role;
    apr_size_t bytes;
    apr_int64_t until_us; /* it waits for a segment no longer than until then; 0: it has not waited yet */
} claim_t;

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

    /* Promises that were released and still count in 'promised': a signal handler may release one, and the mutex may be that very thread's. Whoever
     * commits next takes them off. */
    _Atomic unsigned released;

    /* The rest is guarded by the mutex. Only the link's thread takes files off the list, so it may use one of them without holding the mutex;
     * 'made' tells the end of a making. */
    pthread_mutex_t mutex;
    pthread_cond_t made;
    mod_mcp_segfile_t *oldest;
    mod_mcp_segfile_t *current; /* last of the list */
    mod_mcp_segfile_t *spares;  /* made, not yet in the list, in the order of their numbers */
    unsigned n_spares;
    unsigned promised;     /* records that will come and must find room: for each the current segment and the spares keep one slot */
    apr_int64_t making_us; /* when the one thread that makes a segment, without the mutex, began to; 0: none does */
    apr_uint32_t next_number;
    apr_uint64_t next_seq;
    apr_uint64_t acked;
    apr_uint64_t lost;
    _Atomic uint64_t *untold; /* of 'lost', and of what others lost who are dead: in no gap record yet. Others may add to it (losses.h) */
    _Atomic uint64_t untold_alone; /* what it points to without a place that outlives the process */
    apr_int64_t retry_us;  /* a segment could not be made, for the reason 'refusal': not before then */
    mcpa_status_t refusal;
    bool is_failing;       /* the last write failed; with durability=sync: or the last sync, and none has succeeded since */
    apr_int64_t calm_us;   /* two segments failed in a row: not before then but for promised records */
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

/* A condition whose waits end by the monotonic clock. */
bool mod_mcp_spool_init_cond(pthread_cond_t *cond) MCPA_MUST_CHECK;
/* Under the mutex, which it gives away. False: it is until_us. */
bool mod_mcp_spool_wait(mod_mcp_spool_t *spool, pthread_cond_t *cond, apr_int64_t until_us) MCPA_MUST_CHECK;

/* All under the mutex. */
/* Whether the claimed bytes go where the next record goes, and leave a slot for each promised one. A promised record has its own and asks for no
 * other's: after a failure there may be fewer slots than promises, and then the first to come take them. */
bool mod_mcp_spool_fits(const mod_mcp_spool_t *spool, const claim_t *claim);
/* Makes the current segment one that has the claimed room. Does at once what needs no new segment; else may give the mutex away and wait, for
 * MOD_MCP_SPOOL_WAIT_US in all and not at all for a disk that hangs already; but who makes the segment itself waits as long as the kernel does. */
mcpa_status_t mod_mcp_spool_get_room(mod_mcp_spool_t *spool, claim_t *claim) MCPA_MUST_CHECK;
/* Makes one segment, if one is due and nobody makes it. Gives the mutex away. */
void mod_mcp_spool_prepare(mod_mcp_spool_t *spool);
/* Off the list; NULL: there is none. */
mod_mcp_segfile_t *mod_mcp_spool_take_spare(mod_mcp_spool_t *spool);
/* A write or a sync failed, with errno 'error': nothing more goes into the file. When that happens twice in a row the disk fails everything, and a
 * new segment a try would use up the spool: for a while there is none. */
void mod_mcp_spool_spoil(mod_mcp_spool_t *spool, mod_mcp_segfile_t *file, int error);

/* Under the mutex, which it gives away while it waits. Whether record 'seq', the last one committed, is on the disk; with durability=process always
 * MCPA_OK. MCPA_EIO, errno: the sync failed or took too long. The record may be on the disk all the same. */
mcpa_status_t mod_mcp_spool_await_sync(mod_mcp_spool_t *spool, apr_uint64_t seq) MCPA_MUST_CHECK;

/* The payload of a record that tells of 'lost' records; its bytes. */
apr_size_t mod_mcp_spool_encode_gap(unsigned char payload[GAP_PAYLOAD_BYTES], apr_uint64_t lost);

#endif
