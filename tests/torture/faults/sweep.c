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

/* The groups of functions that can fail, and the ways in which they do: a fault is one of each, GROUP-SHAPE. */
static const char *const groups[] = { "memory", "write", "sync", "send", "open", "rename", "truncate", "allocate", "unlink", "read" };
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static const struct shape {
    const char *name;
    int error;
    mcpa_fault_kind_t kind;
    const char *too;
} shapes[] = {
    { "enomem", ENOMEM, MCPA_FAULT_ONCE, NULL },
    { "enomem-onward", ENOMEM, MCPA_FAULT_ONWARD, NULL },
    { "enospc", ENOSPC, MCPA_FAULT_ONCE, NULL },
    { "enospc-onward", ENOSPC, MCPA_FAULT_ONWARD, NULL },
    { "eio", EIO, MCPA_FAULT_ONCE, NULL },
    { "eio-onward", EIO, MCPA_FAULT_ONWARD, NULL },
    { "eio-no-way-back", EIO, MCPA_FAULT_ONCE, "truncate" }, /* what was written cannot be taken back either */
    { "eintr", EINTR, MCPA_FAULT_ONCE, NULL },
    { "emfile", EMFILE, MCPA_FAULT_ONCE, NULL },
    { "emfile-onward", EMFILE, MCPA_FAULT_ONWARD, NULL },
    { "enobufs", ENOBUFS, MCPA_FAULT_ONCE, NULL },
    { "reset-onward", ECONNRESET, MCPA_FAULT_ONWARD, NULL },
    { "short", 0, MCPA_FAULT_SHORT, NULL },
    { "die", 0, MCPA_FAULT_DIE, NULL },
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

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

void sweep_drop_dir(const char *path, bool good)
{
    if (good || getenv("MCPAUTH_KEEP") == NULL) {
        (void)nftw(path, drop_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* The short form takes every call up to the thirtieth and then ever longer steps: most of what is far behind happens in every round. What
 * goes on failing from there on differs less from one call to the next. */
static unsigned long next_of(unsigned long nth, const mcpa_fault_plan_t *plan, bool full)
{
    if (full) {
        return nth + 1;
    }
    return nth + 1 + (plan->kind == MCPA_FAULT_ONWARD ? nth / 3 : nth > 30 ? nth / 8 : 0);
}

/* plan: a fault; its nth is this function's. */
static int sweep(mcpa_fault_plan_t *plan, sweep_life_fn life, bool full, unsigned long only)
{
    unsigned long nth = only > 0 ? only : 1;
    unsigned lives = 0, wrong = 0;
    bool met = true;

    current = plan;
    while (met && nth < NTH_MAX && wrong < 5) {
        plan->nth = nth;
        sweep_faults.reset();
        wrong += life(plan) ? 0 : 1;
        met = sweep_faults.failed() > 0;
        lives++;
        if (only > 0) {
            break;
        }
        nth = next_of(nth, plan, full);
    }
    (void)printf("%s: %u lives, the last with call %lu, %u wrong\n", current_name, lives, plan->nth, wrong);
    return wrong > 0 || nth >= NTH_MAX;
}

/* The plan that a fault's name stands for. */
static bool find_fault(mcpa_fault_plan_t *plan, const char *name)
{
    const char *rest = strchr(name, '-');

    for (size_t i = 0; rest != NULL && i < GROUPS; i++) {
        size_t len = strlen(groups[i]);

        if ((size_t)(rest - name) == len && strncmp(name, groups[i], len) == 0) {
            plan->function = groups[i];
        }
    }
    for (size_t i = 0; rest != NULL && plan->function != NULL && i < SHAPES; i++) {
        if (strcmp(rest + 1, shapes[i].name) == 0) {
            plan->error = shapes[i].error;
            plan->kind = shapes[i].kind;
            plan->too = shapes[i].too;
            return true;
        }
    }
    return false;
}

int sweep_main(int argc, char **argv, sweep_life_fn life)
{
    mcpa_fault_plan_t plan = { .function = NULL };
    unsigned long only = 0;
    bool full = false;

    for (int i = 2; i < argc; i++) {
        full = full || strcmp(argv[i], "--full") == 0;
        only = strcmp(argv[i], "--nth") == 0 && i + 1 < argc ? strtoul(argv[i + 1], NULL, 10) : only;
    }
    if (argc < 2 || !find_fault(&plan, argv[1])) {
        (void)fprintf(stderr, "%s: GROUP-SHAPE [--full] [--nth N], as sweep.c lists groups and shapes\n", argv[0]);
        return 2;
    }
    if (!mcpa_faults_find(&sweep_faults)) {
        (void)fprintf(stderr, "the shim is not loaded: LD_PRELOAD=.../faults.so\n");
        return 2;
    }
    current_name = argv[1];
    return sweep(&plan, life, full, only);
}
