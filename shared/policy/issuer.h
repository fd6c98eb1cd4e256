/* SPDX-License-Identifier: Apache-2.0 */
/* MCPAuthIssuer's key=value words, into an mcpa_issuer_t; presets first, explicit words override them. */
#ifndef MCPA_POLICY_ISSUER_H
#define MCPA_POLICY_ISSUER_H

#include "policy/policy.h"

/* Allocates for the configuration's lifetime (apr_palloc in the module); never returns NULL. */
typedef void *(*mcpa_alloc_fn)(void *ctx, size_t bytes);

/* What an issuer is without any words: discovery, asymmetric algorithms, at+jwt, the standard claims, 60 s of skew. */
void mcpa_issuer_set_defaults(mcpa_issuer_t *issuer);
/* Fills 'issuer' from its URL and options. Words: jwks=https://..|jwks=file:PATH|jwks=discover, secret=file:PATH (HS* only),
 * alg=A,B typ=at+jwt|any skew=S scope-claim= subject-claim= client-claim= audience-claim= roles-claim= require=a,b
 * preset=auth0|okta|keycloak|entra|cognito|google|supabase. Claims are members of the token, or JSON pointers when they start with '/'. Each word
 * stands at most once, in any order. http:// URLs are accepted only with 'development' and only on loopback.
 * error (cap bytes): a sentence that names the word and the mend. The strings are copied. */
bool mcpa_issuer_parse(mcpa_issuer_t *issuer, const char *url, const char *const *words, size_t n_words, bool development,
                       mcpa_alloc_fn alloc, void *alloc_ctx, char *error, size_t cap);
/* Normal form of the options, for the snapshot and /status: "preset=okta alg=RS256 ..." without defaults; of a secret only "secret=file". Gives
 * mcpa_issuer_parse the same issuer back, but for secrets. */
void mcpa_issuer_print(mcpa_out_t *out, const mcpa_issuer_t *issuer);
/* "<64 hex>.json": SHA-256 of the issuer URL; the file below <StateDir>/keys that the daemon publishes and children read. */
void mcpa_issuer_key_file(char name[70], const char *issuer_url);

#endif
