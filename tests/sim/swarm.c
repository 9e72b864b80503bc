/* Draws a mixture. Timings keep the proportions that a sane configuration has; everything else may
 * be anything. */
#include "swarm.h"

#include "random.h"

static void draw_sessions(struct sim_swarm *swarm, struct sim_random *random)
{
    bool alike = sim_random_chance(random, 500);

    for (uint32_t i = 0; i < CFS_MEMBERS_MAX; i++) {
        swarm->sessions[i] = CFS_MS(sim_random_between(random, CFS_SESSION_MS_MIN, 3000));
        if (alike)
            swarm->sessions[i] = swarm->sessions[0];
        if (swarm->sessions[i] > swarm->session)
            swarm->session = swarm->sessions[i];
    }
}

static void draw_timing(struct sim_swarm *swarm, struct sim_random *random)
{
    swarm->heartbeat = CFS_MS(sim_random_between(random, 15, 60));
    swarm->lease = swarm->heartbeat * sim_random_between(random, 2, 4);
    swarm->election = swarm->lease + swarm->heartbeat * sim_random_between(random, 0, 3);
    draw_sessions(swarm, random);
    swarm->timeout = CFS_MS(sim_random_between(random, 700, 2500));
}

static void draw_network(struct sim_swarm *swarm, struct sim_random *random)
{
    swarm->delay_min = sim_random_between(random, 20, 200);
    swarm->delay_max = swarm->delay_min + sim_random_between(random, 50, 3000);
    swarm->fifo = sim_random_chance(random, 400);
    swarm->refuse_permille = (uint32_t)sim_random_below(random, 1001);
    swarm->report_permille = (uint32_t)sim_random_below(random, 1001);
    if (sim_random_chance(random, 500)) {
        swarm->slow_permille = (uint32_t)sim_random_between(random, 1, 60);
        swarm->slow_max = CFS_MS(sim_random_between(random, 10, 1500));
    }
    if (sim_random_chance(random, 500))
        swarm->loss_permille = (uint32_t)sim_random_between(random, 1, 150);
    if (sim_random_chance(random, 500))
        swarm->duplicate_permille = (uint32_t)sim_random_between(random, 1, 200);
}

static void draw_disk(struct sim_swarm *swarm, struct sim_random *random)
{
    swarm->sync_min = sim_random_between(random, 50, 200);
    swarm->sync_max = swarm->sync_min + sim_random_between(random, 50, 10000);
    swarm->tear_permille = (uint32_t)sim_random_below(random, 1001);
    if (sim_random_chance(random, 500)) {
        swarm->stall_permille = (uint32_t)sim_random_between(random, 1, 50);
        swarm->stall_max = CFS_MS(sim_random_between(random, 20, 500));
    }
}

static void draw_faults(struct sim_swarm *swarm, struct sim_random *random)
{
    bool often = sim_random_chance(random, 400), few = sim_random_chance(random, 400);

    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++)
        if (sim_random_chance(random, few ? 120 : 400))
            swarm->fault_weights[i] = (uint32_t)sim_random_between(random, 1, 10);
    swarm->fault_every = CFS_MS(sim_random_between(random, 30, often ? 300 : 1500));
    swarm->fault_longest = CFS_MS(sim_random_between(random, 50, often ? 600 : 2500));
    if (sim_random_chance(random, 300))
        swarm->crash_voter_permille = (uint32_t)sim_random_between(random, 50, 500);
    if (sim_random_chance(random, 300))
        swarm->crash_installed_permille = (uint32_t)sim_random_between(random, 50, 500);
    if (sim_random_chance(random, 300))
        swarm->crash_leader_permille = (uint32_t)sim_random_between(random, 2, 60);
}

