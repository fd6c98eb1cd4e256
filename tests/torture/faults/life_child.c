/* SPDX-License-Identifier: Apache-2.0 */
#include "life_child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "audit/line.h"
#include "audit/reader.h"
#include "sweep.h"
#include "wire/record.h"

#define BATCH        3 /* records in one frame: a life has several commits */
#define WINDOW       9
#define DEAD_RECORDS 6 /* in each segment of a dead child */

static const unsigned char dead[2][MCPA_INSTANCE_BYTES] = { "dead one", "dead two" };
static const unsigned dead_segments[2] = { 2, 1 };

/* An envelope with a record in it; its bytes. */
static size_t seal_record(unsigned char *memory, const unsigned char *instance, uint64_t seq)
{
    mcpa_record_t record;
    size_t len = 0;

    mcpa_record_init(&record);
    record.ts = 1795262400000000;
    record.sub = MCPA_STR("alice");
    record.location = MCPA_STR("/mcp");
    record.status = 200;
    if (mcpa_record_encode(memory + MCPA_ENVELOPE_BYTES, MCPA_RECORD_MAX_BYTES, &len, &record) != MCPA_OK) {
        abort();
    }
    mcpa_envelope_seal(memory, instance, seq, len);
    return MCPA_ENVELOPE_BYTES + len;
}

/* ---- what the journal holds */

/* The file a position is in, as it is on disk now: plain, or compressed since. */
static bool find_journal_file(const char *journal, const admind_position_t *position, struct stat *st, bool *compressed)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", journal, position->file);
    *compressed = false;
    if (stat(path, st) == 0) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "%s/%s.gz", journal, position->file);
    *compressed = true;
    return stat(path, st) == 0;
}

typedef bool (*line_fn)(void *ctx, const admind_line_t *line, const admind_position_t *end);

static bool read_lines(admind_reader_t *reader, line_fn fn, void *ctx)
{
    admind_position_t end;
    admind_line_t line;
    mcpa_status_t status;
    mcpa_str_t text;
    bool go_on = true;

    while (go_on && (status = admind_reader_next(reader, &text)) == MCPA_OK) {
        admind_reader_position(reader, &end);
        if (admind_line_parse(&line, text) != MCPA_OK) {
            return sweep_wrong("%s holds a line that cannot be read: %.*s", end.file, MCPA_STR_ARG(text));
        }
        go_on = line.seal || fn(ctx, &line, &end);
        admind_line_clear(&line);
    }
    return !go_on || status == MCPA_ENOTFOUND || sweep_wrong("the journal cannot be read: %s", mcpa_status_word(status));
}

/* Calls fn for every record of the journal until it says false. false: it cannot be read, said already. */
static bool read_journal(const char *dir, line_fn fn, void *ctx)
{
    char journal[192], error[256] = "";
    admind_reader_t *reader;
    bool good;

    (void)snprintf(journal, sizeof(journal), "%s/journal", dir);
    reader = admind_reader_open(journal, NULL, error, sizeof(error));
    good = reader != NULL ? read_lines(reader, fn, ctx) : sweep_wrong("%s: %s", journal, error);
    admind_reader_close(&reader);
    return good;
}

typedef struct search {
    const child_t *child;
    uint64_t seq;
    bool durable, there;
} search_t;

static bool look_for(void *ctx, const admind_line_t *line, const admind_position_t *end)
{
    search_t *search = ctx;
    char journal[192];
    bool compressed;
    struct stat st;

    if (line->seq != search->seq || memcmp(line->instance, search->child->instance, MCPA_INSTANCE_BYTES) != 0) {
        return true;
    }
    (void)snprintf(journal, sizeof(journal), "%s/journal", search->child->dir);
    search->there = true;
    search->durable = find_journal_file(journal, end, &st, &compressed) &&
                      sweep_faults.synced(st.st_dev, st.st_ino) >= (compressed ? (uint64_t)st.st_size : end->offset);
    return !search->durable;
}

