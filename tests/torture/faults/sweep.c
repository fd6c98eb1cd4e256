/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A life makes fewer calls of any kind than this; a sweep that comes here never ends. */
#define NTH_MAX 100000

static const struct fault {
    const char *name;
    const char *function;
    int error;
    mcpa_fault_kind_t kind;
    const char *too;
} faults[] = {
    { "memory", "memory", ENOMEM, MCPA_FAULT_ONCE },
    { "memory-onward", "memory", ENOMEM, MCPA_FAULT_ONWARD },
    { "write-enospc", "write", ENOSPC, MCPA_FAULT_ONCE },
    { "write-enospc-onward", "write", ENOSPC, MCPA_FAULT_ONWARD },
    { "write-eio", "write", EIO, MCPA_FAULT_ONCE },
    { "write-eintr", "write", EINTR, MCPA_FAULT_ONCE },
    { "write-short", "write", 0, MCPA_FAULT_SHORT },
    { "write-die", "write", 0, MCPA_FAULT_DIE },
    { "sync-eio", "sync", EIO, MCPA_FAULT_ONCE },
    { "sync-truncate", "sync", EIO, MCPA_FAULT_ONCE, "truncate" },
    { "sync-enospc-onward", "sync", ENOSPC, MCPA_FAULT_ONWARD },
    { "send-eintr", "send", EINTR, MCPA_FAULT_ONCE },
    { "send-enobufs", "send", ENOBUFS, MCPA_FAULT_ONCE },
    { "send-reset-onward", "send", ECONNRESET, MCPA_FAULT_ONWARD },
    { "sync-die", "sync", 0, MCPA_FAULT_DIE },
    { "send-die", "send", 0, MCPA_FAULT_DIE },
    { "open-die", "open", 0, MCPA_FAULT_DIE },
    { "rename-die", "rename", 0, MCPA_FAULT_DIE },
    { "unlink-die", "unlink", 0, MCPA_FAULT_DIE },
    { "send-short", "send", 0, MCPA_FAULT_SHORT },
    { "open-emfile", "open", EMFILE, MCPA_FAULT_ONCE },
    { "open-emfile-onward", "open", EMFILE, MCPA_FAULT_ONWARD },
    { "open-eio", "open", EIO, MCPA_FAULT_ONCE },
    { "rename-eio", "rename", EIO, MCPA_FAULT_ONCE },
    { "rename-enospc-onward", "rename", ENOSPC, MCPA_FAULT_ONWARD },
    { "allocate-enospc", "allocate", ENOSPC, MCPA_FAULT_ONCE },
    { "allocate-enospc-onward", "allocate", ENOSPC, MCPA_FAULT_ONWARD },
    { "allocate-eintr", "allocate", EINTR, MCPA_FAULT_ONCE },
    { "unlink-eio", "unlink", EIO, MCPA_FAULT_ONCE },
    { "unlink-eio-onward", "unlink", EIO, MCPA_FAULT_ONWARD },
    { "read-eio", "read", EIO, MCPA_FAULT_ONCE },
    { "read-eintr", "read", EINTR, MCPA_FAULT_ONCE },
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

mcpa_faults_t sweep_faults;
static const mcpa_fault_plan_t *current;
static const char *current_name = "";

bool sweep_wrong(const char *format, ...)
{
    va_list args;

    (void)printf("WRONG %s n=%lu: ", current_name, current == NULL ? 0 : current->nth);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
    (void)fflush(stdout);
    return false;
}

int64_t sweep_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int sweep_wait(pid_t pid, int64_t wait_ms)
{
    int64_t end = sweep_now_ms() + wait_ms;
    const struct timespec nap = { .tv_nsec = 500000 };
    int status;

    do {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return status;
        }
        (void)nanosleep(&nap, NULL);
    } while (sweep_now_ms() < end);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return -1;
}

bool sweep_make_dir(char *path, size_t cap)
{
    const char *base = getenv("TMPDIR");

    int n = snprintf(path, cap, "%s/mcpauth-faults-XXXXXX", base != NULL ? base : "/tmp");

    return n > 0 && (size_t)n < cap && mkdtemp(path) != NULL;
}

static int drop_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void sweep_drop_dir(const char *path)
{
    (void)nftw(path, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The short form takes every call up to the thirtieth and then ever longer steps: most of what is far behind happens in every round. What
 * goes on failing from there on differs less from one call to the next. */
static unsigned long next_of(unsigned long nth, const struct fault *fault, bool full)
{
    if (full) {
        return nth + 1;
    }
    return nth + 1 + (fault->kind == MCPA_FAULT_ONWARD ? nth / 3 : nth > 30 ? nth / 8 : 0);
}

static int sweep(const struct fault *fault, sweep_life_fn life, bool full, unsigned long only)
{
    unsigned long nth = only > 0 ? only : 1;
    unsigned lives = 0, wrong = 0;
    mcpa_fault_plan_t plan = { .function = fault->function, .error = fault->error, .kind = fault->kind, .too = fault->too };
    bool met = true;

    current = &plan;
    current_name = fault->name;
    while (met && nth < NTH_MAX && wrong < 5) {
        plan.nth = nth;
        sweep_faults.reset();
        wrong += life(&plan) ? 0 : 1;
        met = sweep_faults.failed() > 0;
        lives++;
        if (only > 0) {
            break;
        }
        nth = next_of(nth, fault, full);
    }
    (void)printf("%s: %u lives, the last with call %lu, %u wrong\n", fault->name, lives, plan.nth, wrong);
    return wrong > 0 || nth >= NTH_MAX;
}

int sweep_main(int argc, char **argv, sweep_life_fn life)
{
    const char *name = argc > 1 ? argv[1] : "--list";
    unsigned long only = 0;
    bool full = false;

    for (int i = 2; i < argc; i++) {
        full = full || strcmp(argv[i], "--full") == 0;
        only = strcmp(argv[i], "--nth") == 0 && i + 1 < argc ? strtoul(argv[i + 1], NULL, 10) : only;
    }
    if (strcmp(name, "--list") != 0 && !mcpa_faults_find(&sweep_faults)) {
        (void)fprintf(stderr, "the shim is not loaded: LD_PRELOAD=.../faults.so\n");
        return 2;
    }
    for (size_t i = 0; i < FAULTS; i++) {
        if (strcmp(name, "--list") == 0) {
            (void)printf("%s\n", faults[i].name);
        } else if (strcmp(name, faults[i].name) == 0) {
            return sweep(&faults[i], life, full, only);
        }
    }
    return strcmp(name, "--list") == 0 ? 0 : 2;
}
