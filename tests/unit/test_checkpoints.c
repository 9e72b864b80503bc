/* The core's effects on the store and what comes back as events: one change at a time and in order,
 * whatever the disk has room for, and the log cut only when that is allowed. */
#include <sys/epoll.h>

#include "io/checkpoints.h"
#include "io/clock.h"
#include "store_world.h"

#define NODE 2
#define BIG_BYTES 131072u
#define LARGE_BYTES 300000u
#define BIG_COUNT 127u /* entries of that size fill a segment, about */

/* A store, a log beside it, and a loop; what comes back is written down. */
struct bench {
    struct world *w;
    struct cfs_loop *loop;
    struct cfs_wal *wal;
    struct cfs_checkpoints *checkpoints;
    struct cfs_timer limit; /* of a run */
    uint64_t lsn;
    char events[1024]; /* "checkpointed 7", "staged 8", ... */
    unsigned count;    /* of them */
    unsigned awaited;  /* the run ends when there are so many */
    unsigned failures; /* the node must stop */
    bool late;
};

static void note_event(struct bench *b, const char *what, uint64_t id)
{
    size_t len = strlen(b->events);

    snprintf(b->events + len, sizeof(b->events) - len, "%s%s %u", len ? ", " : "", what,
             (unsigned)id);
    if (++b->count >= b->awaited)
        cfs_loop_stop(b->loop);
}

/* Puts as "a=x b=y". */
static void print_pieces(const struct cfs_part *part, char *text, size_t size)
{
    struct cfs_reader reader = {.data = part->pieces.data, .len = part->pieces.len};
    size_t len = 0;

    text[0] = '\0';
    while (reader.at < reader.len) {
        uint8_t kind = cfs_get_u8(&reader);
        uint32_t key_len, value_len;
        const uint8_t *key = cfs_get_bytes(&reader, &key_len);
        const uint8_t *value = cfs_get_bytes(&reader, &value_len);

        assert_int_equal(kind, CFS_STORE_PUT);
        assert_false(reader.failed);
        len += (size_t)snprintf(text + len, size - len, " %.*s=%.*s", (int)key_len, key,
                                (int)value_len, value);
    }
}

static void note_fetched(struct bench *b, const struct cfs_fetched *fetched)
{
    char what[300], pieces[200];

    print_pieces(&fetched->part, pieces, sizeof(pieces));
    snprintf(what, sizeof(what), "fetched \"%.*s\"%s%s for", (int)fetched->part.head.len,
             fetched->part.head.len ? (const char *)fetched->part.head.data : "", pieces,
             fetched->last ? " (last)" : "");
    note_event(b, what, fetched->transfer);
}

static void note_read(struct bench *b, const struct cfs_read_pieces *read)
{
    struct cfs_part part = {
        .pieces = {.data = cfs_alloc_copy(read->data, read->len), .len = read->len}};
    char what[300], pieces[200];

    print_pieces(&part, pieces, sizeof(pieces));
    snprintf(what, sizeof(what), "read%s of group %u for", pieces, read->group);
    note_event(b, what, read->id);
    cfs_part_clear(&part);
}

static void on_event(void *arg, struct cfs_event *event)
{
    if (event->type == CFS_EV_CHECKPOINTED)
        note_event(arg, "checkpointed", event->id);
    else if (event->type == CFS_EV_STAGED)
        note_event(arg, "staged", event->id);
    else if (event->type == CFS_EV_FETCHED)
        note_fetched(arg, event->fetched);
    else if (event->type == CFS_EV_READ)
        note_read(arg, event->read);
    else
        fail_msg("an event of type %d", event->type);
}

static void on_failed(void *arg)
{
    struct bench *b = arg;

    b->failures++;
    cfs_loop_stop(b->loop);
}

static void on_limit(void *arg)
{
    struct bench *b = arg;

    b->late = true;
    cfs_loop_stop(b->loop);
}

/* For so long at most; whether `count` more events came, or the node is to stop. */
static bool run_for(struct bench *b, unsigned count, unsigned ms)
{
    unsigned failures = b->failures;

    b->awaited = b->count + count;
    b->late = false;
    cfs_timer_set(b->loop, &b->limit, cfs_clock_now() + CFS_MS(ms));
    while (b->count < b->awaited && b->failures == failures && !b->late)
        cfs_loop_run(b->loop);
    cfs_timer_cancel(b->loop, &b->limit);
    return !b->late;
}

static void run(struct bench *b, unsigned count)
{
    if (!run_for(b, count, WAIT_MS))
        fail_msg("waited in vain; events so far: %s", b->events);
}

