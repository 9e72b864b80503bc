/* The heap of what ends at its time: whatever is added, removed and changed, the next one is on
 * top. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/due_heap.h"

enum { ITEMS = 200 };

static void check_order(const struct cfs_due_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        assert_int_equal(heap->items[i]->position, i);
        assert_true(heap->items[i]->at >= heap->items[0]->at);
        if (i > 0)
            assert_true(heap->items[i]->at >= heap->items[(i - 1) / 2]->at);
    }
}

static void they_come_out_in_the_order_of_their_time(void **state)
{
    struct cfs_due *items = calloc(ITEMS, sizeof *items);
    struct cfs_due_heap heap = {0};
    cfs_time last = 0;

    (void)state;
    for (size_t i = 0; i < ITEMS; i++) {
        items[i].at = i * 7919 % 211;
        cfs_due_add(&heap, &items[i]);
        check_order(&heap);
    }
    while (heap.count) {
        struct cfs_due *first = heap.items[0];
        assert_int_equal(cfs_due_next(&heap), first->at);
        assert_true(first->at >= last);
        last = first->at;
        cfs_due_remove(&heap, first);
        check_order(&heap);
    }
    assert_int_equal(cfs_due_next(&heap), CFS_NEVER);
    free(heap.items);
    free(items);
}

static void a_prolonged_or_removed_one_keeps_the_rest_in_order(void **state)
{
    struct cfs_due *items = calloc(ITEMS, sizeof *items);
    struct cfs_due_heap heap = {0};

    (void)state;
    for (size_t i = 0; i < ITEMS; i++) {
        items[i].at = i;
        cfs_due_add(&heap, &items[i]);
    }
    for (size_t i = 0; i < ITEMS; i += 3) {
        items[i].at = (i * 31) % 400;
        cfs_due_changed(&heap, &items[i]);
        check_order(&heap);
    }
    for (size_t i = 0; i < ITEMS; i += 2) {
        cfs_due_remove(&heap, &items[i]);
        check_order(&heap);
    }
    assert_int_equal(heap.count, ITEMS / 2);
    free(heap.items);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_out_in_the_order_of_their_time),
        cmocka_unit_test(a_prolonged_or_removed_one_keeps_the_rest_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
