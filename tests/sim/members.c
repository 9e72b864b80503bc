/* An administrator who sees what the most advanced node shows, and does one thing at a time. */
#include "members.h"

#include <stdio.h>

#include "core/membership.h"
#include "sim.h"

#define GATHER_EVERY CFS_MS(150)

/* Of those that run, or of those alone that have a session and so can ask for something. */
static struct sim_node *most_advanced(struct sim *sim, bool asks)
{
    struct sim_node *best = NULL;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (node->state == SIM_UP && (node->session || !asks) &&
            (!best || node->view.applied > best->view.applied))
            best = node;
    }
    return best;
}

static cfs_node_set wanted(const struct sim_node *node)
{
    struct cfs_node_info infos[CFS_NODE_MAX];
    uint32_t count = cfs_core_nodes(node->core, infos);
    cfs_node_set all = 0;

    for (uint32_t i = 0; i < count; i++)
        all |= CFS_NODE_BIT(infos[i].id);
    return all;
}

static cfs_node_set members_of(const struct sim_node *node, cfs_group_id group)
{
    struct cfs_member_view views[CFS_NODE_MAX];
    uint32_t count = cfs_core_members(node->core, group, views);
    cfs_node_set all = 0;

    for (uint32_t i = 0; i < count; i++)
        all |= CFS_NODE_BIT(views[i].node);
    return all;
}

static cfs_node_set members(const struct sim_node *node)
{
    return members_of(node, 0);
}

/* Whom any node takes for a replica of the group. */
static cfs_node_set replicas(const struct sim *sim, cfs_group_id group)
{
    cfs_node_set all = 0;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        if (sim->nodes[i].core)
            all |= members_of(&sim->nodes[i], group);
    return all;
}

static cfs_node_set replicas_of_groups(const struct sim *sim)
{
    cfs_node_set all = 0;

    for (cfs_group_id group = 1; group <= sim->swarm.groups; group++)
        all |= replicas(sim, group);
    return all;
}

static bool has_lost(const struct sim *sim, const struct sim_node *except, enum cfs_amnesia least)
{
    for (cfs_group_id group = 0; group <= sim->swarm.groups; group++) {
        cfs_node_set counted = group ? replicas(sim, group) : ~(cfs_node_set)0;
        for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
            const struct sim_node *node = &sim->nodes[i];
            if (node != except && !node->outside && counted & CFS_NODE_BIT(node->id) &&
                (node->disk.amnesia[group] >= least || sim_disk_is_damaged(&node->disk)))
                return true;
        }
    }
    return false;
}

bool sim_members_forgetful(const struct sim *sim, const struct sim_node *except)
{
    return has_lost(sim, except, CFS_TORN);
}

bool sim_members_bereft(const struct sim *sim)
{
    return has_lost(sim, NULL, CFS_BLANK);
}

bool sim_members_unseen(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        if (!sim->nodes[i].core && !sim->nodes[i].outside && sim->swarm.groups)
            return true;
    return false;
}

static struct cfs_request member_request(bool removes, cfs_node_id id, cfs_node_id replaces)
{
    struct cfs_request request = {
        .op = CFS_OP_MEMBER,
        .member = {.remove = removes,
                   .info = {.id = id, .port = (uint16_t)(7000 + id), .replaces = replaces}}};

    snprintf(request.member.info.host, sizeof request.member.info.host, "node%u", id);
    return request;
}

static void submit(struct sim *sim, struct sim_node *via, const struct cfs_request *request)
{
    struct cfs_event event = {
        .type = CFS_EV_REQUEST, .id = SIM_ADMIN_ID + ++sim->admin_requests, .request = request};

    sim_node_event(sim, via, via->life, &event);
}

static void ask(struct sim *sim, struct sim_node *via, bool removes, cfs_node_id id,
                cfs_node_id replaces)
{
    struct cfs_request request = member_request(removes, id, replaces);

    if (removes)
        sim->removal_asked = sim->world.now;
    sim_say(sim, "through n%u: %s node %u%s%u", via->id, removes ? "remove" : "add", id,
            replaces ? " for " : ", ", replaces);
    submit(sim, via, &request);
}

/* A machine that is in no replica set gets a new disk and waits to be spoken to. What a leader of
 * the past may still count on it for has to be sound elsewhere. */
static bool prepare(struct sim *sim, struct sim_node *node)
{
    if (node->state == SIM_PAUSED || sim_members_forgetful(sim, node))
        return false;
    sim_node_crash(sim, node);
    sim_disk_replace(&node->disk);
    node->outside = false;
    node->joined = true;
    sim_node_start(sim, node, false);
    return true;
}

static cfs_node_id any_of(struct sim *sim, cfs_node_set set)
{
    uint32_t skip = (uint32_t)sim_random_below(&sim->random_fault, cfs_node_set_count(set) + !set);

    CFS_EACH_NODE (node, set)
        if (!skip--)
            return node;
    return 0;
}

/* Whom a node counts on whose log is newer than what the administrator sees: he may look at one
 * that has been removed and does not know yet. No disk that somebody counts on is thrown away. */
static cfs_node_set counted_on(const struct sim *sim, const struct sim_node *best)
{
    cfs_node_set all = 0;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->state == SIM_UP && !node->outside &&
            (node->view.term > best->view.term || (node->view.term == best->view.term &&
                                                   node->view.last_index >= best->view.last_index)))
            all |= members(node);
    }
    return all;
}

