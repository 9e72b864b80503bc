/* Reading /proc: texts that try to mislead, and this very process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/proc.h"

static int proc;

static int setup(void **state)
{
    (void)state;
    proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return proc < 0;
}

static int teardown(void **state)
{
    (void)state;
    close(proc);
    return 0;
}

static void a_command_cannot_forge_the_start_time(void **state)
{
    const char *stat = "42 (a) S 9 9 (b) R 1 2 3) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 "
                       "98765 4096 17 18446744073709551615\n";
    char process_state = 0;
    uint64_t start = 0;

    (void)state;
    assert_true(cfs_proc_parse_stat(stat, &process_state, &start));
    assert_int_equal(process_state, 'S');
    assert_int_equal(start, 98765);
    assert_false(cfs_proc_parse_stat("42 (cut off) S 1 2", &process_state, &start));
    assert_false(cfs_proc_parse_stat("", &process_state, &start));
}

static void flags_and_exit_code_are_the_9th_and_52nd_field(void **state)
{
    const char *stat =
        "42 (a) S 9 9) S 1 42 42 0 -1 4195332 10 11 12 13 14 15 16 17 18 19 20 21 22 "
        "23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 "
        "48 49 50 51 134\n";
    uint64_t flags = 0, exit_code = 0;

    (void)state;
    assert_true(cfs_proc_parse_end(stat, &flags, &exit_code));
    assert_int_equal(flags, 4195332);
    assert_int_equal(exit_code, 134);
    assert_false(cfs_proc_parse_end("42 (cut off) S 1 2", &flags, &exit_code));
    assert_false(cfs_proc_parse_end("", &flags, &exit_code));
}

static void a_name_cannot_forge_the_process(void **state)
{
    const char *status = "Name:\tx\\nTgid:\t1\nUmask:\t0022\nTgid:\t77\nNgid:\t0\nPid:\t78\n"
                         "PPid:\t12\n";
    uint32_t tgid = 0, parent = 0;

    (void)state;
    assert_true(cfs_proc_parse_status(status, &tgid, &parent));
    assert_int_equal(tgid, 77);
    assert_int_equal(parent, 12);
    assert_false(cfs_proc_parse_status("Name:\tx\n", &tgid, &parent));
}

static void mount_points_are_unescaped(void **state)
{
    const char *line = "99 28 0:47 / /mnt/two\\040words\\134 rw,nosuid shared:9 - fuse.coordfs "
                       "coordfs rw,user_id=0\n";
    struct cfs_mount_line mount;

    (void)state;
    assert_true(cfs_proc_parse_mount(line, &mount));
    assert_int_equal(mount.id, 99);
    assert_int_equal(mount.device, makedev(0, 47));
    assert_string_equal(mount.path, "/mnt/two words\\");
    assert_string_equal(mount.type, "fuse.coordfs");
    assert_false(cfs_proc_parse_mount("no mount", &mount));
    assert_false(cfs_proc_parse_mount("", &mount));
}

static void a_process_finds_itself(void **state)
{
    struct cfs_process process;
    uint32_t parent;

    (void)state;
    cfs_proc_identify(proc, (uint32_t)gettid(), &process, &parent);
    assert_int_equal(process.pid, getpid());
    assert_int_equal(parent, getppid());
    assert_int_equal(cfs_proc_pid(proc, (uint32_t)gettid()), getpid());
    assert_true(cfs_proc_exists(proc, &process));
    process.start++; /* another one that had the same pid */
    assert_false(cfs_proc_exists(proc, &process));
}

static void what_cannot_be_seen_is_nobody(void **state)
{
    struct cfs_process process = {1, 1};
    uint32_t parent = 1;

    (void)state;
    cfs_proc_identify(proc, 0, &process, &parent);
    assert_int_equal(process.pid, 0);
    assert_int_equal(parent, 0);
    assert_false(cfs_proc_exists(proc, &process));
    cfs_proc_identify(proc, UINT32_MAX, &process, &parent);
    assert_int_equal(process.pid, 0);
    assert_int_equal(cfs_proc_pid(proc, UINT32_MAX), 0);
}

/* Until the child has gone into wait(2); it cannot be told when. */
static bool comes_to_wait(uint32_t pid)
{
    for (int i = 0; i < 100000; i++)
        if (cfs_proc_in_wait(proc, pid, pid))
            return true;
    return false;
}

