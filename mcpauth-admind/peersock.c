/* SPDX-License-Identifier: Apache-2.0 */
#include "peersock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool fill(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    return (size_t)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path) < sizeof(address->sun_path);
}

/* Only a socket that nobody answers on is ours to remove. */
static bool clear_stale(const struct sockaddr_un *address, char *error, size_t cap)
{
    const char *path = address->sun_path;
    struct stat st;
    int probe, failure = 0;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT || (snprintf(error, cap, "%s: %s", path, strerror(errno)), false);
    }
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(error, cap, "%s: exists and is no socket; remove it or name another path", path);
        return false;
    }
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe >= 0 && connect(probe, (const struct sockaddr *)(const void *)address, sizeof(*address)) != 0) {
        failure = errno;
    }
    if (probe >= 0) {
        close(probe);
    }
    if (failure != ECONNREFUSED) {
        snprintf(error, cap, "%s: is in use, by another mcpauth-admind perhaps; stop it or name another path", path);
        return false;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        snprintf(error, cap, "%s: a stale socket cannot be removed: %s", path, strerror(errno));
        return false;
    }
    return true;
}

static bool set_access(const char *path, gid_t group)
{
    struct stat st;

    if (group == (gid_t)-1) {
        return chmod(path, 0600) == 0;
    }
    if (lstat(path, &st) != 0) {
        return false;
    }
    if (st.st_gid == group || lchown(path, (uid_t)-1, group) == 0) {
        return chmod(path, 0660) == 0;
    }
    return chmod(path, 0666) == 0;
}

int admind_unix_listen(const char *path, gid_t group, char *error, size_t cap)
{
    struct sockaddr_un address;
    int fd;

    if (!fill(&address, path)) {
        snprintf(error, cap, "%s: too long for a socket", path);
        return -1;
    }
    if (!clear_stale(&address, error, cap)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)) != 0) {
        snprintf(error, cap, "%s: %s", path, strerror(errno));
    } else if (!set_access(path, group) || listen(fd, SOMAXCONN) != 0) {
        snprintf(error, cap, "%s: %s", path, strerror(errno));
        unlink(path);
    } else {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

bool admind_unix_peer(int fd, uid_t *uid, pid_t *pid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return false;
    }
    *uid = peer.uid;
    *pid = peer.pid;
    return true;
}
