/* SPDX-License-Identifier: Apache-2.0 */
#include "issuer/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/digest.h"
#include "base/text.h"
#include "files.h"

#define MAGIC          "mcpauth-issuer-keys 1\n"
#define FILE_MAX_BYTES 49152 /* 24 keys: 22 public and 2 private ones of 4096 bits; below what admind_file_wipe wipes */
#define LAST_BYTES     (sizeof("sha256 ") - 1 + 2 * MCPA_SHA256_BYTES + 1)

static const char *const stages[ADMIND_STAGE_COUNT] = { "next", "current", "old" };

static bool path_of(char path[PATH_MAX], const char *dir, const char *name)
{
    errno = ENAMETOOLONG;
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

bool admind_keystore_is_tight(const char *dir, uint32_t uid, char *why, size_t cap)
{
    struct stat st;

    if (lstat(dir, &st) != 0) {
        snprintf(why, cap, "%s; make it: install -d -m 0700 -o %u %s", strerror(errno), uid, dir);
    } else if (!S_ISDIR(st.st_mode)) {
        snprintf(why, cap, "is no directory; name a directory");
    } else if (st.st_uid != uid) {
        snprintf(why, cap, "belongs to uid %u; give it to the daemon's user: chown %u %s", (unsigned)st.st_uid, uid, dir);
    } else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        snprintf(why, cap, "is open to others (mode %04o); close it: chmod 0700 %s", (unsigned)(st.st_mode & 07777), dir);
    } else {
        return true;
    }
    return false;
}

/* ---- reading */

static bool digest_of(char hex[2 * MCPA_SHA256_BYTES + 1], mcpa_str_t text)
{
    unsigned char digest[MCPA_SHA256_BYTES];

    if (!mcpa_sha256(digest, text)) {
        return false;
    }
    mcpa_hex(hex, digest, sizeof(digest));
    return true;
}

static bool parse_stage(admind_stage_t *stage, mcpa_str_t word)
{
    for (admind_stage_t i = ADMIND_STAGE_NEXT; i < ADMIND_STAGE_COUNT; i++) {
        if (mcpa_str_eqz(word, stages[i])) {
            *stage = i;
            return true;
        }
    }
    return false;
}

static bool parse_line(admind_keyring_t *ring, mcpa_str_t line)
{
    mcpa_str_t stage, since, alg, der;
    admind_ringkey_t *key = &ring->keys[ring->count];
    uint64_t us;

    if (ring->count == ADMIND_KEYRING_MAX || !mcpa_text_next_word(&line, &stage) || !mcpa_text_next_word(&line, &since) ||
        !mcpa_text_next_word(&line, &alg) || !mcpa_text_next_word(&line, &der) || !parse_stage(&key->stage, stage) ||
        (key->stage != ADMIND_STAGE_OLD && admind_keyring_find(ring, key->stage) != NULL) || !mcpa_text_u64(since, &us) ||
        us > INT64_MAX || !admind_signkey_parse(&key->key, mcpa_alg_find(alg), key->stage != ADMIND_STAGE_OLD, der)) {
        return false;
    }
    key->since_us = (int64_t)us;
    ring->count++;
    return true;
}

static bool parse(admind_keyring_t *ring, mcpa_str_t text)
{
    char hex[2 * MCPA_SHA256_BYTES + 1];
    mcpa_str_t magic = MCPA_STR(MAGIC), body = { text.ptr, text.len - LAST_BYTES };

    if (text.len < magic.len + LAST_BYTES || !mcpa_str_starts(text, magic) || !digest_of(hex, body) ||
        memcmp(body.ptr + body.len, "sha256 ", 7) != 0 || memcmp(body.ptr + body.len + 7, hex, sizeof(hex) - 1) != 0 ||
        text.ptr[text.len - 1] != '\n') {
        return false;
    }
    for (const char *at = body.ptr + magic.len, *end = body.ptr + body.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        if (stop == NULL || !parse_line(ring, (mcpa_str_t){ at, (size_t)(stop - at) })) {
            return false;
        }
        at = stop + 1;
    }
    return admind_keyring_find(ring, ADMIND_STAGE_CURRENT) != NULL;
}

static bool is_private(const char *path)
{
    struct stat st;

    return lstat(path, &st) != 0 || (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0);
}

mcpa_status_t admind_keystore_load(admind_keyring_t *ring, const char *dir)
{
    admind_keyring_t read = { .count = 0 };
    char path[PATH_MAX];
    mcpa_str_t text;
    mcpa_status_t status;

    if (!path_of(path, dir, ADMIND_KEYSTORE_FILE)) {
        return MCPA_EIO;
    }
    if (!is_private(path)) {
        return MCPA_EUNSUPPORTED;
    }
    status = admind_file_read(&text, path, FILE_MAX_BYTES);
    if (status != MCPA_OK) {
        return status;
    }
    status = parse(&read, text) ? MCPA_OK : MCPA_EMALFORMED;
    OPENSSL_cleanse((char *)(uintptr_t)text.ptr, text.len);
    free((char *)(uintptr_t)text.ptr);
    if (status == MCPA_OK) {
        *ring = read;
    } else {
        admind_keyring_clear(&read);
    }
    return status;
}

