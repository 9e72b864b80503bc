/* How long a leader's proposals take until they are committed, by the times of the events in which
 * both happened: what the disks and the network cost, not how long the loop was busy. */
#ifndef CFS_IO_COMMIT_WATCH_H
#define CFS_IO_COMMIT_WATCH_H

#include "io/histogram.h"

#define CFS_COMMIT_WATCH_MAX 1024u

/* Zeroed memory has seen nothing yet. */
struct cfs_commit_watch {
    struct cfs_histogram latency;
    struct {
        uint64_t index;
        cfs_time at;
    } pending[CFS_COMMIT_WATCH_MAX]; /* a ring, oldest at `first` */
    uint32_t first, count;
};

/* The leader has proposed entry `index`, larger than any before. While CFS_COMMIT_WATCH_MAX are
 * under way further ones go unmeasured: they share the fate of those anyway. */
void cfs_commit_watch_proposed(struct cfs_commit_watch *watch, uint64_t index, cfs_time now);

/* Everything up to `commit` is committed. */
void cfs_commit_watch_committed(struct cfs_commit_watch *watch, uint64_t commit, cfs_time now);

/* The node does not lead: what it proposed may be replaced, and its commit would mean nothing. */
void cfs_commit_watch_forget(struct cfs_commit_watch *watch);

#endif
