/* The world of redis_world.h. */
#include "redis_world.h"

#include <errno.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/redis_queue_internal.h"

enum { DEADLINE_MS = 10000, CLUSTER = 0xc1 };

/* The server. */

static void execute_server(struct redis_world *w)
{
    char log[96];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(log, sizeof log, "%s/log", w->dir);
    execlp(
        "sh", "sh", "-c",
        "exec redis-server --port 0 --unixsocket \"$1\" --dir \"$2\" --logfile \"$3\" --save '' $4",
        "sh", w->socket, w->dir, log, w->options, (char *)NULL);
    _exit(127);
}

static bool answers(struct redis_world *w)
{
    redisReply *reply;
    bool well;

    w->admin = redisConnectUnix(w->socket);
    reply = w->admin && !w->admin->err ? redisCommand(w->admin, "PING") : NULL;
    well = reply && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    if (!well)
        redisFree(w->admin);
    return well;
}

void redis_start(struct redis_world *w)
{
    cfs_time end = cfs_clock_now() + CFS_MS(DEADLINE_MS);

    unlink(w->socket);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0)
        execute_server(w);
    while (!answers(w)) {
        assert_int_equal(waitpid(w->pid, NULL, WNOHANG), 0);
        assert_true(cfs_clock_now() < end);
        usleep(2000);
    }
}

void redis_kill(struct redis_world *w)
{
    redisFree(w->admin);
    w->admin = NULL;
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    w->pid = 0;
}

static redisReply *command(struct redis_world *w, const char *format, va_list args)
{
    redisReply *reply = redisvCommand(w->admin, format, args);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply->str);
    return reply;
}

redisReply *redis_command(struct redis_world *w, const char *format, ...)
{
    redisReply *reply;
    va_list args;

    va_start(args, format);
    reply = command(w, format, args);
    va_end(args);
    return reply;
}

long long redis_number(struct redis_world *w, const char *format, ...)
{
    redisReply *reply;
    long long number;
    va_list args;

    va_start(args, format);
    reply = command(w, format, args);
    va_end(args);
    number = reply->integer;
    freeReplyObject(reply);
    return number;
}

void redis_script(struct redis_world *w, const char *args)
{
    redisReply *loaded = redis_command(w, "SCRIPT LOAD %s", cfs_redis_script);
    char text[512];

    snprintf(text, sizeof text, "EVALSHA %s 1 coordfs:00000000000000c1: %s", loaded->str, args);
    freeReplyObject(redis_command(w, text));
    freeReplyObject(loaded);
}

/* The relay. */

static void end_pair(struct redis_pair *pair)
{
    if (pair->client < 0)
        return;
    cfs_loop_unwatch(pair->world->loop, pair->client);
    cfs_loop_unwatch(pair->world->loop, pair->server);
    close(pair->client);
    close(pair->server);
    pair->client = pair->server = -1;
}

/* Passes on what fits; the rest stays where it is until there is room. */
static void relay(struct redis_pair *pair, int from, int to, bool lose)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK), sent = len;

    if (len == 0 || (len < 0 && errno != EAGAIN)) {
        end_pair(pair);
        return;
    }
    if (len > 0 && !lose)
        sent = send(to, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        assert_int_equal(recv(from, bytes, (size_t)sent, 0), sent);
    else if (sent < 0 && errno != EAGAIN)
        end_pair(pair);
}

static void on_client(void *arg, uint32_t events)
{
    struct redis_pair *pair = arg;

    (void)events;
    relay(pair, pair->client, pair->server, false);
}

static void on_server(void *arg, uint32_t events)
{
    struct redis_pair *pair = arg;

    (void)events;
    relay(pair, pair->server, pair->client, pair->world->mute);
}

