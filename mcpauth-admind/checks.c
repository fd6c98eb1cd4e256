/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "credential.h"
#include "files.h"
#include "issuer/keystore.h"

#define SECRET_MIN_BYTES      16 /* 128 bits when random */
#define FORWARD_HEADERS_BYTES 16384

typedef struct where {
    const admind_config_t *config;
    char *error;
    size_t cap;
} where_t;

/* "file:line: Key PATH: what; mend". Without a line the default is meant, and the message says so. */
static bool refuse(const where_t *where, const char *key, const char *path, const char *format, ...) MCPA_PRINTF(4, 5);
static bool refuse(const where_t *where, const char *key, const char *path, const char *format, ...)
{
    unsigned line = admind_config_line(where->config, key);
    mcpa_out_t out;
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    mcpa_out_init(&out, where->error, where->cap);
    mcpa_out_z(&out, where->config->path);
    if (line != 0) {
        mcpa_out_printf(&out, ":%u", line);
    }
    mcpa_out_printf(&out, ": %s %s%s: %s", key, path, line == 0 ? " (the default)" : "", text);
    return false;
}

static bool check_directory(const where_t *where, const char *key, const char *path, struct stat *st)
{
    if (stat(path, st) != 0) {
        return refuse(where, key, path, "%s; make it: install -d -m 0755 %s", strerror(errno), path);
    }
    if (!S_ISDIR(st->st_mode)) {
        return refuse(where, key, path, "is no directory; name a directory");
    }
    return true;
}

/* Whoever may write to a directory may replace what is in it. Root may anyway. */
static bool check_tight(const where_t *where, const char *key, const char *path, bool may_be_root, mode_t forbidden)
{
    struct stat st;

    if (!check_directory(where, key, path, &st)) {
        return false;
    }
    if (st.st_uid != geteuid() && !(may_be_root && st.st_uid == 0)) {
        return refuse(where, key, path, "belongs to uid %u; give it to the daemon's user: chown %u %s", (unsigned)st.st_uid,
                      (unsigned)geteuid(), path);
    }
    if ((st.st_mode & forbidden) != 0) {
        return refuse(where, key, path, "is open to others (mode %04o); close it: chmod %04o %s", (unsigned)(st.st_mode & 07777),
                      (unsigned)(st.st_mode & 07777 & ~forbidden), path);
    }
    return true;
}

static bool check_writable(const where_t *where, const char *key, const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0 ||
           refuse(where, key, path, "the daemon (uid %u) may not write here; give it to the daemon's user or group",
                  (unsigned)geteuid());
}

/* httpd's children write their segments here and the daemon takes them away: the owner is PeerUser, the daemon comes in by the
 * group. */
static bool check_spool(const where_t *where)
{
    const admind_config_t *config = where->config;
    struct stat st;

    if (!check_directory(where, "SpoolDir", config->spool_dir, &st)) {
        return false;
    }
    if (st.st_uid != config->peer_uid) {
        return refuse(where, "SpoolDir", config->spool_dir, "belongs to uid %u, not to PeerUser %s; chown %s %s",
                      (unsigned)st.st_uid, config->peer_user, config->peer_user, config->spool_dir);
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        return refuse(where, "SpoolDir", config->spool_dir, "may be written to by everybody; chmod o-w %s", config->spool_dir);
    }
    if ((st.st_mode & S_IWGRP) != 0 && st.st_gid != getegid() && st.st_gid != config->peer_gid && !group_member(st.st_gid)) {
        return refuse(where, "SpoolDir", config->spool_dir,
                      "may be written to by group %u, which is not the daemon's; chgrp %u %s", (unsigned)st.st_gid,
                      (unsigned)getegid(), config->spool_dir);
    }
    return check_writable(where, "SpoolDir", config->spool_dir);
}

static bool check_parent(const where_t *where, const char *key, const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');

    snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return check_tight(where, key, dir, true, S_IWGRP | S_IWOTH) && check_writable(where, key, dir);
}

