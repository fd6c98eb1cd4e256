/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/orphans.h"
#include "base/crash.h"
#include "log.h"

#define OPENS_A_SLICE       128                       /* of files that turn out to be none to adopt: a millisecond or two */
#define SLICE_BYTES         131072                    /* thousands of short records: about ten milliseconds */
#define SEGMENT_MAX_BYTES   (16 * MCPA_SEGMENT_BYTES) /* larger ones are none of ours */

struct admind_adopt {
    admind_ingest_t *ingest;
    char *dir;
    uid_t peer_uid;
    admind_orphans_t orphans; /* what was found at the last look, in order */
    /* A segment of this instance could not be taken, so no later one may be until there is a new look from the beginning: what comes
     * before a journalled record counts as known or lost for ever. Names are sorted, so one instance at a time is enough. */
    unsigned char waiting[MCPA_INSTANCE_BYTES];
    bool is_waiting;
    admind_log_gate_t gate;

    int fd; /* the segment in work, locked; -1: none */
    admind_orphan_t name;
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t at, last_seq;
    bool done; /* read to its end: unlink when last_seq is durable */
    unsigned char bytes[SLICE_BYTES];
};

admind_adopt_t *admind_adopt_new(admind_ingest_t *ingest, const char *spool_dir, uid_t peer_uid,
                                 bool (*linked)(void *ctx, const unsigned char *instance), void *ctx)
{
    admind_adopt_t *adopt = calloc(1, sizeof(*adopt));

    if (adopt == NULL || (adopt->dir = strdup(spool_dir)) == NULL) {
        free(adopt);
        return NULL;
    }
    adopt->ingest = ingest;
    adopt->peer_uid = peer_uid;
    adopt->orphans = (admind_orphans_t){ .dir = adopt->dir, .linked = linked, .ctx = ctx };
    adopt->fd = -1;
    return adopt;
}

static void close_segment(admind_adopt_t *adopt)
{
    if (adopt->fd >= 0) {
        close(adopt->fd); /* and with it the lock */
        adopt->fd = -1;
    }
}

void admind_adopt_free(admind_adopt_t **adopt)
{
    if (*adopt == NULL) {
        return;
    }
    close_segment(*adopt);
    admind_orphans_clear(&(*adopt)->orphans);
    free((*adopt)->dir);
    free(*adopt);
    *adopt = NULL;
}

uint64_t admind_adopt_backlog_bytes(const admind_adopt_t *adopt)
{
    return adopt->orphans.backlog_bytes;
}

/* ---- one segment */

static void complain(admind_adopt_t *adopt, int64_t now_us, const char *name, const char *what)
{
    uint64_t held;

    if (admind_log_admit(&adopt->gate, now_us, &held)) {
        admind_log(ADMIND_WARNING, "MCPA2301", "spool: %s %s; it is left alone (%llu more such lines were held back)", name, what,
                   (unsigned long long)held);
    }
}

/* Nothing more of the segment in work, nor of those behind it, before the next look. */
static void wait_for_instance(admind_adopt_t *adopt)
{
    close_segment(adopt);
    memcpy(adopt->waiting, adopt->instance, sizeof(adopt->waiting));
    adopt->is_waiting = true;
}

/* A file that somebody could lock has no owner any more. What it is called, whose it is and what its header says must agree. NULL: it is to be
 * adopted; "": not now, its owner lives; else what is wrong with it. */
static const char *check_segment(const admind_adopt_t *adopt, int fd)
{
    unsigned char bytes[MCPA_SEGMENT_HEADER_BYTES];
    mcpa_segment_header_t header;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != adopt->peer_uid || st.st_nlink != 1 ||
        st.st_size > SEGMENT_MAX_BYTES || (st.st_mode & S_IWOTH) != 0) {
        return "is no segment file of PeerUser";
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return "";
    }
    n = pread(fd, bytes, sizeof(bytes), 0);
    if (n < 0) {
        return strerror(errno);
    }
    /* A header that is not there, or torn, says nothing: each record is checked against the name's instance by itself. */
    if (mcpa_segment_header_read(&header, bytes, (size_t)n) == MCPA_OK &&
        memcmp(header.instance, adopt->instance, sizeof(header.instance)) != 0) {
        return "is the segment of another child than its name says";
    }
    return NULL;
}

