/* Extended attributes: what coordfs says of a file (user.coordfs.), and what programs keep with it
 * (user.). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/cache.h"
#include "fs/memory.h"

#define OWN "user.coordfs."

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void reply_value(struct cfs_cache_call *call, const void *value, size_t len)
{
    if (!call->xattr.size)
        fuse_reply_xattr(cfs_cache_take(call), len);
    else if (call->xattr.size < len)
        cfs_cache_reply_errno(call, ERANGE);
    else
        fuse_reply_buf(cfs_cache_take(call), value, len);
}

/* --- one attribute ------------------------------------------------------------------------- */

/* Attributes as the answer has them: name, NUL, length, value. False at the end. */
struct cursor {
    const uint8_t *at, *end;
};

static bool next(struct cursor *cursor, const char **name, const uint8_t **value, uint32_t *len)
{
    const uint8_t *nul;

    if (cursor->at >= cursor->end)
        return false;
    *name = (const char *)cursor->at;
    nul = memchr(cursor->at, 0, (size_t)(cursor->end - cursor->at));
    if (!nul || (size_t)(cursor->end - nul) < 1 + sizeof *len)
        return false;
    memcpy(len, nul + 1, sizeof *len);
    *value = nul + 1 + sizeof *len;
    if ((size_t)(cursor->end - *value) < *len)
        return false;
    cursor->at = *value + *len;
    return true;
}

static void got_value(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cursor cursor = {answer->cache.data, answer->cache.data + answer->cache.len};
    const uint8_t *value;
    const char *name;
    uint32_t len;

    if (answer->error) {
        cfs_cache_reply_error(call, answer->error);
        return;
    }
    while (next(&cursor, &name, &value, &len)) {
        if (strcmp(name, call->name) != 0)
            continue;
        reply_value(call, value, len);
        return;
    }
    cfs_cache_reply_errno(call, ENODATA);
}

static void get_value(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_XATTRS, .cache_read.ino = call->inode->ino};

    cfs_cache_ask(call, &request, got_value);
}

/* What the file's value is on this node: who has only asked for its size, as whoever looks at this
 * attribute does, keeps nothing of it. */
static const char *state_of(const struct cfs_cache_call *call)
{
    const struct cfs_cache_inode *inode = call->inode;

    if (inode->writes)
        return "M";
    if (!inode->charged || !cfs_cache_has_content(call->cache, inode))
        return "I";
    return inode->content_share.exclusive ? "E" : "S";
}

static void reply_state(struct cfs_cache_call *call)
{
    reply_value(call, state_of(call), 1);
}

static void got_state(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    if (answer->error) {
        cfs_cache_reply_error(call, answer->error);
        return;
    }
    cfs_cache_keep_content(call->inode, &answer->cache);
    reply_state(call);
}

/* Whether others share it only the home knows at this moment. */
static void get_state(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_FETCH, .cache_read.ino = call->inode->ino};

    if (*state_of(call) == 'M' || *state_of(call) == 'I')
        reply_state(call);
    else
        cfs_cache_ask(call, &request, got_state);
}

static void reply_version(struct cfs_cache_call *call)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, call->content.version);

    reply_value(call, text, (size_t)len);
}

static void get_version(struct cfs_cache_call *call)
{
    cfs_cache_attributes(call, call->inode, reply_version);
}

/* Asked for before each write: answered when the pages that a held truncation took are gone. */
static void reply_capability(struct cfs_cache_call *call)
{
    if (!cfs_cache_clear_for_write(call, reply_capability))
        cfs_cache_reply_errno(call, ENODATA);
}

static cfs_cache_go_fn getter(const struct cfs_cache_inode *inode, const char *name)
{
    bool file = inode->type == CFS_INODE_FILE;

    if (strcmp(name, "security.capability") == 0)
        return reply_capability;
    if (file && strcmp(name, OWN "state") == 0)
        return get_state;
    if (file && strcmp(name, OWN "version") == 0)
        return get_version;
    return begins_with(name, "user.") && !begins_with(name, OWN) ? get_value : NULL;
}

