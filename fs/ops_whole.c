/* The operations of a mount whose session is that of cache/ too.
 *
 * Three things are not as they are in two sessions. Opens and closes come here, for they are wanted
 * of locks and queues. Node ids say whose a node is. And open(2) with O_TRUNC is a question of its
 * own and no part of OPEN, as cache/ needs it: locks and queues, to which it means nothing, would
 * take it for a truncation. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "coordfs/log.h"
#include "fs/cache.h"
#include "fs/mount.h"
#include "fs/ops.h"
#include "fs/proc.h"
#include "fs/tree_fixed.h"

static bool is_in_cache(fuse_ino_t id)
{
    return id >= CFS_CACHE_IDS;
}

/* Whose node it is; `id` is made what they call it. */
static const struct fuse_lowlevel_ops *ops_of(fuse_ino_t *id)
{
    if (!is_in_cache(*id))
        return &cfs_fuse_ops;
    *id -= CFS_CACHE_IDS;
    return &cfs_cache_ops;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    const unsigned wanted = FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS;
    const unsigned unwanted = FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPLICIT_INVAL_DATA;
    const struct cfs_fs *fs = userdata;

    cfs_fuse_ops.init(userdata, conn);
    if (!(conn->capable & FUSE_CAP_AUTO_INVAL_DATA)) {
        cfs_log(CFS_LOG_ERROR, "this kernel is too old for cache/: it reads old pages");
        fuse_session_exit(fs->session);
    }
    conn->want |= conn->capable & wanted;
    conn->want &= ~unwanted;
}

/* --- names --------------------------------------------------------------------------------- */

/* At once, as all in the root: what is there now is asked for when somebody wants to know. */
static void reply_cache(fuse_req_t req)
{
    const struct cfs_fs *fs = fuse_req_userdata(req);
    struct fuse_entry_param entry = cfs_fixed_entry(fs, CFS_FIXED_CACHE);

    if (!fs->cache) { /* this mount is about to end */
        fuse_reply_err(req, EIO);
        return;
    }
    entry.ino = cfs_cache_id(fs->cache, CFS_CACHE_ROOT);
    entry.attr.st_ino = cfs_cache_shown_ino(fs->cache, CFS_CACHE_ROOT);
    entry.attr_timeout = 0;
    cfs_cache_told_of(cfs_cache_find(fs->cache, CFS_CACHE_ROOT));
    if (fuse_reply_entry(req, &entry) != 0)
        cfs_cache_forget(fs->cache, CFS_CACHE_ROOT, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (parent == FUSE_ROOT_ID && strcmp(name, "cache") == 0)
        reply_cache(req);
    else
        ops_of(&parent)->lookup(req, parent, name);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    ops_of(&parent)->create(req, parent, name, mode, fi);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    ops_of(&parent)->mknod(req, parent, name, mode, rdev);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    ops_of(&parent)->mkdir(req, parent, name, mode);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    ops_of(&parent)->symlink(req, target, parent, name);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    ops_of(&parent)->unlink(req, parent, name);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    ops_of(&parent)->rmdir(req, parent, name);
}

/* From cache/ to the others is as from mount to mount, which it is elsewhere: mv(1) copies. */
static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    const struct fuse_lowlevel_ops *ops = ops_of(&parent);

    if (ops == ops_of(&new_parent))
        ops->rename(req, parent, name, new_parent, new_name, flags);
    else
        fuse_reply_err(req, EXDEV);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    const struct fuse_lowlevel_ops *ops = ops_of(&ino);

    if (ops == ops_of(&parent))
        ops->link(req, ino, parent, name);
    else
        fuse_reply_err(req, EXDEV);
}

/* --- nodes --------------------------------------------------------------------------------- */

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    ops_of(&ino)->forget(req, ino, count);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    struct cfs_fs *fs = fuse_req_userdata(req);

    for (size_t i = 0; i < count; i++) {
        if (is_in_cache(forgets[i].ino))
            cfs_cache_forget(fs->cache, forgets[i].ino - CFS_CACHE_IDS, forgets[i].nlookup);
        else
            cfs_node_forget(&fs->nodes, forgets[i].ino, forgets[i].nlookup);
    }
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    ops_of(&ino)->getattr(req, ino, fi);
}

/* Whether it is open(2) with O_TRUNC, which names neither times nor a file. Nor does truncate(2),
 * where its caller can be seen. */
static bool is_open(fuse_req_t req, const struct stat *attr, int fields,
                    const struct fuse_file_info *fi)
{
    const struct cfs_fs *fs = fuse_req_userdata(req);

    return fields == FUSE_SET_ATTR_SIZE && !attr->st_size && !fi &&
           cfs_proc_call(fs->proc_fd, (uint32_t)fuse_req_ctx(req)->pid) != SYS_truncate;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int fields,
                       struct fuse_file_info *fi)
{
    if (!is_in_cache(ino) && is_open(req, attr, fields, fi))
        cfs_fuse_ops.getattr(req, ino, fi);
    else
        ops_of(&ino)->setattr(req, ino, attr, fields, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    if (is_in_cache(ino))
        ops_of(&ino)->readlink(req, ino);
    else
        fuse_reply_err(req, EINVAL);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    ops_of(&ino)->getxattr(req, ino, name, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    ops_of(&ino)->listxattr(req, ino, size);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    ops_of(&ino)->setxattr(req, ino, name, value, size, flags);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    ops_of(&ino)->removexattr(req, ino, name);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    ops_of(&ino)->statfs(req, ino);
}

/* --- open files ---------------------------------------------------------------------------- */

/* As the kernel does by itself where opens are not asked for: it keeps pages and listings. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!is_in_cache(ino)) {
        cfs_fuse_ops.open(req, ino, fi);
        return;
    }
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!is_in_cache(ino)) {
        cfs_fuse_ops.opendir(req, ino, fi);
        return;
    }
    fi->keep_cache = fi->cache_readdir = 1;
    fuse_reply_open(req, fi);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (is_in_cache(ino))
        fuse_reply_err(req, 0);
    else
        cfs_fuse_ops.flush(req, ino, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (is_in_cache(ino))
        fuse_reply_err(req, 0);
    else
        cfs_fuse_ops.release(req, ino, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    ops_of(&ino)->read(req, ino, size, offset, fi);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    ops_of(&ino)->write(req, ino, data, size, offset, fi);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    ops_of(&ino)->fsync(req, ino, datasync, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    ops_of(&ino)->readdir(req, ino, size, offset, fi);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    ops_of(&ino)->fsyncdir(req, ino, datasync, fi);
}

static void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int operation)
{
    ops_of(&ino)->flock(req, ino, fi, operation);
}

static void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
    ops_of(&ino)->getlk(req, ino, fi, lock);
}

static void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock,
                     int sleep)
{
    ops_of(&ino)->setlk(req, ino, fi, lock, sleep);
}

/* A file of cache/ is always ready, and nobody waits for it to be. */
static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
                    struct fuse_pollhandle *poll)
{
    if (!is_in_cache(ino)) {
        cfs_fuse_ops.poll(req, ino, fi, poll);
        return;
    }
    if (poll)
        fuse_pollhandle_destroy(poll);
    fuse_reply_poll(req, POLLIN | POLLOUT);
}

const struct fuse_lowlevel_ops cfs_whole_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
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
    .fsyncdir = op_fsyncdir,
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
