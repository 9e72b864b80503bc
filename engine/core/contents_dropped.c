/* Files that are gone for good. Somebody may have one of them open, and write to it: without a
 * memory of it he would bring contents into being that nobody ever removes. */
#include "core/contents_internal.h"

#include <stdlib.h>

struct cfs_dropped *cfs_dropped_find(const struct cfs_contents *contents, cfs_ino ino)
{
    return (struct cfs_dropped *)cfs_id_find(&contents->dropped, ino);
}

struct cfs_dropped *cfs_dropped_add(struct cfs_contents *contents, cfs_ino ino, uint64_t index,
                                    cfs_time since)
{
    struct cfs_dropped *dropped = cfs_alloc_zeroed(1, sizeof *dropped);

    dropped->item.id = ino;
    dropped->index = index;
    dropped->since = since;
    cfs_id_add(&contents->dropped, &dropped->item);
    DL_APPEND(contents->oldest_dropped, dropped);
    return dropped;
}

static void drop(struct cfs_contents *contents, struct cfs_dropped *dropped)
{
    cfs_dropped_gone(contents, dropped);
    DL_DELETE(contents->oldest_dropped, dropped);
    cfs_id_remove(&contents->dropped, &dropped->item);
    free(dropped);
}

void cfs_dropped_tidy(struct cfs_contents *contents, cfs_time now)
{
    struct cfs_dropped *oldest;

    while ((oldest = contents->oldest_dropped) &&
           (oldest->since + CFS_DROPPED_TIME <= now || contents->dropped.count > CFS_DROPPED_MAX))
        drop(contents, oldest);
}

void cfs_dropped_free(struct cfs_contents *contents)
{
    while (contents->oldest_dropped)
        drop(contents, contents->oldest_dropped);
    cfs_id_table_close(&contents->dropped);
}
