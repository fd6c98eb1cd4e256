/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/tools.h"

#include <stdlib.h>

#include "base/text.h"

#define CALL "tools/call"

struct admind_tools {
    char *names[ADMIND_TOOLS_MAX]; /* sorted */
    size_t n;
};

static void forget(admind_tools_t *tools)
{
    while (tools->n > 0) {
        free(tools->names[--tools->n]);
    }
}

admind_tools_t *admind_tools_new(void)
{
    return calloc(1, sizeof(admind_tools_t));
}

void admind_tools_free(admind_tools_t **tools)
{
    if (*tools != NULL) {
        forget(*tools);
        free(*tools);
        *tools = NULL;
    }
}

/* The place of this name, or the one where it would stand. */
static size_t place_of(const admind_tools_t *tools, mcpa_str_t name, bool *is_there)
{
    size_t low = 0, high = tools->n;

    *is_there = false;
    while (low < high && !*is_there) {
        size_t middle = low + (high - low) / 2;
        mcpa_str_t other = mcpa_str(tools->names[middle]);
        size_t len = other.len < name.len ? other.len : name.len;
        int order = memcmp(other.ptr, name.ptr, len);

        order = order != 0 ? order : (other.len > name.len) - (other.len < name.len);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool add(admind_tools_t *tools, const char *name)
{
    bool is_there;
    size_t at = place_of(tools, mcpa_str(name), &is_there);
    char *copy;

    if (is_there || tools->n == ADMIND_TOOLS_MAX) {
        return true;
    }
    copy = strdup(name);
    if (copy == NULL) {
        return false;
    }
    memmove(tools->names + at + 1, tools->names + at, (tools->n - at) * sizeof(tools->names[0]));
    tools->names[at] = copy;
    tools->n++;
    return true;
}

static bool add_rules(admind_tools_t *tools, const mcpa_operations_t *section)
{
    for (; section != NULL; section = section->outer) {
        for (size_t i = 0; i < section->n_rules; i++) {
            const mcpa_operation_t *rule = &section->rules[i];

            if (rule->name != NULL && strpbrk(rule->name, "*?") == NULL &&
                mcpa_text_glob(mcpa_str(rule->method), MCPA_STR(CALL)) && !add(tools, rule->name)) {
                return false;
            }
        }
    }
    return true;
}

void admind_tools_take(admind_tools_t *tools, const mcpa_snapshot_t *snapshot)
{
    admind_tools_t fresh = { .n = 0 };

    for (size_t i = 0; snapshot->policies != NULL && snapshot->policies[i] != NULL; i++) {
        if (!add_rules(&fresh, snapshot->policies[i]->operations)) {
            forget(&fresh);
            return;
        }
    }
    forget(tools);
    *tools = fresh;
}

mcpa_str_t admind_tools_label(const admind_tools_t *tools, mcpa_str_t operation, mcpa_str_t name)
{
    bool is_there;
    size_t at;

    if (!mcpa_str_eqz(operation, CALL) || name.ptr == NULL) {
        return MCPA_STR("");
    }
    at = place_of(tools, name, &is_there);
    return is_there ? mcpa_str(tools->names[at]) : MCPA_STR("other");
}
