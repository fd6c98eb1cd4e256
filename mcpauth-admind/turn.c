/* SPDX-License-Identifier: Apache-2.0 */
#include "turn.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* Tickets: a mutex alone would go back to the loop's thread, which asks for it again at once while records come. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t next, serving;
    bool has_begun;
    int64_t disk_since_us; /* 0: the loop's thread is not waiting for the disk; guarded by the turn */
} turn = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static int64_t mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void admind_turn_begin(void)
{
    turn.has_begun = true;
    admind_turn_take();
}

void admind_turn_end(void)
{
    admind_turn_give();
    turn.has_begun = false;
}

void admind_turn_take(void)
{
    uint64_t ticket;

    if (!turn.has_begun) {
        return;
    }
    pthread_mutex_lock(&turn.mutex);
    ticket = turn.next++;
    while (turn.serving != ticket) {
        pthread_cond_wait(&turn.changed, &turn.mutex);
    }
    pthread_mutex_unlock(&turn.mutex);
}

void admind_turn_give(void)
{
    if (!turn.has_begun) {
        return;
    }
    pthread_mutex_lock(&turn.mutex);
    turn.serving++;
    pthread_cond_broadcast(&turn.changed);
    pthread_mutex_unlock(&turn.mutex);
}

void admind_turn_wait(void)
{
    turn.disk_since_us = mono_us();
    admind_turn_give();
}

void admind_turn_waited(void)
{
    int saved = errno;

    admind_turn_take();
    turn.disk_since_us = 0;
    errno = saved;
}

int admind_turn_fsync(int fd)
{
    int result;

    admind_turn_wait();
    result = fsync(fd);
    admind_turn_waited();
    return result;
}

int admind_turn_fdatasync(int fd)
{
    int result;

    admind_turn_wait();
    result = fdatasync(fd);
    admind_turn_waited();
    return result;
}

int64_t admind_turn_disk_us(void)
{
    return turn.disk_since_us == 0 ? 0 : mono_us() - turn.disk_since_us;
}