/* Opens and locks. false: not to be adopted now, nor what follows of the same instance. */
static bool open_segment(admind_adopt_t *adopt, const admind_orphan_t *name, int64_t now_us)
{
    const char *wrong;
    int dir = open(adopt->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : openat(dir, name->text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (dir >= 0) {
        close(dir);
    }
    if (fd < 0 && errno == ENOENT) {
        return true; /* its owner has taken it away: the journal has it */
    }
    wrong = fd >= 0 ? check_segment(adopt, fd) : errno == ELOOP || errno == ENXIO ? "is no file" : strerror(errno);
    if (wrong != NULL) {
        if (wrong[0] != '\0') {
            complain(adopt, now_us, name->text, wrong);
        }
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    adopt->fd = fd;
    adopt->name = *name;
    adopt->at = MCPA_SEGMENT_HEADER_BYTES;
    adopt->last_seq = 0;
    adopt->done = false;
    return true;
}

/* Opens the next segment of the queue that is to be adopted, if there is one among the next few. */
static void open_next(admind_adopt_t *adopt, int64_t now_us)
{
    const admind_orphan_t *name;

    for (int i = 0; i < OPENS_A_SLICE && adopt->fd < 0 && (name = admind_orphans_next(&adopt->orphans, adopt->instance)) != NULL; i++) {
        if (adopt->is_waiting && memcmp(adopt->waiting, adopt->instance, sizeof(adopt->waiting)) == 0) {
            continue;
        }
        if (adopt->orphans.linked(adopt->orphans.ctx, adopt->instance) || !open_segment(adopt, name, now_us)) {
            wait_for_instance(adopt);
        }
    }
}

/* The segment before the one in work is there: made after the look that found this one. */
static bool has_predecessor(const admind_adopt_t *adopt)
{
    unsigned long number = strtoul(adopt->name.text + 2 * MCPA_INSTANCE_BYTES + 1, NULL, 10);
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%.*s.%08lu", adopt->dir, 2 * MCPA_INSTANCE_BYTES, adopt->name.text, number - 1);

    return number > 0 && n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

/* false: start over later. */
static bool take(admind_adopt_t *adopt, const mcpa_envelope_t *envelope, int64_t now_us)
{
    admind_take_t verdict = ADMIND_TAKE_HOLE;

    if (adopt->last_seq != 0) {
        verdict =
            admind_ingest_take(adopt->ingest, adopt->instance, envelope->seq, envelope->payload, envelope->payload_len, now_us);
    }
    if (verdict == ADMIND_TAKE_HOLE) {
        if (adopt->last_seq == 0 && has_predecessor(adopt)) {
            return false;
        }
        /* Its predecessors were taken first, and its owner is dead: what is missing before this record is lost, and is journalled
         * so. */
        verdict = admind_ingest_begin(adopt->ingest, adopt->instance, envelope->seq, now_us);
        if (verdict == ADMIND_TAKEN) {
            verdict = admind_ingest_take(adopt->ingest, adopt->instance, envelope->seq, envelope->payload, envelope->payload_len,
                                         now_us);
        }
    }
    if (verdict == ADMIND_TAKE_DISK) {
        return false;
    }
    if (verdict == ADMIND_TAKEN && envelope->seq > adopt->last_seq) {
        adopt->last_seq = envelope->seq;
    }
    return true; /* an impossible number is passed over */
}

static void unlink_segment(admind_adopt_t *adopt, int64_t now_us)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", adopt->dir, adopt->name.text);

    if (n < 0 || (size_t)n >= sizeof(path) || (unlink(path) != 0 && errno != ENOENT)) {
        complain(adopt, now_us, adopt->name.text, "is in the journal but cannot be removed");
    } else {
        admind_log(ADMIND_INFO, "MCPA2303", "spool: adopted %s up to record %llu", adopt->name.text,
                   (unsigned long long)adopt->last_seq);
    }
}

static void read_slice(admind_adopt_t *adopt, int64_t now_us)
{
    ssize_t n = pread(adopt->fd, adopt->bytes, sizeof(adopt->bytes), (off_t)adopt->at);
    size_t used = 0;

    if (n < 0) {
        if (errno != EINTR) {
            complain(adopt, now_us, adopt->name.text, strerror(errno));
        }
        wait_for_instance(adopt);
        return;
    }
    while (!adopt->done) {
        mcpa_envelope_t envelope;
        size_t left = (size_t)n - used;

        /* A whole record may stand across the slice's end; the next slice begins with it. */
        if (left < MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES && (size_t)n == sizeof(adopt->bytes)) {
            break;
        }
        if (mcpa_envelope_open(&envelope, adopt->bytes + used, left, adopt->instance) != MCPA_OK) {
            MCPA_CRASH("adopt.read");
            if (MCPA_MUTANT("unlink_before_sync")) {
                unlink_segment(adopt, now_us);
                MCPA_CRASH("adopt.unlinked_early");
            }
            adopt->done = true; /* zeroes, the end, or the tail that the child died in: never committed */
        } else if (!take(adopt, &envelope, now_us)) {
            wait_for_instance(adopt);
            return;
        } else {
            used += envelope.total_len;
        }
    }
    adopt->at += used;
}

bool admind_adopt_run(admind_adopt_t *adopt, int64_t now_us)
{
    if (adopt->fd < 0) {
        if (!admind_orphans_any(&adopt->orphans) && admind_orphans_look(&adopt->orphans, now_us)) {
            adopt->is_waiting = false;
        }
        open_next(adopt, now_us);
    }
    if (adopt->fd >= 0 && !adopt->done) {
        read_slice(adopt, now_us);
    }
    return adopt->fd >= 0 || admind_orphans_any(&adopt->orphans);
}

void admind_adopt_committed(admind_adopt_t *adopt, int64_t now_us)
{
    if (adopt->fd < 0 || !adopt->done) {
        return;
    }
    if (admind_ingest_durable(adopt->ingest, adopt->instance) >= adopt->last_seq) {
        MCPA_CRASH("adopt.unlinking");
        unlink_segment(adopt, now_us);
        MCPA_CRASH("adopt.unlinked");
    }
    close_segment(adopt);
}

void admind_adopt_failed(admind_adopt_t *adopt)
{
    close_segment(adopt);
    admind_orphans_restart(&adopt->orphans); /* what was taken since the last commit must be read again */
}
