/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of limits and of the token cache share: tables for a world. */
#ifndef MCPA_TEST_POLICY_TABLES_H
#define MCPA_TEST_POLICY_TABLES_H

#include "test_policy_world.h"

#define ENTRIES 1024

typedef struct tables {
    void *address, *identity, *cache;
} tables_t;

static inline void *block(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    assert_non_null(memory);
    return memset(memory, 0, bytes);
}

static inline void give_tables(world_t *w, tables_t *t)
{
    static const unsigned char key[16] = "0123456789abcdef";

    t->address = block(mcpa_ratetable_bytes(ENTRIES));
    t->identity = block(mcpa_ratetable_bytes(ENTRIES));
    t->cache = block(mcpa_tokencache_bytes(ENTRIES));
    w->env.address_limits = mcpa_ratetable_init(t->address, ENTRIES, key);
    w->env.identity_limits = mcpa_ratetable_init(t->identity, ENTRIES, key);
    w->env.cache = mcpa_tokencache_init(t->cache, ENTRIES);
}

static inline void free_tables(tables_t *t)
{
    free(t->address);
    free(t->identity);
    free(t->cache);
}

#endif
