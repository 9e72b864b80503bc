/* Leadership that is handed on (thesis 3.10): when, to whom, and what is void then. */
#include "core_bench.h"

#define LEARNER 4u

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

static uint64_t last(void)
{
    return cfs_log_last_index(&rb.raft.log);
}

/* Its first entry is committed and applied; nobody is probed. */
static void lead(void)
{
    raft_bench_lead(&rb);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, 3);
    rb.raft.applied = rb.raft.commit;
    bench_clear(&rb.bench);
}

static void append(void)
{
    cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, "x", 1);
}

/* Node 4 comes to learn. */
static void add_learner(void)
{
    struct cfs_membership members = rb.raft.members;

    members.learners = CFS_NODE_BIT(LEARNER);
    assert_true(cfs_raft_change_members(&rb.raft, &members));
    cfs_raft_flush(&rb.raft);
    raft_bench_has_all(&rb, 2);
    raft_bench_has_all(&rb, LEARNER);
}

static void a_leader_hands_on_to_a_voter_that_all_is_on_its_way_to(void **state)
{
    (void)state;
    lead();
    append();
    cfs_raft_flush(&rb.raft);
    assert_true(rb.raft.progress[2].match < last());
    assert_true(cfs_raft_transfer(&rb.raft, 2));
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_TIMEOUT_NOW, 2)->term, rb.raft.term);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_TIMEOUT_NOW, 0), 1);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
    assert_false(cfs_raft_serving(&rb.raft));
}

static void assert_keeps_leading(cfs_node_id to)
{
    assert_false(cfs_raft_transfer(&rb.raft, to));
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_TIMEOUT_NOW, 0), 0);
}

static void a_leader_keeps_what_nobody_is_ready_to_take(void **state)
{
    (void)state;
    assert_keeps_leading(2); /* none itself */
    raft_bench_lead(&rb);
    raft_bench_has_all(&rb, 2);
    assert_keeps_leading(2); /* that does not serve yet */
    rb.raft.applied = rb.raft.commit;
    assert_keeps_leading(3); /* whose log's end is not known */
    raft_bench_has_all(&rb, 3);
    rb.raft.progress[3].forgetful = true;
    assert_keeps_leading(3);
    assert_keeps_leading(1);
    assert_keeps_leading(4); /* no member */
    add_learner();
    assert_keeps_leading(LEARNER); /* no voter */
    raft_bench_has_all(&rb, 2);
    rb.raft.progress[2].inflight_count = CFS_INFLIGHT_MAX;
    append();
    assert_keeps_leading(2); /* there is no room to send it the newest entry */
}

static void what_was_held_for_the_successor_is_sent_ahead(void **state)
{
    (void)state;
    lead();
    append();
    cfs_raft_flush(&rb.raft);
    assert_null(bench_sent(&rb.bench, CFS_MSG_APPEND, 3)); /* node 2 makes the majority */
    assert_true(cfs_raft_transfer(&rb.raft, 3));
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_APPEND, 3)->append.entry_count, 1);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_TIMEOUT_NOW, 0), 1);
}

static struct cfs_message timeout_now(cfs_node_id from, uint64_t term)
{
    return (struct cfs_message){.type = CFS_MSG_TIMEOUT_NOW, .from = from, .term = term};
}

/* What was promised before the start has passed. */
static void be_up_for_a_while(void)
{
    bench_pass(&rb.bench, rb.bench.config.lease);
}

static void the_successor_stands_at_once(void **state)
{
    const struct cfs_msg_vote *vote;

    (void)state;
    be_up_for_a_while();
    raft_bench_heartbeat(&rb, 2, 1);
    assert_true(rb.raft.promise > rb.bench.env.now);
    raft_bench_receive(&rb, timeout_now(2, 1));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    assert_int_equal(rb.raft.term, 2);
    raft_bench_durable(&rb);
    for (cfs_node_id node = 2; node <= 3; node++) {
        vote = &bench_sent(&rb.bench, CFS_MSG_VOTE, node)->vote;
        assert_true(vote->transfer && !vote->pre && !vote->founding);
    }
    raft_bench_receive(&rb, raft_vote(3, 2, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
    assert_true(rb.raft.quiet_until <= rb.bench.env.now); /* there is no lease to wait for */
}

static void who_stands_again_later_does_so_on_its_own(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 1);
    raft_bench_receive(&rb, timeout_now(2, 1));
    raft_bench_durable(&rb);
    raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(3, 3, true, 0));
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.term, 3);
    assert_false(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.transfer);
}

