/* A transport among strangers: who speaks to it is no member, or in a member's place answers what
 * is no answer. */
#include "peers_world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "http_world.h"
#include "io/http_client.h"
#include "io/wire.h"

/* ---- many POSTs of one peer ---- */

struct poster {
    struct peers *f;
    struct cfs_http_client *client;
    int answered, status;
    bool authentic;
    char body[256];
};

static struct poster poster;

static void on_posted(void *arg, const struct cfs_http_result *result)
{
    struct poster *p = arg;

    p->answered++;
    p->authentic = result->authentic;
    p->status = result->outcome == CFS_HTTP_RESPONDED ? result->status : -(int)result->outcome;
    snprintf(p->body, sizeof p->body, "%.*s", (int)result->len,
             result->body ? (const char *)result->body : "");
}

static bool one_answered(struct peers *f)
{
    (void)f;
    return poster.answered >= 1;
}

/* A stranger that speaks as node `from` to node `to`, at node 1. */
static void post_of(struct peers *f, uint64_t cluster, cfs_node_id from, cfs_node_id to,
                    const char *path)
{
    char url[128];
    uint8_t *batch;
    size_t len;

    assert_int_equal(
        cfs_wire_encode(&batch, &len, &(struct cfs_batch_head){cluster, from, to}, NULL, 0), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", f->nodes[1].config.listen_port, path);
    cfs_http_client_post(poster.client, url, batch, len, on_posted, &poster);
    cfs_http_client_flush(poster.client);
}

static void post_as(struct peers *f, cfs_node_id from, cfs_node_id to, const char *path)
{
    post_of(f, CLUSTER, from, to, path);
}

static void open_poster(struct peers *f)
{
    poster = (struct poster){.f = f};
    poster.client = cfs_http_client_new(f->loop, SECRET, 1000);
}

static bool five_came(struct peers *f)
{
    return f->nodes[1].requests >= 5 && poster.answered >= 1;
}

static void the_fifth_post_frees_the_first(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    open_poster(f);
    for (int i = 0; i < 5; i++)
        post_as(f, 2, 1, "/raft/append-entries");
    peers_turn_until(f, five_came);
    assert_int_equal(poster.answered, 1);
    assert_int_equal(poster.status, 204);
    cfs_http_client_free(poster.client);
}

static void only_members_are_heard(void **state)
{
    static const struct {
        cfs_node_id from, to;
        const char *path, *says;
        int status;
    } cases[] = {
        {64, 1, "/raft/append-entries", "64 is none", 400},
        {0, 1, "/raft/append-entries", "0 is none", 400},
        {1, 1, "/raft/append-entries", "another node says that it is node 1", 400},
        {2, 3, "/raft/append-entries", "addresses of the members differ", 400},
        {2, 1, "/raft/install-snapshot", "not_found", 404},
        {2, 1, "/raft/", "not_found", 404},
    };
    struct peers *f = *state;

    peers_start(f, 1);
    open_poster(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        poster.answered = 0;
        post_as(f, cases[i].from, cases[i].to, cases[i].path);
        peers_turn_until(f, one_answered);
        assert_int_equal(poster.status, cases[i].status);
        assert_true(poster.authentic);
        assert_non_null(strstr(poster.body, cases[i].says));
    }
    cfs_http_client_free(poster.client);
}

static void another_cluster_is_refused_by_name(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    open_poster(f);
    post_of(f, 0x1, 2, 1, "/raft/append-entries");
    peers_turn_until(f, one_answered);
    assert_int_equal(poster.status, 400);
    assert_non_null(strstr(poster.body, "node 2 of cluster 0000000000000001"));
    assert_non_null(strstr(poster.body, "node 1 of cluster 8877665544332211"));
    cfs_http_client_free(poster.client);
}

/* Another cluster's node, or anybody. */
static void who_has_another_secret_is_refused(void **state)
{
    struct peers *f = *state;

    peers_start(f, 1);
    poster = (struct poster){.f = f};
    poster.client = cfs_http_client_new(f->loop, "a secret of another one", 1000);
    post_as(f, 2, 1, "/raft/append-entries");
    peers_turn_until(f, one_answered);
    assert_int_equal(poster.status, 401);
    assert_false(poster.authentic);
    cfs_http_client_free(poster.client);
}

static void garbage_is_refused(void **state)
{
    struct peers *f = *state;
    char url[128];

    peers_start(f, 1);
    open_poster(f);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/raft/append-entries",
             f->nodes[1].config.listen_port);
    cfs_http_client_post(poster.client, url, cfs_alloc_copy("garbage", 7), 7, on_posted, &poster);
    cfs_http_client_flush(poster.client);
    peers_turn_until(f, one_answered);
    assert_int_equal(poster.status, 400);
    assert_non_null(strstr(poster.body, "\"code\":\"invalid\""));
    cfs_http_client_free(poster.client);
}

