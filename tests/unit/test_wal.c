/* The log in daily life: what was stored comes back, segments follow each other, the writer never
 * holds up the loop, and a disk that fails or is full is reported. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "wal_world.h"

static void test_returns_what_was_stored(void **state)
{
    struct world *w = *state;

    open_log(w);
    commit(w, 1);
    commit(w, 100);
    assert_int_equal(stats_of(w).records, 101);
    assert_int_equal(stats_of(w).syncs, 2);
    close_log(w);
    open_log(w);
}

static void test_goes_on_after_each_reopen(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 20; i++) {
        open_log(w);
        assert_int_equal(stats_of(w).cut_bytes, 0);
        commit(w, 1 + (uint64_t)i % 4);
        close_log(w);
    }
    open_log(w);
}

static void test_close_writes_what_was_submitted(void **state)
{
    struct world *w = *state;

    open_log(w);
    append(w, 10);
    cfs_wal_submit(w->wal);
    close_log(w);
    open_log(w);
}

static void test_rolls_over_to_further_segments(void **state)
{
    struct world *w = *state;

    open_log(w);
    fill_until(w, 3);
    commit(w, 1);
    close_log(w);
    open_log(w);
    assert_int_equal(stats_of(w).segment, 3);
    commit(w, 1);
    close_log(w);
    open_log(w);
}

static void test_splits_what_is_too_large_for_one_batch(void **state)
{
    struct world *w = *state;

    w->big = BIG_BYTES;
    open_log(w);
    commit(w, 160); /* 20 MiB at once */
    assert_true(stats_of(w).syncs >= 5);
    assert_int_equal(stats_of(w).segment, 2);
    close_log(w);
    open_log(w);
}

static void test_refuses_a_second_opener(void **state)
{
    struct world *w = *state;
    struct cfs_wal *first;
    char words[64];

    open_log(w);
    first = w->wal;
    snprintf(words, sizeof(words), "in use by process %d", (int)getpid());
    assert_refused(w, words);
    cfs_wal_close(first);
    open_log(w);
}

static void test_refuses_another_nodes_directory(void **state)
{
    struct world *w = *state;

    open_log(w);
    close_log(w);
    assert_int_equal(try_open(w, NODE + 1), -1);
    assert_said(w, "the log of node 3, and this is node 4");
    assert_said(w, w->dir);
}

/* Commits for ever and tells how many records are durable. */
static void commit_until_killed(struct world *w, int out)
{
    if (try_open(w, NODE) != 0)
        _exit(1);
    for (;;) {
        commit(w, 1 + w->stored % 4);
        if (write(out, &w->stored, sizeof(w->stored)) != sizeof(w->stored))
            _exit(1);
    }
}