static void expect(struct bench *b, const char *events)
{
    assert_string_equal(b->events, events);
    b->events[0] = '\0';
}

static void ignore_record(void *arg, const struct cfs_record *record)
{
    struct bench *b = arg;

    (void)record;
    b->lsn++;
}

static void open_bench(struct bench *b)
{
    struct cfs_checkpoints_events events = {.arg = b, .event = on_event, .failed = on_failed};
    struct cfs_wal_origin origin = {0};

    open_store(b->w);
    b->loop = cfs_loop_new();
    assert_non_null(b->loop);
    b->lsn = 0;
    b->limit = (struct cfs_timer){.fn = on_limit, .arg = b};
    assert_int_equal(cfs_wal_open(&b->wal, b->w->data, NODE, cfs_store_wal_begin(b->w->store),
                                  &origin, ignore_record, b),
                     0);
    b->checkpoints = cfs_checkpoints_new(b->loop, b->w->store, b->wal, &events);
    assert_non_null(b->checkpoints);
}

static void close_bench(struct bench *b)
{
    cfs_checkpoints_free(b->checkpoints);
    close_store(b->w);
    cfs_wal_close(b->wal);
    if (b->loop)
        cfs_loop_free(b->loop);
    b->checkpoints = NULL;
    b->wal = NULL;
    b->loop = NULL;
}

static int set_up_bench(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_int_equal(set_up((void **)&b->w), 0);
    *state = b;
    return 0;
}

static int tear_down_bench(void **state)
{
    struct bench *b = *state;

    limit_files(RLIM_INFINITY);
    close_bench(b);
    tear_down((void **)&b->w);
    free(b);
    return 0;
}

/* Effects. */

static struct cfs_part make_part(cfs_group_id group, const char *head, const char *pieces)
{
    struct cfs_part part = {.group = group};

    cfs_put_raw(&part.head, head, strlen(head));
    put_pieces(&part.pieces, pieces);
    return part;
}

static void perform_effect(struct bench *b, struct cfs_effect effect)
{
    cfs_checkpoints_perform(b->checkpoints, &effect);
    if (effect.type == CFS_FX_CHECKPOINT)
        assert_null(effect.checkpoint.parts);
    if (effect.type == CFS_FX_STAGE)
        assert_null(effect.stage.part.pieces.data);
}

static struct cfs_effect make_checkpoint(uint64_t id, const char *head, const char *pieces)
{
    struct cfs_effect effect = {.type = CFS_FX_CHECKPOINT, .id = id};
    struct cfs_part part = make_part(1, head, pieces);

    effect.checkpoint.parts = cfs_alloc_copy(&part, sizeof(part));
    effect.checkpoint.part_count = 1;
    effect.checkpoint.keep_lsn = 1;
    return effect;
}

static void order_checkpoint(struct bench *b, uint64_t id, const char *head, const char *pieces)
{
    perform_effect(b, make_checkpoint(id, head, pieces));
}

/* More than fits into the room that limit_room leaves. */
static void order_large(struct bench *b, uint64_t id, uint32_t len, uint64_t keep_lsn)
{
    struct cfs_effect effect = make_checkpoint(id, "large", "");
    struct cfs_writer *pieces = &effect.checkpoint.parts[0].pieces;
    uint8_t *value = cfs_alloc_zeroed(1, len);

    cfs_put_u8(pieces, CFS_STORE_PUT);
    cfs_put_string(pieces, "z");
    cfs_put_bytes(pieces, value, len);
    free(value);
    effect.checkpoint.keep_lsn = keep_lsn;
    perform_effect(b, effect);
}

static void order_stage(struct bench *b, uint64_t id, const char *pieces, bool first,
                        const char *head_if_last)
{
    struct cfs_effect effect = {.type = CFS_FX_STAGE, .id = id};

    effect.stage.part = make_part(1, head_if_last ? head_if_last : "", pieces);
    effect.stage.first = first;
    effect.stage.last = head_if_last;
    perform_effect(b, effect);
}

static void order_fetch(struct bench *b, uint64_t transfer, cfs_group_id group, uint32_t bytes)
{
    perform_effect(b, (struct cfs_effect){.type = CFS_FX_FETCH,
                                          .id = transfer,
                                          .fetch = {.group = group, .bytes = bytes}});
}

/* The file may grow by 150,000 bytes: enough for anything but what order_large brings. */
static void limit_room(struct bench *b)
{
    struct stat st;

    assert_int_equal(stat(path_of(b->w, "store/data.mdb"), &st), 0);
    limit_files((rlim_t)st.st_size + 150000);
}

