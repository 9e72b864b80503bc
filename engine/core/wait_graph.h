/* Who waits for whom in the whole cluster, and who waits for ever.
 *
 * Vertices are waits (an acquire in a lock's queue) and holds. A wait is stuck when any of its
 * blockers is stuck: a conflicting hold, or an earlier conflicting wait. A hold is stuck when its
 * node reported it and all of the waits it was reported with are stuck: whoever could give it up
 * (any process with the open file, any thread of it) needs one of them first. What was not reported
 * runs. The stuck vertices are the greatest fixed point of these rules; those that can reach
 * themselves close a cycle. */
#ifndef CFS_CORE_WAIT_GRAPH_H
#define CFS_CORE_WAIT_GRAPH_H

#include "core/lock_table.h"
#include "core/message.h"

/* One node's report of a collection. */
struct cfs_report {
    cfs_node_id node;
    cfs_session_id session;
    const struct cfs_stuck *stuck; /* borrowed */
    uint32_t stuck_count;
};

/* Finds the newest wait that lies on a cycle. LEASED waits and holds with the same non-empty owner
 * belong to one client that does one thing at a time: such a hold is stuck behind that owner's
 * waits. True and `victim` if there is one. */
bool cfs_wait_graph_find(const struct cfs_lock_table *table, const struct cfs_report *reports,
                         uint32_t report_count, struct cfs_asker *victim);

#endif
