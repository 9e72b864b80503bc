/* Requests from the asking to the answer: sent until answered, given up but never merely forgotten.
 */
#include "core_bench.h"

#include <string.h>

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

static void a_request_is_sent_and_its_answer_is_said_once(void **state)
{
    uint64_t id = flock(7);

    (void)state;
    assert_int_equal(client_bench_sent(&cb).session, BENCH_SESSION);
    assert_int_equal(client_bench_sent(&cb).request.acquire.handle, 7);
    granted(sequence(), 99);
    assert_int_equal(said(id), CFS_OK);
    assert_int_equal(client_bench_said(&cb, id)->token, 99);
    granted(sequence(), 98); /* the transport repeats itself */
    assert_int_equal(bench_effect_count(&cb.bench, CFS_FX_ANSWER), 1);
    assert_int_equal(cb.client.call_count, 0);
}

static void each_change_has_a_sequence_of_its_own(void **state)
{
    (void)state;
    flock(7);
    assert_int_equal(sequence(), 1);
    flock(8);
    assert_int_equal(sequence(), 2);
}

static void an_unanswered_change_is_sent_again_with_the_same_bytes(void **state)
{
    const struct cfs_message *message;
    uint8_t first[CFS_NAME_MAX + 256];
    uint32_t len;

    (void)state;
    flock(7);
    message = bench_sent(&cb.bench, CFS_MSG_FORWARD, 0);
    len = message->forward.len;
    memcpy(first, message->forward.command, len);
    bench_clear(&cb.bench);
    client_bench_tick(&cb, CFS_MS(300));
    message = bench_sent(&cb.bench, CFS_MSG_FORWARD, 0);
    assert_int_equal(message->forward.len, len);
    assert_memory_equal(message->forward.command, first, len);
}

static void without_a_leader_requests_wait_and_are_sent_in_order(void **state)
{
    (void)state;
    client_bench_no_leader(&cb);
    flock(7);
    flock(8);
    assert_int_equal(commands(), 0);
    client_bench_leader(&cb);
    assert_int_equal(commands(), 2);
    assert_int_equal(client_bench_sent(&cb).request.acquire.handle, 8);
}

static void without_a_session_changes_wait_and_reads_do_not(void **state)
{
    struct client_bench fresh;

    (void)state;
    client_bench_open(&fresh);
    client_bench_leader(&fresh);
    bench_clear(&fresh.bench);
    client_bench_request(&fresh, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    client_bench_request(&fresh, bench_get("x"));
    assert_int_equal(bench_sent_count(&fresh.bench, CFS_MSG_FORWARD, 0), 0);
    assert_int_equal(bench_sent_count(&fresh.bench, CFS_MSG_READ, 0), 1);
    client_bench_opened(&fresh, fresh.client.nonce, BENCH_SESSION);
    assert_int_equal(bench_sent_count(&fresh.bench, CFS_MSG_FORWARD, 0), 1);
    client_bench_close(&fresh);
}

static void a_new_leader_is_sent_everything_that_is_unanswered(void **state)
{
    (void)state;
    flock(7);
    client_bench_queued(&cb, sequence());
    flock(8);
    client_bench_request(&cb, bench_get("x"));
    bench_clear(&cb.bench);
    cfs_client_leader(&cb.client, 0, 3, BENCH_TERM + 1);
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_FORWARD, 3), 2);
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_READ, 3), 1);
    assert_int_equal(bench_sent(&cb.bench, CFS_MSG_FORWARD, 3)->term, BENCH_TERM + 1);
}

/* The new leader may decide otherwise, and its decision is the one that holds. */
static void a_late_answer_of_the_leader_before_is_not_believed(void **state)
{
    uint64_t id = client_bench_request(&cb, bench_lockfile("x"));

    (void)state;
    cfs_client_leader(&cb.client, 0, 3, BENCH_TERM + 1);
    client_bench_answer(&cb, sequence(), (struct cfs_answer){.error = CFS_ERR_EXISTS});
    assert_null(client_bench_said(&cb, id));
}

static void reads_of_another_life_have_other_names(void **state)
{
    struct client_bench again;
    uint64_t first;

    (void)state;
    client_bench_request(&cb, bench_get("x"));
    first = bench_sent(&cb.bench, CFS_MSG_READ, 0)->read.id;
    client_bench_open(&again);
    cfs_client_close(&again.client);
    again.bench.env.random = 8; /* each life has a seed of its own */
    cfs_client_init(&again.client, &again.bench.env, &again.bench.config, &again.bench.placement);
    cfs_client_start(&again.client);
    client_bench_leader(&again);
    client_bench_request(&again, bench_get("y"));
    assert_int_not_equal(bench_sent(&again.bench, CFS_MSG_READ, 0)->read.id, first);
    client_bench_close(&again);
}

