/* Connect, be let in, be up; and once more, after a while that grows, whatever goes wrong.
 *
 * hiredis asks for its socket to be watched; that it wants to write is only noted: the end of the
 * turn writes all commands of the turn at once, and the socket is watched for room only when they
 * did not all go out.
 *
 * hiredis frees a context that fails, after telling. One that we give up in a reply's callback it
 * frees when that has returned. So a context is never freed in the callbacks that tell of its
 * connection, and the next one is made by the timer, when the last is gone. */
#include "io/redis_link.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/async.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/resolve.h"

enum {
    ATTEMPT_MS = 2000, /* from the beginning of an attempt until the link is up */
    AGAIN_MS_MIN = 50, /* between attempts: doubled each time */
    AGAIN_MS_MAX = 800,
    KEEPALIVE_SECONDS = 3, /* of silence until the first probe */
    PROBE_SECONDS = 1,
    PROBES = 3,
    UNACKNOWLEDGED_MS = 2000,
};

enum state { WAITING, RESOLVING, CONNECTING, ENTERING, UP };

struct cfs_redis_link {
    struct cfs_loop *loop;
    const struct cfs_redis_url *url;
    const char *script, *channel;
    struct cfs_redis_link_events events;
    enum state state;
    redisAsyncContext *context;  /* from CONNECTING on */
    struct cfs_resolve *resolve; /* RESOLVING */
    uint32_t next_address;
    struct cfs_timer timer; /* WAITING: the next attempt; UP: not set; else the end of this one */
    unsigned again_ms;
    bool wants_write; /* hiredis has something to write */
    bool blocked;     /* the socket did not take all of it */
    char sha[41];     /* of the script */
};

/* What is to be called with the reply to one command. */
struct asked {
    struct cfs_redis_link *link;
    cfs_redis_reply_fn fn;
    void *arg;
};

static void on_socket(void *arg, uint32_t events);

static void watch(struct cfs_redis_link *link)
{
    bool out = link->state == CONNECTING || link->blocked;

    cfs_loop_watch(link->loop, link->context->c.fd, EPOLLIN | (out ? EPOLLOUT : 0u), on_socket,
                   link);
}

/* hiredis goes on with the context, or has freed it soon. */
static void let_go(struct cfs_redis_link *link)
{
    cfs_loop_unwatch(link->loop, link->context->c.fd);
    link->context = NULL;
    link->wants_write = link->blocked = false;
}

static void failed(struct cfs_redis_link *link, const char *why)
{
    link->state = WAITING;
    cfs_timer_set(link->loop, &link->timer, cfs_clock_now() + CFS_MS(link->again_ms));
    link->again_ms = link->again_ms * 2 < AGAIN_MS_MAX ? link->again_ms * 2 : AGAIN_MS_MAX;
    link->events.down(link->events.arg, why);
}

static void is_up(struct cfs_redis_link *link)
{
    link->state = UP;
    link->again_ms = AGAIN_MS_MIN;
    cfs_timer_cancel(link->loop, &link->timer);
    link->events.up(link->events.arg);
}

void cfs_redis_link_restart(struct cfs_redis_link *link, const char *why)
{
    redisAsyncContext *context = link->context;
    char said[256];

    snprintf(said, sizeof said, "%s", why); /* it may be part of a reply */
    if (link->resolve)
        cfs_resolve_cancel(link->resolve);
    link->resolve = NULL;
    if (context) {
        let_go(link);
        redisAsyncFree(context);
    }
    failed(link, said);
}

/* Whether an answer on the way in is an error, which ends the attempt. */
static bool is_refused(struct cfs_redis_link *link, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return false;
    cfs_redis_link_restart(link, reply->str);
    return true;
}

static void on_let_in(redisAsyncContext *context, void *reply, void *arg)
{
    struct cfs_redis_link *link = arg;

    if (reply && link->context == context)
        is_refused(link, reply);
}

static void on_script(redisAsyncContext *context, void *data, void *arg)
{
    struct cfs_redis_link *link = arg;
    const redisReply *reply = data;

    if (!reply || link->context != context || is_refused(link, reply))
        return;
    snprintf(link->sha, sizeof link->sha, "%s", reply->str ? reply->str : "");
    is_up(link);
}

static void on_channel(redisAsyncContext *context, void *data, void *arg)
{
    struct cfs_redis_link *link = arg;
    const redisReply *reply = data;

    if (!reply || link->context != context || is_refused(link, reply))
        return;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3)
        return;
    if (strcmp(reply->element[0]->str, "subscribe") == 0)
        is_up(link);
    else if (strcmp(reply->element[0]->str, "message") == 0)
        link->events.message(link->events.arg, reply->element[2]->str,
                             (size_t)reply->element[2]->len);
}

