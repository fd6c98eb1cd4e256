/* SPDX-License-Identifier: Apache-2.0 */
/* The link's frames: each type is golden and comes back, input may be split anywhere, and whoever breaks the grammar is told so
 * before anything of his is believed. */
#include "test_wire.h"

#include "wire/frame.h"

/* One frame of each type, and its bytes. */
static const struct {
    mcpa_frame_t frame;
    const char *bytes;
    size_t len;
} golden[] = {
#define BYTES(literal) literal, sizeof(literal) - 1
    { { .type = MCPA_FRAME_HELLO, .instance = "0123456789abcde", .pid = 0x01020304, .next_seq = 5, .policy = UINT64_MAX },
      BYTES("\x28\0\0\0\x01\x01\0\0"
            "0123456789abcde\0"
            "\x04\x03\x02\x01"
            "\x05\0\0\0\0\0\0\0"
            "\xff\xff\xff\xff\xff\xff\xff\xff") },
    { { .type = MCPA_FRAME_GAUGES, .count = 2, .gauges = { { MCPA_GAUGE_LOST, 3 }, { 999, UINT64_C(1) << 56 } } },
      BYTES("\x1c\0\0\0\x03\x01\0\0"
            "\x02\0\0\0"
            "\x05\0\x03\0\0\0\0\0\0\0"
            "\xe7\x03\0\0\0\0\0\0\0\x01") },
    { { .type = MCPA_FRAME_KID, .ask = 9, .issuer = { "https://a", 9 }, .kid = { "k\0\"", 3 } },
      BYTES("\x1a\0\0\0\x04\x01\0\0"
            "\x09\0\0\0\0\0\0\0"
            "\x09\0https://ak\0\"") },
    { { .type = MCPA_FRAME_BYE }, BYTES("\x04\0\0\0\x05\x01\0\0") },
    { { .type = MCPA_FRAME_RESUME, .instance = "0123456789abcde", .acked = 258 },
      BYTES("\x1c\0\0\0\x10\x01\0\0"
            "0123456789abcde\0"
            "\x02\x01\0\0\0\0\0\0") },
    { { .type = MCPA_FRAME_ACK, .acked = 1 },
      BYTES("\x0c\0\0\0\x11\x01\0\0"
            "\x01\0\0\0\0\0\0\0") },
    { { .type = MCPA_FRAME_KEYS, .generation = 2, .issuer = { "https://a", 9 } },
      BYTES("\x15\0\0\0\x12\x01\0\0"
            "\x02\0\0\0\0\0\0\0https://a") },
    { { .type = MCPA_FRAME_KID_DONE, .ask = 9, .generation = 2, .found = true },
      BYTES("\x15\0\0\0\x13\x01\0\0"
            "\x09\0\0\0\0\0\0\0"
            "\x02\0\0\0\0\0\0\0\x01") },
};

static mcpa_status_t read_bytes(mcpa_frame_t *frame, size_t *consumed, const char *bytes, size_t len)
{
    unsigned char *copy = exact_copy(bytes, len);
    mcpa_status_t status = mcpa_frame_read(frame, consumed, copy, len);

    free(copy);
    return status;
}

static void every_type_is_written_as_the_table_in_the_header_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        char memory[256];
        mcpa_out_t out;

        mcpa_out_init(&out, memory, sizeof(memory));
        assert_int_equal(mcpa_frame_write(&out, &golden[i].frame), MCPA_OK);
        assert_int_equal(out.len, golden[i].len);
        assert_memory_equal(memory, golden[i].bytes, golden[i].len);
    }
}

static void every_type_comes_back_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        const mcpa_frame_t *want = &golden[i].frame;
        mcpa_frame_t got;
        size_t consumed;

        assert_int_equal(mcpa_frame_read(&got, &consumed, (const unsigned char *)golden[i].bytes, golden[i].len), MCPA_OK);
        assert_int_equal(consumed, golden[i].len);
        assert_memory_equal(got.instance, want->instance, 16);
        assert_true(got.type == want->type && got.pid == want->pid && got.next_seq == want->next_seq &&
                    got.policy == want->policy);
        assert_true(got.acked == want->acked && got.generation == want->generation && got.ask == want->ask &&
                    got.found == want->found);
        assert_true(mcpa_str_eq(got.issuer, want->issuer) && mcpa_str_eq(got.kid, want->kid) && got.count == want->count);
        for (uint32_t g = 0; g < got.count; g++) {
            assert_true(got.gauges[g].id == want->gauges[g].id && got.gauges[g].value == want->gauges[g].value);
        }
    }
}

