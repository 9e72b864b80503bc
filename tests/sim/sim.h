/* A whole run: the world, the cluster in it, its users, its enemies and its judges. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "cachers.h"
#include "check_cache.h"
#include "check_groups.h"
#include "check_live.h"
#include "check_locks.h"
#include "check_raft.h"
#include "guests.h"
#include "members.h"
#include "nemesis.h"
#include "network.h"
#include "node.h"
#include "process.h"
#include "random.h"
#include "swarm.h"
#include "workers.h"
#include "world.h"

struct sim {
    uint64_t seed;
    struct sim_swarm swarm;
    struct sim_world world;
    struct sim_random random_node, random_client, random_fault, random_guest, random_worker,
        random_cacher;
    struct sim_network network;
    struct sim_node nodes[CFS_MEMBERS_MAX];
    struct cfs_node_info addresses[CFS_MEMBERS_MAX];
    struct sim_process processes[CFS_MEMBERS_MAX][SIM_PROCESSES_MAX];
    uint64_t processes_born, contents_written, keys_used;
    bool winding_down;
    uint64_t operations; /* requests submitted */
    uint64_t checkpoints, installs, reads, admin_requests;
    uint64_t torn, replaced;                        /* logs and disks */
    cfs_time removal_asked;                         /* the last one */
    struct sim_raft_check raft[SIM_GROUPS_MAX + 1]; /* by group */
    struct sim_guests guests;
    struct sim_workers workers;
    struct sim_queues_check queues;
    struct sim_cachers cachers;
    struct sim_cache_check cache;
    struct sim_groups_check groups;
    struct sim_lock_check locks;
    struct sim_live_check live;
};

struct sim_result {
    bool failed;
    char failure[1024];
    cfs_time end;
    cfs_time failed_at;
    uint64_t operations, events, messages, checkpoints, installs, torn, replaced;
    uint64_t hash, text_hash;
};

/* Runs one seed to its end or to the first violation. */
void sim_run(uint64_t seed, bool trace, bool bare, struct sim_result *result);

/* Nothing goes wrong from now on. */
static inline bool sim_quiet(const struct sim *sim)
{
    return sim->world.now >= sim->swarm.quiet_at;
}

#endif
