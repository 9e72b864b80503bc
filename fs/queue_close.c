/* Closing a queue: what becomes of the message that was being read, and of what was written and is
 * no message yet.
 *
 *     all of it was read, and closed in an orderly way     acknowledged
 *     some of it was not, or a signal ended the reader     goes back to the head of the queue
 *     the end of a line or file that was being written     is sent, unless a signal ended the
 * writer a claim whose path was read                          stays; ended by a signal: goes back
 *
 * All that belongs to the last close, which RELEASE tells: too late for close(2) to report what
 * went wrong, and for the next program, on whichever node, to find the queue as it has to be. So it
 * is done at the FLUSH before it where that is sure to be the last: by the process that opened the
 * file, has no other descriptor of it and no children that may have one, and whom alone it was read
 * by. In all other cases (the opener's children inherited it, it was sent through a socket) it is
 * done at RELEASE, by what the last FLUSH has shown.
 *
 * A close waits for an answer no longer than a call without a majority does, also when the queue is
 * full. */
#include <errno.h>
#include <string.h>

#include "coordfs/log.h"
#include "fs/clock.h"
#include "fs/queues.h"

static bool is_claim(const struct cfs_handle *handle)
{
    return handle->node->part == CFS_PART_CLAIM;
}

static bool has_rest(const struct cfs_queue_file *queue)
{
    return queue->rest_len || queue->failed || queue->spoiled;
}

static bool is_undecided(const struct cfs_queue_file *queue)
{
    return queue->claim || queue->claim_count || has_rest(queue);
}

/* --- by whom ----------------------------------------------------------------------------- */

/* Where it cannot be told for sure, it has. */
static bool has_read(const struct cfs_queue_file *queue, const struct cfs_closer *closer)
{
    for (uint32_t i = 0; i < queue->reader_count; i++)
        if (i == CFS_READERS_MAX || !queue->readers[i].pid || queue->readers[i].pid == closer->pid)
            return true;
    return false;
}

static bool is_only_reader(const struct cfs_queue_file *queue, const struct cfs_closer *closer)
{
    for (uint32_t i = 0; i < queue->reader_count; i++)
        if (i == CFS_READERS_MAX || queue->readers[i].pid != closer->pid)
            return false;
    return true;
}

/* A child that inherited the file, and did nothing with it, may die as it likes. */
static void note_closer(struct cfs_queue_file *queue, const struct cfs_closer *closer)
{
    bool killed = closer->reason == CFS_CLOSE_KILLED;

    if (!killed || has_read(queue, closer))
        queue->closed = closer->reason;
    if (killed && cfs_closer_has_thread(closer, queue->writer))
        queue->cut_off = true;
    else if (cfs_closer_has_thread(closer, queue->opener))
        queue->cut_off = false; /* it was a child's, and the one who opened the file knows */
}

static bool is_last(const struct cfs_handle *handle, const struct cfs_closer *closer)
{
    const struct cfs_queue_file *queue = handle->queue;
    const char *base = is_claim(handle) ? "claim" : handle->node->name;

    return closer->pid && !queue->reading && !queue->writing &&
           cfs_closer_has_thread(closer, queue->opener) && is_only_reader(queue, closer) &&
           !cfs_closer_may_share(closer, base, handle->node->ino);
}

/* --- what ------------------------------------------------------------------------------- */

/* Claims of one who was killed: all that may still be his. Else the one whose path he has not read
 * to its end, so that nobody knows of it. */
static uint32_t claims_to_give_back(struct cfs_queue_file *queue, const uint64_t **ids)
{
    *ids = queue->claims;
    if (queue->closed == CFS_CLOSE_KILLED)
        return queue->claim_count;
    *ids = &queue->claim;
    return queue->claim && queue->at < queue->len ? 1 : 0;
}

/* Whether the reader may think that this close acknowledges. */
static bool is_read(const struct cfs_handle *handle)
{
    const struct cfs_queue_file *queue = handle->queue;

    return !is_claim(handle) && queue->at == queue->len && queue->closed == CFS_CLOSE_ORDERLY;
}

/* What has to be said of the messages that were handed out. False: nothing. The request borrows
 * from `handle`. */
static bool settle_request(const struct cfs_handle *handle, struct cfs_request *request)
{
    struct cfs_queue_file *queue = handle->queue;
    const uint64_t *ids = &queue->claim;
    uint32_t count = queue->claim ? 1 : 0;
    enum cfs_op op = is_read(handle) ? CFS_OP_ACK : CFS_OP_GIVE_BACK;

    if (is_claim(handle)) {
        op = CFS_OP_GIVE_BACK;
        count = claims_to_give_back(queue, &ids);
    }
    if (!count || queue->lost)
        return false;
    *request = cfs_queue_request(op, handle->node->name);
    request->settle = (struct cfs_settle){.place = CFS_INFLIGHT, .ids = ids, .count = count};
    return true;
}

