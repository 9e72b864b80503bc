/* What a node's store is asked to do: one job after the other, each taking its time, each happening
 * as a whole or, when the node crashes meanwhile, perhaps not at all. Reads of single pieces wait
 * for each other alone. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "core/effect.h"

struct sim;
struct sim_node;

struct sim_job_list {
    struct cfs_effect *items; /* oldest first; the first one is under way */
    size_t count, capacity;
};

struct sim_jobs {
    struct sim_job_list all, reads;
};

/* Takes what the effect owns: CHECKPOINT, STAGE, FETCH, END_FETCH, READ. */
void sim_jobs_add(struct sim *sim, struct sim_node *node, struct cfs_effect *effect);

void sim_jobs_crash(struct sim *sim, struct sim_node *node);
void sim_jobs_close(struct sim_jobs *jobs);

#endif
