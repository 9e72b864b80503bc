/* Replication: what a follower takes and acknowledges, what a leader counts as committed, and how
 * much it has under way. */
#include "raft_fixture.h"

static void a_follower_acknowledges_only_durable_entries(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 2, 1));
    assert_null(reply_to(2));
    cfs_env_persisted(&rb.bench.env, rb.bench.env.lsn - 1);
    cfs_raft_persisted(&rb.raft);
    assert_null(reply_to(2));
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->success);
    assert_int_equal(reply_to(2)->match, 2);
}

static void heartbeats_are_answered_while_the_disk_stalls(void **state)
{
    struct cfs_message heartbeat = raft_entries(2, 1, 2, 1, 0, 0);

    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 2, 1));
    heartbeat.append.sent = 4711;
    raft_bench_receive(&rb, heartbeat);
    assert_true(reply_to(2)->success);
    assert_int_equal(reply_to(2)->sent, 4711);
    assert_int_equal(reply_to(2)->match, 0); /* and claims nothing that is not durable */
}

static void entries_that_do_not_follow_the_log_are_rejected_with_its_end(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 2, 1));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_entries(2, 1, 7, 1, 2, 1));
    assert_false(reply_to(2)->success);
    assert_int_equal(reply_to(2)->match, 2);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 2);
}

static void entries_behind_one_of_another_term_are_rejected(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 3, 1));
    raft_bench_receive(&rb, raft_entries(3, 3, 3, 2, 1, 3));
    assert_false(reply_to(3)->success);
    assert_int_equal(reply_to(3)->match, 2);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 3);
}

/* The leader's log has term 2 at the place: nothing of a later term here can agree with it. */
static void the_hint_skips_entries_of_terms_the_leader_cannot_have(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 1, 1));
    raft_bench_receive(&rb, raft_entries(2, 3, 1, 1, 4, 3));
    raft_bench_receive(&rb, raft_entries(3, 5, 5, 2, 1, 5));
    assert_false(reply_to(3)->success);
    assert_int_equal(reply_to(3)->match, 1);
}

static void a_conflicting_suffix_is_dropped(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 5, 1));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_entries(3, 2, 2, 1, 1, 2));
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 3);
    assert_int_equal(cfs_log_last_term(&rb.raft.log), 2);
    assert_int_equal(rb.raft.durable_index, 2);
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.durable_index, 3);
    assert_int_equal(reply_to(3)->match, 3);
}

static void the_last_durable_entry_is_dropped_too_when_it_conflicts(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 3, 1));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_entries(3, 2, 2, 1, 1, 2));
    assert_int_equal(rb.raft.durable_index, 2);
}

static void entries_it_has_already_are_neither_written_again_nor_cut(void **state)
{
    uint32_t written;

    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 5, 1));
    raft_bench_durable(&rb);
    written = bench_effect_count(&rb.bench, CFS_FX_PERSIST);
    raft_bench_receive(&rb, raft_entries(2, 1, 1, 1, 2, 1)); /* an old copy */
    assert_int_equal(bench_effect_count(&rb.bench, CFS_FX_PERSIST), written);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 5);
    assert_int_equal(reply_to(2)->match, 3);
}

static void a_follower_commits_no_further_than_what_it_was_sent(void **state)
{
    struct cfs_message message = raft_entries(2, 1, 0, 0, 2, 1);

    (void)state;
    message.append.commit = 9;
    raft_bench_receive(&rb, message);
    assert_int_equal(rb.raft.commit, 2);
    message = raft_entries(2, 1, 1, 1, 0, 0);
    message.append.commit = 1;
    raft_bench_receive(&rb, message); /* late */
    assert_int_equal(rb.raft.commit, 2);
    message = raft_entries(2, 1, 0, 0, 1, 1); /* one that was overtaken ends before it */
    message.append.commit = 9;
    raft_bench_receive(&rb, message);
    assert_int_equal(rb.raft.commit, 2);
}

static void a_leader_of_an_older_term_is_told_so(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    bench_clear(&rb.bench);
    raft_bench_receive(&rb, raft_entries(3, 4, 0, 0, 1, 4));
    assert_false(reply_to(3)->success);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND_REPLY, 3)->term, 5);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 0);
    assert_int_equal(rb.raft.leader, 2);
}

static void a_leader_that_hears_of_a_newer_term_steps_down(void **state)
{
    (void)state;
    lead();
    raft_bench_receive(&rb,
                       (struct cfs_message){.type = CFS_MSG_APPEND_REPLY, .from = 2, .term = 9});
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(rb.raft.term, 9);
}

