/* The checkpoint store in daily life: what was checkpointed comes back, a snapshot that is received
 * replaces a state at once, and one that is sent is of one moment. */
#include <signal.h>
#include <sys/wait.h>

#include "store_world.h"

static void test_holds_nothing_at_first(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(cfs_store_wal_begin(w->store).segment, 1);
    assert_int_equal(cfs_store_wal_begin(w->store).sequence, 1);
    assert_int_equal(cfs_store_wal_begin(w->store).mark, 0);
    assert_holds(w, "");
}

static void test_returns_what_was_checkpointed(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 2, "two", "b=1 a=2 c="), 0);
    assert_holds(w, "2 two a=2 b=1 c=");
    assert_int_equal(checkpoint(w, 2, "two'", "b=longer -c d=4 -none"), 0);
    assert_int_equal(checkpoint(w, 300, "", "a=x"), 0);
    assert_int_equal(checkpoint(w, 0, "zero", ""), 0);
    assert_holds(w, "0 zero\n2 two' a=2 b=longer d=4\n300  a=x");
}

static void test_all_parts_are_one_transaction(void **state)
{
    struct cfs_store_job job = make_job(CFS_STORE_CHECKPOINT, 1, "one", "a=1");
    struct cfs_writer writer = {0};
    struct world *w = *state;

    open_store(w);
    put_pieces(&writer, "a=2");
    add_part(&job, 2, "two", &writer);
    job.wal = (struct cfs_wal_begin){.segment = 7, .sequence = 70, .mark = 700};
    assert_int_equal(perform(w, job), 0);
    assert_holds(w, "1 one a=1\n2 two a=2");
    assert_int_equal(cfs_store_wal_begin(w->store).segment, 7);
    assert_int_equal(cfs_store_wal_begin(w->store).sequence, 70);
    assert_int_equal(cfs_store_wal_begin(w->store).mark, 700);

    /* The second part is malformed: the first, and the log's begin, stay as they were. */
    job = make_job(CFS_STORE_CHECKPOINT, 1, "new", "a=new");
    cfs_put_u8(&writer, CFS_STORE_PUT);
    add_part(&job, 2, "new", &writer);
    job.wal = (struct cfs_wal_begin){.segment = 8, .sequence = 80};
    assert_int_equal(perform(w, job), -EINVAL);
    assert_false(cfs_store_failed(w->store));
    assert_holds(w, "1 one a=1\n2 two a=2");
    assert_int_equal(cfs_store_wal_begin(w->store).segment, 7);
    assert_int_equal(checkpoint(w, 1, "one", ""), 0); /* without a begin: as it was */
    assert_holds(w, "1 one a=1\n2 two a=2");
    assert_int_equal(cfs_store_wal_begin(w->store).segment, 7);
}

static void assert_malformed(struct world *w, struct cfs_writer *pieces)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT};

    add_part(&job, 1, "bad", pieces);
    assert_int_equal(perform(w, job), -EINVAL);
}

static void test_refuses_malformed_pieces(void **state)
{
    struct cfs_writer writer = {0};
    struct world *w = *state;
    uint8_t *large = cfs_alloc_zeroed(1, CFS_STORE_VALUE_MAX + 1);

    open_store(w);
    put_pieces(&writer, "a=1");
    writer.len--;
    assert_malformed(w, &writer);
    put_pieces(&writer, "=no-key");
    assert_malformed(w, &writer);
    put_pieces(&writer, "a=1");
    writer.data[0] = 3; /* no kind */
    assert_malformed(w, &writer);
    cfs_put_u8(&writer, CFS_STORE_DELETE);
    cfs_put_bytes(&writer, large, CFS_STORE_KEY_MAX + 1);
    assert_malformed(w, &writer);
    cfs_put_u8(&writer, CFS_STORE_PUT);
    cfs_put_string(&writer, "a");
    cfs_put_bytes(&writer, large, CFS_STORE_VALUE_MAX + 1);
    assert_malformed(w, &writer);
    free(large);
    assert_holds(w, "");
}

struct extreme {
    uint8_t key[CFS_STORE_KEY_MAX];
    uint32_t key_len, value_len;
    unsigned seen;
};

static void ignore_head(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len)
{
    (void)arg;
    (void)head;
    assert_int_equal(group, UINT32_MAX);
    assert_int_equal(len, 5);
}

