/* The cache in the machine: each request done once, and again as pieces. */
#include "cache_requests.h"
#include "machine_world.h"

#include "../sim/store.h"

static cfs_session_id session;

static int set_up_session(void **state)
{
    set_up(state);
    session = open_session(*state, 1, 11, false);
    return 0;
}

static const struct cfs_answer *answered(const struct replica *r, uint64_t sequence)
{
    assert_int_equal(error_of(r, session, sequence), CFS_OK);
    return &heard(r, session, sequence)->answer;
}

static cfs_ino made(struct replica *r, uint64_t sequence, const char *name)
{
    ask(r, session, 1, sequence, make_file(CFS_CACHE_ROOT, name));
    return answered(r, sequence)->id;
}

static void a_file_is_made_and_written(void **state)
{
    struct replica *r = *state;
    cfs_ino ino = made(r, 1, "f");

    assert_int_equal(answered(r, 1)->cache.inode.ino, ino);
    ask(r, session, 1, 2, put_value(ino, "value"));
    assert_int_equal(answered(r, 2)->cache.content.size, 5);
    assert_int_equal(answered(r, 2)->id, answered(r, 2)->cache.content.version);
    assert_int_equal(answered(r, 2)->token, 0);
    assert_int_equal(cfs_names_count(r->machine.names), 2);
    assert_int_equal(cfs_contents_bytes(r->machine.contents), 5);
}

/* It hears which inode, and which version; the rest it may ask for. */
static void what_is_sent_twice_happens_once(void **state)
{
    struct replica *r = *state;
    cfs_ino ino = made(r, 1, "f");
    uint64_t version;

    assert_int_equal(made(r, 1, "f"), ino);
    assert_int_equal(answered(r, 1)->cache.inode.ino, 0);
    ask(r, session, 1, 2, put_value(ino, "a"));
    version = answered(r, 2)->id;
    ask(r, session, 1, 3, put_value(ino, "b"));
    assert_int_equal(answered(r, 3)->token, version);
    ask(r, session, 1, 2, put_value(ino, "a"));
    assert_int_equal(answered(r, 2)->id, version);
    assert_int_equal(answered(r, 2)->cache.content.changed, 0);
    ask(r, session, 1, 3, put_value(ino, "b"));
    assert_int_equal(answered(r, 3)->token, version);
    assert_true(cfs_contents_info(r->machine.contents, ino).version > version);
}

static void an_error_is_remembered_too(void **state)
{
    struct replica *r = *state;

    ask(r, session, 1, 1, remove_file(CFS_CACHE_ROOT, "f"));
    assert_int_equal(error_of(r, session, 1), CFS_ERR_NO_FILE);
    made(r, 2, "f");
    ask(r, session, 1, 1, remove_file(CFS_CACHE_ROOT, "f"));
    assert_int_equal(error_of(r, session, 1), CFS_ERR_NO_FILE);
    assert_int_equal(cfs_names_count(r->machine.names), 2);
}

static void save_into(struct replica *r, struct sim_store *store)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_machine_save(&r->machine, &part.pieces);
    sim_store_checkpoint(store, &checkpoint);
    cfs_machine_saved(&r->machine);
    cfs_part_clear(&part);
}

static void load_from(struct replica *r, const struct sim_store *store)
{
    for (size_t i = 0; i < store->states[0].count; i++) {
        const struct sim_item *item = &store->states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        if (item->key[0] != CFS_PIECE_EXTENT) /* these stay on the disk */
            assert_int_equal(cfs_machine_load(&r->machine, &piece), 0);
    }
    assert_true(cfs_machine_loaded(&r->machine));
}

static void a_cache_saved_in_steps_comes_back_as_it_is(void **state)
{
    struct replica *r = *state, *again;
    struct sim_store store = {0};
    void *other;
    cfs_ino f = made(r, 1, "f"), g = made(r, 2, "g");

    ask(r, session, 1, 3, put_value(f, "one"));
    save_into(r, &store);
    ask(r, session, 1, 4, rename_to(CFS_CACHE_ROOT, "f", CFS_CACHE_ROOT, "g"));
    assert_int_equal(answered(r, 4)->token, g);
    ask(r, session, 1, 5, put_value(f, "another"));
    save_into(r, &store);
    set_up(&other);
    again = other;
    load_from(again, &store);
    assert_int_equal(cfs_machine_digest(&again->machine), cfs_machine_digest(&r->machine));
    assert_int_equal(cfs_contents_info(again->machine.contents, f).size, 7);
    sim_store_close(&store);
    tear_down(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up_session, tear_down)
        T(a_file_is_made_and_written),
        T(what_is_sent_twice_happens_once),
        T(an_error_is_remembered_too),
        T(a_cache_saved_in_steps_comes_back_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
