/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's text: defaults, what each value becomes, and that a wrong line names itself. The refusals of every key, and
 * of directories, are tested with the real program in tests/integration/test_daemon_config.py. */
#include "admind_support.h"

#include <sys/un.h>

#include "configtable.h"
#include "credential.h"

static char error[1024];

/* NULL: refused, with 'error'. */
static admind_config_t *parse(const char *text)
{
    char copy[4096];
    size_t len = strlen(text);

    assert_true(len < sizeof(copy));
    memcpy(copy, text, len + 1);
    error[0] = '\0';
    return admind_config_parse("test.conf", copy, len, error, sizeof(error));
}

static void an_empty_file_gives_the_documented_defaults(void **state)
{
    admind_config_t *config = parse("# nothing\n\n   \t\n");

    (void)state;
    assert_non_null(config);
    assert_string_equal(config->listen, "127.0.0.1:9860");
    assert_string_equal(config->socket, "/run/mcpauth/mcpauth.sock");
    assert_string_equal(config->state_dir, "/var/lib/mcpauth");
    assert_string_equal(config->spool_dir, "/var/spool/mcpauth");
    assert_string_equal(config->peer_user, "www-data");
    assert_int_equal(config->journal_retention_days, 90);
    assert_int_equal(config->key_refresh_us, INT64_C(600000000));
    assert_int_equal(config->key_max_stale_us, DAY_US);
    assert_int_equal(config->log_level, ADMIND_NOTICE);
    assert_false(config->insecure_fetch_loopback);
    assert_false(config->allow_private);
    assert_null(config->admin_token_file);
    assert_int_equal(config->rules[ADMIND_RULE_AUTH_FAILURES].threshold, 10);
    assert_int_equal(config->rules[ADMIND_RULE_AUTH_FAILURES].window_us, INT64_C(300000000));
    assert_true(config->rules[ADMIND_RULE_AUTH_FAILURES].by_address && config->rules[ADMIND_RULE_AUTH_FAILURES].by_location);
    for (int i = 0; i < ADMIND_RULE_COUNT; i++) {
        assert_true(config->rules[i].enabled);
        assert_non_null(config->rules[i].severity);
    }
    assert_int_equal(admind_config_line(config, "Listen"), 0);
    admind_config_free(&config);
    assert_null(config);
}

static void values_are_taken_with_any_spacing_and_case_of_key(void **state)
{
    admind_config_t *config =
        parse("listen\t[::1]:1\r\n  KEYREFRESH   30s   # why\nStateDir /a/b/\nAllowInsecureFetch loopback\nAllowPrivateFetch On\n"
              "Alertmanager http://127.0.0.1:9093\nAlertmanager https://b/\nWebhook https://c/ secret-file=/s");

    (void)state;
    assert_non_null(config);
    assert_string_equal(config->listen, "[::1]:1");
    assert_int_equal(config->key_refresh_us, 30000000);
    assert_string_equal(config->state_dir, "/a/b");
    assert_true(config->insecure_fetch_loopback && config->allow_private);
    assert_int_equal(config->n_alertmanagers, 2);
    assert_string_equal(config->webhooks[0].url, "https://c/");
    assert_string_equal(config->webhooks[0].secret_file, "/s");
    assert_int_equal(admind_config_line(config, "KeyRefresh"), 2);
    admind_config_free(&config);
}