static void check_extreme(void *arg, cfs_group_id group, const uint8_t *key, uint32_t key_len,
                          const uint8_t *value, uint32_t value_len)
{
    struct extreme *extreme = arg;

    assert_int_equal(group, UINT32_MAX);
    assert_int_equal(key_len, extreme->key_len);
    assert_memory_equal(key, extreme->key, key_len);
    assert_int_equal(value_len, extreme->value_len);
    for (uint32_t i = 0; i < value_len; i += 997)
        assert_int_equal(value[i], (uint8_t)(i * 7));
    extreme->seen++;
}

static void test_keys_and_values_may_be_as_large_as_they_may_be(void **state)
{
    struct cfs_store_job job = {.kind = CFS_STORE_CHECKPOINT};
    struct extreme extreme = {.key_len = CFS_STORE_KEY_MAX, .value_len = CFS_STORE_VALUE_MAX};
    struct cfs_writer writer = {0};
    struct world *w = *state;
    uint8_t *value = cfs_alloc(CFS_STORE_VALUE_MAX);

    for (uint32_t i = 0; i < CFS_STORE_VALUE_MAX; i++)
        value[i] = (uint8_t)(i * 7);
    for (uint32_t i = 0; i < CFS_STORE_KEY_MAX; i++)
        extreme.key[i] = (uint8_t)(127 - i);
    open_store(w);
    cfs_put_u8(&writer, CFS_STORE_PUT);
    cfs_put_bytes(&writer, extreme.key, extreme.key_len);
    cfs_put_bytes(&writer, value, extreme.value_len);
    add_part(&job, UINT32_MAX, "large", &writer);
    free(value);
    assert_int_equal(perform(w, job), 0);
    close_store(w);
    open_store(w);
    assert_int_equal(cfs_store_load(w->store, ignore_head, check_extreme, &extreme), 0);
    assert_int_equal(extreme.seen, 1);
}

static void test_a_snapshot_replaces_the_state_at_once(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "old", "a=old b=old c=old"), 0);
    assert_int_equal(checkpoint(w, 2, "other", "a=other"), 0);
    assert_int_equal(stage(w, 1, "a=new", true, NULL), 0);
    assert_int_equal(try_load(w), 0);
    assert_string_equal(w->loaded, "1 old a=old b=old c=old\n2 other a=other");
    /* Checkpoints meanwhile are of the state that is to be replaced. */
    assert_int_equal(checkpoint(w, 1, "old'", "a=old' d=old"), 0);
    assert_int_equal(stage(w, 1, "x=gone d=new -x", false, NULL), 0);
    assert_int_equal(stage(w, 1, "", false, "new"), 0);
    assert_holds(w, "1 new a=new d=new\n2 other a=other");
    await_records(w, 3 + 2);
    assert_int_equal(checkpoint(w, 1, "newer", "a=newer"), 0);
    assert_holds(w, "1 newer a=newer d=new\n2 other a=other");
}

static void test_a_snapshot_may_be_the_first_state(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(stage(w, 9, "a=1", true, "nine"), 0);
    assert_holds(w, "9 nine a=1");
    assert_int_equal(stage(w, 9, "b=1", true, "nine'"), 0);
    assert_holds(w, "9 nine' b=1");
    await_records(w, 2);
}

static void test_a_snapshot_begins_anew_with_its_first_pieces(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(stage(w, 1, "a=1 b=1", true, NULL), 0);
    assert_int_equal(stage(w, 1, "c=2", true, NULL), 0);
    assert_int_equal(stage(w, 1, "d=2", false, "head"), 0);
    assert_holds(w, "1 head c=2 d=2");
    await_records(w, 3);
}

static void test_a_restart_forgets_what_was_staged(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "old", "a=old"), 0);
    assert_int_equal(stage(w, 1, "a=new", true, NULL), 0);
    assert_int_equal(stage(w, 5, "a=new", true, NULL), 0);
    assert_holds(w, "1 old a=old");
    assert_int_equal(stage(w, 1, "b=new", false, "new"), -ENOENT);
    assert_int_equal(stage(w, 5, "b=new", false, NULL), -ENOENT);
    assert_int_equal(stage(w, 77, "b=new", false, NULL), -ENOENT);
    assert_holds(w, "1 old a=old");
    await_records(w, 2);
}

