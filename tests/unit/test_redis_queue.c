/* What a queue in Redis is and does, seen by two nodes. */
#include "redis_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static void produce(struct redis_node *node, const char *name, const char *body)
{
    struct cfs_request request = redis_produce(name, body);

    redis_succeeds(node, &request);
}

static void make(struct redis_node *node, const char *name)
{
    struct cfs_request request = redis_make(name);

    redis_succeeds(node, &request);
}

/* The claim. */
static uint64_t consume(struct redis_node *node, const char *name, const char *body)
{
    struct cfs_request request = redis_consume(name);
    const struct cfs_answer *answer = redis_ask(node, &request);

    redis_has_body(answer, body);
    return answer->messages[0].claim;
}

static void settle(struct redis_node *node, enum cfs_op op, const char *name, uint64_t claim,
                   enum cfs_error error)
{
    struct cfs_request request = redis_settle(op, name, &claim);

    redis_refuses(node, &request, error);
}

static void a_queue_is_made_once_and_looks_the_same_everywhere(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_make("q");
    struct cfs_queue_info info;

    request.queue_make.exclusive = true;
    redis_succeeds(&w->nodes[1], &request);
    redis_refuses(&w->nodes[2], &request, CFS_ERR_QUEUE_EXISTS);
    request.queue_make.exclusive = false;
    redis_succeeds(&w->nodes[2], &request);
    info = redis_stat(&w->nodes[2], "q");
    assert_int_equal(info.uid, 7);
    assert_int_equal(info.gid, 8);
    assert_int_equal(info.perm, 0640);
    assert_int_equal(info.config.visibility_ms, 30000);
    assert_int_equal(info.config.max_deliveries, 20);
    assert_int_equal(info.config.max_messages, 0);
    assert_int_equal(info.config.max_bytes, 0);
    assert_int_equal(info.config.framing, CFS_FRAMING_WRITE);
    assert_true(info.mtime > 1600000000u * (uint64_t)1000000);
    assert_int_equal(info.mtime, info.ctime);
}

static void messages_come_out_in_the_order_they_came_in(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request empty = redis_consume("q");

    make(&w->nodes[1], "q");
    redis_refuses(&w->nodes[1], &empty, CFS_ERR_EMPTY);
    produce(&w->nodes[1], "q", "one");
    produce(&w->nodes[2], "q", "two");
    produce(&w->nodes[1], "q", "");
    redis_counts(&w->nodes[1], "q", 3, 0, 0);
    settle(&w->nodes[2], CFS_OP_ACK, "q", consume(&w->nodes[2], "q", "one"), CFS_OK);
    settle(&w->nodes[2], CFS_OP_ACK, "q", consume(&w->nodes[1], "q", "two"), CFS_OK);
    settle(&w->nodes[2], CFS_OP_ACK, "q", consume(&w->nodes[2], "q", ""), CFS_OK);
    redis_refuses(&w->nodes[1], &empty, CFS_ERR_EMPTY);
    redis_counts(&w->nodes[1], "q", 0, 0, 0);
}

static void what_is_not_there_is_said(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_produce("none", "x");

    redis_refuses(node, &request, CFS_ERR_NO_QUEUE);
    request = redis_consume("none");
    redis_refuses(node, &request, CFS_ERR_NO_QUEUE);
    request.op = CFS_OP_QUEUE_STAT;
    redis_refuses(node, &request, CFS_ERR_NO_QUEUE);
    settle(node, CFS_OP_ACK, "none", 5, CFS_ERR_NOT_CLAIMED);
    request = redis_move("none", CFS_INFLIGHT, 5, "none");
    redis_refuses(node, &request, CFS_ERR_NOT_CLAIMED);
    request = redis_move("none", CFS_DEAD, 5, "none");
    redis_refuses(node, &request, CFS_ERR_NO_MESSAGE);
}

