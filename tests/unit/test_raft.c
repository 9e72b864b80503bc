/* Roles, time and the lease of a raft group. */
#include "core_bench.h"

static struct raft_bench rb;

static int set_up(void **state)
{
    raft_bench_open(&rb, 3);
    *state = &rb;
    return 0;
}

static int tear_down(void **state)
{
    raft_bench_close(*state);
    return 0;
}

static void restore_state(struct cfs_raft *raft, uint64_t term, cfs_node_id vote)
{
    cfs_raft_restore(
        raft, &(struct cfs_record){.type = CFS_RECORD_HARD_STATE, .term = term, .vote = vote}, 0);
}

static void restore_entry(struct cfs_raft *raft, uint64_t index, uint64_t term)
{
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_NOOP, index, term, NULL, 0);

    cfs_raft_restore(raft, &(struct cfs_record){.type = CFS_RECORD_ENTRY, .entry = entry},
                     ++raft->env->lsn);
    raft->env->durable = raft->env->lsn;
    cfs_entry_unref(entry);
}

static void a_node_alone_leads_at_once_when_its_vote_is_durable(void **state)
{
    struct raft_bench alone;

    (void)state;
    raft_bench_open(&alone, 1);
    raft_bench_tick(&alone, 0);
    assert_int_equal(alone.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&alone);
    assert_int_equal(alone.raft.role, CFS_LEADER);
    assert_int_equal(cfs_raft_lease_until(&alone.raft), CFS_NEVER);
    raft_bench_durable(&alone);
    assert_int_equal(alone.raft.commit, 1);
    raft_bench_close(&alone);
}

static void what_the_disk_held_is_what_a_node_starts_with(void **state)
{
    struct raft_bench b = {0};

    (void)state;
    bench_open(&b.bench, 3);
    bench_raft_init(&b.bench, &b.raft);
    restore_state(&b.raft, 4, 2);
    restore_entry(&b.raft, 1, 3);
    restore_entry(&b.raft, 2, 3);
    restore_entry(&b.raft, 3, 3);
    restore_entry(&b.raft, 2, 4); /* replaces all from its index on */
    cfs_raft_start(&b.raft);
    assert_int_equal(b.raft.term, 4);
    assert_int_equal(b.raft.vote, 2);
    assert_int_equal(cfs_log_last_index(&b.raft.log), 2);
    assert_int_equal(cfs_log_last_term(&b.raft.log), 4);
    assert_int_equal(b.raft.durable_index, 2);
    assert_int_equal(b.raft.commit, 0);
    raft_bench_close(&b);
}

static void a_node_that_has_just_started_assumes_that_it_promised_a_lease(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    raft_bench_durable(&rb);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, 2)->vote_reply.promise, CFS_MS(200));
}

static void a_higher_term_is_adopted_and_written_down(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    assert_int_equal(rb.raft.term, 5);
    assert_int_equal(rb.raft.vote, 0);
    assert_int_equal(bench_effect(&rb.bench, CFS_FX_PERSIST)->record.term, 5);
    raft_bench_heartbeat(&rb, 2, 5);
    assert_int_equal(bench_effect_count(&rb.bench, CFS_FX_PERSIST), 1);
}

/* Whoever is not in its log may be so soon (thesis 4.1); only what cannot be a node is ignored. */
static void what_cannot_be_a_node_is_not_listened_to(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, CFS_NODE_MAX + 1, 5);
    assert_int_equal(rb.raft.term, 0);
    assert_int_equal(bench_effect_count(&rb.bench, CFS_FX_SEND), 0);
    raft_bench_heartbeat(&rb, 9, 5);
    assert_int_equal(rb.raft.term, 5);
}

static void a_leader_serves_only_after_its_first_entry_was_applied(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    rb.bench.env.now = rb.raft.quiet_until + CFS_SECONDS(1);
    assert_false(cfs_raft_serving(&rb.raft));
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, rb.raft.noop_index);
    assert_false(cfs_raft_serving(&rb.raft));
    rb.raft.applied = rb.raft.commit;
    assert_true(cfs_raft_serving(&rb.raft));
}

