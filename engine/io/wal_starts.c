/* A few numbers per segment that exists: enough to say where the log has to begin for a record. */
#include "io/wal_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

void cfs_wal_starts_add(struct cfs_wal_starts *starts, struct cfs_wal_start start)
{
    assert(starts->count == 0 || start.segment > starts->items[starts->count - 1].segment);
    starts->items =
        cfs_array_room(starts->items, starts->count, &starts->capacity, sizeof(*starts->items));
    starts->items[starts->count++] = start;
}

void cfs_wal_starts_close(struct cfs_wal_starts *starts)
{
    free(starts->items);
    *starts = (struct cfs_wal_starts){0};
}

struct cfs_wal_start cfs_wal_starts_find(const struct cfs_wal_starts *starts, uint64_t lsn)
{
    size_t at = starts->count;

    assert(at > 0);
    while (at > 1 && starts->items[at - 1].lsn > lsn)
        at--;
    return starts->items[at - 1];
}

uint64_t cfs_wal_starts_drop(struct cfs_wal_starts *starts, uint64_t segment)
{
    size_t count = 0;

    assert(starts->count > 0);
    while (count + 1 < starts->count && starts->items[count].segment < segment)
        count++;
    starts->count -= count;
    memmove(starts->items, starts->items + count, starts->count * sizeof(*starts->items));
    return starts->items[0].segment;
}
