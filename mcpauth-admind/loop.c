/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "turn.h"

#define EVENTS_A_ROUND 128
#define AFTER_MAX      8

struct admind_watch {
    admind_loop_t *loop;
    int fd;
    bool dead; /* freed in this round: the event batch may still point here */
    void (*fn)(void *ctx, int fd, uint32_t events);
    void *ctx;
    admind_watch_t *next_dead;
};

#define DISARMED SIZE_MAX
struct admind_timer {
    admind_loop_t *loop;
    int64_t due_us;
    size_t slot; /* in the heap; DISARMED when not armed */
    void (*fn)(void *ctx);
    void *ctx;
};

struct admind_loop {
    int epoll;
    bool stop;
    int64_t wall_us, mono_us;
    admind_timer_t **heap; /* binary min-heap by due_us; always room for every timer that exists, so arming cannot fail */
    size_t armed, timers, heap_cap;
    admind_watch_t *dead;
    struct {
        void (*fn)(void *ctx);
        void *ctx;
    } after[AFTER_MAX];
    size_t n_after;
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void admind_loop_read_clocks(admind_loop_t *loop)
{
    loop->wall_us = clock_us(CLOCK_REALTIME);
    loop->mono_us = clock_us(CLOCK_MONOTONIC);
}

admind_loop_t *admind_loop_new(void)
{
    admind_loop_t *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        return NULL;
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    admind_loop_read_clocks(loop);
    return loop;
}

static void reap(admind_loop_t *loop)
{
    while (loop->dead != NULL) {
        admind_watch_t *watch = loop->dead;

        loop->dead = watch->next_dead;
        free(watch);
    }
}

void admind_loop_free(admind_loop_t **loop)
{
    if (*loop == NULL) {
        return;
    }
    reap(*loop);
    close((*loop)->epoll);
    free((*loop)->heap);
    free(*loop);
    *loop = NULL;
}

void admind_loop_stop(admind_loop_t *loop)
{
    loop->stop = true;
}

bool admind_loop_after(admind_loop_t *loop, void (*fn)(void *ctx), void *ctx)
{
    if (loop->n_after == AFTER_MAX) {
        return false;
    }
    loop->after[loop->n_after].fn = fn;
    loop->after[loop->n_after].ctx = ctx;
    loop->n_after++;
    return true;
}

int64_t admind_loop_wall_us(const admind_loop_t *loop)
{
    return loop->wall_us;
}

int64_t admind_loop_mono_us(const admind_loop_t *loop)
{
    return loop->mono_us;
}

/* ---- watches */

admind_watch_t *admind_watch_new(admind_loop_t *loop, int fd, uint32_t events, void (*fn)(void *ctx, int fd, uint32_t events),
                                 void *ctx)
{
    admind_watch_t *watch = calloc(1, sizeof(*watch));
    struct epoll_event event = { .events = events, .data.ptr = watch };

    if (watch == NULL) {
        return NULL;
    }
    *watch = (admind_watch_t){ .loop = loop, .fd = fd, .fn = fn, .ctx = ctx };
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(watch);
        return NULL;
    }
    return watch;
}

bool admind_watch_set(admind_watch_t *watch, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    return epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0;
}

void admind_watch_free(admind_watch_t **watch)
{
    admind_watch_t *gone = *watch;

    if (gone == NULL) {
        return;
    }
    *watch = NULL;
    epoll_ctl(gone->loop->epoll, EPOLL_CTL_DEL, gone->fd, NULL);
    gone->dead = true;
    gone->next_dead = gone->loop->dead;
    gone->loop->dead = gone;
}

/* ---- timers */

static void place(admind_loop_t *loop, admind_timer_t *timer, size_t slot)
{
    loop->heap[slot] = timer;
    timer->slot = slot;
}

static void sift_up(admind_loop_t *loop, size_t slot)
{
    admind_timer_t *timer = loop->heap[slot];

    while (slot > 0 && loop->heap[(slot - 1) / 2]->due_us > timer->due_us) {
        place(loop, loop->heap[(slot - 1) / 2], slot);
        slot = (slot - 1) / 2;
    }
    place(loop, timer, slot);
}

