/* SPDX-License-Identifier: Apache-2.0 */
/* Telling webhooks. Attack: a receiver that is away for a day, refuses, asks for the impossible, or cannot be told our words from
 * another's. */
#include "test_admind_notify.h"

#include "alerts/queue.h"

static void header_value(const admind_fetch_t *fetch, const char *name, char value[256])
{
    const char *at = strstr(fetch->headers, name);

    assert_non_null(at);
    at += strlen(name);
    snprintf(value, 256, "%.*s", (int)strcspn(at, "\n"), at);
}

static void signature_is_the_one_of_standard_webhooks(void **state)
{
    char signature[96];

    (void)state;
    assert_true(admind_notify_sign(signature, sizeof(signature), MCPA_STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                   "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, MCPA_STR("{\"test\": 2432232314}")));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_false(admind_notify_sign(signature, 32, MCPA_STR("x"), "id", 1, MCPA_STR("")));
    assert_false(admind_notify_sign(signature, sizeof(signature), MCPA_STR(""), "id", 1, MCPA_STR("")));
    /* Encoded secrets with one and two bytes of padding stand for exactly the bytes they encode. */
    for (size_t i = 0; i < 3; i++) {
        static const char *const encoded[] = { "whsec_MDEyMzQ1Njc4OWFiY2RlZjAx",
                                               "whsec_MDEyMzQ1Njc4OWFiY2RlZjA=", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==" };
        char plain[96];

        assert_true(admind_notify_sign(signature, sizeof(signature), mcpa_str(encoded[i]), "id", 1, MCPA_STR("x")));
        assert_true(
            admind_notify_sign(plain, sizeof(plain), (mcpa_str_t){ "0123456789abcdef01", 18 - i }, "id", 1, MCPA_STR("x")));
        assert_string_equal(signature, plain);
    }
    /* A secret that only looks like the encoded kind is taken as it is. */
    assert_true(admind_notify_sign(signature, sizeof(signature), MCPA_STR("whsec_!!"), "id", 1, MCPA_STR("")));
}

static void webhook_gets_a_signed_message_per_change(void **state)
{
    world_t *world = *state;
    char id[256], stamp[256], signature[256], wanted[96];
    admind_alert_t *alert;
    admind_fetch_t *fetch;
    mcpa_json_t *json;

    world_start(world, 0, 2);
    alert = raise(world, "10.0.0.1");
    assert_int_equal(fake_count_waiting(&world->fetcher), 2);
    fetch = fake_waiting(&world->fetcher, HOOK);
    assert_true(fetch->trusted);
    header_value(fetch, "webhook-id: ", id);
    header_value(fetch, "webhook-timestamp: ", stamp);
    header_value(fetch, "webhook-signature: ", signature);
    assert_int_equal(strlen(id), 36);
    assert_string_equal(stamp, "1763715600");
    assert_true(admind_notify_sign(wanted, sizeof(wanted), MCPA_STR(SECRET), id, 1763715600, mcpa_str(fetch->body)));
    assert_string_equal(signature, wanted);
    json = body_of(fetch);
    assert_true(text_is(json, "/alerts/0/name", "auth_failures"));
    assert_true(text_is(json, "/alerts/0/state", "firing"));
    assert_true(text_is(json, "/alerts/0/labels/address", "10.0.0.1"));
    mcpa_json_free(&json);
    fake_answer(&world->fetcher, HOOK, 204, "");
    fake_answer(&world->fetcher, "second", 200, "");
    resolve(world, alert);
    json = body_of(fake_waiting(&world->fetcher, HOOK));
    assert_true(text_is(json, "/alerts/0/state", "resolved"));
    assert_int_equal(mcpa_json_size(mcpa_json_member(json, "alerts")), 1);
    mcpa_json_free(&json);
    fake_answer(&world->fetcher, HOOK, 200, "");
    raise(world, "10.0.0.2"); /* a message tells what changed, not what was told before */
    json = body_of(fake_waiting(&world->fetcher, HOOK));
    assert_int_equal(mcpa_json_size(mcpa_json_member(json, "alerts")), 1);
    assert_true(text_is(json, "/alerts/0/labels/address", "10.0.0.2"));
    mcpa_json_free(&json);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 0);
}

static void answers_are_judged_by_their_class(void **state)
{
    static const struct {
        long status;
        admind_delivery_t verdict;
    } rows[] = { { 0, ADMIND_RETRY },     { 199, ADMIND_GIVE_UP }, { 200, ADMIND_DELIVERED }, { 299, ADMIND_DELIVERED },
                 { 300, ADMIND_GIVE_UP }, { 407, ADMIND_GIVE_UP }, { 408, ADMIND_RETRY },     { 409, ADMIND_GIVE_UP },
                 { 428, ADMIND_GIVE_UP }, { 429, ADMIND_RETRY },   { 499, ADMIND_GIVE_UP },   { 500, ADMIND_RETRY },
                 { 599, ADMIND_RETRY },   { 600, ADMIND_GIVE_UP } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(admind_notify_judge(rows[i].status), rows[i].verdict);
    }
}

