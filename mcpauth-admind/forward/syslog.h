/* SPDX-License-Identifier: Apache-2.0 */
/* A journal line as one syslog message (RFC 5424) in octet counting (RFC 6587 section 3.4.1, RFC 5425 section 4.3):
 *   LENGTH <PRI>1 TIME HOST mcpauth-admind PID KIND [mcpauth@32473 instance="…" seq="…" …] LINE
 * Header and names are printable ASCII whatever the line holds; values are UTF-8, escaped, at most ADMIND_SYSLOG_VALUE_BYTES each. A byte order
 * mark stands before LINE when it is UTF-8 beyond ASCII (RFC 5424 section 6.4); plain ASCII needs none. Pure. */
#ifndef ADMIND_FORWARD_SYSLOG_H
#define ADMIND_FORWARD_SYSLOG_H

#include "audit/line.h"
#include "base/bytes.h"

#define ADMIND_SYSLOG_VALUE_BYTES 256 /* before escaping; the whole value stands in LINE */

typedef struct admind_syslog_origin {
    const char *host;  /* any text; what is not printable ASCII becomes '?' */
    long pid;
    unsigned facility; /* 0 to 23 */
} admind_syslog_origin_t;

/* Appends the message of one line (text, without newline). parsed: what admind_line_parse made of it; NULL when it is no journal line, which
 * is sent on all the same. What does not fit shows in mcpa_out_status. */
void admind_syslog_print(mcpa_out_t *out, const admind_syslog_origin_t *origin, mcpa_str_t text, const admind_line_t *parsed);
/* "local0" and its like. */
bool admind_syslog_facility(const char *word, unsigned *facility);

#endif
