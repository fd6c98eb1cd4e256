/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/reportpending.h"
#include "ctl/reporttally.h"
#include "ctl/reporttimes.h"

#define HOUR_US INT64_C(3600000000)
#define DAY_US  (24 * HOUR_US)

static void add(ctl_tally_t *tally, const char *key, unsigned column, unsigned times)
{
    for (; times > 0; times--) {
        assert_int_equal(ctl_tally_add(tally, mcpa_str(key), column), MCPA_OK);
    }
}

static void few_keys_are_counted_exactly(void **state)
{
    ctl_tally_t *tally = ctl_tally_new(4, 1000);
    ctl_tally_row_t rows[3];
    bool more;

    (void)state;
    assert_non_null(tally);
    add(tally, "b", 0, 3);
    add(tally, "a", 1, 3);
    add(tally, "c", 2, 9);
    add(tally, "", 3, 1);
    add(tally, "c", 1, 1);
    assert_int_equal(ctl_tally_top(tally, rows, 3), 3);
    assert_true(mcpa_str_eqz(rows[0].key, "c") && rows[0].total == 10 && rows[0].counts[2] == 9 && rows[0].counts[1] == 1);
    assert_true(mcpa_str_eqz(rows[1].key, "a") && mcpa_str_eqz(rows[2].key, "b")); /* equal ones by key */
    assert_int_equal(ctl_tally_keys(tally, &more), 4);
    assert_false(more);
    assert_int_equal(ctl_tally_missed(tally), 0);
    assert_int_equal(ctl_tally_sums(tally)->total, 17);
    assert_int_equal(ctl_tally_sums(tally)->counts[1], 4);
    ctl_tally_free(&tally);
    assert_null(tally);
}

/* Held against exact counts: a row never shows more than there was, what it lacks is within what it says, and no key that is not
 * shown had more than the table says. */
static void busiest_keys_survive_a_flood_of_others(void **state)
{
    enum { KEYS = 5000, CAP = 64 };
    static unsigned exact[KEYS];
    ctl_tally_t *tally = ctl_tally_new(CAP, 100000);
    static ctl_tally_row_t rows[CAP];
    uint64_t random = 12345, sum = 0;
    bool more, is_shown[KEYS] = { false };
    char key[16];

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned k;

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        k = (random >> 40) % 4 == 0 ? (unsigned)((random >> 50) % 5) : (unsigned)((random >> 33) % KEYS);
        exact[k]++;
        snprintf(key, sizeof(key), "%u", k);
        assert_int_equal(ctl_tally_add(tally, mcpa_str(key), k % CTL_TALLY_COLUMNS), MCPA_OK);
    }
    assert_int_equal(ctl_tally_top(tally, rows, CAP), CAP);
    assert_int_equal(ctl_tally_keys(tally, &more), CAP);
    assert_true(more);
    for (unsigned i = 0; i < CAP; i++) {
        unsigned k = (unsigned)strtoul(rows[i].key.ptr, NULL, 10);

        assert_true(k < KEYS && !is_shown[k]);
        is_shown[k] = true;
        assert_true(rows[i].total <= exact[k] && rows[i].total + rows[i].missed >= exact[k]);
        assert_int_equal(rows[i].counts[k % CTL_TALLY_COLUMNS], rows[i].total);
        sum += rows[i].total;
    }
    for (unsigned k = 0; k < KEYS; k++) {
        assert_true(is_shown[k] || exact[k] <= ctl_tally_missed(tally));
    }
    for (unsigned k = 0; k < 5; k++) {
        assert_true(is_shown[k]);
    }
    assert_int_equal(ctl_tally_sums(tally)->total, 200000);
    assert_true(sum < 200000 && ctl_tally_missed(tally) < 200000 / CAP);
    ctl_tally_free(&tally);
}

static void long_keys_are_bounded_by_bytes_too(void **state)
{
    ctl_tally_t *tally = ctl_tally_new(1000, 20000);
    char key[6000];
    ctl_tally_row_t row;
    bool more;

    (void)state;
    memset(key, 'x', sizeof(key));
    for (unsigned i = 0; i < 50; i++) {
        key[0] = (char)('A' + i);
        assert_int_equal(ctl_tally_add(tally, (mcpa_str_t){ key, sizeof(key) }, 0), MCPA_OK);
    }
    assert_int_equal(ctl_tally_keys(tally, &more), 20000 / CTL_TALLY_KEY_MAX_BYTES);
    assert_true(more);
    assert_int_equal(ctl_tally_top(tally, &row, 1), 1);
    assert_int_equal(row.key.len, CTL_TALLY_KEY_MAX_BYTES);
    assert_int_equal(ctl_tally_sums(tally)->total, 50);
    ctl_tally_free(&tally);
}

