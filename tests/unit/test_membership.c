/* Sets of nodes, who of them is a majority, and what a log says of them as it grows and shrinks. */
#include "core_bench.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

/* A set of up to five nodes; 0: nobody. */
static cfs_node_set set(cfs_node_id a, cfs_node_id b, cfs_node_id c, cfs_node_id d, cfs_node_id e)
{
    const cfs_node_id nodes[] = {a, b, c, d, e};
    cfs_node_set all = 0;

    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        if (nodes[i])
            all |= CFS_NODE_BIT(nodes[i]);
    return all;
}

/* Sets. */

static void a_set_is_walked_in_the_order_of_its_nodes(void **state)
{
    const cfs_node_id expected[] = {1, 7, 62, 63};
    cfs_node_set walked = set(7, 63, 1, 62, 0);
    size_t count = 0;

    (void)state;
    CFS_EACH_NODE (node, walked)
        assert_int_equal(node, expected[count++]);
    assert_int_equal(count, 4);
    CFS_EACH_NODE (node, 0)
        fail_msg("node %u is in the empty set", node);
    assert_int_equal(cfs_node_set_next(walked, 63), 0);
    assert_int_equal(cfs_node_set_next(walked, 7), 62);
    assert_int_equal(cfs_node_set_next(walked, 8), 62);
}

static void the_nodes_of_a_set_are_counted(void **state)
{
    (void)state;
    assert_int_equal(cfs_node_set_count(0), 0);
    assert_int_equal(cfs_node_set_count(set(1, 2, 63, 0, 0)), 3);
    assert_int_equal(cfs_node_set_count(~(cfs_node_set)1), CFS_NODE_MAX);
}

static void learners_have_a_replica_and_decide_nothing(void **state)
{
    const struct cfs_membership members = {.voters = set(1, 2, 0, 0, 0),
                                           .outgoing = set(2, 3, 0, 0, 0),
                                           .learners = set(4, 0, 0, 0, 0)};

    (void)state;
    assert_int_equal(cfs_membership_all(&members), set(1, 2, 3, 4, 0));
    assert_int_equal(cfs_membership_deciding(&members), set(1, 2, 3, 0, 0));
}

static void members_are_equal_when_all_three_sets_are(void **state)
{
    const struct cfs_membership a = {.voters = 2, .outgoing = 4, .learners = 8};
    struct cfs_membership b = a;

    (void)state;
    assert_true(cfs_membership_equal(&a, &b));
    b.voters = 16;
    assert_false(cfs_membership_equal(&a, &b));
    b = a;
    b.outgoing = 0;
    assert_false(cfs_membership_equal(&a, &b));
    b = a;
    b.learners = 0;
    assert_false(cfs_membership_equal(&a, &b));
}

/* Majorities. */

static bool is_quorum(cfs_node_set voters, cfs_node_set outgoing, cfs_node_set nodes)
{
    return cfs_membership_is_quorum(&(struct cfs_membership){.voters = voters,
                                                             .outgoing = outgoing,
                                                             .learners = set(60, 61, 0, 0, 0)},
                                    nodes);
}

static void more_than_half_of_the_voters_are_a_majority(void **state)
{
    (void)state;
    assert_true(is_quorum(set(1, 0, 0, 0, 0), 0, set(1, 0, 0, 0, 0)));
    assert_false(is_quorum(set(1, 2, 0, 0, 0), 0, set(1, 0, 0, 0, 0)));
    assert_true(is_quorum(set(1, 2, 3, 0, 0), 0, set(1, 3, 0, 0, 0)));
    assert_false(is_quorum(set(1, 2, 3, 4, 0), 0, set(1, 3, 0, 0, 0)));
    assert_true(is_quorum(set(1, 2, 3, 4, 0), 0, set(1, 3, 4, 0, 0)));
    assert_true(is_quorum(set(1, 2, 3, 4, 5), 0, set(5, 4, 3, 0, 0)));
    assert_false(is_quorum(set(1, 2, 3, 4, 5), 0, set(5, 4, 0, 0, 0)));
}

static void who_does_not_vote_makes_no_majority(void **state)
{
    (void)state;
    assert_false(is_quorum(set(1, 2, 3, 0, 0), 0, set(1, 60, 61, 9, 0)));
    assert_false(is_quorum(0, 0, ~(cfs_node_set)0)); /* nor is there one of nobody */
}

/* Every choice of nodes, with a cluster of three that becomes another three: a joint majority is
 * one of the old and one of the new voters, so any two have a node in common with each other and
 * with every majority of either (4.3). */
