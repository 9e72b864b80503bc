/* One connection to a real redis-server: the way in, the ways to lose it, and how durable that
 * Redis says it is. */
#include "redis_world.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "http_world.h"
#include "io/redis_link.h"

static const char script[] = "return {KEYS[1], ARGV[1], ARGV[2]}";

struct link {
    struct cfs_redis_url url;
    struct cfs_redis_link *link;
    struct cfs_timer flush; /* as a turn's end would */
    struct redis_world *world;
    unsigned ups, downs, lost, answers;
    char why[256], said[256];
};

static void on_up(void *arg)
{
    ((struct link *)arg)->ups++;
}

static void on_down(void *arg, const char *why)
{
    struct link *l = arg;

    l->downs++;
    snprintf(l->why, sizeof l->why, "%s", why);
}

static void on_message(void *arg, const char *text, size_t len)
{
    struct link *l = arg;

    assert_int_equal(strlen(text), len);
    snprintf(l->said, sizeof l->said, "%s", text);
}

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct link *l = arg;

    if (!reply) {
        l->lost++;
        return;
    }
    l->answers++;
    l->said[0] = '\0';
    for (size_t i = 0; i < reply->elements; i++)
        snprintf(l->said + strlen(l->said), sizeof l->said - strlen(l->said), "%s ",
                 reply->element[i]->str);
}

static void on_flush(void *arg)
{
    struct link *l = arg;

    cfs_redis_link_flush(l->link);
    cfs_timer_set(l->world->loop, &l->flush, 0);
}

static void open_link(struct link *l, struct redis_world *w, const char *url, const char *channel)
{
    struct cfs_redis_link_events events = {
        .arg = l, .up = on_up, .down = on_down, .message = on_message};

    *l = (struct link){.world = w};
    assert_int_equal(cfs_redis_url_parse(&l->url, url), 0);
    l->link = cfs_redis_link_new(w->loop, &l->url, channel ? NULL : script, channel, &events);
    l->flush = (struct cfs_timer){.fn = on_flush, .arg = l};
    cfs_timer_set(w->loop, &l->flush, 0);
}

static void close_link(struct link *l)
{
    cfs_redis_link_free(l->link);
    cfs_timer_cancel(l->world->loop, &l->flush);
}

static bool is_up(void *arg)
{
    return cfs_redis_link_is_up(((const struct link *)arg)->link);
}

static bool is_down(void *arg)
{
    return ((const struct link *)arg)->downs > 0;
}

static bool has_answer(void *arg)
{
    const struct link *l = arg;

    return l->answers + l->lost > 0;
}

static void run_script(struct link *l)
{
    struct cfs_redis_args args = {0};

    l->answers = l->lost = 0;
    cfs_redis_add_text(&args, "a");
    cfs_redis_add_number(&args, UINT64_MAX);
    cfs_redis_link_run(l->link, "key", &args, on_reply, l);
}

static const char *url_of(struct redis_world *w)
{
    static char url[128];

    snprintf(url, sizeof url, "redis+unix://%s", w->socket);
    return url;
}

static int set_up(void **state)
{
    struct redis_world *w = cfs_alloc_zeroed(1, sizeof *w);

    redis_world_open(w);
    *state = w;
    return 0;
}

static void the_script_is_run_with_its_arguments(void **state)
{
    struct redis_world *w = *state;
    struct link l;

    open_link(&l, w, url_of(w), NULL);
    redis_run_until(w, is_up, &l);
    run_script(&l);
    redis_run_until(w, has_answer, &l);
    assert_string_equal(l.said, "key a 18446744073709551615 ");
    assert_int_equal(l.downs, 0);
    close_link(&l);
}

static void it_comes_over_tcp_by_name_with_a_login_into_a_database(void **state)
{
    struct redis_world *w = *state;
    struct link l;
    char url[128];
    unsigned port = http_free_port();

    freeReplyObject(redis_command(w, "CONFIG SET port %u", port));
    freeReplyObject(redis_command(w, "ACL SETUSER me on >se:cret ~* &* +@all"));
    snprintf(url, sizeof url, "redis://me:se:cret@localhost:%u/3", port);
    open_link(&l, w, url, NULL);
    redis_run_until(w, is_up, &l);
    run_script(&l);
    redis_run_until(w, has_answer, &l);
    assert_int_equal(l.answers, 1);
    close_link(&l);
    snprintf(url, sizeof url, "redis://me:wrong@127.0.0.1:%u/3", port);
    open_link(&l, w, url, NULL);
    redis_run_until(w, is_down, &l);
    assert_non_null(strstr(l.why, "WRONGPASS"));
    close_link(&l);
}

static void a_database_that_is_not_there_is_said(void **state)
{
    struct redis_world *w = *state;
    struct link l;
    char url[160];

    snprintf(url, sizeof url, "%s?db=99", url_of(w));
    open_link(&l, w, url, NULL);
    redis_run_until(w, is_down, &l);
    assert_non_null(strstr(l.why, "DB index is out of range"));
    assert_int_equal(l.ups, 0);
    close_link(&l);
}

static void nobody_there_is_tried_again(void **state)
{
    struct redis_world *w = *state;
    struct link l;

    redis_kill(w);
    open_link(&l, w, url_of(w), NULL);
    redis_run_until(w, is_down, &l);
    redis_start(w);
    redis_run_until(w, is_up, &l);
    close_link(&l);
    redis_kill(w);
    open_link(&l, w, "redis://127.0.0.1:1", NULL);
    redis_run_until(w, is_down, &l);
    assert_non_null(strstr(l.why, "refused"));
    close_link(&l);
    redis_start(w);
}

