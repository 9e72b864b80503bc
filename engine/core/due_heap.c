/* The heap lies in one array: the children of item n are 2n + 1 and 2n + 2. */
#include "core/due_heap.h"

#include "core/alloc.h"

static void put(struct cfs_due_heap *heap, size_t at, struct cfs_due *due)
{
    heap->items[at] = due;
    due->position = at;
}

static void up(struct cfs_due_heap *heap, struct cfs_due *due)
{
    size_t at = due->position;

    while (at > 0 && heap->items[(at - 1) / 2]->at > due->at) {
        put(heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, due);
}

static void down(struct cfs_due_heap *heap, struct cfs_due *due)
{
    size_t at = due->position;

    for (size_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && heap->items[child + 1]->at < heap->items[child]->at)
            child++;
        if (heap->items[child]->at >= due->at)
            break;
        put(heap, at, heap->items[child]);
        at = child;
    }
    put(heap, at, due);
}

void cfs_due_changed(struct cfs_due_heap *heap, struct cfs_due *due)
{
    up(heap, due);
    down(heap, due);
}

void cfs_due_add(struct cfs_due_heap *heap, struct cfs_due *due)
{
    heap->items = cfs_array_room(heap->items, heap->count, &heap->capacity, sizeof *heap->items);
    put(heap, heap->count++, due);
    up(heap, due);
}

void cfs_due_remove(struct cfs_due_heap *heap, struct cfs_due *due)
{
    struct cfs_due *last = heap->items[--heap->count];

    if (last == due)
        return;
    put(heap, due->position, last);
    cfs_due_changed(heap, last);
}

cfs_time cfs_due_next(const struct cfs_due_heap *heap)
{
    return heap->count ? heap->items[0]->at : CFS_NEVER;
}
