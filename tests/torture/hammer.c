/* SPDX-License-Identifier: Apache-2.0 */
/* The torture's load: an HTTP/1.1 client of many threads that notes, in a file it shares with the driver, what became of each
 * request.
 *
 *   hammer PORT MAP IDS THREADS RATE TOKEN      RATE: requests a second, all threads together
 *
 * MAP = header (4096 bytes, header_t) and IDS entries (entry_t). Request number n asks for /mcp/n or /on/n once and never again:
 * what broke gets no second try, a new number does. Words of the header: the driver writes stop, pause and agent_bytes, the
 * threads the rest; entry n belongs to the thread that drew n. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES   4096
#define THREADS_MAX    64
#define AGENT_MAX      900 /* a record keeps up to 1024 bytes of it */
#define ANSWER_MAX     8192
#define ANSWER_WAIT_MS 10000
#define PER_CONNECTION 100 /* so many requests at the most, then a new connection */

typedef struct header {
    _Atomic uint32_t next; /* number of the next request */
    _Atomic uint32_t stop, pause;
    _Atomic uint32_t agent_bytes; /* length of the User-Agent: how long a record is */
    _Atomic uint32_t busy;        /* requests without an end so far */
    _Atomic uint32_t refused;     /* connections that were not accepted */
    _Atomic uint32_t timeouts;    /* answers not waited for any longer: their requests may still be under way */
    _Atomic uint32_t strange;     /* answers that are none of HTTP's */
} header_t;

enum { KIND_REQUIRED, KIND_ON, KIND_REFUSED_REQUIRED, KIND_REFUSED_ON, KINDS };
/* Followed: complete, and the same connection answered another request later. A server answers a connection's requests one after
 * the other, so this one was over, record and all. */
enum { UNUSED, SENT, BEGUN, COMPLETE, FOLLOWED };

typedef struct entry {
    uint8_t kind, outcome;
    uint16_t status;
} entry_t;

typedef struct worker {
    pthread_t thread;
    int fd, left;
    bool has_last;
    uint32_t last; /* the connection's last complete request */
    unsigned random;
} worker_t;

static header_t *header;
static entry_t *entries;
static uint32_t ids;
static uint16_t port;
static int64_t interval_ns; /* between two requests of one thread */
static const char *token;

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

    (void)nanosleep(&t, NULL);
}

static void hang_up(worker_t *worker)
{
    if (worker->fd >= 0) {
        (void)close(worker->fd);
        worker->fd = -1;
    }
    worker->has_last = false;
}

static bool dial(worker_t *worker)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;

    if (worker->fd >= 0 && worker->left > 0) {
        return true;
    }
    hang_up(worker);
    worker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    worker->left = 1 + rand_r(&worker->random) % PER_CONNECTION;
    if (worker->fd >= 0 && connect(worker->fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) == 0) {
        (void)setsockopt(worker->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return true;
    }
    hang_up(worker);
    atomic_fetch_add(&header->refused, 1);
    return false;
}

static uint8_t draw_kind(worker_t *worker)
{
    int n = rand_r(&worker->random) % 100;

    return n < 60 ? KIND_REQUIRED : n < 88 ? KIND_ON : n < 94 ? KIND_REFUSED_REQUIRED : KIND_REFUSED_ON;
}