static void an_acknowledgement_of_a_majority_gives_a_lease_from_the_sending_on(void **state)
{
    cfs_time sent;

    (void)state;
    raft_bench_lead(&rb);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
    sent = rb.bench.env.now;
    bench_pass(&rb.bench, CFS_MS(50));
    raft_bench_acknowledge(&rb, 3, 0, sent);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), sent + CFS_MS(200) - CFS_MS(4));
}

static void a_lease_is_never_shortened_by_a_late_acknowledgement(void **state)
{
    cfs_time until;

    (void)state;
    raft_bench_lead(&rb);
    raft_bench_acknowledge(&rb, 3, 0, rb.bench.env.now);
    until = cfs_raft_lease_until(&rb.raft);
    raft_bench_acknowledge(&rb, 3, 0, rb.bench.env.now - CFS_MS(100));
    assert_int_equal(cfs_raft_lease_until(&rb.raft), until);
}

/* 1 percent fast here, 1 percent slow there: what the leader relies on ends before what the
 * follower promised, though the follower began later. */
static void a_lease_ends_before_the_promise_even_if_both_clocks_drift_apart(void **state)
{
    double lease = (double)rb.bench.config.lease;
    double relied_on, promised;

    (void)state;
    raft_bench_lead(&rb);
    raft_bench_acknowledge(&rb, 3, 0, rb.bench.env.now);
    relied_on = (double)(cfs_raft_lease_until(&rb.raft) - rb.bench.env.now) / 0.99;
    promised = lease / 1.01;
    assert_true(relied_on < promised);
}

static void five_members_need_two_others_for_a_lease(void **state)
{
    struct raft_bench five;
    cfs_time now;

    (void)state;
    raft_bench_open(&five, 5);
    raft_bench_lead(&five);
    bench_pass(&five.bench, CFS_MS(50));
    now = five.bench.env.now;
    raft_bench_acknowledge(&five, 2, 0, now);
    assert_int_equal(cfs_raft_lease_until(&five.raft), 0);
    raft_bench_acknowledge(&five, 5, 0, now - CFS_MS(10));
    assert_int_equal(cfs_raft_lease_until(&five.raft), now - CFS_MS(10) + CFS_MS(196));
    raft_bench_close(&five);
}

/* The lease runs from the second newest sending, in whatever order the members stand. */
static void the_lease_of_five_members_follows_from_the_newest_majority(void **state)
{
    static const int orders[][4] = {{1, 2, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}, {3, 1, 4, 2}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct raft_bench five;
        raft_bench_open(&five, 5);
        raft_bench_lead(&five);
        bench_pass(&five.bench, CFS_MS(50));
        for (cfs_node_id peer = 2; peer <= 5; peer++)
            raft_bench_acknowledge(&five, peer, 0,
                                   five.bench.env.now - CFS_MS(10 * orders[i][peer - 2]));
        assert_int_equal(cfs_raft_lease_until(&five.raft),
                         five.bench.env.now - CFS_MS(20) + CFS_MS(196));
        raft_bench_close(&five);
    }
}

static void acknowledgements_of_an_earlier_leadership_give_no_lease(void **state)
{
    struct cfs_message late = {.type = CFS_MSG_APPEND_REPLY, .from = 2, .term = 1};

    (void)state;
    raft_bench_lead(&rb);
    late.append_reply =
        (struct cfs_msg_append_reply){.success = true, .sent = rb.bench.env.now, .sound = true};
    raft_bench_heartbeat(&rb, 2, 5);
    raft_bench_lead(&rb);
    assert_int_equal(rb.raft.term, 6);
    raft_bench_receive(&rb, late);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
}

static void a_leader_that_no_majority_answers_steps_down(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    raft_bench_tick(&rb, 2 * rb.bench.config.election - 1);
    assert_int_equal(rb.raft.role, CFS_LEADER);
    raft_bench_tick(&rb, 1);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(rb.raft.leader, 0);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
}

/* Whoever did hear from each other should find a better one first. */
static void a_leader_that_stepped_down_does_not_stand_at_once(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    raft_bench_tick(&rb, CFS_SECONDS(10));
    assert_true(cfs_raft_deadline(&rb.raft) >= rb.bench.env.now + CFS_MS(250));
}

