/* From a disk to a core: a node lives, ends, and comes back from whatever somebody has left of its
 * checkpoint and its log. */
#include "core/group_head.h"
#include "core/piece.h"
#include "restore_world.h"

/* What somebody does to the files of a node that has ended. */

static bool remove_file(const struct node *n, const char *name)
{
    return unlink(path_of(n->w, name)) == 0;
}

static void remove_log(const struct node *n)
{
    char name[32];

    assert_true(remove_file(n, "identity"));
    remove_file(n, "amnesia");
    for (unsigned i = 1; i < 9; i++) {
        snprintf(name, sizeof(name), "wal-%016x", i);
        remove_file(n, name);
    }
}

/* A file of the data directory and one beside it. */
static void copy_file(const struct node *n, const char *name, const char *to, bool back)
{
    char copy[600];
    int from_fd, to_fd;
    uint8_t buffer[4096];
    ssize_t len;

    snprintf(copy, sizeof(copy), "%s/%s", n->w->root, to);
    from_fd = open(back ? copy : path_of(n->w, name), O_RDONLY);
    to_fd = open(back ? path_of(n->w, name) : copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(from_fd >= 0 && to_fd >= 0);
    while ((len = read(from_fd, buffer, sizeof(buffer))) > 0)
        assert_int_equal(write(to_fd, buffer, (size_t)len), len);
    close(from_fd);
    close(to_fd);
}

static void remove_store(const struct node *n)
{
    assert_true(remove_file(n, "store/data.mdb"));
    remove_file(n, "store/lock.mdb");
    assert_int_equal(rmdir(path_of(n->w, "store")), 0);
}

/* To the checkpoint of the node that has ended, as the store takes it. */
static void change_checkpoint(struct node *n, const char *head, size_t head_len,
                              struct cfs_writer *pieces)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT};

    add_part(&job, 0, "", pieces);
    free(job.parts[0].head);
    job.parts[0].head = cfs_alloc_copy(head, head_len);
    job.parts[0].head_len = (uint32_t)head_len;
    open_store(n->w);
    assert_int_equal(perform(n->w, job), 0);
    close_store(n->w);
}

struct seen_head {
    uint8_t bytes[CFS_GROUP_HEAD_MAX];
    uint32_t len;
};

static void keep_head(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len)
{
    struct seen_head *seen = arg;

    assert_int_equal(group, 0);
    memcpy(seen->bytes, head, len);
    seen->len = len;
}

static void ignore_piece(void *arg, cfs_group_id group, const uint8_t *key, uint32_t key_len,
                         const uint8_t *value, uint32_t value_len)
{
    (void)arg;
    (void)group;
    (void)key;
    (void)key_len;
    (void)value;
    (void)value_len;
}

static struct seen_head read_head(struct node *n)
{
    struct seen_head seen = {.len = 0};

    open_store(n->w);
    assert_int_equal(cfs_store_load(n->w->store, keep_head, ignore_piece, &seen), 0);
    close_store(n->w);
    assert_true(seen.len > 0);
    return seen;
}

static void remove_piece(struct node *n, struct cfs_piece_key key)
{
    struct seen_head head = read_head(n);
    struct cfs_writer pieces = {0};

    cfs_piece_delete(&pieces, &key);
    change_checkpoint(n, (const char *)head.bytes, head.len, &pieces);
}

/* A node that has made checkpoints, with records behind the last one; ended. */
static void live(struct node *n)
{
    n->checkpoint_bytes = 2000;
    come_back(n);
    serve(n);
    hold(n, "lock", 50);
    assert_true(n->checkpoints > 1);
}

static void test_a_new_directory_is_an_empty_node(void **state)
{
    struct node *n = *state;

    come_back(n);
    assert_int_equal(view(n).last_index, 0);
    assert_int_equal(view(n).term, 0);
    assert_int_equal(view(n).amnesia, CFS_BLANK);
    assert_string_equal(n->origin.members, "1@here:1");
    serve(n); /* alone it is everybody: there was nothing to forget */
    assert_int_equal(n->caught_up, 1);
    assert_int_equal(view(n).amnesia, CFS_REMEMBERS);
}

