/* SPDX-License-Identifier: Apache-2.0 */
#include "losses.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* A slot that bears this process's own number and is not the one it took is of a process before it. */
static bool is_dead(uint32_t owner)
{
    return owner == 0 || owner == (uint32_t)getpid() || (kill((pid_t)owner, 0) != 0 && errno == ESRCH);
}

static bool seize(mod_mcp_loss_t *slot)
{
    uint32_t owner = atomic_load(&slot->owner);

    return is_dead(owner) && atomic_compare_exchange_strong(&slot->owner, &owner, (uint32_t)getpid());
}

mod_mcp_loss_t *mod_mcp_losses_take(mod_mcp_losses_t *losses)
{
    for (size_t i = 0; i < MOD_MCP_LOSSES_SLOTS; i++) {
        if (seize(&losses->slots[i])) {
            return &losses->slots[i];
        }
    }
    return NULL;
}

void mod_mcp_losses_inherit(mod_mcp_losses_t *losses, mod_mcp_loss_t *heir)
{
    for (size_t i = 0; i < MOD_MCP_LOSSES_SLOTS; i++) {
        mod_mcp_loss_t *slot = &losses->slots[i];

        if (slot != heir && atomic_load(&slot->untold) > 0 && seize(slot)) {
            /* In this order: who dies in between leaves too much, not too little. */
            atomic_fetch_add(&heir->untold, atomic_load(&slot->untold));
            atomic_store(&slot->untold, 0);
            atomic_store(&slot->owner, 0);
        }
    }
}
