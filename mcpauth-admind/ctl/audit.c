/* SPDX-License-Identifier: Apache-2.0 */
/* audit search and follow: the journal's files, read as they are; the daemon need not run. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/line.h"
#include "audit/names.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/filter.h"
#include "ctl/ring.h"

#define DEFAULT_LIMIT 100
#define LIMIT_MAX     10000000
#define POLL_US       200000

static const char *const titles[] = { "TIME",   "DECISION", "STATUS",   "REASON",  "SUBJECT",
                                      "CLIENT", "ADDRESS",  "LOCATION", "REQUEST", NULL };

/* ---- showing */

static void add_row(ctl_table_t *table, const mcpa_record_t *record)
{
    bool allowed = mcpa_str_eqz(record->decision, "allow");
    char text[160], stamp[25] = "";

    if (record->ts != MCPA_RECORD_ABSENT) {
        mcpa_text_rfc3339(stamp, record->ts);
    }
    ctl_table_cell(table, mcpa_str(stamp), CTL_PLAIN);
    ctl_table_cell(table, record->event.ptr != NULL ? record->event : record->decision, allowed ? CTL_GREEN : CTL_RED);
    snprintf(text, sizeof(text), "%lld", (long long)record->status);
    ctl_table_cell(table, mcpa_str(record->status == MCPA_RECORD_ABSENT ? "" : text), CTL_PLAIN);
    ctl_table_cell(table, record->reason, CTL_PLAIN);
    ctl_table_cell(table, record->sub, CTL_PLAIN);
    ctl_table_cell(table, record->client_id, CTL_PLAIN);
    ctl_table_cell(table, record->ip, CTL_PLAIN);
    ctl_table_cell(table, record->location, CTL_PLAIN);
    snprintf(text, sizeof(text), "%.*s %.*s", record->method.len < 16 ? (int)record->method.len : 16,
             record->method.ptr != NULL ? record->method.ptr : "", record->path.len < 120 ? (int)record->path.len : 120,
             record->path.ptr != NULL ? record->path.ptr : "");
    if (record->lost != MCPA_RECORD_ABSENT) {
        snprintf(text, sizeof(text), "%lld records lost", (long long)record->lost);
    }
    ctl_table_cell(table, mcpa_str(text), CTL_PLAIN);
}

static void print_json_line(mcpa_str_t line)
{
    fwrite(line.ptr, 1, line.len, stdout);
    putchar('\n');
}

/* ---- reading */

/* Whole lines of an open file, from where it stands; what has no newline yet is left for later. */
static void read_lines(FILE *file, const ctl_filter_t *filter, void (*take)(void *ctx, mcpa_str_t line), void *ctx)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, file)) > 0) {
        if (line[n - 1] != '\n') {
            fseek(file, -(long)n, SEEK_CUR);
            break;
        }
        line[n - 1] = '\0';
        if (ctl_filter_matches(filter, (mcpa_str_t){ line, (size_t)n - 1 })) {
            take(ctx, (mcpa_str_t){ line, (size_t)n - 1 });
        }
    }
    clearerr(file);
    free(line);
}

static FILE *open_journal(const char *dir, const admind_journal_name_t *name)
{
    char file[ADMIND_JOURNAL_NAME_BYTES], path[4096];
    FILE *stream;

    admind_journal_name_format(file, name);
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    stream = fopen(path, "re");
    if (stream == NULL) {
        ctl_complain("%s: %s", path, strerror(errno));
    }
    return stream;
}

static bool list_journal(const char *dir, admind_journal_name_t **names, size_t *count)
{
    if (admind_journal_names(names, count, dir) != MCPA_OK) {
        ctl_complain("%s: %s; name the journal with --journal or --config", dir, strerror(errno));
        return false;
    }
    return true;
}

static void take_into_ring(void *ctx, mcpa_str_t line)
{
    ctl_ring_add(ctx, line);
}

static void show_ring(const ctl_t *ctl, const ctl_ring_t *ring)
{
    ctl_table_t *table = ctl->json ? NULL : ctl_table_new(titles);

    for (size_t i = 0; i < ring->count; i++) {
        mcpa_str_t text = ctl_ring_get(ring, i);
        admind_line_t line;

        if (ctl->json) {
            print_json_line(text);
        } else if (table != NULL && admind_line_parse(&line, text) == MCPA_OK) {
            add_row(table, &line.record);
            admind_line_clear(&line);
        }
    }
    if (table != NULL) {
        ctl_table_print(table, ctl->colour);
    }
    ctl_table_free(&table);
}

