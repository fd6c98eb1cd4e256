/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/names.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"

bool admind_journal_name_parse(admind_journal_name_t *name, const char *text)
{
    const char *prefix = "audit-";
    const char *suffix = ".jsonl";
    size_t len = strlen(text);
    char again[ADMIND_JOURNAL_NAME_BYTES];
    uint64_t year, month, day, number = 0;

    if (len < 22 || len >= ADMIND_JOURNAL_NAME_BYTES || strncmp(text, prefix, 6) != 0 || strcmp(text + len - 6, suffix) != 0) {
        return false;
    }
    if (!mcpa_text_u64((mcpa_str_t){ text + 6, 4 }, &year) || !mcpa_text_u64((mcpa_str_t){ text + 11, 2 }, &month) ||
        !mcpa_text_u64((mcpa_str_t){ text + 14, 2 }, &day) || month < 1 || month > 12 || day < 1 || day > 31) {
        return false;
    }
    if (len > 22 && (text[16] != '.' || !mcpa_text_u64((mcpa_str_t){ text + 17, len - 23 }, &number) || number > UINT32_MAX)) {
        return false;
    }
    *name = (admind_journal_name_t){ (int32_t)(year * 10000 + month * 100 + day), (uint32_t)number };
    admind_journal_name_format(again, name);
    return strcmp(again, text) == 0; /* one spelling a file: no leading zeroes, no ".0" */
}

void admind_journal_name_format(char text[ADMIND_JOURNAL_NAME_BYTES], const admind_journal_name_t *name)
{
    int year = name->day / 10000, month = name->day / 100 % 100, day = name->day % 100;

    if (name->number == 0) {
        snprintf(text, ADMIND_JOURNAL_NAME_BYTES, "audit-%04d-%02d-%02d.jsonl", year, month, day);
    } else {
        snprintf(text, ADMIND_JOURNAL_NAME_BYTES, "audit-%04d-%02d-%02d.%u.jsonl", year, month, day, (unsigned)name->number);
    }
}

int admind_journal_name_compare(const admind_journal_name_t *a, const admind_journal_name_t *b)
{
    if (a->day != b->day) {
        return a->day < b->day ? -1 : 1;
    }
    return a->number < b->number ? -1 : a->number > b->number;
}

int32_t admind_journal_day(int64_t now_us)
{
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm = { 0 };

    gmtime_r(&seconds, &tm);
    return (int32_t)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday);
}

static int compare(const void *a, const void *b)
{
    return admind_journal_name_compare(a, b);
}

mcpa_status_t admind_journal_names(admind_journal_name_t **names, size_t *count, const char *dir)
{
    admind_journal_name_t *list = NULL;
    size_t n = 0, cap = 0;
    struct dirent *entry;
    DIR *stream = opendir(dir);

    if (stream == NULL) {
        return MCPA_EIO;
    }
    while ((entry = readdir(stream)) != NULL) {
        admind_journal_name_t name;

        if (!admind_journal_name_parse(&name, entry->d_name)) {
            continue;
        }
        if (n == cap) {
            admind_journal_name_t *grown = realloc(list, (cap + 64) * sizeof(*list));

            if (grown == NULL) {
                free(list);
                closedir(stream);
                return MCPA_ENOMEM;
            }
            list = grown;
            cap += 64;
        }
        list[n++] = name;
    }
    closedir(stream);
    if (n > 0) {
        qsort(list, n, sizeof(*list), compare);
    }
    *names = list;
    *count = n;
    return MCPA_OK;
}
