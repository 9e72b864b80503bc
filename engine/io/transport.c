/* Messages to and from peers.
 *
 * The problem: whoever has something to say must be able to say it at once, over HTTP, where only
 * one side speaks first. The trick: of any two nodes one at least leaves a POST open with the
 * other. What that one has to say rides on the response; the reply to that is a POST again, which
 * stays open in turn. So an exchange of two messages is one HTTP round trip, whoever begins, and a
 * node whose process dies is noticed the moment its kernel closes the connection, by who left the
 * POST and by who holds it, also when nothing was being said.
 *
 * The choice, for each batch (deliver): a node with no POST of its own open with the peer posts, so
 * that the peer can answer; one that has answers the oldest POST the peer left here; failing that
 * it posts, up to POSTS_MAX; beyond that messages queue up (io/outbox.h). If neither has a POST
 * open and nothing to say, they post an empty batch (LINE_MS later: there mostly is something to
 * say, an fsync away). Heartbeats, and what acknowledges them, may wait for company (io/meeting.h).
 *
 * At most CFS_HELD_MAX POSTs of a peer are held, each HELD_MS at most; the oldest is answered
 * empty.
 *
 * A connection that ends in the middle of a request may mean that the peer's process died: an empty
 * POST finds out, for its connection is refused then. After a refusal, as after any failure to
 * connect, what is sent within RETRY_MS is lost, and empty POSTs are tried ever more seldom.
 *
 * Nodes come, move and go while all this runs. One that is not known, because it joins or because
 * it was removed, is a guest: it is not asked, but what there is to say to it rides on the POSTs it
 * leaves here. POSTs to an address that is given up end by themselves, and say nothing of the node.
 *
 * Messages may be lost, repeated or overtake each other; the core bears with all three. */
#include "io/transport.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "core/membership.h"
#include "io/held.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/meeting.h"
#include "io/outbox.h"
#include "io/wire.h"

enum {
    HELD_MS = 10000,
    POSTS_MAX = 8,
    LINE_MS = 5,
    RETRY_MS = 50,
    RETRY_MS_MAX = 1000,
    TELL_MS = 10,        /* between two events that tell of losses */
    GUEST_MS = 1000,     /* how long messages wait for a POST of a guest that is silent */
    COMPLAIN_MS = 10000, /* between two log lines about what a peer says */
};

/* A POST of ours. */
struct post {
    struct peer *peer;
    bool busy;
    unsigned address; /* that it went to, as peer->address */
    cfs_time since;
};

struct peer {
    struct cfs_transport *transport;
    cfs_node_id id;
    char name[320];   /* host:port; "" of a guest */
    unsigned address; /* grows with each other name */
    char append_url[352], vote_url[352];

    struct cfs_outbox outbox;
    struct cfs_meeting meeting;
    bool lost; /* messages were, and the core has not been told */
    cfs_time told;

    struct cfs_held held;
    cfs_time heard; /* the last POST of its own */
    struct post posts[POSTS_MAX];
    uint32_t post_count; /* to its present address */

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
    uint64_t cluster;
    struct peer peers[CFS_NODE_MAX + 1]; /* by id; kept until the end: POSTs refer to them */
    cfs_node_set used;                   /* that are known or have spoken */
    cfs_time complained;
};

static cfs_time now_of(const struct peer *peer)
{
    return cfs_loop_now(peer->transport->loop);
}

/* NULL of a node that was never heard of. */
static struct peer *find_peer(struct cfs_transport *transport, cfs_node_id id)
{
    return id <= CFS_NODE_MAX && transport->used & CFS_NODE_BIT(id) ? &transport->peers[id] : NULL;
}

