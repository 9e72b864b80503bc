/* From where a group should be to where it is: node 1 leads it, looks, and proposes one step after
 * the other. It begins where it should be, on nodes 1 to 3. */
#include "core_guest_bench.h"

#define N(node) CFS_NODE_BIT(node)
#define FIRST (N(1) | N(2) | N(3))
#define HEARTBEAT CFS_MS(60)

static struct guest_bench gb;
static struct cfs_raft *const raft = &gb.hb.rb.raft;
static struct cfs_env *const env = &gb.hb.rb.bench.env;

static int set_up(void **state)
{
    guest_bench_open(&gb);
    *state = &gb;
    return 0;
}

static int tear_down(void **state)
{
    guest_bench_close(*state);
    return 0;
}

static void look(void)
{
    guest_bench_look(&gb, HEARTBEAT);
}

static void assert_members(cfs_node_set voters, cfs_node_set outgoing, cfs_node_set learners)
{
    guest_bench_assert_members(&gb, voters, outgoing, learners);
}

/* Those nodes are not heard any more, and that is known. */
static void go_away(cfs_node_set nodes)
{
    gb.away = nodes;
    for (int i = 0; i < 4; i++)
        guest_bench_look(&gb, gb.hb.rb.bench.config.election / 2);
}

static const struct cfs_message *handed_to(cfs_node_id node)
{
    return bench_sent(&gb.hb.rb.bench, CFS_MSG_TIMEOUT_NOW, node);
}

/* More entries than a learner may be behind. */
static void lengthen_log(void)
{
    for (int i = 0; i < 300; i++)
        cfs_raft_propose(raft, CFS_ENTRY_NOOP, NULL, 0);
    guest_bench_commit(&gb);
}

/* One move. */

static void a_group_that_is_where_it_should_be_stays(void **state)
{
    uint64_t end = home_bench_log_end(&gb.hb);

    (void)state;
    guest_bench_come_to_rest(&gb);
    assert_members(FIRST, 0, 0);
    assert_int_equal(home_bench_log_end(&gb.hb), end);
    assert_int_equal(env->moving, 0);
}

static void a_new_replica_learns_then_both_decide_then_the_new_ones_alone(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 2, 4);
    look();
    assert_members(FIRST, 0, N(4));
    look();
    assert_members(N(1) | N(2) | N(4), FIRST, 0);
    look();
    assert_members(N(1) | N(2) | N(4), 0, 0);
    guest_bench_come_to_rest(&gb);
    assert_members(N(1) | N(2) | N(4), 0, 0);
}

static void the_next_step_waits_for_the_last_one(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 2, 4);
    look();
    gb.away = N(2) | N(3);
    look();
    assert_members(FIRST, 0, N(4)); /* that is not committed */
    gb.away = 0;
    look();
    assert_members(N(1) | N(2) | N(4), FIRST, 0);
}

static void two_that_are_new_come_together(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 4, 5);
    look();
    assert_members(FIRST, 0, N(4) | N(5));
    gb.away = N(5);
    guest_bench_come_to_rest(&gb);
    assert_members(FIRST, 0, N(4) | N(5));
    gb.away = 0;
    guest_bench_come_to_rest(&gb);
    assert_members(N(1) | N(4) | N(5), 0, 0);
}

static void a_learner_votes_when_it_has_nearly_all_of_the_log(void **state)
{
    (void)state;
    lengthen_log();
    guest_bench_place(&gb, 1, 2, 4);
    gb.lagging = N(4);
    guest_bench_come_to_rest(&gb);
    assert_members(FIRST, 0, N(4));
    gb.lagging = 0;
    guest_bench_come_to_rest(&gb);
    assert_members(N(1) | N(2) | N(4), 0, 0);
}

static void who_is_not_wanted_any_more_ceases_to_learn(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 2, 4);
    gb.away = N(4);
    guest_bench_come_to_rest(&gb);
    guest_bench_place(&gb, 1, 2, 5);
    look();
    assert_members(FIRST, 0, N(5));
}

/* Of nodes 1 and 2 alone both would be needed. */
static void a_change_that_would_leave_no_majority_is_not_begun(void **state)
{
    (void)state;
    go_away(N(2));
    guest_bench_place(&gb, 1, 2, 0);
    guest_bench_come_to_rest(&gb);
    assert_members(FIRST, 0, 0);
    gb.away = 0;
    guest_bench_come_to_rest(&gb);
    assert_members(N(1) | N(2), 0, 0);
}