static void a_joint_majority_is_one_of_the_old_and_one_of_the_new_voters(void **state)
{
    cfs_node_set new = set(1, 4, 5, 0, 0), old = set(1, 2, 3, 0, 0);

    (void)state;
    assert_true(is_quorum(new, old, set(1, 2, 4, 0, 0)));
    assert_false(is_quorum(new, old, set(1, 2, 3, 0, 0)));
    assert_false(is_quorum(new, old, set(1, 4, 5, 0, 0)));
    assert_false(is_quorum(new, old, set(2, 4, 5, 0, 0))); /* three of all five */
    for (cfs_node_set a = 0; a < 64; a += 2)
        for (cfs_node_set b = 0; b < 64; b += 2)
            if (is_quorum(new, old, a) &&
                (is_quorum(new, old, b) || is_quorum(new, 0, b) || is_quorum(old, 0, b)))
                assert_true(a & b);
}

/* What a majority has reached. */

static uint64_t reached(cfs_node_set voters, cfs_node_set outgoing, const uint64_t of[6])
{
    uint64_t values[CFS_NODE_MAX + 1] = {0};

    for (int i = 1; i <= 5; i++)
        values[i] = of[i];
    values[60] = 1000; /* a learner */
    return cfs_membership_reached(&(struct cfs_membership){.voters = voters,
                                                           .outgoing = outgoing,
                                                           .learners = set(60, 0, 0, 0, 0)},
                                  values);
}

static void a_majority_has_reached_what_stands_in_the_middle(void **state)
{
    const uint64_t values[] = {0, 50, 10, 40, 20, 30};

    (void)state;
    assert_int_equal(reached(set(1, 0, 0, 0, 0), 0, values), 50);
    assert_int_equal(reached(set(1, 2, 0, 0, 0), 0, values), 10);
    assert_int_equal(reached(set(1, 2, 3, 0, 0), 0, values), 40);
    assert_int_equal(reached(set(1, 2, 3, 4, 0), 0, values), 20);
    assert_int_equal(reached(set(1, 2, 3, 4, 5), 0, values), 30);
    assert_int_equal(reached(0, 0, values), 0);
}

static void a_joint_majority_has_reached_the_lesser_of_both(void **state)
{
    const uint64_t values[] = {0, 50, 10, 40, 20, 30};

    (void)state;
    assert_int_equal(reached(set(1, 3, 5, 0, 0), set(2, 4, 5, 0, 0), values), 20);
    assert_int_equal(reached(set(2, 4, 5, 0, 0), set(1, 3, 5, 0, 0), values), 20);
}

/* The two ways to ask for a majority agree. */
static void whatever_was_reached_was_reached_by_a_majority(void **state)
{
    uint64_t random = 88172645463325252u; /* xorshift64, always the same */

    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct cfs_membership members;
        uint64_t values[CFS_NODE_MAX + 1] = {0}, value;
        cfs_node_set above = 0, beyond = 0;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        members =
            (struct cfs_membership){.voters = (random & 62) | 2, .outgoing = random >> 6 & 62};
        for (int i = 1; i <= 5; i++)
            values[i] = random >> (8 + 4 * i) & 7;
        value = cfs_membership_reached(&members, values);
        for (int i = 1; i <= 5; i++) {
            above |= values[i] >= value ? CFS_NODE_BIT(i) : 0;
            beyond |= values[i] > value ? CFS_NODE_BIT(i) : 0;
        }
        assert_true(cfs_membership_is_quorum(&members, above));
        assert_false(cfs_membership_is_quorum(&members, beyond));
    }
}

/* As bytes. */

static int decode(struct cfs_membership *members, const uint8_t *data, size_t len)
{
    uint8_t *exact = cfs_alloc_copy(data, len); /* so that reading beyond it is seen */
    int result = cfs_membership_decode(members, exact, len);

    free(exact);
    return result;
}

static void members_come_out_as_they_went_in(void **state)
{
    const struct cfs_membership members = {.voters = set(1, 2, 63, 0, 0),
                                           .outgoing = set(2, 3, 0, 0, 0),
                                           .learners = set(4, 62, 0, 0, 0)};
    struct cfs_membership got;
    struct cfs_writer writer = {0};

    (void)state;
    cfs_membership_encode(&writer, &members);
    assert_int_equal(decode(&got, writer.data, writer.len), 0);
    assert_true(cfs_membership_equal(&got, &members));
    for (size_t len = 0; len < writer.len; len++)
        assert_int_equal(decode(&got, writer.data, len), -1);
    cfs_put_u8(&writer, 0);
    assert_int_equal(decode(&got, writer.data, writer.len), -1);
    writer.data[0]++; /* another version */
    assert_int_equal(decode(&got, writer.data, writer.len - 1), -1);
    free(writer.data);
}

static void assert_refused(struct cfs_membership members)
{
    struct cfs_membership got;
    struct cfs_writer writer = {0};

    cfs_membership_encode(&writer, &members);
    assert_int_equal(decode(&got, writer.data, writer.len), -1);
    free(writer.data);
}

