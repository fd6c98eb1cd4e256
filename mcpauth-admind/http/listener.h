/* SPDX-License-Identifier: Apache-2.0 */
/* The socket that HTTP is taken on. It outlives a reload, so that a request which comes meanwhile waits for its answer instead of being refused. */
#ifndef ADMIND_HTTP_LISTENER_H
#define ADMIND_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"

typedef struct admind_listener {
    char *address; /* as configured; NULL: closed, and nothing below means anything */
    int fd;
    gid_t group; /* those below: of a Unix socket */
    dev_t device;
    ino_t inode;
} admind_listener_t;

/* Whether that is a Listen of a Unix socket. */
bool admind_listener_is_unix(const char *address);
/* Listens as config says: as it did, when that is what config says, else anew, after closing what was open. false: error (cap bytes) says why, and it is
 * closed. A zeroed one is closed. Loop's thread. */
bool admind_listener_open(admind_listener_t *listener, const admind_config_t *config, char *error, size_t cap);
/* Also takes a Unix socket's name away where it is still ours. Closing a closed one does nothing. */
void admind_listener_close(admind_listener_t *listener);

#endif
