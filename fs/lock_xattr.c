/* The extended attributes of a lock: what the file idiom cannot say. One table row for each. */
#include <errno.h>
#include <inttypes.h>

#include "fs/clock.h"
#include "fs/locks.h"
#include "fs/xattr.h"

static void print_token(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu64, answer->lock.token);
}

static void print_mode(FILE *out, const struct cfs_answer *answer)
{
    fputs(answer->lock.mode == CFS_SHARED ? "shared" : "exclusive", out);
}

/* node:pid; a client over HTTP has neither, only the name it may have given itself. Of very many
 * the last are but a number. */
static void print_holders(FILE *out, const struct cfs_answer *answer)
{
    const struct cfs_lock_info *lock = &answer->lock;

    for (uint32_t i = 0; i < lock->holder_count; i++) {
        const struct cfs_holder_info *holder = &lock->holders[i];
        if (i)
            fputc(',', out);
        if (holder->kind == CFS_LEASED)
            fprintf(out, "http:%s", holder->owner);
        else
            fprintf(out, "%" PRIu32 ":%" PRIu32, holder->node, holder->process.pid);
    }
    if (lock->more_holders)
        fprintf(out, ",+%" PRIu32, lock->more_holders);
}

static void print_since(FILE *out, const struct cfs_answer *answer)
{
    cfs_print_time(out, answer->lock.since);
}

static void print_waiters(FILE *out, const struct cfs_answer *answer)
{
    fprintf(out, "%" PRIu32, answer->lock.waiters);
}

static const struct cfs_xattr table[] = {
    {"user.coordfs.token", print_token},     {"user.coordfs.mode", print_mode},
    {"user.coordfs.holder", print_holders},  {"user.coordfs.since", print_since},
    {"user.coordfs.waiters", print_waiters}, {NULL, NULL},
};

static bool has_attributes(const struct cfs_pending *pending, const struct cfs_answer *answer)
{
    return !answer->error && cfs_lock_is_node(pending->node, &answer->lock);
}

static void got_xattr(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error && answer->error != CFS_ERR_NOT_HELD)
        cfs_pending_reply_error(pending, answer->error);
    else if (!has_attributes(pending, answer))
        cfs_pending_reply_errno(pending, ENODATA);
    else
        cfs_xattr_reply(cfs_pending_take(pending), pending->xattr.field, answer,
                        pending->xattr.size);
}

static void listed_xattrs(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    if (answer->error && answer->error != CFS_ERR_NOT_HELD)
        cfs_pending_reply_error(pending, answer->error);
    else
        cfs_xattr_reply_list(cfs_pending_take(pending),
                             has_attributes(pending, answer) ? table : NULL, pending->xattr.size);
}

static void ask(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                const struct cfs_xattr *xattr, size_t size, cfs_reply_fn reply)
{
    struct cfs_request request = cfs_lock_request(CFS_OP_GET, node->name);
    struct cfs_pending *pending;

    if (node->lost) {
        fuse_reply_err(req, EIO);
        return;
    }
    pending = cfs_pending_new(fs, req, node, NULL);
    pending->xattr.size = size;
    pending->xattr.field = xattr;
    cfs_pending_submit(pending, &request, reply);
}

/* The kernel asks for security.capability before each write and for more before each ls: those are
 * answered without asking the cluster. */
void cfs_lock_getxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, const char *name,
                       size_t size)
{
    const struct cfs_xattr *xattr = cfs_xattr_find(table, name);

    if (xattr)
        ask(fs, req, node, xattr, size, got_xattr);
    else
        fuse_reply_err(req, ENODATA);
}

void cfs_lock_listxattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node, size_t size)
{
    ask(fs, req, node, NULL, size, listed_xattrs);
}
