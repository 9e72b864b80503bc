/* Who takes part: changes of members in the log, what a majority is meanwhile, and whose word
 * counts. Node 1 on the bench; the cluster begins as nodes 1 to 3. */
#include "core_bench.h"

#include <stdlib.h>

#include "core/alloc.h"

#define N(node) CFS_NODE_BIT(node)
#define OLD (N(1) | N(2) | N(3))
#define NEW (N(1) | N(4) | N(5))

static const struct cfs_membership three = {.voters = OLD};
static const struct cfs_membership joint = {.voters = NEW, .outgoing = OLD};
static const struct cfs_membership final = {.voters = NEW};
static const struct cfs_membership learning = {.voters = OLD, .learners = N(4)};

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

static void assert_members(const struct cfs_membership *expected)
{
    assert_true(cfs_membership_equal(&rb.raft.members, expected));
}

/* The follower's side. */

/* An append of one entry that says who the members are. */
static struct cfs_message members_entry(cfs_node_id from, uint64_t term, uint64_t prev_index,
                                        uint64_t prev_term, const struct cfs_membership *members)
{
    struct cfs_message message = raft_entries(from, term, prev_index, prev_term, 1, term);
    struct cfs_writer data = {0};

    cfs_membership_encode(&data, members);
    cfs_entry_unref(message.append.entries[0]);
    message.append.entries[0] =
        cfs_entry_new(CFS_ENTRY_MEMBERS, prev_index + 1, term, data.data, (uint32_t)data.len);
    free(data.data);
    return message;
}

static void a_change_is_in_force_as_soon_as_it_is_in_the_log(void **state)
{
    (void)state;
    assert_members(&three);
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &joint));
    assert_members(&joint);
    assert_int_equal(rb.raft.members_index, 1);
    raft_bench_receive(&rb, members_entry(2, 1, 1, 1, &final));
    assert_members(&final);
    assert_int_equal(rb.raft.members_index, 2);
    assert_int_equal(rb.raft.commit, 0);
}

static void a_change_that_is_cut_off_the_log_is_void(void **state)
{
    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &joint));
    raft_bench_receive(&rb, members_entry(2, 1, 1, 1, &final));
    raft_bench_receive(&rb, raft_entries(3, 2, 1, 1, 1, 2));
    assert_members(&joint);
    assert_int_equal(rb.raft.members_index, 1);
    raft_bench_receive(&rb, raft_entries(3, 3, 0, 0, 1, 3));
    assert_members(&three);
    assert_int_equal(rb.raft.members_index, 0);
}

static void a_change_that_cannot_be_read_is_not_let_into_the_log(void **state)
{
    struct cfs_message message = members_entry(2, 1, 0, 0, &joint);

    (void)state;
    message.append.entries[0]->data[0]++;
    raft_bench_receive(&rb, message);
    message = members_entry(2, 1, 0, 0, &joint);
    message.append.entries[0]->len--;
    raft_bench_receive(&rb, message);
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &(struct cfs_membership){.learners = OLD}));
    assert_int_equal(cfs_log_last_index(&rb.raft.log), 0);
    assert_members(&three);
}

static void a_compacted_change_stays_in_force(void **state)
{
    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &joint));
    raft_bench_receive(&rb, raft_entries(2, 1, 1, 1, 5, 1));
    cfs_raft_log_compact(&rb.raft, 4);
    assert_members(&joint);
    raft_bench_receive(&rb, raft_entries(3, 2, 4, 1, 1, 2)); /* cuts off what is behind it */
    assert_members(&joint);
}

/* The newest ones may still fall back. */
static void a_checkpoint_says_who_the_members_were_at_its_index(void **state)
{
    struct cfs_group_head head;

    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &joint));
    raft_bench_receive(&rb, members_entry(2, 1, 1, 1, &final));
    head = cfs_raft_head(&rb.raft);
    assert_true(cfs_membership_equal(&head.members, &three));
    rb.raft.applied = 1;
    head = cfs_raft_head(&rb.raft);
    assert_true(cfs_membership_equal(&head.members, &joint));
}

