/* SPDX-License-Identifier: Apache-2.0 */
/* audit report: reads the journal, then shows what was counted. */
#include "ctl/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/filter.h"
#include "ctl/scan.h"

#define DEFAULT_ROWS 20
#define DEFAULT_WIDE 100 /* columns, where stdout is no terminal */
#define DAY_US       INT64_C(86400000000)

bool ctl_report_period(const char *word, int64_t now_us, int64_t *since_us, int64_t *until_us)
{
    int64_t day = now_us / DAY_US;
    time_t seconds = (time_t)(day * 86400);
    struct tm tm = { 0 };

    if (strcmp(word, "day") == 0) {
        *until_us = day * DAY_US;
        *since_us = *until_us - DAY_US;
        return true;
    }
    if (strcmp(word, "week") == 0) {
        *until_us = (day - (day + 3) % 7) * DAY_US; /* 1970 began on a Thursday */
        *since_us = *until_us - 7 * DAY_US;
        return true;
    }
    if (strcmp(word, "month") != 0) {
        return false;
    }
    gmtime_r(&seconds, &tm);
    tm.tm_mday = 1;
    *until_us = (int64_t)timegm(&tm) * 1000000;
    tm.tm_mon--; /* timegm knows what is before January */
    *since_us = (int64_t)timegm(&tm) * 1000000;
    return true;
}

static bool read_options(const ctl_t *ctl, int64_t *since_us, int64_t *until_us, uint64_t *rows)
{
    struct timespec now;
    int64_t now_us;

    clock_gettime(CLOCK_REALTIME, &now);
    now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (!ctl_filter_period(ctl, now_us, since_us, until_us)) {
        return false;
    }
    if (ctl->period != NULL && (ctl->since != NULL || ctl->until != NULL)) {
        ctl_complain("--period names a period, and so do --since and --until");
        return false;
    }
    if (ctl->period != NULL && !ctl_report_period(ctl->period, now_us, since_us, until_us)) {
        ctl_complain("--period wants day, week or month, not '%s'", ctl->period);
        return false;
    }
    if (*since_us >= *until_us) {
        ctl_complain("--since is not before --until");
        return false;
    }
    if (ctl->json && ctl->html != NULL) {
        ctl_complain("--json and --html are two reports: ask for one");
        return false;
    }
    if (ctl->limit != NULL && (!mcpa_text_u64(mcpa_str(ctl->limit), rows) || *rows < 1 || *rows > CTL_REPORT_ROWS_MAX)) {
        ctl_complain("--limit wants a number from 1 to %d", CTL_REPORT_ROWS_MAX);
        return false;
    }
    return true;
}

/* Everything behind the period is read too: a record may have waited in the spool for days, and what began in the period may end
 * behind it. */
static bool read_journal(const ctl_t *ctl, ctl_report_t *report)
{
    mcpa_status_t status = MCPA_OK;
    ctl_scan_t scan;
    mcpa_str_t line;

    if (!ctl_scan_open(&scan, ctl->journal_dir, report->since_us)) {
        return false;
    }
    ctl_scan_show(&scan);
    while (status == MCPA_OK && ctl_scan_next(&scan, &line)) {
        status = ctl_report_line(report, line);
    }
    ctl_scan_close(&scan);
    if (status != MCPA_OK) {
        ctl_complain("out of memory");
        return false;
    }
    report->incomplete = scan.damaged || report->unreadable > 0;
    return true;
}

static size_t find_columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : DEFAULT_WIDE;
}

/* The old page stands until the new one is whole. */
static bool write_html(const char *path, const ctl_report_t *report, size_t rows)
{
    char *temporary = NULL;
    FILE *to = NULL;
    int fd = -1;
    bool good = asprintf(&temporary, "%s.XXXXXX", path) >= 0;

    if (!good) {
        ctl_complain("out of memory");
        return false;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    to = fd >= 0 ? fdopen(fd, "w") : NULL;
    good = to != NULL && ctl_report_html(to, report, rows);
    if (to != NULL) {
        good = !ferror(to) && good;
        good = fclose(to) == 0 && good;
    }
    good = good && rename(temporary, path) == 0;
    if (!good) {
        ctl_complain("%s: %s", path, strerror(errno));
        if (fd >= 0) {
            unlink(temporary);
        }
    }
    free(temporary);
    return good;
}

static bool show(const ctl_t *ctl, const ctl_report_t *report, size_t rows)
{
    bool good;

    if (ctl->html != NULL) {
        return write_html(ctl->html, report, rows);
    }
    good = ctl->json ? ctl_report_json(stdout, report, rows) : ctl_report_text(stdout, report, rows, find_columns(), ctl->colour);
    if (!good) {
        ctl_complain("out of memory");
    }
    return good;
}

ctl_exit_t ctl_audit_report(const ctl_t *ctl)
{
    uint64_t rows = DEFAULT_ROWS;
    int64_t since_us, until_us;
    ctl_report_t report;
    bool good;

    if (!read_options(ctl, &since_us, &until_us, &rows)) {
        return CTL_USAGE;
    }
    if (ctl_report_init(&report, since_us, until_us) != MCPA_OK) {
        ctl_complain("out of memory");
        good = false;
    } else {
        good = read_journal(ctl, &report) && show(ctl, &report, (size_t)rows) && !report.incomplete;
    }
    ctl_report_clear(&report);
    return good ? CTL_GOOD : CTL_BAD;
}
