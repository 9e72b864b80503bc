/* Waiting for messages and for room in Redis: in turn, across nodes, woken at once, given up. */
#include "redis_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"

static void make(struct redis_node *node, const char *name)
{
    struct cfs_request request = redis_make(name);

    redis_succeeds(node, &request);
}

static void produce(struct redis_node *node, const char *name, const char *body)
{
    struct cfs_request request = redis_produce(name, body);

    redis_succeeds(node, &request);
}

static void settle(struct redis_node *node, enum cfs_op op, const char *name, uint64_t claim)
{
    struct cfs_request request = redis_settle(op, name, &claim);

    redis_succeeds(node, &request);
}

/* A producer that is in line when this returns. */
static struct redis_asked *press(struct redis_node *node, const char *name, const char *body)
{
    uint32_t before = redis_stat(node, name).producers;
    struct cfs_request request = redis_produce(name, body);
    struct redis_asked *asked;

    request.produce.wait = true;
    asked = redis_submit(node, &request);
    redis_waits(node, name, 0, before + 1);
    return asked;
}

static void limit(struct redis_node *node, const char *name, uint64_t messages)
{
    struct cfs_request request = redis_configure(
        name, CFS_CONFIG_MAX_MESSAGES, (struct cfs_queue_config){.max_messages = messages});

    redis_succeeds(node, &request);
}

static uint64_t consume(struct redis_node *node, const char *name, const char *body)
{
    struct cfs_request request = redis_consume(name);
    const struct cfs_answer *answer = redis_ask(node, &request);

    redis_has_body(answer, body);
    return answer->messages[0].claim;
}

static void who_waits_first_is_served_first_whatever_his_node(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked[6];
    char body[2] = "";

    make(&w->nodes[1], "q");
    for (int i = 0; i < 6; i++)
        asked[i] = redis_take(&w->nodes[1 + i % 2], "q");
    for (int i = 0; i < 6; i++) {
        body[0] = (char)('a' + i);
        produce(&w->nodes[1], "q", body);
        redis_has_body(redis_answer(&w->nodes[1 + i % 2], asked[i]), body);
        assert_int_equal(asked[i]->answer.messages[0].node, 1 + i % 2);
    }
    redis_waits(&w->nodes[1], "q", 0, 0);
    redis_counts(&w->nodes[1], "q", 0, 6, 0);
}

/* By the channel, not by the next tick. */
static void a_waiter_is_woken_at_once(void **state)
{
    struct redis_world *w = *state;
    cfs_time begun, worst = 0;

    make(&w->nodes[1], "q");
    for (int i = 0; i < 10; i++) {
        struct redis_asked *asked = redis_take(&w->nodes[2], "q");
        begun = cfs_clock_now();
        produce(&w->nodes[1], "q", "x");
        redis_has_body(redis_answer(&w->nodes[2], asked), "x");
        if (cfs_clock_now() - begun > worst)
            worst = cfs_clock_now() - begun;
    }
    assert_true(worst < CFS_MS(300));
}

static void messages_of_one_produce_go_to_all_who_wait(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *first, *second = NULL;
    uint32_t lengths[] = {1, 1, 1, 1};
    struct cfs_request request = redis_consume("q");

    make(&w->nodes[1], "q");
    first = redis_take(&w->nodes[1], "q");
    request.consume.wait = true;
    request.consume.max = 2;
    second = redis_submit(&w->nodes[2], &request);
    redis_waits(&w->nodes[1], "q", 2, 0);
    request = redis_produce("q", "abcd");
    request.produce.lengths = lengths;
    request.produce.count = 4;
    redis_succeeds(&w->nodes[2], &request);
    redis_has_body(redis_answer(&w->nodes[1], first), "a");
    redis_answer(&w->nodes[2], second);
    assert_int_equal(second->answer.message_count, 2);
    assert_memory_equal(second->answer.messages[1].body, "c", 1);
    redis_counts(&w->nodes[1], "q", 1, 3, 0);
}

static void what_goes_back_goes_to_who_waits(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked;
    uint64_t claim;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "x");
    claim = consume(&w->nodes[1], "q", "x");
    asked = redis_take(&w->nodes[2], "q");
    settle(&w->nodes[1], CFS_OP_GIVE_BACK, "q", claim);
    redis_has_body(redis_answer(&w->nodes[2], asked), "x");
    assert_int_equal(asked->answer.messages[0].deliveries, 2);
}

