/* SPDX-License-Identifier: Apache-2.0 */
/* A million different things in records and questions at the daemon: invented key ids, subjects, addresses, paths, tools, children. What it remembers of
 * them has a ceiling, what it shows has no more series, and the provider sees a fetch in 30 seconds. */
#include "test_admind_keys.h"
#include "test_growth.h"

#include "alerts/failures.h"
#include "audit/count.h"
#include "audit/marks.h"
#include "keys/slot.h"

/* ---- key ids */

typedef struct told {
    uint64_t answers, found;
} told_t;

static void count_answer(void *ctx, uint64_t ticket, bool found, uint64_t generation)
{
    told_t *told = ctx;

    (void)ticket;
    (void)generation;
    told->answers++;
    told->found += found ? 1 : 0;
}

static void ignore_change(void *ctx, const char *issuer, uint64_t generation)
{
    (void)ctx;
    (void)issuer;
    (void)generation;
}

/* As all children together would ask if none of them had a budget. answer_ms: how long the provider takes; 0: it never answers. */
static void flood_of_kids(world_t *world, told_t *told, uint64_t count, unsigned answer_ms)
{
    const admind_keys_events_t events = { ignore_change, count_answer, told };
    int64_t asked_us = 0;
    char kid[32];

    admind_keys_free(&world->keys);
    world->keys = admind_keys_new(&world->loop, &world->config, &world->fetcher, world->metrics, &events);
    assert_non_null(world->keys);
    world_url_issuer(world);
    fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
    fake_advance(&world->loop, 10 * S);
    world->fetcher.started = 0;
    for (uint64_t i = 0; i < count; i++) {
        mcpa_str_t text = { kid, growth_name(kid, "kid", i) };
        bool runs = fake_count_waiting(&world->fetcher) > 0;

        admind_keys_ask(world->keys, MCPA_STR(ISSUER), text, i);
        asked_us = runs ? asked_us : world->loop.now_us;
        if (runs && answer_ms > 0 && world->loop.now_us - asked_us >= answer_ms * 1000) {
            fake_answer(&world->fetcher, KEYS_URL, 200, SET(KEY("a")));
        }
        fake_advance(&world->loop, 100);
    }
}

static void a_million_invented_kids_cost_a_fetch_in_30_seconds(void **state)
{
    world_t *world = *state;
    uint64_t count = growth_count(), seconds = count / 10000;
    told_t told = { 0 };
    size_t heap;

    flood_of_kids(world, &told, 1000, 50);
    heap = heap_bytes();
    told = (told_t){ 0 };
    flood_of_kids(world, &told, count, 50);
    assert_int_equal(told.found, 0);
    assert_in_range(told.answers, count - ADMIND_WAITERS_MAX, count);
    assert_in_range(world->fetcher.started, 1, 2 + seconds / 30);
    /* Those that wait for the fetch that runs may have been fewer then. */
    assert_in_range(heap_bytes(), 0, heap + ADMIND_WAITERS_MAX * (sizeof(world->answers[0]) + 256));
}

static void a_million_kids_at_a_provider_that_hangs_wait_in_a_bounded_queue(void **state)
{
    world_t *world = *state;
    uint64_t count = growth_count();
    told_t told = { 0 };

    flood_of_kids(world, &told, count, 0);
    assert_int_equal(world->fetcher.started, 1);
    assert_int_equal(told.answers, count - ADMIND_WAITERS_MAX);
    assert_int_equal(told.found, 0);
}

/* ---- records */

static mcpa_record_t record_of(char names[6][32], uint64_t number)
{
    mcpa_str_t text[6];
    mcpa_record_t record;

    for (size_t i = 0; i < 6; i++) {
        text[i] = (mcpa_str_t){ names[i], growth_name(names[i], "text", 6 * number + i) };
    }
    mcpa_record_init(&record);
    record.ts = FAKE_WALL_START + (int64_t)number * 50;
    record.method = number % 3 == 0 ? text[0] : MCPA_STR("POST");
    record.location = MCPA_STR("/mcp");
    record.decision = MCPA_STR("deny");
    record.reason = number % 3 == 1 ? text[1] : MCPA_STR("signature_bad");
    record.auth_method = MCPA_STR("jwt");
    record.sub = record.jti = record.client_id = record.user_agent = text[2];
    record.path = record.ip = record.request_id = text[3];
    record.rpc_method = number % 2 == 0 ? text[4] : MCPA_STR("tools/call");
    record.rpc_name = text[5];
    record.status = (int64_t)(number % 1000);
    record.latency_ms = (int64_t)number;
    record.bytes_in = record.bytes_out = (int64_t)(number << number % 20);
    return record;
}

