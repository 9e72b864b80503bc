/* The pages of .coordfs/ and the body of GET /status. */
#ifndef CFS_IO_STATUS_H
#define CFS_IO_STATUS_H

#include "coordfs/config.h"
#include "core/node_core.h"
#include "io/wal.h"

struct cfs_status {
    struct cfs_core_view core;
    struct cfs_member_view members[CFS_NODE_MAX]; /* core.member_count of them */
    struct cfs_wal_stats wal;
    const struct cfs_config *config;
    cfs_time now, started;
};

/* malloc'd; the caller frees. Text for people: aligned `key value` lines and a table of members. */
char *cfs_status_text(const struct cfs_status *status);
char *cfs_status_json(const struct cfs_status *status);

#endif
