/* Queues through whole nodes: a cluster of three on virtual time. */
#include "core_world.h"
#include "queue_requests.h"

static struct world w;
static cfs_node_id leader, follower, other;

static int set_up(void **state)
{
    world_open(&w, 3);
    world_start_all(&w);
    leader = world_settle(&w);
    follower = world_follower(&w, leader);
    other = world_follower(&w, follower);
    assert_int_equal(world_ask(&w, follower, make_queue("q")), CFS_OK);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static void put(cfs_node_id node, const char *body)
{
    assert_int_equal(world_ask(&w, node, produce_to("q", body, true)), CFS_OK);
}

/* What the request was handed: one message. */
static const struct world_message *handed(cfs_node_id node, uint64_t id)
{
    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    assert_int_equal(world_answer(&w, node, id)->answer.message_count, 1);
    return &world_answer(&w, node, id)->message;
}

static const struct world_message *take(cfs_node_id node)
{
    return handed(node, world_request(&w, node, consume_from("q", true)));
}

static enum cfs_error settle(cfs_node_id node, enum cfs_op op, cfs_claim_id claim)
{
    return world_ask(&w, node, settle_claim(op, "q", &claim));
}

static struct cfs_queue_info look(cfs_node_id node)
{
    uint64_t id = world_request(&w, node, of_queue(CFS_OP_QUEUE_STAT, "q"));

    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    return world_answer(&w, node, id)->answer.queue;
}

static void assert_replicas_agree(void)
{
    world_run(&w, CFS_MS(500));
    for (cfs_node_id id = 1; id <= w.count; id++)
        if (w.nodes[id].core)
            assert_int_equal(cfs_core_digest(w.nodes[id].core, 0),
                             cfs_core_digest(w.nodes[world_leader(&w)].core, 0));
}

static void messages_go_from_any_node_to_any_node(void **state)
{
    const struct world_message *message;

    (void)state;
    put(follower, "first");
    put(other, "second");
    put(leader, "third");
    message = take(other);
    assert_string_equal(message->body, "first");
    assert_int_equal(settle(other, CFS_OP_ACK, message->claim), CFS_OK);
    assert_string_equal(take(leader)->body, "second");
    message = take(follower);
    assert_string_equal(message->body, "third");
    assert_int_equal(settle(leader, CFS_OP_GIVE_BACK, message->claim), CFS_OK);
    assert_string_equal(take(other)->body, "third");
    assert_int_equal(look(other).inflight, 2);
    assert_replicas_agree();
}

static void consumers_on_all_nodes_are_served_in_their_order(void **state)
{
    cfs_node_id nodes[] = {other, leader, follower};
    uint64_t ids[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        ids[i] = world_request(&w, nodes[i], consume_from("q", true));
        world_run(&w, CFS_MS(20));
    }
    world_run(&w, CFS_SECONDS(20));
    for (int i = 0; i < 3; i++) {
        char body[2] = {(char)('a' + i), 0};
        assert_null(world_answer(&w, nodes[i], ids[i]));
        put(follower, body);
        assert_string_equal(handed(nodes[i], ids[i])->body, body);
    }
}

static void a_leader_that_is_gone_takes_no_message_along(void **state)
{
    const struct world_message *message;
    uint64_t waiting;

    (void)state;
    put(follower, "a");
    put(follower, "b");
    message = take(follower);
    world_crash(&w, leader);
    waiting = world_request(&w, other, consume_from("q", true));
    assert_string_equal(handed(other, waiting)->body, "b");
    assert_int_equal(settle(follower, CFS_OP_ACK, message->claim), CFS_OK);
    waiting = world_request(&w, follower, consume_from("q", true));
    world_run(&w, CFS_SECONDS(1));
    assert_null(world_answer(&w, follower, waiting));
    put(other, "c");
    assert_string_equal(handed(follower, waiting)->body, "c");
    assert_replicas_agree();
}

static void a_node_that_is_gone_gives_back_what_it_had(void **state)
{
    (void)state;
    put(follower, "a");
    put(follower, "b");
    take(other);
    world_crash(&w, other);
    world_run(&w, CFS_SECONDS(6));
    assert_string_equal(take(follower)->body, "a");
    assert_string_equal(take(follower)->body, "b");
}

/* Its claims are its own again, but for those of its files, which are gone. */
static void a_daemon_that_starts_again_keeps_its_claims(void **state)
{
    struct cfs_request bound = consume_from("q", true);
    cfs_claim_id kept;

    (void)state;
    bound.consume.bound = true;
    put(follower, "a");
    put(follower, "b");
    kept = take(other)->claim;
    handed(other, world_request(&w, other, bound));
    world_crash(&w, other);
    world_start(&w, other);
    world_settle(&w);
    assert_int_equal(look(other).inflight, 1);
    assert_int_equal(look(other).ready, 1);
    assert_int_equal(settle(other, CFS_OP_ACK, kept), CFS_OK);
    assert_replicas_agree();
}

static void a_claim_that_is_not_extended_passes(void **state)
{
    cfs_claim_id claim;

    (void)state;
    put(follower, "a");
    claim = take(other)->claim;
    world_run(&w, CFS_SECONDS(20));
    assert_int_equal(settle(other, CFS_OP_EXTEND, claim), CFS_OK);
    world_run(&w, CFS_SECONDS(20));
    assert_int_equal(look(leader).inflight, 1);
    world_run(&w, CFS_SECONDS(11));
    assert_int_equal(settle(other, CFS_OP_ACK, claim), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(take(follower)->deliveries, 2);
}

static void an_interrupted_consumer_takes_nothing(void **state)
{
    uint64_t id = world_request(&w, other, consume_from("q", true));

    (void)state;
    world_run(&w, CFS_MS(20));
    world_cancel(&w, other, id);
    assert_int_equal(world_wait(&w, other, id), CFS_ERR_INTERRUPTED);
    put(follower, "a");
    assert_int_equal(look(follower).ready, 1);
    assert_int_equal(look(follower).consumers, 0);
}

static bool is_answer_to_other(const struct cfs_message *message)
{
    return message->type == CFS_MSG_ANSWER && message->to == other;
}

/* Nobody has heard of the grant, so it has never been one. */
static void what_is_handed_to_one_who_has_gone_goes_back(void **state)
{
    uint64_t id = world_request(&w, other, consume_from("q", true));

    (void)state;
    world_run(&w, CFS_MS(20));
    world_hold(&w, is_answer_to_other);
    put(follower, "a");
    world_cancel(&w, other, id);
    assert_int_equal(world_wait(&w, other, id), CFS_ERR_INTERRUPTED);
    world_hold(&w, NULL);
    world_release(&w);
    world_run(&w, CFS_MS(500));
    assert_int_equal(look(follower).ready, 1);
    assert_int_equal(take(follower)->deliveries, 1);
}

static void a_full_queue_holds_producers_on_all_nodes(void **state)
{
    uint64_t first, second;

    (void)state;
    assert_int_equal(world_ask(&w, leader, bound_queue("q", 1)), CFS_OK);
    put(follower, "a");
    assert_int_equal(world_ask(&w, other, produce_to("q", "x", false)), CFS_ERR_FULL);
    first = world_request(&w, other, produce_to("q", "b", true));
    world_run(&w, CFS_SECONDS(10));
    second = world_request(&w, leader, produce_to("q", "c", true));
    world_run(&w, CFS_SECONDS(10));
    assert_null(world_answer(&w, other, first));
    settle(follower, CFS_OP_ACK, take(follower)->claim);
    assert_int_equal(world_wait(&w, other, first), CFS_OK);
    assert_null(world_answer(&w, leader, second));
    settle(follower, CFS_OP_ACK, take(follower)->claim);
    assert_int_equal(world_wait(&w, leader, second), CFS_OK);
}

static void who_only_waits_to_know_hears_of_it_from_the_next_leader_too(void **state)
{
    uint64_t id = world_request(&w, other, of_queue(CFS_OP_QUEUE_AWAIT, "q"));

    (void)state;
    world_run(&w, CFS_SECONDS(30));
    assert_null(world_answer(&w, other, id));
    world_crash(&w, leader);
    world_run(&w, CFS_SECONDS(2));
    put(follower, "a");
    assert_int_equal(world_wait(&w, other, id), CFS_OK);
    assert_int_equal(look(other).ready, 1);
}

/* All are down at once, and come back; there are checkpoints from then on. */
static void restart_with_checkpoints(void)
{
    world_checkpoints(&w, 2000, 300);
    for (cfs_node_id id = 1; id <= 3; id++)
        world_crash(&w, id);
    world_start_all(&w);
    leader = world_settle(&w);
    follower = world_follower(&w, leader);
    other = world_follower(&w, follower);
    world_run(&w, CFS_SECONDS(6));
}

static void after_all_were_down_everything_is_there(void **state)
{
    (void)state;
    restart_with_checkpoints();
    for (int i = 0; i < 50; i++)
        put(follower, "0123456789012345678901234567890");
    take(other);
    restart_with_checkpoints();
    assert_int_equal(look(leader).ready + look(leader).inflight, 50);
    for (int i = 0; i < 50; i++)
        assert_string_equal(take(leader)->body, "0123456789012345678901234567890");
    assert_replicas_agree();
    assert_true(w.nodes[leader].reads > 40); /* bodies are not in memory after a restart */
}

/* Who is handed a message that is older than the last checkpoint waits until it has been read. */
static void old_bodies_are_read_from_the_disk(void **state)
{
    struct cfs_queue_info info;

    (void)state;
    restart_with_checkpoints();
    for (int i = 0; i < 20; i++)
        put(follower, "0123456789012345678901234567890");
    world_run(&w, CFS_SECONDS(1));
    assert_true(w.nodes[leader].checkpoints > 0);
    w.nodes[leader].reads = 0;
    assert_string_equal(take(other)->body, "0123456789012345678901234567890");
    assert_int_equal(w.nodes[leader].reads, 1);
    put(other, "young");
    for (int i = 0; i < 19; i++)
        take(follower);
    assert_string_equal(take(follower)->body, "young");
    info = look(leader);
    assert_int_equal(info.inflight, 21);
}

static void let_lead(cfs_node_id node)
{
    while ((leader = world_settle(&w)) != node) {
        world_crash(&w, leader);
        world_run(&w, CFS_SECONDS(2));
        world_start(&w, leader);
    }
}

/* Nor does a node that is brought up by a snapshot keep them, and it can lead all the same. */
static void a_node_that_was_brought_up_by_a_snapshot_has_the_bodies(void **state)
{
    (void)state;
    restart_with_checkpoints();
    world_cut(&w, other);
    for (int i = 0; i < 60; i++)
        put(follower, "0123456789012345678901234567890");
    world_join(&w, other);
    world_run(&w, CFS_SECONDS(3));
    assert_true(w.nodes[other].installs > 0);
    let_lead(other);
    for (int i = 0; i < 60; i++)
        assert_string_equal(take(other)->body, "0123456789012345678901234567890");
    assert_true(w.nodes[other].reads >= 60);
}

#define IN_CLUSTER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_CLUSTER(messages_go_from_any_node_to_any_node),
        IN_CLUSTER(consumers_on_all_nodes_are_served_in_their_order),
        IN_CLUSTER(a_leader_that_is_gone_takes_no_message_along),
        IN_CLUSTER(a_node_that_is_gone_gives_back_what_it_had),
        IN_CLUSTER(a_daemon_that_starts_again_keeps_its_claims),
        IN_CLUSTER(a_claim_that_is_not_extended_passes),
        IN_CLUSTER(an_interrupted_consumer_takes_nothing),
        IN_CLUSTER(what_is_handed_to_one_who_has_gone_goes_back),
        IN_CLUSTER(a_full_queue_holds_producers_on_all_nodes),
        IN_CLUSTER(who_only_waits_to_know_hears_of_it_from_the_next_leader_too),
        IN_CLUSTER(after_all_were_down_everything_is_there),
        IN_CLUSTER(old_bodies_are_read_from_the_disk),
        IN_CLUSTER(a_node_that_was_brought_up_by_a_snapshot_has_the_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
