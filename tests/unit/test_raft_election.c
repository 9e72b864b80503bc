/* Elections: whom a node votes for, when, and what its vote tells. */
#include "core_bench.h"

static struct raft_bench rb;

static int set_up(void **state)
{
    raft_bench_open(&rb, 3);
    rb.raft.promise = 0; /* as if it had been running for long */
    *state = &rb;
    return 0;
}

static int tear_down(void **state)
{
    raft_bench_close(*state);
    return 0;
}

static const struct cfs_msg_vote_reply *reply_to(cfs_node_id candidate)
{
    const struct cfs_message *message = bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, candidate);

    return message ? &message->vote_reply : NULL;
}

/* Node 1 has a log that ends at index 3, term 2, and has not heard of a leader for long. */
static void give_log(void)
{
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 2, 1));
    raft_bench_receive(&rb, raft_entries(2, 2, 2, 1, 1, 2));
    raft_bench_durable(&rb);
    bench_pass(&rb.bench, CFS_SECONDS(10));
    bench_clear(&rb.bench);
}

static void a_vote_is_durable_before_it_is_granted_on_the_wire(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    assert_null(reply_to(2));
    assert_int_equal(bench_effect(&rb.bench, CFS_FX_PERSIST)->record.vote, 2);
    assert_int_equal(bench_effect(&rb.bench, CFS_FX_PERSIST)->record.term, 1);
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->granted);
}

static void there_is_one_vote_in_a_term(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    raft_bench_receive(&rb, raft_vote_request(3, 1, false, 9, 9));
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->granted);
    assert_false(reply_to(3)->granted);
}

static void there_is_one_vote_in_a_term_even_across_a_restart(void **state)
{
    struct cfs_record record = {.type = CFS_RECORD_HARD_STATE, .term = 1, .vote = 2};
    struct raft_bench again = {0};

    (void)state;
    bench_open(&again.bench, 3);
    bench_raft_init(&again.bench, &again.raft);
    cfs_raft_restore(&again.raft, &record, 0);
    cfs_raft_start(&again.raft);
    raft_bench_receive(&again, raft_vote_request(3, 1, false, 9, 9));
    raft_bench_durable(&again);
    assert_false(bench_sent(&again.bench, CFS_MSG_VOTE_REPLY, 3)->vote_reply.granted);
    raft_bench_close(&again);
}

static void the_same_candidate_may_ask_twice(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    raft_bench_durable(&rb);
    bench_clear(&rb.bench);
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    assert_true(reply_to(2)->granted);
    assert_int_equal(bench_effect_count(&rb.bench, CFS_FX_PERSIST), 0);
}

static void a_new_term_brings_a_new_vote(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    raft_bench_receive(&rb, raft_vote_request(3, 2, false, 0, 0));
    raft_bench_durable(&rb);
    assert_true(reply_to(3)->granted);
}

static void a_candidate_of_an_older_term_is_told_the_newer_one(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    raft_bench_receive(&rb, raft_vote_request(3, 4, false, 9, 9));
    raft_bench_durable(&rb);
    assert_false(reply_to(3)->granted);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, 3)->term, 5);
}

/* Terms first, then length (thesis 3.6.1). */
static void a_candidate_whose_log_is_behind_gets_no_vote(void **state)
{
    static const struct {
        uint64_t index, term;
        bool granted;
    } cases[] = {{2, 2, false}, {9, 1, false}, {3, 2, true}, {4, 2, true}, {1, 3, true}};

    (void)state;
    give_log();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        raft_bench_receive(&rb, raft_vote_request(3, 10 + i, false, cases[i].index, cases[i].term));
        raft_bench_durable(&rb);
        assert_int_equal(reply_to(3)->granted, cases[i].granted);
        raft_bench_receive(&rb, raft_vote_request(3, 11 + i, true, cases[i].index, cases[i].term));
        assert_int_equal(reply_to(3)->granted, cases[i].granted);
    }
}

