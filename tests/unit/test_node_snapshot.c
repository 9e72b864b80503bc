/* Whole nodes with checkpoints: one that was away for long is brought up by a snapshot, whatever
 * breaks meanwhile; one whose disk is new promises nothing until it has caught up. */
#include "core_world.h"

#include <stdio.h>

#define CHECKPOINT_BYTES 4000u
#define CHUNK_BYTES 100u

static struct world w;
static cfs_node_id leader, follower, other;

static void choose(void)
{
    leader = world_settle(&w);
    follower = world_follower(&w, leader);
    other = world_follower(&w, follower);
}

static void open_world(uint64_t checkpoint_bytes)
{
    world_open(&w, 3);
    world_checkpoints(&w, checkpoint_bytes, CHUNK_BYTES);
    world_start_all(&w);
    choose();
}

static int set_up(void **state)
{
    open_world(CHECKPOINT_BYTES);
    *state = &w;
    return 0;
}

/* A checkpoint after every command: no log is longer than what is under way. */
static int set_up_eager(void **state)
{
    open_world(1);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static void hold(cfs_node_id node, const char *prefix, uint32_t count)
{
    char name[32];

    for (uint32_t i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "%s%u", prefix, i);
        assert_int_equal(world_ask(&w, node, bench_lockfile(name)), CFS_OK);
    }
}

static void give_up(cfs_node_id node, const char *prefix, uint32_t count)
{
    struct cfs_request request;
    char name[32];

    for (uint32_t i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "%s%u", prefix, i);
        request = bench_get(name);
        request.op = CFS_OP_REMOVE;
        request.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
        assert_int_equal(world_ask(&w, node, request), CFS_OK);
    }
}

/* Every running node has applied the same, once things have calmed down. */
static void assert_replicas_agree(void)
{
    world_run(&w, CFS_SECONDS(1));
    assert_int_not_equal(world_leader(&w), 0);
    for (cfs_node_id id = 1; id <= w.count; id++)
        if (w.nodes[id].core)
            assert_int_equal(cfs_core_digest(w.nodes[id].core, 0),
                             cfs_core_digest(w.nodes[world_leader(&w)].core, 0));
}

/* The follower stops; the others go on until its entries are compacted. It had applied this much.
 */
static uint64_t leave_behind(void)
{
    uint64_t applied;

    hold(leader, "before", 3);
    world_run(&w, CFS_MS(200));
    applied = world_view(&w, follower).applied;
    world_crash(&w, follower);
    hold(leader, "lock", 60);
    assert_true(world_view(&w, leader).base_index > applied);
    assert_true(world_view(&w, other).base_index > applied);
    return applied;
}

/* Runs until the follower is in the middle of a snapshot. */
static void run_into_snapshot(void)
{
    for (int i = 0; i < 3000 && w.nodes[follower].stages < 2; i++)
        world_run(&w, CFS_MS(1));
    assert_true(world_view(&w, follower).installing);
    assert_int_equal(w.nodes[follower].installs, 0);
}

static void run_until_installed(cfs_node_id node)
{
    for (int i = 0; i < 5000 && (!w.nodes[node].installs || world_view(&w, node).installing); i++)
        world_run(&w, CFS_MS(1));
    assert_int_equal(w.nodes[node].installs, 1);
}

static void a_log_stays_short_however_much_happens(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        hold(leader, "lock", 20);
        give_up(leader, "lock", 20);
        for (cfs_node_id id = 1; id <= 3; id++) {
            assert_true(world_view(&w, id).log_bytes < 2 * CHECKPOINT_BYTES);
            assert_true(w.nodes[id].disk.count < 100);
        }
    }
    assert_replicas_agree();
}

