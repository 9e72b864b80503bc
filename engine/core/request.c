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
    return (op >= CFS_OP_PRODUCE && op <= CFS_OP_LAST_CHANGE) || op >= CFS_OP_QUEUE_STAT;
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
