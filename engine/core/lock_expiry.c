/* A binary heap whose items know their position, so that any of them can be moved or removed. */
#include "core/lock_table_internal.h"

static void put(struct cfs_expiry_heap *heap, size_t at, struct cfs_claim *claim)
{
    heap->items[at] = claim;
    claim->heap_at = at;
}

static void up(struct cfs_expiry_heap *heap, struct cfs_claim *claim)
{
    size_t at = claim->heap_at;

    while (at > 0 && heap->items[(at - 1) / 2]->expiry > claim->expiry) {
        put(heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, claim);
}

static void down(struct cfs_expiry_heap *heap, struct cfs_claim *claim)
{
    size_t at = claim->heap_at;

    for (size_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && heap->items[child + 1]->expiry < heap->items[child]->expiry)
            child++;
        if (heap->items[child]->expiry >= claim->expiry)
            break;
        put(heap, at, heap->items[child]);
        at = child;
    }
    put(heap, at, claim);
}

void cfs_expiry_changed(struct cfs_expiry_heap *heap, struct cfs_claim *claim)
{
    up(heap, claim);
    down(heap, claim);
}

void cfs_expiry_add(struct cfs_expiry_heap *heap, struct cfs_claim *claim)
{
    heap->items = cfs_array_room(heap->items, heap->count, &heap->capacity, sizeof *heap->items);
    put(heap, heap->count++, claim);
    up(heap, claim);
}

void cfs_expiry_remove(struct cfs_expiry_heap *heap, struct cfs_claim *claim)
{
    struct cfs_claim *last = heap->items[--heap->count];

    if (last == claim)
        return;
    put(heap, claim->heap_at, last);
    cfs_expiry_changed(heap, last);
}
