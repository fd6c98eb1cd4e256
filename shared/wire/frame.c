/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include "wire/le.h"

/* An envelope holds at least one byte of record. */
#define RECORD_MIN_BYTES (MCPA_ENVELOPE_BYTES + 1)
#define GAUGE_BYTES      10
/* The longest body but RECORDS: KID. */
#define BODY_MAX_BYTES (8 + 2 + MCPA_CLAIM_MAX_BYTES + MCPA_KID_MAX_BYTES)
_Static_assert(4 + MCPA_GAUGES_MAX * GAUGE_BYTES <= BODY_MAX_BYTES, "gauges fit the body's memory");
_Static_assert(MCPA_FRAME_HEADER_BYTES + BODY_MAX_BYTES <= MCPA_FRAME_MAX_BYTES, "every written frame is within the limit");

/* A body being read. Once it was too short, 'broken' stays set and every further value is zero. */
typedef struct cursor {
    const unsigned char *at;
    size_t left;
    bool broken;
} cursor_t;

static const unsigned char *take(cursor_t *c, size_t len)
{
    static const unsigned char zeroes[MCPA_INSTANCE_BYTES];
    const unsigned char *at = c->at;

    if (c->broken || len > c->left) {
        c->broken = true;
        return zeroes;
    }
    c->at += len;
    c->left -= len;
    return at;
}

static uint16_t take_u16(cursor_t *c)
{
    return mcpa_le16_get(take(c, 2));
}

static uint32_t take_u32(cursor_t *c)
{
    return mcpa_le32_get(take(c, 4));
}

static uint64_t take_u64(cursor_t *c)
{
    return mcpa_le64_get(take(c, 8));
}

static bool take_flag(cursor_t *c)
{
    unsigned char value = *take(c, 1);

    c->broken = c->broken || value > 1;
    return value == 1;
}

static mcpa_str_t take_text(cursor_t *c, size_t len, size_t min, size_t max)
{
    if (c->broken || len > c->left || len < min || len > max) {
        c->broken = true;
        return MCPA_STR_NONE;
    }
    return (mcpa_str_t){ (const char *)take(c, len), len };
}

static void read_records(mcpa_frame_t *frame, cursor_t *c)
{
    frame->count = take_u32(c);
    frame->records_len = c->left;
    frame->records = take(c, c->left);
    if (frame->count == 0 || frame->count > frame->records_len / RECORD_MIN_BYTES) {
        c->broken = true;
    }
}

static void read_gauges(mcpa_frame_t *frame, cursor_t *c)
{
    frame->count = take_u32(c);
    if (frame->count > MCPA_GAUGES_MAX) {
        c->broken = true;
        return;
    }
    for (uint32_t i = 0; i < frame->count; i++) {
        frame->gauges[i].id = take_u16(c);
        frame->gauges[i].value = take_u64(c);
    }
}

static void read_body(mcpa_frame_t *frame, cursor_t *c)
{
    switch (frame->type) {
    case MCPA_FRAME_HELLO:
        memcpy(frame->instance, take(c, MCPA_INSTANCE_BYTES), MCPA_INSTANCE_BYTES);
        frame->pid = take_u32(c);
        frame->next_seq = take_u64(c);
        frame->policy = take_u64(c);
        break;
    case MCPA_FRAME_RECORDS:
        read_records(frame, c);
        break;
    case MCPA_FRAME_GAUGES:
        read_gauges(frame, c);
        break;
    case MCPA_FRAME_KID:
        frame->ask = take_u64(c);
        frame->issuer = take_text(c, take_u16(c), 1, MCPA_CLAIM_MAX_BYTES);
        frame->kid = take_text(c, c->left, 0, MCPA_KID_MAX_BYTES);
        break;
    case MCPA_FRAME_BYE:
        break;
    case MCPA_FRAME_RESUME:
        memcpy(frame->instance, take(c, MCPA_INSTANCE_BYTES), MCPA_INSTANCE_BYTES);
        frame->acked = take_u64(c);
        break;
    case MCPA_FRAME_ACK:
        frame->acked = take_u64(c);
        break;
    case MCPA_FRAME_KEYS:
        frame->generation = take_u64(c);
        frame->issuer = take_text(c, c->left, 1, MCPA_CLAIM_MAX_BYTES);
        break;
    case MCPA_FRAME_KID_DONE:
        frame->ask = take_u64(c);
        frame->generation = take_u64(c);
        frame->found = take_flag(c);
        break;
    default:
        c->broken = true;
    }
}

