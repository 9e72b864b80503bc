/* The page .coordfs/ring: where the groups are. */
#include "status_world.h"

#include <stdlib.h>
#include <string.h>

static void test_text_shows_a_line_for_each_group(void **state)
{
    struct cfs_status status = status_of_a_leader();
    char *text = cfs_page_make("ring", false, &status);
    const char *expected =
        "# as node 1 knows it; group 0 holds nodes, sessions and locks, group 17 the names in "
        "cache/, the others queues and values\n"
        "group  leader  wanted  replicas  role      term  commit  applied  lag  snapshot\n"
        "    0       1  -       1,2       leader       7     119      118    3         -\n"
        "    1       2  2,1     1,(2)     follower     3      40       39    2         -\n"
        "    2       9  -       -         -            -       -        -    -         -\n";

    (void)state;
    assert_non_null(text);
    text[strlen(expected)] = 0;
    assert_string_equal(text, expected);
    free(text);
}

static void test_json_tells_who_learns(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root = page_as_json("ring", &status);
    const json_t *groups = json_object_get(root, "groups"), *group = json_array_get(groups, 1);
    const json_t *replicas = json_object_get(group, "replicas");

    (void)state;
    assert_number(root, "seen_by", 1);
    assert_int_equal(json_array_size(groups), CFS_GROUPS + 1);
    assert_number(group, "group", 1);
    assert_number(group, "leader", 2);
    assert_number(group, "lag", 2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(group, "wanted"), 0)), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(replicas, 1), "role")),
                        "learner");
    json_decref(root);
}

static void test_a_snapshot_that_comes_in_is_counted(void **state)
{
    struct cfs_status status = status_of_a_leader();
    json_t *root;

    (void)state;
    status_group(1)->view.installing = true;
    status_group(1)->view.installed_chunks = 5;
    root = page_as_json("ring", &status);
    assert_number(json_array_get(json_object_get(root, "groups"), 1), "snapshot", 5);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_shows_a_line_for_each_group),
        cmocka_unit_test(test_json_tells_who_learns),
        cmocka_unit_test(test_a_snapshot_that_comes_in_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
