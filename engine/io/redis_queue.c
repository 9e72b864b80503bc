/* Who this node is to Redis, and the tick.
 *
 * A node may ask when it has said hello in the session that the cluster gave it. Who holds the
 * session is for the cluster to know: so a node whose session is over is reported to Redis by any
 * other one, and from then on nothing is done that it still asks for, though it be asked long ago.
 * Then what it held goes back.
 *
 * A session that looks older than what Redis knows of this node, and yet may be relied on now, can
 * only mean that the cluster was begun anew beside an old Redis: its sessions count from 1 again.
 */
#include "io/redis_queue_internal.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/clock.h"

#define TICK_AFTER CFS_SECONDS(1)
#define TICK_GAP CFS_MS(2)
#define HELLO_AGAIN_AFTER CFS_MS(500)
/* A Redis that does not answer a tick for so long is connected to anew. */
#define SILENCE_MAX CFS_SECONDS(5)
#define COMPLAIN_AFTER CFS_SECONDS(10)

void cfs_redis_begin(const struct cfs_redis_queue *queue, struct cfs_redis_args *args,
                     const char *verb, uint64_t number)
{
    cfs_redis_add_text(args, verb);
    cfs_redis_add_number(args, queue->config->node);
    cfs_redis_add_number(args, queue->session);
    cfs_redis_add_number(args, queue->life);
    cfs_redis_add_number(args, number);
    cfs_redis_add_number(args, cfs_redis_oldest(queue));
}

void cfs_redis_run(struct cfs_redis_queue *queue, struct cfs_redis_args *args,
                   cfs_redis_reply_fn fn, void *arg)
{
    cfs_redis_link_run(queue->link, queue->prefix, args, fn, arg);
}

void cfs_redis_heard(struct cfs_redis_queue *queue)
{
    if (!queue->greeted)
        return;
    queue->contact = cfs_clock_now();
    queue->available = true;
}

void cfs_redis_complain(struct cfs_redis_queue *queue, const char *error)
{
    cfs_time now = cfs_clock_now();

    if (queue->complained && now < queue->complained + COMPLAIN_AFTER)
        return;
    queue->complained = now;
    cfs_log(CFS_LOG_WARNING, "%s answers: %s", queue->url.shown, error);
}

static void say_hello(struct cfs_redis_queue *queue);

static void say_hello_later(struct cfs_redis_queue *queue)
{
    cfs_timer_set(queue->loop, &queue->hello, cfs_clock_now() + HELLO_AGAIN_AFTER);
}

static void is_known(struct cfs_redis_queue *queue)
{
    queue->greeted = true;
    queue->heir_to[0] = '\0';
    cfs_redis_heard(queue);
    cfs_redis_send_all(queue);
}

/* To Redis it looks as if this node were of the past, or it knows another founding of the cluster.
 */
static void seems_over(struct cfs_redis_queue *queue, const char *epoch)
{
    if (queue->events.session(queue->events.arg) != queue->session) {
        say_hello_later(queue);
        return;
    }
    cfs_log(CFS_LOG_WARNING,
            "%s has queues of the time before this cluster was begun anew: they are taken over",
            queue->url.shown);
    snprintf(queue->heir_to, sizeof queue->heir_to, "%s", epoch);
    say_hello(queue);
}

static void take_welcome(struct cfs_redis_queue *queue, const struct cfs_redis_told *told)
{
    if (strcmp(told->word, "ok") == 0)
        is_known(queue);
    else if (strcmp(told->word, "more") == 0)
        say_hello(queue);
    else if (strcmp(told->word, "over") == 0)
        seems_over(queue, told->value);
    else
        say_hello_later(queue); /* the session is over, as this node will hear */
}

