/* Placement: even, stable when nodes come and go, the same on every machine and for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/ring.h"

enum { GROUPS = 4096, NODES_MAX = 63 };

/* Nodes 1 to `count` of one weight. */
static struct cfs_ring ring_of(uint32_t count, uint32_t weight)
{
    struct cfs_ring_node nodes[NODES_MAX];
    struct cfs_ring ring;

    for (uint32_t i = 0; i < count; i++)
        nodes[i] = (struct cfs_ring_node){i + 1, weight};
    assert_int_equal(cfs_ring_init(&ring, nodes, count), 0);
    return ring;
}

static cfs_node_id first_of(const struct cfs_ring *ring, cfs_group_id group)
{
    cfs_node_id node = 0;

    assert_int_equal(cfs_ring_preference(ring, group, &node, 1), 1);
    return node;
}

/* A bit for each of the first three. */
static uint64_t replicas_of(const struct cfs_ring *ring, cfs_group_id group)
{
    cfs_node_id nodes[3];
    uint64_t set = 0;

    for (uint32_t i = 0; i < cfs_ring_preference(ring, group, nodes, 3); i++)
        set |= (uint64_t)1 << nodes[i];
    return set;
}

static void count_leads(const struct cfs_ring *ring, uint32_t groups, uint32_t leads[NODES_MAX + 1])
{
    memset(leads, 0, (NODES_MAX + 1) * sizeof *leads);
    for (cfs_group_id group = 1; group <= groups; group++)
        leads[first_of(ring, group)]++;
}

/* ---- for ever ---- */

/* These values are on disks. A change that breaks them moves everybody's data: it is wrong. */
static void test_golden_preferences(void **state)
{
    static const cfs_node_id golden[16][5] = {
        {3, 5, 1, 2, 4}, {4, 2, 1, 3, 5}, {1, 5, 4, 2, 3}, {2, 4, 3, 5, 1},
        {5, 3, 2, 1, 4}, {1, 5, 4, 3, 2}, {4, 2, 1, 3, 5}, {5, 4, 3, 2, 1},
        {4, 1, 5, 3, 2}, {3, 2, 5, 4, 1}, {1, 2, 4, 3, 5}, {2, 3, 5, 4, 1},
        {2, 1, 3, 5, 4}, {1, 5, 2, 4, 3}, {5, 2, 4, 1, 3}, {5, 3, 4, 1, 2},
    };
    struct cfs_ring ring = ring_of(5, 1);
    cfs_node_id nodes[5];

    (void)state;
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(cfs_ring_preference(&ring, i + 1, nodes, 5), 5);
        assert_memory_equal(nodes, golden[i], sizeof nodes);
    }
    cfs_ring_close(&ring);
}

static void test_golden_groups(void **state)
{
    static const struct {
        const char *name;
        cfs_group_id of_16, of_many;
    } golden[] = {
        {"", 8, 1885986542},          {"a", 13, 3066602637},        {"jobs", 11, 2521954650},
        {"mail", 14, 3498059504},     {"jobs/2", 7, 1609571859},    {"abcdefgh", 8, 1802246646},
        {"abcdefghi", 7, 1589293861}, {"\xff\xfe", 16, 3996932228},
    };

    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        size_t len = strlen(golden[i].name);

        assert_int_equal(cfs_ring_group_of(golden[i].name, len, 16), golden[i].of_16);
        assert_int_equal(cfs_ring_group_of(golden[i].name, len, 4000000000u), golden[i].of_many);
    }
}

/* All of a large ring with all kinds of weights, in one number. */
static void test_golden_ring(void **state)
{
    struct cfs_ring_node nodes[NODES_MAX];
    struct cfs_ring ring;
    uint64_t sum = 0;

    (void)state;
    for (uint32_t i = 0; i < NODES_MAX; i++)
        nodes[i] = (struct cfs_ring_node){i + 1, (i * 37) % (CFS_WEIGHT_MAX + 1)};
    assert_int_equal(cfs_ring_init(&ring, nodes, NODES_MAX), 0);
    for (cfs_group_id group = 1; group <= GROUPS; group++) {
        cfs_node_id found[3];

        assert_int_equal(cfs_ring_preference(&ring, group, found, 3), 3);
        for (int i = 0; i < 3; i++)
            sum = sum * 0x100000001b3u + found[i];
    }
    assert_true(sum == UINT64_C(0x6242a0636cab5618));
    cfs_ring_close(&ring);
}

