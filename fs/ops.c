/* From the kernel's requests to the trees.
 *
 * Three things are decided here for all trees: names that are too long, what nobody offers (EPERM,
 * and ENOLCK for locks, because a lock request without a handler would silently be granted on this
 * node alone), and that a close of what is not a queue never fails. */
#include "fs/ops.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "coordfs/log.h"
#include "fs/clock.h"
#include "fs/mount.h"
#include "fs/tree.h"
#include "fs/tree_fixed.h"

/* The kernel's default of 12 would let closes queue up outside of /dev/fuse, where a drain that
 * reads it to the end would not see them. */
#define BACKGROUND_MAX 1024
/* Longer writes come in pieces of this size. */
#define WRITE_MAX 1048576u

static struct cfs_fs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/* The node, or NULL after a reply. */
static struct cfs_node *node_of(fuse_req_t req, fuse_ino_t ino)
{
    struct cfs_node *node = cfs_node_find(&fs_of(req)->nodes, ino);

    if (!node)
        fuse_reply_err(req, ESTALE);
    return node;
}

/* A queue of the longest name can be opened up too, as .NAME */
static size_t name_max(const struct cfs_node *dir, const char *name)
{
    return CFS_NAME_MAX + (dir->id == CFS_FIXED_QUEUES && *name == '.');
}

/* The directory, or NULL after a reply. */
static struct cfs_node *dir_of(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_node *dir = node_of(req, parent);

    if (!dir || strlen(name) <= name_max(dir, name))
        return dir;
    fuse_reply_err(req, ENAMETOOLONG);
    return NULL;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    const unsigned needed = FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_POSIX_LOCKS;
    const unsigned wanted = needed | FUSE_CAP_ATOMIC_O_TRUNC;
    /* ASYNC_DIO would send the pieces of one write side by side. */
    const unsigned unwanted = FUSE_CAP_ASYNC_DIO | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                              FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS |
                              FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE |
                              FUSE_CAP_CACHE_SYMLINKS;
    struct cfs_fs *fs = userdata;

    if ((conn->capable & needed) != needed) {
        cfs_log(CFS_LOG_ERROR, "this kernel keeps file locks of FUSE mounts to itself");
        fuse_session_exit(fs->session);
    }
    conn->want |= conn->capable & wanted;
    conn->want &= ~unwanted;
    if (conn->max_write > WRITE_MAX)
        conn->max_write = WRITE_MAX;
    conn->max_background = BACKGROUND_MAX;
    conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
    conn->time_gran = 1000; /* the cluster counts microseconds */
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_node *dir = dir_of(req, parent, name);

    if (dir && dir->tree->lookup)
        dir->tree->lookup(fs_of(req), req, dir, name);
    else if (dir)
        fuse_reply_err(req, ENOENT);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    cfs_node_forget(&fs_of(req)->nodes, ino, count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        cfs_node_forget(&fs_of(req)->nodes, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cfs_node *node = node_of(req, ino);

    (void)fi;
    if (node)
        node->tree->getattr(fs_of(req), req, node);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int fields,
                       struct fuse_file_info *fi)
{
    struct cfs_node *node = node_of(req, ino);

    if (node && node->tree->setattr && !node->fixed)
        node->tree->setattr(fs_of(req), req, node, fi ? cfs_handle_of(fi) : NULL, attr, fields);
    else if (node)
        fuse_reply_err(req, EPERM);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct cfs_node *dir = dir_of(req, parent, name);

    if (dir && dir->tree->create)
        dir->tree->create(fs_of(req), req, dir, name, mode, fi);
    else if (dir)
        fuse_reply_err(req, EPERM);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct cfs_node *dir = dir_of(req, parent, name);

    if (dir && dir->tree->mkdir)
        dir->tree->mkdir(fs_of(req), req, dir, name, mode);
    else if (dir)
        fuse_reply_err(req, EPERM);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_node *dir = dir_of(req, parent, name);

    if (dir && dir->tree->unlink)
        dir->tree->unlink(fs_of(req), req, dir, name);
    else if (dir)
        fuse_reply_err(req, EPERM);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_node *dir = dir_of(req, parent, name);

    if (dir && dir->tree->rmdir)
        dir->tree->rmdir(fs_of(req), req, dir, name);
    else if (dir)
        fuse_reply_err(req, EPERM);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    (void)mode, (void)rdev;
    if (dir_of(req, parent, name))
        fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target;
    if (dir_of(req, parent, name))
        fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    (void)ino;
    if (dir_of(req, parent, name))
        fuse_reply_err(req, EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    struct cfs_node *dir = dir_of(req, parent, name);
    struct cfs_node *new_dir = dir ? dir_of(req, new_parent, new_name) : NULL;

    if (new_dir && dir->tree->rename)
        dir->tree->rename(fs_of(req), req, dir, name, new_dir, new_name, flags);
    else if (new_dir)
        fuse_reply_err(req, EPERM);
}

void cfs_reply_open(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                    const struct fuse_file_info *file, char *text, size_t text_len)
{
    struct cfs_handle *handle = cfs_handle_new(fs, node, req);
    struct fuse_file_info reply = *file;

    handle->text = text;
    handle->text_len = text_len;
    reply.fh = cfs_handle_fh(handle);
    reply.direct_io = !S_ISDIR(node->mode);
    if (fuse_reply_open(req, &reply) != 0)
        cfs_handle_close(handle);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cfs_node *node = node_of(req, ino);

    if (node && node->tree->open)
        node->tree->open(fs_of(req), req, node, fi);
    else if (node)
        fuse_reply_err(req, EPERM);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cfs_node *node = node_of(req, ino);

    if (node && node->tree->opendir)
        node->tree->opendir(fs_of(req), req, node, fi);
    else if (node)
        cfs_reply_open(fs_of(req), req, node, fi, NULL, 0);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    struct cfs_handle *handle = cfs_handle_of(fi);

    (void)ino;
    handle->node->tree->readdir(fs_of(req), req, handle, size, (uint64_t)offset);
}

void cfs_reply_slice(fuse_req_t req, const void *text, size_t len, size_t size, uint64_t offset)
{
    size_t from = offset < len ? (size_t)offset : len;

    fuse_reply_buf(req, (const char *)text + from, size < len - from ? size : len - from);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    struct cfs_handle *handle = cfs_handle_of(fi);

    (void)ino;
    handle->flags = fi->flags;
    handle->node->tree->read(fs_of(req), req, handle, size, (uint64_t)offset);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    struct cfs_handle *handle = cfs_handle_of(fi);

    (void)ino;
    handle->flags = fi->flags;
    if (handle->node->tree->write)
        handle->node->tree->write(fs_of(req), req, handle, data, size, (uint64_t)offset,
                                  fi->flags & O_APPEND);
    else
        fuse_reply_err(req, EPERM);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cfs_handle *handle = cfs_handle_of(fi);

    (void)ino;
    handle->held.flushed = true;
    handle->held.flushed_at = cfs_fs_now();
    if (handle->node->tree->flush)
        handle->node->tree->flush(fs_of(req), req, handle);
    else
        fuse_reply_err(req, 0);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    cfs_handle_close(cfs_handle_of(fi));
    fuse_reply_err(req, 0);
}

/* What a write answered is durable; there is nothing left to do. */
static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino, (void)datasync, (void)fi;
    fuse_reply_err(req, 0);
}

static void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int operation)
{
    struct cfs_handle *handle = cfs_handle_of(fi);

    (void)ino;
    if (handle->node->tree->flock)
        handle->node->tree->flock(fs_of(req), req, handle, operation);
    else
        fuse_reply_err(req, ENOLCK);
}

static void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
    (void)ino, (void)fi, (void)lock;
    fuse_reply_err(req, ENOLCK);
}

