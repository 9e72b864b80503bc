/* The checkpoint store against what a disk or an administrator may do to it: what is damaged is
 * refused by name, a full disk loses nothing, a broken one stops the node. */
#include <sys/wait.h>

#include "store_world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true /* they need the addresses for themselves */
#else
#define SANITIZED false
#endif

/* Flips a bit of each occurrence of `text` in the file, `at` bytes behind its begin. */
static void flip(const struct world *w, const char *text, size_t at)
{
    int fd = open(path_of(w, "store/data.mdb"), O_RDWR);
    size_t size, found = 0;
    uint8_t *data, *hit;
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    size = (size_t)st.st_size;
    data = cfs_alloc(size);
    assert_int_equal(pread(fd, data, size, 0), size);
    for (hit = data; (hit = memmem(hit, size - (size_t)(hit - data), text, strlen(text))); hit++) {
        hit[at] ^= 1;
        found++;
    }
    assert_true(found > 0);
    assert_int_equal(pwrite(fd, data, size, 0), size);
    close(fd);
    free(data);
}

static void assert_refused(struct world *w, const char *words)
{
    close_store(w);
    if (try_open(w) == 0 && try_load(w) == 0)
        fail_msg("the store should not open and load: %s", words);
    assert_said(w, words);
    assert_said(w, "store");
    close_store(w);
}

static void make_state(struct world *w)
{
    open_store(w);
    assert_int_equal(checkpoint(w, 4, "headtext", "first=value1 second=value2"), 0);
    assert_int_equal(checkpoint(w, 5, "other", "third=value3"), 0);
    close_store(w);
}

#define STATE "4 headtext first=value1 second=value2\n5 other third=value3"

static void test_names_the_value_that_is_damaged(void **state)
{
    struct world *w = *state;

    make_state(w);
    flip(w, "value2", 2);
    assert_refused(w, "data.mdb is damaged: group 4: key \"second\": the checksum is wrong");
    assert_said(w, "move ");
    flip(w, "vamue2", 2);
    assert_holds(w, STATE);
}

static void test_refuses_a_damaged_head(void **state)
{
    struct world *w = *state;

    make_state(w);
    flip(w, "headtext", 3);
    assert_refused(w, "data.mdb is damaged: group 4: its head: the checksum is wrong");
}

static void test_refuses_a_value_under_another_key(void **state)
{
    struct world *w = *state;

    make_state(w);
    flip(w, "third", 0);
    assert_refused(w, "data.mdb is damaged: group 5: key \"uhird\": the checksum is wrong");
}

static void test_prints_keys_of_any_bytes(void **state)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT};
    struct cfs_writer writer = {0};
    struct world *w = *state;
    uint8_t key[80];

    memset(key, 0xfe, sizeof(key));
    key[0] = 'a';
    key[1] = '"';
    key[2] = '\n';
    key[3] = '\\';
    open_store(w);
    cfs_put_u8(&writer, CFS_STORE_PUT);
    cfs_put_bytes(&writer, key, sizeof(key));
    cfs_put_string(&writer, "valuetext");
    add_part(&job, 1, "head", &writer);
    assert_int_equal(perform(w, job), 0);
    close_store(w);
    flip(w, "valuetext", 0);
    assert_refused(w, "key \"a\\x22\\x0a\\x5c\\xfe\\xfe");
    assert_said(w, "\\xfe...\": the checksum");
}

static void test_refuses_a_state_that_lacks_a_piece(void **state)
{
    struct cfs_store_key bytes;
    struct cfs_store_db db;
    struct world *w = *state;
    MDB_val key;
    MDB_txn *txn;

    make_state(w);
    open_db(w, &db, &txn);
    cfs_store_key_make(&bytes, 4, 1, (const uint8_t *)"first", 5);
    key = (MDB_val){.mv_size = bytes.len, .mv_data = bytes.bytes};
    assert_int_equal(mdb_del(txn, db.pieces, &key, NULL), 0);
    close_db(&db, txn);
    assert_refused(w, "group 4: some of its pieces are not those that were stored");

    open_db(w, &db, &txn);
    cfs_store_key_make(&bytes, 5, 1, NULL, 0);
    key = (MDB_val){.mv_size = bytes.len, .mv_data = bytes.bytes};
    assert_int_equal(mdb_del(txn, db.pieces, &key, NULL), 0);
    cfs_store_key_make(&bytes, 4, 1, (const uint8_t *)"first", 5);
    key = (MDB_val){.mv_size = bytes.len, .mv_data = bytes.bytes};
    assert_int_equal(cfs_store_put(txn, db.pieces, &key, "value1", 6, NULL), 0);
    close_db(&db, txn);
    assert_refused(w, "group 5: its head is missing");
}

