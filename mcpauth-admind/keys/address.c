/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

typedef struct range {
    unsigned char prefix[16];
    unsigned bits;
    admind_address_kind_t kind;
} range_t;

/* From the IANA special-purpose registries; what is in neither table is public. */
static const range_t ipv4[] = {
    { { 0 }, 8, ADMIND_ADDRESS_NEVER },          { { 10 }, 8, ADMIND_ADDRESS_PRIVATE },
    { { 100, 64 }, 10, ADMIND_ADDRESS_PRIVATE }, { { 127 }, 8, ADMIND_ADDRESS_LOOPBACK },
    { { 169, 254 }, 16, ADMIND_ADDRESS_NEVER },  { { 172, 16 }, 12, ADMIND_ADDRESS_PRIVATE },
    { { 192, 0, 0 }, 24, ADMIND_ADDRESS_NEVER }, { { 192, 168 }, 16, ADMIND_ADDRESS_PRIVATE },
    { { 198, 18 }, 15, ADMIND_ADDRESS_PRIVATE }, { { 224 }, 4, ADMIND_ADDRESS_NEVER },
    { { 240 }, 4, ADMIND_ADDRESS_NEVER },
};
static const range_t ipv6[] = {
    { { [15] = 0 }, 128, ADMIND_ADDRESS_NEVER },  { { [15] = 1 }, 128, ADMIND_ADDRESS_LOOPBACK },
    { { 0xfc }, 7, ADMIND_ADDRESS_PRIVATE },      { { 0xfe, 0x80 }, 10, ADMIND_ADDRESS_NEVER },
    { { 0xfe, 0xc0 }, 10, ADMIND_ADDRESS_NEVER }, { { 0xff }, 8, ADMIND_ADDRESS_NEVER },
    { { 0x01, 0x00 }, 64, ADMIND_ADDRESS_NEVER },
};
/* Where an IPv4 address stands inside an IPv6 one. */
static const struct embedded {
    unsigned char prefix[12];
    unsigned bits;
    unsigned at;
} embedded[] = {
    { { [10] = 0xff, [11] = 0xff }, 96, 12 }, /* ::ffff:a.b.c.d */
    { { 0 }, 96, 12 },                        /* ::a.b.c.d, long deprecated; :: and ::1 are found before */
    { { 0, 0x64, 0xff, 0x9b }, 96, 12 },      /* 64:ff9b::a.b.c.d, NAT64 */
    { { 0x20, 0x02 }, 16, 2 },                /* 2002:aabb:ccdd::, 6to4 */
};

static bool has_prefix(const unsigned char *bytes, const unsigned char *prefix, unsigned bits)
{
    unsigned whole = bits / 8;

    if (memcmp(bytes, prefix, whole) != 0) {
        return false;
    }
    return bits % 8 == 0 || ((bytes[whole] ^ prefix[whole]) >> (8 - bits % 8)) == 0;
}

static admind_address_kind_t find(const range_t *ranges, size_t count, const unsigned char *bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (has_prefix(bytes, ranges[i].prefix, ranges[i].bits)) {
            return ranges[i].kind;
        }
    }
    return ADMIND_ADDRESS_PUBLIC;
}

static admind_address_kind_t kind4(const unsigned char *bytes)
{
    return find(ipv4, sizeof(ipv4) / sizeof(ipv4[0]), bytes);
}

static admind_address_kind_t kind6(const unsigned char *bytes)
{
    admind_address_kind_t kind = find(ipv6, sizeof(ipv6) / sizeof(ipv6[0]), bytes);

    for (size_t i = 0; kind == ADMIND_ADDRESS_PUBLIC && i < sizeof(embedded) / sizeof(embedded[0]); i++) {
        if (has_prefix(bytes, embedded[i].prefix, embedded[i].bits)) {
            return kind4(bytes + embedded[i].at);
        }
    }
    return kind;
}

admind_address_kind_t admind_address_kind(const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (len >= sizeof(in) && address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof(in));
        return kind4((const unsigned char *)&in.sin_addr);
    }
    if (len >= sizeof(in6) && address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        return kind6(in6.sin6_addr.s6_addr);
    }
    return ADMIND_ADDRESS_NEVER;
}

void admind_address_print(char memory[64], const struct sockaddr *address, socklen_t len)
{
    char text[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (len >= sizeof(in) && address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof(in));
        inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
        snprintf(memory, 64, "%s", text);
    } else if (len >= sizeof(in6) && address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
        snprintf(memory, 64, "[%s]", text);
    } else {
        snprintf(memory, 64, "of an unknown family");
    }
}

const char *admind_address_word(admind_address_kind_t kind)
{
    static const char *const words[] = { "public", "loopback", "private", "forbidden" };

    return words[kind];
}
