/* The page .coordfs/cache: what a node keeps, and what it has counted. */
#include "status_world.h"

#include <stdlib.h>
#include <string.h>

static struct cfs_status status_with_values(void)
{
    struct cfs_status status = status_of_a_leader();

    status.cache = (struct cfs_cache_counts){.hits = 9,
                                             .misses = 8,
                                             .invalidations = 7,
                                             .lapses = 6,
                                             .evictions = 5,
                                             .inodes = 4,
                                             .values = 3,
                                             .bytes = 12288};
    status_group(CFS_GROUPS)->view = (struct cfs_core_view){
        .role = "leader", .serving = true, .replica = true, .lines = 11, .line_changes = 1};
    return status;
}

static void test_text_has_a_line_for_each_number_and_each_group_that_is_led(void **state)
{
    struct cfs_status status = status_with_values();
    char *text = cfs_page_make("cache", false, &status);

    (void)state;
    assert_string_equal(
        text, "# cache/ as node 1 sees it; hits that do not leave the kernel are not counted\n"
              "node              1\n"
              "inodes            4\n"
              "values            3\n"
              "bytes             12288\n"
              "cache_size        1073741824\n"
              "hits              9\n"
              "misses            8\n"
              "invalidations     7\n"
              "lapses            6\n"
              "evictions         5\n"
              "\n"
              "# what nodes keep of the groups that this one leads\n"
              "group  lines  changes\n"
              "   17     11        1\n");
    free(text);
}

static void test_json_says_the_same(void **state)
{
    struct cfs_status status = status_with_values();
    json_t *root = page_as_json("cache", &status);
    const json_t *groups = json_object_get(root, "groups");

    (void)state;
    assert_number(root, "invalidations", 7);
    assert_number(root, "bytes", 12288);
    assert_int_equal(json_array_size(groups), 1);
    assert_number(json_array_get(groups, 0), "group", CFS_GROUPS);
    assert_number(json_array_get(groups, 0), "lines", 11);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_has_a_line_for_each_number_and_each_group_that_is_led),
        cmocka_unit_test(test_json_says_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
