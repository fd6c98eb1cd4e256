/* SPDX-License-Identifier: Apache-2.0 */
/* A life of a child's spool and link under faults: it commits records of the greatest size over several segments, and some as promises, while its
 * link sends them to a daemon that the parent process plays, one that often hangs up. One call of the child's process fails. When it has ended, the
 * parent adopts the segments that are left.
 *
 * What must hold: a record whose commit was confirmed arrives, once; any other does not; what the child counts as lost stands in gap records, each
 * once; sequence numbers have no holes; a promise that was given is kept, unless it is writing that fails; and the child ends by itself. Where
 * syncing fails, commits wait for the disk. */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "ap_mpm.h"
#include "http_config.h"
#include "http_log.h"
#include "link.h"
#include "policy/issuer.h"

#define SPEED     100
#define RECORDS   220 /* of 15 KB: more than three segments */
#define PROMISES  7   /* every so many-th is one, with the record that fulfils it */
#define SEQS_MAX  1024
#define END_MS    60000
#define STOP_RUNS 40  /* slices for what is left to be sent */

/* What the child says of itself, in memory shared with the parent. */
typedef enum outcome { NOT_TRIED = 0, TRIED, CONFIRMED, REFUSED, BROKEN_PROMISE } outcome_t;
static struct shared {
    volatile outcome_t records[RECORDS + 1];
    volatile uint64_t lost;
    volatile bool ended;
} *shared;

/* What has arrived: by seq, the record's number, or minus as many as a gap tells of. */
static struct daemon {
    int64_t seqs[SEQS_MAX];
    uint64_t last;  /* without holes up to here */
    uint64_t acked;
    unsigned frames;
    int listener, fd;
    size_t in_len;
    unsigned char in[2 * MCPA_FRAME_MAX_BYTES];
    unsigned char instance[MCPA_INSTANCE_BYTES];
} played;

static char dir[96]; /* short enough for the socket in it */

/* ---- in httpd's place */

module AP_MODULE_DECLARE_DATA mcp_auth_module;

void ap_log_error_(const char *file, int line, int module_index, int level, apr_status_t status, const server_rec *s,
                   const char *fmt, ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    (void)fmt;
}

apr_status_t ap_mpm_query(int query_code, int *result)
{
    (void)query_code;
    *result = 1;
    return APR_SUCCESS;
}

/* ---- the child */

static void make_record(mcpa_record_t *record, unsigned number)
{
    static char text[MCPA_AUDIT_TEXT_MAX_BYTES];

    memset(text, 'x', sizeof(text));
    mcpa_record_init(record);
#define TEXT ((mcpa_str_t){ text, sizeof(text) })
    record->sub = record->jti = record->aud = record->path = record->user_agent = record->iss = TEXT;
    record->client_id = record->scope = record->location = record->vhost = record->rpc_method = record->rpc_name = TEXT;
    record->request_id = record->origin = TEXT;
    record->bytes_in = number;
}

static void commit(mod_mcp_spool_t *spool, unsigned number)
{
    mcpa_record_t record;

    make_record(&record, number);
    shared->records[number] = TRIED;
    shared->records[number] = mod_mcp_spool_commit(spool, &record) == MCPA_OK ? CONFIRMED : REFUSED;
}

/* Two records; the promise itself is no loss when it is not given. */
static void promise(mod_mcp_spool_t *spool, unsigned number)
{
    mcpa_record_t record;

    make_record(&record, number);
    shared->records[number] = TRIED;
    if (mod_mcp_spool_promise(spool, &record) != MCPA_OK) {
        shared->records[number] = NOT_TRIED;
        return;
    }
    shared->records[number] = CONFIRMED;
    make_record(&record, number + 1);
    shared->records[number + 1] = TRIED;
    shared->records[number + 1] = mod_mcp_spool_fulfil(spool, &record) == MCPA_OK ? CONFIRMED : BROKEN_PROMISE;
}

static int child(const mcpa_fault_plan_t *plan)
{
    static const mcpa_issuer_t *const issuers[] = { NULL };
    static server_rec server;
    char path[160], spool_dir[160];
    mod_mcp_spool_t *spool;
    mod_mcp_link_t *link;
    apr_pool_t *pool;

    (void)snprintf(path, sizeof(path), "%s/socket", dir);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", dir);
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return 1;
    }
    sweep_faults.speed(SPEED);
    sweep_faults.arm(plan);
    spool = mod_mcp_spool_new(pool, spool_dir, 64 * (apr_uint64_t)MCPA_SEGMENT_BYTES);
    link = mod_mcp_link_new(pool, &server, path, 1, spool, mod_mcp_keys_new(pool, dir, issuers, NULL, 0), NULL, NULL);
    if (strcmp(plan->function, "sync") == 0 && !mod_mcp_spool_sync_start(spool)) {
        return 1;
    }
    for (unsigned number = 1; number <= RECORDS; number++) {
        if (number % PROMISES == 0 && number < RECORDS) {
            promise(spool, number++);
        } else {
            commit(spool, number);
        }
        mod_mcp_link_run(link, number % 16 == 0 ? 50 : 0);
    }
    for (int i = 0; i < STOP_RUNS && mod_mcp_spool_oldest(spool) <= mod_mcp_spool_newest(spool); i++) {
        mod_mcp_link_run(link, 100);
    }
    mod_mcp_link_stop(link);
    if (!mod_mcp_spool_sync_end(spool, END_MS)) {
        return 1;
    }
    shared->lost = mod_mcp_spool_lost(spool);
    apr_pool_destroy(pool);
    sweep_faults.arm(NULL);
    shared->ended = true;
    return 0;
}

