/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/snapshot.h"

#include <stdlib.h>

#include "base/text.h"
#include "policy/issuer.h"
#include "policy/metadata.h"
#include "policy/snapshot_read.h"

#define DEPTH_MAX 8
/* A Location has some forty values; this goes with MCPA_SNAPSHOT_MAX_BYTES. */
#define VALUES_MAX 1000000
/* The most mcpa_issuer_parse can ask for: its URL, a path, five claim names, thirty-two required ones and their list, rounded up.
 */
#define ISSUER_RESERVE_BYTES (32 * 1024)
#define ISSUER_WORDS_MAX     12
#define AUDIENCES_MAX        64

/* Appends "name" and the member's text as one word of MCPAuthIssuer. */
static void add_word(mcpa_out_t *out, const char **words, size_t *n, const char *name, mcpa_str_t value)
{
    if (!value.ptr) {
        return;
    }
    words[(*n)++] = out->ptr + out->len;
    mcpa_out_z(out, name);
    mcpa_out_str(out, value);
    mcpa_out_char(out, '\0');
}

static void add_joined_word(mcpa_out_t *out, const char **words, size_t *n, const char *name, const mcpa_json_t *array)
{
    if (!mcpa_json_size(array)) {
        return;
    }
    words[(*n)++] = out->ptr + out->len;
    mcpa_out_z(out, name);
    for (size_t i = 0; i < mcpa_json_size(array); i++) {
        if (i) {
            mcpa_out_char(out, ',');
        }
        mcpa_out_str(out, mcpa_json_string(mcpa_json_at(array, i)));
    }
    mcpa_out_char(out, '\0');
}

static bool is_word(mcpa_str_t keys, mcpa_key_source_t source)
{
    return mcpa_str_eqz(keys, mcpa_key_source_word(source));
}

/* Turns the members back into the words of the directive, so that exactly the directive's checks apply. */
static size_t issuer_words(mcpa_out_t *out, const char **words, const mcpa_json_t *json)
{
    static const struct {
        const char *member;
        const char *word;
    } texts[] = {
        { "preset", "preset=" },
        { "typ", "typ=" },
        { "scope_claim", "scope-claim=" },
        { "subject_claim", "subject-claim=" },
        { "client_claim", "client-claim=" },
        { "audience_claim", "audience-claim=" },
        { "roles_claim", "roles-claim=" },
    };
    mcpa_str_t keys = mcpa_json_string(mcpa_json_member(json, "keys"));
    mcpa_str_t jwks = mcpa_json_string(mcpa_json_member(json, "jwks"));
    int64_t skew;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        add_word(out, words, &n, texts[i].word, mcpa_json_string(mcpa_json_member(json, texts[i].member)));
    }
    if (is_word(keys, MCPA_KEYS_SECRET)) {
        add_word(out, words, &n, "secret=", MCPA_STR("file:/untold"));
    } else if (is_word(keys, MCPA_KEYS_DISCOVER)) {
        add_word(out, words, &n, "jwks=", MCPA_STR("discover"));
    } else {
        add_word(out, words, &n, is_word(keys, MCPA_KEYS_FILE) ? "jwks=file:" : "jwks=", jwks.ptr ? jwks : MCPA_STR(""));
    }
    if (mcpa_json_integer(mcpa_json_member(json, "skew"), &skew)) {
        words[n++] = out->ptr + out->len;
        mcpa_out_printf(out, "skew=%lld", (long long)skew);
        mcpa_out_char(out, '\0');
    }
    add_joined_word(out, words, &n, "alg=", mcpa_json_member(json, "algs"));
    add_joined_word(out, words, &n, "require=", mcpa_json_member(json, "require"));
    return n;
}

