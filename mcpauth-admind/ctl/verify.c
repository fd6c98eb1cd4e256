/* SPDX-License-Identifier: Apache-2.0 */
/* audit verify: every file of the journal, through the checker of audit/verify.h; the daemon may be writing meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/marks.h"
#include "audit/reader.h"
#include "audit/verify.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/seals.h"
#include "wire/record.h"

#define SHOWN_MAX     20
#define INSTANCES_MAX ((size_t)4 * ADMIND_MARKS_MAX) /* some 30 MB; one is one httpd child */
#define JSON_BYTES    ((size_t)65536) /* SHOWN_MAX faults and the sums take less than a third */

typedef struct run {
    const ctl_t *ctl;
    admind_verify_t *verify;
    admind_fault_t shown[SHOWN_MAX];
    size_t n_shown;
    admind_journal_name_t *names; /* of the files that there were when it began */
    size_t count, told;
    char first[ADMIND_JOURNAL_NAME_BYTES], last[ADMIND_JOURNAL_NAME_BYTES];
} run_t;

static void keep_fault(void *ctx, const admind_fault_t *fault)
{
    run_t *run = ctx;

    if (run->n_shown < SHOWN_MAX) {
        run->shown[run->n_shown++] = *fault;
    }
}

/* ---- reading */

/* Every file is told, also one without a line: its number is missed otherwise. */
static void tell_files(run_t *run, const char *upto)
{
    admind_journal_name_t name = { .day = 0 };
    struct timespec now;

    if (!admind_journal_name_parse(&name, upto)) {
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now); /* behind the listing: midnight may have passed */
    while (run->told < run->count && admind_journal_name_compare(&run->names[run->told], &name) <= 0) {
        admind_journal_name_format(run->last, &run->names[run->told]);
        admind_verify_file(run->verify, &run->names[run->told++], admind_journal_day((int64_t)now.tv_sec * 1000000));
    }
    if (strcmp(run->last, upto) != 0) { /* the daemon began it meanwhile */
        snprintf(run->last, sizeof(run->last), "%s", upto);
        admind_verify_file(run->verify, &name, admind_journal_day((int64_t)now.tv_sec * 1000000));
    }
}

/* What next() said of a part that is no line. */
static void tell_damage(run_t *run, admind_reader_t *reader, mcpa_status_t status)
{
    uint64_t torn = admind_reader_torn_bytes(reader);

    if (status == MCPA_ETOOBIG) {
        admind_verify_long_line(run->verify);
    } else if (torn > 0) {
        admind_verify_torn(run->verify, torn, false);
    } else {
        admind_verify_broken(run->verify);
    }
}

/* MCPA_ENOTFOUND: all was read. */
static mcpa_status_t read_lines(run_t *run, admind_reader_t *reader)
{
    ctl_progress_t progress;
    mcpa_status_t status = MCPA_OK;
    uint64_t done, total;
    mcpa_str_t line;

    ctl_progress_begin(&progress);
    for (uint64_t n = 0; status == MCPA_OK; n++) {
        status = admind_reader_next(reader, &line);
        if (status == MCPA_ENOTFOUND || status == MCPA_EIO || status == MCPA_ENOMEM) {
            break;
        }
        if (strcmp(run->last, admind_reader_file(reader)) != 0) {
            tell_files(run, admind_reader_file(reader));
        }
        if (status == MCPA_OK) {
            status = admind_verify_line(run->verify, line);
        } else {
            tell_damage(run, reader, status);
            status = MCPA_OK;
        }
        if (n % 256 == 0) {
            admind_reader_progress(reader, &done, &total);
            ctl_progress_update(&progress, done, total);
        }
    }
    ctl_progress_hide(&progress);
    return status;
}

/* Something else under a journal file's name is no journal. */
static bool are_files(const run_t *run)
{
    char file[ADMIND_JOURNAL_NAME_BYTES], path[4096];
    struct stat st;

    for (size_t i = 0; i < run->count; i++) {
        admind_journal_name_on_disk(file, &run->names[i]);
        snprintf(path, sizeof(path), "%s/%s", run->ctl->journal_dir, file);
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
            ctl_complain("%s is no regular file", path);
            return false;
        }
    }
    return true;
}

static bool read_all(run_t *run)
{
    char error[512], newest[ADMIND_JOURNAL_NAME_BYTES];
    admind_reader_t *reader = admind_reader_open(run->ctl->journal_dir, NULL, error, sizeof(error));
    mcpa_status_t status;

    if (reader == NULL) {
        ctl_complain("%s", error);
        return false;
    }
    status = read_lines(run, reader);
    if (status == MCPA_ENOTFOUND) {
        admind_journal_name_format(newest, &run->names[run->count - 1]);
        if (run->told < run->count) {
            tell_files(run, newest);
        }
        if (admind_reader_torn_bytes(reader) > 0) {
            admind_verify_torn(run->verify, admind_reader_torn_bytes(reader), true);
        }
        admind_verify_end(run->verify);
    } else {
        ctl_complain("%s/%s: %s", run->ctl->journal_dir, admind_reader_file(reader),
                     status == MCPA_EIO ? strerror(errno) : "out of memory");
    }
    admind_reader_close(&reader);
    return status == MCPA_ENOTFOUND;
}

