/* Where groups are, and how nodes come to know it: a cluster of whole nodes that grows and shrinks.
 * Nodes 1 to 3 begin it; nodes 4 and 5 may come. */
#include "core_world.h"

#include <stdio.h>

#include "core/node_core_internal.h"
#include "queue_requests.h"

#define GROUPS 6u
#define N(node) CFS_NODE_BIT(node)

static struct world w;

static int set_up(void **state)
{
    world_open_groups(&w, 5, 3, GROUPS);
    for (cfs_node_id id = 1; id <= 3; id++)
        world_start(&w, id);
    world_settle(&w);
    world_settle_groups(&w);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static struct cfs_request look_at_queue(const char *name)
{
    struct cfs_request request = bench_get(name);

    request.op = CFS_OP_QUEUE_STAT;
    return request;
}

static const struct cfs_channel *channel(cfs_node_id node, cfs_group_id group)
{
    return &w.nodes[node].core->client.channels[group];
}

/* A name whose queue is in that group. */
static const char *name_in(cfs_group_id group)
{
    static char name[32];
    const struct cfs_placement *placement = &w.nodes[1].core->placement;

    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "queue%u", i);
        if (cfs_placement_group_of(placement, name) == group)
            return name;
    }
}

static void join(cfs_node_id node)
{
    cfs_node_id via = world_leader(&w);

    if (!w.nodes[node].core)
        world_start(&w, node);
    assert_int_equal(world_add(&w, via, node, 0), CFS_OK);
    world_settle(&w);
}

static void grow_to_five(void)
{
    join(4);
    join(5);
    world_settle_groups(&w);
}

/* A group of which `node` has a replica, or none; 0: there is no such group. */
static cfs_group_id group_with(cfs_node_id node, bool replica)
{
    for (cfs_group_id group = 1; group <= GROUPS; group++)
        if (replica == ((world_replicas(&w, node, group) & N(node)) != 0))
            return group;
    return 0;
}

/* Beginning. */

static void the_first_members_found_all_groups_then_the_nodes_are_written_down(void **state)
{
    struct cfs_node_info nodes[CFS_NODE_MAX];

    (void)state;
    for (cfs_group_id group = 1; group <= GROUPS; group++)
        assert_int_equal(world_replicas(&w, 1, group), N(1) | N(2) | N(3));
    assert_int_equal(cfs_core_nodes(w.nodes[2].core, nodes), 3);
}

/* Of five first members three have a replica; the leader of group 0 hears of groups that it is no
 * part of by asking. */
static void five_first_members_found_groups_of_three(void **state)
{
    struct world five;
    struct cfs_node_info nodes[CFS_NODE_MAX];

    (void)state;
    world_open_groups(&five, 5, 5, GROUPS);
    world_start_all(&five);
    world_settle(&five);
    world_settle_groups(&five);
    for (cfs_node_id id = 1; id <= 5; id++)
        assert_int_equal(cfs_core_nodes(five.nodes[id].core, nodes), 5);
    world_close(&five);
}

static bool is_of_a_group(const struct cfs_message *message)
{
    return message->group != 0;
}

/* Else those that come would have to wait for ever for a group that nobody can found. */
static void nobody_comes_before_all_groups_are_founded(void **state)
{
    struct world young;
    struct cfs_node_info nodes[CFS_NODE_MAX];

    (void)state;
    world_open_groups(&young, 4, 3, GROUPS);
    world_hold(&young, is_of_a_group);
    for (cfs_node_id id = 1; id <= 4; id++)
        world_start(&young, id);
    world_run(&young, CFS_SECONDS(5));
    assert_int_not_equal(world_leader(&young), 0);
    assert_int_equal(cfs_core_nodes(young.nodes[1].core, nodes), 0);
    assert_int_equal(world_add(&young, world_leader(&young), 4, 0), CFS_ERR_NOT_FOUNDED);
    world_hold(&young, NULL);
    world_drop_held(&young);
    world_settle_groups(&young);
    assert_int_equal(cfs_core_nodes(young.nodes[1].core, nodes), 3);
    world_close(&young);
}

