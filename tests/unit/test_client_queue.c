/* Requests to queues from the asking to the answer: what waits, what is given up, what a lost
 * session leaves of them. */
#include "client_calls_world.h"
#include "queue_requests.h"

#include <stdlib.h>

static uint64_t consume(bool wait)
{
    return client_bench_request(&cb, consume_from("q", wait));
}

static uint64_t produce(bool wait)
{
    return client_bench_request(&cb, produce_to("q", "body", wait));
}

static void handed(uint64_t of_sequence)
{
    const struct cfs_message_info message = {
        .id = 1, .claim = 2, .deliveries = 1, .body = (const uint8_t *)"body", .len = 4};

    client_bench_answer(&cb, of_sequence,
                        (struct cfs_answer){.messages = &message, .message_count = 1});
}

static uint32_t reads(void)
{
    return bench_sent_count(&cb.bench, CFS_MSG_READ, 0);
}

static void a_message_comes_with_its_answer(void **state)
{
    uint64_t id = consume(true);

    (void)state;
    assert_true(client_bench_sent(&cb).request.consume.wait);
    handed(sequence());
    assert_int_equal(said(id), CFS_OK);
    assert_int_equal(client_bench_said(&cb, id)->message_count, 1);
    assert_int_equal(client_bench_said(&cb, id)->messages[0].claim, 2);
    assert_memory_equal(client_bench_said(&cb, id)->messages[0].body, "body", 4);
}

/* Bodies and numbers are kept: the caller's are gone by the time of a resend. */
static void what_is_asked_is_kept_until_it_is_answered(void **state)
{
    char body[] = "body";
    uint64_t claim = 7;
    struct cfs_command command;

    (void)state;
    client_bench_request(&cb, produce_to("q", body, true));
    memset(body, 'x', sizeof body);
    pass_in_contact(CFS_MS(300));
    command = client_bench_sent(&cb);
    assert_memory_equal(command.request.produce.data, "body", 4);
    client_bench_request(&cb, settle_claim(CFS_OP_ACK, "q", &claim));
    claim = 9;
    pass_in_contact(CFS_MS(300));
    command = client_bench_sent(&cb);
    assert_int_equal(command.request.settle.ids[0], 7);
    cfs_command_clear(&command);
}

static void a_wait_has_no_deadline_but_contact(void **state)
{
    uint64_t id = consume(true);

    (void)state;
    client_bench_queued(&cb, sequence());
    for (int i = 0; i < 20; i++)
        pass_in_contact(CFS_SECONDS(1));
    assert_null(client_bench_said(&cb, id));
    handed(sequence());
    assert_int_equal(said(id), CFS_OK);
    assert_true(client_bench_said(&cb, id)->queued);
}

static void a_producer_waits_likewise(void **state)
{
    uint64_t id = produce(true);

    (void)state;
    client_bench_queued(&cb, sequence());
    for (int i = 0; i < 20; i++)
        pass_in_contact(CFS_SECONDS(1));
    assert_null(client_bench_said(&cb, id));
    client_bench_answer(&cb, sequence(), (struct cfs_answer){.id = 5});
    assert_int_equal(said(id), CFS_OK);
    assert_int_equal(client_bench_said(&cb, id)->id, 5);
}

/* The end of a wait is acknowledged by the next command; not by one that may be refused. */
static void the_end_of_a_wait_is_acknowledged(void **state)
{
    uint64_t waited;

    (void)state;
    consume(true);
    waited = sequence();
    client_bench_queued(&cb, waited);
    handed(waited);
    consume(false);
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
    produce(false);
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
    produce(true);
    assert_int_equal(client_bench_sent(&cb).ack_count, 1);
    assert_int_equal(client_bench_sent(&cb).acks[0], waited);
}

static void an_interrupted_wait_may_still_be_answered(void **state)
{
    uint64_t id = consume(true), waited = sequence();

    (void)state;
    client_bench_queued(&cb, waited);
    cfs_client_cancel(&cb.client, id);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_false(client_bench_sent(&cb).undo);
    assert_null(client_bench_said(&cb, id));
    handed(waited);
    assert_int_equal(said(id), CFS_OK);
}

/* The caller is let go; what he may have been handed goes back. */
static void what_is_given_up_is_undone(void **state)
{
    uint64_t id = consume(true), waited = sequence();

    (void)state;
    client_bench_queued(&cb, waited);
    cfs_client_cancel(&cb.client, id);
    pass_in_contact(CFS_MS(50));
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_int_equal(client_bench_sent(&cb).target, waited);
    assert_true(client_bench_sent(&cb).undo);
}

static void what_was_produced_is_not_undone(void **state)
{
    uint64_t id = produce(true);

    (void)state;
    cfs_client_cancel(&cb.client, id);
    pass_in_contact(CFS_MS(50));
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(client_bench_sent(&cb).kind, CFS_CMD_CANCEL);
    assert_false(client_bench_sent(&cb).undo);
}

/* The session is lost, and the next one opens. */
static void next_session(void)
{
    cfs_client_lose_session(&cb.client);
    client_bench_tick(&cb, 0);
    client_bench_opened(&cb, client_bench_sent(&cb).nonce, BENCH_SESSION);
}

static void a_wait_goes_on_in_the_next_session(void **state)
{
    uint64_t id = consume(true);

    (void)state;
    client_bench_queued(&cb, sequence());
    next_session();
    assert_int_equal(client_bench_sent(&cb).request.op, CFS_OP_CONSUME);
    handed(sequence());
    assert_int_equal(said(id), CFS_OK);
}

