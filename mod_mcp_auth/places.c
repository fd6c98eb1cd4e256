/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "unixd.h"

#include "base/bytes.h"
#include "medium.h"

APLOG_USE_MODULE(mcp_auth);

#define SNAPSHOT_MAX_BYTES (16 * 1024 * 1024)
#define GROUPS_MAX         64

/* Who the children run as. */
typedef struct child {
    const char *name;
    uid_t uid;
    gid_t groups[GROUPS_MAX];
    int n_groups;
} child_t;

static void find_child(child_t *child)
{
    struct passwd *user;

    child->uid = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    child->groups[0] = geteuid() == 0 ? ap_unixd_config.group_id : getegid();
    child->n_groups = 1;
    user = getpwuid(child->uid);
    child->name = user ? user->pw_name : "the user httpd runs as";
    if (user) {
        child->n_groups = GROUPS_MAX;
        if (getgrouplist(user->pw_name, child->groups[0], child->groups, &child->n_groups) < 0) {
            child->n_groups = GROUPS_MAX;
        }
    }
}

static bool is_in_group(const child_t *child, gid_t gid)
{
    for (int i = 0; i < child->n_groups; i++) {
        if (child->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

static bool may_write(const child_t *child, const struct stat *info)
{
    if (info->st_uid == child->uid) {
        return (info->st_mode & S_IWUSR) != 0;
    }
    return is_in_group(child, info->st_gid) ? (info->st_mode & S_IWGRP) != 0 : (info->st_mode & S_IWOTH) != 0;
}

static bool find_directory(mod_mcp_checks_t *checks, const char *directive, const mod_mcp_single_t *place, const char *mend,
                           struct stat *info)
{
    if (stat(place->text, info) != 0) {
        mod_mcp_problem(checks, "MCPA0111", place->file, place->line, "%s %s: %s; %s", directive, place->text, strerror(errno),
                        mend);
        return false;
    }
    if (!S_ISDIR(info->st_mode)) {
        mod_mcp_problem(checks, "MCPA0111", place->file, place->line, "%s %s: is no directory; %s", directive, place->text, mend);
        return false;
    }
    if (info->st_mode & S_IWOTH) {
        mod_mcp_problem(checks, "MCPA0112", place->file, place->line, "%s %s: may be written by everybody; chmod o-w %s",
                        directive, place->text, place->text);
        return false;
    }
    return true;
}

/* What cannot be looked at counts as memory: a start that is refused is noticed, a loss of records is not. */
static void check_medium(mod_mcp_checks_t *checks, const mod_mcp_single_t *spool)
{
    switch (mod_mcp_medium_of(spool->text)) {
    case MOD_MCP_MEDIUM_HIDDEN:
        mod_mcp_problem(checks, "MCPA0127", spool->file, spool->line,
                        "MCPAuthSpoolDir %s: cannot tell whether it lies in memory: %s; let the user who starts httpd read it, or add "
                        "tmpfs=allow where a restart of the machine may lose the audit records in it",
                        spool->text, strerror(errno));
        return;
    case MOD_MCP_MEDIUM_MEMORY:
        mod_mcp_problem(checks, "MCPA0127", spool->file, spool->line,
                        "MCPAuthSpoolDir %s: lies in memory (tmpfs, ramfs, hugetlbfs, or an overlay on one), and a restart of the machine "
                        "would lose the audit records in it; write a directory on a disk, or add tmpfs=allow where that may happen",
                        spool->text);
        return;
    case MOD_MCP_MEDIUM_OVERLAY:
        mod_mcp_warning(checks, "MCPA0130",
                        "MCPAuthSpoolDir %s: lies on an overlay, and where that keeps its files cannot be seen from here: as a rule they "
                        "go with the container, and the audit records in them; mount a volume there, or add tmpfs=allow",
                        spool->text);
        return;
    default:
        return;
    }
}

static void check_spool(mod_mcp_checks_t *checks, const child_t *child)
{
    const mod_mcp_single_t *spool = &mod_mcp_global()->spool_dir;
    const char *mend = apr_psprintf(checks->pool, "make it: install -d -o %s -g mcpauth -m 2770 %s", child->name, spool->text);
    struct stat info;

    if (!find_directory(checks, "MCPAuthSpoolDir", spool, mend, &info)) {
        return;
    }
    if (!may_write(child, &info)) {
        mod_mcp_problem(checks, "MCPA0114", spool->file, spool->line, "MCPAuthSpoolDir %s: %s cannot write it; chown %s %s",
                        spool->text, child->name, child->name, spool->text);
    }
    if (!mod_mcp_global()->spool_allows_tmpfs) {
        check_medium(checks, spool);
    }
}

void mod_mcp_check_places(mod_mcp_checks_t *checks)
{
    const mod_mcp_global_t *global = mod_mcp_global();
    const char *state = global->state_dir.text;
    struct stat info;
    child_t child;
    const char *mend;

    find_child(&child);
    mend = apr_psprintf(checks->pool, "make it: install -d -o root -m 0755 %s", state);
    /* Started by an ordinary user, parent and children are one user and there is nobody to keep apart. */
    if (find_directory(checks, "MCPAuthStateDir", &global->state_dir, mend, &info) && geteuid() == 0 &&
        may_write(&child, &info)) {
        mod_mcp_problem(
            checks, "MCPA0113", global->state_dir.file, global->state_dir.line,
            "MCPAuthStateDir %s: %s may write it, so a child could change the policy; chown root %s and chmod 0755 %s", state,
            child.name, state, state);
    }
    check_spool(checks, &child);
}

/* The text may be long with many Locations; the writer's memory cannot grow, so it starts anew. */
static bool print(mcpa_out_t *out, apr_pool_t *pool)
{
    for (size_t cap = 64 * 1024; cap <= SNAPSHOT_MAX_BYTES; cap *= 4) {
        mcpa_out_init(out, apr_palloc(pool, cap), cap);
        mcpa_snapshot_print(out, &mod_mcp_global()->snapshot);
        mcpa_out_char(out, '\n');
        if (mcpa_out_status(out) == MCPA_OK) {
            return true;
        }
    }
    errno = EFBIG;
    return false;
}

static bool write_whole(int dir, const char *name, const mcpa_out_t *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    size_t at = 0;
    ssize_t n = 0;
    bool ok;

    if (fd < 0) {
        return false;
    }
    while (at < text->len && (n = write(fd, text->ptr + at, text->len - at)) > 0) {
        at += (size_t)n;
    }
    /* The umask of who starts httpd must not hide it from the daemon. */
    ok = at == text->len && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

void mod_mcp_publish_snapshot(server_rec *s, apr_pool_t *ptemp)
{
    mod_mcp_global_t *global = mod_mcp_global();
    const char *temporary = apr_psprintf(ptemp, "." MCPA_SNAPSHOT_FILE ".%ld", (long)getpid());
    int dir = open(global->state_dir.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mcpa_out_t text;
    bool ok;

    global->snapshot.written_us = apr_time_now();
    if (dir >= 0) {
        (void)unlinkat(dir, temporary, 0); /* left behind by a process with this number that was killed */
    }
    ok = dir >= 0 && print(&text, ptemp) && write_whole(dir, temporary, &text) &&
         renameat(dir, temporary, dir, MCPA_SNAPSHOT_FILE) == 0;
    if (!ok) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s, "MCPA0120: cannot write %s/%s: the daemon keeps the policy it has",
                     global->state_dir.text, MCPA_SNAPSHOT_FILE);
    }
    if (dir >= 0) {
        (void)close(dir);
    }
}