static void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock,
                     int sleep)
{
    (void)ino, (void)fi, (void)sleep;
    fuse_reply_err(req, lock->l_type == F_UNLCK ? 0 : ENOLCK);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct cfs_node *node = node_of(req, ino);

    if (node && node->tree->getxattr && !node->fixed)
        node->tree->getxattr(fs_of(req), req, node, name, size);
    else if (node)
        fuse_reply_err(req, ENODATA);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct cfs_node *node = node_of(req, ino);

    if (node && node->tree->listxattr && !node->fixed)
        node->tree->listxattr(fs_of(req), req, node, size);
    else if (node && size)
        fuse_reply_buf(req, NULL, 0);
    else if (node)
        fuse_reply_xattr(req, 0);
}

/* ENOSYS, the reply of what is not there, would end all attributes of the mount. */
static int xattr_refusal(const char *name)
{
    return strncmp(name, "user.coordfs.", strlen("user.coordfs.")) == 0 ? EPERM : ENOTSUP;
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    (void)ino, (void)value, (void)size, (void)flags;
    fuse_reply_err(req, xattr_refusal(name));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    (void)ino;
    fuse_reply_err(req, xattr_refusal(name));
}

/* Sizes are 0, as in /proc: df(1) passes by what stores nothing for its users. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs values = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = CFS_NAME_MAX};

    (void)ino;
    fuse_reply_statfs(req, &values);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
                    struct fuse_pollhandle *poll)
{
    struct cfs_handle *handle = cfs_handle_of(fi);

    (void)ino;
    if (poll && handle->poll)
        fuse_pollhandle_destroy(handle->poll);
    if (poll)
        handle->poll = poll; /* it wants to be told of a change */
    if (handle->node->tree->poll)
        handle->node->tree->poll(fs_of(req), req, handle);
    else
        fuse_reply_poll(req, handle->lost ? POLLERR | POLLHUP : POLLIN | POLLOUT);
}

const struct fuse_lowlevel_ops cfs_fuse_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .create = op_create,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .mknod = op_mknod,
    .symlink = op_symlink,
    .link = op_link,
    .rename = op_rename,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .releasedir = op_release,
    .fsyncdir = op_fsync,
    .flock = op_flock,
    .getlk = op_getlk,
    .setlk = op_setlk,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
    .statfs = op_statfs,
    .poll = op_poll,
};
