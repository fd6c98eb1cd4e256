/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as a process: signals as events, systemd's notifications, going to the background. */
#ifndef ADMIND_SERVICE_H
#define ADMIND_SERVICE_H

#include <stdbool.h>

/* Limits, no cores, no tracing by others (secrets are in memory), signals blocked for admind_service_signals. */
bool admind_service_prepare(void);
/* A descriptor that becomes readable when SIGHUP, SIGTERM or SIGINT arrived; -1. */
int admind_service_signals(void);
/* The signal, or 0. */
int admind_service_signal_read(int fd);

/* One sd_notify(3) message ("READY=1"); nothing happens where NOTIFY_SOCKET is not set. */
void admind_service_notify(const char *message);
/* Milliseconds between two WATCHDOG=1, half of what systemd waits; 0: no watchdog, or none for us. */
int admind_service_watchdog_ms(void);

/* Forks twice. Returns in the daemon, with a descriptor for admind_service_started; the first process waits and exits with 0 once
 * the daemon has started, with 1 when it did not. -1: could not fork. */
int admind_service_background(void);
/* stdio to /dev/null, log to syslog, and the first process may exit. */
void admind_service_started(int fd);

#endif
