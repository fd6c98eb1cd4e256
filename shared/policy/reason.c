/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reason.h"

static const mcpa_reason_row_t rows[MCPA_REASON_COUNT] = {
#define MCPA_REASON(name, word, outcome, status, error, bearer, failure, text)                                                   \
    [MCPA_REASON_##name] = { word, MCPA_OUTCOME_##outcome, status, error, bearer, MCPA_FAILURE_##failure, text },
#include "policy/reason.def"
#undef MCPA_REASON
};

const mcpa_reason_row_t *mcpa_reason_row(mcpa_reason_t reason)
{
    if ((unsigned)reason >= (unsigned)MCPA_REASON_COUNT) {
        return &rows[MCPA_REASON_UNDECIDED];
    }
    return &rows[reason];
}

mcpa_reason_t mcpa_reason_find(mcpa_str_t word)
{
    for (unsigned i = 0; i < (unsigned)MCPA_REASON_COUNT; i++) {
        if (mcpa_str_eqz(word, rows[i].word)) {
            return (mcpa_reason_t)i;
        }
    }
    return MCPA_REASON_UNDECIDED;
}

const char *mcpa_outcome_word(mcpa_outcome_t outcome)
{
    switch (outcome) {
    case MCPA_OUTCOME_ALLOW:
        return "allow";
    case MCPA_OUTCOME_DENY:
        return "deny";
    case MCPA_OUTCOME_LIMIT:
        return "limit";
    case MCPA_OUTCOME_ERROR:
        break;
    }
    return "error";
}