static void every_node_restarts_from_its_checkpoint_and_the_records_behind_it(void **state)
{
    (void)state;
    hold(leader, "lock", 50);
    world_run(&w, CFS_MS(200));
    for (cfs_node_id id = 1; id <= 3; id++) {
        assert_true(w.nodes[id].checkpoints > 0);
        world_crash(&w, id);
    }
    for (cfs_node_id id = 1; id <= 3; id++) {
        world_start(&w, id);
        assert_true(world_view(&w, id).applied > 0); /* what the checkpoint holds */
        assert_true(world_view(&w, id).last_index >= 50);
    }
    choose();
    assert_true(world_held(&w, leader, "lock1") && world_held(&w, leader, "lock50"));
    assert_replicas_agree();
}

/* The disk of the store is as slow as it likes: nobody waits for a checkpoint. */
static void calls_are_answered_while_a_checkpoint_is_under_way(void **state)
{
    (void)state;
    w.nodes[leader].store = STORE_STALLS;
    hold(follower, "lock", 60);
    assert_true(world_view(&w, leader).log_bytes > CHECKPOINT_BYTES);
    assert_int_equal(world_view(&w, leader).base_index, 0);
    w.nodes[leader].store = STORE_WORKS;
    world_run(&w, CFS_MS(100));
    assert_true(world_view(&w, leader).base_index > 0);
    hold(follower, "more", 20);
    assert_true(world_view(&w, leader).log_bytes < 2 * CHECKPOINT_BYTES);
    assert_replicas_agree();
}

static void a_node_far_behind_is_brought_up_by_a_snapshot(void **state)
{
    (void)state;
    leave_behind();
    give_up(leader, "before", 3);
    world_start(&w, follower);
    run_until_installed(follower);
    assert_true(w.nodes[follower].stages > 3);
    assert_replicas_agree();
    assert_int_equal(world_ask(&w, follower, bench_lockfile("lock1")), CFS_ERR_EXISTS);
    assert_int_equal(world_ask(&w, follower, bench_lockfile("before1")), CFS_OK);
}

static void a_node_that_is_a_little_behind_is_sent_entries(void **state)
{
    (void)state;
    world_crash(&w, follower);
    hold(leader, "lock", 3);
    world_start(&w, follower);
    world_settle(&w);
    assert_int_equal(w.nodes[follower].stages, 0);
    assert_replicas_agree();
}

static void a_node_restarts_from_a_snapshot_that_it_installed(void **state)
{
    uint64_t applied;

    (void)state;
    leave_behind();
    world_start(&w, follower);
    run_until_installed(follower);
    assert_int_equal(w.nodes[follower].checkpoints, 0); /* it is the snapshot that counts */
    applied = world_view(&w, leader).base_index;
    world_crash(&w, follower);
    world_start(&w, follower);
    assert_true(world_view(&w, follower).applied >= applied);
    world_settle(&w);
    assert_int_equal(w.nodes[follower].installs, 1);
    hold(follower, "more", 40);
    assert_replicas_agree();
}

/* The cluster serves while it goes on, and what happens meanwhile follows as entries. */
static void changes_go_on_while_a_snapshot_is_under_way(void **state)
{
    (void)state;
    leave_behind();
    world_start(&w, follower);
    run_into_snapshot();
    w.nodes[follower].store = STORE_STALLS;
    hold(other, "more", 60);
    assert_true(world_view(&w, follower).installing);
    w.nodes[follower].store = STORE_WORKS;
    run_until_installed(follower);
    world_run(&w, CFS_SECONDS(1));
    assert_int_equal(w.nodes[follower].installs, 1); /* and no other after it */
    assert_replicas_agree();
}

/* Crashes, step by step. */

/* It begins again with what it had, and ends well. */
static void restart_and_agree(uint64_t applied, uint64_t last_index)
{
    w.nodes[follower].disk_stalls = false;
    w.nodes[follower].store = STORE_WORKS;
    world_start(&w, follower);
    assert_int_equal(world_view(&w, follower).applied, applied);
    assert_int_equal(world_view(&w, follower).last_index, last_index);
    world_settle(&w);
    assert_replicas_agree();
}