static void a_group_that_should_be_nowhere_stays(void **state)
{
    (void)state;
    guest_bench_place(&gb, 0, 0, 0);
    guest_bench_come_to_rest(&gb);
    assert_members(FIRST, 0, 0);
}

/* Others go on where the leader before has left it. */
static void a_move_that_is_under_way_is_ended_by_whoever_leads(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 2, 4);
    look();
    look();
    assert_members(N(1) | N(2) | N(4), FIRST, 0);
    cfs_home_stop(&gb.hb.home);
    cfs_home_start(&gb.hb.home);
    look();
    assert_members(N(1) | N(2) | N(4), 0, 0);
}

/* Several moves. */

static void one_group_moves_at_a_time(void **state)
{
    (void)state;
    env->moving = GUEST_GROUP + 1;
    guest_bench_place(&gb, 1, 2, 4);
    guest_bench_come_to_rest(&gb);
    assert_members(FIRST, 0, 0);
    env->moving = 0;
    look();
    assert_members(FIRST, 0, N(4));
    assert_int_equal(env->moving, GUEST_GROUP);
    guest_bench_come_to_rest(&gb);
    assert_int_equal(env->moving, 0);
}

static void while_somebody_learns_the_next_group_waits(void **state)
{
    (void)state;
    lengthen_log();
    guest_bench_place(&gb, 1, 2, 4);
    gb.lagging = N(4);
    guest_bench_come_to_rest(&gb);
    assert_int_equal(env->moving, GUEST_GROUP);
    gb.lagging = 0;
    guest_bench_come_to_rest(&gb);
    assert_int_equal(env->moving, 0);
}

static void a_dead_newcomer_does_not_block_the_others(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 2, 4);
    go_away(N(4));
    look();
    assert_members(FIRST, 0, N(4));
    assert_int_equal(env->moving, 0);
    gb.away = 0;
    guest_bench_come_to_rest(&gb);
    assert_members(N(1) | N(2) | N(4), 0, 0);
}

static void who_leads_no_longer_moves_nothing_any_more(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 2, 4);
    look();
    assert_int_equal(env->moving, GUEST_GROUP);
    cfs_home_stop(&gb.hb.home);
    assert_int_equal(env->moving, 0);
    env->moving = GUEST_GROUP + 1; /* of another group it says nothing */
    cfs_home_stop(&gb.hb.home);
    assert_int_equal(env->moving, GUEST_GROUP + 1);
}

/* A leader that is not wanted. */

static void a_leader_that_is_not_wanted_hands_on_before_both_decide(void **state)
{
    (void)state;
    guest_bench_place(&gb, 2, 3, 4);
    look();
    assert_members(FIRST, 0, N(4));
    bench_clear(&gb.hb.rb.bench);
    look();
    assert_members(FIRST, 0, N(4));
    assert_int_equal(raft->role, CFS_FOLLOWER);
    assert_non_null(handed_to(2));
    assert_int_equal(env->moving, 0);
}

static void it_hands_on_to_one_who_is_there(void **state)
{
    (void)state;
    go_away(N(2));
    guest_bench_place(&gb, 2, 3, 4);
    bench_clear(&gb.hb.rb.bench);
    for (int i = 0; i < 6 && raft->role == CFS_LEADER; i++)
        look();
    assert_null(handed_to(2));
    assert_non_null(handed_to(3));
}

/* The only one who stays and votes already is away: both decide without him. */
static void it_does_not_wait_for_an_heir_who_is_away(void **state)
{
    (void)state;
    go_away(N(2));
    guest_bench_place(&gb, 2, 4, 5);
    for (int i = 0; i < 10 && raft->role == CFS_LEADER && raft->members.voters == FIRST; i++)
        look();
    assert_members(N(2) | N(4) | N(5), FIRST, 0);
}

static void a_leader_whose_successor_is_all_new_leads_until_that_one_votes(void **state)
{
    (void)state;
    guest_bench_place(&gb, 4, 5, 6);
    look();
    look();
    assert_members(N(4) | N(5) | N(6), FIRST, 0);
    assert_int_equal(raft->role, CFS_LEADER);
    look();
    assert_members(N(4) | N(5) | N(6), 0, 0);
    guest_bench_commit(&gb);
    cfs_raft_leave_if_removed(raft);
    assert_int_equal(raft->role, CFS_FOLLOWER);
}

/* Home. */

