/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of a token whose signature is good: attacks 43 to 53 and 57 of the reference. */
#include "test_policy_token.h"

static void a_good_token_gives_its_principal(void **state)
{
    (void)state;
    assert_reason(MCPA_REASON_PASS, check(&strict, NULL, NULL), "good");
    assert_true(mcpa_str_eqz(principal.issuer, ISSUER));
    assert_true(mcpa_str_eqz(principal.subject, "alice"));
    assert_true(mcpa_str_eqz(principal.client_id, "app"));
    assert_true(mcpa_str_eqz(principal.token_id, "t-1"));
    assert_true(mcpa_str_eqz(principal.audience, RESOURCE));
    assert_int_equal(principal.scopes.count, 1);
    assert_int_equal(principal.expires_s, NOW_S + 300);
    assert_int_equal(principal.not_before_s, NOW_S - 10);
}

/* Attack 47. */
static void the_issuer_is_compared_code_point_by_code_point(void **state)
{
    static const row_t rows[] = {
        { "iss", NULL, MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"https://as.example.com/\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"https://AS.example.com\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"HTTPS://as.example.com\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"https://as.example.com.evil\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"https://as.example.co\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"\"", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "[\"https://as.example.com\"]", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "null", MCPA_REASON_ISSUER_UNKNOWN },
        { "iss", "\"https:\\/\\/as.example.com\"", MCPA_REASON_PASS },
    };

    (void)state;
    check_rows(&strict, rows, COUNT(rows));
}

/* Attacks 48 and 49. */
static void token_with_prefix_of_our_audience_is_refused(void **state)
{
    static const row_t rows[] = {
        { "aud", "\"https://mcp.example.com\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"https://mcp.example.com/mc\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"https://mcp.example.com/mcp-evil\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"https://mcp.example.com/mcp/\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"https://mcp.example.com/mcp/x\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"https://MCP.example.com/mcp\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"xhttps://mcp.example.com/mcp\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"https://as.example.com\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"app\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "\"*\"", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "[]", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", "[\"https://mcp.example.com/mcp-evil\",\"x\"]", MCPA_REASON_AUDIENCE_WRONG },
        { "aud", NULL, MCPA_REASON_CLAIM_MISSING },
        { "aud", "null", MCPA_REASON_CLAIM_MALFORMED },
        { "aud", "1", MCPA_REASON_CLAIM_MALFORMED },
        { "aud", "{\"" RESOURCE "\":1}", MCPA_REASON_CLAIM_MALFORMED },
        { "aud", "[\"" RESOURCE "\",1]", MCPA_REASON_CLAIM_MALFORMED },
        { "aud", "[null,\"" RESOURCE "\"]", MCPA_REASON_CLAIM_MALFORMED },
        { "aud", "[[\"" RESOURCE "\"]]", MCPA_REASON_CLAIM_MALFORMED },
        { "aud", "[\"https://other\",\"" RESOURCE "\"]", MCPA_REASON_PASS },
        { "aud", "[\"" RESOURCE "\"]", MCPA_REASON_PASS },
        { "aud", "\"urn:second\"", MCPA_REASON_PASS },
    };

    (void)state;
    check_rows(&strict, rows, COUNT(rows));
}

/* Attacks 43 to 46. */
static void times_are_whole_seconds_that_end_and_begin(void **state)
{
    static const row_t rows[] = {
        { "exp", NULL, MCPA_REASON_CLAIM_MISSING },
        { "exp", "\"1800000300\"", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "1800000300.5", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "1800000300.0", MCPA_REASON_PASS },
        { "exp", "1.8000003e9", MCPA_REASON_PASS },
        { "exp", "1e300", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "-1", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "-1800000300", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "9223372036854775807", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "253402300800", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "253402300799", MCPA_REASON_PASS },
        { "exp", "true", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "null", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "[1800000300]", MCPA_REASON_CLAIM_MALFORMED },
        { "exp", "0", MCPA_REASON_EXPIRED },
        { "exp", "1799999940", MCPA_REASON_EXPIRED }, /* now - skew: the boundary itself is over */
        { "exp", "1799999941", MCPA_REASON_PASS },
        { "nbf", "1800000060", MCPA_REASON_PASS },
        { "nbf", "1800000061", MCPA_REASON_NOT_YET_VALID },
        { "nbf", "\"1799999999\"", MCPA_REASON_CLAIM_MALFORMED },
        { "nbf", "null", MCPA_REASON_CLAIM_MALFORMED },
        { "nbf", "0", MCPA_REASON_PASS },
        { "iat", "1800000060", MCPA_REASON_PASS },
        { "iat", "1800000061", MCPA_REASON_NOT_YET_VALID },
        { "iat", "4000000000", MCPA_REASON_NOT_YET_VALID },
        { "iat", "{}", MCPA_REASON_CLAIM_MALFORMED },
    };
    mcpa_issuer_t exact = strict;

    (void)state;
    check_rows(&strict, rows, COUNT(rows));
    exact.skew_s = 0;
    assert_reason(MCPA_REASON_EXPIRED, check(&exact, "exp", "1800000000"), "exp now, no skew");
    assert_reason(MCPA_REASON_PASS, check(&exact, "exp", "1800000001"), "exp in a second, no skew");
    assert_reason(MCPA_REASON_PASS, check(&exact, "nbf", "1800000000"), "nbf now, no skew");
    assert_reason(MCPA_REASON_NOT_YET_VALID, check(&exact, "nbf", "1800000001"), "nbf in a second, no skew");
}

/* Attack 53. */
static void the_strict_profile_needs_what_rfc_9068_requires(void **state)
{
    static const row_t strict_rows[] = {
        { "sub", NULL, MCPA_REASON_CLAIM_MISSING },
        { "client_id", NULL, MCPA_REASON_CLAIM_MISSING },
        { "iat", NULL, MCPA_REASON_CLAIM_MISSING },
        { "jti", NULL, MCPA_REASON_CLAIM_MISSING },
    };
    static const row_t lax_rows[] = {
        { "sub", NULL, MCPA_REASON_PASS },
        { "client_id", NULL, MCPA_REASON_PASS },
        { "iat", NULL, MCPA_REASON_PASS },
        { "jti", NULL, MCPA_REASON_PASS },
    };
    static const claim_t nobody[] = { { "sub", NULL }, { "client_id", NULL } };
    static const char *const require[] = { "jti", "/realm/name", NULL };
    mcpa_issuer_t lax = strict;

    (void)state;
    check_rows(&strict, strict_rows, COUNT(strict_rows));
    lax.any_typ = true;
    check_rows(&lax, lax_rows, COUNT(lax_rows));
    assert_reason(MCPA_REASON_CLAIM_MISSING, check_at(&lax, nobody, 2, NOW_S), "neither subject nor client");
    lax.require = require;
    assert_reason(MCPA_REASON_CLAIM_MISSING, check(&lax, "realm", "{\"names\":1}"), "a required pointer is missing");
    assert_reason(MCPA_REASON_CLAIM_MISSING, check(&lax, "realm", "{\"name\":null}"), "a required claim is null");
    assert_reason(MCPA_REASON_PASS, check(&lax, "realm", "{\"name\":1}"), "required claims are there");
}

static void strings_we_carry_on_are_printable_and_bounded(void **state)
{
    static const char *const names[] = { "sub", "client_id", "jti" };
    static const char *const bad[] = {
        "\"\"",         "1",         "true",         "null",          "[\"alice\"]", "{}", "\"a\\nb\"",
        "\"a\\u0001\"", "\"a\\tb\"", "\"a\\u007f\"", "\"\\r\\nX: y\""
    };
    static char value[MCPA_CLAIM_MAX_BYTES + 8];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        for (size_t k = 0; k < COUNT(bad); k++) {
            assert_reason(MCPA_REASON_CLAIM_MALFORMED, check(&strict, names[i], bad[k]), bad[k]);
        }
        assert_reason(MCPA_REASON_PASS, check(&strict, names[i], "\"J\\u00fcrgen \\u2603 https://app.example/cimd\""), names[i]);
        memset(value, 'a', sizeof(value));
        value[0] = value[MCPA_CLAIM_MAX_BYTES + 1] = '"';
        value[MCPA_CLAIM_MAX_BYTES + 2] = '\0';
        assert_reason(MCPA_REASON_PASS, check(&strict, names[i], value), "the longest");
        value[MCPA_CLAIM_MAX_BYTES + 1] = 'a';
        value[MCPA_CLAIM_MAX_BYTES + 2] = '"';
        value[MCPA_CLAIM_MAX_BYTES + 3] = '\0';
        assert_reason(MCPA_REASON_CLAIM_MALFORMED, check(&strict, names[i], value), "one byte too long");
    }
}

/* Attacks 57 and 72. */
static void a_bound_token_is_never_a_plain_bearer(void **state)
{
    static const row_t rows[] = {
        { "cnf", "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}", MCPA_REASON_BINDING_UNSUPPORTED },
        { "cnf", "{\"x5t#S256\":\"x\"}", MCPA_REASON_BINDING_UNSUPPORTED },
        { "cnf", "{\"jkt\":\"x\",\"x5t#S256\":\"y\"}", MCPA_REASON_BINDING_UNSUPPORTED },
        { "cnf", "{}", MCPA_REASON_BINDING_UNSUPPORTED },
        { "cnf", "null", MCPA_REASON_BINDING_UNSUPPORTED },
        { "cnf", "\"x\"", MCPA_REASON_BINDING_UNSUPPORTED },
    };

    (void)state;
    check_rows(&strict, rows, COUNT(rows));
}

/* Attacks 50 to 52. */
static void only_access_tokens_have_an_accepted_type(void **state)
{
    static const struct {
        const char *typ; /* NULL: absent */
        bool strict;
        bool any;
    } rows[] = {
        { "at+jwt", true, true },
        { "AT+JWT", true, true },
        { "application/at+jwt", true, true },
        { "Application/At+Jwt", true, true },
        { "JWT", false, true },
        { "jwt", false, true },
        { "application/jwt", false, true },
        { NULL, false, true },
        { "", false, false },
        { "application/", false, false },
        { "at+jwt ", false, false },
        { "xat+jwt", false, false },
        { "text/at+jwt", false, false },
        { "application/application/at+jwt", false, false },
        { "oauth-id-jag+jwt", false, false },
        { "logout+jwt", false, false },
        { "dpop+jwt", false, false },
        { "token-introspection+jwt", false, false },
        { "secevent+jwt", false, false },
        { "client-authentication+jwt", false, false },
        { "JWE", false, false },
    };
    mcpa_issuer_t lax = strict;

    (void)state;
    lax.any_typ = true;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_str_t typ = mcpa_str(rows[i].typ);

        assert_reason(rows[i].strict ? MCPA_REASON_PASS : MCPA_REASON_TYPE_WRONG, mcpa_token_check_type(&strict, typ),
                      rows[i].typ);
        assert_reason(rows[i].any ? MCPA_REASON_PASS : MCPA_REASON_TYPE_WRONG, mcpa_token_check_type(&lax, typ), rows[i].typ);
    }
}