/* All at once: the last answer is the one that counts. */
static void enter(struct cfs_redis_link *link)
{
    const struct cfs_redis_url *url = link->url;
    redisAsyncContext *context = link->context;

    if (url->user[0])
        redisAsyncCommand(context, on_let_in, link, "AUTH %s %s", url->user, url->password);
    else if (url->password[0])
        redisAsyncCommand(context, on_let_in, link, "AUTH %s", url->password);
    if (url->db)
        redisAsyncCommand(context, on_let_in, link, "SELECT %u", url->db);
    if (link->channel)
        redisAsyncCommand(context, on_channel, link, "SUBSCRIBE %s", link->channel);
    else
        redisAsyncCommand(context, on_script, link, "SCRIPT LOAD %s", link->script);
}

static void on_connected(const redisAsyncContext *context, int status)
{
    struct cfs_redis_link *link = context->data;

    if (link->context != context)
        return;
    if (status != REDIS_OK) {
        let_go(link);
        failed(link, context->errstr && context->errstr[0] ? context->errstr : strerror(errno));
        return;
    }
    link->state = ENTERING;
    watch(link);
    enter(link);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
    struct cfs_redis_link *link = context->data;

    (void)status;
    if (link->context != context)
        return;
    let_go(link);
    failed(link, context->errstr && context->errstr[0] ? context->errstr : "connection closed");
}

static void add_write(void *arg)
{
    struct cfs_redis_link *link = arg;

    link->wants_write = true;
}

static void del_write(void *arg)
{
    struct cfs_redis_link *link = arg;

    link->wants_write = false;
}