static bool check_directories(const where_t *where)
{
    const admind_config_t *config = where->config;
    char keys[PATH_MAX];

    snprintf(keys, sizeof(keys), "%s/keys", config->state_dir);
    return check_tight(where, "StateDir", config->state_dir, true, S_IWGRP | S_IWOTH) &&
           check_tight(where, "StateDir", keys, false, S_IWGRP | S_IWOTH) && check_writable(where, "StateDir", keys) &&
           check_spool(where) && check_tight(where, "JournalDir", config->journal_dir, false, S_IWGRP | S_IRWXO) &&
           check_writable(where, "JournalDir", config->journal_dir) && check_parent(where, "Socket", config->socket) &&
           (strncmp(config->listen, "unix:", 5) != 0 || check_parent(where, "Listen", config->listen + 5));
}

/* A check alone is no failure for want of what only the service manager hands over. */
static bool is_unseen(admind_config_t *config, const char *path)
{
    bool unseen = config->check_only && admind_credential_is_missing(path);

    config->unseen |= unseen;
    return unseen;
}

/* A file that nobody else may read. what: how to make it. */
static bool check_private(const where_t *where, const char *key, const char *path, const char *what)
{
    mode_t forbidden = admind_credential_is_handed(path) ? 0137 : 0177;
    struct stat st;

    if (admind_credential_is_missing(path)) {
        return refuse(where, key, path, "nobody hands over credentials here; let systemd start the daemon, with LoadCredential=, or name a file");
    }
    if (stat(path, &st) != 0) {
        return refuse(where, key, path, "%s; make it: (umask 077; %s > %s)", strerror(errno), what, path);
    }
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0)) {
        return refuse(where, key, path, "is no file of the daemon's user or root; chown %u %s", (unsigned)geteuid(), path);
    }
    if ((st.st_mode & forbidden) != 0) {
        return refuse(where, key, path, "may be used by others (mode %04o); chmod 0600 %s", (unsigned)(st.st_mode & 07777), path);
    }
    return true;
}