static void nonsense_is_refused_before_it_is_sent(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_make(".hidden");
    uint32_t lengths[] = {1, 2};

    redis_refuses(node, &request, CFS_ERR_INVALID);
    request = redis_produce("q", "four");
    request.produce.lengths = lengths;
    request.produce.count = 2;
    redis_refuses(node, &request, CFS_ERR_INVALID);
    request.produce.len = CFS_MESSAGE_MAX + 1;
    redis_refuses(node, &request, CFS_ERR_MESSAGE_TOO_BIG);
    request = redis_consume("q");
    request.consume.max = CFS_CONSUME_MAX + 1;
    redis_refuses(node, &request, CFS_ERR_INVALID);
    request = redis_configure("q", CFS_CONFIG_VISIBILITY, (struct cfs_queue_config){0});
    redis_refuses(node, &request, CFS_ERR_INVALID);
    request = redis_move("q", CFS_READY, 1, "q");
    redis_refuses(node, &request, CFS_ERR_INVALID);
    request.op = CFS_OP_MOVED;
    redis_refuses(node, &request, CFS_ERR_INVALID);
}

static void many_messages_are_produced_at_once_and_handed_out_together(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "");
    uint32_t *lengths = cfs_alloc_zeroed(CFS_PRODUCE_MAX, sizeof *lengths);
    uint8_t *data = cfs_alloc_zeroed(CFS_PRODUCE_MAX, 4);
    const struct cfs_answer *answer;
    cfs_message_id last;

    make(&w->nodes[1], "q");
    for (uint32_t i = 0; i < CFS_PRODUCE_MAX; i++) {
        lengths[i] = 4;
        memcpy(data + i * 4, &i, 4);
    }
    request.produce = (struct cfs_produce){
        .data = data, .len = CFS_PRODUCE_MAX * 4, .lengths = lengths, .count = CFS_PRODUCE_MAX};
    last = redis_ask(&w->nodes[1], &request)->id;
    redis_counts(&w->nodes[2], "q", CFS_PRODUCE_MAX, 0, 0);
    request = redis_consume("q");
    request.consume.max = CFS_CONSUME_MAX;
    answer = redis_ask(&w->nodes[2], &request);
    assert_int_equal(answer->message_count, CFS_CONSUME_MAX);
    for (uint32_t i = 0; i < CFS_CONSUME_MAX; i++) {
        assert_memory_equal(answer->messages[i].body, &i, 4);
        assert_int_equal(answer->messages[i].id, last - CFS_PRODUCE_MAX + 1 + i);
        assert_int_equal(answer->messages[i].deliveries, 1);
        assert_int_equal(answer->messages[i].node, 2);
        assert_in_range(answer->messages[i].left, CFS_SECONDS(20), CFS_SECONDS(30));
    }
    redis_counts(&w->nodes[1], "q", CFS_PRODUCE_MAX - CFS_CONSUME_MAX, CFS_CONSUME_MAX, 0);
    free(lengths);
    free(data);
}

static void the_largest_message_goes_alone(void **state)
{
    struct redis_world *w = *state;
    char *body = cfs_alloc(CFS_MESSAGE_MAX + 1);
    struct cfs_request request;
    const struct cfs_answer *answer;

    memset(body, 'x', CFS_MESSAGE_MAX);
    body[CFS_MESSAGE_MAX] = '\0';
    body[77] = '\n';
    make(&w->nodes[1], "q");
    produce(&w->nodes[1], "q", "small");
    produce(&w->nodes[1], "q", body);
    produce(&w->nodes[1], "q", "small");
    assert_int_equal(redis_stat(&w->nodes[1], "q").bytes, CFS_MESSAGE_MAX + 10);
    request = redis_consume("q");
    request.consume.max = 3;
    redis_has_body(redis_ask(&w->nodes[1], &request), "small");
    answer = redis_ask(&w->nodes[2], &request);
    redis_has_body(answer, body);
    redis_has_body(redis_ask(&w->nodes[1], &request), "small");
    free(body);
}

