/* SPDX-License-Identifier: Apache-2.0 */
/* The spool segment: one child's own file of committed records, and the envelope that records keep on the link.
 *
 *   file   = header (64 bytes) record* zeroes
 *   header = "MCPASEG1" instance[16] first_seq:u64 created_us:u64 size:u64 reserved[12] crc32c:u32   (all little-endian; crc of the 60 before)
 *   record = len:u32 crc32c:u32 seq:u64 payload[len]          crc over instance, seq and payload
 *
 * A reader stops at the first len of zero, at an impossible len, or at a crc that does not match: that is the torn tail. seq starts at 1 in each
 * instance and has no holes. Pure: bytes in, bytes out; files are the callers' business. */
#ifndef MCPA_WIRE_SEGMENT_H
#define MCPA_WIRE_SEGMENT_H

#include "base/bytes.h"
#include "base/limits.h"

#define MCPA_INSTANCE_BYTES 16
#define MCPA_SEGMENT_HEADER_BYTES 64
#define MCPA_ENVELOPE_BYTES 16

typedef struct mcpa_segment_header {
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t first_seq;
    int64_t created_us;
    uint64_t size;
} mcpa_segment_header_t;

typedef struct mcpa_envelope {
    uint64_t seq;
    const unsigned char *payload; /* borrows */
    size_t payload_len;
    size_t total_len;             /* envelope plus payload: where the next one starts */
} mcpa_envelope_t;

void mcpa_segment_header_write(unsigned char memory[MCPA_SEGMENT_HEADER_BYTES], const mcpa_segment_header_t *header);
mcpa_status_t mcpa_segment_header_read(mcpa_segment_header_t *header, const unsigned char *bytes, size_t len) MCPA_MUST_CHECK;
/* Writes the 16 envelope bytes in front of a payload that already stands at memory + MCPA_ENVELOPE_BYTES. */
void mcpa_envelope_seal(unsigned char *memory, const unsigned char instance[MCPA_INSTANCE_BYTES], uint64_t seq, size_t payload_len);
/* MCPA_OK; MCPA_ENOTFOUND at len 0 or when nothing is left (the clean end); MCPA_EMALFORMED for a torn or foreign record. */
mcpa_status_t mcpa_envelope_open(mcpa_envelope_t *envelope, const unsigned char *bytes, size_t len,
                                 const unsigned char instance[MCPA_INSTANCE_BYTES]) MCPA_MUST_CHECK;

#endif