static bool read_journal(run_t *run)
{
    const char *dir = run->ctl->journal_dir;
    bool good;

    if (admind_journal_names(&run->names, &run->count, dir) != MCPA_OK) {
        ctl_complain("%s: %s; name the journal with --journal or --config", dir, strerror(errno));
        return false;
    }
    if (run->count == 0) { /* "whole" would be no news of a journal that somebody took away */
        ctl_complain("%s: there is no journal file; name the journal with --journal or --config", dir);
        free(run->names);
        return false;
    }
    admind_journal_name_format(run->first, &run->names[0]);
    good = are_files(run) && read_all(run);
    free(run->names);
    return good;
}

/* ---- showing */

static void describe(char *text, size_t cap, const admind_fault_t *fault)
{
    unsigned long long seq = fault->seq, expected = fault->expected;

    if (ctl_seals_describe(text, cap, fault)) {
        return;
    }
    switch (fault->kind) {
    case ADMIND_FAULT_FILE_BROKEN:
        snprintf(text, cap, "the rest of the file cannot be read");
        break;
    case ADMIND_FAULT_FILE_FUTURE:
        snprintf(text, cap, "its day has not come yet");
        break;
    case ADMIND_FAULT_FILE_MISSING:
        snprintf(text, cap, "number %llu of its day is missing before it", expected);
        break;
    case ADMIND_FAULT_LINE_TORN:
        snprintf(text, cap, "the last line is torn, and this is not the newest file");
        break;
    case ADMIND_FAULT_LINE_LONG:
        snprintf(text, cap, "longer than any record");
        break;
    case ADMIND_FAULT_MEMBER_MISSING:
        snprintf(text, cap, "no member \"%s\"", fault->member);
        break;
    case ADMIND_FAULT_MEMBER_UNKNOWN:
        snprintf(text, cap, "unknown member \"%s\"", fault->member);
        break;
    case ADMIND_FAULT_MEMBER_WRONG:
        snprintf(text, cap, "member \"%s\" is not what a record has there", fault->member);
        break;
    case ADMIND_FAULT_SEQ_HOLE:
        snprintf(text, cap, "instance %s: seq %llu to %llu missing", fault->instance, expected, seq - 1);
        break;
    case ADMIND_FAULT_SEQ_REPEATED:
        snprintf(text, cap, "instance %s: seq %llu again", fault->instance, seq);
        break;
    case ADMIND_FAULT_SEQ_BACK:
        snprintf(text, cap, "instance %s: back to seq %llu, where %llu follows", fault->instance, seq, expected);
        break;
    default:
        snprintf(text, cap, "no strict JSON object");
    }
}

static void print_fault(const admind_fault_t *fault)
{
    char text[256];

    describe(text, sizeof(text), fault);
    printf("%s:", fault->file);
    if (fault->line > 0) {
        printf("%llu:", (unsigned long long)fault->line);
    }
    putchar(' ');
    ctl_print_text(stdout, mcpa_str(text));
    putchar('\n');
}

static void print_sums(const run_t *run, const admind_verified_t *found)
{
    char first[25] = "-", last[25] = "-";

    if (found->first_us != MCPA_RECORD_ABSENT) {
        mcpa_text_rfc3339(first, found->first_us);
        mcpa_text_rfc3339(last, found->last_us);
    }
    printf("files      %llu, %s to %s\n", (unsigned long long)found->files, run->first, run->last);
    printf("records    %llu, %s to %s\n", (unsigned long long)found->records, first, last);
    printf("instances  %llu, %llu of them begin behind seq 1: what was before is not in the journal\n",
           (unsigned long long)found->instances, (unsigned long long)found->begun_earlier);
    printf("lost       %llu, told by %llu gap records\n", (unsigned long long)found->lost, (unsigned long long)found->gaps);
    if (found->corrupt > 0) {
        printf("corrupt    %llu records could not be read when they came\n", (unsigned long long)found->corrupt);
    }
    if (found->torn_bytes > 0) {
        printf("torn tail  %llu bytes at the end of %s: a crash, or a line being written; no damage\n",
               (unsigned long long)found->torn_bytes, run->last);
    }
    if (found->forgotten > 0) {
        printf("not looked at: more than %zu instances; what %llu of them lack between their records may not be seen\n",
               INSTANCES_MAX, (unsigned long long)found->forgotten);
    }
    ctl_seals_print(&found->sealed);
}

