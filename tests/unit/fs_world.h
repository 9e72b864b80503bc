/* A world for stories about one mount without a kernel and without a cluster: requests are structs
 * that note what was replied to them, and the engine notes what it is asked and answers when it is
 * told to. It takes the place of libfuse's and the engine's functions, so one file of a program
 * includes it. */
#ifndef TESTS_UNIT_FS_WORLD_H
#define TESTS_UNIT_FS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/locks.h"
#include "fs/tree_fixed.h"

#define ASKED_MAX 64

/* --- the kernel's side ------------------------------------------------------------------- */

struct fuse_req {
    struct fuse_ctx ctx;
    struct cfs_fs *fs;
    int replies;
    int error;      /* of the last reply, 0: success */
    int result;     /* what the reply functions return: -ENOENT when the caller is gone */
    size_t len;     /* bytes replied */
    char data[256]; /* their beginning */
    struct stat attr;
    struct fuse_entry_param entry;
    uint64_t fh;
    unsigned events;  /* of a poll */
    bool interrupted; /* before it could be said to anybody */
    fuse_interrupt_func_t interrupt;
    void *interrupt_data;
};

static int reply(fuse_req_t req, int error)
{
    req->replies++;
    req->error = error;
    return req->result;
}

int fuse_reply_err(fuse_req_t req, int err)
{
    return reply(req, err);
}

int fuse_reply_attr(fuse_req_t req, const struct stat *attr, double attr_timeout)
{
    (void)attr_timeout;
    req->attr = *attr;
    return reply(req, 0);
}

int fuse_reply_entry(fuse_req_t req, const struct fuse_entry_param *e)
{
    req->entry = *e;
    return reply(req, 0);
}

int fuse_reply_create(fuse_req_t req, const struct fuse_entry_param *e,
                      const struct fuse_file_info *fi)
{
    req->entry = *e;
    req->fh = fi->fh;
    return reply(req, 0);
}

int fuse_reply_open(fuse_req_t req, const struct fuse_file_info *fi)
{
    req->fh = fi->fh;
    return reply(req, 0);
}

int fuse_reply_buf(fuse_req_t req, const char *buf, size_t size)
{
    req->len = size;
    if (size)
        memcpy(req->data, buf, size < sizeof req->data ? size : sizeof req->data);
    return reply(req, 0);
}

int fuse_reply_write(fuse_req_t req, size_t count)
{
    req->len = count;
    return reply(req, 0);
}

int fuse_reply_xattr(fuse_req_t req, size_t count)
{
    req->len = count;
    return reply(req, 0);
}

const struct fuse_ctx *fuse_req_ctx(fuse_req_t req)
{
    return &req->ctx;
}

void *fuse_req_userdata(fuse_req_t req)
{
    return req->fs;
}

int fuse_req_getgroups(fuse_req_t req, int size, gid_t list[])
{
    (void)req;
    assert_true(size > 0);
    list[0] = 777;
    return 1;
}

void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func, void *data)
{
    req->interrupt = func;
    req->interrupt_data = data;
    if (req->interrupted && func)
        func(req, data);
}

static inline void interrupt(fuse_req_t req)
{
    assert_non_null(req->interrupt);
    req->interrupt(req, req->interrupt_data);
}

/* --- the engine's side ------------------------------------------------------------------- */

struct asked {
    struct cfs_request request;
    cfs_answer_fn answer; /* NULL: answered */
    void *arg;
    bool cancelled;
    void *copies[2]; /* of what the request borrows */
};

static struct {
    struct asked asked[ASKED_MAX]; /* id - 1 */
    uint64_t count;
    enum cfs_error refuse; /* answers the next request at once */
    bool in_touch; /* what cfs_engine_in_touch says */
} engine;

static void *copy(struct asked *asked, int i, const void *data, size_t size)
{
    asked->copies[i] = malloc(size + 1);
    memcpy(asked->copies[i], data, size);
    return asked->copies[i];
}

/* What it points to may be gone when the test looks at it. */
static void copy_borrowed(struct asked *asked)
{
    struct cfs_request *request = &asked->request;

    if (request->op == CFS_OP_PRODUCE) {
        request->produce.data = copy(asked, 0, request->produce.data, request->produce.len);
        if (request->produce.lengths)
            request->produce.lengths =
                copy(asked, 1, request->produce.lengths,
                     request->produce.count * sizeof *request->produce.lengths);
    } else if (request->op == CFS_OP_ACK || request->op == CFS_OP_GIVE_BACK ||
               request->op == CFS_OP_EXTEND) {
        request->settle.ids = copy(asked, 0, request->settle.ids,
                                   request->settle.count * sizeof *request->settle.ids);
    }
}

