/* The node's session: opened once, renewed from the sending, ended here before anywhere else. */
#include "core_bench.h"

static struct client_bench cb;

static int set_up(void **state)
{
    client_bench_open_session(&cb);
    *state = &cb;
    return 0;
}

static int tear_down(void **state)
{
    client_bench_close(*state);
    return 0;
}

/* The node's side of the session's term: it ends a guard early. */
static cfs_time term(void)
{
    return cb.bench.config.session - CFS_CLOCK_GUARD(cb.bench.config.session);
}

static uint32_t changes(enum cfs_session_change change)
{
    uint32_t count = 0;

    for (size_t i = 0; i < cb.bench.effects.count; i++)
        count += cb.bench.effects.items[i].type == CFS_FX_SESSION &&
                 cb.bench.effects.items[i].session == change;
    return count;
}

static void the_opening_waits_for_a_leader(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    client_bench_tick(&fresh, CFS_SECONDS(1));
    assert_int_equal(bench_effect_count(&fresh.bench, CFS_FX_SEND), 0);
    client_bench_leader(&fresh);
    assert_int_equal(client_bench_sent(&fresh).kind, CFS_CMD_OPEN_SESSION);
    assert_int_equal(bench_sent(&fresh.bench, CFS_MSG_FORWARD, 0)->term, BENCH_TERM);
    client_bench_close(&fresh);
}

static void an_unanswered_opening_is_repeated_under_one_name(void **state)
{
    struct client_bench fresh;
    uint64_t nonce;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    nonce = client_bench_sent(&fresh).nonce;
    bench_clear(&fresh.bench);
    client_bench_tick(&fresh, CFS_MS(250));
    assert_int_equal(client_bench_sent(&fresh).nonce, nonce);
    client_bench_close(&fresh);
}

static void a_session_runs_from_the_first_sending_of_its_opening(void **state)
{
    struct client_bench fresh;
    cfs_time first;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    first = fresh.bench.env.now;
    client_bench_tick(&fresh, CFS_MS(250));
    client_bench_tick(&fresh, CFS_MS(250));
    client_bench_opened(&fresh, client_bench_sent(&fresh).nonce, BENCH_SESSION);
    assert_int_equal(fresh.client.renewed, first);
    assert_int_equal(bench_effect(&fresh.bench, CFS_FX_SESSION)->session, CFS_SESSION_OPENED);
    client_bench_close(&fresh);
}

static void the_answer_to_another_opening_opens_nothing(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    client_bench_opened(&fresh, client_bench_sent(&fresh).nonce - 1, 39);
    assert_int_equal(fresh.client.state, CFS_SESSION_OPENING);
    client_bench_close(&fresh);
}

/* It may find the session of the daemon before it, whose lockfiles it takes over. */
static void only_the_first_session_of_a_daemon_resumes(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    assert_true(client_bench_sent(&fresh).resume);
    client_bench_opened(&fresh, client_bench_sent(&fresh).nonce, BENCH_SESSION);
    client_bench_tick(&fresh, CFS_SECONDS(6));
    assert_int_equal(client_bench_sent(&fresh).kind, CFS_CMD_OPEN_SESSION);
    assert_false(client_bench_sent(&fresh).resume);
    client_bench_close(&fresh);
}

/* Whoever opened it and lost it at once would open the next one without what it had resumed. */
static void a_session_that_opens_too_late_is_opened_again_and_still_resumes(void **state)
{
    struct client_bench fresh;
    uint64_t late;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    late = client_bench_sent(&fresh).nonce;
    client_bench_run(&fresh, term());
    client_bench_opened(&fresh, late, BENCH_SESSION);
    assert_null(bench_effect(&fresh.bench, CFS_FX_SESSION));
    assert_true(client_bench_sent(&fresh).resume);
    assert_int_equal(client_bench_sent(&fresh).target, BENCH_SESSION);
    assert_int_not_equal(client_bench_sent(&fresh).nonce, late);
    client_bench_run(&fresh, term() - 1);
    client_bench_opened(&fresh, client_bench_sent(&fresh).nonce, BENCH_SESSION + 1);
    assert_int_equal(bench_effect(&fresh.bench, CFS_FX_SESSION)->session, CFS_SESSION_OPENED);
    client_bench_close(&fresh);
}

