/* SPDX-License-Identifier: Apache-2.0 */
/* How many records each child has lost for want of room and told of in no gap record yet, in memory that all children share: a child that is
 * killed leaves its number behind, and another one tells it.
 *
 * One slot a child. Its untold number is grown by its owner before the client has the answer, and made smaller by whoever has told: so it may be
 * told twice when the teller is killed in between, and is never too small. An owner that is dead owns nothing, so nothing need be given back. What
 * nobody has told when httpd itself ends is gone. Any thread; nothing here waits. */
#ifndef MOD_MCP_LOSSES_H
#define MOD_MCP_LOSSES_H

#include <stdatomic.h>
#include <stdint.h>

#define MOD_MCP_LOSSES_SLOTS 4096 /* children at once, of all generations; 64 KiB, untouched until needed */

/* Zero: nobody's. */
typedef struct mod_mcp_loss {
    _Atomic uint32_t owner;  /* pid; taken by compare-and-swap, from 0 or from one who is dead */
    _Atomic uint64_t untold; /* the owner's to change */
} mod_mcp_loss_t;

typedef struct mod_mcp_losses {
    mod_mcp_loss_t slots[MOD_MCP_LOSSES_SLOTS];
} mod_mcp_losses_t;

/* A slot for this process, with what its last owner left untold. NULL: all are taken. */
mod_mcp_loss_t *mod_mcp_losses_take(mod_mcp_losses_t *losses);
/* Makes what dead owners left untold this slot's. From one thread of a process. */
void mod_mcp_losses_inherit(mod_mcp_losses_t *losses, mod_mcp_loss_t *heir);

#endif
