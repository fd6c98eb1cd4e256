/* SPDX-License-Identifier: Apache-2.0 */
/* One line an outcome, to stderr (journald) with a syslog-style level and a stable id "MCPAnnnn". Client strings are escaped by the caller's
 * format through admind_log_safe. */
#ifndef ADMIND_LOG_H
#define ADMIND_LOG_H

#include "base/bytes.h"

typedef enum admind_level { ADMIND_ERR = 3, ADMIND_WARNING = 4, ADMIND_NOTICE = 5, ADMIND_INFO = 6, ADMIND_DEBUG = 7 } admind_level_t;

void admind_log_level(admind_level_t level);
void admind_log(admind_level_t level, const char *id, const char *format, ...) MCPA_PRINTF(3, 4);

#endif
