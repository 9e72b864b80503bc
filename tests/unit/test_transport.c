/* Two nodes' transports and servers in one process and one loop, over loopback; and impostors in
 * place of one of them. What is to happen is waited for, never slept for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/transport.h"
#include "io/wire.h"

#define SECRET "a secret of the cluster"

enum { DEADLINE_MS = 15000, NODES = 2, SEEN_MAX = 4096 };

struct fixture;

struct node {
    struct fixture *f;
    struct cfs_config config;
    struct cfs_http_server *server;
    struct cfs_transport *transport;
    uint64_t seen[SEEN_MAX]; /* ids of the messages that came, in order */
    uint64_t bytes;
    uint32_t seen_count, refused, unreachable, requests;
    cfs_time refused_first, seen_last;
    bool echo;  /* answers every drain by a drain reply */
    bool eager; /* sends again from within the news of a loss */
};

struct fixture {
    struct cfs_loop *loop;
    struct node nodes[NODES + 1]; /* 1 and 2 */
    bool (*until)(struct fixture *f);
    struct cfs_timer deadline;
    uint64_t turns;
    cfs_time end;
};

static void send_drain(struct node *node, cfs_node_id to, enum cfs_message_type type, uint64_t id)
{
    struct cfs_message m = {
        .type = type, .from = node->config.node, .to = to, .term = 1, .drain = {.id = id}};

    cfs_transport_send(node->transport, &m);
}

static void send_forward(struct node *node, cfs_node_id to, uint32_t len)
{
    struct cfs_message m = {.type = CFS_MSG_FORWARD, .from = node->config.node, .to = to};

    m.forward.len = len;
    m.forward.command = cfs_alloc_zeroed(len, 1);
    cfs_transport_send(node->transport, &m);
}

static void on_message(void *arg, struct cfs_message *message)
{
    struct node *node = arg;

    assert_true(node->seen_count < SEEN_MAX);
    assert_int_equal(message->to, node->config.node);
    node->seen[node->seen_count++] = message->drain.id;
    node->seen_last = cfs_clock_now();
    if (message->type == CFS_MSG_FORWARD)
        node->bytes += message->forward.len;
    if (node->echo && message->type == CFS_MSG_DRAIN)
        send_drain(node, message->from, CFS_MSG_DRAIN_REPLY, message->drain.id);
}

static void on_refused(void *arg, cfs_node_id peer)
{
    struct node *node = arg;

    assert_true(peer > 0 && peer <= NODES && peer != node->config.node);
    if (node->refused++ == 0)
        node->refused_first = cfs_clock_now();
}

static void on_unreachable(void *arg, cfs_node_id peer)
{
    struct node *node = arg;

    node->unreachable++;
    if (node->eager)
        send_drain(node, peer, CFS_MSG_DRAIN, 1);
}

static void on_request(void *arg, struct cfs_http_request *request)
{
    struct node *node = arg;

    node->requests++;
    if (node->transport)
        cfs_transport_receive(node->transport, request);
    else
        cfs_http_respond_error(request, 503, "starting", "not yet");
}

static void on_turn_end(void *arg)
{
    struct fixture *f = arg;

    f->turns++;
    for (int i = 1; i <= NODES; i++) {
        if (f->nodes[i].transport)
            cfs_transport_flush(f->nodes[i].transport);
        if (f->nodes[i].server)
            cfs_http_server_flush(f->nodes[i].server);
    }
    if (f->until && f->until(f))
        cfs_loop_stop(f->loop);
}

static void on_deadline(void *arg)
{
    (void)arg;
    fail_msg("what was waited for did not happen");
}

