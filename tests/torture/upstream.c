/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX   512 /* more than two generations of httpd can have */
#define REQUEST_MAX 8192
#define MOMENT_MS   1

typedef struct piece {
    const char *path, *first, *rest;
} piece_t;

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
static const piece_t pieces[] = {
    { "/length/", HEAD "Content-Length: 40\r\n\r\nthe first half of it", "the other half of it" },
    { "/chunked/", HEAD "Transfer-Encoding: chunked\r\n\r\n14\r\nthe first half of it\r\n", "14\r\nthe other half of it\r\n0\r\n\r\n" },
};

typedef struct peer {
    const char *owed; /* the rest of an answer; NULL: none */
    size_t have;
    char request[REQUEST_MAX];
} peer_t;

static struct pollfd fds[PEERS_MAX + 1]; /* the last used one is free next; [0] listens */
static peer_t peers[PEERS_MAX + 1];
static nfds_t used = 1;

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static const piece_t *find_piece(const char *request)
{
    const char *path = strchr(request, ' ');

    for (size_t i = 0; path != NULL && i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        if (strncmp(path + 1, pieces[i].path, strlen(pieces[i].path)) == 0) {
            return &pieces[i];
        }
    }
    return NULL;
}

/* false: the connection is over. */
static bool listen_to(int fd, peer_t *peer)
{
    ssize_t n = recv(fd, peer->request + peer->have, REQUEST_MAX - 1 - peer->have, 0);
    const piece_t *piece;

    if (n <= 0) {
        return false;
    }
    peer->have += (size_t)n;
    peer->request[peer->have] = '\0';
    if (strstr(peer->request, "\r\n\r\n") == NULL) {
        return true;
    }
    peer->have = 0;
    piece = find_piece(peer->request);
    peer->owed = piece != NULL ? piece->rest : NULL;
    return piece != NULL && say(fd, piece->first);
}

static void drop(nfds_t at)
{
    (void)close(fds[at].fd);
    used--;
    fds[at] = fds[used];
    peers[at] = peers[used];
}

static void welcome(void)
{
    int one = 1;
    int fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (used > PEERS_MAX) {
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fds[used] = (struct pollfd){ .fd = fd, .events = POLLIN };
    peers[used] = (peer_t){ .owed = NULL };
    used++;
}

/* What was owed before this look is paid, then what has come is heard. */
static bool tend(nfds_t at)
{
    peer_t *peer = &peers[at];

    if (peer->owed != NULL) {
        const char *owed = peer->owed;

        peer->owed = NULL;
        return say(fds[at].fd, owed);
    }
    return fds[at].revents == 0 || listen_to(fds[at].fd, peer);
}

static void *serve(void *unused)
{
    for (;;) {
        int wait_ms = -1;

        for (nfds_t i = 1; i < used; i++) {
            wait_ms = peers[i].owed != NULL ? MOMENT_MS : wait_ms;
        }
        (void)poll(fds, used, wait_ms);
        for (nfds_t i = used; i-- > 1;) {
            if (!tend(i)) {
                drop(i);
            }
        }
        if (fds[0].revents != 0) {
            welcome();
        }
    }
    return unused;
}

bool upstream_start(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    pthread_t thread;

    fds[0] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN };
    return fds[0].fd >= 0 && setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
           bind(fds[0].fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0 && listen(fds[0].fd, 128) == 0 &&
           pthread_create(&thread, NULL, serve, NULL) == 0 && pthread_detach(thread) == 0;
}
