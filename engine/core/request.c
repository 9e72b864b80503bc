/* What may be a name, and of what kind a request is. */
#include <string.h>

#include "coordfs/request.h"

bool cfs_name_valid(const char *name)
{
    size_t len = strnlen(name, CFS_NAME_MAX + 1);

    return len >= 1 && len <= CFS_NAME_MAX && !memchr(name, '/', len) && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

bool cfs_queue_name_valid(const char *name)
{
    return cfs_name_valid(name) && *name != '.';
}

bool cfs_op_is_of_queue(enum cfs_op op)
{
    return (op >= CFS_OP_PRODUCE && op <= CFS_OP_MOVED) ||
           (op >= CFS_OP_QUEUE_STAT && op <= CFS_OP_QUEUE_AWAIT);
}

bool cfs_op_is_of_names(enum cfs_op op)
{
    return (op >= CFS_OP_CACHE_MAKE && op <= CFS_OP_CACHE_FORGET) ||
           (op >= CFS_OP_CACHE_LOOKUP && op <= CFS_OP_CACHE_LIST);
}

bool cfs_op_is_of_contents(enum cfs_op op)
{
    return (op >= CFS_OP_CACHE_PUT && op <= CFS_OP_CACHE_DROP) ||
           (op >= CFS_OP_CACHE_FETCH && op <= CFS_OP_CACHE_XATTRS);
}

bool cfs_op_is_of_cache(enum cfs_op op)
{
    return cfs_op_is_of_names(op) || cfs_op_is_of_contents(op);
}

bool cfs_cache_name_valid(enum cfs_op op, const char *name)
{
    switch (op) {
    case CFS_OP_CACHE_MAKE:
    case CFS_OP_CACHE_REMOVE:
    case CFS_OP_CACHE_RENAME:
    case CFS_OP_CACHE_LOOKUP:
        return cfs_name_valid(name);
    case CFS_OP_CACHE_XATTR:
        return *name && strnlen(name, CFS_NAME_MAX + 1) <= CFS_NAME_MAX;
    case CFS_OP_CACHE_LIST:
        return !*name || cfs_name_valid(name);
    default:
        return !*name;
    }
}

cfs_ino cfs_request_contents(const struct cfs_request *request)
{
    switch (request->op) {
    case CFS_OP_CACHE_PUT:
        return request->cache_put.ino;
    case CFS_OP_CACHE_TOUCH:
        return request->cache_set.ino;
    case CFS_OP_CACHE_XATTR:
        return request->cache_xattr.ino;
    case CFS_OP_CACHE_DROP:
        return request->cache_drop.ino;
    default:
        return request->cache_read.ino;
    }
}

bool cfs_op_is_read(enum cfs_op op)
{
    return op > CFS_OP_LAST_CHANGE;
}

bool cfs_request_may_wait(const struct cfs_request *request)
{
    switch (request->op) {
    case CFS_OP_ACQUIRE:
        return request->acquire.wait;
    case CFS_OP_PRODUCE:
        return request->produce.wait;
    case CFS_OP_CONSUME:
        return request->consume.wait;
    case CFS_OP_MESSAGE_MOVE: /* for the other queue's group */
    case CFS_OP_QUEUE_AWAIT:
        return true;
    default:
        return false;
    }
}
