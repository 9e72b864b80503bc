/* What a part of the namespace can do: a table of functions, as the operations of
 * fuse_lowlevel_ops, but with nodes and handles for the kernel's numbers. What is missing in a
 * table is not offered there: EPERM.
 *
 * Every function replies to `req`, now or when the engine has answered. `name` has been checked. */
#ifndef CFS_FS_TREE_H
#define CFS_FS_TREE_H

#include "fs/handle.h"
#include "fs/mount.h"

struct cfs_tree {
    /* in a directory */
    void (*lookup)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name);
    void (*create)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                   mode_t mode, const struct fuse_file_info *file);
    void (*mkdir)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                  mode_t mode);
    void (*unlink)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name);
    void (*rmdir)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name);
    /* from this directory to another one, perhaps of another tree */
    void (*rename)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                   struct cfs_node *new_dir, const char *new_name, unsigned flags);
    /* NULL: opened like any */
    void (*opendir)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir,
                    const struct fuse_file_info *file);
    void (*readdir)(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                    uint64_t offset);
    /* of a node */
    void (*getattr)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node);
    void (*setattr)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    struct cfs_handle *handle, const struct stat *attr, int fields);
    void (*getxattr)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const char *name,
                     size_t size);
    void (*listxattr)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size);
    /* of an open file */
    void (*open)(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                 const struct fuse_file_info *file);
    void (*read)(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                 uint64_t offset);
    void (*write)(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, const char *data,
                  size_t size, uint64_t offset, bool append);
    void (*flock)(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, int operation);
    /* handle->poll is set when the kernel wants to be told of a change */
    void (*poll)(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle);
    /* one of its descriptors is closed, and whoever does it stands still; NULL: never fails */
    void (*flush)(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle);
    /* The last one was: asks by cfs_handle_ask_at_close for what has to be given back. NULL: that
     * is locks at most. */
    void (*release)(struct cfs_handle *handle);
    /* the node's session is over, and with it what was handed to this open file */
    void (*lose)(struct cfs_handle *handle);
};

extern const struct cfs_tree cfs_tree_fixed;
extern const struct cfs_tree cfs_tree_locks;          /* locks/ and the files in it */
extern const struct cfs_tree cfs_tree_cache;          /* what another session is mounted on */
extern const struct cfs_tree cfs_tree_lock_directory; /* a lock made by mkdir */
extern const struct cfs_tree cfs_tree_queues;         /* queues/ and the queues in it */
extern const struct cfs_tree cfs_tree_queue_opened;   /* .NAME/ */
extern const struct cfs_tree cfs_tree_queue_claim;    /* .NAME/claim */
extern const struct cfs_tree cfs_tree_queue_config;   /* .NAME/config */
extern const struct cfs_tree cfs_tree_queue_place;    /* .NAME/inflight/, dead/ and ready/ */
extern const struct cfs_tree cfs_tree_queue_message;  /* a message in one of these */

/* Replies with `text`, the part that a read of `size` bytes at `offset` gets. */
void cfs_reply_slice(fuse_req_t req, const void *text, size_t len, size_t size, uint64_t offset);

/* Replies to OPEN or OPENDIR of `node` with a new handle of it. */
void cfs_reply_open(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    const struct fuse_file_info *file, char *text, size_t text_len);

#endif