static void a_split_frame_waits_until_it_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        char stream[512];
        mcpa_frame_t frame = { .pid = 4711 };
        size_t consumed = 4711;

        for (size_t len = 0; len < golden[i].len; len++) {
            assert_int_equal(read_bytes(&frame, &consumed, golden[i].bytes, len), MCPA_ENOTFOUND);
            assert_true(frame.pid == 4711 && consumed == 4711); /* untouched */
        }
        /* And what follows is left for the next call. */
        memcpy(stream, golden[i].bytes, golden[i].len);
        memcpy(stream + golden[i].len, golden[0].bytes, golden[0].len);
        assert_int_equal(read_bytes(&frame, &consumed, stream, golden[i].len + golden[0].len), MCPA_OK);
        assert_int_equal(consumed, golden[i].len);
    }
}

static void a_body_that_is_too_short_or_too_long_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        /* The variable ends of KID and KEYS may be of any length within their limits. */
        bool open_end = golden[i].frame.type == MCPA_FRAME_KID || golden[i].frame.type == MCPA_FRAME_KEYS;
        size_t fixed_len = golden[i].frame.type == MCPA_FRAME_KID ? golden[i].len - 3 : golden[i].len - 8;

        for (size_t len = 8; len < golden[i].len + 8; len++) {
            char bytes[256] = { 0 };
            mcpa_frame_t frame;
            size_t consumed;
            bool good = len == golden[i].len || (open_end && len >= fixed_len);

            memcpy(bytes, golden[i].bytes, golden[i].len < len ? golden[i].len : len);
            bytes[0] = (char)(len - 4);
            assert_int_equal(read_bytes(&frame, &consumed, bytes, len), good ? MCPA_OK : MCPA_EMALFORMED);
        }
    }
}

static void bad_heads_are_refused_before_the_body_arrives(void **state)
{
    mcpa_frame_t frame;
    size_t consumed;

    (void)state;
    assert_int_equal(read_bytes(&frame, &consumed, "\0\0\0\0", 4), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, "\x03\0\0\0", 4), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, "\xfc\xff\0\0", 4), MCPA_ENOTFOUND); /* 65532 + 4: the longest */
    assert_int_equal(read_bytes(&frame, &consumed, "\xfd\xff\0\0", 4), MCPA_ETOOBIG);
    assert_int_equal(read_bytes(&frame, &consumed, "\xff\xff\xff\xff", 4), MCPA_ETOOBIG);
    assert_int_equal(read_bytes(&frame, &consumed, "\x10\0\0\0\x01\0\0\0", 8), MCPA_EUNSUPPORTED);
    assert_int_equal(read_bytes(&frame, &consumed, "\x10\0\0\0\x01\x02\0\0", 8), MCPA_EUNSUPPORTED);
    assert_int_equal(read_bytes(&frame, &consumed, "\x10\0\0\0\x01\x01\x01\0", 8), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, "\x10\0\0\0\x01\x01\0\x80", 8), MCPA_EMALFORMED);
}

static void types_that_do_not_exist_are_malformed(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        char bytes[8] = { 4, 0, 0, 0, (char)type, 1, 0, 0 };
        mcpa_frame_t frame;
        size_t consumed;

        /* An empty body is right for BYE alone. */
        assert_int_equal(read_bytes(&frame, &consumed, bytes, 8), type == MCPA_FRAME_BYE ? MCPA_OK : MCPA_EMALFORMED);
    }
}

static void counts_and_lengths_inside_a_body_are_not_believed(void **state)
{
    static const char gauges[] = "\x08\0\0\0\x03\x01\0\0\xff\xff\xff\xff";
    static const char too_many_gauges[] = "\x08\0\0\0\x03\x01\0\0\x21\0\0\0";
    static const char records[] = "\x0c\0\0\0\x02\x01\0\0\xff\xff\xff\xff"
                                  "abcd";
    static const char no_records[] = "\x08\0\0\0\x02\x01\0\0\0\0\0\0";
    static const char issuer[] = "\x10\0\0\0\x04\x01\0\0"
                                 "\x09\0\0\0\0\0\0\0\xff\xff"
                                 "ab";
    static const char no_issuer[] = "\x10\0\0\0\x04\x01\0\0"
                                    "\x09\0\0\0\0\0\0\0\0\0"
                                    "ab";
    static const char flag[] = "\x15\0\0\0\x13\x01\0\0"
                               "\x09\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x02";
    mcpa_frame_t frame;
    size_t consumed;

    (void)state;
    assert_int_equal(read_bytes(&frame, &consumed, gauges, sizeof(gauges) - 1), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, too_many_gauges, sizeof(too_many_gauges) - 1), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, records, sizeof(records) - 1), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, no_records, sizeof(no_records) - 1), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, issuer, sizeof(issuer) - 1), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, no_issuer, sizeof(no_issuer) - 1), MCPA_EMALFORMED);
    assert_int_equal(read_bytes(&frame, &consumed, flag, sizeof(flag) - 1), MCPA_EMALFORMED);
}

