/* Open files of queues/: how they begin and end.
 *
 * To the kernel they are streams: no position, no page cache, every read(2) and write(2) comes here
 * as it is. libfuse has no word for FOPEN_STREAM, without which two readers of one open file would
 * queue up in the kernel where no signal reaches them; so the replies are built by hand.
 *
 * Reads and writes come as pieces when they are longer than 1 MiB, or than 256 pages of the
 * caller's memory touched in part. The offset tells a first piece (0, as a stream has no position)
 * from those behind it; only a write with O_APPEND begins somewhere else. */
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "fs/memory.h"
#include "fs/queues.h"

#define STREAM (FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE | FOPEN_STREAM)

static struct cfs_handle *new_handle(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                                     int flags)
{
    struct cfs_handle *handle = cfs_handle_new(fs, node, req);

    handle->flags = flags;
    handle->queue = cfs_fs_alloc(sizeof *handle->queue);
    handle->queue->opener = (uint32_t)fuse_req_ctx(req)->pid;
    handle->queue->access = flags & O_ACCMODE;
    handle->queue->framing = node->framing;
    return handle;
}

void cfs_queue_file_free(struct cfs_queue_file *queue)
{
    if (!queue)
        return;
    free(queue->text);
    free(queue->rest);
    free(queue->input);
    free(queue);
}

static struct fuse_open_out open_out(const struct cfs_handle *handle)
{
    return (struct fuse_open_out){.fh = cfs_handle_fh(handle), .open_flags = STREAM};
}

static struct fuse_attr attr_out(const struct stat *attr)
{
    return (struct fuse_attr){.ino = attr->st_ino,
                              .size = (uint64_t)attr->st_size,
                              .blocks = (uint64_t)attr->st_blocks,
                              .atime = (uint64_t)attr->st_atim.tv_sec,
                              .mtime = (uint64_t)attr->st_mtim.tv_sec,
                              .ctime = (uint64_t)attr->st_ctim.tv_sec,
                              .atimensec = (uint32_t)attr->st_atim.tv_nsec,
                              .mtimensec = (uint32_t)attr->st_mtim.tv_nsec,
                              .ctimensec = (uint32_t)attr->st_ctim.tv_nsec,
                              .mode = attr->st_mode,
                              .nlink = (uint32_t)attr->st_nlink,
                              .uid = attr->st_uid,
                              .gid = attr->st_gid,
                              .blksize = (uint32_t)attr->st_blksize};
}

void cfs_queue_open(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    const struct fuse_file_info *file)
{
    struct cfs_handle *handle = new_handle(fs, req, node, file->flags);
    struct fuse_open_out out = open_out(handle);

    if (handle->queue->access != O_RDONLY)
        cfs_node_unname(&fs->nodes, node); /* by way of /proc/PID/fd */
    fuse_lowlevel_notify_inval_inode(fs->session, node->id, -1, 0);
    if (fuse_reply_buf(req, (const char *)&out, sizeof out) != 0)
        cfs_handle_close(handle);
}

void cfs_queue_reply_create(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                            const struct fuse_file_info *file, const struct stat *attr)
{
    struct cfs_handle *handle = new_handle(fs, req, node, file->flags);
    struct {
        struct fuse_entry_out entry;
        struct fuse_open_out open;
    } out = {.entry = {.nodeid = node->id, .attr = attr_out(attr)}, .open = open_out(handle)};

    if (fuse_reply_buf(req, (const char *)&out, sizeof out) == 0)
        cfs_node_told(&fs->nodes, node);
    else
        cfs_handle_close(handle);
}
