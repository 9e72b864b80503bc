/* Whose claims and waits they are, and when they end: sessions and lives of nodes, as Redis knows
 * them. */
#include "redis_world.h"

#include <hiredis/hiredis.h>
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

static uint64_t consume_as(struct redis_node *node, const char *name, bool bound, bool leased)
{
    struct cfs_request request = redis_consume(name);
    const struct cfs_answer *answer;

    request.consume.bound = bound;
    request.consume.leased = leased;
    answer = redis_ask(node, &request);
    assert_int_equal(answer->error, CFS_OK);
    assert_int_equal(answer->messages[0].node, leased ? 0 : node->config.node);
    return answer->messages[0].claim;
}

static void await_ready(struct redis_node *node, const char *name, uint64_t count)
{
    while (redis_stat(node, name).ready != count)
        redis_run_for(node->world, 10);
}

static void what_a_dead_node_held_goes_back(void **state)
{
    struct redis_world *w = *state;

    make(&w->nodes[1], "q");
    for (int i = 0; i < 3; i++)
        produce(&w->nodes[1], "q", "x");
    consume_as(&w->nodes[2], "q", false, false);
    consume_as(&w->nodes[2], "q", true, false);
    consume_as(&w->nodes[2], "q", false, true); /* over HTTP: only its time ends it */
    redis_take(&w->nodes[2], "q");
    redis_node_close(&w->nodes[2]);
    w->nodes[2].session = 0;
    w->fates[2] = CFS_SESSION_OVER;
    await_ready(&w->nodes[1], "q", 2);
    redis_counts(&w->nodes[1], "q", 2, 1, 0);
    redis_waits(&w->nodes[1], "q", 0, 0);
    assert_int_equal(redis_number(w, "ZCARD coordfs:00000000000000c1:held:2"), 0);
    assert_int_equal(redis_number(w, "HLEN coordfs:00000000000000c1:waits:2"), 0);
}

/* So many that Redis does not let go of them in one go, which would keep all others waiting. */
static void very_much_that_a_dead_node_held_goes_back_bit_by_bit(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "");
    uint32_t lengths[5000] = {0};

    make(&w->nodes[1], "q");
    request.produce.lengths = lengths;
    request.produce.count = 5000;
    redis_succeeds(&w->nodes[1], &request);
    request = redis_consume("q");
    request.consume.max = CFS_CONSUME_MAX;
    for (int i = 0; i < 20; i++) {
        request.consume.bound = i % 2;
        redis_succeeds(&w->nodes[2], &request);
    }
    redis_counts(&w->nodes[1], "q", 0, 5000, 0);
    /* A new session of the same life, which may not ask before all of the old one is gone. */
    redis_node_session(&w->nodes[2], 22);
    redis_counts(&w->nodes[2], "q", 5000, 0, 0);
    for (int i = 0; i < 20; i++)
        redis_succeeds(&w->nodes[2], &request);
    redis_node_close(&w->nodes[2]);
    w->nodes[2].session = 0;
    w->fates[2] = CFS_SESSION_OVER;
    await_ready(&w->nodes[1], "q", 5000);
    assert_int_equal(redis_number(w, "ZCARD coordfs:00000000000000c1:bound:2"), 0);
}

/* Nothing is taken from a node on the word of one that has not heard of its session yet. */
static void a_session_that_is_not_heard_of_yet_is_left_alone(void **state)
{
    struct redis_world *w = *state;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "x");
    consume_as(&w->nodes[2], "q", false, false);
    w->nodes[2].session = 0;
    w->fates[2] = CFS_SESSION_UNHEARD;
    redis_run_for(w, 1500); /* a tick and more */
    redis_counts(&w->nodes[1], "q", 0, 1, 0);
}

static void hand_over_to_a_node_that_is_dead_is_not_the_end(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    redis_take(&w->nodes[2], "q");
    asked = redis_take(&w->nodes[1], "q");
    redis_node_close(&w->nodes[2]); /* nobody knows yet */
    produce(&w->nodes[1], "q", "x");
    redis_run_for(w, 50);
    assert_false(asked->done);
    w->nodes[2].session = 0;
    w->fates[2] = CFS_SESSION_OVER;
    redis_has_body(redis_answer(&w->nodes[1], asked), "x");
    assert_int_equal(asked->answer.messages[0].deliveries, 2);
}

