/* Looking for deadlocks: when the nodes are asked, and what two looks in a row must find. */
#include "core_home_bench.h"

#include <string.h>

#include "core/alloc.h"

static struct home_bench hb;
static uint64_t wait_of_2, wait_of_3; /* the sequences of the two that wait for each other */

static int set_up(void **state)
{
    home_bench_open(&hb);
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

/* Node 2 holds x (handle 20) and waits for y; node 3 holds y (handle 30) and waits for x. */
static void lock_each_other_out(void)
{
    home_bench_do(&hb, 2, bench_flock("x", 20, CFS_EXCLUSIVE, true));
    home_bench_do(&hb, 3, bench_flock("y", 30, CFS_EXCLUSIVE, true));
    wait_of_2 = home_bench_do(&hb, 2, bench_flock("y", 21, CFS_EXCLUSIVE, true));
    wait_of_3 = home_bench_do(&hb, 3, bench_flock("x", 31, CFS_EXCLUSIVE, true));
    bench_clear(&hb.rb.bench);
}

static uint32_t collections(void)
{
    return bench_sent_count(&hb.rb.bench, CFS_MSG_COLLECT, 2);
}

static uint64_t collection_id(void)
{
    return bench_sent(&hb.rb.bench, CFS_MSG_COLLECT, 2)->collect.id;
}

static void report(cfs_node_id node, uint64_t id, uint64_t handle, uint64_t wait)
{
    struct cfs_message message = {
        .type = CFS_MSG_COLLECT_REPLY,
        .from = node,
        .term = hb.rb.raft.term,
        .collect_reply = {.id = id,
                          .session = node == BENCH_SELF ? 0 : hb.sessions[node],
                          .stuck_count = handle ? 1 : 0}};

    if (handle) {
        message.collect_reply.stuck = cfs_alloc_zeroed(1, sizeof(struct cfs_stuck));
        message.collect_reply.stuck[0] = (struct cfs_stuck){.handle = handle, .wait_count = 1};
        message.collect_reply.stuck[0].waits = cfs_alloc_copy(&wait, sizeof wait);
    }
    home_bench_receive(&hb, message);
}

/* All nodes reply to the collection under way: both holders are stuck. */
static void report_deadlock(void)
{
    uint64_t id = collection_id();

    report(2, id, 20, wait_of_2);
    report(3, id, 30, wait_of_3);
    report(BENCH_SELF, id, 0, 0);
}

static void report_nothing(void)
{
    uint64_t id = collection_id();

    for (cfs_node_id node = 1; node <= 3; node++)
        report(node, id, 0, 0);
}

/* The newest entry of the log that refuses somebody; sequence 0: there is none. */
static struct cfs_asker refused(void)
{
    for (uint64_t i = home_bench_log_end(&hb); i > 0; i--) {
        const struct cfs_entry *entry = cfs_log_get(&hb.rb.raft.log, i);
        struct cfs_command command;
        if (entry->kind != CFS_ENTRY_COMMAND)
            continue;
        assert_int_equal(cfs_command_decode(&command, entry->data, entry->len), 0);
        if (command.kind == CFS_CMD_REFUSE)
            return (struct cfs_asker){.session = command.target_session,
                                      .sequence = command.target};
    }
    return (struct cfs_asker){0};
}

static void while_nobody_waits_nobody_is_asked(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 20, CFS_EXCLUSIVE, true));
    for (int i = 0; i < 100; i++)
        home_bench_tick_in_contact(&hb, CFS_MS(30));
    assert_int_equal(collections(), 0);
    assert_int_equal(cfs_home_collect_deadline(&hb.home), CFS_NEVER);
}

static void a_wait_that_is_short_costs_no_collection(void **state)
{
    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 20, CFS_EXCLUSIVE, true));
    home_bench_do(&hb, 3, bench_flock("x", 30, CFS_EXCLUSIVE, true));
    assert_int_equal(cfs_home_deadline(&hb.home), hb.rb.bench.env.now + CFS_MS(8));
    home_bench_tick_in_contact(&hb, CFS_MS(8) - 1);
    assert_int_equal(collections(), 0);
    home_bench_tick_in_contact(&hb, 1);
    assert_int_equal(collections(), 1);
    assert_int_equal(bench_sent_count(&hb.rb.bench, CFS_MSG_COLLECT, 3), 1);
    assert_int_equal(cfs_home_deadline(&hb.home), hb.rb.bench.env.now + CFS_MS(20));
}

static void a_cycle_is_refused_when_two_collections_in_a_row_have_found_it(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock();
    assert_int_equal(refused().sequence, 0);
    assert_int_equal(collections(), 2); /* the second began when the first had ended */
    report_deadlock();
    assert_int_equal(refused().session, hb.sessions[3]);
    assert_int_equal(refused().sequence, wait_of_3);
    home_bench_commit(&hb);
    assert_int_equal(home_bench_error(&hb, CFS_TO_COMMAND, 3, wait_of_3), CFS_ERR_DEADLOCK);
    assert_null(home_bench_said(&hb, CFS_TO_COMMAND, 2, wait_of_2, NULL)); /* goes on waiting */
}

