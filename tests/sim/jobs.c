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
    else if (job->type == CFS_FX_READ)
        free(job->read.keys.data);
}

static void job_done(struct sim *sim, void *arg, uint64_t life);
static void read_done(struct sim *sim, void *arg, uint64_t life);

static void begin(struct sim *sim, struct sim_node *node, const struct sim_job_list *list)
{
    bool reads = list == &node->jobs.reads;
    const struct sim_swarm *swarm = &sim->swarm;
    cfs_time takes = sim_random_between(&sim->random_node, swarm->sync_min, 4 * swarm->sync_max);

    if (!sim_quiet(sim) && sim_random_chance(&sim->random_node, swarm->stall_permille))
        takes = sim_random_between(&sim->random_node, swarm->sync_max, swarm->stall_max);
    sim_at(sim, sim->world.now + takes, reads ? read_done : job_done, node, node->life);
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

static void report_read(struct sim *sim, struct sim_node *node, const struct cfs_effect *job)
{
    struct cfs_writer pieces = {0};
    struct cfs_read_pieces read = {.id = job->id, .group = job->read.group};
    struct cfs_event event = {.type = CFS_EV_READ, .read = &read};

    if (node->disk.store_flipped) { /* a node stops that cannot read what it has answered for */
        sim_node_crash(sim, node);
        sim_nemesis_damaged(sim, node);
        return;
    }
    sim_store_read(&node->disk.store, &job->read, &pieces);
    read.data = pieces.data;
    read.len = pieces.len;
    sim->reads++;
    sim_node_event(sim, node, node->life, &event);
    free(pieces.data);
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
    case CFS_FX_READ:
        report_read(sim, node, job);
        return;
    default:
        sim_store_end_fetch(&node->disk.store, job->id);
        return;
    }
    sim_node_event(sim, node, node->life, &event);
}

static void done(struct sim *sim, struct sim_node *node, struct sim_job_list *list)
{
    struct cfs_effect job = list->items[0];

    list->count--;
    memmove(list->items, list->items + 1, list->count * sizeof job);
    if (list->count)
        begin(sim, node, list);
    commit(sim, node, &job);
    report(sim, node, &job);
    job_clear(&job);
}

static void job_done(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (life == node->life && node->state == SIM_PAUSED)
        sim_at(sim, node->resume_at + 1, job_done, node, life);
    else if (life == node->life)
        done(sim, node, &node->jobs.all);
}

static void read_done(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_node *node = arg;

    if (life == node->life && node->state == SIM_PAUSED)
        sim_at(sim, node->resume_at + 1, read_done, node, life);
    else if (life == node->life)
        done(sim, node, &node->jobs.reads);
}

void sim_jobs_add(struct sim *sim, struct sim_node *node, struct cfs_effect *effect)
{
    bool read = effect->type == CFS_FX_READ;
    struct sim_job_list *list = read ? &node->jobs.reads : &node->jobs.all;

    list->items = cfs_array_room(list->items, list->count, &list->capacity, sizeof *list->items);
    list->items[list->count++] = *effect;
    if (effect->type == CFS_FX_CHECKPOINT)
        effect->checkpoint = (struct cfs_checkpoint){0};
    else if (effect->type == CFS_FX_STAGE)
        effect->stage = (struct cfs_stage){0};
    else if (read)
        effect->read.keys = (struct cfs_writer){0};
    if (list->count == 1)
        begin(sim, node, list);
}

static void clear(struct sim_job_list *list)
{
    while (list->count)
        job_clear(&list->items[--list->count]);
}

void sim_jobs_crash(struct sim *sim, struct sim_node *node)
{
    struct sim_jobs *jobs = &node->jobs;

    if (jobs->all.count && sim_random_chance(&sim->random_node, 500))
        commit(sim, node, &jobs->all.items[0]);
    clear(&jobs->all);
    clear(&jobs->reads);
}

void sim_jobs_close(struct sim_jobs *jobs)
{
    clear(&jobs->all);
    clear(&jobs->reads);
    free(jobs->all.items);
    free(jobs->reads.items);
}
