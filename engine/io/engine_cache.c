/* What the files may keep of the cache, and what they have to give up. */
#include "io/clock.h"
#include "io/engine_internal.h"

cfs_time cfs_engine_cache_valid(struct cfs_engine *engine, const struct cfs_cache_share *share)
{
    return cfs_core_cache_valid(engine->core, share, cfs_clock_now());
}

void cfs_engine_cache_recalled(struct cfs_engine *engine, uint64_t id)
{
    cfs_engine_step(engine, &(struct cfs_event){.type = CFS_EV_RECALLED, .id = id});
}

void cfs_engine_cache_lapsed(struct cfs_engine *engine, cfs_group_id group, uint64_t epoch)
{
    cfs_engine_step(engine, &(struct cfs_event){.type = CFS_EV_LAPSED,
                                                .lapsed = {.group = group, .epoch = epoch}});
}

void cfs_engine_recall(struct cfs_engine *engine, const struct cfs_cache_recall *recall)
{
    if (engine->files.cache_recall)
        engine->files.cache_recall(engine->files.arg, recall);
    else
        cfs_engine_cache_recalled(engine, recall->id);
}

void cfs_engine_lapse(struct cfs_engine *engine, const struct cfs_cache_share *lapse)
{
    if (engine->files.cache_lapse)
        engine->files.cache_lapse(engine->files.arg, lapse->group, lapse->epoch);
    else
        cfs_engine_cache_lapsed(engine, lapse->group, lapse->epoch);
}
