/* The names in queues/: what the kernel is told of a queue and of .NAME beside it, making, opening
 * and removing. test_queue_attr.c has what stat shows, test_queue_lookup.c which node is told. */
#include <stdio.h>

#include "queue_file_world.h"

static struct cfs_node *node_of(struct world *w, const struct fuse_req *req)
{
    return cfs_node_find(&w->fs.nodes, req->entry.ino);
}

static void the_kernel_keeps_no_name_of_a_queue(void **state)
{
    struct world *w = *state;
    struct fuse_req *first = look_up(w, queues_dir(w), "q", &QUEUE);
    struct fuse_req *second = look_up(w, queues_dir(w), "q", &QUEUE);

    assert_replied(first, 0);
    assert_string_equal(last_asked()->name, "q");
    assert_true(first->entry.entry_timeout == 0);
    assert_int_equal(first->entry.attr.st_ino, cfs_ino_of("queues", "q"));
    assert_int_equal(second->entry.attr.st_ino, first->entry.attr.st_ino);
    assert_replied(look_up(w, queues_dir(w), "q", NULL), ENOENT);
}

static void an_opened_queue_keeps_its_nodes(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = look_up(w, queues_dir(w), ".q", &QUEUE);
    struct cfs_node *opened = node_of(w, req);

    assert_string_equal(last_asked()->name, "q");
    assert_true(S_ISDIR(req->entry.attr.st_mode));
    assert_int_equal(req->entry.attr.st_ino, cfs_ino_of("queues", ".q"));
    assert_true(req->entry.entry_timeout == 0);
    assert_ptr_equal(find(w, queues_dir(w), ".q", &QUEUE), opened);
    assert_ptr_equal(find(w, opened, "ready", &QUEUE), find(w, opened, "ready", &QUEUE));
    assert_ptr_not_equal(find(w, opened, "ready", &QUEUE), find(w, opened, "dead", &QUEUE));
    assert_ptr_not_equal(find(w, queues_dir(w), ".r", &QUEUE), opened);
    assert_replied(look_up(w, queues_dir(w), ".q", NULL), ENOENT);
}

static void no_queue_has_a_leading_dot(void **state)
{
    struct world *w = *state;
    struct fuse_file_info fi = {.flags = O_WRONLY | O_CREAT};
    struct fuse_req *req = request(w);

    assert_replied(look_up(w, queues_dir(w), "..q", NULL), ENOENT);
    cfs_tree_queues.create(&w->fs, req, queues_dir(w), ".q", S_IFREG | 0644, &fi);
    assert_replied(req, EINVAL);
    req = request(w);
    cfs_tree_queues.unlink(&w->fs, req, queues_dir(w), ".q");
    assert_replied(req, EPERM);
    assert_int_equal(engine.count, 0);
}

/* --- create ------------------------------------------------------------------------------ */

static struct fuse_req *create(struct world *w, int flags)
{
    struct fuse_file_info fi = {.flags = flags | O_CREAT};
    struct fuse_req *req = request(w);

    cfs_tree_queues.create(&w->fs, req, queues_dir(w), "q", S_IFREG | 0600, &fi);
    return req;
}

struct created {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
};

static struct created created(const struct fuse_req *req)
{
    struct created out;

    assert_replied(req, 0);
    assert_int_equal(req->len, sizeof out);
    memcpy(&out, req->data, sizeof out);
    return out;
}

static void the_first_open_makes_it(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = create(w, O_WRONLY);
    struct fuse_file_info fi = {0};
    struct created out;

    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_MAKE);
    assert_int_equal(last_asked()->queue_make.uid, 1000);
    assert_int_equal(last_asked()->queue_make.perm, 0600);
    assert_true(last_asked()->queue_make.exclusive);
    answer_error(CFS_OK);
    out = created(req);
    assert_int_equal(out.entry.attr.mode, S_IFREG | 0600);
    assert_int_equal(out.entry.attr.uid, 1000);
    assert_int_equal(out.entry.attr.nlink, 1);
    assert_int_equal(out.entry.attr.size, 0);
    assert_int_equal(out.entry.entry_valid, 0);
    assert_int_equal(out.entry.attr.ino, cfs_ino_of("queues", "q"));
    assert_int_equal(out.open.open_flags, FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE | FOPEN_STREAM);
    assert_non_null(cfs_node_find(&w->fs.nodes, out.entry.nodeid));
    fi.fh = out.open.fh;
    assert_int_equal(cfs_handle_of(&fi)->queue->framing, CFS_FRAMING_WRITE);
}