static void whether_it_was_produced_in_a_lost_session_is_not_known(void **state)
{
    uint64_t id = produce(true);

    (void)state;
    client_bench_queued(&cb, sequence());
    next_session();
    assert_int_equal(said(id), CFS_ERR_TIMED_OUT);
}

static void with_a_key_it_can_be_produced_again(void **state)
{
    struct cfs_request request = produce_to("q", "body", true);
    uint64_t id;

    (void)state;
    request.produce.key = 9;
    id = client_bench_request(&cb, request);
    next_session();
    assert_int_equal(client_bench_sent(&cb).request.produce.key, 9);
    client_bench_answer(&cb, sequence(), (struct cfs_answer){.id = 5});
    assert_int_equal(said(id), CFS_OK);
}

static void who_only_waits_to_know_asks_again_seldom(void **state)
{
    uint64_t id = client_bench_request(&cb, of_queue(CFS_OP_QUEUE_AWAIT, "q")), read;

    (void)state;
    read = bench_sent(&cb.bench, CFS_MSG_READ, 0)->read.id;
    client_bench_read_queued(&cb, read);
    assert_int_equal(reads(), 1);
    for (int i = 0; i < 20; i++)
        pass_in_contact(CFS_SECONDS(1));
    assert_null(client_bench_said(&cb, id));
    assert_in_range(reads(), 8, 15);
    next_session(); /* what is that to it? */
    assert_null(client_bench_said(&cb, id));
    client_bench_read_answer(&cb, read, (struct cfs_answer){0});
    assert_int_equal(said(id), CFS_OK);
    assert_int_equal(cb.client.call_count, 0);
}

static void who_only_waits_to_know_may_give_up(void **state)
{
    uint64_t id = client_bench_request(&cb, of_queue(CFS_OP_QUEUE_AWAIT, "q"));

    (void)state;
    client_bench_read_queued(&cb, bench_sent(&cb.bench, CFS_MSG_READ, 0)->read.id);
    cfs_client_cancel(&cb.client, id);
    assert_int_equal(said(id), CFS_ERR_INTERRUPTED);
    assert_int_equal(cb.client.call_count, 0);
    assert_int_equal(commands(), 0);
}

static void without_contact_a_wait_ends(void **state)
{
    uint64_t consumer = consume(true), watcher;

    (void)state;
    client_bench_queued(&cb, sequence());
    watcher = client_bench_request(&cb, of_queue(CFS_OP_QUEUE_AWAIT, "q"));
    client_bench_read_queued(&cb, bench_sent(&cb.bench, CFS_MSG_READ, 0)->read.id);
    client_bench_run(&cb, CFS_SECONDS(6));
    assert_int_equal(said(consumer), CFS_ERR_TIMED_OUT);
    assert_int_equal(said(watcher), CFS_ERR_TIMED_OUT);
}

/* A consumer is no waiter of the graph. */
static void a_wait_for_a_message_is_none_for_a_lock(void **state)
{
    uint64_t id = consume(true);

    (void)state;
    client_bench_queued(&cb, sequence());
    assert_int_equal(cfs_client_wait_sequence(&cb.client, id), 0);
}

static enum cfs_error refused(struct cfs_request request)
{
    uint64_t id = client_bench_request(&cb, request);

    assert_int_equal(commands() + reads(), 0);
    return said(id);
}

static void what_makes_no_sense_is_refused_here(void **state)
{
    struct cfs_request request = produce_to("q", "", true);
    uint8_t *large = calloc(1, CFS_MESSAGE_MAX + 1);

    (void)state;
    request.produce.data = large;
    request.produce.len = CFS_MESSAGE_MAX + 1;
    assert_int_equal(refused(request), CFS_ERR_MESSAGE_TOO_BIG);
    free(large);
    assert_int_equal(refused(produce_to(".q", "a", true)), CFS_ERR_INVALID);
    assert_int_equal(refused(consume_from("a/b", true)), CFS_ERR_INVALID);
    request = consume_from("q", true);
    request.consume.max = 0;
    assert_int_equal(refused(request), CFS_ERR_INVALID);
    assert_int_equal(refused(of_queue(CFS_OP_QUEUE_STAT, ".q")), CFS_ERR_INVALID);
    assert_int_equal(refused(of_queue(CFS_OP_QUEUE_STAT, "")), CFS_ERR_INVALID);
    assert_int_equal(refused(of_queue(CFS_OP_MESSAGE_LIST, "q")), CFS_ERR_INVALID);
    client_bench_request(&cb, of_queue(CFS_OP_QUEUE_LIST, ""));
    assert_int_equal(reads(), 1);
}

#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SESSION(a_message_comes_with_its_answer),
        WITH_SESSION(what_is_asked_is_kept_until_it_is_answered),
        WITH_SESSION(a_wait_has_no_deadline_but_contact),
        WITH_SESSION(a_producer_waits_likewise),
        WITH_SESSION(the_end_of_a_wait_is_acknowledged),
        WITH_SESSION(an_interrupted_wait_may_still_be_answered),
        WITH_SESSION(what_is_given_up_is_undone),
        WITH_SESSION(what_was_produced_is_not_undone),
        WITH_SESSION(a_wait_goes_on_in_the_next_session),
        WITH_SESSION(whether_it_was_produced_in_a_lost_session_is_not_known),
        WITH_SESSION(with_a_key_it_can_be_produced_again),
        WITH_SESSION(who_only_waits_to_know_asks_again_seldom),
        WITH_SESSION(who_only_waits_to_know_may_give_up),
        WITH_SESSION(without_contact_a_wait_ends),
        WITH_SESSION(a_wait_for_a_message_is_none_for_a_lock),
        WITH_SESSION(what_makes_no_sense_is_refused_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