static void waiting_requests_go_when_their_record_comes(void **state)
{
    const unsigned char one[16] = { 1 }, two[16] = { 2 };
    ctl_pending_t *pending = ctl_pending_new(5000);
    char id[16];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(id, sizeof(id), "%u", i);
        assert_int_equal(ctl_pending_add(pending, one, mcpa_str(id)), MCPA_OK);
        assert_int_equal(ctl_pending_add(pending, one, mcpa_str(id)), MCPA_OK);
    }
    assert_int_equal(ctl_pending_count(pending), 5000);
    assert_int_equal(ctl_pending_add(pending, two, MCPA_STR("1")), MCPA_ETOOBIG);
    for (unsigned i = 0; i < 5000; i += 2) {
        snprintf(id, sizeof(id), "%u", i);
        ctl_pending_remove(pending, two, mcpa_str(id)); /* another child's */
        ctl_pending_remove(pending, one, mcpa_str(id));
        ctl_pending_remove(pending, one, mcpa_str(id));
    }
    assert_int_equal(ctl_pending_count(pending), 2500);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(id, sizeof(id), "%u", i);
        ctl_pending_remove(pending, one, mcpa_str(id));
    }
    assert_int_equal(ctl_pending_count(pending), 0);
    ctl_pending_free(&pending);
}

static size_t bars_of(const ctl_times_t *times, int64_t since_us, int64_t until_us, ctl_bar_t *bars, unsigned *step)
{
    size_t count = ctl_times_bars(times, since_us, until_us, bars, step);
    uint64_t all = 0, shown = 0;

    for (size_t i = 0; i < times->count; i++) {
        for (unsigned c = 0; c < CTL_TALLY_COLUMNS; c++) {
            all += times->hours[i].counts[c];
        }
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bars[i].until_us - bars[i].from_us, *step * HOUR_US);
        assert_true(i == 0 || bars[i].from_us == bars[i - 1].until_us);
        shown += bars[i].total;
    }
    assert_int_equal(shown, all);
    assert_true(count <= CTL_TIMES_SHOWN_MAX);
    return count;
}

static void bars_are_as_long_as_fits_a_page(void **state)
{
    const int64_t start = 20000 * DAY_US; /* 2024-10-04, a Friday */
    ctl_bar_t bars[CTL_TIMES_SHOWN_MAX];
    ctl_times_t times = { 0 };
    unsigned step;

    (void)state;
    assert_int_equal(ctl_times_bars(&times, INT64_MIN, INT64_MAX, bars, &step), 0);
    assert_int_equal(ctl_times_add(&times, start + HOUR_US - 1, 1), MCPA_OK);
    assert_int_equal(bars_of(&times, INT64_MIN, INT64_MAX, bars, &step), 1);
    assert_true(step == 1 && bars[0].from_us == start && bars[0].counts[1] == 1);
    assert_int_equal(ctl_times_add(&times, start - 1, 0), MCPA_OK); /* out of order, the hour before */
    assert_int_equal(bars_of(&times, INT64_MIN, INT64_MAX, bars, &step), 2);
    assert_true(bars[0].counts[0] == 1 && bars[1].counts[1] == 1);
    assert_int_equal(ctl_times_add(&times, start + 61 * HOUR_US, 0), MCPA_OK);
    bars_of(&times, INT64_MIN, INT64_MAX, bars, &step);
    assert_int_equal(step, 24);
    assert_int_equal(ctl_times_add(&times, start + 62 * DAY_US, 0), MCPA_OK);
    bars_of(&times, INT64_MIN, INT64_MAX, bars, &step);
    assert_int_equal(step, 168);
    assert_int_equal((bars[0].from_us / DAY_US + 3) % 7, 0); /* a Monday */
    assert_int_equal(ctl_times_add(&times, INT64_C(253402300799000000), 0), MCPA_OK);
    assert_int_equal(ctl_times_add(&times, 0, 0), MCPA_OK);
    bars_of(&times, INT64_MIN, INT64_MAX, bars, &step);
    assert_true(step > 168 && step % 168 == 0);
    ctl_times_clear(&times);
}

static void empty_hours_of_a_period_are_shown_but_no_empty_years(void **state)
{
    const int64_t start = 20000 * DAY_US;
    ctl_bar_t bars[CTL_TIMES_SHOWN_MAX];
    ctl_times_t times = { 0 };
    unsigned step;

    (void)state;
    assert_int_equal(ctl_times_add(&times, start + 10 * HOUR_US, 0), MCPA_OK);
    assert_int_equal(bars_of(&times, start, start + DAY_US, bars, &step), 24);
    assert_true(step == 1 && bars[0].from_us == start && bars[10].total == 1);
    assert_int_equal(bars_of(&times, 0, start + DAY_US, bars, &step), 1);
    assert_true(step == 1 && bars[0].from_us == start + 10 * HOUR_US);
    ctl_times_clear(&times);
}

static void too_many_hours_are_said(void **state)
{
    ctl_times_t times = { 0 };

    (void)state;
    for (size_t i = 0; i < CTL_TIMES_HOURS_MAX; i++) {
        assert_int_equal(ctl_times_add(&times, (int64_t)i * HOUR_US, 0), MCPA_OK);
    }
    assert_int_equal(ctl_times_add(&times, (int64_t)CTL_TIMES_HOURS_MAX * HOUR_US, 0), MCPA_ETOOBIG);
    assert_int_equal(ctl_times_add(&times, 5 * HOUR_US, 0), MCPA_OK);
    ctl_times_clear(&times);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_keys_are_counted_exactly),
        cmocka_unit_test(busiest_keys_survive_a_flood_of_others),
        cmocka_unit_test(long_keys_are_bounded_by_bytes_too),
        cmocka_unit_test(waiting_requests_go_when_their_record_comes),
        cmocka_unit_test(bars_are_as_long_as_fits_a_page),
        cmocka_unit_test(empty_hours_of_a_period_are_shown_but_no_empty_years),
        cmocka_unit_test(too_many_hours_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