static void on_hello(void *arg, const struct redisReply *reply)
{
    struct cfs_redis_queue *queue = arg;
    bool in_time = queue->greeting == queue->session; /* for the session that the node has now */
    struct cfs_redis_told told;

    queue->greeting = 0;
    if (!reply)
        return;
    if (!in_time) {
        say_hello(queue);
    } else if (cfs_redis_told(&told, reply)) {
        take_welcome(queue, &told);
    } else {
        cfs_redis_complain(queue, reply->str ? reply->str : "what no hello is answered");
        say_hello_later(queue);
    }
}

static void say_hello(struct cfs_redis_queue *queue)
{
    struct cfs_redis_args args = {0};

    if (!cfs_redis_link_is_up(queue->link) || !queue->session || queue->greeting ||
        queue->greeted || queue->leaving)
        return;
    queue->greeting = queue->session;
    cfs_redis_begin(queue, &args, "hello", 0);
    cfs_redis_add_text(&args, queue->heir_to);
    cfs_redis_run(queue, &args, on_hello, queue);
}

static void on_hello_timer(void *arg)
{
    say_hello(arg);
}

void cfs_redis_unknown(struct cfs_redis_queue *queue)
{
    queue->greeted = false;
    cfs_redis_doubt_waits(queue);
    say_hello(queue);
}

static void session_changed(void *self, cfs_session_id session)
{
    struct cfs_redis_queue *queue = self;

    queue->session = session;
    cfs_redis_unknown(queue);
}

/* The tick: what is over goes back. */

/* A session that is being ended. */
struct ending {
    struct cfs_redis_queue *queue;
    cfs_node_id node;
    cfs_session_id session;
};

static void end_node(struct cfs_redis_queue *queue, cfs_node_id node, cfs_session_id session);

static void on_ended(void *arg, const struct redisReply *reply)
{
    struct ending ending = *(struct ending *)arg;
    struct cfs_redis_queue *queue = ending.queue;
    struct cfs_redis_told told;

    free(arg);
    if (reply && cfs_redis_told(&told, reply) && strcmp(told.word, "more") == 0)
        end_node(queue, ending.node, ending.session);
    else if (ending.node == queue->config->node)
        queue->left = true;
}

static void end_node(struct cfs_redis_queue *queue, cfs_node_id node, cfs_session_id session)
{
    struct ending *ending = cfs_alloc(sizeof *ending);
    struct cfs_redis_args args = {0};

    *ending = (struct ending){queue, node, session};
    cfs_redis_begin(queue, &args, "end", 0);
    cfs_redis_add_number(&args, node);
    cfs_redis_add_number(&args, session);
    cfs_redis_run(queue, &args, on_ended, ending);
}

/* A node that has a new session may go on with what it held, and says so itself, unless it cannot.
 */
static bool has_had_its_time(struct cfs_redis_heir *heir, cfs_session_id session, cfs_time time)
{
    cfs_time now = cfs_clock_now();

    if (heir->session != session)
        *heir = (struct cfs_redis_heir){session, now};
    return now >= heir->since + time;
}

static void look_at_node(struct cfs_redis_queue *queue, cfs_node_id node, cfs_session_id session)
{
    enum cfs_session_fate fate = queue->events.fate(queue->events.arg, node, session);

    if (fate == CFS_SESSION_OVER ||
        (fate == CFS_SESSION_SUCCEEDED &&
         has_had_its_time(&queue->heirs[node], session, CFS_MS(queue->config->session_ms))))
        end_node(queue, node, session);
}

/* Three to a node: its number, its session, whether that is ended. */
static void look_at_nodes(struct cfs_redis_queue *queue, const redisReply *list)
{
    for (size_t i = 2; i + 2 < list->elements; i += 3) {
        uint64_t node = strtoull(list->element[i]->str, NULL, 10);
        bool ended = list->element[i + 2]->str[0] == '1';
        if (!ended && node >= 1 && node <= CFS_NODE_MAX && node != queue->config->node)
            look_at_node(queue, (cfs_node_id)node, strtoull(list->element[i + 1]->str, NULL, 10));
    }
}

