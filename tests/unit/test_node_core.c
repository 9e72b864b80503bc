/* Whole nodes: the parts together, in a cluster of three on virtual time. */
#include "core_world.h"

static struct world w;
static cfs_node_id leader, follower, other;

static int set_up(void **state)
{
    world_open(&w, 3);
    world_start_all(&w);
    leader = world_settle(&w);
    follower = world_follower(&w, leader);
    other = world_follower(&w, follower);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static struct cfs_request flock(const char *name, uint64_t handle)
{
    return bench_flock(name, handle, CFS_EXCLUSIVE, true);
}

static struct cfs_request try(const char *name, uint64_t handle)
{
    return bench_flock(name, handle, CFS_EXCLUSIVE, false);
}

static struct cfs_request removal(const char *name)
{
    struct cfs_request request = bench_get(name);

    request.op = CFS_OP_REMOVE;
    request.remove = (struct cfs_remove){.form = CFS_FORM_FILE};
    return request;
}

/* Every running node has applied the same, once things have calmed down. */
static void assert_replicas_agree(void)
{
    world_run(&w, CFS_MS(500));
    for (cfs_node_id id = 1; id <= w.count; id++)
        if (w.nodes[id].core)
            assert_int_equal(cfs_core_digest(w.nodes[id].core, 0),
                             cfs_core_digest(w.nodes[world_leader(&w)].core, 0));
}

static void a_cluster_serves_within_a_second_or_two_of_its_start(void **state)
{
    (void)state;
    assert_true(w.now < CFS_SECONDS(1002));
    for (cfs_node_id id = 1; id <= 3; id++) {
        assert_int_equal(w.nodes[id].session.opened, 1);
        assert_int_equal(w.nodes[id].session.lost, 0);
    }
}

static void a_lock_excludes_and_passes_on_in_order_across_nodes(void **state)
{
    uint64_t second, third;

    (void)state;
    assert_int_equal(world_ask(&w, leader, flock("x", 1)), CFS_OK);
    second = world_request(&w, follower, flock("x", 1));
    world_run(&w, CFS_MS(20));
    third = world_request(&w, other, flock("x", 1));
    world_run(&w, CFS_SECONDS(20));
    assert_null(world_answer(&w, follower, second));
    world_ask(&w, leader, bench_unflock("x", 1));
    assert_int_equal(world_wait(&w, follower, second), CFS_OK);
    assert_null(world_answer(&w, other, third));
    world_ask(&w, follower, bench_unflock("x", 1));
    assert_int_equal(world_wait(&w, other, third), CFS_OK);
    assert_true(world_answer(&w, other, third)->answer.token >
                world_answer(&w, follower, second)->answer.token);
    assert_replicas_agree();
}

static void what_one_node_was_answered_all_others_see(void **state)
{
    (void)state;
    assert_int_equal(world_ask(&w, follower, bench_lockfile("x")), CFS_OK);
    assert_int_equal(world_ask(&w, other, bench_get("x")), CFS_OK);
    assert_int_equal(world_ask(&w, leader, bench_lockfile("x")), CFS_ERR_EXISTS);
    assert_int_equal(world_ask(&w, other, removal("x")), CFS_OK);
    assert_int_equal(world_ask(&w, follower, bench_get("x")), CFS_ERR_NOT_HELD);
    assert_int_equal(world_ask(&w, leader, bench_lockfile("x")), CFS_OK);
}

static void an_interrupted_call_ends_at_once_even_without_a_leader(void **state)
{
    uint64_t wait, fresh;
    cfs_time asked;

    (void)state;
    world_ask(&w, leader, flock("x", 1));
    wait = world_request(&w, follower, flock("x", 2));
    world_run(&w, CFS_MS(100));
    world_cut(&w, follower);
    world_run(&w, CFS_SECONDS(1));
    fresh = world_request(&w, follower, flock("y", 3));
    asked = w.now;
    world_cancel(&w, follower, wait);
    world_cancel(&w, follower, fresh);
    assert_int_equal(world_wait(&w, follower, wait), CFS_ERR_INTERRUPTED);
    assert_int_equal(world_wait(&w, follower, fresh), CFS_ERR_INTERRUPTED);
    assert_true(w.now - asked <= CFS_MS(60));
    world_join(&w, follower);
    world_run(&w, CFS_SECONDS(1));
    assert_int_equal(world_view(&w, leader).waiting, 0);
}

static void messages_that_arrive_twice_change_nothing(void **state)
{
    (void)state;
    w.twice = true;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(world_ask(&w, follower, bench_lockfile("x")), CFS_OK);
        assert_int_equal(world_ask(&w, other, bench_lockfile("x")), CFS_ERR_EXISTS);
        assert_int_equal(world_ask(&w, other, removal("x")), CFS_OK);
        assert_int_equal(world_ask(&w, other, flock("y", 1)), CFS_OK);
        assert_int_equal(world_ask(&w, other, bench_unflock("y", 1)), CFS_OK);
    }
    world_run(&w, CFS_SECONDS(1));
    assert_int_equal(world_view(&w, leader).held, 0);
    assert_replicas_agree();
}

