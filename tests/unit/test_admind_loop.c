/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: what is freed while it is being served, timers that arm each other, and the order of a round. */
#include "admind_support.h"

#include <sys/epoll.h>
#include <time.h>

#include "loop.h"

static admind_loop_t *loop;
static char trace[256];

static int set_up(void **state)
{
    (void)state;
    trace[0] = '\0';
    loop = admind_loop_new();
    return loop == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    admind_loop_free(&loop);
    return loop != NULL;
}

static void note(const char *word)
{
    (void)strncat(trace, word, sizeof(trace) - strlen(trace) - 1);
}

static void note_and_stop(void *ctx)
{
    note(ctx);
    admind_loop_stop(loop);
}

static void note_only(void *ctx)
{
    note(ctx);
}

static void timers_fire_in_the_order_of_their_time(void **state)
{
    admind_timer_t *timers[3];

    (void)state;
    timers[0] = admind_timer_new(loop, note_and_stop, (char[]){ "last" });
    timers[1] = admind_timer_new(loop, note_only, (char[]){ "first " });
    timers[2] = admind_timer_new(loop, note_only, (char[]){ "second " });
    admind_timer_arm(timers[0], 30);
    admind_timer_arm(timers[1], 1);
    admind_timer_arm(timers[2], 15);
    admind_loop_run(loop);
    assert_string_equal(trace, "first second last");
    for (int i = 0; i < 3; i++) {
        admind_timer_free(&timers[i]);
    }
}

static void a_disarmed_timer_does_not_fire(void **state)
{
    admind_timer_t *never = admind_timer_new(loop, note_only, (char[]){ "never" });
    admind_timer_t *stop = admind_timer_new(loop, note_and_stop, (char[]){ "stop" });

    (void)state;
    admind_timer_arm(never, 1);
    admind_timer_arm(stop, 10);
    admind_timer_disarm(never);
    admind_timer_disarm(never);
    admind_loop_run(loop);
    assert_string_equal(trace, "stop");
    admind_timer_free(&never);
    admind_timer_free(&stop);
}

static int last_delay, fired;

static void expect_not_before(void *ctx)
{
    int delay = *(int *)ctx;

    assert_true(delay >= last_delay);
    last_delay = delay;
    fired++;
}

static void hundreds_of_timers_keep_their_order(void **state)
{
    enum { COUNT = 600 };
    admind_timer_t *timers[COUNT], *stop = admind_timer_new(loop, note_and_stop, (char[]){ "" });
    int delays[COUNT];

    (void)state;
    srand(1);
    last_delay = fired = 0;
    for (int i = 0; i < COUNT; i++) {
        delays[i] = rand() % 10 * 20; /* far enough apart for a slow machine */
        timers[i] = admind_timer_new(loop, expect_not_before, &delays[i]);
        assert_non_null(timers[i]);
        admind_timer_arm(timers[i], delays[i]);
    }
    for (int i = 0; i < COUNT; i += 3) { /* takes them out of the middle of the heap */
        admind_timer_free(&timers[i]);
        assert_null(timers[i]);
    }
    admind_timer_arm(stop, 250);
    admind_loop_run(loop);
    assert_int_equal(fired, COUNT * 2 / 3);
    for (int i = 0; i < COUNT; i++) {
        admind_timer_free(&timers[i]);
    }
    admind_timer_free(&stop);
}

static admind_timer_t *again;
static int runs;

static void arm_again(void *ctx)
{
    (void)ctx;
    if (++runs == 3) {
        admind_loop_stop(loop);
        return;
    }
    admind_timer_arm(again, 0);
}

static void after_round(void *ctx)
{
    (void)ctx;
    note(runs == 1 ? "1" : runs == 2 ? "2" : "3");
}

static void a_timer_that_arms_itself_runs_once_a_round(void **state)
{
    (void)state;
    runs = 0;
    again = admind_timer_new(loop, arm_again, NULL);
    assert_true(admind_loop_after(loop, after_round, NULL));
    admind_timer_arm(again, 0);
    admind_loop_run(loop);
    assert_string_equal(trace, "123");
    admind_timer_free(&again);
}

typedef struct ends {
    int pair[2][2];
    admind_watch_t *watches[2];
} ends_t;

static ends_t ends;

/* Frees both watches, its own and the one that is ready in the same round. */
static void free_both(void *ctx, int fd, uint32_t events)
{
    (void)ctx;
    (void)fd;
    (void)events;
    note("served ");
    admind_watch_free(&ends.watches[0]);
    admind_watch_free(&ends.watches[1]);
    admind_watch_free(&ends.watches[1]);
    admind_loop_stop(loop);
}

static void a_watch_may_be_freed_while_it_and_others_are_served(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(ends.pair[i]), 0);
        assert_int_equal(write(ends.pair[i][1], "x", 1), 1);
        ends.watches[i] = admind_watch_new(loop, ends.pair[i][0], EPOLLIN, free_both, NULL);
        assert_non_null(ends.watches[i]);
    }
    admind_loop_run(loop);
    assert_string_equal(trace, "served ");
    for (int i = 0; i < 4; i++) {
        close(ends.pair[i / 2][i % 2]);
    }
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
    char byte;

    assert_int_equal(read(fd, &byte, 1), 1);
    assert_true((events & EPOLLIN) != 0);
    note_and_stop(ctx);
}

static void a_descriptor_is_served_before_timers_and_both_before_after(void **state)
{
    admind_timer_t *timer = admind_timer_new(loop, note_only, (char[]){ "timer " });
    admind_watch_t *watch;
    int pair[2];

    (void)state;
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    watch = admind_watch_new(loop, pair[0], EPOLLIN, on_ready, (char[]){ "fd " });
    assert_non_null(watch);
    assert_null(admind_watch_new(loop, pair[0], EPOLLIN, on_ready, NULL)); /* one watch a descriptor */
    assert_true(admind_loop_after(loop, note_only, (char[]){ "after1 " }));
    assert_true(admind_loop_after(loop, note_only, (char[]){ "after2" }));
    admind_timer_arm(timer, 0);
    (void)usleep(2000);
    admind_loop_run(loop);
    assert_string_equal(trace, "fd timer after1 after2");
    admind_watch_free(&watch);
    admind_timer_free(&timer);
    close(pair[0]);
    close(pair[1]);
}

static void the_clocks_are_those_of_the_round(void **state)
{
    admind_timer_t *stop = admind_timer_new(loop, note_and_stop, (char[]){ "" });
    int64_t before = admind_loop_mono_us(loop);

    (void)state;
    admind_timer_arm(stop, 20);
    admind_loop_run(loop);
    assert_true(admind_loop_mono_us(loop) - before >= 20000);
    assert_true(llabs(admind_loop_wall_us(loop) - (int64_t)time(NULL) * 1000000) < 5000000);
    admind_timer_free(&stop);
}

static void there_is_room_for_eight_after_callbacks(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_true(admind_loop_after(loop, note_only, (char[]){ "" }));
    }
    assert_false(admind_loop_after(loop, note_only, (char[]){ "" }));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_the_order_of_their_time),
        TEST(a_disarmed_timer_does_not_fire),
        TEST(hundreds_of_timers_keep_their_order),
        TEST(a_timer_that_arms_itself_runs_once_a_round),
        TEST(a_watch_may_be_freed_while_it_and_others_are_served),
        TEST(a_descriptor_is_served_before_timers_and_both_before_after),
        TEST(the_clocks_are_those_of_the_round),
        TEST(there_is_room_for_eight_after_callbacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