static bool send_request(worker_t *worker, uint32_t id)
{
    static const char agent[AGENT_MAX + 1] = { [0 ... AGENT_MAX - 1] = 'h' };
    uint8_t kind = entries[id].kind;
    bool refused = kind >= KIND_REFUSED_REQUIRED;
    uint32_t agent_bytes = atomic_load(&header->agent_bytes);
    char text[ANSWER_MAX + AGENT_MAX];
    int len = snprintf(text, sizeof(text),
                       "GET /%s/%u HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %.*s\r\nAuthorization: Bearer %s\r\n\r\n",
                       kind == KIND_REQUIRED || kind == KIND_REFUSED_REQUIRED ? "mcp" : "on", id,
                       (int)(agent_bytes < AGENT_MAX ? agent_bytes : AGENT_MAX), agent, refused ? "no.such.token" : token);

    return len > 0 && (size_t)len < sizeof(text) && send(worker->fd, text, (size_t)len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* 0 while the head is not whole; -1 for what is no answer with a length; else the whole answer's bytes. */
static ssize_t answer_bytes(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\nContent-Length:");

    if (end == NULL) {
        return 0;
    }
    if (length == NULL || length > end) {
        return -1;
    }
    return end + 4 - text + strtol(length + 17, NULL, 10);
}

/* The first bytes of an answer are here. */
static void note_begin(worker_t *worker, entry_t *entry, const char *text)
{
    if (entry->outcome != SENT || strlen(text) < 12) {
        return;
    }
    entry->status = (uint16_t)strtoul(text + 9, NULL, 10);
    entry->outcome = BEGUN;
    if (worker->has_last) {
        entries[worker->last].outcome = FOLLOWED;
    }
}

/* Whether the connection can be used again. */
static bool read_answer(worker_t *worker, entry_t *entry)
{
    struct pollfd wait = { .fd = worker->fd, .events = POLLIN };
    char text[ANSWER_MAX];
    size_t have = 0;
    ssize_t whole = 0;

    while (whole == 0 || (size_t)whole > have) {
        ssize_t n;

        if (poll(&wait, 1, ANSWER_WAIT_MS) == 0) {
            atomic_fetch_add(&header->timeouts, 1);
            return false;
        }
        n = recv(worker->fd, text + have, sizeof(text) - 1 - have, 0);
        if (n <= 0) {
            return false; /* the other end is gone, or the answer longer than any of ours */
        }
        have += (size_t)n;
        text[have] = '\0';
        note_begin(worker, entry, text);
        whole = whole != 0 ? whole : answer_bytes(text);
        if (whole < 0) {
            atomic_fetch_add(&header->strange, 1);
            return false;
        }
    }
    entry->outcome = COMPLETE;
    return strcasestr(text, "\r\nConnection: close") == NULL;
}

static void ask(worker_t *worker)
{
    uint32_t id = atomic_fetch_add(&header->next, 1);

    if (id >= ids) {
        atomic_store(&header->stop, 1);
        return;
    }
    entries[id].kind = draw_kind(worker);
    entries[id].outcome = SENT;
    worker->left--;
    if (!send_request(worker, id) || !read_answer(worker, &entries[id])) {
        hang_up(worker);
        return;
    }
    worker->has_last = true;
    worker->last = id;
}

static void *work(void *data)
{
    worker_t *worker = data;
    int64_t due = now_ns();

    while (!atomic_load(&header->stop)) {
        int64_t now = now_ns();

        if (atomic_load(&header->pause)) {
            hang_up(worker);
            sleep_ns(5000000);
            continue;
        }
        if (due > now) {
            sleep_ns(due - now);
        } else if (now - due > 200000000) {
            due = now; /* what was missed is not made up for */
        }
        due += interval_ns;
        /* Announced before the pause is looked at again, so that a driver that reads pause and no busy knows it is over. */
        atomic_fetch_add(&header->busy, 1);
        if (!atomic_load(&header->pause)) {
            if (dial(worker)) {
                ask(worker);
            } else {
                sleep_ns(20000000);
            }
        }
        atomic_fetch_sub(&header->busy, 1);
    }
    hang_up(worker);
    return NULL;
}

static void *map_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    size_t bytes = HEADER_BYTES + (size_t)ids * sizeof(entry_t);
    void *memory = fd >= 0 ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (fd >= 0) {
        (void)close(fd);
    }
    return memory == MAP_FAILED ? NULL : memory;
}

int main(int argc, char **argv)
{
    static worker_t workers[THREADS_MAX];
    unsigned long threads, rate;

    if (argc != 7) {
        (void)fprintf(stderr, "hammer PORT MAP IDS THREADS RATE TOKEN\n");
        return 2;
    }
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    ids = (uint32_t)strtoul(argv[3], NULL, 10);
    threads = strtoul(argv[4], NULL, 10);
    rate = strtoul(argv[5], NULL, 10);
    token = argv[6];
    header = map_file(argv[2]);
    if (header == NULL || threads == 0 || threads > THREADS_MAX || rate == 0) {
        (void)fprintf(stderr, "hammer: %s: cannot be mapped, or too many threads\n", argv[2]);
        return 2;
    }
    entries = (entry_t *)(void *)((char *)header + HEADER_BYTES);
    interval_ns = (int64_t)(1000000000UL * threads / rate);
    for (unsigned long i = 0; i < threads; i++) {
        workers[i].fd = -1;
        workers[i].random = (unsigned)(now_ns() + (int64_t)i * 7919);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            return 2;
        }
    }
    for (unsigned long i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
    return 0;
}