static uint64_t last_index_at_start(void)
{
    world_start(&w, follower);
    return world_view(&w, follower).last_index;
}

static void a_crash_between_chunks_leaves_the_old_state(void **state)
{
    uint64_t last_index;

    (void)state;
    leave_behind();
    last_index = last_index_at_start();
    run_into_snapshot();
    world_crash(&w, follower);
    restart_and_agree(0, last_index);
    assert_int_equal(w.nodes[follower].installs, 1);
}

/* Runs until the last chunk has come and the record of the installation was ordered. */
static void run_to_the_record(void)
{
    const struct sim_disk *disk = &w.nodes[follower].disk;

    for (int i = 0; i < 30000; i++) {
        if (disk->count && disk->records[disk->count - 1].type == CFS_RECORD_INSTALL)
            return;
        world_run(&w, 100);
    }
    fail_msg("no record of an installation");
}

static void a_crash_before_the_record_is_durable_leaves_the_old_state(void **state)
{
    uint64_t last_index;

    (void)state;
    leave_behind();
    last_index = last_index_at_start();
    run_into_snapshot();
    w.nodes[follower].disk_stalls = true;
    run_to_the_record();
    world_run(&w, CFS_MS(20));
    world_crash(&w, follower);
    assert_int_equal(w.nodes[follower].installs, 0);
    restart_and_agree(0, last_index);
}

/* The record alone voids nothing. */
static void a_crash_between_record_and_last_stage_leaves_the_old_state(void **state)
{
    uint64_t last_index;

    (void)state;
    leave_behind();
    last_index = last_index_at_start();
    w.nodes[follower].store = STORE_STALLS_AT_LAST;
    run_to_the_record();
    world_run(&w, CFS_MS(20));
    assert_int_equal(w.nodes[follower].disk.durable, w.nodes[follower].disk.count);
    assert_int_equal(w.nodes[follower].installs, 0);
    world_crash(&w, follower);
    restart_and_agree(0, last_index);
    assert_int_equal(w.nodes[follower].installs, 1);
}

/* The node did not hear of it, and its old entries are still in its log. */
static void a_crash_after_the_last_stage_finds_the_new_state(void **state)
{
    uint64_t base;

    (void)state;
    leave_behind();
    base = world_view(&w, leader).base_index;
    world_start(&w, follower);
    w.nodes[follower].store = STORE_SILENT_AFTER_LAST;
    for (int i = 0; i < 3000 && !w.nodes[follower].installs; i++)
        world_run(&w, CFS_MS(1));
    world_run(&w, CFS_MS(20));
    assert_true(world_view(&w, follower).applied < base);
    world_crash(&w, follower);
    assert_true(w.nodes[follower].disk.count > 3);
    w.nodes[follower].store = STORE_WORKS;
    world_start(&w, follower);
    assert_true(world_view(&w, follower).applied >= base);
    assert_int_equal(world_view(&w, follower).last_index, world_view(&w, follower).applied);
    world_settle(&w);
    assert_int_equal(w.nodes[follower].installs, 1);
    assert_replicas_agree();
}

/* Entries that only it had, of a leadership that ended, are gone with the old state: a restart must
 * not put them behind the new one. */
static void what_an_old_leader_had_alone_does_not_come_back_behind_a_snapshot(void **state)
{
    cfs_node_id old = leader;

    (void)state;
    world_cut(&w, old);
    for (uint32_t i = 0; i < 150; i++) { /* more than the others will have */
        struct cfs_request request = bench_lockfile("lost");
        snprintf(request.name, sizeof request.name, "lost%u", i);
        world_request(&w, old, request);
    }
    world_run(&w, CFS_SECONDS(7)); /* its session ends: nothing is sent again */
    choose();
    hold(leader, "lock", 60);
    assert_true(world_view(&w, leader).last_index < world_view(&w, old).last_index);
    world_join(&w, old);
    run_until_installed(old);
    world_crash(&w, old);
    world_start(&w, old);
    assert_true(world_view(&w, old).last_index <= world_view(&w, leader).last_index);
    world_settle(&w);
    assert_replicas_agree();
    assert_false(world_held(&w, old, "lost1"));
}

