/* SPDX-License-Identifier: Apache-2.0 */
/* Where an issuer's keys are: the addresses of its metadata (RFC 8414 section 3.1, OpenID Connect Discovery 1.0 section 4) and what may be taken from
 * the document. Pure. */
#ifndef ADMIND_DISCOVERY_H
#define ADMIND_DISCOVERY_H

#include "base/bytes.h"

#define ADMIND_DISCOVERY_TRIES 3

/* Appends the address number 'index' to ask, in this order: /.well-known/oauth-authorization-server between host and path; the issuer with
 * /.well-known/openid-configuration after it; the same between host and path. false when there is no such address (an issuer without a path has
 * two) or the issuer is no URL. */
bool admind_discovery_url(mcpa_out_t *out, mcpa_str_t issuer, size_t index);

/* Takes jwks_uri out of a metadata document into jwks_uri (NUL-terminated there). The document's "issuer" must equal ours code point by code point (RFC 8414
 * section 3.3). The keys must be where the issuer is: https (or, with insecure_loopback, http on loopback when the issuer is there too), on the
 * issuer's own host, or on a host of a provider known to keep them elsewhere (the table in discovery.c); anything else has to be configured with
 * jwks=, because a metadata document should not be able to send us to somebody else's keys. error: a static sentence when false. */
bool admind_discovery_read(mcpa_out_t *jwks_uri, mcpa_str_t document, mcpa_str_t issuer, bool insecure_loopback, const char **error);

/* The host of an http(s) URL, with brackets when it is an IPv6 address; {NULL,0} when it has none. */
mcpa_str_t admind_discovery_host(mcpa_str_t url);

#endif
