/* SPDX-License-Identifier: Apache-2.0 */
/* A segment file as the daemon adopts it: header, then records to the torn tail. And the other way: any payload sealed is opened,
 * and not under another instance. */
#include <stdlib.h>

#include "wire/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void read_file(const uint8_t *data, size_t size)
{
    mcpa_segment_header_t header;
    unsigned char again[MCPA_SEGMENT_HEADER_BYTES];
    size_t at = MCPA_SEGMENT_HEADER_BYTES;
    mcpa_envelope_t e;

    if (mcpa_segment_header_read(&header, data, size) != MCPA_OK) {
        return;
    }
    must(size >= at && header.first_seq > 0 && header.created_us >= 0);
    mcpa_segment_header_write(again, &header);
    must(memcmp(again, data, 48) == 0);
    while (mcpa_envelope_open(&e, data + at, size - at, header.instance) == MCPA_OK) {
        must(e.seq > 0 && e.payload == data + at + MCPA_ENVELOPE_BYTES && e.payload_len > 0);
        must(e.total_len == MCPA_ENVELOPE_BYTES + e.payload_len && e.total_len <= size - at);
        at += e.total_len;
    }
}

static void seal_and_open(const uint8_t *data, size_t size)
{
    static unsigned char memory[MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES];
    unsigned char instance[MCPA_INSTANCE_BYTES] = { 0 };
    mcpa_envelope_t e;

    if (size == 0 || size > MCPA_RECORD_MAX_BYTES) {
        return;
    }
    memcpy(instance, data, size < sizeof(instance) ? size : sizeof(instance));
    memcpy(memory + MCPA_ENVELOPE_BYTES, data, size);
    mcpa_envelope_seal(memory, instance, size, size);
    must(mcpa_envelope_open(&e, memory, MCPA_ENVELOPE_BYTES + size, instance) == MCPA_OK);
    must(e.seq == size && e.payload_len == size && memcmp(e.payload, data, size) == 0);
    must(mcpa_envelope_open(&e, memory, MCPA_ENVELOPE_BYTES + size - 1, instance) == MCPA_EMALFORMED);
    instance[0] ^= 1;
    must(mcpa_envelope_open(&e, memory, MCPA_ENVELOPE_BYTES + size, instance) == MCPA_EMALFORMED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char instance[MCPA_INSTANCE_BYTES] = "0123456789abcdef";
    mcpa_envelope_t e;

    read_file(data, size);
    seal_and_open(data, size);
    (void)!mcpa_envelope_open(&e, data, size, instance);
    return 0;
}
