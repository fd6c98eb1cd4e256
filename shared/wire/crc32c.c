/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/crc32c.h"

#include "wire/le.h"

/* Eight bytes a step: row k of the table is the CRC of one byte followed by k zero bytes. A CRC is linear over exclusive or, so
 * the eight values of a row's single bits give its 256; the preprocessor combines them, and the table needs neither a start-up
 * call nor 2048 literals. The test computes every row again from the polynomial 0x82f63b78. */
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                                                                 \
    (((i)&1 ? b0 : 0) ^ ((i)&2 ? b1 : 0) ^ ((i)&4 ? b2 : 0) ^ ((i)&8 ? b3 : 0) ^ ((i)&16 ? b4 : 0) ^ ((i)&32 ? b5 : 0) ^         \
     ((i)&64 ? b6 : 0) ^ ((i)&128 ? b7 : 0))
#define ENTRIES_4(i, ...) ENTRY(i, __VA_ARGS__), ENTRY(i + 1, __VA_ARGS__), ENTRY(i + 2, __VA_ARGS__), ENTRY(i + 3, __VA_ARGS__)
#define ENTRIES_16(i, ...)                                                                                                       \
    ENTRIES_4(i, __VA_ARGS__), ENTRIES_4(i + 4, __VA_ARGS__), ENTRIES_4(i + 8, __VA_ARGS__), ENTRIES_4(i + 12, __VA_ARGS__)
#define ENTRIES_64(i, ...)                                                                                                       \
    ENTRIES_16(i, __VA_ARGS__), ENTRIES_16(i + 16, __VA_ARGS__), ENTRIES_16(i + 32, __VA_ARGS__), ENTRIES_16(i + 48, __VA_ARGS__)
#define ROW(...)                                                                                                                 \
    {                                                                                                                            \
        ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__), ENTRIES_64(192, __VA_ARGS__)      \
    }

static const uint32_t table[8][256] = {
    ROW(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78),
    ROW(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9),
    ROW(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743),
    ROW(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f),
    ROW(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c),
    ROW(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6),
    ROW(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4),
    ROW(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664),
};

uint32_t mcpa_crc32c_by_table(uint32_t crc, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint32_t c = ~crc;

    for (; len >= 8; at += 8, len -= 8) {
        uint32_t low = mcpa_le32_get(at) ^ c;
        uint32_t high = mcpa_le32_get(at + 4);

        c = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
            table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
    }
    for (; len > 0; at++, len--) {
        c = c >> 8 ^ table[0][(c ^ *at) & 0xff];
    }
    return ~c;
}

#if defined(__x86_64__)
/* SSE4.2 has the instruction for this very polynomial: eight bytes a step. */
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *at, size_t len)
{
    uint64_t c = ~crc;

    for (; len >= 8; at += 8, len -= 8) {
        c = __builtin_ia32_crc32di(c, mcpa_le64_get(at));
    }
    for (; len > 0; at++, len--) {
        c = __builtin_ia32_crc32qi((uint32_t)c, *at);
    }
    return ~(uint32_t)c;
}

uint32_t mcpa_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes, len) : mcpa_crc32c_by_table(crc, bytes, len);
}
#else
uint32_t mcpa_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return mcpa_crc32c_by_table(crc, bytes, len);
}
#endif
