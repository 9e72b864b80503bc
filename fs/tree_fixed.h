/* The part of the namespace that is always there. */
#ifndef CFS_FS_TREE_FIXED_H
#define CFS_FS_TREE_FIXED_H

#include "fs/tree.h"

/* Node ids and inode numbers. A new one goes at the end: they are the same on all nodes. */
enum cfs_fixed_id {
    CFS_FIXED_ROOT = FUSE_ROOT_ID,
    CFS_FIXED_LOCKS,
    CFS_FIXED_STATUS_DIR,
    CFS_FIXED_STATUS,
    CFS_FIXED_STATUS_JSON,
    CFS_FIXED_NODES,
    CFS_FIXED_NODES_JSON,
    CFS_FIXED_LOCKS_PAGE,
    CFS_FIXED_LOCKS_PAGE_JSON,
    CFS_FIXED_WAITS,
    CFS_FIXED_WAITS_JSON,
    CFS_FIXED_QUEUES_PAGE,
    CFS_FIXED_QUEUES_PAGE_JSON,
    CFS_FIXED_RING,
    CFS_FIXED_RING_JSON,
    CFS_FIXED_CACHE_PAGE,
    CFS_FIXED_CACHE_PAGE_JSON,
    CFS_FIXED_QUEUES,
    CFS_FIXED_CACHE,
};

/* Adds all of it to fs->nodes. */
void cfs_fixed_add(struct cfs_fs *fs);

/* What LOOKUP answers of a fixed node. */
struct fuse_entry_param cfs_fixed_entry(const struct cfs_fs *fs, enum cfs_fixed_id id);

/* Replies to GETATTR of a fixed node. */
void cfs_fixed_getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node);

#endif
