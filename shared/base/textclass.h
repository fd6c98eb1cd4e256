/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of ASCII characters, whatever the locale, for text.c and texturl.c alone. */
#ifndef MCPA_BASE_TEXTCLASS_H
#define MCPA_BASE_TEXTCLASS_H

#include <stdbool.h>
#include <string.h>

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* strchr without its trap: NUL is in no set. */
static inline bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

#endif
