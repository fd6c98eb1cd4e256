/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the module's keys share: issuers, and what the daemon publishes of them, in test_dir. Included once by a test
 * program. */
#ifndef MCPA_TEST_MOD_KEYS_H
#define MCPA_TEST_MOD_KEYS_H

#include "mod_support.h"

#include <time.h>

#include "keys.h"
#include "policy/issuer.h"

#define ED25519 "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define P256                                                                                                                     \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":"                              \
    "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\""
#define SET_OF(kid) "{\"keys\":[{\"kid\":\"" kid "\"," ED25519 "}]}"
#define SET_OF_TWO  "{\"keys\":[{\"kid\":\"old\"," ED25519 "},{\"kid\":\"new\"," P256 "}]}"

static const mcpa_issuer_t issuer_a = { .url = "https://a.example", .key_source = MCPA_KEYS_DISCOVER };
static const mcpa_issuer_t issuer_b = { .url = "https://b.example",
                                        .key_source = MCPA_KEYS_URL,
                                        .jwks = "https://b.example/jwks" };
static const mcpa_issuer_t stranger = { .url = "https://a.example", .key_source = MCPA_KEYS_DISCOVER };
static const mcpa_issuer_t *const both[] = { &issuer_a, &issuer_b, NULL };

static inline int setup(void **state)
{
    return support_setup(state) != 0 || mkdir(in_test_dir("keys"), 0755) != 0;
}

#define KEYS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, support_teardown)

static const char *path_of(const mcpa_issuer_t *issuer)
{
    char name[70];

    mcpa_issuer_key_file(name, issuer->url);
    return apr_pstrcat(test_pool, test_dir, "/keys/", name, NULL);
}

static inline void write_text(const char *path, const char *text)
{
    char *temporary = apr_pstrcat(test_pool, path, ".new", NULL);
    FILE *file = fopen(temporary, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(temporary, 0644), 0);
    assert_int_equal(rename(temporary, path), 0);
}

/* As the daemon does it. */
static inline void publish(const mcpa_issuer_t *issuer, const char *jwks, long expires_in)
{
    long now = (long)time(NULL);

    write_text(path_of(issuer), apr_psprintf(test_pool, "{\"issuer\":\"%s\",\"fetched\":%ld,\"expires\":%ld,\"jwks\":%s}",
                                             issuer->url, expires_in > 0 ? now : now + expires_in, now + expires_in, jwks));
}

static inline mod_mcp_keys_t *make_keys(int wait_ms)
{
    mod_mcp_keys_t *keys = mod_mcp_keys_new(test_pool, test_dir, both, NULL, wait_ms);

    assert_non_null(keys);
    return keys;
}

static inline int knows(mod_mcp_keys_t *keys, const mcpa_issuer_t *issuer, const char *kid)
{
    mcpa_jwks_t *set = mod_mcp_keys_get(keys, issuer);
    bool known = false;

    if (set != NULL) {
        (void)mcpa_jwks_find(set, MCPA_ALG_EDDSA, mcpa_str(kid), &known);
    }
    mcpa_jwks_release(&set);
    return known;
}

#endif
