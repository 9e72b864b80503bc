/* The core's checkpoints and snapshots on the store: effects become jobs, what is done becomes
 * events. A job for which the disk has no room is tried again until it has. And the node's own
 * reading of checkpoints, for backups. */
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
    /* These two may be NULL. The checkpoint that was ordered as number `order` is durable; `led` as
     * in struct cfs_checkpoint. */
    void (*saved)(void *arg, uint64_t order, uint64_t led);
    /* What cfs_checkpoints_read asked for; borrowed. */
    void (*read)(void *arg, uint64_t number, const struct cfs_store_done *done);
};

/* `wal` is trimmed by what is durable; store and wal are the caller's. NULL after a log line. */
struct cfs_checkpoints *cfs_checkpoints_new(struct cfs_loop *loop, struct cfs_store *store,
                                            struct cfs_wal *wal,
                                            const struct cfs_checkpoints_events *events);
void cfs_checkpoints_free(struct cfs_checkpoints *checkpoints);

/* How many CFS_FX_CHECKPOINT have been performed so far. */
uint64_t cfs_checkpoints_ordered(const struct cfs_checkpoints *checkpoints);

/* The next pieces of a copy of `group`, as CFS_STORE_READ says; `number` names the copy, is smaller
 * than 2^63 and never used twice. Then: it is given up. */
void cfs_checkpoints_read(struct cfs_checkpoints *checkpoints, uint64_t number, cfs_group_id group,
                          size_t bytes);
void cfs_checkpoints_end_read(struct cfs_checkpoints *checkpoints, uint64_t number);

/* CFS_FX_CHECKPOINT, STAGE, FETCH, END_FETCH and READ; takes what the effect owns. */
void cfs_checkpoints_perform(struct cfs_checkpoints *checkpoints, struct cfs_effect *effect);

#endif