/* ---- impostors: sockets in node 2's place that accept and then misbehave ---- */

struct impostor {
    struct peers *f;
    int listener, accepted;
    const char *says; /* once it was asked, before it closes; NULL: closes at once */
    char asked[4096]; /* the last request */
};

struct caller {
    struct impostor *impostor;
    int fd;
};

static struct impostor impostor;

static void on_asked(void *arg, uint32_t events)
{
    struct caller *caller = arg;
    const char *says = caller->impostor->says;
    char *request = caller->impostor->asked;

    (void)events;
    if (recv(caller->fd, request, sizeof caller->impostor->asked - 1, 0) > 0)
        assert_true(send(caller->fd, says, strlen(says), MSG_NOSIGNAL) > 0);
    cfs_loop_unwatch(caller->impostor->f->loop, caller->fd);
    close(caller->fd);
    free(caller);
}

static void on_caller(void *arg, uint32_t events)
{
    struct impostor *i = arg;
    int fd = accept(i->listener, NULL, NULL);
    struct caller *caller;

    (void)events;
    assert_true(fd >= 0);
    i->accepted++;
    if (!i->says) {
        close(fd);
        return;
    }
    caller = cfs_alloc(sizeof *caller);
    *caller = (struct caller){.impostor = i, .fd = fd};
    assert_int_equal(cfs_loop_watch(i->f->loop, fd, EPOLLIN, on_asked, caller), 0);
}

static void open_impostor(struct peers *f, const char *says)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(f->nodes[2].config.listen_port)};
    int on = 1;

    impostor = (struct impostor){.f = f, .says = says, .listener = socket(AF_INET, SOCK_STREAM, 0)};
    setsockopt(impostor.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(impostor.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(impostor.listener, 16), 0);
    assert_int_equal(cfs_loop_watch(f->loop, impostor.listener, EPOLLIN, on_caller, &impostor), 0);
}

static void close_impostor(struct peers *f)
{
    cfs_loop_unwatch(f->loop, impostor.listener);
    close(impostor.listener);
}

static void one_that_hangs_up_is_not_stormed(void **state)
{
    struct peers *f = *state;

    open_impostor(f, NULL);
    peers_start(f, 1);
    peers_turn_until(f, peers_half_a_second);
    assert_in_range(impostor.accepted, 5, 60); /* one or two in RETRY_MS, more at first */
    assert_int_equal(f->nodes[1].refused, 0);
    assert_true(f->nodes[1].unreachable > 0);
    close_impostor(f);
}

static void answers_that_are_no_batch_are_failures(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n{}",
        ("HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n"
         "{\"v\":1,\"cluster\":\"8877665544332211\",\"from\":3,\"to\":1,\"messages\":[]}\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n" /* node 2 would say so */
         "{\"v\":1,\"cluster\":\"8877665544332211\",\"from\":2,\"to\":1,\"messages\":[]}\n"),
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nCoordfs-Mac: 0123456789abcdef\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
    };
    struct peers *f = *state;

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        open_impostor(f, answers[i]);
        peers_start(f, 1);
        peers_turn_until(f, peers_one_knows_of_a_loss);
        assert_int_equal(f->nodes[1].refused, 0);
        assert_int_equal(f->nodes[1].seen_count, 0);
        assert_true(impostor.asked[0]);
        assert_null(strstr(impostor.asked, SECRET));
        peers_stop(f, 1);
        close_impostor(f);
        f->nodes[1].unreachable = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, peers_set_up, peers_tear_down)
        T(the_fifth_post_frees_the_first),
        T(only_members_are_heard),
        T(another_cluster_is_refused_by_name),
        T(who_has_another_secret_is_refused),
        T(garbage_is_refused),
        T(one_that_hangs_up_is_not_stormed),
        T(answers_that_are_no_batch_are_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
