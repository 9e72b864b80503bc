/* Allocation that cannot fail: the process ends instead. */
#include "core/alloc.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_FIRST 8u

/* malloc(0) may answer NULL, which here would look like a failure. */
static size_t at_least_one(size_t size)
{
    return size ? size : 1;
}

static void *or_abort(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void *cfs_alloc(size_t size)
{
    return or_abort(malloc(at_least_one(size)));
}

void *cfs_alloc_zeroed(size_t count, size_t size)
{
    return or_abort(calloc(at_least_one(count), at_least_one(size)));
}

void *cfs_realloc(void *old, size_t size)
{
    return or_abort(realloc(old, at_least_one(size)));
}

void *cfs_alloc_copy(const void *data, size_t size)
{
    return size ? memcpy(cfs_alloc(size), data, size) : NULL;
}

void *cfs_array_room(void *items, size_t count, size_t *capacity, size_t size)
{
    assert(size > 0 && count <= *capacity);
    if (count < *capacity)
        return items;
    if (*capacity > SIZE_MAX / 2 / size)
        abort();
    *capacity = *capacity ? *capacity * 2 : ARRAY_FIRST;
    return cfs_realloc(items, *capacity * size);
}