/* ---- the daemon that the parent plays */

static bool take_record(const mcpa_envelope_t *envelope)
{
    mcpa_record_t record;
    int64_t what;

    if (mcpa_record_decode(&record, envelope->payload, envelope->payload_len) != MCPA_OK || envelope->seq >= SEQS_MAX) {
        return sweep_wrong("record %" PRIu64 " cannot be read", envelope->seq);
    }
    what = record.event.ptr != NULL ? -record.lost : record.bytes_in;
    if (envelope->seq > played.last + 1) {
        return sweep_wrong("record %" PRIu64 " comes after %" PRIu64, envelope->seq, played.last);
    }
    if (envelope->seq <= played.last) {
        return played.seqs[envelope->seq] == what || what == -1 ||
               sweep_wrong("record %" PRIu64 " was %" PRId64 " and is %" PRId64, envelope->seq, played.seqs[envelope->seq], what);
    }
    played.seqs[++played.last] = what;
    return true;
}

/* *end: the bytes taken. */
static bool take_records(const unsigned char *bytes, size_t len, uint32_t count, size_t *end)
{
    mcpa_envelope_t envelope;

    *end = 0;
    for (uint32_t i = 0; i < count && mcpa_envelope_open(&envelope, bytes + *end, len - *end, played.instance) == MCPA_OK; i++) {
        if (!take_record(&envelope)) {
            return false;
        }
        *end += envelope.total_len;
    }
    return true;
}

static void hang_up(void)
{
    if (played.fd >= 0) {
        (void)close(played.fd);
    }
    played.fd = -1;
    played.in_len = 0;
}

static void answer(mcpa_frame_type_t type)
{
    mcpa_frame_t frame = { .type = type, .acked = played.acked };
    char memory[64];
    mcpa_out_t out;

    memcpy(frame.instance, played.instance, sizeof(frame.instance));
    mcpa_out_init(&out, memory, sizeof(memory));
    if (mcpa_frame_write(&out, &frame) != MCPA_OK) {
        abort();
    }
    (void)!send(played.fd, memory, out.len, MSG_NOSIGNAL);
}

static bool take_frame(const mcpa_frame_t *frame)
{
    size_t end;

    if (frame->type == MCPA_FRAME_HELLO) {
        memcpy(played.instance, frame->instance, sizeof(played.instance));
        if (frame->next_seq > played.last + 1) {
            return sweep_wrong("the child goes on at %" PRIu64 " after %" PRIu64, frame->next_seq, played.last);
        }
        answer(MCPA_FRAME_RESUME);
    } else if (frame->type == MCPA_FRAME_RECORDS) {
        if (!take_records(frame->records, frame->records_len, frame->count, &end)) {
            return false;
        }
        if (end != frame->records_len) {
            return sweep_wrong("the child sends a broken record");
        }
        played.acked = played.last;
        if (++played.frames % 8 == 0) {
            hang_up(); /* without an acknowledgement: they come again */
        } else {
            answer(MCPA_FRAME_ACK);
        }
    }
    return true;
}

static bool serve(void)
{
    struct pollfd fds[2] = { { .fd = played.listener, .events = POLLIN }, { .fd = played.fd, .events = POLLIN } };
    mcpa_frame_t frame;
    size_t used = 0;
    ssize_t n;

    (void)poll(fds, played.fd >= 0 ? 2 : 1, 1);
    if (played.fd < 0) {
        played.fd = accept(played.listener, NULL, NULL);
        return true;
    }
    n = recv(played.fd, played.in + played.in_len, sizeof(played.in) - played.in_len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        hang_up();
        return true;
    }
    played.in_len += n > 0 ? (size_t)n : 0;
    while (played.fd >= 0 && mcpa_frame_read(&frame, &used, played.in, played.in_len) == MCPA_OK) {
        if (!take_frame(&frame)) {
            return false;
        }
        if (played.fd >= 0) {
            memmove(played.in, played.in + used, played.in_len - used);
            played.in_len -= used;
        }
    }
    return true;
}