/* Entries until the log writes to `segment`. */
static void fill_log(struct bench *b, uint64_t segment)
{
    struct pollfd pollfd = {.fd = cfs_wal_fd(b->wal), .events = POLLIN};
    struct cfs_record record = {.type = CFS_RECORD_ENTRY};
    struct cfs_wal_stats stats;
    uint64_t durable;

    do {
        record.entry = cfs_entry_new(CFS_ENTRY_NOOP, b->lsn + 1, 1, NULL, BIG_BYTES);
        memset(record.entry->data, 1, BIG_BYTES);
        cfs_wal_append(b->wal, &record, ++b->lsn);
        cfs_entry_unref(record.entry);
        cfs_wal_submit(b->wal);
        for (durable = 0; durable < b->lsn;) {
            assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
            assert_int_equal(cfs_wal_durable(b->wal, &durable), 0);
        }
        cfs_wal_stats(b->wal, &stats);
    } while (stats.segment < segment);
}

static bool has_segment(const struct bench *b, uint64_t number)
{
    char name[32];

    snprintf(name, sizeof(name), "wal-%016x", (unsigned)number);
    return access(path_of(b->w, name), F_OK) == 0;
}

static void await_trimmed(const struct bench *b, uint64_t number)
{
    for (int ms = 0; ms < WAIT_MS && has_segment(b, number); ms++)
        poll(NULL, 0, 1);
    assert_false(has_segment(b, number));
}

/* Closes all and looks what the store holds. */
static void assert_stored(struct bench *b, const char *text)
{
    close_bench(b);
    open_store(b->w);
    assert_holds(b->w, text);
    close_store(b->w);
}

static void test_a_checkpoint_is_durable_when_the_core_hears_of_it(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 7, "head", "a=1 b=2");
    assert_int_equal(b->count, 0); /* not before the loop has run */
    run(b, 1);
    expect(b, "checkpointed 7");
    order_checkpoint(b, 8, "head'", "-a b=3");
    run(b, 1);
    expect(b, "checkpointed 8");
    assert_stored(b, "1 head' b=3");
}

static void test_all_groups_are_in_one_checkpoint(void **state)
{
    struct bench *b = *state;
    struct cfs_effect effect = make_checkpoint(7, "one", "a=1");

    open_bench(b);
    effect.checkpoint.parts = cfs_realloc(effect.checkpoint.parts, 2 * sizeof(struct cfs_part));
    effect.checkpoint.parts[1] = make_part(3, "three", "c=3");
    effect.checkpoint.part_count = 2;
    perform_effect(b, effect);
    run(b, 1);
    assert_stored(b, "1 one a=1\n3 three c=3");
}

static void test_the_log_goes_up_to_what_must_be_kept(void **state)
{
    struct bench *b = *state;
    struct cfs_effect effect = make_checkpoint(7, "head", "");

    open_bench(b);
    fill_log(b, 3);
    effect.checkpoint.keep_lsn = b->lsn - 1; /* the last of segment 2 */
    perform_effect(b, effect);
    run(b, 1);
    await_trimmed(b, 1);
    assert_true(has_segment(b, 2));
    order_checkpoint(b, 8, "head", ""); /* which still wants record 1: nothing comes back */
    run(b, 1);
    effect = make_checkpoint(9, "head", "");
    effect.checkpoint.keep_lsn = b->lsn;
    perform_effect(b, effect);
    run(b, 1);
    await_trimmed(b, 2);
    expect(b, "checkpointed 7, checkpointed 8, checkpointed 9");
    close_bench(b);
    open_bench(b); /* the log begins where the checkpoint says */
    assert_int_equal(cfs_store_wal_begin(b->w->store).segment, 3);
    assert_int_equal(b->lsn, 1);
}

static void test_a_stage_is_durable_and_the_last_one_replaces_the_state(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "old", "a=old b=old");
    order_stage(b, 2, "a=new", true, NULL);
    order_stage(b, 3, "c=new", false, NULL);
    order_stage(b, 4, "", false, "new");
    run(b, 4);
    expect(b, "checkpointed 1, staged 2, staged 3, staged 4");
    assert_stored(b, "1 new a=new c=new");
}

/* A restart of the store would have forgotten the old snapshot's pieces. */
static void test_a_snapshot_may_begin_anew(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_stage(b, 1, "a=gone", true, NULL);
    order_stage(b, 2, "b=new", true, NULL);
    order_stage(b, 3, "c=new", false, "head");
    run(b, 3);
    expect(b, "staged 1, staged 2, staged 3");
    assert_stored(b, "1 head b=new c=new");
}

