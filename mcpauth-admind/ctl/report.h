/* SPDX-License-Identifier: Apache-2.0 */
/* audit report: who used what and who was denied what. Lines of the journal go in, in any order of time; a page of text, a JSON
 * document or a page of HTML comes out. Memory is bounded whatever the journal holds (reporttally.h). One thread. */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <stdio.h>

#include "ctl/reportpending.h"
#include "ctl/reporttally.h"
#include "ctl/reporttimes.h"

#define CTL_REPORT_PARTS_MAX  5
#define CTL_REPORT_ROWS_MAX   1000
#define CTL_REPORT_SEAL_BYTES 160

/* The columns of every count but that of addresses: by the record's decision. */
typedef enum ctl_column { CTL_ALLOWED = 0, CTL_DENIED, CTL_LIMITED, CTL_ERRORS, CTL_SHADOW, CTL_OTHER } ctl_column_t;
/* Those of CTL_BY_ADDRESS: failed authentications, of which some look like guessing (reason.def). */
enum { CTL_FAILED = 0, CTL_GUESSED };

typedef enum ctl_by {
    CTL_BY_LOCATION = 0,
    CTL_BY_SUBJECT,
    CTL_BY_CLIENT,
    CTL_BY_OPERATION,
    CTL_BY_USE,     /* who used what: what was allowed */
    CTL_BY_REFUSAL, /* who was denied what, and why */
    CTL_BY_REASON,
    CTL_BY_ADDRESS,
    CTL_BY_COUNT
} ctl_by_t;

/* How a table is shown: its key's parts (joined by NUL) and its columns. */
typedef struct ctl_by_row {
    const char *name, *title, *total;
    const char *parts[CTL_REPORT_PARTS_MAX + 1];
    const char *columns[CTL_TALLY_COLUMNS]; /* NULL: not shown */
} ctl_by_row_t;

typedef struct ctl_report {
    int64_t since_us, until_us; /* inclusive, exclusive; INT64_MIN, INT64_MAX: open */
    int64_t first_us, last_us;  /* of the requests; INT64_MAX, INT64_MIN: none */
    uint64_t requests, counts[CTL_TALLY_COLUMNS];
    uint64_t gaps, lost, corrupt;
    uint64_t other_events; /* of a newer daemon */
    uint64_t unreadable;   /* lines that hold no record */
    uint64_t untimed;      /* requests that the bars over time do not show */
    uint64_t seals;
    char first_seal[CTL_REPORT_SEAL_BYTES], last_seal[CTL_REPORT_SEAL_BYTES]; /* "EPOCH:MAC" */
    int64_t last_seal_us;
    bool pending_full; /* unfinished is a lower bound */
    bool incomplete;   /* set by the caller: not all of the journal could be read */
    ctl_tally_t *by[CTL_BY_COUNT];
    ctl_pending_t *pending; /* unfinished: a decision without a final record */
    ctl_times_t times;
} ctl_report_t;

extern const ctl_by_row_t ctl_by_rows[CTL_BY_COUNT];

/* To be cleared whatever it says. MCPA_ENOMEM. */
mcpa_status_t ctl_report_init(ctl_report_t *report, int64_t since_us, int64_t until_us) MCPA_MUST_CHECK;
void ctl_report_clear(ctl_report_t *report);
/* Lines behind the period are wanted too: what began in it may end there. MCPA_ENOMEM. */
mcpa_status_t ctl_report_line(ctl_report_t *report, mcpa_str_t line) MCPA_MUST_CHECK;

/* "day", "week", "month": the last whole one before now, in UTC. false: another word. */
bool ctl_report_period(const char *word, int64_t now_us, int64_t *since_us, int64_t *until_us);

/* rows: of each table, up to CTL_REPORT_ROWS_MAX. false: no memory. Errors of the stream are the caller's to look for. */
bool ctl_report_text(FILE *to, const ctl_report_t *report, size_t rows, size_t columns, bool colour);
bool ctl_report_json(FILE *to, const ctl_report_t *report, size_t rows);
bool ctl_report_html(FILE *to, const ctl_report_t *report, size_t rows);

/* What the three share: the part of a key (empty when absent), "2026-11-21 09:00" in UTC, and a table's rows with what is behind
 * them. */
mcpa_str_t ctl_report_part(mcpa_str_t key, size_t part);
void ctl_report_minute(char text[20], int64_t us);
typedef struct ctl_page {
    ctl_tally_row_t rows[CTL_REPORT_ROWS_MAX];
    size_t count, keys;
    bool more;              /* more than 'keys' */
    ctl_tally_row_t others; /* all but the rows */
} ctl_page_t;
void ctl_report_page(ctl_page_t *page, const ctl_report_t *report, ctl_by_t by, size_t rows);

#endif
