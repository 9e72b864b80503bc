/* What may be a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "coordfs/request.h"

static void ordinary_names_are_names(void **state)
{
    (void)state;
    assert_true(cfs_name_valid("job"));
    assert_true(cfs_name_valid("."
                               "hidden"));
    assert_true(cfs_name_valid("..."));
    assert_true(cfs_name_valid(" \n\t\x01\xff"));
}

static void what_a_path_means_by_itself_is_no_name(void **state)
{
    (void)state;
    assert_false(cfs_name_valid(""));
    assert_false(cfs_name_valid("."));
    assert_false(cfs_name_valid(".."));
    assert_false(cfs_name_valid("a/b"));
    assert_false(cfs_name_valid("/"));
}

static void a_name_has_at_most_255_bytes(void **state)
{
    char name[CFS_NAME_MAX + 2] = {0};

    (void)state;
    memset(name, 'n', CFS_NAME_MAX);
    assert_true(cfs_name_valid(name));
    name[CFS_NAME_MAX] = 'n';
    assert_false(cfs_name_valid(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_are_names),
        cmocka_unit_test(what_a_path_means_by_itself_is_no_name),
        cmocka_unit_test(a_name_has_at_most_255_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
