/* SPDX-License-Identifier: Apache-2.0 */
/* token mint: what it signs is an access token as httpd wants it, and nothing on its command line makes another kind of token of it. */
#include "admind_support.h"

#include "base/limits.h"
#include "ctl/token.h"
#include "jose/jws.h"

#define NOW_S (NOON_US / 1000000)

static admind_signkey_t key;

static int make_key(void **state)
{
    (void)state;
    return admind_signkey_make(&key, MCPA_ALG_ES256, 0) ? 0 : -1;
}

static int drop_key(void **state)
{
    (void)state;
    admind_signkey_clear(&key);
    return 0;
}

static const ctl_t good = { .issuer = "https://auth.example.com", .subject = "alice", .audience = "https://mcp.example.com/mcp" };

static bool mint(const ctl_t *ctl, char *token, size_t cap, ctl_minted_t *minted)
{
    char why[256] = "";
    mcpa_out_t out;

    mcpa_out_init(&out, token, cap);
    if (ctl_token_make(&out, minted, ctl, &key, NOW_S, why, sizeof(why))) {
        return true;
    }
    assert_non_null(strstr(why, "; ")); /* what is wrong, and the mend */
    return false;
}

static mcpa_json_t *claims_of(const char *token)
{
    admind_keyring_t ring = { .count = 1, .keys = { { .stage = ADMIND_STAGE_CURRENT, .key = key } } };
    char text[2048];
    mcpa_jwks_report_t report;
    mcpa_json_t *claims = NULL;
    mcpa_jwks_t *set = NULL;
    mcpa_jws_t jws;
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    admind_keyring_print(&out, &ring);
    assert_int_equal(mcpa_jwks_parse(&set, mcpa_out_get(&out), &report), MCPA_OK);
    assert_int_equal(mcpa_jws_split(&jws, mcpa_str(token)), MCPA_OK);
    assert_true(mcpa_str_eqz(jws.typ, "at+jwt") && mcpa_str_eqz(jws.kid, key.kid) && jws.alg == MCPA_ALG_ES256);
    assert_true(mcpa_jws_verify(&jws, mcpa_jwks_find(set, jws.alg, jws.kid, NULL)));
    assert_int_equal(mcpa_jws_payload(&claims, &jws), MCPA_OK);
    mcpa_jws_clear(&jws);
    mcpa_jwks_release(&set);
    return claims;
}

static void a_token_says_what_was_asked_for(void **state)
{
    ctl_t ctl = good;
    char token[8193];
    ctl_minted_t minted, again;
    mcpa_json_t *claims;
    int64_t number = 0;

    (void)state;
    ctl.scope = "mcp:tools.read mcp:tools.exec";
    ctl.client = "cli";
    ctl.lifetime = "10min";
    ctl.claims[0] = "tenant=a=b\"c";
    ctl.claims[1] = "roles:=[\"x\",{\"y\":1}]";
    ctl.claims[2] = "https://example.com/plan=gold";
    assert_true(mint(&ctl, token, sizeof(token), &minted));
    claims = claims_of(token);
    assert_int_equal(mcpa_json_size(claims), 11);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "iss")), ctl.issuer));
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "sub")), "alice"));
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "aud")), ctl.audience));
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "client_id")), "cli"));
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "scope")), ctl.scope));
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "tenant")), "a=b\"c"));
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "https://example.com/plan")), "gold"));
    assert_int_equal(mcpa_json_size(mcpa_json_member(claims, "roles")), 2);
    assert_true(mcpa_json_integer(mcpa_json_member(claims, "iat"), &number) && number == NOW_S);
    assert_true(mcpa_json_integer(mcpa_json_member(claims, "exp"), &number) && number == NOW_S + 600 && number == minted.expires_s);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(claims, "jti")), minted.jti) && strlen(minted.jti) == 32);
    mcpa_json_free(&claims);
    assert_true(mint(&good, token, sizeof(token), &again));
    assert_string_not_equal(again.jti, minted.jti);
    assert_true(again.expires_s == NOW_S + 3600);
    claims = claims_of(token);
    assert_int_equal(mcpa_json_size(claims), 7); /* no scope */
    mcpa_json_free(&claims);
}