static void a_restarted_node_knows_the_members_of_its_checkpoint_and_its_log(void **state)
{
    struct cfs_message message = members_entry(2, 4, 100, 4, &final);
    struct raft_bench again = {0};

    (void)state;
    bench_open(&again.bench, 3);
    bench_raft_init(&again.bench, &again.raft);
    cfs_raft_restore_head(&again.raft,
                          &(struct cfs_group_head){.base = {100, 4, 9}, .members = joint});
    assert_true(cfs_membership_equal(&again.raft.members, &joint));
    assert_int_equal(again.raft.members_index, 100);
    cfs_raft_restore(
        &again.raft,
        &(struct cfs_record){.type = CFS_RECORD_ENTRY, .entry = message.append.entries[0]},
        ++again.bench.env.lsn);
    assert_true(cfs_membership_equal(&again.raft.members, &final));
    cfs_message_clear(&message);
    raft_bench_close(&again);
}

static void a_snapshot_brings_its_members_along(void **state)
{
    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &joint));
    cfs_raft_installed(&rb.raft, &(struct cfs_group_head){.base = {50, 1, 9}, .members = learning});
    assert_members(&learning);
    assert_int_equal(rb.raft.members_index, 50);
}

/* Who may stand. */

static void who_is_not_among_the_voters_does_not_stand(void **state)
{
    const struct cfs_membership others = {.voters = N(2) | N(3)};
    struct cfs_message message = members_entry(2, 1, 0, 0, &others);

    (void)state;
    message.append.commit = 1;
    raft_bench_receive(&rb, message);
    bench_clear(&rb.bench);
    for (int i = 0; i < 3; i++)
        raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_VOTE, 0), 0);
    assert_true(cfs_raft_deadline(&rb.raft) > rb.bench.env.now);
}

/* Nobody else may have the change in his log (4.2.2). */
static void who_is_removed_stands_as_long_as_that_is_not_committed(void **state)
{
    const struct cfs_membership others = {.voters = N(2) | N(3)};

    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &others));
    raft_bench_durable(&rb);
    raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(2, 2, true, 0));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE); /* its own voice does not count */
    raft_bench_receive(&rb, raft_vote(3, 2, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_vote(2, 2, false, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(3, 2, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

/* It joined, so it does not know who the first members were; nor what is committed, for it has been
 * started again. Nobody else has the entry that removes it. */
static void who_may_be_needed_stands_after_a_restart(void **state)
{
    const struct cfs_membership both = {.voters = N(4), .outgoing = N(1)};
    const struct cfs_membership other = {.voters = N(4)};
    struct raft_bench joined;

    (void)state;
    raft_bench_open(&joined, 0);
    raft_bench_receive(&joined, members_entry(2, 1, 0, 0, &both));
    raft_bench_receive(&joined, members_entry(2, 1, 1, 1, &other));
    assert_int_equal(joined.raft.commit, 0);
    raft_bench_durable(&joined);
    raft_bench_time_out(&joined);
    assert_int_equal(joined.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_close(&joined);
}

static void a_learner_does_not_stand(void **state)
{
    const struct cfs_membership others = {.voters = N(2) | N(3), .learners = N(1)};

    (void)state;
    cfs_raft_installed(&rb.raft, &(struct cfs_group_head){.base = {50, 1, 9}, .members = others});
    raft_bench_time_out(&rb);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_VOTE, 0), 0);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
}

/* It listens to whoever leads, and learns from his log who the members are. */
static void a_node_that_joins_knows_nobody_and_waits(void **state)
{
    struct raft_bench joins;
    struct cfs_message message;

    (void)state;
    raft_bench_open(&joins, 0);
    raft_bench_time_out(&joins);
    assert_int_equal(joins.bench.effects.count, 0);
    message = members_entry(9, 3, 0, 0, &(struct cfs_membership){.voters = N(9), .learners = N(1)});
    raft_bench_receive(&joins, message);
    assert_int_equal(joins.raft.leader, 9);
    assert_int_equal(cfs_membership_all(&joins.raft.members), N(1) | N(9));
    raft_bench_close(&joins);
}

/* The leader's side. */

/* Its first entry is committed and applied; nobody is probed. */
static void lead(void)
{
    raft_bench_lead(&rb);
    cfs_raft_flush(&rb.raft);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index, rb.bench.env.now);
    raft_bench_acknowledge(&rb, 3, rb.raft.noop_index, rb.bench.env.now);
    rb.raft.applied = rb.raft.commit;
    bench_pass(&rb.bench, CFS_MS(1));
    bench_clear(&rb.bench);
}

static uint64_t last(void)
{
    return cfs_log_last_index(&rb.raft.log);
}

static void change(const struct cfs_membership *members)
{
    assert_true(cfs_raft_change_members(&rb.raft, members));
    raft_bench_durable(&rb);
    cfs_raft_flush(&rb.raft);
    assert_members(members);
}

static void propose(void)
{
    cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, "x", 1);
    raft_bench_durable(&rb);
    cfs_raft_flush(&rb.raft);
}

static void only_a_leader_whose_first_entry_is_applied_changes_members(void **state)
{
    (void)state;
    assert_false(cfs_raft_change_members(&rb.raft, &learning));
    raft_bench_lead(&rb);
    assert_false(cfs_raft_change_members(&rb.raft, &learning));
    raft_bench_has_all(&rb, 2);
    assert_false(cfs_raft_change_members(&rb.raft, &learning));
    rb.raft.applied = rb.raft.commit;
    assert_true(cfs_raft_change_members(&rb.raft, &learning));
    assert_members(&learning);
}

static void one_change_is_under_way_at_a_time(void **state)
{
    (void)state;
    lead();
    change(&learning);
    assert_false(cfs_raft_change_members(&rb.raft, &three));
    raft_bench_has_all(&rb, 2);
    assert_int_equal(rb.raft.commit, last());
    change(&three);
}

static void voters_change_only_by_way_of_both_together(void **state)
{
    const struct cfs_membership refused[] = {
        final, /* at once */
        {0},
        {.learners = OLD},
        {.voters = OLD, .outgoing = OLD},
        {.voters = NEW, .outgoing = N(2) | N(3)},
        {.voters = NEW, .outgoing = NEW},
    };

    (void)state;
    lead();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_false(cfs_raft_change_members(&rb.raft, &refused[i]));
    change(&joint);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 4);
    assert_int_equal(rb.raft.commit, last());
    assert_false(cfs_raft_change_members(&rb.raft, &three)); /* no way back */
    assert_false(cfs_raft_change_members(&rb.raft, &joint));
    change(&final);
}

