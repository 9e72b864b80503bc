/* One run, from the seed to the result. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "sim.h"

/* Nothing that goes on and on gets this far. */
#define EVENTS_MAX 3000000u
#define TIME_MAX CFS_SECONDS(300)

static void start_node(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_node *node = arg;

    (void)value;
    if (node->state == SIM_DOWN && node->life == 0 && !node->outside)
        sim_node_start(sim, node, false);
}

static void describe(struct sim *sim)
{
    const struct sim_swarm *s = &sim->swarm;

    sim_say(sim, "seed %" PRIu64 ": %u nodes, %u groups, %u processes each, %u names%s", sim->seed,
            s->node_count, s->groups, s->process_count, s->name_count, s->calm ? ", calm" : "");
    sim_say(sim,
            "heartbeat %" PRIu64 " lease %" PRIu64 " election %" PRIu64 " session %" PRIu64
            " timeout %" PRIu64 " ms",
            s->heartbeat / 1000, s->lease / 1000, s->election / 1000, s->session / 1000,
            s->timeout / 1000);
}

static void begin(struct sim *sim, uint64_t seed, bool trace, bool bare)
{
    sim->seed = seed;
    sim->world.trace = trace;
    sim_swarm_draw(&sim->swarm, seed, bare);
    sim->network.random = sim_random_stream(seed, 1);
    sim->random_node = sim_random_stream(seed, 2);
    sim->random_client = sim_random_stream(seed, 3);
    sim->random_fault = sim_random_stream(seed, 4);
    sim->random_guest = sim_random_stream(seed, 5);
    sim->random_worker = sim_random_stream(seed, 8);
    sim->random_cacher = sim_random_stream(seed, 10);
    describe(sim);
    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        sim_node_init(sim, &sim->nodes[i], i + 1);
        sim->nodes[i].outside = i >= sim->swarm.member_count;
        sim->addresses[i] = (struct cfs_node_info){.id = i + 1, .port = (uint16_t)(7001 + i)};
        snprintf(sim->addresses[i].host, sizeof sim->addresses[i].host, "node%u", i + 1);
        sim_at(sim, sim_random_below(&sim->random_node, CFS_MS(100)), start_node, &sim->nodes[i],
               0);
    }
    sim_clients_start(sim);
    sim_workers_start(sim);
    sim_cachers_start(sim);
    sim_guests_start(sim);
    sim_nemesis_start(sim);
    sim_live_start(sim);
}

static void go_on(struct sim *sim)
{
    while (!sim->world.failed && sim->live.stage != SIM_STAGE_DONE) {
        if (!sim_world_next(sim, TIME_MAX))
            sim_fail(sim, "liveness", "the run does not end");
        else if (sim->world.happened > EVENTS_MAX)
            sim_fail(sim, "liveness", "more than %u events", EVENTS_MAX);
    }
}

static void report(const struct sim *sim, struct sim_result *result)
{
    *result = (struct sim_result){.failed = sim->world.failed,
                                  .end = sim->world.now,
                                  .failed_at = sim->world.failed_at,
                                  .operations = sim->operations,
                                  .events = sim->world.happened,
                                  .messages = sim->network.sent,
                                  .checkpoints = sim->checkpoints,
                                  .installs = sim->installs,
                                  .torn = sim->torn,
                                  .replaced = sim->replaced,
                                  .hash = sim->world.hash,
                                  .text_hash = sim->world.text_hash};
    memcpy(result->failure, sim->world.failure, sizeof result->failure);
}

static void end(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        sim_node_close(&sim->nodes[i]);
    sim_network_close(&sim->network);
    for (cfs_group_id group = 0; group <= SIM_GROUPS_MAX; group++)
        sim_raft_close(&sim->raft[group]);
    sim_groups_close(&sim->groups);
    sim_locks_close(&sim->locks);
    sim_queues_close(&sim->queues);
    sim_cache_check_close(&sim->cache);
    sim_world_close(&sim->world);
}

void sim_run(uint64_t seed, bool trace, bool bare, struct sim_result *result)
{
    struct sim *sim = cfs_alloc_zeroed(1, sizeof *sim);

    begin(sim, seed, trace, bare);
    go_on(sim);
    if (sim->world.failed)
        sim_locks_say(sim);
    report(sim, result);
    end(sim);
    free(sim);
}
