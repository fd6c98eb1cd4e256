/* SPDX-License-Identifier: Apache-2.0 */
/* audit search and follow: the journal's files, read as they are; the daemon need not run. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/line.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/filter.h"
#include "ctl/ring.h"
#include "ctl/scan.h"

#define DEFAULT_LIMIT 100
#define LIMIT_MAX     10000000
#define POLL_MS       200
#define BATCH_ROWS    256 /* lines of a table that is shown as it is read: so many are aligned with each other */

static const char *const titles[] = { "TIME",   "DECISION", "STATUS",   "REASON",  "SUBJECT",
                                      "CLIENT", "ADDRESS",  "LOCATION", "REQUEST", NULL };

/* ---- showing */

static int cut(mcpa_str_t text, size_t most)
{
    return text.len < most ? (int)text.len : (int)most;
}

/* What the record is about, in one cell. */
static void describe(char *text, size_t cap, const admind_line_t *line)
{
    const mcpa_record_t *record = &line->record;
    mcpa_str_t method = record->method, path = record->path, rpc = record->rpc_method, name = record->rpc_name;

    if (record->lost != MCPA_RECORD_ABSENT) {
        snprintf(text, cap, "%lld records lost", (long long)record->lost);
        return;
    }
    snprintf(text, cap, "%.*s %.*s%s%.*s%s%.*s", cut(method, 16), method.ptr != NULL ? method.ptr : "", cut(path, 60),
             path.ptr != NULL ? path.ptr : "", rpc.len > 0 ? " " : "", cut(rpc, 30), rpc.ptr != NULL ? rpc.ptr : "",
             name.len > 0 ? " " : "", cut(name, 40), name.ptr != NULL ? name.ptr : "");
}

static void add_row(ctl_table_t *table, const admind_line_t *line)
{
    const mcpa_record_t *record = &line->record;
    bool allowed = mcpa_str_eqz(record->decision, "allow");
    char text[200], stamp[25] = "";

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
    describe(text, sizeof(text), line);
    ctl_table_cell(table, mcpa_str(text), CTL_PLAIN);
}

/* What is shown while the journal is read: JSON line by line, a table in batches. */
typedef struct shower {
    const ctl_t *ctl;
    ctl_table_t *table; /* the batch */
    size_t rows;
    bool titled;
} shower_t;

static void show_batch(shower_t *shower)
{
    if (shower->table != NULL && !shower->titled) {
        ctl_table_print(shower->table, shower->ctl->colour);
        shower->titled = true;
    } else if (shower->table != NULL) {
        ctl_table_print_rows(shower->table, shower->ctl->colour);
    }
    ctl_table_free(&shower->table);
    shower->rows = 0;
}

static void show_line(shower_t *shower, mcpa_str_t text)
{
    admind_line_t line;

    if (shower->ctl->json) {
        fwrite(text.ptr, 1, text.len, stdout);
        putchar('\n');
        return;
    }
    if (shower->table == NULL) {
        shower->table = ctl_table_new(titles);
    }
    if (shower->table != NULL && admind_line_parse(&line, text) == MCPA_OK) {
        add_row(shower->table, &line);
        admind_line_clear(&line);
        shower->rows++;
    }
}

/* ---- search */

static void show_ring(const ctl_t *ctl, const ctl_ring_t *ring)
{
    shower_t shower = { .ctl = ctl };

    for (size_t i = 0; i < ring->count; i++) {
        show_line(&shower, ctl_ring_get(ring, i));
    }
    if (!ctl->json && ring->count == 0) {
        shower.table = ctl_table_new(titles);
    }
    show_batch(&shower);
}

static ctl_exit_t search_newest(const ctl_t *ctl, const ctl_filter_t *filter, uint64_t limit)
{
    ctl_ring_t ring = { .cap = (size_t)limit };
    ctl_scan_t scan;
    mcpa_str_t line;
    bool good;

    if (!ctl_scan_open(&scan, ctl->journal_dir, filter->since_us)) {
        return CTL_BAD;
    }
    ctl_scan_show(&scan);
    while (!ring.failed && ctl_scan_next(&scan, &line)) {
        if (ctl_filter_matches(filter, line)) {
            ctl_ring_add(&ring, line);
        }
    }
    ctl_scan_close(&scan);
    show_ring(ctl, &ring);
    if (ring.failed) {
        ctl_complain("out of memory: the answer is not complete; narrow it down");
    }
    good = !scan.damaged && !ring.failed;
    ctl_ring_clear(&ring);
    return good ? CTL_GOOD : CTL_BAD;
}

/* No bar: it would stand between the lines. */
static ctl_exit_t search_all(const ctl_t *ctl, const ctl_filter_t *filter)
{
    shower_t shower = { .ctl = ctl };
    ctl_scan_t scan;
    mcpa_str_t line;

    if (!ctl_scan_open(&scan, ctl->journal_dir, filter->since_us)) {
        return CTL_BAD;
    }
    while (ferror(stdout) == 0 && ctl_scan_next(&scan, &line)) {
        if (ctl_filter_matches(filter, line)) {
            show_line(&shower, line);
        }
        if (shower.rows == BATCH_ROWS) {
            show_batch(&shower);
        }
    }
    if (!ctl->json && shower.table == NULL && !shower.titled) {
        shower.table = ctl_table_new(titles);
    }
    show_batch(&shower);
    ctl_scan_close(&scan);
    return scan.damaged ? CTL_BAD : CTL_GOOD;
}

