/* SPDX-License-Identifier: Apache-2.0 */
/* How long a provider's answer is kept. Attack: headers that make us ask all the time, or never again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keys/cachectl.h"

#define S       INT64_C(1000000)
#define NOW     (INT64_C(1763715600) * S) /* Fri, 21 Nov 2025 09:00:00 GMT */
#define LONGEST (24 * 3600 * S)

static int64_t ttl_s(const char *cache_control, const char *age, const char *expires, const char *date)
{
    admind_cache_headers_t headers = { mcpa_str(cache_control), mcpa_str(expires), mcpa_str(age), mcpa_str(date) };

    return admind_cachectl_ttl_us(&headers, NOW, LONGEST) / S;
}

static void lifetime_is_max_age_less_age(void **state)
{
    (void)state;
    assert_int_equal(ttl_s("max-age=3600", NULL, NULL, NULL), 3600);
    assert_int_equal(ttl_s("public, max-age=3600, must-revalidate", "600", NULL, NULL), 3000);
    assert_int_equal(ttl_s("MAX-AGE=\"120\"", NULL, NULL, NULL), 120);
    assert_int_equal(ttl_s("max-age=3600", " 600 ", NULL, NULL), 3000);
    assert_int_equal(ttl_s("max-age=3600", "soon", NULL, NULL), 3600);
}

static void lifetime_stays_within_a_minute_and_a_day(void **state)
{
    (void)state;
    assert_int_equal(ttl_s("max-age=0", NULL, NULL, NULL), 60);
    assert_int_equal(ttl_s("max-age=59", NULL, NULL, NULL), 60);
    assert_int_equal(ttl_s("max-age=86400", NULL, NULL, NULL), 86400);
    assert_int_equal(ttl_s("max-age=86401", NULL, NULL, NULL), 86400);
    assert_int_equal(ttl_s("max-age=99999999999999999999999999", NULL, NULL, NULL), 86400);
    assert_int_equal(ttl_s("max-age=3600", "99999999999999999999", NULL, NULL), 60);
    assert_int_equal(ttl_s("max-age=-1", NULL, NULL, NULL), 60);
    assert_int_equal(ttl_s("max-age", NULL, NULL, NULL), 60);
}

static void no_store_and_no_cache_mean_the_minimum(void **state)
{
    (void)state;
    assert_int_equal(ttl_s("no-store", NULL, NULL, NULL), 60);
    assert_int_equal(ttl_s("max-age=3600, no-cache", NULL, NULL, NULL), 60);
    assert_int_equal(ttl_s("no-cache=\"set-cookie, x\", max-age=3600", NULL, NULL, NULL), 60);
    /* Inside quotes a comma separates nothing. */
    assert_int_equal(ttl_s("ext=\"a, no-store\", max-age=3600", NULL, NULL, NULL), 3600);
    assert_int_equal(ttl_s("ext=\"a\\\", no-store\", max-age=3600", NULL, NULL, NULL), 3600);
    assert_int_equal(ttl_s("ext=\"never closed, max-age=3600", NULL, NULL, NULL), 86400);
}

static void of_two_max_ages_the_shorter_counts(void **state)
{
    (void)state;
    assert_int_equal(ttl_s("max-age=3600, max-age=600", NULL, NULL, NULL), 600);
    assert_int_equal(ttl_s("max-age=600, max-age=3600", NULL, NULL, NULL), 600);
    assert_int_equal(ttl_s("max-age=600, max-age=x", NULL, NULL, NULL), 60);
}

static void expires_counts_only_without_max_age(void **state)
{
    const char *date = "Fri, 21 Nov 2025 09:00:00 GMT", *hour_later = "Fri, 21 Nov 2025 10:00:00 GMT";

    (void)state;
    assert_int_equal(ttl_s(NULL, NULL, hour_later, date), 3600);
    assert_int_equal(ttl_s(NULL, NULL, hour_later, NULL), 3600);
    assert_int_equal(ttl_s("max-age=120", NULL, hour_later, date), 120);
    assert_int_equal(ttl_s(NULL, NULL, date, date), 60);
    assert_int_equal(ttl_s(NULL, NULL, "0", date), 60);
    /* The provider's clock is an hour behind: its own Date makes up for it. */
    assert_int_equal(ttl_s(NULL, NULL, date, "Fri, 21 Nov 2025 08:00:00 GMT"), 3600);
}

static void without_headers_the_configured_interval_counts_and_is_the_longest(void **state)
{
    admind_cache_headers_t none = { 0 }, hour = { .cache_control = MCPA_STR("max-age=3600") };

    (void)state;
    assert_int_equal(admind_cachectl_ttl_us(&none, NOW, 600 * S), 600 * S);
    assert_int_equal(admind_cachectl_ttl_us(&hour, NOW, 600 * S), 600 * S);
    assert_int_equal(admind_cachectl_ttl_us(&hour, NOW, 5 * S), 5 * S);
    assert_int_equal(admind_cachectl_ttl_us(&none, NOW, 48 * 3600 * S), 24 * 3600 * S);
}

