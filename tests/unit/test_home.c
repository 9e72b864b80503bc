/* Commands and sessions at the leader. */
#include "core_home_bench.h"

static struct home_bench hb;

static int set_up(void **state)
{
    home_bench_open(&hb);
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static struct cfs_request flock(const char *name)
{
    return bench_flock(name, 7, CFS_EXCLUSIVE, true);
}

static enum cfs_error error_of(cfs_node_id node, uint64_t sequence)
{
    return home_bench_error(&hb, CFS_TO_COMMAND, node, sequence);
}

static const struct cfs_msg_keepalive_reply *kept_alive(cfs_node_id node)
{
    const struct cfs_message *message = bench_sent(&hb.rb.bench, CFS_MSG_KEEPALIVE_REPLY, node);

    return message ? &message->keepalive_reply : NULL;
}

static bool has_session(cfs_node_id node)
{
    return cfs_sessions_find(&hb.machine.sessions, hb.sessions[node]) != NULL;
}

static void a_command_is_answered_when_it_is_committed(void **state)
{
    uint64_t sequence = home_bench_ask(&hb, 2, flock("x"));

    (void)state;
    assert_null(home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, NULL));
    home_bench_commit(&hb);
    assert_int_equal(error_of(2, sequence), CFS_OK);
}

static void a_command_that_waits_is_told_so_and_answered_when_its_turn_comes(void **state)
{
    uint64_t waiting;

    (void)state;
    home_bench_do(&hb, 2, flock("x"));
    waiting = home_bench_do(&hb, 3, flock("x"));
    assert_true(home_bench_said(&hb, CFS_TO_COMMAND, 3, waiting, NULL)->queued);
    home_bench_do(&hb, 2, bench_unflock("x", 7));
    assert_int_equal(error_of(3, waiting), CFS_OK);
}

