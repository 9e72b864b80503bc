/* Where queues are kept when it is not in the node's own groups: the seam between the engine and
 * such a store. All of it happens on the loop's thread. */
#ifndef CFS_IO_QUEUE_STORE_H
#define CFS_IO_QUEUE_STORE_H

#include "coordfs/config.h"
#include "coordfs/request.h"
#include "core/node_core.h"
#include "io/loop.h"

/* What became of a session that was a node's. */
enum cfs_session_fate {
    CFS_SESSION_UNHEARD, /* this node is not up to its opening yet */
    CFS_SESSION_LIVES,
    CFS_SESSION_SUCCEEDED, /* it is over for good, and the node has another one */
    CFS_SESSION_OVER,      /* for good, and the node has none */
};

/* Queues as they were seen a while ago. */
struct cfs_queue_row {
    char *name;
    struct cfs_queue_info info;
};

struct cfs_queue_overview {
    cfs_time seen;  /* 0: never yet */
    uint64_t count; /* of all; the first ones by name have rows */
    struct cfs_queue_row *rows;
    size_t row_count;
};

/* Rows there are at most. */
#define CFS_QUEUE_ROWS_MAX 1000u

/* What a store asks of the engine. */
struct cfs_queue_store_events {
    void *arg;
    /* Once for each submitted request, never from within submit; it may submit and cancel. */
    void (*answer)(void *arg, uint64_t id, const struct cfs_answer *answer);
    /* This node's session if it may be relied on at this moment; else 0. */
    cfs_session_id (*session)(void *arg);
    enum cfs_session_fate (*fate)(void *arg, cfs_node_id node, cfs_session_id session);
};

struct cfs_queue_store {
    void *
        self; /* NULL: there is no such store, and of these functions only those below are called */
    void (*submit)(void *self, uint64_t id, const struct cfs_request *request);
    void (*cancel)(void *self, uint64_t id); /* as cfs_engine_cancel; unknown ids are ignored */
    void (*session_changed)(void *self, cfs_session_id session);
    void (*leave)(void *self);
    bool (*has_left)(const void *self);
    void (*flush)(void *self);
    bool (*available)(const void *self);
    const struct cfs_queue_overview *(*overview)(void *self);
    void (*close)(void *self);
    const char *name; /* where it is: without what nobody should read */
};

/* Opens what the setting `store` names; embedded: none. `config` must outlive it. 0, or -1 after a
 * log line. */
int cfs_queue_store_open(struct cfs_queue_store *store, struct cfs_loop *loop,
                         const struct cfs_config *config, uint64_t cluster,
                         const struct cfs_queue_store_events *events);

/* Whether `op` is for the store. */
bool cfs_queue_store_takes(const struct cfs_queue_store *store, enum cfs_op op);

/* The node has a session now, or (0) none any more. */
void cfs_queue_store_session(const struct cfs_queue_store *store, cfs_session_id session);

/* Gives back what ends with the session, which goes on for a moment; and whether that is done,
 * asked after each turn. */
void cfs_queue_store_leave(const struct cfs_queue_store *store);
bool cfs_queue_store_has_left(const struct cfs_queue_store *store);

/* At the end of a turn. */
void cfs_queue_store_flush(const struct cfs_queue_store *store);

/* Whether calls have a chance, as far as it depends on the store; and its name, or "embedded". */
bool cfs_queue_store_available(const struct cfs_queue_store *store);
const char *cfs_queue_store_name(const struct cfs_queue_store *store);

/* Borrowed until the next turn; NULL: there is no store. It is renewed more often while it is
 * looked at. */
const struct cfs_queue_overview *cfs_queue_store_overview(const struct cfs_queue_store *store);

/* Requests are left without answers. */
void cfs_queue_store_close(struct cfs_queue_store *store);

/* By the applied state of group 0, old as it may be: a session that is not there any more never
 * comes back. */
enum cfs_session_fate cfs_session_fate(const struct cfs_core *core, cfs_node_id node,
                                       cfs_session_id session);

#endif
