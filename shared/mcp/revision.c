/* SPDX-License-Identifier: Apache-2.0 */
#include "mcp/revision.h"

static const char *const names[MCPA_REVISION_COUNT] = {
    [MCPA_REVISION_NONE] = "",
    [MCPA_REVISION_2024_11_05] = "2024-11-05",
    [MCPA_REVISION_2025_03_26] = "2025-03-26",
    [MCPA_REVISION_2025_06_18] = "2025-06-18",
    [MCPA_REVISION_2025_11_25] = "2025-11-25",
    [MCPA_REVISION_2026_07_28] = "2026-07-28",
};

mcpa_revision_t mcpa_revision_find(mcpa_str_t name)
{
    for (int i = MCPA_REVISION_NONE + 1; i < MCPA_REVISION_COUNT; i++) {
        if (mcpa_str_eqz(name, names[i])) {
            return (mcpa_revision_t)i;
        }
    }
    return MCPA_REVISION_NONE;
}

const char *mcpa_revision_name(mcpa_revision_t revision)
{
    return revision > MCPA_REVISION_NONE && revision < MCPA_REVISION_COUNT ? names[revision] : "";
}
