/* The core's checkpoints and snapshots on the store: effects become jobs, what is done becomes
 * events. A job for which the disk has no room is tried again until it has. */
#ifndef CFS_IO_CHECKPOINTS_H
#define CFS_IO_CHECKPOINTS_H

#include "core/event.h"
#include "io/loop.h"
#include "io/store.h"
#include "io/wal.h"

struct cfs_checkpoints;

struct cfs_checkpoints_events {
    void *arg;
    void (*event)(void *arg, struct cfs_event *event); /* CHECKPOINTED, STAGED, FETCHED, READ */
    void (*failed)(void *arg);                         /* the node must stop */
};

/* `wal` is trimmed by what is durable; store and wal are the caller's. NULL after a log line. */
struct cfs_checkpoints *cfs_checkpoints_new(struct cfs_loop *loop, struct cfs_store *store,
                                            struct cfs_wal *wal,
                                            const struct cfs_checkpoints_events *events);
void cfs_checkpoints_free(struct cfs_checkpoints *checkpoints);

/* CFS_FX_CHECKPOINT, STAGE, FETCH, END_FETCH and READ; takes what the effect owns. */
void cfs_checkpoints_perform(struct cfs_checkpoints *checkpoints, struct cfs_effect *effect);

#endif
