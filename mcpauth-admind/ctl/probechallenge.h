/* SPDX-License-Identifier: Apache-2.0 */
/* What a client makes of WWW-Authenticate (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9728 section 5.1): the first challenge, which
 * has to be Bearer. Reads on behind a fault, so that one fault does not look like many. Pure; everything borrows from the value. */
#ifndef CTL_PROBECHALLENGE_H
#define CTL_PROBECHALLENGE_H

#include "base/bytes.h"

#define CTL_CHALLENGE_PARAMS_MAX 16

typedef enum ctl_challenge_fault {
    CTL_CHALLENGE_SOUND = 0,
    CTL_CHALLENGE_BLANKS,    /* around a "=": both official SDKs then find nothing */
    CTL_CHALLENGE_TWICE,     /* a parameter: clients differ in which one they take */
    CTL_CHALLENGE_CHARACTER, /* in a value: not one of RFC 6750's, such as a backslash, which clients do not take away */
    CTL_CHALLENGE_SYNTAX     /* no list of name=value at all */
} ctl_challenge_fault_t;

typedef struct ctl_challenge {
    bool is_bearer; /* the first scheme is; otherwise nothing else is filled */
    ctl_challenge_fault_t fault; /* the first one */
    mcpa_str_t fault_at;         /* the name of the parameter, where there is one */
    size_t n;
    struct {
        mcpa_str_t name, value; /* as written, without the quotes */
    } params[CTL_CHALLENGE_PARAMS_MAX];
} ctl_challenge_t;

/* value: of the header, several lines joined by ", ". Always fills *challenge. */
void ctl_challenge_parse(ctl_challenge_t *challenge, mcpa_str_t value);
/* The first one of this name (any case); {NULL,0} when it is not there. */
mcpa_str_t ctl_challenge_get(const ctl_challenge_t *challenge, const char *name);

#endif
