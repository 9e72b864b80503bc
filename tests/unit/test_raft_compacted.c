/* Replication with logs that begin after a base: what is compacted, on either side. */
#include "raft_fixture.h"

/* A follower's log of 10 entries of term 1, of which the first 6 are compacted. */
static void follow_with_base(void)
{
    struct cfs_message message = raft_entries(2, 1, 0, 0, 10, 1);

    message.append.commit = 6;
    raft_bench_receive(&rb, message);
    raft_bench_durable(&rb);
    rb.raft.applied = 6;
    cfs_raft_log_compact(&rb.raft, 6);
    bench_clear(&rb.bench);
}

static void an_append_that_begins_before_the_base_adds_what_is_behind_it(void **state)
{
    uint32_t written = 0;

    (void)state;
    follow_with_base();
    raft_bench_receive(&rb, raft_entries(2, 1, 3, 1, 9, 1)); /* 4 to 12 */
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->success);
    assert_int_equal(reply_to(2)->match, 12);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 12);
    assert_int_equal(rb.raft.log.base.index, 6);
    written = bench_effect_count(&rb.bench, CFS_FX_PERSIST);
    assert_int_equal(written, 2); /* 11 and 12 */
}

static void an_append_that_ends_before_the_base_is_acknowledged_and_changes_nothing(void **state)
{
    (void)state;
    follow_with_base();
    raft_bench_receive(&rb, raft_entries(2, 1, 1, 1, 3, 1));
    assert_true(reply_to(2)->success);
    assert_int_equal(reply_to(2)->match, 4);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 10);
    assert_int_equal(bench_effect_count(&rb.bench, CFS_FX_PERSIST), 0);
}

/* The base's own term is compared: it says whether the logs agree. */
static void an_append_behind_the_base_must_agree_with_it(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 9);
    cfs_raft_installed(&rb.raft, &(struct cfs_group_head){
                                     .base = {50, 7, 1}, .install = 1, .members = rb.raft.members});
    bench_clear(&rb.bench);
    raft_bench_receive(&rb, raft_entries(2, 9, 50, 8, 1, 9));
    assert_false(reply_to(2)->success);
    raft_bench_receive(&rb, raft_entries(2, 9, 50, 7, 1, 9));
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->success);
    assert_int_equal(reply_to(2)->match, 51);
}

/* A leader whose log begins at its fifth entry; node 2 has nothing of it. */
static void lead_with_base(void)
{
    lead();
    propose(5);
    raft_bench_durable(&rb);
    raft_bench_acknowledge(&rb, 3, 6, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, 6);
    rb.raft.applied = 6;
    cfs_raft_log_compact(&rb.raft, 5);
    rb.raft.progress[2].match = 0;
    cfs_raft_unreachable(&rb.raft, 2);
    reject(2, 0); /* it has nothing */
    bench_clear(&rb.bench);
}

/* Index 0 is the one place where any two logs agree. */
static void who_waits_for_a_snapshot_gets_heartbeats_and_no_entries(void **state)
{
    (void)state;
    lead_with_base();
    cfs_raft_flush(&rb.raft);
    assert_true(rb.raft.progress[2].snapshot);
    assert_null(sent_to(2));
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_int_equal(sent_to(2)->prev_index, 0);
    assert_int_equal(sent_to(2)->prev_term, 0);
    assert_int_equal(sent_to(2)->entry_count, 0);
    raft_bench_acknowledge(&rb, 2, 0, rb.bench.env.now); /* and its answer renews the lease */
    propose(1);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    assert_int_equal(rb.raft.progress[2].acked, rb.bench.env.now);
}

/* A new leader knows of nobody what he has. */
static void who_is_silent_is_not_taken_for_one_that_needs_a_snapshot(void **state)
{
    (void)state;
    lead_with_base();
    rb.raft.progress[2].snapshot = false;
    cfs_raft_unreachable(&rb.raft, 2);
    cfs_raft_flush(&rb.raft);
    assert_false(rb.raft.progress[2].snapshot);
    assert_int_equal(sent_to(2)->prev_index, 5);
}