static void on_ticked(void *arg, const struct redisReply *reply)
{
    struct cfs_redis_queue *queue = arg;
    struct cfs_redis_told told;

    queue->ticking = false;
    if (!reply)
        return;
    if (!cfs_redis_told(&told, reply) || strcmp(told.word, "ok") != 0) {
        cfs_redis_complain(queue, reply->str ? reply->str : "what no tick is answered");
        return;
    }
    cfs_redis_heard(queue);
    cfs_redis_acked(queue);
    if (told.value[0] != '-')
        cfs_redis_tick_at(queue, cfs_clock_now() + strtoull(told.value, NULL, 10));
    look_at_nodes(queue, reply);
}

static void send_tick(struct cfs_redis_queue *queue, cfs_time now)
{
    struct cfs_redis_args args = {0};

    queue->ticking = true;
    queue->ticked = now;
    queue->acks_under_way =
        queue->ack_count < CFS_REDIS_ACKS_MAX ? queue->ack_count : CFS_REDIS_ACKS_MAX;
    cfs_redis_begin(queue, &args, "tick", 0);
    for (size_t i = 0; i < queue->acks_under_way; i++)
        cfs_redis_add_number(&args, queue->acks[i]);
    cfs_redis_run(queue, &args, on_ticked, queue);
}

static cfs_time tick_period(const struct cfs_redis_queue *queue)
{
    return queue->timeout / 3 < TICK_AFTER ? queue->timeout / 3 : TICK_AFTER;
}

void cfs_redis_tick_at(struct cfs_redis_queue *queue, cfs_time at)
{
    cfs_time now = cfs_clock_now();

    if (at < queue->ticked + TICK_GAP)
        at = queue->ticked + TICK_GAP;
    at = at < now ? now : at; /* a time long past would look like one that was missed */
    if (!queue->tick.set || at < queue->tick.at)
        cfs_timer_set(queue->loop, &queue->tick, at);
}

static void on_tick(void *arg)
{
    struct cfs_redis_queue *queue = arg;
    cfs_time now = cfs_clock_now();

    cfs_redis_halted(queue, queue->tick.at);
    cfs_timer_set(queue->loop, &queue->tick, now + tick_period(queue));
    if (!cfs_redis_link_is_up(queue->link))
        return;
    if (!cfs_redis_link_is_up(queue->channel)) /* who waits is served, if not at once */
        cfs_redis_doubt_waits(queue);
    cfs_redis_renew_overview(queue);
    if (!queue->ticking)
        send_tick(queue, now);
    else if (now >= queue->ticked + SILENCE_MAX)
        cfs_redis_link_restart(queue->link, "no answer");
}

/* The links. */

static void on_up(void *arg)
{
    struct cfs_redis_queue *queue = arg;

    if (queue->said_away)
        cfs_log(CFS_LOG_INFO, "%s is there: queues can be served", queue->url.shown);
    queue->said_away = false;
    cfs_redis_ask_durable(queue);
    say_hello(queue);
    cfs_redis_tick_at(queue, 0);
}

static void say_away(struct cfs_redis_queue *queue, const char *why)
{
    if (!queue->said_away)
        cfs_log(CFS_LOG_WARNING, "%s cannot be used: %s. Queues wait for it", queue->url.shown,
                why);
    queue->said_away = true;
}

static void on_down(void *arg, const char *why)
{
    struct cfs_redis_queue *queue = arg;

    say_away(queue, why);
    queue->greeted = queue->ticking = false;
    queue->greeting = 0;
    queue->acks_under_way = 0;
    cfs_redis_calls_down(queue);
}

static void on_channel_up(void *arg)
{
    struct cfs_redis_queue *queue = arg;

    queue->deaf = false;
    cfs_redis_doubt_waits(queue);
}

