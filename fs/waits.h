/* Which open files that hold a lock are stuck: the local half of the cluster's wait-for graph.
 *
 * A thread waits while the daemon has parked its flock request, or while it is in wait(2) for
 * children who all wait. A process waits when all its threads do. A handle is stuck when every
 * process that has the lock's file open waits; it can be given up only after one of their requests
 * is granted. What cannot be seen counts as running: that may hide a deadlock, but invents none. */
#ifndef CFS_FS_WAITS_H
#define CFS_FS_WAITS_H

#include <sys/types.h>
#include <uthash.h>

#include "coordfs/engine.h"
#include "fs/proc.h"

enum cfs_held_state { CFS_HELD_UNDECIDED, CFS_HELD_RUNS, CFS_HELD_STUCK };

/* A set of acquires. Zeroed memory is an empty one. */
struct cfs_ids {
    uint64_t *items;
    uint32_t count, capacity;
};

/* An open file that holds a flock, as embedded in its handle. */
struct cfs_held {
    uint64_t handle;
    const char *name;         /* of the lock; borrowed */
    uint64_t ino;             /* its inode number */
    struct cfs_process taker; /* who locked it */
    bool flushed; /* somebody closed a descriptor since: the taker may not have it any more */
    cfs_time flushed_at; /* when that was, last */
    uint32_t witness;    /* a process that had it open once, and may still run; 0: unknown */

    enum cfs_held_state state;  /* as the last call of cfs_waits_stuck left it */
    struct cfs_pids openers;    /* the processes that have it open; STUCK: all of them wait ... */
    struct cfs_ids ids;         /* ... for one of these to be granted */
    struct cfs_held *same_name; /* the next in that chain, during a call */
    UT_hash_handle hh;
    struct cfs_held *prev, *next;
};

/* The id of the acquire in which thread `tid` is parked; 0: it is not. */
typedef uint64_t (*cfs_parked_fn)(void *arg, uint32_t tid);

struct cfs_waits {
    int proc;          /* /proc */
    uint64_t mount_id; /* of this mount in /proc/PID/fdinfo; 0: unknown */
    uint64_t device;   /* its device; 0: unknown */
    bool shared; /* other users may use the mount: whom one may not look at may have it open */
    cfs_parked_fn parked;
    void *arg;
    struct cfs_held *held;
    struct cfs_stuck_handle *stuck; /* what the last call answered */
    uint32_t stuck_capacity;
};

/* `proc` is a descriptor of /proc, borrowed. */
void cfs_waits_init(struct cfs_waits *waits, int proc, cfs_parked_fn parked, void *arg);
void cfs_waits_close(struct cfs_waits *waits);

/* `held` is the caller's, from add to remove. */
void cfs_waits_add(struct cfs_waits *waits, struct cfs_held *held);
void cfs_waits_remove(struct cfs_waits *waits, struct cfs_held *held);

/* Lists what is stuck; the list is valid until the next call and until anything is removed. */
uint32_t cfs_waits_stuck(struct cfs_waits *waits, const struct cfs_stuck_handle **out);

#endif