/* Whether an acknowledgement is honest. */
static bool check_ack(const child_t *child, uint64_t seq)
{
    search_t search = { .child = child, .seq = seq };

    if (seq < child->acked) {
        return sweep_wrong("the daemon acknowledged %" PRIu64 " and now only %" PRIu64 "", child->acked, seq);
    }
    if (seq > child->sent && seq > child->acked) {
        return sweep_wrong("the daemon acknowledges %" PRIu64 ", and %" PRIu64 " were sent", seq, child->sent);
    }
    if (seq > child->acked) {
        (void)read_journal(child->dir, look_for, &search);
        if (!search.durable) {
            return sweep_wrong("record %" PRIu64 " was acknowledged and is %s", seq, search.there ? "not synced" : "in no file");
        }
    }
    return true;
}

/* ---- the link */

void child_init(child_t *child, const char *dir, uint64_t total)
{
    memset(child, 0, offsetof(child_t, in));
    child->dir = dir;
    child->total = total;
    child->fd = -1;
    memcpy(child->instance, "linked", 7);
}

void child_hang_up(child_t *child)
{
    if (child->fd >= 0) {
        (void)close(child->fd);
    }
    child->fd = -1;
    child->up = false;
    child->in_len = 0;
}

static void say(child_t *child, const void *bytes, size_t len)
{
    if (child->fd >= 0 && send(child->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
        child_hang_up(child);
    }
}

static void reach(child_t *child)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mcpa_frame_t hello = { .type = MCPA_FRAME_HELLO, .pid = 1, .next_seq = child->acked + 1 };
    const struct timespec nap = { .tv_nsec = 1000000 };
    char memory[256];
    mcpa_out_t out;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", child->dir);
    child->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (child->fd < 0 || connect(child->fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0) {
        child_hang_up(child);
        (void)nanosleep(&nap, NULL);
        return;
    }
    memcpy(hello.instance, child->instance, sizeof(hello.instance));
    mcpa_out_init(&out, memory, sizeof(memory));
    if (mcpa_frame_write(&out, &hello) != MCPA_OK) {
        abort();
    }
    say(child, memory, out.len);
}

static void send_records(child_t *child)
{
    unsigned char memory[MCPA_FRAME_RECORDS_HEAD_BYTES + BATCH * (MCPA_ENVELOPE_BYTES + 256)];
    size_t len = MCPA_FRAME_RECORDS_HEAD_BYTES;
    uint32_t count = 0;

    while (count < BATCH && child->sent < child->total && child->sent < child->acked + WINDOW) {
        unsigned char one[MCPA_ENVELOPE_BYTES + MCPA_RECORD_MAX_BYTES];
        size_t n = seal_record(one, child->instance, ++child->sent);

        memcpy(memory + len, one, n);
        len += n;
        count++;
    }
    if (count > 0) {
        mcpa_frame_records_head(memory, count, len - MCPA_FRAME_RECORDS_HEAD_BYTES);
        say(child, memory, len);
    }
}

static bool take(child_t *child, const mcpa_frame_t *frame)
{
    switch (frame->type) {
    case MCPA_FRAME_RESUME:
    case MCPA_FRAME_ACK:
        if (!check_ack(child, frame->acked)) {
            return false;
        }
        child->acked = frame->acked;
        if (frame->type == MCPA_FRAME_RESUME) {
            child->sent = child->acked;
            child->up = true;
        }
        return true;
    case MCPA_FRAME_BYE:
        child_hang_up(child);
        return true;
    default:
        return sweep_wrong("the daemon sends a frame of type %d", (int)frame->type);
    }
}

static bool listen_to(child_t *child)
{
    struct pollfd waiting = { .fd = child->fd, .events = POLLIN };
    mcpa_frame_t frame;
    size_t used = 0;
    ssize_t n;

    if (poll(&waiting, 1, 2) != 1) {
        return true;
    }
    n = recv(child->fd, child->in + child->in_len, sizeof(child->in) - child->in_len, MSG_DONTWAIT);
    if (n <= 0) {
        child_hang_up(child);
        return true;
    }
    child->in_len += (size_t)n;
    while (child->fd >= 0 && mcpa_frame_read(&frame, &used, child->in, child->in_len) == MCPA_OK) {
        if (!take(child, &frame)) {
            return false;
        }
        if (child->fd >= 0) {
            memmove(child->in, child->in + used, child->in_len - used);
            child->in_len -= used;
        }
    }
    return true;
}

bool child_talk(child_t *child)
{
    if (child->fd < 0) {
        reach(child);
        return true;
    }
    if (child->up) {
        send_records(child);
    }
    return child->fd < 0 || listen_to(child);
}

/* ---- the dead */

static bool leave_segment(const char *dir, const unsigned char *instance, unsigned number)
{
    static unsigned char bytes[65536];
    mcpa_segment_header_t header = { .first_seq = 1 + (uint64_t)number * DEAD_RECORDS, .size = MCPA_SEGMENT_BYTES };
    size_t len = MCPA_SEGMENT_HEADER_BYTES;
    char hex[2 * MCPA_INSTANCE_BYTES + 1], path[256];
    bool good;
    int fd;

    memcpy(header.instance, instance, MCPA_INSTANCE_BYTES);
    mcpa_segment_header_write(bytes, &header);
    for (uint64_t seq = header.first_seq; seq < header.first_seq + DEAD_RECORDS; seq++) {
        len += seal_record(bytes + len, instance, seq);
    }
    memcpy(bytes + len, "\x20\0\0\0torn", 8);
    mcpa_hex(hex, instance, MCPA_INSTANCE_BYTES);
    (void)snprintf(path, sizeof(path), "%s/spool/%s.%08u", dir, hex, number);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    good = fd >= 0 && write(fd, bytes, len + 8) == (ssize_t)len + 8 && ftruncate(fd, MCPA_SEGMENT_BYTES) == 0;
    (void)close(fd);
    return good;
}

bool child_leave_segments(const char *dir)
{
    bool good = true;

    for (size_t i = 0; i < 2; i++) {
        for (unsigned number = 0; number < dead_segments[i]; number++) {
            good = good && leave_segment(dir, dead[i], number);
        }
    }
    return good;
}

/* ---- the end */

typedef struct tally {
    const unsigned char *instance;
    uint64_t next;
    bool good;
} tally_t;

static bool count(void *ctx, const admind_line_t *line, const admind_position_t *end)
{
    tally_t *tally = ctx;

    (void)end;
    if (memcmp(line->instance, tally->instance, MCPA_INSTANCE_BYTES) != 0) {
        return true;
    }
    if (line->record.event.ptr != NULL) {
        tally->good = sweep_wrong("%s: the journal has a %.*s at %" PRIu64 "", (const char *)tally->instance,
                                  MCPA_STR_ARG(line->record.event), line->seq);
    } else if (line->seq != tally->next) {
        tally->good = sweep_wrong("%s: the journal goes on with %" PRIu64 ", not %" PRIu64 "", (const char *)tally->instance, line->seq, tally->next);
    }
    tally->next = line->seq + 1;
    return tally->good;
}

static bool check(const char *dir, const unsigned char *instance, uint64_t total)
{
    tally_t tally = { .instance = instance, .next = 1, .good = true };

    if (!read_journal(dir, count, &tally) || !tally.good) {
        return false;
    }
    return tally.next == total + 1 ||
           sweep_wrong("%s: the journal ends with %" PRIu64 " of %" PRIu64 "", (const char *)instance, tally.next - 1, total);
}

bool child_check_journal(const char *dir, const child_t *child)
{
    return check(dir, child->instance, child->total);
}

bool child_check_dead(const char *dir)
{
    for (size_t i = 0; i < 2; i++) {
        if (!check(dir, dead[i], (uint64_t)dead_segments[i] * DEAD_RECORDS)) {
            return false;
        }
    }
    return true;
}