static void a_node_that_has_just_started_listens_first(void **state)
{
    (void)state;
    assert_true(cfs_raft_deadline(&rb.raft) >= rb.bench.env.now + CFS_MS(250));
}

static void a_new_leader_is_not_asked_before_it_says_that_it_serves(void **state)
{
    struct cfs_message quiet = raft_entries(3, 6, 0, 0, 0, 0);

    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    assert_true(rb.raft.leader_serving);
    raft_bench_receive(&rb, raft_vote_request(3, 6, false, 0, 0));
    assert_false(rb.raft.leader_serving);
    quiet.append.serving = false;
    raft_bench_receive(&rb, quiet);
    assert_int_equal(rb.raft.leader, 3);
    assert_false(rb.raft.leader_serving);
    raft_bench_heartbeat(&rb, 3, 6);
    assert_true(rb.raft.leader_serving);
}

static void a_leader_that_a_majority_answers_stays(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    for (int i = 0; i < 100; i++) {
        raft_bench_tick(&rb, CFS_MS(60));
        raft_bench_acknowledge(&rb, 3, 0, rb.bench.env.now);
    }
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void a_leader_sends_heartbeats_at_their_period(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    bench_clear(&rb.bench);
    raft_bench_tick(&rb, CFS_MS(59));
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 0), 0);
    raft_bench_tick(&rb, CFS_MS(1));
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 2), 1);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 3), 1);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND, 3)->append.sent, rb.bench.env.now);
}

/* A deadline that stays in the past would make the daemon spin. */
static void after_a_tick_the_deadline_lies_ahead_in_every_role(void **state)
{
    (void)state;
    raft_bench_tick(&rb, CFS_SECONDS(1)); /* pre-candidate */
    assert_true(cfs_raft_deadline(&rb.raft) > rb.bench.env.now);
    raft_bench_receive(&rb, raft_vote(2, 1, true, 0)); /* candidate */
    raft_bench_tick(&rb, CFS_SECONDS(1));
    assert_true(cfs_raft_deadline(&rb.raft) > rb.bench.env.now);
    raft_bench_heartbeat(&rb, 2, 3); /* follower */
    cfs_raft_refused(&rb.raft, 2);
    raft_bench_tick(&rb, CFS_SECONDS(1));
    assert_true(cfs_raft_deadline(&rb.raft) > rb.bench.env.now);
    raft_bench_lead(&rb);
    raft_bench_tick(&rb, CFS_MS(300));
    assert_true(cfs_raft_deadline(&rb.raft) > rb.bench.env.now);
    rb.raft.quiet_until = rb.bench.env.now + 1; /* it is woken for the end of the promises */
    assert_int_equal(cfs_raft_deadline(&rb.raft), rb.bench.env.now + 1);
}

static void election_timeouts_lie_between_one_and_two_periods(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        cfs_raft_reset_election(&rb.raft);
        assert_in_range(rb.raft.election_due - rb.bench.env.now, CFS_MS(250), CFS_MS(500));
    }
}

static void group_time_is_continued_by_the_next_leader_and_never_runs_back(void **state)
{
    cfs_time first;

    (void)state;
    raft_bench_lead(&rb);
    bench_pass(&rb.bench, CFS_SECONDS(3));
    first = cfs_raft_group_time(&rb.raft);
    assert_int_equal(first, CFS_SECONDS(3));
    cfs_raft_propose(&rb.raft, CFS_ENTRY_NOOP, NULL, 0);
    raft_bench_heartbeat(&rb, 2, 5);
    bench_pass(&rb.bench, CFS_SECONDS(100));
    raft_bench_lead(&rb);
    assert_true(cfs_log_get(&rb.raft.log, rb.raft.noop_index)->time >= first);
    assert_true(cfs_raft_group_time(&rb.raft) >= first);
}

static void entries_become_durable_in_the_order_of_the_disk(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 3, 1));
    assert_int_equal(rb.raft.durable_index, 0);
    cfs_env_persisted(&rb.bench.env, rb.bench.env.lsn - 1);
    cfs_raft_persisted(&rb.raft);
    assert_int_equal(rb.raft.durable_index, 2);
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.durable_index, 3);
    assert_int_equal(rb.raft.mark_count, 0);
}

