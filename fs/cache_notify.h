/* Threads that tell the kernel to forget.
 *
 * The kernel may take its time: it waits for locks that processes hold, who wait for us. So it is
 * never told from the engine's thread, nor is a job ever kept behind another one: when all threads
 * stand still, there is one more. */
#ifndef CFS_FS_CACHE_NOTIFY_H
#define CFS_FS_CACHE_NOTIFY_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "coordfs/cache.h"
#include "fs/fuse.h"

struct cfs_notifier;

enum cfs_notify_kind {
    CFS_NOTIFY_RANGE, /* attributes, and pages from `offset` on, `len` bytes; 0: all of them; an
                         offset below 0: attributes only */
    CFS_NOTIFY_NAMES,
    CFS_NOTIFY_STORE, /* no forgetting: `len` bytes of `data` are what the file has at `offset`, and
                         it reaches at least to there */
    CFS_NOTIFY_ASK,   /* no forgetting: has the kernel ask for the attributes, if the thread
                         `reader` has the file of `attr` open as `fd` */
    CFS_NOTIFY_PAUSE, /* nothing */
};

struct cfs_notify_name {
    struct cfs_notify_name *next;
    bool stays; /* of a directory, which others may work in: it may be found again */
    char name[];
};

struct cfs_notify_job {
    enum cfs_notify_kind kind;
    fuse_ino_t id; /* what the kernel calls the inode */
    int64_t offset, len;
    int64_t from; /* STORE: pages from here on are forgotten first, for one is perhaps old */
    struct cfs_notify_name *names; /* in the directory `id`; freed with the job */
    uint8_t *data;                 /* likewise */
    struct cfs_content_info content;
    int proc, fd; /* ASK; `proc` is a descriptor of /proc */
    uint32_t reader;
    struct stat attr;
    atomic_uint asker; /* the thread of ours in whose name the kernel asks; 0: it does not yet */
    cfs_time after;    /* so long is waited before it */
    bool unknown;      /* done: the kernel does not know the inode */
    struct cfs_notify_job *next;
    /* The asker's. */
    void *inode, *recalling;
    uint64_t pages_came;
    cfs_time touched;
    bool answered;
    struct cfs_notify_job *prev_own, *next_own;
};

/* `done_fd`, an eventfd, is written to whenever a job is done. NULL when there are no threads. */
struct cfs_notifier *cfs_notifier_new(struct fuse_session *session, int done_fd);

/* Ends the threads, which no longer may stand still: after the mount is gone. What is left to do is
 * done then, for there is nobody to tell. */
void cfs_notifier_end(struct cfs_notifier *notifier);
void cfs_notifier_free(struct cfs_notifier *notifier);

/* Takes the job, which is malloc'd. */
void cfs_notifier_add(struct cfs_notifier *notifier, struct cfs_notify_job *job);

/* Jobs that are done, in a list, for the caller to free; NULL: none. */
struct cfs_notify_job *cfs_notifier_done(struct cfs_notifier *notifier);
void cfs_notify_job_free(struct cfs_notify_job *job);
void cfs_notify_names_free(struct cfs_notify_name *names);

#endif
