/* The operations of fuse_lowlevel_ops: the kernel's numbers become nodes and handles, and the tree
 * that a node belongs to does the rest. */
#ifndef CFS_FS_OPS_H
#define CFS_FS_OPS_H

#include "fs/fuse.h"

/* Their userdata is the struct cfs_fs. */
extern const struct fuse_lowlevel_ops cfs_fuse_ops;

/* Those of a session that serves cache/ too (ops_whole.c), by these and cfs_cache_ops. */
extern const struct fuse_lowlevel_ops cfs_whole_ops;

#endif
