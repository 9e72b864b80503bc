/* Changes to directories.
 *
 * The kernel holds the directory's lock until such a change is answered. What it keeps of the names
 * it puts right itself, but for one case: a name that was moved keeps the time for which it may be
 * believed, and that was given to the old one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "fs/access.h"
#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/memory.h"

/* --- CREATE, MKNOD, MKDIR, SYMLINK --------------------------------------------------------- */

static void reply_created(struct cfs_cache_call *call)
{
    const struct cfs_cache_name *name = cfs_cache_name_find(call->inode, call->name);
    cfs_time asked = cfs_fs_now();
    struct fuse_entry_param entry = {.ino = cfs_cache_id(call->cache, call->about->ino)};

    entry.entry_timeout = name ? cfs_cache_seconds(call->cache, &name->share) : 0;
    entry.attr_timeout = cfs_cache_stat(call, &entry.attr);
    call->make.file.keep_cache = 1;
    cfs_cache_told_of(call->about);
    if (fuse_reply_create(cfs_cache_take(call), &entry, &call->make.file) != 0)
        cfs_cache_forget(call->cache, call->about->ino, 1);
    cfs_cache_replied(call, asked);
}

static void reply_made(struct cfs_cache_call *call)
{
    if (call->make.opens)
        reply_created(call);
    else
        cfs_cache_reply_entry(call);
}

/* The file that is there is opened, as open(2) would have done: whoever may not has to hear it from
 * the kernel. */
static void reply_opened(struct cfs_cache_call *call)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(call->req);
    const struct cfs_owner owner = {
        .uid = call->info.uid, .gid = call->info.gid, .perm = call->info.perm};
    mode_t want = (call->make.file.flags & O_ACCMODE) == O_RDONLY   ? 04
                  : (call->make.file.flags & O_ACCMODE) == O_WRONLY ? 02
                                                                    : 06;

    if (call->info.type != CFS_INODE_FILE)
        cfs_cache_reply_errno(call, ESTALE);
    else if (!cfs_access_allowed(call->req, ctx->uid, ctx->gid, &owner, want))
        cfs_cache_reply_errno(call, EACCES);
    else if (call->make.file.flags & O_TRUNC && call->content.size)
        cfs_cache_hold_opened(call, reply_created);
    else
        reply_created(call);
}

static void found_instead(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cfs_cache_inode *child;

    if (answer->error) { /* gone again */
        cfs_cache_reply_errno(call, ESTALE);
        return;
    }
    child = cfs_cache_inode_of(call->cache, answer->cache.inode.ino);
    cfs_cache_keep_info(child, &answer->cache);
    call->about = cfs_cache_ref(child);
    call->info = answer->cache.inode;
    call->has_info = true;
    cfs_cache_attributes(call, child, reply_opened);
}

/* open(2) without O_EXCL, of a file that the kernel took for missing: begun once more, it opens
 * what is there, with all that belongs to it. But a call begins once more only once. */
static void refuse(struct cfs_cache_call *call, enum cfs_error error)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_LOOKUP, .cache_read.ino = call->inode->ino};

    if (error != CFS_ERR_FILE_EXISTS || !call->make.opens || call->make.file.flags & O_EXCL) {
        cfs_cache_reply_error(call, error);
    } else if (!cfs_cache_tell(call->cache, call->tid)) {
        cfs_cache_reply_errno(call, ESTALE);
    } else {
        memcpy(request.name, call->name, sizeof request.name);
        cfs_cache_ask(call, &request, found_instead);
    }
}

static void made(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cfs_cache_inode *dir = call->inode, *child;

    if (answer->error == CFS_OK || answer->error == CFS_ERR_FILE_EXISTS)
        cfs_cache_name_drop(dir, call->name);
    if (answer->error != CFS_ERR_FILE_EXISTS)
        cfs_cache_untold(call->cache, call->tid);
    if (answer->error) {
        refuse(call, answer->error);
        return;
    }
    cfs_cache_drop_info(dir);
    cfs_cache_name_keep(dir, call->name, answer->id, &answer->cache.share);
    child = cfs_cache_inode_of(call->cache, answer->id);
    call->about = cfs_cache_ref(child);
    child->type = call->make.type;
    if (answer->cache.inode.ino) {
        cfs_cache_keep_info(child, &answer->cache);
        call->info = answer->cache.inode;
        call->has_info = true;
    }
    call->has_content = true; /* it was never written */
    cfs_cache_attributes(call, child, reply_made);
}

static void make(struct cfs_cache_call *call)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(call->req);
    struct cfs_request request = {.op = CFS_OP_CACHE_MAKE,
                                  .cache_make = {.parent = call->inode->ino,
                                                 .type = call->make.type,
                                                 .exclusive = true,
                                                 .uid = ctx->uid,
                                                 .gid = ctx->gid,
                                                 .perm = call->make.mode & 07777,
                                                 .target = call->data,
                                                 .target_len = call->len}};

    memcpy(request.name, call->name, sizeof request.name);
    cfs_cache_ask(call, &request, made);
}

static struct cfs_cache_call *new_make(fuse_req_t req, fuse_ino_t parent, const char *name,
                                       enum cfs_inode_type type, mode_t mode)
{
    struct cfs_cache_inode *dir = cfs_cache_op_dir(req, parent, name);
    struct cfs_cache_call *call;

