/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peersock.h"

#define UNIX_PREFIX_BYTES 5 /* "unix:" */

bool admind_listener_is_unix(const char *address)
{
    return strncmp(address, "unix:", UNIX_PREFIX_BYTES) == 0;
}

/* Somebody may have taken the name away, or put something else there. */
static bool has_its_name(const admind_listener_t *listener)
{
    struct stat st;

    return lstat(listener->address + UNIX_PREFIX_BYTES, &st) == 0 && st.st_dev == listener->device &&
           st.st_ino == listener->inode;
}

static bool is_as_configured(const admind_listener_t *listener, const admind_config_t *config)
{
    return listener->address != NULL && strcmp(listener->address, config->listen) == 0 &&
           (!admind_listener_is_unix(config->listen) || (listener->group == config->peer_gid && has_its_name(listener)));
}

static int listen_tcp(const struct sockaddr_storage *address, socklen_t len, const char *text, char *error, size_t cap)
{
    const int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (address->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)(const void *)address, len) != 0 || listen(fd, 128) != 0) {
        snprintf(error, cap, "Listen %s: %s", text, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* Who may use a Unix socket is a matter of its directory and of PeerUser's group (Apache's ProxyPass unix:). */
static int listen_on(const admind_config_t *config, char *error, size_t cap)
{
    struct sockaddr_storage address;
    socklen_t len;

    if (admind_listener_is_unix(config->listen)) {
        return admind_unix_listen(config->listen + UNIX_PREFIX_BYTES, config->peer_gid, error, cap);
    }
    if (!admind_config_address(config->listen, &address, &len)) { /* was checked when it was read */
        snprintf(error, cap, "Listen %s: is no address", config->listen);
        return -1;
    }
    return listen_tcp(&address, len, config->listen, error, cap);
}

bool admind_listener_open(admind_listener_t *listener, const admind_config_t *config, char *error, size_t cap)
{
    struct stat st = { 0 };
    char *address;
    int fd;

    if (is_as_configured(listener, config)) {
        return true;
    }
    admind_listener_close(listener); /* another spelling of its address would meet it */
    fd = listen_on(config, error, cap);
    if (fd < 0) {
        return false;
    }
    address = strdup(config->listen);
    if (address == NULL || (admind_listener_is_unix(address) && lstat(address + UNIX_PREFIX_BYTES, &st) != 0)) {
        snprintf(error, cap, "Listen %s: %s", config->listen, strerror(errno));
        close(fd);
        free(address);
        return false;
    }
    *listener = (admind_listener_t){ address, fd, config->peer_gid, st.st_dev, st.st_ino };
    return true;
}

void admind_listener_close(admind_listener_t *listener)
{
    if (listener->address == NULL) {
        return;
    }
    if (admind_listener_is_unix(listener->address) && has_its_name(listener)) {
        unlink(listener->address + UNIX_PREFIX_BYTES);
    }
    close(listener->fd);
    free(listener->address);
    *listener = (admind_listener_t){ .address = NULL };
}
