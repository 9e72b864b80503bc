/* Sessions as the leader of a group other than 0 has them: by its own replica of group 0. */
#include "core_guest_bench.h"

static struct guest_bench gb;

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

static const struct cfs_session *here(cfs_session_id id)
{
    return cfs_sessions_find(&gb.hb.machine.sessions, id);
}

static bool is_held(const char *name)
{
    struct cfs_lock_info info;

    return cfs_lock_table_get(gb.hb.machine.locks, name, &info);
}

static uint64_t log_end(void)
{
    return home_bench_log_end(&gb.hb);
}

static uint64_t hold(cfs_node_id node, const char *name)
{
    uint64_t sequence = home_bench_ask(&gb.hb, node, bench_lockfile(name));

    guest_bench_commit(&gb);
    return sequence;
}

static bool is_answered(cfs_node_id node, uint64_t sequence)
{
    return home_bench_said(&gb.hb, CFS_TO_COMMAND, node, sequence, NULL) != NULL;
}

static enum cfs_error error_of(cfs_node_id node, uint64_t sequence)
{
    return home_bench_error(&gb.hb, CFS_TO_COMMAND, node, sequence);
}

/* Coming. */

static void a_session_is_adopted_with_its_first_request(void **state)
{
    struct cfs_command adopt;
    uint64_t sequence;

    (void)state;
    guest_bench_session(&gb, 2, 40);
    guest_bench_look(&gb, CFS_SECONDS(1));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_ADOPT_SESSION),
                     0); /* it costs nothing before */
    sequence = hold(2, "x");
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_ADOPT_SESSION), 1);
    adopt = guest_bench_newest(&gb, CFS_CMD_ADOPT_SESSION);
    assert_int_equal(adopt.node, 1);
    assert_int_equal(adopt.owner, 2);
    assert_int_equal(adopt.target, 40);
    assert_int_equal(adopt.target_session, 40);
    assert_int_equal(error_of(2, sequence), CFS_OK);
    assert_int_equal(here(40)->node, 2);
    assert_true(is_held("x"));
}

static void requests_that_come_before_it_is_applied_adopt_it_once(void **state)
{
    uint64_t first, second;

    (void)state;
    guest_bench_session(&gb, 2, 40);
    guest_bench_session(&gb, 3, 41);
    first = home_bench_ask(&gb.hb, 2, bench_lockfile("x"));
    home_bench_ask(&gb.hb, 3, bench_lockfile("y"));
    second = home_bench_ask(&gb.hb, 2, bench_lockfile("z"));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_ADOPT_SESSION), 2);
    guest_bench_commit(&gb);
    assert_int_equal(error_of(2, first), CFS_OK);
    assert_int_equal(error_of(2, second), CFS_OK);
    hold(2, "u");
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_ADOPT_SESSION), 2);
}

/* Its copy must hear what the first one will be told, not what is so by now. */
static void a_command_that_is_in_the_log_is_not_taken_for_a_new_one(void **state)
{
    struct cfs_command command;
    uint64_t end;

    (void)state;
    guest_bench_session(&gb, 2, 40);
    command = home_bench_command(&gb.hb, 2, bench_lockfile("x"));
    home_bench_forward(&gb.hb, &command);
    end = log_end();
    gb.away = CFS_NODE_BIT(2) | CFS_NODE_BIT(3);
    guest_bench_look(&gb, CFS_MS(100)); /* the session is not there yet, and that is no end */
    gb.hb.rb.bench.env.disk_full = true;
    gb.hb.rb.raft.progress[2].full = gb.hb.rb.raft.progress[3].full = true;
    home_bench_forward(&gb.hb, &command);
    assert_int_equal(log_end(), end);
    assert_false(is_answered(2, command.sequence));
    gb.away = 0;
    guest_bench_commit(&gb);
    assert_int_equal(error_of(2, command.sequence), CFS_OK);
}

