/* SPDX-License-Identifier: Apache-2.0 */
/* Exactly one bearer token, in the header: attacks 1, 7, 15, 59, 60, 62, 64 and 73 of the reference. */
#include "test_policy.h"

#include "base/limits.h"
#include "policy/credential.h"

#define MALFORMED MCPA_REASON_AUTHORIZATION_MALFORMED

typedef struct row {
    mcpa_str_t header;
    mcpa_reason_t reason;
    const char *token;
} row_t;

static mcpa_reason_t extract(mcpa_str_t *token, mcpa_str_t authorization, mcpa_str_t query)
{
    return mcpa_credential_extract(token, authorization, query, MCPA_TOKEN_DEFAULT_BYTES);
}

static void check(const row_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mcpa_str_t token = MCPA_STR("untouched");
        mcpa_reason_t reason = extract(&token, rows[i].header, MCPA_STR_NONE);

        assert_reason(rows[i].reason, reason, rows[i].header.ptr ? rows[i].header.ptr : "(absent)");
        assert_true(mcpa_str_eqz(token, rows[i].token ? rows[i].token : "untouched"));
    }
}

static void a_bearer_token_is_taken_as_it_stands(void **state)
{
    static const row_t rows[] = {
        { { "Bearer abc", 10 }, MCPA_REASON_PASS, "abc" },
        { { "bearer abc", 10 }, MCPA_REASON_PASS, "abc" },
        { { "BEARER abc", 10 }, MCPA_REASON_PASS, "abc" },
        { { "Bearer    abc", 13 }, MCPA_REASON_PASS, "abc" },
        { { "Bearer a.b-c_~+/==", 18 }, MCPA_REASON_PASS, "a.b-c_~+/==" },
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void no_or_another_credential_is_no_token(void **state)
{
    static const row_t rows[] = {
        { { NULL, 0 }, MCPA_REASON_NO_TOKEN, NULL },
        { { "Basic dXNlcjpwYXNz", 18 }, MCPA_REASON_NO_TOKEN, NULL },
        { { "Digest username=\"a\", realm=\"b\"", 30 }, MCPA_REASON_NO_TOKEN, NULL },
        { { "Bearerx abc", 11 }, MCPA_REASON_NO_TOKEN, NULL },
        { { "Negotiate", 9 }, MCPA_REASON_NO_TOKEN, NULL },
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void what_breaks_the_grammar_is_refused_with_400(void **state)
{
    static const row_t rows[] = {
        { { "", 0 }, MALFORMED, NULL },
        { { "Bearer", 6 }, MALFORMED, NULL },
        { { "Bearer ", 7 }, MALFORMED, NULL },
        { { "Bearer    ", 10 }, MALFORMED, NULL },
        { { " Bearer abc", 11 }, MALFORMED, NULL },
        { { "Bearer\tabc", 10 }, MALFORMED, NULL },
        { { "Bearer \tabc", 11 }, MALFORMED, NULL },
        { { "Bearer abc ", 11 }, MALFORMED, NULL },
        { { "Bearer abc def", 14 }, MALFORMED, NULL },
        { { "Bearer abc,", 11 }, MALFORMED, NULL },
        { { "Bearer a,b", 10 }, MALFORMED, NULL },
        { { "Bearer, abc", 11 }, MALFORMED, NULL },
        { { "Bearer=abc", 10 }, MALFORMED, NULL },
        { { "Bearer \"abc\"", 12 }, MALFORMED, NULL },
        { { "Bearer {\"payload\":1}", 20 }, MALFORMED, NULL },
        { { "Bearer a=b", 10 }, MALFORMED, NULL },
        { { "Bearer ===", 10 }, MALFORMED, NULL },
        { { "Bearer abc\r\nX: y", 16 }, MALFORMED, NULL },
        { { "Bearer abc\n def", 15 }, MALFORMED, NULL },
        { { "Bearer a\0b", 10 }, MALFORMED, NULL },
        { { "Bearer a\x7f", 9 }, MALFORMED, NULL },
        { { "Bearer \xc3\xa4", 9 }, MALFORMED, NULL },
        { { "B\xc3\xa4r abc", 8 }, MALFORMED, NULL },
        { { "abc.def,ghi", 11 }, MCPA_REASON_NO_TOKEN, NULL },
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void joined_credentials_are_two(void **state)
{
    static const row_t rows[] = {
        { { "Bearer a, Bearer b", 18 }, MCPA_REASON_TWO_CREDENTIALS, NULL },
        { { "Bearer a,bearer b", 17 }, MCPA_REASON_TWO_CREDENTIALS, NULL },
        { { "Bearer a, DPoP b", 16 }, MCPA_REASON_TWO_CREDENTIALS, NULL },
        { { "DPoP a, Bearer b", 16 }, MCPA_REASON_TWO_CREDENTIALS, NULL },
        { { "Basic a, Bearer b", 17 }, MCPA_REASON_TWO_CREDENTIALS, NULL },
        { { "Basic a,  Basic c, Bearer b", 27 }, MCPA_REASON_TWO_CREDENTIALS, NULL },
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* Its proof would have to be checked; without that the token must not count as a bearer. */
static void a_dpop_credential_is_not_taken_as_a_bearer(void **state)
{
    mcpa_str_t token = MCPA_STR_NONE;

    (void)state;
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, extract(&token, MCPA_STR("DPoP abc"), MCPA_STR_NONE), "DPoP");
    assert_reason(MCPA_REASON_TOKEN_MALFORMED, extract(&token, MCPA_STR("dpop abc"), MCPA_STR_NONE), "dpop");
    assert_null(token.ptr);
}

static void a_token_in_the_query_is_no_credential_and_beside_a_header_it_is_a_second(void **state)
{
    static const struct {
        const char *query;
        bool counts;
    } rows[] = {
        { "access_token=x", true },         { "a=b&access_token=x", true },
        { "a=b&access_token=x&c=d", true }, { "a;access_token=x", true },
        { "access_token", true },           { "access_token=", true },
        { "%61ccess_token=x", true },       { "access%5Ftoken=x", true },
        { "access%5ftoken=x", true },       { "%61%63%63%65%73%73%5F%74%6f%6B%65%6e=x", true },
        { "access+token=x", true },         { "access%20token=x", true },
        { "&&access_token=x", true },       { "", false },
        { "a=access_token", false },        { "access_tokens=x", false },
        { "xaccess_token=x", false },       { "Access_Token=x", false },
        { "access_toke%", false },          { "access_toke%6", false },
        { "access_token%00=x", false },     { "a=b&c=%61ccess_token", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        mcpa_str_t token = MCPA_STR_NONE;
        mcpa_str_t query = mcpa_str(rows[i].query);

        assert_reason(rows[i].counts ? MCPA_REASON_TWO_CREDENTIALS : MCPA_REASON_PASS,
                      extract(&token, MCPA_STR("Bearer abc"), query), rows[i].query);
        assert_reason(MCPA_REASON_NO_TOKEN, extract(&token, MCPA_STR_NONE, query), rows[i].query);
    }
}

static void a_token_over_the_ceiling_is_refused_before_anything_is_decoded(void **state)
{
    static char header[MCPA_TOKEN_MAX_BYTES + 16];
    const size_t ceilings[] = { 512, MCPA_TOKEN_DEFAULT_BYTES, MCPA_TOKEN_MAX_BYTES };

    (void)state;
    memcpy(header, "Bearer ", 7);
    memset(header + 7, 'a', sizeof(header) - 7);
    for (size_t i = 0; i < COUNT(ceilings); i++) {
        mcpa_str_t token = MCPA_STR_NONE;
        size_t max = ceilings[i];

        assert_reason(MCPA_REASON_TOKEN_TOO_LONG,
                      mcpa_credential_extract(&token, (mcpa_str_t){ header, 8 + max }, MCPA_STR_NONE, max), "over the ceiling");
        assert_null(token.ptr);
        assert_reason(MCPA_REASON_PASS, mcpa_credential_extract(&token, (mcpa_str_t){ header, 7 + max }, MCPA_STR_NONE, max),
                      "at the ceiling");
        assert_int_equal(token.len, max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearer_token_is_taken_as_it_stands),
        cmocka_unit_test(no_or_another_credential_is_no_token),
        cmocka_unit_test(what_breaks_the_grammar_is_refused_with_400),
        cmocka_unit_test(joined_credentials_are_two),
        cmocka_unit_test(a_dpop_credential_is_not_taken_as_a_bearer),
        cmocka_unit_test(a_token_in_the_query_is_no_credential_and_beside_a_header_it_is_a_second),
        cmocka_unit_test(a_token_over_the_ceiling_is_refused_before_anything_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
