/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys of mcpauth-admind.conf, between config.c (the rows and how a value is set) and configfile.c (how the file is
 * read). */
#ifndef ADMIND_CONFIGTABLE_H
#define ADMIND_CONFIGTABLE_H

#include "config.h"

#define ADMIND_WORDS_MAX 16 /* on one line */

typedef struct admind_row admind_row_t;
/* values: the words after the key, at least one. why: "what is wrong; what to write instead". */
typedef bool admind_setter_t(admind_config_t *config, const admind_row_t *row, char *const *values, size_t n, char *why,
                             size_t cap);

struct admind_row {
    const char *key;
    admind_setter_t *set;
    size_t offset;        /* of the member in admind_config_t */
    const char *standard; /* the default, in the file's own words; NULL: none */
    const char *shape;    /* what to write: for messages and the reference */
    size_t words;         /* how many values it takes at the most */
    int64_t low, high;    /* bounds of numbers and durations (microseconds) */
    bool many;            /* may stand several times */
};

const admind_row_t *admind_config_rows(size_t *count);

#endif
