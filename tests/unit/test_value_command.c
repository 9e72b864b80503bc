/* `coordfs put` and `coordfs get` against nodes that say what they were told to say. */
#include "canned_world.h"

#include <stdio.h>
#include <string.h>

#include "coordfs/value_command.h"
#include "http_world.h"
#include "redirected.h"

struct world {
    struct canned node, other;
    struct cfs_config config;
    struct cfs_value_command command;
    const char *input;
    char out[4096], err[1024]; /* what it wrote */
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    canned_open(&w->node);
    canned_open(&w->other);
    cfs_config_init(&w->config);
    strcpy(w->config.secret, SECRET);
    w->command.key = "a/b";
    w->command.url = w->node.url;
    w->input = "value";
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* ---- what is read and written ---- */

static int run(struct world *w)
{
    struct redirected in, out, err;
    char rest[64];
    int status;

    canned_serve(&w->node);
    canned_serve(&w->other);
    in = redirect(STDIN_FILENO, w->input);
    out = redirect(STDOUT_FILENO, "");
    err = redirect(STDERR_FILENO, "");
    status = cfs_value_run(&w->command, &w->config);
    end_redirected(&err, w->err, sizeof w->err);
    end_redirected(&out, w->out, sizeof w->out);
    end_redirected(&in, rest, sizeof rest);
    canned_close(&w->node);
    canned_close(&w->other);
    return status;
}

static void does(struct world *w, const char *text)
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
    if (!strstr(w->err, words))
        fail_msg("no \"%s\" in: %s", words, w->err);
}

/* Both are asked, `node` first. */
static void ask_both(struct world *w)
{
    char why[256], member[64];

    w->command.url = NULL;
    assert_int_equal(cfs_config_set(&w->config, "node", "1", why, sizeof why), 0);
    snprintf(member, sizeof member, "1@127.0.0.1:%u", w->node.port);
    assert_int_equal(cfs_config_set(&w->config, "member", member, why, sizeof why), 0);
    snprintf(member, sizeof member, "2@127.0.0.1:%u", w->other.port);
    assert_int_equal(cfs_config_set(&w->config, "member", member, why, sizeof why), 0);
}

/* ---- put ---- */

static void put_is_one_request_and_says_nothing(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->node, "POST /cache/a/b HTTP", 201, "{}");
    does(w, "");
    assert_int_equal(w->node.asked_count, 1);
}

static void names_of_a_key_are_encoded(void **state)
{
    struct world *w = *state;

    w->command.key = "two words/%/\xff";
    w->command.parents = true;
    canned_will_say(&w->node, "POST /cache/two%20words/%25/%FF?parents=1 HTTP", 200, "{}");
    does(w, "");
}

static void a_key_is_never_another_route(void **state)
{
    struct world *w = *state;

    w->command.key = "invalidate/a";
    canned_will_say(&w->node, "POST /cache/%69nvalidate/a HTTP", 200, "{}");
    does(w, "");
}

static void errors_say_what_to_do(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->node, "POST", 404,
                    "{\"error\":\"there is no directory 'a'\",\"code\":\"no_file\"}");
    fails(w, 1, "there is no directory 'a'; -p makes it");
}

static void what_is_too_large_is_refused(void **state)
{
    struct world *w = *state;

    canned_will_say(&w->node, "POST", 413, "{\"error\":\"the body has more than 3 bytes\"}");
    fails(w, 1, "more than 3 bytes, which is the node's max_value: nothing was changed");
}

static void a_condition_that_is_not_met_has_a_status(void **state)
{
    struct world *w = *state;

    w->command.if_absent = true;
    canned_will_say(&w->node, "POST", 412, "{\"error\":\"changed\"}");
    fails(w, CFS_VALUE_NOT_SO, "there is a value already");
}

static void a_version_is_checked_before_anybody_is_asked(void **state)
{
    struct world *w = *state;

    w->command.if_version = "5-";
    fails(w, 1, "--if-version 5-: expected");
    assert_int_equal(w->node.asked_count, 0);
}

static void who_cannot_say_is_passed_over(void **state)
{
    struct world *w = *state;

    ask_both(w);
    canned_will_say(&w->node, "POST", 503, "{\"error\":\"no majority\"}");
    canned_will_say(&w->other, "POST /cache/a/b HTTP", 200, "{}");
    does(w, "");
}

/* The first may have done it. */
static void what_is_not_known_is_not_said(void **state)
{
    struct world *w = *state;

    ask_both(w);
    w->command.if_absent = true;
    canned_will_say(&w->node, "POST", 503, "{\"error\":\"no majority\"}");
    canned_will_say(&w->other, "POST", 412, "{\"error\":\"changed\"}");
    fails(w, 1, "not known whether it is done");
}

/* ---- get ---- */

static void get_writes_the_value_as_it_is(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_VALUE_GET;
    canned_will_say(&w->node, "GET /cache/a/b HTTP", 200, "no newline");
    does(w, "no newline");
}

static void get_of_nothing_has_a_status(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_VALUE_GET;
    canned_will_say(&w->node, "GET", 404, "{\"error\":\"there is no such file\"}");
    fails(w, CFS_VALUE_NOT_SO, "there is no such file");
}

static void get_of_a_directory_fails(void **state)
{
    struct world *w = *state;

    w->command.verb = CFS_VALUE_GET;
    canned_will_say(&w->node, "GET", 409, "{\"error\":\"that is a directory\"}");
    fails(w, 1, "coordfs get: a/b: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(put_is_one_request_and_says_nothing),
        TEST(names_of_a_key_are_encoded),
        TEST(a_key_is_never_another_route),
        TEST(errors_say_what_to_do),
        TEST(what_is_too_large_is_refused),
        TEST(a_condition_that_is_not_met_has_a_status),
        TEST(a_version_is_checked_before_anybody_is_asked),
        TEST(who_cannot_say_is_passed_over),
        TEST(what_is_not_known_is_not_said),
        TEST(get_writes_the_value_as_it_is),
        TEST(get_of_nothing_has_a_status),
        TEST(get_of_a_directory_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
