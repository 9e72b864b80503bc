/* Names beside those of values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "coordfs/beside.h"

static void a_name_is_hidden_and_says_whose_it_is(void **state)
{
    char one[CFS_NAME_MAX + 1], two[CFS_NAME_MAX + 1];

    (void)state;
    assert_int_equal(cfs_name_beside(one, "key"), 0);
    assert_int_equal(cfs_name_beside(two, "key"), 0);
    assert_memory_equal(one, ".key.coordfs-", 13);
    assert_int_equal(strspn(one + 13, "0123456789abcdef"), 16);
    assert_int_equal(strlen(one), 13 + 16);
    assert_string_not_equal(one, two);
}

static void the_longest_is_cut_off(void **state)
{
    char name[CFS_NAME_MAX + 1] = "", beside[CFS_NAME_MAX + 1];

    (void)state;
    memset(name, 'x', CFS_NAME_MAX);
    assert_int_equal(cfs_name_beside(beside, name), 0);
    assert_true(strlen(beside) <= CFS_NAME_MAX);
    assert_non_null(strstr(beside, "x.coordfs-"));
    assert_int_equal(strspn(strstr(beside, "coordfs-") + 8, "0123456789abcdef"), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_hidden_and_says_whose_it_is),
        cmocka_unit_test(the_longest_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