    if (!dir)
        return NULL;
    call = cfs_cache_call_new(cfs_cache_of(req), req, dir);
    strcpy(call->name, name);
    call->make.type = type;
    call->make.mode = mode;
    return call;
}

void cfs_cache_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                         struct fuse_file_info *fi)
{
    struct cfs_cache_call *call = new_make(req, parent, name, CFS_INODE_FILE, mode);

    if (!call)
        return;
    call->make.opens = true;
    call->make.file = *fi;
    cfs_cache_run(call, make);
}

void cfs_cache_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                        dev_t rdev)
{
    struct cfs_cache_call *call;

    (void)rdev;
    if (!S_ISREG(mode)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    call = new_make(req, parent, name, CFS_INODE_FILE, mode);
    if (call)
        cfs_cache_run(call, make);
}

void cfs_cache_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct cfs_cache_call *call = new_make(req, parent, name, CFS_INODE_DIRECTORY, mode);

    if (call)
        cfs_cache_run(call, make);
}

void cfs_cache_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    size_t len = strlen(target);
    struct cfs_cache_call *call;

    if (len > CFS_TARGET_MAX) {
        fuse_reply_err(req, ENAMETOOLONG);
        return;
    }
    call = new_make(req, parent, name, CFS_INODE_SYMLINK, 0777);
    if (!call)
        return;
    call->data = cfs_fs_alloc(len);
    memcpy(call->data, target, len);
    call->len = (uint32_t)len;
    cfs_cache_run(call, make);
}

/* --- UNLINK, RMDIR, RENAME ----------------------------------------------------------------- */

static void drop_info_of(struct cfs_cache *cache, cfs_ino ino)
{
    struct cfs_cache_inode *inode = ino ? cfs_cache_find(cache, ino) : NULL;

    if (inode)
        cfs_cache_drop_info(inode);
}

static void removed(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    cfs_cache_untold(call->cache, call->tid);
    if (!answer->error) {
        cfs_cache_drop_info(call->inode);
        cfs_cache_name_drop(call->inode, call->name);
        cfs_cache_name_keep(call->inode, call->name, 0, &answer->cache.share);
        drop_info_of(call->cache, answer->id);
    }
    cfs_cache_reply_error(call, answer->error);
}

static void remove_name(struct cfs_cache_call *call)
{
    struct cfs_request request = {
        .op = CFS_OP_CACHE_REMOVE,
        .cache_remove = {.parent = call->inode->ino,
                         .directory = call->make.type == CFS_INODE_DIRECTORY,
                         .uid = fuse_req_ctx(call->req)->uid}};

    memcpy(request.name, call->name, sizeof request.name);
    cfs_cache_ask(call, &request, removed);
}

void cfs_cache_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_cache_call *call = new_make(req, parent, name, CFS_INODE_FILE, 0);

    if (call)
        cfs_cache_run(call, remove_name);
}

void cfs_cache_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct cfs_cache_call *call = new_make(req, parent, name, CFS_INODE_DIRECTORY, 0);

    if (call)
        cfs_cache_run(call, remove_name);
}

/* The names are forgotten once the kernel has moved them, which the jobs wait for: until then the
 * gates of both directories are closed. */
static void renamed(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cfs_cache *cache = call->cache;
    struct cfs_cache_inode *dir = call->inode, *to_dir = call->other;

    cfs_cache_untold(call->cache, call->tid);
    if (!answer->error) {
        cfs_cache_drop_info(dir);
        cfs_cache_drop_info(to_dir);
        drop_info_of(cache, answer->id);
        drop_info_of(cache, answer->token);
        cfs_cache_name_drop(dir, call->name);
        cfs_cache_name_drop(to_dir, call->rename.to);
        cfs_cache_forget_name(cache, to_dir, call->rename.to, answer->id);
        if (call->rename.flags & RENAME_EXCHANGE)
            cfs_cache_forget_name(cache, dir, call->name, answer->token);
    }
    cfs_cache_reply_error(call, answer->error);
}

static void rename_name(struct cfs_cache_call *call)
{
    struct cfs_request request = {
        .op = CFS_OP_CACHE_RENAME,
        .cache_rename = {.parent = call->inode->ino,
                         .to_parent = call->other->ino,
                         .no_replace = call->rename.flags & RENAME_NOREPLACE,
                         .exchange = call->rename.flags & RENAME_EXCHANGE,
                         .uid = fuse_req_ctx(call->req)->uid}};

    memcpy(request.name, call->name, sizeof request.name);
    memcpy(request.cache_rename.to, call->rename.to, sizeof request.cache_rename.to);
    cfs_cache_ask(call, &request, renamed);
}

void cfs_cache_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                         const char *new_name, unsigned flags)
{
    struct cfs_cache_inode *dir = cfs_cache_op_dir(req, parent, name);
    struct cfs_cache_inode *to_dir = dir ? cfs_cache_op_dir(req, new_parent, new_name) : NULL;
    struct cfs_cache_call *call;

    if (!to_dir)
        return;
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    call = cfs_cache_call_new(cfs_cache_of(req), req, dir);
    call->other = cfs_cache_ref(to_dir);
    strcpy(call->name, name);
    strcpy(call->rename.to, new_name);
    call->rename.flags = flags;
    cfs_cache_run(call, rename_name);
}
