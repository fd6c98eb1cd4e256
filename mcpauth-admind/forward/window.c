/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/window.h"

#define MARK_US (ADMIND_WINDOW_US / 25)

void admind_window_begin(admind_window_t *window, const admind_position_t *position)
{
    window->marks[0].position = *position;
    window->marks[0].mono_us = 0;
    window->marks[0].bytes = 0;
    window->count = 1;
}

/* The first mark always holds: before it is what earlier connections settled, or what was given up waiting for. */
static size_t settled_at(const admind_window_t *window, int64_t mono_us, bool orderly)
{
    uint64_t total = window->marks[window->count - 1].bytes;
    size_t at = 0;

    for (size_t i = 1; i < window->count; i++) {
        if (mono_us - window->marks[i].mono_us >= ADMIND_WINDOW_US &&
            (orderly || total - window->marks[i].bytes >= ADMIND_WINDOW_BYTES)) {
            at = i;
        }
    }
    return at;
}

/* Marks that can never be needed again. */
static void drop_settled(admind_window_t *window, int64_t mono_us)
{
    size_t first = settled_at(window, mono_us, false);

    memmove(window->marks, window->marks + first, (window->count - first) * sizeof(window->marks[0]));
    window->count -= first;
}

/* Every second one goes; the first stays. */
static void thin_out(admind_window_t *window)
{
    size_t kept = 0;

    for (size_t i = 0; i < window->count; i += 2) {
        window->marks[kept++] = window->marks[i];
    }
    window->count = kept;
}

/* Marks in a burst are one, which moves until the one before it is MARK_US old. */
static bool is_burst(const admind_window_t *window, int64_t mono_us)
{
    return window->count > 2 && mono_us - window->marks[window->count - 2].mono_us < MARK_US;
}

void admind_window_add(admind_window_t *window, const admind_position_t *position, uint64_t bytes, int64_t mono_us)
{
    drop_settled(window, mono_us);
    if (is_burst(window, mono_us)) {
        window->count--;
    } else if (window->count == ADMIND_WINDOW_MARKS) {
        thin_out(window);
    }
    window->marks[window->count].position = *position;
    window->marks[window->count].mono_us = mono_us;
    window->marks[window->count].bytes = bytes;
    window->count++;
}

const admind_position_t *admind_window_settled(const admind_window_t *window, int64_t mono_us, bool orderly)
{
    return &window->marks[settled_at(window, mono_us, orderly)].position;
}