static void message_is_tried_again_under_its_id_and_in_order(void **state)
{
    static const long again[] = { 0, 500, 503, 429, 408 };
    world_t *world = *state;
    char first[256], id[256], stamp[256];

    world_start(world, 0, 1);
    raise(world, "10.0.0.1");
    raise(world, "10.0.0.2");
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", first);
    for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
        fake_answer(&world->fetcher, HOOK, again[i], "refused");
        assert_int_equal(fake_count_waiting(&world->fetcher), 0);
        fake_advance(&world->loop, 20 * S);
        header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", id);
        assert_string_equal(id, first);
    }
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-timestamp: ", stamp);
    assert_in_range(strtoll(stamp, NULL, 10), 1763715680, 1763715700); /* of this try: receivers refuse old ones */
    fake_answer(&world->fetcher, HOOK, 200, "");
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", id);
    assert_string_not_equal(id, first);
    fake_answer(&world->fetcher, HOOK, 200, "");
    assert_int_equal(admind_notify_waiting(world->notify), 0);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 0);
}

static void refusal_for_good_gives_the_message_up(void **state)
{
    static const long never[] = { 400, 401, 403, 404, 410, 301, 302 };
    world_t *world = *state;

    world_start(world, 0, 1);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        char ip[16];

        snprintf(ip, sizeof(ip), "10.0.0.%zu", i);
        raise(world, ip);
        fake_answer(&world->fetcher, HOOK, never[i], "");
        assert_int_equal(admind_notify_waiting(world->notify), 0);
    }
    assert_int_equal(failures(world, "webhook https://hooks.example"), sizeof(never) / sizeof(never[0]));
}

static void receiver_that_asks_for_a_pause_gets_it(void **state)
{
    world_t *world = *state;
    const admind_fetch_result_t busy = { .status = 429, .body = MCPA_STR(""), .retry_after = MCPA_STR("90") };

    world_start(world, 0, 1);
    raise(world, "10.0.0.1");
    fake_finish(fake_waiting(&world->fetcher, HOOK), &busy);
    fake_advance(&world->loop, 89 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
    fake_advance(&world->loop, 2 * S);
    assert_int_equal(fake_count_waiting(&world->fetcher), 1);
}

static void message_is_given_up_after_a_day(void **state)
{
    world_t *world = *state;
    int tries = 0;

    world_start(world, 0, 1);
    raise(world, "10.0.0.1");
    while (admind_notify_waiting(world->notify) > 0 && tries < 10000) {
        tries++;
        fake_answer(&world->fetcher, HOOK, 0, "timed out");
        fake_advance(&world->loop, 5 * MIN + S);
    }
    assert_in_range(tries, 24 * 12 - 3, 24 * 12 + 3);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 1);
}

static void queue_is_bounded_and_the_oldest_make_room(void **state)
{
    world_t *world = *state;
    admind_alert_t *alert;
    char id[256], first[256];

    world_start(world, 0, 1);
    alert = raise(world, "10.0.0.1");
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", first);
    for (int i = 0; i < 600; i++) {
        resolve(world, alert);
        fake_advance(&world->loop, S);
        alert = raise(world, "10.0.0.1");
    }
    assert_int_equal(admind_notify_waiting(world->notify), ADMIND_QUEUE_MAX);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 1201 - ADMIND_QUEUE_MAX);
    /* The one on its way was not taken away under the transfer. */
    header_value(fake_waiting(&world->fetcher, HOOK), "webhook-id: ", id);
    assert_string_equal(id, first);
    for (size_t i = 0; i < ADMIND_QUEUE_MAX; i++) {
        fake_answer(&world->fetcher, HOOK, 200, "");
    }
    assert_int_equal(admind_notify_waiting(world->notify), 0);
    assert_int_equal(fake_count_waiting(&world->fetcher), 0);
}

static void queue_is_bounded_in_bytes_too(void **state)
{
    const size_t big = 3 * 1024 * 1024;
    char *body = calloc(1, big);
    admind_queue_t queue;
    size_t dropped;

    (void)state;
    admind_queue_init(&queue);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, false, &dropped) && dropped == 0);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, false, &dropped) && dropped == 0);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, false, &dropped) && dropped == 1);
    assert_true(admind_queue_add(&queue, (mcpa_str_t){ body, big }, 0, true, &dropped) && dropped == 1);
    assert_int_equal(queue.count, 2);
    assert_int_equal(queue.bytes, 2 * big);
    admind_queue_clear(&queue);
    assert_int_equal(queue.count, 0);
    assert_int_equal(queue.bytes, 0);
    assert_true(admind_queue_add(&queue, MCPA_STR(""), 0, true, &dropped) && dropped == 0);
    admind_queue_clear(&queue);
    free(body);
}

static void url_that_cannot_be_fetched_gives_up_and_goes_on(void **state)
{
    world_t *world = *state;

    world_start(world, 1, 1);
    world->fetcher.refuse = true;
    raise(world, "10.0.0.1");
    assert_int_equal(admind_notify_waiting(world->notify), 0);
    assert_int_equal(failures(world, "webhook https://hooks.example"), 1);
    world->fetcher.refuse = false;
    raise(world, "10.0.0.2");
    assert_int_equal(fake_count_waiting(&world->fetcher), 2);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(signature_is_the_one_of_standard_webhooks),
        T(webhook_gets_a_signed_message_per_change),
        T(answers_are_judged_by_their_class),
        T(message_is_tried_again_under_its_id_and_in_order),
        T(refusal_for_good_gives_the_message_up),
        T(receiver_that_asks_for_a_pause_gets_it),
        T(message_is_given_up_after_a_day),
        T(queue_is_bounded_and_the_oldest_make_room),
        T(queue_is_bounded_in_bytes_too),
        T(url_that_cannot_be_fetched_gives_up_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
