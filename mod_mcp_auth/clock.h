/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of the module's own threads. Deadlines and intervals are monotonic: a stepped wall clock neither stretches nor ends a wait. */
#ifndef MOD_MCP_CLOCK_H
#define MOD_MCP_CLOCK_H

#include <time.h>

#include "apr.h"

static inline apr_int64_t mod_mcp_mono_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (apr_int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
