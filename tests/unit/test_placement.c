/* Where groups should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/placement.h"

#define GROUPS 16u

static struct cfs_node_table table_of(cfs_node_id count)
{
    struct cfs_node_table table = {.version = 1};

    for (cfs_node_id id = 1; id <= count; id++)
        table.nodes[id] = (struct cfs_node_info){.id = id, .weight = 1};
    return table;
}

static struct cfs_placement placed(const struct cfs_node_table *table)
{
    struct cfs_placement placement;

    cfs_placement_follow(&placement, GROUPS, table, 0);
    return placement;
}

static void a_group_has_three_replicas_and_that_of_names_five(void **state)
{
    struct cfs_node_table five = table_of(5), two = table_of(2), one = table_of(1);
    struct cfs_placement of_five = placed(&five), of_two = placed(&two), of_one = placed(&one);

    (void)state;
    for (cfs_group_id group = 1; group <= GROUPS; group++) {
        uint32_t replicas = group == GROUPS ? 5 : 3;
        assert_int_equal(cfs_node_set_count(cfs_placement_set(&of_five, group)), replicas);
        assert_int_equal(cfs_placement_set(&of_two, group), 1u << 1 | 1u << 2);
        assert_int_equal(cfs_placement_set(&of_one, group), 1u << 1);
        assert_int_equal(of_one.nodes[group][1], 0);
    }
}

static void founders_are_placed_as_a_table_of_them_is(void **state)
{
    const cfs_node_id members[] = {1, 2, 3};
    struct cfs_node_table table = table_of(3);
    struct cfs_placement of_table = placed(&table), of_members;

    (void)state;
    cfs_placement_found(&of_members, GROUPS, members, 3);
    assert_memory_equal(&of_members, &of_table, sizeof of_table);
}

static void a_heavier_node_leads_more(void **state)
{
    struct cfs_node_table even = table_of(3), uneven = table_of(3);
    struct cfs_placement before = placed(&even), after;
    uint32_t led[2] = {0};

    (void)state;
    uneven.nodes[3].weight = 10;
    after = placed(&uneven);
    for (cfs_group_id group = 1; group <= GROUPS; group++) {
        led[0] += before.nodes[group][0] == 3;
        led[1] += after.nodes[group][0] == 3;
    }
    assert_true(led[1] > led[0] + GROUPS / 4);
}

static void nothing_is_placed_where_nobody_is(void **state)
{
    struct cfs_node_table none = {.version = 0};
    struct cfs_placement placement = placed(&none);

    (void)state;
    assert_int_equal(cfs_placement_set(&placement, 1), 0);
}

static void who_is_replaced_gets_nothing_unless_he_is_alone(void **state)
{
    struct cfs_node_table table = table_of(4);
    struct cfs_placement placement;

    (void)state;
    table.nodes[4].replaces = 2;
    placement = placed(&table);
    for (cfs_group_id group = 1; group <= GROUPS; group++)
        assert_int_equal(cfs_placement_set(&placement, group), 1u << 1 | 1u << 3 | 1u << 4);
}

static void names_go_to_groups_if_there_are_any(void **state)
{
    struct cfs_node_table table = table_of(3);
    struct cfs_placement placement = placed(&table), none;

    (void)state;
    cfs_placement_follow(&none, 0, &table, 0);
    assert_in_range(cfs_placement_group_of(&placement, "jobs"), 1, GROUPS - 1);
    for (uint64_t ino = 1; ino < 100; ino++)
        assert_in_range(cfs_placement_contents_group(&placement, ino), 1, GROUPS - 1);
    assert_int_equal(cfs_placement_names_group(&placement), GROUPS);
    assert_int_equal(cfs_placement_group_of(&placement, "jobs"),
                     cfs_placement_group_of(&placement, "jobs"));
    assert_int_equal(cfs_placement_group_of(&none, "jobs"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_three_replicas_and_that_of_names_five),
        cmocka_unit_test(founders_are_placed_as_a_table_of_them_is),
        cmocka_unit_test(a_heavier_node_leads_more),
        cmocka_unit_test(nothing_is_placed_where_nobody_is),
        cmocka_unit_test(who_is_replaced_gets_nothing_unless_he_is_alone),
        cmocka_unit_test(names_go_to_groups_if_there_are_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
