/* Redis goes, comes back, stands still, loses answers, forgets scripts, is full: calls wait, are
 * asked again, and are done once. */
#include "redis_world.h"

#include <hiredis/hiredis.h>
#include <signal.h>
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

static void calls_wait_for_a_redis_that_comes_back(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "while away");
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "before");
    redis_kill(w);
    asked = redis_submit(&w->nodes[1], &request);
    redis_run_for(w, 200);
    assert_false(asked->done);
    redis_start(w);
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_OK);
    redis_counts(&w->nodes[2], "q", 2, 0, 0); /* nothing that was answered is lost */
}

static void one_that_stays_away_is_an_error_in_time(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "x");
    cfs_time begun;

    make(&w->nodes[1], "q");
    redis_kill(w);
    begun = cfs_clock_now();
    redis_refuses(&w->nodes[1], &request, CFS_ERR_IO);
    assert_in_range(cfs_clock_now() - begun, CFS_MS(1900), CFS_MS(3000));
    begun = cfs_clock_now();
    assert_false(cfs_queue_store_available(&w->nodes[1].store));
    redis_refuses(&w->nodes[1], &request, CFS_ERR_IO); /* further calls do not wait */
    assert_true(cfs_clock_now() - begun < CFS_MS(500));
    redis_start(w);
    while (redis_ask(&w->nodes[1], &request)->error)
        redis_run_for(w, 10);
    assert_true(cfs_queue_store_available(&w->nodes[1].store));
    redis_counts(&w->nodes[1], "q", 1, 0, 0);
}

static void who_waits_survives_a_restart_in_his_place(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *first, *second;

    make(&w->nodes[1], "q");
    first = redis_take(&w->nodes[1], "q");
    second = redis_take(&w->nodes[2], "q");
    redis_kill(w);
    redis_run_for(w, 100);
    redis_start(w);
    produce(&w->nodes[2], "q", "one");
    produce(&w->nodes[2], "q", "two");
    redis_has_body(redis_answer(&w->nodes[1], first), "one");
    redis_has_body(redis_answer(&w->nodes[2], second), "two");
}

static void who_waits_is_told_when_redis_stays_away(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    asked = redis_take(&w->nodes[1], "q");
    redis_kill(w);
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_ERR_IO);
    redis_start(w);
    /* He has left: nothing is handed to him. */
    while (redis_number(w, "HLEN coordfs:00000000000000c1:waits:1") != 0)
        redis_run_for(w, 10);
    produce(&w->nodes[1], "q", "x");
    redis_counts(&w->nodes[1], "q", 1, 0, 0);
}

/* The hand-over happened while the node could not be told. */
static void news_that_were_lost_are_asked_for(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    asked = redis_take(&w->nodes[1], "q");
    w->refuses = true;
    redis_break(w);
    redis_run_for(w, 50);
    redis_script(w, "hello 3 1 1 0 1 0");
    redis_script(w, "produce 3 1 1 1 1 q 0 0 1, x"); /* one message, of one byte */
    redis_run_for(w, 50);
    assert_false(asked->done);
    w->refuses = false;
    redis_has_body(redis_answer(&w->nodes[1], asked), "x");
    redis_counts(&w->nodes[1], "q", 0, 1, 0);
}

static void what_was_done_and_not_answered_is_done_once(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request;
    struct redis_asked *asked;
    uint64_t claim;

    make(&w->nodes[1], "q");
    w->mute = true;
    request = redis_produce("q", "once");
    asked = redis_submit(&w->nodes[1], &request);
    while (redis_number(w, "ZCARD coordfs:00000000000000c1:ready:q") != 1)
        redis_run_for(w, 5);
    redis_break(w);
    w->mute = false;
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_OK);
    redis_counts(&w->nodes[2], "q", 1, 0, 0);

    w->mute = true;
    request = redis_consume("q");
    asked = redis_submit(&w->nodes[1], &request);
    while (redis_number(w, "ZCARD coordfs:00000000000000c1:inflight:q") != 1)
        redis_run_for(w, 5);
    redis_break(w);
    w->mute = false;
    redis_has_body(redis_answer(&w->nodes[1], asked), "once");
    assert_int_equal(asked->answer.messages[0].deliveries, 1);

    w->mute = true;
    claim = asked->answer.messages[0].claim;
    request = redis_settle(CFS_OP_ACK, "q", &claim);
    asked = redis_submit(&w->nodes[1], &request);
    while (redis_number(w, "ZCARD coordfs:00000000000000c1:inflight:q") != 0)
        redis_run_for(w, 5);
    redis_break(w);
    w->mute = false;
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_OK);
}

