/* Parked requests: what the kernel has asked and the engine has not answered yet.
 *
 * No thread waits for an answer; a fuse_req_t lives until it is replied to. Each is replied to
 * exactly once: whoever replies takes it out of its pending with cfs_pending_take, which a second
 * one cannot, and an answer that leaves it in without asking further ends the process.
 *
 * Interrupts. The kernel sends one for whatever signal comes in while a process is in the call. A
 * flock or a read of a queue that may wait for hours is given up at once. All else takes well under
 * a millisecond while a majority is there, and must not fail because a child happened to end at
 * that moment: `[ -e locks/x ]` would say no. So that is given up only if it has not been answered
 * a little later. */
#ifndef CFS_FS_PENDING_H
#define CFS_FS_PENDING_H

#include <uthash.h>

#include "coordfs/engine.h"
#include "fs/fuse.h"

struct cfs_fs;
struct cfs_handle;
struct cfs_listing;
struct cfs_node;
struct cfs_pending;
struct cfs_xattr;

/* The engine's answer has come: replies, or asks further by cfs_pending_submit. */
typedef void (*cfs_reply_fn)(struct cfs_pending *pending, const struct cfs_answer *answer);

/* It waited on this node, and is interrupted: replies, and closes it. */
typedef void (*cfs_give_up_fn)(struct cfs_pending *pending);

struct cfs_pending {
    struct cfs_fs *fs;
    fuse_req_t req; /* NULL: nobody waits (any more) */
    uint64_t id;    /* the engine's, of what was asked last */
    cfs_reply_fn reply;
    struct cfs_node *node;     /* a reference, or NULL */
    struct cfs_handle *handle; /* a reference, or NULL */
    uint32_t tid;              /* of a flock that may wait: the thread that is in it */
    bool waits;                /* perhaps for long, for others: given up at once */
    cfs_give_up_fn give_up;    /* not NULL: it waits on this node, and nothing is asked */
    bool asking;               /* under way to the engine */
    bool settled;              /* replied to, while asking */
    bool interrupted;
    /* Not given up when interrupted: what was asked first has happened, or it is a close. */
    bool committed;
    cfs_time cancel_at; /* when to give up; 0: not */

    uint64_t number; /* of the message or claim that this is about */
    union {          /* what the reply needs beside the answer */
        struct {
            char to[CFS_NAME_MAX + 1];
        } rename;
        struct {
            size_t size;
            uint64_t offset;
        } read;
        struct {
            const struct cfs_listing *listing;
            size_t size;
            uint64_t offset;
        } readdir;
        struct {
            size_t size;
            const struct cfs_xattr *field;
        } xattr;
        struct {
            uint32_t fields, perm;
            uint64_t size;
        } setattr;
        struct fuse_file_info create;
        struct {
            enum cfs_lock_mode mode;
            cfs_token before; /* of what the handle held when it asked */
        } flock;
        struct {
            uint64_t end;
            uint32_t len;
        } write;
        struct {
            int error; /* of what was said first */
            bool gives_back;
        } close;
    };
    struct cfs_pending *prev, *next;         /* all */
    struct cfs_pending *prev_due, *next_due; /* with a time to give up, in its order */
    struct cfs_pending *next_behind;         /* those that wait behind another on this node */
    UT_hash_handle hh;                       /* with a tid */
};

struct cfs_pendings {
    struct cfs_pending *all, *due, *by_tid;
};

/* Parks `req`, which may be NULL. References to node and handle are taken; both may be NULL. */
struct cfs_pending *cfs_pending_new(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                                    struct cfs_handle *handle);

/* Asks the engine; `reply` will be called with the answer, perhaps before this returns. */
void cfs_pending_submit(struct cfs_pending *pending, const struct cfs_request *request,
                        cfs_reply_fn reply);

/* Gives up what was asked last when it has not been answered at `at`, CLOCK_BOOTTIME. */
void cfs_pending_limit(struct cfs_pending *pending, cfs_time at);

/* Waits for something on this node, until cfs_pending_wake or until it is interrupted. After waking
 * it asks, or is replied to and closed. */
void cfs_pending_wait(struct cfs_pending *pending, cfs_give_up_fn give_up);
void cfs_pending_wake(struct cfs_pending *pending);

/* Frees one that was replied to and asks nothing. */
void cfs_pending_close(struct cfs_pending *pending);

/* The request to reply to, for the one who replies now. */
fuse_req_t cfs_pending_take(struct cfs_pending *pending);

/* Replies with what `error` is to a program; CFS_OK: success without a value. */
void cfs_pending_reply_error(struct cfs_pending *pending, enum cfs_error error);

/* Replies with an errno(3). */
void cfs_pending_reply_errno(struct cfs_pending *pending, int number);

/* Gives up what has been interrupted and is due. Returns when to call again; CFS_NEVER. */
cfs_time cfs_pendings_cancel_due(struct cfs_fs *fs, cfs_time now);

/* Gives up all that was asked through `handle`. */
void cfs_pendings_cancel_handle(struct cfs_fs *fs, const struct cfs_handle *handle);

/* The acquire in which thread `tid` is parked and goes on waiting; 0: it is not. */
uint64_t cfs_pendings_parked(const struct cfs_pendings *pendings, uint32_t tid);

/* At the end of the mount, when the engine answers no more and the kernel listens no more. */
void cfs_pendings_free(struct cfs_fs *fs);

#endif
