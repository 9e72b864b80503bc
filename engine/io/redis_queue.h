/* Queues in a Redis that all nodes share: the store of `store=redis://...`.
 *
 * What a queue is and does is the script's business (engine/io/redis). This side sees to it that a
 * request is asked until it is answered, and done once, whatever happens to the connection, to the
 * Redis, or to the node's session; and that what a dead node held goes back. */
#ifndef CFS_IO_REDIS_QUEUE_H
#define CFS_IO_REDIS_QUEUE_H

#include "coordfs/config.h"
#include "io/loop.h"
#include "io/queue_store.h"

/* The queues of the cluster whose number is `cluster`, as `config` says where. Both pointers must
 * outlive the store. -1 after a log line. */
int cfs_redis_queue_open(struct cfs_queue_store *store, struct cfs_loop *loop,
                         const struct cfs_config *config, uint64_t cluster,
                         const struct cfs_queue_store_events *events);

#endif
