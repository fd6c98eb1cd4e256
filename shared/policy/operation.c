/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/operation.h"

#include "base/limits.h"
#include "base/text.h"

#define READ "mcp:tools.read"
#define EXEC "mcp:tools.exec"

/* Every method a client may send, in all revisions. Reading is what does not let the server do something for the caller. */
static const mcpa_operation_t defaults[] = {
    { "initialize", NULL, MCPA_EFFECT_SCOPES, READ },
    { "ping", NULL, MCPA_EFFECT_SCOPES, READ },
    { "server/discover", NULL, MCPA_EFFECT_SCOPES, READ },
    { "tools/list", NULL, MCPA_EFFECT_SCOPES, READ },
    { "tools/call", NULL, MCPA_EFFECT_SCOPES, EXEC },
    { "resources/list", NULL, MCPA_EFFECT_SCOPES, READ },
    { "resources/templates/list", NULL, MCPA_EFFECT_SCOPES, READ },
    { "resources/read", NULL, MCPA_EFFECT_SCOPES, READ },
    { "resources/subscribe", NULL, MCPA_EFFECT_SCOPES, READ },
    { "resources/unsubscribe", NULL, MCPA_EFFECT_SCOPES, READ },
    { "subscriptions/listen", NULL, MCPA_EFFECT_SCOPES, READ },
    { "prompts/list", NULL, MCPA_EFFECT_SCOPES, READ },
    { "prompts/get", NULL, MCPA_EFFECT_SCOPES, READ },
    { "completion/complete", NULL, MCPA_EFFECT_SCOPES, READ },
    { "logging/setLevel", NULL, MCPA_EFFECT_SCOPES, READ },
    { "tasks/list", NULL, MCPA_EFFECT_SCOPES, READ },
    { "tasks/get", NULL, MCPA_EFFECT_SCOPES, READ },
    { "tasks/result", NULL, MCPA_EFFECT_SCOPES, READ },
    { "tasks/update", NULL, MCPA_EFFECT_SCOPES, EXEC }, /* goes on with a call */
    { "tasks/cancel", NULL, MCPA_EFFECT_SCOPES, EXEC }, /* ends one */
    { "notifications/initialized", NULL, MCPA_EFFECT_SCOPES, READ },
    { "notifications/cancelled", NULL, MCPA_EFFECT_SCOPES, READ },
    { "notifications/progress", NULL, MCPA_EFFECT_SCOPES, READ },
    { "notifications/roots/list_changed", NULL, MCPA_EFFECT_SCOPES, READ },
    { "notifications/tasks/status", NULL, MCPA_EFFECT_SCOPES, READ },
    { "GET", NULL, MCPA_EFFECT_SCOPES, READ },
    { "DELETE", NULL, MCPA_EFFECT_SCOPES, READ },
    { "response", NULL, MCPA_EFFECT_SCOPES, READ },
};

/* Rules mostly name what they mean, and many in a row the same method: equal is quicker seen than fitting. */
static bool fits(const char *rule, mcpa_str_t text)
{
    mcpa_str_t pattern = mcpa_str(rule);

    return mcpa_str_eq(pattern, text) || mcpa_text_glob(pattern, text);
}

static const mcpa_operation_t *first_match(const mcpa_operation_t *rules, size_t n, mcpa_str_t method, mcpa_str_t name)
{
    for (size_t i = 0; i < n; i++) {
        if (fits(rules[i].method, method) && (rules[i].name == NULL || (name.ptr != NULL && fits(rules[i].name, name)))) {
            return &rules[i];
        }
    }
    return NULL;
}

static mcpa_ruling_t ruling_of(const mcpa_operation_t *rule)
{
    return (mcpa_ruling_t){ .effect = rule != NULL ? rule->effect : MCPA_EFFECT_DENIED,
                            .scopes = rule != NULL ? rule->scopes : NULL,
                            .rule = rule };
}

mcpa_ruling_t mcpa_operation_rule(const mcpa_operations_t *operations, mcpa_str_t method, mcpa_str_t name)
{
    const mcpa_operation_t *found = NULL;
    mcpa_ruling_t ruling;

    for (const mcpa_operations_t *section = operations; section != NULL; section = section->outer) {
        const mcpa_operation_t *rule = first_match(section->rules, section->n_rules, method, name);

        if (rule != NULL && (found == NULL || rule->effect == MCPA_EFFECT_DENIED)) {
            found = rule;
        }
    }
    if (found != NULL) {
        return ruling_of(found);
    }
    ruling = ruling_of(first_match(defaults, sizeof(defaults) / sizeof(defaults[0]), method, name));
    ruling.is_default = true;
    return ruling;
}

const mcpa_operation_t *mcpa_operation_defaults(size_t *n)
{
    *n = sizeof(defaults) / sizeof(defaults[0]);
    return defaults;
}

static const char *const effect_words[] = {
    [MCPA_EFFECT_DENIED] = "denied", [MCPA_EFFECT_GRANTED] = "granted", [MCPA_EFFECT_SCOPES] = "scopes"
};

const char *mcpa_operation_effect_word(mcpa_effect_t effect)
{
    return (size_t)effect < sizeof(effect_words) / sizeof(effect_words[0]) ? effect_words[effect] : "";
}

bool mcpa_operation_effect(mcpa_effect_t *effect, mcpa_str_t words)
{
    mcpa_str_t rest = words, word;
    size_t n = 0;

    if (mcpa_str_eqz(words, effect_words[MCPA_EFFECT_DENIED]) || mcpa_str_eqz(words, effect_words[MCPA_EFFECT_GRANTED])) {
        *effect = mcpa_str_eqz(words, effect_words[MCPA_EFFECT_GRANTED]) ? MCPA_EFFECT_GRANTED : MCPA_EFFECT_DENIED;
        return true;
    }
    for (; mcpa_text_next_word(&rest, &word); n++) {
        if (!mcpa_text_is_scope_token(word) || mcpa_str_eqz(word, effect_words[MCPA_EFFECT_DENIED]) ||
            mcpa_str_eqz(word, effect_words[MCPA_EFFECT_GRANTED])) {
            return false;
        }
    }
    if (n == 0 || words.len >= MCPA_SCOPE_TEXT_MAX_BYTES) {
        return false;
    }
    *effect = MCPA_EFFECT_SCOPES;
    return true;
}

const char *mcpa_operation_split(mcpa_str_t text, mcpa_str_t *method, mcpa_str_t *name)
{
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;

    *method = (mcpa_str_t){ text.ptr, colon != NULL ? (size_t)(colon - text.ptr) : text.len };
    *name = colon != NULL ? (mcpa_str_t){ colon + 1, text.len - method->len - 1 } : MCPA_STR_NONE;
    if (method->len == 0 || method->len > MCPA_RPC_METHOD_MAX_BYTES) {
        return "a method, or a pattern of methods, must stand before the colon";
    }
    for (size_t i = 0; i < method->len; i++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-*?", method->ptr[i]) == NULL ||
            method->ptr[i] == '\0') {
            return "a method has letters, digits and . _ / - only, a pattern also * and ?";
        }
    }
    if (name->ptr != NULL &&
        (name->len == 0 || name->len > MCPA_RPC_URI_MAX_BYTES || !mcpa_text_is_printable(*name) || !mcpa_text_is_utf8(*name))) {
        return "a name, or a pattern of names, must stand behind the colon";
    }
    return NULL;
}