static bool read_issuer(mcpa_reading_t *p, const mcpa_json_t *json, size_t at)
{
    char memory[ISSUER_RESERVE_BYTES], why[400];
    const char *words[ISSUER_WORDS_MAX], *url = NULL;
    mcpa_issuer_t *issuer = mcpa_reading_get(p, sizeof(*issuer));
    mcpa_out_t out;
    size_t n;

    if (!issuer || !mcpa_read_text(p, &url, json, "url", true)) {
        return false;
    }
    if (!mcpa_reading_reserve(p->memory, ISSUER_RESERVE_BYTES)) {
        return mcpa_reading_fail(p, MCPA_ENOMEM, "no memory is left");
    }
    mcpa_out_init(&out, memory, sizeof(memory));
    n = issuer_words(&out, words, json);
    if (mcpa_out_status(&out) != MCPA_OK) {
        return mcpa_reading_fail(p, MCPA_ETOOBIG, "the options are too long");
    }
    if (!mcpa_issuer_parse(issuer, url, words, n, p->snapshot->development, mcpa_reading_allocate, p->memory, why, sizeof(why))) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "%s", why);
    }
    /* "jwks" must not turn the word into another one: "keys":"url" with "jwks":"file:..." is neither. */
    if (!is_word(mcpa_json_string(mcpa_json_member(json, "keys")), issuer->key_source)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"keys\" and \"jwks\" do not go together");
    }
    if (issuer->key_source == MCPA_KEYS_SECRET) {
        issuer->jwks = NULL;
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(p->issuers[i]->url, issuer->url) == 0) {
            return mcpa_reading_fail(p, MCPA_EDUPLICATE, "the issuer %s stands twice", url);
        }
    }
    p->issuers[at] = issuer;
    return true;
}

static bool read_issuers(mcpa_reading_t *p, const mcpa_json_t *root)
{
    const mcpa_json_t *array;

    if (!mcpa_read_array(p, &array, root, "issuers", MCPA_ISSUERS_MAX)) {
        return false;
    }
    p->issuers = mcpa_reading_get(p, (mcpa_json_size(array) + 1) * sizeof(*p->issuers));
    p->where = "issuers";
    for (p->index = 0; p->issuers && p->index < mcpa_json_size(array); p->index++) {
        if (!read_issuer(p, mcpa_json_at(array, p->index), p->index)) {
            return false;
        }
    }
    p->where = NULL;
    p->snapshot->issuers = p->issuers;
    return p->issuers != NULL;
}

static bool read_pairs(mcpa_reading_t *p, const mcpa_json_t *root, const char *name,
                       mcpa_status_t (*add)(mcpa_scope_model_t *, mcpa_str_t, mcpa_str_t))
{
    const mcpa_json_t *array;

    if (!mcpa_read_array(p, &array, root, name, MCPA_SCOPES_MAX)) {
        return false;
    }
    p->where = name;
    for (p->index = 0; p->index < mcpa_json_size(array); p->index++) {
        const mcpa_json_t *pair = mcpa_json_at(array, p->index);
        mcpa_status_t status =
            add(p->memory->model, mcpa_json_string(mcpa_json_at(pair, 0)), mcpa_json_string(mcpa_json_at(pair, 1)));

        if (status != MCPA_OK) {
            return mcpa_reading_fail(p, status, "two scopes are needed that make no circle");
        }
    }
    p->where = NULL;
    return true;
}

static bool is_audience(mcpa_str_t s)
{
    return s.len && s.len <= MCPA_CLAIM_MAX_BYTES && mcpa_text_is_printable(s) && mcpa_text_is_utf8(s);
}

static bool read_scopes(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    mcpa_str_t rest, word;

    policy->scopes = "";
    if (!mcpa_read_text(p, &policy->scopes, json, "scopes", false)) {
        return false;
    }
    rest = mcpa_str(policy->scopes);
    while (mcpa_text_next_word(&rest, &word)) {
        if (!mcpa_text_is_scope_token(word)) {
            return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"scopes\" has a word that is no scope");
        }
    }
    return true;
}