static size_t count_lines(const mcpa_metrics_t *metrics)
{
    size_t len = 0, lines = 0;
    char *text = mcpa_metrics_print(metrics, false, &len);

    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n' ? 1 : 0;
    }
    free(text);
    return lines;
}

/* Codes alone make series: 500 of them, which httpd gives and no client. */
static void a_million_records_make_no_series_of_what_clients_say(void **state)
{
    mcpa_metrics_t *metrics = mcpa_metrics_new();
    admind_tools_t *tools = admind_tools_new();
    uint64_t count = growth_count();
    size_t lines = 0, heap = 0;
    char names[6][32];

    (void)state;
    assert_non_null(metrics);
    assert_non_null(tools);
    for (uint64_t i = 0; i < count + 5000; i++) {
        mcpa_record_t record = record_of(names, i);

        admind_count_record(metrics, tools, &record);
        if (i == 5000) {
            lines = count_lines(metrics);
            heap = heap_bytes();
        }
    }
    assert_int_equal(count_lines(metrics), lines);
    assert_int_equal(heap_bytes(), heap);
    assert_true(mcpa_metrics_get(metrics, MCPA_METRIC_AUDIT_RECORDS, NULL) == (double)(count + 5000));
    admind_tools_free(&tools);
    mcpa_metrics_free(&metrics);
}

/* One failure each, 20,000 a second, which is more than the table has in its window; and one who fails twice a second in the midst of them. */
static void a_million_addresses_do_not_hide_who_goes_on_failing(void **state)
{
    static const unsigned char hash_key[16] = "a table's secret";
    admind_failures_t *failures = admind_failures_new(10, 300 * S, hash_key);
    uint64_t count = growth_count();
    size_t heap = heap_bytes();
    char name[32];
    int fired = 0;

    (void)state;
    assert_non_null(failures);
    for (uint64_t i = 0; i < count; i++) {
        int64_t now = FAKE_WALL_START + (int64_t)i * 50;

        assert_false(admind_failures_add(failures, (mcpa_str_t){ name, growth_name(name, "address", i) }, now));
        for (int twice = 0; i % 20000 == 0 && twice < 2; twice++) {
            fired += admind_failures_add(failures, MCPA_STR("the one"), now) ? 1 : 0;
        }
    }
    assert_in_range(admind_failures_pairs(failures), 1, ADMIND_FAILURES_PAIRS);
    assert_true(fired > 0 || count < 200000);
    assert_int_equal(heap_bytes(), heap);
    admind_failures_free(&failures);
}

static void a_million_children_leave_as_many_marks_as_there_may_be(void **state)
{
    admind_marks_t *marks = admind_marks_new(ADMIND_MARKS_MAX);
    uint64_t count = growth_count();
    size_t heap = 0;

    (void)state;
    assert_non_null(marks);
    for (uint64_t i = 0; i < count; i++) {
        unsigned char instance[MCPA_INSTANCE_BYTES] = { 1 };

        memcpy(instance + 1, &i, sizeof(i));
        assert_non_null(admind_marks_get(marks, instance, FAKE_WALL_START + (int64_t)i));
        heap = i == 2 * ADMIND_MARKS_MAX ? heap_bytes() : heap;
    }
    assert_in_range(admind_marks_count(marks), 1000, ADMIND_MARKS_MAX);
    assert_true(count <= 2 * ADMIND_MARKS_MAX || heap_bytes() == heap);
    admind_marks_free(&marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_million_invented_kids_cost_a_fetch_in_30_seconds, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_million_kids_at_a_provider_that_hangs_wait_in_a_bounded_queue, world_setup, world_teardown),
        cmocka_unit_test(a_million_records_make_no_series_of_what_clients_say),
        cmocka_unit_test(a_million_addresses_do_not_hide_who_goes_on_failing),
        cmocka_unit_test(a_million_children_leave_as_many_marks_as_there_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