static void a_read_is_answered_with_what_was_read(void **state)
{
    uint64_t id = client_bench_request(&cb, bench_get("x"));
    struct cfs_holder_info holder = {.node = 3, .kind = CFS_FLOCK};
    struct cfs_answer answer = {.lock = {.form = CFS_FORM_FILE,
                                         .mode = CFS_EXCLUSIVE,
                                         .token = 5,
                                         .holder_count = 1,
                                         .holders = &holder,
                                         .content = (const uint8_t *)"hi",
                                         .content_len = 2}};

    (void)state;
    client_bench_read_answer(&cb, bench_sent(&cb.bench, CFS_MSG_READ, 0)->read.id, answer);
    assert_int_equal(said(id), CFS_OK);
    assert_memory_equal(client_bench_said(&cb, id)->lock.content, "hi", 2);
    assert_int_equal(client_bench_said(&cb, id)->lock.holders[0].node, 3);
}

static void an_unanswered_read_is_sent_again_now_and_then(void **state)
{
    (void)state;
    client_bench_request(&cb, bench_get("x"));
    client_bench_run(&cb, CFS_MS(299));
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_READ, 0), 1);
    client_bench_run(&cb, CFS_MS(12));
    assert_int_equal(bench_sent_count(&cb.bench, CFS_MSG_READ, 0), 2);
}

/* Thousands that wait are due at thousands of moments. */
static void all_calls_are_looked_at_a_hundred_times_a_second_at_most(void **state)
{
    uint32_t ticks = 0;

    (void)state;
    for (uint64_t i = 1; i <= 500; i++) {
        flock(i);
        client_bench_queued(&cb, i);
        client_bench_tick(&cb, 777);
    }
    client_bench_kept_alive(&cb, cb.bench.env.now, true);
    for (cfs_time until = cb.bench.env.now + CFS_SECONDS(1); cb.bench.env.now < until; ticks++) {
        cfs_time due = cfs_client_deadline(&cb.client);
        client_bench_tick(&cb, due > cb.bench.env.now ? due - cb.bench.env.now : 0);
    }
    assert_true(ticks <= 110);
}

static void nonsense_is_refused_at_once_and_sent_to_nobody(void **state)
{
    struct cfs_request write = bench_get("x");
    uint64_t name = client_bench_request(&cb, bench_get("a/b")), size;

    (void)state;
    write.op = CFS_OP_WRITE;
    write.write = (struct cfs_write){.data = (const uint8_t *)"", .offset = CFS_CONTENT_MAX + 1};
    size = client_bench_request(&cb, write);
    assert_int_equal(said(name), CFS_ERR_INVALID);
    assert_int_equal(said(size), CFS_ERR_TOO_BIG);
    assert_int_equal(bench_effect_count(&cb.bench, CFS_FX_SEND), 0);
    assert_int_equal(cb.client.call_count, 0);
}

static void a_listing_goes_on_behind_a_name(void **state)
{
    struct cfs_request list = {.op = CFS_OP_LIST};

    (void)state;
    assert_null(client_bench_said(&cb, client_bench_request(&cb, list)));
    strcpy(list.name, "x");
    assert_null(client_bench_said(&cb, client_bench_request(&cb, list)));
    strcpy(list.name, "a/b");
    assert_int_equal(said(client_bench_request(&cb, list)), CFS_ERR_INVALID);
}

static void a_content_may_be_as_large_as_its_limit(void **state)
{
    static uint8_t content[CFS_CONTENT_MAX];
    struct cfs_request write = bench_get("x");

    (void)state;
    write.op = CFS_OP_WRITE;
    write.write = (struct cfs_write){.token = 1, .data = content, .len = sizeof content};
    assert_null(client_bench_said(&cb, client_bench_request(&cb, write)));
    assert_int_equal(client_bench_sent(&cb).request.write.len, sizeof content);
}

/* By its key it is recognised when it has to be asked again in another session, with which a hold
 * of this kind does not end. */
