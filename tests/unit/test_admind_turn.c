/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads in turn: never both, each gets its turn though the other asks again at once, and who waits for the disk keeps
 * nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "turn.h"

#define ROUNDS 2000

static atomic_uint inside, both;
static unsigned others;
static atomic_bool others_done;

static void work(void)
{
    both += inside++ != 0;
    sched_yield();
    inside--;
}

static void *other(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        admind_turn_take();
        work();
        others++;
        admind_turn_give();
    }
    atomic_store(&others_done, true);
    return NULL;
}

static void never_both_and_nobody_is_left_out(void **state)
{
    pthread_t thread;

    (void)state;
    others = 0;
    atomic_store(&others_done, false);
    admind_turn_begin();
    assert_int_equal(pthread_create(&thread, NULL, other, NULL), 0);
    while (!atomic_load(&others_done)) { /* gives its turn away for no time at all: a plain mutex would come straight back */
        work();
        admind_turn_give();
        admind_turn_take();
    }
    assert_int_equal(both, 0);
    assert_int_equal(others, ROUNDS);
    admind_turn_give();
    pthread_join(thread, NULL);
    admind_turn_take();
    admind_turn_end();
}

static int64_t seen_us;
static atomic_bool seen;

static void *look(void *ctx)
{
    (void)ctx;
    admind_turn_take();
    usleep(2000);
    seen_us = admind_turn_disk_us();
    admind_turn_give();
    atomic_store(&seen, true);
    return NULL;
}

static void who_waits_for_the_disk_keeps_nobody(void **state)
{
    pthread_t thread;

    (void)state;
    atomic_store(&seen, false);
    admind_turn_begin();
    assert_int_equal(admind_turn_disk_us(), 0);
    assert_int_equal(pthread_create(&thread, NULL, look, NULL), 0);
    admind_turn_wait();
    for (int i = 0; i < 10000 && !atomic_load(&seen); i++) {
        usleep(1000);
    }
    errno = EIO;
    admind_turn_waited();
    assert_int_equal(errno, EIO);
    assert_true(atomic_load(&seen));
    assert_true(seen_us >= 1000);
    assert_int_equal(admind_turn_disk_us(), 0);
    pthread_join(thread, NULL);
    admind_turn_end();
}

static void one_thread_alone_needs_no_turn(void **state)
{
    (void)state;
    admind_turn_take();
    admind_turn_take();
    admind_turn_give();
    assert_int_equal(admind_turn_fdatasync(-1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(admind_turn_fsync(-1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_both_and_nobody_is_left_out),
        cmocka_unit_test(who_waits_for_the_disk_keeps_nobody),
        cmocka_unit_test(one_thread_alone_needs_no_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
