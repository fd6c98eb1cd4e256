/* SPDX-License-Identifier: Apache-2.0 */
/* Every transfer goes where it may and nowhere else. Attack: a provider that redirects, whose name leads inwards, or that is
 * somebody else. */
#define TEST_SERVER_TLS
#include "test_admind_fetch.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static const admind_fetch_options_t production = { 0 };

/* ---- place */

static void serve_redirect(server_t *server, const char *request)
{
    if (strstr(request, "GET /inner") != NULL) {
        server_answer(server, 200, "", "secret");
    } else {
        server_answer(server, 302, "Location: /inner\r\n", "");
    }
}

static void redirect_is_not_followed(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_redirect);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 302);
    assert_string_equal(outcome.body, "");
    assert_int_equal(server.requests, 1);
    server_stop(&server);
}

static void plain_http_starts_only_to_loopback_and_only_when_allowed(void **state)
{
    static const char *const bad[] = { "http://127.0.0.1:1/",
                                       "http://as.example/",
                                       "file:///etc/passwd",
                                       "gopher://127.0.0.1/",
                                       "ftp://127.0.0.1/",
                                       "dict://127.0.0.1/",
                                       "127.0.0.1",
                                       "",
                                       "https://user:pass@as.example/" };
    outcome_t outcome;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(fetch(&outcome, &production, NULL, bad[i]));
    }
    for (size_t i = 1; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(fetch(&outcome, &development, NULL, bad[i]));
    }
}

static void inward_addresses_are_refused_by_name(void **state)
{
    static const struct {
        const char *url, *error;
    } rows[] = {
        { "https://127.0.0.1:1/", "refused: loopback address 127.0.0.1" },
        { "https://localhost:1/", "refused: loopback address " },
        { "https://[::1]:1/", "refused: loopback address [::1]" },
        { "https://[::ffff:127.0.0.1]:1/", "refused: loopback address [::ffff:127.0.0.1]" },
        { "https://10.0.0.1:1/", "refused: private address 10.0.0.1" },
        { "https://192.168.0.1:1/", "refused: private address 192.168.0.1" },
        { "https://100.64.0.1:1/", "refused: private address 100.64.0.1" },
        { "https://169.254.169.254/", "refused: forbidden address 169.254.169.254" },
        { "https://0.0.0.0:1/", "refused: forbidden address 0.0.0.0" },
        { "https://224.0.0.1:1/", "refused: forbidden address 224.0.0.1" },
        { "https://[fd00::1]:1/", "refused: private address [fd00::1]" },
        { "https://2130706433:1/", "refused: loopback address 127.0.0.1" }, /* 127.0.0.1 as one number */
        { "https://0x7f.1:1/", "refused: loopback address 127.0.0.1" },
    };
    outcome_t outcome;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(fetch(&outcome, &production, NULL, rows[i].url));
        if (strncmp(outcome.error, rows[i].error, strlen(rows[i].error)) != 0) {
            fail_msg("%s: %s", rows[i].url, outcome.error);
        }
    }
}

static void refused_address_sees_no_connection(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;
    char url[64];

    (void)state;
    server_start(&server, serve_good);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
    assert_true(fetch(&outcome, &production, NULL, url));
    assert_string_equal(outcome.error, "refused: loopback address 127.0.0.1");
    server_stop(&server);
    assert_int_equal(server.connections, 0);
}

static void link_local_is_refused_even_where_private_addresses_are_allowed(void **state)
{
    const admind_fetch_options_t lenient = { .insecure_loopback = true, .allow_private = true };
    const admind_fetch_request_t trusted = { .method = "GET", .trusted_target = true };
    outcome_t outcome;

    (void)state;
    assert_true(fetch(&outcome, &lenient, NULL, "https://169.254.169.254/"));
    assert_string_equal(outcome.error, "refused: forbidden address 169.254.169.254");
    assert_true(fetch(&outcome, &lenient, &trusted, "http://169.254.169.254/"));
    assert_string_equal(outcome.error, "refused: forbidden address 169.254.169.254");
}

/* ---- TLS */

/* A certificate of its own making for 127.0.0.1, and a file that trusts it. */
static SSL_CTX *make_tls(const char *ca_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    FILE *file = fopen(ca_path, "w");

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, san, -1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(tls, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    X509_EXTENSION_free(san);
    X509_free(cert);
    EVP_PKEY_free(key);
    return tls;
}

/* A handshake takes seconds under valgrind when others work beside it: then it is tried again. */
static bool fetch_in_time(outcome_t *outcome, const admind_fetch_options_t *options, const char *url)
{
    bool fetched = fetch(outcome, options, NULL, url);

    for (int tries = 0; tries < 10 && fetched && outcome->has_error && strcmp(outcome->error, "timed out") == 0; tries++) {
        fetched = fetch(outcome, options, NULL, url);
    }
    return fetched;
}

static void self_signed_certificate_is_refused_unless_its_ca_is_configured(void **state)
{
    char ca_path[] = "/tmp/mcpauth-test-ca-XXXXXX";
    int fd = mkstemp(ca_path);
    admind_fetch_options_t trusting = { .insecure_loopback = true, .ca_file = ca_path };
    server_t server = { .tls = make_tls(ca_path) };
    outcome_t outcome;
    char other[64];

    (void)state;
    server_start(&server, serve_good);
    assert_true(fetch_in_time(&outcome, &development, server.url));
    assert_true(outcome.has_error);
    assert_non_null(strstr(outcome.error, "certificate"));
    assert_int_equal(server.requests, 0);
    assert_true(fetch_in_time(&outcome, &trusting, server.url));
    assert_false(outcome.has_error);
    assert_int_equal(outcome.status, 200);
    /* The right certificate on the wrong name. */
    snprintf(other, sizeof(other), "https://localhost:%u", server.port);
    assert_true(fetch_in_time(&outcome, &trusting, other));
    assert_true(outcome.has_error);
    assert_int_equal(server.requests, 1);
    server_stop(&server);
    SSL_CTX_free(server.tls);
    close(fd);
    unlink(ca_path);
}

static void old_tls_is_refused(void **state)
{
    char ca_path[] = "/tmp/mcpauth-test-ca-XXXXXX";
    int fd = mkstemp(ca_path);
    admind_fetch_options_t trusting = { .insecure_loopback = true, .ca_file = ca_path };
    server_t server = { .tls = make_tls(ca_path) };
    outcome_t outcome;

    (void)state;
    SSL_CTX_set_security_level(server.tls, 0);
    SSL_CTX_set_max_proto_version(server.tls, TLS1_1_VERSION);
    server_start(&server, serve_good);
    assert_true(fetch_in_time(&outcome, &trusting, server.url));
    assert_true(outcome.has_error);
    assert_int_equal(server.requests, 0);
    server_stop(&server);
    SSL_CTX_free(server.tls);
    close(fd);
    unlink(ca_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirect_is_not_followed),
        cmocka_unit_test(plain_http_starts_only_to_loopback_and_only_when_allowed),
        cmocka_unit_test(inward_addresses_are_refused_by_name),
        cmocka_unit_test(refused_address_sees_no_connection),
        cmocka_unit_test(link_local_is_refused_even_where_private_addresses_are_allowed),
        cmocka_unit_test(self_signed_certificate_is_refused_unless_its_ca_is_configured),
        cmocka_unit_test(old_tls_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
