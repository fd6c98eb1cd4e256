/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include "wire/le.h"

#define GAUGE_BYTES 10

/* What is left of a frame's body while it is read; the first short read spoils it. */
typedef struct reader {
    const unsigned char *at;
    size_t left;
    bool broken;
} reader_t;

static const unsigned char *take(reader_t *in, size_t len)
{
    const unsigned char *at = in->at;

    if (in->broken || in->left < len) {
        in->broken = true;
        return NULL;
    }
    in->at += len;
    in->left -= len;
    return at;
}

static uint64_t take_number(reader_t *in, unsigned bytes)
{
    const unsigned char *at = take(in, bytes);

    return at != NULL ? mcpa_le_get(at, bytes) : 0;
}

static mcpa_str_t take_str(reader_t *in, size_t len)
{
    const unsigned char *at = take(in, len);

    return at != NULL ? (mcpa_str_t){ (const char *)at, len } : MCPA_STR_NONE;
}

static void take_instance(reader_t *in, mcpa_frame_t *frame)
{
    const unsigned char *at = take(in, MCPA_INSTANCE_BYTES);

    if (at != NULL) {
        memcpy(frame->instance, at, MCPA_INSTANCE_BYTES);
    }
}

static void read_gauges(mcpa_frame_t *frame, reader_t *in)
{
    frame->count = (uint32_t)take_number(in, 4);
    if (frame->count > MCPA_GAUGES_MAX) {
        in->broken = true;
        return;
    }
    for (uint32_t i = 0; i < frame->count; i++) {
        frame->gauges[i].id = (uint16_t)take_number(in, 2);
        frame->gauges[i].value = take_number(in, 8);
    }
}

static mcpa_status_t read_body(mcpa_frame_t *frame, reader_t *in)
{
    switch (frame->type) {
    case MCPA_FRAME_HELLO:
        take_instance(in, frame);
        frame->pid = (uint32_t)take_number(in, 4);
        frame->next_seq = take_number(in, 8);
        frame->policy = take_number(in, 8);
        break;
    case MCPA_FRAME_RECORDS:
        frame->count = (uint32_t)take_number(in, 4);
        frame->records_len = in->left;
        frame->records = take(in, in->left);
        break;
    case MCPA_FRAME_GAUGES:
        read_gauges(frame, in);
        break;
    case MCPA_FRAME_KID:
        frame->ask = take_number(in, 8);
        frame->issuer = take_str(in, (size_t)take_number(in, 2));
        frame->kid = take_str(in, in->left);
        break;
    case MCPA_FRAME_RESUME:
        take_instance(in, frame);
        frame->acked = take_number(in, 8);
        break;
    case MCPA_FRAME_ACK:
        frame->acked = take_number(in, 8);
        break;
    case MCPA_FRAME_KEYS:
        frame->generation = take_number(in, 8);
        frame->issuer = take_str(in, in->left);
        break;
    case MCPA_FRAME_KID_DONE:
        frame->ask = take_number(in, 8);
        frame->generation = take_number(in, 8);
        frame->found = take_number(in, 1) != 0;
        break;
    case MCPA_FRAME_BYE:
        break;
    default:
        return MCPA_EMALFORMED;
    }
    return in->broken || in->left != 0 ? MCPA_EMALFORMED : MCPA_OK;
}

mcpa_status_t mcpa_frame_read(mcpa_frame_t *frame, size_t *consumed, const unsigned char *bytes, size_t len)
{
    mcpa_frame_t read = { 0 };
    reader_t in;
    uint64_t body;
    mcpa_status_t status;

    if (len < 4) {
        return MCPA_ENOTFOUND;
    }
    body = mcpa_le_get(bytes, 4);
    if (body < 4) {
        return MCPA_EMALFORMED;
    }
    if (body > MCPA_FRAME_MAX_BYTES - 4) {
        return MCPA_ETOOBIG;
    }
    /* The version is looked at as soon as it is there: a foreign peer need not send a whole frame to be told. */
    if (len >= 6 && bytes[5] != MCPA_FRAME_VERSION) {
        return MCPA_EUNSUPPORTED;
    }
    if (len - 4 < body) {
        return MCPA_ENOTFOUND;
    }
    if (bytes[6] != 0 || bytes[7] != 0) {
        return MCPA_EMALFORMED;
    }
    read.type = (mcpa_frame_type_t)bytes[4];
    in = (reader_t){ bytes + MCPA_FRAME_HEADER_BYTES, (size_t)body - 4, false };
    status = read_body(&read, &in);
    if (status == MCPA_OK) {
        *frame = read;
        *consumed = 4 + (size_t)body;
    }
    return status;
}

