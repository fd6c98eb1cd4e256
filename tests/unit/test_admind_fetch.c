/* SPDX-License-Identifier: Apache-2.0 */
/* Every transfer is bounded in time, size and place. Attack: a provider that is slow, huge, drips, redirects, lies, or whose name
 * leads inwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "keys/fetch.h"
#include "test_admind_server.h"

#define BODY_BYTES 4096

/* What one fetch brought, copied out of the borrowed result. */
typedef struct outcome {
    admind_loop_t *loop;
    bool done;
    long status;
    char body[BODY_BYTES + 1], error[256], etag[64], cache_control[64], retry_after[64];
    bool has_error;
} outcome_t;

static void copy(char *memory, size_t cap, mcpa_str_t text)
{
    snprintf(memory, cap, "%.*s", MCPA_STR_ARG(text));
}

static void on_done(void *ctx, const admind_fetch_result_t *result)
{
    outcome_t *outcome = ctx;

    assert_false(outcome->done);
    outcome->done = true;
    outcome->status = result->status;
    copy(outcome->body, sizeof(outcome->body), result->body);
    copy(outcome->etag, sizeof(outcome->etag), result->etag);
    copy(outcome->cache_control, sizeof(outcome->cache_control), result->cache_control);
    copy(outcome->retry_after, sizeof(outcome->retry_after), result->retry_after);
    outcome->has_error = result->error != NULL;
    snprintf(outcome->error, sizeof(outcome->error), "%s", result->error != NULL ? result->error : "");
    admind_loop_stop(outcome->loop);
}

static void on_deadline(void *ctx)
{
    admind_loop_stop(ctx);
}

static void run(admind_loop_t *loop, int64_t most_ms)
{
    admind_timer_t *deadline = admind_timer_new(loop, on_deadline, loop);

    admind_timer_arm(deadline, most_ms);
    admind_loop_run(loop);
    admind_timer_free(&deadline);
}

static const admind_fetch_options_t development = { .insecure_loopback = true }, production = { 0 };

/* One GET from start to end. False: it could not even start. */
static bool fetch(outcome_t *outcome, const admind_fetch_options_t *options, const admind_fetch_request_t *template,
                  const char *url)
{
    admind_loop_t *loop = admind_loop_new();
    admind_fetcher_t *fetcher = admind_fetcher_new(loop, options);
    admind_fetch_request_t request = template != NULL ? *template : (admind_fetch_request_t){ .method = "GET" };
    bool started;

    *outcome = (outcome_t){ .loop = loop };
    request.url = url;
    request.max_bytes = request.max_bytes != 0 ? request.max_bytes : BODY_BYTES;
    request.timeout_ms = request.timeout_ms != 0 ? request.timeout_ms : 2000;
    started = admind_fetch_start(fetcher, &request, on_done, outcome) != NULL;
    if (started) {
        run(loop, 5000);
        assert_true(outcome->done);
    }
    admind_fetcher_free(&fetcher);
    admind_loop_free(&loop);
    return started;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- plain good answers */

static void serve_good(server_t *server, const char *request)
{
    if (strstr(request, "GET /echo ") != NULL) {
        server_answer(server, 200, "", request);
        return;
    }
    server_answer(server, 200, "Cache-Control: max-age=300\r\nETag: \"v1\"\r\nretry-after: 7\r\n", "{\"keys\":[]}");
}

static void good_answer_comes_with_body_and_headers(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_good);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_false(outcome.has_error);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "{\"keys\":[]}");
    assert_string_equal(outcome.cache_control, "max-age=300");
    assert_string_equal(outcome.etag, "\"v1\"");
    assert_string_equal(outcome.retry_after, "7");
    server_stop(&server);
}

static void request_carries_our_headers_and_no_others(void **state)
{
    const char *const headers[] = { "If-None-Match: \"v1\"", NULL };
    const admind_fetch_request_t request = { .method = "GET", .headers = headers };
    server_t server = { 0 };
    outcome_t outcome;
    char url[128];

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not matter */
    server_start(&server, serve_good);
    snprintf(url, sizeof(url), "%s/echo", server.url);
    assert_true(fetch(&outcome, &development, &request, url));
    assert_non_null(strstr(outcome.body, "If-None-Match: \"v1\"\r\n"));
    assert_non_null(strstr(outcome.body, "User-Agent: mcpauth-admind/"));
    assert_null(strcasestr(outcome.body, "cookie"));
    assert_null(strcasestr(outcome.body, "accept-encoding"));
    assert_null(strcasestr(outcome.body, "authorization"));
    unsetenv("http_proxy");
    server_stop(&server);
}

