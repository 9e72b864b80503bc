/* mv of a message:
 *
 *     inflight/ID   onto its queue, or into its ready/    given back, to the head
 *                   onto another queue                    passed on, to the tail
 *     dead/ID       onto its queue, or into its ready/    tried again
 *                   onto another queue                    passed on
 *
 * Nothing else can be moved, from here or to here. The kernel holds the locks of both directories
 * meanwhile, so a full queue is answered at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/access.h"
#include "fs/queues.h"
#include "fs/tree_fixed.h"

/* Whether a message of `dir` may be moved to `new_name` in `new_dir`; then `to` is the queue that
 * this means. */
static bool find_target(const struct cfs_node *dir, const struct cfs_node *new_dir,
                        const char *new_name, char to[CFS_NAME_MAX + 1])
{
    bool to_queue = new_dir->id == CFS_FIXED_QUEUES && *new_name != '.';
    bool to_ready = new_dir->part == CFS_PART_READY && strcmp(new_dir->name, dir->name) == 0;

    if (dir->part == CFS_PART_READY || !(to_queue || to_ready))
        return false;
    strcpy(to, to_queue ? new_name : dir->name);
    return true;
}

static void moved(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (!answer->error && pending->node->part == CFS_PART_INFLIGHT)
        cfs_queue_forget_claim(pending->fs, pending->node->name, pending->number);
    cfs_pending_reply_error(pending, answer->error);
}

static void move(struct cfs_pending *pending)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_MESSAGE_MOVE, pending->node->name);

    request.message_move.place = cfs_queue_place(pending->node->part);
    request.message_move.id = pending->number;
    strcpy(request.message_move.to, pending->rename.to);
    cfs_pending_submit(pending, &request, moved);
}

/* rename(2) wants no permission of what it replaces. This is a write to that queue. */
static void seen_target(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(pending->req);
    struct cfs_owner owner = {answer->queue.uid, answer->queue.gid, answer->queue.perm};

    if (answer->error)
        cfs_pending_reply_error(pending, answer->error);
    else if (!cfs_access_allowed(pending->req, ctx->uid, ctx->gid, &owner, 2))
        cfs_pending_reply_errno(pending, EACCES);
    else
        move(pending);
}

void cfs_message_rename(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                        struct cfs_node *new_dir, const char *new_name, unsigned flags)
{
    uint64_t number = cfs_message_number(name);
    struct cfs_pending *pending;
    struct cfs_request request;
    char to[CFS_NAME_MAX + 1];

    if (flags & ~(unsigned)RENAME_NOREPLACE || !find_target(dir, new_dir, new_name, to)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    if (!number) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    pending = cfs_pending_new(fs, req, dir, NULL);
    pending->number = number;
    strcpy(pending->rename.to, to);
    if (strcmp(to, dir->name) == 0) {
        move(pending);
    } else {
        request = cfs_queue_request(CFS_OP_QUEUE_STAT, to);
        cfs_pending_submit(pending, &request, seen_target);
    }
}
