/* Nodes with new disks: how they found a cluster, and that they have no voice in one that is there.
 */
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

static struct cfs_message blank_vote(cfs_node_id from, uint64_t term, bool pre)
{
    struct cfs_message vote = raft_vote(from, term, pre, 0);

    vote.vote_reply.amnesia = CFS_BLANK;
    return vote;
}

static struct cfs_message torn_vote(cfs_node_id from, uint64_t term)
{
    struct cfs_message vote = raft_vote(from, term, true, 0);

    vote.vote_reply.amnesia = CFS_TORN;
    return vote;
}

static struct cfs_message founding_vote(cfs_node_id from, uint64_t term)
{
    struct cfs_message vote = raft_vote_request(from, term, false, 0, 0);

    vote.vote.founding = true;
    return vote;
}

/* A cluster that is made anew has blank members alone: it starts when all are there, and then
 * nobody has forgotten anything. */
static void blank_members_found_a_cluster_once_all_are_there(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_BLANK;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, blank_vote(2, 1, true));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    assert_false(bench_sent(&rb.bench, CFS_MSG_VOTE, 2)->vote.founding);
    raft_bench_receive(&rb, blank_vote(3, 1, true));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&rb);
    assert_true(bench_sent(&rb.bench, CFS_MSG_VOTE, 2)->vote.founding);
    assert_true(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.founding);
    assert_true(cfs_raft_caught_up(&rb.raft));
    raft_bench_receive(&rb, raft_vote(3, 1, false, 0)); /* that one is sound by now, too */
    assert_int_equal(rb.raft.role, CFS_LEADER);
}

static void a_blank_node_alone_founds_its_cluster(void **state)
{
    struct raft_bench alone;

    (void)state;
    raft_bench_open(&alone, 1);
    alone.raft.amnesia = CFS_BLANK;
    raft_bench_tick(&alone, 0);
    raft_bench_durable(&alone);
    assert_int_equal(alone.raft.role, CFS_LEADER);
    assert_true(cfs_raft_caught_up(&alone.raft));
    raft_bench_close(&alone);
}

static void who_votes_for_the_founder_has_forgotten_nothing(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_BLANK;
    raft_bench_receive(&rb, founding_vote(2, 1));
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->granted && reply_to(2)->amnesia == CFS_REMEMBERS);
    assert_true(cfs_raft_caught_up(&rb.raft));
    assert_int_equal(rb.raft.amnesia, CFS_REMEMBERS);
    raft_bench_receive(&rb, founding_vote(3, 2));
    raft_bench_durable(&rb);
    assert_true(reply_to(3)->granted);
    assert_false(cfs_raft_caught_up(&rb.raft)); /* it is said once */
}

static void who_does_not_vote_for_the_founder_stays_as_it_is(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_BLANK;
    raft_bench_receive(&rb, raft_vote_request(2, 1, false, 0, 0)); /* none of a founder */
    raft_bench_durable(&rb);
    assert_true(reply_to(2)->granted && reply_to(2)->amnesia == CFS_BLANK);
    raft_bench_receive(&rb, founding_vote(3, 1)); /* its vote is given away */
    raft_bench_durable(&rb);
    assert_false(reply_to(3)->granted);
    assert_int_equal(reply_to(3)->amnesia, CFS_BLANK);
    assert_false(cfs_raft_caught_up(&rb.raft));
}

/* Somebody has something: then of a new disk it is not known what was on the old one. */
static void one_member_that_has_something_keeps_the_others_from_founding(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_BLANK;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, blank_vote(2, 1, true));
    raft_bench_receive(
        &rb,
        (struct cfs_message){.type = CFS_MSG_VOTE_REPLY, .from = 3, .vote_reply = {.pre = true}});
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_time_out(&rb);
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    assert_int_equal(rb.raft.term, 0);
    assert_false(cfs_raft_caught_up(&rb.raft));
}

