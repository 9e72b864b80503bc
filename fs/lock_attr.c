/* stat and its setters, for what is held and for open files through which nothing is held. */
#include "fs/locks.h"

#include <string.h>

#include "fs/attr.h"
#include "fs/clock.h"

struct cfs_request cfs_lock_request(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name); /* ops.c lets no longer ones through */
    return request;
}

struct stat cfs_lock_attributes(const struct cfs_node *node, const struct cfs_lock_info *info)
{
    struct stat attr = {.st_ino = node->ino,
                        .st_mode = node->mode,
                        .st_uid = node->uid,
                        .st_gid = node->gid,
                        .st_blksize = 4096,
                        .st_atim = node->made,
                        .st_mtim = node->made,
                        .st_ctim = node->made};

    if (!info)
        return attr;
    attr.st_mode = (node->mode & S_IFMT) | info->perm;
    attr.st_nlink = S_ISDIR(node->mode) ? 2 : 1;
    attr.st_uid = info->uid;
    attr.st_gid = info->gid;
    attr.st_size = info->content_len;
    attr.st_blocks = (info->content_len + 511) / 512;
    attr.st_mtim = attr.st_atim = cfs_timespec_of(info->mtime);
    attr.st_ctim = cfs_timespec_of(info->mtime > info->since ? info->mtime : info->since);
    return attr;
}

bool cfs_lock_is_node(const struct cfs_node *node, const struct cfs_lock_info *info)
{
    if (S_ISDIR(node->mode))
        return info->form == CFS_FORM_DIRECTORY && info->token == node->token;
    return info->form == CFS_FORM_FILE;
}

static void reply_attr(struct cfs_pending *pending, const struct cfs_lock_info *info)
{
    struct stat attr = cfs_lock_attributes(pending->node, info);

    fuse_reply_attr(cfs_pending_take(pending), &attr, 0);
}

static void got_attr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_node *node = pending->node;
    bool held = !answer->error && cfs_lock_is_node(node, &answer->lock);

    if (node->lost)
        cfs_pending_reply_error(pending, CFS_ERR_LOST);
    else if (held)
        reply_attr(pending, &answer->lock);
    else if (answer->error && answer->error != CFS_ERR_NOT_HELD)
        cfs_pending_reply_error(pending, answer->error);
    else if (S_ISREG(node->mode))
        reply_attr(pending, NULL); /* open(2) asks between LOOKUP and OPEN, and must not fail */
    else
        cfs_pending_reply_error(pending, CFS_ERR_NOT_HELD);
    if (held) { /* what a later lock through this file inherits */
        node->mode = (node->mode & S_IFMT) | answer->lock.perm;
        node->uid = answer->lock.uid;
        node->gid = answer->lock.gid;
    }
}

static void get_attr(struct cfs_pending *pending)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_GET, pending->node->name);

    cfs_pending_submit(pending, &request, got_attr);
}

void cfs_lock_getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    if (node->lost)
        fuse_reply_err(req, EIO);
    else
        get_attr(cfs_pending_new(fs, req, node, NULL));
}

/* touch and chmod of an open file through which nothing is held: nobody else can see it, so only
 * the mode that a lock through it will have is worth keeping. */
static void set_unheld(struct cfs_pending *pending)
{
    struct cfs_node *node = pending->node;

    if (pending->setattr.fields & CFS_SET_PERM)
        node->mode = (node->mode & S_IFMT) | pending->setattr.perm;
    reply_attr(pending, NULL);
}

static void set_attr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    bool resized = pending->setattr.fields & CFS_SET_SIZE;

    if (answer->error == CFS_ERR_NOT_HELD && pending->node->handles) {
        set_unheld(pending);
        return;
    }
    if (answer->error && !(resized && answer->error == CFS_ERR_NOT_HOLDER)) {
        cfs_pending_reply_error(pending, answer->error);
        return;
    }
    if (resized && !answer->error)
        pending->handle->content_len = (uint32_t)pending->setattr.size;
    pending->committed = true;
    get_attr(pending);
}

void cfs_lock_setattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                      struct cfs_handle *handle, const struct stat *attr, int fields)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_SETATTR, node->name);
    struct cfs_setattr *wanted = &request.setattr;
    struct cfs_pending *pending;

    *wanted = cfs_setattr_of(attr, fields, fuse_req_ctx(req)->uid);
    wanted->token = handle ? cfs_handle_exclusive(handle) : 0;
    if (fields & FUSE_SET_ATTR_SIZE) /* the kernel adds times of its own */
        wanted->fields = wanted->token ? CFS_SET_SIZE : 0;
    if (node->lost || (handle && handle->lost)) {
        fuse_reply_err(req, EIO);
    } else if (!wanted->fields) {
        cfs_lock_getattr(fs, req, node);
    } else if (wanted->fields & CFS_SET_SIZE && attr->st_size > CFS_CONTENT_MAX) {
        fuse_reply_err(req, EFBIG);
    } else {
        pending = cfs_pending_new(fs, req, node, handle);
        pending->setattr.fields = wanted->fields;
        pending->setattr.perm = wanted->perm;
        pending->setattr.size = wanted->size;
        cfs_pending_submit(pending, &request, set_attr);
    }
}