/* What the leader before had proposed may not have come through. */
static void a_new_leader_adopts_it_again(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    home_bench_ask(&gb.hb, 2, bench_lockfile("x"));
    cfs_home_stop(&gb.hb.home);
    cfs_home_start(&gb.hb.home);
    home_bench_ask(&gb.hb, 2, bench_lockfile("y"));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_ADOPT_SESSION), 2);
    guest_bench_commit(&gb);
    assert_int_equal(here(40)->node, 2);
    assert_true(is_held("x") && is_held("y"));
}

static void what_this_replica_of_group_0_has_not_seen_is_left_unanswered(void **state)
{
    uint64_t end = log_end(), sequence;

    (void)state;
    gb.root.raft.applied = 39;
    gb.hb.sessions[2] = 40;
    sequence = hold(2, "x");
    assert_false(is_answered(2, sequence));
    assert_int_equal(log_end(), end);
    guest_bench_session(&gb, 2, 40); /* now it has */
    assert_int_equal(error_of(2, hold(2, "x")), CFS_OK);
}

static void a_session_that_has_ended_is_lost(void **state)
{
    uint64_t end = log_end(), sequence;

    (void)state;
    guest_bench_session(&gb, 2, 40);
    guest_bench_ended(&gb, 2, 44);
    gb.hb.sessions[2] = 40;
    sequence = hold(2, "x");
    assert_int_equal(error_of(2, sequence), CFS_ERR_LOST);
    assert_int_equal(log_end(), end);
}

static void nobody_acts_in_the_session_of_another(void **state)
{
    uint64_t end = log_end(), sequence;

    (void)state;
    guest_bench_session(&gb, 2, 40);
    gb.hb.sessions[3] = 40;
    sequence = hold(3, "x");
    assert_int_equal(error_of(3, sequence), CFS_ERR_LOST);
    assert_int_equal(log_end(), end);
    assert_null(here(40));
}

static void sessions_are_opened_renewed_and_closed_in_group_0_alone(void **state)
{
    uint64_t end = log_end();

    (void)state;
    guest_bench_session(&gb, 2, 40);
    home_bench_forward(&gb.hb, &(struct cfs_command){.kind = CFS_CMD_OPEN_SESSION,
                                                     .node = 3,
                                                     .sequence = 9,
                                                     .nonce = 9,
                                                     .session_term = CFS_SECONDS(5)});
    home_bench_forward(&gb.hb,
                       &(struct cfs_command){
                           .kind = CFS_CMD_CLOSE_SESSION, .node = 2, .session = 40, .sequence = 1});
    home_bench_keepalive(&gb.hb, 2, 40, 1);
    assert_int_equal(log_end(), end);
    assert_null(bench_sent(&gb.hb.rb.bench, CFS_MSG_ANSWER, 0));
    assert_null(bench_sent(&gb.hb.rb.bench, CFS_MSG_KEEPALIVE_REPLY, 0));
}

/* Nor does a follower say what the leader decides. */
static void nobody_else_adopts(void **state)
{
    uint64_t end = log_end();

    (void)state;
    home_bench_forward(&gb.hb, &(struct cfs_command){.kind = CFS_CMD_ADOPT_SESSION,
                                                     .node = 2,
                                                     .owner = 2,
                                                     .target = 40,
                                                     .target_session = 40});
    assert_int_equal(log_end(), end);
}

/* Going. */

static void what_has_ended_in_group_0_ends_here(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    guest_bench_session(&gb, 3, 41);
    hold(2, "x");
    hold(3, "y");
    guest_bench_ended(&gb, 2, 50);
    guest_bench_look(&gb, CFS_MS(500));
    guest_bench_commit(&gb);
    assert_int_equal(guest_bench_newest(&gb, CFS_CMD_EXPIRE_SESSION).target, 40);
    assert_null(here(40));
    assert_false(is_held("x"));
    assert_non_null(here(41));
    assert_true(is_held("y"));
}

