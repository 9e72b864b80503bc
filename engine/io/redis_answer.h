/* What the script of the Redis store answers, as an answer to a request. */
#ifndef CFS_IO_REDIS_ANSWER_H
#define CFS_IO_REDIS_ANSWER_H

#include "coordfs/request.h"
#include "core/codec.h"

struct redisReply;

/* The words of an answer: borrowed. */
struct cfs_redis_told {
    const char *word;  /* "ok", that of an error, or one for the store itself; NUL-terminated */
    const char *value; /* what was asked for, NUL-terminated; its bytes may hold NULs */
    size_t len;
    const struct redisReply *list; /* of a listing: names or ids from the third element on */
};

/* False when `reply` is nothing that the script answers. */
bool cfs_redis_told(struct cfs_redis_told *told, const struct redisReply *reply);

/* What an answer lends. Zeroed memory is none; it may be used again. */
struct cfs_redis_loan {
    struct cfs_message_info messages[CFS_CONSUME_MAX];
    struct cfs_writer names;
    uint64_t *ids;
};

void cfs_redis_loan_end(struct cfs_redis_loan *loan);

/* A queue's numbers, as the script lists them. 0 or -1. */
int cfs_redis_read_info(const char *text, struct cfs_queue_info *info);

/* The answer to `op`, which borrows from `told` and `loan`. CFS_ERR_IO when it cannot be read. */
void cfs_redis_read_answer(enum cfs_op op, const struct cfs_redis_told *told,
                           struct cfs_redis_loan *loan, struct cfs_answer *answer);

#endif
