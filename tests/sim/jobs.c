/* A queue, and an event at the end of each job. */
#include "jobs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "sim.h"

static void job_clear(struct cfs_effect *job)
{
    if (job->type == CFS_FX_CHECKPOINT)
        cfs_checkpoint_clear(&job->checkpoint);
    else if (job->type == CFS_FX_STAGE)
        cfs_part_clear(&job->stage.part);
}

static void done(struct sim *sim, void *arg, uint64_t life);

static void begin(struct sim *sim, struct sim_node *node)
{
    const struct sim_swarm *swarm = &sim->swarm;
    cfs_time takes = sim_random_between(&sim->random_node, swarm->sync_min, 4 * swarm->sync_max);

    if (!sim_quiet(sim) && sim_random_chance(&sim->random_node, swarm->stall_permille))
        takes = sim_random_between(&sim->random_node, swarm->sync_max, swarm->stall_max);
    sim_at(sim, sim->world.now + takes, done, node, node->life);
}

/* Segments go as a whole: some records before the mark stay. */
static void trim(struct sim *sim, struct sim_node *node, uint64_t keep)
{
    uint64_t slack = sim_random_below(&sim->random_node, 40);

    sim_disk_trim(&node->disk, keep > slack ? keep - slack : 0);
}

static void commit(struct sim *sim, struct sim_node *node, const struct cfs_effect *job)
{
    if (job->type == CFS_FX_CHECKPOINT) {
        sim_store_checkpoint(&node->disk.store, &job->checkpoint);
        trim(sim, node, job->checkpoint.keep_lsn);
        sim->checkpoints++;
    } else if (job->type == CFS_FX_STAGE) {
        sim_store_stage(&node->disk.store, &job->stage);
        sim->installs += job->stage.last;
    }
}

static void report(struct sim *sim, struct sim_node *node, const struct cfs_effect *job)
{
    struct cfs_event event = {.id = job->id};
    struct cfs_fetched fetched;

    switch (job->type) {
    case CFS_FX_CHECKPOINT:
        event.type = CFS_EV_CHECKPOINTED;
        break;
    case CFS_FX_STAGE:
        event.type = CFS_EV_STAGED;
        break;
    case CFS_FX_FETCH:
        if (node->disk.store_flipped) {
            fetched = (struct cfs_fetched){.transfer = job->id};
            sim_nemesis_damaged(sim, node);
        } else {
            sim_store_fetch(&node->disk.store, job->id, &job->fetch, &fetched);
        }
        event = (struct cfs_event){.type = CFS_EV_FETCHED, .fetched = &fetched};
        break;
    default:
        sim_store_end_fetch(&node->disk.store, job->id);
        return;
    }
    sim_node_event(sim, node, node->life, &event);
}

static void done(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;
    struct cfs_effect job;

    if (life != node->life)
        return;
    if (node->state == SIM_PAUSED) {
        sim_at(sim, node->resume_at + 1, done, node, life);
        return;
    }
    job = node->jobs.items[0];
    node->jobs.count--;
    memmove(node->jobs.items, node->jobs.items + 1, node->jobs.count * sizeof job);
    if (node->jobs.count)
        begin(sim, node);
    commit(sim, node, &job);
    report(sim, node, &job);
    job_clear(&job);
}

void sim_jobs_add(struct sim *sim, struct sim_node *node, struct cfs_effect *effect)
{
    struct sim_jobs *jobs = &node->jobs;

    jobs->items = cfs_array_room(jobs->items, jobs->count, &jobs->capacity, sizeof *jobs->items);
    jobs->items[jobs->count++] = *effect;
    if (effect->type == CFS_FX_CHECKPOINT)
        effect->checkpoint = (struct cfs_checkpoint){0};
    else if (effect->type == CFS_FX_STAGE)
        effect->stage = (struct cfs_stage){0};
    if (jobs->count == 1)
        begin(sim, node);
}

void sim_jobs_crash(struct sim *sim, struct sim_node *node)
{
    struct sim_jobs *jobs = &node->jobs;

    if (jobs->count && sim_random_chance(&sim->random_node, 500))
        commit(sim, node, &jobs->items[0]);
    while (jobs->count)
        job_clear(&jobs->items[--jobs->count]);
}

void sim_jobs_close(struct sim_jobs *jobs)
{
    while (jobs->count)
        job_clear(&jobs->items[--jobs->count]);
    free(jobs->items);
}
