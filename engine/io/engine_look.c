/* What the engine knows of itself: pages and metrics. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/clock.h"
#include "io/engine_internal.h"
#include "io/metrics.h"
#include "io/page.h"
#include "io/process.h"

static void look_at_groups(const struct cfs_engine *engine, struct cfs_group_status *groups)
{
    for (cfs_group_id id = 0; id <= CFS_GROUPS; id++) {
        cfs_core_view(engine->core, id, &groups[id].view);
        cfs_core_members(engine->core, id, groups[id].members);
        groups[id].queues = cfs_core_queues(engine->core, id);
        groups[id].wanted_count = id ? cfs_core_placement(engine->core, id, groups[id].wanted) : 0;
    }
}

/* `groups` has room for all. */
static void look(struct cfs_engine *engine, struct cfs_status *status,
                 struct cfs_group_status *groups)
{
    look_at_groups(engine, groups);
    *status = (struct cfs_status){.config = engine->config,
                                  .commits = engine->commits.latency,
                                  .store = cfs_queue_store_name(&engine->queues),
                                  .store_available = cfs_queue_store_available(&engine->queues),
                                  .overview = cfs_queue_store_overview(&engine->queues),
                                  .locks = cfs_core_locks(engine->core),
                                  .groups = groups,
                                  .core = groups[0].view,
                                  .now = cfs_clock_now(),
                                  .started = engine->started};
    if (engine->files.cache_counts)
        engine->files.cache_counts(engine->files.arg, &status->cache);
    memcpy(status->members, groups[0].members, sizeof status->members);
    status->cluster = cfs_cluster_id(&engine->cluster);
    status->node_count = cfs_cluster_nodes(&engine->cluster, engine->core, status->nodes);
    cfs_wal_stats(engine->wal, &status->wal);
    for (uint32_t i = 0; i < status->core.member_count; i++)
        status->unsent[i] = cfs_transport_unsent(engine->transport, status->members[i].node);
    cfs_http_api_counts(engine->api, status->requests);
    status->requests[CFS_ROUTE_RAFT] += engine->raft_requests;
    status->requests[CFS_ROUTE_UNAUTHORIZED] += engine->raft_refused;
}

char *cfs_engine_page(struct cfs_engine *engine, const char *page, bool json)
{
    struct cfs_group_status *groups = cfs_alloc_zeroed(CFS_GROUPS + 1, sizeof *groups);
    struct cfs_status status;
    char *text;

    look(engine, &status, groups);
    text = cfs_page_make(page, json, &status);
    free(groups);
    return text;
}

char *cfs_engine_metrics(struct cfs_engine *engine)
{
    struct cfs_group_status *groups = cfs_alloc_zeroed(CFS_GROUPS + 1, sizeof *groups);
    struct cfs_status status;
    char *text;

    look(engine, &status, groups);
    status.resident_bytes = cfs_process_resident_bytes();
    text = cfs_metrics_text(&status);
    free(groups);
    return text;
}