static void a_follower_at_the_base_needs_no_snapshot(void **state)
{
    (void)state;
    lead_with_base();
    rb.raft.progress[2].match = 5;
    cfs_raft_unreachable(&rb.raft, 2);
    cfs_raft_flush(&rb.raft);
    assert_false(rb.raft.progress[2].snapshot);
    assert_int_equal(sent_to(2)->prev_index, 5);
    assert_int_equal(sent_to(2)->prev_term, rb.raft.term);
    assert_int_equal(sent_to(2)->entries[0]->index, 6);
}

static void a_hint_before_the_base_calls_for_a_snapshot(void **state)
{
    (void)state;
    lead_with_base();
    rb.raft.progress[2].next = 7;
    reject(2, 3);
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_true(rb.raft.progress[2].snapshot);
    assert_int_equal(sent_to(2)->prev_index, 0);
}

static void who_waits_for_a_snapshot_is_not_handed_leadership(void **state)
{
    (void)state;
    lead_with_base();
    rb.raft.progress[2].probing = false;
    assert_false(cfs_raft_transfer(&rb.raft, 2));
    assert_true(rb.raft.progress[2].snapshot);
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

/* In a group where nothing is written nothing else would begin it. */
static void what_a_heartbeat_finds_compacted_is_sent_soon(void **state)
{
    (void)state;
    lead_with_base();
    rb.raft.dirty = rb.raft.progress[2].snapshot = false;
    rb.raft.progress[2].next = 5;
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_true(rb.raft.progress[2].snapshot);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_false(rb.raft.dirty);
}

static void entries_follow_where_the_snapshot_ended(void **state)
{
    (void)state;
    lead_with_base();
    cfs_raft_flush(&rb.raft);
    cfs_raft_snapshot_done(&rb.raft, 2, 5);
    assert_false(rb.raft.progress[2].snapshot);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(2)->prev_index, 5);
    assert_int_equal(sent_to(2)->entry_count, 1);
    assert_true(rb.raft.progress[2].probing);
}

/* It was compacted meanwhile beyond the snapshot: another one. */
static void a_snapshot_that_ended_before_the_base_is_followed_by_another(void **state)
{
    (void)state;
    lead_with_base();
    cfs_raft_flush(&rb.raft);
    cfs_raft_snapshot_done(&rb.raft, 2, 4);
    cfs_raft_flush(&rb.raft);
    assert_true(rb.raft.progress[2].snapshot);
}

static void the_heartbeat_of_who_waits_for_a_snapshot_is_acknowledged(void **state)
{
    struct cfs_message heartbeat = raft_entries(2, 1, 0, 0, 0, 0);

    (void)state;
    follow_with_base();
    heartbeat.append.commit = 99;
    raft_bench_receive(&rb, heartbeat);
    assert_true(reply_to(2)->success);
    assert_int_equal(reply_to(2)->match, 0);
    assert_int_equal(reply_to(2)->sent, 77);
    assert_int_equal(rb.raft.commit, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(an_append_that_begins_before_the_base_adds_what_is_behind_it),
        T(an_append_that_ends_before_the_base_is_acknowledged_and_changes_nothing),
        T(an_append_behind_the_base_must_agree_with_it),
        T(who_waits_for_a_snapshot_gets_heartbeats_and_no_entries),
        T(who_is_silent_is_not_taken_for_one_that_needs_a_snapshot),
        T(a_follower_at_the_base_needs_no_snapshot),
        T(a_hint_before_the_base_calls_for_a_snapshot),
        T(who_waits_for_a_snapshot_is_not_handed_leadership),
        T(what_a_heartbeat_finds_compacted_is_sent_soon),
        T(entries_follow_where_the_snapshot_ended),
        T(a_snapshot_that_ended_before_the_base_is_followed_by_another),
        T(the_heartbeat_of_who_waits_for_a_snapshot_is_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
