/* Asking a cluster for its nodes: the leader is preferred, who answers is, and what is no answer is
 * told from what is a refusal. */
#include "canned_world.h"

#include <stdio.h>
#include <string.h>

#include "http_world.h"
#include "io/members_client.h"

struct world {
    struct canned one, two;
    struct cfs_members_client client;
    struct cfs_members_view view;
    char text[4096];
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    canned_open(&w->one);
    canned_open(&w->two);
    w->client.secret = SECRET;
    w->client.url_count = 1;
    strcpy(w->client.urls[0], w->one.url);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    free(w);
    return 0;
}

/* What node `seen_by` says; node 1 is `one`, node 2 is `two`, node 3 is nowhere. */
static const char *nodes(struct world *w, int seen_by, const char *leader)
{
    snprintf(w->text, sizeof w->text,
             "{\"cluster\":\"fedcba9876543210\",\"seen_by\":%d,\"leader\":%s,\"changing\":true,"
             "\"nodes\":[{\"node\":1,\"url\":\"%s\",\"role\":\"voter\",\"state\":\"leader\","
             "\"lag\":0,\"session\":5,\"replaces\":null},"
             "{\"node\":2,\"url\":\"%s\",\"role\":\"learner\",\"state\":\"unknown\","
             "\"lag\":null,\"session\":null,\"replaces\":3},"
             "{\"node\":3,\"url\":null,\"role\":\"outgoing\",\"state\":\"silent\",\"lag\":9,"
             "\"session\":null,\"replaces\":null}]}",
             seen_by, leader, w->one.url, w->two.url);
    return w->text;
}

static enum cfs_members_result ask(struct world *w)
{
    enum cfs_members_result result;

    canned_serve(&w->one);
    canned_serve(&w->two);
    result = cfs_members_ask(&w->client, &w->view);
    canned_close(&w->one);
    canned_close(&w->two);
    return result;
}

static void the_answer_of_a_leader_is_taken(void **state)
{
    struct world *w = *state;
    const struct cfs_members_node *node;

    canned_will_say(&w->one, "GET /members ", 200, nodes(w, 1, "1"));
    assert_int_equal(ask(w), CFS_MEMBERS_OK);
    assert_true(w->one.authorized && w->one.asked_count == 1 && w->two.asked_count == 0);
    assert_true(w->view.cluster == UINT64_C(0xfedcba9876543210) && w->view.count == 3);
    assert_true(w->view.leader == 1 && w->view.seen_by == 1 && w->view.changing);
    node = cfs_members_find(&w->view, 2);
    assert_int_equal(node->info.port, w->two.port);
    assert_string_equal(node->info.host, "127.0.0.1");
    assert_true(node->info.replaces == 3 && node->lag == -1 && !node->session);
    assert_string_equal(node->role, "learner");
    node = cfs_members_find(&w->view, 3);
    assert_true(node->lag == 9 && !node->info.host[0]);
    assert_true(cfs_members_find(&w->view, 1)->session);
    assert_null(cfs_members_find(&w->view, 4));
    /* Both are asked from now on, the given one first. */
    assert_int_equal(w->client.url_count, 2);
    assert_string_equal(w->client.urls[1], w->two.url);
}

static void a_follower_sends_on_to_the_leader(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->one, "GET /members ", 200, nodes(w, 1, "2"));
    canned_will_say(&w->two, "GET /members ", 200, nodes(w, 2, "2"));
    assert_int_equal(ask(w), CFS_MEMBERS_OK);
    assert_int_equal(w->view.seen_by, 2);
}

static void a_leader_that_does_not_answer_is_done_without(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->one, "GET /members ", 200, nodes(w, 1, "2"));
    canned_will_say(&w->two, "GET /members ", 503, "{}");
    assert_int_equal(ask(w), CFS_MEMBERS_OK);
    assert_int_equal(w->view.seen_by, 1);
}

