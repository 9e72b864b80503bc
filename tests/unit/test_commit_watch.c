/* The latency of commits: each proposal once, from its own time; none that a leader lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/commit_watch.h"

static struct cfs_commit_watch watch;

static int set_up(void **state)
{
    (void)state;
    watch = (struct cfs_commit_watch){0};
    return 0;
}

static void test_measures_each_proposal_from_its_own_time(void **state)
{
    (void)state;
    cfs_commit_watch_proposed(&watch, 7, 1000);
    cfs_commit_watch_proposed(&watch, 8, 1600);
    cfs_commit_watch_proposed(&watch, 9, 1700);
    cfs_commit_watch_committed(&watch, 6, 1800);
    assert_int_equal(watch.latency.count, 0);
    cfs_commit_watch_committed(&watch, 8, 2000);
    assert_int_equal(watch.latency.count, 2);
    assert_int_equal(watch.latency.sum_us, 1000 + 400);
    cfs_commit_watch_committed(&watch, 8, 3000);
    assert_int_equal(watch.latency.count, 2);
    cfs_commit_watch_committed(&watch, 100, 3700);
    assert_int_equal(watch.latency.count, 3);
    assert_int_equal(watch.latency.sum_us, 1400 + 2000);
}

static void test_a_lost_leadership_measures_nothing(void **state)
{
    (void)state;
    cfs_commit_watch_proposed(&watch, 7, 1000);
    cfs_commit_watch_forget(&watch);
    cfs_commit_watch_committed(&watch, 7, 2000);
    assert_int_equal(watch.latency.count, 0);
    /* The next leadership begins further back. */
    cfs_commit_watch_proposed(&watch, 5, 3000);
    cfs_commit_watch_committed(&watch, 5, 3100);
    assert_int_equal(watch.latency.count, 1);
    assert_int_equal(watch.latency.sum_us, 100);
}

static void test_is_bounded_and_goes_round(void **state)
{
    uint64_t index = 0;

    (void)state;
    for (int round = 1; round <= 3; round++) {
        for (uint32_t i = 0; i < CFS_COMMIT_WATCH_MAX - 10; i++)
            cfs_commit_watch_proposed(&watch, ++index, 0);
        cfs_commit_watch_committed(&watch, index, 1);
        assert_int_equal(watch.latency.count, index);
    }
    for (uint32_t i = 0; i < CFS_COMMIT_WATCH_MAX + 10; i++)
        cfs_commit_watch_proposed(&watch, ++index, 0);
    cfs_commit_watch_committed(&watch, index, 1);
    assert_int_equal(watch.latency.count, index - 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_measures_each_proposal_from_its_own_time, set_up),
        cmocka_unit_test_setup(test_a_lost_leadership_measures_nothing, set_up),
        cmocka_unit_test_setup(test_is_bounded_and_goes_round, set_up),
    };

    return cmocka_run_group_tests_name("commit_watch", tests, NULL, NULL);
}
