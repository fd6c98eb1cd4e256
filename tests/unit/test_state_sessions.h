/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the table of sessions: tables in memory that processes share, and keys of sessions by number. */
#ifndef MCPA_TEST_STATE_SESSIONS_H
#define MCPA_TEST_STATE_SESSIONS_H

#include "test_state.h"

#include "state/sessions.h"

#define ENTRIES 1024
#define IDLE    (3600 * SECOND)
#define NOW     (1000 * SECOND)

static const unsigned char secret[16] = "0123456789abcdef";

static inline mcpa_sessions_t *new_table(size_t entries)
{
    return mcpa_sessions_init(shared_memory(mcpa_sessions_bytes(entries)), entries, secret);
}

static inline void free_table(mcpa_sessions_t *table, size_t entries)
{
    assert_int_equal(munmap(table, mcpa_sessions_bytes(entries)), 0);
}

static inline mcpa_session_key_t key_at(const mcpa_sessions_t *table, const char *resource, const char *id, const char *subject,
                                        const char *client)
{
    mcpa_session_owner_t owner = { MCPA_STR("https://as.example.com"), mcpa_str(subject), mcpa_str(client) };
    mcpa_session_key_t key;

    mcpa_sessions_key(&key, table, mcpa_str(resource), mcpa_str(id), &owner);
    return key;
}

static inline mcpa_session_key_t key_of(const mcpa_sessions_t *table, const char *id, const char *subject, const char *client)
{
    return key_at(table, "https://mcp.example.com/mcp", id, subject, client);
}

static inline mcpa_session_key_t numbered(const mcpa_sessions_t *table, unsigned number, const char *subject, const char *client)
{
    char id[32];

    snprintf(id, sizeof(id), "s-%u", number);
    return key_of(table, id, subject, client);
}

#endif