static void a_cycle_that_the_second_collection_does_not_find_is_none(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock();
    report_nothing();
    home_bench_tick_in_contact(&hb, CFS_MS(30));
    report_deadlock(); /* and it has to be found twice again */
    assert_int_equal(refused().sequence, 0);
}

static void a_holder_that_is_not_reported_runs(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    for (int i = 0; i < 2; i++) {
        uint64_t id = collection_id();
        report(2, id, 20, wait_of_2);
        report(3, id, 0, 0);
        report(BENCH_SELF, id, 0, 0);
        home_bench_tick_in_contact(&hb, CFS_MS(30));
    }
    assert_int_equal(refused().sequence, 0);
}

static void a_node_that_does_not_reply_in_time_counts_as_running(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report(2, collection_id(), 20, wait_of_2);
    home_bench_tick_in_contact(&hb, CFS_MS(20) - 1);
    assert_true(hb.home.collection.active);
    home_bench_tick_in_contact(&hb, 1);
    assert_false(hb.home.collection.active);
    assert_int_equal(refused().sequence, 0);
}

static void a_reply_to_an_earlier_collection_does_not_count(void **state)
{
    uint64_t first;

    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    first = collection_id();
    report_deadlock();
    report(2, first, 20, wait_of_2);
    report(3, first, 30, wait_of_3);
    report(BENCH_SELF, first, 0, 0);
    assert_int_equal(refused().sequence, 0);
    assert_true(hb.home.collection.active);
}

static void a_reply_counts_once(void **state)
{
    uint64_t id;

    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    id = collection_id();
    report(2, id, 20, wait_of_2);
    report(2, id, 20, wait_of_2);
    report(2, id, 0, 0);
    assert_true(hb.home.collection.active);
    report(3, id, 30, wait_of_3);
    report(BENCH_SELF, id, 0, 0);
    assert_true(hb.home.collection.suspected);
}

/* Some milliseconds for each look: the process has to be seen stuck, then seen so again. */
static void a_deadlock_is_refused_within_50_ms_of_the_request_that_closed_it(void **state)
{
    cfs_time closed;

    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 20, CFS_EXCLUSIVE, true));
    home_bench_do(&hb, 3, bench_flock("y", 30, CFS_EXCLUSIVE, true));
    wait_of_2 = home_bench_do(&hb, 2, bench_flock("y", 21, CFS_EXCLUSIVE, true));
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_nothing();
    wait_of_3 = home_bench_do(&hb, 3, bench_flock("x", 31, CFS_EXCLUSIVE, true));
    closed = hb.rb.bench.env.now; /* right after a collection: the worst moment */
    while (!refused().sequence && hb.rb.bench.env.now < closed + CFS_SECONDS(1)) {
        cfs_time due = cfs_home_collect_deadline(&hb.home);
        if (hb.home.collection.active) {
            bench_pass(&hb.rb.bench, CFS_MS(2)); /* a slow network */
            report_deadlock();
        } else {
            home_bench_tick_in_contact(&hb, due - hb.rb.bench.env.now);
        }
    }
    assert_true(hb.rb.bench.env.now <= closed + CFS_MS(50));
}

static void while_anybody_waits_the_nodes_are_asked_now_and_then(void **state)
{
    uint32_t asked;

    (void)state;
    lock_each_other_out();
    for (int i = 0; i < 10; i++) {
        home_bench_tick_in_contact(&hb, CFS_MS(30));
        if (hb.home.collection.active)
            report_nothing();
    }
    asked = collections();
    assert_in_range(asked, 2, 4);
    home_bench_tick_in_contact(&hb, CFS_SECONDS(1));
    assert_int_equal(collections(), asked + 1);
}

static void a_wait_that_asks_again_does_not_start_it_all_anew(void **state)
{
    struct cfs_command command;
    uint32_t asked;

    (void)state;
    home_bench_do(&hb, 2, bench_flock("x", 20, CFS_EXCLUSIVE, true));
    command = home_bench_command(&hb, 3, bench_flock("x", 30, CFS_EXCLUSIVE, true));
    home_bench_forward(&hb, &command);
    home_bench_commit(&hb);
    for (int i = 0; i < 10; i++) {
        home_bench_tick_in_contact(&hb, CFS_MS(30));
        if (hb.home.collection.active)
            report_nothing();
    }
    asked = collections();
    for (int i = 0; i < 20; i++) {
        home_bench_forward(&hb, &command);
        home_bench_tick_in_contact(&hb, CFS_MS(30));
        if (hb.home.collection.active)
            report_nothing();
    }
    assert_true(collections() <= asked + 1);
}

static void a_new_leader_looks_at_the_waits_it_has_taken_over(void **state)
{
    (void)state;
    lock_each_other_out();
    cfs_home_stop(&hb.home);
    assert_int_equal(cfs_home_collect_deadline(&hb.home), CFS_NEVER);
    home_bench_contact(&hb);
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock();
    report_deadlock();
    assert_int_equal(refused().sequence, wait_of_3);
}

