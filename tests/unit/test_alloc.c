/* Memory for the core: never NULL, and arrays that grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static void zeroed_memory_is_zero(void **state)
{
    uint64_t *numbers = cfs_alloc_zeroed(100, sizeof *numbers);

    (void)state;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    free(numbers);
}

static void nothing_asked_for_is_no_failure(void **state)
{
    void *memory = cfs_alloc(0);

    (void)state;
    assert_non_null(memory);
    memory = cfs_realloc(memory, 0);
    assert_non_null(memory);
    free(memory);
    assert_null(cfs_alloc_copy("", 0));
}

static void a_copy_is_one_of_its_own(void **state)
{
    char text[] = "lock";
    char *copy = cfs_alloc_copy(text, sizeof text);

    (void)state;
    text[0] = 'r';
    assert_string_equal(copy, "lock");
    free(copy);
}

static void an_array_keeps_its_items_as_it_grows(void **state)
{
    uint32_t *items = NULL;
    size_t capacity = 0;

    (void)state;
    for (uint32_t count = 0; count < 1000; count++) {
        items = cfs_array_room(items, count, &capacity, sizeof *items);
        assert_true(capacity > count);
        items[count] = count;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(nothing_asked_for_is_no_failure),
        cmocka_unit_test(a_copy_is_one_of_its_own),
        cmocka_unit_test(an_array_keeps_its_items_as_it_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