static void print_report(const run_t *run, const admind_verified_t *found)
{
    bool colour = run->ctl->colour;

    print_sums(run, found);
    for (size_t i = 0; i < run->n_shown; i++) {
        print_fault(&run->shown[i]);
    }
    if (found->faults > run->n_shown) {
        printf("and %llu more\n", (unsigned long long)(found->faults - run->n_shown));
    }
    if (found->faults > 0) {
        printf("%snot whole%s: %llu fault%s\n", ctl_colour_on(colour, CTL_RED), ctl_colour_off(colour),
               (unsigned long long)found->faults, found->faults == 1 ? "" : "s");
        return;
    }
    printf("%swhole%s: no record is missing between two others, twice or out of order\n", ctl_colour_on(colour, CTL_GREEN),
           ctl_colour_off(colour));
    ctl_seals_print_proof(run->ctl, &found->sealed);
}

static void put_fault(mcpa_jsonw_t *w, const admind_fault_t *fault)
{
    char text[256];

    describe(text, sizeof(text), fault);
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "file", fault->file);
    if (fault->line > 0) {
        mcpa_jsonw_u64(w, "line", fault->line);
    }
    mcpa_jsonw_z(w, "fault", admind_fault_word(fault->kind));
    if (fault->instance[0] != '\0') {
        mcpa_jsonw_z(w, "instance", fault->instance);
        mcpa_jsonw_u64(w, "seq", fault->seq);
        mcpa_jsonw_u64(w, "expected", fault->expected);
    }
    if (fault->member[0] != '\0') {
        mcpa_jsonw_z(w, "member", fault->member);
    }
    mcpa_jsonw_z(w, "text", text);
    mcpa_jsonw_close_object(w);
}

static void put_time(mcpa_jsonw_t *w, const char *name, int64_t us)
{
    char text[25];

    if (us != MCPA_RECORD_ABSENT) {
        mcpa_text_rfc3339(text, us);
        mcpa_jsonw_z(w, name, text);
    }
}

static bool print_json(const run_t *run, const admind_verified_t *found)
{
    static char memory[JSON_BYTES];
    mcpa_jsonw_t w;
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_bool(&w, "whole", found->faults == 0);
    mcpa_jsonw_u64(&w, "files", found->files);
    mcpa_jsonw_z(&w, "first_file", run->first);
    mcpa_jsonw_z(&w, "last_file", run->last);
    mcpa_jsonw_u64(&w, "records", found->records);
    mcpa_jsonw_u64(&w, "broken_lines", found->broken);
    put_time(&w, "first", found->first_us);
    put_time(&w, "last", found->last_us);
    mcpa_jsonw_u64(&w, "instances", found->instances);
    mcpa_jsonw_u64(&w, "begun_earlier", found->begun_earlier);
    mcpa_jsonw_u64(&w, "forgotten", found->forgotten);
    mcpa_jsonw_u64(&w, "gap_records", found->gaps);
    mcpa_jsonw_u64(&w, "lost", found->lost);
    mcpa_jsonw_u64(&w, "corrupt", found->corrupt);
    mcpa_jsonw_u64(&w, "torn_bytes", found->torn_bytes);
    ctl_seals_put(&w, &found->sealed);
    mcpa_jsonw_u64(&w, "fault_count", found->faults);
    mcpa_jsonw_open_array(&w, "faults");
    for (size_t i = 0; i < run->n_shown; i++) {
        put_fault(&w, &run->shown[i]);
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    if (mcpa_out_status(&out) != MCPA_OK) {
        ctl_complain("the report is too long");
        return false;
    }
    puts(memory);
    return true;
}

/* ---- the command */

ctl_exit_t ctl_audit_verify(const ctl_t *ctl)
{
    ctl_exit_t result = CTL_UNREACHABLE;
    const admind_verified_t *found;
    run_t *run;

    run = calloc(1, sizeof(*run));
    if (run == NULL || (run->verify = admind_verify_new(INSTANCES_MAX, keep_fault, run)) == NULL) {
        ctl_complain("out of memory");
        free(run);
        return CTL_UNREACHABLE;
    }
    run->ctl = ctl;
    if (!ctl_seals_prepare(ctl, run->verify)) {
        result = CTL_USAGE;
    } else if (read_journal(run)) {
        found = admind_verify_get(run->verify);
        result = found->faults == 0 ? CTL_GOOD : CTL_BAD;
        if (!ctl->json) {
            print_report(run, found);
        } else if (!print_json(run, found)) {
            result = CTL_BAD;
        }
    }
    admind_verify_free(&run->verify);
    free(run);
    return result;
}
