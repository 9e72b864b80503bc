/* Which node LOOKUP of a queue answers: one that readers share, or a fresh one. */
#include <stdio.h>
#include <sys/syscall.h>

#include "queue_file_world.h"

#define CALLER 1234

static struct fake_proc proc;

static int open_world(void **state)
{
    if (world_open(state) != 0)
        return -1;
    world_open_proc(*state, &proc);
    return 0;
}

static int close_world(void **state)
{
    fake_proc_close(&proc);
    return world_close(state);
}

/* A LOOKUP of "q" by a thread that stands in a system call. */
static struct fuse_req *ask(struct world *w, long number, const char *args)
{
    struct cfs_node *dir = queues_dir(w);
    struct fuse_req *req = request(w);
    char text[128];

    snprintf(text, sizeof text, "%ld %s 0x0 0x7ffc9f3eddd8 0x7f5c\n", number, args);
    fake_put(&proc, text, "%d/syscall", CALLER);
    req->ctx.pid = CALLER;
    dir->tree->lookup(&w->fs, req, dir, "q");
    return req;
}

static struct fuse_req *ask_opening(struct world *w, int flags)
{
    char args[64];

    snprintf(args, sizeof args, "0xffffff9c 0x55a0 0x%x 0x1b6", (unsigned)flags);
    return ask(w, SYS_openat, args);
}

static struct cfs_node *told(struct world *w, struct fuse_req *req)
{
    answer_queue(&QUEUE);
    assert_replied(req, 0);
    return cfs_node_find(&w->fs.nodes, req->entry.ino);
}

static struct cfs_node *node_to(struct world *w, int flags)
{
    return told(w, ask_opening(w, flags));
}

static void readers_share_a_node(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = node_to(w, O_RDONLY);

    assert_ptr_equal(node_to(w, O_RDONLY), node);
    open_node(w, node, O_RDONLY);
    assert_ptr_equal(node_to(w, O_RDONLY | O_NONBLOCK), node);
}

static void a_writer_has_a_node_to_himself(void **state)
{
    struct world *w = *state;
    struct cfs_node *read = node_to(w, O_RDONLY), *write = node_to(w, O_WRONLY | O_CREAT);

    assert_ptr_not_equal(write, read);
    open_node(w, write, O_WRONLY);
    assert_ptr_not_equal(node_to(w, O_RDWR), write);
    assert_ptr_equal(node_to(w, O_RDONLY), read);
    open_node(w, read, O_WRONLY); /* as /proc/PID/fd/N */
    assert_ptr_not_equal(node_to(w, O_RDONLY), read);
}

/* chmod(2) takes the inode's lock, too; and creat(2) and O_PATH are more than they seem. */
static void who_is_not_seen_to_read_has_a_node_to_himself(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = node_to(w, O_RDONLY);
    struct fuse_req *req = request(w);

    assert_ptr_not_equal(told(w, ask(w, SYS_statx, "0x5 0x6 0x7 0x8")), node);
    assert_ptr_not_equal(told(w, ask(w, SYS_openat2, "0x5 0x6 0x0 0x8")), node);
    assert_ptr_not_equal(node_to(w, O_PATH), node);
    req->ctx.pid = CALLER + 1;
    queues_dir(w)->tree->lookup(&w->fs, req, queues_dir(w), "q");
    assert_ptr_not_equal(told(w, req), node);
    assert_ptr_equal(node_to(w, O_RDONLY), node);
}

/* Of several replies about one node the kernel may take an older one. */
static void a_node_is_shared_until_its_permissions_change(void **state)
{
    struct cfs_queue_info info = QUEUE;
    struct world *w = *state;
    struct cfs_node *node = node_to(w, O_RDONLY);
    struct fuse_req *req = ask_opening(w, O_RDONLY);

    info.perm = 0600;
    answer_queue(&info);
    assert_int_not_equal(req->entry.ino, node->id);
    assert_int_equal(req->entry.attr.st_mode, S_IFREG | 0600);
    req = ask_opening(w, O_RDONLY);
    answer_queue(&info);
    assert_int_not_equal(req->entry.ino, node->id);
}

/* LOOKUP has told the attributes, and open(2) looks at them once more. */
static void attributes_are_kept_from_lookup_to_open(void **state)
{
    struct world *w = *state;
    struct fuse_req *first = ask_opening(w, O_RDONLY), *second;
    struct cfs_node *node = told(w, first);

    assert_true(first->entry.attr_timeout > 0 && first->entry.attr_timeout <= 0.001);
    assert_true(first->entry.entry_timeout == 0);
    open_node(w, node, O_RDONLY);
    assert_int_equal(forgotten, node->id);
    second = ask_opening(w, O_RDONLY); /* others have it */
    told(w, second);
    assert_true(second->entry.attr_timeout == 0);
    second = ask(w, SYS_statx, "0x5 0x6 0x7 0x8");
    told(w, second);
    assert_true(second->entry.attr_timeout == 0);
}

/* Questions may overtake each other on their way. */
static void a_late_answer_does_not_undo_a_newer_one(void **state)
{
    struct cfs_queue_info info = QUEUE;
    struct world *w = *state;
    struct cfs_node *node = node_to(w, O_RDONLY);
    uint64_t first;

    ask_opening(w, O_RDONLY);
    first = engine.count;
    ask_opening(w, O_RDONLY);
    info.config.framing = CFS_FRAMING_LINE;
    answer_queue(&info);
    answer_id(first, &(struct cfs_answer){.queue = QUEUE});
    assert_int_equal(node->framing, CFS_FRAMING_LINE);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_share_a_node),
        TEST(a_writer_has_a_node_to_himself),
        TEST(who_is_not_seen_to_read_has_a_node_to_himself),
        TEST(a_node_is_shared_until_its_permissions_change),
        TEST(attributes_are_kept_from_lookup_to_open),
        TEST(a_late_answer_does_not_undo_a_newer_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
