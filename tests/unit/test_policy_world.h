/* SPDX-License-Identifier: Apache-2.0 */
/* A whole world for mcpa_decide: two issuers with keys of several kinds, one with a secret, a policy, and an environment that
 * counts what it is asked for. */
#ifndef TEST_POLICY_WORLD_H
#define TEST_POLICY_WORLD_H

#include "policy/decision.h"
#include "test_policy_mint.h"

#define OTHER_ISSUER  "https://other.example.com"
#define SECRET_ISSUER "https://hmac.example.com"
#define SECRET        "0123456789abcdef0123456789abcdef"

typedef struct world {
    EVP_PKEY *rsa, *second_rsa, *ec, *ed, *other_ec;
    mcpa_jwks_t *keys, *other_keys, *secret_keys;
    mcpa_jwks_t *newer; /* what await_key gives; NULL: nothing came */
    int keys_asked, awaited;
    uint64_t generation;
    char waited_for[64];
    char stages[2048]; /* names of the stages run, each with a blank */
    mcpa_issuer_t issuer, other, hmac;
    const mcpa_issuer_t *issuers[4];
    mcpa_policy_t policy;
    mcpa_request_t request;
    mcpa_env_t env;
    mcpa_scope_model_t *model;
    mcpa_decision_t decision;
    char authorization[20000];
} world_t;

static inline mcpa_jwks_t *world_keys(void *ctx, const mcpa_issuer_t *issuer)
{
    world_t *w = ctx;
    mcpa_jwks_t *set = issuer == &w->issuer ? w->keys : issuer == &w->other ? w->other_keys : w->secret_keys;

    w->keys_asked++;
    return set ? mcpa_jwks_retain(set) : NULL;
}

static inline mcpa_jwks_t *world_await(void *ctx, const mcpa_issuer_t *issuer, mcpa_str_t kid, const mcpa_jwks_t *had)
{
    world_t *w = ctx;

    assert_non_null(issuer);
    assert_non_null(had);
    w->awaited++;
    snprintf(w->waited_for, sizeof(w->waited_for), "%.*s", MCPA_STR_ARG(kid));
    return w->newer ? mcpa_jwks_retain(w->newer) : NULL;
}

static inline uint64_t world_generation(void *ctx)
{
    return ((world_t *)ctx)->generation;
}

static inline uint64_t world_stopwatch(void *ctx)
{
    static uint64_t us;

    (void)ctx;
    return us += 10;
}

static inline void world_trace(void *ctx, const char *stage, mcpa_reason_t reason, const mcpa_decision_t *decision)
{
    world_t *w = ctx;
    size_t len = strlen(w->stages);

    assert_non_null(decision);
    (void)reason;
    snprintf(w->stages + len, sizeof(w->stages) - len, "%s, ", stage);
}

/* What a test may change is as at the start of the world; keys and set stay. */
static inline void world_reset(world_t *w)
{
    mcpa_decision_clear(&w->decision);
    w->keys_asked = w->awaited = 0;
    w->newer = NULL;
    w->generation = 1;
    w->stages[0] = '\0';
    w->issuer = (mcpa_issuer_t){ .url = ISSUER,
                                 .algs = MCPA_ALGS_ASYMMETRIC,
                                 .skew_s = 60,
                                 .scope_claim = "scope",
                                 .subject_claim = "sub",
                                 .client_claim = "client_id",
                                 .audience_claim = "aud" };
    w->other = w->hmac = w->issuer;
    w->other.url = OTHER_ISSUER;
    w->hmac.url = SECRET_ISSUER;
    w->hmac.algs = MCPA_ALGS_HMAC;
    w->hmac.key_source = MCPA_KEYS_SECRET;
    w->issuers[0] = &w->issuer;
    w->issuers[1] = &w->other;
    w->issuers[2] = &w->hmac;
    w->policy =
        (mcpa_policy_t){ .mode = MCPA_MODE_ON, .location = "/mcp", .resource = RESOURCE, .issuers = w->issuers, .generation = 7 };
    w->policy.scopes = "mcp:tools.read";
    w->policy.scope_model = w->model;
    w->request = (mcpa_request_t){ .method = MCPA_STR("POST"), .address = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } };
    w->env = (mcpa_env_t){ .now_us = NOW_S * 1000000, .mono_ns = UINT64_C(1000000000000), .ctx = w };
    w->env.keys = world_keys;
    w->env.await_key = world_await;
    w->env.keys_generation = world_generation;
    w->env.trace = world_trace;
    w->env.stopwatch_us = world_stopwatch;
}

