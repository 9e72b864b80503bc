/* Requests that end before they are answered: by a timeout, by their caller, with the session. None
 * of them is merely forgotten. */
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

static uint64_t flock(uint64_t handle)
{
    return client_bench_request(&cb, bench_flock("x", handle, CFS_EXCLUSIVE, true));
}

/* The sequence of the newest command. */
static uint64_t sequence(void)
{
    return client_bench_sent(&cb).sequence;
}

static uint32_t commands(void)
{
    return bench_sent_count(&cb.bench, CFS_MSG_FORWARD, 0);
}

static enum cfs_error said(uint64_t id)
{
    const struct cfs_answer *answer = client_bench_said(&cb, id);

    assert_non_null(answer);
    return answer->error;
}

static void granted(uint64_t of_sequence, cfs_token token)
{
    client_bench_answer(&cb, of_sequence, (struct cfs_answer){.token = token});
}

/* Contact is kept, so that only what the test is about happens. */
static void pass_in_contact(cfs_time duration)
{
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    client_bench_tick(&cb, duration);
}

static void a_request_is_held_for_the_timeout_and_then_answered(void **state)
{
    uint64_t id;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    client_bench_no_leader(&cb);
    id = client_bench_request(&cb, bench_get("x"));
    client_bench_run(&cb, CFS_SECONDS(5) - 1);
    assert_null(client_bench_said(&cb, id));
    client_bench_run(&cb, 1);
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
}

static void after_a_timeout_calls_are_turned_away_at_once_until_a_leader_answers(void **state)
{
    uint64_t id;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    flock(7);
    client_bench_tick(&cb, CFS_SECONDS(5));
    assert_false(cb.client.available);
    id = flock(8);
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    id = client_bench_request(&cb, bench_get("x"));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    assert_true(cb.client.available);
    id = flock(9);
    assert_null(client_bench_said(&cb, id));
}

/* Else a node whose callers never have the patience would hold up each of them. */
static void short_waits_out_of_contact_turn_the_next_calls_away_too(void **state)
{
    uint64_t id;

    (void)state;
    client_bench_no_leader(&cb);
    for (int second = 0; second < 5; second++) {
        assert_true(cb.client.available);
        id = flock(7);
        client_bench_run(&cb, CFS_SECONDS(1));
        cfs_client_cancel(&cb.client, id);
        client_bench_run(&cb, CFS_MS(50)); /* it may have been sent */
        assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    }
    assert_false(cb.client.available);
    id = flock(8);
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
}

static void short_waits_with_a_leader_that_answers_others_turn_nobody_away(void **state)
{
    uint64_t id;

    (void)state;
    for (int second = 0; second < 8; second++) {
        id = flock(7);
        pass_in_contact(CFS_SECONDS(1));
        cfs_client_cancel(&cb.client, id);
        client_bench_tick(&cb, CFS_MS(60));
        assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    }
    assert_true(cb.client.available);
}

/* Sent or not, it must not take the lock behind the caller's back. */
static void an_acquire_given_up_is_cancelled_and_undone(void **state)
{
    uint64_t id, given_up;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    id = flock(7);
    given_up = sequence();
    client_bench_no_leader(&cb);
    client_bench_tick(&cb, CFS_SECONDS(5));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    bench_clear(&cb.bench);
    client_bench_leader(&cb);
    assert_int_equal(commands(), 1); /* the acquire itself is not sent again */
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_int_equal(client_bench_sent(&cb).target, given_up);
    assert_true(client_bench_sent(&cb).undo);
    assert_true(client_bench_sent(&cb).oldest <= given_up);
}

static void a_cancel_is_sent_until_it_is_answered(void **state)
{
    uint64_t of_cancel;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    flock(7);
    client_bench_tick(&cb, CFS_SECONDS(5));
    of_cancel = sequence();
    for (int i = 0; i < 20; i++) {
        bench_clear(&cb.bench);
        pass_in_contact(CFS_SECONDS(1));
        assert_int_equal(client_bench_sent(&cb).sequence, of_cancel);
    }
    client_bench_answer(&cb, of_cancel, (struct cfs_answer){0});
    assert_int_equal(cb.client.call_count, 0);
}

static void what_was_never_sent_is_simply_dropped(void **state)
{
    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    client_bench_no_leader(&cb);
    flock(7);
    client_bench_tick(&cb, CFS_SECONDS(5));
    assert_int_equal(cb.client.call_count, 0);
}