/* Nodes outside that may come in now. One that has never run is no risk to any group. */
static cfs_node_set outsiders(const struct sim *sim, const struct sim_node *best)
{
    cfs_node_set taken = wanted(best) | members(best) | counted_on(sim, best), out = 0;
    cfs_node_set in_groups = replicas_of_groups(sim);

    if (best->view.changing)
        return 0;
    for (cfs_node_id id = 1; id <= sim->swarm.node_count; id++) {
        bool fresh = !sim->nodes[id - 1].life;
        bool needed = in_groups & CFS_NODE_BIT(id) || sim_members_unseen(sim);
        if (!(taken & CFS_NODE_BIT(id)) && (fresh || !needed))
            out |= CFS_NODE_BIT(id);
    }
    return out;
}

static void add(struct sim *sim, struct sim_node *best, cfs_node_id replaces)
{
    cfs_node_id id = any_of(sim, outsiders(sim, best));

    if (id && prepare(sim, &sim->nodes[id - 1]))
        ask(sim, best, false, id, replaces);
}

/* It gets another share of the groups. */
static void weigh(struct sim *sim, struct sim_node *via, cfs_node_id id)
{
    struct cfs_request request = member_request(false, id, 0);

    request.member.info.weight = (uint32_t)sim_random_between(&sim->random_fault, 1, 4);
    sim_say(sim, "through n%u: node %u weighs %u", via->id, id, request.member.info.weight);
    submit(sim, via, &request);
}

void sim_members_change(struct sim *sim)
{
    struct sim_node *best = most_advanced(sim, true);
    cfs_node_set all = best ? wanted(best) : 0;

    if (!all)
        return;
    if (sim_random_chance(&sim->random_fault, 100))
        weigh(sim, best, any_of(sim, all));
    else if (sim_random_chance(&sim->random_fault, 300))
        add(sim, best, 0);
    else if (sim_random_chance(&sim->random_fault, 300))
        add(sim, best, any_of(sim, all));
    else
        ask(sim, best, true, any_of(sim, all), 0);
}

static bool decides(const struct sim_node *best, cfs_node_id id)
{
    struct cfs_member_view views[CFS_NODE_MAX];

    for (uint32_t i = cfs_core_members(best->core, 0, views); i-- > 0;)
        if (views[i].node == id && views[i].role[0] != 'l')
            return true;
    return false;
}

/* A node that went because it had been removed, and was added again in the same moment. */
static void bring_back(struct sim *sim, const struct sim_node *best, struct sim_node *node)
{
    if (!node->outside || !(wanted(best) & CFS_NODE_BIT(node->id)))
        return;
    if (!decides(best, node->id) && !(replicas_of_groups(sim) & CFS_NODE_BIT(node->id)) &&
        !sim_members_unseen(sim)) {
        prepare(sim, node);
        return;
    }
    node->outside = false;
    sim_node_start(sim, node, false);
}

static void gather(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *best = most_advanced(sim, true), *seen = most_advanced(sim, false);

    (void)arg;
    (void)value;
    for (uint32_t i = 0; seen && i < sim->swarm.node_count; i++)
        bring_back(sim, seen, &sim->nodes[i]);
    if (best && wanted(best)) {
        add(sim, best, 0);
        /* Who waits to be added and was forgotten is asked for again. */
        for (uint32_t i = 0; i < sim->swarm.node_count; i++)
            if (sim->nodes[i].state == SIM_UP && !sim->nodes[i].outside &&
                !(wanted(best) & CFS_NODE_BIT(sim->nodes[i].id)))
                ask(sim, best, false, sim->nodes[i].id, 0);
    }
    if (sim->live.stage < SIM_STAGE_WORK)
        sim_at(sim, sim->world.now + GATHER_EVERY, gather, NULL, 0);
}

void sim_members_gather(struct sim *sim)
{
    gather(sim, NULL, 0);
}

static void stop(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (node->life != life || node->state != SIM_UP)
        return;
    sim_node_crash(sim, node);
    node->outside = true;
}

void sim_members_removed(struct sim *sim, struct sim_node *node)
{
    sim_say(sim, "n%u was removed", node->id);
    sim_at(sim, sim->world.now, stop, node, node->life);
}

static bool is_replacing(const struct sim_node *node)
{
    struct cfs_node_info infos[CFS_NODE_MAX];
    uint32_t count = cfs_core_nodes(node->core, infos);
    bool replacing = false;

    for (uint32_t i = 0; i < count; i++)
        replacing |= infos[i].replaces != 0;
    return replacing;
}

bool sim_members_complete(const struct sim *sim)
{
    const struct sim_swarm *swarm = &sim->swarm;

    /* A removal that is still under way would spoil what follows. */
    if (sim->removal_asked &&
        sim->world.now < sim->removal_asked + swarm->timeout + 2 * swarm->slow_max + CFS_SECONDS(1))
        return false;
    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->state != SIM_UP || is_replacing(node) ||
            cfs_node_set_count(wanted(node)) != sim->swarm.node_count ||
            cfs_node_set_count(members(node)) != sim->swarm.node_count)
            return false;
    }
    return true;
}