static void bytes_of_any_kind_are_kept(void **state)
{
    struct redis_world *w = *state;
    uint8_t data[512];
    uint32_t lengths[] = {256, 0, 256};
    struct cfs_request request = redis_make(" :*\n\xff");
    const struct cfs_answer *answer;

    for (int i = 0; i < 512; i++)
        data[i] = (uint8_t)i;
    redis_succeeds(&w->nodes[1], &request);
    request.op = CFS_OP_PRODUCE;
    request.produce =
        (struct cfs_produce){.data = data, .len = 512, .lengths = lengths, .count = 3};
    redis_succeeds(&w->nodes[1], &request);
    request.op = CFS_OP_CONSUME;
    request.consume = (struct cfs_consume){.max = 5};
    answer = redis_ask(&w->nodes[2], &request);
    assert_int_equal(answer->message_count, 3);
    assert_int_equal(answer->messages[1].len, 0);
    assert_memory_equal(answer->messages[2].body, data + 256, 256);
}

static void what_is_given_back_finds_its_old_place(void **state)
{
    struct redis_world *w = *state;
    uint64_t first, second;
    struct cfs_request request;
    const struct cfs_answer *answer;

    make(&w->nodes[1], "q");
    for (int i = 0; i < 3; i++)
        produce(&w->nodes[1], "q", i == 0 ? "one" : i == 1 ? "two" : "three");
    first = consume(&w->nodes[1], "q", "one");
    second = consume(&w->nodes[2], "q", "two");
    settle(&w->nodes[1], CFS_OP_GIVE_BACK, "q", first, CFS_OK);
    settle(&w->nodes[1], CFS_OP_GIVE_BACK, "q", second, CFS_OK);
    settle(&w->nodes[1], CFS_OP_GIVE_BACK, "q", second, CFS_ERR_NOT_CLAIMED);
    settle(&w->nodes[1], CFS_OP_ACK, "q", second, CFS_ERR_NOT_CLAIMED);
    request = redis_consume("q");
    answer = redis_ask(&w->nodes[2], &request);
    redis_has_body(answer, "one");
    assert_int_equal(answer->messages[0].deliveries, 2);
    assert_true(answer->messages[0].claim > second);
    consume(&w->nodes[1], "q", "two");
    consume(&w->nodes[1], "q", "three");
}

static void what_is_handed_out_too_often_is_dead_and_can_be_tried_again(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_configure("q", CFS_CONFIG_MAX_DELIVERIES,
                                                 (struct cfs_queue_config){.max_deliveries = 2});
    cfs_message_id id;

    make(node, "q");
    redis_succeeds(node, &request);
    produce(node, "q", "bad");
    for (int i = 0; i < 2; i++)
        settle(node, CFS_OP_GIVE_BACK, "q", consume(node, "q", "bad"), CFS_OK);
    redis_counts(node, "q", 0, 0, 1);
    assert_int_equal(redis_stat(node, "q").bytes, 3);
    request = redis_consume("q");
    redis_refuses(node, &request, CFS_ERR_EMPTY);

    request = redis_consume("q");
    request.op = CFS_OP_MESSAGE_LIST;
    request.queue_read = (struct cfs_queue_read){.place = CFS_DEAD};
    id = redis_ask(node, &request)->ids[0];
    request = redis_move("q", CFS_DEAD, id, "q");
    redis_succeeds(node, &request);
    redis_refuses(node, &request, CFS_ERR_NO_MESSAGE);
    request = redis_consume("q");
    assert_int_equal(redis_ask(node, &request)->messages[0].deliveries, 1);
    redis_counts(node, "q", 0, 1, 0);
}

