/* SPDX-License-Identifier: Apache-2.0 */
/* What a child that is killed could not tell, another one finds, all of it and once. */
#include "test_mod_spool.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "losses.h"

static mod_mcp_losses_t *losses;

static int share(void **state)
{
    losses = mmap(NULL, sizeof(*losses), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return losses == MAP_FAILED ? -1 : setup(state);
}

static int unshare_it(void **state)
{
    int failed = support_teardown(state); /* the spools' ends still count in it */

    return munmap(losses, sizeof(*losses)) != 0 || failed != 0;
}

#define LOSSES_TEST(function) cmocka_unit_test_setup_teardown(function, share, unshare_it)

/* A process that takes a slot, loses so many and then waits to be killed. */
static pid_t begin_child(uint64_t lost)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        mod_mcp_loss_t *slot;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails never comes to kill it */
        slot = mod_mcp_losses_take(losses);
        atomic_fetch_add(&slot->untold, lost);
        (void)!write(ready[1], "x", 1);
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void end_child(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_the_dead_left_untold_is_inherited_once(void **state)
{
    mod_mcp_loss_t *mine = mod_mcp_losses_take(losses);
    pid_t first = begin_child(3), second = begin_child(40);

    (void)state;
    atomic_store(&mine->untold, 500);
    end_child(first);
    end_child(second);
    mod_mcp_losses_inherit(losses, mine);
    assert_int_equal(mine->untold, 543);
    mod_mcp_losses_inherit(losses, mine);
    assert_int_equal(mine->untold, 543);
}

static void the_living_keep_theirs(void **state)
{
    mod_mcp_loss_t *mine = mod_mcp_losses_take(losses);
    pid_t child = begin_child(7);

    (void)state;
    mod_mcp_losses_inherit(losses, mine);
    assert_int_equal(mine->untold, 0);
    end_child(child);
    mod_mcp_losses_inherit(losses, mine);
    assert_int_equal(mine->untold, 7);
}

static void who_takes_the_slot_of_a_dead_one_has_what_is_in_it(void **state)
{
    pid_t child = begin_child(9);

    (void)state;
    end_child(child);
    assert_int_equal(mod_mcp_losses_take(losses)->untold, 9);
}

/* A number of a process comes again, at the latest after a restart of a container. */
static void a_slot_of_ones_own_number_from_another_life_is_a_dead_ones(void **state)
{
    mod_mcp_loss_t *mine = mod_mcp_losses_take(losses);
    mod_mcp_loss_t *old = &losses->slots[7];

    (void)state;
    old->owner = (uint32_t)getpid();
    old->untold = 5;
    mod_mcp_losses_inherit(losses, mine);
    assert_int_equal(mine->untold, 5);
    assert_int_equal(old->untold, 0);
    assert_int_equal(old->owner, 0);
}

static void who_finds_no_slot_has_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOD_MCP_LOSSES_SLOTS; i++) {
        losses->slots[i].owner = 1;
    }
    assert_null(mod_mcp_losses_take(losses));
    losses->slots[MOD_MCP_LOSSES_SLOTS - 1].owner = 0;
    assert_ptr_equal(mod_mcp_losses_take(losses), &losses->slots[MOD_MCP_LOSSES_SLOTS - 1]);
}

static void what_one_spool_lost_another_tells_once(void **state)
{
    mod_mcp_loss_t *slot = mod_mcp_losses_take(losses);
    mod_mcp_spool_t *full = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(1));
    mod_mcp_spool_t *other;

    (void)state;
    mod_mcp_spool_count_in(full, &slot->untold);
    (void)fill(full); /* the last one is lost */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(commit(full, i, 1000), MCPA_EFULL);
    }
    assert_int_equal(slot->untold, 5);
    assert_int_equal(mod_mcp_spool_lost(full), 5);
    other = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(8));
    mod_mcp_spool_count_in(other, &slot->untold);
    assert_int_equal(commit(other, 1, 0), MCPA_OK);
    mod_mcp_spool_tend(other);
    assert_int_equal(slot->untold, 0);
    assert_int_equal(read_all(other, 0).gap_lost, 5);
    assert_int_equal(read_all(other, 0).gaps, 1);
    assert_int_equal(mod_mcp_spool_lost(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOSSES_TEST(what_the_dead_left_untold_is_inherited_once),
        LOSSES_TEST(the_living_keep_theirs),
        LOSSES_TEST(who_takes_the_slot_of_a_dead_one_has_what_is_in_it),
        LOSSES_TEST(a_slot_of_ones_own_number_from_another_life_is_a_dead_ones),
        LOSSES_TEST(who_finds_no_slot_has_none),
        LOSSES_TEST(what_one_spool_lost_another_tells_once),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
