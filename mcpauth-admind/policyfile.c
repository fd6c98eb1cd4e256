/* SPDX-License-Identifier: Apache-2.0 */
#include "policyfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"

#define LOOK_MS          500
#define POLICY_MAX_BYTES (8 * 1024 * 1024) /* thousands of Locations */

struct admind_policyfile {
    admind_loop_t *loop;
    admind_timer_t *timer;
    char path[4096];
    void (*changed)(void *ctx, const mcpa_snapshot_t *snapshot);
    void *ctx;
    struct stat seen; /* the file that was looked at last, good or bad */
    bool has_seen;
    admind_policy_view_t view;
    char error[512];
};

static void tick(void *ctx)
{
    admind_policyfile_t *file = ctx;

    admind_policyfile_look(file);
    admind_timer_arm(file->timer, LOOK_MS);
}

admind_policyfile_t *admind_policyfile_new(admind_loop_t *loop, const char *state_dir,
                                           void (*changed)(void *ctx, const mcpa_snapshot_t *snapshot), void *ctx)
{
    admind_policyfile_t *file = calloc(1, sizeof(*file));

    if (file == NULL) {
        return NULL;
    }
    file->loop = loop;
    file->changed = changed;
    file->ctx = ctx;
    file->timer = admind_timer_new(loop, tick, file);
    if (file->timer == NULL ||
        (size_t)snprintf(file->path, sizeof(file->path), "%s/%s", state_dir, MCPA_SNAPSHOT_FILE) >= sizeof(file->path)) {
        admind_policyfile_free(&file);
        return NULL;
    }
    tick(file);
    return file;
}

void admind_policyfile_free(admind_policyfile_t **file)
{
    if (*file == NULL) {
        return;
    }
    admind_timer_free(&(*file)->timer);
    free(*file);
    *file = NULL;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static size_t count(const void *const *list)
{
    size_t n = 0;

    while (list != NULL && list[n] != NULL) {
        n++;
    }
    return n;
}

static void take(admind_policyfile_t *file, const mcpa_snapshot_t *snapshot)
{
    if (snapshot->generation == file->view.generation && file->view.loaded_us != 0) {
        return; /* httpd was restarted with the same configuration */
    }
    file->view.generation = snapshot->generation;
    file->view.written_us = snapshot->written_us;
    file->view.loaded_us = admind_loop_wall_us(file->loop);
    file->view.issuers = count((const void *const *)snapshot->issuers);
    file->view.locations = count((const void *const *)snapshot->policies);
    admind_log(ADMIND_NOTICE, "MCPA2501", "policy %016llx: %zu locations, %zu issuers", (unsigned long long)snapshot->generation,
               file->view.locations, file->view.issuers);
    file->changed(file->ctx, snapshot);
}

static void read_policy(admind_policyfile_t *file, const struct stat *st)
{
    mcpa_snapshot_t *snapshot = NULL;
    mcpa_str_t text;
    mcpa_status_t status;
    char why[256] = "";

    file->error[0] = '\0';
    if (!S_ISREG(st->st_mode) || (st->st_uid != 0 && st->st_uid != geteuid()) || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        snprintf(file->error, sizeof(file->error), "is no regular file that only root may write");
    } else if ((status = admind_file_read(&text, file->path, POLICY_MAX_BYTES)) != MCPA_OK) {
        snprintf(file->error, sizeof(file->error), "cannot be read: %s",
                 status == MCPA_EIO ? strerror(errno) : mcpa_status_word(status));
    } else {
        status = mcpa_snapshot_parse(&snapshot, text, why, sizeof(why));
        free((char *)text.ptr);
        if (status == MCPA_OK) {
            take(file, snapshot);
            mcpa_snapshot_free(&snapshot);
        } else {
            snprintf(file->error, sizeof(file->error), "is no policy: %s", why[0] != '\0' ? why : mcpa_status_word(status));
        }
    }
    if (file->error[0] != '\0') {
        admind_log(ADMIND_ERR, "MCPA2502", "%s %s; the old policy stays in use", file->path, file->error);
    }
}

void admind_policyfile_look(admind_policyfile_t *file)
{
    struct stat st;

    if (lstat(file->path, &st) != 0) {
        return; /* not yet written, or taken away: the policy in use stays */
    }
    if (file->has_seen && is_same(&st, &file->seen)) {
        return;
    }
    file->seen = st;
    file->has_seen = true;
    read_policy(file, &st);
}

void admind_policyfile_hint(admind_policyfile_t *file, uint64_t generation)
{
    if (generation != file->view.generation) {
        admind_policyfile_look(file);
    }
}

void admind_policyfile_view(const admind_policyfile_t *file, admind_policy_view_t *view)
{
    *view = file->view;
    view->error = file->error;
}
