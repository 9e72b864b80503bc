/* Queues over HTTP: what is asked of the engine for messages that come and go, and what is
 * answered.
 */
#include "http_api_world.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

static bool first_cancelled(struct http_world *w)
{
    (void)w;
    return http_engine.calls[0].cancelled;
}

static void reset_client(struct http_world *w)
{
    struct linger no_farewell = {.l_onoff = 1};

    setsockopt(w->client, SOL_SOCKET, SO_LINGER, &no_farewell, sizeof no_farewell);
    http_close_client(w);
}

static void reply_is(struct http_world *w, const char *status, const char *text)
{
    http_turn_until(w, http_replied);
    http_assert_status(w, status);
    http_assert_has(w, text);
}

/* Until the engine has been asked `count` times. */
static void post(struct http_world *w, const char *line, const char *body, uint64_t count)
{
    http_request_with(w, line, "", body, strlen(body));
    http_turn_until_asked(w, count);
}

/* ---- produce ---- */

static void a_body_is_a_message(void **state)
{
    struct http_world *w = *state;
    const struct cfs_produce *produce;

    http_request_with(w, "POST /queue/two%20words", "", "a\0b\n", 4);
    http_turn_until_asked(w, 1);
    produce = &http_asked(1)->produce;
    assert_int_equal(http_asked(1)->op, CFS_OP_PRODUCE);
    assert_string_equal(http_asked(1)->name, "two words");
    assert_int_equal(produce->len, 4);
    assert_memory_equal(produce->data, "a\0b\n", 4);
    assert_true(!produce->lengths && produce->count == 0 && !produce->wait && produce->key == 0);
    http_answer(1, &(struct cfs_answer){.id = 17});
    reply_is(w, "201", "{\"name\":\"two words\",\"id\":17}");
}

static void no_body_is_a_message_of_no_bytes(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q", "", 1);
    assert_int_equal(http_asked(1)->produce.len, 0);
    assert_non_null(http_asked(1)->produce.data);
    http_answer(1, &(struct cfs_answer){.id = 1});
    reply_is(w, "201", "\"id\":1");
}

static void a_queue_that_is_not_there_is_made(void **state)
{
    struct http_world *w = *state;
    const struct cfs_queue_make *make;

    post(w, "POST /queue/q?mode=0640", "m", 1);
    http_answer_error(1, CFS_ERR_NO_QUEUE);
    assert_int_equal(http_asked(2)->op, CFS_OP_QUEUE_MAKE);
    assert_string_equal(http_asked(2)->name, "q");
    make = &http_asked(2)->queue_make;
    assert_true(make->perm == 0640 && make->uid == geteuid() && !make->exclusive);
    http_answer_error(2, CFS_OK);
    assert_int_equal(http_asked(3)->op, CFS_OP_PRODUCE);
    assert_memory_equal(http_asked(3)->produce.data, "m", 1);
    http_answer(3, &(struct cfs_answer){.id = 2});
    reply_is(w, "201", "\"id\":2");
}

static void a_queue_that_is_removed_again_and_again_is_given_up(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q", "m", 1);
    assert_int_equal(http_engine.count, 1);
    for (uint64_t id = 1; id < 7; id += 2) {
        http_answer_error(id, CFS_ERR_NO_QUEUE);
        assert_int_equal(http_asked(id + 1)->queue_make.perm, 0666);
        http_answer_error(id + 1, CFS_OK);
    }
    http_answer_error(7, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "\"code\":\"no_queue\"");
    assert_int_equal(http_engine.count, 7);
}

static void a_queue_is_not_made_for_who_does_not_want_it(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q?create=no", "m", 1);
    http_answer_error(1, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "\"code\":\"no_queue\"");
    assert_int_equal(http_engine.count, 1);
}

/* The body is gone with the request. */
static void who_is_gone_gets_no_queue_made(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q", "m", 1);
    reset_client(w);
    for (int i = 0; i < 4; i++)
        http_turn_once(w);
    assert_false(http_engine.calls[0].cancelled);
    http_answer_error(1, CFS_ERR_NO_QUEUE);
    assert_int_equal(http_engine.count, 1);
}

static void a_key_makes_a_repetition_safe(void **state)
{
    struct http_world *w = *state;

    http_request_with(w, "POST /queue/q", "Idempotency-Key: 7c1e\r\n", "m", 1);
    http_turn_until_asked(w, 1);
    assert_true(http_asked(1)->produce.key == XXH3_64bits("7c1e", 4));
    http_answer(1, &(struct cfs_answer){.id = 3});
    reply_is(w, "201", "\"id\":3");
}

