/* SPDX-License-Identifier: Apache-2.0 */
/* Listening on a Unix socket that nobody else can take, replace or keep. */
#ifndef ADMIND_PEERSOCK_H
#define ADMIND_PEERSOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* A listening, non-blocking stream socket at path; -1 with error (cap bytes). A dead daemon's socket is replaced; a living one's
 * and whatever is no socket is left alone. group: may connect, where the daemon may give the socket away or the directory does it
 * (set-group-ID); where neither is possible the socket is open to all, and the caller's check of the peer's uid is the guard.
 * (gid_t)-1: for the owner alone. */
int admind_unix_listen(const char *path, gid_t group, char *error, size_t cap);
/* uid and pid of the process that connected; false with errno. */
bool admind_unix_peer(int fd, uid_t *uid, pid_t *pid);

#endif
