/* Writing to a queue. Where one message ends and the next begins is the queue's framing, as it was
 * when the file was opened:
 *
 *     write   each write(2) is a message
 *     line    each line is one, without its newline; a line begun stays here until it is ended,
 *             or until the close
 *     file    all that is written until the close is one
 *
 * Messages of no bytes do not exist: empty lines make none.
 *
 * A write(2) that is too long must queue nothing, and a long one may come in pieces: from memory
 * that does not begin at a page the first piece is up to a page shorter than 1 MiB. Such a piece
 * does not tell whether it is all there is; the writer, who stands still, does: /proc shows what he
 * has asked for. Where that is hidden, what may be a piece is refused. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/memory.h"
#include "fs/proc.h"
#include "fs/queues.h"

/* Looks at a writer who has handed over his request and not gone to sleep yet. */
#define LOOKS_MAX 20
#define LOOK_NS 10000

static bool may_wait(const struct cfs_handle *handle)
{
    return !(handle->flags & O_NONBLOCK);
}

static struct cfs_request message_request(const struct cfs_handle *handle, const uint8_t *data,
                                          size_t len, bool wait)
{
    struct cfs_request request = cfs_queue_request(CFS_OP_PRODUCE, handle->node->name);

    request.produce = (struct cfs_produce){.data = data, .len = (uint32_t)len, .wait = wait};
    return request;
}

static void keep(struct cfs_queue_file *queue, const void *data, size_t size)
{
    queue->rest = cfs_fs_resize(queue->rest, queue->rest_len + size, 1);
    if (size)
        memcpy(queue->rest + queue->rest_len, data, size);
    queue->rest_len += (uint32_t)size;
}

void cfs_queue_forget_rest(struct cfs_queue_file *queue)
{
    free(queue->rest);
    queue->rest = NULL;
    queue->rest_len = 0;
    queue->due = 0;
}

bool cfs_queue_last_message(const struct cfs_handle *handle, struct cfs_request *request)
{
    const struct cfs_queue_file *queue = handle->queue;

    if (!queue->rest_len || queue->framing == CFS_FRAMING_WRITE)
        return false;
    *request = message_request(handle, queue->rest, queue->rest_len, true);
    return true;
}

/* --- framing=write ----------------------------------------------------------------------- */

static void written(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    pending->handle->queue->writing = false;
    if (answer->error)
        cfs_pending_reply_error(pending, answer->error);
    else
        fuse_reply_write(cfs_pending_take(pending), pending->write.len);
}

static void produce(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle,
                    const uint8_t *data, size_t len)
{
    struct cfs_request request = message_request(handle, data, len, may_wait(handle));
    struct cfs_pending *pending = cfs_pending_new(fs, req, NULL, handle);

    pending->write.len = (uint32_t)len;
    handle->queue->writing = true;
    cfs_pending_submit(pending, &request, written);
}

/* The last piece. If it fails the caller is told only that the pieces before it were written, and
 * they were not: the next write, or the close, says so. */
static void last_piece_written(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_queue_file *queue = pending->handle->queue;

    queue->failed = cfs_error_errno(answer->error);
    cfs_queue_forget_rest(queue);
    written(pending, answer);
}

static void write_piece(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle,
                        const char *data, size_t size)
{
    struct cfs_queue_file *queue = handle->queue;
    struct cfs_pending *pending;
    struct cfs_request request;

    keep(queue, data, size);
    queue->due -= (uint32_t)size;
    queue->due_at += size;
    if (queue->due) {
        fuse_reply_write(req, size);
        return;
    }
    request = message_request(handle, queue->rest, queue->rest_len, may_wait(handle));
    pending = cfs_pending_new(fs, req, NULL, handle);
    pending->write.len = (uint32_t)size;
    queue->writing = true;
    cfs_pending_submit(pending, &request, last_piece_written);
}