/* Attack: a name that leads out of the directory, to a file of somebody else's. */
static void a_credential_is_one_file_of_the_directory_handed_over(void **state)
{
    static const char *const wrong[] = { "", "x", "relative/path", "credential:", "credential:a/b", "credential:../a", "credential:.", "credential:..",
                                         "Credential:a" };
    char text[600];
    char *place;

    (void)state;
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x.service", 1), 0);
    place = admind_credential_place("credential:mcpauth_token");
    assert_string_equal(place, "/run/credentials/x.service/mcpauth_token");
    assert_true(admind_credential_is_handed(place) && !admind_credential_is_missing(place));
    free(place);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(admind_credential_place(wrong[i]));
    }
    snprintf(text, sizeof(text), "credential:%0256d", 1);
    assert_null(admind_credential_place(text));
    assert_false(admind_credential_is_handed("/run/credentials/x.serviceman/a"));
    assert_false(admind_credential_is_handed("/run/credentials/x.service/"));
    assert_false(admind_credential_is_handed("/run/credentials/x.service/../y"));
    assert_false(admind_credential_is_handed("/etc/mcpauth/token"));
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_path_stays_and_a_credential_waits_for_its_directory(void **state)
{
    char *place = admind_credential_place("/etc/mcpauth/token");

    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_string_equal(place, "/etc/mcpauth/token");
    assert_false(admind_credential_is_missing(place) || admind_credential_is_handed(place));
    free(place);
    /* A relative directory would be found somewhere else after the daemon's chdir. */
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "credentials", 1), 0);
    place = admind_credential_place("credential:token");
    assert_string_equal(place, "credential:token");
    assert_true(admind_credential_is_missing(place) && !admind_credential_is_handed(place));
    free(place);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void every_key_with_a_secret_takes_a_credential(void **state)
{
    admind_config_t *config;

    (void)state;
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/c", 1), 0);
    config = parse("AdminTokenFile credential:t\nWebhook https://c/ secret-file=credential:w\n"
                   "Forward otlp https://o/v1/logs header-file=credential:h\nForward syslog tls://s:1 cert=/x key=credential:k\n");
    assert_non_null(config);
    assert_string_equal(config->admin_token_file, "/c/t");
    assert_string_equal(config->webhooks[0].secret_file, "/c/w");
    assert_string_equal(config->forwards[0].header_file, "/c/h");
    assert_string_equal(config->forwards[1].key_file, "/c/k");
    admind_config_free(&config);
    assert_null(parse("AdminTokenFile credential:../t\n"));
    assert_null(parse("Webhook https://c/ secret-file=credential:\n"));
    assert_null(parse("Forward otlp https://o/v1/logs header-file=credential:a/b\n"));
    assert_null(parse("Forward otlp https://o/v1/logs header-file=/a header-file=credential:b\n"));
    unsetenv("CREDENTIALS_DIRECTORY");
}

/* Attack: a secret in the address of a receiver, read from the log or from what a refused configuration said. */
static void of_a_url_no_more_is_shown_than_where_it_leads(void **state)
{
    static const char *const rows[][2] = {
        { "https://logs.example.com/v1/s3cret", "https://logs.example.com" },
        { "https://logs.example.com:4318?key=s3cret", "https://logs.example.com:4318" },
        { "https://logs.example.com/@s3cret", "https://logs.example.com" },
        { "https://[2001:db8::1]:4318/v1#s3cret", "https://[2001:db8::1]:4318" },
        { "tls://logs.example.com:6514/s3cret", "tls://logs.example.com:6514" },
        { "https://me:s3cret@logs.example.com/", "https://..." },
        { "https://me:s3c/ret@logs.example.com/", "https://..." },
        { "me:s3cret@logs.example.com", "..." },
        { "ftp://logs.example.com\\s3cret", "ftp://logs.example.com" },
        { "logs.example.com/v1/s3cret", "logs.example.com..." },
        { "logs.example.com:4318", "logs.example.com:4318" },
        { "ca=/etc/ssl/a.pem", "ca=/etc/ssl/a.pem" },
        { "/var/lib/a@b", "/var/lib/a@b" },
        { "name=Logs", "name=Logs" },
    };
    char shown[ADMIND_SHOWN_BYTES], line[256];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        admind_config_shown(shown, rows[i][0]);
        assert_string_equal(shown, rows[i][1]);
    }
    for (size_t i = 0; i < 10; i++) {
        static const char *const lines[] = { "Webhook ", "Alertmanager x://", "Forward syslog ", "Forward otlp https://a/ ", "LogLevel a " };

        for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++) {
            (void)snprintf(line, sizeof(line), "%s%s\n", lines[k], rows[i][0]);
            assert_null(parse(line));
            assert_null(strstr(error, "s3c"));
        }
    }
}

