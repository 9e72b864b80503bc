/* Open files and directories: one cfs_handle for each open file description the kernel has, from
 * OPEN, CREATE or OPENDIR to RELEASE, and on until the engine has let go of what it held.
 *
 * A handle may hold two things at once: the lockfile that its O_EXCL made, which outlives it, and a
 * flock, which does not. */
#ifndef CFS_FS_HANDLE_H
#define CFS_FS_HANDLE_H

#include "coordfs/request.h"
#include "fs/fuse.h"
#include "fs/node.h"
#include "fs/waits.h"

struct cfs_fs;
struct cfs_queue_file;

/* The place that an interrupted wait had in its lock's queue. A signal handler installed with
 * SA_RESTART makes the kernel ask again at once, and then nobody must have overtaken. */
struct cfs_place {
    uint64_t ticket; /* 0: none */
    enum cfs_lock_mode mode;
    cfs_time until;
};

struct cfs_handle {
    uint64_t id; /* what the engine calls it; never used twice; cfs_handle_renew changes it */
    struct cfs_fs *fs;
    struct cfs_node *node; /* a reference */
    uint32_t refs;         /* the open file, and parked requests */
    uid_t uid;             /* who opened it */
    gid_t gid;
    int flags; /* as open(2) has them; O_NONBLOCK and its like as of the last read or write */
    struct cfs_queue_file *queue; /* what is read and written (fs/queues.h); NULL: no queue */

    /* Listings and pages: what reads are served from. */
    char *text;
    size_t text_len;
    bool more;     /* listings: what follows has not been asked for yet */
    uint64_t mark; /* listings: where that begins, for those who do not go by the last name */

    /* Locks. */
    cfs_token lockfile;      /* made by this handle's O_EXCL, perhaps removed since; 0: not */
    enum cfs_lock_mode mode; /* of the flock it holds; 0: none */
    cfs_token token;         /* of that hold */
    /* The cluster may count a flock of it as held: a close has to give it back. */
    bool may_hold;
    bool lost;            /* the session ended under it: EIO from everything until it is closed */
    bool closed;          /* RELEASE has come */
    uint32_t content_len; /* of what it wrote under its exclusive hold: O_APPEND goes there */
    uint32_t acquiring;   /* flock requests under way */
    uint32_t releases;    /* releases for its close under way */
    struct cfs_place place;
    struct cfs_process process; /* who asked last, as read from /proc for thread `tid` */
    uint32_t tid, parent;
    struct cfs_held held; /* in the wait-for graph while `mode` is set */
    struct fuse_pollhandle *poll;

    uint64_t release_number; /* closed handles: their order */
    struct cfs_handle *prev, *next;
};

/* All that are open, and those whose close the engine has not answered yet, oldest first. */
struct cfs_handles {
    struct cfs_handle *open, *releasing;
    uint64_t last_id, last_release;
};

/* Opens `node` for who sent `req`. */
struct cfs_handle *cfs_handle_new(struct cfs_fs *fs, struct cfs_node *node, fuse_req_t req);

/* What FUSE calls fh. */
uint64_t cfs_handle_fh(const struct cfs_handle *handle);
struct cfs_handle *cfs_handle_of(const struct fuse_file_info *fi);

struct cfs_handle *cfs_handle_ref(struct cfs_handle *handle);
void cfs_handle_unref(struct cfs_handle *handle);

/* Fills in `handle->process` for thread `tid`; reads /proc only when another thread asked last. */
void cfs_handle_identify(struct cfs_handle *handle, uint32_t tid);

/* It holds a flock now, taken by `handle->process`. */
void cfs_handle_holds(struct cfs_handle *handle, enum cfs_lock_mode mode, cfs_token token);

/* It holds no flock any more, as far as this node knows. */
void cfs_handle_lets_go(struct cfs_handle *handle);

/* The token of the exclusive hold it may write under; 0: none. */
cfs_token cfs_handle_exclusive(const struct cfs_handle *handle);

/* It gives back what it holds, and nobody waits for that: under the name it had until now, while
 * what it takes from now on goes by a new one. So the one cannot be mistaken for the other, in
 * whatever order they arrive. It must not be acquiring. */
void cfs_handle_renew(struct cfs_handle *handle);

/* RELEASE: the kernel knows it no more. It is freed once what it held is given back. */
void cfs_handle_close(struct cfs_handle *handle);

/* Asks for something that belongs to the close of `handle`: until it is answered the close is not
 * over. Whoever asks from tree->release. */
void cfs_handle_ask_at_close(struct cfs_handle *handle, const struct cfs_request *request);

/* An acquire through it has been answered. */
void cfs_handle_acquired(struct cfs_handle *handle, bool granted);

/* The session ended: all that hold or wait are lost, pollers learn of it. */
void cfs_handles_lose(struct cfs_handles *handles);

/* Whether a close that came as number `number` or earlier is still to be answered. */
bool cfs_handles_releasing(const struct cfs_handles *handles, uint64_t number);

/* At the end of the mount: frees all that is left. */
void cfs_handles_free(struct cfs_handles *handles);

#endif
