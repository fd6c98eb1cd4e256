/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys come from. Attack: a metadata document that is another issuer's, or that sends us to keys of its choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "keys/address.h"
#include "keys/discovery.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static void expect_urls(const char *issuer, const char *first, const char *second, const char *third)
{
    const char *const wanted[] = { first, second, third, NULL };

    for (size_t i = 0; i < 4; i++) {
        char memory[512];
        mcpa_out_t out;
        bool has;

        mcpa_out_init(&out, memory, sizeof(memory));
        has = admind_discovery_url(&out, mcpa_str(issuer), i);
        assert_int_equal(has, wanted[i] != NULL);
        if (has) {
            assert_string_equal(memory, wanted[i]);
        }
    }
}

static void addresses_follow_both_specifications(void **state)
{
    (void)state;
    expect_urls("https://as.example", "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration", NULL);
    expect_urls("https://tenant.auth0.com/", "https://tenant.auth0.com/.well-known/oauth-authorization-server",
                "https://tenant.auth0.com/.well-known/openid-configuration", NULL);
    expect_urls("https://kc.example:8443/realms/one", "https://kc.example:8443/.well-known/oauth-authorization-server/realms/one",
                "https://kc.example:8443/realms/one/.well-known/openid-configuration",
                "https://kc.example:8443/.well-known/openid-configuration/realms/one");
    expect_urls("https://as.example/a/", "https://as.example/.well-known/oauth-authorization-server/a",
                "https://as.example/a/.well-known/openid-configuration", "https://as.example/.well-known/openid-configuration/a");
    expect_urls("https://as.example/a?b=c", NULL, NULL, NULL);
    expect_urls("as.example", NULL, NULL, NULL);
}

static void address_that_does_not_fit_is_none(void **state)
{
    char memory[40];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    assert_false(admind_discovery_url(&out, MCPA_STR("https://as.example"), 0));
}

/* NULL: accepted; else the error must contain the words. */
static void expect_document(const char *issuer, const char *document, bool loopback, const char *words, const char *uri)
{
    char memory[512];
    const char *error = NULL;
    mcpa_out_t out;
    bool taken;

    mcpa_out_init(&out, memory, sizeof(memory));
    taken = admind_discovery_read(&out, mcpa_str(document), mcpa_str(issuer), loopback, &error);
    if (words != NULL) {
        assert_false(taken);
        assert_non_null(error);
        assert_non_null(strstr(error, words));
    } else {
        assert_true(taken);
        assert_string_equal(memory, uri);
    }
}

static void expect_uri(const char *issuer, const char *uri, bool loopback, const char *words)
{
    char document[1024];

    snprintf(document, sizeof(document), "{\"issuer\":\"%s\",\"jwks_uri\":\"%s\"}", issuer, uri);
    expect_document(issuer, document, loopback, words, uri);
}

static void keys_on_the_issuers_host_are_taken(void **state)
{
    (void)state;
    expect_uri("https://as.example/t", "https://as.example/t/keys", false, NULL);
    expect_uri("https://as.example/t", "https://AS.example:8443/keys?v=2", false, NULL);
    expect_uri("https://[2606:4700::1]/t", "https://[2606:4700::1]:444/keys", false, NULL);
}

static void keys_elsewhere_are_refused_unless_the_provider_is_known_for_it(void **state)
{
    (void)state;
    expect_uri("https://as.example", "https://evil.example/keys", false, "another host");
    expect_uri("https://as.example", "https://as.example.evil/keys", false, "another host");
    expect_uri("https://as.example", "https://sub.as.example/keys", false, "another host");
    expect_uri("https://as.example", "https://example/keys", false, "another host");
    expect_uri("https://accounts.google.com", "https://www.googleapis.com/oauth2/v3/certs", false, NULL);
    expect_uri("https://as.example", "https://www.googleapis.com/oauth2/v3/certs", false, "another host");
    expect_uri("https://sts.windows.net/x/", "https://login.microsoftonline.com/common/discovery/keys", false, NULL);
    expect_uri("https://login.microsoftonline.com/x/v2.0", "https://sts.windows.net/keys", false, "another host");
}