/* Not even when everybody votes. */
static void a_blank_vote_does_not_count_where_there_is_something(void **state)
{
    (void)state;
    give_log();
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, blank_vote(2, rb.raft.term + 1, true));
    raft_bench_receive(&rb, blank_vote(3, rb.raft.term + 1, true));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    rb.raft.amnesia = CFS_TORN; /* nor for one whose log was torn */
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, blank_vote(2, rb.raft.term + 1, true));
    raft_bench_receive(&rb, raft_vote(3, rb.raft.term + 1, true, 0));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    rb.raft.amnesia = CFS_BLANK; /* nor its own, as soon as it was given something */
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, torn_vote(2, rb.raft.term + 1));
    raft_bench_receive(&rb, torn_vote(3, rb.raft.term + 1));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    assert_false(cfs_raft_caught_up(&rb.raft));
}

static void a_blank_vote_does_not_count_for_who_remembers_that_there_was_nothing(void **state)
{
    (void)state;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, blank_vote(2, 1, true));
    raft_bench_receive(&rb, blank_vote(3, 1, true));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
}

/* Two that remember need no third; a blank one may ask, but it cannot do without both. */
static void a_blank_candidate_wins_by_a_majority_that_remembers(void **state)
{
    (void)state;
    give_log();
    rb.raft.amnesia = CFS_BLANK;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, raft_vote(2, rb.raft.term + 1, true, 0));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(3, rb.raft.term + 1, true, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_durable(&rb);
    assert_false(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.founding);
    raft_bench_receive(&rb, raft_vote(2, rb.raft.term, false, 0));
    assert_int_equal(rb.raft.role, CFS_CANDIDATE);
    raft_bench_receive(&rb, raft_vote(3, rb.raft.term, false, 0));
    assert_int_equal(rb.raft.role, CFS_LEADER);
    assert_false(rb.raft.unanimous); /* without its own */
}

/* Leadership comes back to it, at the leader's request. */
static void who_founded_it_once_stands_later_like_any_other(void **state)
{
    (void)state;
    blank_members_found_a_cluster_once_all_are_there(state);
    raft_bench_durable(&rb);
    raft_bench_heartbeat(&rb, 2, 2);
    bench_clear(&rb.bench);
    raft_bench_receive(&rb,
                       (struct cfs_message){.type = CFS_MSG_TIMEOUT_NOW, .from = 2, .term = 2});
    raft_bench_durable(&rb);
    assert_non_null(bench_sent(&rb.bench, CFS_MSG_VOTE, 3));
    assert_false(bench_sent(&rb.bench, CFS_MSG_VOTE, 3)->vote.founding);
}

/* Of a group that others have by now, though none of its first members has. */
static void what_is_known_to_be_founded_is_not_founded_again(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_BLANK;
    rb.raft.founded = true;
    raft_bench_time_out(&rb);
    raft_bench_receive(&rb, blank_vote(2, 1, true));
    raft_bench_receive(&rb, blank_vote(3, 1, true));
    assert_int_equal(rb.raft.role, CFS_PRE_CANDIDATE);
    raft_bench_receive(&rb, founding_vote(2, 1)); /* by one who does not know it */
    raft_bench_durable(&rb);
    assert_false(reply_to(2)->granted);
    assert_false(cfs_raft_caught_up(&rb.raft));
    raft_bench_receive(&rb, raft_vote_request(3, 1, false, 5, 1)); /* who has something may lead */
    raft_bench_durable(&rb);
    assert_true(reply_to(3)->granted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(blank_members_found_a_cluster_once_all_are_there),
        T(a_blank_node_alone_founds_its_cluster),
        T(who_votes_for_the_founder_has_forgotten_nothing),
        T(who_does_not_vote_for_the_founder_stays_as_it_is),
        T(one_member_that_has_something_keeps_the_others_from_founding),
        T(a_blank_vote_does_not_count_where_there_is_something),
        T(a_blank_vote_does_not_count_for_who_remembers_that_there_was_nothing),
        T(a_blank_candidate_wins_by_a_majority_that_remembers),
        T(who_founded_it_once_stands_later_like_any_other),
        T(what_is_known_to_be_founded_is_not_founded_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