static void an_acquire_over_http_has_a_key(void **state)
{
    struct cfs_request lease = bench_flock("x", 0, CFS_EXCLUSIVE, true);
    uint64_t key;

    (void)state;
    lease.acquire.kind = CFS_LEASED;
    lease.acquire.ttl_ms = 1000;
    client_bench_request(&cb, lease);
    key = client_bench_sent(&cb).request.acquire.key;
    assert_int_not_equal(key, 0);
    client_bench_request(&cb, lease);
    assert_int_not_equal(client_bench_sent(&cb).request.acquire.key, key);
    lease.acquire.key = 33;
    client_bench_request(&cb, lease);
    assert_int_equal(client_bench_sent(&cb).request.acquire.key, 33);
}

/* The leader would drop it without a word, and the node take that for a lost majority. */
static void what_is_no_command_is_refused_at_once(void **state)
{
    struct cfs_request shared = bench_lockfile("x");
    uint64_t id;

    (void)state;
    shared.acquire.mode = CFS_SHARED;
    id = client_bench_request(&cb, shared);
    assert_int_equal(said(id), CFS_ERR_INVALID);
}

static void the_data_of_a_write_is_copied(void **state)
{
    uint8_t data[] = "abc";
    struct cfs_request write = bench_get("x");

    (void)state;
    client_bench_no_leader(&cb);
    write.op = CFS_OP_WRITE;
    write.write = (struct cfs_write){.token = 1, .data = data, .len = 3};
    client_bench_request(&cb, write);
    data[0] = 'X';
    client_bench_leader(&cb);
    assert_memory_equal(client_bench_sent(&cb).request.write.data, "abc", 3);
}

static void a_wait_asks_again_now_and_then_and_soon_after_a_loss(void **state)
{
    (void)state;
    flock(7);
    client_bench_queued(&cb, sequence());
    bench_clear(&cb.bench);
    pass_in_contact(CFS_MS(600));
    assert_int_equal(commands(), 0);
    cfs_client_unreachable(&cb.client, BENCH_LEADER);
    pass_in_contact(CFS_MS(250));
    assert_int_equal(commands(), 1);
    pass_in_contact(CFS_SECONDS(5));
    assert_int_equal(commands(), 2);
}

static void commands_tell_what_is_the_oldest_unanswered_one(void **state)
{
    (void)state;
    flock(7);
    flock(8);
    assert_int_equal(client_bench_sent(&cb).oldest, 1);
    granted(1, 5);
    flock(9);
    assert_int_equal(client_bench_sent(&cb).oldest, 2);
    client_bench_queued(&cb, 2); /* a wait may last for days, and does not hold the mark back */
    flock(10);
    assert_int_equal(client_bench_sent(&cb).oldest, 3);
    assert_int_equal(cfs_client_oldest(&cb.client.channels[0]), 3);
}

static void the_end_of_a_wait_is_acknowledged_by_name_once(void **state)
{
    (void)state;
    flock(7);
    client_bench_queued(&cb, 1);
    granted(1, 5);
    flock(8);
    assert_int_equal(client_bench_sent(&cb).ack_count, 1);
    assert_int_equal(client_bench_sent(&cb).acks[0], 1);
    flock(9);
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
}

/* Only below that mark late copies are kept out without a memory of them. */
static void an_acknowledgement_waits_for_the_mark_to_pass(void **state)
{
    struct cfs_command last;
    bool named = false;

    (void)state;
    flock(7); /* 1: unanswered */
    flock(8);
    client_bench_queued(&cb, 2);
    granted(2, 5);
    flock(9);
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
    granted(1, 5);
    flock(10);
    last = client_bench_sent(&cb);
    for (uint32_t i = 0; i < last.ack_count; i++) {
        assert_true(last.acks[i] < last.oldest);
        named |= last.acks[i] == 2;
    }
    assert_true(named);
}

/* Else the cluster would remember it for as long as the session lives. */
static void a_wait_nobody_told_this_node_of_is_acknowledged_too(void **state)
{
    (void)state;
    flock(7);
    granted(1, 5); /* it had waited, but that message was lost or overtaken */
    flock(8);
    assert_int_equal(client_bench_sent(&cb).ack_count, 1);
    assert_int_equal(client_bench_sent(&cb).acks[0], 1);
}

static void only_waits_are_acknowledged(void **state)
{
    (void)state;
    client_bench_request(&cb, bench_unflock("x", 7));
    client_bench_answer(&cb, 1, (struct cfs_answer){0});
    flock(7);
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
}

/* The leader refuses it without a word to the log, and the acknowledgements would be lost. */
static void an_acquire_that_does_not_wait_carries_no_acknowledgements(void **state)
{
    (void)state;
    flock(7);
    client_bench_queued(&cb, 1);
    granted(1, 5);
    client_bench_request(&cb, bench_flock("x", 8, CFS_EXCLUSIVE, false));
    assert_int_equal(client_bench_sent(&cb).ack_count, 0);
    flock(9);
    assert_int_equal(client_bench_sent(&cb).ack_count, 1);
}

