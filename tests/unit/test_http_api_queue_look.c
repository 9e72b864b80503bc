/* Queues over HTTP: listed, looked at and looked after. */
#include "http_api_world.h"

#include <stdio.h>
#include <string.h>

static void reply_is(struct http_world *w, const char *status, const char *text)
{
    http_turn_until(w, http_replied);
    http_assert_status(w, status);
    http_assert_has(w, text);
}

/* ---- list ---- */

static struct cfs_answer page(const char *names, uint32_t len, bool more, uint32_t part)
{
    return (struct cfs_answer){.names = names, .names_len = len, .more = more, .part = part};
}

static void the_list_goes_through_all_parts(void **state)
{
    struct cfs_answer one = page("a\0two words", 12, true, 0), two = page("z", 2, false, 3),
                      three = page("", 0, false, 5), four = page("\xff", 2, false, 0);
    struct http_world *w = *state;

    http_begin(w, "GET /queue");
    assert_int_equal(http_asked(1)->op, CFS_OP_QUEUE_LIST);
    assert_string_equal(http_asked(1)->name, "");
    assert_int_equal(http_asked(1)->queue_read.number, 0);
    http_answer(1, &one);
    assert_string_equal(http_asked(2)->name, "two words"); /* the same part */
    assert_int_equal(http_asked(2)->queue_read.number, 0);
    http_answer(2, &two);
    assert_string_equal(http_asked(3)->name, "");
    assert_int_equal(http_asked(3)->queue_read.number, 3);
    http_answer(3, &three);
    assert_int_equal(http_asked(4)->queue_read.number, 5);
    http_answer(4, &four);
    reply_is(w, "200", "{\"queues\":[\"a\",\"two%20words\",\"z\",\"%FF\"]}");
}

static void a_long_list_says_where_it_goes_on(void **state)
{
    static char names[260 * (CFS_NAME_MAX + 1)];
    struct cfs_answer long_one = page(names, sizeof names, true, 0);
    struct http_world *w = *state;

    for (size_t i = 0; i < sizeof names; i++)
        names[i] = i % (CFS_NAME_MAX + 1) == CFS_NAME_MAX ? 0 : 'a';
    memcpy(names + sizeof names - 3, " b", 3);
    http_begin(w, "GET /queue?part=0&after=x%20y");
    assert_string_equal(http_asked(1)->name, "x y");
    assert_int_equal(http_asked(1)->queue_read.number, 0);
    http_answer(1, &long_one);
    http_turn_until(w, http_replied);
    http_assert_has(w, "\"next\":\"/queue?part=0&after=aaaa");
    http_assert_has(w, "aaaa%20b\"}");
    assert_int_equal(http_engine.count, 1);
}

static void an_error_ends_the_list(void **state)
{
    struct cfs_answer one = page("a", 2, false, 3);
    struct http_world *w = *state;

    http_begin(w, "GET /queue");
    http_answer(1, &one);
    http_answer_error(2, CFS_ERR_TIMED_OUT);
    reply_is(w, "503", "no_quorum");
}

/* ---- stats ---- */

static void stats_are_all_there_is_to_say(void **state)
{
    struct cfs_answer answer = {.queue = {.uid = 1000,
                                          .gid = 100,
                                          .perm = 0640,
                                          .mtime = 1712345678901234,
                                          .ready = 3,
                                          .inflight = 2,
                                          .dead = 1,
                                          .bytes = 5000000000,
                                          .consumers = 4,
                                          .producers = 5,
                                          .node = 2,
                                          .config = {.visibility_ms = 1500,
                                                     .max_deliveries = 20,
                                                     .max_messages = 7,
                                                     .max_bytes = 8,
                                                     .framing = CFS_FRAMING_LINE}}};
    struct http_world *w = *state;

    http_begin(w, "GET /queue/stats/two%20words");
    assert_int_equal(http_asked(1)->op, CFS_OP_QUEUE_STAT);
    http_answer(1, &answer);
    reply_is(w, "200",
             "{\"name\":\"two words\",\"ready\":3,\"inflight\":2,\"dead\":1,\"bytes\":5000000000,"
             "\"consumers\":4,\"producers\":5,\"node\":2,\"mode\":\"0640\",\"uid\":1000,"
             "\"gid\":100,\"mtime\":\"2024-04-05T19:34:38.901Z\",\"visibility_timeout\":1.5,"
             "\"max_deliveries\":20,\"max_messages\":7,\"max_bytes\":8,\"framing\":\"line\"}");
    http_begin(w, "GET /queue/stats/q");
    http_answer_error(2, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "no_queue");
}

/* ---- peek ---- */

static const uint64_t ids[] = {5, 6, 7};

static void answer_ids(uint64_t id, uint32_t count)
{
    http_answer(id, &(struct cfs_answer){.ids = count ? ids : NULL, .id_count = count});
}