static void an_entry_is_committed_when_a_majority_has_it_on_disk(void **state)
{
    uint64_t index;

    (void)state;
    lead();
    index = cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, "x", 1);
    cfs_raft_flush(&rb.raft);
    raft_bench_acknowledge(&rb, 2, index, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, index - 1); /* the leader's own disk is not done */
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.commit, index);
}

static void two_followers_commit_while_the_leaders_disk_stalls(void **state)
{
    uint64_t index;

    (void)state;
    lead();
    index = cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, "x", 1);
    cfs_raft_flush(&rb.raft);
    raft_bench_acknowledge(&rb, 2, index, rb.bench.env.now);
    raft_bench_acknowledge(&rb, 3, index, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, index);
}

static void an_even_number_of_members_needs_more_than_half(void **state)
{
    struct raft_bench four;
    uint64_t index;

    (void)state;
    raft_bench_open(&four, 4);
    raft_bench_lead(&four);
    index = four.raft.noop_index;
    raft_bench_acknowledge(&four, 4, index, four.bench.env.now);
    assert_int_equal(four.raft.commit, 0);
    raft_bench_acknowledge(&four, 2, index, four.bench.env.now);
    assert_int_equal(four.raft.commit, index);
    raft_bench_close(&four);
}

/* In whatever order the members stand: what three of five have. */
static void five_members_commit_what_the_middle_one_has(void **state)
{
    static const uint64_t matches[][4] = {{1, 2, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}, {4, 1, 3, 2}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct raft_bench five;
        raft_bench_open(&five, 5);
        raft_bench_lead(&five);
        for (int n = 0; n < 5; n++)
            cfs_raft_propose(&five.raft, CFS_ENTRY_COMMAND, "x", 1);
        raft_bench_durable(&five);
        for (cfs_node_id peer = 2; peer <= 5; peer++)
            raft_bench_acknowledge(&five, peer, matches[i][peer - 2], five.bench.env.now);
        assert_int_equal(five.raft.commit, 3); /* the leader has 6: two others count */
        raft_bench_close(&five);
    }
}

/* Figure 3.7 of the thesis: an older term's entry on a majority may still be replaced. */
static void entries_of_an_older_term_are_committed_only_by_one_of_its_own_on_top(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 2, 1));
    raft_bench_durable(&rb);
    raft_bench_lead(&rb);
    assert_int_equal(rb.raft.noop_index, 3);
    raft_bench_acknowledge(&rb, 2, 2, rb.bench.env.now);
    raft_bench_acknowledge(&rb, 3, 2, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, 0);
    raft_bench_acknowledge(&rb, 3, 3, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, 3);
}

static void replication_waits_for_the_flush_and_goes_out_before_the_disk(void **state)
{
    (void)state;
    lead();
    propose(3);
    assert_true(rb.raft.dirty);
    assert_null(sent_to(2));
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    assert_int_equal(sent_to(2)->entry_count, 3);
    assert_false(rb.raft.dirty);
}

static void a_follower_is_probed_with_one_message_at_a_time(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    bench_clear(&rb.bench);
    cfs_raft_flush(&rb.raft);
    propose(1);
    cfs_raft_flush(&rb.raft);
    propose(1);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    raft_bench_acknowledge(&rb, 2, 1, rb.bench.env.now);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 2);
    assert_int_equal(sent_to(2)->entry_count, 2);
}

/* An entry that fills a message by itself. */
static void propose_large(void)
{
    static const char data[CFS_APPEND_GATHER_BYTES];

    cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, data, sizeof data);
}

static void what_comes_while_a_message_is_under_way_gathers(void **state)
{
    (void)state;
    lead();
    cfs_raft_broadcast_heartbeat(&rb.raft, false); /* both followers may be needed now */
    bench_clear(&rb.bench);
    for (uint32_t i = 0; i < 10; i++) {
        propose(1);
        cfs_raft_flush(&rb.raft);
    }
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index + 1, rb.bench.env.now);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 2);
    assert_int_equal(sent_to(2)->entry_count, 9);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 3), 1); /* each by itself */
}

static void what_fills_a_message_goes_at_once(void **state)
{
    (void)state;
    lead();
    propose(1);
    cfs_raft_flush(&rb.raft);
    propose(1);
    cfs_raft_flush(&rb.raft);
    propose_large();
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 2);
    assert_int_equal(sent_to(2)->entry_count, 2);
}

