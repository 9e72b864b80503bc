/* Draws faults until the quiet begins; then everything is repaired and nothing breaks any more. */
#include "nemesis.h"

#include "sim.h"

static struct sim_node *any_node(struct sim *sim)
{
    return &sim->nodes[sim_random_below(&sim->random_fault, sim->swarm.node_count)];
}

/* Of some group. */
static struct sim_node *leader(struct sim *sim)
{
    uint64_t group = sim_random_below(&sim->random_fault, sim->swarm.groups + 1);
    struct sim_node *found = NULL;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        const struct cfs_core_view *view = &node->views[group];
        bool leads = node->state == SIM_UP && view->leader == node->id;
        if (leads && (!found || view->term > found->views[group].term))
            found = node;
    }
    return found ? found : any_node(sim);
}

static cfs_time until(struct sim *sim, cfs_time shortest)
{
    cfs_time end =
        sim->world.now + sim_random_between(&sim->random_fault, shortest, sim->swarm.fault_longest);

    return end < sim->swarm.quiet_at ? end : sim->swarm.quiet_at;
}

/* Life and death. */

static void start_again(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (node->life == life && node->state == SIM_DOWN && !node->outside)
        sim_node_start(sim, node, false);
}

static void start_rebooted(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (node->life == life && node->state == SIM_DOWN && !node->outside)
        sim_node_start(sim, node, true);
}

static void crash_until(struct sim *sim, struct sim_node *node, cfs_time end)
{
    if (node->state == SIM_DOWN)
        return;
    sim_node_crash(sim, node);
    sim_at(sim, end, start_again, node, node->life);
}

static void crash(struct sim *sim)
{
    crash_until(sim, any_node(sim), until(sim, 1000));
}

static void crash_leader(struct sim *sim)
{
    crash_until(sim, leader(sim), until(sim, 1000));
}

static void blip(struct sim *sim)
{
    crash_until(sim, any_node(sim), sim->world.now + sim_random_below(&sim->random_fault, 5000));
}

static void crash_all(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        crash_until(sim, &sim->nodes[i], until(sim, 1000));
}

static void reboot(struct sim *sim)
{
    struct sim_node *node = any_node(sim);

    if (node->state == SIM_DOWN)
        return;
    sim_node_crash(sim, node);
    sim_at(sim, until(sim, 1000), start_rebooted, node, node->life);
}

/* One stands still, or has done so and needs a snapshot now: the others can do without it alone. */
static bool one_is_missing(const struct sim *sim)
{
    uint64_t compacted = 0;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        if (sim->nodes[i].view.base_index > compacted)
            compacted = sim->nodes[i].view.base_index;
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        if (sim->nodes[i].state == SIM_PAUSED || sim->nodes[i].view.last_index < compacted)
            return true;
    return false;
}

static void pause_node(struct sim *sim, struct sim_node *node)
{
    if (!sim->swarm.healthy || !one_is_missing(sim))
        sim_node_pause(sim, node, until(sim, 1000));
}

static void pause(struct sim *sim)
{
    pause_node(sim, any_node(sim));
}

static void pause_leader(struct sim *sim)
{
    pause_node(sim, leader(sim));
}

static void come_back(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *node = arg;

    (void)value;
    if (node->state == SIM_DOWN && !node->outside)
        sim_node_start(sim, node, false);
}

static void leave(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    cfs_time end = until(sim, 10000);

    if (node->state != SIM_UP)
        return;
    sim_node_leave(sim, node, end);
    sim_at(sim, end + 1000, come_back, node, 0);
}

/* A majority of sound disks is what durability rests on: one goes at a time, and the next when that
 * one's node has caught up. It takes longer than any message lives. */
