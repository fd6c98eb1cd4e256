/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/ctl.h"
#include "files.h"

mcpa_snapshot_t *ctl_policy_read(const ctl_t *ctl, char path[4096], char *error, size_t cap)
{
    mcpa_snapshot_t *snapshot = NULL;
    mcpa_str_t text = MCPA_STR_NONE;
    mcpa_status_t status;

    snprintf(path, 4096, "%s%s", ctl->policy != NULL ? ctl->policy : ctl->state_dir,
             ctl->policy != NULL ? "" : "/" MCPA_SNAPSHOT_FILE);
    status = admind_file_read(&text, path, MCPA_SNAPSHOT_MAX_BYTES);
    if (status != MCPA_OK) {
        snprintf(error, cap, "%s; httpd writes it when it starts; name it with --policy or --config", mcpa_status_word(status));
        return NULL;
    }
    error[0] = '\0';
    status = mcpa_snapshot_parse(&snapshot, text, error, cap);
    free((char *)(uintptr_t)text.ptr);
    if (status != MCPA_OK && error[0] == '\0') {
        snprintf(error, cap, "%s", mcpa_status_word(status));
    }
    return snapshot;
}