static void test_a_node_comes_back_from_its_log_alone(void **state)
{
    struct node *n = *state;

    come_back(n);
    serve(n);
    hold(n, "lock", 50);
    assert_int_equal(n->checkpoints, 0);
    assert_same_after_restart(n);
    assert_int_equal(ask(n, bench_lockfile("lock50")), CFS_ERR_EXISTS);
    assert_int_equal(ask(n, bench_lockfile("lock51")), CFS_OK);
}

static void test_a_node_comes_back_from_checkpoint_and_log(void **state)
{
    struct node *n = *state;
    struct cfs_core_view before;

    live(n);
    before = view(n);
    assert_true(before.base_index < before.last_index);
    end(n);
    come_back(n);
    assert_true(view(n).applied > 0); /* the checkpoint is there before the first step */
    assert_int_equal(view(n).commit, view(n).applied);
    assert_int_equal(view(n).last_index, before.last_index);
    assert_int_equal(view(n).term, before.term);
    serve(n);
    assert_int_equal(view(n).held, 50);
    assert_int_equal(ask(n, bench_lockfile("lock1")), CFS_ERR_EXISTS);
    assert_int_equal(ask(n, bench_lockfile("lock50")), CFS_ERR_EXISTS);
    hold(n, "more", 50);
    assert_same_after_restart(n);
    assert_int_equal(view(n).held, 100);
}

/* The last command's checkpoint is the last thing the node did. */
static void test_a_node_comes_back_from_its_checkpoint_alone(void **state)
{
    struct node *n = *state;
    struct cfs_core_view before;

    n->checkpoint_bytes = 1; /* after every command */
    come_back(n);
    serve(n);
    hold(n, "lock", 20);
    before = view(n);
    end(n);
    come_back(n);
    assert_int_equal(view(n).applied, before.last_index);
    assert_int_equal(view(n).held, 20);
    serve(n);
    assert_int_equal(ask(n, bench_lockfile("lock20")), CFS_ERR_EXISTS);
    hold(n, "more", 20);
    assert_same_after_restart(n);
}

/* The log lost its end, which the checkpoint holds: that is where the log goes on. */
static void test_a_checkpoint_may_be_ahead_of_the_log(void **state)
{
    struct node *n = *state;
    struct cfs_wal_stats stats;
    uint64_t applied;
    uint8_t byte = 0xff;
    int fd;

    n->checkpoint_bytes = 1;
    come_back(n);
    serve(n);
    hold(n, "lock", 20);
    applied = view(n).applied;
    cfs_wal_stats(n->wal, &stats);
    end(n);
    fd = open(path_of(n->w, "wal-0000000000000001"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)stats.bytes - 9), 1);
    close(fd);
    come_back(n);
    assert_said(n->w, "the log's end was cut: the node's vote counts again");
    assert_int_equal(view(n).amnesia, CFS_TORN);
    assert_int_equal(view(n).applied, applied);
    assert_int_equal(view(n).last_index, applied);
    serve(n);
    hold(n, "more", 3);
    assert_same_after_restart(n);
    assert_int_equal(view(n).held, 23);
}

/* A store put back from a copy, beside a log that still has all since. */
static void test_an_old_checkpoint_is_brought_up_by_the_log(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    copy_file(n, "store/data.mdb", "copy", false);
    come_back(n);
    serve(n);
    hold(n, "later", 50);
    end(n);
    copy_file(n, "store/data.mdb", "copy", true);
    come_back(n);
    serve(n);
    assert_int_equal(view(n).held, 100);
}

