/* Memory for the core. A node that cannot allocate must not go on half way through a command: it
 * ends, and a crash is what the rest is built to survive. */
#ifndef CFS_CORE_ALLOC_H
#define CFS_CORE_ALLOC_H

#include <stddef.h>

/* As malloc, calloc, realloc; never NULL. The caller frees with free(3). */
void *cfs_alloc(size_t size);
void *cfs_alloc_zeroed(size_t count, size_t size);
void *cfs_realloc(void *old, size_t size);

/* A copy of `size` bytes; NULL for none. */
void *cfs_alloc_copy(const void *data, size_t size);

/* Makes room for one more of `size`-byte items in a growing array of `count`; updates capacity. */
void *cfs_array_room(void *items, size_t count, size_t *capacity, size_t size);

#endif
