/* SPDX-License-Identifier: Apache-2.0 */
/* One line an outcome, with a syslog-style level and a stable id "MCPAnnnn": to stderr (journald), or to syslog once the daemon
 * went to the background. A line stays one line: control characters and broken UTF-8 in what is printed are escaped here, so
 * nothing a client sends can forge a line. */
#ifndef ADMIND_LOG_H
#define ADMIND_LOG_H

#include "base/bytes.h"

typedef enum admind_level {
    ADMIND_ERR = 3,
    ADMIND_WARNING = 4,
    ADMIND_NOTICE = 5,
    ADMIND_INFO = 6,
    ADMIND_DEBUG = 7
} admind_level_t;

void admind_log_level(admind_level_t level);
/* For good: lines go to syslog (facility daemon) from now on. */
void admind_log_to_syslog(const char *ident);
void admind_log(admind_level_t level, const char *id, const char *format, ...) MCPA_PRINTF(3, 4);

/* For lines that a peer can cause: at most ADMIND_LOG_BURST a minute from one place. Zeroed memory is a fresh one. */
#define ADMIND_LOG_BURST 10
typedef struct admind_log_gate {
    int64_t minute;
    unsigned passed;
    uint64_t held; /* lines held back since the last one that passed */
} admind_log_gate_t;

/* true: log it, and mention *held lines that were not. */
bool admind_log_admit(admind_log_gate_t *gate, int64_t mono_us, uint64_t *held);

/* "err", "warning", "notice", "info", "debug". */
bool admind_level_find(admind_level_t *level, const char *word);

#endif
