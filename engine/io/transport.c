/* Messages to and from peers.
 *
 * The problem: whoever has something to say must be able to say it at once, over HTTP, where only
 * one side speaks first. The trick: each node leaves a POST open with every other. What the other
 * has to say rides on the response; the reply to that is a POST again, which stays open in turn. So
 * an exchange of two messages is one HTTP round trip, whoever begins, and a node whose process dies
 * is noticed the moment its kernel closes the connection, from both ends, also when nothing was
 * being said.
 *
 * The choice, for each batch (deliver): a node with no POST of its own open with the peer posts, so
 * that the peer can answer; one that has answers the oldest POST the peer left here; failing that
 * it posts, up to POSTS_MAX; beyond that messages queue up (io/outbox.h). A node whose POSTs were
 * all answered and that has nothing to say posts an empty batch (LINE_MS later: there mostly is
 * something to say, an fsync away).
 *
 * At most CFS_HELD_MAX POSTs of a peer are held, each HELD_MS at most; the oldest is answered
 * empty.
 *
 * A connection that ends in the middle of a request may mean that the peer's process died: an empty
 * POST finds out, for its connection is refused then. After a refusal, as after any failure to
 * connect, what is sent within RETRY_MS is lost, and empty POSTs are tried ever more seldom.
 *
 * Messages may be lost, repeated or overtake each other; the core bears with all three. */
#include "io/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/held.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/outbox.h"
#include "io/wire.h"

enum {
    HELD_MS = 10000,
    POSTS_MAX = 8,
    LINE_MS = 5,
    RETRY_MS = 50,
    RETRY_MS_MAX = 1000,
    TELL_MS = 10,        /* between two events that tell of losses */
    COMPLAIN_MS = 10000, /* between two log lines about what a peer says */
};

/* A POST of ours. */
struct post {
    struct peer *peer;
    bool busy;
    cfs_time since;
};

struct peer {
    struct cfs_transport *transport;
    cfs_node_id id;
    char name[320]; /* host:port */
    char append_url[352], vote_url[352];

    struct cfs_outbox outbox;
    bool lost; /* messages were, and the core has not been told */
    cfs_time told;

    struct cfs_held held;
    struct post posts[POSTS_MAX];
    uint32_t post_count;

    unsigned failures; /* in a row */
    cfs_time failed;   /* the last of them */
    cfs_time open_at;  /* no POST before */
    cfs_time line_at;  /* no empty POST before */
};

struct cfs_transport {
    struct cfs_loop *loop;
    const struct cfs_config *config;
    struct cfs_transport_events events;
    struct cfs_http_client *client;
    struct cfs_timer timer; /* for a flush when nothing else happens */
    struct peer peers[CFS_MEMBERS_MAX];
    uint32_t peer_count;
    cfs_time complained;
};

static cfs_time now_of(const struct peer *peer)
{
    return cfs_loop_now(peer->transport->loop);
}

static struct peer *find_peer(struct cfs_transport *transport, cfs_node_id id)
{
    for (uint32_t i = 0; i < transport->peer_count; i++)
        if (transport->peers[i].id == id)
            return &transport->peers[i];
    return NULL;
}

/* What a peer says may be wrong with every message: one line now and then is enough. */
static void complain(struct cfs_transport *transport, const char *about, const char *why)
{
    cfs_time now = cfs_loop_now(transport->loop);

    if (transport->complained && now < transport->complained + CFS_MS(COMPLAIN_MS))
        return;
    transport->complained = now;
    cfs_log(CFS_LOG_WARNING, "%s: %s", about, why);
}

static cfs_time earlier(cfs_time a, cfs_time b)
{
    return a < b ? a : b;
}

static cfs_time later(cfs_time a, cfs_time b)
{
    return a > b ? a : b;
}

/* Something changed: if the end of this turn does not bring a flush, the next turn begins with one.
 */
static void want_flush(struct peer *peer)
{
    cfs_timer_set(peer->transport->loop, &peer->transport->timer, 0);
}

static void tell_unreachable(struct peer *peer)
{
    const struct cfs_transport_events *events = &peer->transport->events;

    peer->lost = false;
    peer->told = now_of(peer);
    events->unreachable(events->arg, peer->id);
}

/* The peer took back a POST. Perhaps its process ended; if no POST of ours is there to tell, ask.
 */
static void on_held_gone(void *arg)
{
    struct peer *peer = arg;

    peer->line_at = 0;
    want_flush(peer);
}