static void put_number(mcpa_out_t *out, uint64_t value, unsigned bytes)
{
    unsigned char memory[8];

    mcpa_le_put(memory, value, bytes);
    mcpa_out_put(out, memory, bytes);
}

static void write_body(mcpa_out_t *out, const mcpa_frame_t *frame)
{
    switch (frame->type) {
    case MCPA_FRAME_HELLO:
        mcpa_out_put(out, frame->instance, MCPA_INSTANCE_BYTES);
        put_number(out, frame->pid, 4);
        put_number(out, frame->next_seq, 8);
        put_number(out, frame->policy, 8);
        break;
    case MCPA_FRAME_GAUGES:
        put_number(out, frame->count, 4);
        for (uint32_t i = 0; i < frame->count && i < MCPA_GAUGES_MAX; i++) {
            put_number(out, frame->gauges[i].id, 2);
            put_number(out, frame->gauges[i].value, 8);
        }
        break;
    case MCPA_FRAME_KID:
        put_number(out, frame->ask, 8);
        put_number(out, frame->issuer.len, 2);
        mcpa_out_str(out, frame->issuer);
        mcpa_out_str(out, frame->kid);
        break;
    case MCPA_FRAME_RESUME:
        mcpa_out_put(out, frame->instance, MCPA_INSTANCE_BYTES);
        put_number(out, frame->acked, 8);
        break;
    case MCPA_FRAME_ACK:
        put_number(out, frame->acked, 8);
        break;
    case MCPA_FRAME_KEYS:
        put_number(out, frame->generation, 8);
        mcpa_out_str(out, frame->issuer);
        break;
    case MCPA_FRAME_KID_DONE:
        put_number(out, frame->ask, 8);
        put_number(out, frame->generation, 8);
        put_number(out, frame->found ? 1 : 0, 1);
        break;
    case MCPA_FRAME_RECORDS:
    case MCPA_FRAME_BYE:
        break;
    }
}

static void write_head(unsigned char head[MCPA_FRAME_HEADER_BYTES], mcpa_frame_type_t type, size_t body)
{
    mcpa_le_put(head, 4 + body, 4);
    head[4] = (unsigned char)type;
    head[5] = MCPA_FRAME_VERSION;
    head[6] = 0;
    head[7] = 0;
}

mcpa_status_t mcpa_frame_write(mcpa_out_t *out, const mcpa_frame_t *frame)
{
    unsigned char head[MCPA_FRAME_HEADER_BYTES] = { 0 };
    size_t start = out->len;
    size_t body;

    if (frame->type == MCPA_FRAME_RECORDS || frame->count > MCPA_GAUGES_MAX || frame->issuer.len > UINT16_MAX) {
        return MCPA_ETOOBIG;
    }
    mcpa_out_put(out, head, sizeof(head));
    write_body(out, frame);
    body = out->len - start - (out->truncated ? 0 : sizeof(head));
    if (out->truncated || body + sizeof(head) > MCPA_FRAME_MAX_BYTES) {
        out->len = start; /* half a frame must never reach the socket */
        out->truncated = true;
        return MCPA_ETOOBIG;
    }
    write_head(head, frame->type, body);
    memcpy(out->ptr + start, head, sizeof(head));
    return MCPA_OK;
}

void mcpa_frame_records_head(unsigned char memory[MCPA_FRAME_RECORDS_HEAD_BYTES], uint32_t count, size_t records_len)
{
    write_head(memory, MCPA_FRAME_RECORDS, 4 + records_len);
    mcpa_le_put(memory + MCPA_FRAME_HEADER_BYTES, count, 4);
}
