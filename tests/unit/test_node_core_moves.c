/* A message moves between queues of two groups, in a cluster of three nodes, whatever is lost. */
#include "core_world.h"
#include "queue_requests.h"

#include <stdio.h>

#include "core/ring.h"

#define GROUPS 8u

static struct world w;
static char here[16], there[16]; /* queues of different groups */

static cfs_group_id group_of(const char *name)
{
    return cfs_ring_group_of(name, strlen(name), GROUPS);
}

/* Who leads the group, as node 1 knows. */
static cfs_node_id leader_of(const char *name, cfs_node_id asked)
{
    struct cfs_core_view view;

    cfs_core_view(w.nodes[asked].core, group_of(name), &view);
    return view.leader;
}

static int set_up(void **state)
{
    world_open(&w, 3);
    for (cfs_node_id id = 1; id <= 3; id++)
        w.nodes[id].config.groups = GROUPS;
    world_start_all(&w);
    world_settle(&w);
    world_run(&w, CFS_SECONDS(5)); /* leadership comes home */
    strcpy(here, "here");
    for (int i = 0;
         i == 0 || group_of(there) == group_of(here) || leader_of(there, 1) == leader_of(here, 1);
         i++)
        snprintf(there, sizeof there, "there%d", i);
    assert_int_equal(world_ask(&w, 1, make_queue(here)), CFS_OK);
    assert_int_equal(world_ask(&w, 2, make_queue(there)), CFS_OK);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static cfs_claim_id claim_one(cfs_node_id node, const char *body)
{
    uint64_t id;

    assert_int_equal(world_ask(&w, node, produce_to(here, body, true)), CFS_OK);
    id = world_request(&w, node, consume_from(here, true));
    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    assert_string_equal(world_answer(&w, node, id)->message.body, body);
    return world_answer(&w, node, id)->message.claim;
}

static struct cfs_request move_of(cfs_claim_id claim, const char *to)
{
    struct cfs_request request = of_queue(CFS_OP_MESSAGE_MOVE, here);

    request.message_move.place = CFS_INFLIGHT;
    request.message_move.id = claim;
    strcpy(request.message_move.to, to);
    return request;
}

static void assert_is_there_once(cfs_node_id node, const char *body)
{
    uint64_t id = world_request(&w, node, consume_from(there, true));

    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    assert_string_equal(world_answer(&w, node, id)->message.body, body);
    assert_int_equal(world_ask(&w, node, consume_from(there, false)), CFS_ERR_EMPTY);
    assert_int_equal(world_ask(&w, node, consume_from(here, false)), CFS_ERR_EMPTY);
}

static void a_message_moves_to_another_group(void **state)
{
    (void)state;
    for (cfs_node_id node = 1; node <= 3; node++) {
        assert_int_equal(world_ask(&w, node, move_of(claim_one(node, "m"), there)), CFS_OK);
        assert_is_there_once(node, "m");
    }
    assert_int_equal(world_ask(&w, 1, remove_queue(here)), CFS_OK);
}

static void what_the_other_queue_refuses_stays_claimed(void **state)
{
    cfs_claim_id claim = claim_one(1, "m");

    (void)state;
    assert_int_equal(world_ask(&w, 1, move_of(claim, "nowhere")), CFS_ERR_NO_QUEUE);
    assert_int_equal(world_ask(&w, 1, bound_queue(there, 1)), CFS_OK);
    assert_int_equal(world_ask(&w, 1, produce_to(there, "full", false)), CFS_OK);
    assert_int_equal(world_ask(&w, 1, move_of(claim, there)), CFS_ERR_FULL);
    assert_int_equal(world_ask(&w, 1, settle_claim(CFS_OP_ACK, here, &claim)), CFS_OK);
    assert_int_equal(world_ask(&w, 1, move_of(claim, there)), CFS_ERR_NOT_CLAIMED);
}

static void every_message_that_arrives_twice_changes_nothing(void **state)
{
    (void)state;
    w.twice = true;
    assert_int_equal(world_ask(&w, 3, move_of(claim_one(3, "m"), there)), CFS_OK);
    world_run(&w, CFS_SECONDS(1));
    assert_is_there_once(3, "m");
}

static bool is_forward(const struct cfs_message *message)
{
    return message->type == CFS_MSG_FORWARD && message->group == group_of(there);
}

static void a_new_leader_goes_on_where_the_old_one_stopped(void **state)
{
    cfs_node_id old = leader_of(here, 1), asker = world_follower(&w, old);
    cfs_claim_id claim = claim_one(asker, "m");
    uint64_t id;

    (void)state;
    world_hold(&w, is_forward); /* the delivery does not get there */
    id = world_request(&w, asker, move_of(claim, there));
    world_run(&w, CFS_MS(100));
    assert_null(world_answer(&w, asker, id));
    world_crash(&w, old);
    world_hold(&w, NULL);
    assert_int_equal(world_wait(&w, asker, id), CFS_OK);
    world_release(&w); /* and then it comes after all */
    world_run(&w, CFS_SECONDS(1));
    assert_is_there_once(asker, "m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_message_moves_to_another_group),
        T(what_the_other_queue_refuses_stays_claimed),
        T(every_message_that_arrives_twice_changes_nothing),
        T(a_new_leader_goes_on_where_the_old_one_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