/* A secret: one line of such a file. */
static bool read_secret(const where_t *where, const char *key, const char *path, mcpa_str_t *secret)
{
    mcpa_str_t text;

    if (!check_private(where, key, path, "openssl rand -hex 32")) {
        return false;
    }
    if (admind_file_read(&text, path, MCPA_SECRET_MAX_BYTES) != MCPA_OK) {
        return refuse(where, key, path, "cannot be read (at most %d bytes, by uid %u); chown %u %s", MCPA_SECRET_MAX_BYTES,
                      (unsigned)geteuid(), (unsigned)geteuid(), path);
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    free((char *)secret->ptr);
    *secret = text; /* the config owns it, also when it is refused */
    if (text.len < SECRET_MIN_BYTES || !mcpa_text_is_printable(text) || memchr(text.ptr, ' ', text.len) != NULL) {
        return refuse(where, key, path,
                      "is no secret of at least %d printable characters on one line; (umask 077; openssl rand -hex 32 > %s)",
                      SECRET_MIN_BYTES, path);
    }
    return true;
}

static bool check_secrets(const where_t *where, admind_config_t *config)
{
    for (size_t i = 0; i < config->n_webhooks; i++) {
        if (!is_unseen(config, config->webhooks[i].secret_file) &&
            !read_secret(where, "Webhook", config->webhooks[i].secret_file, &config->webhooks[i].secret)) {
            return false;
        }
    }
    return config->admin_token_file == NULL || is_unseen(config, config->admin_token_file) ||
           read_secret(where, "AdminTokenFile", config->admin_token_file, &config->admin_token);
}

static bool check_readable(const where_t *where, const char *key, const char *path)
{
    return path == NULL || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 ||
           refuse(where, key, path, "%s; name a readable PEM file", strerror(errno));
}

static bool read_headers(const where_t *where, admind_forward_config_t *forward)
{
    char why[256];

    if (!check_private(where, "Forward", forward->header_file, "echo 'Authorization: Bearer ...'")) {
        return false;
    }
    if (admind_file_read(&forward->header_text, forward->header_file, FORWARD_HEADERS_BYTES) != MCPA_OK) {
        return refuse(where, "Forward", forward->header_file, "cannot be read (at most %d bytes, by uid %u); chown %u %s",
                      FORWARD_HEADERS_BYTES, (unsigned)geteuid(), (unsigned)geteuid(), forward->header_file);
    }
    return admind_config_forward_headers(forward, why, sizeof(why)) ||
           refuse(where, "Forward", forward->header_file, "%s", why);
}

static bool check_key(const where_t *where, const char *path)
{
    return check_private(where, "Forward", path, "openssl genpkey -algorithm ed25519") && check_readable(where, "Forward", path);
}

static bool check_forwards(const where_t *where, admind_config_t *config)
{
    for (size_t i = 0; i < config->n_forwards; i++) {
        admind_forward_config_t *forward = &config->forwards[i];

        if (!check_readable(where, "Forward", forward->ca_file) || !check_readable(where, "Forward", forward->cert_file) ||
            (forward->key_file != NULL && !is_unseen(config, forward->key_file) && !check_key(where, forward->key_file)) ||
            (forward->header_file != NULL && !is_unseen(config, forward->header_file) && !read_headers(where, forward))) {
            return false;
        }
    }
    return true;
}

/* What is not there is made at the start, where that can be. */
static bool check_issuer(const where_t *where)
{
    char path[PATH_MAX], parent[PATH_MAX], why[512];
    struct stat st;

    if (where->config->issuer.url == NULL) {
        return true;
    }
    if (!admind_config_issuer_dir(where->config, path, sizeof(path))) {
        return refuse(where, "IssuerKeyDir", where->config->state_dir, "is too long for a path; name a shorter one");
    }
    snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
    if (lstat(path, &st) != 0 && errno == ENOENT && faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0) {
        return true;
    }
    return admind_keystore_is_tight(path, geteuid(), why, sizeof(why)) || refuse(where, "IssuerKeyDir", path, "%s", why);
}

static bool check_user(const where_t *where, admind_config_t *config)
{
    const struct passwd *user = getpwnam(config->peer_user);

    if (user == NULL) {
        return refuse(where, "PeerUser", config->peer_user, "there is no such user; name the user that httpd's children run as");
    }
    config->peer_uid = user->pw_uid;
    config->peer_gid = user->pw_gid;
    return true;
}

bool admind_config_check(admind_config_t *config, char *error, size_t cap)
{
    const where_t where = { config, error, cap };
    struct stat st;

    /* Who may change this file decides where secrets and records go. */
    if (stat(config->path, &st) != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (st.st_uid != 0 && st.st_uid != geteuid())) {
        snprintf(error, cap, "%s: may be changed by others; chown root %s && chmod go-w %s", config->path, config->path,
                 config->path);
        return false;
    }
    return check_readable(&where, "KeyCAFile", config->ca_file) && check_user(&where, config) && check_directories(&where) &&
           check_issuer(&where) && check_secrets(&where, config) && check_forwards(&where, config);
}

bool admind_config_address(const char *listen, struct sockaddr_storage *address, socklen_t *len)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)address;
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)address;
    const char *colon = strrchr(listen, ':');
    char host[64];
    bool bracketed;
    size_t host_len;
    uint64_t port;

    memset(address, 0, sizeof(*address));
    if (strncmp(listen, "unix:", 5) == 0) {
        un->sun_family = AF_UNIX;
        *len = sizeof(*un);
        return listen[5] == '/' && (size_t)snprintf(un->sun_path, sizeof(un->sun_path), "%s", listen + 5) < sizeof(un->sun_path);
    }
    if (colon == NULL || !mcpa_text_u64(mcpa_str(colon + 1), &port) || port == 0 || port > 65535) {
        return false;
    }
    bracketed = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
    host_len = (size_t)(colon - listen) - (bracketed ? 2 : 0);
    if (host_len == 0 || host_len >= sizeof(host)) {
        return false;
    }
    memcpy(host, listen + (bracketed ? 1 : 0), host_len);
    host[host_len] = '\0';
    if (!bracketed) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *len = sizeof(*in);
        return inet_pton(AF_INET, host, &in->sin_addr) == 1 && ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    *len = sizeof(*in6);
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}
