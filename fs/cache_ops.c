/* The operations of cache/, and what of them is decided at once: what is not offered, and that
 * opens and closes never come here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "coordfs/log.h"
#include "fs/cache.h"

#define BACKGROUND_MAX 1024
/* Longer writes come in pieces of this size. */
#define WRITE_MAX 1048576u

struct cfs_cache_inode *cfs_cache_op_inode(fuse_req_t req, fuse_ino_t ino)
{
    struct cfs_cache_inode *inode = cfs_cache_find(cfs_cache_of(req), ino);

    if (!inode)
        fuse_reply_err(req, ESTALE);
    return inode;
}

struct cfs_cache_inode *cfs_cache_op_dir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_cache_inode *dir = cfs_cache_op_inode(req, parent);

    if (!dir || strlen(name) <= CFS_NAME_MAX)
        return dir;
    fuse_reply_err(req, ENAMETOOLONG);
    return NULL;
}

/* Locks are wanted so that they can be refused: without a handler the kernel would grant them, on
 * this node alone. */
static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    const unsigned needed = FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_NO_OPEN_SUPPORT |
                            FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_AUTO_INVAL_DATA;
    const unsigned wanted = needed | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
                            FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO;
    /* With ATOMIC_O_TRUNC truncation would come with an open, which never comes. */
    const unsigned unwanted = FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPLICIT_INVAL_DATA |
                              FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ |
                              FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE;
    struct cfs_cache *cache = userdata;

    if ((conn->capable & needed) != needed) {
        cfs_log(CFS_LOG_ERROR, "this kernel is too old for cache/: it cannot open without asking");
        fuse_session_exit(cache->session);
    }
    conn->want |= conn->capable & wanted;
    conn->want &= ~unwanted;
    if (conn->max_write > WRITE_MAX)
        conn->max_write = WRITE_MAX;
    conn->max_background = BACKGROUND_MAX;
    conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
    conn->time_gran = 1000; /* the cluster counts microseconds */
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    cfs_cache_forget(cfs_cache_of(req), ino, count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        cfs_cache_forget(cfs_cache_of(req), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

/* Answered so once, they are never asked again: from then on the kernel opens and closes without a
 * word. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, ENOSYS);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, ENOSYS);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino, (void)datasync, (void)fi;
    fuse_reply_err(req, 0);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    (void)ino, (void)parent, (void)name;
    fuse_reply_err(req, EPERM);
}

static void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int operation)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, operation & LOCK_UN ? 0 : ENOLCK);
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

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    (void)ino, (void)mode, (void)offset, (void)length, (void)fi;
    fuse_reply_err(req, EOPNOTSUPP);
}

const struct fuse_lowlevel_ops cfs_cache_ops = {
    .init = op_init,
    .lookup = cfs_cache_op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = cfs_cache_op_getattr,
    .setattr = cfs_cache_op_setattr,
    .readlink = cfs_cache_op_readlink,
    .create = cfs_cache_op_create,
    .mknod = cfs_cache_op_mknod,
    .mkdir = cfs_cache_op_mkdir,
    .symlink = cfs_cache_op_symlink,
    .unlink = cfs_cache_op_unlink,
    .rmdir = cfs_cache_op_rmdir,
    .rename = cfs_cache_op_rename,
    .link = op_link,
    .open = op_open,
    .opendir = op_open,
    .read = cfs_cache_op_read,
    .write = cfs_cache_op_write,
    .flush = op_flush,
    .fsync = cfs_cache_op_fsync,
    .fsyncdir = op_fsyncdir,
    .readdir = cfs_cache_op_readdir,
    .readdirplus = cfs_cache_op_readdirplus,
    .flock = op_flock,
    .getlk = op_getlk,
    .setlk = op_setlk,
    .getxattr = cfs_cache_op_getxattr,
    .listxattr = cfs_cache_op_listxattr,
    .setxattr = cfs_cache_op_setxattr,
    .removexattr = cfs_cache_op_removexattr,
    .statfs = cfs_cache_op_statfs,
    .fallocate = op_fallocate,
};