static void no_more_messages_than_the_bound_are_under_way(void **state)
{
    (void)state;
    lead();
    for (uint32_t i = 0; i < 3 * CFS_INFLIGHT_MAX; i++) {
        propose_large();
        cfs_raft_flush(&rb.raft);
    }
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), CFS_INFLIGHT_MAX);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index + 1, rb.bench.env.now);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), CFS_INFLIGHT_MAX + 1);
    assert_int_equal(sent_to(2)->entry_count, 2 * CFS_INFLIGHT_MAX); /* all that had gathered */
}

static void each_acknowledgement_makes_room_for_one_message(void **state)
{
    uint64_t first;

    (void)state;
    lead();
    first = rb.raft.noop_index + 1;
    for (uint32_t i = 0; i < CFS_INFLIGHT_MAX; i++) {
        propose_large();
        cfs_raft_flush(&rb.raft);
    }
    for (uint32_t i = 0; i < CFS_INFLIGHT_MAX; i++) {
        bench_clear(&rb.bench);
        raft_bench_acknowledge(&rb, 2, first + i, rb.bench.env.now);
        propose_large();
        cfs_raft_flush(&rb.raft);
        propose_large();
        cfs_raft_flush(&rb.raft);
        assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    }
}

static void the_last_entry_that_found_no_room_is_sent_too(void **state)
{
    (void)state;
    lead();
    for (uint32_t i = 0; i <= CFS_INFLIGHT_MAX; i++) {
        propose_large();
        cfs_raft_flush(&rb.raft);
    }
    bench_clear(&rb.bench);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index + CFS_INFLIGHT_MAX, rb.bench.env.now);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(2)->entry_count, 1);
}

static void what_arrived_in_spite_of_a_reported_loss_is_not_sent_again(void **state)
{
    (void)state;
    lead();
    propose(3);
    cfs_raft_flush(&rb.raft);
    cfs_raft_unreachable(&rb.raft, 2);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index + 3, rb.bench.env.now);
    assert_int_equal(rb.raft.progress[2].next, rb.raft.noop_index + 4);
}

static void after_a_rejection_the_follower_is_probed(void **state)
{
    (void)state;
    lead();
    propose(3);
    cfs_raft_flush(&rb.raft);
    reject(2, rb.raft.noop_index);
    bench_clear(&rb.bench);
    cfs_raft_flush(&rb.raft);
    propose(1);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
}

static void a_batch_has_a_limit_in_bytes_and_always_one_entry(void **state)
{
    static uint8_t big[CFS_COMMAND_MAX];

    (void)state;
    lead();
    for (int i = 0; i < 5; i++)
        cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, big, sizeof big);
    cfs_raft_flush(&rb.raft);
    for (size_t i = 0; i < rb.bench.effects.count; i++) {
        const struct cfs_effect *effect = &rb.bench.effects.items[i];
        if (effect->type == CFS_FX_SEND)
            assert_in_range(effect->message.append.entry_count, 1,
                            CFS_APPEND_BYTES_MAX / CFS_COMMAND_MAX);
    }
}

static void a_batch_has_a_limit_in_entries(void **state)
{
    (void)state;
    lead();
    propose(CFS_APPEND_ENTRIES_MAX + 1);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 2);
    assert_int_equal(sent_to(2)->entry_count, 1);
}

static void what_was_under_way_to_an_unreachable_follower_is_sent_again(void **state)
{
    (void)state;
    lead();
    propose(2);
    cfs_raft_flush(&rb.raft);
    cfs_raft_unreachable(&rb.raft, 2);
    bench_clear(&rb.bench);
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    raft_bench_acknowledge(&rb, 2, sent_to(2)->prev_index, rb.bench.env.now);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(2)->prev_index, rb.raft.noop_index);
    assert_int_equal(sent_to(2)->entry_count, 2);
}

static void an_unreachable_follower_is_probed_before_it_is_sent_more(void **state)
{
    (void)state;
    lead();
    for (uint32_t i = 0; i < CFS_INFLIGHT_MAX; i++) {
        propose(1);
        cfs_raft_flush(&rb.raft);
    }
    cfs_raft_refused(&rb.raft, 2); /* as good as unreachable */
    bench_clear(&rb.bench);
    cfs_raft_flush(&rb.raft);
    propose(1);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    assert_int_equal(sent_to(2)->prev_index, rb.raft.noop_index);
}

/* Nobody reported the loss: the next heartbeat does not follow the follower's log. */
static void what_was_lost_without_notice_is_sent_again_after_a_heartbeat(void **state)
{
    uint64_t end;

    (void)state;
    lead();
    propose(2);
    cfs_raft_flush(&rb.raft);
    end = rb.raft.noop_index;
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_int_equal(sent_to(2)->prev_index, end + 2);
    reject(2, end);
    assert_true(rb.raft.dirty);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(2)->prev_index, end);
    assert_int_equal(sent_to(2)->entry_count, 2);
}