static int only_segments(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Whatever the child left, in order. */
static bool adopt(void)
{
    static unsigned char bytes[MCPA_SEGMENT_BYTES];
    struct dirent **found = NULL;
    char spool_dir[160], path[512];
    bool good = true;
    int n;

    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", dir);
    n = scandir(spool_dir, &found, only_segments, alphasort);
    for (int i = 0; i < n; i++) {
        ssize_t len;
        size_t end;
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", spool_dir, found[i]->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        len = read(fd, bytes, sizeof(bytes));
        (void)close(fd);
        if (played.last == 0) { /* it may never have been linked */
            memcpy(played.instance, bytes + 8, MCPA_INSTANCE_BYTES);
        }
        if (len > MCPA_SEGMENT_HEADER_BYTES) {
            good = good && take_records(bytes + MCPA_SEGMENT_HEADER_BYTES, (size_t)len - MCPA_SEGMENT_HEADER_BYTES, UINT32_MAX, &end);
        }
        free(found[i]);
    }
    free(found);
    return good;
}

/* ---- the account */

static bool account(const mcpa_fault_plan_t *plan)
{
    unsigned arrived[RECORDS + 1] = { 0 };
    bool reading = strcmp(plan->function, "read") == 0, writing = strcmp(plan->function, "write") == 0;
    bool syncing = strcmp(plan->function, "sync") == 0; /* what the disk did not confirm is refused, and may arrive */
    uint64_t gaps = 0, missing = 0, refused = 0;

    for (uint64_t seq = 1; seq <= played.last; seq++) {
        if (played.seqs[seq] < 0) {
            gaps += (uint64_t)-played.seqs[seq];
        } else {
            arrived[played.seqs[seq] % (RECORDS + 1)]++;
        }
    }
    for (unsigned number = 1; number <= RECORDS; number++) {
        outcome_t outcome = shared->records[number];

        if (arrived[number] > 1 || (arrived[number] == 1 && !syncing && outcome != CONFIRMED && outcome != TRIED)) {
            return sweep_wrong("record %u has outcome %d and arrived %u times; %s", number, (int)outcome, arrived[number], dir);
        }
        missing += outcome == CONFIRMED && arrived[number] == 0 ? 1 : 0;
        refused += (outcome == REFUSED || outcome == BROKEN_PROMISE) && arrived[number] == 0 ? 1 : 0;
        if (outcome == BROKEN_PROMISE && !writing && !syncing) {
            return sweep_wrong("promise %u was not kept; %s", number, dir);
        }
    }
    if (missing > 0 && !reading) {
        return sweep_wrong("%" PRIu64 " confirmed records are gone; %s", missing, dir);
    }
    if (!shared->ended) {
        return true;
    }
    if (reading) { /* what cannot be read back when it is to be sent a second time has arrived and counts as lost all the same */
        return (shared->lost >= refused + missing && gaps >= missing) ||
               sweep_wrong("%" PRIu64 " records are lost, the child counts %" PRIu64, refused + missing, shared->lost);
    }
    if (shared->lost != refused + missing) {
        return sweep_wrong("%" PRIu64 " records are lost, the child counts %" PRIu64 "; %s", refused + missing, shared->lost, dir);
    }
    return gaps == shared->lost || (plan->kind == MCPA_FAULT_ONWARD && gaps < shared->lost) ||
           sweep_wrong("%" PRIu64 " records are lost, the gaps tell of %" PRIu64 "; %s", shared->lost, gaps, dir);
}

static bool check_end(int status, const mcpa_fault_plan_t *plan)
{
    if (status == -1) {
        return sweep_wrong("the child does not end");
    }
    if (plan->kind == MCPA_FAULT_DIE && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return true;
    }
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || sweep_wrong("the child ended with status %d; %s", status, dir);
}

static bool live(const mcpa_fault_plan_t *plan)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int64_t end = sweep_now_ms() + END_MS;
    char path[160];
    int status = -1;
    bool good = true;
    pid_t pid;

    memset(shared, 0, sizeof(*shared));
    memset(&played, 0, offsetof(struct daemon, in));
    memset(played.instance, 0, sizeof(played.instance));
    (void)snprintf(path, sizeof(path), "%s/spool", dir);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
    played.fd = -1;
    played.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (mkdir(path, 0700) != 0 || played.listener < 0 ||
        bind(played.listener, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0 ||
        listen(played.listener, 8) != 0) {
        return sweep_wrong("the stage cannot be set in %s", dir);
    }
    pid = fork();
    if (pid == 0) {
        _exit(child(plan));
    }
    while (good && waitpid(pid, &status, WNOHANG) == 0 && sweep_now_ms() < end) {
        status = -1;
        good = serve();
    }
    if (status == -1) {
        status = sweep_wait(pid, good ? END_MS : 0);
    }
    while (good && played.fd >= 0) { /* what it sent before it ended */
        good = serve();
    }
    hang_up();
    (void)close(played.listener);
    return good && check_end(status, plan) && adopt() && account(plan);
}

static bool life(const mcpa_fault_plan_t *plan)
{
    bool good = sweep_make_dir(dir, sizeof(dir)) && live(plan);

    sweep_drop_dir(dir, good);
    return good;
}

int main(int argc, char **argv)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? 2 : sweep_main(argc, argv, life);
}
