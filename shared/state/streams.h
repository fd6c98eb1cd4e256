/* SPDX-License-Identifier: Apache-2.0 */
/* Which event streams are open, and whose, in one block of memory that processes share: one word a stream, offsets only, no locks. An
 * owner never has more than 'max' at once, whatever happens at the same instant. What a process that was killed held is taken back
 * when somebody asks which processes are gone. Layout drawn in streams.c. */
#ifndef MCPA_STATE_STREAMS_H
#define MCPA_STATE_STREAMS_H
#include "base/bytes.h"

typedef struct mcpa_streams mcpa_streams_t; /* the block itself */

/* One open stream, in memory of whoever opened it; zeroed: none. */
typedef struct mcpa_stream {
    uint64_t word;
    uint64_t place;
} mcpa_stream_t;

/* Bytes needed for 'entries' streams, rounded up to a power of two. */
size_t mcpa_streams_bytes(size_t entries);
/* Lays out zeroed memory of mcpa_streams_bytes(entries), 64-byte aligned; 'secret' must be random. */
mcpa_streams_t *mcpa_streams_init(void *memory, size_t entries, const unsigned char secret[16]);
/* The table in memory laid out before, or NULL when magic, layout version or size are not this program's. */
mcpa_streams_t *mcpa_streams_attach(void *memory, size_t bytes);
/* Whose a stream is: a keyed hash, good for this table alone. Absent claims are {NULL,0}; without a subject it is the client's. */
uint64_t mcpa_streams_owner(const mcpa_streams_t *table, mcpa_str_t resource, mcpa_str_t issuer, mcpa_str_t subject, mcpa_str_t client);

/* All below: any thread, any process. They look through as many places as were ever taken at once. */

/* Opens one for this process (Linux: its number, below 2^22). False: the owner has 'max' already, or the table is full. Openings at the
 * very same instant, of one owner who has almost as many, may all be refused. */
bool mcpa_streams_open(mcpa_streams_t *table, mcpa_stream_t *stream, uint64_t owner, uint32_t process, uint32_t max) MCPA_MUST_CHECK;
/* Ends it, and makes it none; none stays none. */
void mcpa_streams_close(mcpa_streams_t *table, mcpa_stream_t *stream);
/* Ends what processes hold that are gone; each one is asked for about once. Returns how many streams that were. */
size_t mcpa_streams_reclaim(mcpa_streams_t *table, bool (*is_gone)(uint32_t process));
/* Open ones, and places; for gauges. */
void mcpa_streams_stats(const mcpa_streams_t *table, size_t *open, size_t *capacity);
#endif