mcpa_status_t mcpa_frame_read(mcpa_frame_t *frame, size_t *consumed, const unsigned char *bytes, size_t len)
{
    cursor_t body = { 0 };
    mcpa_frame_t found;
    size_t total;

    if (len < 4) {
        return MCPA_ENOTFOUND;
    }
    /* Before waiting for the rest: nobody may make the reader hold more than one frame's bytes. */
    total = (size_t)mcpa_le32_get(bytes) + 4;
    if (total > MCPA_FRAME_MAX_BYTES) {
        return MCPA_ETOOBIG;
    }
    if (total < MCPA_FRAME_HEADER_BYTES) {
        return MCPA_EMALFORMED;
    }
    if (len < MCPA_FRAME_HEADER_BYTES) {
        return MCPA_ENOTFOUND;
    }
    if (bytes[5] != MCPA_FRAME_VERSION) {
        return MCPA_EUNSUPPORTED;
    }
    if (bytes[6] != 0 || bytes[7] != 0) {
        return MCPA_EMALFORMED;
    }
    if (len < total) {
        return MCPA_ENOTFOUND;
    }
    memset(&found, 0, sizeof(found));
    found.type = (mcpa_frame_type_t)bytes[4];
    body.at = bytes + MCPA_FRAME_HEADER_BYTES;
    body.left = total - MCPA_FRAME_HEADER_BYTES;
    read_body(&found, &body);
    if (body.broken || body.left != 0) {
        return MCPA_EMALFORMED;
    }
    *frame = found;
    *consumed = total;
    return MCPA_OK;
}

/* A body being written, in memory that the checks of mcpa_frame_write made large enough. */
typedef struct body {
    unsigned char bytes[MCPA_FRAME_HEADER_BYTES + BODY_MAX_BYTES];
    size_t len;
} body_t;

static void put(body_t *b, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(b->bytes + b->len, bytes, len);
        b->len += len;
    }
}

static void put_u16(body_t *b, uint16_t value)
{
    mcpa_le16_put(b->bytes + b->len, value);
    b->len += 2;
}

static void put_u32(body_t *b, uint32_t value)
{
    mcpa_le32_put(b->bytes + b->len, value);
    b->len += 4;
}

static void put_u64(body_t *b, uint64_t value)
{
    mcpa_le64_put(b->bytes + b->len, value);
    b->len += 8;
}

static void put_gauges(body_t *b, const mcpa_frame_t *frame)
{
    put_u32(b, frame->count);
    for (uint32_t i = 0; i < frame->count; i++) {
        put_u16(b, frame->gauges[i].id);
        put_u64(b, frame->gauges[i].value);
    }
}

/* false for a type this function does not write. */
static bool put_body(body_t *b, const mcpa_frame_t *frame)
{
    switch (frame->type) {
    case MCPA_FRAME_HELLO:
        put(b, frame->instance, MCPA_INSTANCE_BYTES);
        put_u32(b, frame->pid);
        put_u64(b, frame->next_seq);
        put_u64(b, frame->policy);
        return true;
    case MCPA_FRAME_GAUGES:
        put_gauges(b, frame);
        return true;
    case MCPA_FRAME_KID:
        put_u64(b, frame->ask);
        put_u16(b, (uint16_t)frame->issuer.len);
        put(b, frame->issuer.ptr, frame->issuer.len);
        put(b, frame->kid.ptr, frame->kid.len);
        return true;
    case MCPA_FRAME_BYE:
        return true;
    case MCPA_FRAME_RESUME:
        put(b, frame->instance, MCPA_INSTANCE_BYTES);
        put_u64(b, frame->acked);
        return true;
    case MCPA_FRAME_ACK:
        put_u64(b, frame->acked);
        return true;
    case MCPA_FRAME_KEYS:
        put_u64(b, frame->generation);
        put(b, frame->issuer.ptr, frame->issuer.len);
        return true;
    case MCPA_FRAME_KID_DONE:
        put_u64(b, frame->ask);
        put_u64(b, frame->generation);
        put(b, frame->found ? "\1" : "\0", 1);
        return true;
    case MCPA_FRAME_RECORDS:
    default:
        return false;
    }
}

static void put_header(unsigned char *at, mcpa_frame_type_t type, size_t body_len)
{
    mcpa_le32_put(at, (uint32_t)(MCPA_FRAME_HEADER_BYTES - 4 + body_len));
    at[4] = (unsigned char)type;
    at[5] = MCPA_FRAME_VERSION;
    mcpa_le16_put(at + 6, 0);
}

mcpa_status_t mcpa_frame_write(mcpa_out_t *out, const mcpa_frame_t *frame)
{
    body_t body = { .len = MCPA_FRAME_HEADER_BYTES };
    bool names = frame->type == MCPA_FRAME_KID || frame->type == MCPA_FRAME_KEYS;

    if ((names && (frame->issuer.len > MCPA_CLAIM_MAX_BYTES || frame->kid.len > MCPA_KID_MAX_BYTES)) ||
        (frame->type == MCPA_FRAME_GAUGES && frame->count > MCPA_GAUGES_MAX)) {
        return MCPA_ETOOBIG;
    }
    /* What the other side would refuse is refused here, where the caller can tell why. */
    if ((names && frame->issuer.len == 0) || !put_body(&body, frame)) {
        return MCPA_EMALFORMED;
    }
    put_header(body.bytes, frame->type, body.len - MCPA_FRAME_HEADER_BYTES);
    mcpa_out_put(out, body.bytes, body.len);
    return mcpa_out_status(out);
}

void mcpa_frame_records_head(unsigned char memory[MCPA_FRAME_RECORDS_HEAD_BYTES], uint32_t count, size_t records_len)
{
    put_header(memory, MCPA_FRAME_RECORDS, 4 + records_len);
    mcpa_le32_put(memory + MCPA_FRAME_HEADER_BYTES, count);
}
