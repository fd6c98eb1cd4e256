/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of shared/state: a small generator, memory that processes share, and processes of several threads. */
#ifndef MCPA_TEST_STATE_H
#define MCPA_TEST_STATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND      UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)

/* xorshift64*; the same seed gives the same test. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

typedef struct crowd_member {
    void (*run)(void *ctx, unsigned number);
    void *ctx;
    unsigned number;
} crowd_member_t;

static inline void *run_member(void *member)
{
    crowd_member_t *m = member;

    m->run(m->ctx, m->number);
    return NULL;
}

/* valgrind runs the threads of a process one at a time and so keeps atomic operations whole, but between processes it does not. */
static inline int is_under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

/* Runs run(ctx, number) in processes x threads threads at once and waits for all of them; number counts from 0. */
static inline void run_crowd(unsigned processes, unsigned threads, void (*run)(void *, unsigned), void *ctx)
{
    pid_t children[16];

    if (is_under_valgrind()) {
        threads *= processes;
        processes = 1;
    }
    assert_true(processes <= 16 && threads <= 16);
    for (unsigned p = 0; p < processes; p++) {
        children[p] = fork();
        assert_true(children[p] >= 0);
        if (children[p] == 0) {
            crowd_member_t members[16];
            pthread_t ids[16];

            for (unsigned t = 0; t < threads; t++) {
                members[t] = (crowd_member_t){ run, ctx, p * threads + t };
                if (pthread_create(&ids[t], NULL, run_member, &members[t]) != 0) {
                    _exit(2);
                }
            }
            for (unsigned t = 0; t < threads; t++) {
                (void)pthread_join(ids[t], NULL);
            }
            _exit(0);
        }
    }
    for (unsigned p = 0; p < processes; p++) {
        int status;

        assert_int_equal(waitpid(children[p], &status, 0), children[p]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* Lets run(ctx, 0) hammer in a process of its own and kills that in the middle, 'times' over. */
static inline void kill_repeatedly(unsigned times, void (*run)(void *, unsigned), void *ctx)
{
    for (unsigned i = 0; i < times; i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
            for (;;) {
                run(ctx, i);
            }
        }
        (void)usleep(5000 + 1000 * (i % 7));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
}

#endif
