/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/scope.h"

#include <stdlib.h>

#include "base/text.h"

/* Rules of one model. A request walks each rule at most once, so this also bounds its work. */
#define RULES_MAX MCPA_SCOPES_MAX

/* "Whoever has 'first' also has 'second'": an implication and an alias differ only in why they were written. */
typedef struct rule {
    bool is_alias;
    mcpa_str_t first;
    mcpa_str_t second;
} rule_t;

struct mcpa_scope_model {
    size_t count;
    rule_t rules[RULES_MAX];
};

static bool copy_word(mcpa_str_t *copy, mcpa_str_t word)
{
    char *memory = malloc(word.len);

    if (!memory) {
        return false;
    }
    memcpy(memory, word.ptr, word.len);
    *copy = (mcpa_str_t){ memory, word.len };
    return true;
}

static void free_word(mcpa_str_t *word)
{
    free((void *)(uintptr_t)word->ptr);
    *word = MCPA_STR_NONE;
}

/* Whether a holder of any of 'granted' also holds 'needed': walks the rules backwards from 'needed', each at most once. */
static bool reaches(const mcpa_scope_model_t *model, const mcpa_str_t *granted, size_t n_granted, mcpa_str_t needed)
{
    bool seen[RULES_MAX] = { false };
    mcpa_str_t wanted[RULES_MAX + 1];
    size_t n_wanted = 1;

    wanted[0] = needed;
    for (size_t next = 0; next < n_wanted; next++) {
        for (size_t i = 0; i < n_granted; i++) {
            if (mcpa_str_eq(granted[i], wanted[next])) {
                return true;
            }
        }
        for (size_t i = 0; model && i < model->count; i++) {
            if (seen[i] || !mcpa_str_eq(model->rules[i].second, wanted[next])) {
                continue;
            }
            seen[i] = true;
            wanted[n_wanted++] = model->rules[i].first;
        }
    }
    return false;
}

static mcpa_status_t add_rule(mcpa_scope_model_t *model, bool is_alias, mcpa_str_t first, mcpa_str_t second)
{
    rule_t rule = { is_alias, MCPA_STR_NONE, MCPA_STR_NONE };

    if (!mcpa_text_is_scope_token(first) || !mcpa_text_is_scope_token(second)) {
        return MCPA_EMALFORMED;
    }
    if (reaches(model, &second, 1, first)) {
        return MCPA_EDUPLICATE;
    }
    for (size_t i = 0; i < model->count; i++) {
        if (mcpa_str_eq(model->rules[i].first, first) && mcpa_str_eq(model->rules[i].second, second)) {
            return MCPA_OK;
        }
    }
    if (model->count == RULES_MAX) {
        return MCPA_ETOOBIG;
    }
    if (!copy_word(&rule.first, first) || !copy_word(&rule.second, second)) {
        free_word(&rule.first);
        return MCPA_ENOMEM;
    }
    model->rules[model->count++] = rule;
    return MCPA_OK;
}

mcpa_scope_model_t *mcpa_scope_model_new(void)
{
    mcpa_scope_model_t *model = calloc(1, sizeof *model);

    if (!model) {
        return NULL;
    }
    if (add_rule(model, false, MCPA_STR("mcp:admin"), MCPA_STR("mcp:tools.exec")) != MCPA_OK ||
        add_rule(model, false, MCPA_STR("mcp:tools.exec"), MCPA_STR("mcp:tools.read")) != MCPA_OK) {
        mcpa_scope_model_free(&model);
    }
    return model;
}

void mcpa_scope_model_free(mcpa_scope_model_t **model)
{
    if (!*model) {
        return;
    }
    for (size_t i = 0; i < (*model)->count; i++) {
        free_word(&(*model)->rules[i].first);
        free_word(&(*model)->rules[i].second);
    }
    free(*model);
    *model = NULL;
}

mcpa_status_t mcpa_scope_model_imply(mcpa_scope_model_t *model, mcpa_str_t broad, mcpa_str_t narrow)
{
    return add_rule(model, false, broad, narrow);
}

mcpa_status_t mcpa_scope_model_alias(mcpa_scope_model_t *model, mcpa_str_t legacy, mcpa_str_t current)
{
    return add_rule(model, true, legacy, current);
}

