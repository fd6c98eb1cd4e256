/* SPDX-License-Identifier: Apache-2.0 */
/* Crash points and planted faults for tests/torture. Both are nothing at all unless configured with --enable-crash-points, which is never for
 * a build that is installed: then a named place between two steps of the audit path may kill its own process, and a named mutant breaks
 * one promise of the protocol so that the torture can prove it would notice.
 *
 * Environment: MCPA_CRASH="NAME:PROBABILITY[,NAME:PROBABILITY...]" (NAME may be "*"), MCPA_CRASH_LOG=FILE (one line "NAME PID" a crash),
 * MCPA_MUTANT=NAME. Which crash happens when is truly random. Any thread. */
#ifndef MCPA_BASE_CRASH_H
#define MCPA_BASE_CRASH_H

#include <stdbool.h>

#ifdef MCPA_CRASH_POINTS
void mcpa_crash_point(const char *name);
bool mcpa_crash_due(const char *name); /* for a crash in the middle of one step: half the work is done by the caller, then mcpa_crash_now */
void mcpa_crash_now(const char *name);
bool mcpa_mutant(const char *name);
#define MCPA_CRASH(name) mcpa_crash_point(name)
#define MCPA_CRASH_DUE(name) mcpa_crash_due(name)
#define MCPA_CRASH_NOW(name) mcpa_crash_now(name)
#define MCPA_MUTANT(name) mcpa_mutant(name)
#else
#define MCPA_CRASH(name) ((void)0)
#define MCPA_CRASH_DUE(name) false
#define MCPA_CRASH_NOW(name) ((void)0)
#define MCPA_MUTANT(name) false
#endif

#endif
