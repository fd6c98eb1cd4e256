/* SPDX-License-Identifier: Apache-2.0 */
#include "mcp/listfilter.h"

#include "base/limits.h"

#define KINDS 4

/* Where the answer to a method has its list, what its elements are called, and the operation that uses them. */
typedef struct list_kind {
    const char *method;
    const char *list;
    const char *name;
    const char *operation;
} list_kind_t;

static const list_kind_t kinds[KINDS] = {
    { "tools/list", "tools", "name", "tools/call" },
    { "prompts/list", "prompts", "name", "prompts/get" },
    { "resources/list", "resources", "uri", "resources/read" },
    { "resources/templates/list", "resourceTemplates", "uriTemplate", "resources/read" },
};

bool mcpa_list_filter_wants(mcpa_str_t method)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (mcpa_str_eqz(method, kinds[i].method)) {
            return true;
        }
    }
    return false;
}

typedef struct walk {
    mcpa_list_filter_t *filter;
    const list_kind_t *kind; /* of the list that is walked */
    bool had[KINDS];
    mcpa_jsonscan_t scan;
    const unsigned char *kept; /* everything before it was kept or cut */
} walk_t;

static void keep_until(walk_t *walk, const unsigned char *end)
{
    if (end > walk->kept) {
        walk->filter->keep(walk->filter->ctx, (mcpa_str_t){ (const char *)walk->kept, (size_t)(end - walk->kept) });
    }
    walk->kept = end;
}

/* ---- one element */

/* Whether the element that ends at the cursor may be shown: an object whose name stands in it once, plainly, as a string. */
static bool may_show(const walk_t *walk, mcpa_str_t element)
{
    mcpa_jsonscan_string_t member, name = { .raw = MCPA_STR_NONE };
    char memory[MCPA_RPC_URI_MAX_BYTES];
    mcpa_jsonscan_t scan;
    mcpa_status_t status;
    mcpa_str_t value;

    mcpa_jsonscan_init(&scan, element);
    if (mcpa_jsonscan_enter(&scan, '{') != MCPA_OK) {
        return false;
    }
    for (bool first = true; (status = mcpa_jsonscan_member(&scan, first, &member)) == MCPA_OK; first = false) {
        bool is_name = mcpa_str_eqz(member.raw, walk->kind->name);

        if (member.escaped || (is_name && (name.raw.ptr != NULL || mcpa_jsonscan_string(&scan, &name) != MCPA_OK)) ||
            (!is_name && mcpa_jsonscan_skip(&scan, NULL) != MCPA_OK)) {
            return false;
        }
    }
    return status == MCPA_ENOTFOUND && name.raw.ptr != NULL &&
           mcpa_jsonscan_decode(&name, memory, sizeof(memory), &value) == MCPA_OK &&
           walk->filter->allowed(walk->filter->ctx, mcpa_str(walk->kind->operation), value);
}

/* ---- the list */

/* Before every element stands a gap: white space, and a comma unless it is the first. A cut element takes its gap along; the
 * first that stays gets the first one's. */
static mcpa_status_t filter_list(walk_t *walk)
{
    const unsigned char *gap;
    bool first = true, any = false;
    mcpa_status_t status = mcpa_jsonscan_enter(&walk->scan, '[');

    if (status != MCPA_OK) {
        return status;
    }
    keep_until(walk, walk->scan.at);
    gap = walk->scan.at;
    while ((status = mcpa_jsonscan_element(&walk->scan, first)) == MCPA_OK) {
        mcpa_str_t element;

        status = mcpa_jsonscan_skip(&walk->scan, &element);
        if (status != MCPA_OK) {
            return status;
        }
        if (may_show(walk, element)) {
            walk->kept = any ? gap : (const unsigned char *)element.ptr;
            keep_until(walk, walk->scan.at);
            walk->filter->kept++;
            any = true;
        } else {
            walk->filter->removed++;
        }
        walk->kept = gap = walk->scan.at;
        first = false;
    }
    return status == MCPA_ENOTFOUND ? MCPA_OK : status;
}

/* ---- around it */

/* The value before the cursor becomes "private". */
static mcpa_status_t set_private(walk_t *walk)
{
    mcpa_status_t status;
    mcpa_str_t value;

    (void)mcpa_jsonscan_peek(&walk->scan);
    keep_until(walk, walk->scan.at);
    status = mcpa_jsonscan_skip(&walk->scan, &value);
    if (status == MCPA_OK) {
        walk->filter->keep(walk->filter->ctx, MCPA_STR("\"private\""));
        walk->kept = walk->scan.at;
    }
    return status;
}

/* The value of this member of the result: filtered when it is a list. */
static mcpa_status_t filter_member(walk_t *walk, mcpa_str_t name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (mcpa_str_eqz(name, kinds[i].list)) {
            if (walk->had[i]) {
                return MCPA_EMALFORMED;
            }
            walk->had[i] = true;
            walk->kind = &kinds[i];
            return filter_list(walk);
        }
    }
    return mcpa_jsonscan_skip(&walk->scan, NULL);
}

static mcpa_status_t filter_result(walk_t *walk)
{
    bool first = true, has_scope = false, empty = true;
    mcpa_jsonscan_string_t member;
    mcpa_status_t status = mcpa_jsonscan_enter(&walk->scan, '{');

    while (status == MCPA_OK && (status = mcpa_jsonscan_member(&walk->scan, first, &member)) == MCPA_OK) {
        first = empty = false;
        if (member.escaped) {
            return MCPA_EMALFORMED;
        }
        if (mcpa_str_eqz(member.raw, "cacheScope")) {
            status = has_scope ? MCPA_EMALFORMED : set_private(walk);
            has_scope = true;
        } else {
            status = filter_member(walk, member.raw);
        }
    }
    if (status != MCPA_ENOTFOUND) {
        return status == MCPA_OK ? MCPA_EMALFORMED : status;
    }
    if (walk->filter->add_cache_scope && !has_scope) {
        keep_until(walk, walk->scan.at - 1);
        walk->filter->keep(walk->filter->ctx,
                           empty ? MCPA_STR("\"cacheScope\":\"private\"") : MCPA_STR(",\"cacheScope\":\"private\""));
    }
    return MCPA_OK;
}

mcpa_status_t mcpa_list_filter(mcpa_list_filter_t *filter, mcpa_str_t document)
{
    walk_t walk = { .filter = filter, .kept = (const unsigned char *)document.ptr };
    bool first = true, has_result = false, has_method = false;
    mcpa_jsonscan_string_t member;
    mcpa_status_t status;

    mcpa_jsonscan_init(&walk.scan, document);
    status = mcpa_jsonscan_enter(&walk.scan, '{');
    while (status == MCPA_OK && (status = mcpa_jsonscan_member(&walk.scan, first, &member)) == MCPA_OK) {
        first = false;
        if (member.escaped) {
            return MCPA_EMALFORMED;
        }
        has_method = has_method || mcpa_str_eqz(member.raw, "method");
        if (mcpa_str_eqz(member.raw, "result")) {
            status = has_result ? MCPA_EMALFORMED : filter_result(&walk);
            has_result = true;
        } else {
            status = mcpa_jsonscan_skip(&walk.scan, NULL);
        }
    }
    if (status != MCPA_ENOTFOUND) {
        return status == MCPA_OK ? MCPA_EMALFORMED : status;
    }
    status = mcpa_jsonscan_finish(&walk.scan);
    if (status == MCPA_OK && has_result && has_method) {
        return MCPA_EMALFORMED;
    }
    keep_until(&walk, walk.scan.end);
    return status;
}