static void who_gives_up_leaves_no_trace(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *first, *second;

    make(&w->nodes[1], "q");
    first = redis_take(&w->nodes[1], "q");
    second = redis_take(&w->nodes[2], "q");
    redis_cancel(&w->nodes[1], first);
    assert_int_equal(redis_answer(&w->nodes[1], first)->error, CFS_ERR_INTERRUPTED);
    redis_waits(&w->nodes[1], "q", 1, 0);
    produce(&w->nodes[1], "q", "x");
    redis_has_body(redis_answer(&w->nodes[2], second), "x");
    assert_int_equal(redis_number(w, "HLEN coordfs:00000000000000c1:waits:1"), 0);
    redis_cancel(&w->nodes[2], second); /* long answered */
    redis_counts(&w->nodes[1], "q", 0, 1, 0);
}

static void who_gives_up_before_it_was_sent_is_answered_at_once(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = redis_node_open(w, 3); /* no session */
    struct cfs_request request = redis_consume("q");
    struct redis_asked *asked;
    cfs_time begun = cfs_clock_now();

    request.consume.wait = true;
    asked = redis_submit(node, &request);
    redis_cancel(node, asked);
    assert_int_equal(redis_answer(node, asked)->error, CFS_ERR_INTERRUPTED);
    assert_true(cfs_clock_now() - begun < CFS_MS(500));
}

/* The answer wins or the interrupt does, and in either case no message is lost. */
static void giving_up_and_being_served_at_the_same_time_lose_nothing(void **state)
{
    struct redis_world *w = *state;
    int served = 0;

    make(&w->nodes[1], "q");
    for (int i = 0; i < 40; i++) {
        struct redis_asked *taken = redis_take(&w->nodes[2], "q");
        struct cfs_request request = redis_produce("q", "x");
        struct redis_asked *produced = redis_submit(&w->nodes[1], &request);

        redis_cancel(&w->nodes[2], taken);
        redis_answer(&w->nodes[2], taken);
        redis_answer(&w->nodes[1], produced);
        if (taken->answer.error == CFS_OK) {
            settle(&w->nodes[2], CFS_OP_ACK, "q", taken->answer.messages[0].claim);
            served++;
        } else {
            assert_int_equal(taken->answer.error, CFS_ERR_INTERRUPTED);
            settle(&w->nodes[1], CFS_OP_ACK, "q", consume(&w->nodes[1], "q", "x"));
        }
        redis_counts(&w->nodes[1], "q", 0, 0, 0);
    }
}

static void a_queue_that_is_removed_sends_its_waiters_away(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_make("q");
    struct redis_asked *taker, *watcher;

    redis_succeeds(&w->nodes[1], &request);
    taker = redis_take(&w->nodes[2], "q");
    request.op = CFS_OP_QUEUE_AWAIT;
    watcher = redis_submit(&w->nodes[1], &request);
    redis_run_for(w, 20);
    request.op = CFS_OP_QUEUE_REMOVE;
    request.queue_caller.uid = 7;
    redis_succeeds(&w->nodes[1], &request);
    assert_int_equal(redis_answer(&w->nodes[2], taker)->error, CFS_ERR_NO_QUEUE);
    assert_int_equal(redis_answer(&w->nodes[1], watcher)->error, CFS_ERR_NO_QUEUE);
}

static void who_awaits_hears_of_a_message_and_takes_none(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_make("q");
    struct redis_asked *first, *second;
    uint64_t claim;

    redis_succeeds(&w->nodes[1], &request);
    request.op = CFS_OP_QUEUE_AWAIT;
    first = redis_submit(&w->nodes[1], &request);
    second = redis_submit(&w->nodes[2], &request);
    redis_run_for(w, 20);
    assert_false(first->done);
    produce(&w->nodes[1], "q", "x");
    assert_int_equal(redis_answer(&w->nodes[1], first)->error, CFS_OK);
    assert_int_equal(redis_answer(&w->nodes[2], second)->error, CFS_OK);
    assert_int_equal(redis_ask(&w->nodes[2], &request)->error, CFS_OK);
    redis_counts(&w->nodes[1], "q", 1, 0, 0);
    claim = consume(&w->nodes[1], "q", "x");
    first = redis_submit(&w->nodes[2], &request);
    redis_run_for(w, 20);
    assert_false(first->done);
    redis_cancel(&w->nodes[2], first);
    assert_int_equal(redis_answer(&w->nodes[2], first)->error, CFS_ERR_INTERRUPTED);
    settle(&w->nodes[1], CFS_OP_ACK, "q", claim);
}