/* Moving. */

static void groups_move_to_where_the_ring_wants_them_as_nodes_come_and_go(void **state)
{
    (void)state;
    grow_to_five();
    assert_int_not_equal(group_with(4, true), 0);
    assert_int_not_equal(group_with(4, false), 0);
    assert_int_equal(world_remove(&w, 4, 1), CFS_OK);
    world_run(&w, CFS_SECONDS(10));
    assert_int_equal(w.nodes[1].removed, 1);
    world_crash(&w, 1);
    world_settle_groups(&w);
}

static void a_node_that_is_removed_ends_when_no_group_needs_it_and_not_before(void **state)
{
    cfs_group_id group;
    uint32_t left = 0;

    (void)state;
    grow_to_five();
    group = group_with(5, true);
    world_crash(&w, 4); /* a group for which it is a newcomer cannot move there */
    assert_int_equal(world_remove(&w, 1, 5), CFS_OK);
    for (int i = 0; i < 500; i++) {
        world_run(&w, CFS_MS(20));
        left += world_replicas(&w, 5, group) != 0;
        if (w.nodes[5].removed)
            assert_false(cfs_core_is_needed(w.nodes[5].core));
    }
    assert_true(left > 0);
    world_start(&w, 4);
    world_run(&w, CFS_SECONDS(10));
    assert_int_equal(w.nodes[5].removed, 1);
    for (group = 1; group <= GROUPS; group++)
        assert_int_equal(world_replicas(&w, 5, group), 0);
    world_crash(&w, 5);
    world_settle_groups(&w);
}

static cfs_node_id unheard; /* nothing reaches this node but what tells it of leaders */

static bool is_log_for_unheard(const struct cfs_message *message)
{
    return message->to == unheard &&
           ((message->type == CFS_MSG_APPEND && message->append.entry_count) ||
            message->type == CFS_MSG_SNAPSHOT);
}

/* It does not hear from group 0 that it has gone, nor of the nodes that came after it: the answer
 * to its session has to do. */
static void a_node_that_was_removed_while_it_was_away_lets_go_of_its_groups(void **state)
{
    (void)state;
    join(4);
    world_settle_groups(&w);
    unheard = 3;
    world_cut(&w, 3);
    assert_int_equal(world_remove(&w, 4, 3), CFS_OK);
    join(5);
    world_run(&w, CFS_SECONDS(15));
    assert_int_equal(w.nodes[3].removed, 0);
    world_hold(&w, is_log_for_unheard);
    world_join(&w, 3);
    world_run(&w, CFS_SECONDS(15));
    assert_int_equal(w.nodes[3].removed, 1);
    assert_false(cfs_core_is_needed(w.nodes[3].core));
    world_hold(&w, NULL);
    world_drop_held(&w);
    world_crash(&w, 3);
    world_settle_groups(&w);
}

/* The first chunk of a snapshot that will not go on. */
static void begin_a_snapshot(cfs_node_id node, cfs_group_id group)
{
    cfs_node_id leader = world_group_leader(&w, group);
    struct cfs_core_view view = world_group_view(&w, leader, group);
    struct cfs_writer bytes = {0};
    struct cfs_message message = {
        .type = CFS_MSG_SNAPSHOT, .group = group, .from = leader, .to = node, .term = view.term};
    struct cfs_group_head head = {.base = {.index = view.applied + 100, .term = view.term},
                                  .members = {.voters = N(1) | N(2) | N(3)}};

    cfs_group_head_encode(&bytes, &head);
    message.snapshot = (struct cfs_msg_snapshot){
        .transfer = 7, .head = bytes.data, .head_len = (uint32_t)bytes.len};
    world_step(&w, node, (struct cfs_event){.type = CFS_EV_MESSAGE, .message = &message});
    cfs_message_clear(&message);
    assert_non_null(w.nodes[node].core->groups[group].install);
}

