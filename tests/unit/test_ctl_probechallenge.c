/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate as clients read it: one fault is noted as what it is, and what stands behind it is found all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/probechallenge.h"

static ctl_challenge_t parse(const char *text)
{
    ctl_challenge_t challenge;

    ctl_challenge_parse(&challenge, mcpa_str(text));
    return challenge;
}

static void expect(const ctl_challenge_t *challenge, const char *name, const char *value)
{
    mcpa_str_t found = ctl_challenge_get(challenge, name);

    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(found.ptr, value, found.len);
}

static void sound_challenges_are_read(void **state)
{
    ctl_challenge_t c = parse("Bearer realm=\"x\", scope=\"a b\",resource_metadata=\"https://h/p\" , error=invalid_token");

    (void)state;
    assert_true(c.is_bearer);
    assert_int_equal(c.fault, CTL_CHALLENGE_SOUND);
    assert_int_equal(c.n, 4);
    expect(&c, "realm", "x");
    expect(&c, "SCOPE", "a b");
    expect(&c, "resource_metadata", "https://h/p");
    expect(&c, "error", "invalid_token");
    assert_null(ctl_challenge_get(&c, "err").ptr);
    assert_true(parse("bearer").is_bearer);
    assert_int_equal(parse("Bearer").fault, CTL_CHALLENGE_SOUND);
    c = parse("Bearer realm=\"\"");
    assert_non_null(ctl_challenge_get(&c, "realm").ptr);
    assert_int_equal(ctl_challenge_get(&c, "realm").len, 0);
    c = parse("Bearer realm=\"a, scope=b\"");
    expect(&c, "realm", "a, scope=b");
    assert_int_equal(c.n, 1);
}

static void other_schemes_first_are_not_bearer(void **state)
{
    static const char *const texts[] = {
        "",        " ", "Basic realm=\"x\"",  "Basic realm=\"x\", Bearer scope=\"a\"", "Bearers a=b", "Bearer1",
        ",Bearer", "=", "DPoP algs=\"ES256\""
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ctl_challenge_t c = parse(texts[i]);

        assert_false(c.is_bearer);
        assert_int_equal(c.n, 0);
    }
    assert_false(parse(NULL).is_bearer);
}

static void next_challenge_is_not_read(void **state)
{
    ctl_challenge_t c = parse("Bearer realm=\"x\", DPoP algs=\"ES256\", error=\"use_dpop_nonce\"");

    (void)state;
    assert_int_equal(c.fault, CTL_CHALLENGE_SOUND);
    assert_int_equal(c.n, 1);
    assert_null(ctl_challenge_get(&c, "error").ptr);
    c = parse("Bearer realm=\"x\", Negotiate");
    assert_int_equal(c.fault, CTL_CHALLENGE_SOUND);
}

static void expect_fault(const char *text, ctl_challenge_fault_t fault, const char *at)
{
    ctl_challenge_t c = parse(text);

    assert_true(c.is_bearer);
    if (c.fault != fault) {
        fail_msg("%s: fault %d", text, (int)c.fault);
    }
    assert_true(mcpa_str_eqz(c.fault_at, at));
}

static void each_fault_is_noted_and_the_rest_still_read(void **state)
{
    static const struct {
        const char *text;
        ctl_challenge_fault_t fault;
        const char *at;
    } cases[] = {
        { "Bearer a= \"x\", z=\"1\"", CTL_CHALLENGE_BLANKS, "a" },
        { "Bearer a =\"x\", z=\"1\"", CTL_CHALLENGE_BLANKS, "a" },
        { "Bearer a\t=\t\"x\", z=\"1\"", CTL_CHALLENGE_BLANKS, "a" },
        { "Bearer a=\"x\", A=\"y\", z=\"1\"", CTL_CHALLENGE_TWICE, "A" },
        { "Bearer a=\"\\\"\", z=\"1\"", CTL_CHALLENGE_CHARACTER, "a" },
        { "Bearer a=\"\x1b\", z=\"1\"", CTL_CHALLENGE_CHARACTER, "a" },
        { "Bearer a=\"\xc3\xa9\", z=\"1\"", CTL_CHALLENGE_CHARACTER, "a" },
        { "Bearer a = \"x\", a=\"y\", z=\"1\"", CTL_CHALLENGE_BLANKS, "a" }, /* the first one is told */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ctl_challenge_t c = parse(cases[i].text);

        expect_fault(cases[i].text, cases[i].fault, cases[i].at);
        expect(&c, "z", "1");
    }
}

static void what_is_no_list_ends_the_reading(void **state)
{
    (void)state;
    expect_fault("Bearer \"x\"", CTL_CHALLENGE_SYNTAX, "");
    expect_fault("Bearer=x", CTL_CHALLENGE_SYNTAX, "");
    expect_fault("Bearer abc", CTL_CHALLENGE_SYNTAX, "abc");
    expect_fault("Bearer a=", CTL_CHALLENGE_SYNTAX, "a");
    expect_fault("Bearer a=\"x", CTL_CHALLENGE_SYNTAX, "a");
    expect_fault("Bearer a=\"x\\\"", CTL_CHALLENGE_CHARACTER, "a");
    expect_fault("Bearer a=\"x\" b=\"y\"", CTL_CHALLENGE_SYNTAX, "a");
    expect_fault("Bearer a=x;b=y", CTL_CHALLENGE_SYNTAX, "a");
}

static void more_parameters_than_there_is_room_for_are_a_fault(void **state)
{
    ctl_challenge_t c = parse("Bearer a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1,q=1");

    (void)state;
    assert_int_equal(c.n, CTL_CHALLENGE_PARAMS_MAX);
    assert_int_equal(c.fault, CTL_CHALLENGE_SYNTAX);
    assert_int_equal(parse("Bearer a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1").fault, CTL_CHALLENGE_SOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_challenges_are_read),        cmocka_unit_test(other_schemes_first_are_not_bearer),
        cmocka_unit_test(next_challenge_is_not_read),       cmocka_unit_test(each_fault_is_noted_and_the_rest_still_read),
        cmocka_unit_test(what_is_no_list_ends_the_reading), cmocka_unit_test(more_parameters_than_there_is_room_for_are_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
