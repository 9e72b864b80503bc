/* The POSTs that one peer left open with us, to carry what we have to say to it. */
#ifndef CFS_IO_HELD_H
#define CFS_IO_HELD_H

#include "io/http_server.h"

#define CFS_HELD_MAX 4u

/* One of them; request is NULL in a free slot. */
struct cfs_held_post {
    struct cfs_held *held;
    struct cfs_http_request *request;
    uint64_t number; /* the smallest is the oldest */
    cfs_time since;
};

struct cfs_held {
    struct cfs_held_post posts[CFS_HELD_MAX];
    uint64_t newest;
    void (*gone)(void *arg);
    void *arg;
};

/* `gone` is called when the peer took one of them back: its process may have ended. */
void cfs_held_init(struct cfs_held *held, void (*gone)(void *arg), void *arg);

/* Answers all of them, empty. */
void cfs_held_close(struct cfs_held *held);

/* Holds one more; the oldest is answered empty if there are CFS_HELD_MAX. */
void cfs_held_add(struct cfs_held *held, struct cfs_http_request *request, cfs_time now);

bool cfs_held_empty(const struct cfs_held *held);
uint32_t cfs_held_count(const struct cfs_held *held);

/* When the oldest came; CFS_NEVER without one. */
cfs_time cfs_held_since(const struct cfs_held *held);

/* Answers the oldest, of which there must be one, with a batch, or empty when `batch` is NULL. */
void cfs_held_answer(struct cfs_held *held, const uint8_t *batch, size_t len);

#endif