static void dead_letters_are_acknowledged_by_their_ids(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_configure("q", CFS_CONFIG_MAX_DELIVERIES,
                                                 (struct cfs_queue_config){.max_deliveries = 1});
    const struct cfs_answer *answer;

    make(node, "q");
    redis_succeeds(node, &request);
    produce(node, "q", "bad");
    request = redis_consume("q");
    answer = redis_ask(node, &request);
    settle(node, CFS_OP_GIVE_BACK, "q", answer->messages[0].claim, CFS_OK);
    request = redis_settle(CFS_OP_ACK, "q", &answer->messages[0].id);
    request.settle.place = CFS_DEAD;
    redis_succeeds(node, &request);
    redis_refuses(node, &request, CFS_ERR_NO_MESSAGE);
    redis_counts(node, "q", 0, 0, 0);
    assert_int_equal(redis_stat(node, "q").bytes, 0);
}

static bool is_ready(void *arg)
{
    return redis_stat(arg, "q").ready == 1;
}

static void a_claim_goes_back_when_its_time_is_over(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request =
        redis_configure("q", CFS_CONFIG_VISIBILITY, (struct cfs_queue_config){.visibility_ms = 60});
    uint64_t claim;

    make(node, "q");
    redis_succeeds(node, &request);
    produce(node, "q", "slow");
    claim = consume(node, "q", "slow");
    redis_counts(node, "q", 0, 1, 0);
    redis_run_for(w, 30);
    settle(node, CFS_OP_EXTEND, "q", claim, CFS_OK);
    redis_run_for(w, 40);
    settle(node, CFS_OP_EXTEND, "q", claim, CFS_OK);
    while (!is_ready(node))
        redis_run_for(w, 5);
    settle(node, CFS_OP_EXTEND, "q", claim, CFS_ERR_NOT_CLAIMED);
    settle(node, CFS_OP_ACK, "q", claim, CFS_ERR_NOT_CLAIMED);
}

/* Nobody asks anything: the tick of a node that does not even know of the claim sees to it. */
static void it_goes_back_by_itself(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request =
        redis_configure("q", CFS_CONFIG_VISIBILITY, (struct cfs_queue_config){.visibility_ms = 60});

    make(&w->nodes[1], "q");
    redis_succeeds(&w->nodes[1], &request);
    produce(&w->nodes[1], "q", "x");
    consume(&w->nodes[1], "q", "x");
    redis_node_close(&w->nodes[1]);
    while (redis_number(w, "ZCARD coordfs:00000000000000c1:ready:q") != 1)
        redis_run_for(w, 10);
}

static void a_full_queue_takes_no_more(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request =
        redis_configure("q", CFS_CONFIG_MAX_MESSAGES | CFS_CONFIG_MAX_BYTES,
                        (struct cfs_queue_config){.max_messages = 2, .max_bytes = 10});

    make(node, "q");
    redis_succeeds(node, &request);
    produce(node, "q", "more than ten bytes"); /* an empty queue is never full */
    request = redis_produce("q", "x");
    redis_refuses(node, &request, CFS_ERR_FULL);
    settle(node, CFS_OP_ACK, "q", consume(node, "q", "more than ten bytes"), CFS_OK);
    produce(node, "q", "12345");
    consume(node, "q", "12345"); /* what is in flight counts */
    request = redis_produce("q", "123456");
    redis_refuses(node, &request, CFS_ERR_FULL);
    produce(node, "q", "12345");
    request = redis_produce("q", "");
    redis_refuses(node, &request, CFS_ERR_FULL);
}

static void a_key_is_produced_once(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_produce("q", "once");
    cfs_message_id id;

    make(&w->nodes[1], "q");
    request.produce.key = UINT64_MAX - 3;
    id = redis_ask(&w->nodes[1], &request)->id;
    assert_int_equal(redis_ask(&w->nodes[2], &request)->id, id);
    redis_counts(&w->nodes[1], "q", 1, 0, 0);
    request.produce.key = 5;
    assert_true(redis_ask(&w->nodes[2], &request)->id > id);
    redis_counts(&w->nodes[1], "q", 2, 0, 0);
}

