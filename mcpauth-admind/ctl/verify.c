/* SPDX-License-Identifier: Apache-2.0 */
/* audit verify: every file of the journal, through the checker of audit/verify.h; the daemon may be writing meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/marks.h"
#include "audit/tail.h"
#include "audit/verify.h"
#include "base/text.h"
#include "ctl/ctl.h"

#define SHOWN_MAX     20
#define INSTANCES_MAX ((size_t)4 * ADMIND_MARKS_MAX) /* some 30 MB; one is one httpd child */
#define BLOCK_BYTES   ((size_t)2 * ADMIND_LINE_MAX_BYTES)
#define JSON_BYTES    ((size_t)65536) /* SHOWN_MAX faults and the sums take less than a third */

typedef struct run {
    const ctl_t *ctl;
    admind_verify_t *verify;
    admind_fault_t shown[SHOWN_MAX];
    size_t n_shown;
    char first[ADMIND_JOURNAL_NAME_BYTES], last[ADMIND_JOURNAL_NAME_BYTES], block[BLOCK_BYTES];
} run_t;

static void keep_fault(void *ctx, const admind_fault_t *fault)
{
    run_t *run = ctx;

    if (run->n_shown < SHOWN_MAX) {
        run->shown[run->n_shown++] = *fault;
    }
}

/* ---- reading */

static int open_file(const char *dir, const char *name, char *path, size_t cap)
{
    struct stat st;
    int fd;

    snprintf(path, cap, "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        ctl_complain("%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        ctl_complain("%s is no regular file", path);
    } else {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* Whole lines of the block's first len bytes; returns what they took. *skipped: bytes of an over-long line that are gone already.
 */
static size_t take_lines(run_t *run, size_t len, uint64_t *skipped, mcpa_status_t *status)
{
    const char *newline;
    size_t at = 0;

    while (*status == MCPA_OK && (newline = memchr(run->block + at, '\n', len - at)) != NULL) {
        mcpa_str_t line = { run->block + at, (size_t)(newline - run->block) - at };

        if (*skipped > 0 || line.len > ADMIND_LINE_MAX_BYTES) {
            admind_verify_long_line(run->verify);
        } else {
            *status = admind_verify_line(run->verify, line);
        }
        *skipped = 0;
        at += line.len + 1;
    }
    return at;
}

static bool read_file(run_t *run, const char *name, bool newest)
{
    char path[4096];
    int fd = open_file(run->ctl->journal_dir, name, path, sizeof(path));
    mcpa_status_t status = MCPA_OK;
    uint64_t skipped = 0;
    size_t held = 0;
    ssize_t n = 0;

    if (fd < 0) {
        return false;
    }
    while (status == MCPA_OK && ((n = read(fd, run->block + held, BLOCK_BYTES - held)) > 0 || (n < 0 && errno == EINTR))) {
        size_t len = held + (n > 0 ? (size_t)n : 0), taken = take_lines(run, len, &skipped, &status);

        held = len - taken;
        memmove(run->block, run->block + taken, held);
        if (held == BLOCK_BYTES) {
            skipped += held;
            held = 0;
        }
    }
    if (n < 0 || status != MCPA_OK) {
        ctl_complain("%s: %s", path, status != MCPA_OK ? "out of memory" : strerror(errno));
    } else if (held + skipped > 0) {
        admind_verify_torn(run->verify, held + skipped, newest);
    }
    close(fd);
    return n == 0 && status == MCPA_OK;
}

static bool read_journal(run_t *run)
{
    const char *dir = run->ctl->journal_dir;
    admind_journal_name_t *names = NULL;
    struct timespec now;
    bool good = true;
    size_t count = 0;
    int32_t today;

    if (admind_journal_names(&names, &count, dir) != MCPA_OK) {
        ctl_complain("%s: %s; name the journal with --journal or --config", dir, strerror(errno));
        return false;
    }
    if (count == 0) { /* "whole" would be no news of a journal that somebody took away */
        ctl_complain("%s: there is no journal file; name the journal with --journal or --config", dir);
        return false;
    }
    clock_gettime(CLOCK_REALTIME, &now); /* behind the listing: midnight may have passed */
    today = admind_journal_day((int64_t)now.tv_sec * 1000000);
    admind_journal_name_format(run->first, &names[0]);
    for (size_t i = 0; i < count && good; i++) {
        admind_journal_name_format(run->last, &names[i]);
        admind_verify_file(run->verify, &names[i], today);
        good = read_file(run, run->last, i + 1 == count);
    }
    free(names);
    return good;
}

/* ---- showing */

static void describe(char *text, size_t cap, const admind_fault_t *fault)
{
    unsigned long long seq = fault->seq, expected = fault->expected;

    switch (fault->kind) {
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
    printf(
        "This does not show whether a value was edited, or records cut off where an instance or the journal begins or ends.\n");
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

static bool has_filter(const ctl_t *ctl)
{
    return ctl->subject != NULL || ctl->client != NULL || ctl->address != NULL || ctl->location != NULL || ctl->reason != NULL ||
           ctl->decision != NULL || ctl->since != NULL || ctl->until != NULL || ctl->limit != NULL;
}

ctl_exit_t ctl_audit_verify(const ctl_t *ctl)
{
    ctl_exit_t result = CTL_UNREACHABLE;
    const admind_verified_t *found;
    run_t *run;

    if (has_filter(ctl)) {
        ctl_complain("audit verify looks at the whole journal: of the options for audit it takes --journal, --config and --json");
        return CTL_USAGE;
    }
    run = calloc(1, sizeof(*run));
    if (run == NULL || (run->verify = admind_verify_new(INSTANCES_MAX, keep_fault, run)) == NULL) {
        ctl_complain("out of memory");
        free(run);
        return CTL_UNREACHABLE;
    }
    run->ctl = ctl;
    if (read_journal(run)) {
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