/* Silence is noticed: a Redis whose machine is gone says nothing. */
static void set_options(int fd)
{
    int on = 1, idle = KEEPALIVE_SECONDS, interval = PROBE_SECONDS, probes = PROBES,
        unacknowledged_ms = UNACKNOWLEDGED_MS;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

/* `address` is a number: hiredis would wait for a name server. */
static void connect_to(struct cfs_redis_link *link, const char *address)
{
    const struct cfs_redis_url *url = link->url;
    redisAsyncContext *context =
        url->path[0] ? redisAsyncConnectUnix(url->path) : redisAsyncConnect(address, url->port);
    char why[256];

    if (!context)
        abort();
    if (context->err) {
        snprintf(why, sizeof why, "%s", context->errstr);
        redisAsyncFree(context);
        failed(link, why);
        return;
    }
    link->context = context;
    link->state = CONNECTING;
    context->data = context->ev.data = link;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    redisAsyncSetConnectCallback(context, on_connected);
    redisAsyncSetDisconnectCallback(context, on_disconnected);
    if (!url->path[0])
        set_options(context->c.fd);
    watch(link);
}

/* One address an attempt, in turn. */
static void on_resolved(void *arg, const struct cfs_resolved *resolved)
{
    struct cfs_redis_link *link = arg;

    link->resolve = NULL;
    if (resolved->count)
        connect_to(link, resolved->addresses[link->next_address++ % resolved->count]);
    else
        failed(link, resolved->why);
}

static bool is_number(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static void attempt(struct cfs_redis_link *link)
{
    cfs_timer_set(link->loop, &link->timer, cfs_clock_now() + CFS_MS(ATTEMPT_MS));
    if (link->url->path[0] || is_number(link->url->host)) {
        connect_to(link, link->url->host);
        return;
    }
    link->state = RESOLVING;
    link->resolve = cfs_resolve_start(link->loop, link->url->host, on_resolved, link);
    if (!link->resolve)
        failed(link, strerror(errno));
}

static void on_timer(void *arg)
{
    struct cfs_redis_link *link = arg;

    if (link->state == WAITING)
        attempt(link);
    else
        cfs_redis_link_restart(link, "no answer");
}

/* hiredis may free the context in either. */
static void on_socket(void *arg, uint32_t events)
{
    struct cfs_redis_link *link = arg;
    redisAsyncContext *context = link->context;

    if (link->state == CONNECTING) {
        redisAsyncHandleWrite(context);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        redisAsyncHandleRead(context);
    if (link->context != context || !(events & EPOLLOUT))
        return;
    link->blocked = false;
    cfs_redis_link_flush(link);
    if (link->context == context && !link->blocked)
        watch(link);
}

void cfs_redis_link_flush(struct cfs_redis_link *link)
{
    redisAsyncContext *context = link->context;

    if (!context || link->state == CONNECTING || !link->wants_write || link->blocked)
        return;
    redisAsyncHandleWrite(context);
    if (link->context != context || !link->wants_write)
        return;
    link->blocked = true;
    watch(link);
}

struct cfs_redis_link *cfs_redis_link_new(struct cfs_loop *loop, const struct cfs_redis_url *url,
                                          const char *script, const char *channel,
                                          const struct cfs_redis_link_events *events)
{
    struct cfs_redis_link *link = cfs_alloc_zeroed(1, sizeof *link);

    *link = (struct cfs_redis_link){.loop = loop,
                                    .url = url,
                                    .script = script,
                                    .channel = channel,
                                    .events = *events,
                                    .again_ms = AGAIN_MS_MIN};
    link->timer = (struct cfs_timer){.fn = on_timer, .arg = link};
    cfs_timer_set(loop, &link->timer, 0);
    return link;
}

void cfs_redis_link_free(struct cfs_redis_link *link)
{
    redisAsyncContext *context;

    if (!link)
        return;
    context = link->context;
    cfs_timer_cancel(link->loop, &link->timer);
    if (link->resolve)
        cfs_resolve_cancel(link->resolve);
    if (context) {
        let_go(link);
        redisAsyncFree(context);
    }
    free(link);
}

bool cfs_redis_link_is_up(const struct cfs_redis_link *link)
{
    return link->state == UP;
}

/* A bulk string of the Redis protocol. */
static void put_bulk(struct cfs_writer *bytes, const void *data, size_t len)
{
    char head[32];

    cfs_put_raw(bytes, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len));
    cfs_put_raw(bytes, data, len);
    cfs_put_raw(bytes, "\r\n", 2);
}

void cfs_redis_add(struct cfs_redis_args *args, const void *data, size_t len)
{
    put_bulk(&args->bytes, data, len);
    args->count++;
}

void cfs_redis_add_text(struct cfs_redis_args *args, const char *text)
{
    cfs_redis_add(args, text, strlen(text));
}

void cfs_redis_add_number(struct cfs_redis_args *args, uint64_t number)
{
    char text[24];

    cfs_redis_add(args, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, number));
}

static void on_reply(redisAsyncContext *context, void *data, void *arg)
{
    struct asked asked = *(struct asked *)arg;
    const redisReply *reply = data;

    (void)context;
    free(arg);
    /* The script was flushed away: a new connection begins with it. */
    if (reply && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0 &&
        asked.link->context == context) {
        cfs_redis_link_restart(asked.link, reply->str);
        reply = NULL;
    }
    asked.fn(asked.arg, reply);
}

/* `head`: arguments that come first. */
static void ask(struct cfs_redis_link *link, const struct cfs_redis_args *head,
                struct cfs_redis_args *args, cfs_redis_reply_fn fn, void *arg)
{
    struct asked *asked = cfs_alloc(sizeof *asked);
    struct cfs_writer whole = {0};
    char count[32];
    int len = snprintf(count, sizeof count, "*%u\r\n", head->count + args->count);

    assert(link->state == UP);
    *asked = (struct asked){link, fn, arg};
    cfs_put_raw(&whole, count, (size_t)len);
    cfs_put_raw(&whole, head->bytes.data, head->bytes.len);
    cfs_put_raw(&whole, args->bytes.data, args->bytes.len);
    cfs_put_u8(&whole, '\0'); /* hiredis looks behind the first argument, which may be the last */
    if (redisAsyncFormattedCommand(link->context, on_reply, asked, (char *)whole.data,
                                   whole.len - 1) != REDIS_OK)
        abort(); /* no memory */
    free(whole.data);
    free(args->bytes.data);
    *args = (struct cfs_redis_args){0};
}

void cfs_redis_link_ask(struct cfs_redis_link *link, struct cfs_redis_args *args,
                        cfs_redis_reply_fn fn, void *arg)
{
    ask(link, &(struct cfs_redis_args){0}, args, fn, arg);
}

void cfs_redis_link_run(struct cfs_redis_link *link, const char *key, struct cfs_redis_args *args,
                        cfs_redis_reply_fn fn, void *arg)
{
    struct cfs_redis_args head = {0};

    cfs_redis_add_text(&head, "EVALSHA");
    cfs_redis_add_text(&head, link->sha);
    cfs_redis_add_number(&head, 1);
    cfs_redis_add_text(&head, key);
    ask(link, &head, args, fn, arg);
    free(head.bytes.data);
}
