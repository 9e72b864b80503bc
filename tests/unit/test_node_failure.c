/* Whole nodes when something breaks: crashes, pauses, cuts, slow disks, late copies. */
#include "core_world.h"

static struct world w;
static cfs_node_id leader, follower, other;

static int set_up(void **state)
{
    world_open(&w, 3);
    world_start_all(&w);
    leader = world_settle(&w);
    follower = world_follower(&w, leader);
    other = world_follower(&w, follower);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static struct cfs_request flock(const char *name, uint64_t handle)
{
    return bench_flock(name, handle, CFS_EXCLUSIVE, true);
}

static struct cfs_request try(const char *name, uint64_t handle)
{
    return bench_flock(name, handle, CFS_EXCLUSIVE, false);
}

/* Every running node has applied the same, once things have calmed down. */
static void assert_replicas_agree(void)
{
    world_run(&w, CFS_MS(500));
    for (cfs_node_id id = 1; id <= w.count; id++)
        if (w.nodes[id].core)
            assert_int_equal(cfs_core_digest(w.nodes[id].core, 0),
                             cfs_core_digest(w.nodes[world_leader(&w)].core, 0));
}

static void locks_and_waits_outlive_their_leader(void **state)
{
    uint64_t waiting;

    (void)state;
    world_ask(&w, follower, flock("x", 1));
    waiting = world_request(&w, other, flock("x", 2));
    world_run(&w, CFS_MS(100));
    world_crash(&w, leader);
    assert_int_equal(world_ask(&w, follower, bench_unflock("x", 1)), CFS_OK);
    assert_int_equal(world_wait(&w, other, waiting), CFS_OK);
    assert_int_equal(w.nodes[follower].session.lost + w.nodes[other].session.lost, 0);
}

static void a_leader_whose_process_is_gone_is_replaced_within_a_third_of_a_second(void **state)
{
    cfs_time crashed = w.now;

    (void)state;
    world_crash(&w, leader);
    world_request(&w, follower, bench_get("x")); /* finds the connection refused, as does */
    world_request(&w, other, bench_get("x"));    /* this one */
    while (!world_leader(&w) && w.now < crashed + CFS_SECONDS(2))
        world_run(&w, CFS_MS(1));
    assert_true(w.now <= crashed + CFS_MS(300));
}

/* Stopped by a signal or suspended, a leader learns at its next tick that it leads nobody; the
 * sessions that it did not hear of meanwhile are not its to end. */
static void a_leader_that_was_paused_for_long_steps_down_and_decides_nothing(void **state)
{
    struct cfs_request lease = try("y", 0);
    cfs_node_id next;

    (void)state;
    lease.acquire.kind = CFS_LEASED;
    lease.acquire.ttl_ms = 1000;
    world_ask(&w, leader, lease);
    w.nodes[leader].paused = true;
    world_run(&w, CFS_SECONDS(8));
    next = world_leader(&w);
    assert_int_not_equal(next, 0);
    w.nodes[leader].paused = false;
    world_run(&w, CFS_SECONDS(1));
    assert_int_equal(world_leader(&w), next);
    assert_int_equal(w.nodes[leader].session.lost, 1);
    assert_replicas_agree();
}

static void a_cluster_that_slept_as_a_whole_wakes_up_by_itself(void **state)
{
    (void)state;
    world_ask(&w, follower, bench_lockfile("x"));
    for (cfs_node_id id = 1; id <= 3; id++)
        w.nodes[id].paused = true;
    world_run(&w, CFS_SECONDS(3600));
    for (cfs_node_id id = 1; id <= 3; id++)
        w.nodes[id].paused = false;
    world_settle(&w);
    assert_int_equal(world_ask(&w, other, bench_lockfile("x")), CFS_OK);
    assert_replicas_agree();
}

/* Contract: while the daemon stands still, calls wait for it. */
static void a_node_that_stood_still_answers_its_calls_when_it_goes_on(void **state)
{
    uint64_t waiting;

    (void)state;
    world_ask(&w, other, flock("x", 1));
    waiting = world_request(&w, follower, flock("x", 1));
    world_run(&w, CFS_MS(100));
    w.nodes[follower].paused = true;
    world_run(&w, CFS_SECONDS(30));
    w.nodes[follower].paused = false;
    assert_int_equal(world_ask(&w, follower, bench_get("x")), CFS_OK);
    world_run(&w, CFS_SECONDS(1));
    assert_int_equal(w.nodes[follower].session.lost, 1);
    assert_null(world_answer(&w, follower, waiting));
    assert_int_equal(world_ask(&w, follower, bench_lockfile("y")), CFS_OK);
    world_ask(&w, other, bench_unflock("x", 1));
    assert_int_equal(world_wait(&w, follower, waiting), CFS_OK);
}

/* Its timeout is used up before and after, by silence that the node did hear. */
static void a_node_that_stood_still_out_of_contact_still_lets_its_calls_time_out(void **state)
{
    uint64_t id;

    (void)state;
    world_cut(&w, follower);
    id = world_request(&w, follower, bench_get("x"));
    world_run(&w, CFS_SECONDS(2));
    w.nodes[follower].paused = true;
    world_run(&w, CFS_SECONDS(30));
    w.nodes[follower].paused = false;
    world_run(&w, CFS_SECONDS(2));
    assert_null(world_answer(&w, follower, id));
    world_run(&w, CFS_MS(1100));
    assert_int_equal(world_wait(&w, follower, id), CFS_ERR_TIMED_OUT);
}

/* Nobody reads from a leader that does not know yet that it leads nobody. */
static void a_leader_that_is_cut_off_answers_no_read_after_its_lease(void **state)
{
    uint64_t read;

    (void)state;
    world_cut(&w, leader);
    world_run(&w, CFS_MS(197));
    read = world_request(&w, leader, bench_get("x"));
    while (!world_leader(&w))
        world_run(&w, CFS_MS(1));
    assert_int_equal(world_ask(&w, follower, bench_lockfile("x")), CFS_OK);
    world_run(&w, CFS_SECONDS(2));
    assert_null(world_answer(&w, leader, read));
    world_join(&w, leader);
    assert_int_equal(world_wait(&w, leader, read), CFS_OK); /* and sees what happened meanwhile */
}

static void a_node_without_a_majority_holds_calls_for_the_timeout_then_turns_them_away(void **state)
{
    cfs_time asked;
    uint64_t id;

    (void)state;
    world_cut(&w, follower);
    world_run(&w, CFS_SECONDS(1));
    asked = w.now;
    id = world_request(&w, follower, bench_lockfile("x"));
    assert_int_equal(world_wait(&w, follower, id), CFS_ERR_TIMED_OUT);
    assert_in_range(w.now - asked, CFS_SECONDS(5), CFS_SECONDS(5) + CFS_MS(20));
    id = world_request(&w, follower, bench_lockfile("x"));
    assert_int_equal(world_answer(&w, follower, id)->answer.error, CFS_ERR_TIMED_OUT);
    world_join(&w, follower);
    world_settle(&w);
    assert_int_equal(world_ask(&w, follower, bench_lockfile("x")), CFS_OK);
}

static bool to_the_follower(const struct cfs_message *message)
{
    return message->to == follower && message->type == CFS_MSG_ANSWER;
}

/* It was granted, but nobody could say so in time. */
static void an_acquire_that_timed_out_is_given_back_when_there_is_contact_again(void **state)
{
    uint64_t id;

    (void)state;
    world_hold(&w, to_the_follower);
    id = world_request(&w, follower, bench_lockfile("x"));
    assert_int_equal(world_wait(&w, follower, id), CFS_ERR_TIMED_OUT);
    world_hold(&w, NULL);
    world_drop_held(&w);
    world_run(&w, CFS_SECONDS(1));
    assert_false(world_held(&w, leader, "x"));
    assert_int_equal(world_ask(&w, other, bench_lockfile("x")), CFS_OK);
    assert_int_equal(w.nodes[follower].session.lost, 0);
}

static bool commands_of_the_follower(const struct cfs_message *message)
{
    return message->from == follower && message->type == CFS_MSG_FORWARD;
}

/* The copies of what was given up arrive when nobody expects them any more. */
static void an_acquire_that_timed_out_is_not_granted_by_a_late_copy(void **state)
{
    uint64_t id;

    (void)state;
    world_hold(&w, commands_of_the_follower);
    id = world_request(&w, follower, bench_lockfile("x"));
    assert_int_equal(world_wait(&w, follower, id), CFS_ERR_TIMED_OUT);
    world_hold(&w, NULL);
    world_run(&w, CFS_SECONDS(1)); /* the cancel gets through */
    world_repeat(&w);
    world_run(&w, CFS_SECONDS(1));
    world_release(&w);
    world_run(&w, CFS_SECONDS(1));
    assert_false(world_held(&w, leader, "x"));
}

static bool first_commands_of_the_follower(const struct cfs_message *message)
{
    return commands_of_the_follower(message) && bench_command(message).sequence <= 3;
}

/* A signal ends the first attempt; the second is granted; then the first one arrives, and its
 * cancels behind it. Two messages on one slow connection, overtaken on another. */
static void an_acquire_given_up_does_not_touch_what_the_same_file_took_since(void **state)
{
    uint64_t first, second;

    (void)state;
    world_hold(&w, first_commands_of_the_follower);
    first = world_request(&w, follower, bench_flock("x", 1, CFS_SHARED, true));
    world_cancel(&w, follower, first);
    assert_int_equal(world_wait(&w, follower, first), CFS_ERR_INTERRUPTED);
    second = world_request(&w, follower, flock("x", 1));
    world_run(&w, CFS_MS(100));
    world_hold(&w, NULL);
    world_release(&w);
    assert_int_equal(world_wait(&w, follower, second), CFS_OK);
    world_run(&w, CFS_SECONDS(1));
    assert_true(world_held(&w, leader, "x"));
    assert_int_equal(world_ask(&w, other, bench_flock("x", 1, CFS_SHARED, false)),
                     CFS_ERR_WOULD_BLOCK);
}

static void a_node_that_is_cut_off_knows_of_its_loss_before_others_are_granted(void **state)
{
    uint64_t next;

    (void)state;
    world_ask(&w, follower, flock("x", 1));
    next = world_request(&w, other, flock("x", 1));
    world_run(&w, CFS_MS(100));
    world_cut(&w, follower);
    while (!world_answer(&w, other, next)) {
        assert_true(w.now < CFS_SECONDS(1020));
        world_run(&w, CFS_MS(1));
        if (world_answer(&w, other, next))
            assert_int_equal(w.nodes[follower].session.lost, 1);
    }
    world_join(&w, follower);
    world_settle(&w);
    assert_int_equal(w.nodes[follower].session.opened, 2);
}

/* Each node has its own setting, and none of the others compares it with theirs. */
static void a_node_with_a_longer_session_than_its_leader_knows_of_its_loss_first_too(void **state)
{
    uint64_t wait;

    (void)state;
    w.nodes[follower].config.session = CFS_SECONDS(20);
    world_crash(&w, follower);
    world_start(&w, follower);
    world_settle(&w);
    world_ask(&w, follower, flock("x", 1));
    wait = world_request(&w, other, flock("x", 1));
    world_cut(&w, follower);
    for (int i = 0; i < 30000 && !world_answer(&w, other, wait); i++)
        world_run(&w, CFS_MS(1));
    assert_int_equal(world_wait(&w, other, wait), CFS_OK);
    assert_int_equal(w.nodes[follower].session.lost, 1);
}

static void a_daemon_restarted_in_time_keeps_its_lockfiles_only(void **state)
{
    uint64_t next;

    (void)state;
    world_ask(&w, follower, bench_lockfile("file"));
    world_ask(&w, follower, flock("flock", 1));
    next = world_request(&w, other, flock("flock", 1));
    world_run(&w, CFS_MS(100));
    world_crash(&w, follower);
    world_run(&w, CFS_SECONDS(1));
    world_start(&w, follower);
    assert_int_equal(world_wait(&w, other, next), CFS_OK);
    assert_true(w.now < CFS_SECONDS(1004)); /* long before the session would have ended */
    assert_true(world_held(&w, leader, "file"));
    world_run(&w, CFS_SECONDS(20));
    assert_true(world_held(&w, leader, "file"));
}

/* The cluster took it up in time, and only the answer was slow. */
static void a_restarted_daemon_keeps_its_lockfiles_when_its_session_opens_late(void **state)
{
    (void)state;
    world_ask(&w, follower, bench_lockfile("file"));
    world_crash(&w, follower);
    world_hold(&w, to_the_follower);
    world_start(&w, follower);
    world_run(&w, CFS_SECONDS(5) - CFS_MS(50));
    world_hold(&w, NULL);
    world_release(&w);
    world_settle(&w);
    assert_int_equal(w.nodes[follower].session.lost, 0);
    world_run(&w, CFS_SECONDS(20));
    assert_true(world_held(&w, leader, "file"));
    assert_int_equal(w.nodes[follower].session.lost, 0);
}

static void a_node_that_stays_away_gives_back_all_it_held(void **state)
{
    (void)state;
    world_ask(&w, follower, bench_lockfile("file"));
    world_crash(&w, follower);
    world_run(&w, CFS_SECONDS(7));
    assert_false(world_held(&w, leader, "file"));
}

static void a_cluster_restarted_as_a_whole_knows_what_it_answered(void **state)
{
    (void)state;
    assert_int_equal(world_ask(&w, follower, bench_lockfile("x")), CFS_OK);
    for (cfs_node_id id = 1; id <= 3; id++)
        world_crash(&w, id);
    world_run(&w, CFS_SECONDS(1));
    world_start_all(&w);
    leader = world_settle(&w);
    assert_true(world_held(&w, leader, "x"));
    assert_replicas_agree();
}

static void a_disk_that_stalls_for_half_a_second_costs_no_leader_and_no_session(void **state)
{
    uint64_t term = world_view(&w, leader).term, id;

    (void)state;
    for (cfs_node_id n = 1; n <= 3; n++)
        w.nodes[n].disk_stalls = true;
    id = world_request(&w, follower, bench_lockfile("x"));
    world_run(&w, CFS_MS(600));
    assert_null(world_answer(&w, follower, id));
    assert_true(world_view(&w, leader).lease_until > w.now);
    for (cfs_node_id n = 1; n <= 3; n++)
        w.nodes[n].disk_stalls = false;
    assert_int_equal(world_wait(&w, follower, id), CFS_OK);
    assert_int_equal(world_view(&w, leader).term, term);
    assert_int_equal(w.nodes[follower].session.lost, 0);
}

static bool answers_to_the_follower(const struct cfs_message *message)
{
    return message->to == follower &&
           (message->type == CFS_MSG_ANSWER || message->type == CFS_MSG_KEEPALIVE_REPLY);
}

/* The machine slept; the first thing it reads is a grant from before. */
static void a_grant_that_is_read_after_the_session_lapsed_is_none(void **state)
{
    struct cfs_message grant;
    uint64_t id;

    (void)state;
    world_hold(&w, answers_to_the_follower);
    id = world_request(&w, follower, flock("x", 1));
    world_run(&w, CFS_MS(50));
    assert_int_equal(w.held_count, 1);
    w.nodes[follower].paused = true;
    world_run(&w, CFS_SECONDS(6));
    grant = cfs_message_copy(&w.held[0]);
    world_step(&w, follower, (struct cfs_event){.type = CFS_EV_MESSAGE, .message = &grant});
    cfs_message_clear(&grant);
    assert_null(world_answer(&w, follower, id));
    assert_int_equal(w.nodes[follower].session.lost, 1);
}

static bool openings_of_the_follower(const struct cfs_message *message)
{
    return commands_of_the_follower(message) && bench_command(message).kind == CFS_CMD_OPEN_SESSION;
}

static void a_late_copy_of_the_opening_of_an_earlier_life_ends_no_session(void **state)
{
    (void)state;
    world_crash(&w, follower);
    world_hold(&w, openings_of_the_follower);
    world_start(&w, follower);
    world_run(&w, CFS_MS(200));
    world_crash(&w, follower);
    world_hold(&w, NULL);
    assert_true(w.held_count > 0);
    world_start(&w, follower);
    world_settle(&w);
    assert_int_equal(world_ask(&w, follower, flock("x", 1)), CFS_OK);
    world_release(&w);
    world_run(&w, CFS_MS(100));
    assert_true(world_held(&w, leader, "x"));
    world_run(&w, CFS_SECONDS(10));
    assert_int_equal(w.nodes[follower].session.lost, 0);
}

static bool grants_to_the_follower(const struct cfs_message *message)
{
    return to_the_follower(message) && !message->answer.queued;
}

static void a_grant_that_is_lost_on_its_way_is_said_again_soon(void **state)
{
    uint64_t wait;

    (void)state;
    world_ask(&w, other, flock("x", 1));
    wait = world_request(&w, follower, flock("x", 1));
    world_run(&w, CFS_MS(100));
    world_hold(&w, grants_to_the_follower);
    world_ask(&w, other, bench_unflock("x", 1));
    world_run(&w, CFS_MS(100));
    world_hold(&w, NULL);
    world_drop_held(&w);
    assert_int_equal(world_wait(&w, follower, wait), CFS_OK);
    assert_true(w.now - w.nodes[other].answers[w.nodes[other].answer_count - 1].at <=
                CFS_SECONDS(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(locks_and_waits_outlive_their_leader),
        T(a_leader_whose_process_is_gone_is_replaced_within_a_third_of_a_second),
        T(a_leader_that_was_paused_for_long_steps_down_and_decides_nothing),
        T(a_cluster_that_slept_as_a_whole_wakes_up_by_itself),
        T(a_node_that_stood_still_answers_its_calls_when_it_goes_on),
        T(a_node_that_stood_still_out_of_contact_still_lets_its_calls_time_out),
        T(a_leader_that_is_cut_off_answers_no_read_after_its_lease),
        T(a_node_without_a_majority_holds_calls_for_the_timeout_then_turns_them_away),
        T(an_acquire_that_timed_out_is_given_back_when_there_is_contact_again),
        T(an_acquire_that_timed_out_is_not_granted_by_a_late_copy),
        T(an_acquire_given_up_does_not_touch_what_the_same_file_took_since),
        T(a_node_that_is_cut_off_knows_of_its_loss_before_others_are_granted),
        T(a_node_with_a_longer_session_than_its_leader_knows_of_its_loss_first_too),
        T(a_daemon_restarted_in_time_keeps_its_lockfiles_only),
        T(a_restarted_daemon_keeps_its_lockfiles_when_its_session_opens_late),
        T(a_node_that_stays_away_gives_back_all_it_held),
        T(a_cluster_restarted_as_a_whole_knows_what_it_answered),
        T(a_disk_that_stalls_for_half_a_second_costs_no_leader_and_no_session),
        T(a_grant_that_is_read_after_the_session_lapsed_is_none),
        T(a_late_copy_of_the_opening_of_an_earlier_life_ends_no_session),
        T(a_grant_that_is_lost_on_its_way_is_said_again_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
