/* What a session that is lost leaves behind of its unanswered requests, and the next one with. */
#include "client_calls_world.h"

static void lose_session(void)
{
    client_bench_kept_alive(&cb, cb.bench.env.now, false);
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
}

static void open_next_session(void)
{
    cb.client.session_due = cb.bench.env.now;
    client_bench_tick(&cb, 0);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION + 1);
    assert_int_equal(cb.client.state, CFS_SESSION_OPEN);
}

/* All that it may have been granted has ended with the session, so asking twice is asking once. */
static void an_acquire_that_a_session_left_unanswered_is_asked_anew_in_the_next(void **state)
{
    uint64_t waiting = flock(7), sent;

    (void)state;
    client_bench_queued(&cb, sequence());
    sent = flock(8);
    lose_session();
    assert_null(client_bench_said(&cb, waiting));
    assert_null(client_bench_said(&cb, sent));
    assert_int_equal(cfs_client_wait_sequence(&cb.client, waiting), 0);
    open_next_session();
    assert_int_equal(client_bench_sent(&cb).session, BENCH_SESSION + 1);
    assert_int_equal(client_bench_sent(&cb).request.op, CFS_OP_ACQUIRE);
    assert_int_equal(cb.client.channels[0].next_sequence, 3);
}

/* It had no deadline while it waited; the silence that cost the session leaves it little time, but
 * that silence has ended. */
static void a_wait_that_lost_its_session_late_is_held_while_there_is_contact(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    client_bench_queued(&cb, sequence());
    client_bench_no_leader(&cb);
    client_bench_run(&cb, CFS_SECONDS(5) - CFS_MS(90));
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
    cfs_client_contact(&cb.client.channels[0], cb.bench.env.now);
    client_bench_run(&cb, CFS_SECONDS(4));
    assert_null(client_bench_said(&cb, id));
    client_bench_run(&cb, CFS_SECONDS(1));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
}

static uint64_t lease(void)
{
    return client_bench_request(&cb, (struct cfs_request){.op = CFS_OP_ACQUIRE,
                                                          .name = "job",
                                                          .acquire = {.kind = CFS_LEASED,
                                                                      .mode = CFS_EXCLUSIVE,
                                                                      .form = CFS_FORM_FILE,
                                                                      .wait = true,
                                                                      .ttl_ms = 30000}});
}

/* The newest command gives back what `handle` asked for, and nothing by its token. */
static void assert_gives_back(uint64_t handle)
{
    struct cfs_command command = client_bench_sent(&cb);

    assert_int_equal(command.kind, CFS_CMD_REQUEST);
    assert_int_equal(command.request.op, CFS_OP_RELEASE);
    assert_string_equal(command.request.name, "job");
    assert_int_equal(command.request.release.kind, CFS_LEASED);
    assert_true(command.request.release.handle == handle && handle);
    assert_int_equal(command.request.release.token, 0);
}

/* A LEASED hold outlives the session it was asked in: what nobody waits for any more is given back,
 * however many sessions that takes. */
static void a_leased_acquire_given_up_after_its_session_is_given_back(void **state)
{
    uint64_t id = lease(), handle = client_bench_sent(&cb).request.acquire.handle;

    (void)state;
    lose_session();
    client_bench_no_leader(&cb);
    client_bench_run(&cb, CFS_SECONDS(6));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    client_bench_leader(&cb);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION);
    assert_gives_back(handle);
    lose_session();
    cb.client.session_due = cb.bench.env.now;
    client_bench_tick(&cb, 0);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION);
    assert_gives_back(handle);
    client_bench_answer(&cb, sequence(), (struct cfs_answer){0});
    assert_int_equal(cb.client.call_count, 0);
}

/* Its CANCEL ended with the session. */
static void a_leased_acquire_given_up_before_its_session_ended_is_given_back(void **state)
{
    uint64_t id = lease(), handle = client_bench_sent(&cb).request.acquire.handle;

    (void)state;
    cfs_client_cancel(&cb.client, id);
    client_bench_run(&cb, CFS_MS(60));
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    lose_session();
    open_next_session();
    assert_gives_back(handle);
    assert_int_equal(cb.client.call_count, 1);
}

/* Granted then or now, nothing of it stays. */
static void a_leased_acquire_asked_anew_and_given_up_is_undone_in_both_sessions(void **state)
{
    uint64_t id = lease(), handle = client_bench_sent(&cb).request.acquire.handle, anew;

    (void)state;
    lose_session();
    open_next_session();
    anew = sequence();
    assert_int_equal(client_bench_sent(&cb).request.op, CFS_OP_ACQUIRE);
    assert_true(client_bench_sent(&cb).request.acquire.handle == handle);
    cfs_client_cancel(&cb.client, id);
    client_bench_run(&cb, CFS_MS(49));
    bench_clear(&cb.bench);
    client_bench_run(&cb, CFS_MS(1));
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(commands(), 2);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_int_equal(client_bench_sent(&cb).target, anew);
    assert_true(client_bench_sent(&cb).undo);
}

