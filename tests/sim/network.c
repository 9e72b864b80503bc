/* Each message's fate is drawn when it is sent; whether its link is cut counts at both ends of its
 * way. */
#include "network.h"

#include <stdlib.h>
#include <utlist.h>

#include "codec.h"
#include "core/alloc.h"
#include "sim.h"

void sim_network_close(struct sim_network *network)
{
    struct sim_packet *packet, *next;

    DL_FOREACH_SAFE (network->under_way, packet, next) {
        cfs_message_clear(&packet->message);
        free(packet);
    }
    network->under_way = NULL;
}

void sim_network_cut(struct sim *sim, cfs_node_id from, cfs_node_id to, cfs_time until,
                     enum sim_cut cut)
{
    struct sim_link *link = &sim->network.links[from][to];

    if (until > link->cut_until)
        link->cut_until = until;
    link->cut = cut;
}

void sim_network_heal(struct sim *sim)
{
    for (uint32_t i = 0; i <= CFS_MEMBERS_MAX; i++)
        for (uint32_t k = 0; k <= CFS_MEMBERS_MAX; k++)
            sim->network.links[i][k].cut_until = 0;
}

static bool is_cut(const struct sim *sim, const struct sim_link *link)
{
    return link->cut_until > sim->world.now;
}

static cfs_time delay(struct sim *sim)
{
    struct sim_random *random = &sim->network.random;
    const struct sim_swarm *swarm = &sim->swarm;

    if (!sim_quiet(sim) && sim_random_chance(random, swarm->slow_permille))
        return sim_random_between(random, swarm->delay_max, swarm->slow_max);
    return sim_random_between(random, swarm->delay_min, swarm->delay_max);
}

/* The value of a report's event: the sender's life, and whom it could not reach. */
static void refused(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *node = arg;
    struct cfs_event event = {.type = CFS_EV_REFUSED, .peer = value & 0xff};

    sim_node_event(sim, node, value >> 8, &event);
}

static void unreachable(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *node = arg;
    struct cfs_event event = {.type = CFS_EV_UNREACHABLE, .peer = value & 0xff};

    sim_node_event(sim, node, value >> 8, &event);
}

/* The sender may notice that its message did not arrive. */
static void report(struct sim *sim, cfs_node_id from, cfs_node_id to, bool refusal)
{
    struct sim_random *random = &sim->network.random;
    struct sim_node *sender = &sim->nodes[from - 1];
    uint64_t value = sender->life << 8 | to;

    sim->network.lost++;
    if (sender->state != SIM_UP)
        return;
    if (refusal && sim_random_chance(random, sim->swarm.refuse_permille))
        sim_at(sim, sim->world.now + delay(sim), refused, sender, value);
    else if (sim_random_chance(random, sim->swarm.report_permille))
        sim_at(sim, sim->world.now + CFS_MS(sim_random_between(random, 1, 300)), unreachable,
               sender, value);
}

static void deliver(struct sim *sim, struct sim_node *node, struct cfs_message *message)
{
    struct cfs_event event = {.type = CFS_EV_MESSAGE, .message = message};

    sim_guests_heard(sim, node, message);
    sim_workers_heard(sim, node, message);
    sim_node_event(sim, node, node->life, &event);
}

static void arrive(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_packet *packet = arg;
    cfs_node_id from = packet->message.from, to = packet->message.to;
    struct sim_link *link = &sim->network.links[from][to];
    struct sim_node *node = &sim->nodes[to - 1];

    if (node->state == SIM_PAUSED) {
        /* It waits in the socket's buffer. */
        cfs_time jitter = sim->swarm.fifo ? 0 : sim_random_below(&sim->network.random, 2000);
        sim_at(sim, node->resume_at + jitter, arrive, packet, life);
        return;
    }
    DL_DELETE(sim->network.under_way, packet);
    if (node->state == SIM_DOWN)
        report(sim, from, to, true);
    else if (is_cut(sim, link))
        report(sim, from, to, link->cut == SIM_CUT_REFUSES);
    else
        deliver(sim, node, &packet->message);
    cfs_message_clear(&packet->message);
    free(packet);
}

/* One copy goes on its way; takes what the message owns. */
static void dispatch(struct sim *sim, struct cfs_message *message)
{
    struct sim_link *link = &sim->network.links[message->from][message->to];
    struct sim_packet *packet = cfs_alloc_zeroed(1, sizeof *packet);
    cfs_time at = sim->world.now + delay(sim);

    if (message->patient && sim_random_chance(&sim->network.random, 500))
        at += sim_random_below(&sim->network.random, sim->swarm.heartbeat / 5);
    if (sim->swarm.fifo && at < link->last_arrival)
        at = link->last_arrival;
    link->last_arrival = at;
    packet->message = *message;
    *message = (struct cfs_message){0};
    DL_APPEND(sim->network.under_way, packet);
    sim_at(sim, at, arrive, packet, 0);
}

void sim_network_send(struct sim *sim, struct cfs_message *message)
{
    struct sim_random *random = &sim->network.random;
    struct sim_link *link = &sim->network.links[message->from][message->to];
    bool lost = !sim_quiet(sim) && sim_random_chance(random, sim->swarm.loss_permille);
    bool twice = !sim_quiet(sim) && sim_random_chance(random, sim->swarm.duplicate_permille);

    sim->network.sent++;
    if (sim->swarm.codec)
        sim_codec_pass(sim, message);
    if (is_cut(sim, link)) {
        report(sim, message->from, message->to, link->cut == SIM_CUT_REFUSES);
        cfs_message_clear(message);
        return;
    }
    if (lost) {
        report(sim, message->from, message->to, false);
        cfs_message_clear(message);
        return;
    }
    if (twice) {
        struct cfs_message copy = cfs_message_copy(message);
        dispatch(sim, &copy);
    }
    dispatch(sim, message);
}