/* close(2) has returned on the other node, but its daemon has not read the release yet. */
static void a_lock_is_free_for_others_as_soon_as_close_has_returned(void **state)
{
    uint64_t id, read;

    (void)state;
    world_ask(&w, other, flock("x", 1));
    w.nodes[other].files_busy = true;
    id = world_request(&w, follower, try("x", 1));
    read = world_request(&w, follower, bench_get("y"));
    assert_int_equal(world_wait(&w, follower, read), CFS_ERR_NOT_HELD); /* others do not wait */
    assert_null(world_answer(&w, follower, id));
    world_ask(&w, other, bench_unflock("x", 1));
    world_drained(&w, other);
    assert_int_equal(world_wait(&w, follower, id), CFS_OK);
}

static void a_held_lock_is_refused_when_its_node_has_nothing_queued(void **state)
{
    cfs_time asked;

    (void)state;
    world_ask(&w, other, flock("x", 1));
    asked = w.now;
    assert_int_equal(world_ask(&w, follower, try("x", 1)), CFS_ERR_WOULD_BLOCK);
    assert_true(w.now - asked <= CFS_MS(10));
    assert_int_equal(w.nodes[other].drains, 1);
}

static void stuck(cfs_node_id node, uint64_t handle, uint64_t *wait)
{
    w.nodes[node].stuck[0] =
        (struct cfs_event_stuck){.handle = handle, .waits = wait, .wait_count = 1};
    w.nodes[node].stuck_count = 1;
}

static void two_nodes_that_wait_for_each_other_are_told_apart_in_time(void **state)
{
    struct cfs_event_stuck reports[2];
    uint64_t waits[2];
    cfs_time closed;

    (void)state;
    w.nodes[follower].stuck = &reports[0];
    w.nodes[other].stuck = &reports[1];
    world_ask(&w, follower, flock("x", 1));
    world_ask(&w, other, flock("y", 1));
    waits[0] = world_request(&w, follower, flock("y", 2));
    stuck(follower, 1, &waits[0]);
    world_run(&w, CFS_MS(200));
    waits[1] = world_request(&w, other, flock("x", 2));
    stuck(other, 1, &waits[1]);
    closed = w.now;
    assert_int_equal(world_wait(&w, other, waits[1]), CFS_ERR_DEADLOCK);
    assert_true(w.now - closed <= CFS_MS(50));
    w.nodes[other].stuck_count = 0;
    world_run(&w, CFS_SECONDS(5));
    assert_null(world_answer(&w, follower, waits[0]));
}

