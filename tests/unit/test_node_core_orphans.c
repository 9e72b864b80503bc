/* Files that lost their names are collected after a while: what was in them by its group, they by
 * the names group, whatever happens to who sees to it. */
#include "cache_requests.h"
#include "core_world.h"

#include <stdio.h>

#define GROUPS 4u

static struct world w;

static int set_up(void **state)
{
    world_open_groups(&w, 3, 3, GROUPS);
    world_start_all(&w);
    world_settle_groups(&w);
    world_settle(&w);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world_close(*state);
    return 0;
}

static cfs_ino written(cfs_node_id node, const char *name)
{
    uint64_t id = world_request(&w, node, make_file(CFS_CACHE_ROOT, name));
    cfs_ino ino;

    assert_int_equal(world_wait(&w, node, id), CFS_OK);
    ino = world_answer(&w, node, id)->answer.id;
    assert_int_equal(world_ask(&w, node, put_value(ino, name)), CFS_OK);
    return ino;
}

static struct cfs_request node_of(cfs_ino ino)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_NODE, "");

    request.cache_read.ino = ino;
    return request;
}

static void assert_is_there(cfs_node_id node, cfs_ino ino)
{
    assert_int_equal(world_ask(&w, node, node_of(ino)), CFS_OK);
    assert_int_equal(world_ask(&w, node, fetch(ino)), CFS_OK);
}

static void assert_is_gone(cfs_node_id node, cfs_ino ino)
{
    assert_int_equal(world_ask(&w, node, node_of(ino)), CFS_ERR_NO_FILE);
    assert_int_equal(world_ask(&w, node, fetch(ino)), CFS_ERR_STALE);
}

static void a_removed_file_can_be_read_for_a_minute_and_goes(void **state)
{
    cfs_ino f = written(1, "f"), kept = written(2, "kept");

    (void)state;
    assert_int_equal(world_ask(&w, 3, remove_file(CFS_CACHE_ROOT, "f")), CFS_OK);
    world_run(&w, CFS_SECONDS(55));
    assert_is_there(2, f);
    world_run(&w, CFS_SECONDS(10));
    assert_is_gone(2, f);
    assert_is_there(1, kept);
}

static void many_go_a_few_at_a_time(void **state)
{
    cfs_ino files[CFS_MEMBERS_MAX * 20];
    char name[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "f%d", i);
        files[i] = written(1, name);
        assert_int_equal(world_ask(&w, 2, remove_file(CFS_CACHE_ROOT, name)), CFS_OK);
    }
    world_run(&w, CFS_SECONDS(70));
    for (int i = 0; i < 100; i++)
        assert_is_gone(3, files[i]);
}

static uint32_t count_there(cfs_node_id node, const cfs_ino *files, uint32_t count)
{
    uint32_t there = 0;

    for (uint32_t i = 0; i < count; i++)
        there += world_ask(&w, node, node_of(files[i])) == CFS_OK;
    return there;
}

/* What goes from the leader of the names to groups that others lead is kept back, and lost with it.
 */
static bool is_command(const struct cfs_message *message)
{
    return message->type == CFS_MSG_FORWARD;
}

static void who_comes_to_lead_begins_again(void **state)
{
    cfs_node_id leader = world_group_leader(&w, GROUPS), other = world_follower(&w, leader);
    cfs_ino files[8];
    char name[16];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "f%d", i);
        files[i] = written(other, name);
        assert_int_equal(world_ask(&w, other, remove_file(CFS_CACHE_ROOT, name)), CFS_OK);
    }
    world_run(&w, CFS_SECONDS(55));
    world_hold(&w, is_command);
    world_run(&w, CFS_SECONDS(10));
    assert_int_not_equal(count_there(other, files, 8), 0);
    world_crash(&w, leader);
    world_drop_held(&w);
    world_hold(&w, NULL);
    world_run(&w, CFS_SECONDS(20));
    for (int i = 0; i < 8; i++)
        assert_is_gone(other, files[i]);
}

static void none_begins_or_ends_while_moves_are_held(void **state)
{
    cfs_ino f = written(1, "f");

    (void)state;
    assert_int_equal(world_ask(&w, 3, remove_file(CFS_CACHE_ROOT, "f")), CFS_OK);
    for (cfs_node_id id = 1; id <= 3; id++)
        world_step(&w, id,
                   (struct cfs_event){.type = CFS_EV_HOLD_MOVES, .until = w.now + CFS_SECONDS(80)});
    world_run(&w, CFS_SECONDS(70));
    assert_is_there(2, f);
    world_run(&w, CFS_SECONDS(20));
    assert_is_gone(2, f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(a_removed_file_can_be_read_for_a_minute_and_goes),
        T(many_go_a_few_at_a_time),
        T(who_comes_to_lead_begins_again),
        T(none_begins_or_ends_while_moves_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