static void sift_down(admind_loop_t *loop, size_t slot)
{
    admind_timer_t *timer = loop->heap[slot];

    for (;;) {
        size_t child = 2 * slot + 1;

        if (child + 1 < loop->armed && loop->heap[child + 1]->due_us < loop->heap[child]->due_us) {
            child++;
        }
        if (child >= loop->armed || loop->heap[child]->due_us >= timer->due_us) {
            break;
        }
        place(loop, loop->heap[child], slot);
        slot = child;
    }
    place(loop, timer, slot);
}

admind_timer_t *admind_timer_new(admind_loop_t *loop, void (*fn)(void *ctx), void *ctx)
{
    admind_timer_t *timer = calloc(1, sizeof(*timer));

    if (timer != NULL && loop->timers == loop->heap_cap) {
        size_t cap = loop->heap_cap == 0 ? 32 : loop->heap_cap * 2;
        admind_timer_t **heap = realloc(loop->heap, cap * sizeof(admind_timer_t *));

        if (heap == NULL) {
            free(timer);
            return NULL;
        }
        loop->heap = heap;
        loop->heap_cap = cap;
    }
    if (timer == NULL) {
        return NULL;
    }
    *timer = (admind_timer_t){ .loop = loop, .slot = DISARMED, .fn = fn, .ctx = ctx };
    loop->timers++;
    return timer;
}

void admind_timer_disarm(admind_timer_t *timer)
{
    admind_loop_t *loop = timer->loop;
    size_t slot = timer->slot;

    if (slot == DISARMED) {
        return;
    }
    timer->slot = DISARMED;
    loop->armed--;
    if (slot < loop->armed) {
        place(loop, loop->heap[loop->armed], slot);
        sift_up(loop, slot);
        sift_down(loop, slot);
    }
}

void admind_timer_arm(admind_timer_t *timer, int64_t delay_ms)
{
    admind_loop_t *loop = timer->loop;
    int64_t due = clock_us(CLOCK_MONOTONIC) + (delay_ms > 0 ? delay_ms : 0) * 1000;

    admind_timer_disarm(timer);
    /* Later than this round's clock: a timer that arms itself with 0 runs next round, not for ever in this one. */
    timer->due_us = due > loop->mono_us ? due : loop->mono_us + 1;
    place(loop, timer, loop->armed);
    loop->armed++;
    sift_up(loop, timer->slot);
}

void admind_timer_free(admind_timer_t **timer)
{
    if (*timer == NULL) {
        return;
    }
    admind_timer_disarm(*timer);
    (*timer)->loop->timers--;
    free(*timer);
    *timer = NULL;
}

/* ---- the loop */

static int wait_ms(const admind_loop_t *loop)
{
    int64_t left;

    if (loop->armed == 0) {
        return -1;
    }
    left = loop->heap[0]->due_us - clock_us(CLOCK_MONOTONIC);
    if (left <= 0) {
        return 0;
    }
    left = (left + 999) / 1000; /* up: waking early would spin until the timer is due */
    return left > 60000 ? 60000 : (int)left;
}

static void run_timers(admind_loop_t *loop)
{
    int64_t now_us = loop->mono_us;

    while (loop->armed > 0 && loop->heap[0]->due_us <= now_us) {
        admind_timer_t *timer = loop->heap[0];

        admind_timer_disarm(timer);
        timer->fn(timer->ctx);
    }
}

void admind_loop_run(admind_loop_t *loop)
{
    struct epoll_event events[EVENTS_A_ROUND];

    loop->stop = false;
    while (!loop->stop) {
        int timeout = wait_ms(loop);
        int n;

        admind_turn_give();
        n = epoll_wait(loop->epoll, events, EVENTS_A_ROUND, timeout);
        admind_turn_take();
        if (n < 0 && errno != EINTR) {
            return; /* only a broken epoll descriptor gets here */
        }
        admind_loop_read_clocks(loop);
        for (int i = 0; i < n; i++) {
            admind_watch_t *watch = events[i].data.ptr;

            if (!watch->dead) {
                watch->fn(watch->ctx, watch->fd, events[i].events);
            }
        }
        run_timers(loop);
        for (size_t i = 0; i < loop->n_after; i++) {
            loop->after[i].fn(loop->after[i].ctx);
        }
        reap(loop);
    }
}