static void marks_of_other_tokens_refuse_where_typ_says_nothing(void **state)
{
    static const row_t rows[] = {
        { "nonce", "\"n\"", MCPA_REASON_TYPE_WRONG },
        { "at_hash", "\"h\"", MCPA_REASON_TYPE_WRONG },
        { "c_hash", "\"h\"", MCPA_REASON_TYPE_WRONG },
        { "events", "{\"http://schemas.openid.net/event/backchannel-logout\":{}}", MCPA_REASON_TYPE_WRONG },
        { "typ", "\"ID\"", MCPA_REASON_TYPE_WRONG },
        { "typ", "\"Refresh\"", MCPA_REASON_TYPE_WRONG },
        { "typ", "\"Bearer\"", MCPA_REASON_PASS },
    };
    mcpa_issuer_t lax = strict;

    (void)state;
    lax.any_typ = true;
    check_rows(&lax, rows, COUNT(rows));
    assert_reason(MCPA_REASON_PASS, check(&strict, "nonce", "\"n\""), "with typ at+jwt a nonce says nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_token_gives_its_principal),
        cmocka_unit_test(the_issuer_is_compared_code_point_by_code_point),
        cmocka_unit_test(token_with_prefix_of_our_audience_is_refused),
        cmocka_unit_test(times_are_whole_seconds_that_end_and_begin),
        cmocka_unit_test(the_strict_profile_needs_what_rfc_9068_requires),
        cmocka_unit_test(strings_we_carry_on_are_printable_and_bounded),
        cmocka_unit_test(a_bound_token_is_never_a_plain_bearer),
        cmocka_unit_test(only_access_tokens_have_an_accepted_type),
        cmocka_unit_test(marks_of_other_tokens_refuse_where_typ_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
