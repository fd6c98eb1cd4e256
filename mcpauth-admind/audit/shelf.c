/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/names.h"
#include "log.h"

size_t admind_shelf_retain(const char *dir, const admind_position_t *end, int64_t days, int64_t now_us)
{
    int32_t first_kept = admind_journal_day(now_us - days * INT64_C(86400000000));
    char text[ADMIND_JOURNAL_NAME_BYTES], path[4096];
    admind_journal_name_t *names = NULL, current;
    size_t count = 0, gone = 0;

    if (!admind_journal_name_parse(&current, end->file) || admind_journal_names(&names, &count, dir) != MCPA_OK) {
        return 0;
    }
    for (size_t i = 0; i < count && names[i].day < first_kept; i++) {
        if (admind_journal_name_compare(&names[i], &current) >= 0) {
            break; /* a clock far ahead must not take the file from under us */
        }
        admind_journal_name_format(text, &names[i]);
        snprintf(path, sizeof(path), "%s/%s", dir, text);
        if (unlink(path) == 0) {
            admind_log(ADMIND_NOTICE, "MCPA2105", "journal: %s removed after %lld days", text, (long long)days);
            gone++;
        }
    }
    free(names);
    return gone;
}
