/* From a disk to a core: a node of one member lives on a real store and a real log, ends, and comes
 * back from whatever somebody has left of them. */
#include "core/group_head.h"
#include "core/node_core.h"
#include "core/piece.h"
#include "core_bench.h"
#include "io/restore.h"
#include "store_world.h"

struct node {
    struct world *w;
    struct cfs_config config;
    uint64_t checkpoint_bytes;
    struct cfs_core *core;
    struct cfs_wal *wal;
    struct cfs_wal_origin origin;
    cfs_time now;
    uint64_t lsn; /* of the newest record */
    uint64_t last_id;
    unsigned checkpoints, caught_up;
    enum cfs_error error; /* of the newest answer */
    uint64_t answered;    /* which it was to */
};

static void step(struct node *n, struct cfs_event event);

static void store_checkpoint(struct node *n, struct cfs_effect *effect)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT, .id = effect->id};
    uint32_t count = effect->checkpoint.part_count;

    job.wal = cfs_wal_begin_for(n->wal, effect->checkpoint.keep_lsn);
    job.part_count = count;
    job.parts = cfs_alloc_zeroed(count, sizeof(*job.parts));
    for (uint32_t i = 0; i < count; i++) {
        struct cfs_part *part = &effect->checkpoint.parts[i];
        job.parts[i] = (struct cfs_store_part){.group = part->group,
                                               .head = part->head.data,
                                               .head_len = (uint32_t)part->head.len,
                                               .pieces = part->pieces.data,
                                               .pieces_len = part->pieces.len};
        part->head = part->pieces = (struct cfs_writer){0};
    }
    assert_int_equal(perform(n->w, job), 0);
    n->checkpoints++;
}

static void perform_effect(struct node *n, struct cfs_effect *effect)
{
    if (effect->type == CFS_FX_PERSIST) {
        cfs_wal_append(n->wal, &effect->record, effect->lsn);
        n->lsn = effect->lsn;
    } else if (effect->type == CFS_FX_ANSWER) {
        n->error = effect->answer.error;
        n->answered = effect->id;
    } else if (effect->type == CFS_FX_CHECKPOINT) {
        store_checkpoint(n, effect);
    } else if (effect->type == CFS_FX_CAUGHT_UP) {
        cfs_wal_remember(n->wal);
        n->caught_up++;
    }
}

static void await_durable(struct node *n)
{
    struct pollfd pollfd = {.fd = cfs_wal_fd(n->wal), .events = POLLIN};
    uint64_t durable;

    cfs_wal_submit(n->wal);
    while (cfs_wal_durable(n->wal, &durable) == 0 && durable < n->lsn)
        assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
    assert_true(durable >= n->lsn);
}

/* The event and all that follows from it; the files have nothing to drain. */
static void step(struct node *n, struct cfs_event event)
{
    struct cfs_effects effects = {0};
    uint64_t before = n->lsn, checkpoint = 0, drain = 0;

    event.now = event.wall = n->now += CFS_MS(1);
    cfs_core_step(n->core, &event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        perform_effect(n, &effects.items[i]);
        if (effects.items[i].type == CFS_FX_CHECKPOINT)
            checkpoint = effects.items[i].id;
        if (effects.items[i].type == CFS_FX_DRAIN)
            drain = effects.items[i].id;
    }
    cfs_effects_close(&effects);
    if (n->lsn != before) {
        await_durable(n);
        step(n, (struct cfs_event){.type = CFS_EV_PERSISTED, .lsn = n->lsn});
    }
    if (checkpoint)
        step(n, (struct cfs_event){.type = CFS_EV_CHECKPOINTED, .id = checkpoint});
    if (drain)
        step(n, (struct cfs_event){.type = CFS_EV_DRAINED, .id = drain});
    if (cfs_core_wants_flush(n->core))
        step(n, (struct cfs_event){.type = CFS_EV_FLUSH});
}

