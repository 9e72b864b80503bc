/* Which holders are stuck, told from a /proc made of files: processes, their threads, children and
 * descriptors, as the stories need them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fake_proc.h"
#include "fs/clock.h"
#include "fs/waits.h"

#define OUR_MOUNT 40u
#define INO 1234u

struct world {
    struct fake_proc proc;
    struct cfs_waits waits;
    uint64_t parked[16]; /* by thread id: the acquire it is parked in */
    struct cfs_held held, other;
};

static uint64_t parked(void *arg, uint32_t tid)
{
    const struct world *w = arg;

    return tid < 16 ? w->parked[tid] : 0;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    fake_proc_open(&w->proc);
    cfs_waits_init(&w->waits, w->proc.fd, parked, w);
    w->waits.mount_id = OUR_MOUNT;
    w->waits.device = makedev(0, 9);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    cfs_waits_close(&w->waits);
    fake_proc_close(&w->proc);
    free(w);
    return 0;
}

static void put_fd_of(const struct world *w, int pid, int fd, const char *target, unsigned mount_id,
                      unsigned ino)
{
    fake_put_fd(&w->proc, pid, fd, target, mount_id, ino);
}

static void put_fd(const struct world *w, int pid, int fd, const char *target)
{
    put_fd_of(w, pid, fd, target, OUR_MOUNT, INO);
}

/* Handle 1 holds the lock "a"; process `pid` took it. */
static void held_by(struct world *w, struct cfs_held *held, int pid)
{
    *held = (struct cfs_held){
        .handle = 1, .name = "a", .ino = INO, .taker = {(uint32_t)pid, (uint64_t)pid * 100}};
    cfs_waits_add(&w->waits, held);
}

static void assert_runs(struct world *w)
{
    const struct cfs_stuck_handle *stuck;

    assert_int_equal(cfs_waits_stuck(&w->waits, &stuck), 0);
}

static void assert_stuck_for(struct world *w, uint64_t first, uint64_t second)
{
    const struct cfs_stuck_handle *stuck;

    assert_int_equal(cfs_waits_stuck(&w->waits, &stuck), 1);
    assert_int_equal(stuck->handle, 1);
    assert_int_equal(stuck->wait_count, second ? 2 : 1);
    for (uint32_t i = 0; i < stuck->wait_count; i++)
        assert_true(stuck->waits[i] == first || stuck->waits[i] == second);
}

/* --- stories ----------------------------------------------------------------------------- */

static void a_taker_that_waits_is_stuck(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    assert_runs(w);
    w->parked[2] = 77;
    assert_stuck_for(w, 77, 0);
}

/* flock a flock b true */
static void a_parent_that_waits_for_a_waiting_child_is_stuck(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, SYS_wait4, "3 ");
    fake_put_process(&w->proc, 3, 0, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    put_fd(w, 3, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    assert_runs(w); /* the child does something else */
    w->parked[3] = 77;
    assert_stuck_for(w, 77, 0);
}

/* flock -o a flock b true: the child has closed it, the parent has it still. */
static void the_child_need_not_have_it_open(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, SYS_waitid, "3 ");
    fake_put_process(&w->proc, 3, 0, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    w->held.flushed = true;
    w->parked[3] = 77;
    assert_stuck_for(w, 77, 0);
}

/* close(2) has returned, and the kernel's RELEASE is still on its way: no deadlock. */
static void what_was_closed_just_now_is_not_stuck_yet(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    w->held.flushed = true;
    w->held.flushed_at = cfs_fs_now();
    assert_runs(w);
    w->held.flushed_at = 0;
    assert_stuck_for(w, 77, 0);
}

/* exec 9> a; flock 9: the taker has ended, its parent has the file, and goes on. */
static void a_shell_that_goes_on_is_not_stuck(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, -1, "");
    put_fd(w, 2, 9, "/mnt/locks/a");
    held_by(w, &w->held, 5);
    w->held.flushed = true;
    assert_runs(w);
    assert_int_equal(w->held.witness, 2);
    fake_put_process(&w->proc, 2, SYS_wait4, "3 ");
    fake_put_process(&w->proc, 3, 0, "");
    w->parked[3] = 77; /* ... until it too asks, by a child, for what it cannot have */
    assert_stuck_for(w, 77, 0);
}

static void every_child_counts(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, SYS_wait4, "3 4 ");
    fake_put_process(&w->proc, 3, 0, "");
    fake_put_process(&w->proc, 4, -1, "");
    put_fd(w, 2, 9, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    w->parked[3] = 77;
    assert_runs(w);
    w->parked[4] = 78;
    assert_stuck_for(w, 77, 78);
}