static void draw_clients(struct sim_swarm *swarm, struct sim_random *random)
{
    static const uint32_t usual[SIM_ACTION_COUNT] = {
        [SIM_TRY_FLOCK] = 10, [SIM_WAIT_FLOCK] = 20, [SIM_CONVERT] = 4,   [SIM_UNLOCK] = 8,
        [SIM_CLOSE] = 20,     [SIM_SHARE] = 2,       [SIM_CREATE] = 8,    [SIM_REMOVE] = 8,
        [SIM_WRITE] = 5,      [SIM_STALE_WRITE] = 2, [SIM_GET] = 20,      [SIM_LIST] = 3,
        [SIM_LEASE] = 4,      [SIM_RENEW] = 3,       [SIM_END_LEASE] = 4, [SIM_DIE] = 2,
    };

    for (uint32_t i = 0; i < SIM_ACTION_COUNT; i++)
        if (sim_random_chance(random, 750))
            swarm->action_weights[i] = usual[i] * (uint32_t)sim_random_between(random, 1, 3);
    /* Somebody must give back what others wait for. */
    if (!swarm->action_weights[SIM_CLOSE])
        swarm->action_weights[SIM_CLOSE] = usual[SIM_CLOSE];
    if (sim_random_chance(random, 500))
        swarm->reading_nodes = (uint32_t)sim_random_next(random);
    if (sim_random_chance(random, 500))
        swarm->think_max = CFS_MS(sim_random_between(random, 2, 40));
    else
        swarm->think_max = CFS_MS(sim_random_between(random, 40, 250));
    swarm->exclusive_permille = (uint32_t)sim_random_between(random, 300, 1000);
    swarm->cancel_permille = (uint32_t)sim_random_below(random, 400);
    swarm->patience_max = CFS_MS(sim_random_between(random, 2, 500));
    swarm->ttl_min = CFS_MS(sim_random_between(random, 50, 500));
    swarm->ttl_max = swarm->ttl_min * 4;
}

/* What remains of the trouble when nothing goes wrong. */
static void make_calm(struct sim_swarm *swarm)
{
    swarm->calm = true;
    swarm->slow_permille = swarm->loss_permille = swarm->duplicate_permille = 0;
    swarm->stall_permille = 0;
    swarm->crash_voter_permille = swarm->crash_leader_permille = 0;
    swarm->crash_installed_permille = 0;
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++)
        swarm->fault_weights[i] = 0;
}

/* Leaders that are taken for gone while they live, between nodes that change things and nodes that
 * ask. */
static void narrow_to_leases(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = false;
    swarm->fault_weights[SIM_FAULT_REJECT_LEADER] = 5;
    swarm->fault_weights[SIM_FAULT_ISOLATE_LEADER] = 2;
    swarm->fault_weights[SIM_FAULT_PAUSE_LEADER] = 1;
    swarm->fault_every = CFS_MS(sim_random_between(random, 100, 500));
    swarm->fault_longest = CFS_MS(sim_random_between(random, 300, 800));
    swarm->refuse_permille = 1000;
    swarm->node_count = sim_random_chance(random, 500) ? 3 : 5;
    swarm->reading_nodes = (uint32_t)sim_random_next(random);
    swarm->think_max = CFS_MS(sim_random_between(random, 20, 100));
}

/* Processes that give up soon and then do nothing for long, on a network that repeats old messages.
 */
static void narrow_to_cancels(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = swarm->fifo = false;
    swarm->process_count = 1;
    swarm->slow_permille = (uint32_t)sim_random_between(random, 100, 300);
    swarm->slow_max = CFS_MS(sim_random_between(random, 100, 800));
    swarm->duplicate_permille = 200;
    swarm->cancel_permille = 500;
    swarm->patience_max = CFS_MS(20);
    swarm->reading_nodes = 0;
    for (uint32_t i = 0; i < CFS_MEMBERS_MAX; i++)
        swarm->sessions[i] = CFS_MS(3000);
    swarm->session = swarm->timeout = CFS_MS(3000);
    swarm->think_max = CFS_MS(sim_random_between(random, 200, 1000));
    swarm->action_weights[SIM_CREATE] = 30;
}