/* A node that stood still does not know yet that its session is over: what it still asks for is not
 * done before it has a new one. */
static void who_is_declared_dead_is_refused(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "late");
    struct redis_asked *asked;
    uint64_t claim;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "x");
    claim = consume_as(&w->nodes[2], "q", false, false);
    freeReplyObject(redis_command(w, "HSET coordfs:00000000000000c1:node:2 ended 1"));
    asked = redis_submit(&w->nodes[2], &request);
    redis_run_for(w, 300);
    assert_false(asked->done);
    redis_counts(&w->nodes[1], "q", 0, 1, 0);
    redis_node_session(&w->nodes[2], 0);
    redis_node_session(&w->nodes[2], 22);
    assert_int_equal(redis_answer(&w->nodes[2], asked)->error, CFS_OK);
    redis_counts(&w->nodes[1], "q", 2, 0, 0);
    request = redis_settle(CFS_OP_ACK, "q", &claim);
    redis_refuses(&w->nodes[2], &request, CFS_ERR_NOT_CLAIMED);
}

static void without_a_session_calls_time_out(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = redis_node_open(w, 3);
    struct cfs_request request = redis_make("q");
    cfs_time begun = cfs_clock_now();

    redis_refuses(node, &request, CFS_ERR_TIMED_OUT);
    assert_in_range(cfs_clock_now() - begun, CFS_MS(1900), CFS_MS(3000));
    begun = cfs_clock_now();
    redis_refuses(node, &request, CFS_ERR_TIMED_OUT); /* and then at once */
    assert_true(cfs_clock_now() - begun < CFS_MS(500));
    redis_node_session(node, 13);
    while (redis_ask(node, &request)->error)
        redis_run_for(w, 10);
}

static void a_session_that_is_lost_takes_the_claims_of_its_life_with_it(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "x");
    produce(&w->nodes[1], "q", "y");
    consume_as(&w->nodes[2], "q", false, false);
    consume_as(&w->nodes[2], "q", false, true);
    asked = redis_take(&w->nodes[2], "q");
    redis_node_session(&w->nodes[2], 0);
    redis_run_for(w, 50);
    redis_node_session(&w->nodes[2], 22);
    /* It waits on, at the tail, and is handed what it held itself. */
    redis_has_body(redis_answer(&w->nodes[2], asked), "x");
    redis_counts(&w->nodes[1], "q", 0, 2, 0);
}

static void a_daemon_that_comes_back_goes_on_with_what_is_not_bound_to_open_files(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request;
    uint64_t kept, bound;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "kept");
    produce(&w->nodes[1], "q", "bound");
    kept = consume_as(&w->nodes[2], "q", false, false);
    bound = consume_as(&w->nodes[2], "q", true, false);
    redis_take(&w->nodes[2], "q");
    redis_node_close(&w->nodes[2]);
    redis_node_session(redis_node_open(w, 2), 22);
    request = redis_settle(CFS_OP_EXTEND, "q", &kept);
    redis_succeeds(&w->nodes[2], &request);
    request = redis_settle(CFS_OP_EXTEND, "q", &bound);
    redis_refuses(&w->nodes[2], &request, CFS_ERR_NOT_CLAIMED);
    redis_counts(&w->nodes[1], "q", 1, 1, 0);
    redis_waits(&w->nodes[1], "q", 0, 0);
    /* And it still ends with the new session. */
    redis_node_close(&w->nodes[2]);
    w->nodes[2].session = 0;
    w->fates[2] = CFS_SESSION_OVER;
    await_ready(&w->nodes[1], "q", 2);
}

static void who_has_a_new_session_and_says_nothing_loses_the_old_ones_claims(void **state)
{
    struct redis_world *w = *state;
    cfs_time begun = cfs_clock_now();

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "x");
    consume_as(&w->nodes[2], "q", false, false);
    redis_node_close(&w->nodes[2]);
    w->nodes[2].session = 0;
    w->fates[2] = CFS_SESSION_SUCCEEDED;
    await_ready(&w->nodes[1], "q", 1);
    assert_true(cfs_clock_now() - begun >= CFS_MS(1000));
}

