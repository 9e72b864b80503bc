/* Full disks: the leader takes nothing new when a majority has no room, takes what frees some, and
 * hands on when it is its own disk. Node 1 leads. */
#include "core_home_bench.h"

static struct home_bench hb;

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

/* It acknowledges all there is, and says whether its disk is full. */
static void says(cfs_node_id node, bool full)
{
    raft_bench_durable(&hb.rb);
    cfs_raft_flush(&hb.rb.raft);
    raft_bench_receive(
        &hb.rb, (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                     .from = node,
                                     .term = hb.rb.raft.term,
                                     .append_reply = {.success = true,
                                                      .match = home_bench_log_end(&hb),
                                                      .sent = hb.rb.bench.env.now,
                                                      .sound = true,
                                                      .full = full}});
    home_bench_settle(&hb);
}

static enum cfs_error asks(struct cfs_request request)
{
    uint64_t sequence = home_bench_ask(&hb, 2, request);

    says(2, hb.rb.raft.progress[2].full);
    says(3, hb.rb.raft.progress[3].full);
    return home_bench_error(&hb, CFS_TO_COMMAND, 2, sequence);
}

static struct cfs_request flock(const char *name)
{
    return bench_flock(name, 7, CFS_EXCLUSIVE, true);
}

static void one_full_disk_keeps_nobody_from_anything(void **state)
{
    (void)state;
    says(3, true);
    assert_int_equal(asks(flock("x")), CFS_OK);
}

static void when_a_majority_is_full_what_adds_is_refused_and_not_logged(void **state)
{
    uint64_t end;

    (void)state;
    assert_int_equal(asks(flock("before")), CFS_OK);
    says(2, true);
    says(3, true);
    end = home_bench_log_end(&hb);
    assert_int_equal(asks(flock("x")), CFS_ERR_NO_SPACE);
    assert_int_equal(asks(bench_lockfile("y")), CFS_ERR_NO_SPACE);
    assert_int_equal(home_bench_log_end(&hb), end);
    assert_int_equal(asks(bench_unflock("before", 7)), CFS_OK);
}

/* What is left on the disk of node 2 would be used up by what adds. */
static void when_a_commit_needs_a_full_disk_what_adds_is_refused(void **state)
{
    uint64_t sequence;

    (void)state;
    bench_pass(&hb.rb.bench, 3 * hb.rb.bench.config.election); /* node 3 is silent */
    says(2, true);
    sequence = home_bench_ask(&hb, 2, flock("x"));
    assert_int_equal(home_bench_error(&hb, CFS_TO_COMMAND, 2, sequence), CFS_ERR_NO_SPACE);
}

static void it_takes_new_ones_as_soon_as_there_is_room(void **state)
{
    (void)state;
    says(2, true);
    says(3, true);
    assert_int_equal(asks(flock("x")), CFS_ERR_NO_SPACE);
    says(2, false);
    assert_int_equal(asks(flock("x")), CFS_OK);
}

static void a_leader_with_a_full_disk_hands_on_to_one_that_has_room(void **state)
{
    (void)state;
    bench_pass(&hb.rb.bench, hb.rb.bench.config.election); /* it does not look all the time */
    says(2, true);
    says(3, false);
    hb.rb.bench.env.disk_full = true;
    bench_clear(&hb.rb.bench);
    cfs_home_tick(&hb.home);
    assert_null(bench_sent(&hb.rb.bench, CFS_MSG_TIMEOUT_NOW, 2));
    assert_non_null(bench_sent(&hb.rb.bench, CFS_MSG_TIMEOUT_NOW, 3));
    assert_int_equal(hb.rb.raft.role, CFS_FOLLOWER);
}

static void when_all_are_full_leadership_stays_where_it_is(void **state)
{
    (void)state;
    says(2, true);
    says(3, true);
    bench_pass(&hb.rb.bench, hb.rb.bench.config.election);
    hb.rb.bench.env.disk_full = true;
    cfs_home_tick(&hb.home);
    assert_int_equal(hb.rb.raft.role, CFS_LEADER);
}

static void a_follower_says_that_its_disk_is_full(void **state)
{
    struct raft_bench rb;
    const struct cfs_message *reply;

    (void)state;
    raft_bench_open(&rb, 3);
    rb.bench.env.disk_full = true;
    raft_bench_receive(&rb, raft_entries(2, 1, 0, 0, 0, 1));
    reply = bench_sent(&rb.bench, CFS_MSG_APPEND_REPLY, 2);
    assert_true(reply->append_reply.full);
    raft_bench_close(&rb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(one_full_disk_keeps_nobody_from_anything),
        T(when_a_majority_is_full_what_adds_is_refused_and_not_logged),
        T(when_a_commit_needs_a_full_disk_what_adds_is_refused),
        T(it_takes_new_ones_as_soon_as_there_is_room),
        T(a_leader_with_a_full_disk_hands_on_to_one_that_has_room),
        T(when_all_are_full_leadership_stays_where_it_is),
        T(a_follower_says_that_its_disk_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
