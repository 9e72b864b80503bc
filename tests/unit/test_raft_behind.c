/* Nodes that may have forgotten what they promised and acknowledged: what they say, what counts,
 * and when they have caught up. Their votes are in test_raft_election.c. */
#include "raft_fixture.h"

static void acknowledge_forgetful(struct raft_bench *b, cfs_node_id peer, uint64_t match)
{
    raft_bench_receive(
        b, (struct cfs_message){
               .type = CFS_MSG_APPEND_REPLY,
               .from = peer,
               .term = b->raft.term,
               .append_reply = {.success = true, .match = match, .sent = b->bench.env.now}});
}

static void a_follower_that_may_have_forgotten_says_so(void **state)
{
    (void)state;
    raft_bench_heartbeat(&rb, 2, 1);
    assert_true(reply_to(2)->sound);
    rb.raft.amnesia = CFS_TORN;
    raft_bench_heartbeat(&rb, 2, 1);
    assert_false(reply_to(2)->sound);
    raft_bench_receive(&rb, raft_entries(2, 1, 5, 1, 1, 1));
    assert_false(reply_to(2)->sound || reply_to(2)->success);
}

static void what_a_forgetful_follower_has_commits_nothing(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    acknowledge_forgetful(&rb, 2, 1);
    acknowledge_forgetful(&rb, 3, 1);
    assert_int_equal(rb.raft.commit, 0);
    raft_bench_acknowledge(&rb, 3, 1, rb.bench.env.now); /* it has caught up */
    assert_int_equal(rb.raft.commit, 1);
}

static void a_forgetful_follower_gives_no_lease(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    acknowledge_forgetful(&rb, 2, 1);
    assert_int_equal(cfs_raft_lease_until(&rb.raft), 0);
    raft_bench_tick(&rb, 2 * rb.bench.config.election); /* nor does it keep a leader in office */
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
}

/* They catch up from it. If one is silent, it may lead by a vote that the other has forgotten. */
static void forgetful_followers_keep_a_leader_of_all_in_office_if_none_is_silent(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    rb.raft.unanimous = true;
    for (int i = 0; i < 10; i++) {
        acknowledge_forgetful(&rb, 2, 0);
        acknowledge_forgetful(&rb, 3, 0);
        raft_bench_tick(&rb, rb.bench.config.election);
        assert_int_equal(rb.raft.role, CFS_LEADER);
    }
    acknowledge_forgetful(&rb, 2, 0);
    raft_bench_tick(&rb, rb.bench.config.election);
    acknowledge_forgetful(&rb, 2, 0);
    raft_bench_tick(&rb, rb.bench.config.election);
    assert_int_equal(rb.raft.role, CFS_FOLLOWER);
}

static void a_follower_that_lost_its_log_is_sent_it_again(void **state)
{
    (void)state;
    lead();
    propose(3);
    raft_bench_durable(&rb);
    cfs_raft_flush(&rb.raft);
    raft_bench_acknowledge(&rb, 2, 4, rb.bench.env.now);
    bench_clear(&rb.bench);
    raft_bench_receive(&rb, (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                                 .from = 2,
                                                 .term = rb.raft.term,
                                                 .append_reply = {.sent = rb.bench.env.now}});
    assert_int_equal(rb.raft.progress[2].match, 0);
    cfs_raft_flush(&rb.raft);
    assert_int_equal(sent_to(2)->prev_index, 0);
    assert_int_equal(sent_to(2)->entry_count, 4);
}

/* An older answer says what is not so any more, a newer one what is so again. */
static void news_of_a_lost_disk_is_not_overtaken_by_what_was_said_before(void **state)
{
    cfs_time before;

    (void)state;
    lead();
    propose(2);
    raft_bench_durable(&rb);
    cfs_raft_flush(&rb.raft);
    before = rb.bench.env.now;
    bench_pass(&rb.bench, CFS_MS(10));
    acknowledge_forgetful(&rb, 2, 0);
    raft_bench_acknowledge(&rb, 2, 3, before);
    assert_true(rb.raft.progress[2].forgetful);
    assert_int_equal(rb.raft.progress[2].match, 0);
    assert_int_equal(rb.raft.commit, 1);
    raft_bench_acknowledge(&rb, 2, 3, rb.bench.env.now);
    assert_false(rb.raft.progress[2].forgetful);
    assert_int_equal(rb.raft.commit, 3);
    raft_bench_receive(&rb,
                       (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                            .from = 2,
                                            .term = rb.raft.term,
                                            .append_reply = {.success = true, .sent = before}});
    assert_false(rb.raft.progress[2].forgetful); /* nor the other way round */
    assert_int_equal(rb.raft.progress[2].match, 3);
}

/* When has a forgetful node caught up? With a leader that no promise of its can stand against. */

static uint64_t sound_at(cfs_node_id peer)
{
    cfs_raft_broadcast_heartbeat(&rb.raft, false);
    return sent_to(peer)->sound_at;
}

