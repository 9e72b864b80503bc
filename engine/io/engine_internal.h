/* What the engine consists of; shared by engine.c, which runs it, engine_cache.c, and
 * engine_look.c, which looks at it. */
#ifndef CFS_IO_ENGINE_INTERNAL_H
#define CFS_IO_ENGINE_INTERNAL_H

#include <uthash.h>

#include "coordfs/config.h"
#include "coordfs/engine.h"
#include "core/node_core.h"
#include "io/backups.h"
#include "io/checkpoints.h"
#include "io/cluster.h"
#include "io/commit_watch.h"
#include "io/http_api.h"
#include "io/http_server.h"
#include "io/leaderless.h"
#include "io/loop.h"
#include "io/queue_store.h"
#include "io/transport.h"
#include "io/wal.h"

struct cfs_engine_call {
    uint64_t id;   /* key */
    bool in_store; /* it was asked of the queue store, not of the core */
    cfs_answer_fn answer;
    void *arg;
    UT_hash_handle hh;
};

enum { CFS_WATCHES_MAX = 4 }; /* the mounts', and some to spare */

struct cfs_watch {
    struct cfs_engine *engine;
    int fd; /* -1: none */
    cfs_readable_fn fn;
    void *arg;
    bool more; /* it stopped at its bound, not at the end */
};

struct cfs_engine {
    const struct cfs_config *config;
    struct cfs_cluster cluster;
    struct cfs_loop *loop;
    struct cfs_core *core;
    struct cfs_wal *wal;
    struct cfs_store *store;
    struct cfs_checkpoints *checkpoints;
    struct cfs_backups *backups;
    struct cfs_http_server *server;
    struct cfs_transport *transport;
    struct cfs_http_api *api;
    struct cfs_queue_store queues; /* where they are not in the core */
    struct cfs_files files;
    struct cfs_watch watches[CFS_WATCHES_MAX];
    struct cfs_effects effects; /* of the step under way */
    struct cfs_effects kept;    /* to be performed outside of steps */
    uint64_t *drains;           /* ids of drains the files have not finished */
    size_t drain_count, drain_capacity;
    size_t draining; /* how many of them the files are working on: those before their first call */
    struct cfs_engine_call *calls;
    uint64_t last_id;
    struct cfs_timer tick;
    struct cfs_timer look; /* once a second, for leaderless */
    struct cfs_leaderless leaderless;
    struct cfs_commit_watch commits; /* of group 0 */
    uint64_t raft_requests;          /* over HTTP, with the secret */
    uint64_t raft_refused;           /* and without */
    cfs_time started;
    bool full;    /* the disk of the log, as the core was told last */
    bool stepped; /* since the last flush */
    bool failed;
    bool closed; /* by cfs_engine_leave */
};

/* Lets one event happen, now, and performs what follows. */
void cfs_engine_step(struct cfs_engine *engine, struct cfs_event *event);

/* engine_cache.c: to the files, if there are any that keep something. */
void cfs_engine_recall(struct cfs_engine *engine, const struct cfs_cache_recall *recall);
void cfs_engine_lapse(struct cfs_engine *engine, const struct cfs_cache_share *lapse);

#endif
