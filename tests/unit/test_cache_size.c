/* What the kernel may take a file's size to be: bounds that each reply narrows or widens, and a
 * look that settles it unless something came between. */
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

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.call.about = w.call.inode = &w.inode;
    w.call.received = NOW;
    cfs_cache_size_told(&w.call, 100);
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

static void look(uint64_t size)
{
    w.job = (struct cfs_notify_job){.looked = true, .touched = w.inode.size.touched};
    w.job.content.size = size;
    w.inode.size.look = &w.job;
    w.inode.jobs = 1;
}

static void a_look_settles_it(void **state)
{
    (void)state;
    forget();
    cfs_cache_size_told(&w.call, 30);
    look(30);
    cfs_cache_size_looked(&w.inode, &w.job);
    assert_bounds(30, 30);
    assert_null(w.inode.size.look);
}

static void a_look_that_something_crossed_settles_nothing(void **state)
{
    static struct cfs_cache_call write;

    (void)state;
    forget();
    cfs_cache_size_told(&w.call, 30);
    look(30);
    w.job.looked = false; /* the reader had closed his file */
    cfs_cache_size_looked(&w.inode, &w.job);
    assert_bounds(30, 100);
    look(30);
    w.inode.size.touched = NOW; /* a recall has ended */
    cfs_cache_size_looked(&w.inode, &w.job);
    assert_bounds(30, 100);
    look(30);
    w.inode.jobs = 2; /* or is under way */
    cfs_cache_size_looked(&w.inode, &w.job);
    assert_bounds(30, 100);
    look(30);
    w.inode.writes = &write;
    cfs_cache_size_looked(&w.inode, &w.job);
    assert_bounds(30, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_reply_is_believed_when_nothing_came_between, setup),
        cmocka_unit_test_setup(a_reply_that_may_be_ignored_widens_the_bounds, setup),
        cmocka_unit_test_setup(what_the_kernel_does_itself_is_known, setup),
        cmocka_unit_test_setup(a_look_settles_it, setup),
        cmocka_unit_test_setup(a_look_that_something_crossed_settles_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