static void keys_must_come_by_https_except_on_loopback_in_development(void **state)
{
    (void)state;
    expect_uri("https://as.example", "http://as.example/keys", false, "not https");
    expect_uri("https://as.example", "http://as.example/keys", true, "not https");
    expect_uri("http://127.0.0.1:3000", "http://127.0.0.1:3000/jwks", true, NULL);
    expect_uri("http://127.0.0.1:3000", "http://127.0.0.1:3000/jwks", false, "not https");
    expect_uri("http://localhost:3000", "http://127.0.0.1:3000/jwks", true, "another host");
    expect_uri("https://localhost", "http://localhost/jwks", true, "not https");
    expect_uri("http://127.0.0.1:3000", "http://10.0.0.1/jwks", true, "not https");
}

static void places_that_are_no_urls_are_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "keys",
                                       "/keys",
                                       "file:///etc/passwd",
                                       "gopher://as.example/",
                                       "ftp://as.example/",
                                       "https://",
                                       "https:///x",
                                       "https://user@as.example/",
                                       "https://as.example@evil.example/",
                                       "https://as.example/#x",
                                       "https://as.example\\\\@x/",
                                       "https://as.example /",
                                       "javascript:1" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_uri("https://as.example", bad[i], true, "jwks_uri");
    }
}

static void document_of_another_issuer_is_refused(void **state)
{
    static const char *const others[] = { "https://as.example/",    "https://AS.example", "http://as.example",
                                          "https://as.example:443", "https://as.exampl",  "https://as.example.evil" };
    char document[512];

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(document, sizeof(document), "{\"issuer\":\"%s\",\"jwks_uri\":\"https://as.example/keys\"}", others[i]);
        expect_document("https://as.example", document, false, "another issuer", NULL);
    }
    expect_document("https://as.example", "{\"jwks_uri\":\"https://as.example/keys\"}", false, "another issuer", NULL);
    expect_document("https://as.example", "{\"issuer\":[\"https://as.example\"],\"jwks_uri\":\"https://as.example/keys\"}", false,
                    "another issuer", NULL);
}

static void document_that_is_none_is_refused(void **state)
{
    (void)state;
    expect_document("https://as.example", "", false, "not a JSON", NULL);
    expect_document("https://as.example", "<html>", false, "not a JSON", NULL);
    expect_document("https://as.example", "[]", false, "not a JSON object", NULL);
    expect_document("https://as.example", "{\"issuer\":\"https://as.example\"}", false, "no jwks_uri", NULL);
    expect_document("https://as.example", "{\"issuer\":\"https://as.example\",\"jwks_uri\":7}", false, "no jwks_uri", NULL);
    expect_document(
        "https://as.example",
        "{\"issuer\":\"https://evil.example\",\"issuer\":\"https://as.example\",\"jwks_uri\":\"https://as.example/keys\"}", false,
        "not a JSON", NULL);
}

/* ---- addresses: the check that names and spellings cannot get around */

static admind_address_kind_t kind_of(const char *text)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return admind_address_kind((struct sockaddr *)&in, sizeof(in));
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return admind_address_kind((struct sockaddr *)&in6, sizeof(in6));
}

