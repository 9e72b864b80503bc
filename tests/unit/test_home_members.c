/* From the nodes that are wanted to the members that are: node 1 leads, looks, and proposes one
 * step after the other. The cluster begins as nodes 1 to 3. */
#include "core_home_bench.h"

#define N(node) CFS_NODE_BIT(node)
#define FIRST (N(1) | N(2) | N(3))

static const struct cfs_node_info addresses[] = {
    {.id = 1, .host = "one", .port = 7001},
    {.id = 2, .host = "two", .port = 7002},
    {.id = 3, .host = "three", .port = 7003},
};

static struct home_bench hb;
static cfs_node_set away;    /* do not answer */
static cfs_node_set lagging; /* answer, and have nothing new */

/* All that was proposed is durable on every member that answers, and applied. */
static void commit(void)
{
    struct cfs_raft *raft = &hb.rb.raft;

    raft_bench_durable(&hb.rb);
    CFS_EACH_NODE (node, cfs_membership_all(&raft->members) & ~away & ~N(1))
        raft_bench_acknowledge(&hb.rb, node,
                               lagging & N(node) ? raft->progress[node].match
                                                 : cfs_log_last_index(&raft->log),
                               hb.rb.bench.env.now);
    home_bench_settle(&hb);
    cfs_raft_flush(raft);
}

/* Time passes, what was proposed is committed, and the leader looks again. Node 2 keeps its
 * session.
 */
static void look(void)
{
    bench_pass(&hb.rb.bench, hb.rb.bench.config.election);
    commit();
    home_bench_keepalive(&hb, 2, hb.sessions[2], 1);
    cfs_home_tick(&hb.home);
    home_bench_settle(&hb);
}

