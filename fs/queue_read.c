/* Reading a queue: the bytes of one message, over as many reads as it takes, and then 0, which says
 * that the reader has them all. It is asked for by the first read, and acknowledged by the read of
 * its end. From `claim` comes the path of a message instead, which stays claimed when that is read.
 *
 * One read at a time asks the engine; others of the same open file wait behind it, each of them to
 * be interrupted by itself, and go on where it left off. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fs/memory.h"
#include "fs/proc.h"
#include "fs/queues.h"

/* Programs that copy what they find (backups; cp -r, rsync and mv between file systems, which do
 * not follow links) read an empty file, and nothing is taken. */
static bool passes_by(const struct cfs_handle *handle)
{
    return handle->flags & (O_NOATIME | O_NOFOLLOW);
}

bool cfs_queue_has_text(const struct cfs_handle *handle)
{
    return handle->queue->claim || passes_by(handle);
}

void cfs_queue_forget_message(struct cfs_queue_file *queue)
{
    free(queue->text);
    queue->text = NULL;
    queue->len = queue->at = 0;
    queue->claim = 0;
    queue->lost = false;
}

/* --- what is handed out ------------------------------------------------------------------ */

/* For a process that dies with the open file in its hands (queue_close.c). */
static void note_claim(struct cfs_queue_file *queue, cfs_claim_id claim)
{
    if (queue->claim_count == CFS_CONSUME_MAX) {
        queue->claim_count--;
        memmove(queue->claims, queue->claims + 1, queue->claim_count * sizeof *queue->claims);
    }
    queue->claims[queue->claim_count++] = claim;
}

void cfs_queue_forget_claim(struct cfs_fs *fs, const char *name, cfs_claim_id claim)
{
    struct cfs_handle *handle;

    DL_FOREACH (fs->handles.open, handle) {
        struct cfs_queue_file *queue = handle->queue;
        for (uint32_t i = 0; queue && i < queue->claim_count; i++)
            if (queue->claims[i] == claim && strcmp(handle->node->name, name) == 0)
                queue->claims[i] = queue->claims[--queue->claim_count];
    }
}

static void take_message(struct cfs_queue_file *queue, const struct cfs_message_info *message)
{
    assert(message->len > 0);
    queue->text = cfs_fs_alloc(message->len);
    memcpy(queue->text, message->body, message->len);
    queue->len = message->len;
}

static void take_path(struct cfs_queue_file *queue, const char *name, cfs_claim_id claim)
{
    queue->text = cfs_fs_format(".%s/inflight/%" PRIu64 "\n", name, claim);
    queue->len = (uint32_t)strlen(queue->text);
    note_claim(queue, claim);
}

static void take(struct cfs_handle *handle, const struct cfs_message_info *message)
{
    struct cfs_queue_file *queue = handle->queue;

    if (handle->node->part == CFS_PART_CLAIM)
        take_path(queue, handle->node->name, message->claim);
    else
        take_message(queue, message);
    queue->claim = message->claim;
    queue->at = 0;
    queue->lost = false;
}

/* --- replies ----------------------------------------------------------------------------- */

static void reply_bytes(struct cfs_queue_file *queue, fuse_req_t req, size_t size)
{
    uint32_t left = queue->len - queue->at;
    uint32_t count = size < left ? (uint32_t)size : left;

    if (fuse_reply_buf(req, queue->text + queue->at, count) == 0)
        queue->at += count;
}

/* The end of what was read, where that is not for the engine to say. */
static void reply_end(struct cfs_queue_file *queue, fuse_req_t req)
{
    bool lost = queue->lost;

    cfs_queue_forget_message(queue);
    if (lost)
        fuse_reply_err(req, EIO); /* it was handed to somebody else, or will be */
    else
        fuse_reply_buf(req, NULL, 0);
}

/* Replies if it can without asking. */
static bool serve(struct cfs_handle *handle, fuse_req_t req, size_t size, uint64_t offset)
{
    struct cfs_queue_file *queue = handle->queue;
    /* A later piece of the read that took the last bytes has not read the end. */
    bool nothing = queue->claim ? offset != 0 : passes_by(handle);

    if (queue->claim && queue->at < queue->len)
        reply_bytes(queue, req, size);
    else if (nothing)
        fuse_reply_buf(req, NULL, 0);
    else if (queue->claim && (queue->lost || handle->node->part == CFS_PART_CLAIM))
        reply_end(queue, req);
    else
        return false;
    return true;
}

/* --- asking ------------------------------------------------------------------------------ */

static void read_behind(struct cfs_handle *handle);

static bool is_gone(enum cfs_error error)
{
    return error == CFS_ERR_NOT_CLAIMED || error == CFS_ERR_NO_QUEUE || error == CFS_ERR_LOST;
}

