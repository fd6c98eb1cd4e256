/* SPDX-License-Identifier: Apache-2.0 */
/* Plumbing errors: what went wrong with memory, shapes and files. Verdicts about requests are mcpa_reason_t
 * (policy/reason.h); the two never mix. */
#ifndef MCPA_BASE_STATUS_H
#define MCPA_BASE_STATUS_H

#define MCPA_MUST_CHECK __attribute__((warn_unused_result))
#define MCPA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef enum mcpa_status {
    MCPA_OK = 0,
    MCPA_ENOMEM,       /* allocation failed */
    MCPA_EMALFORMED,   /* the input breaks its grammar */
    MCPA_ETOOBIG,      /* over a ceiling of base/limits.h, or the caller's buffer is too small */
    MCPA_EDUPLICATE,   /* a name or id stands twice where it may stand once */
    MCPA_ENOTFOUND,
    MCPA_EUNSUPPORTED, /* well-formed, but a kind this program does not handle */
    MCPA_EFULL,        /* no room left: table, queue, spool */
    MCPA_EIO           /* a system call failed; errno tells */
} mcpa_status_t;

/* A constant English word for logs and error messages; never NULL. */
const char *mcpa_status_word(mcpa_status_t status);

#endif
