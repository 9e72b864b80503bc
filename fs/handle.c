/* Open files, from OPEN to the end of what their close gives back. */
#include "fs/handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fs/memory.h"
#include "fs/mount.h"
#include "fs/proc.h"
#include "fs/queues.h"
#include "fs/tree.h"

struct cfs_handle *cfs_handle_new(struct cfs_fs *fs, struct cfs_node *node, fuse_req_t req)
{
    struct cfs_handle *handle = cfs_fs_alloc(sizeof *handle);
    const struct fuse_ctx *ctx = fuse_req_ctx(req);

    handle->id = ++fs->handles.last_id;
    handle->fs = fs;
    handle->node = cfs_node_ref(node);
    handle->refs = 1;
    handle->uid = ctx->uid;
    handle->gid = ctx->gid;
    handle->held = (struct cfs_held){.handle = handle->id, .name = node->name, .ino = node->ino};
    node->handles++;
    DL_APPEND(fs->handles.open, handle);
    return handle;
}

uint64_t cfs_handle_fh(const struct cfs_handle *handle)
{
    return (uint64_t)(uintptr_t)handle;
}

struct cfs_handle *cfs_handle_of(const struct fuse_file_info *fi)
{
    return (struct cfs_handle *)(uintptr_t)fi->fh;
}

struct cfs_handle *cfs_handle_ref(struct cfs_handle *handle)
{
    handle->refs++;
    return handle;
}

void cfs_handle_unref(struct cfs_handle *handle)
{
    assert(handle->refs > 0);
    if (--handle->refs)
        return;
    assert(handle->closed && !handle->mode);
    cfs_node_unref(&handle->fs->nodes, handle->node);
    cfs_queue_file_free(handle->queue);
    free(handle->text);
    free(handle);
}

void cfs_handle_identify(struct cfs_handle *handle, uint32_t tid)
{
    if (tid && tid == handle->tid && handle->process.pid)
        return;
    handle->tid = tid;
    cfs_proc_identify(handle->fs->proc_fd, tid, &handle->process, &handle->parent);
}

void cfs_handle_holds(struct cfs_handle *handle, enum cfs_lock_mode mode, cfs_token token)
{
    if (!handle->mode)
        cfs_waits_add(&handle->fs->waits, &handle->held);
    if (token != handle->token)
        handle->content_len = 0; /* each acquisition starts with an empty one */
    handle->mode = mode;
    handle->token = token;
    handle->held.taker = handle->process;
    handle->held.witness = handle->parent;
    handle->held.flushed = false;
}

void cfs_handle_lets_go(struct cfs_handle *handle)
{
    if (handle->mode)
        cfs_waits_remove(&handle->fs->waits, &handle->held);
    handle->mode = 0;
    handle->token = 0;
}

cfs_token cfs_handle_exclusive(const struct cfs_handle *handle)
{
    return handle->mode == CFS_EXCLUSIVE ? handle->token : handle->lockfile;
}

/* A closed handle is in the list of those that release until all of it has been answered. */
static void settle(struct cfs_handle *handle)
{
    if (!handle->release_number || handle->releases || handle->acquiring)
        return;
    DL_DELETE(handle->fs->handles.releasing, handle);
    handle->release_number = 0;
    cfs_handle_unref(handle);
}

static void released(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    /* Whatever the answer: the engine goes on until it is done or the session has ended. */
    (void)answer;
    pending->handle->releases--;
    settle(pending->handle);
}

void cfs_handle_ask_at_close(struct cfs_handle *handle, const struct cfs_request *request)
{
    struct cfs_pending *pending = cfs_pending_new(handle->fs, NULL, NULL, handle);

    handle->releases++;
    cfs_pending_submit(pending, request, released);
}

static void give_back(struct cfs_handle *handle)
{
    struct cfs_request request = {.op = CFS_OP_RELEASE,
                                  .release = {.kind = CFS_FLOCK, .handle = handle->id}};

    strcpy(request.name, handle->node->name);
    cfs_handle_ask_at_close(handle, &request);
}

static void drop_poll(struct cfs_handle *handle)
{
    if (handle->poll)
        fuse_pollhandle_destroy(handle->poll);
    handle->poll = NULL;
}

static void leave_open(struct cfs_handle *handle)
{
    handle->closed = true;
    handle->node->handles--;
    DL_DELETE(handle->fs->handles.open, handle);
    drop_poll(handle);
    cfs_handle_lets_go(handle);
}

void cfs_handle_close(struct cfs_handle *handle)
{
    struct cfs_handles *handles = &handle->fs->handles;
    const struct cfs_tree *tree = handle->node->tree;

    leave_open(handle);
    handle->releases++; /* until all is asked */
    /* The kernel closes no file that is in a call of it, unless the connection was cut. */
    if (handle->acquiring)
        cfs_pendings_cancel_handle(handle->fs, handle);
    if (handle->may_hold)
        give_back(handle);
    if (tree->release)
        tree->release(handle);
    if (--handle->releases == 0 && !handle->acquiring) {
        cfs_handle_unref(handle);
        return;
    }
    DL_APPEND(handles->releasing, handle);
    handle->release_number = ++handles->last_release;
}

void cfs_handle_renew(struct cfs_handle *handle)
{
    struct cfs_handle *past = cfs_fs_alloc(sizeof *past);

    assert(!handle->acquiring);
    cfs_handle_lets_go(handle);
    *past = (struct cfs_handle){.id = handle->id,
                                .fs = handle->fs,
                                .node = cfs_node_ref(handle->node),
                                .refs = 1,
                                .may_hold = true};
    past->node->handles++;
    DL_APPEND(handle->fs->handles.open, past);
    handle->id = handle->held.handle = ++handle->fs->handles.last_id;
    handle->may_hold = false;
    cfs_handle_close(past);
}

void cfs_handle_acquired(struct cfs_handle *handle, bool granted)
{
    handle->acquiring--;
    if (granted && (handle->closed || handle->lost))
        give_back(handle); /* nobody is there to use it */
    settle(handle);
}

static void lose(struct cfs_handle *handle)
{
    handle->lost = true;
    handle->node->lost = true;
    handle->may_hold = false;
    handle->lockfile = 0;
    cfs_handle_lets_go(handle);
    if (handle->poll)
        fuse_lowlevel_notify_poll(handle->poll);
    drop_poll(handle);
}

void cfs_handles_lose(struct cfs_handles *handles)
{
    struct cfs_handle *handle;

    DL_FOREACH (handles->open, handle) {
        if (handle->mode || handle->lockfile)
            lose(handle); /* who only waits has lost nothing: the engine asks for him anew */
        if (handle->node->tree->lose)
            handle->node->tree->lose(handle);
    }
}

bool cfs_handles_releasing(const struct cfs_handles *handles, uint64_t number)
{
    return handles->releasing && handles->releasing->release_number <= number;
}

void cfs_handles_free(struct cfs_handles *handles)
{
    struct cfs_handle *handle;

    while ((handle = handles->releasing)) {
        DL_DELETE(handles->releasing, handle);
        cfs_handle_unref(handle);
    }
    while ((handle = handles->open)) {
        leave_open(handle);
        cfs_handle_unref(handle);
    }
}