/* ---- what came in ---- */

static void deliver_batch(struct cfs_transport *transport, struct cfs_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        transport->events.message(transport->events.arg, &batch->messages[i]);
    cfs_batch_clear(batch);
}

/* A batch for us of a member other than us. NULL, and a sentence in `why`, otherwise. */
static struct peer *read_batch(struct cfs_transport *transport, struct cfs_batch *batch,
                               const uint8_t *data, size_t len, char *why, size_t size)
{
    struct peer *peer;

    if (cfs_wire_decode(batch, data, len, why, size) < 0)
        return NULL;
    peer = find_peer(transport, batch->from);
    if (peer && batch->to == transport->config->node)
        return peer;
    snprintf(why, size, "a batch from node %u to node %u came to node %u: %s", batch->from,
             batch->to, transport->config->node,
             peer ? "the addresses of the members differ" : "the lists of members differ");
    cfs_batch_clear(batch);
    return NULL;
}

static bool known_path(const char *path)
{
    return strcmp(path, "/raft/append-entries") == 0 || strcmp(path, "/raft/request-vote") == 0;
}

/* The peer's process is there. That ours can reach it does not follow: open_at stays as it is. */
static void heard_from(struct peer *peer)
{
    cfs_time soon = now_of(peer) + CFS_MS(LINE_MS);

    if (peer->line_at > soon)
        peer->line_at = soon;
    want_flush(peer);
}

void cfs_transport_receive(struct cfs_transport *transport, struct cfs_http_request *request)
{
    struct cfs_batch batch;
    struct peer *peer;
    char why[256];
    size_t len;
    const uint8_t *body = cfs_http_body(request, &len);

    if (!cfs_http_authorized(request)) {
        cfs_http_respond_error(request, 401, "unauthorized",
                               "the cluster's secret is not proved, or another one");
        return;
    }
    if (!known_path(cfs_http_path(request))) {
        cfs_http_respond_error(request, 404, "not_found", "there is no such path");
        return;
    }
    if (strcmp(cfs_http_method(request), "POST") != 0) {
        cfs_http_respond_method(request, "POST");
        return;
    }
    peer = read_batch(transport, &batch, body, len, why, sizeof why);
    if (!peer) {
        complain(transport, "refused a batch", why);
        cfs_http_respond_error(request, 400, "invalid", why);
        return;
    }
    cfs_held_add(&peer->held, request, now_of(peer));
    heard_from(peer);
    deliver_batch(transport, &batch);
}

/* ---- what became of our POSTs ---- */

static void succeeded(struct peer *peer)
{
    if (peer->failures)
        cfs_log(CFS_LOG_INFO, "node %u (%s) answers again", peer->id, peer->name);
    peer->failures = 0;
    peer->open_at = 0;
}

/* 0 at first, then `first_ms` doubled with each failure. */
static cfs_time backoff(unsigned failures, unsigned first_ms, unsigned max_ms)
{
    unsigned ms = first_ms << (failures < 10 ? failures : 10);

    return CFS_MS(ms < max_ms ? ms : max_ms);
}

/* One failure is what was under way together when it happened. */
static void count_failure(struct peer *peer, const struct post *post, const char *why)
{
    if (peer->failures == 0)
        cfs_log(CFS_LOG_WARNING, "node %u (%s) cannot be reached: %s", peer->id, peer->name, why);
    if (peer->failures == 0 || post->since > peer->failed) {
        peer->failures++;
        peer->failed = now_of(peer);
    }
}

static void failed_to_connect(struct peer *peer)
{
    peer->open_at = now_of(peer) + CFS_MS(RETRY_MS);
    peer->line_at = now_of(peer) + backoff(peer->failures - 1, RETRY_MS, RETRY_MS_MAX);
}

/* Once: ask at once. Again and again: something there accepts connections and ends them. */
static void broke_off(struct peer *peer)
{
    if (peer->failures == 1)
        peer->line_at = 0;
    else
        peer->open_at = peer->line_at = now_of(peer) + backoff(peer->failures - 2, 1, RETRY_MS);
}

