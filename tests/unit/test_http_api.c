/* The routes for clients: locks, and what the node says of itself. */
#include "http_api_world.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <xxhash.h>

static bool first_cancelled(struct http_world *w)
{
    (void)w;
    return http_engine.calls[0].cancelled;
}

/* ---- acquire ---- */

static void post_acquires(void **state)
{
    struct http_world *w = *state;
    const struct cfs_acquire *acquire;

    http_begin(w, "POST /lock/my%20job?lock_type=shared&owner=alice&ttl=2.5");
    acquire = &http_asked(1)->acquire;
    assert_int_equal(http_asked(1)->op, CFS_OP_ACQUIRE);
    assert_string_equal(http_asked(1)->name, "my job");
    assert_true(acquire->mode == CFS_SHARED && acquire->kind == CFS_LEASED && !acquire->wait);
    assert_true(acquire->form == CFS_FORM_FILE && acquire->ttl_ms == 2500);
    assert_true(acquire->key == 0 && acquire->renew == 0);
    assert_string_equal(acquire->owner, "alice");
    http_answer(1, &(struct cfs_answer){.token = 77});
    http_turn_until(w, http_replied);
    http_assert_status(w, "200");
    http_assert_has(w, "{\"name\":\"my job\",\"token\":77,\"ttl\":2.5,\"holder\":\"alice\","
                       "\"lock_type\":\"shared\"}");
}

static void a_ttl_is_thirty_seconds_unless_said(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive");
    assert_int_equal(http_asked(1)->acquire.ttl_ms, 30000);
    assert_int_equal(http_asked(1)->acquire.mode, CFS_EXCLUSIVE);
    http_answer(1, &(struct cfs_answer){.token = 1});
    http_turn_until(w, http_replied);
    http_assert_has(w, "\"ttl\":30,\"holder\":\"http\"");
}

static void a_token_renews(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?token=9007199254740993&ttl=3");
    assert_true(http_asked(1)->acquire.renew == 9007199254740993);
    assert_int_equal(http_asked(1)->acquire.mode, 0); /* whatever it is */
    http_answer(1, &(struct cfs_answer){.token = 9007199254740993});
    http_turn_until(w, http_replied);
    http_assert_status(w, "200");
    http_assert_has(w, "{\"name\":\"x\",\"token\":9007199254740993,\"ttl\":3}");
}

static void an_idempotency_key_is_passed_on(void **state)
{
    struct http_world *w = *state;

    http_request(w, "POST /lock/x?lock_type=exclusive", "Idempotency-Key: 7c1e\r\n");
    http_turn_until(w, http_handled_one);
    assert_true(http_asked(1)->acquire.key == XXH3_64bits("7c1e", 4));
    http_answer_error(1, CFS_ERR_DEADLOCK);
    http_turn_until(w, http_replied);
    http_assert_status(w, "409");
    http_assert_has(w, "\"code\":\"deadlock\"");
}

static void errors_have_their_status(void **state)
{
    static const struct {
        enum cfs_error error;
        const char *status, *code;
    } cases[] = {
        {CFS_ERR_WOULD_BLOCK, "423", "locked"},      {CFS_ERR_EXISTS, "423", "held"},
        {CFS_ERR_DEADLOCK, "409", "deadlock"},       {CFS_ERR_TIMED_OUT, "503", "no_quorum"},
        {CFS_ERR_NOT_HOLDER, "403", "not_holder"},   {CFS_ERR_TOO_MANY, "503", "too_many"},
        {CFS_ERR_INTERRUPTED, "408", "interrupted"}, {CFS_ERR_DIFFERS, "422", "differs"},
    };
    struct http_world *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_begin(w, "POST /lock/x?lock_type=exclusive");
        http_answer_error(i + 1, cases[i].error);
        http_turn_until(w, http_replied);
        http_assert_status(w, cases[i].status);
        http_assert_has(w, cases[i].code);
        if (strcmp(cases[i].status, "503") == 0)
            http_assert_has(w, "Retry-After: 1\r\n");
    }
}