static void turn_until(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    f->deadline = (struct cfs_timer){.fn = on_deadline, .arg = f};
    cfs_timer_set(f->loop, &f->deadline, cfs_clock_now() + CFS_MS(DEADLINE_MS));
    cfs_loop_run(f->loop);
    cfs_timer_cancel(f->loop, &f->deadline);
    f->until = NULL;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void start(struct fixture *f, int i)
{
    struct node *node = &f->nodes[i];
    struct cfs_transport_events events = {node, on_message, on_refused, on_unreachable};

    node->server = cfs_http_server_new(f->loop, &node->config, on_request, node);
    assert_non_null(node->server);
    node->transport = cfs_transport_new(f->loop, &node->config, &events);
    assert_non_null(node->transport);
}

static void stop(struct fixture *f, int i)
{
    cfs_transport_free(f->nodes[i].transport);
    cfs_http_server_free(f->nodes[i].server);
    f->nodes[i].transport = NULL;
    f->nodes[i].server = NULL;
}

static void make_loop(struct fixture *f)
{
    f->loop = cfs_loop_new();
    cfs_loop_set_turn_end(f->loop, on_turn_end, f);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    make_loop(f);
    for (int i = 1; i <= NODES; i++) {
        struct cfs_config *config = &f->nodes[i].config;
        f->nodes[i].f = f;
        config->node = (cfs_node_id)i;
        config->member_count = NODES;
        strcpy(config->listen_host, "127.0.0.1");
        strcpy(config->secret, SECRET);
        config->listen_port = free_port();
    }
    for (int i = 1; i <= NODES; i++)
        for (int j = 1; j <= NODES; j++) {
            struct cfs_member *member = &f->nodes[i].config.members[j - 1];
            member->id = (cfs_node_id)j;
            strcpy(member->host, "127.0.0.1");
            member->port = f->nodes[j].config.listen_port;
        }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (int i = 1; i <= NODES; i++)
        stop(f, i);
    cfs_loop_free(f->loop);
    free(f);
    return 0;
}

/* ---- what is waited for ---- */

static bool two_saw_one(struct fixture *f)
{
    return f->nodes[2].seen_count >= 1;
}

static bool one_saw_one(struct fixture *f)
{
    return f->nodes[1].seen_count >= 1;
}

static bool one_was_refused(struct fixture *f)
{
    return f->nodes[1].refused >= 1;
}

static bool both_hold(struct fixture *f)
{
    return f->nodes[1].requests >= 1 && f->nodes[2].requests >= 1;
}

static bool one_saw_a_hundred(struct fixture *f)
{
    return f->nodes[1].seen_count >= 100;
}

static bool two_saw_a_thousand(struct fixture *f)
{
    return f->nodes[2].seen_count >= 1000;
}

static bool one_knows_of_a_loss(struct fixture *f)
{
    return f->nodes[1].unreachable >= 1;
}

/* ---- tests ---- */

static void a_message_arrives_and_so_does_the_reply(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    f->nodes[2].echo = true;
    send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 42);
    turn_until(f, one_saw_one);
    assert_int_equal(f->nodes[2].seen[0], 42);
    assert_int_equal(f->nodes[1].seen[0], 42);
    assert_int_equal(f->nodes[1].unreachable, 0);
}

static bool ask_again(struct fixture *f)
{
    static uint32_t asked;

    if (f->nodes[1].seen_count == 0)
        asked = 0;
    if (f->nodes[1].seen_count > asked) {
        asked = f->nodes[1].seen_count;
        send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, asked);
        cfs_loop_again(f->loop);
    }
    return one_saw_a_hundred(f);
}

/* A hundred questions and answers take a hundred HTTP requests, whoever makes them. */
static void an_exchange_is_one_http_request(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    turn_until(f, both_hold);
    f->nodes[1].requests = f->nodes[2].requests = 0;
    f->nodes[2].echo = true;
    send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 0);
    turn_until(f, ask_again);
    assert_in_range(f->nodes[1].requests + f->nodes[2].requests, 95, 110);
}

/* ---- the peer is not there, comes, goes ---- */

static void nobody_there_is_a_refusal(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    turn_until(f, one_was_refused);
    assert_true(f->nodes[1].unreachable >= 1);
}

static bool half_a_second_is_over(struct fixture *f)
{
    if (!f->end)
        f->end = cfs_clock_now() + CFS_MS(500);
    send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    return cfs_loop_now(f->loop) >= f->end;
}

/* The first refusals are forgotten and nothing more is to come. */
static bool all_is_quiet(struct fixture *f)
{
    if (!f->end)
        f->end = cfs_clock_now() + CFS_MS(150);
    return cfs_loop_now(f->loop) >= f->end;
}

static void wake(void *arg)
{
    (void)arg;
}

/* Half a second, with something to send at every turn: one or two attempts in RETRY_MS. */
static void an_absent_peer_is_not_stormed(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    f->nodes[1].eager = true;
    turn_until(f, half_a_second_is_over);
    assert_in_range(f->nodes[1].refused, 5, 24);
    assert_in_range(f->turns, 10, 400);
    assert_in_range(f->nodes[1].unreachable, 5, 80);
}

static void a_peer_that_comes_later_is_found(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    turn_until(f, one_was_refused);
    start(f, 2);
    turn_until(f, both_hold);
    send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    turn_until(f, two_saw_one);
}

static bool never(struct fixture *f)
{
    (void)f;
    return false;
}

/* Node 2 as a process of its own, with a loop of its own; it echoes until it is killed. */
static pid_t start_process(struct fixture *f)
{
    pid_t pid;

    cfs_loop_free(f->loop);
    pid = fork();
    assert_true(pid >= 0);
    make_loop(f);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    f->nodes[2].echo = true;
    start(f, 2);
    f->until = never;
    cfs_loop_run(f->loop);
    _exit(0);
}