static void a_claim_is_passed_on_exactly_once(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request;
    const struct cfs_answer *answer;
    uint64_t claim;

    make(node, "q");
    make(node, "other");
    produce(node, "q", "work");
    produce(node, "other", "before");
    request = redis_consume("q");
    answer = redis_ask(node, &request);
    claim = answer->messages[0].claim;
    request = redis_move("q", CFS_INFLIGHT, claim, "none");
    redis_refuses(node, &request, CFS_ERR_NO_QUEUE);
    request = redis_move("q", CFS_INFLIGHT, claim, "other");
    redis_succeeds(node, &request);
    redis_refuses(node, &request, CFS_ERR_NOT_CLAIMED);
    redis_counts(node, "q", 0, 0, 0);
    assert_int_equal(redis_stat(node, "q").bytes, 0);
    redis_counts(node, "other", 2, 0, 0);
    consume(node, "other", "before");
    request = redis_consume("other");
    assert_int_equal(redis_ask(node, &request)->messages[0].id, answer->messages[0].id);
}

static void passing_on_does_not_wait_for_room(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_configure("full", CFS_CONFIG_MAX_MESSAGES,
                                                 (struct cfs_queue_config){.max_messages = 1});
    uint64_t claim;

    make(node, "q");
    make(node, "full");
    redis_succeeds(node, &request);
    produce(node, "full", "x");
    produce(node, "q", "work");
    claim = consume(node, "q", "work");
    request = redis_move("q", CFS_INFLIGHT, claim, "full");
    redis_refuses(node, &request, CFS_ERR_FULL);
    request = redis_move("q", CFS_INFLIGHT, claim, "q"); /* a give back */
    redis_succeeds(node, &request);
    redis_counts(node, "q", 1, 0, 0);
}

static void purge_and_remove_are_for_the_owner(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_make("q");
    uint64_t claim;

    redis_succeeds(node, &request);
    produce(node, "q", "one");
    produce(node, "q", "two");
    claim = consume(node, "q", "one");
    request.op = CFS_OP_PURGE;
    request.queue_caller.uid = 9;
    redis_refuses(node, &request, CFS_ERR_NOT_PERMITTED);
    request.queue_caller.uid = 7;
    redis_succeeds(node, &request);
    redis_counts(node, "q", 0, 1, 0); /* what is in flight stays */
    assert_int_equal(redis_stat(node, "q").bytes, 3);
    request.op = CFS_OP_QUEUE_REMOVE;
    redis_refuses(node, &request, CFS_ERR_NOT_EMPTY);
    settle(node, CFS_OP_GIVE_BACK, "q", claim, CFS_OK);
    consume(node, "q", "one");
    redis_node_session(node, 20); /* whose claims are over: it is ready again */
    request.op = CFS_OP_PURGE;
    request.queue_caller.uid = 0;
    redis_succeeds(node, &request);
    request.op = CFS_OP_QUEUE_REMOVE;
    redis_succeeds(node, &request);
    redis_refuses(node, &request, CFS_ERR_NO_QUEUE);
    assert_int_equal(redis_number(w, "EXISTS coordfs:00000000000000c1:body:q"), 0);
    assert_int_equal(redis_number(w, "EXISTS coordfs:00000000000000c1:message:q"), 0);
    assert_int_equal(redis_number(w, "EXISTS coordfs:00000000000000c1:queue:q"), 0);
}

