/* The world of fs_world.h, for stories about queues: a queue "q" that is opened, read, written and
 * closed, while the test plays the engine. */
#ifndef TESTS_UNIT_QUEUE_FILE_WORLD_H
#define TESTS_UNIT_QUEUE_FILE_WORLD_H

#include <errno.h>

#include "fs_world.h"

#include "fake_proc.h"
#include "fs/queues.h"
#include <linux/fuse.h>

static int polls_notified;

int fuse_reply_poll(fuse_req_t req, unsigned revents)
{
    req->events = revents;
    return reply(req, 0);
}

int fuse_lowlevel_notify_poll(struct fuse_pollhandle *ph)
{
    (void)ph;
    polls_notified++;
    return 0;
}

static uint64_t forgotten; /* the node whose attributes the kernel was told to forget last */

int fuse_lowlevel_notify_inval_inode(struct fuse_session *se, fuse_ino_t ino, off_t off, off_t len)
{
    (void)se, (void)len;
    assert_true(off < 0);
    forgotten = ino;
    return 0;
}

void fuse_pollhandle_destroy(struct fuse_pollhandle *ph)
{
    free(ph);
}

static const struct cfs_queue_info QUEUE = {
    .uid = 5,
    .gid = 6,
    .perm = 0640,
    .mtime = 2500000,
    .ctime = 1500000,
    .ready = 3,
    .inflight = 2,
    .dead = 1,
    .bytes = 600,
    .node = 2,
    .config = {.visibility_ms = 30000, .max_deliveries = 20, .framing = CFS_FRAMING_WRITE}};

/* Has processes looked for in `proc`, which it opens. */
static inline void world_open_proc(struct world *w, struct fake_proc *proc)
{
    fake_proc_open(proc);
    close(w->fs.proc_fd);
    w->fs.proc_fd = dup(proc->fd);
}

static inline struct cfs_node *queues_dir(struct world *w)
{
    return cfs_node_find(&w->fs.nodes, CFS_FIXED_QUEUES);
}

static inline void answer_queue(const struct cfs_queue_info *info)
{
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_STAT);
    answer_last(&(struct cfs_answer){.queue = *info});
}

/* Looks up NAME in `dir`, by the answer `info` (NULL: there is no queue). */
static inline struct fuse_req *look_up(struct world *w, struct cfs_node *dir, const char *name,
                                       const struct cfs_queue_info *info)
{
    struct fuse_req *req = request(w);

    dir->tree->lookup(&w->fs, req, dir, name);
    if (req->replies)
        return req;
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_STAT);
    if (info)
        answer_queue(info);
    else
        answer_error(CFS_ERR_NO_QUEUE);
    return req;
}

/* The node of NAME in `dir`. */
static inline struct cfs_node *find(struct world *w, struct cfs_node *dir, const char *name,
                                    const struct cfs_queue_info *info)
{
    struct fuse_req *req = look_up(w, dir, name, info);

    assert_replied(req, 0);
    return cfs_node_find(&w->fs.nodes, req->entry.ino);
}

static inline struct cfs_handle *open_node(struct world *w, struct cfs_node *node, int flags)
{
    struct fuse_file_info fi = {.flags = flags};
    struct fuse_req *req = request(w);
    struct fuse_open_out out;

    node->tree->open(&w->fs, req, node, &fi);
    assert_replied(req, 0);
    assert_int_equal(req->len, sizeof out);
    memcpy(&out, req->data, sizeof out);
    fi.fh = out.fh;
    return cfs_handle_of(&fi);
}

/* Opens the queue "q". */
static inline struct cfs_handle *open_queue(struct world *w, int flags, enum cfs_framing framing)
{
    struct cfs_queue_info info = QUEUE;

    info.config.framing = framing;
    return open_node(w, find(w, queues_dir(w), "q", &info), flags);
}

/* Opens .q/claim. */
static inline struct cfs_handle *open_claim(struct world *w, int flags)
{
    struct cfs_node *opened = find(w, queues_dir(w), ".q", &QUEUE);

    return open_node(w, find(w, opened, "claim", &QUEUE), flags);
}

static inline struct fuse_req *start_read(struct world *w, struct cfs_handle *handle, size_t size)
{
    struct fuse_req *req = request(w);

    handle->node->tree->read(&w->fs, req, handle, size, 0);
    return req;
}

static inline void hand_out(cfs_claim_id claim, const char *text)
{
    struct cfs_message_info message = {.id = claim + 1000,
                                       .claim = claim,
                                       .deliveries = 1,
                                       .body = (const uint8_t *)text,
                                       .len = (uint32_t)strlen(text)};

    assert_int_equal(last_asked()->op, CFS_OP_CONSUME);
    answer_last(&(struct cfs_answer){.messages = &message, .message_count = 1});
}

static inline void assert_read(const struct fuse_req *req, const char *text)
{
    assert_replied(req, 0);
    assert_int_equal(req->len, strlen(text));
    assert_memory_equal(req->data, text, strlen(text));
}

/* Reads what the engine hands out as `text`, in one read. */
static inline void take(struct world *w, struct cfs_handle *handle, cfs_claim_id claim,
                        const char *text)
{
    struct fuse_req *req = start_read(w, handle, 4096);

    hand_out(claim, text);
    assert_read(req, text);
}

static inline void assert_settles(enum cfs_op op, cfs_claim_id claim)
{
    assert_int_equal(last_asked()->op, op);
    assert_string_equal(last_asked()->name, "q");
    assert_int_equal(last_asked()->settle.place, CFS_INFLIGHT);
    assert_int_equal(last_asked()->settle.count, 1);
    assert_int_equal(last_asked()->settle.ids[0], claim);
}

static inline struct fuse_req *start_write(struct world *w, struct cfs_handle *handle,
                                           const char *text)
{
    struct fuse_req *req = request(w);

    handle->node->tree->write(&w->fs, req, handle, text, strlen(text), 0, false);
    return req;
}

static inline struct fuse_req *flush(struct world *w, struct cfs_handle *handle, int tid)
{
    struct fuse_req *req = request(w);

    req->ctx.pid = tid;
    handle->node->tree->flush(&w->fs, req, handle);
    return req;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

#endif
