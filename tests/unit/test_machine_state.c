/* The machine as pieces: a second one is filled with what a first one saved, in one go or in
 * several. */
#include "machine_world.h"

#include "../sim/store.h"

static void save_into(struct replica *r, struct sim_store *store)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_machine_save(&r->machine, &part.pieces);
    sim_store_checkpoint(store, &checkpoint);
    cfs_part_clear(&part);
}

static void load_from(struct replica *r, const struct sim_store *store)
{
    for (size_t i = 0; i < store->states[0].count; i++) {
        const struct sim_item *item = &store->states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        assert_int_equal(cfs_machine_load(&r->machine, &piece), 0);
    }
    assert_true(cfs_machine_loaded(&r->machine));
}

static void a_machine_saved_in_steps_comes_back_as_it_is(void **state)
{
    struct replica *r = *state, *again;
    struct sim_store store = {0};
    void *other;
    cfs_session_id s = open_session(r, 1, 100, true), t = open_session(r, 2, 200, true);

    save_into(r, &store);
    ask(r, s, 1, 1, bench_lockfile("x"));
    ask(r, t, 2, 1, bench_flock("y", 7, CFS_EXCLUSIVE, true));
    ask(r, s, 1, 2, bench_flock("y", 8, CFS_EXCLUSIVE, true));
    save_into(r, &store);
    ask(r, t, 2, 2, bench_unflock("y", 7));
    apply(r, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION, .node = 1, .target = t});
    save_into(r, &store);
    set_up(&other);
    again = other;
    load_from(again, &store);
    assert_int_equal(cfs_machine_digest(&again->machine), cfs_machine_digest(&r->machine));
    assert_null(cfs_sessions_find(&again->machine.sessions, t));
    sim_store_close(&store);
    tear_down(&other);
}

static void nodes_and_sessions_that_end_come_back_too(void **state)
{
    struct replica *r = *state, *again;
    struct sim_store store = {0};
    void *other;
    cfs_session_id s = open_session(r, 1, 100, true), t = open_session(r, 2, 200, true);

    apply(r, &(struct cfs_command){.kind = CFS_CMD_FILL_NODES,
                                   .node = 1,
                                   .nodes = {{.id = 1, .host = "a"},
                                             {.id = 2},
                                             {.id = 3, .replaces = 2}},
                                   .node_count = 3});
    save_into(r, &store);
    apply(r, &(struct cfs_command){.kind = CFS_CMD_DROP_NODE, .node = 1, .target = 2});
    save_into(r, &store);
    set_up(&other);
    again = other;
    load_from(again, &store);
    assert_int_equal(cfs_machine_digest(&again->machine), cfs_machine_digest(&r->machine));
    assert_int_equal(cfs_node_table_all(&again->machine.nodes), 2 | 8);
    assert_string_equal(again->machine.nodes.nodes[1].host, "a");
    assert_true(cfs_sessions_find(&again->machine.sessions, t)->doomed);
    assert_false(cfs_sessions_find(&again->machine.sessions, s)->doomed);
    sim_store_close(&store);
    tear_down(&other);
}

/* Exactly once means: across a restart from a checkpoint too. */
static void a_loaded_machine_answers_again_what_was_answered_before(void **state)
{
    struct replica *r = *state, *again;
    struct sim_store store = {0};
    void *other;
    cfs_session_id s = open_session(r, 1, 100, true);
    cfs_token token;

    ask(r, s, 1, 1, bench_lockfile("x"));
    token = heard(r, s, 1)->answer.token;
    cancel(r, s, 1, 3, 2, false); /* of a command that has not come yet */
    save_into(r, &store);
    set_up(&other);
    again = other;
    again->index = r->index;
    load_from(again, &store);
    ask(again, s, 1, 1, bench_lockfile("x"));
    assert_int_equal(heard(again, s, 1)->answer.token, token);
    ask(again, s, 1, 2, bench_lockfile("y"));
    assert_int_equal(error_of(again, s, 2), CFS_ERR_INTERRUPTED);
    assert_false(is_held(again, "y"));
    sim_store_close(&store);
    tear_down(&other);
}

/* A token of a name that is free again must never come back. */
static void tokens_go_on_growing_in_a_loaded_machine(void **state)
{
    struct replica *r = *state, *again;
    struct sim_store store = {0};
    void *other;
    cfs_session_id s = open_session(r, 1, 100, true);
    cfs_token token;

    ask(r, s, 1, 1, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    token = heard(r, s, 1)->answer.token;
    ask(r, s, 1, 2, bench_unflock("x", 7));
    save_into(r, &store);
    set_up(&other);
    again = other;
    again->index = r->index;
    load_from(again, &store);
    ask(again, s, 1, 3, bench_flock("x", 7, CFS_EXCLUSIVE, true));
    assert_true(heard(again, s, 3)->answer.token > token);
    sim_store_close(&store);
    tear_down(&other);
}

static int load_piece(uint8_t tag, uint32_t key_len, const uint8_t *value, uint32_t len, bool put)
{
    struct cfs_piece piece = {.put = put,
                              .key = (const uint8_t[9]){tag},
                              .key_len = key_len,
                              .value = value,
                              .value_len = len};
    struct replica *r;
    void *state;
    int result;

    set_up(&state);
    r = state;
    result = cfs_machine_load(&r->machine, &piece);
    assert_int_equal(cfs_machine_loaded(&r->machine), result == 0);
    tear_down(&state);
    return result;
}

static void what_is_no_piece_of_a_machine_is_refused(void **state)
{
    static const uint8_t counters[10] = {1, 77}, newer[9] = {2, 77};

    (void)state;
    assert_int_equal(load_piece(CFS_PIECE_MACHINE, 1, counters, 9, true), 0);
    for (uint32_t len = 0; len < 9; len++)
        assert_int_equal(load_piece(CFS_PIECE_MACHINE, 1, counters, len, true), -1);
    assert_int_equal(load_piece(CFS_PIECE_MACHINE, 1, counters, 10, true), -1);
    assert_int_equal(load_piece(CFS_PIECE_MACHINE, 2, counters, 9, true), -1);
    assert_int_equal(load_piece(CFS_PIECE_MACHINE, 1, counters, 9, false), -1);
    assert_int_equal(load_piece(CFS_PIECE_MACHINE, 1, newer, 9, true), -1);
    assert_int_equal(load_piece(0, 1, counters, 9, true), -1);
    assert_int_equal(load_piece(CFS_PIECE_TAG_COUNT, 1, counters, 9, true), -1);
}

static void a_machine_without_its_counters_is_not_whole(void **state)
{
    struct replica *r = *state;

    assert_false(cfs_machine_loaded(&r->machine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_machine_saved_in_steps_comes_back_as_it_is),
        T(nodes_and_sessions_that_end_come_back_too),
        T(a_loaded_machine_answers_again_what_was_answered_before),
        T(tokens_go_on_growing_in_a_loaded_machine),
        T(what_is_no_piece_of_a_machine_is_refused),
        T(a_machine_without_its_counters_is_not_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