static void exclusively_once(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = create(w, O_RDWR | O_EXCL);

    answer_error(CFS_ERR_QUEUE_EXISTS);
    assert_replied(req, EEXIST);
}

/* The kernel checks permissions of what LOOKUP has shown, and it showed nothing. */
static void one_that_came_meanwhile_is_opened_by_who_may(void **state)
{
    static const struct {
        int flags;
        mode_t perm;
        uint32_t uid, gid;
        int error;
    } cases[] = {
        {O_RDONLY, 0640, 5, 6, EACCES},    {O_RDONLY, 0604, 5, 6, 0},
        {O_WRONLY, 0604, 5, 6, EACCES},    {O_WRONLY, 0602, 5, 6, 0},
        {O_RDWR, 0602, 5, 6, EACCES},      {O_RDWR, 0606, 5, 6, 0},
        {O_RDONLY, 0640, 5, 777, 0},       {O_RDONLY, 0604, 5, 777, EACCES},
        {O_RDONLY, 0064, 1000, 6, EACCES}, {O_WRONLY, 0200, 1000, 6, 0},
    };
    struct world *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cfs_queue_info info = QUEUE;
        struct fuse_req *req = create(w, cases[i].flags);
        info.perm = cases[i].perm;
        info.uid = cases[i].uid;
        info.gid = cases[i].gid;
        info.config.framing = CFS_FRAMING_LINE;
        answer_error(CFS_ERR_QUEUE_EXISTS);
        answer_queue(&info);
        assert_replied(req, cases[i].error);
        if (!cases[i].error)
            assert_int_equal(created(req).entry.attr.mode, S_IFREG | cases[i].perm);
    }
}

static void one_that_is_gone_again_is_made(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = create(w, O_WRONLY);

    answer_error(CFS_ERR_QUEUE_EXISTS);
    answer_error(CFS_ERR_NO_QUEUE);
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_MAKE);
    answer_error(CFS_OK);
    created(req);
}

static void a_reply_nobody_takes_leaves_no_open_file(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = create(w, O_WRONLY);

    req->result = -ENOENT;
    answer_error(CFS_OK);
    assert_null(w->fs.handles.open);
    assert_null(w->fs.pendings.all);
}

/* --- open -------------------------------------------------------------------------------- */

static void opening_asks_nobody_and_is_told_the_framing_by_the_lookup(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_queue(w, O_WRONLY, CFS_FRAMING_LINE);

    assert_int_equal(engine.count, 1);
    assert_int_equal(handle->queue->framing, CFS_FRAMING_LINE);
    assert_int_equal(handle->queue->opener, getpid());
}

/* --- unlink ------------------------------------------------------------------------------ */

static void removing_says_who_asks(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    cfs_tree_queues.unlink(&w->fs, req, queues_dir(w), "q");
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_REMOVE);
    assert_string_equal(last_asked()->name, "q");
    assert_int_equal(last_asked()->queue_caller.uid, 1000);
    answer_error(CFS_ERR_NOT_EMPTY);
    assert_replied(req, ENOTEMPTY);
}

static void what_is_not_offered_is_missing(void **state)
{
    (void)state;
    assert_null(cfs_tree_queues.mkdir);
    assert_null(cfs_tree_queues.rmdir);
    assert_null(cfs_tree_queues.rename);
    assert_null(cfs_tree_queues.flock);
    assert_null(cfs_tree_queue_opened.create);
    assert_null(cfs_tree_queue_opened.unlink);
    assert_null(cfs_tree_queue_opened.rename);
    assert_null(cfs_tree_queue_claim.setattr);
    assert_null(cfs_tree_queue_claim.write);
}