/* A log gives records up in segments: of those that could go the newest may still be there, and
 * among them entries that were replaced since, far behind the checkpoint. */
static void what_was_replaced_may_lie_half_in_a_segment_that_is_gone(void **state)
{
    cfs_node_id old = leader;

    (void)state;
    world_cut(&w, old);
    for (uint32_t i = 0; i < 30; i++) {
        struct cfs_request request = bench_lockfile("lost");
        snprintf(request.name, sizeof request.name, "lost%u", i);
        world_request(&w, old, request);
    }
    world_run(&w, CFS_SECONDS(7));
    choose();
    world_join(&w, old);
    w.slack = 20;
    world_settle(&w);
    world_run(&w, CFS_MS(500));
    world_crash(&w, old);
    world_start(&w, old);
    assert_replicas_agree();
}

static void a_new_leader_starts_a_snapshot_of_its_own(void **state)
{
    cfs_node_id old = leader;

    (void)state;
    leave_behind();
    world_start(&w, follower);
    run_into_snapshot();
    world_crash(&w, old);
    run_until_installed(follower);
    world_run(&w, CFS_MS(500));
    assert_int_equal(world_leader(&w), other);
    world_start(&w, old);
    world_settle(&w);
    assert_replicas_agree();
}

/* Under way to a follower, given up for lost, and arrived after all: it was counted, so it stays.
 */
static bool entries_for_the_follower(const struct cfs_message *message)
{
    return message->type == CFS_MSG_APPEND && message->to == follower &&
           message->append.entry_count;
}

static void what_was_counted_is_not_lost_to_a_late_snapshot(void **state)
{
    uint64_t first, call;

    (void)state;
    world_run(&w, CFS_MS(200));
    world_hold(&w, entries_for_the_follower);
    first = world_request(&w, leader, bench_lockfile("first"));
    world_run(&w, CFS_MS(10));
    w.cut[leader][other] = true; /* from here on the follower's disk makes the majority */
    call = world_request(&w, leader, bench_lockfile("counted"));
    assert_int_equal(world_wait(&w, leader, first), CFS_OK);
    world_run(&w, CFS_MS(20));
    /* The leader has compacted the first one, and hears that its messages may be lost. */
    w.nodes[follower].store = STORE_STALLS;
    world_step(&w, leader, (struct cfs_event){.type = CFS_EV_UNREACHABLE, .peer = follower});
    world_run(&w, CFS_MS(100));
    assert_true(world_view(&w, follower).installing);
    assert_null(world_answer(&w, leader, call));
    world_hold(&w, NULL);
    world_release(&w);
    assert_int_equal(world_wait(&w, leader, call), CFS_OK);
    w.nodes[follower].store = STORE_WORKS;
    world_run(&w, CFS_SECONDS(1));
    world_crash(&w, leader);
    w.cut[leader][other] = false;
    world_run(&w, CFS_SECONDS(3));
    assert_true(world_held(&w, follower, "counted"));
    world_start(&w, leader);
    world_settle(&w);
    assert_replicas_agree();
}

/* New disks. */

static void a_node_with_a_new_disk_catches_up_and_counts_again(void **state)
{
    (void)state;
    leave_behind();
    world_replace_disk(&w, follower);
    world_start(&w, follower);
    assert_int_not_equal(world_view(&w, follower).amnesia, CFS_REMEMBERS);
    assert_int_equal(world_view(&w, follower).applied, 0);
    world_settle(&w);
    assert_replicas_agree();
    assert_int_equal(world_view(&w, follower).amnesia, CFS_REMEMBERS);
    assert_int_equal(w.nodes[follower].disk.amnesia[0],
                     CFS_REMEMBERS); /* it was told to remember that */
    world_crash(&w, other);
    assert_int_equal(world_ask(&w, leader, bench_lockfile("new")), CFS_OK);
}