/* ---- the list of nodes ---- */

static void test_the_order_of_the_list_does_not_matter(void **state)
{
    struct cfs_ring_node nodes[] = {{7, 3}, {1, 1}, {63, 100}, {2, 0}, {30, 50}};
    struct cfs_ring ring, other;

    (void)state;
    assert_int_equal(cfs_ring_init(&ring, nodes, 5), 0);
    for (int turn = 0; turn < 4; turn++) {
        struct cfs_ring_node head = nodes[0];

        memmove(nodes, nodes + 1, 4 * sizeof *nodes);
        nodes[4] = head;
        assert_int_equal(cfs_ring_init(&other, nodes, 5), 0);
        assert_int_equal(other.point_count, ring.point_count);
        for (uint32_t i = 0; i < ring.point_count; i++)
            assert_true(ring.points[i].at == other.points[i].at &&
                        ring.points[i].node == other.points[i].node);
        cfs_ring_close(&other);
    }
    cfs_ring_close(&ring);
}

static void assert_refused(const struct cfs_ring_node *nodes, uint32_t count)
{
    struct cfs_ring ring;

    assert_int_equal(cfs_ring_init(&ring, nodes, count), -1);
    assert_null(ring.points);
}

static void test_bad_lists_are_refused(void **state)
{
    (void)state;
    assert_refused((struct cfs_ring_node[]){{1, 1}, {0, 1}}, 2);
    assert_refused((struct cfs_ring_node[]){{CFS_NODE_MAX + 1, 1}}, 1);
    assert_refused((struct cfs_ring_node[]){{1, CFS_WEIGHT_MAX + 1}}, 1);
    assert_refused((struct cfs_ring_node[]){{5, 1}, {2, 1}, {5, 2}}, 3);
    assert_refused((struct cfs_ring_node[]){{5, 0}, {5, 0}}, 2);
}

static void test_weight_zero_gets_nothing(void **state)
{
    struct cfs_ring_node nodes[] = {{1, 1}, {2, 0}, {3, 1}};
    struct cfs_ring with, without;
    cfs_node_id found[3], expected[3];

    (void)state;
    assert_int_equal(cfs_ring_init(&with, nodes, 3), 0);
    nodes[1] = nodes[2];
    assert_int_equal(cfs_ring_init(&without, nodes, 2), 0);
    for (cfs_group_id group = 1; group <= GROUPS; group++) {
        assert_int_equal(cfs_ring_preference(&with, group, found, 3), 2);
        assert_int_equal(cfs_ring_preference(&without, group, expected, 3), 2);
        assert_memory_equal(found, expected, 2 * sizeof *found);
    }
    cfs_ring_close(&with);
    cfs_ring_close(&without);
}

static void test_an_empty_ring_prefers_nobody(void **state)
{
    struct cfs_ring ring;
    cfs_node_id node = 99;

    (void)state;
    assert_int_equal(cfs_ring_init(&ring, NULL, 0), 0);
    assert_int_equal(cfs_ring_preference(&ring, 1, &node, 1), 0);
    cfs_ring_close(&ring);
    assert_int_equal(cfs_ring_init(&ring, (struct cfs_ring_node[]){{1, 0}, {2, 0}}, 2), 0);
    assert_int_equal(cfs_ring_preference(&ring, 1, &node, 1), 0);
    assert_int_equal(node, 99);
    cfs_ring_close(&ring);
}

static void test_preferences_are_different_nodes_and_prefixes_agree(void **state)
{
    struct cfs_ring ring = ring_of(NODES_MAX, 1);
    cfs_node_id all[NODES_MAX + 1], some[NODES_MAX];

    (void)state;
    for (cfs_group_id group = 0; group <= 64; group++) {
        uint64_t seen = 0;

        assert_int_equal(cfs_ring_preference(&ring, group, all, NODES_MAX + 1), NODES_MAX);
        for (uint32_t i = 0; i < NODES_MAX; i++)
            seen |= (uint64_t)1 << all[i];
        assert_int_equal(__builtin_popcountll(seen), NODES_MAX);
        for (uint32_t max = 0; max < 8; max++) {
            assert_int_equal(cfs_ring_preference(&ring, group, some, max), max);
            assert_memory_equal(some, all, max * sizeof *some);
        }
    }
    cfs_ring_close(&ring);
}

