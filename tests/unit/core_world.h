/* A cluster of whole nodes in virtual time. Messages take 1 ms, a disk 0.2 ms and a job of the
 * checkpoint store 1 ms, unless the test holds, cuts, or stalls them; nothing happens by chance but
 * the election timeouts, which follow from each node's seed. A node that does not run refuses
 * connections; one that is cut off says nothing. */
#ifndef TEST_CORE_WORLD_H
#define TEST_CORE_WORLD_H

#include "core_bench.h"

#include "../sim/disk.h"
#include "core/node_core.h"

#define WORLD_NODES (CFS_MEMBERS_MAX + 1) /* nodes are found by id */

/* The first message that an answer brought. */
struct world_message {
    cfs_message_id id;
    cfs_claim_id claim;
    uint32_t deliveries;
    char body[64];
};

struct world_answer {
    uint64_t id;
    struct cfs_answer answer; /* without pointers */
    struct world_message message;
    char value[64]; /* bytes of a cached file, that many at most; NUL added */
    cfs_time at;
};

/* What a node's files saw of its session. */
struct world_session {
    uint32_t opened, lost, closed;
};

enum world_store {
    STORE_WORKS,
    STORE_STALLS,           /* does nothing for the moment */
    STORE_STALLS_AT_LAST,   /* the same, from the last stage of a snapshot on */
    STORE_SILENT_AFTER_LAST /* does that stage and does not say so */
};

struct world_node {
    struct cfs_core_config config;
    struct cfs_core *core; /* NULL: not running */
    uint32_t life;         /* counts starts */
    bool paused;           /* gets no event */
    bool disk_stalls;
    bool files_busy;                        /* leaves DRAIN and COLLECT unanswered */
    uint32_t removed;                       /* how often it was told that it was */
    struct sim_disk disk;                   /* what survives it */
    enum world_store store;                 /* how its checkpoint store works */
    uint32_t checkpoints, stages, installs, reads; /* done so far */
    struct world_answer *answers;
    size_t answer_count, answer_capacity;
    struct world_session session;
    uint64_t *rounds; /* ids of unanswered drains */
    size_t round_count, round_capacity;
    struct cfs_event_stuck *stuck; /* what the files answer to COLLECT; the test's */
    uint32_t stuck_count;
    uint32_t drains, collections; /* asked so far */
};

struct world_event {
    cfs_time at;
    cfs_node_id node;
    uint32_t life;
    uint64_t lsn;               /* the disk's report, if not 0 */
    struct cfs_effect *job;     /* of the store, if not NULL; owned */
    struct cfs_message message; /* else this one arrives */
};

/* Whether a message is kept back (world_release). */
typedef bool (*world_hold_fn)(const struct cfs_message *message);

struct world {
    cfs_time now;
    uint32_t count;
    uint64_t last_id;
    struct world_node nodes[WORLD_NODES];
    struct cfs_node_info addresses[WORLD_NODES];
    bool cut[WORLD_NODES][WORLD_NODES]; /* from, to */
    bool twice;                         /* every message arrives twice */
    uint64_t slack;                     /* records that a log keeps though they could go */
    struct world_event *events;         /* in order of time */
    size_t event_count, event_capacity;
    world_hold_fn hold;
    struct cfs_message *held;
    size_t held_count, held_capacity;
};

/* Nodes 1 to `count`, not started yet. */
void world_open(struct world *w, uint32_t count);
void world_close(struct world *w);

/* The same with groups and new disks, in a cluster that may change: its first members are nodes 1
 * to `members`; the others join it, once they are started. */
void world_open_groups(struct world *w, uint32_t count, uint32_t members, uint32_t groups);

/* Starts a node with what its disk holds; all of them. */
void world_start(struct world *w, cfs_node_id node);
void world_start_all(struct world *w);

/* Ends a node; what was not durable is lost. */
void world_crash(struct world *w, cfs_node_id node);

/* A node that has ended gets a new disk; it knows that it does. */
void world_replace_disk(struct world *w, cfs_node_id node);

/* Checkpoints after so many bytes of log, snapshots in chunks of so many; before the start. */
void world_checkpoints(struct world *w, uint64_t bytes, uint32_t chunk);

void world_run(struct world *w, cfs_time duration);

/* Runs until the whole cluster serves: one leader, a session on every running node that is not cut
 * off. Returns the leader. */
cfs_node_id world_settle(struct world *w);

/* Cuts `node` off from all others, both ways; joins it again. */
void world_cut(struct world *w, cfs_node_id node);
void world_join(struct world *w, cfs_node_id node);

/* Messages for which `hold` says so are kept back from now on; NULL: none. */
void world_hold(struct world *w, world_hold_fn hold);
/* Lets what was kept back arrive now. */
void world_release(struct world *w);
/* The same once more: copies arrive, the originals stay. */
void world_repeat(struct world *w);
void world_drop_held(struct world *w);

/* What the node's clients and shell do. */
uint64_t world_request(struct world *w, cfs_node_id node, struct cfs_request request);
void world_cancel(struct world *w, cfs_node_id node, uint64_t id);
void world_step(struct world *w, cfs_node_id node, struct cfs_event event);
void world_drained(struct world *w, cfs_node_id node);

/* Through the node `via` another one comes, in place of `replaces` if that is not 0; or it goes. */
enum cfs_error world_add(struct world *w, cfs_node_id via, cfs_node_id node, cfs_node_id replaces);
enum cfs_error world_remove(struct world *w, cfs_node_id via, cfs_node_id node);

/* NULL while there is none; more than one is an error. */
const struct world_answer *world_answer(const struct world *w, cfs_node_id node, uint64_t id);
/* Runs until it is there, a minute at most, and returns its error. */
enum cfs_error world_wait(struct world *w, cfs_node_id node, uint64_t id);
/* Asks and waits. */
enum cfs_error world_ask(struct world *w, cfs_node_id node, struct cfs_request request);

struct cfs_core_view world_view(const struct world *w, cfs_node_id node);
cfs_node_id world_leader(const struct world *w); /* that serves; 0: none */
struct cfs_core_view world_group_view(const struct world *w, cfs_node_id node, cfs_group_id group);
cfs_node_id world_group_leader(const struct world *w, cfs_group_id group);
/* The replicas of `group` as `node` knows them; 0: none. */
cfs_node_set world_replicas(const struct world *w, cfs_node_id node, cfs_group_id group);
/* Where it should be, as `node` knows; the best one first in `out`, if not NULL. */
cfs_node_set world_placement(const struct world *w, cfs_node_id node, cfs_group_id group,
                             cfs_node_id out[CFS_MEMBERS_MAX]);
/* Runs until every group is served by the node that should lead it, and is where it should be and
 * nowhere else. */
void world_settle_groups(struct world *w);
/* A node that is not `leader`. */
cfs_node_id world_follower(const struct world *w, cfs_node_id leader);
/* Whether `name` is held, as applied on `node`. */
bool world_held(const struct world *w, cfs_node_id node, const char *name);

#endif
