/* What a node knows about itself at one moment: what its pages and metrics are made of. */
#ifndef CFS_IO_STATUS_H
#define CFS_IO_STATUS_H

#include "coordfs/config.h"
#include "coordfs/engine.h"
#include "core/lock_table.h"
#include "core/node_core.h"
#include "core/queue.h"
#include "io/http_api.h"
#include "io/queue_store.h"
#include "io/wal.h"

/* One group, as this node knows it. */
struct cfs_group_status {
    struct cfs_core_view view;
    struct cfs_member_view members[CFS_NODE_MAX]; /* view.member_count of them */
    cfs_node_id
        wanted[CFS_MEMBERS_MAX]; /* by the ring, the one that should lead first; of group 0 none */
    uint32_t wanted_count;
    const struct cfs_queues *queues; /* as applied here; borrowed until the next step */
};

struct cfs_status {
    struct cfs_core_view core;                    /* group 0, as groups[0] */
    struct cfs_member_view members[CFS_NODE_MAX]; /* core.member_count of them */
    const struct cfs_group_status *groups;        /* by id, CFS_GROUPS + 1 of them; borrowed */
    uint64_t cluster;
    struct cfs_node_info nodes[CFS_NODE_MAX]; /* by id: that are wanted */
    uint32_t node_count;
    struct cfs_wal_stats wal;
    struct cfs_histogram commits; /* from proposal to commit, while this node led */
    const struct cfs_config *config;
    const char *store;                         /* of queues */
    bool store_available;                      /* calls that need it have a chance */
    const struct cfs_queue_overview *overview; /* of that store; NULL: they are in the groups */
    const struct cfs_lock_table *locks;        /* as applied here; borrowed until the next step */
    struct cfs_cache_counts cache;
    uint64_t unsent[CFS_NODE_MAX];             /* messages to that member, as core.members */
    uint64_t requests[CFS_ROUTE_CLASSES];
    uint64_t resident_bytes; /* of memory; for the metrics alone */
    cfs_time now, started;
};

#endif