/* --- readdir ----------------------------------------------------------------------------- */

static struct cfs_handle *open_dir(struct world *w, struct cfs_node *dir)
{
    struct fuse_req *req = request(w);
    struct fuse_file_info fi = {.flags = O_DIRECTORY};

    cfs_reply_open(&w->fs, req, dir, &fi, NULL, 0);
    fi.fh = req->fh;
    return cfs_handle_of(&fi);
}

static struct fuse_req *read_dir(struct world *w, struct cfs_handle *handle, uint64_t offset)
{
    struct fuse_req *req = request(w);

    handle->node->tree->readdir(&w->fs, req, handle, 4096, offset);
    return req;
}

/* The entries of a listing, as "name:type ...". */
static const char *entries(const struct fuse_req *req)
{
    static char text[256];
    size_t at = 0;

    assert_replied(req, 0);
    assert_true(req->len <= sizeof req->data);
    *text = '\0';
    while (at < req->len) {
        const struct fuse_dirent *entry = (const void *)(req->data + at);
        sprintf(text + strlen(text), "%.*s:%c ", (int)entry->namelen, entry->name,
                "?pc d b - l s"[entry->type]);
        at += FUSE_DIRENT_SIZE(entry);
    }
    return text;
}

static void queues_are_listed_as_fifos_part_after_part(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_dir(w, queues_dir(w));
    struct fuse_req *req = read_dir(w, handle, 0);

    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_LIST);
    assert_int_equal(last_asked()->queue_read.number, 0);
    assert_string_equal(last_asked()->name, "");
    answer_last(&(struct cfs_answer){.names = "one\0two", .names_len = 8, .more = true});
    assert_string_equal(entries(req), ".:d ..:d one:p two:p ");
    req = read_dir(w, handle, 2 + 8);
    assert_int_equal(last_asked()->queue_read.number, 0);
    assert_string_equal(last_asked()->name, "two"); /* that part goes on */
    answer_last(&(struct cfs_answer){.part = 3});   /* and has none any more */
    assert_int_equal(last_asked()->queue_read.number, 3);
    assert_string_equal(last_asked()->name, "");
    answer_last(&(struct cfs_answer){.names = "a", .names_len = 2});
    assert_string_equal(entries(req), "a:p ");
    assert_int_equal(read_dir(w, handle, 2 + 10)->len, 0);
    req = read_dir(w, handle, 0); /* rewinddir(3) */
    assert_int_equal(last_asked()->queue_read.number, 0);
    assert_string_equal(last_asked()->name, "");
    answer_error(CFS_ERR_TIMED_OUT);
    assert_replied(req, ETIMEDOUT);
}

static void an_opened_queue_lists_what_is_in_it(void **state)
{
    struct world *w = *state;
    struct cfs_node *opened = find(w, queues_dir(w), ".q", &QUEUE);
    uint64_t asked = engine.count;

    assert_string_equal(entries(read_dir(w, open_dir(w, opened), 0)),
                        ".:d ..:d claim:p config:- dead:d inflight:d ready:d ");
    assert_int_equal(engine.count, asked);
    assert_replied(look_up(w, opened, "nothing", NULL), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_kernel_keeps_no_name_of_a_queue),
        TEST(an_opened_queue_keeps_its_nodes),
        TEST(no_queue_has_a_leading_dot),
        TEST(the_first_open_makes_it),
        TEST(exclusively_once),
        TEST(one_that_came_meanwhile_is_opened_by_who_may),
        TEST(one_that_is_gone_again_is_made),
        TEST(a_reply_nobody_takes_leaves_no_open_file),
        TEST(opening_asks_nobody_and_is_told_the_framing_by_the_lookup),
        TEST(removing_says_who_asks),
        cmocka_unit_test(what_is_not_offered_is_missing),
        TEST(queues_are_listed_as_fifos_part_after_part),
        TEST(an_opened_queue_lists_what_is_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
