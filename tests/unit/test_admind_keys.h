/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the tests of keys/: a state directory, a policy of issuers, and a record of what was told. */
#ifndef TEST_ADMIND_KEYS_H
#define TEST_ADMIND_KEYS_H

#include "test_admind_fakes.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "keys/keyfile.h"
#include "keys/keys.h"
#include "policy/issuer.h"
#include "test_jose_keys.h"

#define ISSUER      "https://as.example"
#define KEYS_URL    "https://as.example/keys"
#define KEY(kid)    "{" ED ",\"kid\":\"" kid "\",\"alg\":\"EdDSA\",\"use\":\"sig\"}"
#define SET(keys)   "{\"keys\":[" keys "]}"
#define ANSWERS_MAX 4096

typedef struct world {
    admind_loop_t loop;
    admind_fetcher_t fetcher;
    mcpa_metrics_t *metrics;
    admind_config_t config;
    admind_keys_t *keys;
    char state_dir[64];
    unsigned changed;
    char changed_issuer[256];
    uint64_t changed_generation;
    struct {
        uint64_t ticket;
        bool found;
        unsigned changed_before; /* news must have gone out before the answer */
    } answers[ANSWERS_MAX];
    size_t n_answers;
} world_t;

static inline void on_changed(void *ctx, const char *issuer, uint64_t generation)
{
    world_t *world = ctx;

    world->changed++;
    snprintf(world->changed_issuer, sizeof(world->changed_issuer), "%s", issuer);
    assert_true(generation > world->changed_generation);
    world->changed_generation = generation;
}

static inline void on_answered(void *ctx, uint64_t ticket, bool found, uint64_t generation)
{
    world_t *world = ctx;

    assert_true(world->n_answers < ANSWERS_MAX);
    assert_true(generation >= world->changed_generation);
    world->answers[world->n_answers].ticket = ticket;
    world->answers[world->n_answers].found = found;
    world->answers[world->n_answers].changed_before = world->changed;
    world->n_answers++;
}

static inline void world_keys(world_t *world)
{
    const admind_keys_events_t events = { on_changed, on_answered, world };

    world->keys = admind_keys_new(&world->loop, &world->config, &world->fetcher, world->metrics, &events);
    assert_non_null(world->keys);
}

static inline int world_setup(void **state)
{
    world_t *world = calloc(1, sizeof(*world));

    snprintf(world->state_dir, sizeof(world->state_dir), "/tmp/mcpauth-test-keys-XXXXXX");
    assert_non_null(mkdtemp(world->state_dir));
    world->metrics = mcpa_metrics_new();
    world->config = (admind_config_t){ .state_dir = world->state_dir,
                                       .key_refresh_us = 600 * S,
                                       .key_max_stale_us = 24 * 3600 * S,
                                       .insecure_fetch_loopback = true };
    world_keys(world);
    *state = world;
    return 0;
}

static inline void world_rm(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(path);
}

static inline int world_teardown(void **state)
{
    world_t *world = *state;
    char keys[80];

    admind_keys_free(&world->keys);
    mcpa_metrics_free(&world->metrics);
    snprintf(keys, sizeof(keys), "%s/keys", world->state_dir);
    world_rm(keys);
    world_rm(world->state_dir);
    free(world);
    return 0;
}

/* As if the daemon had been killed and started again. */
static inline void world_restart(world_t *world)
{
    admind_keys_free(&world->keys);
    memset(&world->fetcher, 0, sizeof(world->fetcher));
    world->changed_generation = 0;
    world_keys(world);
}

static inline void world_policy(world_t *world, const mcpa_issuer_t *const *issuers)
{
    const mcpa_snapshot_t snapshot = { .issuers = issuers };

    admind_keys_policy(world->keys, &snapshot);
    fake_advance(&world->loop, 1000);
}

/* One issuer whose key URL is configured. */
static inline void world_url_issuer(world_t *world)
{
    static const mcpa_issuer_t issuer = { .url = ISSUER, .key_source = MCPA_KEYS_URL, .jwks = KEYS_URL };
    const mcpa_issuer_t *const issuers[] = { &issuer, NULL };

    world_policy(world, issuers);
}

/* That issuer with key "a" fetched. */
static inline void world_with_a(world_t *world)
{
    world_url_issuer(world);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    assert_int_equal(world->changed, 1);
}

static inline admind_issuer_view_t world_view(const world_t *world)
{
    admind_issuer_view_t view;

    assert_true(admind_keys_view(world->keys, 0, &view));
    return view;
}

static inline bool world_has_kid(const world_t *world, const char *kid)
{
    admind_issuer_view_t view = world_view(world);
    bool known = false;

    if (view.set != NULL) {
        mcpa_jwks_find(view.set, MCPA_ALG_EDDSA, mcpa_str(kid), &known);
    }
    return known;
}

static inline void world_ask(world_t *world, const char *kid, uint64_t ticket)
{
    admind_keys_ask(world->keys, MCPA_STR(ISSUER), mcpa_str(kid), ticket);
}

static inline double world_metric(const world_t *world, mcpa_metric_t metric)
{
    mcpa_str_t label = MCPA_STR(ISSUER);

    return mcpa_metrics_get(world->metrics, metric, &label);
}

static inline void world_path(const world_t *world, char path[256], const char *issuer)
{
    char name[70];

    mcpa_issuer_key_file(name, issuer);
    snprintf(path, 256, "%s/keys/%s", world->state_dir, name);
}

#endif