static void test_many_changes_keep_their_order(void **state)
{
    struct bench *b = *state;
    char pieces[16], expected[1024] = "";
    size_t len = 0;

    open_bench(b);
    for (unsigned id = 1; id <= 40; id++) {
        snprintf(pieces, sizeof(pieces), "a=%u", id);
        order_checkpoint(b, id, "head", pieces);
        len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%scheckpointed %u",
                                len ? ", " : "", id);
    }
    run(b, 40);
    expect(b, expected);
    assert_stored(b, "1 head a=40");
}

static void test_a_transfer_is_a_copy_of_one_moment(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "old", "a=1 b=2 c=3");
    run(b, 1);
    order_fetch(b, 50, 1, 22);
    run(b, 1);
    order_checkpoint(b, 2, "new", "a=9 b=9 c=9");
    run(b, 1);
    order_fetch(b, 50, 1, 22);
    order_fetch(b, 51, 1, 1000);
    run(b, 2);
    expect(b, "checkpointed 1, fetched \"old\" a=1 b=2 for 50, checkpointed 2, "
              "fetched \"old\" c=3 (last) for 50, fetched \"new\" a=9 b=9 c=9 (last) for 51");
}

/* Without head and pieces: the core gives the transfer up. */
static void test_a_group_without_a_checkpoint_is_fetched_as_nothing(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_fetch(b, 50, 1, 1000);
    run(b, 1);
    expect(b, "fetched \"\" for 50");
    assert_int_equal(b->failures, 0);
}

static void test_the_end_of_a_transfer_says_nothing_and_the_next_begins_anew(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "head", "a=1 b=2");
    order_fetch(b, 50, 1, 1);
    perform_effect(b, (struct cfs_effect){.type = CFS_FX_END_FETCH, .id = 50});
    order_fetch(b, 50, 1, 1);
    run(b, 3);
    /* The reads overtake nobody: the checkpoint was with the store before them. */
    expect(b, "checkpointed 1, fetched \"head\" a=1 for 50, fetched \"head\" a=1 for 50");
    assert_false(run_for(b, 1, 50));
}

/* The second change is small, and would find room. */
static void test_a_full_disk_delays_all_in_order_and_reads_go_on(void **state)
{
    struct bench *b = *state;
    const char *said;

    open_bench(b);
    fill_log(b, 2);
    order_checkpoint(b, 1, "old", "a=old");
    run(b, 1);
    expect(b, "checkpointed 1");
    limit_room(b);
    catch_stderr(b->w);
    order_large(b, 2, LARGE_BYTES, b->lsn);
    order_stage(b, 3, "staged=1", true, NULL);
    order_checkpoint(b, 4, "new", "a=new");
    assert_false(run_for(b, 1, 2500)); /* some attempts */
    order_fetch(b, 50, 1, 1000);
    run(b, 1);
    release_stderr(b->w);
    expect(b, "fetched \"old\" a=old (last) for 50");
    said = strstr(b->w->said, "no room on the disk for a checkpoint");
    assert_non_null(said);
    assert_null(strstr(said + 1, "no room on the disk")); /* once, not once per attempt */
    assert_true(has_segment(b, 1));

    limit_files(RLIM_INFINITY);
    run(b, 3);
    expect(b, "checkpointed 2, staged 3, checkpointed 4");
    await_trimmed(b, 1);
    assert_int_equal(b->failures, 0);
    order_fetch(b, 51, 1, 1);
    run(b, 1);
    expect(b, "fetched \"new\" a=new for 51");
}

static void test_a_second_full_disk_is_said_again(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "old", "a=old");
    run(b, 1);
    for (uint32_t round = 1; round <= 2; round++) {
        limit_room(b);
        catch_stderr(b->w);
        order_large(b, 10 + round, round * 600000, 1); /* more than the first one has freed */
        assert_false(run_for(b, 1, 100));
        release_stderr(b->w);
        assert_said(b->w, "no room on the disk for a checkpoint");
        limit_files(RLIM_INFINITY);
        run(b, 1);
    }
    expect(b, "checkpointed 1, checkpointed 11, checkpointed 12");
}

/* What is queued and not with the store yet is nobody's: the core orders it again. */
static void test_an_end_amid_changes_keeps_those_before(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "one", "a=1");
    order_checkpoint(b, 2, "two", "a=2");
    order_stage(b, 3, "a=3", true, NULL);
    assert_stored(b, "1 one a=1");
}

