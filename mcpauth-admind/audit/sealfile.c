/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/sealfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "turn.h"

#define ORIGIN_FILE "seal-origin.key"

static bool path_of(char path[PATH_MAX], const char *dir, const char *name)
{
    errno = ENAMETOOLONG;
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

mcpa_status_t admind_sealfile_load(admind_seal_key_t *key, const char *dir)
{
    char path[PATH_MAX];
    mcpa_str_t text;
    mcpa_status_t status;

    if (!path_of(path, dir, ADMIND_SEAL_KEY_FILE)) {
        return MCPA_ETOOBIG;
    }
    status = admind_file_read(&text, path, ADMIND_SEAL_KEY_BYTES);
    if (status != MCPA_OK) {
        return status;
    }
    status = admind_seal_key_parse(key, text) ? MCPA_OK : MCPA_EMALFORMED;
    OPENSSL_cleanse((char *)text.ptr, text.len);
    free((char *)text.ptr);
    return status;
}

/* Of a file that was replaced: whoever has another link to it means to keep it. */
static bool is_nameless(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* The blocks of the old file outlive its name. */
static void wipe(int fd)
{
    if (!admind_file_wipe(fd)) {
        admind_log(ADMIND_DEBUG, "MCPA2137", "the blocks of the last seal key could not be written over: %s", strerror(errno));
    }
}

bool admind_sealfile_store(const admind_seal_key_t *key, const char *dir)
{
    char path[PATH_MAX], text[ADMIND_SEAL_KEY_BYTES];
    int old, saved;
    bool stored;

    if (!path_of(path, dir, ADMIND_SEAL_KEY_FILE)) {
        return false;
    }
    old = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    admind_seal_key_print(text, key);
    stored = admind_file_replace(path, mcpa_str(text), 0600) == MCPA_OK;
    saved = errno;
    OPENSSL_cleanse(text, sizeof(text));
    if (is_nameless(old)) { /* replaced, even when that could not be made sure */
        wipe(old);
    } else if (old >= 0) {
        close(old);
    }
    errno = saved;
    return stored;
}

/* -1: errno. */
static int create(char path[PATH_MAX], const char *dir, const char *name)
{
    return path_of(path, dir, name) ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
}

bool admind_sealfile_store_origin(const admind_seal_key_t *origin, const char *dir, bool first, char path[PATH_MAX])
{
    char name[64], id[2 * ADMIND_SEAL_ID_BYTES + 1], text[ADMIND_SEAL_KEY_BYTES];
    int fd = first ? create(path, dir, ORIGIN_FILE) : -1;
    bool stored;

    if (fd < 0) {
        mcpa_hex(id, origin->id, sizeof(origin->id));
        snprintf(name, sizeof(name), "seal-origin-%s.key", id);
        fd = create(path, dir, name);
    }
    if (fd < 0) {
        return false;
    }
    admind_seal_key_print(text, origin);
    stored = admind_write_all(fd, text, strlen(text)) && admind_turn_fsync(fd) == 0;
    OPENSSL_cleanse(text, sizeof(text));
    close(fd);
    if (!stored || !admind_dir_sync(path)) {
        int saved = errno;

        (void)admind_file_erase(path);
        errno = saved;
        return false;
    }
    return true;
}

void admind_sealfile_sweep(const char *dir)
{
    char path[PATH_MAX];

    if (path_of(path, dir, ADMIND_SEAL_KEY_FILE ".tmp") && !admind_file_erase(path)) {
        admind_log(ADMIND_WARNING, "MCPA2139", "%s holds a seal key and cannot be removed: %s", path, strerror(errno));
    }
}
