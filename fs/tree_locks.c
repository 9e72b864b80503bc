/* locks/: the names. A name exists while the lock is held; the table at the end is what can be
 * done.
 *
 *     open(O_CREAT|O_EXCL), mkdir   take the lock, or EEXIST at once
 *     open(O_CREAT), open           a handle, and no lock; flock on it takes one (lock_file.c)
 *     unlink, rmdir                 give it back
 *     readdir                       what is held
 *
 * The kernel keeps nothing of it: all timeouts are 0, and what is not there is answered as an
 * error, which it does not remember either. None of these waits for a lock, because the kernel
 * holds the directory's own lock meanwhile: the holder could not even remove its own. */
#include <errno.h>

#include "fs/listing.h"
#include "fs/locks.h"
#include "fs/proc.h"
#include "fs/tree_fixed.h"

static struct cfs_node *new_node(struct cfs_fs *fs, const char *name, mode_t mode)
{
    const struct cfs_tree *tree = S_ISDIR(mode) ? &cfs_tree_lock_directory : &cfs_tree_locks;
    struct cfs_node *node = cfs_node_new(&fs->nodes, tree, name);

    node->mode = mode;
    node->ino = cfs_ino_of("locks", name);
    return node;
}

static struct fuse_entry_param entry_of(const struct cfs_node *node, const struct stat *attr)
{
    return (struct fuse_entry_param){.ino = node->id, .attr = *attr};
}

/* --- lookup ------------------------------------------------------------------------------ */

static void found(struct cfs_pending *pending, const struct cfs_lock_info *info)
{
    struct cfs_fs *fs = pending->fs;
    bool directory = info->form == CFS_FORM_DIRECTORY;
    struct cfs_node *node =
        directory ? cfs_node_find_named(&fs->nodes, 0, pending->node->name, info->token) : NULL;
    struct fuse_entry_param entry;
    struct stat attr;

    if (node) {
        cfs_node_ref(node);
    } else {
        node = new_node(fs, pending->node->name, (directory ? S_IFDIR : S_IFREG) | info->perm);
        node->token = directory ? info->token : 0;
    }
    node->uid = info->uid;
    node->gid = info->gid;
    attr = cfs_lock_attributes(node, info);
    entry = entry_of(node, &attr);
    if (fuse_reply_entry(cfs_pending_take(pending), &entry) == 0)
        cfs_node_told(&fs->nodes, node);
    cfs_node_unref(&fs->nodes, node);
}

static void looked_up(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_pending_reply_error(pending, answer->error);
    else
        found(pending, &answer->lock);
}

/* A node for what `req` wants to make. */
static struct cfs_node *requested_node(struct cfs_fs *fs, fuse_req_t req, const char *name,
                                       mode_t mode)
{
    struct cfs_node *node = new_node(fs, name, mode);

    node->uid = fuse_req_ctx(req)->uid;
    node->gid = fuse_req_ctx(req)->gid;
    return node;
}

/* Parks `req`, which takes over the caller's reference to the node. */
static struct cfs_pending *park_node(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    struct cfs_pending *pending = cfs_pending_new(fs, req, node, NULL);

    cfs_node_unref(&fs->nodes, node);
    return pending;
}

static void lookup(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_GET, name);

    (void)dir;
    cfs_pending_submit(park_node(fs, req, new_node(fs, name, S_IFREG)), &request, looked_up);
}

/* --- create, mkdir ----------------------------------------------------------------------- */

static void taken_back(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    (void)pending, (void)answer;
}

/* The kernel did not take the reply: the caller is gone, and nobody knows of the lock. By its token
 * and not by name: it may be removed by now, and the name be somebody else's. */
static void take_back(struct cfs_fs *fs, const char *name, cfs_token token)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_RELEASE, name);

    request.release = (struct cfs_release){.kind = CFS_LOCKFILE, .token = token};
    cfs_pending_submit(cfs_pending_new(fs, NULL, NULL, NULL), &request, taken_back);
}

/* Replies to CREATE: with a handle that holds, or with one that does not when `token` is 0. */
static void reply_create(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                         const struct fuse_file_info *file, cfs_token token)
{
    struct cfs_handle *handle = cfs_handle_new(fs, node, req);
    struct fuse_file_info reply = *file;
    struct stat attr = cfs_lock_attributes(node, NULL);
    struct fuse_entry_param entry;

    attr.st_nlink = token ? 1 : 0;
    entry = entry_of(node, &attr);
    handle->lockfile = token;
    reply.fh = cfs_handle_fh(handle);
    reply.direct_io = 1;
    if (fuse_reply_create(req, &entry, &reply) == 0) {
        cfs_node_told(&fs->nodes, node);
        return;
    }
    cfs_handle_close(handle);
    if (token)
        take_back(fs, node->name, token);
}

static void created(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error)
        cfs_pending_reply_error(pending, answer->error);
    else
        reply_create(pending->fs, cfs_pending_take(pending), pending->node, &pending->create,
                     answer->token);
}

static struct cfs_request lockfile_request(struct cfs_fs *fs, fuse_req_t req,
                                           const struct cfs_node *node)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_ACQUIRE, node->name);
    uint32_t parent;

    request.acquire =
        (struct cfs_acquire){.mode = CFS_EXCLUSIVE,
                             .kind = CFS_LOCKFILE,
                             .form = S_ISDIR(node->mode) ? CFS_FORM_DIRECTORY : CFS_FORM_FILE,
                             .uid = node->uid,
                             .gid = node->gid,
                             .perm = node->mode & 07777};
    cfs_proc_identify(fs->proc_fd, (uint32_t)fuse_req_ctx(req)->pid, &request.acquire.process,
                      &parent);
    return request;
}

