/* What one seed is like. Every seed draws its own mixture, with whole classes of trouble switched
 * off
 * ("Swarm Testing", Groce et al. 2012): a fault that is always on hides what another would show. */
#ifndef SIM_SWARM_H
#define SIM_SWARM_H

#include "coordfs/limits.h"
#include "coordfs/types.h"
#include "nemesis.h"

#define SIM_GROUPS_MAX 4u /* beside group 0 */
#define SIM_QUEUES_MAX 2u
#define SIM_DELIVERIES_MANY 10000u
#define SIM_CACHERS_MAX 3u /* users of the cache on a node */
#define SIM_CACHE_KEYS 4u  /* names of files; behind them come those of directories */
#define SIM_CACHE_NAMES_MAX 6u
#define SIM_SLOTS_MAX 48u /* of eight bytes, in a file */

enum sim_action {
    SIM_TRY_FLOCK,
    SIM_WAIT_FLOCK,
    SIM_CONVERT,
    SIM_UNLOCK,
    SIM_CLOSE,
    SIM_SHARE,
    SIM_CREATE,
    SIM_REMOVE,
    SIM_WRITE,
    SIM_STALE_WRITE,
    SIM_GET,
    SIM_LIST,
    SIM_LEASE,
    SIM_RENEW,
    SIM_END_LEASE,
    SIM_DIE,
    SIM_ACTION_COUNT
};

struct sim_swarm {
    uint32_t node_count, process_count; /* processes: on each node */
    uint32_t member_count;              /* nodes that are in the cluster from the beginning */
    uint32_t name_count;
    uint32_t groups; /* beside group 0 */
    cfs_time heartbeat, lease, election, timeout;
    cfs_time sessions[CFS_MEMBERS_MAX]; /* each node has its own setting */
    cfs_time session;                   /* the longest of them */

    /* Network. */
    cfs_time delay_min, delay_max; /* of an ordinary message */
    uint32_t slow_permille;        /* messages that take up to slow_max */
    cfs_time slow_max;
    bool fifo; /* no overtaking on a link */
    uint32_t loss_permille, duplicate_permille;
    uint32_t refuse_permille; /* a crashed or rejecting peer is reported as CFS_EV_REFUSED */
    uint32_t report_permille; /* a lost message is reported as CFS_EV_UNREACHABLE */
    bool codec;               /* messages go through the codec of the wire */

    /* Disk. */
    cfs_time sync_min, sync_max;
    uint32_t stall_permille; /* syncs that take up to stall_max */
    cfs_time stall_max;
    uint32_t tear_permille;    /* crashes that lose records which were not synced */
    uint32_t half_permille;    /* of those, who leave half a batch */
    uint64_t checkpoint_bytes; /* of log between checkpoints; 0: none are made */
    uint32_t snapshot_bytes;

    /* Nodes. */
    uint32_t drift_ppm_max;
    cfs_time lateness_max; /* of a timer, and of reading what the kernel has queued */

    /* Faults. */
    bool healthy; /* one node at a time stands still, and nothing else goes wrong */
    bool calm;    /* none at all, nothing is lost, no disk stalls: the strictest checks apply */
    uint32_t fault_weights[SIM_FAULT_COUNT];
    cfs_time fault_every; /* mean time between faults */
    cfs_time fault_longest;
    uint32_t crash_voter_permille;     /* right after granting its vote */
    uint32_t crash_leader_permille;    /* right after sending entries to one follower */
    uint32_t crash_installed_permille; /* right after taking over a snapshot */
    cfs_time quiet_at;                 /* from here on nothing goes wrong any more */

    /* Clients. */
    uint32_t action_weights[SIM_ACTION_COUNT];
    uint32_t reading_nodes; /* a bit set by node id: their processes only read, and often */
    cfs_time think_max;
    uint32_t exclusive_permille;
    uint32_t cancel_permille; /* of blocking acquires */
    cfs_time patience_max;    /* of one that is given up */
    cfs_time ttl_min, ttl_max;
    cfs_time guest_think_max;

    /* Queues. */
    uint32_t queue_count;
    cfs_time worker_think_max;
    cfs_time visibility;
    uint32_t max_deliveries;
    uint64_t max_messages;

    /* The cache. */
    uint32_t cacher_count; /* on each node; 0: nobody uses it */
    uint32_t key_count, directory_count;
    cfs_time cache_lease;
    cfs_time cacher_think_max;
    cfs_time recall_max; /* until a kernel has given something up */
    uint32_t recall_slow_permille;
    cfs_time recall_slow_max; /* of some */
};

/* The mixture of `seed`. `bare`: without faults. */
void sim_swarm_draw(struct sim_swarm *swarm, uint64_t seed, bool bare);

#endif