/* Leaders that go on appending while they are cut off, and find the others far ahead. */
static void narrow_to_snapshots(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = false;
    swarm->fault_weights[SIM_FAULT_ISOLATE_LEADER] = 5;
    swarm->fault_weights[SIM_FAULT_CRASH] = 1;
    swarm->fault_every = CFS_MS(sim_random_between(random, 300, 900));
    swarm->fault_longest = CFS_MS(sim_random_between(random, 300, 1200));
    swarm->crash_installed_permille = 500;
    swarm->node_count = 3;
    swarm->process_count = 3;
    swarm->checkpoint_bytes = sim_random_between(random, 400, 1200);
    swarm->think_max = CFS_MS(sim_random_between(random, 2, 20));
}

/* Nodes come and go, few at first or later. */
static void narrow_to_members(struct sim_swarm *swarm, struct sim_random *random)
{
    swarm->node_count = (uint32_t)sim_random_between(random, 2, 5);
    swarm->member_count = (uint32_t)sim_random_between(random, 1, swarm->node_count);
    swarm->fault_weights[SIM_FAULT_CHANGE_MEMBERS] = 20;
    swarm->fault_every = CFS_MS(sim_random_between(random, 50, 400));
}

/* Nodes that stand still, one at a time, for longer than a call is held and a session lives. The
 * others elect a leader long before a call is given up, so that none has a reason to be. */
static void narrow_to_halts(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = false;
    swarm->healthy = true;
    swarm->node_count = sim_random_chance(random, 700) ? 3 : 5;
    swarm->heartbeat = CFS_MS(sim_random_between(random, 10, 20));
    swarm->lease = 2 * swarm->heartbeat;
    swarm->election = 3 * swarm->heartbeat;
    swarm->timeout = CFS_MS(sim_random_between(random, 1000, 1500));
    swarm->fault_weights[SIM_FAULT_PAUSE] = 5;
    swarm->fault_weights[SIM_FAULT_PAUSE_LEADER] = 1;
    swarm->fault_every = CFS_MS(sim_random_between(random, 200, 1000));
    swarm->fault_longest = 2 * swarm->timeout + CFS_SECONDS(1);
    swarm->quiet_at = CFS_SECONDS(10);
    swarm->think_max = CFS_MS(sim_random_between(random, 40, 250));
}

/* Daemons that crash among messages so slow that a session may be over before it is known to be
 * open. */
static void narrow_to_openings(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = false;
    swarm->slow_permille = (uint32_t)sim_random_between(random, 300, 600);
    swarm->slow_max = CFS_MS(sim_random_between(random, 1000, 3000));
    swarm->fault_weights[SIM_FAULT_BLIP] = 5;
    swarm->fault_weights[SIM_FAULT_ISOLATE] = 2;
    swarm->fault_every = CFS_MS(sim_random_between(random, 300, 1000));
    swarm->fault_longest = CFS_MS(1500);
    swarm->action_weights[SIM_CREATE] = 30;
}

/* Groups that move again and again, while some of their nodes do not hear of it. */
static void narrow_to_moves(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = false;
    swarm->groups = (uint32_t)sim_random_between(random, 2, SIM_GROUPS_MAX);
    swarm->node_count = (uint32_t)sim_random_between(random, 4, 5);
    swarm->member_count = (uint32_t)sim_random_between(random, 2, swarm->node_count);
    swarm->process_count = 1;
    swarm->guest_think_max = CFS_MS(sim_random_between(random, 20, 60));
    swarm->fault_weights[SIM_FAULT_CHANGE_MEMBERS] = 10;
    swarm->fault_weights[SIM_FAULT_ISOLATE] = 4;
    swarm->fault_weights[SIM_FAULT_LINKS] = 2;
    swarm->fault_weights[SIM_FAULT_BLIP] = 2;
    swarm->fault_every = CFS_MS(sim_random_between(random, 100, 400));
    swarm->fault_longest = CFS_MS(sim_random_between(random, 500, 3000));
    swarm->quiet_at = CFS_MS(sim_random_between(random, 4000, 9000));
}