static void records_travel_in_their_envelopes(void **state)
{
    static const unsigned char instance[16] = "an instance's id";
    unsigned char stream[128];
    size_t records_len = 0;
    mcpa_envelope_t e;
    mcpa_frame_t frame;
    size_t consumed;

    (void)state;
    for (unsigned i = 1; i <= 2; i++) {
        unsigned char *at = stream + MCPA_FRAME_RECORDS_HEAD_BYTES + records_len;

        memcpy(at + MCPA_ENVELOPE_BYTES, "payload", 7);
        mcpa_envelope_seal(at, instance, i, 7);
        records_len += MCPA_ENVELOPE_BYTES + 7;
    }
    mcpa_frame_records_head(stream, 2, records_len);
    assert_int_equal(mcpa_frame_read(&frame, &consumed, stream, MCPA_FRAME_RECORDS_HEAD_BYTES + records_len), MCPA_OK);
    assert_int_equal(frame.type, MCPA_FRAME_RECORDS);
    assert_int_equal(frame.count, 2);
    assert_int_equal(frame.records_len, records_len);
    assert_int_equal(consumed, MCPA_FRAME_RECORDS_HEAD_BYTES + records_len);
    assert_int_equal(mcpa_envelope_open(&e, frame.records, frame.records_len, instance), MCPA_OK);
    assert_int_equal(mcpa_envelope_open(&e, frame.records + e.total_len, frame.records_len - e.total_len, instance), MCPA_OK);
    assert_true(e.seq == 2);
}

static void what_does_not_fit_is_not_written_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (size_t cap = 1; cap <= golden[i].len; cap++) { /* one byte is for the writer's NUL */
            char memory[256];
            mcpa_out_t out;

            mcpa_out_init(&out, memory, cap);
            assert_int_equal(mcpa_frame_write(&out, &golden[i].frame), MCPA_ETOOBIG);
            assert_int_equal(out.len, 0);
        }
    }
}

static void nothing_is_written_that_the_reader_would_refuse(void **state)
{
    static char text[MCPA_CLAIM_MAX_BYTES + 1];
    static char memory[8192];
    mcpa_str_t name = { text, sizeof(text) };
    mcpa_frame_t frame = { .type = MCPA_FRAME_RECORDS };
    mcpa_frame_t read;
    size_t consumed;
    mcpa_out_t out;

    (void)state;
    memset(text, 'x', sizeof(text));
    mcpa_out_init(&out, memory, sizeof(memory));
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_EMALFORMED);
    frame = (mcpa_frame_t){ .type = (mcpa_frame_type_t)77 };
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_EMALFORMED);
    frame = (mcpa_frame_t){ .type = MCPA_FRAME_GAUGES, .count = MCPA_GAUGES_MAX + 1 };
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_ETOOBIG);
    frame = (mcpa_frame_t){ .type = MCPA_FRAME_KEYS, .issuer = name };
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_ETOOBIG);
    frame.issuer.len = 0;
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_EMALFORMED);
    frame = (mcpa_frame_t){ .type = MCPA_FRAME_KID,
                            .issuer = { text, MCPA_CLAIM_MAX_BYTES },
                            .kid = { text, MCPA_KID_MAX_BYTES + 1 } };
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_ETOOBIG);
    assert_int_equal(out.len, 0);
    frame.kid.len = MCPA_KID_MAX_BYTES; /* the longest frame of this kind */
    assert_int_equal(mcpa_frame_write(&out, &frame), MCPA_OK);
    assert_int_equal(mcpa_frame_read(&read, &consumed, (unsigned char *)memory, out.len), MCPA_OK);
    assert_true(mcpa_str_eq(read.issuer, frame.issuer) && mcpa_str_eq(read.kid, frame.kid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_written_as_the_table_in_the_header_says),
        cmocka_unit_test(every_type_comes_back_as_it_was),
        cmocka_unit_test(a_split_frame_waits_until_it_is_whole),
        cmocka_unit_test(a_body_that_is_too_short_or_too_long_is_malformed),
        cmocka_unit_test(bad_heads_are_refused_before_the_body_arrives),
        cmocka_unit_test(types_that_do_not_exist_are_malformed),
        cmocka_unit_test(counts_and_lengths_inside_a_body_are_not_believed),
        cmocka_unit_test(records_travel_in_their_envelopes),
        cmocka_unit_test(what_does_not_fit_is_not_written_at_all),
        cmocka_unit_test(nothing_is_written_that_the_reader_would_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