/* Bytes that the thread wants to write, of which `size` have come; 0: nobody can tell. */
static uint64_t whole_size(const struct cfs_fs *fs, uint32_t tid, size_t size)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    uint64_t whole = 0;

    if (size <= CFS_MESSAGE_MAX + 1 - (size_t)sysconf(_SC_PAGESIZE))
        return size;
    for (int i = 0; i < LOOKS_MAX && !cfs_proc_write_size(fs->proc_fd, tid, &whole); i++)
        nanosleep(&pause, NULL);
    return whole;
}

static void write_whole(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle,
                        const char *data, size_t size, uint64_t offset, bool append)
{
    struct cfs_queue_file *queue = handle->queue;
    /* Of a writev of more than 256 pieces: those before it are a message. */
    bool later_piece = offset && !append;
    uint64_t whole;

    if (queue->due && offset == queue->due_at && size <= queue->due) {
        write_piece(fs, req, handle, data, size);
        return;
    }
    if (queue->due) { /* the caller's memory ended before what he asked for */
        cfs_queue_forget_rest(queue);
        fuse_reply_err(req, EIO);
        return;
    }
    whole = size > CFS_MESSAGE_MAX ? 0 : whole_size(fs, (uint32_t)fuse_req_ctx(req)->pid, size);
    if (whole < size || whole > CFS_MESSAGE_MAX || later_piece) {
        fuse_reply_err(req, EMSGSIZE);
    } else if (whole > size) {
        queue->due = (uint32_t)whole;
        queue->due_at = offset;
        write_piece(fs, req, handle, data, size);
    } else {
        produce(fs, req, handle, (const uint8_t *)data, size);
    }
}

/* --- framing=line ------------------------------------------------------------------------ */

/* Whole lines from the rest and the input, as one request takes them. */
struct lines {
    uint8_t *data;
    uint32_t len, size;
    uint32_t *lengths;
    uint32_t count;
    uint32_t used; /* bytes of the input, newlines included */
};

static void lines_init(struct lines *lines, const struct cfs_queue_file *queue)
{
    uint32_t left = queue->input_len - queue->input_at;
    uint32_t count = left < CFS_PRODUCE_MAX ? left : CFS_PRODUCE_MAX;

    *lines = (struct lines){.size = queue->rest_len + left,
                            .lengths = cfs_fs_resize(NULL, count, sizeof *lines->lengths)};
    lines->data = cfs_fs_alloc(lines->size);
}

static void lines_close(struct lines *lines)
{
    free(lines->data);
    free(lines->lengths);
}

static void add_bytes(struct lines *lines, const uint8_t *data, uint32_t len)
{
    assert(len <= lines->size - lines->len);
    if (len)
        memcpy(lines->data + lines->len, data, len);
    lines->len += len;
}

/* Takes the next line. False: there is no whole one, or no room for it. */
static bool add_line(struct lines *lines, const struct cfs_queue_file *queue)
{
    const uint8_t *begin = queue->input + queue->input_at + lines->used;
    uint32_t left = queue->input_len - queue->input_at - lines->used;
    const uint8_t *end = left ? memchr(begin, '\n', left) : NULL;
    uint32_t rest = lines->used ? 0 : queue->rest_len; /* it begins the first line */
    uint32_t len = end ? (uint32_t)(end - begin) : 0;

    if (!end || lines->count == CFS_PRODUCE_MAX || len > CFS_MESSAGE_MAX - rest ||
        lines->len > CFS_MESSAGE_MAX - rest - len)
        return false;
    add_bytes(lines, queue->rest, rest);
    add_bytes(lines, begin, len);
    if (rest + len)
        lines->lengths[lines->count++] = rest + len;
    lines->used += len + 1;
    return true;
}

/* The write is over. What went well of it counts; only if nothing did it has failed. */
static void end_write(struct cfs_queue_file *queue, fuse_req_t req, int error)
{
    uint32_t done = queue->input_at;

    free(queue->input);
    queue->input = NULL;
    queue->input_len = queue->input_at = 0;
    queue->writing = false;
    if (error && !done)
        fuse_reply_err(req, error);
    else
        fuse_reply_write(req, done);
}