static bool one_holds(struct fixture *f)
{
    return f->nodes[1].requests >= 1;
}

/* The heart of a fast failover: the peer's process is killed while nothing is said. */
static void a_peer_that_is_killed_is_noticed_at_once(void **state)
{
    struct fixture *f = *state;
    struct cfs_timer timer = {.fn = wake};
    pid_t pid = start_process(f);
    cfs_time killed;

    start(f, 1);
    turn_until(f, one_holds);
    cfs_timer_set(f->loop, &timer, cfs_clock_now() + CFS_MS(200));
    turn_until(f, all_is_quiet);
    f->nodes[1].refused = 0; /* before the process was up */
    killed = cfs_clock_now();
    kill(pid, SIGKILL);
    turn_until(f, one_was_refused);
    print_message("noticed after %u us\n", (unsigned)(f->nodes[1].refused_first - killed));
    assert_true(f->nodes[1].refused_first - killed < CFS_MS(250));
    waitpid(pid, NULL, 0);
}

static void a_peer_that_returns_is_talked_to_again(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    turn_until(f, both_hold);
    for (int round = 0; round < 3; round++) {
        stop(f, 2);
        f->nodes[1].refused = 0;
        turn_until(f, one_was_refused);
        f->nodes[1].requests = f->nodes[2].requests = 0;
        start(f, 2);
        turn_until(f, both_hold);
        f->nodes[1].seen_count = f->nodes[2].seen_count = 0;
        send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 7);
        turn_until(f, two_saw_one);
        send_drain(&f->nodes[2], 1, CFS_MSG_DRAIN, 8);
        turn_until(f, one_saw_one);
    }
}

/* ---- much at once ---- */

static void a_thousand_messages_of_a_turn_keep_their_order(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    for (uint64_t i = 0; i < 1000; i++)
        send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, i);
    turn_until(f, two_saw_a_thousand);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(f->nodes[2].seen[i], i);
    assert_true(f->nodes[2].requests <= 3); /* they shared one */
}

static bool two_saw_twenty(struct fixture *f)
{
    return f->nodes[2].seen_count >= 20;
}

/* 20 x 128 KiB: two batches, in both directions of the choice. */
static void large_messages_are_spread_over_batches(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    turn_until(f, both_hold);
    for (int i = 0; i < 20; i++)
        send_forward(&f->nodes[1], 2, CFS_COMMAND_MAX);
    turn_until(f, two_saw_twenty);
    assert_int_equal(f->nodes[2].bytes, 20 * CFS_COMMAND_MAX);
}

static void what_exceeds_the_outbox_is_lost_and_told(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    for (int i = 0; i < 64; i++) /* 8 MiB in one turn */
        send_forward(&f->nodes[1], 2, CFS_COMMAND_MAX);
    turn_until(f, one_knows_of_a_loss);
    turn_until(f, two_saw_twenty);
}

static void a_message_too_large_for_any_batch_is_lost_and_told(void **state)
{
    struct fixture *f = *state;
    struct cfs_message m = {.type = CFS_MSG_ANSWER, .to = 2};

    start(f, 1);
    start(f, 2);
    m.answer.to = CFS_TO_READ;
    m.answer.len = CFS_BATCH_BYTES_MAX;
    m.answer.answer = cfs_alloc_zeroed(m.answer.len, 1);
    cfs_transport_send(f->nodes[1].transport, &m);
    assert_null(m.answer.answer);
    turn_until(f, one_knows_of_a_loss);
}

static void messages_to_nobody_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct cfs_message m = {.type = CFS_MSG_FORWARD, .to = 3};

    start(f, 1);
    m.forward.len = 5;
    m.forward.command = cfs_alloc_zeroed(5, 1);
    cfs_transport_send(f->nodes[1].transport, &m);
    m.to = 1;
    m.type = CFS_MSG_DRAIN;
    cfs_transport_send(f->nodes[1].transport, &m);
}

static void a_number_that_cannot_travel_is_told_as_a_loss(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    start(f, 2);
    turn_until(f, both_hold);
    send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, CFS_NEVER);
    turn_until(f, one_knows_of_a_loss);
}

/* ---- many POSTs of one peer ---- */

struct poster {
    struct fixture *f;
    struct cfs_http_client *client;
    int answered, status;
    char body[256];
};

static struct poster poster;

static void on_posted(void *arg, const struct cfs_http_result *result)
{
    struct poster *p = arg;

    p->answered++;
    p->status = result->outcome == CFS_HTTP_RESPONDED ? result->status : -(int)result->outcome;
    snprintf(p->body, sizeof p->body, "%.*s", (int)result->len,
             result->body ? (const char *)result->body : "");
}

static bool one_answered(struct fixture *f)
{
    (void)f;
    return poster.answered >= 1;
}

