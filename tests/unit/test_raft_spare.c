/* Replication to whom the last majority did not need: entries gather there. Node 2 makes the first
 * one together with the leader (lead). */
#include "raft_fixture.h"

static void propose_one(void)
{
    propose(1);
    cfs_raft_flush(&rb.raft);
}

static void whom_the_last_majority_did_not_need_is_sent_entries_later(void **state)
{
    (void)state;
    lead();
    propose_one();
    assert_int_equal(sent_to(2)->entry_count, 1);
    assert_null(sent_to(3));
    assert_int_equal(cfs_raft_deadline(&rb.raft), rb.bench.env.now + CFS_APPEND_SPARE_TIME);
    raft_bench_tick(&rb, CFS_APPEND_SPARE_TIME - 1);
    raft_bench_has_all(&rb, 2);
    propose_one(); /* does not begin the time anew */
    assert_null(sent_to(3));
    raft_bench_tick(&rb, 1);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(3)->entry_count, 2);
    assert_int_equal(cfs_raft_held_until(&rb.raft), CFS_NEVER);
}

static void many_entries_do_not_wait_for_time_to_pass(void **state)
{
    static const char large[CFS_APPEND_GATHER_BYTES];

    (void)state;
    lead();
    for (uint32_t i = 1; i < CFS_APPEND_SPARE_ENTRIES; i++)
        propose_one();
    assert_null(sent_to(3));
    propose_one();
    assert_int_equal(sent_to(3)->entry_count, CFS_APPEND_SPARE_ENTRIES);
    cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, large, sizeof large);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 3), 2);
}

static void who_is_needed_again_is_sent_entries_at_once(void **state)
{
    (void)state;
    lead();
    propose_one();
    cfs_raft_unreachable(&rb.raft, 2);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(3)->entry_count, 1);
    raft_bench_durable(&rb);
    raft_bench_has_all(&rb, 3); /* the majority is another from now on */
    raft_bench_has_all(&rb, 2);
    bench_clear(&rb.bench);
    propose_one();
    assert_int_equal(sent_to(3)->entry_count, 1);
    assert_null(sent_to(2));
}

static void a_majority_that_can_be_the_same_again_stays_the_same(void **state)
{
    (void)state;
    lead();
    propose_one();
    raft_bench_tick(&rb, CFS_APPEND_SPARE_TIME);
    cfs_raft_flush(&rb.raft);
    raft_bench_has_all(&rb, 3);
    raft_bench_has_all(&rb, 2);
    raft_bench_durable(&rb); /* last of the three */
    bench_clear(&rb.bench);
    propose_one();
    assert_non_null(sent_to(2));
    assert_non_null(sent_to(3)); /* the leader's disk was the one that was not needed */
    raft_bench_has_all(&rb, 2);
    raft_bench_durable(&rb);
    raft_bench_has_all(&rb, 3);
    bench_clear(&rb.bench);
    propose_one();
    assert_null(sent_to(3));
}

/* It has to see that it has everything again, and is not to be kept behind all the while. */
static void who_may_have_forgotten_is_sent_entries_at_once(void **state)
{
    (void)state;
    lead();
    rb.raft.progress[3].forgetful = true;
    propose_one();
    assert_int_equal(sent_to(3)->entry_count, 1);
}

/* Whoever was slow once would else be waited for as long as it is not much slower than the time
 * for which entries are held. */
static void with_each_heartbeat_the_quickest_are_found_anew(void **state)
{
    (void)state;
    lead();
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    bench_clear(&rb.bench);
    propose_one();
    assert_non_null(sent_to(2));
    assert_non_null(sent_to(3));
    raft_bench_durable(&rb);
    raft_bench_has_all(&rb, 3);
    raft_bench_has_all(&rb, 2);
    bench_clear(&rb.bench);
    propose_one();
    assert_non_null(sent_to(3));
    assert_null(sent_to(2));
}

static void who_waits_for_a_snapshot_holds_nothing_back(void **state)
{
    (void)state;
    lead();
    propose_one();
    rb.raft.progress[3].snapshot = true;
    cfs_raft_flush(&rb.raft);
    assert_int_equal(cfs_raft_held_until(&rb.raft), CFS_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(whom_the_last_majority_did_not_need_is_sent_entries_later),
        T(many_entries_do_not_wait_for_time_to_pass),
        T(who_is_needed_again_is_sent_entries_at_once),
        T(a_majority_that_can_be_the_same_again_stays_the_same),
        T(who_may_have_forgotten_is_sent_entries_at_once),
        T(with_each_heartbeat_the_quickest_are_found_anew),
        T(who_waits_for_a_snapshot_holds_nothing_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
