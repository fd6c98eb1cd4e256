/* SPDX-License-Identifier: Apache-2.0 */
/* The revisions of the Model Context Protocol.
 *
 * Up to 2025-11-25 a client opens a session with "initialize" and may leave the version header out; from 2026-07-28 on there are no sessions, and
 * each POST says its version in a header and again in the body. */
#ifndef MCPA_MCP_REVISION_H
#define MCPA_MCP_REVISION_H

#include "base/bytes.h"

typedef enum mcpa_revision {
    MCPA_REVISION_NONE = 0,
    MCPA_REVISION_2024_11_05,
    MCPA_REVISION_2025_03_26, /* what a request without the header speaks */
    MCPA_REVISION_2025_06_18,
    MCPA_REVISION_2025_11_25,
    MCPA_REVISION_2026_07_28,
    MCPA_REVISION_COUNT
} mcpa_revision_t;

/* MCPA_REVISION_NONE for a name that is none of them; compared byte by byte. */
mcpa_revision_t mcpa_revision_find(mcpa_str_t name);
/* "2025-11-25"; "" for MCPA_REVISION_NONE. */
const char *mcpa_revision_name(mcpa_revision_t revision);
/* Sets of revisions. */
#define MCPA_REVISION_BIT(revision) (UINT32_C(1) << (revision))
#define MCPA_REVISIONS_ALL          (MCPA_REVISION_BIT(MCPA_REVISION_COUNT) - MCPA_REVISION_BIT(MCPA_REVISION_NONE + 1))
#define MCPA_REVISIONS_MODERN       (MCPA_REVISION_BIT(MCPA_REVISION_COUNT) - MCPA_REVISION_BIT(MCPA_REVISION_2026_07_28))
static inline bool mcpa_revision_is_modern(mcpa_revision_t revision)
{
    return revision >= MCPA_REVISION_2026_07_28;
}

#endif
