/* SPDX-License-Identifier: Apache-2.0 */
/* How a Location inspects, in the snapshot and back:
 * {"inspect":"body","max_body":N,"protocols":[revisions],"operations":[sections]}, the innermost section first, each a list of
 * rules ["METHOD[:NAME]","scopes" or "granted" or "denied"]. */
#include "policy/snapshot_read.h"

#include "base/text.h"

/* ---- out */

static void print_rule(mcpa_jsonw_t *w, const mcpa_operation_t *rule)
{
    char text[MCPA_RPC_METHOD_MAX_BYTES + MCPA_RPC_URI_MAX_BYTES + 2];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_z(&out, rule->method);
    if (rule->name) {
        mcpa_out_char(&out, ':');
        mcpa_out_z(&out, rule->name);
    }
    mcpa_jsonw_open_array(w, NULL);
    mcpa_jsonw_str(w, NULL, mcpa_out_get(&out));
    mcpa_jsonw_z(w, NULL, rule->effect == MCPA_EFFECT_SCOPES ? rule->scopes : mcpa_operation_effect_word(rule->effect));
    mcpa_jsonw_close_array(w);
}

static void print_protocols(mcpa_jsonw_t *w, uint32_t protocols)
{
    mcpa_jsonw_open_array(w, "protocols");
    for (unsigned i = MCPA_REVISION_NONE + 1; i < MCPA_REVISION_COUNT; i++) {
        if (protocols & MCPA_REVISION_BIT(i)) {
            mcpa_jsonw_z(w, NULL, mcpa_revision_name((mcpa_revision_t)i));
        }
    }
    mcpa_jsonw_close_array(w);
}

void mcpa_print_inspection(mcpa_jsonw_t *w, const mcpa_policy_t *policy)
{
    if (policy->inspect == MCPA_INSPECT_OFF) {
        return;
    }
    mcpa_jsonw_z(w, "inspect", mcpa_inspect_word(policy->inspect));
    mcpa_jsonw_u64(w, "max_body", policy->max_body);
    if (policy->protocols) {
        print_protocols(w, policy->protocols);
    }
    mcpa_jsonw_open_array(w, "operations");
    for (const mcpa_operations_t *section = policy->operations; section; section = section->outer) {
        mcpa_jsonw_open_array(w, NULL);
        for (size_t i = 0; i < section->n_rules; i++) {
            print_rule(w, &section->rules[i]);
        }
        mcpa_jsonw_close_array(w);
    }
    mcpa_jsonw_close_array(w);
}

/* ---- back */

static const char *copy(mcpa_reading_t *p, mcpa_str_t text)
{
    char *memory = mcpa_reading_get(p, text.len + 1);

    return memory ? memcpy(memory, text.ptr, text.len) : NULL;
}

static bool read_rule(mcpa_reading_t *p, mcpa_operation_t *rule, const mcpa_json_t *pair)
{
    mcpa_str_t text = mcpa_json_string(mcpa_json_at(pair, 0)), effect = mcpa_json_string(mcpa_json_at(pair, 1)), method, name;
    const char *why = "a rule is an operation and scopes, granted or denied";

    if (mcpa_json_size(pair) != 2 || !text.ptr || !effect.ptr || !mcpa_operation_effect(&rule->effect, effect)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"operations\": %s", why);
    }
    why = mcpa_operation_split(text, &method, &name);
    if (why) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"operations\": %s", why);
    }
    rule->method = copy(p, method);
    rule->name = name.ptr ? copy(p, name) : NULL;
    rule->scopes = rule->effect == MCPA_EFFECT_SCOPES ? copy(p, effect) : NULL;
    return p->status == MCPA_OK;
}

static bool read_section(mcpa_reading_t *p, mcpa_operations_t *section, const mcpa_json_t *json)
{
    mcpa_operation_t *rules;

    if (!mcpa_json_is(json, MCPA_JSON_ARRAY) || mcpa_json_size(json) > MCPA_OPERATIONS_MAX) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"operations\": a section is a list of rules");
    }
    section->n_rules = mcpa_json_size(json);
    rules = mcpa_reading_get(p, (section->n_rules + 1) * sizeof(*rules));
    for (size_t i = 0; rules && i < section->n_rules; i++) {
        if (!read_rule(p, &rules[i], mcpa_json_at(json, i))) {
            return false;
        }
    }
    section->rules = rules;
    return rules != NULL;
}

static bool read_operations(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    const mcpa_operations_t **next = &policy->operations;
    const mcpa_json_t *array;

    if (!mcpa_read_array(p, &array, json, "operations", MCPA_OPERATION_SECTIONS_MAX)) {
        return false;
    }
    for (size_t i = 0; i < mcpa_json_size(array); i++) {
        mcpa_operations_t *section = mcpa_reading_get(p, sizeof(*section));

        if (!section || !read_section(p, section, mcpa_json_at(array, i))) {
            return false;
        }
        *next = section;
        next = &section->outer;
    }
    return true;
}

static bool read_protocols(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    const mcpa_json_t *array;

    if (!mcpa_read_array(p, &array, json, "protocols", MCPA_REVISION_COUNT)) {
        return false;
    }
    for (size_t i = 0; i < mcpa_json_size(array); i++) {
        mcpa_revision_t revision = mcpa_revision_find(mcpa_json_string(mcpa_json_at(array, i)));

        if (revision == MCPA_REVISION_NONE) {
            return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"protocols\" names a revision that is not known");
        }
        policy->protocols |= MCPA_REVISION_BIT(revision);
    }
    /* An empty list would read as "all". */
    return !array || policy->protocols || mcpa_reading_fail(p, MCPA_EMALFORMED, "\"protocols\" names no revision");
}

bool mcpa_read_inspection(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    const mcpa_json_t *inspect = mcpa_json_member(json, "inspect"), *max_body = mcpa_json_member(json, "max_body");
    int64_t bytes = MCPA_BODY_DEFAULT_BYTES;

    if (inspect &&
        (!mcpa_json_is(inspect, MCPA_JSON_STRING) || !mcpa_inspect_find(&policy->inspect, mcpa_json_string(inspect)))) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"inspect\" must be off, body or headers");
    }
    if (policy->inspect == MCPA_INSPECT_OFF) {
        return true;
    }
    if (max_body && (!mcpa_json_is(max_body, MCPA_JSON_INTEGER) || !mcpa_json_integer(max_body, &bytes) || bytes < 0)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"max_body\" must be a number of bytes");
    }
    policy->max_body = (uint64_t)bytes;
    return read_protocols(p, policy, json) && read_operations(p, policy, json);
}