/* Whoever sent that was let go himself before its end. */
static void a_node_with_half_a_snapshot_lets_go_of_its_group_too(void **state)
{
    cfs_group_id group = 1;

    (void)state;
    join(4);
    world_settle_groups(&w);
    while (!(world_replicas(&w, 3, group) & N(3)) || world_group_leader(&w, group) == 3)
        group++;
    assert_true(group <= GROUPS);
    world_cut(&w, 3);
    begin_a_snapshot(3, group);
    assert_int_equal(world_remove(&w, 4, 3), CFS_OK);
    join(5);
    world_run(&w, CFS_SECONDS(15));
    world_join(&w, 3);
    world_run(&w, CFS_SECONDS(15));
    assert_int_equal(world_replicas(&w, 3, group), 0);
    assert_int_equal(w.nodes[3].removed, 1);
    world_crash(&w, 3);
    world_settle_groups(&w);
}

static void who_was_removed_and_is_added_again_before_it_went_stays(void **state)
{
    (void)state;
    join(4);
    world_settle_groups(&w);
    world_hold(&w, is_of_a_group); /* no group can let it go */
    assert_int_equal(world_remove(&w, world_leader(&w) == 4 ? 1 : world_leader(&w), 4), CFS_OK);
    for (int i = 0; i < 1000 && !w.nodes[4].core->client.removed; i++)
        world_run(&w, CFS_MS(10));
    assert_true(w.nodes[4].core->client.removed);
    assert_int_equal(w.nodes[4].removed, 0);
    assert_int_equal(world_add(&w, world_leader(&w), 4, 0), CFS_OK);
    world_hold(&w, NULL);
    world_release(&w);
    world_settle(&w);
    world_settle_groups(&w);
    assert_int_equal(w.nodes[4].removed, 0);
    assert_int_not_equal(group_with(4, true), 0);
}

static void what_was_let_go_comes_back_and_is_the_same_as_everywhere(void **state)
{
    cfs_group_id group;
    cfs_node_id leader;

    (void)state;
    grow_to_five();
    for (group = 1; group <= GROUPS; group++)
        if (!(world_replicas(&w, 1, group) & N(1)))
            break;
    assert_true(group <= GROUPS); /* node 1 has let it go */
    for (cfs_node_id id = 4; id <= 5; id++) {
        assert_int_equal(world_remove(&w, 1, id), CFS_OK);
        world_run(&w, CFS_SECONDS(10));
        assert_int_equal(w.nodes[id].removed, 1);
        world_crash(&w, id);
    }
    world_settle_groups(&w);
    leader = world_group_leader(&w, group);
    for (cfs_node_id id = 1; id <= 3; id++) {
        assert_int_equal(world_group_view(&w, id, group).applied,
                         world_group_view(&w, leader, group).applied);
        assert_int_equal(cfs_core_digest(w.nodes[id].core, group),
                         cfs_core_digest(w.nodes[leader].core, group));
    }
}

static void a_restart_goes_on_where_the_groups_were(void **state)
{
    (void)state;
    grow_to_five();
    for (cfs_node_id id = 1; id <= 5; id++) {
        world_crash(&w, id);
        world_run(&w, CFS_MS(300));
        world_start(&w, id);
        world_settle(&w);
    }
    world_settle_groups(&w);
}

/* Finding. */

static void who_has_no_replica_hears_who_begins_to_serve(void **state)
{
    cfs_group_id group;
    cfs_node_id leader;

    (void)state;
    grow_to_five();
    group = group_with(5, false);
    leader = world_group_leader(&w, group);
    world_crash(&w, leader);
    world_run(&w, CFS_SECONDS(2));
    assert_int_not_equal(world_group_leader(&w, group), leader);
    assert_int_equal(channel(5, group)->leader, world_group_leader(&w, group));
}

