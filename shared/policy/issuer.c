/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/issuer.h"

#include <openssl/sha.h>

#include "base/text.h"
#include "policy/preset.h"
#include "policy/token.h"

#define SKEW_DEFAULT_S 60
#define REQUIRED_MAX   32

typedef struct parser {
    mcpa_issuer_t *issuer;
    bool development;
    bool has_algs; /* alg= was given: a secret then does not choose its own */
    mcpa_alloc_fn alloc;
    void *alloc_ctx;
    mcpa_out_t error;
} parser_t;

typedef struct option option_t;
struct option {
    const char *name; /* with its '=' */
    bool (*set)(parser_t *p, const option_t *option, mcpa_str_t value);
    size_t member; /* for claims: where in mcpa_issuer_t the name goes */
};

static const char *copy(parser_t *p, mcpa_str_t s)
{
    char *memory = p->alloc(p->alloc_ctx, s.len + 1);

    memcpy(memory, s.ptr, s.len);
    memory[s.len] = '\0';
    return memory;
}

static bool fail(parser_t *p, const char *sentence)
{
    mcpa_out_z(&p->error, sentence);
    return false;
}

/* A URL the daemon may fetch or an issuer's name: also printed in logs and metadata, so no byte that needs quoting. */
static bool url_is_fit(const parser_t *p, mcpa_str_t url)
{
    bool is_https = false;

    if (url.len > MCPA_CLAIM_MAX_BYTES || !mcpa_text_is_url(url, &is_https)) {
        return false;
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || url.ptr[i] == '"' || url.ptr[i] == '\\') {
            return false;
        }
    }
    return is_https || (p->development && mcpa_text_url_is_loopback(url));
}

static bool path_is_fit(mcpa_str_t path)
{
    return path.len > 1 && path.ptr[0] == '/' && mcpa_text_is_printable(path);
}

static bool set_preset(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    if (mcpa_preset_apply(p->issuer, value)) {
        return true;
    }
    mcpa_out_z(&p->error, "preset= must be one of:");
    for (const char *const *name = mcpa_preset_names(); *name; name++) {
        mcpa_out_printf(&p->error, " %s", *name);
    }
    return false;
}

static bool set_jwks(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    mcpa_issuer_t *issuer = p->issuer;

    if (mcpa_str_eqz(value, "discover")) {
        issuer->key_source = MCPA_KEYS_DISCOVER;
        issuer->jwks = NULL;
        return true;
    }
    if (mcpa_str_starts(value, MCPA_STR("file:"))) {
        value = (mcpa_str_t){ value.ptr + 5, value.len - 5 };
        if (!path_is_fit(value)) {
            return fail(p, "jwks=file: must be followed by an absolute path");
        }
        issuer->key_source = MCPA_KEYS_FILE;
    } else {
        if (!url_is_fit(p, value)) {
            return fail(
                p,
                "jwks= must be an https URL, file:PATH or discover (http on a loopback address needs MCPAuthMode development)");
        }
        issuer->key_source = MCPA_KEYS_URL;
    }
    issuer->jwks = copy(p, value);
    return true;
}

static bool set_secret(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    if (!mcpa_str_starts(value, MCPA_STR("file:"))) {
        return fail(p, "secret= must be file:PATH: a secret never stands in the configuration itself");
    }
    value = (mcpa_str_t){ value.ptr + 5, value.len - 5 };
    if (!path_is_fit(value)) {
        return fail(p, "secret=file: must be followed by an absolute path");
    }
    p->issuer->key_source = MCPA_KEYS_SECRET;
    p->issuer->jwks = copy(p, value);
    return true;
}

/* Takes the text before the next comma from *rest; false at the end. */
static bool next_item(mcpa_str_t *rest, mcpa_str_t *item)
{
    const char *comma;

    if (!rest->ptr) {
        return false;
    }
    comma = rest->len ? memchr(rest->ptr, ',', rest->len) : NULL;
    *item = *rest;
    if (comma) {
        item->len = (size_t)(comma - rest->ptr);
        *rest = (mcpa_str_t){ comma + 1, rest->len - item->len - 1 };
    } else {
        *rest = MCPA_STR_NONE;
    }
    return true;
}

