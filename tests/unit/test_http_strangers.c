/* The HTTP server and who may use it: secrets, proofs, and those who have neither. */
#include "http_world.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer_auth.h"

enum { STRANGERS = 600 };

struct fixture {
    struct http_world w; /* first: handlers and conditions get its address */
    struct cfs_http_request *waiting;
    int gone, strangers[STRANGERS];
    bool authorized;
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

static void count_gone(void *arg)
{
    struct fixture *f = arg;

    f->gone++;
}

static void keep_waiting(struct http_world *w, struct cfs_http_request *request)
{
    struct fixture *f = fixture_of(w);

    f->waiting = request;
    cfs_http_on_gone(request, count_gone, f);
}

static void note_length(struct http_world *w, struct cfs_http_request *request)
{
    struct fixture *f = fixture_of(w);
    size_t len;

    cfs_http_body(request, &len);
    f->authorized = cfs_http_authorized(request);
    snprintf(f->seen, sizeof f->seen, "%zu", len);
    cfs_http_respond(request, 204, NULL, NULL, 0, NULL, NULL);
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

/* Whether the server has closed it. */
static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool first_stranger_is_closed(struct http_world *w)
{
    return is_closed(fixture_of(w)->strangers[0]);
}

static void open_strangers(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        f->strangers[i] = http_connect_to(&f->w);
        http_turn_once(&f->w);
    }
}

static void close_strangers(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        close(f->strangers[i]);
}

/* They fill a quarter of the places at most, and the last one to come has one. */
static void those_without_the_secret_keep_nobody_out(void **state)
{
    struct fixture *f = *state;
    int known;

    f->w.handle = note_length;
    http_open_client(&f->w);
    http_ask(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "\r\n");
    known = f->w.client;
    open_strangers(f, STRANGERS);
    http_turn_until(&f->w, first_stranger_is_closed);
    assert_true(is_closed(f->strangers[STRANGERS - 300]));
    assert_false(is_closed(f->strangers[STRANGERS - 1]));
    assert_false(is_closed(known));
    http_ask(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "\r\n");
    http_assert_status(&f->w, "204");
    http_close_client(&f->w);
    http_open_client(&f->w);
    http_ask(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "\r\n");
    http_assert_status(&f->w, "204");
    http_close_client(&f->w);
    close_strangers(f, STRANGERS);
}

static void those_without_the_secret_may_be_idle_for_seconds_only(void **state)
{
    struct fixture *f = *state;

    f->w.handle = note_length;
    http_open_client(&f->w);
    http_ask(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "\r\n");
    open_strangers(f, 1);
    http_turn_until(&f->w, first_stranger_is_closed);
    assert_false(is_closed(f->w.client));
    http_close_client(&f->w);
    close_strangers(f, 1);
}

/* An open server's clients wait like others. */
static void whoever_is_answered_is_no_stranger_meanwhile(void **state)
{
    struct fixture *f = *state;

    f->w.config.http_open = true;
    f->w.handle = keep_waiting;
    http_open_client(&f->w);
    http_write_text(&f->w, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    http_turn_until(&f->w, http_handled_one);
    open_strangers(f, STRANGERS);
    http_turn_until(&f->w, first_stranger_is_closed);
    assert_int_equal(f->gone, 0);
    cfs_http_respond(f->waiting, 200, "text/plain", "later", 5, NULL, NULL);
    http_turn_until(&f->w, http_replied);
    http_assert_has(&f->w, "later");
    http_close_client(&f->w);
    close_strangers(f, STRANGERS);
}

static void only_the_secret_authorizes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *header;
        bool authorized;
    } cases[] = {
        {AUTHORIZED, true},
        {"authorization: bearer " SECRET "\r\n", true},
        {"", false},
        {"Authorization: " SECRET "\r\n", false},
        {"Authorization: Basic " SECRET "\r\n", false},
        {"Authorization: Bearer\r\n", false},
        {"Authorization: Bearer \r\n", false},
        {"Authorization: Bearer a\r\n", false},
        {"Authorization: Bearer a secret of the cluste\r\n", false},
        {"Authorization: Bearer " SECRET "r\r\n", false},
        {"Authorization: Bearer A secret of the cluster\r\n", false},
    };

    f->w.handle = note_length;
    http_open_client(&f->w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        post(f, "/lock/x", cases[i].header, 3);
        http_write_text(&f->w, "abc");
        http_turn_until(&f->w, http_replied);
        if (f->authorized != cases[i].authorized)
            fail_msg("wrong about '%s'", cases[i].header);
        /* What a stranger sends is not even kept. */
        assert_string_equal(f->seen, cases[i].authorized ? "3" : "0");
    }
    http_close_client(&f->w);
}

static void an_open_server_keeps_bodies_but_not_those_for_raft(void **state)
{
    struct fixture *f = *state;

    f->w.config.http_open = true;
    f->w.handle = note_length;
    http_open_client(&f->w);
    post(f, "/lock/x", "", 3);
    http_write_text(&f->w, "abc");
    http_turn_until(&f->w, http_replied);
    assert_string_equal(f->seen, "3");
    post(f, "/raft/append-entries", "", 3);
    http_write_text(&f->w, "abc");
    http_turn_until(&f->w, http_replied);
    assert_string_equal(f->seen, "0");
    assert_false(f->authorized);
    http_close_client(&f->w);
}

/* Its head proves who sends it, its body that nobody has changed it. */
static void a_peer_is_known_by_its_proof_alone(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *header, *body, *seen;
    } cases[] = {
        {AUTHORIZED, "abc", "0"},
        {"Authorization: Coordfs 00 00 00\r\n", "abc", "0"},
        {http_peers_header("abc", 3), "abc", "3"},
        {http_peers_header("abc", 3), "abC", "3"}, /* kept, but not believed */
    };

    f->w.handle = note_length;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_open_client(&f->w);
        post(f, "/raft/append-entries", cases[i].header, 3);
        http_write_text(&f->w, cases[i].body);
        http_turn_until(&f->w, http_replied);
        assert_string_equal(f->seen, cases[i].seen);
        assert_int_equal(f->authorized, i == 2);
        assert_true(!strstr(f->w.reply, CFS_MAC_HEADER ": ") == (i != 2));
        http_close_client(&f->w);
    }
}

static void a_peer_may_not_ask_as_a_client(void **state)
{
    struct fixture *f = *state;

    f->w.handle = note_length;
    http_open_client(&f->w);
    post(f, "/lock/x", http_peers_header("abc", 3), 3);
    http_write_text(&f->w, "abc");
    http_turn_until(&f->w, http_replied);
    assert_false(f->authorized);
    http_close_client(&f->w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(those_without_the_secret_keep_nobody_out),
        T(those_without_the_secret_may_be_idle_for_seconds_only),
        T(whoever_is_answered_is_no_stranger_meanwhile),
        T(only_the_secret_authorizes),
        T(an_open_server_keeps_bodies_but_not_those_for_raft),
        T(a_peer_is_known_by_its_proof_alone),
        T(a_peer_may_not_ask_as_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
