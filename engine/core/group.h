/* One Raft group on this node: its log, the machine that applies it, the leader's service, and what
 * keeps the log short: checkpoints of the machine, and snapshots for replicas that fell behind.
 *
 * Checkpoints are local: what a node has saved says nothing about others. A snapshot is a
 * consistent copy of the leader's last checkpoint, sent in chunks, one at a time; the follower
 * builds a machine from it beside its own, stages the same pieces on its disk, and takes both at
 * once. */
#ifndef CFS_CORE_GROUP_H
#define CFS_CORE_GROUP_H

#include "core/event.h"
#include "core/home.h"

struct cfs_transfer;
struct cfs_install;

struct cfs_placement;

struct cfs_group {
    cfs_group_id id;
    struct cfs_env *env;
    const struct cfs_core_config *config;
    struct cfs_raft raft;
    struct cfs_machine *machine; /* owned */
    struct cfs_home home;
    uint64_t announced;             /* the last term in which all were told that this node serves */
    uint64_t unsaved_bytes;         /* of entries applied since the last checkpoint was ordered */
    uint64_t ordered_index;         /* applied index of that checkpoint */
    uint64_t saved_index;           /* applied index of the last durable one */
    uint64_t compaction_read; /* pieces that are read to put files together; 0: none */
    struct cfs_transfer *transfers; /* leader: snapshots under way, by follower */
    struct cfs_install *install;    /* follower: a snapshot that comes in; NULL: none */
};

/* `members`: the first ones; none on a node that has no replica of it yet. */
void cfs_group_init(struct cfs_group *group, struct cfs_env *env, cfs_group_id id,
                    const struct cfs_core_config *config, const struct cfs_membership *members);

/* A group other than 0 takes sessions and nodes from `root`, group 0, and its place from
 * `placement`; both outlive it. */
void cfs_group_place(struct cfs_group *group, const struct cfs_group *root,
                     const struct cfs_placement *placement);
void cfs_group_close(struct cfs_group *group);

/* What a checkpoint holds, head first; then the records. 0, or -1 for what cannot be right. Then
 * whether all of it is there. */
int cfs_group_restore_head(struct cfs_group *group, const uint8_t *head, size_t len);
int cfs_group_restore_piece(struct cfs_group *group, const struct cfs_piece *piece);
bool cfs_group_restored(const struct cfs_group *group);

/* APPEND, VOTE, SNAPSHOT and their replies, and what is for the leader's service. */
void cfs_group_receive(struct cfs_group *group, struct cfs_message *message);

/* Applies what is committed, follows changes of leadership, answers what can be answered. */
void cfs_group_settle(struct cfs_group *group);

/* All that is in the log counts as committed, and is applied. */
void cfs_group_take_all(struct cfs_group *group);

void cfs_group_tick(struct cfs_group *group);
void cfs_group_persisted(struct cfs_group *group);
void cfs_group_flush(struct cfs_group *group);
void cfs_group_unreachable(struct cfs_group *group, cfs_node_id peer);
cfs_time cfs_group_deadline(const struct cfs_group *group);

/* The leader that serves, as far as this replica knows; 0: none. */
cfs_node_id cfs_group_leader(const struct cfs_group *group);

/* group_save.c: checkpoints. */

/* Appends the group's part, if anything has changed. */
void cfs_group_save(struct cfs_group *group, struct cfs_checkpoint *checkpoint);
/* The checkpoint ordered last is durable: the log gives up what it covers. */
void cfs_group_saved(struct cfs_group *group);
/* What was read of the last one. */
void cfs_group_pieces_read(struct cfs_group *group, const struct cfs_read_pieces *read);

/* snapshot_send.c: the leader's side. */
void cfs_snapshot_send(struct cfs_group *group);
void cfs_snapshot_fetched(struct cfs_group *group, struct cfs_fetched *fetched);
void cfs_snapshot_replied(struct cfs_group *group, const struct cfs_message *message);
void cfs_snapshot_tick(struct cfs_group *group);
void cfs_snapshot_stop(struct cfs_group *group);
cfs_time cfs_snapshot_deadline(const struct cfs_group *group);
/* The oldest index that a transfer under way ends at; UINT64_MAX: none. */
uint64_t cfs_snapshot_oldest(const struct cfs_group *group);

/* snapshot_install.c: the follower's side. */
/* The leader of `term`, which is not of the past, does not need this replica any more: an empty
 * state takes the place of its own. */
void cfs_group_retire(struct cfs_group *group, uint64_t term);
void cfs_snapshot_receive(struct cfs_group *group, struct cfs_message *message);
void cfs_snapshot_staged(struct cfs_group *group, uint64_t id);
void cfs_snapshot_persisted(struct cfs_group *group);
void cfs_snapshot_drop(struct cfs_group *group);
/* Chunks of the snapshot that comes in, so far; 0: none does. */
uint64_t cfs_snapshot_received(const struct cfs_group *group);
/* Its state is being replaced on the disk: nothing else may be saved of it. */
bool cfs_snapshot_switching(const struct cfs_group *group);

/* The machine has answered a command. */
void cfs_group_answered(void *arg, struct cfs_asker asker, bool queued,
                        const struct cfs_answer *answer);

#endif