static void alerts_are_set_by_word(void **state)
{
    admind_config_t *config =
        parse("Alert auth_failures threshold=3 window=1min by=location severity=critical\nAlert audit_lost off\n");

    (void)state;
    assert_non_null(config);
    assert_int_equal(config->rules[ADMIND_RULE_AUTH_FAILURES].threshold, 3);
    assert_int_equal(config->rules[ADMIND_RULE_AUTH_FAILURES].window_us, 60000000);
    assert_false(config->rules[ADMIND_RULE_AUTH_FAILURES].by_address);
    assert_true(config->rules[ADMIND_RULE_AUTH_FAILURES].by_location);
    assert_string_equal(config->rules[ADMIND_RULE_AUTH_FAILURES].severity, "critical");
    assert_false(config->rules[ADMIND_RULE_AUDIT_LOST].enabled);
    admind_config_free(&config);
}

static void a_wrong_line_names_itself(void **state)
{
    (void)state;
    assert_null(parse("\n# x\nLogLevel loud\n"));
    assert_string_equal(error, "test.conf:3: LogLevel 'loud' is no level; write err, warning, notice, info or debug");
    assert_null(parse("Jornaldir /x"));
    assert_string_equal(error, "test.conf:1: unknown key 'Jornaldir'; did you mean JournalDir?");
}

static void a_list_has_an_end(void **state)
{
    char text[2048];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, text, sizeof(text));
    for (int i = 0; i < ADMIND_LIST_MAX + 1; i++) {
        mcpa_out_z(&out, "Alertmanager http://a/\n");
    }
    assert_null(parse(text));
    assert_non_null(strstr(error, "test.conf:17: "));
}

static void only_loopback_is_listened_on(void **state)
{
    static const char *const good[] = { "127.0.0.1:1", "127.9.9.9:65535", "[::1]:80", "unix:/x" };
    static const char *const bad[] = { "",           ":1",           "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "128.0.0.1:1",
                                       "0.0.0.0:1",  "[::]:1",       "::1:80",    "unix:",      "unix:x",          "localhost:80",
                                       "[127.0.0.1", "127.0.0.1:1 ", "127.1:80" };
    struct sockaddr_storage address;
    socklen_t len;
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(admind_config_address(good[i], &address, &len));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(admind_config_address(bad[i], &address, &len));
    }
    (void)snprintf(text, sizeof(text), "unix:/%0*d", (int)sizeof(((struct sockaddr_un *)NULL)->sun_path), 0);
    assert_false(admind_config_address(text, &address, &len));
}

static void every_row_has_its_columns(void **state)
{
    size_t count;
    const admind_row_t *rows = admind_config_rows(&count);

    (void)state;
    assert_true(count > 10 && count <= ADMIND_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(rows[i].key);
        assert_non_null(rows[i].set);
        assert_non_null(rows[i].shape);
        assert_true(rows[i].words >= 1);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(rows[i].key, rows[k].key);
        }
    }
}

static void a_nul_byte_is_refused(void **state)
{
    char text[] = "LogLevel info\0\nLogLevel err\n";

    (void)state;
    assert_null(admind_config_parse("test.conf", text, sizeof(text) - 1, error, sizeof(error)));
    assert_non_null(strstr(error, "NUL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_the_documented_defaults),
        cmocka_unit_test(a_credential_is_one_file_of_the_directory_handed_over),
        cmocka_unit_test(a_path_stays_and_a_credential_waits_for_its_directory),
        cmocka_unit_test(every_key_with_a_secret_takes_a_credential),
        cmocka_unit_test(values_are_taken_with_any_spacing_and_case_of_key),
        cmocka_unit_test(of_a_url_no_more_is_shown_than_where_it_leads),
        cmocka_unit_test(alerts_are_set_by_word),
        cmocka_unit_test(a_wrong_line_names_itself),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(only_loopback_is_listened_on),
        cmocka_unit_test(every_row_has_its_columns),
        cmocka_unit_test(a_nul_byte_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