void mcpa_scope_model_each(const mcpa_scope_model_t *model,
                           void (*fn)(void *ctx, bool is_alias, mcpa_str_t first, mcpa_str_t second), void *ctx)
{
    for (size_t i = 0; i < model->count; i++) {
        fn(ctx, model->rules[i].is_alias, model->rules[i].first, model->rules[i].second);
    }
}

static mcpa_status_t add_word(mcpa_scopes_t *scopes, size_t *text_bytes, mcpa_str_t word)
{
    for (size_t i = 0; i < scopes->count; i++) {
        if (mcpa_str_eq(scopes->words[i], word)) {
            return MCPA_OK;
        }
    }
    if (scopes->count == MCPA_SCOPES_MAX || word.len >= MCPA_SCOPE_TEXT_MAX_BYTES - *text_bytes) {
        return MCPA_ETOOBIG;
    }
    *text_bytes += word.len + 1;
    scopes->words[scopes->count++] = word;
    return MCPA_OK;
}

static mcpa_status_t add_list(mcpa_scopes_t *scopes, size_t *text_bytes, mcpa_str_t list)
{
    mcpa_str_t word;

    while (mcpa_text_next_word(&list, &word)) {
        mcpa_status_t status = MCPA_EMALFORMED;

        if (mcpa_text_is_scope_token(word)) {
            status = add_word(scopes, text_bytes, word);
        }
        if (status != MCPA_OK) {
            return status;
        }
    }
    return MCPA_OK;
}

static mcpa_status_t add_array(mcpa_scopes_t *scopes, size_t *text_bytes, const mcpa_json_t *array)
{
    for (size_t i = 0; i < mcpa_json_size(array); i++) {
        mcpa_str_t word = mcpa_json_string(mcpa_json_at(array, i));
        mcpa_status_t status = MCPA_OK;

        if (!word.ptr || !mcpa_text_is_printable(word)) {
            return MCPA_EMALFORMED;
        }
        /* A role may be called "Power User": no rule can name it, so it grants nothing and must not lock its owner out. */
        if (mcpa_text_is_scope_token(word)) {
            status = add_word(scopes, text_bytes, word);
        }
        if (status != MCPA_OK) {
            return status;
        }
    }
    return MCPA_OK;
}

mcpa_status_t mcpa_scopes_add_claim(mcpa_scopes_t *scopes, const mcpa_json_t *claim, bool allow_array)
{
    size_t text_bytes = 0;

    if (!claim) {
        return MCPA_OK;
    }
    for (size_t i = 0; i < scopes->count; i++) {
        text_bytes += scopes->words[i].len + 1;
    }
    if (mcpa_json_is(claim, MCPA_JSON_STRING)) {
        return add_list(scopes, &text_bytes, mcpa_json_string(claim));
    }
    if (allow_array && mcpa_json_is(claim, MCPA_JSON_ARRAY)) {
        return add_array(scopes, &text_bytes, claim);
    }
    return MCPA_EMALFORMED;
}

bool mcpa_scopes_cover(const mcpa_scopes_t *granted, const mcpa_scope_model_t *model, mcpa_str_t needed)
{
    return reaches(model, granted->words, granted->count, needed);
}

bool mcpa_scopes_cover_all(const mcpa_scopes_t *granted, const mcpa_scope_model_t *model, mcpa_str_t needed_list)
{
    mcpa_str_t needed;

    while (needed_list.len && mcpa_text_next_word(&needed_list, &needed)) {
        if (!mcpa_scopes_cover(granted, model, needed)) {
            return false;
        }
    }
    return true;
}

void mcpa_scopes_print(mcpa_out_t *out, const mcpa_scopes_t *scopes)
{
    for (size_t i = 0; i < scopes->count; i++) {
        if (i) {
            mcpa_out_char(out, ' ');
        }
        mcpa_out_str(out, scopes->words[i]);
    }
}

bool mcpa_scope_text_add(mcpa_out_t *out, const char *scopes)
{
    mcpa_str_t rest = mcpa_str(scopes), word;

    while (rest.len > 0 && mcpa_text_next_word(&rest, &word)) {
        mcpa_str_t so_far = mcpa_out_get(out), known = MCPA_STR_NONE;

        while (!mcpa_str_eq(known, word) && so_far.len > 0 && mcpa_text_next_word(&so_far, &known)) {
        }
        if (!mcpa_str_eq(known, word)) {
            mcpa_out_z(out, out->len > 0 ? " " : "");
            mcpa_out_str(out, word);
        }
    }
    return mcpa_out_status(out) == MCPA_OK;
}
