/* SPDX-License-Identifier: Apache-2.0 */
/* How many instructions a call runs, counted one by one: the same on an idle machine and on a busy one. */
#ifndef MCPA_TEST_STEPS_H
#define MCPA_TEST_STEPS_H

#include "test_state.h"

#include <sys/ptrace.h>

/* AddressSanitizer looks at every access. And it keeps what was freed out of use, so that every call takes fresh memory and one
 * in a few pays for fetching more of it: which one depends on all that was allocated before, and making an RSA key alone
 * allocates a random number of times. What goes back at once is what the next call takes. To be included by one file of a
 * program. */
#ifdef __SANITIZE_ADDRESS__
#define STEPS_EACH 8

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=0:thread_local_quarantine_size_kb=0";
}
#else
#define STEPS_EACH 1
#endif

/* Calls before the one that is counted: what is looked up once was looked up, and memory was taken and given back often enough.
 * What lies beside it may still cost or save the C library's allocator some fifty instructions. */
#define STEPS_SETTLED 64

/* Runs fn(ctx) over and over in a process of its own and counts the last time. 0: nobody may be traced here, or valgrind stands
 * in between. */
static inline uint64_t count_steps(void (*fn)(void *ctx), void *ctx)
{
    uint64_t steps = 0;
    int status = 0;
    pid_t child;

    if (is_under_valgrind()) {
        return 0;
    }
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int i = 0; i < STEPS_SETTLED; i++) {
            fn(ctx);
        }
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(1);
        }
        (void)raise(SIGSTOP);
        fn(ctx);
        (void)raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    while (WIFSTOPPED(status) && (steps == 0 || WSTOPSIG(status) == SIGTRAP)) {
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0) {
            steps = 0;
            break;
        }
        steps++;
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (!WIFEXITED(status)) {
        assert_true(steps == 0 || (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP)); /* it came through */
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
    }
    return steps;
}

/* Of three counts for three sizes: that each one more costs in the second half at most a quarter more than in the first. */
static inline void assert_linear(const uint64_t sizes[3], const uint64_t counts[3])
{
    int64_t first = ((int64_t)counts[1] - (int64_t)counts[0]) / (int64_t)(sizes[1] - sizes[0]);
    int64_t second = ((int64_t)counts[2] - (int64_t)counts[1]) / (int64_t)(sizes[2] - sizes[1]);

    first = first > 0 ? first : 0;
    assert_true(second <= first + first / 4 + 4);
}

#endif