static void serve_continue(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\nCache-Control: max-age=1\r\n\r\n");
    server_answer(server, 304, "ETag: \"late\"\r\n", "");
}

static void headers_of_an_interim_answer_are_forgotten(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_continue);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 304);
    assert_string_equal(outcome.etag, "\"late\"");
    assert_string_equal(outcome.cache_control, "");
    server_stop(&server);
}

static void serve_post(server_t *server, const char *request)
{
    server_answer(server, 200, "", strstr(request, "\r\n\r\n") + 4);
}

static void post_sends_the_copied_body(void **state)
{
    char body[] = "[{\"labels\":{}}]";
    const admind_fetch_request_t request = { .method = "POST", .body = { body, sizeof(body) - 1 }, .trusted_target = true };
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_post);
    assert_true(fetch(&outcome, &production, &request, server.url));
    assert_string_equal(outcome.body, body);
    server_stop(&server);
}

/* ---- size */

static void serve_huge(server_t *server, const char *request)
{
    char block[1024];

    (void)request;
    memset(block, 'x', sizeof(block));
    server_say(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (server_say(server, "400\r\n") && server_write(server, block, sizeof(block)) && server_say(server, "\r\n")) {
    }
}

static void endless_chunked_answer_is_cut_at_the_limit(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_huge);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.error, "the answer is larger than 4096 bytes");
    server_stop(&server);
}

static void serve_exact(server_t *server, const char *request)
{
    char body[BODY_BYTES + 1];

    (void)request;
    memset(body, 'y', BODY_BYTES);
    body[BODY_BYTES] = '\0';
    server_answer(server, 200, "", body);
}

static void answer_of_exactly_the_limit_is_taken_and_one_more_byte_is_not(void **state)
{
    const admind_fetch_request_t less = { .method = "GET", .max_bytes = BODY_BYTES - 1 };
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_exact);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(strlen(outcome.body), BODY_BYTES);
    assert_true(fetch(&outcome, &development, &less, server.url));
    assert_string_equal(outcome.error, "the answer is larger than 4095 bytes");
    server_stop(&server);
}

static void serve_headers(server_t *server, const char *request)
{
    char line[1024];

    (void)request;
    memset(line, 'h', sizeof(line));
    memcpy(line, "X-Fill: ", 8);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    server_say(server, "HTTP/1.1 200 OK\r\n");
    while (server_say(server, line)) {
    }
}

static void endless_headers_are_cut(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_headers);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_string_equal(outcome.error, "the answer's headers are larger than 32768 bytes");
    server_stop(&server);
}

/* ---- time */

static void serve_never(server_t *server, const char *request)
{
    (void)request;
    server_sleep_ms(server, 10000);
}

static void serve_drip(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n");
    while (server_say(server, "z")) {
        server_sleep_ms(server, 50);
    }
}

static void slow_and_dripping_answers_end_at_the_deadline(void **state)
{
    const admind_fetch_request_t request = { .method = "GET", .timeout_ms = 400 };
    void (*const serves[])(server_t *, const char *) = { serve_never, serve_drip };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        server_t server = { 0 };
        outcome_t outcome;
        double before = seconds();

        server_start(&server, serves[i]);
        assert_true(fetch(&outcome, &development, &request, server.url));
        assert_string_equal(outcome.error, "timed out");
        assert_true(seconds() - before < 2);
        server_stop(&server);
    }
}

static void refused_connection_is_told(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_good);
    server_stop(&server);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 0);
    assert_true(outcome.has_error);
}

static void serve_garbage(server_t *server, const char *request)
{
    (void)request;
    server_say(server, "220 mail.example ESMTP\r\n");
}

