/* The HTTP server: what a handler sees, answers now and later, clients that go away, limits. */
#include "http_world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING_MAX = 256 };

struct fixture {
    struct http_world w; /* first: handlers and conditions get its address */
    struct cfs_http_request *waiting[WAITING_MAX];
    int waiting_count, gone, half_closed;
    char seen[512]; /* what the handler noticed */
};

static struct fixture *fixture_of(struct http_world *w)
{
    return (struct fixture *)w;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    http_world_open(&f->w);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_world_close(&f->w);
    free(f);
    return 0;
}

static bool one_gone(struct http_world *w)
{
    return fixture_of(w)->gone == 1;
}

/* ---- handlers ---- */

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

static void tell_all(struct http_world *w, struct cfs_http_request *r)
{
    struct fixture *f = fixture_of(w);
    size_t len;
    const char *body = (const char *)cfs_http_body(r, &len);

    snprintf(f->seen, sizeof f->seen, "%s %s a=%s b=%s none=%s key=%s body=%.*s",
             cfs_http_method(r), cfs_http_path(r), or_none(cfs_http_query(r, "a")),
             or_none(cfs_http_query(r, "b")), or_none(cfs_http_query(r, "none")),
             or_none(cfs_http_header(r, "idempotency-KEY")), (int)len, body ? body : "");
    cfs_http_respond(r, 200, "text/plain", "fine\n", 5, "X-Extra", "yes");
}

static void count_gone(void *arg)
{
    struct fixture *f = arg;

    f->gone++;
    f->waiting_count--;
}

static void keep_waiting(struct http_world *w, struct cfs_http_request *request)
{
    struct fixture *f = fixture_of(w);

    f->waiting[f->waiting_count++] = request;
    cfs_http_on_gone(request, count_gone, f);
}

static void note_length(struct http_world *w, struct cfs_http_request *request)
{
    struct fixture *f = fixture_of(w);
    size_t len;

    cfs_http_body(request, &len);
    snprintf(f->seen, sizeof f->seen, "%zu", len);
    cfs_http_respond(request, 204, NULL, NULL, 0, NULL, NULL);
}

static void refuse(struct http_world *w, struct cfs_http_request *request)
{
    const char *path = cfs_http_path(request);

    (void)w;
    if (strcmp(path, "/405") == 0)
        cfs_http_respond_method(request, "GET, PUT");
    else
        cfs_http_respond_error(request, atoi(path + 1), "word", "a \"sentence\"");
}

/* ---- tests ---- */

static void the_handler_sees_the_request_and_the_client_the_answer(void **state)
{
    struct fixture *f = *state;

    f->w.handle = tell_all;
    http_open_client(&f->w);
    http_ask(&f->w, "POST /lock/a%2Fb%20c?a=1%2f2+3%C3%A9&b HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                    "Idempotency-Key: k 1\r\nContent-Length: 5\r\n\r\nhello");
    assert_string_equal(f->seen,
                        "POST /lock/a%2Fb%20c a=1/2 3\xc3\xa9 b= none=- key=k 1 body=hello");
    http_assert_status(&f->w, "200");
    http_assert_has(&f->w, "Content-Type: text/plain\r\n");
    http_assert_has(&f->w, "X-Extra: yes\r\n");
    http_assert_has(&f->w, "\r\n\r\nfine\n");
    http_close_client(&f->w);
}

static void a_connection_serves_many_requests(void **state)
{
    struct fixture *f = *state;

    f->w.handle = tell_all;
    http_open_client(&f->w);
    for (int i = 0; i < 20; i++) {
        http_ask(&f->w, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        http_assert_status(&f->w, "200");
        assert_false(f->w.closed);
    }
    assert_int_equal(f->w.handled, 20);
    http_close_client(&f->w);
}

static void an_answer_may_come_later(void **state)
{
    struct fixture *f = *state;

    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    for (int i = 0; i < 3; i++) {
        f->w.handled = f->waiting_count = 0;
        f->w.len = 0;
        f->w.reply[0] = 0;
        http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        http_turn_until(&f->w, http_handled_one);
        assert_int_equal(f->w.len, 0);
        cfs_http_respond(f->waiting[0], 200, "text/plain", "later", 5, NULL, NULL);
        cfs_http_server_flush(f->w.server); /* no turn between the answer and its leaving */
        http_collect(&f->w);
        http_assert_status(&f->w, "200");
        http_assert_has(&f->w, "\r\n\r\nlater");
    }
    http_close_client(&f->w);
}

static bool all_wait(struct http_world *w)
{
    return fixture_of(w)->waiting_count == WAITING_MAX;
}

static void many_wait_at_once(void **state)
{
    struct fixture *f = *state;
    int fds[WAITING_MAX];
    char byte;

    f->w.handle = keep_waiting;
    for (int i = 0; i < WAITING_MAX; i++) {
        f->w.client = fds[i] = http_connect_to(&f->w);
        http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        f->w.client = -1;
    }
    http_turn_until(&f->w, all_wait);
    for (int i = WAITING_MAX - 1; i >= 0; i--)
        cfs_http_respond(f->waiting[i], 200, "text/plain", "x", 1, NULL, NULL);
    cfs_http_server_flush(f->w.server);
    for (int i = 0; i < WAITING_MAX; i++) {
        assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), 1);
        close(fds[i]);
    }
}