static void a_pre_vote_does_not_disturb_a_live_leader(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    raft_bench_receive(&rb, raft_vote_request(3, 6, true, 9, 9));
    assert_false(reply_to(3)->granted);
    assert_int_equal(rb.raft.term, 5);
    assert_int_equal(rb.raft.leader, 2);
    bench_pass(&rb.bench, CFS_MS(250));
    raft_bench_receive(&rb, raft_vote_request(3, 6, true, 9, 9));
    assert_true(reply_to(3)->granted);
    assert_int_equal(rb.raft.term, 5); /* still only a question */
    assert_int_equal(rb.raft.vote, 0);
}

static void a_pre_vote_for_a_term_that_is_no_newer_is_refused_and_told_the_term(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    bench_pass(&rb.bench, CFS_SECONDS(1));
    raft_bench_receive(&rb, raft_vote_request(3, 5, true, 9, 9));
    assert_false(reply_to(3)->granted);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, 3)->term, 5);
    raft_bench_receive(&rb, raft_vote_request(3, 9, true, 0, 0));
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, 3)->term, 9); /* granted */
    raft_bench_heartbeat(&rb, 2, 5);
    raft_bench_receive(&rb, raft_vote_request(3, 9, true, 0, 0));
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE_REPLY, 3)->term, 5); /* refused */
}

static void who_votes_for_another_does_not_stand_soon_after(void **state)
{
    (void)state;
    rb.raft.term = 1;
    rb.raft.election_due = rb.bench.env.now;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    assert_true(rb.raft.election_due >= rb.bench.env.now + CFS_MS(250));
}

static void who_asks_for_votes_follows_nobody(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.leader, 0);
    assert_false(rb.raft.leader_serving);
    raft_bench_receive(&rb, raft_vote(3, 6, true, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    assert_int_equal(rb.raft.leader, 0);
}

static void a_leader_grants_no_pre_vote(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    raft_bench_receive(&rb, raft_vote_request(3, 9, true, 9, 9));
    assert_false(reply_to(3)->granted);
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void a_leader_whose_process_is_gone_protects_nobody_from_a_pre_vote(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    cfs_raft_refused(&rb.raft, 2);
    raft_bench_receive(&rb, raft_vote_request(3, 6, true, 9, 9));
    assert_true(reply_to(3)->granted);
}

static void a_vote_tells_what_is_left_of_the_promise_to_the_old_leader(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    bench_pass(&rb.bench, CFS_MS(150));
    raft_bench_receive(&rb, raft_vote_request(3, 6, false, 9, 9));
    raft_bench_durable(&rb);
    assert_true(reply_to(3)->granted);
    assert_int_equal(reply_to(3)->promise, CFS_MS(50));
    bench_pass(&rb.bench, CFS_MS(150));
    raft_bench_receive(&rb, raft_vote_request(3, 6, false, 9, 9));
    assert_int_equal(reply_to(3)->promise, 0);
}

static void who_could_not_win_never_raises_the_term(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.term, 0);
    assert_int_equal(bench_effect_count(&rb.bench, CFS_FX_PERSIST), 0);
}

static void a_majority_of_pre_votes_makes_a_candidate(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->term, 1);
    assert_true(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.pre);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    assert_int_equal(rb.raft.term, 1);
    assert_int_equal(rb.raft.vote, BENCH_SELF);
    assert_true(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.pre);
    raft_bench_durable(&rb); /* it must not forget in which term, and on which log, it stood */
    assert_false(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.pre);
}

