/* `coordfs queue` against nodes that say what they were told to say. */
#include "canned_world.h"

#include <stdio.h>
#include <string.h>

#include "coordfs/queue_command.h"
#include "http_world.h"
#include "redirected.h"

struct world {
    struct canned node;
    struct cfs_config config;
    struct cfs_queue_command command;
    char out[8192], err[1024]; /* what it wrote */
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    canned_open(&w->node);
    cfs_config_init(&w->config);
    strcpy(w->config.secret, SECRET);
    w->command.url = w->node.url;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* ---- what is written ---- */

static int run(struct world *w)
{
    struct redirected out, err;
    int status;

    canned_serve(&w->node);
    out = redirect(STDOUT_FILENO, "");
    err = redirect(STDERR_FILENO, "");
    status = cfs_queue_run(&w->command, &w->config);
    end_redirected(&err, w->err, sizeof w->err);
    end_redirected(&out, w->out, sizeof w->out);
    canned_close(&w->node);
    return status;
}

static void writes(struct world *w, const char *text)
{
    int status = run(w);

    if (status != 0)
        fail_msg("status %d: %s", status, w->err);
    assert_string_equal(w->out, text);
    assert_string_equal(w->err, "");
    assert_true(w->node.authorized);
}

static void fails(struct world *w, int status, const char *words)
{
    assert_int_equal(run(w), status);
    assert_string_equal(w->out, "");
    assert_true(strncmp(w->err, "coordfs queue: ", 15) == 0);
    if (!strstr(w->err, words))
        fail_msg("no \"%s\" in: %s", words, w->err);
}

/* ---- ls ---- */

static void names_are_a_line_each_and_sorted(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_LS;
    canned_will_say(&w->node, "GET /queue ", 200,
                    "{\"queues\":[\"z\",\"two%20words\"],\"next\":\"/queue?part=2&after=z\"}");
    canned_will_say(&w->node, "GET /queue?part=2&after=z ", 200, "{\"queues\":[\"%FF\",\"a\"]}");
    writes(w, "a\ntwo words\nz\n\xff\n");
}

static void names_are_json(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_LS;
    w->command.json = true;
    canned_will_say(&w->node, "GET /queue ", 200, "{\"queues\":[\"z\",\"two%20words\"]}");
    writes(w, "[\"two words\",\"z\"]\n");
}

static void no_queues_are_no_lines(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_LS;
    canned_will_say(&w->node, "GET /queue ", 200, "{\"queues\":[]}");
    writes(w, "");
}

/* ---- stats ---- */

#define STATS(name, ready)                                                                         \
    "{\"name\":\"" name "\",\"ready\":" ready ",\"inflight\":2,\"dead\":1,\"bytes\":10,"           \
    "\"consumers\":0,\"producers\":0,\"node\":3,\"mode\":\"0640\",\"visibility_timeout\":1.5}"

static void stats_of_one_are_values(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_STATS;
    w->command.name = "two words";
    canned_will_say(&w->node, "GET /queue/stats/two%20words ", 200, STATS("two words", "7"));
    writes(w, "ready=7\ninflight=2\ndead=1\nbytes=10\nconsumers=0\nproducers=0\nnode=3\n"
              "mode=0640\nvisibility_timeout=1.5\n");
}

static void say_stats(struct world *w)
{
    w->command.verb = CFS_QUEUE_STATS;
    canned_will_say(&w->node, "GET /queue ", 200, "{\"queues\":[\"gone\",\"b%20c\",\"a\"]}");
    canned_will_say(&w->node, "GET /queue/stats/a ", 200, STATS("a", "1"));
    canned_will_say(&w->node, "GET /queue/stats/b%20c ", 200, STATS("b c", "100"));
    canned_will_say(&w->node, "GET /queue/stats/gone ", 404, "{\"code\":\"no_queue\"}");
}

static void stats_of_all_are_a_table(void **state)
{
    say_stats(*state);
    writes(*state, "name    ready  inflight  dead  bytes  consumers  producers  node\n"
                   "a           1         2     1     10          0          0     3\n"
                   "b\\040c    100         2     1     10          0          0     3\n");
}

static void stats_of_all_are_json_a_line_each(void **state)
{
    struct world *w = *state;

    say_stats(w);
    w->command.json = true;
    writes(w, STATS("a", "1") "\n" STATS("b c", "100") "\n");
}

/* ---- peek ---- */

static void peek_writes_the_message_as_it_is(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_PEEK;
    w->command.name = "q";
    w->command.place = "dead";
    canned_will_say(&w->node, "GET /queue/peek/q?place=dead ", 200, "no newline");
    writes(w, "no newline");
}

static void peek_finds_nothing(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_PEEK;
    w->command.name = "q";
    canned_will_say(&w->node, "GET /queue/peek/q?place=ready ", 204, "");
    fails(w, 2, "q: no message is ready");
}

static void peek_at_several_is_json_a_line_each(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_PEEK;
    w->command.name = "q";
    w->command.json = true;
    w->command.count = "300";
    canned_will_say(&w->node, "GET /queue/peek/q?place=ready&max=256 ", 200,
                    "{\"messages\":[{\"id\":1,\"body\":\"a\"},{\"id\":2,\"body\":\"b\"}]}");
    canned_will_say(&w->node, "GET /queue/peek/q?place=ready&max=256&after=2 ", 200,
                    "{\"messages\":[{\"id\":3,\"body\":\"c\"}]}");
    canned_will_say(&w->node, "GET /queue/peek/q?place=ready&max=256&after=3 ", 204, "");
    writes(w, "{\"id\":1,\"body\":\"a\"}\n{\"id\":2,\"body\":\"b\"}\n{\"id\":3,\"body\":\"c\"}\n");
}

/* ---- purge and kick ---- */

static void purge_has_nothing_to_say(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_PURGE;
    w->command.name = "a/b";
    canned_will_say(&w->node, "POST /queue/purge/a%2Fb ", 200, "{\"name\":\"q\"}");
    writes(w, "");
}

static void say_dead(struct world *w, const char *count, const char *dead)
{
    char text[64];

    w->command.verb = CFS_QUEUE_KICK;
    w->command.name = "q";
    w->command.count = count;
    snprintf(text, sizeof text, "{\"dead\":%s}", dead);
    canned_will_say(&w->node, "GET /queue/stats/q ", 200, text);
}

/* As many as are dead at the beginning: some may die again. */
static void kick_kicks_all_and_says_how_many(void **state)
{
    struct world *w = *state;

    say_dead(w, NULL, "300");
    canned_will_say(&w->node, "POST /queue/kick/q?max=256 ", 200, "{\"kicked\":256}");
    canned_will_say(&w->node, "POST /queue/kick/q?max=44 ", 200, "{\"kicked\":44}");
    writes(w, "300\n");
}

static void kick_kicks_as_many_as_it_is_told(void **state)
{
    struct world *w = *state;

    say_dead(w, "2", "300");
    canned_will_say(&w->node, "POST /queue/kick/q?max=2 ", 200, "{\"kicked\":2}");
    writes(w, "2\n");
}

static void kick_ends_when_there_are_no_more(void **state)
{
    struct world *w = *state;

    say_dead(w, "5", "5");
    canned_will_say(&w->node, "POST /queue/kick/q?max=5 ", 200, "{\"kicked\":3}");
    canned_will_say(&w->node, "POST /queue/kick/q?max=2 ", 200, "{\"kicked\":0}");
    writes(w, "3\n");
}

static void kick_says_what_was_done_before_it_failed(void **state)
{
    struct world *w = *state;

    say_dead(w, NULL, "5");
    canned_will_say(&w->node, "POST /queue/kick/q?max=5 ", 200, "{\"kicked\":3}");
    canned_will_say(&w->node, "POST /queue/kick/q?max=2 ", 429, "{\"error\":\"it is full\"}");
    assert_int_equal(run(w), 1);
    assert_string_equal(w->out, "3\n");
    assert_non_null(strstr(w->err, "it is full"));
}

/* ---- what goes wrong ---- */

static void an_error_is_told_in_its_own_words(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_PURGE;
    w->command.name = "q";
    canned_will_say(&w->node, "POST /queue/purge/q ", 404,
                    "{\"error\":\"there is no such queue\"}");
    fails(w, 1, "q: http://127.0.0.1");
    assert_non_null(strstr(w->err, "there is no such queue"));
}

static void what_is_no_answer_is_told(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_QUEUE_LS;
    canned_will_say(&w->node, "GET /queue ", 200, "<html>");
    fails(w, 1, "no JSON");
}

static void bad_words_are_named(void **state)
{
    struct world *w = *state;

    w->command = (struct cfs_queue_command){.verb = CFS_QUEUE_KICK, .name = "q", .count = "many"};
    w->command.url = w->node.url;
    fails(w, 1, "many");
    canned_open(&w->node);
    w->command = (struct cfs_queue_command){.verb = CFS_QUEUE_PEEK, .name = "q", .place = "here"};
    w->command.url = w->node.url;
    fails(w, 1, "here");
    canned_open(&w->node);
    w->command = (struct cfs_queue_command){.verb = CFS_QUEUE_LS, .url = "nowhere"};
    fails(w, 1, "--url nowhere");
    assert_int_equal(w->node.asked_count, 0);
}

/* The node of the settings first, then the others. */
static void who_has_no_majority_is_passed_over(void **state)
{
    struct world *w = *state;
    char why[256], member[64];

    w->command = (struct cfs_queue_command){.verb = CFS_QUEUE_LS};
    assert_int_equal(cfs_config_set(&w->config, "node", "2", why, sizeof why), 0);
    snprintf(member, sizeof member, "1@127.0.0.1:%u", w->node.port);
    assert_int_equal(cfs_config_set(&w->config, "member", member, why, sizeof why), 0);
    snprintf(member, sizeof member, "2@127.0.0.1:%u", http_free_port());
    assert_int_equal(cfs_config_set(&w->config, "member", member, why, sizeof why), 0);
    canned_will_say(&w->node, "GET /queue ", 200, "{\"queues\":[\"a\"]}");
    writes(w, "a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(names_are_a_line_each_and_sorted),
        T(names_are_json),
        T(no_queues_are_no_lines),
        T(stats_of_one_are_values),
        T(stats_of_all_are_a_table),
        T(stats_of_all_are_json_a_line_each),
        T(peek_writes_the_message_as_it_is),
        T(peek_finds_nothing),
        T(peek_at_several_is_json_a_line_each),
        T(purge_has_nothing_to_say),
        T(kick_kicks_all_and_says_how_many),
        T(kick_kicks_as_many_as_it_is_told),
        T(kick_ends_when_there_are_no_more),
        T(kick_says_what_was_done_before_it_failed),
        T(an_error_is_told_in_its_own_words),
        T(what_is_no_answer_is_told),
        T(bad_words_are_named),
        T(who_has_no_majority_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