static bool is_guest(const struct peer *peer)
{
    return !peer->name[0];
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

static void deliver_batch(struct peer *peer, struct cfs_batch *batch)
{
    const struct cfs_transport_events *events = &peer->transport->events;

    for (uint32_t i = 0; i < batch->count; i++) {
        cfs_meeting_note_heard(&peer->meeting, &batch->messages[i], now_of(peer));
        events->message(events->arg, &batch->messages[i]);
    }
    cfs_batch_clear(batch);
}

/* Whether it is for us, of another node of our cluster; else a sentence in `why`. */
static bool is_for_us(const struct cfs_transport *transport, const struct cfs_batch_head *head,
                      char *why, size_t size)
{
    cfs_node_id self = transport->config->node;

    if (head->cluster != transport->cluster)
        snprintf(why, size,
                 "node %u of cluster %016" PRIx64 " speaks to node %u of cluster %016" PRIx64
                 ": the address is of another cluster, or a data directory is",
                 head->from, head->cluster, self, transport->cluster);
    else if (head->to != self)
        snprintf(why, size,
                 "a batch from node %u to node %u came to node %u: the addresses of the members "
                 "differ",
                 head->from, head->to, self);
    else if (head->from == self)
        snprintf(why, size, "another node says that it is node %u, which this one is", self);
    else if (!head->from || head->from > CFS_NODE_MAX)
        snprintf(why, size, "node ids go from 1 to %u: %u is none", CFS_NODE_MAX, head->from);
    else
        return true;
    return false;
}

/* A batch that is_for_us, from whom is returned. NULL, and a sentence in `why`, otherwise. */
static struct peer *read_batch(struct cfs_transport *transport, struct cfs_batch *batch,
                               const uint8_t *data, size_t len, char *why, size_t size)
{
    if (cfs_wire_decode(batch, data, len, why, size) < 0)
        return NULL;
    if (is_for_us(transport, &batch->head, why, size)) {
        transport->used |= CFS_NODE_BIT(batch->head.from);
        return &transport->peers[batch->head.from];
    }
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

    peer->heard = now_of(peer);
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
    deliver_batch(peer, &batch);
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
        snprintf(why, size, "status %d%s%.*s", result->status,
                 result->status == 401 ? ": the secrets differ"
                 : result->authentic   ? ": "
                                       : "",
                 result->authentic ? (int)result->len : 0,
                 result->body ? (const char *)result->body : "");
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
    deliver_batch(peer, &batch);
    return true;
}

static void on_response(struct peer *peer, const struct post *post,
                        const struct cfs_http_result *result)
{
    char why[400], about[400];

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

/* Of a POST to an address of before. What was said on it is true all the same; that it failed says
 * nothing of the node, but what it carried is lost. */
static void on_late_end(struct peer *peer, const struct cfs_http_result *result)
{
    char why[400];

    if (result->outcome != CFS_HTTP_RESPONDED || !take_response(peer, result, why, sizeof why))
        tell_unreachable(peer);
}

static void on_post_done(void *arg, const struct cfs_http_result *result)
{
    struct post *post = arg;
    struct peer *peer = post->peer;

    post->busy = false;
    want_flush(peer);
    if (post->address != peer->address) {
        on_late_end(peer, result);
        return;
    }
    peer->post_count--;
    if (result->outcome == CFS_HTTP_RESPONDED)
        on_response(peer, post, result);
    else
        on_failure(peer, post, result);
}

/* ---- what goes out ---- */

void cfs_transport_send(struct cfs_transport *transport, struct cfs_message *message)
{
    struct peer *peer = find_peer(transport, message->to);

    if (!peer) {
        cfs_message_clear(message);
        return;
    }
    cfs_meeting_note_sent(&peer->meeting, message, now_of(peer));
    if (!cfs_outbox_add(&peer->outbox, message))
        peer->lost = true;
}

size_t cfs_transport_unsent(const struct cfs_transport *transport, cfs_node_id peer)
{
    return peer <= CFS_NODE_MAX ? cfs_outbox_count(&transport->peers[peer].outbox) : 0;
}

/* NULL when all are busy, with POSTs to addresses of before perhaps. */
static struct post *free_post(struct peer *peer)
{
    for (struct post *post = peer->posts; post < peer->posts + POSTS_MAX; post++)
        if (!post->busy)
            return post;
    return NULL;
}

static void post_batch(struct peer *peer, bool vote, uint8_t *batch, size_t len)
{
    struct post *post = free_post(peer);

    assert(post);
    *post =
        (struct post){.peer = peer, .busy = true, .address = peer->address, .since = now_of(peer)};
    peer->post_count++;
    cfs_http_client_post(peer->transport->client, vote ? peer->vote_url : peer->append_url, batch,
                         len, on_post_done, post);
}

static bool is_vote(const struct cfs_message *message)
{
    return message->type == CFS_MSG_VOTE || message->type == CFS_MSG_VOTE_REPLY;
}

static bool may_post(struct peer *peer)
{
    return !is_guest(peer) && free_post(peer) && peer->open_at <= now_of(peer);
}

static uint8_t *take_batch(struct peer *peer, size_t *len)
{
    struct cfs_transport *transport = peer->transport;
    struct cfs_batch_head head = {transport->cluster, transport->config->node, peer->id};
    uint8_t *batch = cfs_outbox_take(&peer->outbox, &head, len);

    if (!batch) {
        complain(transport, "lost", "a message holds a number that cannot be sent");
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

static bool has_line(const struct peer *peer)
{
    return peer->post_count > 0 || !cfs_held_empty(&peer->held);
}

/* Keeps a POST open with the peer, if it keeps none here. */
static void keep_line(struct peer *peer)
{
    uint8_t *batch;
    size_t len;

    if (has_line(peer) || peer->line_at > now_of(peer) || !may_post(peer))
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

/* When messages for it are as good as lost. */
static cfs_time hope_ends(const struct peer *peer)
{
    if (is_guest(peer))
        return cfs_outbox_empty(&peer->outbox) ? CFS_NEVER : peer->heard + CFS_MS(GUEST_MS);
    return peer->open_at > now_of(peer) ? 0 : CFS_NEVER;
}

/* Who has more POSTs of the other here than it has there begins: it can do so by answering one, and
 * the three batches of a meeting make it the other's turn. With as many, the lower id where ids
 * differ by an odd number, else the higher: whoever begins then does the answering from now on,
 * which is cheaper than posting, and so each node does it for half of the others. */
static bool begins(const struct peer *peer)
{
    cfs_node_id self = peer->transport->config->node;
    uint32_t held = cfs_held_count(&peer->held);

    if (held != peer->post_count)
        return held > peer->post_count;
    return (self < peer->id) == ((self ^ peer->id) & 1);
}

/* Until when what there is to say waits for company; CFS_NEVER: there is nothing. */
static cfs_time waits_until(const struct peer *peer)
{
    if (cfs_outbox_empty(&peer->outbox))
        return CFS_NEVER;
    return cfs_meeting_wait(&peer->meeting, &peer->outbox, begins(peer), now_of(peer));
}

static void flush_peer(struct peer *peer)
{
    while (held_until(peer) <= now_of(peer))
        cfs_held_answer(&peer->held, NULL, 0);
    while (waits_until(peer) <= now_of(peer) && deliver(peer))
        ;
    if (hope_ends(peer) <= now_of(peer) && waits_until(peer) <= now_of(peer) &&
        cfs_outbox_lose(&peer->outbox))
        peer->lost = true;
    keep_line(peer);
    tell_losses(peer);
}

/* When this peer needs a flush though nothing else happens. */
static cfs_time wake_at(const struct peer *peer)
{
    cfs_time at = held_until(peer), waits = waits_until(peer);

    if (waits > now_of(peer)) /* else it is for the end of something to wake us */
        at = cfs_earlier(at, waits);
    if (is_guest(peer))
        at = cfs_earlier(at, hope_ends(peer));
    else if (!has_line(peer))
        at = cfs_earlier(at, cfs_later(peer->line_at, peer->open_at));
    if (peer->lost)
        at = cfs_earlier(at, peer->told + CFS_MS(TELL_MS));
    return at;
}

void cfs_transport_flush(struct cfs_transport *transport)
{
    cfs_time at = CFS_NEVER;

    CFS_EACH_NODE (id, transport->used)
        flush_peer(&transport->peers[id]);
    cfs_http_client_flush(transport->client);
    CFS_EACH_NODE (id, transport->used)
        at = cfs_earlier(at, wake_at(&transport->peers[id]));
    if (at != transport->timer.at || !transport->timer.set)
        cfs_timer_set(transport->loop, &transport->timer, at);
}

static void on_timer(void *arg)
{
    cfs_transport_flush(arg);
}

/* ---- beginning and end ---- */

void cfs_transport_set_peer(struct cfs_transport *transport, cfs_node_id id, const char *host,
                            uint16_t port)
{
    struct peer *peer = &transport->peers[id];
    char name[sizeof peer->name] = "";

    assert(id && id <= CFS_NODE_MAX && id != transport->config->node);
    if (host)
        snprintf(name, sizeof name, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    if (strcmp(name, peer->name) == 0)
        return;
    memcpy(peer->name, name, sizeof name);
    snprintf(peer->append_url, sizeof peer->append_url, "http://%s/raft/append-entries", name);
    snprintf(peer->vote_url, sizeof peer->vote_url, "http://%s/raft/request-vote", name);
    transport->used |= CFS_NODE_BIT(id);
    peer->address++;
    peer->post_count = peer->failures = 0;
    peer->open_at = peer->line_at = 0;
    peer->heard = now_of(peer); /* as a guest, if that is what it is now */
    want_flush(peer);
}

static void init_peer(struct cfs_transport *transport, cfs_node_id id)
{
    struct peer *peer = &transport->peers[id];

    peer->transport = transport;
    peer->id = id;
    peer->meeting.period = CFS_MS(transport->config->heartbeat_ms);
    cfs_held_init(&peer->held, on_held_gone, peer);
}

struct cfs_transport *cfs_transport_new(struct cfs_loop *loop, const struct cfs_config *config,
                                        uint64_t cluster, const struct cfs_transport_events *events)
{
    struct cfs_transport *transport = cfs_alloc_zeroed(1, sizeof *transport);

    transport->loop = loop;
    transport->config = config;
    transport->cluster = cluster;
    transport->events = *events;
    transport->timer = (struct cfs_timer){.fn = on_timer, .arg = transport};
    transport->client = cfs_http_client_new(loop, config->secret, CFS_BATCH_BYTES_MAX);
    if (!transport->client) {
        free(transport);
        return NULL;
    }
    for (cfs_node_id id = 1; id <= CFS_NODE_MAX; id++)
        init_peer(transport, id);
    cfs_timer_set(loop, &transport->timer, 0);
    return transport;
}

void cfs_transport_free(struct cfs_transport *transport)
{
    if (!transport)
        return;
    cfs_http_client_free(transport->client);
    for (cfs_node_id id = 1; id <= CFS_NODE_MAX; id++) {
        cfs_held_close(&transport->peers[id].held);
        cfs_outbox_close(&transport->peers[id].outbox);
    }
    cfs_timer_cancel(transport->loop, &transport->timer);
    free(transport);
}