static void an_end_is_said_once(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_ended(&gb, 2, 50);
    gb.away = CFS_NODE_BIT(2) | CFS_NODE_BIT(3); /* it does not come through for a while */
    for (int i = 0; i < 3; i++)
        guest_bench_look(&gb, CFS_MS(500));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_EXPIRE_SESSION), 1);
    gb.away = 0;
    guest_bench_commit(&gb);
    guest_bench_look(&gb, CFS_SECONDS(1));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_EXPIRE_SESSION), 1);
}

/* It goes on where its node's session before had been, and takes along what that one held. */
static void a_session_that_was_resumed_moves(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_resumed(&gb, 2, 50);
    guest_bench_look(&gb, CFS_MS(500));
    guest_bench_commit(&gb);
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_EXPIRE_SESSION), 0);
    assert_null(here(40));
    assert_int_equal(here(50)->began, 40);
    assert_true(is_held("x"));
}

static void one_that_was_resumed_twice_moves_across_both(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_resumed(&gb, 2, 50);
    guest_bench_resumed(&gb, 2, 60);
    assert_int_equal(error_of(2, hold(2, "y")), CFS_OK); /* by its first request */
    assert_null(here(40));
    assert_int_equal(here(60)->began, 40);
    assert_true(is_held("x") && is_held("y"));
}

static void one_that_replaced_another_takes_nothing_along(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_session(&gb, 2, 50);
    guest_bench_look(&gb, CFS_MS(500));
    guest_bench_commit(&gb);
    assert_null(here(40));
    assert_null(here(50)); /* nor is it adopted before it asks for something */
    assert_false(is_held("x"));
    assert_int_equal(error_of(2, hold(2, "x")), CFS_OK);
    assert_non_null(here(50));
}

/* A request of the new one may be first. */
static void one_that_replaced_another_may_come_before_that_ones_end(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_session(&gb, 2, 50);
    assert_int_equal(error_of(2, hold(2, "x")), CFS_OK);
    assert_null(here(40));
    assert_non_null(here(50));
}

/* Another leader had seen more of group 0. */
static void a_session_that_this_replica_of_group_0_has_not_seen_stays(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_ended(&gb, 2, 39);
    guest_bench_look(&gb, CFS_MS(500));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_EXPIRE_SESSION), 0);
    assert_true(is_held("x"));
    guest_bench_ended(&gb, 2, 40);
    guest_bench_look(&gb, CFS_MS(500));
    assert_int_equal(guest_bench_count(&gb, CFS_CMD_EXPIRE_SESSION), 1);
}

/* Sessions have no term here that would say how often to look. */
static void sessions_are_compared_twice_a_second(void **state)
{
    (void)state;
    guest_bench_session(&gb, 2, 40);
    hold(2, "x");
    guest_bench_look(&gb, CFS_MS(500));
    assert_int_equal(gb.hb.home.check_due, gb.hb.rb.bench.env.now + CFS_MS(500));
    assert_true(cfs_home_deadline(&gb.hb.home) > gb.hb.rb.bench.env.now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_session_is_adopted_with_its_first_request),
        T(requests_that_come_before_it_is_applied_adopt_it_once),
        T(a_command_that_is_in_the_log_is_not_taken_for_a_new_one),
        T(a_new_leader_adopts_it_again),
        T(what_this_replica_of_group_0_has_not_seen_is_left_unanswered),
        T(a_session_that_has_ended_is_lost),
        T(nobody_acts_in_the_session_of_another),
        T(sessions_are_opened_renewed_and_closed_in_group_0_alone),
        T(nobody_else_adopts),
        T(what_has_ended_in_group_0_ends_here),
        T(an_end_is_said_once),
        T(a_session_that_was_resumed_moves),
        T(one_that_was_resumed_twice_moves_across_both),
        T(one_that_replaced_another_takes_nothing_along),
        T(one_that_replaced_another_may_come_before_that_ones_end),
        T(a_session_that_this_replica_of_group_0_has_not_seen_stays),
        T(sessions_are_compared_twice_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