/* As one does that was removed, or is cut off. */
static void who_knows_no_leader_is_believed_last(void **state)
{
    struct world *w = *state;

    w->client.url_count = 2;
    strcpy(w->client.urls[1], w->two.url);
    canned_will_say(&w->one, "GET /members ", 200, nodes(w, 1, "null"));
    canned_will_say(&w->two, "GET /members ", 200, nodes(w, 2, "2"));
    assert_int_equal(ask(w), CFS_MEMBERS_OK);
    assert_int_equal(w->view.seen_by, 2);
}

static void what_is_no_answer_is_told(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->one, "GET /members ", 200, "<html>");
    assert_int_equal(ask(w), CFS_MEMBERS_NEVER);
    assert_non_null(strstr(w->client.why, "no list of nodes"));
}

static void a_refusal_is_told_in_its_own_words(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->one, "GET /members ", 401, "{\"error\":\"wrong secret\",\"code\":\"x\"}");
    assert_int_equal(ask(w), CFS_MEMBERS_NEVER);
    assert_non_null(strstr(w->client.why, "wrong secret"));
}

static void nobody_there_may_be_somebody_later(void **state)
{
    struct world *w = *state;

    snprintf(w->client.urls[0], CFS_URL_BYTES, "http://127.0.0.1:%u", http_free_port());
    assert_int_equal(ask(w), CFS_MEMBERS_LATER);
    assert_non_null(strstr(w->client.why, w->client.urls[0]));
}

static void a_change_goes_to_whoever_takes_it(void **state)
{
    struct world *w = *state;
    struct cfs_member_change change = {
        .move = true, .info = {.id = 4, .host = "::1", .port = 8004, .replaces = 3}};
    enum cfs_members_result result;

    w->client.url_count = 2;
    strcpy(w->client.urls[1], w->two.url);
    canned_will_say(&w->one, "POST /members", 503, "{\"error\":\"no majority\"}");
    canned_will_say(&w->two, "POST /members", 200, "{\"node\":4}");
    canned_will_say(&w->one, "DELETE /members/4 ", 404, "{\"error\":\"no such node\"}");
    canned_serve(&w->one);
    canned_serve(&w->two);
    result = cfs_members_change(&w->client, &change);
    assert_int_equal(result, CFS_MEMBERS_OK);
    change.remove = true;
    result = cfs_members_change(&w->client, &change);
    assert_int_equal(result, CFS_MEMBERS_NEVER);
    assert_non_null(strstr(w->client.why, "no such node"));
    canned_close(&w->one);
    canned_close(&w->two);
    assert_string_equal(w->two.asked[0],
                        "POST /members?node=4&host=::1&port=8004&move=yes&replaces=3 HTTP/1.1");
}

static void urls_are_what_people_write(void **state)
{
    static const struct {
        const char *text, *url;
    } cases[] = {
        {"h:1", "http://h:1"},
        {"http://h:1", "http://h:1"},
        {"http://h:1/", "http://h:1"},
        {"[::1]:80", "http://[::1]:80"},
        {"http://h", NULL},
        {"https://h:1", NULL},
        {"", NULL},
        {"http://h:1/x", NULL},
        {"http://h:99999", NULL},
        {"ftp://h:1", NULL},
    };
    char url[CFS_URL_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cfs_members_url(url, cases[i].text), cases[i].url ? 0 : -1);
        if (cases[i].url)
            assert_string_equal(url, cases[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(the_answer_of_a_leader_is_taken),
        T(a_follower_sends_on_to_the_leader),
        T(a_leader_that_does_not_answer_is_done_without),
        T(who_knows_no_leader_is_believed_last),
        T(what_is_no_answer_is_told),
        T(a_refusal_is_told_in_its_own_words),
        T(nobody_there_may_be_somebody_later),
        T(a_change_goes_to_whoever_takes_it),
        cmocka_unit_test(urls_are_what_people_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
