/* Requests to queues, for tests of all layers. */
#ifndef TESTS_UNIT_QUEUE_REQUESTS_H
#define TESTS_UNIT_QUEUE_REQUESTS_H

#include <string.h>

#include "coordfs/request.h"

static inline struct cfs_request of_queue(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name);
    return request;
}

static inline struct cfs_request make_queue(const char *name)
{
    struct cfs_request request = of_queue(CFS_OP_QUEUE_MAKE, name);

    request.queue_make = (struct cfs_queue_make){.uid = 1000, .gid = 100, .perm = 0640};
    return request;
}

static inline struct cfs_request remove_queue(const char *name)
{
    return of_queue(CFS_OP_QUEUE_REMOVE, name);
}

/* `body` is borrowed. */
static inline struct cfs_request produce_to(const char *name, const char *body, bool wait)
{
    struct cfs_request request = of_queue(CFS_OP_PRODUCE, name);

    request.produce = (struct cfs_produce){
        .data = (const uint8_t *)body, .len = (uint32_t)strlen(body), .wait = wait};
    return request;
}

static inline struct cfs_request consume_from(const char *name, bool wait)
{
    struct cfs_request request = of_queue(CFS_OP_CONSUME, name);

    request.consume = (struct cfs_consume){.wait = wait, .max = 1};
    return request;
}

/* `claim` is borrowed. */
static inline struct cfs_request settle_claim(enum cfs_op op, const char *name,
                                              const cfs_claim_id *claim)
{
    struct cfs_request request = of_queue(op, name);

    request.settle = (struct cfs_settle){.place = CFS_INFLIGHT, .ids = claim, .count = 1};
    return request;
}

static inline struct cfs_request bound_queue(const char *name, uint64_t max_messages)
{
    struct cfs_request request = of_queue(CFS_OP_QUEUE_CONFIG, name);

    request.queue_set = (struct cfs_queue_set){.fields = CFS_CONFIG_MAX_MESSAGES,
                                               .config = {.max_messages = max_messages}};
    return request;
}

#endif