static void a_full_queue_is_429_at_once(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q", "m", 1);
    http_answer_error(1, CFS_ERR_FULL);
    reply_is(w, "429", "\"code\":\"full\"");
    http_assert_has(w, "Retry-After: 1\r\n");
}

static void who_wants_to_waits_for_room(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q?wait=0.02", "m", 1);
    assert_true(http_asked(1)->produce.wait);
    http_turn_until(w, first_cancelled);
    http_answer(1, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED, .queued = true});
    reply_is(w, "429", "\"code\":\"full\"");
}

static void a_producer_that_goes_away_stops_waiting(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q?wait=60", "m", 1);
    reset_client(w);
    http_turn_until(w, first_cancelled);
    http_answer(1, &(struct cfs_answer){.id = 3}); /* it was faster: so be it */
    assert_int_equal(http_engine.count, 1);
}

static void lengths_are(const struct cfs_produce *produce, const uint32_t *lengths, uint32_t count)
{
    assert_int_equal(produce->count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(produce->lengths[i], lengths[i]);
}

static void lines_are_messages_without_their_newlines(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q?framing=line", "one\n\nthree\nlast", 1);
    assert_int_equal(http_asked(1)->produce.len, 12);
    assert_memory_equal(http_asked(1)->produce.data, "onethreelast", 12);
    lengths_are(&http_asked(1)->produce, (uint32_t[]){3, 0, 5, 4}, 4);
    http_answer(1, &(struct cfs_answer){.id = 12});
    reply_is(w, "201", "{\"name\":\"q\",\"id\":12,\"ids\":[9,10,11,12]}");
}

static void lengths_cut_what_may_be_any_bytes(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /queue/q?lengths=2,0,3", "a\nb\nc", 1);
    assert_int_equal(http_asked(1)->produce.len, 5);
    assert_memory_equal(http_asked(1)->produce.data, "a\nb\nc", 5);
    lengths_are(&http_asked(1)->produce, (uint32_t[]){2, 0, 3}, 3);
    http_answer(1, &(struct cfs_answer){.id = 3});
    reply_is(w, "201", "\"ids\":[1,2,3]");
}

static void more_lines_than_a_produce_takes_are_refused(void **state)
{
    static char body[CFS_PRODUCE_MAX + 2];
    struct http_world *w = *state;

    memset(body, '\n', CFS_PRODUCE_MAX);
    post(w, "POST /queue/q?framing=line", body, 1);
    assert_int_equal(http_asked(1)->produce.count, CFS_PRODUCE_MAX);
    http_answer_error(1, CFS_ERR_NO_SPACE);
    reply_is(w, "507", "no_space");
    memset(body, '\n', CFS_PRODUCE_MAX + 1);
    http_request_with(w, "POST /queue/q?framing=line", "", body, CFS_PRODUCE_MAX + 1);
    reply_is(w, "400", "'framing'");
}

static void a_body_beyond_a_message_is_too_big(void **state)
{
    struct http_world *w = *state;

    http_request(w, "POST /queue/q", "Content-Length: 1048576\r\n");
    reply_is(w, "413", "1048575 bytes");
    assert_int_equal(http_engine.count, 0);
}

/* ---- consume ---- */

static const struct cfs_message_info hello = {.id = 5,
                                              .claim = 9,
                                              .deliveries = 2,
                                              .sent = 1712345678901234,
                                              .left = CFS_MS(29900),
                                              .body = (const uint8_t *)"hello",
                                              .len = 5};

static void answer_message(uint64_t id, const struct cfs_message_info *message)
{
    http_answer(id, &(struct cfs_answer){.messages = message, .message_count = 1});
}

static void get_takes_a_message(void **state)
{
    struct http_world *w = *state;
    const struct cfs_consume *consume;

    http_begin(w, "GET /queue/two%20words");
    consume = &http_asked(1)->consume;
    assert_int_equal(http_asked(1)->op, CFS_OP_CONSUME);
    assert_string_equal(http_asked(1)->name, "two words");
    assert_true(consume->leased && !consume->bound && !consume->wait && consume->max == 1);
    answer_message(1, &hello);
    reply_is(w, "200",
             "{\"id\":9,\"processing_queue\":\"two%20words\",\"body\":\"hello\",\"message\":5,"
             "\"deliveries\":2,\"sent\":\"2024-04-05T19:34:38.901Z\",\"left\":29.9}");
}

static void a_body_that_is_not_utf_8_is_base64(void **state)
{
    struct cfs_message_info message = hello;
    struct http_world *w = *state;

    message.body = (const uint8_t *)"\xff\xfe";
    message.len = 2;
    http_begin(w, "GET /queue/q");
    answer_message(1, &message);
    reply_is(w, "200", "\"body_base64\":\"//4=\"");
    message.body = (const uint8_t *)"\0";
    message.len = 1;
    http_begin(w, "GET /queue/q");
    answer_message(2, &message);
    reply_is(w, "200", "\"body\":\"\\u0000\"");
    message.body = NULL;
    message.len = 0;
    http_begin(w, "GET /queue/q");
    answer_message(3, &message);
    reply_is(w, "200", "\"body\":\"\"");
}

static void bytes_are_given_to_who_accepts_them(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /queue/q", "Accept: application/octet-stream\r\n");
    http_turn_until_asked(w, 1);
    answer_message(1, &hello);
    reply_is(w, "200", "Coordfs-Id: 9\r\n");
    http_assert_has(w, "Content-Type: application/octet-stream\r\n");
    http_assert_has(w, "\r\n\r\nhello");
    http_request(w, "GET /queue/q?max=1", "Accept: application/octet-stream\r\n");
    reply_is(w, "400", "'max'");
}

static void several_are_a_list(void **state)
{
    struct cfs_message_info messages[] = {hello, hello};
    struct http_world *w = *state;

    messages[1].claim = 10;
    http_begin(w, "GET /queue/q?max=256");
    assert_int_equal(http_asked(1)->consume.max, 256);
    http_answer(1, &(struct cfs_answer){.messages = messages, .message_count = 2});
    reply_is(w, "200", "{\"messages\":[{\"id\":9,");
    http_assert_has(w, "},{\"id\":10,");
}

static void an_empty_queue_is_204(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/q");
    http_answer_error(1, CFS_ERR_EMPTY);
    http_turn_until(w, http_replied);
    http_assert_status(w, "204");
    assert_non_null(strstr(w->reply, "\r\n\r\n"));
    assert_string_equal(strstr(w->reply, "\r\n\r\n"), "\r\n\r\n");
    http_begin(w, "GET /queue/q");
    http_answer_error(2, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "\"code\":\"no_queue\"");
}

static void a_wait_ends_with_its_time(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/q?wait=0.02");
    assert_true(http_asked(1)->consume.wait);
    http_turn_until(w, first_cancelled);
    http_answer(1, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED, .queued = true});
    http_turn_until(w, http_replied);
    http_assert_status(w, "204");
}