static inline int world_make(void **state)
{
    static const char *const kids[] = { "rsa", "ec", "ed" };
    static const char *const other_kids[] = { "ec" };
    world_t *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->rsa = EVP_RSA_gen(2048);
    w->second_rsa = EVP_RSA_gen(2048);
    w->ec = EVP_EC_gen("P-256");
    w->other_ec = EVP_EC_gen("P-256");
    w->ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    w->keys = make_jwks(kids, (EVP_PKEY *[]){ w->rsa, w->ec, w->ed }, 3, "");
    w->other_keys = make_jwks(other_kids, &w->other_ec, 1, "");
    assert_int_equal(mcpa_jwks_from_secret(&w->secret_keys, MCPA_STR(SECRET), MCPA_ALGS_HMAC), MCPA_OK);
    w->model = mcpa_scope_model_new();
    world_reset(w);
    *state = w;
    return 0;
}

static inline int world_free(void **state)
{
    world_t *w = *state;

    mcpa_decision_clear(&w->decision);
    mcpa_jwks_release(&w->keys);
    mcpa_jwks_release(&w->other_keys);
    mcpa_jwks_release(&w->secret_keys);
    mcpa_scope_model_free(&w->model);
    EVP_PKEY_free(w->rsa);
    EVP_PKEY_free(w->second_rsa);
    EVP_PKEY_free(w->ec);
    EVP_PKEY_free(w->other_ec);
    EVP_PKEY_free(w->ed);
    free(w);
    return 0;
}

static inline int world_setup(void **state)
{
    world_reset(*state);
    return 0;
}

static inline mcpa_reason_t decide(world_t *w)
{
    mcpa_decision_clear(&w->decision);
    w->stages[0] = '\0';
    mcpa_policy_digest(&w->policy);
    return mcpa_decide(&w->decision, &w->request, &w->policy, &w->env);
}

/* Makes header and payload the request's token. */
static inline void give_token(world_t *w, const char *alg, EVP_PKEY *key, mcpa_str_t header, mcpa_str_t payload)
{
    mcpa_out_t out;

    mcpa_out_init(&out, w->authorization, sizeof(w->authorization));
    mcpa_out_z(&out, "Bearer ");
    mint(&out, alg, key, header, payload);
    w->request.authorization = mcpa_out_get(&out);
}

#define RSA_HEADER "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"rsa\"}"
#define EC_HEADER  "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec\"}"

/* A good token but for the changes, signed by the first issuer's EC key (the quickest to make). */
static inline void give_claims(world_t *w, const claim_t *changes, size_t n)
{
    char payload[8192];
    mcpa_out_t out;

    mcpa_out_init(&out, payload, sizeof(payload));
    put_claims(&out, changes, n);
    give_token(w, "ES256", w->ec, MCPA_STR(EC_HEADER), mcpa_out_get(&out));
}

static inline mcpa_reason_t decide_claim(world_t *w, const char *name, const char *value)
{
    claim_t change = { name, value };

    give_claims(w, &change, name ? 1 : 0);
    return decide(w);
}

/* Good claims under another header. */
static inline mcpa_reason_t decide_header(world_t *w, const char *alg, EVP_PKEY *key, const char *header)
{
    char payload[1024];
    mcpa_out_t out;

    mcpa_out_init(&out, payload, sizeof(payload));
    put_claims(&out, NULL, 0);
    give_token(w, alg, key, mcpa_str(header), mcpa_out_get(&out));
    return decide(w);
}

#endif
