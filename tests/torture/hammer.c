/* SPDX-License-Identifier: Apache-2.0 */
/* The torture's load: an HTTP/1.1 client of many threads that notes, in a file it shares with the driver, what became of each
 * request, and the server behind those that are proxied.
 *
 *   hammer PORT UPSTREAM MAP IDS THREADS RATE {WEIGHT METHOD PLACE HEADERS}...
 *
 * PORT and UPSTREAM: httpd's, and the one to serve the proxied requests on. RATE: requests a second, all threads together. Each four words more are
 * a kind of request, drawn as often as its weight says against the others': METHOD PLACE/n with these header lines, each with its CRLF.
 *
 * MAP = header (4096 bytes, header_t) and IDS entries (entry_t). Request number n is sent once and never again: what broke gets no second try, a new
 * number does. Words of the header: the driver writes stop, pause and agent_bytes, the threads the rest; entry n belongs to the thread that drew n. */
#include "answer.h"
#include "upstream.h"

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
#define REQUEST_MAX    8192
#define READ_BYTES     16384
#define ANSWER_WAIT_MS 10000
#define PER_CONNECTION 100 /* so many requests at the most, then a new connection */
#define KINDS_MAX      32
#define WORDS          7 /* of the command line, before the kinds */
#define KIND_WORDS     4

typedef struct header {
    _Atomic uint32_t next; /* number of the next request */
    _Atomic uint32_t stop, pause;
    _Atomic uint32_t agent_bytes; /* length of the User-Agent: how long a record is */
    _Atomic uint32_t busy;        /* requests without an end so far */
    _Atomic uint32_t refused;     /* connections that were not accepted */
    _Atomic uint32_t timeouts;    /* answers not waited for any longer: their requests may still be under way */
    _Atomic uint32_t strange;     /* answers that are none of HTTP's */
} header_t;

/* Begun: with bytes enough for a status. Complete: to the last byte, as the answer itself tells its length. */
enum { UNUSED, SENT, BEGUN, COMPLETE };

typedef struct entry {
    uint8_t kind, outcome; /* number of the kind, as the command line has them */
    uint16_t status;
} entry_t;

typedef struct kind {
    int until; /* sum of the weights up to and with this one */
    const char *method, *place, *headers;
} kind_t;

typedef struct worker {
    pthread_t thread;
    int fd, left;
    unsigned random;
} worker_t;

static header_t *header;
static entry_t *entries;
static uint32_t ids;
static uint16_t port;
static int64_t interval_ns; /* between two requests of one thread */
static kind_t kinds[KINDS_MAX];
static unsigned n_kinds;

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
    int n = rand_r(&worker->random) % kinds[n_kinds - 1].until;
    uint8_t kind = 0;

    while (kinds[kind].until <= n) {
        kind++;
    }
    return kind;
}

static bool send_request(const worker_t *worker, uint32_t id)
{
    static const char agent[AGENT_MAX + 1] = { [0 ... AGENT_MAX - 1] = 'h' };
    const kind_t *kind = &kinds[entries[id].kind];
    uint32_t agent_bytes = atomic_load(&header->agent_bytes);
    char text[REQUEST_MAX];
    int len = snprintf(text, sizeof(text), "%s %s/%u HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %.*s\r\n%s\r\n", kind->method, kind->place, id,
                       (int)(agent_bytes < AGENT_MAX ? agent_bytes : AGENT_MAX), agent, kind->headers);

    return len > 0 && (size_t)len < sizeof(text) && send(worker->fd, text, (size_t)len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void note(entry_t *entry, const answer_t *answer)
{
    if (answer->status != 0) {
        entry->status = answer->status;
        entry->outcome = answer->state == ANSWER_WHOLE ? COMPLETE : BEGUN;
    }
    if (answer->state == ANSWER_STRANGE) {
        atomic_fetch_add(&header->strange, 1);
    }
}

/* Whether the connection can be used again. */
static bool read_answer(const worker_t *worker, entry_t *entry)
{
    struct pollfd wait = { .fd = worker->fd, .events = POLLIN };
    answer_t answer = { .to_head = strcmp(kinds[entry->kind].method, "HEAD") == 0 };
    char bytes[READ_BYTES];

    while (!answer_is_over(&answer)) {
        ssize_t n;

        if (poll(&wait, 1, ANSWER_WAIT_MS) == 0) {
            atomic_fetch_add(&header->timeouts, 1);
            return false;
        }
        n = recv(worker->fd, bytes, sizeof(bytes), 0);
        if (n <= 0) {
            return false; /* the other end is gone */
        }
        answer_take(&answer, bytes, (size_t)n);
        note(entry, &answer);
    }
    return answer.state == ANSWER_WHOLE && !answer.closes;
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
    }
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

/* false: they make no sense. */
static bool read_kinds(int argc, char **argv)
{
    int sum = 0;

    for (int at = WORDS; at + KIND_WORDS <= argc && n_kinds < KINDS_MAX; at += KIND_WORDS) {
        sum += (int)strtoul(argv[at], NULL, 10);
        kinds[n_kinds++] = (kind_t){ .until = sum, .method = argv[at + 1], .place = argv[at + 2], .headers = argv[at + 3] };
    }
    return sum > 0 && argc == WORDS + KIND_WORDS * (int)n_kinds;
}

static int run(unsigned long threads)
{
    static worker_t workers[THREADS_MAX];

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

int main(int argc, char **argv)
{
    unsigned long threads, rate;

    if (argc < WORDS || !read_kinds(argc, argv)) {
        (void)fprintf(stderr, "hammer PORT UPSTREAM MAP IDS THREADS RATE {WEIGHT METHOD PLACE HEADERS}...\n");
        return 2;
    }
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    ids = (uint32_t)strtoul(argv[4], NULL, 10);
    threads = strtoul(argv[5], NULL, 10);
    rate = strtoul(argv[6], NULL, 10);
    header = map_file(argv[3]);
    if (header == NULL || threads == 0 || threads > THREADS_MAX || rate == 0 || !upstream_start((uint16_t)strtoul(argv[2], NULL, 10))) {
        (void)fprintf(stderr, "hammer: %s cannot be mapped, or port %s not be had, or the numbers make no sense\n", argv[3], argv[2]);
        return 2;
    }
    entries = (entry_t *)(void *)((char *)header + HEADER_BYTES);
    interval_ns = (int64_t)(1000000000UL * threads / rate);
    return run(threads);
}