static void producers_wait_for_room_in_turn(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct redis_asked *first, *second;
    struct cfs_request request = redis_produce("q", "pushy");

    make(node, "q");
    limit(node, "q", 1);
    produce(node, "q", "zero");
    first = press(&w->nodes[2], "q", "one");
    second = press(node, "q", "two");
    redis_refuses(node, &request, CFS_ERR_FULL);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "zero"));
    assert_int_equal(redis_answer(&w->nodes[2], first)->error, CFS_OK);
    assert_false(second->done);
    redis_refuses(node, &request, CFS_ERR_FULL);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "one"));
    assert_int_equal(redis_answer(node, second)->error, CFS_OK);
    assert_true(second->answer.id > first->answer.id);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "two"));
    redis_counts(node, "q", 0, 0, 0);
    assert_int_equal(redis_number(w, "HLEN coordfs:00000000000000c1:parcel:2"), 0);
}

static void a_larger_limit_lets_producers_in(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct redis_asked *first, *second;

    make(node, "q");
    limit(node, "q", 1);
    produce(node, "q", "zero");
    first = press(&w->nodes[2], "q", "one");
    second = press(node, "q", "two");
    limit(node, "q", 0);
    assert_int_equal(redis_answer(&w->nodes[2], first)->error, CFS_OK);
    assert_int_equal(redis_answer(node, second)->error, CFS_OK);
    redis_counts(node, "q", 3, 0, 0);
}

static void a_producer_that_gives_up_adds_nothing(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct redis_asked *asked;

    make(node, "q");
    limit(node, "q", 1);
    produce(node, "q", "zero");
    asked = press(&w->nodes[2], "q", "one");
    redis_cancel(&w->nodes[2], asked);
    assert_int_equal(redis_answer(&w->nodes[2], asked)->error, CFS_ERR_INTERRUPTED);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "zero"));
    redis_counts(node, "q", 0, 0, 0);
    redis_waits(node, "q", 0, 0);
}

static void who_asks_again_with_his_key_takes_over_his_own_place(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_produce("q", "keyed");
    struct redis_asked *first, *other, *again;

    make(node, "q");
    limit(node, "q", 1);
    produce(node, "q", "zero");
    request.produce.key = 77;
    request.produce.wait = true;
    first = redis_submit(node, &request);
    redis_waits(node, "q", 0, 1);
    other = press(node, "q", "other");
    again = redis_submit(&w->nodes[2], &request);
    assert_int_equal(redis_answer(node, first)->error, CFS_ERR_INTERRUPTED);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "zero"));
    assert_int_equal(redis_answer(&w->nodes[2], again)->error, CFS_OK);
    assert_false(other->done);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "keyed"));
    redis_answer(node, other);
}

/* A wait may last for days; it must not keep answers of others, nor leave its own behind. */
static void a_long_wait_holds_up_no_answers(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct redis_asked *asked;

    make(node, "q");
    make(node, "other");
    asked = redis_take(node, "q");
    for (int i = 0; i < 30; i++)
        produce(node, "other", "x");
    assert_in_range(redis_number(w, "HLEN coordfs:00000000000000c1:answers:1"), 1, 2);
    produce(&w->nodes[2], "q", "x");
    redis_has_body(redis_answer(node, asked), "x");
    produce(node, "other", "x");
    while (redis_number(w, "HLEN coordfs:00000000000000c1:answers:1") > 1)
        redis_run_for(w, 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_set_up, redis_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits_first_is_served_first_whatever_his_node),
        TEST(a_waiter_is_woken_at_once),
        TEST(messages_of_one_produce_go_to_all_who_wait),
        TEST(what_goes_back_goes_to_who_waits),
        TEST(who_gives_up_leaves_no_trace),
        TEST(who_gives_up_before_it_was_sent_is_answered_at_once),
        TEST(giving_up_and_being_served_at_the_same_time_lose_nothing),
        TEST(a_queue_that_is_removed_sends_its_waiters_away),
        TEST(who_awaits_hears_of_a_message_and_takes_none),
        TEST(producers_wait_for_room_in_turn),
        TEST(a_larger_limit_lets_producers_in),
        TEST(a_producer_that_gives_up_adds_nothing),
        TEST(who_asks_again_with_his_key_takes_over_his_own_place),
        TEST(a_long_wait_holds_up_no_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