static void no_claim_takes_a_registered_ones_place(void **state)
{
    static const char *const bad[] = { "sub=root",   "sub:=1",          "exp:=99999999999", "iss=https://x", "aud:=[\"a\"]", "jti=1",
                                       "nbf=1",      "scope=mcp:admin", "client_id=x",      "iat:=0",        "=x",           ":=1",
                                       "name",       "a:=",             "a:={",             "a:=\"x",        "a:=1,\"exp\":2", "a:=01",
                                       "a\n=x",      "a=\xff" };
    char token[8193];
    ctl_minted_t minted;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ctl_t ctl = good;

        ctl.claims[0] = bad[i];
        assert_false(mint(&ctl, token, sizeof(token), &minted));
    }
    for (int i = 0; i < 2; i++) {
        ctl_t ctl = good;

        ctl.claims[0] = "tenant=a";
        ctl.claims[1] = i == 0 ? "tenant=b" : "tenant2=b";
        assert_true(mint(&ctl, token, sizeof(token), &minted) == (i == 1)); /* httpd refuses a name that stands twice */
    }
}

static void what_is_missing_or_out_of_range_is_refused(void **state)
{
    static char longer[MCPA_CLAIM_MAX_BYTES + 2];
    static const char *const lifetimes[] = { "0", "0s", "25h", "86401", "2d", "soon", "-1", "1ms" };
    static const char *const scopes[] = { "", " ", "a\tb", "a \"b\"", "\xc3\xa9" };
    char token[8193], big[7000] = "big=";
    ctl_minted_t minted;
    ctl_t ctl = good;

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    for (size_t i = 0; i < sizeof(lifetimes) / sizeof(lifetimes[0]); i++) {
        ctl.lifetime = lifetimes[i];
        assert_false(mint(&ctl, token, sizeof(token), &minted));
    }
    ctl.lifetime = "24h";
    assert_true(mint(&ctl, token, sizeof(token), &minted) && minted.expires_s == NOW_S + 86400);
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        ctl.scope = scopes[i];
        assert_false(mint(&ctl, token, sizeof(token), &minted));
    }
    for (size_t i = 0; i < 5; i++) {
        static const char *const wrong[] = { NULL, "", "a\nb", "\xff", longer };

        ctl = good;
        ctl.subject = wrong[i];
        assert_false(mint(&ctl, token, sizeof(token), &minted));
        ctl = good;
        ctl.audience = wrong[i];
        assert_false(mint(&ctl, token, sizeof(token), &minted));
        ctl = good;
        ctl.client = wrong[i];
        assert_true(mint(&ctl, token, sizeof(token), &minted) == (i == 0));
    }
    memset(big + 4, 'x', sizeof(big) - 5);
    ctl = good;
    ctl.claims[0] = big;
    assert_false(mint(&ctl, token, sizeof(token), &minted)); /* httpd would not take it */
}

/* A key that others know by its public part alone cannot sign. */
static void an_old_key_signs_nothing(void **state)
{
    char token[8193];
    ctl_minted_t minted;

    (void)state;
    assert_true(admind_signkey_retire(&key));
    assert_false(mint(&good, token, sizeof(token), &minted));
}

#define KEYED(name) cmocka_unit_test_setup_teardown(name, make_key, drop_key)

/* Whichever part of it has no room any more. */
static void a_token_that_has_no_room_is_called_too_long(void **state)
{
    char token[8193], why[256];
    ctl_minted_t minted;
    size_t whole;

    (void)state;
    assert_true(mint(&good, token, sizeof(token), &minted));
    whole = strlen(token);
    for (size_t cap = 1; cap <= whole; cap++) {
        mcpa_out_t out;

        mcpa_out_init(&out, token, cap);
        assert_false(ctl_token_make(&out, &minted, &good, &key, NOW_S, why, sizeof(why)));
        assert_non_null(strstr(why, "longer than httpd takes"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYED(a_token_says_what_was_asked_for),
        KEYED(no_claim_takes_a_registered_ones_place),
        KEYED(what_is_missing_or_out_of_range_is_refused),
        KEYED(an_old_key_signs_nothing),
        KEYED(a_token_that_has_no_room_is_called_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
