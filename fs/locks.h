/* Shared by the files that make up locks/: its names, its open files, its extended attributes. */
#ifndef CFS_FS_LOCKS_H
#define CFS_FS_LOCKS_H

#include "fs/tree.h"

/* A request about the lock `name`. */
struct cfs_request cfs_lock_request(enum cfs_op op, const char *name);

/* Replies to GETATTR: of the lock as it is now, or of the file that an open handle keeps. */
void cfs_lock_getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node);

void cfs_lock_read(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                   uint64_t offset);
void cfs_lock_write(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, const char *data,
                    size_t size, uint64_t offset, bool append);
void cfs_lock_flock(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, int operation);
void cfs_lock_setattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                      struct cfs_handle *handle, const struct stat *attr, int fields);

void cfs_lock_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const char *name,
                       size_t size);
void cfs_lock_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size);

/* What stat shows of `node`: of the lock `info`, or of a file that holds nothing when NULL. */
struct stat cfs_lock_attributes(const struct cfs_node *node, const struct cfs_lock_info *info);

/* Whether `node` can stand for the lock: a file does not become a directory. */
bool cfs_lock_is_node(const struct cfs_node *node, const struct cfs_lock_info *info);

#endif
