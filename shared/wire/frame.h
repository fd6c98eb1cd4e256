/* SPDX-License-Identifier: Apache-2.0 */
/* The link between an httpd child and the daemon: typed, bounded frames over a Unix stream socket.
 *
 *   frame = len:u32 (of what follows, 4..MCPA_FRAME_MAX_BYTES-4)  type:u8  version:u8  reserved:u16=0  body     (little-endian)
 *
 *   child -> daemon                                         daemon -> child
 *   HELLO    instance[16] pid:u32 next_seq:u64              RESUME   instance[16] acked:u64    records up to acked are in the journal: send from
 *            policy:u64                                              acked+1
 *   RECORDS  count:u32>0 then records (wire/segment.h)      ACK      acked:u64                 cumulative, matched by seq, sent after the sync
 *   GAUGES   count:u32 then {id:u16 value:u64}              KEYS     generation:u64 issuer     that issuer's key file changed: read it again
 *   KID      ask:u64 issuer_len:u16 issuer kid              KID_DONE ask:u64 generation:u64 found:u8   answer to KID; keys, if any, were told before
 *   BYE      (empty) clean end                              BYE      (empty) the daemon leaves
 *
 * HELLO comes first and once; the daemon answers RESUME. Whoever breaks the grammar is disconnected. Versions: a peer closes on a version it
 * does not know. An issuer is never empty and at most MCPA_CLAIM_MAX_BYTES long, a kid at most MCPA_KID_MAX_BYTES. The codec is pure; sockets are
 * the callers' business. */
#ifndef MCPA_WIRE_FRAME_H
#define MCPA_WIRE_FRAME_H

#include "base/bytes.h"
#include "base/limits.h"
#include "wire/segment.h"

#define MCPA_FRAME_VERSION 1
#define MCPA_FRAME_HEADER_BYTES 8

typedef enum mcpa_frame_type {
    MCPA_FRAME_HELLO = 1, MCPA_FRAME_RECORDS = 2, MCPA_FRAME_GAUGES = 3, MCPA_FRAME_KID = 4, MCPA_FRAME_BYE = 5,
    MCPA_FRAME_RESUME = 16, MCPA_FRAME_ACK = 17, MCPA_FRAME_KEYS = 18, MCPA_FRAME_KID_DONE = 19
} mcpa_frame_type_t;

/* What a child reports of itself, each a value at this moment. */
typedef enum mcpa_gauge {
    MCPA_GAUGE_ACTIVE_REQUESTS = 1, MCPA_GAUGE_SPOOL_BYTES = 2, MCPA_GAUGE_LIMIT_ENTRIES = 3, MCPA_GAUGE_LIMIT_CAPACITY = 4,
    MCPA_GAUGE_LOST = 5,            /* records this child could not spool since it started */
    MCPA_GAUGE_KEYS_LOADED = 6      /* issuers with usable keys in this child */
} mcpa_gauge_t;
#define MCPA_GAUGES_MAX 32

typedef struct mcpa_gauge_value {
    uint16_t id;
    uint64_t value;
} mcpa_gauge_value_t;

/* A decoded frame; which members count depends on type. Borrows from the input. */
typedef struct mcpa_frame {
    mcpa_frame_type_t type;
    unsigned char instance[MCPA_INSTANCE_BYTES]; /* HELLO, RESUME */
    uint32_t pid;                                /* HELLO */
    uint64_t next_seq;                           /* HELLO: the oldest record the child still holds, or the next it will write */
    uint64_t policy;                             /* HELLO: configuration generation */
    uint64_t acked;                              /* RESUME, ACK */
    uint64_t generation;                         /* KEYS, KID_DONE */
    uint64_t ask;                                /* KID, KID_DONE */
    bool found;                                  /* KID_DONE */
    mcpa_str_t issuer;                           /* KEYS, KID */
    mcpa_str_t kid;                              /* KID */
    uint32_t count;                              /* RECORDS, GAUGES */
    const unsigned char *records;                /* RECORDS: envelopes, to be opened with mcpa_envelope_open */
    size_t records_len;
    mcpa_gauge_value_t gauges[MCPA_GAUGES_MAX];  /* GAUGES */
} mcpa_frame_t;

/* Reads one frame from the front of bytes. MCPA_OK: *consumed is its whole length. MCPA_ENOTFOUND: more bytes are needed. MCPA_EMALFORMED,
 * MCPA_ETOOBIG, MCPA_EUNSUPPORTED (version): the connection must be closed. */
mcpa_status_t mcpa_frame_read(mcpa_frame_t *frame, size_t *consumed, const unsigned char *bytes, size_t len) MCPA_MUST_CHECK;
/* Appends one frame of any type but RECORDS. MCPA_ETOOBIG when it does not fit the memory or a name is over its limit,
 * MCPA_EMALFORMED for what mcpa_frame_read would refuse. */
mcpa_status_t mcpa_frame_write(mcpa_out_t *out, const mcpa_frame_t *frame) MCPA_MUST_CHECK;
/* Header and count of a RECORDS frame; records_len bytes of sealed envelopes follow it on the wire. */
#define MCPA_FRAME_RECORDS_HEAD_BYTES 12
void mcpa_frame_records_head(unsigned char memory[MCPA_FRAME_RECORDS_HEAD_BYTES], uint32_t count, size_t records_len);

#endif
