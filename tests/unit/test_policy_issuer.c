/* SPDX-License-Identifier: Apache-2.0 */
/* MCPAuthIssuer's words: what is taken, what is refused and with which sentence. */
#include "test_policy.h"

#include "policy/issuer.h"
#include "policy/preset.h"

static void *blocks[4096];
static size_t n_blocks;

static void *allocate(void *ctx, size_t bytes)
{
    void *block = malloc(bytes);

    (void)ctx;
    assert_non_null(block);
    assert_true(n_blocks < COUNT(blocks));
    blocks[n_blocks++] = block;
    return block;
}

static int free_blocks(void **state)
{
    (void)state;
    while (n_blocks) {
        free(blocks[--n_blocks]);
    }
    return 0;
}

static char error[600];

/* words: separated by single spaces, as in the configuration. */
static bool parse(mcpa_issuer_t *issuer, const char *url, const char *words, bool development)
{
    static char copy[16384];
    const char *list[64];
    size_t n = 0;

    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = copy, *end; word && *word; word = end) {
        end = strchr(word, ' ');
        if (end) {
            *end++ = '\0';
        }
        list[n++] = word;
    }
    return mcpa_issuer_parse(issuer, url, list, n, development, allocate, NULL, error, sizeof(error));
}

static const char *print(const mcpa_issuer_t *issuer)
{
    static char memory[4096];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_issuer_print(&out, issuer);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return memory;
}

static void a_bare_issuer_has_the_strict_defaults(void **state)
{
    mcpa_issuer_t issuer;

    (void)state;
    assert_true(parse(&issuer, "https://as.example.com", "", false));
    assert_string_equal(issuer.url, "https://as.example.com");
    assert_null(issuer.preset);
    assert_int_equal(issuer.key_source, MCPA_KEYS_DISCOVER);
    assert_null(issuer.jwks);
    assert_int_equal(issuer.algs, MCPA_ALGS_ASYMMETRIC);
    assert_false(issuer.any_typ);
    assert_int_equal(issuer.skew_s, 60);
    assert_string_equal(issuer.scope_claim, "scope");
    assert_string_equal(issuer.subject_claim, "sub");
    assert_string_equal(issuer.client_claim, "client_id");
    assert_string_equal(issuer.audience_claim, "aud");
    assert_null(issuer.roles_claim);
    assert_null(issuer.require);
    assert_null(issuer.token_use);
    assert_string_equal(print(&issuer), "");
}

