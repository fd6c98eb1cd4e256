/* SPDX-License-Identifier: Apache-2.0 */
/* The rate algorithm against a bucket of tokens that is too simple to be wrong, and the property it is there for: in any window
 * no more than the burst and the rate allow, and never a denial for who keeps to them. Time is virtual everywhere. */
#include "test_state.h"

#include "state/gcra.h"

static void exactly_the_burst_may_come_at_once_then_one_each_interval(void **state)
{
    (void)state;
    for (uint32_t burst = 1; burst <= 50; burst++) {
        _Atomic uint64_t tat = 0;
        uint64_t now = 77 * SECOND;
        uint64_t wait = 0;

        for (uint32_t i = 0; i < burst; i++) {
            assert_true(mcpa_gcra_take(&tat, now, SECOND, burst, &wait));
        }
        for (unsigned i = 0; i < 20; i++) {
            assert_false(mcpa_gcra_take(&tat, now, SECOND, burst, &wait));
            assert_true(wait == SECOND);
            assert_false(mcpa_gcra_take(&tat, now + SECOND - 1, SECOND, burst, &wait));
            assert_true(wait == 1);
            now += SECOND;
            assert_true(mcpa_gcra_take(&tat, now, SECOND, burst, &wait));
        }
    }
}

static void a_denial_changes_nothing_and_an_allowed_request_sets_no_wait(void **state)
{
    _Atomic uint64_t tat = 10 * SECOND;
    uint64_t wait = 4711;

    (void)state;
    assert_false(mcpa_gcra_take(&tat, SECOND, SECOND, 3, &wait));
    assert_true(atomic_load(&tat) == 10 * SECOND);
    assert_true(wait == 7 * SECOND);
    assert_true(mcpa_gcra_take(&tat, SECOND + wait, SECOND, 3, &wait));
    assert_true(wait == 7 * SECOND);
}

/* The model: credit grows with time up to the burst, a request costs one interval of it. */
typedef struct model {
    uint64_t credit_ns;
    uint64_t last_ns;
} model_t;

static bool model_take(model_t *m, uint64_t now_ns, uint64_t interval_ns, uint32_t burst)
{
    m->credit_ns += now_ns - m->last_ns;
    m->last_ns = now_ns;
    if (m->credit_ns > interval_ns * burst) {
        m->credit_ns = interval_ns * burst;
    }
    if (m->credit_ns < interval_ns) {
        return false;
    }
    m->credit_ns -= interval_ns;
    return true;
}

static uint64_t random_step(uint64_t *random, uint64_t interval)
{
    switch (next_random(random) % 4) {
    case 0:
        return 0;
    case 1:
        return next_random(random) % (interval / 4 + 1);
    case 2:
        return next_random(random) % (2 * interval + 1);
    default:
        return next_random(random) % 50 == 0 ? next_random(random) % (100 * interval + 1) : 1;
    }
}

static void any_schedule_is_decided_as_a_bucket_of_tokens_decides_it(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (unsigned schedule = 0; schedule < 400; schedule++) {
        uint64_t interval = next_random(&random) % (schedule % 2 != 0 ? 20 : 3600 * SECOND) + 1;
        uint32_t burst = (uint32_t)(next_random(&random) % 40) + 1;
        uint64_t now = next_random(&random) % (1000 * SECOND);
        model_t model = { .credit_ns = interval * burst, .last_ns = now };
        _Atomic uint64_t tat = 0;

        for (unsigned i = 0; i < 500; i++) {
            uint64_t wait = 0;
            bool expected;

            now += random_step(&random, interval);
            expected = model_take(&model, now, interval, burst);
            assert_int_equal(mcpa_gcra_take(&tat, now, interval, burst, &wait), expected);
            if (!expected) {
                /* Coming back when told is neither too early nor too late. */
                _Atomic uint64_t copy = atomic_load(&tat);
                uint64_t ignored;

                assert_false(mcpa_gcra_take(&copy, now + wait - 1, interval, burst, &ignored));
                assert_true(mcpa_gcra_take(&copy, now + wait, interval, burst, &ignored));
            }
        }
    }
}