/* One look of each leadership makes no two in a row. */
static void what_an_earlier_leadership_suspected_is_forgotten(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock();
    assert_true(hb.home.collection.active && hb.home.collection.suspected);
    cfs_home_stop(&hb.home);
    assert_false(hb.home.collection.active);
    home_bench_contact(&hb);
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock();
    assert_int_equal(refused().sequence, 0);
}

static void a_node_that_did_not_reply_once_is_waited_for_only_if_it_is_asked_again(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    home_bench_tick_in_contact(&hb, CFS_MS(20)); /* nobody replied */
    bench_pass(&hb.rb.bench, CFS_MS(510));
    raft_bench_acknowledge(&hb.rb, 2, 1, hb.rb.bench.env.now); /* and node 3 is gone */
    home_bench_tick(&hb, 0);
    assert_true(hb.home.collection.active);
    report(2, collection_id(), 0, 0);
    report(BENCH_SELF, collection_id(), 0, 0);
    assert_false(hb.home.collection.active);
}

/* Two waits of one session; each closes a cycle only in the eyes of one collection. */
static void two_collections_that_find_different_victims_prove_nothing(void **state)
{
    uint64_t id, newer;

    (void)state;
    lock_each_other_out();
    home_bench_do(&hb, 2, bench_flock("z", 22, CFS_EXCLUSIVE, true));
    newer = home_bench_do(&hb, 3, bench_flock("z", 32, CFS_EXCLUSIVE, true));
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock(); /* the victim is the wait for x */
    id = collection_id();
    report(2, id, 22, wait_of_2); /* z cannot be given up, nor y: the victim is the wait for z */
    report(3, id, 30, newer);
    report(BENCH_SELF, id, 0, 0);
    assert_int_equal(refused().sequence, 0);
}

static void after_a_refusal_the_next_cycle_has_to_be_found_twice_again(void **state)
{
    uint64_t entries;

    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_deadlock();
    report_deadlock();
    assert_int_equal(refused().sequence, wait_of_3);
    entries = home_bench_log_end(&hb);
    home_bench_tick_in_contact(&hb, CFS_MS(30)); /* it goes on looking */
    assert_true(hb.home.collection.active);
    report_deadlock(); /* the refusal is not applied yet */
    assert_int_equal(home_bench_log_end(&hb), entries);
}

static void a_stranger_reports_nothing(void **state)
{
    (void)state;
    lock_each_other_out();
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    home_bench_receive(&hb, (struct cfs_message){.type = CFS_MSG_COLLECT_REPLY,
                                                 .from = 9,
                                                 .term = hb.rb.raft.term,
                                                 .collect_reply = {.id = collection_id()}});
    assert_true(hb.home.collection.active);
}

static void clients_over_http_that_wait_for_each_other_are_found_by_their_names(void **state)
{
    struct cfs_request a = bench_flock("x", 0, CFS_EXCLUSIVE, true), b;
    uint64_t newest;

    (void)state;
    a.acquire.kind = CFS_LEASED;
    a.acquire.ttl_ms = 60000;
    b = a;
    strcpy(a.acquire.owner, "anna");
    strcpy(b.acquire.owner, "bert");
    strcpy(b.name, "y");
    home_bench_do(&hb, 2, a);
    home_bench_do(&hb, 2, b);
    strcpy(a.name, "y");
    strcpy(b.name, "x");
    home_bench_do(&hb, 2, a);
    newest = home_bench_do(&hb, 2, b);
    home_bench_tick_in_contact(&hb, CFS_MS(8));
    report_nothing();
    report_nothing();
    assert_int_equal(refused().sequence, newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(while_nobody_waits_nobody_is_asked),
        T(a_wait_that_is_short_costs_no_collection),
        T(a_cycle_is_refused_when_two_collections_in_a_row_have_found_it),
        T(a_cycle_that_the_second_collection_does_not_find_is_none),
        T(a_holder_that_is_not_reported_runs),
        T(a_node_that_does_not_reply_in_time_counts_as_running),
        T(a_reply_to_an_earlier_collection_does_not_count),
        T(a_reply_counts_once),
        T(a_deadlock_is_refused_within_50_ms_of_the_request_that_closed_it),
        T(while_anybody_waits_the_nodes_are_asked_now_and_then),
        T(a_wait_that_asks_again_does_not_start_it_all_anew),
        T(a_new_leader_looks_at_the_waits_it_has_taken_over),
        T(what_an_earlier_leadership_suspected_is_forgotten),
        T(a_node_that_did_not_reply_once_is_waited_for_only_if_it_is_asked_again),
        T(two_collections_that_find_different_victims_prove_nothing),
        T(after_a_refusal_the_next_cycle_has_to_be_found_twice_again),
        T(a_stranger_reports_nothing),
        T(clients_over_http_that_wait_for_each_other_are_found_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
