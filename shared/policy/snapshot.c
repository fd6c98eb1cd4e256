/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/snapshot.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"
#include "policy/snapshot_read.h"

#define HASH_FIRST_BYTES (64 * 1024)

static void print_list(mcpa_jsonw_t *w, const char *name, const char *const *list)
{
    if (!list) {
        return;
    }
    mcpa_jsonw_open_array(w, name);
    for (; *list; list++) {
        mcpa_jsonw_z(w, NULL, *list);
    }
    mcpa_jsonw_close_array(w);
}

static void print_text(mcpa_jsonw_t *w, const char *name, const char *text)
{
    if (text) {
        mcpa_jsonw_z(w, name, text);
    }
}

static void print_issuer(mcpa_jsonw_t *w, const mcpa_issuer_t *issuer)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "url", issuer->url);
    print_text(w, "preset", issuer->preset);
    mcpa_jsonw_z(w, "keys", mcpa_key_source_word(issuer->key_source));
    /* Of a secret not even the place is told: readers of this file have no business there. */
    if (issuer->key_source == MCPA_KEYS_URL || issuer->key_source == MCPA_KEYS_FILE) {
        print_text(w, "jwks", issuer->jwks);
    }
    mcpa_jsonw_open_array(w, "algs");
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        if (issuer->algs & MCPA_ALG_BIT(alg)) {
            mcpa_jsonw_z(w, NULL, mcpa_alg_name((mcpa_alg_t)alg));
        }
    }
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_z(w, "typ", issuer->any_typ ? "any" : "at+jwt");
    mcpa_jsonw_int(w, "skew", issuer->skew_s);
    mcpa_jsonw_z(w, "scope_claim", issuer->scope_claim);
    mcpa_jsonw_z(w, "subject_claim", issuer->subject_claim);
    mcpa_jsonw_z(w, "client_claim", issuer->client_claim);
    mcpa_jsonw_z(w, "audience_claim", issuer->audience_claim);
    print_text(w, "roles_claim", issuer->roles_claim);
    print_list(w, "require", issuer->require);
    print_text(w, "token_use", issuer->token_use);
    mcpa_jsonw_close_object(w);
}

typedef struct pairs {
    mcpa_jsonw_t *w;
    bool aliases;
} pairs_t;

static void print_pair(void *ctx, bool is_alias, mcpa_str_t first, mcpa_str_t second)
{
    pairs_t *pairs = ctx;

    if (is_alias != pairs->aliases) {
        return;
    }
    mcpa_jsonw_open_array(pairs->w, NULL);
    mcpa_jsonw_str(pairs->w, NULL, first);
    mcpa_jsonw_str(pairs->w, NULL, second);
    mcpa_jsonw_close_array(pairs->w);
}

static void print_model(mcpa_jsonw_t *w, const char *name, const mcpa_scope_model_t *model, bool aliases)
{
    pairs_t pairs = { w, aliases };

    mcpa_jsonw_open_array(w, name);
    if (model) {
        mcpa_scope_model_each(model, print_pair, &pairs);
    }
    mcpa_jsonw_close_array(w);
}

static const char *audit_word(mcpa_audit_mode_t audit)
{
    switch (audit) {
    case MCPA_AUDIT_OFF:
        return "off";
    case MCPA_AUDIT_REQUIRED:
        return "required";
    case MCPA_AUDIT_ON:
        break;
    }
    return "on";
}