/* Serving begins by itself when the promises to the leader before have run out. */
static void that_is_said_whatever_makes_it_begin(void **state)
{
    struct cfs_core *core;
    cfs_group_id group;
    cfs_node_id leader;

    (void)state;
    grow_to_five();
    group = group_with(5, false);
    leader = world_group_leader(&w, group);
    world_cut(&w, leader); /* it is not known to be gone: its lease has to run out */
    world_run(&w, CFS_SECONDS(3));
    leader = world_group_leader(&w, group);
    core = w.nodes[leader].core;
    assert_int_equal(core->groups[group].announced, core->groups[group].raft.term);
    assert_int_equal(channel(5, group)->leader, leader);
}

static bool is_located_for_unheard(const struct cfs_message *message)
{
    return message->to == unheard && message->type == CFS_MSG_LOCATED;
}

static void who_did_not_hear_asks_when_it_needs_to_know(void **state)
{
    cfs_group_id group;
    cfs_time asked;

    (void)state;
    grow_to_five();
    group = group_with(5, false);
    unheard = 5;
    world_crash(&w, 5);
    world_start(&w, 5);
    world_settle(&w);
    assert_int_equal(channel(5, group)->leader, 0);
    asked = w.now;
    assert_int_not_equal(world_ask(&w, 5, look_at_queue(name_in(group))), CFS_ERR_TIMED_OUT);
    assert_true(w.now < asked + CFS_MS(20));
    assert_int_equal(channel(5, group)->leader, world_group_leader(&w, group));
}

/* The announcement was lost, and the leader it knows is dead, or does not lead any more. */
static void whoever_is_asked_by_mistake_says_who_leads(void **state)
{
    struct cfs_core *core;
    cfs_group_id group;
    cfs_node_id leader, first[CFS_MEMBERS_MAX];
    cfs_time asked;

    (void)state;
    grow_to_five();
    unheard = 5;
    world_hold(&w, is_located_for_unheard);
    group = group_with(5, false);
    leader = world_group_leader(&w, group);
    world_placement(&w, leader, group, first);
    core = w.nodes[5].core;
    core->client.channels[group].leader = first[1]; /* one that follows */
    core->client.channels[group].leader_term = world_group_view(&w, leader, group).term;
    world_hold(&w, NULL);
    asked = w.now;
    assert_int_not_equal(world_ask(&w, 5, look_at_queue(name_in(group))), CFS_ERR_TIMED_OUT);
    assert_true(w.now < asked + CFS_MS(20));
}

static void whose_leader_is_silent_looks_for_another(void **state)
{
    cfs_group_id group;
    cfs_node_id leader;
    cfs_time asked;
    uint64_t id;

    (void)state;
    grow_to_five();
    group = group_with(5, false);
    leader = world_group_leader(&w, group);
    unheard = 5;
    assert_int_not_equal(world_ask(&w, 5, look_at_queue(name_in(group))), CFS_ERR_TIMED_OUT);
    world_hold(&w, is_located_for_unheard);
    world_cut(&w, leader);
    world_run(&w, CFS_SECONDS(3)); /* there is another leader, and that was said in vain */
    assert_int_equal(channel(5, group)->leader, leader);
    world_hold(&w, NULL);
    world_drop_held(&w);
    asked = w.now;
    id = world_request(&w, 5, look_at_queue(name_in(group)));
    assert_int_not_equal(world_wait(&w, 5, id), CFS_ERR_TIMED_OUT);
    assert_true(w.now < asked + CFS_SECONDS(1));
}

/* Letting go. */

static struct cfs_message located(cfs_node_id from, cfs_node_id to, cfs_group_id group, bool member)
{
    struct cfs_core_view view = world_group_view(&w, from, group);

    return (struct cfs_message){
        .type = CFS_MSG_LOCATED,
        .group = group,
        .from = from,
        .to = to,
        .term = view.term,
        .located = {.leader = from, .member = member, .index = view.commit}};
}

static void tell(struct cfs_message message)
{
    world_step(&w, message.to, (struct cfs_event){.type = CFS_EV_MESSAGE, .message = &message});
}

static bool is_letting_go(cfs_node_id node, cfs_group_id group)
{
    return cfs_snapshot_switching(&w.nodes[node].core->groups[group]);
}