static void wait_is_recognised(void **state)
{
    int hold[2];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(hold), 0);
    child = fork();
    if (child == 0) { /* waits for a child that waits for the end of this test */
        char byte;
        close(hold[1]);
        if (fork() == 0)
            _exit(read(hold[0], &byte, 1) != 0);
        wait(NULL);
        _exit(0);
    }
    close(hold[0]);
    assert_true(comes_to_wait((uint32_t)child));
    struct cfs_pids threads = {0}, children = {0};
    assert_true(cfs_proc_threads(proc, (uint32_t)child, &threads));
    assert_int_equal(threads.count, 1);
    assert_false(cfs_proc_has_threads(proc, (uint32_t)child));
    assert_true(cfs_proc_children(proc, (uint32_t)child, &threads, &children));
    assert_int_equal(children.count, 1);
    assert_false(cfs_proc_in_wait(proc, children.items[0], children.items[0]));
    cfs_pids_close(&threads);
    cfs_pids_close(&children);
    close(hold[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(cfs_proc_in_wait(proc, (uint32_t)child, (uint32_t)child));
}

struct seen {
    const char *wanted;
    uint32_t fd;
};

static bool see(void *arg, uint32_t pid, uint32_t fd, const char *target)
{
    struct seen *seen = arg;

    assert_int_equal(pid, getpid());
    if (strcmp(target, seen->wanted) != 0)
        return true;
    seen->fd = fd;
    return false;
}

/* Until the child has gone to sleep in its write; it cannot be told when. */
static uint64_t comes_to_write(uint32_t tid)
{
    uint64_t size = 0;

    for (int i = 0; i < 100000 && !size; i++)
        cfs_proc_write_size(proc, tid, &size);
    return size;
}

static void what_a_writer_has_asked_for_is_seen(void **state)
{
    static char data[100000];
    int ends[2];
    pid_t child;
    uint64_t size;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) { /* more than a pipe holds */
        close(ends[0]);
        _exit(write(ends[1], data, sizeof data) < 0);
    }
    close(ends[1]);
    assert_int_equal(comes_to_write((uint32_t)child), sizeof data);
    assert_int_equal(cfs_proc_call(proc, (uint32_t)child), SYS_write);
    close(ends[0]);
    waitpid(child, NULL, 0);
    assert_true(cfs_proc_write_size(proc, UINT32_MAX, &size));
    assert_int_equal(cfs_proc_call(proc, UINT32_MAX), -1);
    assert_int_equal(size, 0);
}

static void one_that_runs_has_not_gone_to_sleep(void **state)
{
    uint64_t size = 1;
    pid_t child = fork();

    (void)state;
    if (child == 0)
        for (;;)
            continue;
    assert_false(cfs_proc_write_size(proc, (uint32_t)child, &size));
    assert_int_equal(cfs_proc_call(proc, (uint32_t)child), -1);
    assert_int_equal(size, 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void descriptors_are_seen(void **state)
{
    struct seen seen = {.wanted = "/proc/version"};
    int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
    uint64_t ino, mount_id;
    struct stat attr;

    (void)state;
    assert_true(cfs_proc_each_fd(proc, (uint32_t)getpid(), see, &seen) > 0);
    assert_int_equal(seen.fd, fd);
    cfs_proc_fd_identity(proc, (uint32_t)getpid(), seen.fd, &ino, &mount_id);
    assert_int_equal(fstat(fd, &attr), 0);
    assert_true(ino == 0 || ino == attr.st_ino); /* told since Linux 5.14 */
    assert_int_not_equal(mount_id, 0);
    close(fd);
    assert_true(cfs_proc_each_fd(proc, UINT32_MAX, see, &seen) < 0);
}

static void mounts_are_found_by_path_and_by_id(void **state)
{
    struct cfs_mount_line by_path, by_id;

    (void)state;
    assert_true(cfs_proc_find_mount(proc, 0, 0, "/proc", &by_path));
    assert_true(cfs_proc_find_mount(proc, (uint32_t)getpid(), by_path.id, NULL, &by_id));
    assert_string_equal(by_id.type, "proc");
    assert_false(cfs_proc_find_mount(proc, 0, 0, "/proc/no/such/mount", &by_path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_cannot_forge_the_start_time),
        cmocka_unit_test(flags_and_exit_code_are_the_9th_and_52nd_field),
        cmocka_unit_test(a_name_cannot_forge_the_process),
        cmocka_unit_test(mount_points_are_unescaped),
        cmocka_unit_test(a_process_finds_itself),
        cmocka_unit_test(what_cannot_be_seen_is_nobody),
        cmocka_unit_test(wait_is_recognised),
        cmocka_unit_test(what_a_writer_has_asked_for_is_seen),
        cmocka_unit_test(one_that_runs_has_not_gone_to_sleep),
        cmocka_unit_test(descriptors_are_seen),
        cmocka_unit_test(mounts_are_found_by_path_and_by_id),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