/* A stranger that speaks as node `from` to node `to`, at node 1. */
static void post_as(struct fixture *f, cfs_node_id from, cfs_node_id to, const char *path)
{
    char url[128];
    uint8_t *batch;
    size_t len;

    assert_int_equal(cfs_wire_encode(&batch, &len, from, to, NULL, 0), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", f->nodes[1].config.listen_port, path);
    cfs_http_client_post(poster.client, url, batch, len, on_posted, &poster);
    cfs_http_client_flush(poster.client);
}

static void open_poster(struct fixture *f)
{
    poster = (struct poster){.f = f};
    poster.client = cfs_http_client_new(f->loop, SECRET, 1000);
}

static bool five_came(struct fixture *f)
{
    return f->nodes[1].requests >= 5 && poster.answered >= 1;
}

static void the_fifth_post_frees_the_first(void **state)
{
    struct fixture *f = *state;

    start(f, 1);
    open_poster(f);
    for (int i = 0; i < 5; i++)
        post_as(f, 2, 1, "/raft/append-entries");
    turn_until(f, five_came);
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
        {3, 1, "/raft/append-entries", "lists of members differ", 400},
        {1, 1, "/raft/append-entries", "lists of members differ", 400},
        {0, 1, "/raft/append-entries", "lists of members differ", 400},
        {2, 3, "/raft/append-entries", "addresses of the members differ", 400},
        {2, 1, "/raft/install-snapshot", "not_found", 404},
        {2, 1, "/raft/", "not_found", 404},
    };
    struct fixture *f = *state;

    start(f, 1);
    open_poster(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        poster.answered = 0;
        post_as(f, cases[i].from, cases[i].to, cases[i].path);
        turn_until(f, one_answered);
        assert_int_equal(poster.status, cases[i].status);
        assert_non_null(strstr(poster.body, cases[i].says));
    }
    cfs_http_client_free(poster.client);
}

static void garbage_is_refused(void **state)
{
    struct fixture *f = *state;
    char url[128];

    start(f, 1);
    open_poster(f);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/raft/append-entries",
             f->nodes[1].config.listen_port);
    cfs_http_client_post(poster.client, url, cfs_alloc_copy("garbage", 7), 7, on_posted, &poster);
    cfs_http_client_flush(poster.client);
    turn_until(f, one_answered);
    assert_int_equal(poster.status, 400);
    assert_non_null(strstr(poster.body, "\"code\":\"invalid\""));
    cfs_http_client_free(poster.client);
}

/* ---- impostors: sockets in node 2's place that accept and then misbehave ---- */

struct impostor {
    struct fixture *f;
    int listener, accepted;
    const char *says; /* once it was asked, before it closes; NULL: closes at once */
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
    char request[4096];

    (void)events;
    if (recv(caller->fd, request, sizeof request, 0) > 0)
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

static void open_impostor(struct fixture *f, const char *says)
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

static void close_impostor(struct fixture *f)
{
    cfs_loop_unwatch(f->loop, impostor.listener);
    close(impostor.listener);
}

static void one_that_hangs_up_is_not_stormed(void **state)
{
    struct fixture *f = *state;

    open_impostor(f, NULL);
    start(f, 1);
    turn_until(f, half_a_second_is_over);
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
        ("HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n"
         "{\"v\":1,\"from\":3,\"to\":1,\"messages\":[]}\n"),
        "SSH-2.0-OpenSSH_9.2p1\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        open_impostor(f, answers[i]);
        start(f, 1);
        turn_until(f, one_knows_of_a_loss);
        assert_int_equal(f->nodes[1].refused, 0);
        assert_int_equal(f->nodes[1].seen_count, 0);
        stop(f, 1);
        close_impostor(f);
        f->nodes[1].unreachable = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_message_arrives_and_so_does_the_reply),
        T(an_exchange_is_one_http_request),
        T(nobody_there_is_a_refusal),
        T(an_absent_peer_is_not_stormed),
        T(a_peer_that_comes_later_is_found),
        T(a_peer_that_is_killed_is_noticed_at_once),
        T(a_peer_that_returns_is_talked_to_again),
        T(a_thousand_messages_of_a_turn_keep_their_order),
        T(large_messages_are_spread_over_batches),
        T(what_exceeds_the_outbox_is_lost_and_told),
        T(a_message_too_large_for_any_batch_is_lost_and_told),
        T(messages_to_nobody_are_dropped),
        T(a_number_that_cannot_travel_is_told_as_a_loss),
        T(the_fifth_post_frees_the_first),
        T(only_members_are_heard),
        T(garbage_is_refused),
        T(one_that_hangs_up_is_not_stormed),
        T(answers_that_are_no_batch_are_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
