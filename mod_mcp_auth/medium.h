/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is written below a directory outlives a restart of the machine. An overlay (overlayfs, the root of most containers) lies where its upper
 * layer lies, which /proc/self/mountinfo names, though from inside a container that path leads nowhere. From one thread. */
#ifndef MOD_MCP_MEDIUM_H
#define MOD_MCP_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

typedef enum mod_mcp_medium {
    MOD_MCP_MEDIUM_HIDDEN = 0, /* cannot be looked at: errno */
    MOD_MCP_MEDIUM_MEMORY,     /* tmpfs, devtmpfs, ramfs, hugetlbfs */
    MOD_MCP_MEDIUM_OVERLAY,    /* an overlay whose upper layer cannot be found */
    MOD_MCP_MEDIUM_DISK,       /* anything else */
} mod_mcp_medium_t;

/* Looks once, through an open directory: what a path leads to may change between two looks. */
mod_mcp_medium_t mod_mcp_medium_of(const char *path) MCPA_MUST_CHECK;

/* The upper layer of the overlay on device major:minor, as a mountinfo (proc(5)) tells: of cap bytes. False: it does not, or not in cap bytes. */
bool mod_mcp_medium_find_upper(char *upper, size_t cap, FILE *mountinfo, unsigned major, unsigned minor) MCPA_MUST_CHECK;

#endif
