/* What a log knows of what it lost: said at each open until the node remembers, and on the disk
 * before there is nothing left to see. */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "wal_world.h"

/* In place of the C library's: what reaches the disk in which order, as "amnesia+ wal- ..."; '+' is
 * a write, '=' an fsync. From a write to the log on, a process may end or a disk fail. */
static char trace[512];
static bool traced, dies_at_segment, dies_at_amnesia, fails_amnesia;

static void note(int fd, char what)
{
    char link[64], target[512] = "";
    const char *name;

    if (!traced)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    assert_true(readlink(link, target, sizeof(target) - 1) > 0);
    name = strrchr(target, '/') + 1;
    name = strncmp(name, "wal-", 4) == 0 ? "wal" : strcmp(name, "log") == 0 ? "dir" : name;
    snprintf(trace + strlen(trace), sizeof(trace) - strlen(trace), "%s%c ", name, what);
    if ((strcmp(name, "wal") == 0 && dies_at_segment) ||
        (strncmp(name, "amnesia", 7) == 0 && dies_at_amnesia))
        _exit(0);
}

static bool is_failing(int fd)
{
    char link[64], target[512] = "";

    if (!fails_amnesia)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    return readlink(link, target, sizeof(target) - 1) > 0 && strstr(target, "/amnesia");
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    note(fd, '+');
    return syscall(SYS_pwrite64, fd, data, len, offset);
}

int fsync(int fd)
{
    note(fd, '=');
    if (is_failing(fd)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    note(fd, '=');
    return (int)syscall(SYS_fdatasync, fd);
}

static void begin_trace(void)
{
    trace[0] = '\0';
    traced = true;
}

static int set_up_trace(void **state)
{
    traced = dies_at_segment = dies_at_amnesia = fails_amnesia = false;
    return set_up(state);
}

static enum cfs_amnesia reopen(struct world *w)
{
    close_log(w);
    open_log(w);
    return cfs_wal_amnesia(w->wal, 0);
}

static bool is_told(const struct world *w)
{
    return access(path_of(w, 0, "amnesia"), F_OK) == 0;
}

static void remember(struct world *w)
{
    cfs_wal_remember(w->wal, 0, 0);
    for (int ms = 0; ms < WAIT_MS && is_told(w); ms++)
        poll(NULL, 0, 1);
    assert_false(is_told(w));
}

/* Two batches, remembered, closed; the second one is damaged where it says. The records of the
 * first are what is left. */
static void tear(struct world *w)
{
    uint64_t end;

    open_log(w);
    remember(w);
    commit(w, 2);
    end = stats_of(w).bytes;
    commit(w, 2);
    close_log(w);
    flip(w, 1, end + 60);
    w->stored -= 2;
}

static void test_a_new_log_is_blank_until_it_remembers(void **state)
{
    struct world *w = *state;

    open_log(w);
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_BLANK);
    commit(w, 5);
    assert_int_equal(reopen(w), CFS_BLANK);
    remember(w);
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_REMEMBERS);
    assert_int_equal(reopen(w), CFS_REMEMBERS);
    remember(w); /* there is nothing to clear */
    assert_int_equal(reopen(w), CFS_REMEMBERS);
}

/* Else a crash could leave a log that passes for one that was always there. */
static void test_a_new_log_is_blank_before_it_has_an_identity(void **state)
{
    struct world *w = *state;
    const char *told, *named;

    begin_trace();
    open_log(w);
    told = strstr(trace, "amnesia.new+ amnesia.new= dir= ");
    named = strstr(trace, "identity.new+ ");
    if (!told || !named || told > named)
        fail_msg("written in this order: %s", trace);
}

static void test_a_creation_that_a_crash_cut_short_is_blank(void **state)
{
    struct world *w = *state;

    open_log(w);
    close_log(w);
    assert_int_equal(unlink(path_of(w, 0, "identity")), 0);
    assert_int_equal(unlink(path_of(w, 0, "amnesia")), 0);
    open_log(w);
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_BLANK);
}

static void test_a_log_whose_end_was_cut_is_torn_until_it_remembers(void **state)
{
    struct world *w = *state;

    tear(w);
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 0);
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_TORN);
    commit(w, 2);
    assert_int_equal(reopen(w), CFS_TORN); /* though nothing was cut this time */
    assert_int_equal(stats_of(w).cut_bytes, 0);
    remember(w);
    assert_int_equal(reopen(w), CFS_REMEMBERS);
}

static void test_a_clean_end_is_no_loss(void **state)
{
    struct world *w = *state;

    open_log(w);
    remember(w);
    fill_until(w, 2);
    close_log(w);
    begin_trace();
    open_log(w);
    assert_null(strstr(trace, "amnesia"));
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_REMEMBERS);
    assert_false(is_told(w));
}

