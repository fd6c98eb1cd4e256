/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define QUIET_US    1000000 /* what is over sooner needs no bar */
#define REDRAW_US   100000
#define BAR_MAX     40
#define BAR_MIN     8
#define COLUMNS_MAX 120
#define COLUMNS     80 /* where the terminal does not say */

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void ctl_progress_begin(ctl_progress_t *progress)
{
    struct winsize size;

    *progress = (ctl_progress_t){ .columns = COLUMNS, .begun_us = now() };
    if (isatty(STDERR_FILENO) == 1) {
        progress->to = stderr;
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
            progress->columns = size.ws_col;
        }
    }
}

static void format_left(char *text, size_t cap, uint64_t done, uint64_t total, int64_t elapsed_us)
{
    double left_s = done > 0 ? (double)elapsed_us / 1e6 * (double)(total - done) / (double)done : -1;

    if (left_s < 0 || left_s >= 360000) {
        snprintf(text, cap, "--:-- left");
    } else if (left_s >= 3600) {
        snprintf(text, cap, "%u:%02u:%02u left", (unsigned)left_s / 3600, (unsigned)left_s / 60 % 60, (unsigned)left_s % 60);
    } else {
        snprintf(text, cap, "%u:%02u left", (unsigned)left_s / 60, (unsigned)left_s % 60);
    }
}

void ctl_progress_format(char text[CTL_PROGRESS_TEXT_BYTES], uint64_t done, uint64_t total, int64_t elapsed_us, size_t columns)
{
    char figures[64], left[32], bar[BAR_MAX + 1];
    double part, rate;
    size_t width, filled;
    int length;

    columns = columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
    done = done > total ? total : done; /* files grow while they are read */
    part = total > 0 ? (double)done / (double)total : 1;
    rate = elapsed_us > 0 ? (double)done / (double)elapsed_us : 0; /* bytes a microsecond: MB/s */
    format_left(left, sizeof(left), done, total, elapsed_us);
    length = snprintf(figures, sizeof(figures), "%3d%%  %.*f MB/s  %s", (int)(part * 100), rate < 10 ? 1 : 0, rate, left);
    width = columns > (size_t)length + 4 ? columns - (size_t)length - 4 : 0; /* brackets, a blank, the last column stays free */
    width = width > BAR_MAX ? BAR_MAX : width;
    if (width < BAR_MIN) {
        snprintf(text, CTL_PROGRESS_TEXT_BYTES, "%.*s", columns > 1 ? (int)columns - 1 : 0, figures);
        return;
    }
    filled = (size_t)(part * (double)width);
    memset(bar, '.', width);
    memset(bar, '#', filled);
    bar[width] = '\0';
    snprintf(text, CTL_PROGRESS_TEXT_BYTES, "[%s] %s", bar, figures);
}

void ctl_progress_at(ctl_progress_t *progress, uint64_t done, uint64_t total, int64_t now_us)
{
    char text[CTL_PROGRESS_TEXT_BYTES];

    if (progress->to == NULL || now_us - progress->begun_us < QUIET_US ||
        (progress->drawn_us != 0 && now_us - progress->drawn_us < REDRAW_US)) {
        return;
    }
    ctl_progress_format(text, done, total, now_us - progress->begun_us, progress->columns);
    fprintf(progress->to, "\r%s\033[K", text);
    fflush(progress->to);
    progress->drawn_us = now_us;
    progress->visible = true;
}

void ctl_progress_update(ctl_progress_t *progress, uint64_t done, uint64_t total)
{
    if (progress->to != NULL) {
        ctl_progress_at(progress, done, total, now());
    }
}

void ctl_progress_hide(ctl_progress_t *progress)
{
    if (progress->visible) {
        fputs("\r\033[K", progress->to);
        fflush(progress->to);
        progress->visible = false;
    }
}
