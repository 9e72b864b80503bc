/* The world of peers_world.h. */
#include "peers_world.h"

#include <string.h>

#include "core/alloc.h"
#include "http_world.h"
#include "io/clock.h"

enum { DEADLINE_MS = 15000 };

void peers_send_drain(struct peer_node *node, cfs_node_id to, enum cfs_message_type type,
                      uint64_t id)
{
    struct cfs_message m = {
        .type = type, .from = node->config.node, .to = to, .term = 1, .drain = {.id = id}};

    cfs_transport_send(node->transport, &m);
}

void peers_send_forward(struct peer_node *node, cfs_node_id to, uint32_t len)
{
    struct cfs_message m = {.type = CFS_MSG_FORWARD, .from = node->config.node, .to = to};

    m.forward.len = len;
    m.forward.command = cfs_alloc_zeroed(len, 1);
    cfs_transport_send(node->transport, &m);
}

static void acknowledge(struct peer_node *node, const struct cfs_message *heartbeat)
{
    struct cfs_message m = {
        .type = CFS_MSG_APPEND_REPLY, .to = heartbeat->from, .term = 1, .patient = true};

    cfs_transport_send(node->transport, &m);
}

static void on_message(void *arg, struct cfs_message *message)
{
    struct peer_node *node = arg;

    assert_true(node->seen_count < SEEN_MAX);
    assert_int_equal(message->to, node->config.node);
    node->seen[node->seen_count++] = message->drain.id;
    if (message->type == CFS_MSG_FORWARD)
        node->bytes += message->forward.len;
    if (node->echo && message->type == CFS_MSG_DRAIN)
        peers_send_drain(node, message->from, CFS_MSG_DRAIN_REPLY, message->drain.id);
    if (node->follows && message->type == CFS_MSG_APPEND)
        acknowledge(node, message);
}

static void on_refused(void *arg, cfs_node_id peer)
{
    struct peer_node *node = arg;

    assert_true(peer > 0 && peer <= NODES && peer != node->config.node);
    if (node->refused++ == 0)
        node->refused_first = cfs_clock_now();
}

static void on_unreachable(void *arg, cfs_node_id peer)
{
    struct peer_node *node = arg;

    node->unreachable++;
    if (node->eager)
        peers_send_drain(node, peer, CFS_MSG_DRAIN, 1);
}

static void on_request(void *arg, struct cfs_http_request *request)
{
    struct peer_node *node = arg;

    node->requests++;
    if (node->transport)
        cfs_transport_receive(node->transport, request);
    else
        cfs_http_respond_error(request, 503, "starting", "not yet");
}

static void on_turn_end(void *arg)
{
    struct peers *f = arg;

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

void peers_turn_until(struct peers *f, bool (*until)(struct peers *f))
{
    f->until = until;
    f->deadline = (struct cfs_timer){.fn = on_deadline, .arg = f};
    cfs_timer_set(f->loop, &f->deadline, cfs_clock_now() + CFS_MS(DEADLINE_MS));
    cfs_loop_run(f->loop);
    cfs_timer_cancel(f->loop, &f->deadline);
    f->until = NULL;
}

void peers_start(struct peers *f, int i)
{
    struct peer_node *node = &f->nodes[i];
    struct cfs_transport_events events = {node, on_message, on_refused, on_unreachable};

    node->server = cfs_http_server_new(f->loop, &node->config, on_request, node);
    assert_non_null(node->server);
    node->transport =
        cfs_transport_new(f->loop, &node->config, node->cluster ? node->cluster : CLUSTER, &events);
    assert_non_null(node->transport);
    for (uint32_t j = 0; j < node->config.member_count; j++) {
        const struct cfs_member *member = &node->config.members[j];
        if (member->id != node->config.node)
            cfs_transport_set_peer(node->transport, member->id, member->host, member->port);
    }
}

void peers_stop(struct peers *f, int i)
{
    cfs_transport_free(f->nodes[i].transport);
    cfs_http_server_free(f->nodes[i].server);
    f->nodes[i].transport = NULL;
    f->nodes[i].server = NULL;
}

void peers_make_loop(struct peers *f)
{
    f->loop = cfs_loop_new();
    cfs_loop_set_turn_end(f->loop, on_turn_end, f);
}

int peers_set_up(void **state)
{
    struct peers *f = calloc(1, sizeof *f);

    *state = f;
    peers_make_loop(f);
    for (int i = 1; i <= NODES; i++) {
        struct cfs_config *config = &f->nodes[i].config;
        config->node = (cfs_node_id)i;
        config->member_count = NODES;
        strcpy(config->listen_host, "127.0.0.1");
        strcpy(config->secret, SECRET);
        config->listen_port = http_free_port();
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

int peers_tear_down(void **state)
{
    struct peers *f = *state;

    for (int i = 1; i <= NODES; i++)
        peers_stop(f, i);
    cfs_loop_free(f->loop);
    free(f);
    return 0;
}

bool peers_one_knows_of_a_loss(struct peers *f)
{
    return f->nodes[1].unreachable >= 1;
}

bool peers_half_a_second(struct peers *f)
{
    if (!f->end)
        f->end = cfs_clock_now() + CFS_MS(500);
    peers_send_drain(&f->nodes[1], 2, CFS_MSG_DRAIN, 1);
    return cfs_loop_now(f->loop) >= f->end;
}
