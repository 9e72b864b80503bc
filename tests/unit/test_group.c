/* A group: what is committed is applied, checkpoints of it, and what the log gives up for them. */
#include "core_group_bench.h"

#include <stdlib.h>

#include "core/alloc.h"

static struct group_bench gb;

static int set_up(void **state)
{
    group_bench_open(&gb, 1);
    *state = &gb;
    return 0;
}

static int tear_down(void **state)
{
    group_bench_close(*state);
    return 0;
}

static const struct cfs_log *log_of(void)
{
    return &gb.group.raft.log;
}

/* Heads. */

static const struct cfs_group_head a_head = {.base = {101, 102, 103},
                                             .term = 104,
                                             .vote = 5,
                                             .members = {.voters = 2, .outgoing = 4, .learners = 8},
                                             .install = UINT64_MAX,
                                             .dropped = {105, 106}};

static void a_head_comes_back_as_it_was(void **state)
{
    struct cfs_writer writer = {0};
    struct cfs_group_head head;

    (void)state;
    cfs_group_head_encode(&writer, &a_head);
    assert_true(writer.len <= CFS_GROUP_HEAD_MAX);
    assert_int_equal(cfs_group_head_decode(&head, writer.data, writer.len), 0);
    assert_true(head.base.index == 101 && head.base.term == 102 && head.base.time == 103);
    assert_true(head.term == 104 && head.vote == 5 && head.install == UINT64_MAX);
    assert_true(cfs_membership_equal(&head.members, &a_head.members));
    assert_true(head.dropped.index == 105 && head.dropped.term == 106);
    free(writer.data);
}

static void what_is_no_head_is_refused(void **state)
{
    struct cfs_writer writer = {0};
    struct cfs_group_head head;

    (void)state;
    cfs_group_head_encode(&writer, &a_head);
    for (size_t len = 0; len < writer.len; len++) {
        uint8_t *exact = cfs_alloc_copy(writer.data, len);
        assert_int_equal(cfs_group_head_decode(&head, exact, len), -1);
        assert_int_equal(cfs_group_restore_head(&gb.group, exact, len), -1);
        free(exact);
    }
    cfs_put_u8(&writer, 0);
    assert_int_equal(cfs_group_head_decode(&head, writer.data, writer.len), -1);
    writer.data[0] = 1; /* another version */
    assert_int_equal(cfs_group_head_decode(&head, writer.data, writer.len - 1), -1);
    free(writer.data);
}

/* Applying and leading. */

static void what_is_committed_is_applied_once(void **state)
{
    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    group_bench_hold(&gb, "x", 3);
    assert_int_equal(gb.group.raft.applied, 5);
    assert_int_equal(cfs_lock_table_held_count(gb.group.machine->locks), 3);
    cfs_group_settle(&gb.group);
    assert_int_equal(gb.group.raft.applied, 5);
    assert_int_equal(cfs_group_leader(&gb.group), 1);
}

static void who_leads_no_longer_serves_no_longer(void **state)
{
    (void)state;
    group_bench_lead(&gb);
    group_bench_receive(&gb, raft_entries(2, 9, 0, 0, 0, 0));
    assert_false(gb.group.home.serving);
    assert_int_equal(cfs_group_leader(&gb.group), 2); /* as it says in its heartbeat */
}

/* Checkpoints. */

static void what_was_applied_since_the_last_checkpoint_is_counted(void **state)
{
    uint64_t before;

    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    before = gb.group.unsaved_bytes;
    group_bench_hold(&gb, "x", 1);
    assert_true(gb.group.unsaved_bytes > before);
    group_bench_checkpoint(&gb);
    assert_int_equal(gb.group.unsaved_bytes, 0);
}

static void a_checkpoint_tells_its_place_in_the_log_and_what_was_promised(void **state)
{
    struct cfs_checkpoint checkpoint = {.keep_lsn = UINT64_MAX};
    struct cfs_group_head head;

    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    cfs_group_save(&gb.group, &checkpoint);
    assert_int_equal(checkpoint.part_count, 1);
    assert_int_equal(
        cfs_group_head_decode(&head, checkpoint.parts[0].head.data, checkpoint.parts[0].head.len),
        0);
    assert_true(head.base.index == 2 && head.base.term == 1);
    assert_true(head.term == 1 && head.vote == 1 && head.install == 0);
    cfs_checkpoint_clear(&checkpoint);
}