static void a_wait_that_never_reached_a_queue_was_for_a_majority(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/q?wait=0.02");
    http_turn_until(w, first_cancelled);
    http_answer_error(1, CFS_ERR_INTERRUPTED);
    reply_is(w, "503", "no_quorum");
}

static void what_a_client_that_is_gone_was_handed_goes_back(void **state)
{
    static const char *const lines[] = {"GET /queue/q?max=2", "GET /queue/q?max=2&wait=60"};
    struct cfs_message_info messages[] = {hello, hello};
    struct http_world *w = *state;

    messages[1].claim = 10;
    for (uint64_t i = 0; i < 2; i++) {
        http_begin(w, lines[i]);
        reset_client(w);
        http_turn_until(w, first_cancelled);
        http_answer(1, &(struct cfs_answer){.messages = messages, .message_count = 2});
        assert_int_equal(http_asked(2)->op, CFS_OP_GIVE_BACK);
        assert_string_equal(http_asked(2)->name, "q");
        assert_int_equal(http_asked(2)->settle.place, CFS_INFLIGHT);
        assert_int_equal(http_asked(2)->settle.count, 2);
        http_answer_error(2, CFS_OK);
        memset(&http_engine, 0, sizeof http_engine);
        http_open_client(w);
    }
}

static void a_half_closed_client_waits_half_a_second(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/q?wait=60");
    shutdown(w->client, SHUT_WR);
    http_turn_until(w, first_cancelled);
    answer_message(1, &hello);
    http_turn_until(w, http_replied);
    http_assert_status(w, "204");
    assert_int_equal(http_asked(2)->op, CFS_OP_GIVE_BACK);
}

static void closing_answers_those_who_wait(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/q?wait=60");
    cfs_http_api_free(http_api);
    http_api = NULL;
    reply_is(w, "503", "no_quorum");
}

