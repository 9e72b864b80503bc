/* Who closes a file, and why, told from a /proc made of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_proc.h"
#include "fs/closer.h"

#define EXITING 0x4u
#define SIGNALED 0x400u
#define INO 1234u

static int setup(void **state)
{
    struct fake_proc *proc = malloc(sizeof *proc);

    fake_proc_open(proc);
    fake_put_process(proc, 20, 0, "");
    *state = proc;
    return 0;
}

static int teardown(void **state)
{
    fake_proc_close(*state);
    free(*state);
    return 0;
}

static struct cfs_closer look(const struct fake_proc *proc, uint32_t tid)
{
    struct cfs_closer closer;

    cfs_closer_look(&closer, proc->fd, tid);
    return closer;
}

static enum cfs_close_reason reason(const struct fake_proc *proc, unsigned flags, int exit_code,
                                    int known)
{
    fake_put_end(proc, 20, flags, exit_code, known);
    return look(proc, 20).reason;
}

static void close_and_exit_are_orderly(void **state)
{
    struct fake_proc *proc = *state;

    assert_int_equal(reason(proc, 0x400100, 0, true), CFS_CLOSE_ORDERLY);
    assert_false(look(proc, 20).ends);
    assert_int_equal(reason(proc, 0x400100 | EXITING, 0x300, true), CFS_CLOSE_ORDERLY);
    assert_true(look(proc, 20).ends);
    assert_int_equal(reason(proc, EXITING, 0, false), CFS_CLOSE_ORDERLY);
}

static void a_signal_is_not(void **state)
{
    struct fake_proc *proc = *state;

    assert_int_equal(reason(proc, EXITING | SIGNALED, 9, true), CFS_CLOSE_KILLED);
    assert_int_equal(reason(proc, EXITING | SIGNALED, 0x86, true), CFS_CLOSE_KILLED);
}

/* Its threads are ended by the kernel as if by a signal. */
static void the_exit_of_a_process_with_threads_is_told_by_its_exit_code(void **state)
{
    struct fake_proc *proc = *state;

    assert_int_equal(reason(proc, EXITING | SIGNALED, 0, true), CFS_CLOSE_ORDERLY);
    assert_int_equal(reason(proc, EXITING | SIGNALED, 0x300, true), CFS_CLOSE_ORDERLY);
    assert_int_equal(reason(proc, EXITING | SIGNALED, 0, false), CFS_CLOSE_KILLED);
}

static void who_is_not_there_is_unseen(void **state)
{
    struct fake_proc *proc = *state;
    struct cfs_closer closer = look(proc, 21);

    assert_int_equal(closer.reason, CFS_CLOSE_UNSEEN);
    assert_int_equal(closer.pid, 0);
    assert_false(cfs_closer_has_thread(&closer, 21));
    assert_true(cfs_closer_may_share(&closer, "q", INO));
    assert_int_equal(look(proc, 0).reason, CFS_CLOSE_UNSEEN);
}

static void threads_belong_to_processes(void **state)
{
    struct fake_proc *proc = *state;
    struct cfs_closer closer;

    fake_put(proc, "Name:\tx\nTgid:\t20\nPPid:\t1\n", "22/status");
    fake_put_process(proc, 30, 0, "");
    closer = look(proc, 20);
    assert_true(cfs_closer_has_thread(&closer, 20));
    assert_true(cfs_closer_has_thread(&closer, 22));
    assert_false(cfs_closer_has_thread(&closer, 30));
    assert_false(cfs_closer_has_thread(&closer, 40)); /* which is gone */
}

static bool may_share(const struct fake_proc *proc)
{
    struct cfs_closer closer = look(proc, 20);

    return cfs_closer_may_share(&closer, "q", INO);
}

static void another_descriptor_of_the_file_may_go_on_being_used(void **state)
{
    struct fake_proc *proc = *state;

    fake_put_fd(proc, 20, 0, "/dev/null", 3, 5);
    fake_put_fd(proc, 20, 1, "/mnt/queues/q2", 40, INO);
    fake_put_fd(proc, 20, 2, "pipe:[77]", 9, 77);
    fake_put_fd(proc, 20, 3, "/elsewhere/q", 41, INO + 1);
    assert_false(may_share(proc));
    fake_put_fd(proc, 20, 4, "/mnt/queues/q", 40, INO);
    assert_true(may_share(proc));
    fake_put_fd(proc, 20, 4, "/mnt/queues/q (deleted)", 40, INO);
    assert_true(may_share(proc));
    fake_put_end(proc, 20, EXITING, 0, true); /* which closes them all, one after the other */
    assert_false(may_share(proc));
}

static void a_child_may_have_inherited_it(void **state)
{
    struct fake_proc *proc = *state;

    fake_put_thread(proc, 20, 20, 0, "");
    fake_put_thread(proc, 20, 22, 0, "31 ");
    assert_true(may_share(proc));
    fake_put_end(proc, 20, EXITING, 0, true);
    assert_true(may_share(proc));
    fake_put_thread(proc, 20, 22, 0, "");
    assert_false(may_share(proc));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(close_and_exit_are_orderly),
        TEST(a_signal_is_not),
        TEST(the_exit_of_a_process_with_threads_is_told_by_its_exit_code),
        TEST(who_is_not_there_is_unseen),
        TEST(threads_belong_to_processes),
        TEST(another_descriptor_of_the_file_may_go_on_being_used),
        TEST(a_child_may_have_inherited_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