static void many_acknowledgements_are_spread_over_commands(void **state)
{
    uint32_t total = 0;

    (void)state;
    for (uint64_t i = 1; i <= 2 * CFS_ACKS_MAX + 1; i++) {
        flock(i);
        client_bench_queued(&cb, i);
    }
    for (uint64_t i = 1; i <= 2 * CFS_ACKS_MAX + 1; i++)
        granted(i, i);
    for (int i = 0; i < 3; i++) {
        flock(1000);
        assert_true(client_bench_sent(&cb).ack_count <= CFS_ACKS_MAX);
        total += client_bench_sent(&cb).ack_count;
        granted(sequence(), 1);
    }
    assert_true(total >= 2 * CFS_ACKS_MAX + 1);
}

static void after_a_tick_the_deadline_lies_ahead_whatever_is_under_way(void **state)
{
    uint64_t ids[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        ids[i] = flock((uint64_t)i);
    client_bench_queued(&cb, 1);
    client_bench_queued(&cb, 2);
    cfs_client_cancel(&cb.client, ids[1]);
    client_bench_request(&cb, bench_unflock("x", 1));
    for (int i = 0; i < 400; i++) {
        if (i == 100)
            client_bench_no_leader(&cb);
        if (i == 300)
            client_bench_leader(&cb);
        client_bench_tick(&cb, CFS_MS(37));
        assert_true(cfs_client_deadline(&cb.client) > cb.bench.env.now);
    }
}

/* Only what waits is in a queue: another call there would be looked for in the wrong place. */
static void a_call_that_cannot_wait_is_not_believed_to_be_in_a_queue(void **state)
{
    struct cfs_message queued = {.type = CFS_MSG_ANSWER,
                                 .from = BENCH_LEADER,
                                 .term = BENCH_TERM,
                                 .answer = {.to = CFS_TO_READ, .queued = true}};
    uint64_t read = client_bench_request(&cb, bench_get("x")), try;

    (void)state;
    queued.answer.id = bench_sent(&cb.bench, CFS_MSG_READ, 0)->read.id;
    cfs_client_answer(&cb.client, &queued);
    try = client_bench_request(&cb, bench_flock("x", 7, CFS_EXCLUSIVE, false));
    client_bench_queued(&cb, client_bench_sent(&cb).sequence);
    assert_null(cb.client.channels[0].queued);
    client_bench_kept_alive(&cb, cb.bench.env.now, false); /* the session ends */
    client_bench_read_answer(&cb, queued.answer.id, (struct cfs_answer){0});
    assert_non_null(client_bench_said(&cb, read));
    assert_null(client_bench_said(&cb, try)); /* it is asked anew */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_request_is_sent_and_its_answer_is_said_once),
        T(each_change_has_a_sequence_of_its_own),
        T(an_unanswered_change_is_sent_again_with_the_same_bytes),
        T(without_a_leader_requests_wait_and_are_sent_in_order),
        T(without_a_session_changes_wait_and_reads_do_not),
        T(a_new_leader_is_sent_everything_that_is_unanswered),
        T(a_late_answer_of_the_leader_before_is_not_believed),
        T(reads_of_another_life_have_other_names),
        T(a_read_is_answered_with_what_was_read),
        T(an_unanswered_read_is_sent_again_now_and_then),
        T(all_calls_are_looked_at_a_hundred_times_a_second_at_most),
        T(a_listing_goes_on_behind_a_name),
        T(a_content_may_be_as_large_as_its_limit),
        T(an_acquire_over_http_has_a_key),
        T(only_waits_are_acknowledged),
        T(nonsense_is_refused_at_once_and_sent_to_nobody),
        T(what_is_no_command_is_refused_at_once),
        T(the_data_of_a_write_is_copied),
        T(a_wait_asks_again_now_and_then_and_soon_after_a_loss),
        T(a_call_that_cannot_wait_is_not_believed_to_be_in_a_queue),
        T(commands_tell_what_is_the_oldest_unanswered_one),
        T(the_end_of_a_wait_is_acknowledged_by_name_once),
        T(an_acknowledgement_waits_for_the_mark_to_pass),
        T(a_wait_nobody_told_this_node_of_is_acknowledged_too),
        T(an_acquire_that_does_not_wait_carries_no_acknowledgements),
        T(many_acknowledgements_are_spread_over_commands),
        T(after_a_tick_the_deadline_lies_ahead_whatever_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