/* The answer alone says what became of it; that the session was lost meanwhile does not. */
static void acknowledged(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;
    struct cfs_queue_file *queue = handle->queue;
    bool gone = is_gone(answer->error);

    queue->reading = NULL;
    if (!answer->error || gone) {
        queue->lost = gone;
        reply_end(queue, cfs_pending_take(pending));
    } else {
        cfs_pending_reply_error(pending, answer->error); /* the next read asks again */
    }
    read_behind(handle);
}

/* The connection to the kernel was cut meanwhile. */
static void give_back(struct cfs_handle *handle, cfs_claim_id claim)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_GIVE_BACK, handle->node->name);

    request.settle = (struct cfs_settle){.place = CFS_INFLIGHT, .ids = &claim, .count = 1};
    cfs_handle_ask_at_close(handle, &request);
}

static void handed_out(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_handle *handle = pending->handle;

    handle->queue->reading = NULL;
    if (answer->error == CFS_ERR_EMPTY)
        cfs_queue_await(handle);
    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
    } else if (handle->closed) {
        cfs_pending_reply_error(pending, CFS_ERR_INTERRUPTED);
        give_back(handle, answer->messages->claim);
    } else {
        take(handle, answer->messages);
        reply_bytes(handle->queue, cfs_pending_take(pending), pending->read.size);
    }
    read_behind(handle);
}

static void acknowledge(struct cfs_pending *pending)
{
    const struct cfs_handle *handle = pending->handle;
    struct cfs_request request = cfs_queue_request(CFS_OP_ACK, handle->node->name);

    request.settle =
        (struct cfs_settle){.place = CFS_INFLIGHT, .ids = &handle->queue->claim, .count = 1};
    pending->waits = false;
    cfs_pending_submit(pending, &request, acknowledged);
}

/* A claim whose path somebody has read outlives the daemon; a message that was being read does not.
 */
static void consume(struct cfs_pending *pending)
{
    const struct cfs_handle *handle = pending->handle;
    struct cfs_request request = cfs_queue_request(CFS_OP_CONSUME, handle->node->name);

    request.consume = (struct cfs_consume){.wait = !(handle->flags & O_NONBLOCK),
                                           .bound = handle->node->part == CFS_PART_QUEUE,
                                           .max = 1};
    pending->waits = request.consume.wait;
    cfs_pending_submit(pending, &request, handed_out);
}

static void ask(struct cfs_pending *pending)
{
    struct cfs_queue_file *queue = pending->handle->queue;

    queue->reading = pending;
    if (queue->claim)
        acknowledge(pending);
    else
        consume(pending);
}

/* --- one behind the other ---------------------------------------------------------------- */

static void given_up(struct cfs_pending *pending)
{
    LL_DELETE2(pending->handle->queue->behind, pending, next_behind);
    cfs_pending_reply_error(pending, CFS_ERR_INTERRUPTED);
    cfs_pending_close(pending);
}

static void wait_behind(struct cfs_pending *pending)
{
    LL_APPEND2(pending->handle->queue->behind, pending, next_behind);
    pending->waits = true;
    cfs_pending_wait(pending, given_up);
}

static void read_behind(struct cfs_handle *handle)
{
    struct cfs_queue_file *queue = handle->queue;
    struct cfs_pending *pending;

    while ((pending = queue->behind) && !queue->reading) {
        LL_DELETE2(queue->behind, pending, next_behind);
        cfs_pending_wake(pending);
        if (serve(handle, pending->req, pending->read.size, pending->read.offset)) {
            cfs_pending_take(pending);
            cfs_pending_close(pending);
        } else {
            ask(pending);
        }
    }
}

/* When the file is closed it may be gone. */
static void note_reader(const struct cfs_fs *fs, struct cfs_queue_file *queue, uint32_t tid)
{
    uint32_t known = queue->reader_count < CFS_READERS_MAX ? queue->reader_count : CFS_READERS_MAX;
    struct cfs_process process;
    uint32_t parent;

    for (uint32_t i = 0; i < known; i++)
        if (queue->readers[i].tid == tid)
            return;
    if (known < CFS_READERS_MAX) {
        cfs_proc_identify(fs->proc_fd, tid, &process, &parent);
        queue->readers[known] = (struct cfs_reader){tid, process.pid};
    }
    queue->reader_count = known + 1;
}

void cfs_queue_read(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                    uint64_t offset)
{
    struct cfs_pending *pending;

    note_reader(fs, handle->queue, (uint32_t)fuse_req_ctx(req)->pid);
    if (!handle->queue->reading && serve(handle, req, size, offset))
        return;
    pending = cfs_pending_new(fs, req, NULL, handle);
    pending->read.size = size;
    pending->read.offset = offset;
    if (handle->queue->reading)
        wait_behind(pending);
    else
        ask(pending);
}