static void both_majorities_together_commit_while_the_change_is_joint(void **state)
{
    uint64_t before;

    (void)state;
    lead();
    before = rb.raft.commit;
    change(&joint);
    raft_bench_has_all(&rb, 4);
    raft_bench_has_all(&rb, 5);
    assert_int_equal(rb.raft.commit, before); /* a majority of the new ones, and of all five */
    raft_bench_has_all(&rb, 2);
    assert_int_equal(rb.raft.commit, last());
}

static void the_old_majority_alone_does_not_commit_a_joint_change(void **state)
{
    uint64_t before;

    (void)state;
    lead();
    before = rb.raft.commit;
    change(&joint);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    assert_int_equal(rb.raft.commit, before);
    raft_bench_has_all(&rb, 5);
    assert_int_equal(rb.raft.commit, last());
}

static void the_new_voters_alone_commit_the_end_of_a_change(void **state)
{
    uint64_t before;

    (void)state;
    lead();
    change(&joint);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 4);
    before = rb.raft.commit;
    change(&final);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    assert_int_equal(rb.raft.commit, before);
    raft_bench_has_all(&rb, 5);
    assert_int_equal(rb.raft.commit, last());
}

static void a_lease_needs_both_majorities_while_the_change_is_joint(void **state)
{
    cfs_time now;

    (void)state;
    lead();
    change(&joint);
    bench_pass(&rb.bench, CFS_SECONDS(1));
    now = rb.bench.env.now;
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    assert_true(cfs_raft_lease_until(&rb.raft) < now);
    bench_pass(&rb.bench, CFS_MS(1));
    raft_bench_has_all(&rb, 4);
    assert_true(cfs_raft_lease_until(&rb.raft) > now);
    assert_true(cfs_raft_lease_until(&rb.raft) <= now + rb.bench.config.lease);
}

static void a_leader_that_the_new_voters_do_not_answer_steps_down(void **state)
{
    (void)state;
    lead();
    change(&joint);
    bench_pass(&rb.bench, rb.bench.config.election);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    raft_bench_tick(&rb, rb.bench.config.election);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
}

