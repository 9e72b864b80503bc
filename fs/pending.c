/* Parked requests, from the kernel's question to the one reply. */
#include "fs/pending.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/clock.h"
#include "fs/handle.h"
#include "fs/memory.h"
#include "fs/mount.h"

/* How long an interrupted request that is not expected to wait may still be answered. */
#define GRACE CFS_MS(100)

struct cfs_pending *cfs_pending_new(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                                    struct cfs_handle *handle)
{
    struct cfs_pending *pending = cfs_fs_alloc(sizeof *pending);

    pending->fs = fs;
    pending->req = req;
    pending->node = node ? cfs_node_ref(node) : NULL;
    pending->handle = handle ? cfs_handle_ref(handle) : NULL;
    DL_APPEND(fs->pendings.all, pending);
    return pending;
}

static void undue(struct cfs_pending *pending)
{
    if (pending->cancel_at)
        DL_DELETE2(pending->fs->pendings.due, pending, prev_due, next_due);
    pending->cancel_at = 0;
}

static int is_due_before(const struct cfs_pending *a, const struct cfs_pending *b)
{
    return a->cancel_at < b->cancel_at ? -1 : a->cancel_at > b->cancel_at;
}

void cfs_pending_limit(struct cfs_pending *pending, cfs_time at)
{
    if (pending->cancel_at && pending->cancel_at <= at)
        return;
    undue(pending);
    pending->cancel_at = at;
    DL_INSERT_INORDER2(pending->fs->pendings.due, pending, is_due_before, prev_due, next_due);
}

static void unpark(struct cfs_pending *pending)
{
    if (pending->tid)
        HASH_DEL(pending->fs->pendings.by_tid, pending);
    pending->tid = 0;
}

void cfs_pending_close(struct cfs_pending *pending)
{
    struct cfs_fs *fs = pending->fs;

    undue(pending);
    unpark(pending);
    DL_DELETE(fs->pendings.all, pending);
    if (pending->handle)
        cfs_handle_unref(pending->handle);
    if (pending->node)
        cfs_node_unref(&fs->nodes, pending->node);
    free(pending);
}

static void answered(void *arg, const struct cfs_answer *answer)
{
    struct cfs_pending *pending = arg;
    cfs_reply_fn reply = pending->reply;

    pending->reply = NULL;
    undue(pending);
    reply(pending, answer);
    if (pending->reply)
        return; /* it asked further */
    assert(!pending->req);
    if (pending->asking)
        pending->settled = true;
    else
        cfs_pending_close(pending);
}

/* Runs inside libfuse, with the request's lock held: marks, and leaves the rest to cancel_due. */
static void on_interrupt(fuse_req_t req, void *data)
{
    struct cfs_pending *pending = data;

    (void)req;
    if (pending->interrupted)
        return;
    pending->interrupted = true;
    if (pending->committed)
        return;
    cfs_pending_limit(pending, cfs_fs_now() + (pending->tid || pending->waits ? 0 : GRACE));
}

/* A thread is in one call at a time; should /proc and kernel disagree, the first one counts. */
static void park(struct cfs_pending *pending)
{
    struct cfs_pending *other;

    HASH_FIND(hh, pending->fs->pendings.by_tid, &pending->tid, sizeof pending->tid, other);
    if (other)
        pending->tid = 0;
    else
        HASH_ADD(hh, pending->fs->pendings.by_tid, tid, sizeof pending->tid, pending);
}

void cfs_pending_submit(struct cfs_pending *pending, const struct cfs_request *request,
                        cfs_reply_fn reply)
{
    bool first = !pending->id;

    assert(!pending->reply);
    assert(!pending->asking); /* an answer that comes at once is an error, and asks no further */
    assert(!pending->give_up);
    pending->reply = reply;
    if (first && pending->tid)
        park(pending);
    pending->asking = true;
    pending->id = cfs_engine_submit(pending->fs->engine, request, answered, pending);
    pending->asking = false;
    if (pending->settled)
        cfs_pending_close(pending);
    else if (first && pending->req)
        fuse_req_interrupt_func(pending->req, on_interrupt, pending);
}

void cfs_pending_wait(struct cfs_pending *pending, cfs_give_up_fn give_up)
{
    pending->give_up = give_up;
    fuse_req_interrupt_func(pending->req, on_interrupt, pending);
}

void cfs_pending_wake(struct cfs_pending *pending)
{
    pending->give_up = NULL;
}

fuse_req_t cfs_pending_take(struct cfs_pending *pending)
{
    fuse_req_t req = pending->req;

    assert(req);
    pending->req = NULL;
    return req;
}

void cfs_pending_reply_errno(struct cfs_pending *pending, int number)
{
    fuse_reply_err(cfs_pending_take(pending), number);
}

void cfs_pending_reply_error(struct cfs_pending *pending, enum cfs_error error)
{
    cfs_pending_reply_errno(pending, cfs_error_errno(error));
}

cfs_time cfs_pendings_cancel_due(struct cfs_fs *fs, cfs_time now)
{
    struct cfs_pending *pending;

    while ((pending = fs->pendings.due) && pending->cancel_at <= now) {
        undue(pending);
        if (pending->give_up)
            pending->give_up(pending);
        else
            cfs_engine_cancel(fs->engine, pending->id); /* may answer, and free it */
    }
    return pending ? pending->cancel_at : CFS_NEVER;
}

void cfs_pendings_cancel_handle(struct cfs_fs *fs, const struct cfs_handle *handle)
{
    struct cfs_pending *pending, *next;

    DL_FOREACH_SAFE (fs->pendings.all, pending, next)
        if (pending->handle == handle && pending->id)
            cfs_engine_cancel(fs->engine, pending->id);
}

uint64_t cfs_pendings_parked(const struct cfs_pendings *pendings, uint32_t tid)
{
    const struct cfs_pending *pending;

    HASH_FIND(hh, pendings->by_tid, &tid, sizeof tid, pending);
    return pending && !pending->interrupted ? pending->id : 0;
}

void cfs_pendings_free(struct cfs_fs *fs)
{
    while (fs->pendings.all) {
        fs->pendings.all->req = NULL;
        cfs_pending_close(fs->pendings.all);
    }
}
