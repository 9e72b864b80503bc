/* Requests about queues as the script of the Redis store reads them. */
#ifndef CFS_IO_REDIS_REQUEST_H
#define CFS_IO_REDIS_REQUEST_H

#include "coordfs/request.h"
#include "io/redis_link.h"

/* What is wrong with the request itself; CFS_OK: nothing. */
enum cfs_error cfs_redis_check(const struct cfs_request *request);

/* The script's name for `op`; NULL: it has none. */
const char *cfs_redis_verb(enum cfs_op op);

/* Whether it is done once, and so has a number. */
bool cfs_redis_is_change(enum cfs_op op);

/* What follows the head of a command (engine/io/redis/1_base.lua). `undo`: a GIVE_BACK of what
 * nobody has heard of. */
void cfs_redis_add_request(struct cfs_redis_args *args, const struct cfs_request *request,
                           bool undo);

#endif