/* Each record is right in itself, and one is of yesterday. */
static void test_refuses_a_state_with_an_old_piece(void **state)
{
    struct cfs_store_key bytes;
    struct cfs_store_db db;
    struct world *w = *state;
    MDB_val key;
    MDB_txn *txn;

    make_state(w);
    open_db(w, &db, &txn);
    cfs_store_key_make(&bytes, 4, 1, (const uint8_t *)"first", 5);
    key = (MDB_val){.mv_size = bytes.len, .mv_data = bytes.bytes};
    assert_int_equal(cfs_store_put(txn, db.pieces, &key, "value0", 6, NULL), 0);
    close_db(&db, txn);
    assert_refused(w, "group 4: some of its pieces are not those that were stored");
}

static void test_a_copy_ends_at_what_is_damaged(void **state)
{
    struct world *w = *state;
    struct cfs_store_done done;

    make_state(w);
    flip(w, "value2", 2);
    open_store(w);
    for (int i = 0; i < 2; i++) {
        catch_stderr(w);
        submit(w, (struct cfs_store_job){.kind = CFS_STORE_READ, .group = 4, .bytes = 1000});
        done = await(w);
        release_stderr(w);
        assert_int_equal(done.error, -EBADMSG);
        assert_null(done.pieces);
        assert_said(w, "group 4: key \"second\": the checksum is wrong");
    }
    assert_false(cfs_store_failed(w->store));
    assert_int_equal(checkpoint(w, 4, "headtext", "second=value2"), 0); /* and that heals it */
    assert_holds(w, STATE);
}

static void test_refuses_an_unknown_format(void **state)
{
    static const uint8_t of_the_future[] = {2, 0, 0, 0, 'f', 'u', 't', 'u', 'r', 'e'};
    struct cfs_store_db db;
    struct world *w = *state;
    char name[] = "store";
    MDB_val key = {.mv_size = 5, .mv_data = name};
    MDB_txn *txn;

    make_state(w);
    open_db(w, &db, &txn);
    assert_int_equal(cfs_store_put(txn, db.meta, &key, of_the_future, sizeof(of_the_future), NULL),
                     0);
    close_db(&db, txn);
    assert_refused(w, "store holds a store of format 2; this coordfs knows format 1");
}

static void test_refuses_a_file_that_is_not_whole(void **state)
{
    struct world *w = *state;
    struct stat st;

    make_state(w);
    assert_int_equal(stat(path_of(w, "store/data.mdb"), &st), 0);
    assert_int_equal(truncate(path_of(w, "store/data.mdb"), st.st_size - 1), 0);
    assert_refused(w, "data.mdb is missing or shorter than");
    assert_int_equal(truncate(path_of(w, "store/data.mdb"), 5000), 0);
    assert_refused(w, "data.mdb is missing or shorter than");
    assert_int_equal(truncate(path_of(w, "store/data.mdb"), 4096), 0);
    assert_refused(w, "data.mdb is damaged");
    assert_int_equal(truncate(path_of(w, "store/data.mdb"), 0), 0);
    assert_refused(w, "data.mdb is missing or shorter than");
    assert_int_equal(unlink(path_of(w, "store/data.mdb")), 0);
    assert_refused(w, "data.mdb is missing or shorter than");
}

