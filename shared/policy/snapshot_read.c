/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/snapshot_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

#define BLOCK_BYTES (64 * 1024)

typedef struct mcpa_snapshot_block block_t;
struct mcpa_snapshot_block {
    block_t *next;
    size_t used;
    size_t cap;
    max_align_t bytes[];
};

bool mcpa_reading_fail(mcpa_reading_t *p, mcpa_status_t status, const char *format, ...)
{
    char sentence[512];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    p->status = status;
    if (p->where) {
        mcpa_out_printf(&p->error, "%s[%zu]: ", p->where, p->index);
    }
    mcpa_out_z(&p->error, sentence);
    return false;
}

bool mcpa_reading_reserve(mcpa_snapshot_memory_t *memory, size_t bytes)
{
    size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    block_t *block = memory->blocks;

    if (block && block->cap - block->used >= bytes) {
        return true;
    }
    block = malloc(sizeof(*block) + cap);
    if (!block) {
        return false;
    }
    *block = (block_t){ .next = memory->blocks, .cap = cap };
    memory->blocks = block;
    return true;
}

void *mcpa_reading_allocate(void *ctx, size_t bytes)
{
    mcpa_snapshot_memory_t *memory = ctx;
    void *at;

    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!mcpa_reading_reserve(memory, bytes)) {
        return NULL;
    }
    at = (char *)memory->blocks->bytes + memory->blocks->used;
    memory->blocks->used += bytes;
    return memset(at, 0, bytes);
}

void *mcpa_reading_get(mcpa_reading_t *p, size_t bytes)
{
    void *at = mcpa_reading_allocate(p->memory, bytes);

    if (!at) {
        mcpa_reading_fail(p, MCPA_ENOMEM, "no memory is left");
    }
    return at;
}

bool mcpa_read_text(mcpa_reading_t *p, const char **text, const mcpa_json_t *object, const char *name, bool required)
{
    const mcpa_json_t *member = mcpa_json_member(object, name);
    mcpa_str_t value = mcpa_json_string(member);
    char *copy;

    if (!member && !required) {
        return true;
    }
    if (!value.ptr || !mcpa_text_is_printable(value)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"%s\" must be a printable string", name);
    }
    copy = mcpa_reading_get(p, value.len + 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, value.ptr, value.len);
    *text = copy;
    return true;
}

bool mcpa_read_array(mcpa_reading_t *p, const mcpa_json_t **array, const mcpa_json_t *object, const char *name, size_t max)
{
    *array = mcpa_json_member(object, name);
    if (*array && !mcpa_json_is(*array, MCPA_JSON_ARRAY)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"%s\" must be an array", name);
    }
    if (mcpa_json_size(*array) > max) {
        return mcpa_reading_fail(p, MCPA_ETOOBIG, "\"%s\" has more than %zu elements", name, max);
    }
    return true;
}

bool mcpa_read_list(mcpa_reading_t *p, const char *const **list, const mcpa_json_t *object, const char *name, size_t max,
                    bool (*check)(mcpa_str_t element))
{
    const mcpa_json_t *array;
    const char **copies;

    if (!mcpa_read_array(p, &array, object, name, max) || !array) {
        return p->status == MCPA_OK;
    }
    copies = mcpa_reading_get(p, (mcpa_json_size(array) + 1) * sizeof(*copies));
    for (size_t i = 0; copies && i < mcpa_json_size(array); i++) {
        mcpa_str_t element = mcpa_json_string(mcpa_json_at(array, i));
        char *copy;

        if (!element.ptr || !check(element)) {
            return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"%s\" has an element that is not allowed there", name);
        }
        copy = mcpa_reading_get(p, element.len + 1);
        if (!copy) {
            return false;
        }
        memcpy(copy, element.ptr, element.len);
        copies[i] = copy;
    }
    *list = copies;
    return copies != NULL;
}

bool mcpa_read_flag(mcpa_reading_t *p, bool *flag, const mcpa_json_t *object, const char *name)
{
    const mcpa_json_t *member = mcpa_json_member(object, name);

    *flag = mcpa_json_true(member);
    return !member || mcpa_json_is(member, MCPA_JSON_BOOL) ||
           mcpa_reading_fail(p, MCPA_EMALFORMED, "\"%s\" must be true or false", name);
}

bool mcpa_read_word(mcpa_reading_t *p, size_t *value, const mcpa_json_t *object, const char *name, const char *const *words)
{
    mcpa_str_t word = mcpa_json_string(mcpa_json_member(object, name));

    for (size_t i = 0; words[i]; i++) {
        if (word.ptr && mcpa_str_eqz(word, words[i])) {
            *value = i;
            return true;
        }
    }
    return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"%s\" is none of its words", name);
}

bool mcpa_read_hex(uint64_t *value, mcpa_str_t text)
{
    static const char digits[] = "0123456789abcdef";

    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;

        if (!digit) {
            return false;
        }
        *value = *value << 4 | (uint64_t)(digit - digits);
    }
    return text.len == 16;
}

/* Two or more digits of a fixed-width field. */
static bool read_digits(int64_t *value, mcpa_str_t text, size_t at, size_t n)
{
    uint64_t number;

    if (at + n > text.len || !mcpa_text_u64((mcpa_str_t){ text.ptr + at, n }, &number)) {
        return false;
    }
    *value = (int64_t)number;
    return true;
}

/* The reverse of mcpa_text_rfc3339; what that would not print again the same way is no time. Days from the civil date after
 * Hinnant. */
bool mcpa_read_time(int64_t *us, mcpa_str_t text)
{
    int64_t y, m, d, hour, minute, second, ms, era, of_era, of_year;
    char again[25];

    if (!read_digits(&y, text, 0, 4) || !read_digits(&m, text, 5, 2) || !read_digits(&d, text, 8, 2) ||
        !read_digits(&hour, text, 11, 2) || !read_digits(&minute, text, 14, 2) || !read_digits(&second, text, 17, 2) ||
        !read_digits(&ms, text, 20, 3)) {
        return false;
    }
    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    of_era = (y - era * 400) * 365 + (y - era * 400) / 4 - (y - era * 400) / 100 + of_year;
    *us = ((((era * 146097 + of_era - 719468) * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + ms * 1000;
    mcpa_text_rfc3339(again, *us);
    return mcpa_str_eqz(text, again);
}

void mcpa_snapshot_memory_free(mcpa_snapshot_memory_t *memory)
{
    block_t *next;

    for (block_t *block = memory->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    mcpa_scope_model_free(&memory->model);
    free(memory);
}
