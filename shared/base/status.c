/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stddef.h>

const char *mcpa_status_word(mcpa_status_t status)
{
    static const char *const words[] = {
        [MCPA_OK] = "ok",
        [MCPA_ENOMEM] = "out of memory",
        [MCPA_EMALFORMED] = "malformed",
        [MCPA_ETOOBIG] = "too big",
        [MCPA_EDUPLICATE] = "duplicate",
        [MCPA_ENOTFOUND] = "not found",
        [MCPA_EUNSUPPORTED] = "unsupported",
        [MCPA_EFULL] = "full",
        [MCPA_EIO] = "input/output error",
    };
    size_t at = (size_t)status;

    return at < sizeof(words) / sizeof(words[0]) ? words[at] : "unknown";
}