static void test_an_end_while_the_disk_is_full_loses_nothing(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    fill_log(b, 2);
    order_checkpoint(b, 1, "old", "a=old");
    run(b, 1);
    limit_room(b);
    catch_stderr(b->w);
    order_large(b, 2, LARGE_BYTES, b->lsn);
    order_checkpoint(b, 3, "new", "a=new");
    assert_false(run_for(b, 1, 100));
    close_bench(b);
    release_stderr(b->w);
    limit_files(RLIM_INFINITY);
    assert_true(has_segment(b, 1));
    assert_stored(b, "1 old a=old");
    open_bench(b);
    assert_true(b->lsn > BIG_COUNT - 20); /* all of the log is there */
}

static void order_read(struct bench *b, uint64_t id, const char *key)
{
    struct cfs_effect effect = {.type = CFS_FX_READ, .id = id, .read = {.group = 1}};

    cfs_put_string(&effect.read.keys, key);
    perform_effect(b, effect);
}

static void test_single_pieces_are_read(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "head", "a=1 b=2");
    run(b, 1);
    order_read(b, 60, "b");
    order_read(b, 61, "none");
    run(b, 2);
    expect(b, "checkpointed 1, read b=2 of group 1 for 60, read of group 1 for 61");
}

/* Others have it: this one must not lead on without. */
static void test_a_piece_that_cannot_be_read_stops_the_node(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    order_checkpoint(b, 1, "head", "a=1");
    run(b, 1);
    expect(b, "checkpointed 1");
    catch_stderr(b->w);
    order_read(b, 60, "");
    run(b, 1);
    release_stderr(b->w);
    assert_int_equal(b->failures, 1);
    expect(b, "");
    assert_said(b->w, "a message cannot be read");
}

static void test_a_broken_store_stops_the_node(void **state)
{
    struct bench *b = *state;
    const char *said;

    open_bench(b);
    fill_log(b, 2);
    order_checkpoint(b, 1, "old", "a=old");
    run(b, 1);
    expect(b, "checkpointed 1");
    break_file(b->w);
    catch_stderr(b->w);
    for (uint64_t id = 2; id <= 4; id++) {
        struct cfs_effect effect = make_checkpoint(id, "new", "a=new");

        effect.checkpoint.keep_lsn = b->lsn;
        perform_effect(b, effect);
    }
    run(b, 1);
    assert_true(b->failures > 0);
    order_checkpoint(b, 5, "new", "a=new");
    while (run_for(b, 1, 1200)) /* whatever else it says: it does not try again */
        ;
    release_stderr(b->w);
    expect(b, "");
    said = strstr(b->w->said, "a checkpoint cannot be written");
    assert_non_null(said);
    assert_null(strstr(said + 1, "a checkpoint cannot be written"));
    assert_true(has_segment(b, 1));
    assert_stored(b, "1 old a=old");
}

/* The core never makes such pieces; should it do so, its state must not go on without them. */
static void test_a_change_that_the_store_refuses_stops_the_node(void **state)
{
    struct bench *b = *state;

    open_bench(b);
    catch_stderr(b->w);
    order_checkpoint(b, 1, "head", "=no-key");
    order_checkpoint(b, 2, "head", "a=1");
    run(b, 1);
    release_stderr(b->w);
    assert_int_equal(b->failures, 1);
    expect(b, "");
    assert_said(b->w, "a checkpoint cannot be written: Invalid argument");
    assert_stored(b, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up_bench, tear_down_bench)
    const struct CMUnitTest tests[] = {
        TEST(a_checkpoint_is_durable_when_the_core_hears_of_it),
        TEST(all_groups_are_in_one_checkpoint),
        TEST(the_log_goes_up_to_what_must_be_kept),
        TEST(a_stage_is_durable_and_the_last_one_replaces_the_state),
        TEST(a_snapshot_may_begin_anew),
        TEST(many_changes_keep_their_order),
        TEST(a_transfer_is_a_copy_of_one_moment),
        TEST(a_group_without_a_checkpoint_is_fetched_as_nothing),
        TEST(the_end_of_a_transfer_says_nothing_and_the_next_begins_anew),
        TEST(a_full_disk_delays_all_in_order_and_reads_go_on),
        TEST(a_second_full_disk_is_said_again),
        TEST(an_end_amid_changes_keeps_those_before),
        TEST(an_end_while_the_disk_is_full_loses_nothing),
        TEST(single_pieces_are_read),
        TEST(a_piece_that_cannot_be_read_stops_the_node),
        TEST(a_broken_store_stops_the_node),
        TEST(a_change_that_the_store_refuses_stops_the_node),
    };

    return cmocka_run_group_tests_name("checkpoints", tests, NULL, NULL);
}
