/* What the kernel may take a file's size to be: bounds that each reply narrows or widens, and a
 * question that it was made to ask, which settles it unless something came between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fs/cache.h"

#define NOW CFS_SECONDS(10)

struct world {
    struct cfs_cache_inode inode;
    struct cfs_cache_call call;
    struct cfs_notify_job job;
};

static struct world w;
static struct fuse_ctx ctx;
static uint32_t replies;

const struct fuse_ctx *fuse_req_ctx(fuse_req_t req)
{
    (void)req;
    return &ctx;
}

int fuse_reply_attr(fuse_req_t req, const struct stat *attr, double timeout)
{
    (void)req, (void)attr;
    assert_true(timeout == 0);
    replies++;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.call.about = w.call.inode = &w.inode;
    w.call.received = NOW;
    cfs_cache_size_told(&w.call, 100);
    w.inode.size.touched = 0;
    replies = 0;
    return 0;
}

static void assert_bounds(uint64_t at_least, uint64_t at_most)
{
    assert_int_equal(w.inode.size.at_least, at_least);
    assert_int_equal(w.inode.size.at_most, at_most);
}

/* It was told to forget after, or shortly before, it asked. */
static void forget(void)
{
    w.inode.size.touched = NOW - CFS_MS(1);
}

static void a_reply_is_believed_when_nothing_came_between(void **state)
{
    (void)state;
    assert_bounds(100, 100);
    w.inode.size.touched = NOW - CFS_SECONDS(1);
    cfs_cache_size_told(&w.call, 30);
    assert_bounds(30, 30);
    cfs_cache_size_told(&w.call, 20); /* but not one to what was asked before that */
    assert_bounds(20, 30);
}

static void a_reply_that_may_be_ignored_widens_the_bounds(void **state)
{
    (void)state;
    forget();
    cfs_cache_size_told(&w.call, 30);
    assert_bounds(30, 100);
    cfs_cache_size_told(&w.call, 300);
    assert_bounds(30, 300);
    w.inode.size.touched = 0;
    w.inode.jobs = 1; /* it is being told to forget */
    cfs_cache_size_told(&w.call, 10);
    assert_bounds(10, 300);
}

static void what_the_kernel_does_itself_is_known(void **state)
{
    (void)state;
    cfs_cache_size_reaches(&w.inode, 50); /* a write, or what was stored */
    assert_bounds(100, 100);
    cfs_cache_size_reaches(&w.inode, 150);
    assert_bounds(150, 150);
    w.call.read.offset = 0;
    w.call.read.size = 4096;
    cfs_cache_size_read(&w.call, 40); /* a short READ is believed perhaps */
    assert_bounds(40, 150);
    w.call.read.size = 20;
    cfs_cache_size_read(&w.call, 20);
    assert_bounds(40, 150);
}

static void have_asked(uint64_t size)
{
    w.job = (struct cfs_notify_job){.touched = w.inode.size.touched, .asker = 7};
    w.job.content.size = size;
    w.inode.size.asking = &w.job;
    w.inode.jobs = 1;
}

static bool answer(int pid)
{
    ctx.pid = pid;
    return cfs_cache_size_answer(&w.inode, NULL);
}

static void what_it_was_made_to_ask_settles_it(void **state)
{
    (void)state;
    forget();
    have_asked(30);
    assert_true(answer(7));
    assert_int_equal(replies, 1);
    assert_bounds(30, 100); /* the reply is on its way */
    assert_true(w.inode.shown.known);
    cfs_cache_size_asked(&w.inode, &w.job);
    assert_bounds(30, 30);
    assert_false(answer(7)); /* it is over */
}

static void others_are_not_answered(void **state)
{
    (void)state;
    assert_false(answer(7));
    have_asked(30);
    assert_false(answer(8));
    w.job.asker = 0; /* it has not begun; pid 0 is who cannot be seen */
    assert_false(answer(0));
    assert_int_equal(replies, 0);
    cfs_cache_size_asked(&w.inode, &w.job); /* the reader had closed his file */
    assert_bounds(100, 100);
}

static void what_crosses_it_leaves_both_sizes(void **state)
{
    static struct cfs_cache_call write;

    (void)state;
    forget();
    have_asked(30);
    assert_true(answer(7));
    w.inode.size.touched = NOW; /* a recall has ended */
    cfs_cache_size_asked(&w.inode, &w.job);
    assert_bounds(30, 100);
    have_asked(20);
    assert_true(answer(7));
    w.inode.jobs = 2; /* or is under way */
    cfs_cache_size_asked(&w.inode, &w.job);
    assert_bounds(20, 100);
    have_asked(10);
    assert_true(answer(7));
    w.inode.writes = &write;
    cfs_cache_size_asked(&w.inode, &w.job);
    assert_bounds(10, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_reply_is_believed_when_nothing_came_between, setup),
        cmocka_unit_test_setup(a_reply_that_may_be_ignored_widens_the_bounds, setup),
        cmocka_unit_test_setup(what_the_kernel_does_itself_is_known, setup),
        cmocka_unit_test_setup(what_it_was_made_to_ask_settles_it, setup),
        cmocka_unit_test_setup(others_are_not_answered, setup),
        cmocka_unit_test_setup(what_crosses_it_leaves_both_sizes, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