static void attributes_are_set_by_the_owner(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_make("q");
    struct cfs_queue_info before, info;

    redis_succeeds(&w->nodes[1], &request);
    before = redis_stat(&w->nodes[1], "q");
    request.op = CFS_OP_QUEUE_SETATTR;
    request.setattr = (struct cfs_setattr){.fields = CFS_SET_PERM | CFS_SET_GID | CFS_SET_MTIME,
                                           .caller = 9,
                                           .perm = 0100600,
                                           .gid = 33,
                                           .mtime = 5000001};
    redis_refuses(&w->nodes[1], &request, CFS_ERR_NOT_PERMITTED);
    request.setattr.caller = 7;
    redis_succeeds(&w->nodes[1], &request);
    info = redis_stat(&w->nodes[2], "q");
    assert_int_equal(info.perm, 0600);
    assert_int_equal(info.gid, 33);
    assert_int_equal(info.uid, 7);
    assert_int_equal(info.mtime, 5000001);
    assert_true(info.ctime > before.ctime);
    request.setattr.fields = CFS_SET_MTIME_NOW;
    redis_succeeds(&w->nodes[1], &request);
    assert_true(redis_stat(&w->nodes[2], "q").mtime > before.mtime);
    assert_int_equal(redis_stat(&w->nodes[2], "q").ctime, info.ctime);
}

static void settings_are_set_one_by_one(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request = redis_configure(
        "q", CFS_CONFIG_MAX_BYTES | CFS_CONFIG_FRAMING,
        (struct cfs_queue_config){
            .visibility_ms = 1, .max_bytes = UINT64_MAX, .framing = CFS_FRAMING_LINE});
    struct cfs_queue_info info;

    make(&w->nodes[1], "q");
    redis_succeeds(&w->nodes[1], &request);
    info = redis_stat(&w->nodes[2], "q");
    assert_int_equal(info.config.visibility_ms, 30000);
    assert_true(info.config.max_bytes == UINT64_MAX);
    assert_int_equal(info.config.framing, CFS_FRAMING_LINE);
    request.queue_set.uid = 9;
    redis_refuses(&w->nodes[1], &request, CFS_ERR_NOT_PERMITTED);
}

static void queues_are_listed_page_by_page(void **state)
{
    struct redis_world *w = *state;
    struct cfs_request request;
    const struct cfs_answer *answer;
    char name[16];
    int count = 0;

    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "q%04d", i);
        request = redis_make(name);
        redis_submit(&w->nodes[1], &request);
    }
    request = (struct cfs_request){.op = CFS_OP_QUEUE_LIST};
    do {
        answer = redis_ask(&w->nodes[1], &request);
        assert_int_equal(answer->error, CFS_OK);
        assert_int_equal(answer->part, 0);
        for (const char *at = answer->names; at < answer->names + answer->names_len;
             at += strlen(at) + 1, count++) {
            snprintf(name, sizeof name, "q%04d", count);
            assert_string_equal(at, name);
            strcpy(request.name, at);
        }
    } while (answer->more);
    assert_int_equal(count, 1500);
}

static void messages_are_listed_in_the_order_of_their_place(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request = redis_produce("q", "");
    uint32_t *lengths = cfs_alloc_zeroed(5000, sizeof *lengths);
    const struct cfs_answer *answer;
    cfs_message_id last;

    make(node, "q");
    request.produce.lengths = lengths;
    request.produce.count = 5000;
    last = redis_ask(node, &request)->id;
    settle(node, CFS_OP_GIVE_BACK, "q", consume(node, "q", ""), CFS_OK);
    request.op = CFS_OP_MESSAGE_LIST;
    request.queue_read = (struct cfs_queue_read){.place = CFS_READY};
    answer = redis_ask(node, &request);
    assert_true(answer->more);
    assert_int_equal(answer->ids[0], last - 4999);
    request.queue_read.number = answer->ids[answer->id_count - 1];
    answer = redis_ask(node, &request);
    assert_false(answer->more);
    assert_int_equal(answer->ids[answer->id_count - 1], last);
    request.queue_read.place = CFS_INFLIGHT;
    assert_int_equal(redis_ask(node, &request)->id_count, 0);
    free(lengths);
}

