/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/names.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"

#define GZ ".gz"

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
    *name = (admind_journal_name_t){ .day = (int32_t)(year * 10000 + month * 100 + day), .number = (uint32_t)number };
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

void admind_journal_name_on_disk(char text[ADMIND_JOURNAL_NAME_BYTES], const admind_journal_name_t *name)
{
    size_t len;

    admind_journal_name_format(text, name);
    len = strlen(text);
    snprintf(text + len, ADMIND_JOURNAL_NAME_BYTES - len, "%s", name->compressed ? GZ : "");
}

/* The name of a file on disk. */
static bool parse_on_disk(admind_journal_name_t *name, const char *text)
{
    char plain[ADMIND_JOURNAL_NAME_BYTES];
    size_t len = strlen(text), gz = strlen(GZ);

    if (len <= gz || len >= sizeof(plain) || strcmp(text + len - gz, GZ) != 0) {
        return admind_journal_name_parse(name, text);
    }
    memcpy(plain, text, len - gz);
    plain[len - gz] = '\0';
    if (!admind_journal_name_parse(name, plain)) {
        return false;
    }
    name->compressed = true;
    return true;
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

/* The plain form of a file before its compressed one. */
static int compare(const void *a, const void *b)
{
    const admind_journal_name_t *left = a, *right = b;
    int order = admind_journal_name_compare(left, right);

    return order != 0 ? order : left->compressed - right->compressed;
}

/* Of sorted names each once; returns how many are left. */
static size_t once(admind_journal_name_t *list, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || admind_journal_name_compare(&list[kept - 1], &list[i]) != 0) {
            list[kept++] = list[i];
        }
    }
    return kept;
}

typedef struct list {
    admind_journal_name_t *names;
    size_t count, cap;
} list_t;

static bool add(list_t *list, const admind_journal_name_t *name)
{
    if (list->count == list->cap) {
        admind_journal_name_t *grown = realloc(list->names, (list->cap + 64) * 2 * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        list->names = grown;
        list->cap = (list->cap + 64) * 2;
    }
    list->names[list->count++] = *name;
    return true;
}

static mcpa_status_t scan(list_t *list, const char *dir)
{
    struct dirent *entry;
    DIR *stream = opendir(dir);
    mcpa_status_t status = MCPA_OK;

    if (stream == NULL) {
        return MCPA_EIO;
    }
    while (status == MCPA_OK && (entry = readdir(stream)) != NULL) {
        admind_journal_name_t name;

        if (parse_on_disk(&name, entry->d_name) && !add(list, &name)) {
            status = MCPA_ENOMEM;
        }
    }
    closedir(stream);
    return status;
}

mcpa_status_t admind_journal_names(admind_journal_name_t **names, size_t *count, const char *dir)
{
    list_t list = { NULL, 0, 0 };
    /* A scan may miss a file whose compressed form came behind it while the plain one went ahead of it. The next one then sees
     * the first. */
    mcpa_status_t status = scan(&list, dir);

    if (status == MCPA_OK) {
        status = scan(&list, dir);
    }
    if (status != MCPA_OK) {
        free(list.names);
        return status;
    }
    if (list.count > 0) {
        qsort(list.names, list.count, sizeof(*list.names), compare);
    }
    *names = list.names;
    *count = once(list.names, list.count);
    return MCPA_OK;
}
