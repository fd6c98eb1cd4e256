/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts. The table is reason.def; zero is UNDECIDED and denies. */
#ifndef MCPA_POLICY_REASON_H
#define MCPA_POLICY_REASON_H

#include "base/bytes.h"

typedef enum mcpa_reason {
#define MCPA_REASON(name, word, outcome, status, error, bearer, failure, text) MCPA_REASON_##name,
#include "policy/reason.def"
#undef MCPA_REASON
    MCPA_REASON_COUNT
} mcpa_reason_t;

typedef enum mcpa_outcome { MCPA_OUTCOME_ALLOW, MCPA_OUTCOME_DENY, MCPA_OUTCOME_LIMIT, MCPA_OUTCOME_ERROR } mcpa_outcome_t;
typedef enum mcpa_failure { MCPA_FAILURE_NO, MCPA_FAILURE_FAILURE, MCPA_FAILURE_GUESS } mcpa_failure_t;

typedef struct mcpa_reason_row {
    const char *word;
    mcpa_outcome_t outcome;
    int status;               /* 0: the request goes on */
    const char *error;        /* body "error"; NULL when there is no body */
    const char *bearer_error; /* NULL: challenge without error=; "": no challenge */
    mcpa_failure_t failure;
    const char *description;
} mcpa_reason_row_t;

/* Never NULL; an impossible value gives the row of UNDECIDED. */
const mcpa_reason_row_t *mcpa_reason_row(mcpa_reason_t reason);
/* MCPA_REASON_UNDECIDED when there is no such word. */
mcpa_reason_t mcpa_reason_find(mcpa_str_t word);
static inline const char *mcpa_reason_word(mcpa_reason_t reason)
{
    return mcpa_reason_row(reason)->word;
}
/* "allow", "deny", "limit", "error": the audit record's decision. */
const char *mcpa_outcome_word(mcpa_outcome_t outcome);

#endif