static void test_keeps_what_was_durable_when_killed(void **state)
{
    struct world *w = *state;
    uint64_t durable = 0;
    int pipe_fds[2];

    for (int round = 0; round < 12; round++) {
        pid_t pid;

        assert_int_equal(pipe(pipe_fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            commit_until_killed(w, pipe_fds[1]);
        close(pipe_fds[1]);
        for (int i = 0; i < 3 + round; i++)
            assert_int_equal(read(pipe_fds[0], &durable, sizeof(durable)), sizeof(durable));
        kill(pid, SIGKILL);
        while (read(pipe_fds[0], &durable, sizeof(durable)) > 0)
            ;
        close(pipe_fds[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        if (try_open(w, NODE) != 0)
            fail_msg("round %d: the log should open, but: %s", round, w->said);
        assert_true(w->seen >= durable);
        w->stored = w->seen;
        close_log(w);
    }
}

static int fail_sync(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

static void test_reports_a_failed_sync_for_ever(void **state)
{
    struct world *w = *state;
    uint64_t lsn = 99;

    open_log(w);
    cfs_wal_set_sync(w->wal, fail_sync);
    append(w, 5);
    catch_stderr(w);
    cfs_wal_submit(w->wal);
    assert_int_equal(await(w), -1);
    release_stderr(w);
    assert_said(w, "cannot write");
    append(w, 5);
    cfs_wal_submit(w->wal);
    assert_int_equal(cfs_wal_durable(w->wal, &lsn), -1);
    assert_int_equal(lsn, 0);
    assert_int_equal(stats_of(w).syncs, 0);
    close_log(w);
    w->stored = 5; /* written, though never promised */
    open_log(w);
}

static sem_t sync_entered, sync_allowed;

static int latched_sync(int fd)
{
    sem_post(&sync_entered);
    while (sem_wait(&sync_allowed) != 0)
        ;
    return fdatasync(fd);
}

static void test_collects_while_a_sync_runs(void **state)
{
    struct world *w = *state;
    uint64_t durable;

    sem_init(&sync_entered, 0, 0);
    sem_init(&sync_allowed, 0, 0);
    open_log(w);
    cfs_wal_set_sync(w->wal, latched_sync);
    append(w, 2);
    cfs_wal_submit(w->wal);
    while (sem_wait(&sync_entered) != 0)
        ;
    append(w, 3);
    cfs_wal_submit(w->wal);
    append(w, 4);
    cfs_wal_submit(w->wal);
    assert_int_equal(cfs_wal_durable(w->wal, &durable), 0);
    assert_int_equal(durable, 0);
    assert_int_equal(stats_of(w).pending, 9);
    sem_post(&sync_allowed);
    sem_post(&sync_allowed);
    assert_int_equal(await(w), 0);
    assert_int_equal(stats_of(w).syncs, 2);
    assert_int_equal(stats_of(w).records, 9);
    assert_int_equal(stats_of(w).pending, 0);
    assert_int_equal(stats_of(w).sync.count, 2);
    close_log(w);
    open_log(w);
}

static void *read_stats(void *arg)
{
    struct cfs_wal_stats stats;

    do
        cfs_wal_stats(arg, &stats);
    while (stats.records < 200);
    return NULL;
}

static void test_statistics_may_be_read_by_any_thread(void **state)
{
    struct world *w = *state;
    pthread_t thread;

    open_log(w);
    assert_int_equal(pthread_create(&thread, NULL, read_stats, w->wal), 0);
    for (int i = 0; i < 100; i++)
        commit(w, 2);
    pthread_join(thread, NULL);
    assert_true(stats_of(w).sync_us_max >= stats_of(w).sync_us_last);
}

/* No file may become as large as a segment: the next one cannot be made, the one in use goes on. */
static void limit_files(bool limited)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limited ? CFS_WAL_SEGMENT_BYTES - 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_survives_a_full_disk_that_is_emptied(void **state)
{
    struct world *w = *state;

    w->big = BIG_BYTES;
    open_log(w);
    limit_files(true);
    commit(w, 31);
    commit(w, 31);
    catch_stderr(w);
    commit(w, 31); /* past the half: the next segment is ordered, in vain */
    await_said(w, "File too large; will try again");
    release_stderr(w);
    limit_files(false);
    commit(w, 31);
    commit(w, 31);
    assert_int_equal(stats_of(w).segment, 2);
    close_log(w);
    open_log(w);
}

/* Until the segment in use is full and the writer stands before an empty stock. */
static void fill_disk(struct world *w)
{
    limit_files(true);
    catch_stderr(w);
    commit(w, 80);
    await_said(w, "File too large; will try again");
    release_stderr(w);
    assert_true(cfs_wal_is_full(w->wal));
    commit(w, 31); /* what is left is used up ... */
    append(w, 31); /* ... before this */
    cfs_wal_submit(w->wal);
}

static void test_waits_until_there_is_room(void **state)
{
    struct world *w = *state;

    w->big = BIG_BYTES;
    open_log(w);
    fill_disk(w);
    limit_files(false);
    assert_int_equal(await(w), 0);
    assert_int_equal(stats_of(w).segment, 2);
    assert_false(cfs_wal_is_full(w->wal));
    close_log(w);
    open_log(w);
}

static void test_does_not_wait_for_room_when_it_closes(void **state)
{
    struct world *w = *state;

    w->big = BIG_BYTES;
    open_log(w);
    fill_disk(w);
    catch_stderr(w);
    w->stored = stats_of(w).records;
    close_log(w);
    release_stderr(w);
    limit_files(false);
    assert_said(w, "cannot make the segment after");
    open_log(w);
}

/* In place of the C library's: the log's directory may fail, and is counted when it does not. */
static atomic_bool fail_directory;
static atomic_uint directory_syncs;

int fsync(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (fail_directory) {
            errno = EIO;
            return -1;
        }
        directory_syncs++;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* The segment has its name by then, and is found under it at the next attempt. */
static void test_a_segment_is_used_when_its_name_is_durable(void **state)
{
    struct world *w = *state;

    w->big = BIG_BYTES;
    open_log(w);
    catch_stderr(w);
    fail_directory = true;
    commit(w, 31);
    commit(w, 31);
    commit(w, 31);
    await_said(w, "Input/output error; will try again");
    assert_int_equal(access(path_of(w, 2, NULL), F_OK), 0);
    directory_syncs = 0;
    fail_directory = false;
    release_stderr(w);
    fill_until(w, 2);
    assert_int_equal(directory_syncs, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(returns_what_was_stored),
        TEST(goes_on_after_each_reopen),
        TEST(close_writes_what_was_submitted),
        TEST(rolls_over_to_further_segments),
        TEST(splits_what_is_too_large_for_one_batch),
        TEST(refuses_a_second_opener),
        TEST(refuses_another_nodes_directory),
        TEST(keeps_what_was_durable_when_killed),
        TEST(reports_a_failed_sync_for_ever),
        TEST(collects_while_a_sync_runs),
        TEST(statistics_may_be_read_by_any_thread),
        TEST(survives_a_full_disk_that_is_emptied),
        TEST(waits_until_there_is_room),
        TEST(does_not_wait_for_room_when_it_closes),
        TEST(a_segment_is_used_when_its_name_is_durable),
    };

    return cmocka_run_group_tests_name("wal", tests, NULL, NULL);
}
