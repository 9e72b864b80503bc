/* Which cluster the node belongs to, and where the others are: what has to be known before the log
 * can tell it, and what is kept of it for the next start. */
#ifndef CFS_IO_CLUSTER_H
#define CFS_IO_CLUSTER_H

#include "coordfs/config.h"
#include "core/membership.h"
#include "core/node_core.h"
#include "io/peers_file.h"
#include "io/transport.h"
#include "io/wal.h"

struct cfs_cluster {
    const struct cfs_config *config;
    struct cfs_wal_origin origin; /* for cfs_wal_open */
    /* The first voters of the cluster; none on a node that joined it. */
    struct cfs_peers first;
    struct cfs_peers known; /* the newest list of nodes there is, this one included */
    struct cfs_peers_writer *writer;
    bool stale;         /* the table of nodes has not been looked at since it changed */
    cfs_node_set parts; /* nodes that are not wanted any more, and still have a replica of a group
                           that this one has a replica of too */
};

/* Finds out: from the data directory; for a new one by joining (`join`: asks over HTTP, and waits
 * for the answers), else the members of the settings found a cluster. 0, or -1 after a log line.
 * Close in any case. */
int cfs_cluster_open(struct cfs_cluster *cluster, const struct cfs_config *config);
void cfs_cluster_close(struct cfs_cluster *cluster);

uint64_t cfs_cluster_id(const struct cfs_cluster *cluster);

/* The first voters, for cfs_core_new; `core` refers to `cluster` from then on. */
void cfs_cluster_found(const struct cfs_cluster *cluster, struct cfs_core_config *core);

/* Tells the transport where the others are; the log is open. */
void cfs_cluster_begin(struct cfs_cluster *cluster, struct cfs_transport *transport);

/* The nodes by id, as the table has them or, before it can be asked, as they were last known; how
 * many there are. */
uint32_t cfs_cluster_nodes(const struct cfs_cluster *cluster, const struct cfs_core *core,
                           struct cfs_node_info out[CFS_NODE_MAX]);

/* CFS_FX_NODES came: the next look will see to it. */
void cfs_cluster_changed(struct cfs_cluster *cluster);

/* Follows what the core says of the nodes, if that is news: at the end of each turn. */
void cfs_cluster_look(struct cfs_cluster *cluster, const struct cfs_core *core,
                      struct cfs_transport *transport);

#endif