static void print_policy(mcpa_jsonw_t *w, const mcpa_policy_t *policy)
{
    mcpa_jsonw_open_object(w, NULL);
    print_text(w, "vhost", policy->vhost);
    print_text(w, "location", policy->location);
    mcpa_jsonw_z(w, "mode", mcpa_mode_word(policy->mode));
    print_text(w, "resource", policy->resource);
    print_list(w, "audiences", policy->audiences);
    mcpa_jsonw_open_array(w, "issuers");
    for (const mcpa_issuer_t *const *issuer = policy->issuers; issuer && *issuer; issuer++) {
        mcpa_jsonw_z(w, NULL, (*issuer)->url);
    }
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_z(w, "scopes", policy->scopes ? policy->scopes : "");
    mcpa_jsonw_open_array(w, "limits");
    for (size_t i = 0; i < policy->n_limits; i++) {
        mcpa_jsonw_z(w, NULL, policy->limits[i].text);
    }
    mcpa_jsonw_close_array(w);
    mcpa_print_lengths(w, &policy->lengths);
    mcpa_print_inspection(w, policy);
    print_list(w, "origins", policy->origins);
    mcpa_jsonw_bool(w, "identity_headers", policy->identity_headers);
    mcpa_jsonw_bool(w, "forward_token", policy->forward_token);
    mcpa_jsonw_bool(w, "security_headers", policy->security_headers);
    mcpa_jsonw_z(w, "audit", audit_word(policy->audit));
    print_text(w, "auth_type", policy->auth_type);
    print_text(w, "auth_type_in", policy->auth_type_in);
    mcpa_jsonw_close_object(w);
}

/* What the configuration says; generation and time are about this writing of it and stand before. */
static void print_body(mcpa_jsonw_t *w, const mcpa_snapshot_t *snapshot)
{
    mcpa_jsonw_z(w, "mode", snapshot->development ? "development" : "production");
    mcpa_jsonw_open_array(w, "issuers");
    for (const mcpa_issuer_t *const *issuer = snapshot->issuers; issuer && *issuer; issuer++) {
        print_issuer(w, *issuer);
    }
    mcpa_jsonw_close_array(w);
    print_model(w, "scope_implies", snapshot->scope_model, false);
    print_model(w, "scope_aliases", snapshot->scope_model, true);
    mcpa_jsonw_open_array(w, "locations");
    for (const mcpa_policy_t *const *policy = snapshot->policies; policy && *policy; policy++) {
        print_policy(w, *policy);
    }
    mcpa_jsonw_close_array(w);
}

void mcpa_snapshot_print(mcpa_out_t *out, const mcpa_snapshot_t *snapshot)
{
    char generation[17], written[25];
    mcpa_jsonw_t w;

    snprintf(generation, sizeof(generation), "%016llx", (unsigned long long)snapshot->generation);
    mcpa_text_rfc3339(written, snapshot->written_us);
    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_int(&w, "version", MCPA_SNAPSHOT_VERSION);
    mcpa_jsonw_z(&w, "generation", generation);
    mcpa_jsonw_z(&w, "written", written);
    print_body(&w, snapshot);
    mcpa_jsonw_close_object(&w);
}

/* The first 64 bits, read the same way on every machine. */
static uint64_t sha256_cut(const void *bytes, size_t len)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint64_t cut = 0;

    if (!SHA256(bytes, len, digest)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(cut); i++) {
        cut = cut << 8 | digest[i];
    }
    return cut;
}

uint64_t mcpa_snapshot_hash(const mcpa_snapshot_t *snapshot)
{
    for (size_t cap = HASH_FIRST_BYTES; cap <= MCPA_SNAPSHOT_MAX_BYTES; cap *= 2) {
        char *memory = malloc(cap);
        mcpa_out_t out;
        mcpa_jsonw_t w;
        uint64_t hash;

        if (!memory) {
            return 0;
        }
        mcpa_out_init(&out, memory, cap);
        mcpa_jsonw_init(&w, &out);
        mcpa_jsonw_open_object(&w, NULL);
        print_body(&w, snapshot);
        mcpa_jsonw_close_object(&w);
        hash = sha256_cut(memory, out.len);
        free(memory);
        if (mcpa_out_status(&out) == MCPA_OK) {
            return hash;
        }
    }
    return 0;
}

uint64_t mcpa_limit_id(const char *vhost, const char *location, const char *text)
{
    const char *parts[] = { vhost, location, text };
    unsigned char digests[3][SHA256_DIGEST_LENGTH];

    /* Each part hashed by itself: no vhost and location can be cut differently and give another rule's id. */
    for (size_t i = 0; i < 3; i++) {
        const char *part = parts[i] ? parts[i] : "";

        if (!SHA256((const unsigned char *)part, strlen(part), digests[i])) {
            return 0;
        }
    }
    return sha256_cut(digests, sizeof(digests));
}