static void an_error_within_submit_will_do(void **state)
{
    struct http_world *w = *state;

    http_engine.at_once = CFS_ERR_TIMED_OUT;
    http_get(w, "POST /lock/x?lock_type=exclusive&wait=5");
    http_assert_status(w, "503");
}

/* ---- waiting ---- */

static void a_wait_ends_with_its_time(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive&wait=0.02");
    assert_true(http_asked(1)->acquire.wait);
    http_turn_until(w, first_cancelled);
    http_answer(1, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED, .queued = true});
    http_turn_until(w, http_replied);
    http_assert_status(w, "423");
    http_assert_has(w, "\"code\":\"locked\"");
}

static void a_wait_that_never_reached_a_queue_was_for_a_majority(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive&wait=0.02");
    http_turn_until(w, first_cancelled);
    http_answer_error(1, CFS_ERR_INTERRUPTED);
    http_turn_until(w, http_replied);
    http_assert_status(w, "503");
    http_assert_has(w, "Retry-After: 1\r\n");
    http_assert_has(w, "\"code\":\"no_quorum\"");
}

static void a_grant_that_overtakes_the_end_of_the_wait_counts(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive&wait=0.02");
    http_turn_until(w, first_cancelled);
    http_answer(1, &(struct cfs_answer){.token = 5});
    http_turn_until(w, http_replied);
    http_assert_status(w, "200");
    assert_int_equal(http_engine.count, 1);
}

static bool more_than_quick(struct http_world *w)
{
    static cfs_time since;

    if (!since)
        since = cfs_loop_now(w->loop);
    if (cfs_loop_now(w->loop) > since + CFS_MS(500))
        return since = 0, true;
    cfs_loop_again(w->loop);
    return false;
}

/* It did not close after its request, so it did not mean to half-close. */
static void a_client_that_goes_away_stops_waiting(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive&wait=60");
    http_turn_until(w, more_than_quick);
    http_close_client(w);
    for (int i = 0; i < 4; i++)
        http_turn_once(w);
    assert_true(http_engine.calls[0].cancelled);
    http_answer_error(1, CFS_ERR_INTERRUPTED);
    assert_int_equal(http_engine.count, 1);
}

static void reset_client(struct http_world *w)
{
    struct linger no_farewell = {.l_onoff = 1};

    setsockopt(w->client, SOL_SOCKET, SO_LINGER, &no_farewell, sizeof no_farewell);
    http_close_client(w);
}

static void what_a_client_that_is_gone_was_granted_is_given_back(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive&wait=60");
    reset_client(w);
    http_turn_until(w, first_cancelled);
    http_answer(1, &(struct cfs_answer){.token = 5});
    assert_int_equal(http_asked(2)->op, CFS_OP_RELEASE);
    assert_string_equal(http_asked(2)->name, "x");
    assert_int_equal(http_asked(2)->release.kind, CFS_LEASED);
    /* Not by its token: a repeated request with the same key may have been answered with that. */
    assert_int_equal(http_asked(2)->release.token, 0);
    assert_int_not_equal(http_asked(2)->release.handle, 0);
    assert_true(http_asked(2)->release.handle == http_asked(1)->acquire.handle);
    http_answer_error(2, CFS_OK);
}

/* nc -N ends its sending side with the request. */
static void a_half_closed_client_is_answered_what_is_quick(void **state)
{
    static const char *const waits[] = {"", "&wait=60"};
    struct http_world *w = *state;
    char line[128];

    for (size_t i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "POST /lock/x?lock_type=exclusive%s", waits[i]);
        http_begin(w, line);
        shutdown(w->client, SHUT_WR);
        for (int turn = 0; turn < 4; turn++)
            http_turn_once(w);
        assert_false(http_engine.calls[i].cancelled);
        http_answer(i + 1, &(struct cfs_answer){.token = 5});
        http_turn_until(w, http_replied);
        http_assert_status(w, "200");
        http_close_client(w);
        http_open_client(w);
    }
    assert_int_equal(http_engine.count, 2);
}

