/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "log.h"

#define NAME_CHARS          (2 * MCPA_INSTANCE_BYTES + 1 + 8) /* "<instance in hex>.<number>" */
#define TEMPORARY           ".tmp-"
#define TEMPORARY_MAX_AGE_S 3600
#define QUEUE_MAX           16384                     /* segments in one look; the next one goes on behind them */
#define OPENS_A_SLICE       128                       /* of files that turn out to be none to adopt: a millisecond or two */
#define SLICE_BYTES         131072                    /* thousands of short records: about ten milliseconds */
#define SEGMENT_MAX_BYTES   (16 * MCPA_SEGMENT_BYTES) /* larger ones are none of ours */

typedef struct name {
    char text[NAME_CHARS + 1];
} name_t;

struct admind_adopt {
    admind_ingest_t *ingest;
    char *dir;
    uid_t peer_uid;
    bool (*linked)(void *ctx, const unsigned char *instance);
    void *ctx;
    name_t *queue; /* sorted, so segments of one instance come in order */
    size_t count, next;
    bool is_cut;  /* there were more */
    name_t after; /* the next look is for names behind this one; "": for all */
    /* A segment of this instance could not be taken, so no later one may be until there is a new look from the beginning: what comes
     * before a journalled record counts as known or lost for ever. Names are sorted, so one instance at a time is enough. */
    unsigned char waiting[MCPA_INSTANCE_BYTES];
    bool is_waiting;
    uint64_t backlog_bytes;
    admind_log_gate_t gate;

    int fd; /* the segment in work, locked; -1: none */
    name_t name;
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
    adopt->linked = linked;
    adopt->ctx = ctx;
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
    free((*adopt)->queue);
    free((*adopt)->dir);
    free(*adopt);
    *adopt = NULL;
}

uint64_t admind_adopt_backlog_bytes(const admind_adopt_t *adopt)
{
    return adopt->backlog_bytes;
}

/* ---- looking */

static bool parse_name(const char *name, unsigned char *instance)
{
    if (strlen(name) != NAME_CHARS || strspn(name, "0123456789abcdef") != 2 * MCPA_INSTANCE_BYTES ||
        name[2 * MCPA_INSTANCE_BYTES] != '.' || strspn(name + 2 * MCPA_INSTANCE_BYTES + 1, "0123456789") != 8) {
        return false;
    }
    for (size_t i = 0; i < MCPA_INSTANCE_BYTES; i++) {
        char pair[3] = { name[2 * i], name[2 * i + 1], '\0' };

        instance[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

static void sweep_temporary(int at, const char *name, int64_t now_us)
{
    struct stat st;

    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_mtime + TEMPORARY_MAX_AGE_S < now_us / 1000000) {
        unlinkat(at, name, 0);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const name_t *)a)->text, ((const name_t *)b)->text);
}

/* Only the first QUEUE_MAX names behind 'after' are kept; the rest is for the next look. */
static void cut_queue(admind_adopt_t *adopt)
{
    if (adopt->count > 0) {
        qsort(adopt->queue, adopt->count, sizeof(adopt->queue[0]), compare);
    }
    if (adopt->count > QUEUE_MAX) {
        adopt->count = QUEUE_MAX;
        adopt->is_cut = true;
    }
}

/* false: no memory; then nothing of this look may be used, because a segment without its predecessors would make them lost. */
static bool note_segment(admind_adopt_t *adopt, int at, const char *name, const unsigned char *instance, size_t *cap)
{
    struct stat st;

    if (adopt->linked(adopt->ctx, instance)) {
        return true;
    }
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        adopt->backlog_bytes += (uint64_t)st.st_size;
    }
    if (strcmp(name, adopt->after.text) <= 0) {
        return true;
    }
    if (adopt->count == 2 * QUEUE_MAX) {
        cut_queue(adopt);
    }
    if (adopt->count == *cap) {
        name_t *grown = realloc(adopt->queue, (*cap + 256) * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        adopt->queue = grown;
        *cap += 256;
    }
    memcpy(adopt->queue[adopt->count++].text, name, NAME_CHARS + 1);
    return true;
}

/* false: not everything that is there was seen. */
static bool read_names(admind_adopt_t *adopt, DIR *dir, int64_t now_us)
{
    unsigned char instance[MCPA_INSTANCE_BYTES];
    const struct dirent *entry;
    size_t cap = 0;

    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (parse_name(entry->d_name, instance)) {
            if (!note_segment(adopt, dirfd(dir), entry->d_name, instance, &cap)) {
                return false;
            }
        } else if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0) {
            sweep_temporary(dirfd(dir), entry->d_name, now_us);
        }
    }
    return errno == 0;
}

static void look(admind_adopt_t *adopt, int64_t now_us)
{
    DIR *dir = opendir(adopt->dir);

    free(adopt->queue);
    adopt->queue = NULL;
    adopt->count = adopt->next = 0;
    adopt->is_cut = false;
    adopt->backlog_bytes = 0;
    if (dir == NULL) {
        return;
    }
    if (adopt->after.text[0] == '\0') {
        adopt->is_waiting = false;
    }
    if (!read_names(adopt, dir, now_us)) {
        adopt->count = 0;
        adopt->is_cut = false;
    }
    closedir(dir);
    cut_queue(adopt);
    adopt->after = adopt->is_cut ? adopt->queue[adopt->count - 1] : (name_t){ "" };
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
static bool open_segment(admind_adopt_t *adopt, const name_t *name, int64_t now_us)
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
    for (int i = 0; i < OPENS_A_SLICE && adopt->fd < 0 && adopt->next < adopt->count; i++) {
        const name_t *name = &adopt->queue[adopt->next++];

        if (!parse_name(name->text, adopt->instance) ||
            (adopt->is_waiting && memcmp(adopt->waiting, adopt->instance, sizeof(adopt->waiting)) == 0)) {
            continue;
        }
        if (adopt->linked(adopt->ctx, adopt->instance) || !open_segment(adopt, name, now_us)) {
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
        if (adopt->next == adopt->count) {
            look(adopt, now_us);
        }
        open_next(adopt, now_us);
    }
    if (adopt->fd >= 0 && !adopt->done) {
        read_slice(adopt, now_us);
    }
    return adopt->fd >= 0 || adopt->next < adopt->count;
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
    adopt->next = adopt->count; /* look afresh: what was taken since the last commit must be read again */
    adopt->after = (name_t){ "" };
}