static void test_refuses_a_head_of_another_version(void **state)
{
    struct node *n = *state;
    struct cfs_writer pieces = {0};
    struct seen_head head;

    live(n);
    end(n);
    head = read_head(n);
    head.bytes[0] ^= 0x40;
    change_checkpoint(n, (const char *)head.bytes, head.len, &pieces);
    refuse(n, "the checkpoint is none that this coordfs understands");
    assert_said(n->w, "Nothing was changed");
    head.bytes[0] ^= 0x40;
    change_checkpoint(n, (const char *)head.bytes, head.len, &pieces);
    come_back(n);
}

static void test_refuses_a_head_with_more_behind_it(void **state)
{
    struct node *n = *state;
    struct cfs_writer pieces = {0};
    struct seen_head head;

    live(n);
    end(n);
    head = read_head(n);
    change_checkpoint(n, (const char *)head.bytes, head.len + 1, &pieces);
    refuse(n, "the checkpoint is none that this coordfs understands");
}

static void test_refuses_a_piece_of_another_version(void **state)
{
    struct node *n = *state;
    struct cfs_piece_key key = cfs_piece_key_number(100, 1);
    struct cfs_writer pieces = {0}, value = {0};
    struct seen_head head;

    live(n);
    end(n);
    head = read_head(n);
    cfs_put_string(&value, "of the future");
    cfs_piece_put(&pieces, &key, &value);
    free(value.data);
    change_checkpoint(n, (const char *)head.bytes, head.len, &pieces);
    refuse(n, "the checkpoint is none that this coordfs understands");
}

static void test_refuses_a_checkpoint_of_a_group_that_is_not_here(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    open_store(n->w);
    assert_int_equal(checkpoint(n->w, 7, "head", "a=1"), 0);
    close_store(n->w);
    refuse(n, "the checkpoint is none that this coordfs understands");
}

/* The store is whole; what was stored is not. */
static void test_refuses_a_checkpoint_that_lacks_its_counters(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    remove_piece(n, (struct cfs_piece_key){.bytes = {CFS_PIECE_MACHINE}, .len = 1});
    refuse(n, "checkpoint and log do not fit together: something is missing");
}

static void test_refuses_a_checkpoint_that_lacks_a_lock(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    remove_piece(n, cfs_piece_key_name(CFS_PIECE_LOCK, "lock3"));
    refuse(n, "the checkpoint is none that this coordfs understands");
}

static void test_refuses_a_log_that_does_not_follow_its_checkpoint(void **state)
{
    struct cfs_record record = {.type = CFS_RECORD_ENTRY};
    struct node *n = *state;

    come_back(n);
    serve(n);
    hold(n, "lock", 5);
    record.entry = cfs_entry_new(CFS_ENTRY_NOOP, view(n).last_index + 2, view(n).term, NULL, 0);
    cfs_wal_append(n->wal, &record, ++n->lsn);
    cfs_entry_unref(record.entry);
    await_durable(n);
    end(n);
    refuse(n, "checkpoint and log do not fit together: something is missing");
}

static void test_refuses_a_record_of_a_group_that_is_not_here(void **state)
{
    struct cfs_record record = {.type = CFS_RECORD_HARD_STATE, .group = 9, .term = 4};
    struct node *n = *state;

    come_back(n);
    cfs_wal_append(n->wal, &record, ++n->lsn);
    await_durable(n);
    end(n);
    refuse(n, "checkpoint and log do not fit together");
}

static void test_refuses_a_checkpoint_whose_log_is_gone(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    remove_log(n);
    refuse(n, "has a checkpoint but no log");
    assert_said(n->w, "move ");
    assert_int_equal(access(path_of(n->w, "identity"), F_OK), -1); /* nothing was made */
}

/* The checkpoint of one log beside another one, which is right in itself. */
static void test_refuses_a_checkpoint_of_another_log(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    copy_file(n, "store/data.mdb", "copy", false);
    remove_log(n);
    remove_store(n);
    live(n);
    end(n);
    copy_file(n, "store/data.mdb", "copy", true);
    refuse(n, "is of another log than its wal- files");
}