static bool set_algs(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    mcpa_algs_t algs = 0;
    mcpa_str_t name;

    while (next_item(&value, &name)) {
        mcpa_alg_t alg = mcpa_alg_find(name);

        if (alg == MCPA_ALG_NONE) {
            mcpa_out_printf(
                &p->error,
                "alg= has an unknown algorithm \"%.*s\"; known are RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 "
                "EdDSA and, with secret=, HS256 HS384 HS512",
                MCPA_STR_ARG(name));
            return false;
        }
        algs |= MCPA_ALG_BIT(alg);
    }
    p->issuer->algs = algs;
    p->has_algs = true;
    return true;
}

static bool set_typ(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    if (!mcpa_str_eqz(value, "any") && !mcpa_str_eqz(value, "at+jwt")) {
        return fail(p, "typ= must be at+jwt or any");
    }
    p->issuer->any_typ = mcpa_str_eqz(value, "any");
    return true;
}

static bool set_skew(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    uint64_t skew;

    if (!mcpa_text_u64(value, &skew) || skew > MCPA_SKEW_MAX_S) {
        return fail(p, "skew= must be a number of seconds from 0 to 300");
    }
    p->issuer->skew_s = (int)skew;
    return true;
}

static const char **claim_of(mcpa_issuer_t *issuer, const option_t *option)
{
    return (const char **)(void *)((char *)issuer + option->member);
}

static bool claim_name_is_fit(mcpa_str_t name)
{
    return name.len && name.len <= MCPA_CLAIM_NAME_MAX_BYTES && mcpa_text_is_printable(name) && mcpa_text_is_utf8(name);
}

static bool set_claim(parser_t *p, const option_t *option, mcpa_str_t value)
{
    if (!claim_name_is_fit(value)) {
        mcpa_out_printf(&p->error, "%s must be followed by a claim's name of 1 to 256 printable characters", option->name);
        return false;
    }
    *claim_of(p->issuer, option) = copy(p, value);
    return true;
}

static bool set_require(parser_t *p, const option_t *option __attribute__((unused)), mcpa_str_t value)
{
    const char **names = p->alloc(p->alloc_ctx, (REQUIRED_MAX + 1) * sizeof(*names));
    mcpa_str_t name;
    size_t n = 0;

    while (next_item(&value, &name)) {
        if (n == REQUIRED_MAX || !claim_name_is_fit(name)) {
            return fail(p, "require= must be followed by at most 32 claims' names with commas between them");
        }
        names[n++] = copy(p, name);
    }
    names[n] = NULL;
    p->issuer->require = names;
    return true;
}

/* preset= comes first: its row is applied before all other words, wherever it stands. */
static const option_t options[] = {
    { "preset=", set_preset, 0 },
    { "jwks=", set_jwks, 0 },
    { "secret=", set_secret, 0 },
    { "alg=", set_algs, 0 },
    { "typ=", set_typ, 0 },
    { "skew=", set_skew, 0 },
    { "scope-claim=", set_claim, offsetof(mcpa_issuer_t, scope_claim) },
    { "subject-claim=", set_claim, offsetof(mcpa_issuer_t, subject_claim) },
    { "client-claim=", set_claim, offsetof(mcpa_issuer_t, client_claim) },
    { "audience-claim=", set_claim, offsetof(mcpa_issuer_t, audience_claim) },
    { "roles-claim=", set_claim, offsetof(mcpa_issuer_t, roles_claim) },
    { "require=", set_require, 0 },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static size_t find_option(mcpa_str_t word)
{
    size_t i = 0;

    while (i < OPTIONS && !mcpa_str_starts(word, mcpa_str(options[i].name))) {
        i++;
    }
    return i;
}

/* Places each word in its option's slot, so that a name stands at most once and the table's order rules. */
static bool sort_words(parser_t *p, mcpa_str_t values[OPTIONS], const char *const *words, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++) {
        mcpa_str_t word = mcpa_str(words[i]);
        size_t o = find_option(word);
        size_t name_len;

        if (o == OPTIONS) {
            mcpa_out_printf(&p->error, "\"%s\" is none of its options, which are:", words[i]);
            for (size_t k = 0; k < OPTIONS; k++) {
                mcpa_out_printf(&p->error, " %s", options[k].name);
            }
            return false;
        }
        if (values[o].ptr) {
            mcpa_out_printf(&p->error, "%s stands twice; leave one of them out", options[o].name);
            return false;
        }
        name_len = strlen(options[o].name);
        values[o] = (mcpa_str_t){ word.ptr + name_len, word.len - name_len };
    }
    if (values[find_option(MCPA_STR("jwks="))].ptr && values[find_option(MCPA_STR("secret="))].ptr) {
        return fail(p, "jwks= and secret= exclude each other: an issuer signs with public keys or with one secret");
    }
    return true;
}