static void a_message_is_looked_at_where_it_is(void **state)
{
    struct redis_world *w = *state;
    struct redis_node *node = &w->nodes[1];
    struct cfs_request request;
    const struct cfs_answer *answer;
    cfs_message_id id;

    make(node, "q");
    request = redis_produce("q", "look");
    id = redis_ask(node, &request)->id;
    request.op = CFS_OP_MESSAGE_GET;
    request.queue_read = (struct cfs_queue_read){.place = CFS_READY, .number = id};
    answer = redis_ask(node, &request);
    redis_has_body(answer, "look");
    assert_int_equal(answer->messages[0].deliveries, 0);
    assert_int_equal(answer->messages[0].claim, 0);
    request.queue_read.number = consume(&w->nodes[2], "q", "look");
    request.queue_read.place = CFS_INFLIGHT;
    answer = redis_ask(node, &request);
    redis_has_body(answer, "look");
    assert_int_equal(answer->messages[0].id, id);
    assert_int_equal(answer->messages[0].node, 2);
    request.queue_read.number++;
    redis_refuses(node, &request, CFS_ERR_NOT_CLAIMED);
    request.queue_read = (struct cfs_queue_read){.place = CFS_READY, .number = id};
    redis_refuses(node, &request, CFS_ERR_NO_MESSAGE);
    request.queue_read.place = CFS_DEAD;
    redis_refuses(node, &request, CFS_ERR_NO_MESSAGE);
}

static void pages_know_what_was_seen_a_moment_ago(void **state)
{
    struct redis_world *w = *state;
    const struct cfs_queue_overview *overview;

    make(&w->nodes[1], "b");
    make(&w->nodes[1], "a");
    produce(&w->nodes[1], "b", "four");
    do {
        redis_run_for(w, 20);
        overview = cfs_queue_store_overview(&w->nodes[2].store);
    } while (overview->count < 2 || !overview->rows[1].info.ready);
    assert_int_equal(overview->row_count, 2);
    assert_string_equal(overview->rows[0].name, "a");
    assert_string_equal(overview->rows[1].name, "b");
    assert_int_equal(overview->rows[1].info.bytes, 4);
    assert_int_equal(overview->rows[1].info.node, 0); /* nobody is responsible */
    assert_true(overview->seen);
}

/* Nothing that was answered is remembered for longer than it may be asked for again. */
static void redis_forgets_answers_that_have_arrived(void **state)
{
    struct redis_world *w = *state;

    make(&w->nodes[1], "q");
    for (int i = 0; i < 50; i++)
        produce(&w->nodes[1], "q", "x");
    assert_in_range(redis_number(w, "HLEN coordfs:00000000000000c1:answers:1"), 1, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_set_up, redis_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queue_is_made_once_and_looks_the_same_everywhere),
        TEST(messages_come_out_in_the_order_they_came_in),
        TEST(what_is_not_there_is_said),
        TEST(nonsense_is_refused_before_it_is_sent),
        TEST(many_messages_are_produced_at_once_and_handed_out_together),
        TEST(the_largest_message_goes_alone),
        TEST(bytes_of_any_kind_are_kept),
        TEST(what_is_given_back_finds_its_old_place),
        TEST(what_is_handed_out_too_often_is_dead_and_can_be_tried_again),
        TEST(dead_letters_are_acknowledged_by_their_ids),
        TEST(a_claim_goes_back_when_its_time_is_over),
        TEST(it_goes_back_by_itself),
        TEST(a_full_queue_takes_no_more),
        TEST(a_key_is_produced_once),
        TEST(a_claim_is_passed_on_exactly_once),
        TEST(passing_on_does_not_wait_for_room),
        TEST(purge_and_remove_are_for_the_owner),
        TEST(attributes_are_set_by_the_owner),
        TEST(settings_are_set_one_by_one),
        TEST(queues_are_listed_page_by_page),
        TEST(messages_are_listed_in_the_order_of_their_place),
        TEST(a_message_is_looked_at_where_it_is),
        TEST(pages_know_what_was_seen_a_moment_ago),
        TEST(redis_forgets_answers_that_have_arrived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