static void a_command_that_was_meant_for_an_earlier_leadership_is_dropped(void **state)
{
    struct cfs_command command = home_bench_command(&hb, 2, flock("x"));
    uint64_t end = home_bench_log_end(&hb);
    struct cfs_writer writer = {0};

    (void)state;
    cfs_command_encode(&writer, &command);
    home_bench_receive(&hb, (struct cfs_message){
                                .type = CFS_MSG_FORWARD,
                                .from = 2,
                                .term = hb.rb.raft.term - 1,
                                .forward = {.command = writer.data, .len = (uint32_t)writer.len}});
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void nobody_speaks_for_another_node(void **state)
{
    struct cfs_command command = home_bench_command(&hb, 2, flock("x"));
    uint64_t end = home_bench_log_end(&hb);
    struct cfs_writer writer = {0};

    (void)state;
    cfs_command_encode(&writer, &command);
    home_bench_receive(&hb, (struct cfs_message){
                                .type = CFS_MSG_FORWARD,
                                .from = 3,
                                .term = hb.rb.raft.term,
                                .forward = {.command = writer.data, .len = (uint32_t)writer.len}});
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void what_only_the_leader_decides_comes_from_nobody_else(void **state)
{
    uint64_t end = home_bench_log_end(&hb);

    (void)state;
    home_bench_forward(
        &hb,
        &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 3, .target = hb.sessions[2]});
    home_bench_forward(
        &hb, &(struct cfs_command){
                 .kind = CFS_CMD_REFUSE, .node = 3, .target_session = hb.sessions[2], .target = 1});
    home_bench_forward(&hb, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_LEASED, .node = 3});
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void bytes_that_are_no_command_do_not_get_into_the_log(void **state)
{
    uint64_t end = home_bench_log_end(&hb);
    struct cfs_writer writer = {0};

    (void)state;
    cfs_put_string(&writer, "this is no command");
    home_bench_receive(&hb, (struct cfs_message){
                                .type = CFS_MSG_FORWARD,
                                .from = 2,
                                .term = hb.rb.raft.term,
                                .forward = {.command = writer.data, .len = (uint32_t)writer.len}});
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void a_command_that_was_applied_is_answered_again_without_the_log(void **state)
{
    struct cfs_command command = home_bench_command(&hb, 2, flock("x"));
    uint64_t end;

    (void)state;
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    end = home_bench_log_end(&hb);
    bench_clear(&hb.rb.bench);
    home_bench_forward(&hb, &command);
    assert_int_equal(error_of(2, command.sequence), CFS_OK);
    assert_int_equal(home_bench_log_end(&hb), end);
}

/* Otherwise a slow disk would be given more to write by those who wait for it. */
static void a_command_that_is_in_the_log_already_is_not_put_there_again(void **state)
{
    struct cfs_command command = home_bench_command(&hb, 2, flock("x"));
    uint64_t end;

    (void)state;
    home_bench_forward(&hb, &command);
    end = home_bench_log_end(&hb);
    home_bench_forward(&hb, &command);
    home_bench_forward(&hb, &command);
    assert_int_equal(home_bench_log_end(&hb), end);
    home_bench_commit(&hb);
    assert_int_equal(error_of(2, command.sequence), CFS_OK);
}

static void a_keepalive_is_answered_under_the_lease_only(void **state)
{
    (void)state;
    bench_pass(&hb.rb.bench, CFS_MS(196)); /* the lease is over */
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    assert_null(kept_alive(2));
    home_bench_contact(&hb);
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    assert_true(kept_alive(2)->known);
    assert_int_equal(kept_alive(2)->sent, 4711);
}

static void who_asks_for_a_session_that_is_not_its_own_learns_that_it_has_none(void **state)
{
    (void)state;
    home_bench_keepalive(&hb, 2, 9999, 1);
    assert_false(kept_alive(2)->known);
    home_bench_keepalive(&hb, 3, hb.sessions[2], 1);
    assert_false(kept_alive(3)->known);
}

static void a_session_ends_after_its_term_and_the_guard_and_not_before(void **state)
{
    cfs_time term = hb.rb.bench.config.session;

    (void)state;
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    home_bench_keepalive(&hb, 3, hb.sessions[3], 1);
    home_bench_tick_in_contact(&hb, term - CFS_MS(500));
    home_bench_keepalive(&hb, 3, hb.sessions[3], 1);
    home_bench_tick_in_contact(&hb, CFS_MS(500) + CFS_CLOCK_GUARD(term) - 1);
    home_bench_commit(&hb);
    assert_true(has_session(2));
    for (int i = 0; i < 6; i++) /* it looks now and then */
        home_bench_tick_in_contact(&hb, CFS_MS(100));
    home_bench_commit(&hb);
    assert_false(has_session(2));
    assert_true(has_session(3));
}

/* The setting is each node's own, and the leader may be anyone. */
static void a_session_ends_by_the_term_that_its_node_opened_it_with(void **state)
{
    cfs_time longer = 4 * hb.rb.bench.config.session, shorter = hb.rb.bench.config.session / 5;

    (void)state;
    home_bench_open_session(&hb, 2, longer);
    home_bench_open_session(&hb, 3, shorter);
    home_bench_tick_in_contact(&hb, CFS_MS(500)); /* it looks now and then */
    home_bench_tick_in_contact(&hb, shorter + CFS_CLOCK_GUARD(shorter));
    home_bench_commit(&hb);
    assert_false(has_session(3));
    home_bench_tick_in_contact(&hb, longer - CFS_SECONDS(1));
    home_bench_commit(&hb);
    assert_true(has_session(2));
    home_bench_tick_in_contact(&hb, CFS_SECONDS(2));
    home_bench_commit(&hb);
    assert_false(has_session(2));
}

static void a_session_that_is_about_to_end_cannot_be_renewed(void **state)
{
    (void)state;
    home_bench_tick_in_contact(&hb, CFS_SECONDS(6)); /* its end is in the log now */
    bench_clear(&hb.rb.bench);
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    assert_null(kept_alive(2));
    home_bench_commit(&hb);
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    assert_false(kept_alive(2)->known);
}

static void a_session_that_is_renewed_lives(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        home_bench_tick_in_contact(&hb, CFS_MS(500));
        home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
        home_bench_commit(&hb);
    }
    assert_true(has_session(2));
    assert_false(has_session(3));
}

static void a_new_leader_gives_every_session_a_full_term(void **state)
{
    cfs_time term = hb.rb.bench.config.session;

    (void)state;
    bench_pass(&hb.rb.bench, term - CFS_MS(10));
    cfs_home_stop(&hb.home);
    home_bench_contact(&hb); /* serves again, as a new leader would begin to */
    home_bench_tick_in_contact(&hb, term);
    home_bench_commit(&hb);
    assert_true(has_session(2));
    home_bench_tick_in_contact(&hb, CFS_MS(600));
    home_bench_commit(&hb);
    assert_false(has_session(2));
}

static void what_an_ended_session_held_goes_to_the_next_waiter(void **state)
{
    uint64_t waiting;

    (void)state;
    home_bench_do(&hb, 2, flock("x"));
    waiting = home_bench_do(&hb, 3, flock("x"));
    home_bench_tick_in_contact(&hb, CFS_SECONDS(3));
    home_bench_keepalive(&hb, 3, hb.sessions[3], 1);
    home_bench_tick_in_contact(&hb, CFS_SECONDS(3));
    home_bench_commit(&hb);
    assert_int_equal(error_of(3, waiting), CFS_OK);
}

static struct cfs_request lease(const char *name, uint32_t ttl_ms)
{
    struct cfs_request request = bench_flock(name, 0, CFS_EXCLUSIVE, false);

    request.acquire.kind = CFS_LEASED;
    request.acquire.ttl_ms = ttl_ms;
    return request;
}

static void a_leased_lock_ends_when_its_time_is_over(void **state)
{
    struct cfs_lock_info info;
    uint64_t end;

    (void)state;
    home_bench_do(&hb, 2, lease("x", 300));
    assert_int_equal(cfs_home_deadline(&hb.home), hb.rb.bench.env.now + CFS_MS(300));
    end = home_bench_log_end(&hb);
    home_bench_tick_in_contact(&hb, CFS_MS(300) - 1);
    home_bench_commit(&hb);
    assert_int_equal(home_bench_log_end(&hb), end);
    assert_true(cfs_lock_table_get(hb.machine.locks, "x", &info));
    home_bench_tick_in_contact(&hb, 1);
    end = home_bench_log_end(&hb);
    home_bench_tick_in_contact(&hb, CFS_MS(1));
    assert_int_equal(home_bench_log_end(&hb), end); /* said once, though it is not committed yet */
    assert_true(cfs_home_deadline(&hb.home) > hb.rb.bench.env.now);
    home_bench_commit(&hb);
    assert_false(cfs_lock_table_get(hb.machine.locks, "x", &info));
}

/* The leader said so once, but that entry was lost with its leadership. */
static void a_leased_lock_ends_even_if_the_end_was_lost_with_an_earlier_leadership(void **state)
{
    struct cfs_lock_info info;

    (void)state;
    home_bench_do(&hb, 2, lease("x", 300));
    hb.home.expiry_index = home_bench_log_end(&hb) + 100;
    cfs_home_stop(&hb.home);
    home_bench_contact(&hb);
    home_bench_tick_in_contact(&hb, CFS_MS(300));
    home_bench_commit(&hb);
    assert_false(cfs_lock_table_get(hb.machine.locks, "x", &info));
}

static void a_leased_lock_that_is_renewed_lives_on(void **state)
{
    struct cfs_request renewal = lease("x", 300);
    struct cfs_answer answer;
    uint64_t sequence = home_bench_do(&hb, 2, lease("x", 300));

    (void)state;
    home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, &answer);
    renewal.acquire.renew = answer.token;
    for (int i = 0; i < 5; i++) {
        home_bench_tick_in_contact(&hb, CFS_MS(200));
        sequence = home_bench_do(&hb, 2, renewal);
        assert_int_equal(error_of(2, sequence), CFS_OK);
    }
}