static void a_write_of_entries_that_were_replaced_since_makes_nothing_durable(void **state)
{
    uint64_t first;

    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 3, 1));
    first = rb.bench.env.lsn;
    raft_bench_receive(&rb, raft_entries(3, 2, 1, 1, 1, 2)); /* replaces 2 and 3 by another 2 */
    cfs_env_persisted(&rb.bench.env, first);
    cfs_raft_persisted(&rb.raft);
    assert_int_equal(rb.raft.durable_index, 1);
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.durable_index, 2);
}

static void a_refused_connection_to_the_leader_lets_a_follower_stand_at_once(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    cfs_raft_refused(&rb.raft, 3); /* not the leader */
    assert_true(rb.raft.election_due >= rb.bench.env.now + CFS_MS(250));
    cfs_raft_refused(&rb.raft, 2);
    assert_true(rb.raft.election_due <= rb.bench.env.now + CFS_MS(32));
    raft_bench_tick(&rb, CFS_MS(32));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
}

static void a_leader_that_is_heard_again_is_not_gone(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    cfs_raft_refused(&rb.raft, 2);
    raft_bench_heartbeat(&rb, 2, 5);
    raft_bench_tick(&rb, CFS_MS(40));
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
}

/* Restoring: the checkpoint's head first, then the records that are still there. */

static struct raft_bench restored;

/* A checkpoint up to index 100 of term 4, made in term 6, in which it had voted for node 3; it had
 * installed the snapshot 55. */
static void restore_head(void)
{
    restored = (struct raft_bench){0};
    bench_open(&restored.bench, 3);
    bench_raft_init(&restored.bench, &restored.raft);
    cfs_raft_restore_head(
        &restored.raft,
        &(struct cfs_group_head){
            .base = {100, 4, CFS_SECONDS(9)},
            .term = 6,
            .vote = 3,
            .members = {.voters = CFS_NODE_BIT(1) | CFS_NODE_BIT(2) | CFS_NODE_BIT(3)},
            .install = 55});
}

static void restore_install(uint64_t name)
{
    cfs_raft_restore(&restored.raft, &(struct cfs_record){.type = CFS_RECORD_INSTALL, .term = name},
                     ++restored.bench.env.lsn);
}

static void what_a_checkpoint_says_is_what_a_node_starts_with(void **state)
{
    const struct cfs_raft *raft = &restored.raft;

    (void)state;
    restore_head();
    cfs_raft_start(&restored.raft);
    assert_true(raft->term == 6 && raft->vote == 3);
    assert_int_equal(cfs_log_last_index(&raft->log), 100);
    assert_int_equal(cfs_log_last_term(&raft->log), 4);
    assert_int_equal(raft->applied, 100);
    assert_int_equal(raft->commit, 100);
    assert_int_equal(raft->durable_index, 100);
    raft_bench_lead(&restored); /* group time goes on where the checkpoint stood */
    assert_int_equal(raft->noop_index, 101);
    assert_int_equal(cfs_log_get(&raft->log, 101)->time, CFS_SECONDS(9));
    raft_bench_close(&restored);
}

/* Segments go as a whole, so records from before the checkpoint may still be there. */
static void older_states_in_the_log_take_nothing_back_from_a_checkpoint(void **state)
{
    (void)state;
    restore_head();
    restore_state(&restored.raft, 5, 2);
    assert_true(restored.raft.term == 6 && restored.raft.vote == 3);
    restore_state(&restored.raft, 6, 0);
    assert_true(restored.raft.term == 6 && restored.raft.vote == 3);
    restore_state(&restored.raft, 7, 0);
    assert_true(restored.raft.term == 7 && restored.raft.vote == 0);
    restore_state(&restored.raft, 7, 2);
    assert_true(restored.raft.term == 7 && restored.raft.vote == 2);
    raft_bench_close(&restored);
}

static void entries_that_a_checkpoint_covers_are_passed_over(void **state)
{
    (void)state;
    restore_head();
    for (uint64_t index = 95; index <= 103; index++)
        restore_entry(&restored.raft, index, 4);
    assert_int_equal(restored.raft.log.base.index, 100);
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 103);
    assert_int_equal(cfs_log_get(&restored.raft.log, 101)->index, 101);
    assert_int_equal(cfs_log_lsn(&restored.raft.log, 103), restored.bench.env.lsn);
    raft_bench_close(&restored);
}