/* It ends when the state is the new one, with all of the old one still to be removed. */
static void switch_and_die(struct world *w)
{
    open_store(w);
    if (perform(w, make_many(CFS_STORE_STAGE, 1, "new", 3, "new")) != 0)
        _exit(1);
    kill(getpid(), SIGKILL);
}

static void test_a_crash_after_the_switch_leaves_no_garbage_behind(void **state)
{
    struct world *w = *state;
    pid_t pid;

    open_store(w);
    assert_int_equal(perform(w, make_many(CFS_STORE_CHECKPOINT, 1, "old", 20000, "old")), 0);
    close_store(w);
    assert_int_equal(count_records(w), 20001);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        switch_and_die(w);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    open_store(w);
    assert_holds(w, "1 new k0000000=new k0000001=new k0000002=new");
    await_records(w, 4);
    assert_holds(w, "1 new k0000000=new k0000001=new k0000002=new");
}

/* Checkpoints and snapshots for ever; state number n is the head n and three values n. */
static void change_until_killed(struct world *w, unsigned n, int out)
{
    char text[16];

    if (try_open(w) != 0)
        _exit(1);
    for (;;) {
        n++;
        snprintf(text, sizeof(text), "%u", n);
        if (perform(w, make_many(n % 4 == 0 ? CFS_STORE_STAGE : CFS_STORE_CHECKPOINT, 1, text, 3,
                                 text)) != 0 ||
            write(out, &n, sizeof(n)) != sizeof(n))
            _exit(1);
    }
}

static void test_a_state_is_whole_whenever_the_daemon_is_killed(void **state)
{
    struct world *w = *state;
    unsigned told = 0, n = 0;
    char text[128];
    int pipe_fds[2];

    for (unsigned round = 0; round < 12; round++) {
        pid_t pid;

        assert_int_equal(pipe(pipe_fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            change_until_killed(w, n, pipe_fds[1]);
        close(pipe_fds[1]);
        for (unsigned i = 0; i < 3 + round; i++)
            assert_int_equal(read(pipe_fds[0], &told, sizeof(told)), sizeof(told));
        kill(pid, SIGKILL);
        while (read(pipe_fds[0], &told, sizeof(told)) > 0)
            ;
        close(pipe_fds[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        open_store(w);
        assert_int_equal(try_load(w), 0);
        close_store(w);
        assert_int_equal(sscanf(w->loaded, "1 %u ", &n), 1);
        assert_true(n >= told);
        snprintf(text, sizeof(text), "1 %u k0000000=%u k0000001=%u k0000002=%u", n, n, n, n);
        assert_string_equal(w->loaded, text);
    }
}

static struct cfs_store_done read_some(struct world *w, uint64_t transfer, cfs_group_id group,
                                       size_t bytes)
{
    submit(w, (struct cfs_store_job){
                  .kind = CFS_STORE_READ, .transfer = transfer, .group = group, .bytes = bytes});
    return await(w);
}

/* The next pieces are `text`, with `head`. */
static void assert_reads(struct world *w, uint64_t transfer, size_t bytes, const char *head,
                         const char *text, bool last)
{
    struct cfs_store_done done = read_some(w, transfer, 1, bytes);
    struct cfs_writer expected = {0};

    put_pieces(&expected, text);
    assert_int_equal(done.error, 0);
    assert_int_equal(done.done, last);
    assert_int_equal(done.head_len, strlen(head));
    assert_memory_equal(done.head, head, done.head_len);
    assert_int_equal(done.pieces_len, expected.len);
    assert_memory_equal(done.pieces, expected.data, expected.len);
    free(expected.data);
    free(done.head);
    free(done.pieces);
}

static void test_a_copy_is_of_one_moment(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "old", "a=1 b=2 c=3 d=4"), 0);
    assert_reads(w, 50, 22, "old", "a=1 b=2", false);
    assert_int_equal(checkpoint(w, 1, "new", "a=9 b=9 -c d=9 e=9"), 0);
    assert_reads(w, 50, 22, "old", "c=3 d=4", true);
    assert_reads(w, 50, 1000, "new", "a=9 b=9 d=9 e=9", true); /* the next begins anew */
}

static void test_a_copy_survives_that_its_state_is_replaced(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "old", "a=1 b=2 c=3"), 0);
    assert_reads(w, 50, 0, "old", "a=1", false);
    assert_int_equal(stage(w, 1, "z=1", true, "new"), 0);
    for (unsigned i = 0; i < 20; i++) /* time to remove the old one, and to use its pages again */
        assert_int_equal(perform(w, make_many(CFS_STORE_CHECKPOINT, 2, "two", 100, "two")), 0);
    assert_reads(w, 51, 0, "new", "z=1", true);
    assert_reads(w, 50, 0, "old", "b=2", false);
    assert_reads(w, 50, 0, "old", "c=3", true);
}

