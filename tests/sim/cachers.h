/* Programs that use the cache through their node's files, on each node several, which want the same
 * few names. Each does one thing at a time: it finds a directory, a name in it, and then reads or
 * changes. What its kernel has a copy of it is told at once; for the rest the home is asked. In the
 * end all is read once more on every node. */
#ifndef SIM_CACHERS_H
#define SIM_CACHERS_H

#include "check_cache.h"
#include "workers.h"

/* Their requests are told from those of workers by their ids. */
#define SIM_CACHER_ID (SIM_WORKER_ID + ((uint64_t)1 << 59))

#define SIM_CACHER_GOAL_MAP(X)                                                                     \
    X(READ, 30)                                                                                    \
    X(STAT, 12)                                                                                    \
    X(LIST, 8)                                                                                     \
    X(REPLACE, 8)                                                                                  \
    X(APPEND, 8)                                                                                   \
    X(WRITE, 6)                                                                                    \
    X(TRUNCATE, 2)                                                                                 \
    X(CREATE, 8)                                                                                   \
    X(OPEN, 6)                                                                                     \
    X(RENAME, 8)                                                                                   \
    X(EXCHANGE, 3)                                                                                 \
    X(UNLINK, 6)                                                                                   \
    X(MKDIR, 4)                                                                                    \
    X(RMDIR, 3)                                                                                    \
    X(CHMOD, 4)                                                                                    \
    X(READ_OPEN, 4)                                                                                \
    X(PUT_OPEN, 2)

enum sim_cacher_goal {
#define X(id, weight) SIM_GOAL_##id,
    SIM_CACHER_GOAL_MAP(X)
#undef X
        SIM_GOAL_COUNT
};

/* A directory: the root, or one whose name is there. */
struct sim_place {
    uint32_t directory; /* number of its name in the root; SIM_CACHE_NAMES_MAX: the root */
    uint32_t name;      /* in it */
    cfs_ino ino;        /* of the directory, once it was found; 0: not yet */
};

struct sim_cacher {
    struct sim_node *node;
    uint64_t life; /* of the node */
    enum sim_cacher_goal goal;
    bool busy;             /* it wants something */
    struct sim_place from; /* where */
    struct sim_place to;   /* of a rename */
    cfs_ino ino;           /* whose name it is; 0: not found yet */
    cfs_ino open;          /* of a file that it had found, its name notwithstanding */

    uint64_t id; /* of the request under way; 0: none */
    struct cfs_request request;
    uint64_t begin; /* of what it does, in the judge's order */
    uint32_t put;   /* number of the change of contents */
    uint64_t data;
    cfs_time asked, give_up;
    bool asked_in_peace;
    cfs_session_id session_seen;
    cfs_time session_since;
    uint32_t looks; /* in the end: how many names it has read */
};

struct sim_cachers {
    struct sim_cacher cachers[CFS_MEMBERS_MAX][SIM_CACHERS_MAX];
    uint64_t requests, hits;
};

void sim_cachers_start(struct sim *sim);

/* The node's core answers one of them. */
void sim_cachers_answered(struct sim *sim, struct sim_node *node, uint64_t id,
                          const struct cfs_answer *answer);

/* In the end: each node has read everything once more. */
bool sim_cachers_done(const struct sim *sim);

#endif