static void answer_that_is_no_http_is_a_failure(void **state)
{
    server_t server = { 0 };
    outcome_t outcome;

    (void)state;
    server_start(&server, serve_garbage);
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_int_equal(outcome.status, 0);
    assert_true(outcome.has_error);
    server_stop(&server);
}

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
    assert_true(fetch(&outcome, &development, NULL, server.url));
    assert_true(outcome.has_error);
    assert_non_null(strstr(outcome.error, "certificate"));
    assert_int_equal(server.requests, 0);
    assert_true(fetch(&outcome, &trusting, NULL, server.url));
    assert_false(outcome.has_error);
    assert_int_equal(outcome.status, 200);
    /* The right certificate on the wrong name. */
    snprintf(other, sizeof(other), "https://localhost:%u", server.port);
    assert_true(fetch(&outcome, &trusting, NULL, other));
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
    assert_true(fetch(&outcome, &trusting, NULL, server.url));
    assert_true(outcome.has_error);
    assert_int_equal(server.requests, 0);
    server_stop(&server);
    SSL_CTX_free(server.tls);
    close(fd);
    unlink(ca_path);
}

/* ---- several, and none */

static void count_done(void *ctx, const admind_fetch_result_t *result)
{
    int *count = ctx;

    assert_int_equal(result->status, 200);
    ++*count;
}

static void must_not_come(void *ctx, const admind_fetch_result_t *result)
{
    (void)ctx;
    (void)result;
    fail_msg("a cancelled fetch called back");
}

static void many_run_at_once_and_cancelled_ones_stay_silent(void **state)
{
    admind_loop_t *loop = admind_loop_new();
    admind_fetcher_t *fetcher = admind_fetcher_new(loop, &development);
    server_t server = { 0 }, silent = { 0 };
    admind_fetch_request_t request = { .method = "GET", .max_bytes = BODY_BYTES, .timeout_ms = 2000 };
    admind_fetch_t *cancelled[4];
    int count = 0;

    (void)state;
    server_start(&server, serve_good);
    server_start(&silent, serve_never);
    request.url = server.url;
    for (size_t i = 0; i < 16; i++) {
        assert_non_null(admind_fetch_start(fetcher, &request, count_done, &count));
    }
    request.url = silent.url; /* so that however slow this machine is, none of them is done before it is cancelled */
    for (size_t i = 0; i < 4; i++) {
        cancelled[i] = admind_fetch_start(fetcher, &request, must_not_come, NULL);
        assert_non_null(cancelled[i]);
    }
    admind_fetch_cancel(&cancelled[0]);
    assert_null(cancelled[0]);
    run(loop, 1); /* some are connecting now */
    admind_fetch_cancel(&cancelled[1]);
    admind_fetch_cancel(&cancelled[2]);
    admind_fetch_cancel(&cancelled[3]);
    for (size_t i = 0; i < 100 && count < 16; i++) {
        run(loop, 50);
    }
    assert_int_equal(count, 16);
    assert_non_null(admind_fetch_start(fetcher, &request, must_not_come, NULL)); /* freed with the fetcher */
    admind_fetcher_free(&fetcher);
    run(loop, 20);
    admind_loop_free(&loop);
    server_stop(&silent);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answer_comes_with_body_and_headers),
        cmocka_unit_test(request_carries_our_headers_and_no_others),
        cmocka_unit_test(headers_of_an_interim_answer_are_forgotten),
        cmocka_unit_test(post_sends_the_copied_body),
        cmocka_unit_test(endless_chunked_answer_is_cut_at_the_limit),
        cmocka_unit_test(answer_of_exactly_the_limit_is_taken_and_one_more_byte_is_not),
        cmocka_unit_test(endless_headers_are_cut),
        cmocka_unit_test(slow_and_dripping_answers_end_at_the_deadline),
        cmocka_unit_test(refused_connection_is_told),
        cmocka_unit_test(answer_that_is_no_http_is_a_failure),
        cmocka_unit_test(redirect_is_not_followed),
        cmocka_unit_test(plain_http_starts_only_to_loopback_and_only_when_allowed),
        cmocka_unit_test(inward_addresses_are_refused_by_name),
        cmocka_unit_test(refused_address_sees_no_connection),
        cmocka_unit_test(link_local_is_refused_even_where_private_addresses_are_allowed),
        cmocka_unit_test(self_signed_certificate_is_refused_unless_its_ca_is_configured),
        cmocka_unit_test(old_tls_is_refused),
        cmocka_unit_test(many_run_at_once_and_cancelled_ones_stay_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