static void test_refuses_what_another_process_uses(void **state)
{
    struct node *n = *state, second = *n;

    come_back(n);
    second = *n;
    second.core = NULL;
    second.wal = NULL;
    second.w = calloc(1, sizeof(*second.w));
    *second.w = *n->w;
    second.w->store = NULL;
    second.w->loaded = NULL;
    refuse(&second, "is in use by another process");
    free(second.w);
    serve(n);
}

static void test_refuses_a_damaged_store_by_name(void **state)
{
    struct node *n = *state;
    uint8_t *data, *hit;
    struct stat st;
    size_t size;
    int fd;

    live(n);
    end(n);
    fd = open(path_of(n->w, "store/data.mdb"), O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    size = (size_t)st.st_size;
    data = cfs_alloc(size);
    assert_int_equal(pread(fd, data, size, 0), size);
    for (hit = data; (hit = memmem(hit, size - (size_t)(hit - data), "lock3", 5)); hit += 5)
        hit[2] ^= 1;
    assert_int_equal(pwrite(fd, data, size, 0), size);
    free(data);
    close(fd);
    refuse(n, "store/data.mdb is damaged: group 0: key");
}

/* A snapshot that it had taken over may have been all that knew of some entries. */
static void test_refuses_a_log_whose_checkpoint_is_gone(void **state)
{
    struct node *n = *state;

    live(n);
    end(n);
    remove_store(n);
    refuse(n, "has a log but no checkpoint store");
    assert_said(n->w, "move ");
    assert_int_equal(access(path_of(n->w, "store"), F_OK), -1); /* nothing was made */
}

/* A first start that ended before there was a log. */
static void test_a_store_without_a_log_may_be_half_of_a_new_directory(void **state)
{
    struct node *n = *state;

    open_store(n->w);
    close_store(n->w);
    come_back(n);
    assert_int_equal(view(n).amnesia, CFS_BLANK);
    serve(n);
}

static void test_what_the_log_lost_reaches_the_core(void **state)
{
    struct node *n = *state;
    FILE *file;

    live(n);
    assert_int_equal(n->caught_up, 1);
    end(n);
    come_back(n);
    assert_int_equal(view(n).amnesia, CFS_REMEMBERS);
    assert_null(strstr(n->w->said, "vote"));
    end(n);
    file = fopen(path_of(n->w, "amnesia"), "w");
    assert_non_null(file);
    fputs("torn\n", file);
    fclose(file);
    come_back(n);
    assert_int_equal(view(n).amnesia, CFS_TORN);
    assert_said(n->w, "the log's end was cut");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up_node, tear_down_node)
    const struct CMUnitTest tests[] = {
        TEST(a_new_directory_is_an_empty_node),
        TEST(a_node_comes_back_from_its_log_alone),
        TEST(a_node_comes_back_from_checkpoint_and_log),
        TEST(a_node_comes_back_from_its_checkpoint_alone),
        TEST(a_checkpoint_may_be_ahead_of_the_log),
        TEST(an_old_checkpoint_is_brought_up_by_the_log),
        TEST(refuses_a_head_of_another_version),
        TEST(refuses_a_head_with_more_behind_it),
        TEST(refuses_a_piece_of_another_version),
        TEST(refuses_a_checkpoint_of_a_group_that_is_not_here),
        TEST(refuses_a_checkpoint_that_lacks_its_counters),
        TEST(refuses_a_checkpoint_that_lacks_a_lock),
        TEST(refuses_a_log_that_does_not_follow_its_checkpoint),
        TEST(refuses_a_record_of_a_group_that_is_not_here),
        TEST(refuses_a_checkpoint_whose_log_is_gone),
        TEST(refuses_a_checkpoint_of_another_log),
        TEST(refuses_what_another_process_uses),
        TEST(refuses_a_damaged_store_by_name),
        TEST(refuses_a_log_whose_checkpoint_is_gone),
        TEST(a_store_without_a_log_may_be_half_of_a_new_directory),
        TEST(what_the_log_lost_reaches_the_core),
    };

    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