/* 98 of a later term replaced all that came after it, though its own place is compacted. */
static void an_entry_in_a_compacted_place_still_replaces_what_followed(void **state)
{
    (void)state;
    restore_head();
    for (uint64_t index = 97; index <= 105; index++)
        restore_entry(&restored.raft, index, 3);
    restore_entry(&restored.raft, 98, 4);
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 100);
    for (uint64_t index = 99; index <= 101; index++)
        restore_entry(&restored.raft, index, 4);
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 101);
    assert_int_equal(cfs_log_last_term(&restored.raft.log), 4);
    raft_bench_close(&restored);
}

static void a_log_with_a_gap_is_refused(void **state)
{
    (void)state;
    restore_head();
    assert_true(cfs_raft_restored(&restored.raft));
    restore_entry(&restored.raft, 102, 4);
    restore_entry(&restored.raft, 103, 4);
    assert_false(cfs_raft_restored(&restored.raft));
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 100);
    raft_bench_close(&restored);
}

/* Segments go as a whole: the one that is left begins amid entries of a leader that was replaced.
 */
static void a_gap_before_what_was_replaced_or_void_is_none(void **state)
{
    (void)state;
    restore_head();
    restore_entry(&restored.raft, 113, 3);
    restore_entry(&restored.raft, 114, 3);
    restore_entry(&restored.raft, 96, 4);
    assert_true(cfs_raft_restored(&restored.raft));
    restore_entry(&restored.raft, 113, 3);
    restore_install(54);
    assert_false(cfs_raft_restored(&restored.raft));
    restore_install(55);
    assert_true(cfs_raft_restored(&restored.raft));
    restore_entry(&restored.raft, 101, 6);
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 101);
    assert_true(cfs_raft_restored(&restored.raft));
    raft_bench_close(&restored);
}

/* One that was begun and never done left the old log as it was. */
static void a_record_of_an_installation_voids_entries_only_if_it_was_done(void **state)
{
    (void)state;
    restore_head();
    for (uint64_t index = 101; index <= 105; index++)
        restore_entry(&restored.raft, index, 4);
    restore_install(54);
    restore_install(56);
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 105);
    restore_install(55);
    assert_int_equal(cfs_log_last_index(&restored.raft.log), 100);
    restore_entry(&restored.raft, 101, 6);
    assert_int_equal(cfs_log_last_term(&restored.raft.log), 6);
    raft_bench_close(&restored);
}

static void a_checkpoint_says_where_the_applied_state_stands(void **state)
{
    struct cfs_group_head head;

    (void)state;
    restore_head();
    for (uint64_t index = 101; index <= 105; index++)
        restore_entry(&restored.raft, index, 5);
    head = cfs_raft_head(&restored.raft);
    assert_true(head.base.index == 100 && head.base.term == 4 && head.base.time == CFS_SECONDS(9));
    assert_true(head.term == 6 && head.vote == 3 && head.install == 55);
    restored.raft.applied = 103;
    head = cfs_raft_head(&restored.raft);
    assert_true(head.base.index == 103 && head.base.term == 5);
    raft_bench_close(&restored);
}

static void what_is_not_applied_is_needed_beside_a_checkpoint(void **state)
{
    (void)state;
    restore_head();
    assert_int_equal(cfs_raft_keep_lsn(&restored.raft), 1); /* the next one */
    for (uint64_t index = 101; index <= 105; index++)
        restore_entry(&restored.raft, index, 5);
    assert_int_equal(cfs_raft_keep_lsn(&restored.raft), 1); /* of entry 101 */
    restored.raft.applied = 103;
    assert_int_equal(cfs_raft_keep_lsn(&restored.raft), 4);
    restored.raft.applied = 105;
    assert_int_equal(cfs_raft_keep_lsn(&restored.raft), 6);
    raft_bench_close(&restored);
}

static void install(uint64_t term)
{
    cfs_raft_installed(&rb.raft, &(struct cfs_group_head){.base = {200, term, 9},
                                                          .members = rb.raft.members,
                                                          .install = 77});
}

