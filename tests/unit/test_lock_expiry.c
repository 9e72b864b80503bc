/* The heap of holds that expire: whatever is added, removed and changed, the next one is on top. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/lock_table_internal.h"

enum { CLAIMS = 200 };

static void check_order(const struct cfs_expiry_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        assert_int_equal(heap->items[i]->heap_at, i);
        assert_true(heap->items[i]->expiry >= heap->items[0]->expiry);
        if (i > 0)
            assert_true(heap->items[i]->expiry >= heap->items[(i - 1) / 2]->expiry);
    }
}

static void they_come_out_in_the_order_of_their_expiry(void **state)
{
    struct cfs_claim *claims = calloc(CLAIMS, sizeof *claims);
    struct cfs_expiry_heap heap = {0};
    cfs_time last = 0;

    (void)state;
    for (size_t i = 0; i < CLAIMS; i++) {
        claims[i].expiry = i * 7919 % 211;
        cfs_expiry_add(&heap, &claims[i]);
        check_order(&heap);
    }
    while (heap.count) {
        struct cfs_claim *first = heap.items[0];
        assert_true(first->expiry >= last);
        last = first->expiry;
        cfs_expiry_remove(&heap, first);
        check_order(&heap);
    }
    free(heap.items);
    free(claims);
}

static void a_renewed_or_removed_one_keeps_the_rest_in_order(void **state)
{
    struct cfs_claim *claims = calloc(CLAIMS, sizeof *claims);
    struct cfs_expiry_heap heap = {0};

    (void)state;
    for (size_t i = 0; i < CLAIMS; i++) {
        claims[i].expiry = i;
        cfs_expiry_add(&heap, &claims[i]);
    }
    for (size_t i = 0; i < CLAIMS; i += 3) {
        claims[i].expiry = (i * 31) % 400;
        cfs_expiry_changed(&heap, &claims[i]);
        check_order(&heap);
    }
    for (size_t i = 0; i < CLAIMS; i += 2) {
        cfs_expiry_remove(&heap, &claims[i]);
        check_order(&heap);
    }
    assert_int_equal(heap.count, CLAIMS / 2);
    free(heap.items);
    free(claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_out_in_the_order_of_their_expiry),
        cmocka_unit_test(a_renewed_or_removed_one_keeps_the_rest_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
