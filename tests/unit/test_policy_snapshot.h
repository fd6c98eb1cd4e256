/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the snapshot share. Included once, by the test program's one source file. */
#ifndef TEST_POLICY_SNAPSHOT_H
#define TEST_POLICY_SNAPSHOT_H

#include "test_policy.h"

#include "policy/snapshot.h"

/* Must be taken; to be freed. */
static inline mcpa_snapshot_t *parse(mcpa_str_t json)
{
    mcpa_snapshot_t *snapshot = NULL;
    char error[600] = "";

    if (mcpa_snapshot_parse(&snapshot, json, error, sizeof(error)) != MCPA_OK) {
        fail_msg("%s", error);
    }
    return snapshot;
}

#endif
