/* SPDX-License-Identifier: Apache-2.0 */
/* The segment and the envelope: what was sealed opens, the clean end is told from a torn tail, and no prefix, flipped bit or
 * foreign instance passes. */
#include "test_wire.h"

#include "wire/segment.h"

static const unsigned char instance[16] = "instance-number1";
static const unsigned char stranger[16] = "instance-number2";

static size_t seal(unsigned char *memory, const char *payload, uint64_t seq)
{
    memcpy(memory + MCPA_ENVELOPE_BYTES, payload, strlen(payload));
    mcpa_envelope_seal(memory, instance, seq, strlen(payload));
    return MCPA_ENVELOPE_BYTES + strlen(payload);
}

static mcpa_segment_header_t a_header(void)
{
    mcpa_segment_header_t header = { .first_seq = 1234567,
                                     .created_us = INT64_C(0x000644179c3a3e40),
                                     .size = MCPA_SEGMENT_BYTES };

    memcpy(header.instance, instance, sizeof(instance));
    return header;
}

static void the_header_is_golden(void **state)
{
    static const unsigned char golden[60] = "MCPASEG1instance-number1"
                                            "\x87\xd6\x12\0\0\0\0\0"
                                            "\x40\x3e\x3a\x9c\x17\x44\x06\0"
                                            "\0\0\x10\0\0\0\0\0";
    mcpa_segment_header_t header = a_header();
    unsigned char memory[MCPA_SEGMENT_HEADER_BYTES];

    (void)state;
    mcpa_segment_header_write(memory, &header);
    assert_memory_equal(memory, golden, 48);
    assert_memory_equal(memory + 48, golden + 48, 12); /* reserved: zeroes */
}

static void the_header_comes_back_as_it_was_written(void **state)
{
    mcpa_segment_header_t header = a_header();
    mcpa_segment_header_t read;
    unsigned char memory[MCPA_SEGMENT_HEADER_BYTES];

    (void)state;
    mcpa_segment_header_write(memory, &header);
    assert_int_equal(mcpa_segment_header_read(&read, memory, sizeof(memory)), MCPA_OK);
    assert_memory_equal(read.instance, instance, 16);
    assert_true(read.first_seq == header.first_seq && read.created_us == header.created_us && read.size == header.size);
}

static void no_prefix_and_no_flipped_bit_of_a_header_passes(void **state)
{
    mcpa_segment_header_t header = a_header();
    mcpa_segment_header_t read;
    unsigned char memory[MCPA_SEGMENT_HEADER_BYTES];

    (void)state;
    mcpa_segment_header_write(memory, &header);
    for (size_t len = 0; len < sizeof(memory); len++) {
        unsigned char *copy = exact_copy(memory, len);

        assert_int_equal(mcpa_segment_header_read(&read, copy, len), MCPA_EMALFORMED);
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * sizeof(memory); bit++) {
        memory[bit / 8] = (unsigned char)(memory[bit / 8] ^ 1u << bit % 8);
        assert_int_equal(mcpa_segment_header_read(&read, memory, sizeof(memory)), MCPA_EMALFORMED);
        memory[bit / 8] = (unsigned char)(memory[bit / 8] ^ 1u << bit % 8);
    }
}

static void a_header_with_a_right_checksum_but_impossible_values_is_refused(void **state)
{
    unsigned char memory[MCPA_SEGMENT_HEADER_BYTES];
    mcpa_segment_header_t read;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        mcpa_segment_header_t header = a_header();

        header.first_seq = i == 0 ? 0 : header.first_seq;
        header.created_us = i == 1 ? -1 : header.created_us;
        header.size = i == 2 ? MCPA_SEGMENT_HEADER_BYTES - 1 : header.size;
        mcpa_segment_header_write(memory, &header);
        assert_int_equal(mcpa_segment_header_read(&read, memory, sizeof(memory)), MCPA_EMALFORMED);
    }
}