static void an_interrupted_acquire_gets_a_moment_to_learn_whether_it_was_granted(void **state)
{
    uint64_t id = flock(7), acquire = sequence();

    (void)state;
    cfs_client_cancel(&cb.client, id);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_false(client_bench_sent(&cb).undo);
    assert_null(client_bench_said(&cb, id));
    granted(acquire, 5); /* it was under way */
    assert_int_equal(said(id), CFS_OK);
    client_bench_answer(&cb, sequence(), (struct cfs_answer){0});
    assert_int_equal(cb.client.call_count, 0);
}

static void an_acquire_interrupted_before_it_was_sent_ends_at_once(void **state)
{
    uint64_t id;

    (void)state;
    client_bench_no_leader(&cb);
    id = flock(7);
    cfs_client_cancel(&cb.client, id);
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(cb.client.call_count, 0);
}

/* Its own answer was lost, but whoever knows that it is settled knows that it has ended. */
static void a_wait_whose_cancel_is_settled_is_acknowledged(void **state)
{
    uint64_t id = flock(7), acquire = sequence();

    (void)state;
    client_bench_queued(&cb, acquire);
    cfs_client_cancel(&cb.client, id);
    client_bench_run(&cb, CFS_MS(70));
    client_bench_answer(&cb, acquire + 1, (struct cfs_answer){0});
    client_bench_answer(&cb, acquire + 2, (struct cfs_answer){0});
    assert_int_equal(cb.client.call_count, 0);
    flock(8);
    assert_int_equal(client_bench_sent(&cb).ack_count, 1);
    assert_int_equal(client_bench_sent(&cb).acks[0], acquire);
}

static void an_interrupted_wait_ends_with_its_ticket(void **state)
{
    uint64_t id = flock(7), acquire = sequence();

    (void)state;
    client_bench_queued(&cb, acquire);
    cfs_client_cancel(&cb.client, id);
    client_bench_answer(&cb, acquire,
                        (struct cfs_answer){.error = CFS_ERR_INTERRUPTED, .ticket = 33});
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(client_bench_said(&cb, id)->ticket, 33);
    assert_true(client_bench_said(&cb, id)->queued);
}

/* The one was in a queue, of the other nobody knows. */
static void an_interrupted_acquire_tells_whether_it_had_queued(void **state)
{
    uint64_t queued = flock(7), sent;

    (void)state;
    client_bench_queued(&cb, sequence());
    sent = flock(8);
    cfs_client_cancel(&cb.client, queued);
    cfs_client_cancel(&cb.client, sent);
    client_bench_run(&cb, CFS_MS(60));
    assert_true(client_bench_said(&cb, queued)->queued);
    assert_false(client_bench_said(&cb, sent)->queued);
}

static void an_interrupted_acquire_is_let_go_soon_and_undone(void **state)
{
    uint64_t id = flock(7), acquire = sequence();

    (void)state;
    client_bench_queued(&cb, acquire);
    cfs_client_cancel(&cb.client, id);
    client_bench_run(&cb, CFS_MS(49));
    assert_null(client_bench_said(&cb, id));
    client_bench_run(&cb, CFS_MS(1));
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(client_bench_sent(&cb).target, acquire);
    assert_true(client_bench_sent(&cb).undo);
    granted(acquire, 5); /* too late: said to nobody */
    assert_int_equal(bench_effect_count(&cb.bench, CFS_FX_ANSWER), 1);
}

static void an_interrupted_read_or_write_ends_at_once(void **state)
{
    uint64_t read = client_bench_request(&cb, bench_get("x"));
    uint64_t remove;
    struct cfs_request request = bench_get("x");

    (void)state;
    request.op = CFS_OP_REMOVE;
    request.remove.form = CFS_FORM_FILE;
    remove = client_bench_request(&cb, request);
    cfs_client_cancel(&cb.client, read);
    cfs_client_cancel(&cb.client, remove);
    assert_int_equal(said(read), CFS_ERR_INTERRUPTED);
    assert_int_equal(said(remove), CFS_ERR_INTERRUPTED);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_false(client_bench_sent(&cb).undo);
}

static void cancelling_what_is_answered_already_changes_nothing(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    granted(sequence(), 5);
    cfs_client_cancel(&cb.client, id);
    cfs_client_cancel(&cb.client, 12345);
    assert_int_equal(commands(), 1);
}