static void a_candidate_counts_its_own_vote_only_when_it_is_durable(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_receive(&rb, raft_vote(3, 1, false, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void a_candidate_with_a_slow_disk_may_win_by_the_votes_of_others(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_receive(&rb, raft_vote(3, 1, false, 0));
    raft_bench_receive(&rb, raft_vote(2, 1, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void one_voter_counts_once(void **state)
{
    struct raft_bench five;

    (void)state;
    raft_bench_open(&five, 5);
    raft_bench_time_out(&five);
    for (int i = 0; i < 4; i++)
        raft_bench_receive(&five, raft_vote(3, 1, true, 0));
    assert_int_equal(five.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&five, raft_vote(4, 1, true, 0));
    assert_int_equal(five.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&five);
    for (int i = 0; i < 4; i++)
        raft_bench_receive(&five, raft_vote(3, 1, false, 0));
    assert_int_equal(five.raft.role, CFS_CANDIDATE);
    raft_bench_close(&five);
}

static void votes_of_another_term_or_round_do_not_count(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, false, 0)); /* a vote, while it asks for pre-votes */
    raft_bench_receive(&rb, raft_vote(3, 7, true, 0));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0)); /* a pre-vote, while it stands */
    raft_bench_receive(&rb, raft_vote(3, 0, false, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
}

static void a_refusal_by_a_newer_term_ends_the_attempt(void **state)
{
    struct cfs_message refusal = raft_vote(3, 8, true, 0);

    (void)state;
    refusal.vote_reply.granted = false;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, refusal);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(rb.raft.term, 8);
}

static void a_refusal_of_the_same_term_leaves_the_other_votes_to_be_counted(void **state)
{
    struct cfs_message refusal = raft_vote(3, 1, false, 0);

    (void)state;
    refusal.vote_reply.granted = false;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(2, 1, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, refusal);
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(2, 1, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void a_candidate_follows_whoever_won_its_term(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_heartbeat(&rb, 2, 1);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
    assert_int_equal(rb.raft.leader, 2);
    assert_int_equal(rb.raft.vote, BENCH_SELF);
}

/* A follower that knows its leader to be gone stands at once; if it was wrong, the lease holds. */
static void a_new_leader_serves_only_after_the_longest_promise_of_its_quorum(void **state)
{
    cfs_time voted;

    (void)state;
    raft_bench_heartbeat(&rb, 2, 5); /* node 1 owes node 2 a lease */
    cfs_raft_refused(&rb.raft, 2);
    raft_bench_tick(&rb, CFS_MS(32));
    raft_bench_receive(&rb, raft_vote(3, 6, true, CFS_MS(190)));
    voted = rb.bench.env.now;
    raft_bench_receive(&rb, raft_vote(3, 6, false, CFS_MS(190)));
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.role, CFS_LEADER);
    assert_true(rb.raft.quiet_until >= voted + CFS_MS(190) + CFS_CLOCK_GUARD(CFS_MS(190)));
    rb.raft.applied = rb.raft.noop_index;
    rb.bench.env.now = rb.raft.quiet_until - 1;
    assert_false(cfs_raft_serving(&rb.raft));
    rb.bench.env.now++;
    assert_true(cfs_raft_serving(&rb.raft));
}

static void a_new_leader_honours_its_own_promise_too(void **state)
{
    cfs_time heard = rb.bench.env.now;

    (void)state;
    raft_bench_heartbeat(&rb, 2, 5);
    cfs_raft_refused(&rb.raft, 2);
    raft_bench_tick(&rb, CFS_MS(32));
    raft_bench_receive(&rb, raft_vote(3, 6, true, 0));
    raft_bench_receive(&rb, raft_vote(3, 6, false, 0));
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.role, CFS_LEADER);
    assert_true(rb.raft.quiet_until >= heard + CFS_MS(200));
}

/* Heartbeats are answered before the new term is on the disk; a crash right then forgets the term,
 * and must not forget that a lease was granted. */
static void a_node_that_crashes_after_its_first_heartbeat_still_owes_the_lease(void **state)
{
    struct raft_bench again;

    (void)state;
    raft_bench_heartbeat(&rb, 2, 1);
    assert_int_equal(bench_sent_count(&rb.bench, CFS_MSG_APPEND_REPLY, 2), 1);
    raft_bench_open(&again, 3); /* nothing was durable */
    raft_bench_receive(&again, raft_vote_request(3, 2, false, 0, 0));
    raft_bench_durable(&again);
    assert_true(bench_sent(&again.bench, CFS_MSG_VOTE_REPLY, 3)->vote_reply.promise >= CFS_MS(200));
    raft_bench_close(&again);
}

/* Otherwise a disk that needs longer than an election timeout would never elect anybody. */
static void a_candidate_waits_for_its_disk_rather_than_stand_again(void **state)
{
    struct raft_bench alone;

    (void)state;
    raft_bench_open(&alone, 1);
    raft_bench_tick(&alone, 0);
    for (int i = 0; i < 10; i++)
        raft_bench_time_out(&alone);
    assert_int_equal(alone.raft.term, 1);
    raft_bench_durable(&alone);
    assert_int_equal(alone.raft.role, CFS_LEADER);
    raft_bench_close(&alone);
}

/* Who may have forgotten promises. */

static struct cfs_message forgetful_vote(cfs_node_id from, uint64_t term, bool pre)
{
    struct cfs_message vote = raft_vote(from, term, pre, 0);

    vote.vote_reply.amnesia = CFS_TORN;
    return vote;
}

static void a_voter_that_may_have_forgotten_promises_says_so(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_TORN;
    raft_bench_receive(&rb, raft_vote_request(2, 1, true, 0, 0));
    assert_true(reply_to(2)->granted && reply_to(2)->amnesia == CFS_TORN);
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0));
    raft_bench_durable(&rb);
    assert_true(!reply_to(2)->pre && reply_to(2)->granted && reply_to(2)->amnesia == CFS_TORN);
    rb.raft.amnesia = CFS_REMEMBERS;
    raft_bench_receive(&rb, raft_vote_request(3, 2, false, 0, 0));
    raft_bench_durable(&rb);
    assert_true(reply_to(3)->granted && reply_to(3)->amnesia == CFS_REMEMBERS);
}

static void a_forgetful_vote_counts_only_when_all_members_vote(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, forgetful_vote(2, 1, false));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_receive(&rb, forgetful_vote(3, 1, false)); /* now there are all of them */
    assert_int_equal(rb.raft.role, CFS_LEADER);
    assert_true(rb.raft.unanimous);
}