static void create(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                   mode_t mode, const struct fuse_file_info *file)
{
    struct cfs_node *node = requested_node(fs, req, name, S_IFREG | (mode & 07777));
    struct cfs_request request;
    struct cfs_pending *pending;

    (void)dir;
    if (file->flags & O_EXCL) {
        request = lockfile_request(fs, req, node);
        pending = park_node(fs, req, node);
        pending->create = *file;
        cfs_pending_submit(pending, &request, created);
    } else {
        reply_create(fs, req, node, file, 0);
        cfs_node_unref(&fs->nodes, node);
    }
}

static void made_directory(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_node *node = pending->node;
    struct stat attr = cfs_lock_attributes(node, NULL);
    struct fuse_entry_param entry;

    if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    node->token = answer->token;
    attr.st_nlink = 2;
    entry = entry_of(node, &attr);
    if (fuse_reply_entry(cfs_pending_take(pending), &entry) == 0)
        cfs_node_told(&pending->fs->nodes, node);
    else
        take_back(pending->fs, node->name, node->token);
}

static void make_directory(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir,
                           const char *name, mode_t mode)
{
    struct cfs_node *node = requested_node(fs, req, name, S_IFDIR | (mode & 07777));
    struct cfs_request request = lockfile_request(fs, req, node);

    (void)dir;
    cfs_pending_submit(park_node(fs, req, node), &request, made_directory);
}

/* --- unlink, rmdir ----------------------------------------------------------------------- */

static void reply_done(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    cfs_pending_reply_error(pending, answer->error);
}

static void remove_name(struct cfs_fs *fs, fuse_req_t req, const char *name,
                        enum cfs_lock_form form)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_REMOVE, name);

    request.remove = (struct cfs_remove){.form = form, .uid = fuse_req_ctx(req)->uid};
    cfs_pending_submit(cfs_pending_new(fs, req, NULL, NULL), &request, reply_done);
}

static void unlink_file(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    (void)dir;
    remove_name(fs, req, name, CFS_FORM_FILE);
}

static void remove_directory(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir,
                             const char *name)
{
    (void)dir;
    remove_name(fs, req, name, CFS_FORM_DIRECTORY);
}

/* --- opendir, readdir -------------------------------------------------------------------- */

/* The kernel never tells of a flock on a directory: it would grant it on this node alone, although
 * mkdir has taken the lock. Whoever wants to read the directory passes O_DIRECTORY, as opendir(3)
 * does, or O_NOFOLLOW, as tar(1) does; whoever opens what might be a file, as flock(1) and the
 * shell do, learns here that it is none. */
static void open_directory(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir,
                           const struct fuse_file_info *file)
{
    if (file->flags & (O_DIRECTORY | O_NOFOLLOW))
        cfs_reply_open(fs, req, dir, file, NULL, 0);
    else
        fuse_reply_err(req, EISDIR);
}

static struct cfs_request next_page(const struct cfs_handle *handle)
{
    return cfs_lock_request(CFS_OP_LIST, cfs_listing_last(handle));
}

static void add_page(struct cfs_handle *handle, const struct cfs_answer *answer)
{
    cfs_listing_add(handle, answer->names, answer->names_len);
    handle->more = answer->more;
}

/* No type: a listing does not say which were made by mkdir; whoever wants to know asks stat. */
static struct stat lock_entry(const struct cfs_node *dir, const char *name)
{
    (void)dir;
    return (struct stat){.st_ino = cfs_ino_of("locks", name)};
}

static uint64_t parent(const struct cfs_node *dir)
{
    return dir->fixed ? CFS_FIXED_ROOT : CFS_FIXED_LOCKS;
}

static const struct cfs_listing listing = {
    .question = next_page, .add = add_page, .entry = lock_entry, .parent = parent};

static void read_locks(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                       uint64_t offset)
{
    cfs_listing_read(&listing, fs, req, handle, size, offset);
}

static void read_empty(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                       uint64_t offset)
{
    (void)fs;
    cfs_listing_read_fixed(&listing, req, handle, NULL, 0, size, offset);
}

/* --- the rest ---------------------------------------------------------------------------- */

/* Never fails for want of a lock: the kernel has taken O_CREAT away, so the name may be free again.
 */
static void open_file(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                      const struct fuse_file_info *file)
{
    cfs_reply_open(fs, req, node, file, NULL, 0);
}

static void getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    if (node->fixed)
        cfs_fixed_getattr(fs, req, node);
    else
        cfs_lock_getattr(fs, req, node);
}

const struct cfs_tree cfs_tree_locks = {
    .lookup = lookup,
    .create = create,
    .mkdir = make_directory,
    .unlink = unlink_file,
    .rmdir = remove_directory,
    .opendir = open_directory,
    .readdir = read_locks,
    .getattr = getattr,
    .setattr = cfs_lock_setattr,
    .getxattr = cfs_lock_getxattr,
    .listxattr = cfs_lock_listxattr,
    .open = open_file,
    .read = cfs_lock_read,
    .write = cfs_lock_write,
    .flock = cfs_lock_flock,
};

const struct cfs_tree cfs_tree_lock_directory = {
    .opendir = open_directory,
    .readdir = read_empty,
    .getattr = cfs_lock_getattr,
    .setattr = cfs_lock_setattr,
    .getxattr = cfs_lock_getxattr,
    .listxattr = cfs_lock_listxattr,
};
