/* What every part of a node's core shares during a step: the time, the list of effects, the rule
 * that promises wait for the disk, chance, and the trace. */
#ifndef CFS_CORE_ENV_H
#define CFS_CORE_ENV_H

#include "core/effect.h"
#include "core/node_core.h"

/* Whoever relies on a lease ends it by this fraction (1/50, 2 percent) early: clocks may run apart
 * by up to 1 percent each way. */
#define CFS_CLOCK_GUARD(duration) ((duration) / 50)

struct cfs_deferred;

struct cfs_env {
    cfs_node_id self;
    cfs_time now;
    cfs_wall_time wall;
    struct cfs_effects *effects;                  /* of the step under way */
    uint64_t lsn;                                 /* of the newest record, restored or ordered */
    uint64_t durable;                             /* newest lsn restored or reported durable */
    struct cfs_deferred *deferred;                /* messages that wait for an lsn, oldest first */
    struct cfs_message *inbox;                    /* messages to oneself, oldest first */
    size_t inbox_at, inbox_count, inbox_capacity; /* inbox_at: the next to be taken */
    cfs_group_id moving; /* of the groups this node leads, the one whose replicas move; 0: none */
    bool disk_full;      /* this node's: what is left is for what frees room */
    cfs_time moves_held; /* until then no move to another group comes to its end here */
    uint64_t last_id;    /* of checkpoints, stages, transfers */
    uint64_t random;
    cfs_trace_fn trace;
    void *trace_arg;
};

void cfs_env_close(struct cfs_env *env);

/* Orders a record to be persisted; returns its lsn. The entry is shared. */
uint64_t cfs_env_persist_state(struct cfs_env *env, cfs_group_id group, uint64_t term,
                               cfs_node_id vote);
uint64_t cfs_env_persist_entry(struct cfs_env *env, cfs_group_id group, struct cfs_entry *entry);

/* Entries of `group` before this record are void once the installation `install` is done. */
uint64_t cfs_env_persist_install(struct cfs_env *env, cfs_group_id group, uint64_t install);

/* Sends now; takes what the message owns. `from` is filled in; to oneself it goes to the inbox. */
void cfs_env_send(struct cfs_env *env, struct cfs_message *message);

/* Sends once everything ordered so far is durable: for what promises it. */
void cfs_env_send_durable(struct cfs_env *env, struct cfs_message *message);

/* Sends together with what has begun to wait for the disk on its way to the same node, if anything
 * has, or else now: for what is sent often, and promises nothing. It is sent after 2 ms at the
 * latest, by cfs_env_tick. */
void cfs_env_send_along(struct cfs_env *env, struct cfs_message *message);

/* When cfs_env_tick has something to do. */
cfs_time cfs_env_deadline(const struct cfs_env *env);
void cfs_env_tick(struct cfs_env *env);

/* The disk has reached `lsn`: releases what waited for it. */
void cfs_env_persisted(struct cfs_env *env, uint64_t lsn);

/* Takes the oldest message to oneself; false if there is none. */
bool cfs_env_take_inbox(struct cfs_env *env, struct cfs_message *message);

/* When heartbeats go out next. Where there are other groups, at the same moments for all that a
 * node leads, so that they share a batch; and for all nodes whose clocks show the same time, so
 * that the nodes' batches can meet (io/transport.c). */
cfs_time cfs_env_next_beat(const struct cfs_env *env, const struct cfs_core_config *config);

/* For what may as well be done a little before `due`: at the last of those moments by then, for the
 * node is awake. `due` itself if there is none. */
cfs_time cfs_env_beat_before(const struct cfs_env *env, const struct cfs_core_config *config,
                             cfs_time due);

/* A number below `bound`, from the seed (splitmix64). */
uint64_t cfs_env_random(struct cfs_env *env, uint64_t bound);

/* One decision, as a sentence: log, test oracle and documentation. */
void cfs_trace(struct cfs_env *env, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