/* It may have been the other half of the majority that committed something. */
static void a_new_disk_and_one_other_elect_nobody(void **state)
{
    (void)state;
    hold(leader, "lock", 5);
    world_crash(&w, leader);
    world_crash(&w, follower);
    world_replace_disk(&w, follower);
    world_start(&w, follower);
    world_run(&w, CFS_SECONDS(10));
    assert_int_equal(world_leader(&w), 0);
    assert_int_not_equal(world_view(&w, follower).amnesia, CFS_REMEMBERS);
    world_start(&w, leader);
    world_settle(&w);
    assert_true(world_held(&w, other, "lock5"));
    assert_replicas_agree();
    assert_int_equal(world_view(&w, follower).amnesia, CFS_REMEMBERS);
}

/* The same from the leader's side: what it alone has besides a new disk is not committed. */
static void a_new_disk_commits_nothing_before_it_has_caught_up(void **state)
{
    uint64_t call;

    (void)state;
    world_crash(&w, follower);
    world_replace_disk(&w, follower);
    world_cut(&w, other);
    world_run(&w, CFS_MS(260)); /* until its last answer is too old to build upon */
    world_start(&w, follower);
    call = world_request(&w, leader, bench_lockfile("x"));
    world_run(&w, CFS_MS(150));
    assert_null(world_answer(&w, leader, call));
    world_run(&w, CFS_SECONDS(3));
    assert_int_equal(world_leader(&w), 0); /* nor is it a majority that keeps a leader */
    world_join(&w, other);
    world_settle(&w);
    assert_replicas_agree();
}

static void a_cluster_of_new_disks_starts_when_all_are_there(void **state)
{
    struct world new;

    (void)state;
    world_open(&new, 3);
    for (cfs_node_id id = 1; id <= 3; id++)
        world_replace_disk(&new, id);
    world_start(&new, 1);
    world_start(&new, 2);
    world_run(&new, CFS_SECONDS(5));
    assert_int_equal(world_leader(&new), 0);
    world_start(&new, 3);
    world_settle(&new);
    world_run(&new, CFS_MS(200));
    for (cfs_node_id id = 1; id <= 3; id++)
        assert_int_equal(world_view(&new, id).amnesia, CFS_REMEMBERS);
    world_close(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define EAGER(fn) cmocka_unit_test_setup_teardown(fn, set_up_eager, tear_down)
        T(a_log_stays_short_however_much_happens),
        T(every_node_restarts_from_its_checkpoint_and_the_records_behind_it),
        T(calls_are_answered_while_a_checkpoint_is_under_way),
        T(a_node_far_behind_is_brought_up_by_a_snapshot),
        T(a_node_that_is_a_little_behind_is_sent_entries),
        T(a_node_restarts_from_a_snapshot_that_it_installed),
        T(changes_go_on_while_a_snapshot_is_under_way),
        T(a_crash_between_chunks_leaves_the_old_state),
        T(a_crash_before_the_record_is_durable_leaves_the_old_state),
        T(a_crash_between_record_and_last_stage_leaves_the_old_state),
        T(a_crash_after_the_last_stage_finds_the_new_state),
        T(what_an_old_leader_had_alone_does_not_come_back_behind_a_snapshot),
        EAGER(what_was_replaced_may_lie_half_in_a_segment_that_is_gone),
        T(a_new_leader_starts_a_snapshot_of_its_own),
        EAGER(what_was_counted_is_not_lost_to_a_late_snapshot),
        T(a_node_with_a_new_disk_catches_up_and_counts_again),
        T(a_new_disk_and_one_other_elect_nobody),
        T(a_new_disk_commits_nothing_before_it_has_caught_up),
        T(a_cluster_of_new_disks_starts_when_all_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