/* "subject 100/min burst=20", as the directive has it. */
static bool read_limit(mcpa_reading_t *p, mcpa_limit_t *limit, const mcpa_policy_t *policy, mcpa_str_t text)
{
    mcpa_str_t rest = text, key = MCPA_STR_NONE, rate = MCPA_STR_NONE, burst = MCPA_STR_NONE, more;
    const char *why = "a limit is a key, a rate and perhaps a burst";
    char *copy;

    if (!text.ptr || !mcpa_text_is_printable(text)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"limits\": %s", why);
    }
    if (!mcpa_text_next_word(&rest, &key) || !mcpa_text_next_word(&rest, &rate) || !mcpa_limit_key_find(&limit->key, key)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"limits\": %s", why);
    }
    mcpa_text_next_word(&rest, &burst);
    if (mcpa_text_next_word(&rest, &more) || !mcpa_limit_parse(limit, rate, burst, &why)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"limits\": %s", why);
    }
    copy = mcpa_reading_get(p, text.len + 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    limit->text = copy;
    limit->id = mcpa_limit_id(policy->vhost, policy->location, limit->text);
    return true;
}

static bool read_limits(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    const mcpa_json_t *array;
    mcpa_limit_t *limits;

    if (!mcpa_read_array(p, &array, json, "limits", MCPA_LIMITS_MAX)) {
        return false;
    }
    policy->n_limits = mcpa_json_size(array);
    limits = mcpa_reading_get(p, (policy->n_limits + 1) * sizeof(*limits));
    for (size_t i = 0; limits && i < policy->n_limits; i++) {
        if (!read_limit(p, &limits[i], policy, mcpa_json_string(mcpa_json_at(array, i)))) {
            return false;
        }
    }
    policy->limits = limits;
    return limits != NULL;
}

/* The issuers a Location names, as pointers into the snapshot's list. */
static bool read_trust(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    const mcpa_json_t *array;
    const mcpa_issuer_t **trusted;

    if (!mcpa_read_array(p, &array, json, "issuers", MCPA_ISSUERS_MAX)) {
        return false;
    }
    trusted = mcpa_reading_get(p, (mcpa_json_size(array) + 1) * sizeof(*trusted));
    for (size_t i = 0; trusted && i < mcpa_json_size(array); i++) {
        mcpa_str_t url = mcpa_json_string(mcpa_json_at(array, i));

        for (const mcpa_issuer_t **issuer = p->issuers; *issuer && url.ptr; issuer++) {
            if (mcpa_str_eqz(url, (*issuer)->url)) {
                trusted[i] = *issuer;
            }
        }
        if (!trusted[i]) {
            return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"issuers\" names one that is not in the snapshot's list");
        }
    }
    policy->issuers = trusted;
    return trusted != NULL;
}

static bool read_policy(mcpa_reading_t *p, mcpa_policy_t *policy, const mcpa_json_t *json)
{
    static const char *const modes[] = { "off", "on", "shadow", NULL };
    static const char *const audits[] = { "on", "off", "required", NULL };
    const char *why = "";
    size_t mode = 0, audit = 0;

    if (!mcpa_read_text(p, &policy->vhost, json, "vhost", false) ||
        !mcpa_read_text(p, &policy->location, json, "location", false) ||
        !mcpa_read_text(p, &policy->resource, json, "resource", true) || !mcpa_read_word(p, &mode, json, "mode", modes) ||
        !mcpa_read_word(p, &audit, json, "audit", audits) || !read_scopes(p, policy, json) || !read_limits(p, policy, json) ||
        !read_trust(p, policy, json) || !mcpa_read_list(p, &policy->audiences, json, "audiences", AUDIENCES_MAX, is_audience) ||
        !mcpa_read_list(p, &policy->origins, json, "origins", MCPA_ORIGINS_MAX, mcpa_origin_is_valid) ||
        !mcpa_read_lengths(p, &policy->lengths, json) || !mcpa_read_inspection(p, policy, json) ||
        !mcpa_read_flag(p, &policy->identity_headers, json, "identity_headers") ||
        !mcpa_read_flag(p, &policy->forward_token, json, "forward_token") ||
        !mcpa_read_flag(p, &policy->security_headers, json, "security_headers") ||
        !mcpa_read_text(p, &policy->auth_type, json, "auth_type", false) ||
        !mcpa_read_text(p, &policy->auth_type_in, json, "auth_type_in", false)) {
        return false;
    }
    if (!mcpa_resource_check(mcpa_str(policy->resource), p->snapshot->development, &why)) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "%s", why);
    }
    policy->mode = (mcpa_mode_t)mode;
    policy->audit = (mcpa_audit_mode_t)audit;
    policy->generation = p->snapshot->generation;
    policy->scope_model = p->memory->model;
    return true;
}

