/* SPDX-License-Identifier: Apache-2.0 */
/* What a cached verdict depends on, as numbers. All input is the administrator's, so a plain hash will do. */
#include "policy/policy.h"

#define START UINT64_C(0xcbf29ce484222325)

/* FNV-1a. */
static uint64_t fnv1a(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* With its NUL, so that no two texts run together; none of these is ever empty, so an absent one has a form of its own. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    return fnv1a(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* With its end, for the same reason. */
static uint64_t hash_list(uint64_t hash, const char *const *list)
{
    for (; list && *list; list++) {
        hash = hash_text(hash, *list);
    }
    return hash_text(hash, NULL);
}

/* All that verification asks of an issuer. Its URL alone would not do: each Location may have an own line for it, with other
 * rules. */
static uint64_t hash_issuer(uint64_t hash, const mcpa_issuer_t *issuer)
{
    const char *const texts[] = { issuer->url,          issuer->scope_claim,    issuer->subject_claim,
                                  issuer->client_claim, issuer->audience_claim, issuer->roles_claim,
                                  issuer->token_use };
    const uint64_t numbers[] = { issuer->algs, issuer->any_typ, (uint64_t)issuer->skew_s, issuer->key_source };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        hash = hash_text(hash, texts[i]);
    }
    hash = hash_list(hash, issuer->require);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        hash = fnv1a(hash, &numbers[i], sizeof(numbers[i]));
    }
    return hash;
}

/* 0 means that there is none. */
static uint64_t not_zero(uint64_t hash)
{
    return hash ? hash : 1;
}

void mcpa_policy_digest(mcpa_policy_t *policy)
{
    const char *const resource[] = { policy->resource, NULL };
    uint64_t issuers = START;

    policy->resource_digest = policy->resource ? not_zero(hash_list(START, resource)) : 0;
    policy->audiences_digest = policy->audiences ? not_zero(hash_list(START, policy->audiences)) : 0;
    policy->n_issuers = 0;
    while (policy->issuers && policy->issuers[policy->n_issuers]) {
        issuers = hash_issuer(issuers, policy->issuers[policy->n_issuers++]);
    }
    policy->issuers_digest = policy->issuers ? not_zero(issuers) : 0;
}