static void refresh_comes_at_four_fifths_give_or_take_a_tenth(void **state)
{
    (void)state;
    assert_int_equal(admind_cachectl_refresh_us(1000 * S, 0), 720 * S);
    assert_int_equal(admind_cachectl_refresh_us(1000 * S, UINT32_MAX), 880 * S);
    for (uint32_t i = 0; i < 1000; i++) {
        int64_t at = admind_cachectl_refresh_us(1000 * S, i * 4294967u);

        assert_in_range(at, 720 * S, 880 * S);
    }
}

static void backoff_doubles_to_its_cap_with_full_jitter(void **state)
{
    static const int64_t most_s[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };

    (void)state;
    for (unsigned i = 0; i < sizeof(most_s) / sizeof(most_s[0]); i++) {
        assert_int_equal(admind_cachectl_backoff_us(i + 1, 60 * S, UINT32_MAX), most_s[i] * S);
        assert_int_equal(admind_cachectl_backoff_us(i + 1, 60 * S, 0), 50000);
    }
    assert_int_equal(admind_cachectl_backoff_us(UINT32_MAX, 60 * S, UINT32_MAX), 60 * S);
    assert_int_equal(admind_cachectl_backoff_us(5, 10000, UINT32_MAX), 50000);
}

static void dates_are_read_in_all_three_forms(void **state)
{
    int64_t s = 0;

    (void)state;
    assert_true(admind_cachectl_http_date(MCPA_STR("Sun, 06 Nov 1994 08:49:37 GMT"), &s) && s == 784111777);
    assert_true(admind_cachectl_http_date(MCPA_STR("Sunday, 06-Nov-94 08:49:37 GMT"), &s) && s == 784111777);
    assert_true(admind_cachectl_http_date(MCPA_STR("Sun Nov  6 08:49:37 1994"), &s) && s == 784111777);
    assert_true(admind_cachectl_http_date(MCPA_STR("Sat Nov 26 08:49:37 1994"), &s) && s == 785839777);
    assert_true(admind_cachectl_http_date(MCPA_STR("Thu, 29 Feb 2024 00:00:00 GMT"), &s) && s == 1709164800);
    assert_true(admind_cachectl_http_date(MCPA_STR("Thu, 01 Jan 1970 00:00:00 GMT"), &s) && s == 0);
    assert_true(admind_cachectl_http_date(MCPA_STR("Fri, 31 Dec 1999 23:59:60 GMT"), &s) && s == 946684800);
    assert_true(admind_cachectl_http_date(MCPA_STR("Wednesday, 01-Jan-69 00:00:00 GMT"), &s) && s == 3124224000);
}

static void dates_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "0",
                                       "-1",
                                       "now",
                                       "Sun, 6 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Nov 1994 08:49:37 CET",
                                       "Sun, 06 Nov 1994 08:49:37 GMT!",
                                       "Sun, 31 Nov 1994 08:49:37 GMT",
                                       "Thu, 29 Feb 2023 00:00:00 GMT",
                                       "Sun, 00 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Now 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:00:00 GMT",
                                       "Sun, 06 Nov 1994 08:60:37 GMT",
                                       "Sun, 06 Nov 0000 08:49:37 GMT",
                                       "Xyz, 06 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06 Nov 94 08:49:37 GMT",
                                       "1994-11-06T08:49:37Z",
                                       ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,",
                                       "Sun Nov 06 08:49:37 1994 GMT" };
    int64_t s = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(admind_cachectl_http_date(mcpa_str(bad[i]), &s));
        assert_int_equal(s, 5);
    }
    assert_false(admind_cachectl_http_date(MCPA_STR_NONE, &s));
}

static void retry_after_is_seconds_or_a_date_and_at_most_an_hour(void **state)
{
    (void)state;
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR("120"), NOW), 120 * S);
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR("999999999"), NOW), 3600 * S);
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR("Fri, 21 Nov 2025 09:00:30 GMT"), NOW), 30 * S);
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR("Fri, 21 Nov 2025 08:00:30 GMT"), NOW), 0);
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR("Fri, 21 Nov 2031 09:00:30 GMT"), NOW), 3600 * S);
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR("-5"), NOW), 0);
    assert_int_equal(admind_cachectl_retry_after_us(MCPA_STR_NONE, NOW), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetime_is_max_age_less_age),
        cmocka_unit_test(lifetime_stays_within_a_minute_and_a_day),
        cmocka_unit_test(no_store_and_no_cache_mean_the_minimum),
        cmocka_unit_test(of_two_max_ages_the_shorter_counts),
        cmocka_unit_test(expires_counts_only_without_max_age),
        cmocka_unit_test(without_headers_the_configured_interval_counts_and_is_the_longest),
        cmocka_unit_test(refresh_comes_at_four_fifths_give_or_take_a_tenth),
        cmocka_unit_test(backoff_doubles_to_its_cap_with_full_jitter),
        cmocka_unit_test(dates_are_read_in_all_three_forms),
        cmocka_unit_test(dates_that_are_none_are_refused),
        cmocka_unit_test(retry_after_is_seconds_or_a_date_and_at_most_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
