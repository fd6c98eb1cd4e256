/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a fault sweep: for one kind of fault, life after life with the first, the second, the third... call failing, until a life
 * comes to its end without having met the fault. A life is the driver's: it runs the program in processes of its own, then looks whether anything was
 * lost, doubled, crashed or hung. */
#ifndef MCPA_TORTURE_SWEEP_H
#define MCPA_TORTURE_SWEEP_H

#include "faults.h"

/* One life with this plan. The number of the call alone changes from life to life. false: something was wrong and has been said. */
typedef bool (*sweep_life_fn)(const mcpa_fault_plan_t *plan);

/* Arguments: a fault, GROUP-SHAPE ("write-eio"); --full: every call also where the short form leaves some out; --nth N: that life alone. Returns
 * main's exit status. */
int sweep_main(int argc, char **argv, sweep_life_fn life);

/* The shim's functions; there when sweep_main calls a life. */
extern mcpa_faults_t sweep_faults;

/* Says what is wrong with this life. Returns false. */
bool sweep_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Milliseconds of the real monotonic clock. */
int64_t sweep_now_ms(void);
/* Waits for the child at most so long, then kills it, which is wrong. The wait status; -1: it hung. */
int sweep_wait(pid_t pid, int64_t wait_ms);

/* A new directory for one life, and its end with everything in it; MCPAUTH_KEEP keeps that of one that was not good. */
bool sweep_make_dir(char *path, size_t cap);
void sweep_drop_dir(const char *path, bool good);

#endif
