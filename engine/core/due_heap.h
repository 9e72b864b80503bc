/* What ends at its time unless it is prolonged: a binary heap, the next one on top. Items know
 * their position, so that any of them can be moved or removed. */
#ifndef CFS_CORE_DUE_HEAP_H
#define CFS_CORE_DUE_HEAP_H

#include "coordfs/types.h"

/* A part of what it is about. */
struct cfs_due {
    cfs_time at;
    size_t position; /* the heap's own */
};

/* Zeroed memory is an empty heap; the owner frees `items`. */
struct cfs_due_heap {
    struct cfs_due **items;
    size_t count, capacity;
};

void cfs_due_add(struct cfs_due_heap *heap, struct cfs_due *due);
void cfs_due_remove(struct cfs_due_heap *heap, struct cfs_due *due);
/* After a change of `at`. */
void cfs_due_changed(struct cfs_due_heap *heap, struct cfs_due *due);

/* The time of the next one; CFS_NEVER: there is none. */
cfs_time cfs_due_next(const struct cfs_due_heap *heap);

#endif