static int set_up(void **state)
{
    home_bench_open(&hb);
    hb.rb.bench.config.addresses = addresses;
    away = lagging = 0;
    look();
    commit();
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static cfs_node_set wanted(void)
{
    return cfs_node_table_all(&hb.machine.nodes);
}

static void assert_members(cfs_node_set voters, cfs_node_set outgoing, cfs_node_set learners)
{
    const struct cfs_membership *members = &hb.rb.raft.members;

    assert_int_equal(members->voters, voters);
    assert_int_equal(members->outgoing, outgoing);
    assert_int_equal(members->learners, learners);
}

static enum cfs_error ask_member(bool removes, cfs_node_id id, cfs_node_id replaces)
{
    const struct cfs_request request = {
        .op = CFS_OP_MEMBER,
        .member = {.remove = removes, .info = {.id = id, .host = "new", .replaces = replaces}}};
    uint64_t sequence = home_bench_ask(&hb, 2, request);

    commit();
    return home_bench_error(&hb, CFS_TO_COMMAND, 2, sequence);
}

static void add(cfs_node_id id, cfs_node_id replaces)
{
    assert_int_equal(ask_member(false, id, replaces), CFS_OK);
}

static void remove_node(cfs_node_id id)
{
    assert_int_equal(ask_member(true, id, 0), CFS_OK);
}

/* Those nodes are not heard any more, and that is known. */
static void go_away(cfs_node_set nodes)
{
    away = nodes;
    bench_pass(&hb.rb.bench, 2 * hb.rb.bench.config.election);
}

/* Looks until nothing changes any more. */
static void come_to_rest(void)
{
    for (int i = 0; i < 12; i++)
        look();
    commit();
}

/* More entries than a learner may be behind. */
static void lengthen_log(void)
{
    for (int i = 0; i < 300; i++)
        cfs_raft_propose(&hb.rb.raft, CFS_ENTRY_NOOP, NULL, 0);
    commit();
}

/* Who is wanted. */

static void the_first_members_are_written_down_once(void **state)
{
    uint64_t end = home_bench_log_end(&hb);

    (void)state;
    assert_int_equal(wanted(), FIRST);
    assert_string_equal(hb.machine.nodes.nodes[3].host, "three");
    assert_int_equal(hb.machine.nodes.nodes[3].port, 7003);
    look();
    look();
    assert_int_equal(home_bench_log_end(&hb), end);
    assert_members(FIRST, 0, 0);
}

static void they_are_written_down_when_all_groups_have_been_heard_of(void **state)
{
    struct home_bench other;

    (void)state;
    home_bench_open(&other);
    other.rb.bench.config.addresses = addresses;
    other.home.awaits_groups = true;
    for (int i = 0; i < 5; i++)
        home_bench_tick_in_contact(&other, CFS_MS(300));
    assert_int_equal(cfs_node_table_all(&other.machine.nodes), 0);
    other.home.awaits_groups = false;
    home_bench_tick_in_contact(&other, CFS_MS(300));
    home_bench_commit(&other);
    assert_int_equal(cfs_node_table_all(&other.machine.nodes), FIRST);
    home_bench_close(&other);
}

static void a_cluster_without_addresses_stays_as_it_is(void **state)
{
    struct home_bench other;
    uint64_t end;

    (void)state;
    home_bench_open(&other);
    end = home_bench_log_end(&other);
    for (int i = 0; i < 5; i++)
        home_bench_tick_in_contact(&other, CFS_MS(300));
    assert_int_equal(home_bench_log_end(&other), end);
    home_bench_close(&other);
}

/* A new node. */

static void a_new_node_learns_then_both_decide_then_it_votes(void **state)
{
    (void)state;
    add(4, 0);
    assert_members(FIRST, 0, 0);
    look();
    assert_members(FIRST, 0, N(4));
    look();
    assert_members(FIRST | N(4), FIRST, 0);
    look();
    assert_members(FIRST | N(4), 0, 0);
    come_to_rest();
    assert_members(FIRST | N(4), 0, 0);
}

static void the_next_step_waits_for_the_last_one(void **state)
{
    (void)state;
    add(4, 0);
    look();
    away = N(2) | N(3);
    look();
    assert_members(FIRST, 0, N(4)); /* that is not committed */
    away = 0;
    look();
    assert_members(FIRST | N(4), FIRST, 0);
    away = N(2) | N(3);
    look();
    assert_members(FIRST | N(4), FIRST, 0);
    assert_true(hb.rb.raft.members_index > hb.rb.raft.commit);
}

static void a_learner_votes_when_it_has_nearly_all_of_the_log(void **state)
{
    (void)state;
    lengthen_log();
    add(4, 0);
    lagging = N(4);
    come_to_rest();
    assert_members(FIRST, 0, N(4));
    lagging = 0;
    come_to_rest();
    assert_members(FIRST | N(4), 0, 0);
}

static void a_learner_that_does_not_answer_does_not_come_to_vote(void **state)
{
    (void)state;
    add(4, 0);
    away = N(4);
    come_to_rest();
    assert_members(FIRST, 0, N(4));
    away = 0;
    look();
    assert_members(FIRST | N(4), FIRST, 0);
}

static void a_learner_that_waits_for_a_snapshot_or_has_forgotten_does_not_come_to_vote(void **state)
{
    struct cfs_progress *progress = &hb.rb.raft.progress[4];

    (void)state;
    add(4, 0);
    look();
    commit();
    progress->snapshot = true;
    cfs_home_tick(&hb.home);
    bench_pass(&hb.rb.bench, CFS_MS(100));
    cfs_home_tick(&hb.home);
    assert_members(FIRST, 0, N(4));
    progress->snapshot = false;
    progress->forgetful = true;
    bench_pass(&hb.rb.bench, CFS_MS(100));
    cfs_home_tick(&hb.home);
    assert_members(FIRST, 0, N(4));
    progress->forgetful = false;
    bench_pass(&hb.rb.bench, CFS_MS(100));
    cfs_home_tick(&hb.home);
    assert_members(FIRST | N(4), FIRST, 0);
}

static void five_vote_and_the_rest_learn(void **state)
{
    cfs_node_set five = FIRST | N(4) | N(5);

    (void)state;
    for (cfs_node_id node = 4; node <= 7; node++)
        add(node, 0);
    come_to_rest();
    assert_members(five, 0, N(6) | N(7));
    remove_node(3);
    come_to_rest(); /* the next one takes the free place */
    assert_members((five & ~N(3)) | N(6), 0, N(7));
    remove_node(7);
    come_to_rest();
    assert_members((five & ~N(3)) | N(6), 0, 0);
}

/* Others go on where the leader before has left it. */
static void a_change_that_is_under_way_is_ended_by_whoever_leads(void **state)
{
    (void)state;
    add(4, 0);
    look();
    look();
    assert_members(FIRST | N(4), FIRST, 0);
    cfs_home_stop(&hb.home);
    cfs_home_start(&hb.home);
    look();
    assert_members(FIRST | N(4), 0, 0);
}

/* Who goes. */

static void a_node_that_is_removed_goes_by_way_of_both_together(void **state)
{
    (void)state;
    remove_node(3);
    look();
    assert_members(N(1) | N(2), FIRST, 0);
    look();
    assert_members(N(1) | N(2), 0, 0);
    assert_int_equal(hb.rb.raft.role, CFS_LEADER);
}

static void a_learner_that_is_removed_goes_at_once(void **state)
{
    (void)state;
    add(4, 0);
    away = N(4);
    look();
    assert_members(FIRST, 0, N(4));
    remove_node(4);
    look();
    assert_members(FIRST, 0, 0);
}

/* Of nodes 1 and 2 alone both would be needed. */
static void a_change_that_would_leave_no_majority_is_not_begun(void **state)
{
    (void)state;
    remove_node(3);
    go_away(N(2));
    for (int i = 0; i < 4; i++)
        look();
    assert_members(FIRST, 0, 0);
    assert_int_equal(hb.rb.raft.role, CFS_LEADER);
    away = 0;
    come_to_rest();
    assert_members(N(1) | N(2), 0, 0);
}

static void a_leader_that_is_to_go_hands_on_before_that(void **state)
{
    (void)state;
    remove_node(1);
    bench_clear(&hb.rb.bench);
    look();
    assert_members(FIRST, 0, 0);
    assert_int_equal(hb.rb.raft.role, CFS_FOLLOWER);
    assert_false(hb.home.serving);
    assert_int_equal(bench_sent_count(&hb.rb.bench, CFS_MSG_TIMEOUT_NOW, 0), 1);
    assert_non_null(bench_sent(&hb.rb.bench, CFS_MSG_TIMEOUT_NOW, 2));
}

static void it_hands_on_to_one_who_is_there(void **state)
{
    (void)state;
    add(4, 0);
    come_to_rest();
    remove_node(1);
    bench_clear(&hb.rb.bench);
    away = N(2);
    for (int i = 0; i < 3 && hb.rb.raft.role == CFS_LEADER; i++) {
        hb.rb.raft.progress[2].probing = true; /* as a heartbeat that was lost leaves it */
        look();
    }
    assert_null(bench_sent(&hb.rb.bench, CFS_MSG_TIMEOUT_NOW, 2));
    assert_non_null(bench_sent(&hb.rb.bench, CFS_MSG_TIMEOUT_NOW, 3));
}

static void a_leader_that_nobody_can_follow_stays_until_somebody_can(void **state)
{
    (void)state;
    remove_node(1);
    bench_pass(&hb.rb.bench, CFS_MS(300));
    home_bench_contact(&hb);
    hb.rb.raft.progress[2].probing = hb.rb.raft.progress[3].probing = true;
    cfs_home_tick(&hb.home);
    assert_int_equal(hb.rb.raft.role, CFS_LEADER);
    assert_members(FIRST, 0, 0);
    look();
    assert_int_equal(hb.rb.raft.role, CFS_FOLLOWER);
}

/* Who is replaced. */

static void a_replaced_node_votes_until_its_heir_does_and_is_dropped_then(void **state)
{
    (void)state;
    lengthen_log();
    add(4, 2);
    lagging = N(4);
    come_to_rest();
    assert_members(FIRST, 0, N(4));
    assert_int_equal(wanted(), FIRST | N(4));
    lagging = 0;
    look();
    assert_members(N(1) | N(3) | N(4), FIRST, 0);
    assert_int_equal(wanted(), FIRST | N(4));
    look();
    assert_members(N(1) | N(3) | N(4), 0, N(2));
    assert_int_equal(wanted(), FIRST | N(4)); /* that is not committed yet */
    look();
    assert_members(N(1) | N(3) | N(4), 0, N(2)); /* and it gets no vote again meanwhile */
    commit();
    assert_int_equal(wanted(), N(1) | N(3) | N(4));
    assert_int_equal(hb.machine.nodes.nodes[4].replaces, 0);
    come_to_rest();
    assert_members(N(1) | N(3) | N(4), 0, 0);
}

static void one_of_five_is_replaced_by_its_heir_and_by_no_other(void **state)
{
    cfs_node_set five = FIRST | N(4) | N(5);

    (void)state;
    add(4, 0);
    add(5, 0);
    add(6, 0);
    come_to_rest();
    assert_members(five, 0, N(6));
    add(7, 3);
    away = N(7);
    come_to_rest();
    assert_members(five, 0, N(6) | N(7));
    away = 0;
    come_to_rest();
    assert_members((five & ~N(3)) | N(7), 0, N(6));
    assert_int_equal(wanted(), (five & ~N(3)) | N(6) | N(7));
}

/* It is down for good, and the cluster may lose no other one until its heir is there: voters stay
 * three, for of four two could not go on alone. */
static void an_heir_does_not_vote_beside_whom_it_replaces(void **state)
{
    (void)state;
    go_away(N(3));
    add(4, 3);
    for (int i = 0; i < 10; i++) {
        cfs_node_set voters = hb.rb.raft.members.voters;
        assert_int_equal(cfs_node_set_count(voters), 3);
        assert_false(voters & N(3) && voters & N(4));
        look();
    }
    assert_members(N(1) | N(2) | N(4), 0, 0);
    assert_int_equal(wanted(), N(1) | N(2) | N(4));
}

static void a_leader_that_is_replaced_hands_on_when_its_heir_is_ready(void **state)
{
    (void)state;
    add(4, 1);
    away = N(4);
    come_to_rest();
    assert_int_equal(hb.rb.raft.role, CFS_LEADER);
    assert_members(FIRST, 0, N(4));
    away = 0;
    look();
    assert_int_equal(hb.rb.raft.role, CFS_FOLLOWER);
    assert_members(FIRST, 0, N(4));
}

/* What a node that was removed is told. */

/* It asks for a session in place of `replaces`; the answer, if there is one. */
static const struct cfs_msg_answer *open_session(cfs_node_id node, uint64_t nonce,
                                                 cfs_session_id replaces, struct cfs_answer *answer)
{
    bench_clear(&hb.rb.bench);
    home_bench_forward(&hb, &(struct cfs_command){.kind = CFS_CMD_OPEN_SESSION,
                                                  .node = node,
                                                  .sequence = nonce,
                                                  .nonce = nonce,
                                                  .target = replaces,
                                                  .session_term = CFS_SECONDS(5),
                                                  .resume = true});
    commit();
    return home_bench_said(&hb, CFS_TO_COMMAND, node, nonce, answer);
}

static void a_node_is_told_that_it_was_removed_when_its_vote_is_not_needed_any_more(void **state)
{
    struct cfs_answer answer;
    uint64_t end;

    (void)state;
    remove_node(3);
    assert_null(open_session(3, 900, hb.sessions[3], &answer));
    look();
    assert_members(N(1) | N(2), FIRST, 0);
    assert_null(open_session(3, 900, hb.sessions[3], &answer));
    look();
    assert_members(N(1) | N(2), 0, 0);
    away = N(2);
    assert_null(open_session(3, 900, hb.sessions[3], &answer)); /* it is not committed */
    away = 0;
    commit();
    end = home_bench_log_end(&hb);
    assert_non_null(open_session(3, 900, hb.sessions[3], &answer));
    assert_int_equal(answer.error, CFS_ERR_REMOVED);
    assert_int_equal(home_bench_log_end(&hb), end);
}

static void
while_nobody_knows_who_belongs_to_the_cluster_nobody_is_told_that_he_does_not(void **state)
{
    struct cfs_answer answer;

    (void)state;
    hb.machine.nodes = (struct cfs_node_table){0};
    assert_non_null(open_session(4, 900, 0, &answer));
    assert_int_equal(answer.error, CFS_OK);
}

static const struct cfs_msg_keepalive_reply *keep_alive(cfs_node_id node)
{
    bench_clear(&hb.rb.bench);
    home_bench_keepalive(&hb, node, hb.sessions[node], 1);
    return &bench_sent(&hb.rb.bench, CFS_MSG_KEEPALIVE_REPLY, node)->keepalive_reply;
}

static void the_session_of_a_removed_node_is_not_renewed_and_ends_by_its_term(void **state)
{
    cfs_time term = hb.rb.bench.config.session;

    (void)state;
    commit();
    assert_true(keep_alive(3)->known);
    remove_node(3);
    assert_false(keep_alive(3)->known);
    assert_true(keep_alive(2)->known);
    for (cfs_time passed = 0; passed + CFS_MS(250) < term; passed += CFS_MS(250)) {
        look();
        keep_alive(2);
        keep_alive(3);
        assert_non_null(cfs_sessions_find(&hb.machine.sessions, hb.sessions[3]));
    }
    for (int i = 0; i < 4; i++)
        look();
    commit();
    assert_null(cfs_sessions_find(&hb.machine.sessions, hb.sessions[3]));
    assert_non_null(cfs_sessions_find(&hb.machine.sessions, hb.sessions[2]));
}

/* It may be a new machine under the old name, while the old one still relies on its session. */
static void who_comes_back_waits_for_the_end_of_the_session_of_before(void **state)
{
    struct cfs_answer answer;
    uint64_t end;

    (void)state;
    remove_node(3);
    come_to_rest();
    add(3, 0);
    end = home_bench_log_end(&hb);
    assert_null(open_session(3, 900, hb.sessions[3], &answer));
    assert_null(open_session(3, 900, 0, &answer));
    assert_int_equal(home_bench_log_end(&hb), end);
    for (int i = 0; i < 24; i++) {
        look();
        keep_alive(2);
    }
    assert_null(cfs_sessions_find(&hb.machine.sessions, hb.sessions[3]));
    assert_non_null(open_session(3, 900, 0, &answer));
    assert_int_equal(answer.error, CFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(the_first_members_are_written_down_once),
        T(they_are_written_down_when_all_groups_have_been_heard_of),
        T(a_cluster_without_addresses_stays_as_it_is),
        T(a_new_node_learns_then_both_decide_then_it_votes),
        T(the_next_step_waits_for_the_last_one),
        T(a_learner_votes_when_it_has_nearly_all_of_the_log),
        T(a_learner_that_does_not_answer_does_not_come_to_vote),
        T(a_learner_that_waits_for_a_snapshot_or_has_forgotten_does_not_come_to_vote),
        T(five_vote_and_the_rest_learn),
        T(a_change_that_is_under_way_is_ended_by_whoever_leads),
        T(a_node_that_is_removed_goes_by_way_of_both_together),
        T(a_learner_that_is_removed_goes_at_once),
        T(a_change_that_would_leave_no_majority_is_not_begun),
        T(a_leader_that_is_to_go_hands_on_before_that),
        T(it_hands_on_to_one_who_is_there),
        T(a_leader_that_nobody_can_follow_stays_until_somebody_can),
        T(a_replaced_node_votes_until_its_heir_does_and_is_dropped_then),
        T(one_of_five_is_replaced_by_its_heir_and_by_no_other),
        T(an_heir_does_not_vote_beside_whom_it_replaces),
        T(a_leader_that_is_replaced_hands_on_when_its_heir_is_ready),
        T(a_node_is_told_that_it_was_removed_when_its_vote_is_not_needed_any_more),
        T(while_nobody_knows_who_belongs_to_the_cluster_nobody_is_told_that_he_does_not),
        T(the_session_of_a_removed_node_is_not_renewed_and_ends_by_its_term),
        T(who_comes_back_waits_for_the_end_of_the_session_of_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