/* Of two groups the one that needs more decides. */
static void records_of_what_is_not_applied_are_kept(void **state)
{
    struct cfs_checkpoint checkpoint = {.keep_lsn = UINT64_MAX};

    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    cfs_raft_propose(&gb.group.raft, CFS_ENTRY_NOOP, NULL, 0);
    cfs_raft_propose(&gb.group.raft, CFS_ENTRY_NOOP, NULL, 0);
    cfs_group_save(&gb.group, &checkpoint);
    assert_int_equal(checkpoint.keep_lsn, cfs_log_lsn(log_of(), 3));
    checkpoint.keep_lsn = 1;
    cfs_group_save(&gb.group, &checkpoint);
    assert_int_equal(checkpoint.keep_lsn, 1);
    cfs_checkpoint_clear(&checkpoint);
}

static void a_durable_checkpoint_lets_the_log_go(void **state)
{
    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    group_bench_hold(&gb, "x", 8);
    assert_int_equal(group_bench_checkpoint(&gb), gb.bench.env.lsn + 1);
    assert_int_equal(log_of()->base.index, 10);
    assert_int_equal(log_of()->count, 0);
}

/* What came after the order is not in it. */
static void entries_applied_since_a_checkpoint_was_ordered_stay(void **state)
{
    struct cfs_checkpoint checkpoint = {.keep_lsn = UINT64_MAX};

    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    cfs_group_save(&gb.group, &checkpoint);
    group_bench_hold(&gb, "x", 8);
    cfs_group_saved(&gb.group);
    assert_int_equal(log_of()->base.index, 2);
    assert_int_equal(log_of()->count, 8);
    cfs_checkpoint_clear(&checkpoint);
}

/* Of a file that has bytes at 0, 2, ..., 138. */
static uint32_t stretches(void)
{
    uint32_t count;

    free(cfs_contents_read(gb.group.machine->contents, 7, 0, 139, &count));
    return count;
}

static void write_scattered(void)
{
    for (uint64_t i = 0; i < 70; i++) {
        struct cfs_request request = {.op = CFS_OP_CACHE_PUT,
                                      .cache_put = {.ino = 7,
                                                    .kind = CFS_PUT_WRITE,
                                                    .offset = 2 * i,
                                                    .max = 1000,
                                                    .data = (const uint8_t *)"x",
                                                    .len = 1}};
        struct cfs_answer answer = {0};
        cfs_contents_apply(gb.group.machine->contents, (struct cfs_moment){.index = 100 + i},
                           &request, &answer);
    }
}

/* The newest reading is answered from the store. */
static void read_pieces(void)
{
    const struct cfs_effect *effect = bench_effect(&gb.bench, CFS_FX_READ);
    struct cfs_read_pieces read = {.id = effect->id};
    struct cfs_writer pieces = {0};

    sim_store_read(&gb.store, &effect->read, &pieces);
    read.data = pieces.data;
    read.len = pieces.len;
    cfs_group_pieces_read(&gb.group, &read);
    free(pieces.data);
}

static void small_parts_of_files_are_put_together_after_a_checkpoint(void **state)
{
    (void)state;
    write_scattered();
    group_bench_checkpoint(&gb);
    assert_int_equal(bench_effect_count(&gb.bench, CFS_FX_READ), 1);
    group_bench_checkpoint(&gb); /* one after the other */
    assert_int_equal(bench_effect_count(&gb.bench, CFS_FX_READ), 1);
    assert_int_equal(stretches(), 139);
    read_pieces();
    assert_int_equal(stretches(), 1);
    group_bench_checkpoint(&gb);
    assert_int_equal(bench_effect_count(&gb.bench, CFS_FX_READ), 1);
    read_pieces(); /* of no account any more */
    assert_int_equal(stretches(), 1);
}