/* Disks that cannot be relied on. */
static void narrow_to_disks(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = false;
    swarm->node_count = sim_random_chance(random, 700) ? 3 : 5;
    swarm->tear_permille = 1000;
    swarm->fault_weights[SIM_FAULT_FLIP_BIT] = 6;
    swarm->fault_weights[SIM_FAULT_FAIL_SYNC] = 3;
    swarm->fault_weights[SIM_FAULT_CRASH] = 8;
    swarm->fault_weights[SIM_FAULT_CRASH_ALL] = 4;
    swarm->fault_weights[SIM_FAULT_ISOLATE] = 1;
    swarm->fault_weights[SIM_FAULT_LOSE_DISK] = 1;
    swarm->fault_every = CFS_MS(sim_random_between(random, 100, 500));
    swarm->fault_longest = CFS_MS(sim_random_between(random, 200, 1000));
    swarm->quiet_at = CFS_MS(sim_random_between(random, 4000, 8000));
}

/* Queues have users in some runs only: where they have some, there is no room for guests, and only
 * for one queue, and the last of several groups has none. They make a state large, which has to
 * come through in a snapshot all the same. */
static void draw_queues(struct sim_swarm *swarm, uint64_t seed)
{
    struct sim_random random = sim_random_stream(seed, 7);

    swarm->worker_think_max = CFS_MS(sim_random_between(&random, 3, 80));
    swarm->visibility = CFS_MS(sim_random_between(&random, 100, 2000));
    swarm->max_deliveries = SIM_DELIVERIES_MANY;
    if (sim_random_chance(&random, 200))
        swarm->max_deliveries = (uint32_t)sim_random_between(&random, 1, 4);
    swarm->max_messages = sim_random_between(&random, 1, 30);
    if (!sim_random_chance(&random, 400))
        return;
    if (!swarm->groups || swarm->groups > 2)
        swarm->queue_count = (uint32_t)sim_random_between(&random, 1, SIM_QUEUES_MAX);
    else
        swarm->queue_count = 1;
    swarm->snapshot_bytes *= 4;
}

/* Messages of which some arrive when what they are about is over. */
static void make_late(struct sim_swarm *swarm, struct sim_random *random)
{
    make_calm(swarm);
    swarm->calm = swarm->healthy = swarm->fifo = false;
    swarm->slow_permille = (uint32_t)sim_random_between(random, 50, 500);
    swarm->slow_max = CFS_MS(sim_random_between(random, 200, 1000));
    swarm->duplicate_permille = (uint32_t)sim_random_below(random, 200);
    swarm->fault_weights[SIM_FAULT_ISOLATE] = 3;
    swarm->directory_count = 0;
}

/* Leases that are shorter than messages take. */
static void narrow_to_late_shares(struct sim_swarm *swarm, struct sim_random *random)
{
    make_late(swarm, random);
    swarm->loss_permille = (uint32_t)sim_random_below(random, 200);
    swarm->fault_weights[SIM_FAULT_PAUSE] = 1;
    swarm->fault_weights[SIM_FAULT_BLIP] = 3;
    swarm->fault_every = CFS_MS(sim_random_between(random, 100, 1000));
    swarm->fault_longest = CFS_MS(900);
    swarm->quiet_at = CFS_MS(sim_random_between(random, 4000, 8000));
    swarm->cache_lease = CFS_MS(sim_random_between(random, 120, 300));
    swarm->cacher_think_max = CFS_MS(sim_random_between(random, 3, 20));
}

/* Nodes that are cut off for longer than a lease, right after late answers. */
static void narrow_to_late_leases(struct sim_swarm *swarm, struct sim_random *random)
{
    make_late(swarm, random);
    swarm->node_count = swarm->member_count = sim_random_chance(random, 500) ? 3 : 5;
    swarm->cacher_count = 1;
    swarm->fault_every = CFS_MS(sim_random_between(random, 800, 1600));
    swarm->fault_longest = CFS_MS(2500);
    swarm->quiet_at = CFS_MS(sim_random_between(random, 6000, 10000));
    swarm->cache_lease = CFS_MS(1000);
    swarm->cacher_think_max = CFS_MS(sim_random_between(random, 20, 80));
}