static void an_acquire_that_finds_no_other_session_times_out(void **state)
{
    uint64_t waiting = flock(7);

    (void)state;
    client_bench_queued(&cb, sequence());
    client_bench_no_leader(&cb);
    client_bench_run(&cb, CFS_SECONDS(5) - CFS_MS(100)); /* the session's end */
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
    assert_null(client_bench_said(&cb, waiting));
    client_bench_run(&cb, CFS_MS(110));
    assert_int_equal(said(waiting), CFS_ERR_TIMED_OUT);
    assert_int_equal(cb.client.call_count, 0);
}

/* There its sequences may name others. */
static void the_next_session_hears_nothing_of_the_waits_of_the_last(void **state)
{
    (void)state;
    flock(7);
    granted(sequence(), 5);
    lose_session();
    open_next_session();
    flock(8);
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
}

static void a_cancel_that_was_not_sent_yet_ends_with_the_session(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    client_bench_no_leader(&cb);
    cfs_client_cancel(&cb.client, id);
    client_bench_run(&cb, CFS_MS(70));
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    client_bench_run(&cb, CFS_SECONDS(6));
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
    assert_int_equal(cb.client.call_count, 0);
}

/* Whoever closes a file does not wait for long; what the file takes after that must not be given
 * back by the release that comes late. */
static void an_acquire_waits_for_a_late_release_of_its_open_file(void **state)
{
    uint64_t release;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    client_bench_request(&cb, bench_unflock("x", 7));
    release = sequence();
    client_bench_run(&cb, CFS_SECONDS(5) + CFS_MS(10));
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    flock(8); /* another file's is not held up */
    assert_int_equal(client_bench_sent(&cb).request.acquire.handle, 8);
    flock(7);
    assert_int_not_equal(client_bench_sent(&cb).request.acquire.handle, 7);
    client_bench_answer(&cb, release, (struct cfs_answer){0});
    client_bench_run(&cb, CFS_MS(20));
    assert_int_equal(client_bench_sent(&cb).request.acquire.handle, 7);
}

static void an_acquire_that_is_being_interrupted_ends_with_the_session(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    cfs_client_cancel(&cb.client, id);
    lose_session();
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(cb.client.call_count, 0);
}

/* Whether it has happened cannot be asked any more. */
static void another_change_that_a_session_left_unanswered_is_not_repeated(void **state)
{
    struct cfs_request remove = bench_get("x");
    uint64_t id;

    (void)state;
    remove.op = CFS_OP_REMOVE;
    remove.remove.form = CFS_FORM_FILE;
    id = client_bench_request(&cb, remove);
    lose_session();
    bench_clear(&cb.bench);
    open_next_session();
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_OPEN_SESSION);
    assert_int_equal(cb.client.call_count, 0);
}

static void a_release_is_done_when_the_session_ends(void **state)
{
    uint64_t id = client_bench_request(&cb, bench_unflock("x", 8));

    (void)state;
    lose_session();
    assert_int_equal(said(id), CFS_OK);
}

/* Such a lock does not end with the node's session. */
static void a_release_over_http_is_not_called_done_because_the_session_ended(void **state)
{
    struct cfs_request release = bench_unflock("x", 0);
    uint64_t id;

    (void)state;
    release.release = (struct cfs_release){.kind = CFS_LEASED, .token = 9};
    id = client_bench_request(&cb, release);
    client_bench_kept_alive(&cb, cb.bench.env.now, false);
    assert_true(!client_bench_said(&cb, id) || said(id) != CFS_OK);
}

static void what_the_cluster_answers_to_a_lost_session_ends_it_here(void **state)
{
    (void)state;
    flock(7);
    client_bench_answer(&cb, sequence(), (struct cfs_answer){.error = CFS_ERR_LOST});
    assert_int_equal(cb.client.state, CFS_SESSION_OPENING);
}

static void answers_to_an_earlier_session_are_ignored(void **state)
{
    uint64_t id;

    (void)state;
    lose_session();
    open_next_session();
    id = flock(7);
    assert_int_equal(sequence(), 1); /* a name that the earlier session has used too */
    granted(1, 5);
    assert_null(client_bench_said(&cb, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(an_acquire_that_a_session_left_unanswered_is_asked_anew_in_the_next),
        T(a_wait_that_lost_its_session_late_is_held_while_there_is_contact),
        T(a_leased_acquire_given_up_after_its_session_is_given_back),
        T(a_leased_acquire_given_up_before_its_session_ended_is_given_back),
        T(a_leased_acquire_asked_anew_and_given_up_is_undone_in_both_sessions),
        T(an_acquire_that_finds_no_other_session_times_out),
        T(the_next_session_hears_nothing_of_the_waits_of_the_last),
        T(a_cancel_that_was_not_sent_yet_ends_with_the_session),
        T(an_acquire_waits_for_a_late_release_of_its_open_file),
        T(an_acquire_that_is_being_interrupted_ends_with_the_session),
        T(another_change_that_a_session_left_unanswered_is_not_repeated),
        T(a_release_is_done_when_the_session_ends),
        T(a_release_over_http_is_not_called_done_because_the_session_ended),
        T(what_the_cluster_answers_to_a_lost_session_ends_it_here),
        T(answers_to_an_earlier_session_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