static void a_client_that_goes_away_is_noticed(void **state)
{
    struct fixture *f = *state;

    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    http_turn_until(&f->w, http_handled_one);
    http_close_client(&f->w);
    http_turn_until(&f->w, one_gone);
    assert_int_equal(f->waiting_count, 0);
    f->w.handle = tell_all;
    http_open_client(&f->w);
    http_ask(&f->w, "GET /y HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(&f->w, "200");
    http_close_client(&f->w);
}

static void a_client_that_was_gone_before_it_was_heard_is_noticed_too(void **state)
{
    struct fixture *f = *state;

    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    http_close_client(&f->w);
    http_turn_until(&f->w, one_gone);
}

static bool stay(void *arg)
{
    struct fixture *f = arg;

    f->half_closed++;
    return false;
}

static void keep_waiting_for_half_closed(struct http_world *w, struct cfs_http_request *request)
{
    keep_waiting(w, request);
    cfs_http_on_half_close(request, stay);
}

static bool one_half_closed(struct http_world *w)
{
    return fixture_of(w)->half_closed == 1;
}

/* printf 'GET ...' | nc -N: the end of the stream comes with the request, or later. */
static void a_client_that_only_ended_its_sending_side_gets_its_answer(void **state)
{
    struct fixture *f = *state;

    f->w.handle = keep_waiting_for_half_closed;
    for (int later = 0; later < 2; later++) {
        f->w.handled = f->waiting_count = f->half_closed = 0;
        http_open_client(&f->w);
        http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        if (later)
            http_turn_until(&f->w, http_handled_one);
        shutdown(f->w.client, SHUT_WR);
        http_turn_until(&f->w, one_half_closed);
        for (int i = 0; i < 4; i++)
            http_turn_once(&f->w);
        assert_int_equal(f->waiting_count, 1);
        cfs_http_respond(f->waiting[0], 200, "text/plain", "heard", 5, NULL, NULL);
        http_turn_until(&f->w, http_replied);
        http_assert_has(&f->w, "\r\n\r\nheard");
        http_close_client(&f->w);
    }
    assert_int_equal(f->gone, 0);
}

static void a_half_closed_client_that_resets_is_gone(void **state)
{
    struct fixture *f = *state;
    struct linger no_farewell = {.l_onoff = 1};

    f->w.handle = keep_waiting_for_half_closed;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(f->w.client, SHUT_WR);
    http_turn_until(&f->w, one_half_closed);
    setsockopt(f->w.client, SOL_SOCKET, SO_LINGER, &no_farewell, sizeof no_farewell);
    http_close_client(&f->w);
    http_turn_until(&f->w, one_gone);
}

static void a_reset_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct linger no_farewell = {.l_onoff = 1};

    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    http_turn_until(&f->w, http_handled_one);
    setsockopt(f->w.client, SOL_SOCKET, SO_LINGER, &no_farewell, sizeof no_farewell);
    http_close_client(&f->w);
    http_turn_until(&f->w, one_gone);
}

static void post(struct fixture *f, const char *path, const char *headers, size_t len)
{
    char head[512];

    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n",
             path, headers, len);
    f->w.len = 0;
    f->w.reply[0] = 0;
    http_write_text(&f->w, head);
}