/* What a write of the old log made durable is void, though the same entry may come again. */
static void an_installed_snapshot_replaces_the_whole_log(void **state)
{
    uint64_t old;

    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 3, 0, 0, 300, 3));
    old = rb.bench.env.lsn;
    install(3);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 200);
    assert_int_equal(cfs_log_last_term(&rb.raft.log), 3);
    assert_true(rb.raft.commit == 200 && rb.raft.applied == 200 && rb.raft.durable_index == 200);
    assert_int_equal(cfs_raft_head(&rb.raft).install, 77);
    raft_bench_receive(&rb, raft_entries(2, 3, 200, 3, 1, 3));
    cfs_env_persisted(&rb.bench.env, old);
    cfs_raft_persisted(&rb.raft);
    assert_int_equal(rb.raft.durable_index, 200);
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.durable_index, 201);
}

/* It would answer by a log that is about to go. */
static void who_is_being_replaced_takes_no_part(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 1);
    raft_bench_durable(&rb);
    bench_clear(&rb.bench);
    rb.raft.replaced = true;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 1, 1));
    raft_bench_receive(&rb, raft_vote_request(3, 2, false, 9, 9));
    raft_bench_receive(&rb, raft_vote_request(3, 2, true, 9, 9));
    raft_bench_tick(&rb, CFS_SECONDS(10));
    assert_int_equal(rb.bench.effects.count, 0);
    raft_bench_heartbeat(&rb, 2, 1); /* but a heartbeat that claims nothing of the log */
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND_REPLY, 2), 1);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND_REPLY, 2)->append_reply.match, 0);
    assert_int_equal(rb.bench.effects.count, 1);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 0);
    assert_int_equal(cfs_raft_deadline(&rb.raft), CFS_NEVER);
    install(1);
    raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_node_alone_leads_at_once_when_its_vote_is_durable),
        T(what_the_disk_held_is_what_a_node_starts_with),
        T(a_node_that_has_just_started_assumes_that_it_promised_a_lease),
        T(a_higher_term_is_adopted_and_written_down),
        T(what_cannot_be_a_node_is_not_listened_to),
        T(a_leader_serves_only_after_its_first_entry_was_applied),
        T(an_acknowledgement_of_a_majority_gives_a_lease_from_the_sending_on),
        T(a_lease_is_never_shortened_by_a_late_acknowledgement),
        T(a_lease_ends_before_the_promise_even_if_both_clocks_drift_apart),
        T(five_members_need_two_others_for_a_lease),
        T(the_lease_of_five_members_follows_from_the_newest_majority),
        T(acknowledgements_of_an_earlier_leadership_give_no_lease),
        T(a_leader_that_no_majority_answers_steps_down),
        T(a_leader_that_stepped_down_does_not_stand_at_once),
        T(a_node_that_has_just_started_listens_first),
        T(a_new_leader_is_not_asked_before_it_says_that_it_serves),
        T(a_leader_that_a_majority_answers_stays),
        T(a_leader_sends_heartbeats_at_their_period),
        T(after_a_tick_the_deadline_lies_ahead_in_every_role),
        T(election_timeouts_lie_between_one_and_two_periods),
        T(group_time_is_continued_by_the_next_leader_and_never_runs_back),
        T(entries_become_durable_in_the_order_of_the_disk),
        T(a_write_of_entries_that_were_replaced_since_makes_nothing_durable),
        T(a_refused_connection_to_the_leader_lets_a_follower_stand_at_once),
        T(a_leader_that_is_heard_again_is_not_gone),
        T(what_a_checkpoint_says_is_what_a_node_starts_with),
        T(older_states_in_the_log_take_nothing_back_from_a_checkpoint),
        T(entries_that_a_checkpoint_covers_are_passed_over),
        T(an_entry_in_a_compacted_place_still_replaces_what_followed),
        T(a_log_with_a_gap_is_refused),
        T(a_gap_before_what_was_replaced_or_void_is_none),
        T(a_record_of_an_installation_voids_entries_only_if_it_was_done),
        T(a_checkpoint_says_where_the_applied_state_stands),
        T(what_is_not_applied_is_needed_beside_a_checkpoint),
        T(an_installed_snapshot_replaces_the_whole_log),
        T(who_is_being_replaced_takes_no_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