static int connect_server(struct redis_world *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, w->socket);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void on_listener(void *arg, uint32_t events)
{
    struct redis_world *w = arg;
    int client = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
    int server = w->refuses ? -1 : connect_server(w);

    (void)events;
    if (server < 0) {
        close(client);
        return;
    }
    for (size_t i = 0; i < REDIS_PAIRS; i++) {
        struct redis_pair *pair = &w->pairs[i];
        if (pair->client >= 0)
            continue;
        *pair = (struct redis_pair){w, client, server};
        assert_int_equal(cfs_loop_watch(w->loop, client, EPOLLIN, on_client, pair), 0);
        assert_int_equal(cfs_loop_watch(w->loop, server, EPOLLIN, on_server, pair), 0);
        return;
    }
    fail_msg("too many connections");
}

void redis_break(struct redis_world *w)
{
    for (size_t i = 0; i < REDIS_PAIRS; i++)
        end_pair(&w->pairs[i]);
}

static void open_relay(struct redis_world *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    for (size_t i = 0; i < REDIS_PAIRS; i++)
        w->pairs[i].client = -1;
    strcpy(address.sun_path, w->relay);
    w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(w->listener, 16), 0);
    assert_int_equal(cfs_loop_watch(w->loop, w->listener, EPOLLIN, on_listener, w), 0);
}

/* The loop. */

static void on_turn_end(void *arg)
{
    struct redis_world *w = arg;

    for (int i = 1; i <= REDIS_NODES; i++)
        cfs_queue_store_flush(&w->nodes[i].store);
    if (w->until && w->until(w->until_arg))
        cfs_loop_stop(w->loop);
}

static void on_deadline(void *arg)
{
    (void)arg;
    fail_msg("nothing happened");
}

static void run(struct redis_world *w, bool (*until)(void *arg), void *arg, cfs_timer_fn at_end,
                unsigned ms)
{
    struct cfs_timer end = {.fn = at_end, .arg = w->loop};

    if (until && until(arg))
        return;
    w->until = until;
    w->until_arg = arg;
    cfs_timer_set(w->loop, &end, cfs_clock_now() + CFS_MS(ms));
    cfs_loop_run(w->loop);
    cfs_timer_cancel(w->loop, &end);
    w->until = NULL;
}

void redis_run_until(struct redis_world *w, bool (*until)(void *arg), void *arg)
{
    run(w, until, arg, on_deadline, DEADLINE_MS);
}

static void stop(void *arg)
{
    cfs_loop_stop(arg);
}

void redis_run_for(struct redis_world *w, unsigned ms)
{
    run(w, NULL, NULL, stop, ms);
}