/* So has the cache. There is no room for guests then, in any group, nor for much else. */
static void draw_cache(struct sim_swarm *swarm, uint64_t seed)
{
    struct sim_random random = sim_random_stream(seed, 9);

    if (!sim_random_chance(&random, 300))
        return;
    swarm->process_count = 1;
    swarm->queue_count = 0;
    swarm->snapshot_bytes *= 4;
    swarm->cacher_count = (uint32_t)sim_random_between(&random, 1, SIM_CACHERS_MAX);
    swarm->key_count = (uint32_t)sim_random_between(&random, 1, SIM_CACHE_KEYS);
    swarm->directory_count =
        (uint32_t)sim_random_below(&random, SIM_CACHE_NAMES_MAX - SIM_CACHE_KEYS + 1);
    swarm->cache_lease = CFS_MS(sim_random_between(&random, 120, 1000));
    swarm->cacher_think_max = CFS_MS(sim_random_between(&random, 3, 60));
    swarm->recall_max = sim_random_between(&random, 100, 10000);
    if (sim_random_chance(&random, 300))
        swarm->recall_slow_permille = (uint32_t)sim_random_between(&random, 10, 200);
    swarm->recall_slow_max = 3 * swarm->cache_lease;
    if (swarm->node_count > 1 && sim_random_chance(&random, 200))
        narrow_to_late_shares(swarm, &random);
    else if (sim_random_chance(&random, 500))
        narrow_to_late_leases(swarm, &random);
}

/* Some mixtures are for one kind of trouble that is rare among the others. */
static void narrow(struct sim_swarm *swarm, struct sim_random *random, uint32_t theme)
{
    if (theme == 0)
        make_calm(swarm);
    else if (theme == 1)
        narrow_to_leases(swarm, random);
    else if (theme == 2)
        narrow_to_cancels(swarm, random);
    else if (theme == 3)
        narrow_to_snapshots(swarm, random);
    else if (theme == 4 || theme == 5)
        narrow_to_members(swarm, random);
    else if (theme == 6)
        narrow_to_halts(swarm, random);
    else if (theme == 7)
        narrow_to_openings(swarm, random);
    else if (theme == 8)
        narrow_to_moves(swarm, random);
    else if (theme == 9 || theme == 10)
        narrow_to_disks(swarm, random);
}

void sim_swarm_draw(struct sim_swarm *swarm, uint64_t seed, bool bare)
{
    static const uint32_t sizes[] = {1, 2, 3, 3, 3, 3, 5, 5};
    struct sim_random random = sim_random_stream(seed, 0), more = sim_random_stream(seed, 6);

    *swarm = (struct sim_swarm){.node_count =
                                    sizes[sim_random_below(&random, sizeof sizes / sizeof *sizes)],
                                .process_count = (uint32_t)sim_random_between(&random, 1, 3),
                                .name_count = (uint32_t)sim_random_between(&random, 1, 5)};
    draw_timing(swarm, &random);
    draw_network(swarm, &random);
    draw_disk(swarm, &random);
    draw_faults(swarm, &random);
    draw_clients(swarm, &random);
    swarm->drift_ppm_max = sim_random_chance(&random, 500) ? 5000 : 50;
    swarm->lateness_max = sim_random_between(&random, 50, 2000);
    swarm->quiet_at = CFS_MS(sim_random_between(&random, 1500, 6000));
    if (sim_random_chance(&random, 800))
        swarm->checkpoint_bytes = sim_random_between(&random, 500, 6000);
    swarm->snapshot_bytes = (uint32_t)sim_random_between(&random, 20, 1000);
    swarm->groups = (uint32_t)sim_random_below(&more, SIM_GROUPS_MAX + 1);
    swarm->guest_think_max = CFS_MS(sim_random_between(&more, 20, 300));
    swarm->codec = sim_random_chance(&more, 200);
    swarm->half_permille = (uint32_t)sim_random_below(&more, 1001);
    draw_queues(swarm, seed);
    narrow(swarm, &random, bare ? 0 : (uint32_t)sim_random_below(&random, 14));
    draw_cache(swarm, seed);
    if (!swarm->member_count)
        swarm->member_count = swarm->node_count;
}