/* ---- who comes, who goes ---- */

/* A node more takes about 1/N of the groups, all for itself; the same ones return when it goes. */
static void test_a_node_more_moves_about_its_share(void **state)
{
    (void)state;
    for (uint32_t n = 3; n <= 20; n++) {
        struct cfs_ring before = ring_of(n - 1, 1), after = ring_of(n, 1);
        uint32_t moved = 0;

        for (cfs_group_id group = 1; group <= GROUPS; group++) {
            if (first_of(&before, group) == first_of(&after, group))
                continue;
            assert_int_equal(first_of(&after, group), n);
            moved++;
        }
        assert_in_range(moved, GROUPS * 6 / 10 / n, GROUPS * 14 / 10 / n);
        cfs_ring_close(&before);
        cfs_ring_close(&after);
    }
}

/* Of three replicas one moves, in about 3/N of the groups, and only to make room. */
static void test_a_node_more_moves_one_replica_of_three(void **state)
{
    (void)state;
    for (uint32_t n = 4; n <= 20; n++) {
        struct cfs_ring before = ring_of(n - 1, 1), after = ring_of(n, 1);
        uint32_t moved = 0;

        for (cfs_group_id group = 1; group <= GROUPS; group++) {
            uint64_t come = replicas_of(&after, group) & ~replicas_of(&before, group);
            uint64_t gone = replicas_of(&before, group) & ~replicas_of(&after, group);

            assert_true(come == 0 || come == (uint64_t)1 << n);
            assert_int_equal(__builtin_popcountll(gone), come != 0);
            moved += come != 0;
        }
        assert_in_range(moved, 3 * GROUPS * 7 / 10 / n, 3 * GROUPS * 13 / 10 / n);
        cfs_ring_close(&before);
        cfs_ring_close(&after);
    }
}

/* Any node less, not only the last: who led stays, or the second in line takes over. */
static void test_a_node_less_is_followed_by_the_second(void **state)
{
    struct cfs_ring_node nodes[6];
    struct cfs_ring before = ring_of(7, 1), after;

    (void)state;
    for (cfs_node_id gone = 1; gone <= 7; gone++) {
        for (uint32_t i = 0; i < 6; i++)
            nodes[i] = (struct cfs_ring_node){i + 1 < gone ? i + 1 : i + 2, 1};
        assert_int_equal(cfs_ring_init(&after, nodes, 6), 0);
        for (cfs_group_id group = 1; group <= GROUPS; group++) {
            cfs_node_id found[2];

            cfs_ring_preference(&before, group, found, 2);
            assert_int_equal(first_of(&after, group), found[0] == gone ? found[1] : found[0]);
        }
        cfs_ring_close(&after);
    }
    cfs_ring_close(&before);
}

/* ---- evenness ---- */

/* What ring.c says of clusters of nodes 1 to N: within 1.2 times of the evenest there is. */
static void test_the_usual_clusters_are_even(void **state)
{
    uint32_t leads[NODES_MAX + 1];

    (void)state;
    for (uint32_t n = 2; n <= 7; n++) {
        struct cfs_ring ring = ring_of(n, 1);

        for (uint32_t groups = 16; groups <= 256; groups *= 2) {
            count_leads(&ring, groups, leads);
            for (uint32_t node = 1; node <= n; node++)
                assert_in_range(leads[node] * 10, 0, (groups + n - 1) / n * 12);
        }
        cfs_ring_close(&ring);
    }
}

/* With many groups any equal nodes are within 0.6 and 1.5 of their share; heavier ones within a
 * fifth, which is what 4096 groups allow. */