/* ---- settle ---- */

static void settling_is_said_by_the_path(void **state)
{
    static const struct {
        const char *line;
        enum cfs_op op;
    } cases[] = {
        {"POST /queue/ack/a%20b?id=9,10", CFS_OP_ACK},
        {"POST /queue/nack/a%20b?id=9,10", CFS_OP_GIVE_BACK},
        {"POST /queue/extend/a%20b?id=9,10", CFS_OP_EXTEND},
    };
    struct http_world *w = *state;

    for (uint64_t i = 0; i < 3; i++) {
        const struct cfs_request *request;

        http_begin(w, cases[i].line);
        request = http_asked(i + 1);
        assert_int_equal(request->op, cases[i].op);
        assert_string_equal(request->name, "a b");
        assert_true(request->settle.place == CFS_INFLIGHT && request->settle.count == 2);
        assert_true(request->settle.ids[0] == 9 && request->settle.ids[1] == 10);
        http_answer_error(i + 1, CFS_OK);
        reply_is(w, "200", "{\"name\":\"a b\",\"count\":2}");
    }
}

static void a_claim_that_has_passed_is_410(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/ack/q?id=18446744073709551615");
    assert_true(http_asked(1)->settle.ids[0] == UINT64_MAX);
    http_answer_error(1, CFS_ERR_NOT_CLAIMED);
    reply_is(w, "410", "\"code\":\"not_claimed\"");
}

static void a_dead_letter_can_be_done_with(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/ack/q?id=5&place=dead");
    assert_int_equal(http_asked(1)->settle.place, CFS_DEAD);
    http_answer_error(1, CFS_ERR_NO_MESSAGE);
    reply_is(w, "404", "no_message");
}

/* A queue may have the name of a verb. */
static void verbs_are_names_too(void **state)
{
    static const char *const names[] = {"ack",   "nack", "extend", "config",
                                        "stats", "peek", "purge",  "kick"};
    struct http_world *w = *state;
    char line[64];

    for (uint64_t i = 0; i < 8; i++) {
        snprintf(line, sizeof line, "GET /queue/%s", names[i]);
        http_begin(w, line);
        assert_string_equal(http_asked(i + 1)->name, names[i]);
        http_answer_error(i + 1, CFS_ERR_NO_QUEUE);
        reply_is(w, "404", "no_queue");
    }
}

/* ---- what is refused ---- */

static void bad_parameters_are_named(void **state)
{
    static const struct {
        const char *line, *field;
    } cases[] = {
        {"POST /queue/q?framing=write", "'framing'"},
        {"POST /queue/q?framing=line", "'framing'"}, /* without one */
        {"POST /queue/q?framing=line&lengths=0", "'lengths'"},
        {"POST /queue/q?lengths=", "'lengths'"},
        {"POST /queue/q?lengths=1", "'lengths'"},
        {"POST /queue/q?lengths=0,", "'lengths'"},
        {"POST /queue/q?lengths=-1", "'lengths'"},
        {"POST /queue/q?lengths=0;0", "'lengths'"},
        {"POST /queue/q?lengths=99999999999999999999", "'lengths'"},
        {"POST /queue/q?create=0", "'create'"},
        {"POST /queue/q?mode=", "'mode'"},
        {"POST /queue/q?mode=8", "'mode'"},
        {"POST /queue/q?mode=1777", "'mode'"},
        {"POST /queue/q?mode=00666", "'mode'"},
        {"POST /queue/q?wait=soon", "'wait'"},
        {"GET /queue/q?wait=-1", "'wait'"},
        {"GET /queue/q?max=0", "'max'"},
        {"GET /queue/q?max=257", "'max'"},
        {"GET /queue/q?max=", "'max'"},
        {"POST /queue/ack/q", "'id'"},
        {"POST /queue/ack/q?id=", "'id'"},
        {"POST /queue/ack/q?id=0", "'id'"},
        {"POST /queue/ack/q?id=1,,2", "'id'"},
        {"POST /queue/ack/q?id=1,", "'id'"},
        {"POST /queue/ack/q?id=x", "'id'"},
        {"POST /queue/ack/q?id=18446744073709551616", "'id'"},
        {"POST /queue/ack/q?id=111111111111111111111111", "'id'"},
        {"POST /queue/ack/q?id=1&place=ready", "'place'"},
        {"POST /queue/.hidden", "'name'"},
        {"GET /queue/.hidden", "'name'"},
        {"POST /queue/ack/.hidden?id=1", "'name'"},
        {"GET /queue/", "'name'"},
        {"GET /queue/a%2fb", "'name'"},
        {"POST /queue/ack/", "'name'"},
        {"POST /queue/mystery/q", "'name'"},
    };
    struct http_world *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_get(w, cases[i].line);
        http_assert_status(w, "400");
        http_assert_has(w, cases[i].field);
        http_assert_has(w, "\"code\":\"invalid\"");
    }
    assert_int_equal(http_engine.count, 0);
}