static void a_release_survives_that_nobody_could_wait_for_it(void **state)
{
    uint64_t id;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    client_bench_no_leader(&cb);
    id = client_bench_request(&cb, bench_unflock("x", 7));
    client_bench_tick(&cb, CFS_SECONDS(5));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    assert_false(cb.client.available);
    id = client_bench_request(&cb, bench_unflock("x", 8));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    bench_clear(&cb.bench);
    client_bench_leader(&cb);
    assert_int_equal(commands(), 2);
    assert_int_equal(client_bench_sent(&cb).request.op, CFS_OP_RELEASE);
}

/* Whoever closes a file cannot ask again. */
static void a_release_is_taken_even_when_too_many_calls_wait(void **state)
{
    uint64_t id;

    (void)state;
    cb.client.call_count += CFS_REQUESTS_MAX;
    id = flock(7);
    assert_int_equal(said(id), CFS_ERR_TOO_MANY);
    id = client_bench_request(&cb, bench_unflock("x", 7));
    assert_null(client_bench_said(&cb, id));
    cb.client.call_count -= CFS_REQUESTS_MAX;
}

static void a_wait_has_no_timeout_while_there_is_contact(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    client_bench_queued(&cb, sequence());
    for (int i = 0; i < 100; i++)
        pass_in_contact(CFS_SECONDS(1));
    assert_null(client_bench_said(&cb, id));
}

static void a_wait_out_of_contact_ends_after_the_timeout(void **state)
{
    uint64_t id;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    id = flock(7);
    client_bench_queued(&cb, sequence());
    client_bench_no_leader(&cb);
    client_bench_run(&cb, CFS_SECONDS(5) - 1);
    assert_null(client_bench_said(&cb, id));
    client_bench_run(&cb, CFS_MS(10)); /* it looks at all calls now and then */
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
}

/* As long as its process is stopped nobody answers it, and nobody is to blame. */
static void silence_while_the_node_does_not_run_does_not_count(void **state)
{
    uint64_t waiting = flock(7), asked;

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    client_bench_queued(&cb, sequence());
    asked = flock(8);
    client_bench_no_leader(&cb);
    client_bench_run(&cb, CFS_SECONDS(2));
    bench_pass(&cb.bench, CFS_SECONDS(20));
    cfs_client_halted(&cb.client, CFS_SECONDS(20));
    client_bench_run(&cb, CFS_SECONDS(3) - CFS_MS(20));
    assert_null(client_bench_said(&cb, waiting));
    assert_null(client_bench_said(&cb, asked));
    client_bench_run(&cb, CFS_MS(40));
    assert_int_equal(said(waiting), CFS_ERR_TIMED_OUT);
    assert_int_equal(said(asked), CFS_ERR_TIMED_OUT);
}

/* A busy node is a little late for everything. */
static void small_delays_do_not_keep_a_call_from_timing_out(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    cb.bench.config.session = CFS_SECONDS(60);
    client_bench_no_leader(&cb);
    for (int i = 0; i < 51; i++) {
        cfs_client_halted(&cb.client, CFS_MS(80));
        client_bench_tick(&cb, CFS_MS(100));
    }
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
}

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
    assert_int_equal(cb.client.next_sequence, 3);
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
    cfs_client_contact(&cb.client, cb.bench.env.now);
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
        T(a_request_is_held_for_the_timeout_and_then_answered),
        T(after_a_timeout_calls_are_turned_away_at_once_until_a_leader_answers),
        T(short_waits_out_of_contact_turn_the_next_calls_away_too),
        T(short_waits_with_a_leader_that_answers_others_turn_nobody_away),
        T(an_acquire_given_up_is_cancelled_and_undone),
        T(a_cancel_is_sent_until_it_is_answered),
        T(what_was_never_sent_is_simply_dropped),
        T(an_interrupted_acquire_gets_a_moment_to_learn_whether_it_was_granted),
        T(an_acquire_interrupted_before_it_was_sent_ends_at_once),
        T(a_wait_whose_cancel_is_settled_is_acknowledged),
        T(an_interrupted_wait_ends_with_its_ticket),
        T(an_interrupted_acquire_tells_whether_it_had_queued),
        T(an_interrupted_acquire_is_let_go_soon_and_undone),
        T(an_interrupted_read_or_write_ends_at_once),
        T(cancelling_what_is_answered_already_changes_nothing),
        T(a_release_survives_that_nobody_could_wait_for_it),
        T(a_release_is_taken_even_when_too_many_calls_wait),
        T(a_wait_has_no_timeout_while_there_is_contact),
        T(a_wait_out_of_contact_ends_after_the_timeout),
        T(silence_while_the_node_does_not_run_does_not_count),
        T(small_delays_do_not_keep_a_call_from_timing_out),
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
