/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/segment.h"

#include "wire/crc32c.h"
#include "wire/le.h"

static const char magic[8] = { 'M', 'C', 'P', 'A', 'S', 'E', 'G', '1' };

void mcpa_segment_header_write(unsigned char memory[MCPA_SEGMENT_HEADER_BYTES], const mcpa_segment_header_t *header)
{
    memset(memory, 0, MCPA_SEGMENT_HEADER_BYTES);
    memcpy(memory, magic, sizeof(magic));
    memcpy(memory + 8, header->instance, MCPA_INSTANCE_BYTES);
    mcpa_le_put(memory + 24, header->first_seq, 8);
    mcpa_le_put(memory + 32, (uint64_t)header->created_us, 8);
    mcpa_le_put(memory + 40, header->size, 8);
    mcpa_le_put(memory + 60, mcpa_crc32c(0, memory, 60), 4);
}

mcpa_status_t mcpa_segment_header_read(mcpa_segment_header_t *header, const unsigned char *bytes, size_t len)
{
    if (len < MCPA_SEGMENT_HEADER_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0 ||
        mcpa_le_get(bytes + 60, 4) != mcpa_crc32c(0, bytes, 60)) {
        return MCPA_EMALFORMED;
    }
    memcpy(header->instance, bytes + 8, MCPA_INSTANCE_BYTES);
    header->first_seq = mcpa_le_get(bytes + 24, 8);
    header->created_us = (int64_t)mcpa_le_get(bytes + 32, 8);
    header->size = mcpa_le_get(bytes + 40, 8);
    return MCPA_OK;
}

/* What the checksum covers: whose record, which one, and its bytes; so a record cannot pass for another child's or another place's. */
static uint32_t checksum(const unsigned char *memory, const unsigned char instance[MCPA_INSTANCE_BYTES], size_t payload_len)
{
    uint32_t crc = mcpa_crc32c(0, instance, MCPA_INSTANCE_BYTES);

    return mcpa_crc32c(crc, memory + 8, 8 + payload_len);
}

void mcpa_envelope_seal(unsigned char *memory, const unsigned char instance[MCPA_INSTANCE_BYTES], uint64_t seq, size_t payload_len)
{
    mcpa_le_put(memory, payload_len, 4);
    mcpa_le_put(memory + 8, seq, 8);
    mcpa_le_put(memory + 4, checksum(memory, instance, payload_len), 4);
}

mcpa_status_t mcpa_envelope_open(mcpa_envelope_t *envelope, const unsigned char *bytes, size_t len,
                                 const unsigned char instance[MCPA_INSTANCE_BYTES])
{
    size_t payload_len;

    if (len == 0) {
        return MCPA_ENOTFOUND;
    }
    if (len < 4) {
        return MCPA_EMALFORMED;
    }
    payload_len = (size_t)mcpa_le_get(bytes, 4);
    if (payload_len == 0) {
        return MCPA_ENOTFOUND;
    }
    if (payload_len > MCPA_RECORD_MAX_BYTES || len < MCPA_ENVELOPE_BYTES || len - MCPA_ENVELOPE_BYTES < payload_len ||
        mcpa_le_get(bytes + 4, 4) != checksum(bytes, instance, payload_len)) {
        return MCPA_EMALFORMED;
    }
    *envelope = (mcpa_envelope_t){ .seq = mcpa_le_get(bytes + 8, 8),
                                   .payload = bytes + MCPA_ENVELOPE_BYTES,
                                   .payload_len = payload_len,
                                   .total_len = MCPA_ENVELOPE_BYTES + payload_len };
    return MCPA_OK;
}