static void a_holder_that_runs_is_no_deadlock(void **state)
{
    struct cfs_event_stuck report;
    uint64_t wait;

    (void)state;
    w.nodes[follower].stuck = &report;
    world_ask(&w, follower, flock("x", 1));
    world_ask(&w, other, flock("y", 1));
    wait = world_request(&w, follower, flock("y", 2));
    stuck(follower, 1, &wait);
    world_request(&w, other, flock("x", 2)); /* its process has another thread */
    world_run(&w, CFS_SECONDS(5));
    assert_null(world_answer(&w, follower, wait));
}

/* The receiver takes no more than so many waits, and else would refuse all that came with them. */
static void what_is_too_much_for_a_report_counts_as_running(void **state)
{
    static uint64_t waits[CFS_REQUESTS_MAX];
    struct cfs_event_stuck reports[] = {
        {.handle = 1, .waits = waits, .wait_count = CFS_REQUESTS_MAX - 1},
        {.handle = 2, .waits = waits, .wait_count = 2},
        {.handle = 3, .waits = waits, .wait_count = 1},
    };
    struct cfs_effects effects = {0};
    const struct cfs_msg_collect_reply *reply;
    struct cfs_event event = {.type = CFS_EV_STUCK, .stuck = reports, .stuck_count = 3};
    struct cfs_message collect = {.type = CFS_MSG_COLLECT, .from = leader, .to = follower};

    (void)state;
    w.nodes[follower].files_busy = true; /* its answer is given here */
    world_ask(&w, other, flock("x", 1));
    waits[0] = world_request(&w, follower, flock("x", 2));
    for (uint32_t i = 1; i < CFS_REQUESTS_MAX; i++)
        waits[i] = waits[0];
    world_run(&w, CFS_MS(100));
    event.now = w.now;
    cfs_core_step(w.nodes[follower].core,
                  &(struct cfs_event){.type = CFS_EV_MESSAGE, .now = w.now, .message = &collect},
                  &effects);
    event.id = effects.items[effects.count - 1].id;
    cfs_effects_clear(&effects);
    cfs_core_step(w.nodes[follower].core, &event, &effects);
    assert_int_equal(effects.items[0].message.type, CFS_MSG_COLLECT_REPLY);
    reply = &effects.items[0].message.collect_reply;
    assert_int_equal(reply->stuck_count, 2);
    assert_int_equal(reply->stuck[0].handle, 1);
    assert_int_equal(reply->stuck[1].handle, 3);
    cfs_effects_close(&effects);
}

/* Waiting costs a resend now and then, not a look at all processes of the cluster each time. */
static void a_long_wait_costs_a_collection_a_second(void **state)
{
    uint32_t before;

    (void)state;
    world_ask(&w, follower, flock("x", 1));
    for (uint64_t i = 0; i < 50; i++) {
        world_request(&w, other, flock("x", 10 + i));
        world_run(&w, CFS_MS(37));
    }
    world_run(&w, CFS_SECONDS(5));
    before = w.nodes[other].collections;
    world_run(&w, CFS_SECONDS(20));
    assert_true(w.nodes[other].collections - before <= 25);
}

static void a_clean_leave_gives_everything_back_at_once(void **state)
{
    (void)state;
    world_ask(&w, follower, bench_lockfile("x"));
    world_step(&w, follower, (struct cfs_event){.type = CFS_EV_LEAVE});
    world_run(&w, CFS_MS(50));
    assert_int_equal(w.nodes[follower].session.closed, 1);
    assert_int_equal(w.nodes[follower].session.lost, 0);
    assert_false(world_held(&w, leader, "x"));
    world_run(&w, CFS_SECONDS(10));
    assert_int_equal(w.nodes[follower].session.opened, 1);
}

