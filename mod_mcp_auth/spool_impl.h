/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a spool, for spool.c (life and commits) and spool_read.c (the link's side) alone. */
#ifndef MOD_MCP_SPOOL_IMPL_H
#define MOD_MCP_SPOOL_IMPL_H

#include <pthread.h>

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

struct mod_mcp_spool {
    mod_mcp_segdir_t dir;
    unsigned char instance[MCPA_INSTANCE_BYTES];
    cursor_t cursor;

    /* The rest is guarded by the mutex. Only the link's thread takes files off the list, so it may use one of them without holding the mutex;
     * 'made' tells the end of 'making'. */
    pthread_mutex_t mutex;
    pthread_cond_t made;
    mod_mcp_segfile_t *oldest;
    mod_mcp_segfile_t *current;  /* last of the list */
    mod_mcp_segfile_t *prepared; /* not yet in the list */
    int making;                  /* the link's thread is preparing one, without the mutex */
    apr_uint32_t next_number;
    apr_uint64_t next_seq;
    apr_uint64_t acked;
    apr_uint64_t lost;
    apr_uint64_t untold; /* of 'lost': in no gap record yet */
    apr_int64_t retry_us;
    int error;
};

static inline void mod_mcp_spool_lock(mod_mcp_spool_t *spool)
{
    (void)pthread_mutex_lock(&spool->mutex);
}

static inline void mod_mcp_spool_unlock(mod_mcp_spool_t *spool)
{
    (void)pthread_mutex_unlock(&spool->mutex);
}

/* The payload of a record that tells of 'lost' records; its bytes. */
apr_size_t mod_mcp_spool_encode_gap(unsigned char payload[GAP_PAYLOAD_BYTES], apr_uint64_t lost);

#endif