static void a_majority_of_the_others_needs_no_forgetful_vote(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_durable(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
    assert_false(rb.raft.unanimous);
}

static void a_forgetful_pre_vote_counts_only_when_all_members_vote(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, forgetful_vote(2, 1, true));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, forgetful_vote(3, 1, true));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
}

/* For people: why nobody is elected. */
static void who_voted_in_vain_is_known_until_somebody_leads(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.doubted, 0);
    raft_bench_receive(&rb, forgetful_vote(2, 1, true));
    raft_bench_time_out(&rb); /* another round */
    assert_int_equal(rb.raft.doubted, CFS_NODE_BIT(2));
    raft_bench_receive(&rb, forgetful_vote(3, 1, true));
    assert_int_equal(rb.raft.doubted, CFS_NODE_BIT(2) | CFS_NODE_BIT(3));
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0)); /* it has caught up since */
    assert_int_equal(rb.raft.doubted, CFS_NODE_BIT(2));
    raft_bench_heartbeat(&rb, 3, 1);
    assert_int_equal(rb.raft.doubted, 0);
}

/* Its own vote is no better than that of another in its place. */
static void a_forgetful_candidate_needs_a_majority_besides_itself(void **state)
{
    struct raft_bench five;

    (void)state;
    raft_bench_open(&five, 5);
    five.raft.amnesia = CFS_TORN;
    raft_bench_time_out(&five);
    raft_bench_receive(&five, raft_vote(2, 1, true, 0));
    raft_bench_receive(&five, raft_vote(3, 1, true, 0));
    assert_int_equal(five.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&five, raft_vote(4, 1, true, 0));
    assert_int_equal(five.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&five);
    raft_bench_receive(&five, raft_vote(2, 1, false, 0));
    raft_bench_receive(&five, raft_vote(3, 1, false, 0));
    assert_int_equal(five.raft.role, CFS_CANDIDATE);
    raft_bench_receive(&five, raft_vote(4, 1, false, 0));
    assert_int_equal(five.raft.role, CFS_LEADER);
    assert_false(five.raft.unanimous);
    raft_bench_close(&five);
}