static void inward_addresses_are_told_from_public_ones(void **state)
{
    static const struct {
        const char *address;
        admind_address_kind_t kind;
    } rows[] = {
        { "8.8.8.8", ADMIND_ADDRESS_PUBLIC },
        { "172.15.255.255", ADMIND_ADDRESS_PUBLIC },
        { "172.32.0.0", ADMIND_ADDRESS_PUBLIC },
        { "100.63.255.255", ADMIND_ADDRESS_PUBLIC },
        { "100.128.0.0", ADMIND_ADDRESS_PUBLIC },
        { "11.0.0.0", ADMIND_ADDRESS_PUBLIC },
        { "169.253.255.255", ADMIND_ADDRESS_PUBLIC },
        { "127.0.0.1", ADMIND_ADDRESS_LOOPBACK },
        { "127.255.255.255", ADMIND_ADDRESS_LOOPBACK },
        { "10.0.0.1", ADMIND_ADDRESS_PRIVATE },
        { "172.16.0.1", ADMIND_ADDRESS_PRIVATE },
        { "172.31.255.255", ADMIND_ADDRESS_PRIVATE },
        { "192.168.1.1", ADMIND_ADDRESS_PRIVATE },
        { "100.64.0.1", ADMIND_ADDRESS_PRIVATE },
        { "100.127.255.255", ADMIND_ADDRESS_PRIVATE },
        { "198.19.0.1", ADMIND_ADDRESS_PRIVATE },
        { "0.0.0.0", ADMIND_ADDRESS_NEVER },
        { "0.1.2.3", ADMIND_ADDRESS_NEVER },
        { "169.254.169.254", ADMIND_ADDRESS_NEVER },
        { "224.0.0.1", ADMIND_ADDRESS_NEVER },
        { "255.255.255.255", ADMIND_ADDRESS_NEVER },
        { "2606:4700::1", ADMIND_ADDRESS_PUBLIC },
        { "::1", ADMIND_ADDRESS_LOOPBACK },
        { "::", ADMIND_ADDRESS_NEVER },
        { "fe80::1", ADMIND_ADDRESS_NEVER },
        { "febf::1", ADMIND_ADDRESS_NEVER },
        { "fc00::1", ADMIND_ADDRESS_PRIVATE },
        { "fdff::1", ADMIND_ADDRESS_PRIVATE },
        { "ff02::1", ADMIND_ADDRESS_NEVER },
        { "::ffff:127.0.0.1", ADMIND_ADDRESS_LOOPBACK },
        { "::ffff:10.0.0.1", ADMIND_ADDRESS_PRIVATE },
        { "::ffff:169.254.169.254", ADMIND_ADDRESS_NEVER },
        { "::ffff:8.8.8.8", ADMIND_ADDRESS_PUBLIC },
        { "::127.0.0.1", ADMIND_ADDRESS_LOOPBACK },
        { "64:ff9b::a00:1", ADMIND_ADDRESS_PRIVATE },
        { "2002:7f00:1::", ADMIND_ADDRESS_LOOPBACK },
        { "2002:808:808::1", ADMIND_ADDRESS_PUBLIC },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (kind_of(rows[i].address) != rows[i].kind) {
            fail_msg("%s is %s", rows[i].address, admind_address_word(kind_of(rows[i].address)));
        }
    }
}

static void address_of_another_family_or_cut_short_is_never_connected(void **state)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808) };
    struct sockaddr_storage other = { .ss_family = AF_UNIX };
    char text[64];

    (void)state;
    assert_int_equal(admind_address_kind((struct sockaddr *)&in, 4), ADMIND_ADDRESS_NEVER);
    assert_int_equal(admind_address_kind((struct sockaddr *)&other, sizeof(other)), ADMIND_ADDRESS_NEVER);
    admind_address_print(text, (struct sockaddr *)&in, sizeof(in));
    assert_string_equal(text, "8.8.8.8");
    admind_address_print(text, (struct sockaddr *)&other, sizeof(other));
    assert_string_equal(text, "of an unknown family");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_follow_both_specifications),
        cmocka_unit_test(address_that_does_not_fit_is_none),
        cmocka_unit_test(keys_on_the_issuers_host_are_taken),
        cmocka_unit_test(keys_elsewhere_are_refused_unless_the_provider_is_known_for_it),
        cmocka_unit_test(keys_must_come_by_https_except_on_loopback_in_development),
        cmocka_unit_test(places_that_are_no_urls_are_refused),
        cmocka_unit_test(document_of_another_issuer_is_refused),
        cmocka_unit_test(document_that_is_none_is_refused),
        cmocka_unit_test(inward_addresses_are_told_from_public_ones),
        cmocka_unit_test(address_of_another_family_or_cut_short_is_never_connected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