static void too_many_ids_are_refused(void **state)
{
    struct http_world *w = *state;
    char line[1024] = "POST /queue/ack/q?id=1";

    for (int i = 1; i < 256; i++)
        strcat(line, ",1");
    http_begin(w, line);
    assert_int_equal(http_asked(1)->settle.count, 256);
    http_answer_error(1, CFS_OK);
    http_turn_until(w, http_replied);
    strcat(line, ",1");
    http_get(w, line);
    http_assert_status(w, "400");
    http_assert_has(w, "'id'");
}

static bool has_head(struct http_world *w)
{
    return strstr(w->reply, "\r\n\r\n");
}

/* HEAD would take a message and throw it away. */
static void methods_are_told_apart(void **state)
{
    struct http_world *w = *state;

    http_request(w, "HEAD /queue/q", "");
    http_turn_until(w, has_head);
    http_assert_status(w, "405");
    http_assert_has(w, "Allow: POST, GET, DELETE\r\n");
    http_close_client(w);
    http_open_client(w);
    http_get(w, "GET /queue/ack/q");
    http_assert_status(w, "405");
    http_assert_has(w, "Allow: POST\r\n");
    http_get(w, "POST /queue/stats/q");
    http_assert_status(w, "405");
    http_assert_has(w, "Allow: GET, HEAD\r\n");
    assert_int_equal(http_engine.count, 0);
}

static void the_secret_is_needed(void **state)
{
    static const char *const lines[] = {"GET /queue",        "POST /queue/q",
                                        "GET /queue/q",      "DELETE /queue/q",
                                        "GET /queue/peek/q", "POST /queue/ack/q?id=1"};
    struct http_world *w = *state;
    char text[256];

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\n\r\n", lines[i]);
        http_ask(w, text);
        http_assert_status(w, "401");
        http_close_client(w);
        http_open_client(w);
    }
    assert_int_equal(http_engine.count, 0);
}

static void requests_are_counted(void **state)
{
    struct http_world *w = *state;
    uint64_t counts[CFS_ROUTE_CLASSES];

    http_get(w, "GET /queue/q?max=0");
    http_get(w, "POST /queue/ack/q");
    cfs_http_api_counts(http_api, counts);
    assert_int_equal(counts[CFS_ROUTE_QUEUE], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_api_set_up, http_api_tear_down)
        T(a_body_is_a_message),
        T(no_body_is_a_message_of_no_bytes),
        T(a_queue_that_is_not_there_is_made),
        T(a_queue_that_is_removed_again_and_again_is_given_up),
        T(a_queue_is_not_made_for_who_does_not_want_it),
        T(who_is_gone_gets_no_queue_made),
        T(a_key_makes_a_repetition_safe),
        T(a_full_queue_is_429_at_once),
        T(who_wants_to_waits_for_room),
        T(a_producer_that_goes_away_stops_waiting),
        T(lines_are_messages_without_their_newlines),
        T(lengths_cut_what_may_be_any_bytes),
        T(more_lines_than_a_produce_takes_are_refused),
        T(a_body_beyond_a_message_is_too_big),
        T(get_takes_a_message),
        T(a_body_that_is_not_utf_8_is_base64),
        T(bytes_are_given_to_who_accepts_them),
        T(several_are_a_list),
        T(an_empty_queue_is_204),
        T(a_wait_ends_with_its_time),
        T(a_wait_that_never_reached_a_queue_was_for_a_majority),
        T(what_a_client_that_is_gone_was_handed_goes_back),
        T(a_half_closed_client_waits_half_a_second),
        T(closing_answers_those_who_wait),
        T(settling_is_said_by_the_path),
        T(a_claim_that_has_passed_is_410),
        T(a_dead_letter_can_be_done_with),
        T(verbs_are_names_too),
        T(bad_parameters_are_named),
        T(too_many_ids_are_refused),
        T(methods_are_told_apart),
        T(the_secret_is_needed),
        T(requests_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