static void files_that_never_finish_a_drain_do_not_fill_the_memory(void **state)
{
    struct cfs_message drain = {.type = CFS_MSG_DRAIN, .from = leader, .to = follower};

    (void)state;
    w.nodes[follower].files_busy = true;
    for (uint64_t i = 1; i <= 100000; i++) {
        struct cfs_message copy = drain;
        copy.drain.id = i;
        world_step(&w, follower, (struct cfs_event){.type = CFS_EV_MESSAGE, .message = &copy});
    }
    world_drained(&w, follower); /* what is still known is replied to, the rest is harmless */
    assert_true(w.event_count < 10000);
}

static void a_node_alone_is_a_cluster(void **state)
{
    struct world one;

    (void)state;
    world_open(&one, 1);
    world_start_all(&one);
    world_settle(&one);
    assert_int_equal(world_ask(&one, 1, bench_lockfile("x")), CFS_OK);
    assert_int_equal(world_ask(&one, 1, bench_lockfile("x")), CFS_ERR_EXISTS);
    world_crash(&one, 1);
    world_start(&one, 1);
    world_settle(&one);
    assert_true(world_held(&one, 1, "x"));
    assert_int_equal(world_ask(&one, 1, removal("x")), CFS_OK);
    world_run(&one, CFS_SECONDS(30));
    assert_int_equal(one.nodes[1].session.lost, 0);
    world_close(&one);
}

static void the_core_wakes_up_for_whatever_is_due_first(void **state)
{
    struct cfs_request lease = bench_flock("x", 0, CFS_EXCLUSIVE, false);
    cfs_time taken;

    (void)state;
    lease.acquire.kind = CFS_LEASED;
    lease.acquire.ttl_ms = 205; /* between two heartbeats */
    world_ask(&w, leader, lease);
    taken = w.now;
    while (world_held(&w, leader, "x"))
        world_run(&w, CFS_MS(1));
    assert_in_range(w.now - taken, CFS_MS(200), CFS_MS(210));
}

static void what_the_transport_reports_reaches_those_it_concerns(void **state)
{
    uint64_t wait;

    (void)state;
    world_ask(&w, other, flock("x", 1));
    wait = world_request(&w, follower, flock("x", 1));
    world_run(&w, CFS_MS(50));
    world_cut(&w, follower);
    world_ask(&w, other, bench_unflock("x", 1)); /* the grant is lost */
    world_run(&w, CFS_MS(50));
    world_join(&w, follower);
    world_step(&w, follower, (struct cfs_event){.type = CFS_EV_UNREACHABLE, .peer = leader});
    world_run(&w, CFS_MS(300));
    assert_non_null(world_answer(&w, follower, wait)); /* asked again soon, not after seconds */
}

static void a_view_tells_what_the_node_knows(void **state)
{
    struct cfs_member_view members[CFS_NODE_MAX], others[CFS_NODE_MAX];
    struct cfs_core_view view;

    (void)state;
    world_run(&w, CFS_MS(10)); /* both followers have all */
    view = world_view(&w, leader);
    assert_int_equal(cfs_core_members(w.nodes[leader].core, 0, members), 3);
    assert_int_equal(cfs_core_members(w.nodes[follower].core, 0, others), 3);
    assert_string_equal(view.role, "leader");
    assert_int_equal(view.leader, leader);
    assert_true(view.serving);
    assert_int_equal(view.session_count, 3);
    assert_int_equal(view.member_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(members[i].node, i + 1);
        assert_string_equal(members[i].role, "voter");
        assert_int_not_equal(members[i].session, 0);
        assert_true(members[i].heard + CFS_MS(70) > w.now);
        assert_int_equal(members[i].match, view.last_index);
        assert_int_equal(others[i].match, 0);
    }
    assert_true(view.leader_since > 0 && view.leader_since < w.now);
    assert_true(view.elections >= 1);
    assert_int_equal(view.leaderships, 1);
    assert_int_equal(cfs_core_entry(w.nodes[leader].core, 0, 1)->index, 1);
    assert_null(cfs_core_entry(w.nodes[leader].core, 0, view.last_index + 1));
}