/* Its batch is believed as one that is received: if it comes from a member, which it proves. */
static bool take_response(struct peer *peer, const struct cfs_http_result *result, char *why,
                          size_t size)
{
    struct cfs_batch batch;
    struct peer *from;

    if (result->status != 200 && result->status != 204) {
        snprintf(why, size, "status %d%s", result->status,
                 result->status == 401 ? ": the secrets differ" : "");
        return false;
    }
    if (!result->authentic) {
        snprintf(why, size, "without a proof that it knows the cluster's secret");
        return false;
    }
    if (result->status == 204)
        return true;
    from = read_batch(peer->transport, &batch, result->body, result->len, why, size);
    if (from && from != peer) {
        snprintf(why, size, "node %u answers there", from->id);
        cfs_batch_clear(&batch);
    }
    if (from != peer)
        return false;
    deliver_batch(peer->transport, &batch);
    return true;
}

static void on_response(struct peer *peer, const struct post *post,
                        const struct cfs_http_result *result)
{
    char why[256], about[400];

    peer->line_at = now_of(peer) + CFS_MS(LINE_MS);
    if (take_response(peer, result, why, sizeof why)) {
        succeeded(peer);
        return;
    }
    snprintf(about, sizeof about, "node %u (%s) answered what cannot be used", peer->id,
             peer->name);
    complain(peer->transport, about, why);
    count_failure(peer, post, why);
    failed_to_connect(peer);
    tell_unreachable(peer);
}

static void on_failure(struct peer *peer, const struct post *post,
                       const struct cfs_http_result *result)
{
    const struct cfs_transport_events *events = &peer->transport->events;

    if (result->outcome == CFS_HTTP_BROKEN && post->since > peer->failed &&
        post->since + CFS_MS(RETRY_MS) < now_of(peer))
        peer->failures = 0; /* it had been held: the peer did serve */
    count_failure(peer, post, result->why);
    if (result->outcome == CFS_HTTP_BROKEN)
        broke_off(peer);
    else
        failed_to_connect(peer);
    if (result->outcome == CFS_HTTP_REFUSED)
        events->refused(events->arg, peer->id);
    tell_unreachable(peer);
}

static void on_post_done(void *arg, const struct cfs_http_result *result)
{
    struct post *post = arg;
    struct peer *peer = post->peer;

    post->busy = false;
    peer->post_count--;
    want_flush(peer);
    if (result->outcome == CFS_HTTP_RESPONDED)
        on_response(peer, post, result);
    else
        on_failure(peer, post, result);
}

/* ---- what goes out ---- */

void cfs_transport_send(struct cfs_transport *transport, struct cfs_message *message)
{
    struct peer *peer = find_peer(transport, message->to);

    if (!peer)
        cfs_message_clear(message);
    else if (!cfs_outbox_add(&peer->outbox, message))
        peer->lost = true;
}

size_t cfs_transport_unsent(const struct cfs_transport *transport, cfs_node_id peer)
{
    for (uint32_t i = 0; i < transport->peer_count; i++)
        if (transport->peers[i].id == peer)
            return cfs_outbox_count(&transport->peers[i].outbox);
    return 0;
}

static void post_batch(struct peer *peer, bool vote, uint8_t *batch, size_t len)
{
    struct post *post = peer->posts;

    while (post->busy)
        post++;
    assert(post < peer->posts + POSTS_MAX);
    *post = (struct post){.peer = peer, .busy = true, .since = now_of(peer)};
    peer->post_count++;
    cfs_http_client_post(peer->transport->client, vote ? peer->vote_url : peer->append_url, batch,
                         len, on_post_done, post);
}

static bool is_vote(const struct cfs_message *message)
{
    return message->type == CFS_MSG_VOTE || message->type == CFS_MSG_VOTE_REPLY;
}

static bool may_post(const struct peer *peer)
{
    return peer->post_count < POSTS_MAX && peer->open_at <= now_of(peer);
}

static uint8_t *take_batch(struct peer *peer, size_t *len)
{
    struct cfs_transport *transport = peer->transport;
    uint8_t *batch = cfs_outbox_take(&peer->outbox, transport->config->node, peer->id, len);

    if (!batch) {
        complain(transport, peer->name, "a message holds a number that cannot be sent");
        peer->lost = true;
    }
    return batch;
}

/* Sends one batch by one of the ways described above; false when there is none at present. */
static bool deliver(struct peer *peer)
{
    bool vote = is_vote(&peer->outbox.messages[peer->outbox.first]);
    bool post = may_post(peer) && (peer->post_count == 0 || cfs_held_empty(&peer->held));
    uint8_t *batch;
    size_t len;

    if (!post && cfs_held_empty(&peer->held))
        return false;
    batch = take_batch(peer, &len);
    if (batch && post) {
        post_batch(peer, vote, batch, len);
    } else if (batch) {
        cfs_held_answer(&peer->held, batch, len);
        free(batch);
    }
    return true;
}