static ctl_exit_t search(const ctl_t *ctl, const ctl_filter_t *filter)
{
    uint64_t limit = DEFAULT_LIMIT;

    if (ctl->limit != NULL && (ctl->all || !mcpa_text_u64(mcpa_str(ctl->limit), &limit) || limit > LIMIT_MAX)) {
        ctl_complain(ctl->all ? "--limit and --all together make no sense" : "--limit wants a number up to %d", LIMIT_MAX);
        return CTL_USAGE;
    }
    return ctl->all || limit == 0 ? search_all(ctl, filter) : search_newest(ctl, filter, limit);
}

/* ---- follow */

static volatile sig_atomic_t is_interrupted;

static void interrupt(int sig)
{
    (void)sig;
    is_interrupted = 1;
}

/* Waits a moment; false: nobody reads what is shown, or it is to end. */
static bool may_go_on(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO };

    fflush(stdout);
    return poll(&out, 1, POLL_MS) <= 0 && ferror(stdout) == 0 && is_interrupted == 0;
}

static void follow_lines(const ctl_t *ctl, const ctl_filter_t *filter, ctl_scan_t *scan, uint64_t limit)
{
    shower_t shower = { .ctl = ctl, .titled = true };
    bool caught_up = ctl->since != NULL; /* else what is there already is passed over */
    uint64_t shown = 0;
    mcpa_str_t line;

    do {
        while (is_interrupted == 0 && ferror(stdout) == 0 && ctl_scan_next(scan, &line)) {
            if (!caught_up || !ctl_filter_matches(filter, line)) {
                continue;
            }
            show_line(&shower, line);
            show_batch(&shower);
            if (++shown == limit) {
                return;
            }
        }
        caught_up = true;
    } while (scan->reader != NULL && may_go_on());
}

static ctl_exit_t follow(const ctl_t *ctl, const ctl_filter_t *filter)
{
    struct sigaction action = { .sa_handler = interrupt };
    uint64_t limit = 0;
    ctl_scan_t scan;

    if (ctl->limit != NULL && (!mcpa_text_u64(mcpa_str(ctl->limit), &limit) || limit > LIMIT_MAX)) {
        ctl_complain("--limit wants a number up to %d", LIMIT_MAX);
        return CTL_USAGE;
    }
    if (!(ctl->since != NULL ? ctl_scan_open(&scan, ctl->journal_dir, filter->since_us)
                             : ctl_scan_open_newest(&scan, ctl->journal_dir))) {
        return CTL_BAD;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    follow_lines(ctl, filter, &scan, limit);
    ctl_scan_close(&scan);
    return scan.damaged ? CTL_BAD : CTL_GOOD;
}

/* ---- the command */

enum { FILTERS = 1, PERIOD = 2, LIMIT = 4, SHAPE = 8, ALL = 16, SEALS = 32 };

static const struct word {
    const char *name;
    unsigned takes;
} words[] = {
    { "search", FILTERS | PERIOD | LIMIT | ALL },
    { "follow", FILTERS | PERIOD | LIMIT },
    { "report", PERIOD | LIMIT | SHAPE },
    { "verify", SEALS },
    { "seal", 0 },
};

/* The first option that was given and that the word does not take, or NULL. */
static const char *wrong_option(const ctl_t *ctl, unsigned takes)
{
    const struct {
        unsigned group;
        const char *given;
    } options[] = {
        { FILTERS, ctl_filter_given(ctl) },
        { PERIOD, ctl->since != NULL   ? "since"
                  : ctl->until != NULL ? "until"
                                       : NULL },
        { LIMIT, ctl->limit != NULL ? "limit" : NULL },
        { SHAPE, ctl->period != NULL ? "period"
                 : ctl->html != NULL ? "html"
                                     : NULL },
        { ALL, ctl->all ? "all" : NULL },
        { SEALS, ctl->seal_keys[0] != NULL ? "key"
                 : ctl->anchors[0] != NULL ? "seal"
                                           : NULL },
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if ((takes & options[i].group) == 0 && options[i].given != NULL) {
            return options[i].given;
        }
    }
    return NULL;
}

ctl_exit_t ctl_audit(const ctl_t *ctl)
{
    struct timespec now;
    ctl_filter_t filter;
    const char *wrong;
    size_t at = 0;

    while (at < sizeof(words) / sizeof(words[0]) && strcmp(ctl->words[0], words[at].name) != 0) {
        at++;
    }
    if (at == sizeof(words) / sizeof(words[0])) {
        ctl_complain("audit has search, follow, report, verify and seal, not '%s'", ctl->words[0]);
        return CTL_USAGE;
    }
    wrong = wrong_option(ctl, words[at].takes);
    if (wrong != NULL) {
        ctl_complain("audit %s takes no --%s", words[at].name, wrong);
        return CTL_USAGE;
    }
    if (strcmp(ctl->words[0], "verify") == 0) {
        return ctl_audit_verify(ctl);
    }
    if (strcmp(ctl->words[0], "seal") == 0) {
        return ctl_audit_seal(ctl);
    }
    if (strcmp(ctl->words[0], "report") == 0) {
        return ctl_audit_report(ctl);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    if (!ctl_filter_init(&filter, ctl, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000)) {
        return CTL_USAGE;
    }
    return strcmp(ctl->words[0], "search") == 0 ? search(ctl, &filter) : follow(ctl, &filter);
}