uint64_t cfs_engine_submit(struct cfs_engine *unused, const struct cfs_request *request,
                           cfs_answer_fn answer, void *arg)
{
    struct cfs_answer refusal = {.error = engine.refuse};
    uint64_t id = ++engine.count;

    (void)unused;
    assert_true(id <= ASKED_MAX);
    engine.asked[id - 1] = (struct asked){.request = *request, .answer = answer, .arg = arg};
    copy_borrowed(&engine.asked[id - 1]);
    if (engine.refuse) {
        engine.refuse = CFS_OK;
        engine.asked[id - 1].answer = NULL;
        answer(arg, &refusal);
    }
    return id;
}

void cfs_engine_cancel(struct cfs_engine *unused, uint64_t id)
{
    (void)unused;
    assert_true(id >= 1 && id <= engine.count);
    engine.asked[id - 1].cancelled = true;
}

bool cfs_engine_in_touch(const struct cfs_engine *unused)
{
    (void)unused;
    return engine.in_touch;
}

char *cfs_engine_page(struct cfs_engine *unused, const char *page, bool json)
{
    (void)unused, (void)json;
    return strdup(page);
}

/* The newest request. */
static inline struct cfs_request *last_asked(void)
{
    assert_true(engine.count > 0);
    return &engine.asked[engine.count - 1].request;
}

static inline void answer_id(uint64_t id, const struct cfs_answer *answer)
{
    struct asked *asked = &engine.asked[id - 1];
    cfs_answer_fn fn = asked->answer;

    assert_non_null(fn);
    asked->answer = NULL;
    fn(asked->arg, answer);
}

static inline void answer_last(const struct cfs_answer *answer)
{
    answer_id(engine.count, answer);
}

static inline void answer_error(enum cfs_error error)
{
    answer_last(&(struct cfs_answer){.error = error});
}

static inline void answer_token(cfs_token token)
{
    answer_last(&(struct cfs_answer){.token = token});
}

/* --- the mount --------------------------------------------------------------------------- */

struct world {
    struct cfs_fs fs;
    struct fuse_req reqs[32];
    int req_count;
};

static inline uint64_t world_parked(void *arg, uint32_t tid)
{
    const struct cfs_fs *fs = arg;

    return cfs_pendings_parked(&fs->pendings, tid);
}

static inline int world_open(void **state)
{
    static const struct cfs_config config = {.timeout_ms = 5000};
    struct world *w = calloc(1, sizeof *w);

    memset(&engine, 0, sizeof engine);
    w->fs.config = &config;
    cfs_nodes_init(&w->fs.nodes);
    cfs_fixed_add(&w->fs);
    w->fs.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cfs_waits_init(&w->fs.waits, w->fs.proc_fd, world_parked, &w->fs);
    *state = w;
    return 0;
}

static inline int world_close(void **state)
{
    struct world *w = *state;

    cfs_pendings_free(&w->fs);
    cfs_handles_free(&w->fs.handles);
    cfs_nodes_close(&w->fs.nodes);
    cfs_waits_close(&w->fs.waits);
    close(w->fs.proc_fd);
    free(w);
    for (uint64_t i = 0; i < engine.count; i++) {
        free(engine.asked[i].copies[0]);
        free(engine.asked[i].copies[1]);
    }
    return 0;
}

/* A request of this process, by user 1000. */
static inline struct fuse_req *request(struct world *w)
{
    struct fuse_req *req = &w->reqs[w->req_count++];

    assert_true(w->req_count <= 32);
    req->fs = &w->fs;
    req->ctx = (struct fuse_ctx){.uid = 1000, .gid = 1000, .pid = getpid()};
    return req;
}

static inline struct cfs_node *locks_dir(struct world *w)
{
    return cfs_node_find(&w->fs.nodes, CFS_FIXED_LOCKS);
}

static inline void assert_replied(const struct fuse_req *req, int error)
{
    assert_int_equal(req->replies, 1);
    assert_int_equal(req->error, error);
}

/* Opens locks/NAME with O_CREAT, and O_EXCL if `exclusive`. */
static inline struct cfs_handle *open_lock(struct world *w, const char *name, bool exclusive)
{
    struct fuse_file_info fi = {.flags = O_RDWR | O_CREAT | (exclusive ? O_EXCL : 0)};
    struct fuse_req *req = request(w);

    cfs_tree_locks.create(&w->fs, req, locks_dir(w), name, S_IFREG | 0640, &fi);
    if (exclusive)
        answer_token(100);
    assert_replied(req, 0);
    fi.fh = req->fh;
    return cfs_handle_of(&fi);
}

#endif
