/* SPDX-License-Identifier: Apache-2.0 */
/* Which resolved addresses a fetch may connect to. The decision is taken on the address itself, after name resolution, so that neither odd spellings nor
 * names that resolve inwards get past it. Pure. */
#ifndef ADMIND_ADDRESS_H
#define ADMIND_ADDRESS_H

#include <sys/socket.h>

#include "base/bytes.h"

typedef enum admind_address_kind {
    ADMIND_ADDRESS_PUBLIC = 0,
    ADMIND_ADDRESS_LOOPBACK, /* 127/8, ::1 */
    ADMIND_ADDRESS_PRIVATE,  /* RFC 1918, CGNAT 100.64/10, ULA fc00::/7, benchmarking 198.18/15 */
    ADMIND_ADDRESS_NEVER     /* link-local (cloud metadata services are there), 0/8, multicast, broadcast, reserved, other families */
} admind_address_kind_t;

/* IPv4 inside IPv6 (mapped, compatible, NAT64, 6to4) counts as the IPv4 address. */
admind_address_kind_t admind_address_kind(const struct sockaddr *address, socklen_t len);
/* "10.0.0.1", "[fe80::1]"; memory of at least 64 bytes. */
void admind_address_print(char memory[64], const struct sockaddr *address, socklen_t len);
const char *admind_address_word(admind_address_kind_t kind); /* "public", "loopback", "private", "forbidden" */

#endif