/* A late copy of what a former life asked. */
static void what_a_former_life_asked_is_not_done(void **state)
{
    struct redis_world *w = *state;
    redisReply *life = redis_command(w, "HGET coordfs:00000000000000c1:node:2 life");
    redisReply *session, *now;

    assert_int_equal(life->type, REDIS_REPLY_NIL); /* it has not said hello yet */
    freeReplyObject(life);
    make(&w->nodes[2], "q");
    life = redis_command(w, "HGET coordfs:00000000000000c1:node:2 life");
    redis_node_close(&w->nodes[2]);
    redis_node_session(redis_node_open(w, 2), 12);
    make(&w->nodes[2], "q");
    session = redis_command(w, "HGET coordfs:00000000000000c1:node:2 session");
    now = redis_command(w, "HGET coordfs:00000000000000c1:node:2 life");
    assert_string_equal(session->str, "12");
    assert_true(strcmp(now->str, life->str) > 0);
    freeReplyObject(life);
    freeReplyObject(session);
    freeReplyObject(now);
}

/* The data directories are gone, the Redis is not: sessions count from 1 again. */
static void a_cluster_begun_anew_takes_the_queues_over(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_consume("q");

    redis_node_session(&w->nodes[2], 5000);
    make(&w->nodes[2], "q");
    produce(&w->nodes[2], "q", "old");
    consume_as(&w->nodes[2], "q", true, false);
    redis_node_close(&w->nodes[2]);
    redis_node_session(redis_node_open(w, 2), 3);
    redis_has_body(redis_ask(&w->nodes[2], &request), "old");
}

/* And the first session of all has the same number each time. */
static void a_cluster_begun_anew_may_have_the_very_sessions_that_were_ended(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_make("q");

    redis_succeeds(&w->nodes[2], &request);
    cfs_queue_store_leave(&w->nodes[2].store);
    while (!cfs_queue_store_has_left(&w->nodes[2].store))
        redis_run_for(w, 5);
    redis_node_close(&w->nodes[2]);
    redis_node_session(redis_node_open(w, 2), 12);
    redis_succeeds(&w->nodes[2], &request);
}

/* The same, but it is this node that is of yesterday. */
static void an_older_session_takes_nothing_over_unless_it_may_be_relied_on(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_make("q");

    redis_node_session(&w->nodes[2], 5000);
    redis_succeeds(&w->nodes[2], &request);
    cfs_queue_store_session(&w->nodes[2].store, 3); /* what it believes, against what is */
    redis_refuses(&w->nodes[2], &request, CFS_ERR_IO);
}

static void a_clean_end_gives_back_at_once(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "x");
    consume_as(&w->nodes[2], "q", false, false);
    asked = redis_take(&w->nodes[1], "q");
    w->fates[2] = CFS_SESSION_UNHEARD; /* it is not for node 1 to find out */
    cfs_queue_store_leave(&w->nodes[2].store);
    redis_has_body(redis_answer(&w->nodes[1], asked), "x");
    while (!cfs_queue_store_has_left(&w->nodes[2].store))
        redis_run_for(w, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_set_up, redis_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_dead_node_held_goes_back),
        TEST(very_much_that_a_dead_node_held_goes_back_bit_by_bit),
        TEST(a_session_that_is_not_heard_of_yet_is_left_alone),
        TEST(hand_over_to_a_node_that_is_dead_is_not_the_end),
        TEST(who_is_declared_dead_is_refused),
        TEST(without_a_session_calls_time_out),
        TEST(a_session_that_is_lost_takes_the_claims_of_its_life_with_it),
        TEST(a_daemon_that_comes_back_goes_on_with_what_is_not_bound_to_open_files),
        TEST(who_has_a_new_session_and_says_nothing_loses_the_old_ones_claims),
        TEST(what_a_former_life_asked_is_not_done),
        TEST(a_cluster_begun_anew_takes_the_queues_over),
        TEST(a_cluster_begun_anew_may_have_the_very_sessions_that_were_ended),
        TEST(an_older_session_takes_nothing_over_unless_it_may_be_relied_on),
        TEST(a_clean_end_gives_back_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
