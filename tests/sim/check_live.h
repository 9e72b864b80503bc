/* Liveness: every request is answered in time, and not given up while the cluster is there, and
 * once nothing goes wrong any more the cluster comes to rest: a leader serves, every node has a
 * session, all waits end, every lock can be had from every node, and all replicas agree. */
#ifndef SIM_CHECK_LIVE_H
#define SIM_CHECK_LIVE_H

#include "coordfs/types.h"
#include "kernel.h"

struct sim;
struct sim_node;

enum sim_stage {
    SIM_STAGE_RUN,    /* faults and work */
    SIM_STAGE_SETTLE, /* repaired; until all nodes serve */
    SIM_STAGE_WORK,   /* work without faults, for a while */
    SIM_STAGE_END,    /* processes give back what they have */
    SIM_STAGE_PROBE,  /* every node takes and removes every lock */
    SIM_STAGE_AGREE,  /* until all replicas are equal, and groups are led from where they should */
    SIM_STAGE_DONE,
};

struct sim_live_check {
    enum sim_stage stage;
    cfs_time since;
    uint32_t probe_node, probe_name; /* under probe */
    bool probing;                    /* a request of the probe is under way */
    bool probe_held;                 /* the lock was had */
    bool probe_removes;              /* next comes its removal, or that of what stands in the way */
    enum cfs_lock_form probe_form;
};

/* Begins to watch. */
void sim_live_start(struct sim *sim);

/* Looks at a node after a step. */
void sim_live_stepped(struct sim *sim, struct sim_node *node);

/* A request was answered with `error`. */
void sim_live_judge(struct sim *sim, const struct sim_op *op, enum cfs_error error);

/* A request of the probe was answered. */
void sim_live_answered(struct sim *sim, const struct sim_op *op, enum cfs_error error);

#endif
