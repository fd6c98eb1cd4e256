/* SPDX-License-Identifier: Apache-2.0 */
/* The policy snapshot: what httpd was told, as JSON, written by its parent as root into <StateDir>/policy.json at every start and graceful
 * restart, read by the daemon (which keys to fetch) and by mcpauthctl (status, explain). It holds no secrets: of HMAC issuers only that
 * they exist. {"version":1,"generation":"<hex>","written":"<RFC 3339>","mode":"production","issuers":[{"url","preset","keys":"discover|url|file|
 * secret","jwks","algs":[..],"typ","skew","scope_claim",...}],"scope_implies":[[b,n]],"scope_aliases":[[l,c]],"locations":[{"vhost",
 * "location","mode","resource","audiences":[..],"issuers":[urls],"scopes","limits":[texts],"max_length":{..},"inspect"...,"origins":[..],"identity_headers",
 * "forward_token","security_headers","audit","auth_type","auth_type_in"}]}; what stands with "inspect" is told in snapshot_inspect.c, and "max_length" in snapshot_lengths.c. */
#ifndef MCPA_POLICY_SNAPSHOT_H
#define MCPA_POLICY_SNAPSHOT_H

#include "policy/policy.h"

#define MCPA_SNAPSHOT_FILE      "policy.json"
#define MCPA_SNAPSHOT_VERSION   1
#define MCPA_SNAPSHOT_MAX_BYTES (16 * 1024 * 1024) /* a Location takes about 1 KB: ten thousand of them */

typedef struct mcpa_snapshot {
    uint64_t generation;
    int64_t written_us;
    bool development;
    const mcpa_issuer_t *const *issuers;   /* all, each once, NULL-terminated */
    const mcpa_policy_t *const *policies;  /* every Location that is On or Shadow, NULL-terminated */
    const mcpa_scope_model_t *scope_model;
    void *memory;                          /* owner of what mcpa_snapshot_parse made; NULL when the caller filled it */
} mcpa_snapshot_t;

void mcpa_snapshot_print(mcpa_out_t *out, const mcpa_snapshot_t *snapshot);
/* SHA-256 of the printed text without generation and written, cut to 64 bits: the same configuration has the same generation. 0 only
 * when memory ran out or the text is longer than MCPA_SNAPSHOT_MAX_BYTES. */
uint64_t mcpa_snapshot_hash(const mcpa_snapshot_t *snapshot);
/* The reverse; to be freed with mcpa_snapshot_free. Unknown members are skipped, all others are checked as the directives are: the daemon fetches what
 * stands here. MCPA_EMALFORMED, MCPA_EUNSUPPORTED (another version), MCPA_ETOOBIG, MCPA_ENOMEM; error: a sentence (cap bytes). Limits' ids
 * are recomputed by mcpa_limit_id; what the text does not hold (a secret's path) is NULL. */
mcpa_status_t mcpa_snapshot_parse(mcpa_snapshot_t **out, mcpa_str_t text, char *error, size_t cap) MCPA_MUST_CHECK;
void mcpa_snapshot_free(mcpa_snapshot_t **snapshot);
/* Identity of a rate rule: of vhost, location and the rule's text. */
uint64_t mcpa_limit_id(const char *vhost, const char *location, const char *text);

#endif
