/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY           ".tmp-"
#define TEMPORARY_MAX_AGE_S 3600
#define QUEUE_MAX           16384 /* segments in one look; the next one goes on behind them */

static bool parse_name(const char *name, unsigned char *instance)
{
    if (strlen(name) != ADMIND_ORPHAN_CHARS || strspn(name, "0123456789abcdef") != 2 * MCPA_INSTANCE_BYTES ||
        name[2 * MCPA_INSTANCE_BYTES] != '.' || strspn(name + 2 * MCPA_INSTANCE_BYTES + 1, "0123456789") != 8) {
        return false;
    }
    for (size_t i = 0; i < MCPA_INSTANCE_BYTES; i++) {
        char pair[3] = { name[2 * i], name[2 * i + 1], '\0' };

        instance[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

static void sweep_temporary(int at, const char *name, int64_t now_us)
{
    struct stat st;

    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_mtime + TEMPORARY_MAX_AGE_S < now_us / 1000000) {
        unlinkat(at, name, 0);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const admind_orphan_t *)a)->text, ((const admind_orphan_t *)b)->text);
}

/* Only the first QUEUE_MAX names behind 'after' are kept; the rest is for the next look. */
static void cut_queue(admind_orphans_t *orphans)
{
    if (orphans->count > 0) {
        qsort(orphans->queue, orphans->count, sizeof(orphans->queue[0]), compare);
    }
    if (orphans->count > QUEUE_MAX) {
        orphans->count = QUEUE_MAX;
        orphans->is_cut = true;
    }
}

/* false: no memory; then nothing of this look may be used, because a segment without its predecessors would make them lost. */
static bool note_segment(admind_orphans_t *orphans, int at, const char *name, const unsigned char *instance, size_t *cap)
{
    struct stat st;

    if (orphans->linked(orphans->ctx, instance)) {
        return true;
    }
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        orphans->backlog_bytes += (uint64_t)st.st_size;
    }
    if (strcmp(name, orphans->after.text) <= 0) {
        return true;
    }
    if (orphans->count == 2 * QUEUE_MAX) {
        cut_queue(orphans);
    }
    if (orphans->count == *cap) {
        admind_orphan_t *grown = realloc(orphans->queue, (*cap + 256) * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        orphans->queue = grown;
        *cap += 256;
    }
    memcpy(orphans->queue[orphans->count++].text, name, ADMIND_ORPHAN_CHARS + 1);
    return true;
}

/* false: not everything that is there was seen. */
static bool read_names(admind_orphans_t *orphans, DIR *dir, int64_t now_us)
{
    unsigned char instance[MCPA_INSTANCE_BYTES];
    const struct dirent *entry;
    size_t cap = 0;

    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (parse_name(entry->d_name, instance)) {
            if (!note_segment(orphans, dirfd(dir), entry->d_name, instance, &cap)) {
                return false;
            }
        } else if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0) {
            sweep_temporary(dirfd(dir), entry->d_name, now_us);
        }
    }
    return errno == 0;
}

bool admind_orphans_look(admind_orphans_t *orphans, int64_t now_us)
{
    bool from_first = orphans->after.text[0] == '\0';
    DIR *dir = opendir(orphans->dir);

    free(orphans->queue);
    orphans->queue = NULL;
    orphans->count = orphans->next = 0;
    orphans->is_cut = false;
    orphans->backlog_bytes = 0;
    if (dir == NULL) {
        return false;
    }
    if (!read_names(orphans, dir, now_us)) {
        orphans->count = 0;
        orphans->is_cut = false;
    }
    closedir(dir);
    cut_queue(orphans);
    orphans->after = orphans->is_cut ? orphans->queue[orphans->count - 1] : (admind_orphan_t){ "" };
    return from_first;
}

bool admind_orphans_any(const admind_orphans_t *orphans)
{
    return orphans->next < orphans->count;
}

const admind_orphan_t *admind_orphans_next(admind_orphans_t *orphans, unsigned char instance[MCPA_INSTANCE_BYTES])
{
    const admind_orphan_t *name = admind_orphans_any(orphans) ? &orphans->queue[orphans->next++] : NULL;

    return name != NULL && parse_name(name->text, instance) ? name : NULL;
}

void admind_orphans_restart(admind_orphans_t *orphans)
{
    orphans->next = orphans->count;
    orphans->after = (admind_orphan_t){ "" };
}

void admind_orphans_clear(admind_orphans_t *orphans)
{
    free(orphans->queue);
    *orphans = (admind_orphans_t){ .dir = NULL };
}
