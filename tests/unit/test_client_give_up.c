/* Requests that end before they are answered: by a timeout or by their caller. None of them is
 * merely forgotten. */
#include "client_calls_world.h"

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
    assert_false(cb.client.channels[0].available);
    id = flock(8);
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    id = client_bench_request(&cb, bench_get("x"));
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    assert_true(cb.client.channels[0].available);
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
        assert_true(cb.client.channels[0].available);
        id = flock(7);
        client_bench_run(&cb, CFS_SECONDS(1));
        cfs_client_cancel(&cb.client, id);
        client_bench_run(&cb, CFS_MS(50)); /* it may have been sent */
        assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    }
    assert_false(cb.client.channels[0].available);
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
    assert_true(cb.client.channels[0].available);
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
    assert_false(cb.client.channels[0].available);
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

static void only_who_waits_in_a_queue_is_stuck(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    assert_int_equal(cfs_client_wait_sequence(&cb.client, id), 0);
    client_bench_queued(&cb, 1);
    assert_int_equal(cfs_client_wait_sequence(&cb.client, id), 1);
    cfs_client_cancel(&cb.client, id); /* and who is being let go is not */
    assert_int_equal(cfs_client_wait_sequence(&cb.client, id), 0);
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
        T(only_who_waits_in_a_queue_is_stuck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
