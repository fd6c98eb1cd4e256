/* SPDX-License-Identifier: Apache-2.0 */
/* feed SOCKET RECORDS LOCATIONS CODES RATE: children of httpd as the daemon sees them. Sends that many audit records over its socket, in the frames that
 * the module sends, and waits until all are acknowledged. They are an ordinary call's, spread over so many Locations and status codes, which makes
 * as many series. RATE: records a second, 0: as fast as the daemon takes them. Prints "records=N bytes=N seconds=S"; bytes: of the records. Runs as the
 * user that the daemon lets in. See daemon.py. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"
#include "wire/record.h"

#define BATCH 64 /* records of a frame: some 30 KiB */

typedef struct feed {
    int fd;
    unsigned char instance[MCPA_INSTANCE_BYTES];
    uint64_t sent, acked, bytes;
    unsigned long locations, codes;
    size_t in_len;
    unsigned char in[4096];
    unsigned char out[MCPA_FRAME_MAX_BYTES];
} feed_t;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Word and number: what differs from record to record. */
static mcpa_str_t text(char memory[64], const char *word, unsigned long number)
{
    int n = snprintf(memory, 64, "%s%lx", word, number);

    return (mcpa_str_t){ memory, n > 0 ? (size_t)n : 0 };
}

static size_t encode(feed_t *feed, unsigned char *at, size_t room)
{
    char location[64], subject[64], token[64], request[64];
    unsigned long n = (unsigned long)feed->sent;
    struct timespec now;
    mcpa_record_t record;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    mcpa_record_init(&record);
    record.ts = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    record.sub = text(subject, "alice.bobson-", n * 2654435761u % 100000);
    record.jti = text(token, "2f6d91c0-", n * 0x9e3779b97f4a7c15u);
    record.aud = MCPA_STR("https://mcp.example.com/mcp");
    record.method = MCPA_STR("POST");
    record.location = record.path = text(location, "/mcp/", n % feed->locations);
    record.status = (int64_t)(100 + (n / feed->locations + 100) % feed->codes % 500);
    record.latency_ms = 1500;
    record.bytes_in = 312;
    record.bytes_out = 1024;
    record.ip = MCPA_STR("192.0.2.117");
    record.user_agent = MCPA_STR("mcp-client/1.4 (linux; x86_64)");
    record.auth_method = MCPA_STR("jwt");
    record.iss = MCPA_STR("https://id.example.com/realms/main");
    record.client_id = MCPA_STR("desktop-client");
    record.scope = MCPA_STR("mcp:tools.read mcp:tools.exec");
    record.decision = MCPA_STR("allow");
    record.reason = MCPA_STR("ok");
    record.vhost = MCPA_STR("mcp.example.com");
    record.rpc_method = MCPA_STR("tools/call");
    record.rpc_name = MCPA_STR("search_documents");
    record.request_id = text(request, "aScX7Q", n * 0x9e3779b97f4a7c15u + 1);
    record.token_hash = MCPA_STR("0f1e2d3c4b5a6978");
    record.token_cache = MCPA_STR("hit");
    if (mcpa_record_encode(at + MCPA_ENVELOPE_BYTES, room - MCPA_ENVELOPE_BYTES, &len, &record) != MCPA_OK) {
        return 0;
    }
    mcpa_envelope_seal(at, feed->instance, ++feed->sent, len);
    feed->bytes += len;
    return MCPA_ENVELOPE_BYTES + len;
}

/* What came; acknowledgements only count. wait: until something comes. */
static void take(feed_t *feed, int wait)
{
    ssize_t n = recv(feed->fd, feed->in + feed->in_len, sizeof(feed->in) - feed->in_len, wait ? 0 : MSG_DONTWAIT);
    mcpa_frame_t frame;
    size_t used, at = 0;

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        fail("the daemon hung up");
    }
    feed->in_len += n > 0 ? (size_t)n : 0;
    while (mcpa_frame_read(&frame, &used, feed->in + at, feed->in_len - at) == MCPA_OK) {
        feed->acked = frame.type == MCPA_FRAME_ACK ? frame.acked : feed->acked;
        at += used;
    }
    memmove(feed->in, feed->in + at, feed->in_len - at);
    feed->in_len -= at;
}

static void send_all(feed_t *feed, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(feed->fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            fail("send");
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static void send_batch(feed_t *feed, uint64_t until)
{
    size_t len = MCPA_FRAME_RECORDS_HEAD_BYTES;
    uint32_t count = 0;

    while (count < BATCH && feed->sent < until) {
        size_t one = encode(feed, feed->out + len, sizeof(feed->out) - len);

        if (one == 0) {
            fail("encode");
        }
        len += one;
        count++;
    }
    mcpa_frame_records_head(feed->out, count, len - MCPA_FRAME_RECORDS_HEAD_BYTES);
    send_all(feed, feed->out, len);
}

static void say_hello(feed_t *feed, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mcpa_frame_t hello = { .type = MCPA_FRAME_HELLO, .pid = (uint32_t)getpid(), .next_seq = 1 };
    mcpa_out_t out;

    if (strlen(path) >= sizeof(address.sun_path) || getrandom(feed->instance, sizeof(feed->instance), 0) < 0) {
        fail(path);
    }
    memcpy(address.sun_path, path, strlen(path));
    feed->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (feed->fd < 0 || connect(feed->fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0) {
        fail(path);
    }
    memcpy(hello.instance, feed->instance, sizeof(feed->instance));
    mcpa_out_init(&out, (char *)feed->out, sizeof(feed->out));
    if (mcpa_frame_write(&out, &hello) != MCPA_OK) {
        fail("HELLO");
    }
    send_all(feed, feed->out, out.len);
    take(feed, 1);
}

int main(int argc, char **argv)
{
    static feed_t feed;
    uint64_t records;
    double rate, begun;

    if (argc != 6) {
        fprintf(stderr, "feed SOCKET RECORDS LOCATIONS CODES RATE\n");
        return 2;
    }
    records = strtoull(argv[2], NULL, 10);
    feed.locations = strtoul(argv[3], NULL, 10);
    feed.codes = strtoul(argv[4], NULL, 10);
    rate = strtod(argv[5], NULL);
    if (feed.locations == 0 || feed.codes == 0) {
        return 2;
    }
    say_hello(&feed, argv[1]);
    begun = now_s();
    while (feed.sent < records) {
        double ahead = rate > 0 ? (double)feed.sent / rate - (now_s() - begun) : 0;

        if (ahead > 0) {
            (void)usleep((useconds_t)(ahead * 1e6));
        }
        send_batch(&feed, records);
        take(&feed, 0);
    }
    while (feed.acked < records) {
        take(&feed, 1);
    }
    printf("records=%llu bytes=%llu seconds=%.6f\n", (unsigned long long)records, (unsigned long long)feed.bytes, now_s() - begun);
    return 0;
}