static void forget_messages(struct cfs_queue_file *queue)
{
    cfs_queue_forget_message(queue);
    queue->claim_count = 0;
}

/* --- in the last FLUSH ------------------------------------------------------------------- */

static cfs_time limit(const struct cfs_fs *fs)
{
    return cfs_fs_now() + CFS_MS(fs->config->timeout_ms);
}

/* Of several errors the first is told. What should go back, and is not there, has gone back. */
static void settled(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    int error = cfs_error_errno(answer->error);

    if (answer->error == CFS_ERR_NOT_CLAIMED)
        error = pending->close.gives_back ? 0 : EIO;
    cfs_pending_reply_errno(pending, pending->close.error ? pending->close.error : error);
}

static void settle(struct cfs_pending *pending, const struct cfs_request *request)
{
    pending->close.gives_back = request->op == CFS_OP_GIVE_BACK;
    cfs_pending_submit(pending, request, settled);
}

static void sent(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_queue_file *queue = pending->handle->queue;
    struct cfs_request request;

    queue->writing = false;
    pending->close.error = cfs_error_errno(answer->error);
    if (answer->error == CFS_ERR_INTERRUPTED) /* by the limit: nobody made room */
        pending->close.error = ETIMEDOUT;
    if (settle_request(pending->handle, &request))
        settle(pending, &request);
    else
        cfs_pending_reply_errno(pending, pending->close.error);
    forget_messages(queue);
}

static struct cfs_pending *park(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle)
{
    struct cfs_pending *pending = cfs_pending_new(fs, req, NULL, handle);

    pending->committed = true;
    return pending;
}

static void send_last(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle,
                      const struct cfs_request *request)
{
    struct cfs_pending *pending = park(fs, req, handle);

    handle->queue->writing = true;
    cfs_pending_limit(pending, limit(fs));
    cfs_pending_submit(pending, request, sent);
}

/* What became of a write that its caller could not be told. */
static int take_failure(struct cfs_queue_file *queue)
{
    int error = queue->failed ? queue->failed : queue->spoiled ? EMSGSIZE : 0;

    queue->failed = 0;
    queue->spoiled = false;
    return error;
}

static bool sends_last(const struct cfs_handle *handle, struct cfs_request *request)
{
    return !handle->queue->cut_off && cfs_queue_last_message(handle, request);
}

static void close_last(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle)
{
    struct cfs_queue_file *queue = handle->queue;
    int error = take_failure(queue);
    struct cfs_request request;

    if (error) {
        fuse_reply_err(req, error);
    } else if (sends_last(handle, &request)) {
        send_last(fs, req, handle, &request);
    } else if (settle_request(handle, &request)) {
        settle(park(fs, req, handle), &request);
        forget_messages(queue);
    } else {
        fuse_reply_err(req, queue->lost && is_read(handle) ? EIO : 0);
    }
    cfs_queue_forget_rest(queue);
}

void cfs_queue_flush(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle)
{
    struct cfs_closer closer;

    if (!is_undecided(handle->queue)) {
        fuse_reply_err(req, 0);
        return;
    }
    cfs_closer_look(&closer, fs->proc_fd, (uint32_t)fuse_req_ctx(req)->pid);
    note_closer(handle->queue, &closer);
    if (is_last(handle, &closer))
        close_last(fs, req, handle);
    else
        fuse_reply_err(req, 0);
}

/* --- at RELEASE -------------------------------------------------------------------------- */

static void sent_late(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_log(CFS_LOG_WARNING, "queues/%s: the last message of a closed file was not queued: %s",
                pending->handle->node->name, cfs_error_sentence(answer->error));
}

/* Nobody can be told any more, and nobody waits for it: it may wait for room. */
static void send_late(struct cfs_handle *handle, const struct cfs_request *request)
{
    struct cfs_pending *pending = cfs_pending_new(handle->fs, NULL, NULL, handle);

    cfs_pending_limit(pending, limit(handle->fs));
    cfs_pending_submit(pending, request, sent_late);
}

void cfs_queue_release(struct cfs_handle *handle)
{
    struct cfs_queue_file *queue = handle->queue;
    struct cfs_request request;

    if (!queue)
        return; /* a directory */
    if (queue->awaiting)
        cfs_engine_cancel(handle->fs->engine, queue->awaiting->id);
    if (settle_request(handle, &request))
        cfs_handle_ask_at_close(handle, &request);
    forget_messages(queue);
    if (sends_last(handle, &request))
        send_late(handle, &request);
    cfs_queue_forget_rest(queue);
}

void cfs_queue_lose(struct cfs_handle *handle)
{
    struct cfs_queue_file *queue = handle->queue;

    if (!queue)
        return; /* a directory */
    queue->lost = queue->claim != 0;
    queue->claim_count = 0;
}
