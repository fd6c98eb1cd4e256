/* SPDX-License-Identifier: Apache-2.0 */
/* Names that this machine has for itself and that no DNS can point elsewhere: localhost, 127.0.0.0/8, [::1]. */
#ifndef MCPA_BASE_HOST_H
#define MCPA_BASE_HOST_H

#include "base/bytes.h"

/* A host, without a port: "localhost" in any case, 127.x.y.z in its usual spelling, "[::1]". Other spellings ("127.1", hex, "localhost.example")
 * are none of these. */
bool mcpa_host_is_loopback(mcpa_str_t host);
/* The same of an authority (RFC 3986 section 3.2) as Host and :authority carry it: host[:port], no user; the host may end in a dot when it is a
 * name. */
bool mcpa_authority_is_loopback(mcpa_str_t authority);
/* The authority of a URL that was checked (mcpa_text_is_url); {NULL, 0} when it has none. */
mcpa_str_t mcpa_authority_of(mcpa_str_t url);

#endif
