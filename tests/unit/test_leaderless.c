/* What a log says when nobody can be elected: after some seconds, with names, not all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/leaderless.h"

static struct cfs_leaderless leaderless;
static struct cfs_core_view view;
static char sentence[CFS_LEADERLESS_BYTES];

static int set_up(void **state)
{
    (void)state;
    leaderless = (struct cfs_leaderless){0};
    view = (struct cfs_core_view){.role = "pre-candidate", .member_count = 3};
    return 0;
}

static bool look(cfs_time second)
{
    return cfs_leaderless_look(&leaderless, &view, CFS_SECONDS(second), sentence);
}

/* Once a second; the first second at which it speaks. */
static cfs_time first_said(cfs_time from, cfs_time until)
{
    for (cfs_time second = from; second <= until; second++)
        if (look(second))
            return second;
    return 0;
}

static void assert_says(const char *words)
{
    if (!strstr(sentence, words))
        fail_msg("expected \"%s\" in: %s", words, sentence);
}

static void test_names_those_whose_votes_do_not_count(void **state)
{
    (void)state;
    view.doubted = CFS_NODE_BIT(2) | CFS_NODE_BIT(3);
    assert_int_equal(first_said(100, 200), 105);
    assert_string_equal(sentence,
                        "no leader for 5 s: the votes of nodes 2, 3, whose data is new or lost its "
                        "end, do not count: they may have forgotten what was answered. Start the "
                        "members whose data is whole, or all of them");
}

static void test_tells_what_is_wrong_with_the_node_itself(void **state)
{
    (void)state;
    view.amnesia = CFS_BLANK;
    assert_int_equal(first_said(100, 200), 105);
    assert_says("no leader for 5 s: this node's data is new");
    assert_says("a new cluster begins when all its members run");
    assert_null(strstr(sentence, "nodes"));
    view.amnesia = CFS_TORN;
    view.doubted = CFS_NODE_BIT(63);
    assert_int_equal(first_said(106, 300), 165);
    assert_says("no leader for 65 s: the end of this node's log was lost");
    assert_says("; also, the votes of nodes 63, whose");
}

static void test_is_said_again_after_a_minute(void **state)
{
    (void)state;
    view.doubted = CFS_NODE_BIT(2);
    assert_int_equal(first_said(100, 200), 105);
    assert_int_equal(first_said(106, 200), 165);
    assert_int_equal(first_said(166, 300), 225);
}

static void test_says_nothing_under_a_leader(void **state)
{
    (void)state;
    view.amnesia = CFS_BLANK; /* as one that catches up */
    view.leader = 1;
    assert_int_equal(first_said(100, 200), 0);
    view.leader = 0;
    assert_int_equal(first_said(201, 204), 0);
    view.leader = 2; /* a change of leaders */
    assert_false(look(205));
    view.leader = 0;
    assert_int_equal(first_said(206, 300), 211);
}

static void test_says_nothing_where_memory_is_not_the_reason(void **state)
{
    (void)state;
    assert_int_equal(first_said(100, 300), 0);
    view.doubted = CFS_NODE_BIT(2);
    assert_true(look(301)); /* without a leader for long */
}

static void test_says_nothing_before_it_is_a_member(void **state)
{
    (void)state;
    view.amnesia = CFS_BLANK;
    view.member_count = 0;
    assert_int_equal(first_said(100, 200), 0);
    view.member_count = 4;
    assert_int_equal(first_said(201, 300), 206);
}

static void test_any_number_of_nodes_fits(void **state)
{
    (void)state;
    view.amnesia = CFS_BLANK;
    view.doubted = ~UINT64_C(1);
    assert_int_equal(first_said(100, 200), 105);
    assert_says(" 1, 2, 3, ");
    assert_says(" 63, whose");
    assert_says("or all of them");
}

static void test_amnesia_has_words(void **state)
{
    (void)state;
    assert_string_equal(cfs_amnesia_word(CFS_REMEMBERS), "none");
    assert_string_equal(cfs_amnesia_word(CFS_TORN), "torn");
    assert_string_equal(cfs_amnesia_word(CFS_BLANK), "blank");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_##name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(names_those_whose_votes_do_not_count),
        TEST(tells_what_is_wrong_with_the_node_itself),
        TEST(is_said_again_after_a_minute),
        TEST(says_nothing_under_a_leader),
        TEST(says_nothing_where_memory_is_not_the_reason),
        TEST(says_nothing_before_it_is_a_member),
        TEST(any_number_of_nodes_fits),
        TEST(amnesia_has_words),
    };

    return cmocka_run_group_tests_name("leaderless", tests, NULL, NULL);
}
