/* One node: a core, its disk and clock, and the loop around them that the daemon's shell would be.
 * It crashes, restarts, and is stopped and continued. */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "core/node_core.h"
#include "disk.h"
#include "files.h"
#include "jobs.h"
#include "kernel.h"
#include "random.h"
#include "swarm.h"

struct sim;

enum sim_node_state { SIM_DOWN, SIM_UP, SIM_PAUSED };

/* CLOCK_BOOTTIME: runs at its own rate, and begins anew at a reboot. */
struct sim_clock {
    cfs_time true_base, node_base;
    int64_t drift_ppm;
};

struct sim_node {
    cfs_node_id id;
    enum sim_node_state state;
    uint64_t life; /* grows with every start and stop: what was meant for an earlier one is void */
    struct cfs_core *core;
    struct cfs_effects effects;
    struct cfs_core_view view;                      /* of group 0 after the last step */
    struct cfs_core_view views[SIM_GROUPS_MAX + 1]; /* and of all groups */
    struct sim_clock clock;
    cfs_wall_time wall_base; /* what CLOCK_REALTIME shows at true time 0 */
    cfs_time last_seen;      /* node time of the last event */
    struct sim_disk disk;
    struct sim_jobs jobs; /* what the checkpoint store has to do */
    bool syncing;
    bool sync_fails;     /* the next one does */
    cfs_time full_until; /* true time: its disk is; and from when on nothing more is written */
    cfs_time used_up_at;
    cfs_time tick_at; /* true time of the timer that is set; CFS_NEVER: none */
    uint64_t tick_number;
    bool flush_coming;
    cfs_time resume_at;    /* PAUSED: true time */
    cfs_time resumed;      /* true time of the last start or continuation */
    bool session;          /* the core said OPENED, and not LOST or CLOSED since */
    cfs_time lease_seen;   /* node time: sending of the newest keepalive seen to be answered */
    uint64_t opening;      /* nonce of the newest OPEN_SESSION that it sent */
    cfs_time opening_sent; /* node time of its first sending */
    cfs_time member_since; /* true time of its first session: the cluster is founded; 0: none yet */
    bool leaving;
    bool outside; /* not in the cluster: DOWN until it is brought in */
    bool joined;  /* it came later: it knows of no first members */
    struct sim_kernel kernel;
    struct sim_files files;
};

void sim_node_init(struct sim *sim, struct sim_node *node, cfs_node_id id);
void sim_node_close(struct sim_node *node);

/* DOWN to UP: a fresh core with what the disk kept, unless that is damaged (nemesis.h). `reboot`:
 * the clock begins anew. */
void sim_node_start(struct sim *sim, struct sim_node *node, bool reboot);
void sim_node_crash(struct sim *sim, struct sim_node *node);

/* The next fdatasync fails, and the node stops. */
void sim_node_fail_sync(struct sim *sim, struct sim_node *node);
void sim_node_pause(struct sim *sim, struct sim_node *node, cfs_time until);

/* The disk is full until then; after a while what is left of the log is used up too. */
void sim_node_fill(struct sim *sim, struct sim_node *node, cfs_time until);

/* Closes its session, then stops; at `until` at the latest. */
void sim_node_leave(struct sim *sim, struct sim_node *node, cfs_time until);

/* Lets `event` happen, its times filled in, unless the node is not in that life or does not run. */
void sim_node_event(struct sim *sim, struct sim_node *node, uint64_t life, struct cfs_event *event);

cfs_time sim_node_time(const struct sim *sim, const struct sim_node *node);

/* The true time at which the node's clock will show `at`. */
cfs_time sim_node_true_time(const struct sim_node *node, cfs_time at);

/* The true time until which a node that does not run may believe in its session; a lower bound. */
cfs_time sim_node_lease_end(const struct sim *sim, const struct sim_node *node);

#endif