static void test_equal_weights_have_equal_shares(void **state)
{
    static const struct {
        uint32_t weight, least, most; /* percent of the share */
    } bounds[] = {{1, 60, 150}, {10, 80, 120}, {CFS_WEIGHT_MAX, 80, 120}};
    uint32_t leads[NODES_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        for (uint32_t n = 2; n <= 12; n++) {
            struct cfs_ring ring = ring_of(n, bounds[i].weight);

            count_leads(&ring, GROUPS, leads);
            for (uint32_t node = 1; node <= n; node++)
                assert_in_range(leads[node] * n * 100, GROUPS * bounds[i].least,
                                GROUPS * bounds[i].most);
            cfs_ring_close(&ring);
        }
}

static void test_shares_follow_the_weights(void **state)
{
    const struct cfs_ring_node nodes[] = {{1, 5}, {2, 10}, {3, 20}, {4, 40}, {5, 25}};
    uint32_t leads[NODES_MAX + 1];
    struct cfs_ring ring;

    (void)state;
    assert_int_equal(cfs_ring_init(&ring, nodes, 5), 0);
    count_leads(&ring, GROUPS, leads);
    for (int i = 0; i < 5; i++)
        assert_in_range(leads[nodes[i].node] * 100, GROUPS * nodes[i].weight * 8 / 10,
                        GROUPS * nodes[i].weight * 12 / 10);
    cfs_ring_close(&ring);
}

/* ---- names ---- */

static void test_names_spread_over_all_groups(void **state)
{
    uint32_t count[17] = {0};
    char name[32];

    (void)state;
    for (int i = 0; i < 160000; i++) {
        int len = snprintf(name, sizeof name, "queue-%d", i);
        cfs_group_id group = cfs_ring_group_of(name, (size_t)len, 16);

        assert_in_range(group, 1, 16);
        count[group]++;
    }
    for (int group = 1; group <= 16; group++)
        assert_in_range(count[group], 9700, 10300);
    assert_int_equal(cfs_ring_group_of("x", 1, 1), 1);
}

/* Each bit of a name changes about half of the 32 bits of the hash that choose the group. */
static void test_every_bit_of_a_name_counts(void **state)
{
    uint8_t name[20];
    uint32_t flipped = 0, rounds = 0;

    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof name; i++)
            name[i] = (uint8_t)(round * 31 + i * 7);
        for (uint32_t bit = 0; bit < sizeof name * 8; bit++, rounds++) {
            cfs_group_id before = cfs_ring_group_of(name, sizeof name, UINT32_MAX), after;

            name[bit / 8] ^= (uint8_t)(1 << bit % 8);
            after = cfs_ring_group_of(name, sizeof name, UINT32_MAX);
            name[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_in_range(__builtin_popcount(before ^ after), 3, 29);
            flipped += (uint32_t)__builtin_popcount(before ^ after);
        }
    }
    assert_in_range(flipped * 10 / rounds, 158, 162);
}

static void test_zeros_at_the_end_count(void **state)
{
    static const uint8_t zeros[32];

    (void)state;
    for (size_t a = 0; a < sizeof zeros; a++)
        for (size_t b = 0; b < a; b++)
            assert_int_not_equal(cfs_ring_group_of(zeros, a, UINT32_MAX),
                                 cfs_ring_group_of(zeros, b, UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_preferences),
        cmocka_unit_test(test_golden_groups),
        cmocka_unit_test(test_golden_ring),
        cmocka_unit_test(test_the_order_of_the_list_does_not_matter),
        cmocka_unit_test(test_bad_lists_are_refused),
        cmocka_unit_test(test_weight_zero_gets_nothing),
        cmocka_unit_test(test_an_empty_ring_prefers_nobody),
        cmocka_unit_test(test_preferences_are_different_nodes_and_prefixes_agree),
        cmocka_unit_test(test_a_node_more_moves_about_its_share),
        cmocka_unit_test(test_a_node_more_moves_one_replica_of_three),
        cmocka_unit_test(test_a_node_less_is_followed_by_the_second),
        cmocka_unit_test(test_the_usual_clusters_are_even),
        cmocka_unit_test(test_equal_weights_have_equal_shares),
        cmocka_unit_test(test_shares_follow_the_weights),
        cmocka_unit_test(test_names_spread_over_all_groups),
        cmocka_unit_test(test_every_bit_of_a_name_counts),
        cmocka_unit_test(test_zeros_at_the_end_count),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