/* Once is not worth a word: it goes with the link. */
static void on_channel_down(void *arg, const char *why)
{
    struct cfs_redis_queue *queue = arg;

    if (queue->deaf && cfs_redis_link_is_up(queue->link))
        cfs_redis_complain(queue, why);
    queue->deaf = true;
}

static void on_message(void *arg, const char *text, size_t len)
{
    cfs_redis_news(arg, text, len);
}

static void open_links(struct cfs_redis_queue *queue)
{
    struct cfs_redis_link_events events = {.arg = queue, .up = on_up, .down = on_down};
    struct cfs_redis_link_events news = {
        .arg = queue, .up = on_channel_up, .down = on_channel_down, .message = on_message};

    queue->link = cfs_redis_link_new(queue->loop, &queue->url, cfs_redis_script, NULL, &events);
    queue->channel = cfs_redis_link_new(queue->loop, &queue->url, NULL, queue->channel_name, &news);
}

/* The seam. */

static void submit(void *self, uint64_t id, const struct cfs_request *request)
{
    cfs_redis_submit(self, id, request);
}

static void cancel(void *self, uint64_t id)
{
    cfs_redis_cancel(self, id);
}

static void leave(void *self)
{
    struct cfs_redis_queue *queue = self;

    queue->leaving = true;
    queue->left = !queue->greeted;
    if (queue->greeted)
        end_node(queue, queue->config->node, queue->session);
    queue->greeted = false;
}

static bool has_left(const void *self)
{
    const struct cfs_redis_queue *queue = self;

    return queue->left;
}

static void flush(void *self)
{
    struct cfs_redis_queue *queue = self;

    cfs_redis_link_flush(queue->link);
    cfs_redis_link_flush(queue->channel);
}

static bool available(const void *self)
{
    const struct cfs_redis_queue *queue = self;

    return queue->greeted && queue->available;
}

static void close_store(void *self)
{
    struct cfs_redis_queue *queue = self;

    cfs_redis_link_free(queue->link);
    cfs_redis_link_free(queue->channel);
    cfs_timer_cancel(queue->loop, &queue->tick);
    cfs_timer_cancel(queue->loop, &queue->hello);
    cfs_redis_calls_close(queue);
    cfs_redis_overview_close(queue);
    free(queue);
}

int cfs_redis_queue_open(struct cfs_queue_store *store, struct cfs_loop *loop,
                         const struct cfs_config *config, uint64_t cluster,
                         const struct cfs_queue_store_events *events)
{
    struct cfs_redis_queue *queue = cfs_alloc_zeroed(1, sizeof *queue);

    if (cfs_redis_url_parse(&queue->url, config->store) != 0) {
        cfs_log(CFS_LOG_ERROR, "store: there is no such place");
        free(queue);
        return -1;
    }
    queue->loop = loop;
    queue->config = config;
    queue->events = *events;
    queue->timeout = CFS_MS(config->timeout_ms);
    queue->life = cfs_clock_wall();
    queue->available = true;
    queue->contact = cfs_clock_now();
    snprintf(queue->prefix, sizeof queue->prefix, "coordfs:%016" PRIx64 ":", cluster);
    snprintf(queue->channel_name, sizeof queue->channel_name, "%sto:%u:%" PRIu64, queue->prefix,
             config->node, queue->life);
    queue->tick = (struct cfs_timer){.fn = on_tick, .arg = queue};
    queue->hello = (struct cfs_timer){.fn = on_hello_timer, .arg = queue};
    cfs_redis_calls_init(queue);
    open_links(queue);
    cfs_redis_tick_at(queue, 0);
    *store = (struct cfs_queue_store){.self = queue,
                                      .submit = submit,
                                      .cancel = cancel,
                                      .session_changed = session_changed,
                                      .leave = leave,
                                      .has_left = has_left,
                                      .flush = flush,
                                      .available = available,
                                      .overview = cfs_redis_overview,
                                      .close = close_store,
                                      .name = queue->url.shown};
    return 0;
}