static void test_copies_end_early_and_several_go_on_at_once(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(checkpoint(w, 1, "head", "a=1 b=2"), 0);
    assert_reads(w, 1, 1, "head", "a=1", false);
    assert_reads(w, 2, 1, "head", "a=1", false);
    assert_int_equal(perform(w, (struct cfs_store_job){.kind = CFS_STORE_END_READ, .transfer = 1}),
                     0);
    assert_int_equal(perform(w, (struct cfs_store_job){.kind = CFS_STORE_END_READ, .transfer = 9}),
                     0);
    assert_reads(w, 2, 1, "head", "b=2", true);
    assert_reads(w, 1, 1, "head", "a=1", false);
    /* close_store ends the one that is under way */
}

static void test_a_copy_may_be_of_nothing(void **state)
{
    struct world *w = *state;

    open_store(w);
    assert_int_equal(read_some(w, 1, 1, 1000).error, -ENOENT);
    assert_int_equal(stage(w, 1, "a=1", true, NULL), 0);
    assert_int_equal(read_some(w, 1, 1, 1000).error, -ENOENT);
    assert_int_equal(checkpoint(w, 1, "head", ""), 0);
    assert_reads(w, 1, 1000, "head", "", true);
}

/* What one node reads another one stages. */
static void test_a_copy_becomes_the_state_of_another_store(void **state)
{
    struct world *w = *state, *other;
    struct cfs_store_done done = {0};
    size_t chunks = 0;
    char *expected;

    assert_int_equal(set_up((void **)&other), 0);
    open_store(w);
    open_store(other);
    assert_int_equal(perform(w, make_many(CFS_STORE_CHECKPOINT, 1, "head", 5000, "text")), 0);
    assert_int_equal(perform(other, make_many(CFS_STORE_CHECKPOINT, 1, "old", 100, "old")), 0);
    for (; !done.done; chunks++) {
        struct cfs_store_job job = {.kind = CFS_STORE_STAGE, .first = chunks == 0};
        struct cfs_writer writer;

        done = read_some(w, 1, 1, 4096);
        assert_int_equal(done.error, 0);
        assert_true(done.pieces_len <= 4096);
        job.last = done.done;
        writer = (struct cfs_writer){.data = done.pieces, .len = done.pieces_len};
        add_part(&job, 1, "head", &writer);
        free(done.head);
        assert_int_equal(perform(other, job), 0);
    }
    assert_true(chunks > 10);
    assert_int_equal(try_load(w), 0);
    expected = strdup(w->loaded);
    assert_holds(other, expected);
    free(expected);
    await_records(other, 5001);
    tear_down((void **)&other);
}

static void test_close_does_what_was_submitted(void **state)
{
    struct world *w = *state;

    open_store(w);
    for (unsigned i = 0; i < 10; i++)
        submit(w, make_job(CFS_STORE_CHECKPOINT, i, "head", "a=1 b=2"));
    submit(w, (struct cfs_store_job){.kind = CFS_STORE_READ, .group = 1, .bytes = 1});
    close_store(w);
    assert_int_equal(count_records(w), 30);
}

static void test_jobs_are_done_in_order(void **state)
{
    struct world *w = *state;
    struct cfs_store_done done;
    char pieces[16];

    open_store(w);
    for (unsigned i = 1; i <= 50; i++) {
        snprintf(pieces, sizeof(pieces), "a=%u", i);
        submit(w, make_job(CFS_STORE_CHECKPOINT, 1, "head", pieces));
    }
    for (unsigned i = 1; i <= 50; i++) {
        done = await(w);
        assert_int_equal(done.id, i);
        assert_int_equal(done.error, 0);
    }
    assert_false(cfs_store_take(w->store, &done));
    assert_int_equal(poll(&(struct pollfd){.fd = cfs_store_fd(w->store), .events = POLLIN}, 1, 0),
                     0);
    assert_holds(w, "1 head a=50");
}