/* Those of a new leader, by which the others know it, have none. */
static void periodic_heartbeats_and_what_acknowledges_them_have_time(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 1); /* the first one */
    assert_true(bench_sent(&rb.bench, CFS_MSG_APPEND_REPLY, 2)->patient);
    raft_bench_lead(&rb);
    assert_false(bench_sent(&rb.bench, CFS_MSG_APPEND, 2)->patient);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index, rb.bench.env.now);
    bench_clear(&rb.bench);
    raft_bench_tick(&rb, rb.raft.config->heartbeat);
    assert_true(bench_sent(&rb.bench, CFS_MSG_APPEND, 2)->patient);
    bench_clear(&rb.bench);
    propose(1);
    cfs_raft_flush(&rb.raft);
    assert_false(bench_sent(&rb.bench, CFS_MSG_APPEND, 2)->patient); /* entries */
    bench_clear(&rb.bench);
    raft_bench_tick(&rb, rb.raft.config->heartbeat);
    assert_false(bench_sent(&rb.bench, CFS_MSG_APPEND, 2)->patient); /* the last was not answered */
}

static void a_late_rejection_takes_back_nothing_that_is_durable_there(void **state)
{
    (void)state;
    lead();
    propose(2);
    cfs_raft_flush(&rb.raft);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index + 2, rb.bench.env.now);
    reject(2, 0);
    assert_int_equal(rb.raft.progress[2].match, rb.raft.noop_index + 2);
    assert_int_equal(rb.raft.progress[2].next, rb.raft.noop_index + 3);
}

static void a_rejection_renews_the_lease_all_the_same(void **state)
{
    (void)state;
    lead();
    rb.raft.progress[2].acked = rb.raft.progress[3].acked = 0;
    raft_bench_receive(
        &rb, (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                  .from = 2,
                                  .term = rb.raft.term,
                                  .append_reply = {.sent = rb.bench.env.now, .sound = true}});
    assert_true(cfs_raft_lease_until(&rb.raft) > rb.bench.env.now);
}

/* What a peer with a broken mind sends is dropped; it ends nobody's process. */
static void entries_whose_indices_do_not_follow_each_other_are_dropped(void **state)
{
    struct cfs_message message = raft_entries(2, 1, 0, 0, 2, 1);

    (void)state;
    message.append.entries[1]->index = 5;
    raft_bench_receive(&rb, message);
    assert_true(cfs_log_last_index(&rb.raft.log) <= 1);
    message = raft_entries(2, 1, 0, 7, 0, 0);
    raft_bench_receive(&rb, message);
    for (size_t i = 0; i < rb.bench.effects.count; i++)
        if (rb.bench.effects.items[i].type == CFS_FX_SEND)
            assert_true(rb.bench.effects.items[i].message.append_reply.match <= 1);
}

/* Leases. */

static void hear_leader_with_lease(cfs_time lease)
{
    struct cfs_message heartbeat = raft_entries(2, 1, 0, 0, 0, 0);

    heartbeat.append.lease = lease;
    raft_bench_receive(&rb, heartbeat);
}

static void a_leader_that_relies_on_a_longer_lease_is_promised_it(void **state)
{
    (void)state;
    hear_leader_with_lease(CFS_MS(700));
    assert_int_equal(rb.raft.promise, rb.bench.env.now + CFS_MS(700));
    hear_leader_with_lease(CFS_MS(1)); /* it may have had another setting before */
    assert_int_equal(rb.raft.promise, rb.bench.env.now + CFS_MS(200));
    bench_clear(&rb.bench);
    lead();
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_int_equal(sent_to(2)->lease, CFS_MS(200));
}

static void what_an_older_leader_sent_is_acknowledged_to_nobody(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    assert_int_equal(reply_to(2)->sent, 77);
    raft_bench_receive(&rb, raft_entries(3, 4, 0, 0, 0, 0));
    assert_int_equal(reply_to(3)->sent, 0);
}

/* Clocks of this leadership alone: neither before it, nor what is still to come. */
static void times_that_this_leader_has_not_sent_renew_no_lease(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    bench_pass(&rb.bench, CFS_MS(20));
    raft_bench_acknowledge(&rb, 2, 0, rb.raft.leader_since - 1);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
    raft_bench_acknowledge(&rb, 2, 0, rb.bench.env.now + 1);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
    raft_bench_acknowledge(&rb, 2, 0, UINT64_MAX);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
    raft_bench_acknowledge(&rb, 2, 0, rb.raft.leader_since);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), rb.raft.leader_since + CFS_MS(196));
}