static void a_follower_knows_of_the_leader_and_of_nobody_else(void **state)
{
    struct cfs_core_view view = world_view(&w, follower);
    struct cfs_member_view members[CFS_NODE_MAX];

    (void)state;
    assert_int_equal(cfs_core_members(w.nodes[follower].core, 0, members), 3);
    assert_string_equal(view.role, "follower");
    assert_int_equal(view.leader_since, 0);
    assert_int_equal(view.leaderships, 0);
    for (uint32_t i = 0; i < 3; i++)
        if (members[i].node == leader)
            assert_true(members[i].heard + CFS_MS(70) > w.now);
        else
            assert_int_equal(members[i].heard, 0);
}

static void the_commit_index_is_told_with_who_leads(void **state)
{
    bool leads;

    (void)state;
    assert_true(cfs_core_commit(w.nodes[leader].core, &leads) == world_view(&w, leader).commit);
    assert_true(leads);
    assert_true(cfs_core_commit(w.nodes[follower].core, &leads) > 0);
    assert_false(leads);
}

/* What was restored is durable, and what is ordered next is numbered behind it. */
static void a_restored_core_waits_for_nothing_it_was_given(void **state)
{
    struct cfs_core_config config = w.nodes[leader].config;
    struct cfs_core *core = cfs_core_new(&config);
    struct cfs_record record = {.type = CFS_RECORD_HARD_STATE, .term = 5, .vote = other};
    struct cfs_message message = {.type = CFS_MSG_VOTE, .from = other, .to = leader, .term = 5};
    struct cfs_event event = {.type = CFS_EV_MESSAGE, .now = w.now, .message = &message};
    struct cfs_effects effects = {0};

    (void)state;
    cfs_core_restore(core, &(struct cfs_record){.type = CFS_RECORD_HARD_STATE, .term = 4});
    cfs_core_restore(core, &record);
    cfs_core_step(core, &event, &effects);
    assert_int_equal(effects.count, 1);
    assert_int_equal(effects.items[0].type, CFS_FX_SEND);
    assert_true(effects.items[0].message.vote_reply.granted);
    cfs_effects_clear(&effects);
    message = (struct cfs_message){.type = CFS_MSG_VOTE, .from = other, .to = leader, .term = 6};
    cfs_core_step(core, &event, &effects);
    assert_true(effects.count > 0);
    for (size_t i = 0; i < effects.count; i++) {
        assert_int_equal(effects.items[i].type, CFS_FX_PERSIST); /* the vote waits for them */
        assert_int_equal(effects.items[i].lsn, 3 + i);
    }
    cfs_effects_close(&effects);
    cfs_core_free(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_cluster_serves_within_a_second_or_two_of_its_start),
        T(a_lock_excludes_and_passes_on_in_order_across_nodes),
        T(what_one_node_was_answered_all_others_see),
        T(an_interrupted_call_ends_at_once_even_without_a_leader),
        T(messages_that_arrive_twice_change_nothing),
        T(a_lock_is_free_for_others_as_soon_as_close_has_returned),
        T(a_held_lock_is_refused_when_its_node_has_nothing_queued),
        T(two_nodes_that_wait_for_each_other_are_told_apart_in_time),
        T(a_holder_that_runs_is_no_deadlock),
        T(what_is_too_much_for_a_report_counts_as_running),
        T(a_long_wait_costs_a_collection_a_second),
        T(a_clean_leave_gives_everything_back_at_once),
        T(files_that_never_finish_a_drain_do_not_fill_the_memory),
        T(a_node_alone_is_a_cluster),
        T(the_core_wakes_up_for_whatever_is_due_first),
        T(what_the_transport_reports_reaches_those_it_concerns),
        T(a_view_tells_what_the_node_knows),
        T(a_follower_knows_of_the_leader_and_of_nobody_else),
        T(the_commit_index_is_told_with_who_leads),
        T(a_restored_core_waits_for_nothing_it_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
