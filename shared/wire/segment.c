/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/segment.h"

#include "wire/crc32c.h"
#include "wire/le.h"

static const char magic[8] = { 'M', 'C', 'P', 'A', 'S', 'E', 'G', '1' };

/* Where the parts of the header stand; the crc covers everything before it. */
enum { AT_INSTANCE = 8, AT_FIRST_SEQ = 24, AT_CREATED = 32, AT_SIZE = 40, AT_RESERVED = 48, AT_CRC = 60 };

_Static_assert(AT_CRC + 4 == MCPA_SEGMENT_HEADER_BYTES, "the crc ends the header");

void mcpa_segment_header_write(unsigned char memory[MCPA_SEGMENT_HEADER_BYTES], const mcpa_segment_header_t *header)
{
    memcpy(memory, magic, sizeof(magic));
    memcpy(memory + AT_INSTANCE, header->instance, MCPA_INSTANCE_BYTES);
    mcpa_le64_put(memory + AT_FIRST_SEQ, header->first_seq);
    mcpa_le64_put(memory + AT_CREATED, (uint64_t)header->created_us);
    mcpa_le64_put(memory + AT_SIZE, header->size);
    memset(memory + AT_RESERVED, 0, AT_CRC - AT_RESERVED);
    mcpa_le32_put(memory + AT_CRC, mcpa_crc32c(0, memory, AT_CRC));
}

mcpa_status_t mcpa_segment_header_read(mcpa_segment_header_t *header, const unsigned char *bytes, size_t len)
{
    uint64_t created;
    uint64_t size;

    if (len < MCPA_SEGMENT_HEADER_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0 ||
        mcpa_le32_get(bytes + AT_CRC) != mcpa_crc32c(0, bytes, AT_CRC)) {
        return MCPA_EMALFORMED;
    }
    created = mcpa_le64_get(bytes + AT_CREATED);
    size = mcpa_le64_get(bytes + AT_SIZE);
    /* A crc is no signature: whoever can write the file can make it match, so what it covers is checked too. */
    if (created > INT64_MAX || size < MCPA_SEGMENT_HEADER_BYTES || mcpa_le64_get(bytes + AT_FIRST_SEQ) == 0) {
        return MCPA_EMALFORMED;
    }
    memcpy(header->instance, bytes + AT_INSTANCE, MCPA_INSTANCE_BYTES);
    header->first_seq = mcpa_le64_get(bytes + AT_FIRST_SEQ);
    header->created_us = (int64_t)created;
    header->size = size;
    return MCPA_OK;
}

/* seq_bytes stand right before the payload in the envelope. The instance is in the sum though not in the envelope: a record
 * cannot pass for another child's. */
static uint32_t envelope_crc(const unsigned char *instance, const unsigned char *seq_bytes, size_t payload_len)
{
    return mcpa_crc32c(mcpa_crc32c(0, instance, MCPA_INSTANCE_BYTES), seq_bytes, 8 + payload_len);
}

void mcpa_envelope_seal(unsigned char *memory, const unsigned char instance[MCPA_INSTANCE_BYTES], uint64_t seq,
                        size_t payload_len)
{
    mcpa_le32_put(memory, (uint32_t)payload_len);
    mcpa_le64_put(memory + 8, seq);
    mcpa_le32_put(memory + 4, envelope_crc(instance, memory + 8, payload_len));
}

/* Fewer bytes than an envelope: the clean end when they are the zeroes of preallocation. */
static mcpa_status_t check_rest(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return MCPA_EMALFORMED;
        }
    }
    return MCPA_ENOTFOUND;
}

mcpa_status_t mcpa_envelope_open(mcpa_envelope_t *envelope, const unsigned char *bytes, size_t len,
                                 const unsigned char instance[MCPA_INSTANCE_BYTES])
{
    size_t payload_len;
    uint64_t seq;

    if (len < MCPA_ENVELOPE_BYTES) {
        return check_rest(bytes, len);
    }
    payload_len = mcpa_le32_get(bytes);
    if (payload_len == 0) {
        return MCPA_ENOTFOUND;
    }
    if (payload_len > MCPA_RECORD_MAX_BYTES || payload_len > len - MCPA_ENVELOPE_BYTES) {
        return MCPA_EMALFORMED;
    }
    seq = mcpa_le64_get(bytes + 8);
    if (seq == 0 || mcpa_le32_get(bytes + 4) != envelope_crc(instance, bytes + 8, payload_len)) {
        return MCPA_EMALFORMED;
    }
    *envelope = (mcpa_envelope_t){
        .seq = seq,
        .payload = bytes + MCPA_ENVELOPE_BYTES,
        .payload_len = payload_len,
        .total_len = MCPA_ENVELOPE_BYTES + payload_len,
    };
    return MCPA_OK;
}