static void test_what_a_cut_hides_is_told_before(void **state)
{
    struct world *w = *state;

    tear(w);
    begin_trace();
    open_log(w);
    if (!strstr(trace, "amnesia.new+ amnesia.new= dir= wal+ wal= "))
        fail_msg("written in this order: %s", trace);
}

static void test_a_crash_before_the_cut_changes_nothing_about_it(void **state)
{
    struct world *w = *state;
    int status;
    pid_t pid;

    tear(w);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        traced = dies_at_segment = true;
        try_open(w, NODE);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(is_told(w));
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 0); /* it is still there to be cut */
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_TORN);
}

/* Half of it would count as blank, and a blank log is worth less than a torn one. */
static void test_a_crash_while_it_is_told_leaves_it_untold(void **state)
{
    struct world *w = *state;
    int status;
    pid_t pid;

    tear(w);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        traced = dies_at_amnesia = true;
        try_open(w, NODE);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    open_log(w);
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_TORN);
}

static void test_nothing_is_cut_that_cannot_be_told(void **state)
{
    struct world *w = *state;
    uint8_t before[512], after[512];

    tear(w);
    peek(w, 1, 0, before, sizeof(before));
    fails_amnesia = true;
    assert_refused(w, "cannot cut the torn end");
    assert_said(w, "Input/output error");
    fails_amnesia = false;
    peek(w, 1, 0, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
    open_log(w);
    assert_true(cfs_wal_amnesia(w->wal, 0) != CFS_REMEMBERS);
}

static void test_blank_is_worse_than_torn(void **state)
{
    struct world *w = *state;
    uint64_t end;

    open_log(w);
    commit(w, 2);
    end = stats_of(w).bytes;
    commit(w, 2);
    close_log(w);
    flip(w, 1, end + 60);
    w->stored -= 2;
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 0);
    assert_int_equal(cfs_wal_amnesia(w->wal, 0), CFS_BLANK);
}

static void test_what_cannot_be_read_counts_as_blank(void **state)
{
    static const char *const texts[] = {"",       "nonsense\n",     "blank\n",  "torn",
                                        "TORN\n", "torn\nor not\n", "remembers"};
    struct world *w = *state;

    open_log(w);
    remember(w);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_text(w, "amnesia", texts[i]);
        if (reopen(w) != CFS_BLANK)
            fail_msg("\"%s\" should count as blank", texts[i]);
    }
    write_text(w, "amnesia", "torn\n");
    assert_int_equal(reopen(w), CFS_TORN);
    remember(w);
    write_text(w, "elsewhere", "torn\n");
    assert_int_equal(symlink("elsewhere", path_of(w, 0, "amnesia")), 0);
    assert_int_equal(reopen(w), CFS_BLANK);
    remember(w);
    assert_int_equal(access(path_of(w, 0, "elsewhere"), F_OK), 0);
    assert_int_equal(mkdir(path_of(w, 0, "amnesia"), 0700), 0);
    assert_int_equal(reopen(w), CFS_BLANK);
}

static void test_what_cannot_be_cleared_is_said(void **state)
{
    struct world *w = *state;

    open_log(w);
    remember(w);
    assert_int_equal(mkdir(path_of(w, 0, "amnesia"), 0700), 0);
    catch_stderr(w);
    cfs_wal_remember(w->wal, 0, 0);
    await_said(w, "/amnesia: Is a directory");
    release_stderr(w);
    commit(w, 3); /* the node goes on */
    assert_int_equal(reopen(w), CFS_BLANK);
}

static int slow_sync(int fd)
{
    poll(NULL, 0, 100);
    return fdatasync(fd);
}

/* On a thread of its own: neither the loop nor a commit waits for it. */
static void test_remembering_goes_on_beside_commits(void **state)
{
    struct world *w = *state;

    open_log(w);
    cfs_wal_set_sync(w->wal, slow_sync);
    append(w, 3);
    cfs_wal_submit(w->wal);
    remember(w);
    assert_int_equal(await(w), 0);
    assert_int_equal(reopen(w), CFS_REMEMBERS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up_trace, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_new_log_is_blank_until_it_remembers),
        TEST(a_new_log_is_blank_before_it_has_an_identity),
        TEST(a_creation_that_a_crash_cut_short_is_blank),
        TEST(a_log_whose_end_was_cut_is_torn_until_it_remembers),
        TEST(a_clean_end_is_no_loss),
        TEST(what_a_cut_hides_is_told_before),
        TEST(a_crash_before_the_cut_changes_nothing_about_it),
        TEST(a_crash_while_it_is_told_leaves_it_untold),
        TEST(nothing_is_cut_that_cannot_be_told),
        TEST(blank_is_worse_than_torn),
        TEST(what_cannot_be_read_counts_as_blank),
        TEST(what_cannot_be_cleared_is_said),
        TEST(remembering_goes_on_beside_commits),
    };

    return cmocka_run_group_tests_name("wal_amnesia", tests, NULL, NULL);
}
