/* SPDX-License-Identifier: Apache-2.0 */
/* The shim between a program and its C library (shim.c, loaded with LD_PRELOAD): lets the n-th call of a chosen function fail, remembers
 * what has been synced, and moves the clocks. A program finds these functions with mcpa_faults_find, so that it needs no linking and runs
 * without the shim too.
 *
 * Only calls that our own program makes count: what libraries do when they have no memory is theirs. Descriptors 0 to 2 never fail: a log that
 * cannot be written has no reader.
 *
 * The shim's own numbers lie in memory that survives fork and is shared with the children. Without a program that knows it, the environment
 * says MCPA_FAULTS_CLOCK=FILE: the wall clock is shifted by as many seconds as the file's first eight bytes say (int64, native), at any time. */
#ifndef MCPA_TORTURE_FAULTS_H
#define MCPA_TORTURE_FAULTS_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef enum mcpa_fault_kind {
    MCPA_FAULT_ONCE,   /* the n-th call alone */
    MCPA_FAULT_ONWARD, /* the n-th and all that follow */
    MCPA_FAULT_SHORT,  /* the n-th writes or sends half of what it should, which is no error */
    MCPA_FAULT_DIE     /* the process is killed in place of the n-th */
} mcpa_fault_kind_t;

typedef struct mcpa_fault_plan {
    const char *function; /* group of functions: memory, write, sync, send, open, rename, truncate, allocate, unlink, read */
    int error;            /* errno */
    unsigned long nth;    /* from 1 */
    mcpa_fault_kind_t kind;
    const char *too;      /* another group, of which every call fails with EIO from the moment the first has failed; NULL: none */
} mcpa_fault_plan_t;

typedef struct mcpa_faults {
    /* From now on, in this process. plan NULL: no faults any more. */
    void (*arm)(const mcpa_fault_plan_t *plan);
    /* The monotonic clock runs so many times as fast in this process, and waiting for events is as much shorter. */
    void (*speed)(unsigned times);
    /* Forgets all numbers, for all processes. */
    void (*reset)(void);
    unsigned long (*failed)(void);           /* calls that were made to fail since reset */
    unsigned long (*rounds)(void);           /* waits for events since reset */
    void (*shift)(int64_t seconds);          /* the wall clock, of all processes */
    uint64_t (*synced)(dev_t dev, ino_t ino); /* bytes of this file that a sync has covered since reset */
} mcpa_faults_t;

/* false: the shim is not loaded. */
static inline bool mcpa_faults_find(mcpa_faults_t *faults)
{
    const mcpa_faults_t *found = (const mcpa_faults_t *)dlsym(RTLD_DEFAULT, "mcpa_faults_table");

    if (found != NULL) {
        *faults = *found;
    }
    return found != NULL;
}

#endif
