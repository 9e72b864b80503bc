/* poll, select and epoll: readable when a message is ready. The kernel asks anew whenever it has
 * been told of a change, so telling it once too often costs a question, and once too rarely a
 * program that sleeps for ever.
 *
 * It is told when a message is ready after a poll, or a read that does not wait, has found none.
 * Writing is always possible as far as poll goes. */
#include <errno.h>
#include <poll.h>

#include "fs/queues.h"

static unsigned mask(const struct cfs_handle *handle, bool readable)
{
    unsigned events = 0;

    if (readable && handle->queue->access != O_WRONLY)
        events |= POLLIN | POLLRDNORM;
    if (handle->queue->access != O_RDONLY)
        events |= POLLOUT | POLLWRNORM;
    return events;
}

static void awaited(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;

    (void)answer; /* ready, removed, or nobody knows: a new poll will tell */
    handle->queue->awaiting = NULL;
    if (handle->poll)
        fuse_lowlevel_notify_poll(handle->poll);
}

void cfs_queue_await(struct cfs_handle *handle)
{
    struct cfs_queue_file *queue = handle->queue;
    struct cfs_request request;

    if (!handle->poll || queue->awaiting)
        return;
    request = cfs_queue_request(CFS_OP_QUEUE_AWAIT, handle->node->name);
    queue->awaiting = cfs_pending_new(handle->fs, NULL, NULL, handle);
    cfs_pending_submit(queue->awaiting, &request, awaited);
}

static void looked(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;
    bool ready = answer->queue.ready > 0;
    fuse_req_t req = cfs_pending_take(pending);

    if (answer->error == CFS_ERR_NO_QUEUE) {
        fuse_reply_poll(req, POLLERR | POLLHUP);
    } else if (answer->error) {
        fuse_reply_poll(req, POLLERR);
    } else {
        fuse_reply_poll(req, mask(handle, ready));
        if (!ready)
            cfs_queue_await(handle);
    }
}

void cfs_queue_poll(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_STAT, handle->node->name);

    if (cfs_queue_has_text(handle) || handle->queue->access == O_WRONLY)
        fuse_reply_poll(req, mask(handle, true));
    else
        cfs_pending_submit(cfs_pending_new(fs, req, NULL, handle), &request, looked);
}