/* ---- writing */

static bool print(mcpa_out_t *out, const admind_keyring_t *ring)
{
    char hex[2 * MCPA_SHA256_BYTES + 1];

    mcpa_out_z(out, MAGIC);
    for (size_t i = 0; i < ring->count; i++) {
        const admind_ringkey_t *key = &ring->keys[i];

        mcpa_out_printf(out, "%s %lld %s ", stages[key->stage], (long long)key->since_us, mcpa_alg_name(key->key.alg));
        admind_signkey_print(out, &key->key);
        mcpa_out_char(out, '\n');
    }
    if (mcpa_out_status(out) != MCPA_OK || !digest_of(hex, mcpa_out_get(out))) {
        return false;
    }
    mcpa_out_printf(out, "sha256 %s\n", hex);
    return mcpa_out_status(out) == MCPA_OK;
}

/* Replaced, even when that could not be made sure. A file that still has a name is somebody's, who made a link to keep it. */
static bool is_nameless(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* The blocks of the old file outlive its name. */
static bool replace(const char *path, mcpa_str_t text)
{
    int old = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), saved;
    bool stored = admind_file_replace(path, text, 0600) == MCPA_OK;

    saved = errno;
    if (is_nameless(old)) {
        (void)admind_file_wipe(old); /* as good as the file system writes in place */
    } else if (old >= 0) {
        close(old);
    }
    errno = saved;
    return stored;
}

bool admind_keystore_save(const admind_keyring_t *ring, const char *dir)
{
    char path[PATH_MAX], *memory = malloc(FILE_MAX_BYTES);
    mcpa_out_t out;
    bool stored = false;

    errno = ENOMEM;
    if (memory != NULL) {
        mcpa_out_init(&out, memory, FILE_MAX_BYTES);
        errno = EINVAL;
        stored = print(&out, ring) && path_of(path, dir, ADMIND_KEYSTORE_FILE) && replace(path, mcpa_out_get(&out));
        OPENSSL_cleanse(memory, FILE_MAX_BYTES);
    }
    free(memory);
    return stored;
}

admind_keymark_t admind_keystore_mark(const char *dir)
{
    char path[PATH_MAX];
    struct stat st;

    if (!path_of(path, dir, ADMIND_KEYSTORE_FILE) || lstat(path, &st) != 0) {
        return (admind_keymark_t){ .inode = 0 };
    }
    return (admind_keymark_t){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
}

bool admind_keystore_is_marked(const char *dir, const admind_keymark_t *mark)
{
    admind_keymark_t now = admind_keystore_mark(dir);

    return now.device == mark->device && now.inode == mark->inode && now.size == mark->size && now.written.tv_sec == mark->written.tv_sec &&
           now.written.tv_nsec == mark->written.tv_nsec;
}

void admind_keystore_sweep(const char *dir)
{
    char path[PATH_MAX];

    if (path_of(path, dir, ADMIND_KEYSTORE_FILE ".tmp")) {
        (void)admind_file_erase(path); /* a later save tries again */
    }
}

/* ---- the wish */

bool admind_keystore_wish(const char *dir, const char *kid)
{
    char path[PATH_MAX];
    int fd = path_of(path, dir, ADMIND_KEYSTORE_WISH) ?
                 open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644) : -1;
    bool ok = fd >= 0 && fchmod(fd, 0644) == 0 && admind_write_all(fd, kid, strlen(kid)); /* root's wish, and the daemon reads it */

    return fd >= 0 && close(fd) == 0 && ok;
}

bool admind_keystore_wishes(const char *dir, const char *kid)
{
    char path[PATH_MAX], text[ADMIND_SIGNKEY_KID_BYTES] = "";
    int fd = path_of(path, dir, ADMIND_KEYSTORE_WISH) ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

    if (fd >= 0) {
        close(fd);
    }
    return n > 0 && strcmp(text, kid) == 0;
}

bool admind_keystore_has_wish(const char *dir)
{
    char path[PATH_MAX];
    struct stat st;

    return path_of(path, dir, ADMIND_KEYSTORE_WISH) && lstat(path, &st) == 0;
}

void admind_keystore_drop_wish(const char *dir)
{
    char path[PATH_MAX];

    if (path_of(path, dir, ADMIND_KEYSTORE_WISH)) {
        (void)unlink(path);
    }
}