static void a_leader_that_serves_no_more_answers_nobody(void **state)
{
    uint64_t sequence = home_bench_ask(&hb, 2, flock("x"));

    (void)state;
    raft_bench_heartbeat(&hb.rb, 3, hb.rb.raft.term + 1);
    home_bench_settle(&hb);
    bench_clear(&hb.rb.bench);
    home_bench_read(&hb, 2, 1, CFS_OP_GET, "x");
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    home_bench_ask(&hb, 2, flock("x"));
    assert_null(home_bench_said(&hb, CFS_TO_COMMAND, 2, sequence, NULL));
    assert_int_equal(bench_effect_count(&hb.rb.bench, CFS_FX_SEND), 0);
    assert_int_equal(cfs_home_deadline(&hb.home), CFS_NEVER);
}

static void after_a_tick_the_deadline_lies_ahead(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, flock("x"));
    home_bench_do(&hb, 3, flock("x"));
    home_bench_do(&hb, 2, lease("y", 500));
    home_bench_read(&hb, 3, 1, CFS_OP_GET, "x"); /* a drain that nobody replies to */
    for (int i = 0; i < 300; i++) {
        home_bench_tick(&hb, CFS_MS(7));
        assert_true(cfs_home_deadline(&hb.home) > hb.rb.bench.env.now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_command_is_answered_when_it_is_committed),
        T(a_command_that_waits_is_told_so_and_answered_when_its_turn_comes),
        T(a_command_that_was_meant_for_an_earlier_leadership_is_dropped),
        T(nobody_speaks_for_another_node),
        T(what_only_the_leader_decides_comes_from_nobody_else),
        T(bytes_that_are_no_command_do_not_get_into_the_log),
        T(a_command_that_was_applied_is_answered_again_without_the_log),
        T(a_command_that_is_in_the_log_already_is_not_put_there_again),
        T(a_keepalive_is_answered_under_the_lease_only),
        T(who_asks_for_a_session_that_is_not_its_own_learns_that_it_has_none),
        T(a_session_ends_after_its_term_and_the_guard_and_not_before),
        T(a_session_ends_by_the_term_that_its_node_opened_it_with),
        T(a_session_that_is_about_to_end_cannot_be_renewed),
        T(a_session_that_is_renewed_lives),
        T(a_new_leader_gives_every_session_a_full_term),
        T(what_an_ended_session_held_goes_to_the_next_waiter),
        T(a_leased_lock_ends_when_its_time_is_over),
        T(a_leased_lock_ends_even_if_the_end_was_lost_with_an_earlier_leadership),
        T(a_leased_lock_that_is_renewed_lives_on),
        T(a_leader_that_serves_no_more_answers_nobody),
        T(after_a_tick_the_deadline_lies_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