/* Perhaps it is not there any more: what it would be granted by then is given back. */
static void a_half_closed_client_waits_no_longer_than_that(void **state)
{
    struct http_world *w = *state;

    for (size_t granted = 0; granted < 2; granted++) {
        http_begin(w, "POST /lock/x?lock_type=exclusive&wait=60");
        shutdown(w->client, SHUT_WR);
        http_turn_until(w, first_cancelled);
        http_answer(1, &(struct cfs_answer){.error = granted ? CFS_OK : CFS_ERR_INTERRUPTED,
                                            .queued = !granted,
                                            .token = granted ? 5 : 0});
        http_turn_until(w, http_replied);
        http_assert_status(w, "423");
        assert_int_equal(http_engine.count, 1 + granted);
        http_close_client(w);
        http_open_client(w);
        if (!granted)
            memset(&http_engine, 0, sizeof http_engine);
    }
    assert_int_equal(http_asked(2)->op, CFS_OP_RELEASE);
}

/* A renewal or a release goes on without its client: neither is to be undone. */
static void a_renewal_is_not_cancelled(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?token=5");
    reset_client(w);
    for (int i = 0; i < 4; i++)
        http_turn_once(w);
    assert_false(http_engine.calls[0].cancelled);
    http_answer(1, &(struct cfs_answer){.token = 5});
    assert_int_equal(http_engine.count, 1);
}

static void closing_answers_those_who_wait(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "POST /lock/x?lock_type=exclusive&wait=60");
    cfs_http_api_free(http_api);
    http_api = NULL;
    http_turn_until(w, http_replied);
    http_assert_status(w, "503");
}

/* ---- release and look ---- */

static void delete_releases(void **state)
{
    struct http_world *w = *state;

    http_begin(w, "DELETE /lock/x?token=42");
    assert_int_equal(http_asked(1)->op, CFS_OP_RELEASE);
    assert_true(http_asked(1)->release.token == 42 && http_asked(1)->release.kind == CFS_LEASED);
    http_answer_error(1, CFS_OK);
    http_turn_until(w, http_replied);
    http_assert_status(w, "200");
    http_begin(w, "DELETE /lock/x?token=42");
    http_answer_error(2, CFS_ERR_NOT_HELD);
    http_turn_until(w, http_replied);
    http_assert_status(w, "404");
    http_assert_has(w, "\"code\":\"not_held\"");
}

static struct cfs_answer held_by(const struct cfs_holder_info *holders, uint32_t count)
{
    return (struct cfs_answer){.lock = {.mode = CFS_SHARED,
                                        .token = 8,
                                        .since = 1712345678901234,
                                        .waiters = 3,
                                        .holders = holders,
                                        .holder_count = count}};
}

static void get_shows_the_lock(void **state)
{
    static const struct cfs_holder_info holders[] = {
        {.node = 2, .kind = CFS_FLOCK, .process = {.pid = 4711}},
        {.kind = CFS_LEASED, .owner = "alice"},
        {.kind = CFS_LEASED},
    };
    struct cfs_answer a = held_by(holders, 3);
    struct http_world *w = *state;

    http_begin(w, "GET /lock/x");
    assert_int_equal(http_asked(1)->op, CFS_OP_GET);
    http_answer(1, &a);
    http_turn_until(w, http_replied);
    http_assert_status(w, "200");
    http_assert_has(
        w, "{\"name\":\"x\",\"mode\":\"shared\",\"token\":8,\"holder\":\"2:4711,alice,http\","
           "\"since\":\"2024-04-05T19:34:38.901Z\",\"waiters\":3}");
}

static void get_tells_of_holders_that_are_not_listed(void **state)
{
    static const struct cfs_holder_info holder = {.kind = CFS_LEASED, .owner = "alice"};
    struct cfs_answer a = held_by(&holder, 1);
    struct http_world *w = *state;

    a.lock.more_holders = 24999;
    http_begin(w, "GET /lock/x");
    http_answer(1, &a);
    http_turn_until(w, http_replied);
    http_assert_has(w, "\"holder\":\"alice\",");
    http_assert_has(w, "\"more_holders\":24999");
}

