/* What goes to a queue store, and what the applied state says of sessions. */
#include "core_world.h"

#include "io/queue_store.h"

static cfs_session_id session_of(struct world *w, cfs_node_id node)
{
    struct cfs_core_view view;

    cfs_core_view(w->nodes[node].core, 0, &view);
    assert_true(view.session);
    return view.session;
}

static void a_session_is_told_by_the_applied_state(void **state)
{
    struct world w;
    cfs_session_id first, second;
    cfs_node_id other;

    (void)state;
    world_open(&w, 3);
    world_start_all(&w);
    other = world_settle(&w) == 1 ? 2 : 1;
    first = session_of(&w, 3);
    world_run(&w, CFS_SECONDS(1)); /* followers learn what is committed */
    assert_int_equal(cfs_session_fate(w.nodes[other].core, 3, first), CFS_SESSION_LIVES);
    assert_int_equal(cfs_session_fate(w.nodes[other].core, 3, first + 1000000),
                     CFS_SESSION_UNHEARD);
    world_crash(&w, 3);
    world_run(&w, CFS_SECONDS(10));
    assert_int_equal(cfs_session_fate(w.nodes[other].core, 3, first), CFS_SESSION_OVER);
    world_start(&w, 3);
    world_settle(&w);
    second = session_of(&w, 3);
    world_run(&w, CFS_SECONDS(1));
    assert_int_equal(cfs_session_fate(w.nodes[other].core, 3, first), CFS_SESSION_SUCCEEDED);
    assert_int_equal(cfs_session_fate(w.nodes[other].core, 3, second), CFS_SESSION_LIVES);
    assert_int_equal(cfs_session_fate(w.nodes[other].core, 9, first), CFS_SESSION_OVER);
    world_close(&w);
}

static void only_queues_are_for_a_store(void **state)
{
    struct cfs_queue_store none = {0}, some = {.self = &none};

    (void)state;
    assert_false(cfs_queue_store_takes(&none, CFS_OP_PRODUCE));
    for (int op = CFS_OP_ACQUIRE; op <= CFS_OP_LAST; op++)
        assert_int_equal(cfs_queue_store_takes(&some, (enum cfs_op)op),
                         cfs_op_is_of_queue((enum cfs_op)op));
    assert_true(cfs_queue_store_takes(&some, CFS_OP_PRODUCE));
    assert_true(cfs_queue_store_takes(&some, CFS_OP_QUEUE_AWAIT));
    assert_false(cfs_queue_store_takes(&some, CFS_OP_ACQUIRE));
}

static void without_a_store_there_is_nothing_to_do(void **state)
{
    struct cfs_config config;
    struct cfs_queue_store store;

    (void)state;
    cfs_config_init(&config);
    assert_int_equal(
        cfs_queue_store_open(&store, NULL, &config, 1, &(struct cfs_queue_store_events){0}), 0);
    cfs_queue_store_session(&store, 5);
    cfs_queue_store_flush(&store);
    cfs_queue_store_leave(&store);
    assert_true(cfs_queue_store_has_left(&store));
    assert_true(cfs_queue_store_available(&store));
    assert_string_equal(cfs_queue_store_name(&store), "embedded");
    cfs_queue_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_told_by_the_applied_state),
        cmocka_unit_test(only_queues_are_for_a_store),
        cmocka_unit_test(without_a_store_there_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