static void test_statistics_tell_what_checkpoints_cost(void **state)
{
    struct world *w = *state;
    struct cfs_store_stats stats;

    open_store(w);
    cfs_store_stats(w->store, &stats);
    assert_int_equal(stats.checkpoints, 0);
    assert_true(stats.disk_bytes > 0 && stats.disk_bytes < 1000000);
    assert_int_equal(perform(w, make_large(1, "a", 1000000, 'x')), 0);
    assert_int_equal(stage(w, 1, "a=1", true, NULL), 0); /* is no checkpoint */
    cfs_store_stats(w->store, &stats);
    assert_int_equal(stats.checkpoints, 1);
    assert_int_equal(stats.bytes, 1000000 + 1 + 4 + 1 + 4 + strlen("large"));
    assert_true(stats.us_last > 0 && stats.us_max >= stats.us_last);
    assert_true(stats.disk_bytes > 1000000);
}

/* Against a model: an array of values, by group and key. */
#define GROUPS 3
#define KEYS 40

static unsigned random_below(unsigned *seed, unsigned bound)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 8) % bound;
}

/* Random changes of a group's values, as pieces; 0 is none. */
static char *change_model(unsigned *seed, unsigned values[KEYS])
{
    char *text = cfs_alloc_zeroed(1, KEYS * 24);

    for (unsigned i = random_below(seed, KEYS / 2); i > 0; i--) {
        unsigned key = random_below(seed, KEYS), value = random_below(seed, 1000);
        size_t at = strlen(text);

        values[key] = value % 3 == 0 ? 0 : value;
        snprintf(text + at, KEYS * 24 - at, values[key] ? " k%02u=%u" : " -k%02u", key, value);
    }
    return text;
}

static void print_model(unsigned model[GROUPS][KEYS], char *text, size_t size)
{
    size_t at = 0;

    for (unsigned group = 0; group < GROUPS; group++) {
        at += (size_t)snprintf(text + at, size - at, "%s%u head", group ? "\n" : "", group);
        for (unsigned key = 0; key < KEYS; key++)
            if (model[group][key])
                at += (size_t)snprintf(text + at, size - at, " k%02u=%u", key, model[group][key]);
    }
}

static void test_agrees_with_a_model(void **state)
{
    unsigned model[GROUPS][KEYS] = {0}, seed = 20240607;
    struct world *w = *state;
    char text[GROUPS * KEYS * 12];

    open_store(w);
    for (cfs_group_id group = 0; group < GROUPS; group++)
        assert_int_equal(checkpoint(w, group, "head", ""), 0);
    for (unsigned round = 0; round < 300; round++) {
        cfs_group_id group = random_below(&seed, GROUPS);
        bool snapshot = random_below(&seed, 8) == 0;
        char *pieces;

        if (snapshot)
            memset(model[group], 0, sizeof(model[group]));
        pieces = change_model(&seed, model[group]);
        assert_int_equal(snapshot ? stage(w, group, pieces, true, "head")
                                  : checkpoint(w, group, "head", pieces),
                         0);
        free(pieces);
        print_model(model, text, sizeof(text));
        if (round % 20 == 0)
            assert_holds(w, text);
        assert_int_equal(try_load(w), 0);
        if (strcmp(w->loaded, text) != 0)
            fail_msg("round %u: expected\n%s\ngot\n%s", round, text, w->loaded);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(holds_nothing_at_first),
        TEST(returns_what_was_checkpointed),
        TEST(all_parts_are_one_transaction),
        TEST(refuses_malformed_pieces),
        TEST(keys_and_values_may_be_as_large_as_they_may_be),
        TEST(a_snapshot_replaces_the_state_at_once),
        TEST(a_snapshot_may_be_the_first_state),
        TEST(a_snapshot_begins_anew_with_its_first_pieces),
        TEST(a_restart_forgets_what_was_staged),
        TEST(a_crash_after_the_switch_leaves_no_garbage_behind),
        TEST(a_state_is_whole_whenever_the_daemon_is_killed),
        TEST(a_copy_is_of_one_moment),
        TEST(a_copy_survives_that_its_state_is_replaced),
        TEST(copies_end_early_and_several_go_on_at_once),
        TEST(a_copy_may_be_of_nothing),
        TEST(a_copy_becomes_the_state_of_another_store),
        TEST(close_does_what_was_submitted),
        TEST(jobs_are_done_in_order),
        TEST(statistics_tell_what_checkpoints_cost),
        TEST(agrees_with_a_model),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
