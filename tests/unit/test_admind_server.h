/* SPDX-License-Identifier: Apache-2.0 */
/* A loopback HTTP(S) server on a thread of its own, for tests: each connection's request is read (head and Content-Length) and
 * handed to 'serve', which writes whatever it likes. */
#ifndef TEST_ADMIND_SERVER_H
#define TEST_ADMIND_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef TEST_SERVER_TLS
#include <openssl/ssl.h>
#else
#include <openssl/types.h>
#endif

#define SERVER_REQUEST_BYTES 65536

typedef struct server server_t;
struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    void (*serve)(server_t *server, const char *request);
    SSL_CTX *tls; /* NULL: plain */
    SSL *ssl;     /* of the connection being served */
    int connection;
    atomic_int connections, requests;
    atomic_bool stopping;
    char url[64];
};

/* With TEST_SERVER_TLS the program links libssl; without, server.tls stays NULL. */
#ifdef TEST_SERVER_TLS
static inline ssize_t server_tls_write(SSL *ssl, const char *bytes, size_t len)
{
    return SSL_write(ssl, bytes, (int)len);
}

static inline ssize_t server_tls_read(SSL *ssl, char *memory, size_t cap)
{
    return SSL_read(ssl, memory, (int)cap);
}

/* NULL: the handshake failed. */
static inline SSL *server_tls_accept(SSL_CTX *tls, int fd)
{
    SSL *ssl = SSL_new(tls);

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

static inline void server_tls_close(SSL *ssl)
{
    SSL_shutdown(ssl);
    SSL_free(ssl);
}
#else
#define server_tls_write(ssl, bytes, len) ((ssize_t)-1)
#define server_tls_read(ssl, memory, cap) ((ssize_t)-1)
#define server_tls_accept(tls, fd)        ((SSL *)NULL)
#define server_tls_close(ssl)             ((void)(ssl))
#endif

/* False when the peer is gone. */
static inline bool server_write(server_t *server, const char *bytes, size_t len)
{
    while (len > 0 && !server->stopping) {
        ssize_t n =
            server->ssl != NULL ? server_tls_write(server->ssl, bytes, len) : send(server->connection, bytes, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return !server->stopping;
}

static inline bool server_say(server_t *server, const char *text)
{
    return server_write(server, text, strlen(text));
}

/* A whole answer; headers: "Name: value\r\n" lines or "". */
static inline void server_answer(server_t *server, int status, const char *headers, const char *body)
{
    char head[1024];

    snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status, strlen(body), headers);
    server_say(server, head);
    server_say(server, body);
}

static inline void server_sleep_ms(server_t *server, int ms)
{
    for (int i = 0; i < ms && !server->stopping; i += 10) {
        usleep(10000);
    }
}

static inline ssize_t server_read(server_t *server, char *memory, size_t cap)
{
    struct pollfd ready = { .fd = server->connection, .events = POLLIN };

    if (server->ssl != NULL) {
        return server_tls_read(server->ssl, memory, cap);
    }
    while (!server->stopping) {
        if (poll(&ready, 1, 50) > 0) {
            return recv(server->connection, memory, cap, 0);
        }
    }
    return -1;
}

static inline bool server_has_whole(const char *request, size_t len)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");

    return end != NULL && (length == NULL || length > end || len >= (size_t)(end + 4 - request) + strtoul(length + 15, NULL, 10));
}

static inline void server_connection(server_t *server)
{
    char *request = calloc(1, SERVER_REQUEST_BYTES);
    size_t len = 0;
    ssize_t n;

    server->ssl = NULL;
    if (server->tls != NULL) {
        server->ssl = server_tls_accept(server->tls, server->connection);
        if (server->ssl == NULL) {
            free(request);
            return;
        }
    }
    while (len + 1 < SERVER_REQUEST_BYTES && !server_has_whole(request, len) &&
           (n = server_read(server, request + len, SERVER_REQUEST_BYTES - 1 - len)) > 0) {
        len += (size_t)n;
    }
    if (server_has_whole(request, len)) {
        server->requests++;
        server->serve(server, request);
    }
    if (server->ssl != NULL) {
        server_tls_close(server->ssl);
        server->ssl = NULL;
    }
    free(request);
}

static inline void *server_thread(void *ctx)
{
    server_t *server = ctx;
    struct pollfd ready = { .fd = server->fd, .events = POLLIN };

    while (!server->stopping) {
        if (poll(&ready, 1, 20) <= 0) {
            continue;
        }
        server->connection = accept(server->fd, NULL, NULL);
        if (server->connection >= 0) {
            server->connections++;
            server_connection(server);
            shutdown(server->connection, SHUT_WR);
            close(server->connection);
        }
    }
    return NULL;
}

static inline void server_start(server_t *server, void (*serve)(server_t *server, const char *request))
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);

    signal(SIGPIPE, SIG_IGN); /* SSL_write has no flag for it */
    server->serve = serve;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(server->fd, 64) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &len) != 0) {
        abort();
    }
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof(server->url), "%s://127.0.0.1:%u", server->tls != NULL ? "https" : "http", server->port);
    if (pthread_create(&server->thread, NULL, server_thread, server) != 0) {
        abort();
    }
}

static inline void server_stop(server_t *server)
{
    server->stopping = true;
    pthread_join(server->thread, NULL);
    close(server->fd);
}

#endif