/* What no leader of this program sends. None of it ends a process. */

static void assert_ignored(struct cfs_message message)
{
    bench_clear(&rb.bench);
    raft_bench_receive(&rb, message);
    assert_int_equal(rb.bench.effects.count, 0);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 2);
    assert_int_equal(rb.raft.term, 3);
}

static void malformed_appends_are_ignored(void **state)
{
    struct cfs_message message;

    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 3, 0, 0, 2, 3));
    raft_bench_durable(&rb);
    assert_ignored(raft_entries(2, 3, 2, 3, 1, 0)); /* term 0 */
    assert_ignored(raft_entries(2, 3, 0, 0, 1, 0)); /* at the beginning too */
    assert_ignored(raft_entries(2, 3, 2, 3, 1, 2)); /* below the one before it */
    assert_ignored(raft_entries(2, 3, 2, 3, 1, 4)); /* above the leader's own */
    assert_ignored(raft_entries(2, 9, 0, 7, 0, 0)); /* a term where there is no entry */
    message = raft_entries(2, 9, 2, 3, 3, 9);
    message.append.entries[1]->term = 8; /* they fall */
    assert_ignored(message);
    message = raft_entries(2, 9, 2, 3, 2, 9);
    message.append.entries[1]->index = 7; /* one is missing */
    assert_ignored(message);
    message = raft_entries(2, 9, 2, 3, 1, 9);
    message.append.entries[0]->kind = 7;
    assert_ignored(message);
}

/* An entry that no replica understands would end each of them when it is applied. */
static void commands_that_cannot_be_decoded_are_ignored(void **state)
{
    struct cfs_message message = raft_entries(2, 9, 2, 3, 1, 9);

    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 3, 0, 0, 2, 3));
    raft_bench_durable(&rb);
    cfs_entry_unref(message.append.entries[0]);
    message.append.entries[0] = cfs_entry_new(CFS_ENTRY_COMMAND, 3, 9, "nonsense", 8);
    assert_ignored(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_follower_acknowledges_only_durable_entries),
        T(heartbeats_are_answered_while_the_disk_stalls),
        T(entries_that_do_not_follow_the_log_are_rejected_with_its_end),
        T(entries_behind_one_of_another_term_are_rejected),
        T(the_hint_skips_entries_of_terms_the_leader_cannot_have),
        T(a_conflicting_suffix_is_dropped),
        T(the_last_durable_entry_is_dropped_too_when_it_conflicts),
        T(entries_it_has_already_are_neither_written_again_nor_cut),
        T(a_follower_commits_no_further_than_what_it_was_sent),
        T(a_leader_of_an_older_term_is_told_so),
        T(a_leader_that_hears_of_a_newer_term_steps_down),
        T(an_entry_is_committed_when_a_majority_has_it_on_disk),
        T(two_followers_commit_while_the_leaders_disk_stalls),
        T(an_even_number_of_members_needs_more_than_half),
        T(five_members_commit_what_the_middle_one_has),
        T(entries_of_an_older_term_are_committed_only_by_one_of_its_own_on_top),
        T(replication_waits_for_the_flush_and_goes_out_before_the_disk),
        T(a_follower_is_probed_with_one_message_at_a_time),
        T(what_comes_while_a_message_is_under_way_gathers),
        T(what_fills_a_message_goes_at_once),
        T(no_more_messages_than_the_bound_are_under_way),
        T(each_acknowledgement_makes_room_for_one_message),
        T(the_last_entry_that_found_no_room_is_sent_too),
        T(what_arrived_in_spite_of_a_reported_loss_is_not_sent_again),
        T(after_a_rejection_the_follower_is_probed),
        T(a_batch_has_a_limit_in_bytes_and_always_one_entry),
        T(a_batch_has_a_limit_in_entries),
        T(what_was_under_way_to_an_unreachable_follower_is_sent_again),
        T(an_unreachable_follower_is_probed_before_it_is_sent_more),
        T(what_was_lost_without_notice_is_sent_again_after_a_heartbeat),
        T(periodic_heartbeats_and_what_acknowledges_them_have_time),
        T(a_late_rejection_takes_back_nothing_that_is_durable_there),
        T(a_rejection_renews_the_lease_all_the_same),
        T(entries_whose_indices_do_not_follow_each_other_are_dropped),
        T(a_leader_that_relies_on_a_longer_lease_is_promised_it),
        T(what_an_older_leader_sent_is_acknowledged_to_nobody),
        T(times_that_this_leader_has_not_sent_renew_no_lease),
        T(malformed_appends_are_ignored),
        T(commands_that_cannot_be_decoded_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
