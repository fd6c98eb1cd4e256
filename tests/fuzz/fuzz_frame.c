/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's stream: frames are taken off its front as the daemon and the child do. What is read lies within the input, and written
 * again it is the same bytes; a shorter input only ever waits. */
#include <stdlib.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_within(mcpa_str_t s, const uint8_t *bytes, size_t len)
{
    const char *from = (const char *)bytes;

    must(s.ptr == NULL ? s.len == 0 : s.ptr >= from && s.ptr + s.len <= from + len);
}

static void check_records(const mcpa_frame_t *frame)
{
    static const unsigned char instance[MCPA_INSTANCE_BYTES] = "0123456789abcdef";
    size_t at = 0;
    mcpa_envelope_t e;

    must(frame->count > 0 && frame->count <= frame->records_len / (MCPA_ENVELOPE_BYTES + 1));
    while (mcpa_envelope_open(&e, frame->records + at, frame->records_len - at, instance) == MCPA_OK) {
        must(e.total_len > MCPA_ENVELOPE_BYTES && e.total_len <= frame->records_len - at);
        at += e.total_len;
    }
}

static void check_written_again(const mcpa_frame_t *frame, const uint8_t *bytes, size_t len)
{
    static char memory[MCPA_FRAME_MAX_BYTES + 1];
    unsigned char head[MCPA_FRAME_RECORDS_HEAD_BYTES];
    mcpa_out_t out;

    if (frame->type == MCPA_FRAME_RECORDS) {
        mcpa_frame_records_head(head, frame->count, frame->records_len);
        must(memcmp(head, bytes, sizeof(head)) == 0 && len == sizeof(head) + frame->records_len);
        must(frame->records == bytes + sizeof(head));
        check_records(frame);
        return;
    }
    mcpa_out_init(&out, memory, sizeof(memory));
    must(mcpa_frame_write(&out, frame) == MCPA_OK);
    must(out.len == len && memcmp(memory, bytes, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size > 0) {
        mcpa_frame_t frame;
        mcpa_frame_t part;
        size_t consumed = 0;
        size_t ignored;
        mcpa_status_t status = mcpa_frame_read(&frame, &consumed, data, size);

        if (status != MCPA_OK) {
            must(consumed == 0);
            must(status == MCPA_ENOTFOUND || status == MCPA_EMALFORMED || status == MCPA_ETOOBIG || status == MCPA_EUNSUPPORTED);
            return 0;
        }
        must(consumed >= MCPA_FRAME_HEADER_BYTES && consumed <= size && consumed <= MCPA_FRAME_MAX_BYTES);
        for (size_t len = 0; len < consumed; len += 1 + len / 8) {
            must(mcpa_frame_read(&part, &ignored, data, len) == MCPA_ENOTFOUND);
        }
        check_within(frame.issuer, data, consumed);
        check_within(frame.kid, data, consumed);
        check_written_again(&frame, data, consumed);
        data += consumed;
        size -= consumed;
    }
    return 0;
}
