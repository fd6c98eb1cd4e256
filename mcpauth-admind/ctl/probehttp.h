/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP exchange with a server that need not be friendly: every part of its answer has a ceiling and a deadline, redirects are not followed, and
 * nothing is sent but what was asked for. HTTP/1.1, because header lines shall arrive as they were written. One thread. */
#ifndef CTL_PROBEHTTP_H
#define CTL_PROBEHTTP_H

#include "base/bytes.h"

#define CTL_PROBE_HEADERS_BYTES 65536
#define CTL_PROBE_BODY_BYTES    ((size_t)256 * 1024)
#define CTL_PROBE_LINES         6
#define CTL_PROBE_ERROR_BYTES   320

typedef struct ctl_probehttp ctl_probehttp_t;

typedef struct ctl_ask {
    const char *method, *url;
    const char *token; /* NULL: none */
    bool token_twice;  /* two Authorization headers */
    const char *lines[CTL_PROBE_LINES]; /* "Name: value"; up to the first NULL */
    const char *body;  /* NULL: none */
    uint64_t pad_to;   /* >0: blanks in front of the body, so that all is so long; the server is asked first (Expect) */
} ctl_ask_t;

typedef struct ctl_answer {
    long status;
    char *headers; /* lines without CR, each ended by LF */
    size_t headers_len;
    char *body; /* may be NULL when empty; NUL-terminated */
    size_t body_len;
    char error[CTL_PROBE_ERROR_BYTES]; /* why there is no whole answer; "" when there is one */
} ctl_answer_t;

/* ca_file: NULL for those of the system. NULL when memory ran out. */
ctl_probehttp_t *ctl_probehttp_new(const char *ca_file);
void ctl_probehttp_free(ctl_probehttp_t **http);
/* Fills *answer in any case; to be cleared. A status may be there although error says that the answer was not whole. */
void ctl_probehttp_ask(ctl_probehttp_t *http, const ctl_ask_t *ask, ctl_answer_t *answer);
void ctl_answer_clear(ctl_answer_t *answer);

/* The value of the nth header of this name, without the blanks around it; {NULL,0} when there is none. Borrowed. */
mcpa_str_t ctl_answer_header(const ctl_answer_t *answer, const char *name, size_t nth);
/* All of them joined by ", ", as browsers and fetch do. false when they do not fit. */
bool ctl_answer_joined(const ctl_answer_t *answer, const char *name, mcpa_out_t *out);

#endif
