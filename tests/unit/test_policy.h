/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the policy layer share. */
#ifndef TEST_POLICY_H
#define TEST_POLICY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/reason.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Compares by word, so that a failure can be read; 'what' names the row. */
#define assert_reason(expected, actual, what) check_reason(expected, actual, what, __FILE__, __LINE__)

static inline void check_reason(mcpa_reason_t expected, mcpa_reason_t actual, const char *what, const char *file, int line)
{
    if (expected != actual) {
        print_error("%s: expected %s, got %s\n", what, mcpa_reason_word(expected), mcpa_reason_word(actual));
        _fail(file, line);
    }
}

#endif