static void get_shows_the_content(void **state)
{
    static const struct {
        const char *bytes, *json;
    } cases[] = {
        {"12\n", "\"content\":\"12\\n\""},
        {"\xff", "\"content_base64\":\"/w==\""},
        {"\xff\xfe", "\"content_base64\":\"//4=\""},
        {"\xff\xfe\x41", "\"content_base64\":\"//5B\""},
        {"\xff\xfe\x41zz", "\"content_base64\":\"//5Beno=\""},
    };
    struct http_world *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cfs_answer a = held_by(NULL, 0);
        a.lock.content = (const uint8_t *)cases[i].bytes;
        a.lock.content_len = (uint32_t)strlen(cases[i].bytes);
        http_begin(w, "GET /lock/x");
        http_answer(i + 1, &a);
        http_turn_until(w, http_replied);
        http_assert_has(w, cases[i].json);
    }
}

static void a_name_need_not_be_utf8(void **state)
{
    struct cfs_answer a = held_by(NULL, 0);
    struct http_world *w = *state;

    http_begin(w, "GET /lock/a%ff%20");
    assert_string_equal(http_asked(1)->name, "a\xff ");
    http_answer(1, &a);
    http_turn_until(w, http_replied);
    http_assert_has(w, "\"name\":\"a%FF%20\"");
}

/* ---- what is refused ---- */

