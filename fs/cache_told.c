/* Who was told ESTALE. For that the kernel begins open(2), mkdir(2), unlink(2), rename(2) and the
 * like once more, but only once in a call, whatever it has asked for; a second time the program
 * would see it. A call ends without a word, so it is over once the thread asks for something that
 * it cannot ask in it, or after a while. */
#include <stdlib.h>

#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"

/* How long a call may take that was told to begin once more. */
#define TOLD_FOR CFS_SECONDS(5)

static void drop(struct cfs_cache_told **at)
{
    struct cfs_cache_told *told = *at;

    *at = told->next;
    free(told);
}

bool cfs_cache_tell(struct cfs_cache *cache, uint32_t tid)
{
    cfs_time now = cfs_fs_now();
    struct cfs_cache_told **at = &cache->told, *told;

    while (*at && (*at)->at + TOLD_FOR < now)
        drop(at);
    while (*at && (*at)->tid != tid)
        at = &(*at)->next;
    if (*at)
        return true;
    while (*at)
        at = &(*at)->next;
    told = cfs_fs_alloc(sizeof *told);
    *told = (struct cfs_cache_told){.tid = tid, .at = now};
    *at = told; /* in the order of their times */
    return false;
}

void cfs_cache_untold(struct cfs_cache *cache, uint32_t tid)
{
    struct cfs_cache_told **at = &cache->told;

    while (*at && (*at)->tid != tid)
        at = &(*at)->next;
    if (*at)
        drop(at);
}

void cfs_cache_told_close(struct cfs_cache *cache)
{
    while (cache->told)
        drop(&cache->told);
}