/* A vote that is not on the disk yet is one that may be forgotten. */
static void all_members_have_voted_only_when_its_own_vote_is_durable(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(3, 1, true, 0));
    raft_bench_receive(&rb, forgetful_vote(2, 1, false));
    raft_bench_receive(&rb, forgetful_vote(3, 1, false));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&rb);
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

/* Or it could ask for votes, crash, and ask in the same term again with another log. */
static void votes_are_asked_for_when_the_log_they_stand_on_is_durable(void **state)
{
    (void)state;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 3, 1));
    raft_bench_time_out(&rb);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.last_index, 3);
    raft_bench_receive(&rb, raft_vote(3, 2, true, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    cfs_env_persisted(&rb.bench.env, rb.bench.env.lsn - 1);
    assert_true(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.pre);
    raft_bench_durable(&rb);
    assert_false(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.pre);
    assert_int_equal(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.last_index, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_vote_is_durable_before_it_is_granted_on_the_wire),
        T(there_is_one_vote_in_a_term),
        T(there_is_one_vote_in_a_term_even_across_a_restart),
        T(the_same_candidate_may_ask_twice),
        T(a_new_term_brings_a_new_vote),
        T(a_candidate_of_an_older_term_is_told_the_newer_one),
        T(a_candidate_whose_log_is_behind_gets_no_vote),
        T(a_pre_vote_does_not_disturb_a_live_leader),
        T(a_pre_vote_for_a_term_that_is_no_newer_is_refused_and_told_the_term),
        T(who_votes_for_another_does_not_stand_soon_after),
        T(who_asks_for_votes_follows_nobody),
        T(a_leader_grants_no_pre_vote),
        T(a_leader_whose_process_is_gone_protects_nobody_from_a_pre_vote),
        T(a_vote_tells_what_is_left_of_the_promise_to_the_old_leader),
        T(who_could_not_win_never_raises_the_term),
        T(a_majority_of_pre_votes_makes_a_candidate),
        T(a_candidate_counts_its_own_vote_only_when_it_is_durable),
        T(a_candidate_with_a_slow_disk_may_win_by_the_votes_of_others),
        T(one_voter_counts_once),
        T(votes_of_another_term_or_round_do_not_count),
        T(a_refusal_by_a_newer_term_ends_the_attempt),
        T(a_refusal_of_the_same_term_leaves_the_other_votes_to_be_counted),
        T(a_candidate_follows_whoever_won_its_term),
        T(a_new_leader_serves_only_after_the_longest_promise_of_its_quorum),
        T(a_new_leader_honours_its_own_promise_too),
        T(a_node_that_crashes_after_its_first_heartbeat_still_owes_the_lease),
        T(a_candidate_waits_for_its_disk_rather_than_stand_again),
        T(a_voter_that_may_have_forgotten_promises_says_so),
        T(a_forgetful_vote_counts_only_when_all_members_vote),
        T(a_majority_of_the_others_needs_no_forgetful_vote),
        T(a_forgetful_pre_vote_counts_only_when_all_members_vote),
        T(who_voted_in_vain_is_known_until_somebody_leads),
        T(a_forgetful_candidate_needs_a_majority_besides_itself),
        T(all_members_have_voted_only_when_its_own_vote_is_durable),
        T(votes_are_asked_for_when_the_log_they_stand_on_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