static void only_a_leader_that_others_follow_says_when_one_has_caught_up(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    rb.raft.unanimous = false;
    acknowledge_forgetful(&rb, 2, 0);
    assert_int_equal(sound_at(2), 0); /* nobody but itself */
    raft_bench_acknowledge(&rb, 3, 0, rb.bench.env.now);
    assert_int_equal(sound_at(2), rb.raft.noop_index);
    assert_int_equal(sound_at(3), 0); /* node 2 is forgetful: it does not count */
    bench_pass(&rb.bench, rb.bench.config.election);
    assert_int_equal(sound_at(2), 0); /* that was long ago */
}

static void a_leader_that_all_voted_for_says_when_one_has_caught_up(void **state)
{
    (void)state;
    raft_bench_lead(&rb);
    rb.raft.unanimous = true;
    assert_int_equal(sound_at(2), rb.raft.noop_index);
    propose(5);
    raft_bench_durable(&rb);
    raft_bench_acknowledge(&rb, 3, 4, rb.bench.env.now);
    assert_int_equal(rb.raft.commit, 4);
    assert_int_equal(sound_at(2), 4); /* and what it knows to be committed since */
}

/* A forgotten promise to another leader shows within this time. */
static void be_up_long_enough(void)
{
    bench_pass(&rb.bench, 2 * rb.bench.config.election);
}

static void catch_up(uint64_t prev, uint32_t count, uint64_t sound)
{
    struct cfs_message message = raft_entries(2, 1, prev, prev ? 1 : 0, count, 1);

    message.append.sound_at = sound;
    raft_bench_receive(&rb, message);
}

static void who_has_caught_up_says_it_once_and_only_when_it_is_durable(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_TORN;
    catch_up(0, 3, 3);
    assert_false(cfs_raft_caught_up(&rb.raft));
    raft_bench_durable(&rb);
    be_up_long_enough();
    catch_up(2, 0, 3); /* does not reach it */
    catch_up(3, 0, 0); /* a leader that cannot tell */
    catch_up(3, 0, 4); /* more is needed */
    assert_false(cfs_raft_caught_up(&rb.raft));
    catch_up(3, 0, 3);
    assert_true(cfs_raft_caught_up(&rb.raft));
    assert_int_equal(rb.raft.amnesia, CFS_REMEMBERS);
    assert_false(cfs_raft_caught_up(&rb.raft));
    catch_up(3, 0, 3);
    assert_false(cfs_raft_caught_up(&rb.raft));
    assert_true(reply_to(2)->sound);
}

/* Whoever the leader is counted on to say so may have followed another one before this node forgot
 * that it voted for that. */
static void nobody_has_caught_up_right_after_the_start(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_TORN;
    catch_up(0, 3, 0);
    raft_bench_durable(&rb);
    bench_pass(&rb.bench, 2 * rb.bench.config.election - 1);
    catch_up(3, 0, 3);
    assert_false(cfs_raft_caught_up(&rb.raft));
    assert_false(reply_to(2)->sound);
    bench_pass(&rb.bench, 1);
    catch_up(3, 0, 3);
    assert_true(reply_to(2)->sound); /* by now, though it is said below only */
    assert_true(cfs_raft_caught_up(&rb.raft));
}

/* Length is not agreement: entries of its own do not bring it up to the leader. */
static void a_log_that_does_not_agree_has_not_caught_up(void **state)
{
    struct cfs_message message = raft_entries(2, 2, 3, 2, 0, 0);

    (void)state;
    rb.raft.amnesia = CFS_TORN;
    catch_up(0, 3, 0);
    raft_bench_durable(&rb);
    be_up_long_enough();
    message.append.sound_at = 3;
    raft_bench_receive(&rb, message);
    assert_false(reply_to(2)->success);
    assert_false(cfs_raft_caught_up(&rb.raft));
}

static void a_forgetful_node_that_came_to_lead_has_caught_up_with_its_first_entry(void **state)
{
    (void)state;
    rb.raft.amnesia = CFS_TORN;
    raft_bench_lead(&rb);
    assert_false(cfs_raft_caught_up(&rb.raft));
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index, rb.bench.env.now);
    rb.raft.applied = rb.raft.commit;
    assert_true(cfs_raft_caught_up(&rb.raft));
    assert_false(cfs_raft_caught_up(&rb.raft));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_follower_that_may_have_forgotten_says_so),
        T(what_a_forgetful_follower_has_commits_nothing),
        T(a_forgetful_follower_gives_no_lease),
        T(forgetful_followers_keep_a_leader_of_all_in_office_if_none_is_silent),
        T(a_follower_that_lost_its_log_is_sent_it_again),
        T(news_of_a_lost_disk_is_not_overtaken_by_what_was_said_before),
        T(only_a_leader_that_others_follow_says_when_one_has_caught_up),
        T(a_leader_that_all_voted_for_says_when_one_has_caught_up),
        T(who_has_caught_up_says_it_once_and_only_when_it_is_durable),
        T(nobody_has_caught_up_right_after_the_start),
        T(a_log_that_does_not_agree_has_not_caught_up),
        T(a_forgetful_node_that_came_to_lead_has_caught_up_with_its_first_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