static void answer_message(uint64_t id, uint64_t number, uint64_t claim, uint32_t len)
{
    static uint8_t body[CFS_MESSAGE_MAX];
    const struct cfs_message_info message = {
        .id = number, .claim = claim, .node = claim ? 2 : 0, .body = body, .len = len};

    memset(body, 'x', len);
    http_answer(id, &(struct cfs_answer){.messages = &message, .message_count = 1});
}

static void peek_shows_the_oldest(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/peek/q");
    assert_int_equal(http_asked(1)->op, CFS_OP_MESSAGE_LIST);
    assert_int_equal(http_asked(1)->queue_read.place, CFS_READY);
    assert_int_equal(http_asked(1)->queue_read.number, 0);
    answer_ids(1, 3);
    assert_int_equal(http_asked(2)->op, CFS_OP_MESSAGE_GET);
    assert_int_equal(http_asked(2)->queue_read.place, CFS_READY);
    assert_int_equal(http_asked(2)->queue_read.number, 5);
    answer_message(2, 5, 0, 2);
    reply_is(w, "200", "{\"messages\":[{\"id\":5,\"body\":\"xx\",\"message\":5,\"deliveries\":0,");
    assert_int_equal(http_engine.count, 2);
}

static void peek_passes_over_what_has_gone(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/peek/q?place=inflight&max=3&after=4");
    assert_int_equal(http_asked(1)->queue_read.place, CFS_INFLIGHT);
    assert_int_equal(http_asked(1)->queue_read.number, 4);
    answer_ids(1, 3);
    answer_message(2, 50, 5, 1);
    http_answer_error(3, CFS_ERR_NOT_CLAIMED);
    assert_int_equal(http_asked(4)->queue_read.number, 7);
    answer_message(4, 70, 7, 1);
    reply_is(w, "200", "{\"messages\":[{\"id\":5,\"processing_queue\":\"q\",\"body\":\"x\",");
    http_assert_has(w, ",\"left\":0,\"node\":2},{\"id\":7,");
}

static void peek_at_nothing_is_204(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/peek/q?place=dead");
    assert_int_equal(http_asked(1)->queue_read.place, CFS_DEAD);
    answer_ids(1, 0);
    http_turn_until(w, http_replied);
    http_assert_status(w, "204");
    http_begin(w, "GET /queue/peek/q?place=dead");
    answer_ids(2, 1);
    http_answer_error(3, CFS_ERR_NO_MESSAGE);
    http_turn_until(w, http_replied);
    http_assert_status(w, "204");
    http_begin(w, "GET /queue/peek/q");
    http_answer_error(4, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "no_queue");
}

static void peek_gives_bytes_to_who_accepts_them(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /queue/peek/q", "Accept: application/octet-stream\r\n");
    http_turn_until_asked(w, 1);
    answer_ids(1, 1);
    answer_message(2, 5, 0, 3);
    reply_is(w, "200", "Coordfs-Id: 5\r\n");
    http_assert_has(w, "\r\n\r\nxxx");
}

static void peek_shows_as_much_as_a_message_may_have(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "GET /queue/peek/q?max=3");
    answer_ids(1, 3);
    answer_message(2, 5, 0, 30000);
    answer_message(3, 6, 0, 3);
    answer_message(4, 7, 0, CFS_MESSAGE_MAX - 10);
    http_turn_until(w, http_replied);
    http_assert_has(w, ",{\"id\":6,");
    assert_null(strstr(w->reply, "\"id\":7"));
}

/* ---- config, purge, remove, kick ---- */

static void config_sets_what_is_named(void **state)
{
    struct http_world *w = *state;
    const struct cfs_queue_set *set;

    http_begin(w, "POST /queue/config/q?visibility_timeout=1.5&max_deliveries=3&max_messages=0"
                  "&max_bytes=5000000000&framing=file");
    set = &http_asked(1)->queue_set;
    assert_int_equal(http_asked(1)->op, CFS_OP_QUEUE_CONFIG);
    assert_int_equal(set->fields, 31);
    assert_true(set->uid == 0 && set->config.visibility_ms == 1500);
    assert_true(set->config.max_deliveries == 3 && set->config.max_messages == 0);
    assert_true(set->config.max_bytes == 5000000000 && set->config.framing == CFS_FRAMING_FILE);
    http_answer_error(1, CFS_OK);
    reply_is(w, "200", "{\"name\":\"q\"}");
    http_begin(w, "POST /queue/config/q?max_messages=7");
    assert_int_equal(http_asked(2)->queue_set.fields, CFS_CONFIG_MAX_MESSAGES);
    http_answer_error(2, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "no_queue");
}

static void purge_is_done_as_root(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/purge/q");
    assert_int_equal(http_asked(1)->op, CFS_OP_PURGE);
    assert_int_equal(http_asked(1)->queue_caller.uid, 0);
    http_answer_error(1, CFS_OK);
    reply_is(w, "200", "{\"name\":\"q\"}");
}