/* Many of all kinds, through many broken connections: each message comes out once. */
static void nothing_is_lost_or_doubled_by_connections_that_break(void **state)
{
    struct redis_world *w = *state;
    struct redis_asked *produced[200];
    bool seen[200] = {false};
    struct cfs_request request;
    char body[8];

    make(&w->nodes[1], "q");
    for (int i = 0; i < 200; i++) {
        snprintf(body, sizeof body, "%d", i);
        request = redis_produce("q", body);
        produced[i] = redis_submit(&w->nodes[1 + i % 2], &request);
        if (i % 20 == 7) {
            w->mute = true;
            redis_run_for(w, 3);
            redis_break(w);
            w->mute = false;
        } else if (i % 3 == 0) {
            redis_run_for(w, 1);
        }
    }
    for (int i = 0; i < 200; i++)
        assert_int_equal(redis_answer(&w->nodes[1], produced[i])->error, CFS_OK);
    request = redis_consume("q");
    for (int i = 0; i < 200; i++) {
        struct redis_asked *asked = redis_submit(&w->nodes[1 + i % 2], &request);
        if (i % 20 == 11) {
            w->mute = true;
            redis_run_for(w, 3);
            redis_break(w);
            w->mute = false;
        }
        redis_answer(&w->nodes[1], asked);
        assert_int_equal(asked->answer.message_count, 1);
        snprintf(body, sizeof body, "%.*s", (int)asked->answer.messages[0].len,
                 (const char *)asked->answer.messages[0].body);
        assert_false(seen[atoi(body)]);
        seen[atoi(body)] = true;
        assert_int_equal(asked->answer.messages[0].deliveries, 1);
    }
    redis_counts(&w->nodes[1], "q", 0, 200, 0);
}

/* What was handed to somebody who is gone goes back as if it never had been handed out. */
static void what_nobody_hears_of_is_undone(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_consume("q");
    struct redis_asked *asked;

    make(&w->nodes[2], "q");
    produce(&w->nodes[1], "q", "x");
    w->mute = true;
    asked = redis_submit(&w->nodes[2], &request);
    assert_int_equal(redis_answer(&w->nodes[2], asked)->error, CFS_ERR_IO);
    assert_int_equal(redis_number(w, "ZCARD coordfs:00000000000000c1:inflight:q"), 1);
    redis_break(w);
    w->mute = false;
    while (redis_number(w, "ZCARD coordfs:00000000000000c1:ready:q") != 1)
        redis_run_for(w, 5);
    while (redis_ask(&w->nodes[1], &request)->error)
        redis_run_for(w, 10);
    assert_int_equal(w->asked->answer.messages[0].deliveries, 1);
}

/* The change that was given up must not happen after all. */
static void what_was_given_up_does_not_happen_later(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "too late");
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    kill(w->pid, SIGSTOP);
    asked = redis_submit(&w->nodes[1], &request);
    redis_run_for(w, 20);
    redis_cancel(&w->nodes[1], asked);
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_ERR_INTERRUPTED);
    redis_kill(w); /* with what it had not read */
    redis_start(w);
    produce(&w->nodes[1], "q", "x");
    redis_counts(&w->nodes[2], "q", 1, 0, 0);
}

static void a_redis_that_stands_still_is_waited_for(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "x");
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    kill(w->pid, SIGSTOP);
    asked = redis_submit(&w->nodes[1], &request);
    redis_run_for(w, 300);
    assert_false(asked->done);
    kill(w->pid, SIGCONT);
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_OK);
}

