/* Shared by the files that make up a node: its step, its rounds with the files, its views. */
#ifndef CFS_CORE_NODE_CORE_INTERNAL_H
#define CFS_CORE_NODE_CORE_INTERNAL_H

#include "core/client.h"
#include "core/group.h"
#include "core/node_core.h"

struct cfs_round;

struct cfs_core {
    struct cfs_core_config config;
    struct cfs_env env;
    struct cfs_group *groups; /* owned; by id */
    uint32_t group_count;     /* group 0 included */
    struct cfs_placement placement;
    struct cfs_client client;
    struct cfs_round *rounds;
    size_t round_count, round_capacity;
    uint64_t round_id;
    uint64_t checkpoint_id;             /* of the checkpoint under way; 0: none */
    bool save_wanted;                   /* one is wanted, however little has changed */
    const struct cfs_machine *nodes_of; /* whose nodes were told last, in which version */
    uint64_t nodes_version;
    cfs_time look_due; /* at what other nodes may have to say of the groups; CFS_NEVER: no groups */
    bool removed;      /* the placement leaves this node out: the cluster said that it has gone */
    bool told_removed; /* and so was the shell */
    bool started;
};

/* node_core_rounds.c: a leader's DRAIN or COLLECT, which the files work on. */
void cfs_core_begin_round(struct cfs_core *core, enum cfs_effect_type type,
                          const struct cfs_message *request);
void cfs_core_drained(struct cfs_core *core, uint64_t id);
void cfs_core_collected(struct cfs_core *core, const struct cfs_event *event);

/* node_core_save.c: checkpoints of all groups together. */
void cfs_core_order_checkpoint(struct cfs_core *core);
void cfs_core_checkpointed(struct cfs_core *core, uint64_t id);

/* node_core_locate.c: who leads a group, for those that have no replica of it. */
void cfs_core_answer_locate(struct cfs_core *core, const struct cfs_message *message);
void cfs_core_located(struct cfs_core *core, const struct cfs_message *message);
/* A command or read of another group came to a node that does not lead it, or not in that term. */
void cfs_core_redirect(struct cfs_core *core, const struct cfs_message *message);
/* The node has begun to serve a group. */
void cfs_core_announce(struct cfs_core *core, cfs_group_id group);
/* Follows what this node's own replicas know. */
void cfs_core_follow_leaders(struct cfs_core *core);
/* Replicas that the placement does not want here ask whether they may go; and before the nodes of
 * the cluster are written down its leader asks who leads the other groups. Plans the next look. */
void cfs_core_look_around(struct cfs_core *core);
/* node_core_orphans.c: files that have lost their names, if it leads the group that has these. */
void cfs_core_collect_orphans(struct cfs_core *core);
/* Whether this node counts as a replica of `group`, as far as it knows. */
bool cfs_core_is_replica(const struct cfs_core *core, cfs_group_id group);
/* Whether any group but 0 still counts on this node. */
bool cfs_core_is_needed(const struct cfs_core *core);
/* Goes by the table of nodes as it is now. */
void cfs_core_place(struct cfs_core *core);
/* Before an event: which groups may still be founded, and whether all were heard of. */
void cfs_core_note_founding(struct cfs_core *core);

/* node_core_moves.c: messages that move from the groups it leads to others. */
void cfs_core_drive_moves(struct cfs_core *core);

#endif