static void both_majorities_together_elect_while_the_change_is_joint(void **state)
{
    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &joint));
    raft_bench_durable(&rb);
    raft_bench_time_out(&rb);
    for (cfs_node_id node = 2; node <= 5; node++)
        assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_VOTE, node), 1);
    raft_bench_receive(&rb, raft_vote(4, 2, true, 0));
    raft_bench_receive(&rb, raft_vote(5, 2, true, 0));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(2, 2, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_vote(2, 2, false, 0));
    raft_bench_receive(&rb, raft_vote(3, 2, false, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(4, 2, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void a_learner_gets_all_that_a_voter_gets_and_does_not_count(void **state)
{
    uint64_t before;

    (void)state;
    lead();
    change(&learning);
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    raft_bench_receive(
        &rb, (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                  .from = 4,
                                  .term = rb.raft.term,
                                  .append_reply = {.sent = rb.bench.env.now, .sound = true}});
    cfs_raft_flush(&rb.raft);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND, 4)->append.entry_count, last());
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 4);
    before = rb.raft.commit;
    propose();
    raft_bench_has_all(&rb, 4);
    assert_int_equal(rb.raft.commit, before);
    assert_int_equal(rb.raft.progress[4].match, last());
    bench_clear(&rb.bench);
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 4), 1);
    bench_pass(&rb.bench, CFS_SECONDS(1));
    raft_bench_has_all(&rb, 4);
    assert_true(cfs_raft_lease_until(&rb.raft) < rb.bench.env.now);
    raft_bench_tick(&rb, 0);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER); /* nor does it keep a leader in office */
}

static void a_learner_is_not_asked_for_its_vote_and_has_none(void **state)
{
    (void)state;
    raft_bench_receive(&rb, members_entry(2, 1, 0, 0, &learning));
    raft_bench_durable(&rb);
    raft_bench_time_out(&rb);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_VOTE, 4), 0);
    raft_bench_receive(&rb, raft_vote(4, 2, true, 0));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(2, 2, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_vote(4, 2, false, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
}

/* It might lead: what it says as a voter for itself counts like any other vote. */
static void a_leader_that_is_no_voter_counts_itself_for_nothing(void **state)
{
    const struct cfs_membership others = {.voters = N(2) | N(3), .outgoing = OLD};
    const struct cfs_membership end = {.voters = N(2) | N(3)};
    uint64_t before;

    (void)state;
    lead();
    change(&others);
    raft_bench_has_all(&rb, 2);
    assert_true(rb.raft.commit < last()); /* of two voters both are needed */
    raft_bench_has_all(&rb, 3);
    before = rb.raft.commit;
    change(&end);
    raft_bench_has_all(&rb, 2);
    assert_int_equal(rb.raft.commit, before);
    assert_int_equal(rb.raft.role, CFS_LEADER);
    raft_bench_has_all(&rb, 3);
    assert_int_equal(rb.raft.commit, last());
}

static void a_leader_that_was_removed_steps_down_when_that_is_committed(void **state)
{
    const struct cfs_membership others = {.voters = N(2) | N(3), .outgoing = OLD};
    const struct cfs_membership end = {.voters = N(2) | N(3)};

    (void)state;
    lead();
    change(&others);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    cfs_raft_leave_if_removed(&rb.raft);
    assert_int_equal(rb.raft.role, CFS_LEADER);
    change(&end);
    cfs_raft_leave_if_removed(&rb.raft);
    assert_int_equal(rb.raft.role, CFS_LEADER);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    cfs_raft_leave_if_removed(&rb.raft);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_TIMEOUT_NOW, 2), 1);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_TIMEOUT_NOW, 0), 1);
}

/* It never got the entry that removes it. */
static void who_looks_for_a_leader_and_is_no_member_is_told_who_leads(void **state)
{
    struct cfs_message pre = {.type = CFS_MSG_VOTE, .from = 3, .to = 1, .vote = {.pre = true}};

    (void)state;
    lead();
    pre.term = rb.raft.term + 1;
    raft_bench_receive(&rb, pre);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 3), 0); /* hears it anyway */
    pre.from = 9;
    raft_bench_receive(&rb, pre);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND, 9), 1);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND, 9)->append.prev_index, 0);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND, 9)->term, rb.raft.term);
}

/* What nodes said in an earlier life. */

static void who_was_added_is_believed_what_it_says_since(void **state)
{
    cfs_time before;

    (void)state;
    lead();
    before = rb.bench.env.now - 1;
    change(&learning);
    assert_int_equal(rb.raft.progress[4].match, 0);
    raft_bench_acknowledge(&rb, 4, last(), before);
    raft_bench_acknowledge(&rb, 4, last(), 0); /* it acknowledges nothing */
    assert_int_equal(rb.raft.progress[4].match, 0);
    assert_int_equal(rb.raft.progress[4].acked, 0);
    assert_true(rb.raft.progress[4].probing);
    raft_bench_acknowledge(&rb, 4, last(), before + 1);
    assert_int_equal(rb.raft.progress[4].match, last());
}