static bool may_lose(const struct sim *sim, const struct sim_node *node)
{
    struct cfs_member_view members[CFS_NODE_MAX];
    uint32_t voters = 0;

    if (node->state != SIM_UP)
        return false;
    if (sim_members_forgetful(sim, NULL) || sim_members_unseen(sim))
        return false;
    for (uint32_t i = cfs_core_members(node->core, 0, members); i-- > 0;)
        voters += members[i].role[0] == 'v';
    return voters >= 3 && !sim->swarm.fault_weights[SIM_FAULT_CHANGE_MEMBERS];
}

/* Longer than any message lives. */
static cfs_time long_after(const struct sim *sim)
{
    return sim->world.now + 2 * sim->swarm.slow_max + CFS_MS(50);
}

static void lose_disk(struct sim *sim)
{
    struct sim_node *node = any_node(sim);

    if (!may_lose(sim, node) || long_after(sim) > sim->swarm.quiet_at)
        return;
    sim_node_crash(sim, node);
    sim_disk_replace(&node->disk);
    sim_say(sim, "n%u loses its disk", node->id);
    sim->replaced++;
    sim_at(sim, long_after(sim), start_again, node, node->life);
}

/* Found when it is read: at the next start, or for a snapshot. */
static void flip_bit(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    struct sim_disk *disk = &node->disk;

    if (!may_lose(sim, node) || !disk->durable)
        return;
    sim_say(sim, "a bit flips on the disk of n%u", node->id);
    if (disk->store.states[0].head && sim_random_chance(&sim->random_fault, 300))
        sim_disk_flip_store(disk);
    else if (sim_random_chance(&sim->random_fault, 400)) /* the last batch is a case of its own */
        sim_disk_flip(disk, disk->durable - 1);
    else
        sim_disk_flip(disk, sim_random_below(&sim->random_fault, disk->durable));
}

/* A person looks at it. */
static void replace_disk(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *node = arg;

    (void)value;
    if (!sim_disk_is_damaged(&node->disk))
        return;
    if (sim_members_forgetful(sim, node)) {
        sim_at(sim, sim->world.now + CFS_MS(50), replace_disk, node, 0);
        return;
    }
    sim_node_crash(sim, node);
    sim_disk_replace(&node->disk);
    sim_say(sim, "n%u gets a new disk", node->id);
    sim->replaced++;
    sim_at(sim, long_after(sim), start_again, node, node->life);
}

void sim_nemesis_damaged(struct sim *sim, struct sim_node *node)
{
    sim_at(sim, sim->world.now + CFS_MS(50), replace_disk, node, 0);
}

static void fail_sync(struct sim *sim)
{
    struct sim_node *node = any_node(sim);

    if (node->state == SIM_UP)
        sim_node_fail_sync(sim, node);
}

void sim_nemesis_stopped(struct sim *sim, struct sim_node *node)
{
    cfs_time end = sim->world.now + sim_random_below(&sim->random_fault, CFS_MS(300));

    sim_at(sim, end, start_again, node, node->life);
}

static void fill_disk(struct sim *sim)
{
    sim_node_fill(sim, any_node(sim), until(sim, 1000));
}

/* The network. */

static enum sim_cut any_cut(struct sim *sim)
{
    return sim_random_chance(&sim->random_fault, sim->swarm.refuse_permille) ? SIM_CUT_REFUSES
                                                                             : SIM_CUT_DROPS;
}

/* Separates the nodes in the bit set `side` from the others. */
static void separate_by(struct sim *sim, uint32_t side, bool in, bool out, enum sim_cut cut)
{
    cfs_time end = until(sim, 1000);

    sim_say(sim, "nodes %x are cut off%s%s for %u ms", side, in ? " in" : "", out ? " out" : "",
            (unsigned)((end - sim->world.now) / 1000));
    for (uint32_t a = 1; a <= sim->swarm.node_count; a++) {
        for (uint32_t b = 1; b <= sim->swarm.node_count; b++) {
            if (!(side >> a & 1) || (side >> b & 1))
                continue;
            if (out)
                sim_network_cut(sim, a, b, end, cut);
            if (in)
                sim_network_cut(sim, b, a, end, cut);
        }
    }
}

