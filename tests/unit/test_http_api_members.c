/* The nodes of the cluster over HTTP: what is asked of the engine, what is refused, who may. */
#include "http_api_world.h"

#include <string.h>

#include "io/http_api.h"

#define ADD_4 "POST /members?node=4&host=10.0.0.4&port=8004"

static void get_lists_the_nodes(void **state)
{
    struct http_world *w = *state;

    http_get(w, "GET /members");
    http_assert_status(w, "200");
    http_assert_has(w, "{\"nodes\":[]}");
}

static void post_has_a_node_come(void **state)
{
    struct http_world *w = *state;
    const struct cfs_member_change *change;

    http_begin(w, ADD_4);
    change = &http_asked(1)->member;
    assert_int_equal(http_asked(1)->op, CFS_OP_MEMBER);
    assert_string_equal(http_asked(1)->name, "");
    assert_true(!change->remove && change->info.id == 4 && change->info.port == 8004);
    assert_string_equal(change->info.host, "10.0.0.4");
    assert_int_equal(change->info.replaces, 0);
    http_answer_error(1, CFS_OK);
    http_turn_until(w, http_replied);
    http_assert_status(w, "200");
    http_assert_has(w, "{\"node\":4}");
}

static void post_has_a_node_take_the_place_of_another(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /members?node=63&host=%3A%3A1&port=65535&replaces=2");
    assert_string_equal(http_asked(1)->member.info.host, "::1");
    assert_int_equal(http_asked(1)->member.info.replaces, 2);
    http_answer_error(1, CFS_ERR_BUSY);
    http_turn_until(w, http_replied);
    http_assert_status(w, "409");
    http_assert_has(w, "takes that one's place already");
}

static void delete_has_a_node_go(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "DELETE /members/2");
    assert_true(http_asked(1)->member.remove && http_asked(1)->member.info.id == 2);
    http_answer_error(1, CFS_ERR_NOT_MEMBER);
    http_turn_until(w, http_replied);
    http_assert_status(w, "404");
    http_assert_has(w, "\"code\":\"not_member\"");
}

/* The double knows node 2, at 10.0.0.2:8002. */
static void an_id_that_is_taken_is_refused_unless_the_node_has_moved(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /members?node=2&host=10.0.0.3&port=8002");
    assert_int_equal(http_engine.count, 1);
    assert_false(http_engine.calls[0].request.member.move);
    http_answer_error(1, CFS_ERR_EXISTS);
    http_turn_until(w, http_replied);
    http_assert_status(w, "409");
    http_assert_has(w, "\"code\":\"exists\"");
    http_begin(w, "POST /members?node=2&host=10.0.0.3&port=8002&move=yes");
    assert_int_equal(http_engine.count, 2);
    assert_true(http_engine.calls[1].request.member.move);
}

static void a_bad_request_names_the_field(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"POST /members?host=h&port=1", "'node'"},
        {"POST /members?node=0&host=h&port=1", "'node'"},
        {"POST /members?node=64&host=h&port=1", "'node'"},
        {"POST /members?node=4&port=1", "'host'"},
        {"POST /members?node=4&host=a%20b&port=1", "'host'"},
        {"POST /members?node=4&host=h", "'port'"},
        {"POST /members?node=4&host=h&port=65536", "'port'"},
        {"POST /members?node=4&host=h&port=1&replaces=x", "'replaces'"},
        {"DELETE /members/one", "'node'"},
    };
    struct http_world *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_get(w, cases[i].line);
        http_assert_status(w, "400");
        http_assert_has(w, cases[i].says);
    }
    assert_int_equal(http_engine.count, 0);
}

/* http_open is for those who take locks. */
static void changes_need_the_secret_always(void **state)
{
    struct http_world *w = *state;

    w->config.http_open = true;
    http_ask(w, "GET /members HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(w, "200");
    http_ask(w, ADD_4 " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    http_assert_status(w, "401");
    http_open_client(w);
    http_ask(w, "DELETE /members/2 HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(w, "401");
    assert_int_equal(http_engine.count, 0);
}

static void who_goes_away_has_asked_all_the_same(void **state)
{
    struct http_world *w = *state;

    http_begin(w, ADD_4);
    http_close_client(w);
    for (int i = 0; i < 10; i++)
        http_turn_once(w);
    http_answer_error(1, CFS_OK);
    http_open_client(w);
    http_begin(w, ADD_4); /* the end of the test closes it unanswered */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_api_set_up, http_api_tear_down)
        T(get_lists_the_nodes),
        T(post_has_a_node_come),
        T(post_has_a_node_take_the_place_of_another),
        T(delete_has_a_node_go),
        T(an_id_that_is_taken_is_refused_unless_the_node_has_moved),
        T(a_bad_request_names_the_field),
        T(changes_need_the_secret_always),
        T(who_goes_away_has_asked_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