static struct cfs_core_view view(const struct node *n)
{
    struct cfs_core_view view;

    cfs_core_view(n->core, &view);
    return view;
}

static int restore(struct node *n)
{
    struct cfs_core_config config = {.node = 1,
                                     .member_count = 1,
                                     .members = {1},
                                     .heartbeat = CFS_MS(60),
                                     .lease = CFS_MS(200),
                                     .election = CFS_MS(250),
                                     .session = CFS_SECONDS(3000),
                                     .timeout = CFS_SECONDS(5),
                                     .seed = n->now,
                                     .checkpoint_bytes = n->checkpoint_bytes,
                                     .snapshot_bytes = 1000};
    int rv;

    n->core = cfs_core_new(&config);
    catch_stderr(n->w);
    rv = cfs_restore(n->core, &n->config, &n->origin, &n->w->store, &n->wal);
    release_stderr(n->w);
    n->lsn = n->wal ? cfs_wal_recovered(n->wal) : 0;
    return rv;
}

static void await_remembered(const struct node *n)
{
    for (int ms = 0; ms < WAIT_MS && access(path_of(n->w, "amnesia"), F_OK) == 0; ms++)
        poll(NULL, 0, 1);
    assert_int_equal(access(path_of(n->w, "amnesia"), F_OK), -1);
}

static void end(struct node *n)
{
    if (n->caught_up)
        await_remembered(n);
    n->caught_up = 0;
    cfs_core_free(n->core);
    close_store(n->w);
    cfs_wal_close(n->wal);
    n->core = NULL;
    n->wal = NULL;
}

static void come_back(struct node *n)
{
    if (restore(n) != 0)
        fail_msg("the node should start, but: %s", n->w->said);
}

static void refuse(struct node *n, const char *words)
{
    if (restore(n) == 0)
        fail_msg("the node should not start: %s", words);
    assert_said(n->w, words);
    assert_said(n->w, n->w->data);
    end(n);
}

/* Leads, and has a session. */
static void serve(struct node *n)
{
    for (int i = 0; i < 10 && !view(n).session; i++) {
        step(n, (struct cfs_event){.type = CFS_EV_TICK});
        n->now += CFS_MS(300);
    }
    assert_true(view(n).serving && view(n).session);
}

static enum cfs_error ask(struct node *n, struct cfs_request request)
{
    n->answered = 0;
    step(n, (struct cfs_event){.type = CFS_EV_REQUEST, .id = ++n->last_id, .request = &request});
    assert_int_equal(n->answered, n->last_id);
    return n->error;
}

static void hold(struct node *n, const char *prefix, unsigned count)
{
    char name[32];

    for (unsigned i = 1; i <= count; i++) {
        snprintf(name, sizeof(name), "%s%u", prefix, i);
        assert_int_equal(ask(n, bench_lockfile(name)), CFS_OK);
    }
}

/* It leads again, and nothing of what it had is missing. */
static void assert_same_after_restart(struct node *n)
{
    struct cfs_core_view before = view(n);

    end(n);
    come_back(n);
    serve(n); /* applies what is in the log */
    assert_true(view(n).term > before.term);
    assert_true(view(n).applied > before.applied);
    assert_int_equal(view(n).held, before.held);
}

static int set_up_node(void **state)
{
    struct node *n = calloc(1, sizeof(*n));

    assert_int_equal(set_up((void **)&n->w), 0);
    n->now = CFS_SECONDS(1000);
    n->config.node = 1;
    snprintf(n->config.data, sizeof(n->config.data), "%s", n->w->data);
    snprintf(n->origin.members, sizeof(n->origin.members), "1@here:1");
    *state = n;
    return 0;
}

static int tear_down_node(void **state)
{
    struct node *n = *state;

    end(n);
    tear_down((void **)&n->w);
    free(n);
    return 0;
}

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
    struct cfs_piece_key key = cfs_piece_key_number(200, 1);
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