/* What follows the last newline begins a line that later writes go on with. */
static void keep_tail(struct cfs_queue_file *queue, fuse_req_t req)
{
    uint32_t left = queue->input_len - queue->input_at;

    if (left > CFS_MESSAGE_MAX - queue->rest_len) {
        end_write(queue, req, EMSGSIZE);
        return;
    }
    keep(queue, queue->input + queue->input_at, left);
    queue->input_at = queue->input_len;
    end_write(queue, req, 0);
}

static void lines_done(struct cfs_queue_file *queue, uint32_t used)
{
    if (used)
        queue->rest_len = 0;
    queue->input_at += used;
}

static void send_lines(struct cfs_pending *pending, const struct lines *lines);

/* Sends what whole lines there are, as many as a request takes; again until only a tail is left.
 * `pending` NULL: the first time. */
static void write_lines(struct cfs_handle *handle, fuse_req_t req, struct cfs_pending *pending)
{
    struct cfs_queue_file *queue = handle->queue;
    struct lines lines;

    lines_init(&lines, queue);
    while (add_line(&lines, queue))
        continue;
    if (lines.count) {
        send_lines(pending ? pending : cfs_pending_new(handle->fs, req, NULL, handle), &lines);
    } else { /* empty lines at most */
        lines_done(queue, lines.used);
        keep_tail(queue, pending ? cfs_pending_take(pending) : req);
    }
    lines_close(&lines);
}

static void lines_written(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_queue_file *queue = pending->handle->queue;

    if (answer->error) {
        end_write(queue, cfs_pending_take(pending), cfs_error_errno(answer->error));
        return;
    }
    lines_done(queue, pending->write.len);
    write_lines(pending->handle, NULL, pending);
}

static void send_lines(struct cfs_pending *pending, const struct lines *lines)
{
    const struct cfs_handle *handle = pending->handle;
    struct cfs_request request = message_request(handle, lines->data, lines->len, may_wait(handle));

    request.produce.lengths = lines->lengths;
    request.produce.count = lines->count;
    pending->write.len = lines->used;
    cfs_pending_submit(pending, &request, lines_written);
}

static void begin_lines(fuse_req_t req, struct cfs_handle *handle, const char *data, size_t size)
{
    struct cfs_queue_file *queue = handle->queue;

    queue->input = cfs_fs_alloc(size);
    memcpy(queue->input, data, size);
    queue->input_len = (uint32_t)size;
    queue->writing = true;
    write_lines(handle, req, NULL);
}

/* --- framing=file ------------------------------------------------------------------------ */

static void collect(fuse_req_t req, struct cfs_queue_file *queue, const char *data, size_t size)
{
    if (queue->spoiled || size > CFS_MESSAGE_MAX - queue->rest_len) {
        queue->spoiled = true;
        cfs_queue_forget_rest(queue);
        fuse_reply_err(req, EMSGSIZE);
        return;
    }
    keep(queue, data, size);
    fuse_reply_write(req, size);
}

/* --- all --------------------------------------------------------------------------------- */

void cfs_queue_write(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, const char *data,
                     size_t size, uint64_t offset, bool append)
{
    struct cfs_queue_file *queue = handle->queue;

    queue->writer = (uint32_t)fuse_req_ctx(req)->pid;
    if (queue->writing) {
        fuse_reply_err(req, EBUSY); /* the kernel sends the writes of an open file one by one */
    } else if (queue->failed) {
        fuse_reply_err(req, queue->failed);
        queue->failed = 0;
    } else if (queue->framing == CFS_FRAMING_LINE) {
        begin_lines(req, handle, data, size);
    } else if (queue->framing == CFS_FRAMING_FILE) {
        collect(req, queue, data, size);
    } else {
        write_whole(fs, req, handle, data, size, offset, append);
    }
}