static void leadership_goes_home_after_two_seconds_and_not_before(void **state)
{
    cfs_time seen = env->now + HEARTBEAT; /* that it is ready, and not the leader */

    (void)state;
    guest_bench_place(&gb, 3, 1, 2);
    while (env->now + HEARTBEAT < seen + CFS_SECONDS(2)) {
        look();
        assert_int_equal(raft->role, CFS_LEADER);
    }
    look();
    assert_int_equal(raft->role, CFS_FOLLOWER);
    assert_non_null(handed_to(3));
}

static void it_waits_two_seconds_from_when_that_node_was_up_to_date(void **state)
{
    cfs_time since;

    (void)state;
    guest_bench_place(&gb, 3, 1, 2);
    for (int i = 0; i < 60; i++) { /* it fails again and again */
        go_away(i % 2 ? N(3) : 0);
        assert_int_equal(raft->role, CFS_LEADER);
    }
    go_away(N(3));
    since = env->now;
    gb.away = 0;
    while (raft->role == CFS_LEADER)
        look();
    assert_true(env->now >= since + CFS_SECONDS(2));
    assert_true(env->now <= since + CFS_SECONDS(2) + 3 * HEARTBEAT);
}

static void it_does_not_go_to_who_is_behind_or_away_or_has_a_full_disk(void **state)
{
    (void)state;
    lengthen_log();
    guest_bench_place(&gb, 3, 1, 2);
    go_away(N(3));
    for (int i = 0; i < 50; i++)
        look();
    gb.away = 0;
    guest_bench_commit(&gb);
    raft->progress[3].full = true;
    for (int i = 0; i < 50; i++) {
        bench_pass(&gb.hb.rb.bench, HEARTBEAT);
        raft->progress[2].acked = raft->progress[3].acked = env->now;
        cfs_home_tick(&gb.hb.home);
    }
    assert_int_equal(raft->role, CFS_LEADER);
    raft->progress[3].full = false;
    for (int i = 0; i < 36; i++)
        look();
    assert_int_equal(raft->role, CFS_FOLLOWER);
}

static void it_does_not_go_while_replicas_move(void **state)
{
    (void)state;
    lengthen_log();
    guest_bench_place(&gb, 4, 1, 2);
    gb.lagging = N(4);
    for (int i = 0; i < 50; i++)
        look();
    assert_int_equal(raft->role, CFS_LEADER);
    gb.lagging = 0;
    for (int i = 0; i < 8; i++)
        look();
    assert_members(N(1) | N(2) | N(4), 0, 0);
    assert_int_equal(raft->role, CFS_LEADER);
    for (int i = 0; i < 40; i++)
        look();
    assert_non_null(handed_to(4));
}

/* It would be handed back. */
static void a_leader_with_a_full_disk_hands_on_where_the_group_should_be(void **state)
{
    (void)state;
    guest_bench_place(&gb, 1, 3, 0);
    env->disk_full = true;
    gb.away = N(2);
    look();
    assert_null(handed_to(2));
    assert_non_null(handed_to(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_group_that_is_where_it_should_be_stays),
        T(a_new_replica_learns_then_both_decide_then_the_new_ones_alone),
        T(the_next_step_waits_for_the_last_one),
        T(two_that_are_new_come_together),
        T(a_learner_votes_when_it_has_nearly_all_of_the_log),
        T(who_is_not_wanted_any_more_ceases_to_learn),
        T(a_change_that_would_leave_no_majority_is_not_begun),
        T(a_group_that_should_be_nowhere_stays),
        T(a_move_that_is_under_way_is_ended_by_whoever_leads),
        T(one_group_moves_at_a_time),
        T(while_somebody_learns_the_next_group_waits),
        T(a_dead_newcomer_does_not_block_the_others),
        T(who_leads_no_longer_moves_nothing_any_more),
        T(a_leader_that_is_not_wanted_hands_on_before_both_decide),
        T(it_hands_on_to_one_who_is_there),
        T(it_does_not_wait_for_an_heir_who_is_away),
        T(a_leader_whose_successor_is_all_new_leads_until_that_one_votes),
        T(leadership_goes_home_after_two_seconds_and_not_before),
        T(it_waits_two_seconds_from_when_that_node_was_up_to_date),
        T(it_does_not_go_to_who_is_behind_or_away_or_has_a_full_disk),
        T(it_does_not_go_while_replicas_move),
        T(a_leader_with_a_full_disk_hands_on_where_the_group_should_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