void cfs_cache_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    cfs_cache_go_fn get = inode ? getter(inode, name) : NULL;
    struct cfs_cache_call *call;

    if (!inode)
        return;
    if (!get) {
        fuse_reply_err(req, begins_with(name, "user.") ? ENODATA : EOPNOTSUPP);
        return;
    }
    if (strlen(name) > CFS_NAME_MAX) {
        fuse_reply_err(req, ERANGE);
        return;
    }
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    strcpy(call->name, name);
    call->xattr.size = size;
    cfs_cache_run(call, get);
}

/* --- all of them --------------------------------------------------------------------------- */

static const char own_names[] = OWN "state\0" OWN "version"; /* and a NUL */

static void got_names(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    struct cursor cursor = {answer->cache.data, answer->cache.data + answer->cache.len};
    const uint8_t *value;
    size_t used = 0;
    const char *name;
    uint32_t len;
    char *names;

    if (answer->error) {
        cfs_cache_reply_error(call, answer->error);
        return;
    }
    names = cfs_fs_alloc(sizeof own_names + answer->cache.len);
    if (call->inode->type == CFS_INODE_FILE) {
        memcpy(names, own_names, sizeof own_names);
        used = sizeof own_names;
    }
    while (next(&cursor, &name, &value, &len)) {
        memcpy(names + used, name, strlen(name) + 1);
        used += strlen(name) + 1;
    }
    reply_value(call, names, used);
    free(names);
}

static void list_names(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_XATTRS, .cache_read.ino = call->inode->ino};

    cfs_cache_ask(call, &request, got_names);
}

void cfs_cache_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    struct cfs_cache_call *call;

    if (!inode)
        return;
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    call->xattr.size = size;
    cfs_cache_run(call, list_names);
}

/* --- changes ------------------------------------------------------------------------------- */

static void have_set(struct cfs_cache_call *call, const struct cfs_answer *answer)
{
    cfs_cache_drop_content(call->inode); /* its ctime */
    cfs_cache_reply_error(call, answer->error);
}

/* 0, or what stands against it. */
static int refusal(const char *name)
{
    if (begins_with(name, OWN))
        return EPERM;
    if (!begins_with(name, "user."))
        return EOPNOTSUPP;
    return strlen(name) > CFS_NAME_MAX ? ERANGE : 0;
}

static void change(struct cfs_cache_call *call)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_XATTR,
                                  .cache_xattr = {.ino = call->inode->ino,
                                                  .create = call->xattr.flags & XATTR_CREATE,
                                                  .replace = call->xattr.flags & XATTR_REPLACE,
                                                  .remove = call->xattr.remove,
                                                  .value = call->data,
                                                  .len = call->len}};

    memcpy(request.name, call->name, sizeof request.name);
    cfs_cache_ask(call, &request, have_set);
}

static struct cfs_cache_call *new_change(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct cfs_cache_inode *inode = cfs_cache_op_inode(req, ino);
    int error = refusal(name);
    struct cfs_cache_call *call;

    if (!inode)
        return NULL;
    if (error) {
        fuse_reply_err(req, error);
        return NULL;
    }
    call = cfs_cache_call_new(cfs_cache_of(req), req, inode);
    strcpy(call->name, name);
    return call;
}

void cfs_cache_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                           size_t size, int flags)
{
    struct cfs_cache_call *call;

    if (size > CFS_XATTRS_MAX) {
        fuse_reply_err(req, ENOSPC);
        return;
    }
    call = new_change(req, ino, name);
    if (!call)
        return;
    call->data = cfs_fs_alloc(size);
    memcpy(call->data, value, size);
    call->len = (uint32_t)size;
    call->xattr.flags = flags;
    cfs_cache_run(call, change);
}

void cfs_cache_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct cfs_cache_call *call = new_change(req, ino, name);

    if (!call)
        return;
    call->xattr.remove = true;
    cfs_cache_run(call, change);
}