void redis_world_open(struct redis_world *w)
{
    const char *tmp = getenv("TMPDIR");

    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    w->loop = cfs_loop_new();
    assert_non_null(w->loop);
    /* Sockets' names are short. */
    snprintf(w->dir, sizeof w->dir, "%s/redis-XXXXXX", tmp && strlen(tmp) < 30 ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->socket, sizeof w->socket, "%s/server", w->dir);
    snprintf(w->relay, sizeof w->relay, "%s/relay", w->dir);
    if (!w->options[0])
        strcpy(w->options, "--appendonly yes --appendfsync always");
    redis_start(w);
    open_relay(w);
    cfs_loop_set_turn_end(w->loop, on_turn_end, w);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void free_asked(struct redis_asked *asked)
{
    for (uint32_t i = 0; i < asked->answer.message_count; i++)
        free((void *)(uintptr_t)asked->answer.messages[i].body);
    free((void *)(uintptr_t)asked->answer.messages);
    free((void *)(uintptr_t)asked->answer.names);
    free((void *)(uintptr_t)asked->answer.ids);
    free(asked);
}

void redis_world_close(struct redis_world *w)
{
    for (int i = 1; i <= REDIS_NODES; i++)
        redis_node_close(&w->nodes[i]);
    redis_break(w);
    cfs_loop_unwatch(w->loop, w->listener);
    close(w->listener);
    if (w->pid)
        redis_kill(w);
    while (w->asked) {
        struct redis_asked *next = w->asked->next;
        free_asked(w->asked);
        w->asked = next;
    }
    cfs_loop_free(w->loop);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int redis_set_up(void **state)
{
    struct redis_world *w = cfs_alloc_zeroed(1, sizeof *w);

    redis_world_open(w);
    redis_node_session(redis_node_open(w, 1), 11);
    redis_node_session(redis_node_open(w, 2), 12);
    *state = w;
    return 0;
}

int redis_tear_down(void **state)
{
    redis_world_close(*state);
    free(*state);
    return 0;
}

/* Nodes. */

static struct redis_asked *find(struct redis_world *w, uint64_t id)
{
    struct redis_asked *asked = w->asked;

    while (asked && asked->id != id)
        asked = asked->next;
    assert_non_null(asked);
    return asked;
}

static void on_answer(void *arg, uint64_t id, const struct cfs_answer *answer)
{
    struct redis_node *node = arg;
    struct redis_asked *asked = find(node->world, id);
    struct cfs_message_info *messages =
        cfs_alloc_copy(answer->messages, answer->message_count * sizeof *messages);

    assert_false(asked->done);
    asked->done = true;
    asked->answer = *answer;
    for (uint32_t i = 0; i < answer->message_count; i++)
        messages[i].body = cfs_alloc_copy(messages[i].body, messages[i].len);
    asked->answer.messages = messages;
    asked->answer.names = cfs_alloc_copy(answer->names, answer->names_len);
    asked->answer.ids = cfs_alloc_copy(answer->ids, answer->id_count * sizeof *answer->ids);
}

static cfs_session_id on_session(void *arg)
{
    const struct redis_node *node = arg;

    return node->session;
}

static enum cfs_session_fate on_fate(void *arg, cfs_node_id node, cfs_session_id session)
{
    const struct redis_world *w = ((const struct redis_node *)arg)->world;

    if (session && session == w->nodes[node].session)
        return CFS_SESSION_LIVES;
    return w->fates[node];
}

struct redis_node *redis_node_open(struct redis_world *w, cfs_node_id id)
{
    struct redis_node *node = &w->nodes[id];
    struct cfs_queue_store_events events = {
        .arg = node, .answer = on_answer, .session = on_session, .fate = on_fate};

    *node = (struct redis_node){.world = w};
    cfs_config_init(&node->config);
    node->config.node = id;
    node->config.timeout_ms = 2000;
    node->config.session_ms = 1000;
    snprintf(node->config.store, sizeof node->config.store, "redis+unix://%s", w->relay);
    assert_int_equal(cfs_queue_store_open(&node->store, w->loop, &node->config, CLUSTER, &events),
                     0);
    return node;
}

void redis_node_session(struct redis_node *node, cfs_session_id session)
{
    node->session = session;
    cfs_queue_store_session(&node->store, session);
}

void redis_node_close(struct redis_node *node)
{
    cfs_queue_store_close(&node->store);
}

struct redis_asked *redis_submit(struct redis_node *node, const struct cfs_request *request)
{
    struct redis_asked *asked = cfs_alloc_zeroed(1, sizeof *asked);

    asked->id = ++node->world->last_id;
    asked->next = node->world->asked;
    node->world->asked = asked;
    node->store.submit(node->store.self, asked->id, request);
    assert_false(asked->done);
    return asked;
}

void redis_cancel(struct redis_node *node, struct redis_asked *asked)
{
    node->store.cancel(node->store.self, asked->id);
}

static bool is_done(void *arg)
{
    return ((const struct redis_asked *)arg)->done;
}

const struct cfs_answer *redis_answer(struct redis_node *node, struct redis_asked *asked)
{
    redis_run_until(node->world, is_done, asked);
    return &asked->answer;
}

const struct cfs_answer *redis_ask(struct redis_node *node, const struct cfs_request *request)
{
    return redis_answer(node, redis_submit(node, request));
}

/* Requests. */

static struct cfs_request request_to(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name);
    return request;
}

struct cfs_request redis_make(const char *name)
{
    struct cfs_request request = request_to(CFS_OP_QUEUE_MAKE, name);

    request.queue_make = (struct cfs_queue_make){.uid = 7, .gid = 8, .perm = 0640};
    return request;
}

struct cfs_request redis_produce(const char *name, const char *body)
{
    struct cfs_request request = request_to(CFS_OP_PRODUCE, name);

    request.produce =
        (struct cfs_produce){.data = (const uint8_t *)body, .len = (uint32_t)strlen(body)};
    return request;
}

struct cfs_request redis_consume(const char *name)
{
    struct cfs_request request = request_to(CFS_OP_CONSUME, name);

    request.consume = (struct cfs_consume){.max = 1};
    return request;
}

struct cfs_request redis_settle(enum cfs_op op, const char *name, const uint64_t *id)
{
    struct cfs_request request = request_to(op, name);

    request.settle = (struct cfs_settle){.place = CFS_INFLIGHT, .ids = id, .count = 1};
    return request;
}

struct cfs_request redis_move(const char *name, enum cfs_message_place place, uint64_t id,
                              const char *to)
{
    struct cfs_request request = request_to(CFS_OP_MESSAGE_MOVE, name);

    request.message_move = (struct cfs_message_move){.place = place, .id = id};
    strcpy(request.message_move.to, to);
    return request;
}

struct cfs_request redis_configure(const char *name, uint32_t fields,
                                   struct cfs_queue_config config)
{
    struct cfs_request request = request_to(CFS_OP_QUEUE_CONFIG, name);

    request.queue_set = (struct cfs_queue_set){.fields = fields, .uid = 7, .config = config};
    return request;
}

void redis_refuses(struct redis_node *node, const struct cfs_request *request, enum cfs_error error)
{
    enum cfs_error got = redis_ask(node, request)->error;

    if (got != error)
        fail_msg("op %d of %s: %s, not %s", request->op, request->name, cfs_error_word(got),
                 cfs_error_word(error));
}

void redis_succeeds(struct redis_node *node, const struct cfs_request *request)
{
    redis_refuses(node, request, CFS_OK);
}

void redis_has_body(const struct cfs_answer *answer, const char *body)
{
    assert_int_equal(answer->error, CFS_OK);
    assert_int_equal(answer->message_count, 1);
    assert_int_equal(answer->messages[0].len, strlen(body));
    assert_memory_equal(answer->messages[0].body, body, strlen(body));
}

struct cfs_queue_info redis_stat(struct redis_node *node, const char *name)
{
    struct cfs_request request = request_to(CFS_OP_QUEUE_STAT, name);
    const struct cfs_answer *answer = redis_ask(node, &request);

    assert_int_equal(answer->error, CFS_OK);
    return answer->queue;
}

void redis_counts(struct redis_node *node, const char *name, uint64_t ready, uint64_t inflight,
                  uint64_t dead)
{
    struct cfs_queue_info info = redis_stat(node, name);

    if (info.ready != ready || info.inflight != inflight || info.dead != dead)
        fail_msg("%s has %lu ready, %lu in flight, %lu dead; not %lu, %lu, %lu", name, info.ready,
                 info.inflight, info.dead, ready, inflight, dead);
}

void redis_waits(struct redis_node *node, const char *name, uint32_t consumers, uint32_t producers)
{
    struct cfs_queue_info info = redis_stat(node, name);

    while (info.consumers != consumers || info.producers != producers) {
        redis_run_for(node->world, 5);
        info = redis_stat(node, name);
    }
}

struct redis_asked *redis_take(struct redis_node *node, const char *name)
{
    uint32_t before = redis_stat(node, name).consumers;
    struct cfs_request request = redis_consume(name);
    struct redis_asked *asked;

    request.consume.wait = true;
    asked = redis_submit(node, &request);
    redis_waits(node, name, before + 1, 0);
    return asked;
}
