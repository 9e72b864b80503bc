#include "io/commit_watch.h"

void cfs_commit_watch_proposed(struct cfs_commit_watch *watch, uint64_t index, cfs_time now)
{
    uint32_t at = (watch->first + watch->count) % CFS_COMMIT_WATCH_MAX;

    if (watch->count == CFS_COMMIT_WATCH_MAX)
        return;
    watch->pending[at].index = index;
    watch->pending[at].at = now;
    watch->count++;
}

void cfs_commit_watch_committed(struct cfs_commit_watch *watch, uint64_t commit, cfs_time now)
{
    while (watch->count && watch->pending[watch->first].index <= commit) {
        cfs_histogram_add(&watch->latency, now - watch->pending[watch->first].at);
        watch->first = (watch->first + 1) % CFS_COMMIT_WATCH_MAX;
        watch->count--;
    }
}

void cfs_commit_watch_forget(struct cfs_commit_watch *watch)
{
    watch->count = 0;
}