/* It may have a new disk. */
static void who_comes_back_begins_anew(void **state)
{
    cfs_time before;

    (void)state;
    lead();
    change(&learning);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 4);
    before = rb.bench.env.now;
    change(&three);
    raft_bench_has_all(&rb, 2);
    raft_bench_acknowledge(&rb, 4, last(), before); /* meanwhile it is nobody */
    bench_pass(&rb.bench, CFS_MS(1));
    change(&learning);
    assert_int_equal(rb.raft.progress[4].match, 0);
    raft_bench_acknowledge(&rb, 4, 2, before);
    assert_int_equal(rb.raft.progress[4].match, 0);
    assert_int_equal(rb.raft.progress[4].since, rb.bench.env.now);
}

/* Else a change of learners would lose what is known of the others. */
static void who_stays_goes_on_where_it_was(void **state)
{
    (void)state;
    lead();
    propose();
    raft_bench_has_all(&rb, 2);
    change(&learning);
    assert_int_equal(rb.raft.progress[2].match, last() - 1);
    assert_false(rb.raft.progress[2].probing);
}

static void answers_to_an_earlier_leadership_and_of_the_future_are_none(void **state)
{
    (void)state;
    lead();
    propose();
    raft_bench_acknowledge(&rb, 2, last(), rb.raft.leader_since - 1);
    raft_bench_acknowledge(&rb, 2, last(), rb.bench.env.now + 1);
    raft_bench_acknowledge(&rb, 2, last(), 0);
    assert_true(rb.raft.commit < last());
    raft_bench_receive(&rb,
                       (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                            .from = 2,
                                            .term = rb.raft.term,
                                            .append_reply = {.sent = rb.raft.leader_since - 1}});
    assert_false(rb.raft.progress[2].forgetful);
    raft_bench_acknowledge(&rb, 2, last(), rb.raft.leader_since);
    assert_int_equal(rb.raft.commit, last());
}

static void who_is_no_member_is_not_counted(void **state)
{
    (void)state;
    lead();
    propose();
    for (cfs_node_id node = 4; node <= 6; node++)
        raft_bench_has_all(&rb, node);
    assert_true(rb.raft.commit < last());
    assert_int_equal(rb.raft.progress[4].match, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_change_is_in_force_as_soon_as_it_is_in_the_log),
        T(a_change_that_is_cut_off_the_log_is_void),
        T(a_change_that_cannot_be_read_is_not_let_into_the_log),
        T(a_compacted_change_stays_in_force),
        T(a_checkpoint_says_who_the_members_were_at_its_index),
        T(a_restarted_node_knows_the_members_of_its_checkpoint_and_its_log),
        T(a_snapshot_brings_its_members_along),
        T(who_is_not_among_the_voters_does_not_stand),
        T(who_is_removed_stands_as_long_as_that_is_not_committed),
        T(who_may_be_needed_stands_after_a_restart),
        T(a_learner_does_not_stand),
        T(a_node_that_joins_knows_nobody_and_waits),
        T(only_a_leader_whose_first_entry_is_applied_changes_members),
        T(one_change_is_under_way_at_a_time),
        T(voters_change_only_by_way_of_both_together),
        T(both_majorities_together_commit_while_the_change_is_joint),
        T(the_old_majority_alone_does_not_commit_a_joint_change),
        T(the_new_voters_alone_commit_the_end_of_a_change),
        T(a_lease_needs_both_majorities_while_the_change_is_joint),
        T(a_leader_that_the_new_voters_do_not_answer_steps_down),
        T(both_majorities_together_elect_while_the_change_is_joint),
        T(a_learner_gets_all_that_a_voter_gets_and_does_not_count),
        T(a_learner_is_not_asked_for_its_vote_and_has_none),
        T(a_leader_that_is_no_voter_counts_itself_for_nothing),
        T(a_leader_that_was_removed_steps_down_when_that_is_committed),
        T(who_looks_for_a_leader_and_is_no_member_is_told_who_leads),
        T(who_was_added_is_believed_what_it_says_since),
        T(who_comes_back_begins_anew),
        T(who_stays_goes_on_where_it_was),
        T(answers_to_an_earlier_leadership_and_of_the_future_are_none),
        T(who_is_no_member_is_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