/* Keeps a POST open with the peer. */
static void keep_line(struct peer *peer)
{
    uint8_t *batch;
    size_t len;

    if (peer->post_count > 0 || peer->line_at > now_of(peer) || !may_post(peer))
        return;
    batch = take_batch(peer, &len);
    if (batch)
        post_batch(peer, false, batch, len);
}

static cfs_time held_until(const struct peer *peer)
{
    return cfs_held_empty(&peer->held) ? CFS_NEVER : cfs_held_since(&peer->held) + CFS_MS(HELD_MS);
}

/* What the core answers to the news comes after the turn's end: hence one more turn. */
static void tell_losses(struct peer *peer)
{
    if (!peer->lost || peer->told + CFS_MS(TELL_MS) > now_of(peer))
        return;
    tell_unreachable(peer);
    cfs_loop_again(peer->transport->loop);
}

static void flush_peer(struct peer *peer)
{
    while (held_until(peer) <= now_of(peer))
        cfs_held_answer(&peer->held, NULL, 0);
    while (!cfs_outbox_empty(&peer->outbox) && deliver(peer))
        ;
    if (peer->open_at > now_of(peer) && cfs_outbox_lose(&peer->outbox))
        peer->lost = true;
    keep_line(peer);
    tell_losses(peer);
}

/* When this peer needs a flush though nothing else happens. */
static cfs_time wake_at(const struct peer *peer)
{
    cfs_time at = held_until(peer);

    if (peer->post_count == 0)
        at = earlier(at, later(peer->line_at, peer->open_at));
    if (peer->lost)
        at = earlier(at, peer->told + CFS_MS(TELL_MS));
    return at;
}

void cfs_transport_flush(struct cfs_transport *transport)
{
    cfs_time at = CFS_NEVER;

    for (uint32_t i = 0; i < transport->peer_count; i++)
        flush_peer(&transport->peers[i]);
    cfs_http_client_flush(transport->client);
    for (uint32_t i = 0; i < transport->peer_count; i++)
        at = earlier(at, wake_at(&transport->peers[i]));
    if (at != transport->timer.at || !transport->timer.set)
        cfs_timer_set(transport->loop, &transport->timer, at);
}

static void on_timer(void *arg)
{
    cfs_transport_flush(arg);
}

/* ---- beginning and end ---- */

static void add_peer(struct cfs_transport *transport, const struct cfs_member *member)
{
    struct peer *peer = &transport->peers[transport->peer_count++];
    bool bare_ipv6 = strchr(member->host, ':') && member->host[0] != '[';
    char name[sizeof peer->name];

    peer->transport = transport;
    peer->id = member->id;
    cfs_held_init(&peer->held, on_held_gone, peer);
    snprintf(name, sizeof name, bare_ipv6 ? "[%s]:%u" : "%s:%u", member->host,
             (unsigned)member->port);
    snprintf(peer->name, sizeof peer->name, "%s", name);
    snprintf(peer->append_url, sizeof peer->append_url, "http://%s/raft/append-entries", name);
    snprintf(peer->vote_url, sizeof peer->vote_url, "http://%s/raft/request-vote", name);
}

struct cfs_transport *cfs_transport_new(struct cfs_loop *loop, const struct cfs_config *config,
                                        const struct cfs_transport_events *events)
{
    struct cfs_transport *transport = cfs_alloc_zeroed(1, sizeof *transport);

    transport->loop = loop;
    transport->config = config;
    transport->events = *events;
    transport->timer = (struct cfs_timer){.fn = on_timer, .arg = transport};
    transport->client = cfs_http_client_new(loop, config->secret, CFS_BATCH_BYTES_MAX);
    if (!transport->client) {
        free(transport);
        return NULL;
    }
    for (uint32_t i = 0; i < config->member_count; i++)
        if (config->members[i].id != config->node)
            add_peer(transport, &config->members[i]);
    cfs_timer_set(loop, &transport->timer, 0);
    return transport;
}

void cfs_transport_free(struct cfs_transport *transport)
{
    if (!transport)
        return;
    cfs_http_client_free(transport->client);
    for (uint32_t i = 0; i < transport->peer_count; i++) {
        cfs_held_close(&transport->peers[i].held);
        cfs_outbox_close(&transport->peers[i].outbox);
    }
    cfs_timer_cancel(transport->loop, &transport->timer);
    free(transport);
}
