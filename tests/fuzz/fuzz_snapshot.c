/* SPDX-License-Identifier: Apache-2.0 */
/* The policy snapshot: what parses prints, parses again and prints the same. */
#include <stdlib.h>

#include "policy/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[1 << 20], second[1 << 20];
    mcpa_snapshot_t *snapshot = NULL, *again = NULL;
    char error[600] = "";
    mcpa_out_t out;

    if (mcpa_snapshot_parse(&snapshot, (mcpa_str_t){ (const char *)data, size }, error, sizeof(error)) != MCPA_OK) {
        must(snapshot == NULL);
        return 0;
    }
    mcpa_out_init(&out, first, sizeof(first));
    mcpa_snapshot_print(&out, snapshot);
    must(mcpa_out_status(&out) == MCPA_OK);
    must(mcpa_snapshot_parse(&again, mcpa_out_get(&out), error, sizeof(error)) == MCPA_OK);
    mcpa_out_init(&out, second, sizeof(second));
    mcpa_snapshot_print(&out, again);
    must(strcmp(first, second) == 0);
    must(mcpa_snapshot_hash(snapshot) == mcpa_snapshot_hash(again));
    mcpa_snapshot_free(&snapshot);
    mcpa_snapshot_free(&again);
    return 0;
}
