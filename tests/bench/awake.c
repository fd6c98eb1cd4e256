/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into wrk by the comparison (web/wrk.py): epoll_wait asks again and again, until its timeout has passed, and never
 * sleeps. An answer that finds its receiver asleep costs the sender an interrupt to the other CPU, on the sender's account, and
 * slower servers find it asleep more often.
 *
 * Nor does it find the next answers at once: clients have a network between them and the server. Were the next request there
 * within some microseconds, event would take it without its listener, if what it had to do after the answer took as long: a
 * discount of 5 us for some variants, in some rounds. */
#include <dlfcn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#define APART_NS 100000

typedef int (*epoll_wait_t)(int epfd, struct epoll_event *events, int maxevents, int timeout);

static epoll_wait_t next;

__attribute__((constructor)) static void find_next(void)
{
    next = (epoll_wait_t)(intptr_t)dlsym(RTLD_NEXT, "epoll_wait");
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    static int64_t found_ns; /* wrk has one thread */
    int64_t began = now_ns();
    int found;

    while (timeout != 0 && now_ns() - found_ns < APART_NS) {
    }
    do {
        found = next(epfd, events, maxevents, 0);
    } while (found == 0 && (timeout < 0 || now_ns() - began < (int64_t)timeout * 1000000));
    found_ns = now_ns();
    return found;
}