static bool read_policies(mcpa_reading_t *p, const mcpa_json_t *root)
{
    const mcpa_json_t *array;
    const mcpa_policy_t **policies;

    if (!mcpa_read_array(p, &array, root, "locations", VALUES_MAX)) {
        return false;
    }
    policies = mcpa_reading_get(p, (mcpa_json_size(array) + 1) * sizeof(*policies));
    p->where = "locations";
    for (p->index = 0; policies && p->index < mcpa_json_size(array); p->index++) {
        mcpa_policy_t *policy = mcpa_reading_get(p, sizeof(*policy));

        if (!policy || !read_policy(p, policy, mcpa_json_at(array, p->index))) {
            return false;
        }
        policies[p->index] = policy;
    }
    p->where = NULL;
    p->snapshot->policies = policies;
    return policies != NULL;
}

static bool read_root(mcpa_reading_t *p, const mcpa_json_t *root)
{
    static const char *const modes[] = { "production", "development", NULL };
    int64_t version = 0;
    size_t mode = 0;

    if (!mcpa_json_integer(mcpa_json_member(root, "version"), &version) || version != MCPA_SNAPSHOT_VERSION) {
        return mcpa_reading_fail(p, MCPA_EUNSUPPORTED, "\"version\" must be %d", MCPA_SNAPSHOT_VERSION);
    }
    if (!mcpa_read_hex(&p->snapshot->generation, mcpa_json_string(mcpa_json_member(root, "generation")))) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"generation\" must be 16 hex digits");
    }
    if (!mcpa_read_time(&p->snapshot->written_us, mcpa_json_string(mcpa_json_member(root, "written")))) {
        return mcpa_reading_fail(p, MCPA_EMALFORMED, "\"written\" must be a time such as 2026-11-21T09:00:00.123Z");
    }
    if (!mcpa_read_word(p, &mode, root, "mode", modes)) {
        return false;
    }
    p->snapshot->development = mode == 1;
    p->snapshot->scope_model = p->memory->model;
    return read_issuers(p, root) && read_pairs(p, root, "scope_implies", mcpa_scope_model_imply) &&
           read_pairs(p, root, "scope_aliases", mcpa_scope_model_alias) && read_policies(p, root);
}

mcpa_status_t mcpa_snapshot_parse(mcpa_snapshot_t **out, mcpa_str_t text, char *error, size_t cap)
{
    mcpa_reading_t p = { .memory = calloc(1, sizeof(mcpa_snapshot_memory_t)) };
    mcpa_json_t *root = NULL;

    mcpa_out_init(&p.error, error, cap);
    p.status = text.len > MCPA_SNAPSHOT_MAX_BYTES ? MCPA_ETOOBIG : mcpa_json_parse(&root, text, DEPTH_MAX, VALUES_MAX);
    if (p.status != MCPA_OK) {
        mcpa_reading_fail(&p, p.status, "not the JSON of a snapshot: %s", mcpa_status_word(p.status));
    } else if (!p.memory || !(p.snapshot = mcpa_reading_get(&p, sizeof(*p.snapshot))) ||
               !(p.memory->model = mcpa_scope_model_new())) {
        mcpa_reading_fail(&p, MCPA_ENOMEM, "no memory is left");
    } else if (read_root(&p, root)) {
        p.snapshot->memory = p.memory;
        *out = p.snapshot;
    }
    mcpa_json_free(&root);
    if (p.status != MCPA_OK && p.memory) {
        mcpa_snapshot_memory_free(p.memory);
    }
    return p.status;
}

void mcpa_snapshot_free(mcpa_snapshot_t **snapshot)
{
    if (*snapshot && (*snapshot)->memory) {
        mcpa_snapshot_memory_free((*snapshot)->memory);
    }
    *snapshot = NULL;
}