static void only_the_leader_itself_lets_a_replica_go(void **state)
{
    cfs_node_id leader = world_group_leader(&w, 1), first[CFS_MEMBERS_MAX];
    struct cfs_message message;

    (void)state;
    world_placement(&w, leader, 1, first);
    message = located(first[1], first[2], 1, false); /* a follower */
    message.located.leader = leader;
    tell(message);
    assert_false(is_letting_go(first[2], 1));
    tell(located(leader, first[2], 1, true));
    assert_false(is_letting_go(first[2], 1));
    message = located(leader, first[2], 1, false);
    message.term--; /* of the past */
    tell(message);
    assert_false(is_letting_go(first[2], 1));
    message = located(leader, first[2], 1, false);
    message.term++; /* as a leader says that node has not heard of */
    tell(message);
    assert_true(is_letting_go(first[2], 1));
}

static void nobody_lets_go_of_group_0(void **state)
{
    cfs_node_id leader = world_leader(&w), follower = leader == 1 ? 2 : 1;
    struct cfs_message message = located(leader, follower, 0, false);

    (void)state;
    message.term++;
    tell(message);
    assert_false(is_letting_go(follower, 0));
}

/* A replica that came in the present leader's term, as that one's group says. */
static cfs_node_id newcomer(cfs_group_id group)
{
    cfs_node_id leader = world_group_leader(&w, group);

    for (cfs_node_id id = 1; id <= w.count; id++) {
        const struct cfs_raft *raft = &w.nodes[id].core->groups[group].raft;
        if (id != leader && world_replicas(&w, id, group) &&
            cfs_log_term_at(&raft->log, raft->members_index) == raft->term)
            return id;
    }
    return 0;
}

/* A group that has one. */
static cfs_group_id grow_to_a_newcomer(cfs_node_id *node)
{
    cfs_group_id group = 1;

    grow_to_five();
    while (group < GROUPS && !newcomer(group))
        group++;
    *node = newcomer(group);
    assert_int_not_equal(*node, 0);
    return group;
}

/* It was let go and has been taken in again by the same leader since; what was said in between
 * arrives late. Others count on what it has acknowledged by now. */
static void what_was_said_before_a_replica_came_back_lets_nobody_go(void **state)
{
    cfs_group_id group;
    cfs_node_id leader, node;
    struct cfs_message late;

    (void)state;
    group = grow_to_a_newcomer(&node);
    leader = world_group_leader(&w, group);
    late = located(leader, node, group, false);
    late.located.index = w.nodes[node].core->groups[group].raft.members_index - 1;
    tell(late);
    assert_false(is_letting_go(node, group));
    late.located.index++;
    tell(late);
    assert_true(is_letting_go(node, group));
}

/* Nor when the log no longer has the entry that took it in. */
static void also_when_that_is_compacted(void **state)
{
    cfs_group_id group;
    cfs_node_id leader, node;
    struct cfs_message late;
    struct cfs_raft *raft;

    (void)state;
    group = grow_to_a_newcomer(&node);
    leader = world_group_leader(&w, group);
    raft = &w.nodes[node].core->groups[group].raft;
    late = located(leader, node, group, false);
    late.located.index = raft->members_index - 1;
    assert_int_equal(world_ask(&w, leader, make_queue(name_in(group))), CFS_OK);
    world_run(&w, CFS_SECONDS(1));
    assert_true(raft->applied > raft->members_index);
    cfs_raft_log_compact(raft, raft->applied);
    tell(late);
    assert_false(is_letting_go(node, group));
}

/* Its replica lags behind. Each time it went back to what that knows its calls would be sent again,
 * and each of them would be answered by who leads. */