static void no_window_admits_more_than_burst_and_rate(void **state)
{
    uint64_t random = 2;

    (void)state;
    for (unsigned schedule = 0; schedule < 40; schedule++) {
        uint64_t interval = next_random(&random) % SECOND + 1;
        uint32_t burst = (uint32_t)(next_random(&random) % 20) + 1;
        uint64_t admitted[400];
        size_t count = 0;
        uint64_t now = SECOND;
        _Atomic uint64_t tat = 0;

        for (unsigned i = 0; i < 4000 && count < 400; i++) {
            uint64_t wait;

            now += random_step(&random, interval);
            if (mcpa_gcra_take(&tat, now, interval, burst, &wait)) {
                admitted[count++] = now;
            }
        }
        for (size_t a = 0; a < count; a++) {
            for (size_t b = a; b < count; b++) {
                assert_true(b - a + 1 <= burst + (admitted[b] - admitted[a]) / interval);
            }
        }
    }
}

static void who_keeps_to_the_rate_is_never_denied(void **state)
{
    uint64_t random = 3;

    (void)state;
    for (unsigned schedule = 0; schedule < 100; schedule++) {
        uint64_t interval = next_random(&random) % SECOND + 1;
        uint32_t burst = (uint32_t)(next_random(&random) % 20) + 1;
        _Atomic uint64_t tat = 0;
        uint64_t now = SECOND;

        /* Groups of at most 'burst', each after the time that the group before it has earned. */
        for (unsigned group = 0; group < 100; group++) {
            uint64_t size = next_random(&random) % burst + 1;
            uint64_t wait;

            for (uint64_t i = 0; i < size; i++) {
                assert_true(mcpa_gcra_take(&tat, now, interval, burst, &wait));
            }
            now += size * interval;
        }
    }
}

static void extreme_numbers_saturate_and_never_open_the_gate(void **state)
{
    static const uint64_t extremes[] = { 0, 1, SECOND, INT64_MAX, UINT64_MAX - 1, UINT64_MAX };
    static const uint32_t bursts[] = { 0, 1, 2, 1000000, UINT32_MAX };
    const size_t n = sizeof(extremes) / sizeof(extremes[0]);
    uint64_t wait;

    (void)state;
    for (size_t i = 0; i < n * n * 5; i++) {
        uint64_t now = extremes[i % n];
        uint64_t interval = extremes[i / n % n];
        uint32_t burst = bursts[i / n / n];
        _Atomic uint64_t tat = 0;
        uint64_t admitted = 0;

        for (unsigned j = 0; j < 10; j++) {
            admitted += mcpa_gcra_take(&tat, now, interval, burst, &wait) ? 1 : 0;
        }
        assert_true(admitted <= burst || interval == 0);
    }
    /* The last interval before the end of time is given once. */
    for (unsigned i = 0; i < 3; i++) {
        static _Atomic uint64_t tat;

        assert_int_equal(mcpa_gcra_take(&tat, SECOND, UINT64_MAX, 5, &wait), i == 0);
    }
}

static void a_clock_that_stands_or_steps_back_gives_nothing_away(void **state)
{
    _Atomic uint64_t tat = 0;
    uint64_t wait;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(mcpa_gcra_take(&tat, 100 * SECOND, SECOND, 5, &wait));
    }
    assert_false(mcpa_gcra_take(&tat, 100 * SECOND, SECOND, 5, &wait));
    assert_false(mcpa_gcra_take(&tat, 50 * SECOND, SECOND, 5, &wait));
    assert_true(wait == 51 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_burst_may_come_at_once_then_one_each_interval),
        cmocka_unit_test(a_denial_changes_nothing_and_an_allowed_request_sets_no_wait),
        cmocka_unit_test(any_schedule_is_decided_as_a_bucket_of_tokens_decides_it),
        cmocka_unit_test(no_window_admits_more_than_burst_and_rate),
        cmocka_unit_test(who_keeps_to_the_rate_is_never_denied),
        cmocka_unit_test(extreme_numbers_saturate_and_never_open_the_gate),
        cmocka_unit_test(a_clock_that_stands_or_steps_back_gives_nothing_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