static void members_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_refused((struct cfs_membership){.voters = 1 | 2}); /* there is no node 0 */
    assert_refused((struct cfs_membership){.voters = 2, .outgoing = 1});
    assert_refused((struct cfs_membership){.voters = 2, .learners = 1});
    assert_refused((struct cfs_membership){.voters = 2, .learners = 2});
    assert_refused((struct cfs_membership){.voters = 2, .outgoing = 4, .learners = 4});
    assert_refused((struct cfs_membership){.learners = 2}); /* nobody could decide anything */
}

/* A node that joins a cluster has a log without a word of who the members are. */
static void within_other_bytes_there_may_be_nobody(void **state)
{
    struct cfs_membership got = {.voters = 2};
    struct cfs_writer writer = {0};
    struct cfs_reader reader;

    (void)state;
    cfs_membership_put(&writer, &(struct cfs_membership){0});
    reader = (struct cfs_reader){.data = writer.data, .len = writer.len};
    cfs_membership_get(&reader, &got);
    assert_false(reader.failed);
    assert_int_equal(cfs_membership_all(&got), 0);
    free(writer.data);
}

/* What the log says. */

static struct cfs_membership_history history;

static int set_up(void **state)
{
    cfs_membership_history_reset(&history, 0, &(struct cfs_membership){.voters = 2});
    for (cfs_node_id node = 2; node <= 4; node++) /* at 10, 20 and 30 */
        cfs_membership_history_add(&history, 10 * (node - 1),
                                   &(struct cfs_membership){.voters = CFS_NODE_BIT(node)});
    *state = &history;
    return 0;
}

static int tear_down(void **state)
{
    cfs_membership_history_close(*state);
    return 0;
}

static void assert_at(uint64_t index, uint64_t mark, cfs_node_id node)
{
    const struct cfs_membership_mark *at = cfs_membership_history_at(&history, index);

    assert_int_equal(at->index, mark);
    assert_int_equal(at->members.voters, CFS_NODE_BIT(node));
}

static void an_entry_is_in_force_from_its_index_on(void **state)
{
    (void)state;
    assert_at(0, 0, 1);
    assert_at(9, 0, 1);
    assert_at(10, 10, 2);
    assert_at(29, 20, 3);
    assert_at(30, 30, 4);
    assert_at(UINT64_MAX, 30, 4);
}

static void what_is_cut_off_the_log_is_not_in_force_any_more(void **state)
{
    (void)state;
    cfs_membership_history_truncate(&history, 31);
    assert_at(UINT64_MAX, 30, 4);
    cfs_membership_history_truncate(&history, 30);
    assert_at(UINT64_MAX, 20, 3);
    cfs_membership_history_truncate(&history, 10);
    assert_at(UINT64_MAX, 0, 1);
    cfs_membership_history_truncate(&history, 1);
    assert_at(UINT64_MAX, 0, 1); /* the first ones are the base's */
    cfs_membership_history_add(&history, 5, &(struct cfs_membership){.voters = 32});
    assert_at(UINT64_MAX, 5, 5);
}

static void of_what_is_compacted_the_newest_stays(void **state)
{
    (void)state;
    cfs_membership_history_compact(&history, 9);
    assert_int_equal(history.count, 4);
    cfs_membership_history_compact(&history, 20);
    assert_int_equal(history.count, 2);
    assert_at(20, 20, 3);
    assert_at(25, 20, 3);
    assert_at(30, 30, 4);
    cfs_membership_history_truncate(&history, 21);
    assert_at(UINT64_MAX, 20, 3);
    cfs_membership_history_compact(&history, 1000);
    assert_at(1000, 20, 3);
}

static void a_new_base_has_one_word(void **state)
{
    (void)state;
    cfs_membership_history_reset(&history, 100, &(struct cfs_membership){.voters = 64});
    assert_int_equal(history.count, 1);
    assert_at(100, 100, 6);
    cfs_membership_history_truncate(&history, 101);
    assert_at(100, 100, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_walked_in_the_order_of_its_nodes),
        cmocka_unit_test(the_nodes_of_a_set_are_counted),
        cmocka_unit_test(learners_have_a_replica_and_decide_nothing),
        cmocka_unit_test(members_are_equal_when_all_three_sets_are),
        cmocka_unit_test(more_than_half_of_the_voters_are_a_majority),
        cmocka_unit_test(who_does_not_vote_makes_no_majority),
        cmocka_unit_test(a_joint_majority_is_one_of_the_old_and_one_of_the_new_voters),
        cmocka_unit_test(a_majority_has_reached_what_stands_in_the_middle),
        cmocka_unit_test(a_joint_majority_has_reached_the_lesser_of_both),
        cmocka_unit_test(whatever_was_reached_was_reached_by_a_majority),
        cmocka_unit_test(members_come_out_as_they_went_in),
        cmocka_unit_test(members_that_cannot_be_are_refused),
        cmocka_unit_test(within_other_bytes_there_may_be_nobody),
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        T(an_entry_is_in_force_from_its_index_on),
        T(what_is_cut_off_the_log_is_not_in_force_any_more),
        T(of_what_is_compacted_the_newest_stays),
        T(a_new_base_has_one_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
