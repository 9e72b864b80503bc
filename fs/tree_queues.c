/* queues/: the names. The table at the end is what can be done.
 *
 *     NAME      a queue: write(2) is one message in, read to EOF one message out
 *     .NAME/    the same queue opened up (queue_opened.c); reachable, and never listed
 *
 *     open(O_CREAT)    makes the queue
 *     unlink           removes it, when it is empty
 *     mv               neither from here nor, but for messages (queue_move.c), to here
 *     readdir          the queues, typed as FIFOs: grep -r and find -type f pass by what would
 *                      be taken by reading it
 *
 * As in locks/ the kernel keeps no names, and nothing here waits for others, because the
 * kernel holds the directory's own lock meanwhile. */
#include <errno.h>

#include "fs/access.h"
#include "fs/listing.h"
#include "fs/queues.h"
#include "fs/tree_fixed.h"

static void lookup(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    (void)dir;
    if (*name != '.')
        cfs_queue_lookup(fs, req, CFS_PART_QUEUE, name);
    else if (name[1] != '.')
        cfs_queue_lookup(fs, req, CFS_PART_OPENED, name + 1);
    else
        fuse_reply_err(req, ENOENT);
}

/* --- create ------------------------------------------------------------------------------ */

static void ask_make(struct cfs_pending *pending);

/* It was there already, which LOOKUP did not know, so the kernel has not checked who may open it.
 */
static void seen(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    static const mode_t want[] = {[O_RDONLY] = 4, [O_WRONLY] = 2, [O_RDWR] = 6};
    const struct cfs_queue_info *info = &answer->queue;
    struct cfs_owner owner = {info->uid, info->gid, info->perm};
    struct cfs_node *node = pending->node;
    struct stat attr;

    if (answer->error == CFS_ERR_NO_QUEUE) {
        ask_make(pending); /* and is gone again */
    } else if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
    } else if (!cfs_access_allowed(pending->req, node->uid, node->gid, &owner,
                                   want[pending->create.flags & O_ACCMODE])) {
        cfs_pending_reply_errno(pending, EACCES);
    } else {
        cfs_queue_seen(node, info, pending->id);
        attr = cfs_queue_attributes(node, info);
        cfs_queue_reply_create(pending->fs, cfs_pending_take(pending), node, &pending->create,
                               &attr);
    }
}

static void made(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_request request;
    struct stat attr;

    if (answer->error == CFS_ERR_QUEUE_EXISTS && !(pending->create.flags & O_EXCL)) {
        request = cfs_queue_request(CFS_OP_QUEUE_STAT, pending->node->name);
        cfs_pending_submit(pending, &request, seen);
    } else if (answer->error) {
        cfs_pending_reply_error(pending, answer->error);
    } else {
        attr = cfs_queue_attributes(pending->node, NULL);
        attr.st_nlink = 1;
        cfs_queue_reply_create(pending->fs, cfs_pending_take(pending), pending->node,
                               &pending->create, &attr);
    }
}

static void ask_make(struct cfs_pending *pending)
{
    const struct cfs_node *node = pending->node;
    struct cfs_request request = cfs_queue_request(CFS_OP_QUEUE_MAKE, node->name);

    request.queue_make = (struct cfs_queue_make){
        .uid = node->uid, .gid = node->gid, .perm = node->mode & 07777, .exclusive = true};
    cfs_pending_submit(pending, &request, made);
}

static void create(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name,
                   mode_t mode, const struct fuse_file_info *file)
{
    struct cfs_pending *pending;
    struct cfs_node *node;

    (void)dir;
    if (*name == '.') {
        fuse_reply_err(req, EINVAL);
        return;
    }
    node = cfs_queue_node(fs, CFS_PART_QUEUE, name);
    node->mode |= mode & 07777;
    node->uid = fuse_req_ctx(req)->uid;
    node->gid = fuse_req_ctx(req)->gid;
    pending = cfs_pending_new(fs, req, node, NULL);
    cfs_node_unref(&fs->nodes, node);
    pending->create = *file;
    ask_make(pending);
}

/* --- unlink ------------------------------------------------------------------------------ */

static void reply_done(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    cfs_pending_reply_error(pending, answer->error);
}

static void unlink_queue(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    struct cfs_request request;

    (void)dir;
    if (*name == '.') {
        fuse_reply_err(req, EPERM);
        return;
    }
    request = cfs_queue_request(CFS_OP_QUEUE_REMOVE, name);
    request.queue_caller.uid = fuse_req_ctx(req)->uid;
    cfs_pending_submit(cfs_pending_new(fs, req, NULL, NULL), &request, reply_done);
}

/* --- readdir ----------------------------------------------------------------------------- */

/* Part after part of the cluster. The mark is the part to go on with, times two, and one more to go
 * on behind the last name. */
static struct cfs_request next_page(const struct cfs_handle *handle)
{
    struct cfs_request request =
        cfs_queue_request(CFS_OP_QUEUE_LIST, handle->mark & 1 ? cfs_listing_last(handle) : "");

    request.queue_read.number = handle->mark >> 1;
    return request;
}

static void add_page(struct cfs_handle *handle, const struct cfs_answer *answer)
{
    cfs_listing_add(handle, answer->names, answer->names_len);
    handle->mark = answer->more ? handle->mark | 1 : (uint64_t)answer->part << 1;
    handle->more = answer->more || answer->part;
}

static struct stat queue_entry(const struct cfs_node *dir, const char *name)
{
    (void)dir;
    return (struct stat){.st_ino = cfs_queue_ino(CFS_PART_QUEUE, name), .st_mode = S_IFIFO};
}

static uint64_t parent(const struct cfs_node *dir)
{
    (void)dir;
    return CFS_FIXED_ROOT;
}

static void read_queues(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                        uint64_t offset)
{
    static const struct cfs_listing listing = {
        .question = next_page, .add = add_page, .entry = queue_entry, .parent = parent};

    cfs_listing_read(&listing, fs, req, handle, size, offset);
}

/* --- the rest ---------------------------------------------------------------------------- */

static void getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    if (node->fixed)
        cfs_fixed_getattr(fs, req, node);
    else
        cfs_queue_getattr(fs, req, node);
}

const struct cfs_tree cfs_tree_queues = {
    .lookup = lookup,
    .create = create,
    .unlink = unlink_queue,
    .readdir = read_queues,
    .getattr = getattr,
    .setattr = cfs_queue_setattr,
    .getxattr = cfs_queue_getxattr,
    .listxattr = cfs_queue_listxattr,
    .open = cfs_queue_open,
    .read = cfs_queue_read,
    .write = cfs_queue_write,
    .poll = cfs_queue_poll,
    .flush = cfs_queue_flush,
    .release = cfs_queue_release,
    .lose = cfs_queue_lose,
};