static void the_newest_entries_stay_for_who_is_a_little_behind(void **state)
{
    uint64_t kept;

    (void)state;
    gb.bench.config.checkpoint_bytes = 4096;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    group_bench_hold(&gb, "x", 100);
    group_bench_checkpoint(&gb);
    kept = log_of()->bytes;
    assert_in_range(kept, 1024 - cfs_entry_bytes(150), 1024); /* a quarter of it */
    assert_int_equal(cfs_log_last_index(log_of()), 102);
}

/* Or the follower would find compacted what comes after its snapshot. */
static void a_snapshot_under_way_keeps_what_comes_after_it(void **state)
{
    (void)state;
    group_bench_leave_behind(&gb);
    group_bench_fetch(&gb);
    assert_int_equal(cfs_snapshot_oldest(&gb.group), 12);
    group_bench_hold(&gb, "more", 5);
    group_bench_checkpoint(&gb);
    assert_int_equal(log_of()->base.index, 12);
    cfs_snapshot_stop(&gb.group);
    assert_int_equal(cfs_snapshot_oldest(&gb.group), UINT64_MAX);
    group_bench_checkpoint(&gb);
    assert_int_equal(log_of()->base.index, 17);
}

/* Restarting. */

static void a_group_restarts_from_its_checkpoint(void **state)
{
    struct group_bench again;

    (void)state;
    group_bench_lead(&gb);
    group_bench_open_session(&gb);
    group_bench_hold(&gb, "x", 3);
    group_bench_checkpoint(&gb);
    group_bench_hold(&gb, "y", 3);
    group_bench_checkpoint(&gb);
    assert_int_equal(group_bench_restart(&again, 1, &gb.store), 0);
    assert_int_equal(again.group.raft.applied, 8);
    assert_int_equal(again.group.raft.term, 1);
    assert_int_equal(cfs_machine_digest(again.group.machine), cfs_machine_digest(gb.group.machine));
    group_bench_close(&again);
}

static void a_checkpoint_with_a_piece_of_something_else_is_refused(void **state)
{
    struct cfs_piece piece = {.put = true, .key = (const uint8_t *)"\xff", .key_len = 1};

    (void)state;
    assert_int_equal(cfs_group_restore_piece(&gb.group, &piece), -1);
}

static void a_checkpoint_that_lacks_pieces_is_none(void **state)
{
    struct sim_saved *saved = &gb.store.states[0];
    struct group_bench again;

    (void)state;
    assert_true(cfs_group_restored(&gb.group)); /* nothing was ever saved */
    group_bench_lead(&gb);
    group_bench_checkpoint(&gb);
    assert_int_equal(group_bench_restart(&again, 1, &gb.store), 0);
    assert_true(cfs_group_restored(&again.group));
    group_bench_close(&again);
    while (saved->count) {
        free(saved->items[--saved->count].key);
        free(saved->items[saved->count].value);
    }
    assert_int_equal(group_bench_restart(&again, 1, &gb.store), 0);
    assert_false(cfs_group_restored(&again.group));
    group_bench_close(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_head_comes_back_as_it_was),
        T(what_is_no_head_is_refused),
        T(what_is_committed_is_applied_once),
        T(who_leads_no_longer_serves_no_longer),
        T(what_was_applied_since_the_last_checkpoint_is_counted),
        T(a_checkpoint_tells_its_place_in_the_log_and_what_was_promised),
        T(records_of_what_is_not_applied_are_kept),
        T(a_durable_checkpoint_lets_the_log_go),
        T(entries_applied_since_a_checkpoint_was_ordered_stay),
        T(small_parts_of_files_are_put_together_after_a_checkpoint),
        T(the_newest_entries_stay_for_who_is_a_little_behind),
        T(a_snapshot_under_way_keeps_what_comes_after_it),
        T(a_group_restarts_from_its_checkpoint),
        T(a_checkpoint_with_a_piece_of_something_else_is_refused),
        T(a_checkpoint_that_lacks_pieces_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