static void delete_removes_what_is_empty(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "DELETE /queue/q");
    assert_int_equal(http_asked(1)->op, CFS_OP_QUEUE_REMOVE);
    assert_int_equal(http_asked(1)->queue_caller.uid, 0);
    http_answer_error(1, CFS_ERR_NOT_EMPTY);
    reply_is(w, "409", "\"code\":\"not_empty\"");
    http_begin(w, "DELETE /queue/q?purge=no");
    http_answer_error(2, CFS_OK);
    reply_is(w, "200", "{\"name\":\"q\"}");
}

static void delete_can_purge_first(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "DELETE /queue/q?purge=yes");
    assert_int_equal(http_asked(1)->op, CFS_OP_PURGE);
    http_answer_error(1, CFS_OK);
    assert_int_equal(http_asked(2)->op, CFS_OP_QUEUE_REMOVE);
    http_answer_error(2, CFS_OK);
    reply_is(w, "200", "{\"name\":\"q\"}");
    http_begin(w, "DELETE /queue/q?purge=yes");
    http_answer_error(3, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "no_queue");
}

static void kick_moves_dead_letters_to_their_own_queue(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/kick/q");
    assert_int_equal(http_asked(1)->op, CFS_OP_MESSAGE_LIST);
    assert_int_equal(http_asked(1)->queue_read.place, CFS_DEAD);
    answer_ids(1, 3);
    assert_int_equal(http_engine.count, 4);
    for (uint64_t i = 0; i < 3; i++) {
        const struct cfs_message_move *move = &http_asked(2 + i)->message_move;

        assert_int_equal(http_asked(2 + i)->op, CFS_OP_MESSAGE_MOVE);
        assert_string_equal(http_asked(2 + i)->name, "q");
        assert_string_equal(move->to, "q");
        assert_true(move->place == CFS_DEAD && move->id == ids[i]);
    }
    http_answer_error(3, CFS_OK);
    http_answer_error(2, CFS_OK);
    http_answer_error(4, CFS_ERR_NO_MESSAGE);
    reply_is(w, "200", "{\"kicked\":2}");
}

static void kick_knows_measure(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/kick/q?max=2");
    answer_ids(1, 3);
    assert_int_equal(http_engine.count, 3);
    http_answer_error(2, CFS_OK);
    http_answer_error(3, CFS_ERR_FULL);
    reply_is(w, "200", "{\"kicked\":1}");
    http_begin(w, "POST /queue/kick/q?max=1");
    answer_ids(4, 3);
    http_answer_error(5, CFS_ERR_FULL);
    reply_is(w, "429", "\"code\":\"full\"");
}

static void kick_finds_nothing_dead(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/kick/q");
    answer_ids(1, 0);
    reply_is(w, "200", "{\"kicked\":0}");
    http_begin(w, "POST /queue/kick/q");
    http_answer_error(2, CFS_ERR_NO_QUEUE);
    reply_is(w, "404", "no_queue");
}

static void a_kick_goes_on_without_its_client(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /queue/kick/q");
    answer_ids(1, 2);
    http_close_client(w);
    for (int i = 0; i < 4; i++)
        http_turn_once(w);
    http_answer_error(2, CFS_OK);
    http_answer_error(3, CFS_OK);
    http_open_client(w);
    http_begin(w, "POST /queue/kick/q"); /* the end of the test closes it half done */
    answer_ids(4, 2);
    http_answer_error(5, CFS_OK);
}

static void bad_parameters_are_named(void **state)
{
    static const struct {
        const char *line, *field;
    } cases[] = {
        {"GET /queue?part=x", "'part'"},        {"GET /queue/peek/q?place=nowhere", "'place'"},
        {"GET /queue/peek/q?max=257", "'max'"}, {"GET /queue/peek/q?after=0", "'after'"},
        {"DELETE /queue/q?purge=1", "'purge'"}, {"POST /queue/kick/q?max=0", "'max'"},
        {"GET /queue/stats/.q", "'name'"},
    };
    struct http_world *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_get(w, cases[i].line);
        http_assert_status(w, "400");
        http_assert_has(w, cases[i].field);
    }
    assert_int_equal(http_engine.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_api_set_up, http_api_tear_down)
        T(the_list_goes_through_all_parts),
        T(a_long_list_says_where_it_goes_on),
        T(an_error_ends_the_list),
        T(stats_are_all_there_is_to_say),
        T(peek_shows_the_oldest),
        T(peek_passes_over_what_has_gone),
        T(peek_at_nothing_is_204),
        T(peek_gives_bytes_to_who_accepts_them),
        T(peek_shows_as_much_as_a_message_may_have),
        T(config_sets_what_is_named),
        T(purge_is_done_as_root),
        T(delete_removes_what_is_empty),
        T(delete_can_purge_first),
        T(kick_moves_dead_letters_to_their_own_queue),
        T(kick_knows_measure),
        T(kick_finds_nothing_dead),
        T(a_kick_goes_on_without_its_client),
        T(bad_parameters_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