static void waiting_for_no_child_is_not_waiting(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, SYS_wait4, "");
    put_fd(w, 2, 9, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    assert_runs(w);
}

static void every_thread_counts(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    fake_put_thread(&w->proc, 2, 6, -1, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    assert_runs(w);
    w->parked[6] = 78;
    assert_int_equal(w->held.state, CFS_HELD_RUNS);
    assert_stuck_for(w, 77, 78);
}

static void everybody_who_has_it_open_counts(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    fake_put_process(&w->proc, 3, -1, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    put_fd(w, 3, 3, "/mnt/locks/a (deleted)");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    assert_runs(w);
    assert_int_equal(w->held.witness, 3);
    w->parked[3] = 78;
    assert_stuck_for(w, 77, 78);
}

static void other_files_of_that_name_do_not_count(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    fake_put_process(&w->proc, 3, -1, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    put_fd_of(w, 3, 3, "/home/a", OUR_MOUNT + 1, INO + 1);
    put_fd(w, 3, 4, "/mnt/locks/ab");
    put_fd(w, 3, 5, "pipe:[17]");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    assert_stuck_for(w, 77, 0);
}

/* The same inode number in another mount: the lock of that name as another node shows it, or the
 * same file system in a container. */
static void mounts_are_told_apart_by_their_device(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    fake_put_process(&w->proc, 3, -1, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    put_fd_of(w, 3, 3, "/other/locks/a", OUR_MOUNT + 1, INO);
    fake_put(&w->proc, "41 1 0:8 / /other rw - fuse.coordfs coordfs rw\n", "3/mountinfo");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    assert_stuck_for(w, 77, 0);
    w->parked[2] = 78; /* another wait: looks again */
    fake_put(&w->proc, "41 1 0:9 / /other rw - fuse.coordfs coordfs rw\n", "3/mountinfo");
    assert_runs(w);
}

static void what_nobody_seems_to_have_open_runs(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    assert_runs(w);
}

static void a_recycled_pid_is_not_the_taker(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, -1, "");
    fake_put_process(&w->proc, 3, 0, "");
    put_fd(w, 3, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    w->held.taker.start = 1;
    w->parked[3] = 77;
    assert_stuck_for(w, 77, 0);
}

/* Who is blocked cannot hand the file on, so nobody else is asked until one of the waits has
 * changed. */
static void what_is_stuck_stays_so_while_the_same_waits_last(void **state)
{
    struct world *w = *state;

    fake_put_process(&w->proc, 2, 0, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    w->parked[2] = 77;
    assert_stuck_for(w, 77, 0);
    fake_put_process(&w->proc, 3, -1, "");
    put_fd(w, 3, 3, "/mnt/locks/a");
    assert_stuck_for(w, 77, 0);
    w->parked[2] = 78;
    assert_runs(w);
}

static void handles_of_one_name_are_all_looked_at(void **state)
{
    struct world *w = *state;
    const struct cfs_stuck_handle *stuck;

    fake_put_process(&w->proc, 2, 0, "");
    fake_put_process(&w->proc, 3, 0, "");
    put_fd(w, 2, 3, "/mnt/locks/a");
    put_fd(w, 3, 3, "/mnt/locks/a");
    held_by(w, &w->held, 2);
    held_by(w, &w->other, 3);
    w->parked[2] = 77;
    w->parked[3] = 78;
    assert_int_equal(cfs_waits_stuck(&w->waits, &stuck), 2);
    cfs_waits_remove(&w->waits, &w->held);
    assert_int_equal(cfs_waits_stuck(&w->waits, &stuck), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_taker_that_waits_is_stuck),
        TEST(a_parent_that_waits_for_a_waiting_child_is_stuck),
        TEST(the_child_need_not_have_it_open),
        TEST(what_was_closed_just_now_is_not_stuck_yet),
        TEST(a_shell_that_goes_on_is_not_stuck),
        TEST(every_child_counts),
        TEST(waiting_for_no_child_is_not_waiting),
        TEST(every_thread_counts),
        TEST(everybody_who_has_it_open_counts),
        TEST(other_files_of_that_name_do_not_count),
        TEST(mounts_are_told_apart_by_their_device),
        TEST(what_nobody_seems_to_have_open_runs),
        TEST(a_recycled_pid_is_not_the_taker),
        TEST(what_is_stuck_stays_so_while_the_same_waits_last),
        TEST(handles_of_one_name_are_all_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