static void separate(struct sim *sim, uint32_t side, bool in, bool out)
{
    separate_by(sim, side, in, out, any_cut(sim));
}

static void isolate(struct sim *sim)
{
    separate(sim, 1u << any_node(sim)->id, true, true);
}

static void isolate_leader(struct sim *sim)
{
    separate(sim, 1u << leader(sim)->id, true, true);
}

static void reject_leader(struct sim *sim)
{
    separate_by(sim, 1u << leader(sim)->id, true, true, SIM_CUT_REFUSES);
}

static void split(struct sim *sim)
{
    separate(sim, (uint32_t)sim_random_next(&sim->random_fault), true, true);
}

static void one_way(struct sim *sim)
{
    bool in = sim_random_chance(&sim->random_fault, 500);

    separate(sim, 1u << any_node(sim)->id, in, !in);
}

static void links(struct sim *sim)
{
    cfs_time end = until(sim, 1000);

    for (uint32_t a = 1; a <= sim->swarm.node_count; a++)
        for (uint32_t b = 1; b <= sim->swarm.node_count; b++)
            if (a != b && sim_random_chance(&sim->random_fault, 300))
                sim_network_cut(sim, a, b, end, any_cut(sim));
}

/* The course of a run. */

static void strike(struct sim *sim, void *arg, uint64_t value)
{
    static void (*const faults[SIM_FAULT_COUNT])(struct sim *) = {
#define X(id, function, sentence) [SIM_FAULT_##id] = function,
        SIM_FAULT_MAP(X)
#undef X
    };
    uint32_t fault =
        sim_random_weighted(&sim->random_fault, sim->swarm.fault_weights, SIM_FAULT_COUNT);

    (void)arg;
    (void)value;
    if (sim_quiet(sim) || fault == SIM_FAULT_COUNT)
        return;
    faults[fault](sim);
    sim_at(sim,
           sim->world.now + sim_random_between(&sim->random_fault, 0, 2 * sim->swarm.fault_every),
           strike, NULL, 0);
}

static void repair(struct sim *sim, void *arg, uint64_t value)
{
    (void)arg;
    (void)value;
    sim_say(sim, "everything is repaired");
    sim_network_heal(sim);
    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        sim->nodes[i].sync_fails = false;
        if (sim_disk_is_damaged(&sim->nodes[i].disk))
            replace_disk(sim, &sim->nodes[i], 0);
        else if (sim->nodes[i].state == SIM_DOWN && !sim->nodes[i].outside)
            sim_node_start(sim, &sim->nodes[i], false);
    }
    sim_members_gather(sim);
}

void sim_nemesis_start(struct sim *sim)
{
    sim_at(sim, sim_random_between(&sim->random_fault, 0, 2 * sim->swarm.fault_every), strike, NULL,
           0);
    sim_at(sim, sim->swarm.quiet_at + 2000, repair, NULL, 0);
}

/* Right in the middle of a step: it takes effect when the step is over. */
static void crash_soon(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (node->life == life)
        crash_until(sim, node, sim->world.now + sim_random_below(&sim->random_fault, CFS_MS(20)));
}

void sim_nemesis_sent(struct sim *sim, struct sim_node *node, const struct cfs_message *message)
{
    const struct sim_swarm *swarm = &sim->swarm;
    uint32_t permille = 0;

    if (sim_quiet(sim))
        return;
    if (message->type == CFS_MSG_VOTE_REPLY && message->vote_reply.granted &&
        !message->vote_reply.pre)
        permille = swarm->crash_voter_permille;
    else if (message->type == CFS_MSG_APPEND && message->append.entry_count)
        permille = swarm->crash_leader_permille;
    else if (message->type == CFS_MSG_SNAPSHOT_REPLY && message->snapshot_reply.done)
        permille = swarm->crash_installed_permille;
    if (sim_random_chance(&sim->random_fault, permille))
        sim_at(sim, sim->world.now, crash_soon, node, node->life);
}
