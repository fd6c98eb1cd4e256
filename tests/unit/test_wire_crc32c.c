/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C, by the CPU's instruction and by the table, against its check value, the vectors of RFC 3720 and its own definition,
 * bit by bit. */
#include "test_wire.h"

#include "wire/crc32c.h"

static uint32_t bit_by_bit(const unsigned char *bytes, size_t len)
{
    uint32_t c = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        c ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            c = c >> 1 ^ ((c & 1) != 0 ? 0x82f63b78 : 0);
        }
    }
    return ~c;
}

static void crc_has_the_check_value(void **state)
{
    (void)state;
    assert_int_equal(mcpa_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(mcpa_crc32c(0, "", 0), 0);
}

static void crc_knows_the_vectors_of_rfc3720(void **state)
{
    unsigned char bytes[32] = { 0 };

    (void)state;
    assert_int_equal(mcpa_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(mcpa_crc32c(0, bytes, 32), 0x62a8ab43);
    for (unsigned char i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(mcpa_crc32c(0, bytes, 32), 0x46dd794e);
    for (unsigned char i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(mcpa_crc32c(0, bytes, 32), 0x113fdb5c);
}

static void crc_agrees_with_its_definition_for_every_byte_at_every_place(void **state)
{
    (void)state;
    /* Each byte value at each place of a long step reaches each entry of each row of the table. */
    for (unsigned at = 0; at < 19; at++) {
        for (unsigned value = 0; value < 256; value++) {
            unsigned char bytes[19] = { 0 };

            bytes[at] = (unsigned char)value;
            assert_int_equal(mcpa_crc32c(0, bytes, sizeof(bytes)), bit_by_bit(bytes, sizeof(bytes)));
            assert_int_equal(mcpa_crc32c_by_table(0, bytes, sizeof(bytes)), bit_by_bit(bytes, sizeof(bytes)));
        }
    }
}

static void crc_may_be_taken_in_pieces_at_any_alignment(void **state)
{
    unsigned char bytes[100];
    uint64_t random = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)next_random(&random);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t cut = from; cut <= sizeof(bytes); cut++) {
            uint32_t whole = bit_by_bit(bytes + from, sizeof(bytes) - from);
            uint32_t crc = mcpa_crc32c(0, bytes + from, cut - from);

            assert_int_equal(mcpa_crc32c(crc, bytes + cut, sizeof(bytes) - cut), whole);
            crc = mcpa_crc32c_by_table(0, bytes + from, cut - from);
            assert_int_equal(mcpa_crc32c_by_table(crc, bytes + cut, sizeof(bytes) - cut), whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_has_the_check_value),
        cmocka_unit_test(crc_knows_the_vectors_of_rfc3720),
        cmocka_unit_test(crc_agrees_with_its_definition_for_every_byte_at_every_place),
        cmocka_unit_test(crc_may_be_taken_in_pieces_at_any_alignment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
