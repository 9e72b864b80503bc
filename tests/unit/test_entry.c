/* Log entries: one block of memory, freed with its last reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/entry.h"

static void a_new_entry_has_its_own_copy_of_the_data(void **state)
{
    char data[] = "abc";
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_COMMAND, 7, 3, data, sizeof data);

    (void)state;
    data[0] = 'X';
    assert_int_equal(entry->kind, CFS_ENTRY_COMMAND);
    assert_int_equal(entry->index, 7);
    assert_int_equal(entry->term, 3);
    assert_int_equal(entry->len, sizeof data);
    assert_string_equal((char *)entry->data, "abc");
    cfs_entry_unref(entry);
}

static void an_entry_without_data_can_be_filled_in_later(void **state)
{
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_COMMAND, 1, 1, NULL, 2);

    (void)state;
    entry->data[0] = 1;
    entry->data[1] = 2;
    assert_int_equal(entry->len, 2);
    cfs_entry_unref(entry);
}

/* That it is freed, and only then, is for the address sanitizer to say. */
static void an_entry_lives_as_long_as_its_last_reference(void **state)
{
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_NOOP, 1, 1, NULL, 0);

    (void)state;
    assert_ptr_equal(cfs_entry_ref(entry), entry);
    cfs_entry_unref(entry);
    assert_int_equal(entry->refs, 1);
    cfs_entry_unref(entry);
}

static void nothing_may_be_given_back_too(void **state)
{
    (void)state;
    cfs_entry_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_entry_has_its_own_copy_of_the_data),
        cmocka_unit_test(an_entry_without_data_can_be_filled_in_later),
        cmocka_unit_test(an_entry_lives_as_long_as_its_last_reference),
        cmocka_unit_test(nothing_may_be_given_back_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