static void test_refuses_a_file_of_something_else(void **state)
{
    struct world *w = *state;
    uint8_t zeros[16384] = {0};
    int fd;

    make_state(w);
    fd = open(path_of(w, "store/data.mdb"), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
    close(fd);
    assert_refused(w, "data.mdb is damaged: opening it: ");
}

static void test_refuses_a_second_opener(void **state)
{
    struct cfs_store *second;
    struct world *w = *state;

    open_store(w);
    catch_stderr(w);
    assert_int_equal(cfs_store_open(&second, w->data), -1);
    release_stderr(w);
    assert_said(w, "the data directory ");
    assert_said(w, "in use by another process");
    assert_int_equal(checkpoint(w, 1, "head", "a=1"), 0);
    assert_holds(w, "1 head a=1");
}

static void test_is_for_nobody_elses_eyes(void **state)
{
    struct world *w = *state;
    mode_t before = umask(0);
    struct stat st;

    open_store(w);
    umask(before);
    assert_int_equal(stat(w->data, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of(w, "store"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of(w, "store/data.mdb"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of(w, "store/lock.mdb"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_finishes_a_creation_that_a_crash_cut_short(void **state)
{
    struct world *w = *state;
    FILE *file;

    assert_int_equal(mkdir(w->data, 0700), 0);
    assert_int_equal(mkdir(path_of(w, "store.new"), 0700), 0);
    file = fopen(path_of(w, "store.new/data.mdb"), "w");
    assert_non_null(file);
    fputs("half", file);
    fclose(file);
    open_store(w);
    assert_int_equal(access(path_of(w, "store.new"), F_OK), -1);
    assert_int_equal(checkpoint(w, 1, "head", "a=1"), 0);
    assert_holds(w, "1 head a=1");
}

static void test_says_when_it_cannot_be_made(void **state)
{
    struct world *w = *state;

    snprintf(w->data, sizeof(w->data), "%s/said/data", w->root); /* below a file */
    assert_int_equal(try_open(w), -1);
    assert_said(w, "cannot use the store in ");
    assert_said(w, "Not a directory");
}

/* A full disk. */

static int read_all_of(struct world *w, const char *text)
{
    assert_int_equal(try_load(w), 0);
    return strcmp(w->loaded, text);
}

static void test_a_full_map_refuses_and_loses_nothing(void **state)
{
    struct world *w = *state;

    w->map_bytes = 1048576;
    make_state(w);
    open_store(w);
    catch_stderr(w);
    assert_int_equal(perform(w, make_large(4, "first", 2000000, 'x')), -ENOSPC);
    assert_int_equal(perform(w, make_large(4, "first", 2000000, 'y')), -ENOSPC);
    release_stderr(w);
    assert_said(w, "no room for a checkpoint in ");
    assert_null(strstr(strstr(w->said, "no room") + 1, "no room")); /* said once */
    assert_false(cfs_store_failed(w->store));
    assert_int_equal(read_all_of(w, STATE), 0);
    assert_int_equal(checkpoint(w, 4, "headtext", "more=1"), 0);
    assert_holds(w, "4 headtext first=value1 more=1 second=value2\n5 other third=value3");
}

/* Whatever was submitted before the caller knew of the failure waits for it: else the state would
 * have the second change and not the first. */
static void test_what_follows_a_failure_is_not_done_before_it(void **state)
{
    struct world *w = *state;
    struct cfs_store_job part = make_job(CFS_STORE_STAGE, 5, "", "staged=1");
    struct cfs_store_done done;

    part.first = true;
    w->map_bytes = 1048576;
    make_state(w);
    open_store(w);
    submit(w, make_large(4, "first", 2000000, 'x'));
    submit(w, make_job(CFS_STORE_CHECKPOINT, 4, "later", "second=later"));
    submit(w, (struct cfs_store_job){.kind = CFS_STORE_READ, .group = 5, .bytes = 1000});
    submit(w, part);
    assert_int_equal(await(w).error, -ENOSPC);
    submit(w, make_job(CFS_STORE_CHECKPOINT, 5, "later", "third=later")); /* two failed ahead */
    assert_int_equal(await(w).error, -ENOSPC);
    done = await(w);
    assert_int_equal(done.error, 0);
    free(done.head);
    free(done.pieces);
    assert_int_equal(await(w).error, -ENOSPC);
    assert_int_equal(await(w).error, -ENOSPC);
    assert_int_equal(read_all_of(w, STATE), 0);
    assert_int_equal(checkpoint(w, 5, "other", "third=now"), 0); /* all were taken */
    assert_holds(w, "4 headtext first=value1 second=value2\n5 other third=now");
}

static void test_a_write_cut_short_refuses_and_loses_nothing(void **state)
{
    struct world *w = *state;
    struct stat st;

    make_state(w);
    open_store(w);
    assert_int_equal(stat(path_of(w, "store/data.mdb"), &st), 0);
    for (rlim_t room = 0; room < 100000; room += 5000) {
        limit_files((rlim_t)st.st_size + room);
        assert_int_equal(perform(w, make_large(4, "first", 300000, 'x')), -ENOSPC);
        limit_files(RLIM_INFINITY);
        assert_false(cfs_store_failed(w->store));
        assert_int_equal(read_all_of(w, STATE), 0);
    }
    assert_holds(w, STATE);
    assert_int_equal(checkpoint(w, 4, "headtext", "first=1 second=2"), 0);
    assert_holds(w, "4 headtext first=1 second=2\n5 other third=value3");
}

static void test_a_full_disk_refuses_and_loses_nothing(void **state)
{
    struct world *w = *state;

    if (mkdir(w->data, 0700) != 0 || mount("none", w->data, "tmpfs", 0, "size=1m") != 0)
        skip();
    make_state(w);
    open_store(w);
    assert_int_equal(perform(w, make_large(4, "first", 2000000, 'x')), -ENOSPC);
    assert_int_equal(stage(w, 4, "a=new", true, NULL), 0);
    assert_int_equal(read_all_of(w, STATE), 0);
    assert_int_equal(mount("none", w->data, "tmpfs", MS_REMOUNT, "size=20m"), 0);
    assert_int_equal(perform(w, make_large(4, "first", 2000000, 'x')), 0);
    assert_int_equal(stage(w, 4, "b=new", false, "new"), 0);
    assert_holds(w, "4 new a=new b=new\n5 other third=value3");
    close_store(w);
}

static void test_a_broken_disk_stops_the_node(void **state)
{
    struct world *w = *state;

    make_state(w);
    open_store(w);
    assert_int_equal(stage(w, 4, "a=1", true, NULL), 0);
    break_file(w);
    catch_stderr(w);
    submit(w, make_job(CFS_STORE_CHECKPOINT, 4, "headtext", "second=new"));
    submit(w, make_job(CFS_STORE_CHECKPOINT, 4, "headtext", "second=newer"));
    submit(w, (struct cfs_store_job){.kind = CFS_STORE_READ, .group = 5, .bytes = 1000});
    for (int i = 0; i < 3; i++)
        assert_int_equal(await(w).error, -EIO);
    release_stderr(w);
    assert_said(w, "the node must stop");
    assert_said(w, "store/data.mdb: Bad file descriptor");
    assert_true(cfs_store_failed(w->store));
    assert_holds(w, STATE);
}

static void open_in_few_addresses(struct world *w)
{
    struct rlimit limit = {.rlim_cur = 512 << 20, .rlim_max = 512 << 20};

    if (setrlimit(RLIMIT_AS, &limit) != 0 || try_open(w) != 0 || try_load(w) != 0 ||
        strcmp(w->loaded, STATE) != 0)
        _exit(1);
    _exit(checkpoint(w, 4, "headtext", "first=limited") == 0 ? 0 : 1);
}

static void test_opens_where_addresses_are_limited(void **state)
{
    struct world *w = *state;
    int status;
    pid_t pid;

    if (SANITIZED)
        skip();
    make_state(w);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        open_in_few_addresses(w);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_holds(w, "4 headtext first=limited second=value2\n5 other third=value3");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_the_value_that_is_damaged),
        TEST(refuses_a_damaged_head),
        TEST(refuses_a_value_under_another_key),
        TEST(prints_keys_of_any_bytes),
        TEST(refuses_a_state_that_lacks_a_piece),
        TEST(refuses_a_state_with_an_old_piece),
        TEST(a_copy_ends_at_what_is_damaged),
        TEST(refuses_an_unknown_format),
        TEST(refuses_a_file_that_is_not_whole),
        TEST(refuses_a_file_of_something_else),
        TEST(refuses_a_second_opener),
        TEST(is_for_nobody_elses_eyes),
        TEST(finishes_a_creation_that_a_crash_cut_short),
        TEST(says_when_it_cannot_be_made),
        TEST(a_full_map_refuses_and_loses_nothing),
        TEST(what_follows_a_failure_is_not_done_before_it),
        TEST(a_write_cut_short_refuses_and_loses_nothing),
        TEST(a_full_disk_refuses_and_loses_nothing),
        TEST(a_broken_disk_stops_the_node),
        TEST(opens_where_addresses_are_limited),
    };

    return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
