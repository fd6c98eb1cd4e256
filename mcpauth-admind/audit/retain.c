/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/retain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/names.h"
#include "log.h"

#define HOUR_US INT64_C(3600000000)
#define DAY_US  (24 * HOUR_US)

void admind_retain_init(admind_retain_t *retain, int dir_fd)
{
    struct stat st;

    *retain = (admind_retain_t){ .believed_mono_us = -1, .ahead_mono_us = -1 };
    if (fstatat(dir_fd, "checkpoint.json", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        retain->believed_us = (int64_t)st.st_mtim.tv_sec * 1000000;
        retain->seen = true;
    }
}

static int64_t believe(admind_retain_t *retain, int64_t wall_us, int64_t mono_us)
{
    if (!retain->seen) {
        retain->believed_us = wall_us;
    } else if (retain->believed_mono_us >= 0) {
        retain->believed_us += mono_us - retain->believed_mono_us;
    }
    retain->seen = true;
    retain->believed_mono_us = mono_us;
    if (wall_us > retain->believed_us + HOUR_US && retain->ahead_mono_us < 0) {
        retain->ahead_mono_us = mono_us;
    }
    if (wall_us <= retain->believed_us + HOUR_US || mono_us - retain->ahead_mono_us >= DAY_US) {
        retain->believed_us = wall_us;
        retain->ahead_mono_us = -1;
        retain->told = false;
    }
    return retain->believed_us;
}

/* The day a file counts as. One that bears a day to come was begun while the clock was ahead: then it is as old as its last line.
 */
static int32_t day_of(int dir_fd, const admind_journal_name_t *name, int32_t today)
{
    char text[ADMIND_JOURNAL_NAME_BYTES];
    struct stat st;

    admind_journal_name_on_disk(text, name);
    if (name->day <= today || fstatat(dir_fd, text, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return name->day;
    }
    return admind_journal_day((int64_t)st.st_mtim.tv_sec * 1000000);
}

/* Both forms, and the copy of damage that tail.c kept. */
static bool remove_file(int dir_fd, const admind_journal_name_t *name)
{
    char text[ADMIND_JOURNAL_NAME_BYTES], other[ADMIND_JOURNAL_NAME_BYTES + sizeof(".damaged")];
    bool gone = false;

    admind_journal_name_format(text, name);
    snprintf(other, sizeof(other), "%s.damaged", text);
    (void)unlinkat(dir_fd, other, 0);
    snprintf(other, sizeof(other), "%s.gz", text);
    gone = unlinkat(dir_fd, other, 0) == 0;
    return unlinkat(dir_fd, text, 0) == 0 || gone;
}

static void tell_clock(admind_retain_t *retain, const char *file)
{
    if (!retain->told) {
        retain->told = true;
        admind_log(ADMIND_NOTICE, "MCPA2123",
                   "journal: the clock is ahead of what was expected; %s and later files are kept until it stayed so for a day",
                   file);
    }
}

size_t admind_retain(admind_retain_t *retain, const char *dir, int dir_fd, const admind_position_t *end, int64_t days,
                     int64_t wall_us, int64_t mono_us)
{
    int64_t now_us = believe(retain, wall_us, mono_us);
    int32_t today = admind_journal_day(now_us), first_kept = admind_journal_day(now_us - days * DAY_US);
    int32_t by_the_clock = admind_journal_day(wall_us - days * DAY_US);
    admind_journal_name_t *names = NULL, current;
    size_t count = 0, gone = 0;

    if (!admind_journal_name_parse(&current, end->file) || admind_journal_names(&names, &count, dir) != MCPA_OK) {
        return 0;
    }
    for (size_t i = 0; i < count && admind_journal_name_compare(&names[i], &current) < 0; i++) {
        int32_t day = day_of(dir_fd, &names[i], today);
        char text[ADMIND_JOURNAL_NAME_BYTES];

        admind_journal_name_format(text, &names[i]);
        if (day >= first_kept) {
            if (day < by_the_clock) {
                tell_clock(retain, text);
            }
            break;
        }
        if (remove_file(dir_fd, &names[i])) {
            admind_log(ADMIND_NOTICE, "MCPA2105", "journal: %s removed after %lld days", text, (long long)days);
            gone++;
        }
    }
    free(names);
    return gone;
}