static struct cfs_message transfer_vote(cfs_node_id from, uint64_t term)
{
    struct cfs_message message = raft_vote_request(from, term, false, 0, 0);

    message.vote.transfer = true;
    return message;
}

static const struct cfs_msg_vote_reply *vote_reply(cfs_node_id to)
{
    raft_bench_durable(&rb);
    return &bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, to)->vote_reply;
}

static void what_was_promised_to_a_leader_that_hands_on_is_void(void **state)
{
    (void)state;
    be_up_for_a_while();
    raft_bench_heartbeat(&rb, 2, 1);
    raft_bench_receive(&rb, transfer_vote(3, 2));
    assert_true(vote_reply(3)->granted);
    assert_int_equal(vote_reply(3)->promise, 0);
}

/* It may have been a later leader's: a term is heard of before it is durable. */
static void what_was_promised_before_the_start_is_not(void **state)
{
    (void)state;
    raft_bench_receive(&rb, transfer_vote(3, 1));
    assert_true(vote_reply(3)->granted);
    assert_int_equal(vote_reply(3)->promise, rb.bench.config.lease);
}

static void what_was_promised_to_another_leader_is_not(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 1);
    raft_bench_receive(&rb, transfer_vote(3, 3)); /* at the request of the leader of term 2 */
    assert_true(vote_reply(3)->granted);
    assert_true(vote_reply(3)->promise > 0);
    raft_bench_heartbeat(&rb, 2, 4);
    raft_bench_receive(&rb, transfer_vote(3, 4)); /* of the leader of term 3 */
    assert_true(vote_reply(3)->promise > 0);
}

static void assert_stays(struct cfs_message message)
{
    enum cfs_role role = rb.raft.role;
    uint64_t term = rb.raft.term;

    raft_bench_receive(&rb, message);
    assert_true(rb.raft.role == role && rb.raft.term == term);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_VOTE, 0), 0);
}

static void a_request_to_stand_that_is_out_of_date_is_ignored(void **state)
{
    (void)state;
    assert_stays(timeout_now(2, 0)); /* nobody leads */
    raft_bench_heartbeat(&rb, 2, 5);
    assert_stays(timeout_now(2, 4));
    assert_stays(timeout_now(2, 6));
    assert_stays(timeout_now(3, 5)); /* it does not lead */
    assert_true(rb.raft.promise > rb.bench.env.now);
    rb.raft.replaced = true;
    assert_stays(timeout_now(2, 5));
    rb.raft.replaced = false;
    rb.raft.members.voters = CFS_NODE_BIT(2) | CFS_NODE_BIT(3);
    assert_stays(timeout_now(2, 5)); /* it has no vote any more */
}

static void a_leader_or_candidate_is_not_asked_to_stand(void **state)
{
    (void)state;
    lead();
    assert_stays(timeout_now(2, rb.raft.term));
    raft_bench_heartbeat(&rb, 2, rb.raft.term + 1);
    raft_bench_time_out(&rb);
    bench_clear(&rb.bench);
    assert_stays(timeout_now(2, rb.raft.term));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_leader_hands_on_to_a_voter_that_all_is_on_its_way_to),
        T(a_leader_keeps_what_nobody_is_ready_to_take),
        T(what_was_held_for_the_successor_is_sent_ahead),
        T(the_successor_stands_at_once),
        T(who_stands_again_later_does_so_on_its_own),
        T(what_was_promised_to_a_leader_that_hands_on_is_void),
        T(what_was_promised_before_the_start_is_not),
        T(what_was_promised_to_another_leader_is_not),
        T(a_request_to_stand_that_is_out_of_date_is_ignored),
        T(a_leader_or_candidate_is_not_asked_to_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