static void a_session_that_opens_at_the_last_moment_is_renewed_at_once(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    client_bench_run(&fresh, term() - CFS_MS(10));
    client_bench_opened(&fresh, client_bench_sent(&fresh).nonce, BENCH_SESSION);
    client_bench_run(&fresh, 0);
    assert_int_equal(bench_sent_count(&fresh.bench, CFS_MSG_KEEPALIVE, BENCH_LEADER), 1);
    client_bench_close(&fresh);
}

static void an_opening_names_the_session_it_replaces(void **state)
{
    (void)state;
    cfs_client_lose_session(&cb.client);
    cfs_client_tick(&cb.client);
    assert_int_equal(client_bench_sent(&cb).target, BENCH_SESSION);
}

static void a_refused_opening_is_sent_again_for_the_session_that_is_there(void **state)
{
    (void)state;
    cfs_client_lose_session(&cb.client);
    cfs_client_tick(&cb.client);
    client_bench_open_refused(&cb, client_bench_sent(&cb).nonce, 77);
    assert_int_equal(client_bench_sent(&cb).target, 77);
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, 78);
    assert_int_equal(cb.client.session, 78);
}

static void a_session_is_renewed_several_times_within_its_term(void **state)
{
    cfs_time due = cfs_client_deadline(&cb.client) - cb.bench.env.now;

    (void)state;
    assert_true(3 * due <= cb.bench.config.session);
    client_bench_tick(&cb, due);
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_KEEPALIVE, BENCH_LEADER), 1);
    client_bench_tick(&cb, CFS_MS(250)); /* unanswered: soon again */
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_KEEPALIVE, BENCH_LEADER), 2);
}

static void the_next_renewal_is_due_a_period_after_the_last(void **state)
{
    cfs_time period = cb.bench.config.session / 3;

    (void)state;
    assert_int_equal(cfs_client_deadline(&cb.client), cb.bench.env.now + period);
    client_bench_tick(&cb, period);
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    assert_int_equal(cfs_client_deadline(&cb.client), cb.bench.env.now + period);
}

static void without_a_leader_the_node_wakes_up_for_the_end_of_its_session(void **state)
{
    (void)state;
    client_bench_no_leader(&cb);
    client_bench_tick(&cb, CFS_SECONDS(3));
    assert_int_equal(cfs_client_deadline(&cb.client), cb.client.renewed + term());
}

static void a_renewal_counts_from_its_sending(void **state)
{
    cfs_time sent = cb.bench.env.now + CFS_SECONDS(1);

    (void)state;
    client_bench_tick(&cb, CFS_SECONDS(3));
    client_bench_kept_alive(&cb, sent, true);
    assert_int_equal(cb.client.renewed, sent);
    client_bench_kept_alive(&cb, sent - 1, true); /* one that was overtaken */
    assert_int_equal(cb.client.renewed, sent);
}

static void a_session_ends_here_strictly_before_the_leader_lets_it(void **state)
{
    double here, there;

    (void)state;
    client_bench_no_leader(&cb);
    client_bench_tick(&cb, term() - 1);
    assert_int_equal(changes(CFS_SESSION_LOST), 0);
    client_bench_tick(&cb, 1);
    assert_int_equal(changes(CFS_SESSION_LOST), 1);
    /* Even if this clock is 1 percent slow and the leader's 1 percent fast (home.c). */
    here = (double)term() / 0.99;
    there = (double)cb.bench.config.session;
    there = (there + CFS_CLOCK_GUARD(there)) / 1.01;
    assert_true(here < there);
}

static void a_cluster_that_does_not_know_the_session_ends_it(void **state)
{
    (void)state;
    client_bench_kept_alive(&cb, cb.bench.env.now, false);
    assert_int_equal(changes(CFS_SESSION_LOST), 1);
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
    assert_int_equal(cb.client.session, 0);
    assert_int_equal(cfs_client_deadline(&cb.client), cb.bench.env.now); /* for another one */
}