static const char *join(parser_t *p, const char *url, const char *suffix)
{
    size_t len = strlen(url), suffix_len = strlen(suffix);
    char *memory;

    if (url[len - 1] == '/') {
        len--;
    }
    memory = p->alloc(p->alloc_ctx, len + suffix_len + 1);
    memcpy(memory, url, len);
    memcpy(memory + len, suffix, suffix_len + 1);
    return memory;
}

/* What follows from several words together. */
static bool settle(parser_t *p)
{
    mcpa_issuer_t *issuer = p->issuer;
    bool has_secret = issuer->key_source == MCPA_KEYS_SECRET;

    if (has_secret && !p->has_algs) {
        issuer->algs = MCPA_ALGS_HMAC;
    }
    if (has_secret && (issuer->algs & ~MCPA_ALGS_HMAC)) {
        return fail(p, "with secret= only HS256, HS384 and HS512 make sense in alg=");
    }
    if (!has_secret && (issuer->algs & MCPA_ALGS_HMAC)) {
        return fail(p, "alg= has an HMAC algorithm, which needs secret=file:PATH");
    }
    if (issuer->key_source == MCPA_KEYS_URL && !issuer->jwks) {
        issuer->jwks = join(p, issuer->url, mcpa_preset_jwks_suffix(mcpa_str(issuer->preset)));
    }
    return true;
}

void mcpa_issuer_set_defaults(mcpa_issuer_t *issuer)
{
    *issuer = (mcpa_issuer_t){
        .key_source = MCPA_KEYS_DISCOVER,
        .algs = MCPA_ALGS_ASYMMETRIC,
        .skew_s = SKEW_DEFAULT_S,
        .scope_claim = "scope",
        .subject_claim = "sub",
        .client_claim = "client_id",
        .audience_claim = "aud",
    };
}

bool mcpa_issuer_parse(mcpa_issuer_t *issuer, const char *url, const char *const *words, size_t n_words, bool development,
                       mcpa_alloc_fn alloc, void *alloc_ctx, char *error, size_t cap)
{
    parser_t p = { .issuer = issuer, .development = development, .alloc = alloc, .alloc_ctx = alloc_ctx };
    mcpa_str_t values[OPTIONS] = { { NULL, 0 } };

    mcpa_out_init(&p.error, error, cap);
    mcpa_issuer_set_defaults(issuer);
    if (!url_is_fit(&p, mcpa_str(url)) || strchr(url, '?') || strchr(url, '#')) {
        return fail(&p, "the issuer must be an https URL without query or fragment, exactly as in the tokens' iss "
                        "(http on a loopback address needs MCPAuthMode development)");
    }
    issuer->url = copy(&p, mcpa_str(url));
    if (!sort_words(&p, values, words, n_words)) {
        return false;
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        if (values[i].ptr && !options[i].set(&p, &options[i], values[i])) {
            return false;
        }
    }
    return settle(&p);
}

void mcpa_issuer_key_file(char name[70], const char *issuer_url)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)issuer_url, strlen(issuer_url), digest);
    mcpa_hex(name, digest, sizeof(digest));
    memcpy(name + 2 * sizeof(digest), ".json", sizeof(".json"));
}