static ctl_exit_t search(const ctl_t *ctl, const ctl_filter_t *filter, uint64_t limit)
{
    admind_journal_name_t *names = NULL;
    ctl_ring_t ring = { .cap = (size_t)limit };
    bool all_read = true;
    size_t count = 0;

    if (!list_journal(ctl->journal_dir, &names, &count)) {
        return CTL_BAD;
    }
    for (size_t i = 0; i < count; i++) {
        FILE *file;

        if (names[i].day < filter->since_day) {
            continue; /* a record is written on its day or later, never before */
        }
        file = open_journal(ctl->journal_dir, &names[i]);
        all_read = all_read && file != NULL;
        if (file != NULL) {
            read_lines(file, filter, take_into_ring, &ring);
            fclose(file);
        }
    }
    free(names);
    show_ring(ctl, &ring);
    if (ring.failed) {
        ctl_complain("out of memory: the answer is not complete; narrow it down");
    }
    all_read = all_read && !ring.failed;
    ctl_ring_clear(&ring);
    return all_read ? CTL_GOOD : CTL_BAD;
}

/* ---- follow */

typedef struct follower {
    const ctl_t *ctl;
    uint64_t limit, shown;
} follower_t;

static bool is_done(const follower_t *follower)
{
    return (follower->limit > 0 && follower->shown >= follower->limit) || ferror(stdout) != 0;
}

static void show_now(void *ctx, mcpa_str_t text)
{
    static const char *const no_titles[] = { "", "", "", "", "", "", "", "", "", NULL };
    follower_t *follower = ctx;
    admind_line_t line;

    if (is_done(follower)) {
        return;
    }
    follower->shown++;
    if (follower->ctl->json) {
        print_json_line(text);
    } else if (admind_line_parse(&line, text) == MCPA_OK) {
        ctl_table_t *table = ctl_table_new(no_titles);

        if (table != NULL) {
            add_row(table, &line.record);
            ctl_table_print_rows(table, follower->ctl->colour);
        }
        ctl_table_free(&table);
        admind_line_clear(&line);
    }
    fflush(stdout);
}

/* The file after 'current' (the newest one when there is no current), or NULL. */
static FILE *open_next(const char *dir, admind_journal_name_t *current, bool has_current)
{
    admind_journal_name_t *names = NULL;
    FILE *file = NULL;
    size_t count = 0, at;

    if (!list_journal(dir, &names, &count)) {
        return NULL;
    }
    for (at = has_current ? 0 : count; at < count && admind_journal_name_compare(&names[at], current) <= 0; at++) {
    }
    at = has_current ? at : count - 1;
    if (count > 0 && at < count) {
        file = open_journal(dir, &names[at]);
        if (file != NULL) {
            *current = names[at];
        }
    }
    free(names);
    return file;
}

static ctl_exit_t follow(const ctl_t *ctl, const ctl_filter_t *filter, uint64_t limit)
{
    follower_t follower = { ctl, limit, 0 };
    admind_journal_name_t current = { 0 };
    FILE *file, *next;

    if (access(ctl->journal_dir, R_OK | X_OK) != 0) {
        ctl_complain("%s: %s; name the journal with --journal or --config", ctl->journal_dir, strerror(errno));
        return CTL_BAD;
    }
    file = open_next(ctl->journal_dir, &current, false);
    if (file != NULL) {
        fseek(file, 0, SEEK_END);
    }
    while (!is_done(&follower)) {
        if (file != NULL) {
            read_lines(file, filter, show_now, &follower);
        }
        /* The next file is there only once the daemon is through with this one, so this one is read to its end first. */
        next = open_next(ctl->journal_dir, &current, file != NULL || current.day != 0);
        if (next == NULL) {
            usleep(POLL_US);
            continue;
        }
        if (file != NULL) {
            read_lines(file, filter, show_now, &follower);
            fclose(file);
        }
        file = next;
    }
    if (file != NULL) {
        fclose(file);
    }
    return CTL_GOOD;
}

ctl_exit_t ctl_audit(const ctl_t *ctl)
{
    struct timespec now;
    ctl_filter_t filter;
    uint64_t limit = strcmp(ctl->words[0], "search") == 0 ? DEFAULT_LIMIT : 0;

    if (strcmp(ctl->words[0], "verify") == 0) {
        return ctl_audit_verify(ctl);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    if (!ctl_filter_init(&filter, ctl, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000)) {
        return CTL_USAGE;
    }
    if (ctl->limit != NULL && (!mcpa_text_u64(mcpa_str(ctl->limit), &limit) || limit > LIMIT_MAX)) {
        ctl_complain("--limit wants a number up to %d", LIMIT_MAX);
        return CTL_USAGE;
    }
    if (strcmp(ctl->words[0], "search") == 0) {
        return search(ctl, &filter, limit);
    }
    if (strcmp(ctl->words[0], "follow") == 0) {
        return follow(ctl, &filter, limit);
    }
    ctl_complain("audit has search, follow and verify, not '%s'", ctl->words[0]);
    return CTL_USAGE;
}