static void words_are_taken_and_printed_in_their_normal_form(void **state)
{
    static const struct {
        const char *words;
        const char *printed; /* NULL: the same */
    } rows[] = {
        { "jwks=https://keys.example.com/jwks", NULL },
        { "jwks=file:/etc/mcpauth/as.json", NULL },
        { "jwks=discover", "" },
        { "alg=RS256", NULL },
        { "alg=ES256,RS256", "alg=RS256,ES256" },
        { "alg=EdDSA", NULL },
        { "typ=any", NULL },
        { "typ=at+jwt", "" },
        { "skew=0", NULL },
        { "skew=300", NULL },
        { "skew=60", "" },
        { "scope-claim=scp subject-claim=oid client-claim=cid audience-claim=/x/y roles-claim=/realm_access/roles", NULL },
        { "require=jti,sid", NULL },
        { "secret=file:/etc/mcpauth/secret", "secret=file" },
        { "secret=file:/etc/mcpauth/secret alg=HS512", "secret=file alg=HS512" },
        { "preset=okta", NULL },
        { "preset=okta alg=RS256", "preset=okta" },
        { "alg=ES256 typ=at+jwt preset=okta", "preset=okta alg=ES256 typ=at+jwt" },
        { "preset=keycloak roles-claim=/realm_access/roles", NULL },
        { "preset=entra client-claim=appid require=appid", NULL },
        { "preset=supabase", "preset=supabase jwks=https://as.example.com/.well-known/jwks.json" },
        { "preset=supabase jwks=discover", NULL },
        { "preset=supabase secret=file:/s", "preset=supabase secret=file" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_issuer_t issuer, again;
        char printed[4096];

        if (!parse(&issuer, "https://as.example.com", rows[i].words, false)) {
            fail_msg("%s: %s", rows[i].words, error);
        }
        snprintf(printed, sizeof(printed), "%s", print(&issuer));
        assert_string_equal(printed, rows[i].printed ? rows[i].printed : rows[i].words);
        if (issuer.key_source != MCPA_KEYS_SECRET) {
            assert_true(parse(&again, "https://as.example.com", printed, false));
            assert_string_equal(print(&again), printed);
        }
    }
}

static void secrets_stay_out_of_what_is_printed(void **state)
{
    mcpa_issuer_t issuer;

    (void)state;
    assert_true(parse(&issuer, "https://as.example.com", "secret=file:/etc/mcpauth/the-path", false));
    assert_int_equal(issuer.key_source, MCPA_KEYS_SECRET);
    assert_int_equal(issuer.algs, MCPA_ALGS_HMAC);
    assert_string_equal(issuer.jwks, "/etc/mcpauth/the-path");
    assert_null(strstr(print(&issuer), "the-path"));
}

static void other_words_are_refused_and_the_sentence_names_them(void **state)
{
    static const struct {
        const char *words;
        const char *named;
    } rows[] = {
        { "jwks", "jwks" },
        { "Jwks=discover", "Jwks=discover" },
        { "aud=x", "aud=x" },
        { "jwks=", "jwks=" },
        { "jwks=http://keys.example.com/jwks", "https" },
        { "jwks=http://127.0.0.1/jwks", "development" },
        { "jwks=ftp://keys.example.com/", "https" },
        { "jwks=file:relative", "absolute" },
        { "jwks=file:", "absolute" },
        { "jwks=discover jwks=discover", "twice" },
        { "jwks=discover secret=file:/s", "exclude" },
        { "secret=hunter2", "file:PATH" },
        { "secret=file:s", "absolute" },
        { "secret=file:/s alg=RS256", "HS256" },
        { "alg=HS256", "secret=" },
        { "alg=RS256,HS256", "secret=" },
        { "preset=okta alg=HS256", "secret=" },
        { "alg=none", "none" },
        { "alg=None", "None" },
        { "alg=rs256", "rs256" },
        { "alg=", "unknown" },
        { "alg=RS256,", "unknown" },
        { "alg=RS256,,ES256", "unknown" },
        { "typ=JWT", "at+jwt" },
        { "typ=", "at+jwt" },
        { "skew=301", "300" },
        { "skew=-1", "300" },
        { "skew=1min", "300" },
        { "scope-claim=", "scope-claim=" },
        { "require=", "require=" },
        { "require=a,,b", "require=" },
        { "preset=azure", "entra" },
        { "preset=", "auth0" },
        { "preset=OKTA", "okta" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_issuer_t issuer;

        if (parse(&issuer, "https://as.example.com", rows[i].words, false)) {
            fail_msg("%s was taken", rows[i].words);
        }
        if (!strstr(error, rows[i].named)) {
            fail_msg("%s: \"%s\" does not name %s", rows[i].words, error, rows[i].named);
        }
        assert_null(strstr(error, "hunter2"));
    }
}

static void an_issuer_is_an_https_url_without_query_or_fragment(void **state)
{
    static const struct {
        const char *url;
        bool production;
        bool development;
    } rows[] = {
        { "https://as.example.com", true, true },
        { "https://as.example.com/", true, true },
        { "https://as.example.com:8443/realms/x", true, true },
        { "http://127.0.0.1:9000", false, true },
        { "http://localhost:9000/realm", false, true },
        { "http://as.example.com", false, false },
        { "https://as.example.com?x", false, false },
        { "https://as.example.com#x", false, false },
        { "https://u:p@as.example.com", false, false },
        { "https://as.example.com/a\"b", false, false },
        { "https://as.example.com/\\", false, false },
        { "as.example.com", false, false },
        { "", false, false },
    };
    static char longest[MCPA_CLAIM_MAX_BYTES + 2];
    mcpa_issuer_t issuer;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(parse(&issuer, rows[i].url, "", false), rows[i].production);
        assert_int_equal(parse(&issuer, rows[i].url, "", true), rows[i].development);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    memcpy(longest, "https://", 8);
    assert_false(parse(&issuer, longest, "", false));
    longest[MCPA_CLAIM_MAX_BYTES] = '\0';
    assert_true(parse(&issuer, longest, "", false));
}

static void every_preset_is_a_complete_issuer(void **state)
{
    (void)state;
    for (const char *const *name = mcpa_preset_names(); *name; name++) {
        mcpa_issuer_t issuer;
        char words[64];

        snprintf(words, sizeof(words), "preset=%s", *name);
        assert_true(parse(&issuer, "https://as.example.com/tenant/", words, false));
        assert_string_equal(issuer.preset, *name);
        assert_true(issuer.algs != 0 && !(issuer.algs & MCPA_ALGS_HMAC));
        assert_true(issuer.any_typ);
        assert_non_null(issuer.scope_claim);
        assert_non_null(issuer.subject_claim);
        assert_non_null(issuer.client_claim);
        assert_non_null(issuer.audience_claim);
        assert_int_equal(issuer.key_source == MCPA_KEYS_URL, issuer.jwks != NULL);
    }
    {
        mcpa_issuer_t issuer;

        assert_true(parse(&issuer, "https://ref.supabase.co/auth/v1", "preset=supabase", false));
        assert_string_equal(issuer.jwks, "https://ref.supabase.co/auth/v1/.well-known/jwks.json");
    }
}

static void preset_names_are_the_rows_of_the_table(void **state)
{
    size_t n = 0;

    (void)state;
    for (const char *const *name = mcpa_preset_names(); *name; name++) {
        mcpa_issuer_t issuer = { .url = "https://x" };

        assert_true(mcpa_preset_apply(&issuer, mcpa_str(*name)));
        n++;
    }
    assert_int_equal(n, 7);
}

static void key_files_are_named_by_the_urls_hash(void **state)
{
    char name[70];

    (void)state;
    mcpa_issuer_key_file(name, "https://as.example.com"); /* printf %s https://as.example.com | sha256sum */
    assert_int_equal(strlen(name), 69);
    assert_string_equal(name + 64, ".json");
    assert_string_equal(name, "84f862e2cbab3d0168474d8008fc18faac2ab517ba66710af4b297947232c0e9.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_issuer_has_the_strict_defaults),
        cmocka_unit_test(words_are_taken_and_printed_in_their_normal_form),
        cmocka_unit_test(secrets_stay_out_of_what_is_printed),
        cmocka_unit_test(other_words_are_refused_and_the_sentence_names_them),
        cmocka_unit_test(an_issuer_is_an_https_url_without_query_or_fragment),
        cmocka_unit_test(every_preset_is_a_complete_issuer),
        cmocka_unit_test(preset_names_are_the_rows_of_the_table),
        cmocka_unit_test(key_files_are_named_by_the_urls_hash),
    };

    return cmocka_run_group_tests(tests, NULL, free_blocks);
}
