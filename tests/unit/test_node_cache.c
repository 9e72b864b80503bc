/* The cache through whole nodes: its tree in one group, its contents in others, on three nodes. */
#include "cache_requests.h"
#include "core_world.h"

#include <stdio.h>

#define GROUPS 4u /* the last has the names */

static struct world w;

static void begin(uint32_t groups, uint64_t checkpoint_bytes)
{
    if (groups)
        world_open_groups(&w, 3, 3, groups);
    else
        world_open(&w, 3);
    world_checkpoints(&w, checkpoint_bytes, 100);
    world_start_all(&w);
    if (groups)
        world_settle_groups(&w);
    world_settle(&w);
}

static int set_up(void **state)
{
    begin(GROUPS, 0);
    *state = &w;
    return 0;
}

static int set_up_one_group(void **state)
{
    begin(1, 0);
    *state = &w;
    return 0;
}

static int set_up_without_groups(void **state)
{
    begin(0, 0);
    *state = &w;
    return 0;
}

/* A checkpoint after every command: no bytes stay in memory, no log is long. */
static int set_up_eager(void **state)
{
    begin(GROUPS, 1);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static const struct cfs_answer *done(cfs_node_id node, struct cfs_request request)
{
    uint64_t id = world_request(&w, node, request);

    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    return &world_answer(&w, node, id)->answer;
}

static cfs_ino made(cfs_node_id node, cfs_ino parent, const char *name)
{
    return done(node, make_file(parent, name))->id;
}

static void holds(cfs_node_id node, cfs_ino ino, const char *value)
{
    uint64_t id = world_request(&w, node, fetch(ino));

    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    assert_string_equal(world_answer(&w, node, id)->value, value);
    assert_int_equal(world_answer(&w, node, id)->answer.cache.content.size, strlen(value));
}

/* Each replica of each group, on whichever nodes they are. */
static void assert_replicas_agree(void)
{
    uint32_t groups = w.nodes[1].config.groups;

    world_run(&w, CFS_SECONDS(1));
    for (cfs_group_id group = 0; group <= groups; group++)
        for (cfs_node_id id = 2; id <= w.count; id++)
            assert_int_equal(cfs_core_digest(w.nodes[id].core, group),
                             cfs_core_digest(w.nodes[1].core, group));
}

static void a_value_goes_from_node_to_node(void **state)
{
    cfs_ino d, f, g;

    (void)state;
    d = done(1, make_directory(CFS_CACHE_ROOT, "d"))->id;
    f = made(2, d, "f");
    assert_int_equal(world_ask(&w, 3, make_file(d, "f")), CFS_OK); /* it is that one */
    assert_int_equal(done(3, look_up(d, "f"))->cache.inode.ino, f);
    holds(1, f, "");
    done(3, put_value(f, "one"));
    holds(1, f, "one");
    holds(2, f, "one");
    g = made(1, CFS_CACHE_ROOT, "g");
    done(1, put_value(g, "two"));
    assert_int_equal(done(2, rename_to(CFS_CACHE_ROOT, "g", d, "f"))->token, f);
    assert_int_equal(done(3, look_up(d, "f"))->cache.inode.ino, g);
    assert_int_equal(world_ask(&w, 3, look_up(CFS_CACHE_ROOT, "g")), CFS_ERR_NO_FILE);
    holds(3, f, "one"); /* whoever has it open goes on reading it */
    assert_int_equal(done(1, remove_file(d, "f"))->id, g);
    assert_int_equal(world_ask(&w, 2, look_up(d, "f")), CFS_ERR_NO_FILE);
    assert_replicas_agree();
}

static void versions_guard_a_value(void **state)
{
    struct cfs_request request;
    uint64_t version;
    cfs_ino f;

    (void)state;
    f = made(1, CFS_CACHE_ROOT, "f");
    version = done(1, put_value(f, "one"))->id;
    request = put_value(f, "two");
    request.cache_put.conditional = true;
    request.cache_put.expected = version;
    assert_int_equal(done(2, request)->token, version);
    assert_int_equal(world_ask(&w, 3, request), CFS_ERR_CHANGED);
    holds(1, f, "two");
}

static void what_makes_no_sense_is_not_sent(void **state)
{
    struct cfs_request request = put_value(5, "value");

    (void)state;
    assert_int_equal(world_ask(&w, 1, make_file(CFS_CACHE_ROOT, "..")), CFS_ERR_INVALID);
    assert_int_equal(world_ask(&w, 1, make_file(CFS_CACHE_ROOT, "a/b")), CFS_ERR_INVALID);
    assert_int_equal(world_ask(&w, 1, look_up(CFS_CACHE_ROOT, "")), CFS_ERR_INVALID);
    assert_int_equal(world_ask(&w, 1, fetch(0)), CFS_ERR_INVALID);
    request.cache_put.max = 4;
    assert_int_equal(world_ask(&w, 1, request), CFS_ERR_VALUE_TOO_BIG);
    request.cache_put.kind = CFS_PUT_WRITE;
    request.cache_put.max = UINT32_MAX;
    request.cache_put.offset = UINT64_MAX;
    assert_int_equal(world_ask(&w, 1, request), CFS_ERR_VALUE_TOO_BIG);
    request = of_cache(CFS_OP_CACHE_XATTR, "user.x");
    request.cache_xattr =
        (struct cfs_cache_xattr){.ino = 5, .value = (const uint8_t *)"", CFS_XATTRS_MAX + 1};
    assert_int_equal(world_ask(&w, 1, request), CFS_ERR_ATTRIBUTES_FULL);
}

static void a_node_comes_back_with_what_was_saved(void **state)
{
    char name[16];
    cfs_ino files[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "f%d", i);
        files[i] = made(1, CFS_CACHE_ROOT, name);
        done(2, put_value(files[i], name));
    }
    world_run(&w, CFS_SECONDS(1));
    for (cfs_node_id id = 1; id <= 3; id++)
        world_crash(&w, id);
    world_start_all(&w);
    world_settle(&w);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(done(3, look_up(CFS_CACHE_ROOT, name))->cache.inode.ino, files[i]);
        holds(2, files[i], name);
    }
    assert_replicas_agree();
}

static void a_node_that_was_away_is_brought_up_by_a_snapshot(void **state)
{
    char name[16];
    cfs_ino last = 0;

    (void)state;
    world_crash(&w, 3);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "f%d", i);
        last = made(1, CFS_CACHE_ROOT, name);
        done(2, put_value(last, name));
    }
    world_replace_disk(&w, 3);
    world_start(&w, 3);
    world_run(&w, CFS_SECONDS(5));
    assert_true(w.nodes[3].installs > 0);
    assert_replicas_agree();
    world_crash(&w, 1); /* the new one is needed, and reads from its own disk */
    world_run(&w, CFS_SECONDS(10));
    holds(3, last, "f19");
    assert_int_equal(done(3, look_up(CFS_CACHE_ROOT, "f19"))->cache.inode.ino, last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_value_goes_from_node_to_node),
        T(versions_guard_a_value),
        T(what_makes_no_sense_is_not_sent),
        cmocka_unit_test_setup_teardown(a_value_goes_from_node_to_node, set_up_one_group,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_value_goes_from_node_to_node, set_up_without_groups,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_node_comes_back_with_what_was_saved, set_up_eager,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_was_away_is_brought_up_by_a_snapshot,
                                        set_up_eager, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