static void what_is_known_of_a_later_term_stays_known(void **state)
{
    cfs_node_id leader = world_group_leader(&w, 1), first[CFS_MEMBERS_MAX];
    struct cfs_message message;

    (void)state;
    world_placement(&w, leader, 1, first);
    message = located(leader, first[1], 1, true);
    message.term++;
    tell(message);
    assert_int_equal(channel(first[1], 1)->leader_term, message.term);
    world_run(&w, CFS_MS(10));
    assert_int_equal(channel(first[1], 1)->leader_term, message.term);
    assert_int_equal(world_group_view(&w, first[1], 1).term, message.term - 1);
}

/* That node does not say whether it leads; others may have known it to. */
static void who_does_not_lead_does_not_believe_that_it_does(void **state)
{
    cfs_group_id group;
    cfs_node_id leader;
    struct cfs_message message;

    (void)state;
    grow_to_five();
    group = group_with(5, false);
    leader = world_group_leader(&w, group);
    message = located(leader, 5, group, false);
    message.located.leader = 5;
    message.term++;
    tell(message);
    assert_int_equal(channel(5, group)->leader, leader);
}

/* What is said of groups to or from those who began none. */
static bool is_of_later_nodes(const struct cfs_message *message)
{
    return message->group && (message->from > 2 || message->to > 2);
}

/* Two began the cluster. Then all went to others, and both got new disks, one after the other: of
 * each the rest was sound enough to lose that one. Now nobody can tell them. */
static void a_group_is_not_founded_anew_by_those_who_lost_their_disks(void **state)
{
    struct world two;
    bool moved = false;

    (void)state;
    world_open_groups(&two, 5, 2, CFS_GROUPS);
    for (cfs_node_id id = 1; id <= 5; id++)
        world_start(&two, id);
    world_settle_groups(&two);
    for (cfs_node_id id = 3; id <= 5; id++)
        assert_int_equal(world_add(&two, 1, id, 0), CFS_OK);
    world_settle_groups(&two);
    for (cfs_node_id id = 1; id <= 2; id++) {
        world_crash(&two, id);
        world_replace_disk(&two, id);
        world_hold(&two, is_of_later_nodes);
        world_start(&two, id);
        world_run(&two, CFS_SECONDS(5));
        assert_int_not_equal(world_view(&two, id).session, 0);
        world_hold(&two, NULL);
        world_drop_held(&two);
        world_settle_groups(&two);
    }
    for (cfs_group_id group = 1; group <= CFS_GROUPS; group++) {
        moved |= world_replicas(&two, 3, group) == (N(3) | N(4) | N(5));
        for (cfs_node_id id = 1; id <= 2; id++)
            if (!world_replicas(&two, id, group))
                assert_int_equal(world_group_view(&two, id, group).leaderships, 0);
    }
    assert_true(moved);
    world_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(the_first_members_found_all_groups_then_the_nodes_are_written_down),
        T(five_first_members_found_groups_of_three),
        T(nobody_comes_before_all_groups_are_founded),
        T(groups_move_to_where_the_ring_wants_them_as_nodes_come_and_go),
        T(a_node_that_is_removed_ends_when_no_group_needs_it_and_not_before),
        T(a_node_that_was_removed_while_it_was_away_lets_go_of_its_groups),
        T(a_node_with_half_a_snapshot_lets_go_of_its_group_too),
        T(who_was_removed_and_is_added_again_before_it_went_stays),
        T(what_was_let_go_comes_back_and_is_the_same_as_everywhere),
        T(a_restart_goes_on_where_the_groups_were),
        T(who_has_no_replica_hears_who_begins_to_serve),
        T(that_is_said_whatever_makes_it_begin),
        T(who_did_not_hear_asks_when_it_needs_to_know),
        T(whoever_is_asked_by_mistake_says_who_leads),
        T(whose_leader_is_silent_looks_for_another),
        T(only_the_leader_itself_lets_a_replica_go),
        T(nobody_lets_go_of_group_0),
        T(what_was_said_before_a_replica_came_back_lets_nobody_go),
        T(also_when_that_is_compacted),
        T(what_is_known_of_a_later_term_stays_known),
        T(who_does_not_lead_does_not_believe_that_it_does),
        T(a_group_is_not_founded_anew_by_those_who_lost_their_disks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