static void a_body_over_the_limit_is_refused_before_it_comes(void **state)
{
    struct fixture *f = *state;

    f->w.handle = note_length;
    http_open_client(&f->w);
    post(f, "/lock/x", AUTHORIZED, CFS_MESSAGE_MAX + 1);
    http_turn_until(&f->w, http_replied);
    http_assert_status(&f->w, "413");
    http_assert_has(&f->w, "\"code\":\"too_big\"");
    http_assert_has(&f->w, "1048575 bytes");
    http_close_client(&f->w);
    http_open_client(&f->w);
    post(f, "/raft/append-entries", AUTHORIZED, CFS_BATCH_BYTES_MAX + 1);
    http_turn_until(&f->w, http_replied);
    http_assert_status(&f->w, "413");
    assert_int_equal(f->w.handled, 0);
    http_close_client(&f->w);
}

/* Pours `len` bytes down the client's socket while the loop turns. */
static void pour(struct fixture *f, size_t len)
{
    static const char block[65536];

    while (len > 0) {
        size_t some = len < sizeof block ? len : sizeof block;
        ssize_t count = send(f->w.client, block, some, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            len -= (size_t)count;
        http_turn_once(&f->w);
    }
}

static void a_body_up_to_the_limit_arrives(void **state)
{
    static const char zeros[CFS_BATCH_BYTES_MAX];
    struct fixture *f = *state;
    char expected[32];

    f->w.handle = note_length;
    http_open_client(&f->w);
    post(f, "/raft/append-entries", http_peers_header(zeros, sizeof zeros), sizeof zeros);
    pour(f, CFS_BATCH_BYTES_MAX);
    http_turn_until(&f->w, http_replied);
    http_assert_status(&f->w, "204");
    snprintf(expected, sizeof expected, "%u", CFS_BATCH_BYTES_MAX);
    assert_string_equal(f->seen, expected);
    http_close_client(&f->w);
}

static void a_chunked_body_over_the_limit_is_refused_at_its_end(void **state)
{
    struct fixture *f = *state;
    char size[32];

    f->w.handle = note_length;
    http_open_client(&f->w);
    http_write_text(&f->w, "POST /lock/x HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                           "Transfer-Encoding: chunked\r\n\r\n");
    snprintf(size, sizeof size, "%x\r\n", CFS_MESSAGE_MAX + 1);
    http_write_text(&f->w, size);
    pour(f, CFS_MESSAGE_MAX + 1);
    http_write_text(&f->w, "\r\n0\r\n\r\n");
    http_turn_until(&f->w, http_replied);
    http_assert_status(&f->w, "413");
    assert_int_equal(f->w.handled, 0);
    http_close_client(&f->w);
}

static void an_endless_body_ends_the_connection(void **state)
{
    struct fixture *f = *state;

    f->w.handle = note_length;
    http_open_client(&f->w);
    http_write_text(&f->w, "POST /lock/x HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                           "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n");
    pour(f, 16 * 1024 * 1024);
    static const char more[65536];
    while (!f->w.closed) {
        send(f->w.client, more, sizeof more, MSG_DONTWAIT | MSG_NOSIGNAL);
        http_turn_once(&f->w);
    }
    http_close_client(&f->w);
}

static void a_bad_escape_in_the_query_is_a_bad_request(void **state)
{
    static const struct {
        const char *query, *field;
    } cases[] = {
        {"a=%", "'a'"},     {"a=%4", "'a'"},      {"ttl=%zz", "'ttl'"},    {"a=%00", "'a'"},
        {"%00=a", "'%00'"}, {"b=1&a=%g0", "'a'"}, {"\xff\"=%", "'?\\\"'"},
    };
    struct fixture *f = *state;
    char request[128];

    f->w.handle = tell_all;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_open_client(&f->w);
        snprintf(request, sizeof request, "GET /x?%s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].query);
        http_ask(&f->w, request);
        http_assert_status(&f->w, "400");
        http_assert_has(&f->w, "\"code\":\"invalid\"");
        http_assert_has(&f->w, cases[i].field);
        http_close_client(&f->w);
    }
    assert_int_equal(f->w.handled, 0);
}

static void errors_are_json_and_bring_their_headers(void **state)
{
    struct fixture *f = *state;

    f->w.handle = refuse;
    http_open_client(&f->w);
    http_ask(&f->w, "GET /404 HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(&f->w, "404");
    http_assert_has(&f->w, "Content-Type: application/json\r\n");
    http_assert_has(&f->w, "{\"error\":\"a \\\"sentence\\\"\",\"code\":\"word\"}");
    http_ask(&f->w, "GET /401 HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(&f->w, "401");
    http_assert_has(&f->w, "WWW-Authenticate: Bearer\r\n");
    http_assert_has(&f->w, "Connection: close\r\n");
    http_close_client(&f->w);
    http_open_client(&f->w);
    http_ask(&f->w, "GET /503 HTTP/1.1\r\nHost: x\r\n\r\n");
    http_assert_status(&f->w, "503");
    http_assert_has(&f->w, "Retry-After: 1\r\n");
    http_ask(&f->w, "POST /405 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    http_assert_status(&f->w, "405");
    http_assert_has(&f->w, "Allow: GET, PUT\r\n");
    http_close_client(&f->w);
}

/* Its handlers may be gone by then. */
static void freeing_the_server_hands_on_nothing_more(void **state)
{
    struct fixture *f = *state;
    static const char late[] = "GET /y HTTP/1.1\r\nHost: x\r\n\r\n";
    int second;

    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    http_turn_until(&f->w, http_handled_one);
    second = http_connect_to(&f->w);
    assert_int_equal(write(second, late, 10), 10);
    http_turn_once(&f->w);
    http_turn_once(&f->w);
    assert_int_equal(write(second, late + 10, sizeof late - 11), sizeof late - 11);
    cfs_http_server_free(f->w.server);
    f->w.server = NULL;
    close(second);
    http_close_client(&f->w);
    assert_int_equal(f->w.handled, 1);
}

static void freeing_the_server_closes_what_waits(void **state)
{
    struct fixture *f = *state;

    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    http_turn_until(&f->w, http_handled_one);
    cfs_http_server_free(f->w.server);
    f->w.server = NULL;
    http_collect(&f->w);
    assert_true(f->w.closed);
    assert_int_equal(f->gone, 0);
    http_close_client(&f->w);
}

static void never_called(void *arg, struct cfs_http_request *request)
{
    (void)arg;
    (void)request;
    fail();
}

static void an_address_in_use_is_told(void **state)
{
    struct fixture *f = *state;

    assert_null(cfs_http_server_new(f->w.loop, &f->w.config, never_called, NULL));
    strcpy(f->w.config.listen_host, "no such host");
    assert_null(cfs_http_server_new(f->w.loop, &f->w.config, never_called, NULL));
}

static void names_and_ipv6_will_do(void **state)
{
    static const char *const hosts[] = {"localhost", "::1", "[::1]"};
    struct fixture *f = *state;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    bool ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&loopback, sizeof loopback) == 0;

    close(probe);
    for (size_t i = 0; i < (ipv6 ? 3 : 1); i++) {
        strcpy(f->w.config.listen_host, hosts[i]);
        f->w.config.listen_port = http_free_port();
        struct cfs_http_server *server =
            cfs_http_server_new(f->w.loop, &f->w.config, never_called, NULL);
        assert_non_null(server);
        cfs_http_server_free(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(the_handler_sees_the_request_and_the_client_the_answer),
        T(a_connection_serves_many_requests),
        T(an_answer_may_come_later),
        T(many_wait_at_once),
        T(a_client_that_goes_away_is_noticed),
        T(a_client_that_was_gone_before_it_was_heard_is_noticed_too),
        T(a_client_that_only_ended_its_sending_side_gets_its_answer),
        T(a_half_closed_client_that_resets_is_gone),
        T(a_reset_is_noticed),
        T(a_body_over_the_limit_is_refused_before_it_comes),
        T(a_body_up_to_the_limit_arrives),
        T(a_chunked_body_over_the_limit_is_refused_at_its_end),
        T(an_endless_body_ends_the_connection),
        T(a_bad_escape_in_the_query_is_a_bad_request),
        T(errors_are_json_and_bring_their_headers),
        T(freeing_the_server_hands_on_nothing_more),
        T(freeing_the_server_closes_what_waits),
        T(an_address_in_use_is_told),
        T(names_and_ipv6_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