static void news_of_another_session_are_ignored(void **state)
{
    (void)state;
    cfs_client_kept_alive(&cb.client, &(struct cfs_message){.keepalive_reply = {.session = 39}});
    assert_int_equal(changes(CFS_SESSION_LOST), 0);
    assert_int_equal(cb.client.state, CFS_SESSION_OPEN);
}

static void after_a_loss_the_node_opens_another_session(void **state)
{
    (void)state;
    client_bench_tick(&cb, CFS_SECONDS(6));
    assert_int_equal(changes(CFS_SESSION_LOST), 1);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION + 1);
    assert_int_equal(changes(CFS_SESSION_OPENED), 1);
    assert_int_equal(cb.client.session, BENCH_SESSION + 1);
}

static void a_new_leader_is_asked_to_renew_at_once(void **state)
{
    (void)state;
    cfs_client_leader(&cb.client, 0, 3, BENCH_TERM + 1);
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_KEEPALIVE, 3), 1);
}

static void leaving_closes_the_session_and_opens_no_other(void **state)
{
    (void)state;
    cfs_client_leave(&cb.client);
    cfs_client_leave(&cb.client);
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_FORWARD, 0), 1);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CLOSE_SESSION);
    client_bench_answer(&cb, client_bench_sent(&cb).sequence, (struct cfs_answer){0});
    assert_int_equal(changes(CFS_SESSION_CLOSED), 1);
    assert_int_equal(changes(CFS_SESSION_LOST), 0);
    bench_clear(&cb.bench);
    client_bench_tick(&cb, CFS_SECONDS(10));
    assert_int_equal(bench_effect_count(&cb.bench, CFS_FX_SEND), 0);
}

static void leaving_without_a_session_is_done_at_once(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    cfs_client_leave(&fresh.client);
    assert_int_equal(bench_effect(&fresh.bench, CFS_FX_SESSION)->session, CFS_SESSION_CLOSED);
    client_bench_close(&fresh);
}

static void a_session_that_ends_while_the_node_leaves_is_closed_too(void **state)
{
    (void)state;
    cfs_client_leave(&cb.client);
    client_bench_tick(&cb, CFS_SECONDS(6));
    assert_int_equal(changes(CFS_SESSION_CLOSED), 1);
    assert_int_equal(cfs_client_deadline(&cb.client), CFS_NEVER);
}

static void after_a_tick_the_deadline_lies_ahead_in_every_state(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    client_bench_tick(&fresh, 0);
    assert_true(cfs_client_deadline(&fresh.client) > fresh.bench.env.now);
    client_bench_leader(&fresh);
    for (int i = 0; i < 40; i++) {
        if (i == 10)
            client_bench_opened(&fresh, client_bench_sent(&fresh).nonce, BENCH_SESSION);
        client_bench_tick(&fresh, CFS_MS(300));
        assert_true(cfs_client_deadline(&fresh.client) > fresh.bench.env.now);
    }
    client_bench_close(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(the_opening_waits_for_a_leader),
        T(an_unanswered_opening_is_repeated_under_one_name),
        T(a_session_runs_from_the_first_sending_of_its_opening),
        T(the_answer_to_another_opening_opens_nothing),
        T(only_the_first_session_of_a_daemon_resumes),
        T(a_session_that_opens_too_late_is_opened_again_and_still_resumes),
        T(a_session_that_opens_at_the_last_moment_is_renewed_at_once),
        T(an_opening_names_the_session_it_replaces),
        T(a_refused_opening_is_sent_again_for_the_session_that_is_there),
        T(a_session_is_renewed_several_times_within_its_term),
        T(the_next_renewal_is_due_a_period_after_the_last),
        T(without_a_leader_the_node_wakes_up_for_the_end_of_its_session),
        T(a_renewal_counts_from_its_sending),
        T(a_session_ends_here_strictly_before_the_leader_lets_it),
        T(a_cluster_that_does_not_know_the_session_ends_it),
        T(news_of_another_session_are_ignored),
        T(after_a_loss_the_node_opens_another_session),
        T(a_new_leader_is_asked_to_renew_at_once),
        T(leaving_closes_the_session_and_opens_no_other),
        T(leaving_without_a_session_is_done_at_once),
        T(a_session_that_ends_while_the_node_leaves_is_closed_too),
        T(after_a_tick_the_deadline_lies_ahead_in_every_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
