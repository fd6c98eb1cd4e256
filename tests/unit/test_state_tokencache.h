/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the token cache: keys, and facts that give a mixture of two away. */
#ifndef MCPA_TEST_STATE_TOKENCACHE_H
#define MCPA_TEST_STATE_TOKENCACHE_H

#include "test_state.h"

#include "state/tokencache.h"

static inline mcpa_token_cache_key_t key_of(uint64_t token, uint64_t policy, uint64_t keys)
{
    mcpa_token_cache_key_t key = { .policy = policy, .keys = keys };
    uint64_t random = token * 2654435761u + 1;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t word = next_random(&random);

        memcpy(key.token_hash + 8 * i, &word, 8);
    }
    return key;
}

/* Facts of which every byte follows from the key and the version, so that a mixture of two is seen. */
static inline mcpa_token_facts_t facts_of(uint64_t token, uint64_t version)
{
    mcpa_token_facts_t facts;
    uint64_t random = token * 1000003 + version * 7919 + 1;
    size_t at = 0;

    memset(&facts, 0, sizeof(facts));
    facts.expires_s = (int64_t)(1000 + token);
    facts.not_before_s = (int64_t)version;
    facts.issuer_index = (uint32_t)next_random(&random);
    facts.has = (uint8_t)next_random(&random);
    for (unsigned i = 0; i < 6; i++) {
        facts.len[i] = (uint16_t)(next_random(&random) % 129); /* 6 x 128 is the limit */
        for (unsigned j = 0; j < facts.len[i]; j++) {
            facts.text[at++] = (char)next_random(&random);
        }
    }
    return facts;
}

static inline bool facts_equal(const mcpa_token_facts_t *a, const mcpa_token_facts_t *b)
{
    size_t text = 0;

    for (unsigned i = 0; i < 6; i++) {
        if (a->len[i] != b->len[i]) {
            return false;
        }
        text += a->len[i];
    }
    return a->expires_s == b->expires_s && a->not_before_s == b->not_before_s && a->issuer_index == b->issuer_index &&
           a->has == b->has && memcmp(a->text, b->text, text) == 0;
}

/* Tokens of one and the same set. */
static inline mcpa_token_cache_key_t neighbour(uint64_t number)
{
    mcpa_token_cache_key_t key = key_of(number, 1, 1);

    memset(key.token_hash, 0, 8);
    return key;
}

#endif