static void scripts_that_were_flushed_are_loaded_again(void **state)
{
    struct redis_world *w = *state;

    make(&w->nodes[1], "q");
    freeReplyObject(redis_command(w, "SCRIPT FLUSH"));
    produce(&w->nodes[1], "q", "x");
    redis_counts(&w->nodes[2], "q", 1, 0, 0);
}

/* It was not durable, or somebody has emptied it: everybody says hello again, and goes on. */
static void a_redis_that_has_lost_everything_is_used_again(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_consume("q");
    struct redis_asked *asked;
    uint64_t claim;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "lost");
    claim = redis_ask(&w->nodes[1], &request)->messages[0].claim;
    asked = redis_take(&w->nodes[2], "q");
    freeReplyObject(redis_command(w, "FLUSHALL"));
    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "new");
    request = redis_settle(CFS_OP_ACK, "q", &claim);
    redis_refuses(&w->nodes[1], &request, CFS_ERR_NOT_CLAIMED);
    redis_break(w); /* who waits asks what became of it */
    redis_has_body(redis_answer(&w->nodes[2], asked), "new");
    assert_true(asked->answer.messages[0].claim > claim);
}

static void a_full_memory_takes_nothing_new_and_can_be_emptied(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "more");
    struct redis_asked *asked;
    uint64_t claim;

    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "one");
    produce(&w->nodes[1], "q", "two");
    freeReplyObject(redis_command(w, "CONFIG SET maxmemory 1"));
    redis_refuses(&w->nodes[1], &request, CFS_ERR_NO_SPACE);
    request = redis_consume("q");
    asked = redis_submit(&w->nodes[2], &request); /* which has to say hello, too */
    redis_has_body(redis_answer(&w->nodes[2], asked), "one");
    claim = asked->answer.messages[0].claim;
    request = redis_settle(CFS_OP_EXTEND, "q", &claim);
    redis_succeeds(&w->nodes[2], &request);
    request = redis_settle(CFS_OP_ACK, "q", &claim);
    redis_succeeds(&w->nodes[2], &request);
    freeReplyObject(redis_command(w, "CONFIG SET maxmemory 0"));
    produce(&w->nodes[1], "q", "more");
    redis_counts(&w->nodes[1], "q", 2, 0, 0);
}

/* Others are let in meanwhile, and nobody is told that Redis is away. */
static void an_error_of_redis_itself_is_tried_again(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "x");
    struct redis_asked *asked;

    make(&w->nodes[1], "q");
    freeReplyObject(redis_command(w, "REPLICAOF 127.0.0.1 1")); /* it takes no writes */
    asked = redis_submit(&w->nodes[1], &request);
    redis_run_for(w, 300);
    assert_false(asked->done);
    freeReplyObject(redis_command(w, "REPLICAOF NO ONE"));
    assert_int_equal(redis_answer(&w->nodes[1], asked)->error, CFS_OK);
}

static void too_many_calls_are_refused(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_consume("q");
    struct redis_asked *last = NULL;

    request.consume.wait = true;
    w->refuses = true;
    redis_break(w);
    redis_run_for(w, 20);
    for (uint32_t i = 0; i <= CFS_REQUESTS_MAX; i++)
        last = redis_submit(&w->nodes[1], &request);
    assert_int_equal(redis_answer(&w->nodes[1], last)->error, CFS_ERR_TOO_MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_set_up, redis_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_wait_for_a_redis_that_comes_back),
        TEST(one_that_stays_away_is_an_error_in_time),
        TEST(who_waits_survives_a_restart_in_his_place),
        TEST(who_waits_is_told_when_redis_stays_away),
        TEST(news_that_were_lost_are_asked_for),
        TEST(what_was_done_and_not_answered_is_done_once),
        TEST(nothing_is_lost_or_doubled_by_connections_that_break),
        TEST(what_nobody_hears_of_is_undone),
        TEST(what_was_given_up_does_not_happen_later),
        TEST(a_redis_that_stands_still_is_waited_for),
        TEST(scripts_that_were_flushed_are_loaded_again),
        TEST(a_redis_that_has_lost_everything_is_used_again),
        TEST(a_full_memory_takes_nothing_new_and_can_be_emptied),
        TEST(an_error_of_redis_itself_is_tried_again),
        TEST(too_many_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