static void bad_parameters_are_named(void **state)
{
    static const struct {
        const char *line, *field;
    } cases[] = {
        {"POST /lock/x", "'lock_type'"},
        {"POST /lock/x?lock_type=", "'lock_type'"},
        {"POST /lock/x?lock_type=both", "'lock_type'"},
        {"POST /lock/x?lock_type=shared&ttl=soon", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=0", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=-1", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=1e3", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=inf", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=1.2.3", "'ttl'"},
        {"POST /lock/x?lock_type=shared&ttl=86401", "'ttl'"},
        {"POST /lock/x?lock_type=shared&wait=-1", "'wait'"},
        {"POST /lock/x?lock_type=shared&wait=99999999999999999999", "'wait'"},
        {"POST /lock/x?lock_type=shared&owner=a,b", "'owner'"},
        {"POST /lock/x?lock_type=shared&owner=a%0a", "'owner'"},
        {"POST /lock/x?lock_type=shared&owner=%ff", "'owner'"},
        {"POST /lock/x?lock_type=shared&owner=0123456789012345678901234567890123456789012345678901"
         "23456789abcde",
         "'owner'"},
        {"POST /lock/x?lock_type=shared&token=0", "'token'"},
        {"POST /lock/x?lock_type=shared&token=-5", "'token'"},
        {"POST /lock/x?lock_type=shared&token=9223372036854775808", "'token'"},
        {"POST /lock/x?lock_type=shared&token=99999999999999999999", "'token'"},
        {"DELETE /lock/x", "'token'"},
        {"DELETE /lock/x?token=abc", "'token'"},
        {"GET /lock/", "'name'"},
        {"GET /lock/a%2Fb", "'name'"},
        {"GET /lock/a/b", "'name'"},
        {"GET /lock/a%00b", "'name'"},
        {"GET /lock/%", "'name'"},
        {"GET /lock/..", "'name'"},
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

static void a_long_name_is_told_so(void **state)
{
    struct http_world *w = *state;
    char line[1024];

    snprintf(line, sizeof line, "GET /lock/%0256d", 0);
    http_get(w, line);
    http_assert_status(w, "400");
    http_assert_has(w, "name_too_long");
}

static void paths_and_methods_are_told_apart(void **state)
{
    struct http_world *w = *state;

    http_get(w, "GET /nothing");
    http_assert_status(w, "404");
    http_assert_has(w, "\"code\":\"not_found\"");
    http_get(w, "GET /lock");
    http_assert_status(w, "404");
    http_get(w, "PUT /lock/x");
    http_assert_status(w, "405");
    http_assert_has(w, "Allow: GET, HEAD, POST, DELETE\r\n");
    http_get(w, "POST /status");
    http_assert_status(w, "405");
    http_assert_has(w, "Allow: GET, HEAD\r\n");
}

static void the_secret_is_needed_but_for_health(void **state)
{
    static const char *const lines[] = {"GET /status", "GET /metrics",           "GET /lock/x",
                                        "PUT /lock/x", "DELETE /lock/x?token=1", "GET /nothing"};
    struct http_world *w = *state;
    char text[256];

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\n\r\n", lines[i]);
        http_ask(w, text);
        http_assert_status(w, "401");
        http_assert_has(w, "\"code\":\"unauthorized\"");
        http_close_client(w);
        http_open_client(w);
    }
    http_ask(w, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(w, "200");
    w->config.http_open = true;
    http_ask(w, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(w, "200");
    http_assert_has(w, "{\"node\":1}");
}

static void health_follows_the_engine(void **state)
{
    struct http_world *w = *state;

    http_get(w, "GET /health");
    http_assert_status(w, "200");
    http_assert_has(w, "{\"status\":\"ok\"}");
    http_engine.available = false;
    http_get(w, "GET /health");
    http_assert_status(w, "503");
    http_assert_has(w, "Retry-After: 1\r\n");
    http_assert_has(w, "no_quorum");
}

static void metrics_are_text(void **state)
{
    struct http_world *w = *state;

    http_get(w, "GET /metrics");
    http_assert_status(w, "200");
    http_assert_has(w, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    http_assert_has(w, "\r\n\r\na_metric 1\n");
    w->config.http_open = true;
    http_ask(w, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(w, "200");
}

static void requests_are_counted_by_class(void **state)
{
    struct http_world *w = *state;
    uint64_t counts[CFS_ROUTE_CLASSES];

    http_get(w, "GET /health");
    http_get(w, "GET /health");
    http_get(w, "GET /metrics");
    http_get(w, "GET /lock/..");
    http_get(w, "GET /nothing");
    http_get(w, "POST /status");
    http_ask(w, "POST /health HTTP/1.1\r\nHost: x\r\n\r\n");
    http_ask(w, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n"); /* the last: it is closed then */
    cfs_http_api_counts(http_api, counts);
    assert_int_equal(counts[CFS_ROUTE_HEALTH], 2);
    assert_int_equal(counts[CFS_ROUTE_METRICS], 1);
    assert_int_equal(counts[CFS_ROUTE_LOCK], 1);
    assert_int_equal(counts[CFS_ROUTE_STATUS], 0);
    assert_int_equal(counts[CFS_ROUTE_UNKNOWN], 3);
    assert_int_equal(counts[CFS_ROUTE_UNAUTHORIZED], 1);
    assert_int_equal(counts[CFS_ROUTE_RAFT], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, http_api_set_up, http_api_tear_down)
        T(post_acquires),
        T(a_ttl_is_thirty_seconds_unless_said),
        T(a_token_renews),
        T(an_idempotency_key_is_passed_on),
        T(errors_have_their_status),
        T(an_error_within_submit_will_do),
        T(a_wait_ends_with_its_time),
        T(a_wait_that_never_reached_a_queue_was_for_a_majority),
        T(a_grant_that_overtakes_the_end_of_the_wait_counts),
        T(a_client_that_goes_away_stops_waiting),
        T(what_a_client_that_is_gone_was_granted_is_given_back),
        T(a_half_closed_client_is_answered_what_is_quick),
        T(a_half_closed_client_waits_no_longer_than_that),
        T(a_renewal_is_not_cancelled),
        T(closing_answers_those_who_wait),
        T(delete_releases),
        T(get_shows_the_lock),
        T(get_tells_of_holders_that_are_not_listed),
        T(get_shows_the_content),
        T(a_name_need_not_be_utf8),
        T(bad_parameters_are_named),
        T(a_long_name_is_told_so),
        T(paths_and_methods_are_told_apart),
        T(the_secret_is_needed_but_for_health),
        T(health_follows_the_engine),
        T(metrics_are_text),
        T(requests_are_counted_by_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