static void a_name_that_is_unknown_is_an_attempt_that_failed(void **state)
{
    struct redis_world *w = *state;
    struct link l;

    open_link(&l, w, "redis://no-such-host.invalid", NULL);
    redis_run_until(w, is_down, &l);
    assert_true(l.why[0]);
    close_link(&l);
}

/* Only that it does not come is said, not whether it was done. */
static void what_was_asked_when_it_breaks_has_no_answer(void **state)
{
    struct redis_world *w = *state;
    struct link l;

    open_link(&l, w, url_of(w), NULL);
    redis_run_until(w, is_up, &l);
    run_script(&l);
    redis_kill(w);
    redis_run_until(w, is_down, &l);
    assert_int_equal(l.lost, 1);
    assert_int_equal(l.answers, 0);
    redis_start(w);
    redis_run_until(w, is_up, &l);
    run_script(&l);
    redis_run_until(w, has_answer, &l);
    assert_int_equal(l.answers, 1);
    close_link(&l);
}

static void a_script_that_was_flushed_is_a_broken_connection(void **state)
{
    struct redis_world *w = *state;
    struct link l;

    open_link(&l, w, url_of(w), NULL);
    redis_run_until(w, is_up, &l);
    freeReplyObject(redis_command(w, "SCRIPT FLUSH"));
    run_script(&l);
    redis_run_until(w, is_down, &l);
    assert_int_equal(l.lost, 1);
    redis_run_until(w, is_up, &l);
    run_script(&l);
    redis_run_until(w, has_answer, &l);
    assert_int_equal(l.answers, 1);
    close_link(&l);
}

/* Connections are taken, and nothing is said. */
static void one_that_says_nothing_is_given_up(void **state)
{
    struct redis_world *w = *state;
    struct link l;
    char url[128];

    w->mute = true;
    snprintf(url, sizeof url, "redis+unix://%s", w->relay);
    open_link(&l, w, url, NULL);
    redis_run_until(w, is_down, &l);
    assert_string_equal(l.why, "no answer");
    w->mute = false;
    redis_run_until(w, is_up, &l);
    close_link(&l);
}

static bool has_said(void *arg)
{
    return ((const struct link *)arg)->said[0];
}

static void a_channel_brings_messages(void **state)
{
    struct redis_world *w = *state;
    struct link l;

    open_link(&l, w, url_of(w), "news");
    redis_run_until(w, is_up, &l);
    assert_int_equal(redis_number(w, "PUBLISH news hello"), 1);
    redis_run_until(w, has_said, &l);
    assert_string_equal(l.said, "hello");
    redis_kill(w);
    redis_run_until(w, is_down, &l);
    redis_start(w);
    redis_run_until(w, is_up, &l);
    assert_int_equal(redis_number(w, "PUBLISH news again"), 1);
    l.said[0] = '\0';
    redis_run_until(w, has_said, &l);
    assert_string_equal(l.said, "again");
    close_link(&l);
}

static void much_goes_out_bit_by_bit(void **state)
{
    struct redis_world *w = *state;
    struct link l;
    struct cfs_redis_args args = {0};
    size_t len = 20 * 1000 * 1000;
    uint8_t *data = cfs_alloc_zeroed(1, len);

    open_link(&l, w, url_of(w), NULL);
    redis_run_until(w, is_up, &l);
    cfs_redis_add_text(&args, "SET");
    cfs_redis_add_text(&args, "large");
    cfs_redis_add(&args, data, len);
    cfs_redis_link_ask(l.link, &args, on_reply, &l);
    redis_run_until(w, has_answer, &l);
    assert_int_equal(redis_number(w, "STRLEN large"), len);
    close_link(&l);
    free(data);
}

/* What node 1 says about this Redis goes to the log: to a pipe here. */
static void read_log_of(struct redis_world *w, char *text, size_t size)
{
    int ends[2], before = dup(STDERR_FILENO);
    struct cfs_request request = redis_make("q");
    ssize_t len;

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    redis_node_session(redis_node_open(w, 1), 11);
    redis_succeeds(&w->nodes[1], &request);
    redis_node_close(&w->nodes[1]);
    dup2(before, STDERR_FILENO);
    close(ends[1]);
    len = read(ends[0], text, size - 1);
    text[len < 0 ? 0 : len] = '\0';
    close(ends[0]);
    close(before);
}

static void what_is_not_durable_is_said(void **state)
{
    struct redis_world *w = *state;
    char text[2000];

    read_log_of(w, text, sizeof text);
    assert_string_equal(text, "");
    freeReplyObject(redis_command(w, "CONFIG SET appendfsync everysec"));
    read_log_of(w, text, sizeof text);
    assert_non_null(strstr(text, "appendfsync always"));
    freeReplyObject(redis_command(w, "CONFIG SET appendfsync always"));
    freeReplyObject(redis_command(w, "CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru"));
    read_log_of(w, text, sizeof text);
    assert_null(strstr(text, "appendfsync"));
    assert_non_null(strstr(text, "noeviction"));
    freeReplyObject(redis_command(w, "ACL SETUSER default -config"));
    read_log_of(w, text, sizeof text);
    assert_non_null(strstr(text, "CONFIG GET is refused"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, redis_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_script_is_run_with_its_arguments),
        TEST(it_comes_over_tcp_by_name_with_a_login_into_a_database),
        TEST(a_database_that_is_not_there_is_said),
        TEST(nobody_there_is_tried_again),
        TEST(a_name_that_is_unknown_is_an_attempt_that_failed),
        TEST(what_was_asked_when_it_breaks_has_no_answer),
        TEST(a_script_that_was_flushed_is_a_broken_connection),
        TEST(one_that_says_nothing_is_given_up),
        TEST(a_channel_brings_messages),
        TEST(much_goes_out_bit_by_bit),
        TEST(what_is_not_durable_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