static void records_come_back_in_order_up_to_the_clean_end(void **state)
{
    unsigned char memory[256] = { 0 };
    mcpa_envelope_t e;
    size_t at = 0;
    size_t end = 0;

    (void)state;
    end += seal(memory + end, "first", 1);
    end += seal(memory + end, "second one", 2);
    end += seal(memory + end, "3", UINT64_MAX);
    assert_int_equal(mcpa_envelope_open(&e, memory + at, sizeof(memory) - at, instance), MCPA_OK);
    assert_true(e.seq == 1 && e.payload_len == 5 && e.total_len == 21 && memcmp(e.payload, "first", 5) == 0);
    at += e.total_len;
    assert_int_equal(mcpa_envelope_open(&e, memory + at, sizeof(memory) - at, instance), MCPA_OK);
    assert_true(e.seq == 2 && e.payload_len == 10 && memcmp(e.payload, "second one", 10) == 0);
    at += e.total_len;
    assert_int_equal(mcpa_envelope_open(&e, memory + at, sizeof(memory) - at, instance), MCPA_OK);
    assert_true(e.seq == UINT64_MAX && e.payload_len == 1);
    at += e.total_len;
    assert_int_equal(at, end);
    /* Zeroes to the end of the file, however many are left. */
    for (size_t len = 0; len <= sizeof(memory) - at; len++) {
        assert_int_equal(mcpa_envelope_open(&e, memory + at, len, instance), MCPA_ENOTFOUND);
    }
}

static void every_prefix_of_a_record_is_a_torn_tail(void **state)
{
    unsigned char memory[64];
    size_t len = seal(memory, "some record", 7);
    mcpa_envelope_t e;

    (void)state;
    for (size_t cut = 1; cut < len; cut++) {
        unsigned char *copy = exact_copy(memory, cut);
        unsigned char torn[64] = { 0 };

        assert_int_equal(mcpa_envelope_open(&e, copy, cut, instance), MCPA_EMALFORMED);
        free(copy);
        /* What a crash leaves: the prefix, then zeroes. */
        memcpy(torn, memory, cut);
        assert_int_equal(mcpa_envelope_open(&e, torn, sizeof(torn), instance), MCPA_EMALFORMED);
    }
}

static void no_flipped_bit_and_no_foreign_instance_passes(void **state)
{
    unsigned char memory[64];
    size_t len = seal(memory, "some record", 7);
    mcpa_envelope_t e;

    (void)state;
    assert_int_equal(mcpa_envelope_open(&e, memory, len, instance), MCPA_OK);
    assert_int_equal(mcpa_envelope_open(&e, memory, len, stranger), MCPA_EMALFORMED);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        memory[bit / 8] = (unsigned char)(memory[bit / 8] ^ 1u << bit % 8);
        assert_int_not_equal(mcpa_envelope_open(&e, memory, len, instance), MCPA_OK);
        memory[bit / 8] = (unsigned char)(memory[bit / 8] ^ 1u << bit % 8);
    }
}

static void lengths_are_refused_before_they_are_believed(void **state)
{
    static const uint32_t lengths[] = { MCPA_RECORD_MAX_BYTES + 1, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };
    unsigned char *memory = calloc(1, MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES + 1);
    mcpa_envelope_t e;

    (void)state;
    assert_non_null(memory);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        for (unsigned byte = 0; byte < 4; byte++) {
            memory[byte] = (unsigned char)(lengths[i] >> (8 * byte));
        }
        assert_int_equal(mcpa_envelope_open(&e, memory, MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES + 1, instance),
                         MCPA_EMALFORMED);
    }
    /* The longest there may be, and one byte more though its checksum is right. */
    mcpa_envelope_seal(memory, instance, 1, MCPA_RECORD_MAX_BYTES);
    assert_int_equal(mcpa_envelope_open(&e, memory, MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES, instance), MCPA_OK);
    mcpa_envelope_seal(memory, instance, 1, MCPA_RECORD_MAX_BYTES + 1);
    assert_int_equal(mcpa_envelope_open(&e, memory, MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES + 1, instance), MCPA_EMALFORMED);
    /* seq starts at 1. */
    mcpa_envelope_seal(memory, instance, 0, 5);
    assert_int_equal(mcpa_envelope_open(&e, memory, 21, instance), MCPA_EMALFORMED);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_is_golden),
        cmocka_unit_test(the_header_comes_back_as_it_was_written),
        cmocka_unit_test(no_prefix_and_no_flipped_bit_of_a_header_passes),
        cmocka_unit_test(a_header_with_a_right_checksum_but_impossible_values_is_refused),
        cmocka_unit_test(records_come_back_in_order_up_to_the_clean_end),
        cmocka_unit_test(every_prefix_of_a_record_is_a_torn_tail),
        cmocka_unit_test(no_flipped_bit_and_no_foreign_instance_passes),
        cmocka_unit_test(lengths_are_refused_before_they_are_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
