/* The table of small things: what is in it is found, and nothing else, at every size up and down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/id_table.h"

enum { ITEMS = 3000 };

static bool has(const struct cfs_id_table *table, uint64_t id)
{
    const struct cfs_id_item *item = cfs_id_find(table, id);

    if (item)
        assert_int_equal(item->id, id);
    return item != NULL;
}

static void check(const struct cfs_id_table *table, uint64_t from, uint64_t to, uint64_t step)
{
    for (uint64_t id = 1; id <= ITEMS * step; id++)
        assert_int_equal(has(table, id), id % step == 0 && id / step >= from && id / step < to);
}

static void an_empty_table_has_nothing(void **state)
{
    struct cfs_id_table table = {0};

    (void)state;
    assert_null(cfs_id_find(&table, 0));
    assert_null(cfs_id_find(&table, 7));
    cfs_id_table_close(&table);
}

static void it_grows_and_shrinks_one_by_one(void **state)
{
    struct cfs_id_item *items = calloc(ITEMS + 1, sizeof *items);
    struct cfs_id_table table = {0};
    uint64_t i;

    (void)state;
    for (i = 1; i <= ITEMS; i++) {
        items[i].id = i * 3;
        cfs_id_add(&table, &items[i]);
        assert_ptr_equal(cfs_id_find(&table, i * 3), &items[i]);
        assert_false(has(&table, i * 3 + 1));
        if (i % 500 == 0 || i < 20)
            check(&table, 1, i + 1, 3);
    }
    assert_int_equal(table.count, ITEMS);
    for (i = 1; i <= ITEMS; i++) {
        cfs_id_remove(&table, &items[i]);
        assert_false(has(&table, i * 3));
        if (i % 500 == 0 || i > ITEMS - 20)
            check(&table, i + 1, ITEMS + 1, 3);
    }
    assert_int_equal(table.count, 0);
    assert_true(table.capacity < 64); /* the memory went with the items */
    cfs_id_table_close(&table);
    free(items);
}

/* Ids that differ in their high bits alone, and the extremes. */
static void odd_ids_are_found_too(void **state)
{
    struct cfs_id_item items[66] = {{.id = 0}, {.id = UINT64_MAX}};
    struct cfs_id_table table = {0};

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        items[2 + i].id = (uint64_t)1 << i;
    for (unsigned i = 0; i < 66; i++)
        cfs_id_add(&table, &items[i]);
    for (unsigned i = 0; i < 66; i++)
        assert_ptr_equal(cfs_id_find(&table, items[i].id), &items[i]);
    cfs_id_table_close(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(it_grows_and_shrinks_one_by_one),
        cmocka_unit_test(odd_ids_are_found_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
