/* Who takes part in a group, and whether some of them are enough (thesis 4). Nodes are numbered
 * from 1 to 63, and a set of them is a word: bit n stands for node n.
 *
 * A change of voters goes through joint consensus (4.3): from the moment a node has the entry, a
 * majority of the old and a majority of the new voters decide together; when that is committed,
 * the new ones go on alone. Learners get the log and count for nothing. */
#ifndef CFS_CORE_MEMBERSHIP_H
#define CFS_CORE_MEMBERSHIP_H

#include "coordfs/limits.h"
#include "core/codec.h"

typedef uint64_t cfs_node_set;

#define CFS_NODE_BIT(node) ((cfs_node_set)1 << (node))
#define CFS_EACH_NODE(node, set)                                                                   \
    for (cfs_node_id node = cfs_node_set_next(set, 0); node; node = cfs_node_set_next(set, node))

/* The smallest node of the set after `node`; 0: none. */
cfs_node_id cfs_node_set_next(cfs_node_set set, cfs_node_id node);
uint32_t cfs_node_set_count(cfs_node_set set);

struct cfs_membership {
    cfs_node_set voters;
    cfs_node_set outgoing; /* while the change is joint: the voters before it; else none */
    cfs_node_set learners;
};

/* All that have a replica. */
cfs_node_set cfs_membership_all(const struct cfs_membership *members);
/* All whose votes matter. */
cfs_node_set cfs_membership_deciding(const struct cfs_membership *members);
/* Whether `nodes` are a majority of the voters, and of the outgoing ones if there are any. */
bool cfs_membership_is_quorum(const struct cfs_membership *members, cfs_node_set nodes);
bool cfs_membership_equal(const struct cfs_membership *a, const struct cfs_membership *b);

/* The largest value that a quorum has reached, given each node's (by node id). */
uint64_t cfs_membership_reached(const struct cfs_membership *members,
                                const uint64_t values[CFS_NODE_MAX + 1]);

void cfs_membership_put(struct cfs_writer *writer, const struct cfs_membership *members);
/* The reader fails for what cannot be. */
void cfs_membership_get(struct cfs_reader *reader, struct cfs_membership *members);

#define CFS_MEMBERSHIP_VERSION 1u /* the first byte of what is below */

/* The data of an entry that says who the members are from there on; 0 or -1. */
void cfs_membership_encode(struct cfs_writer *writer, const struct cfs_membership *members);
int cfs_membership_decode(struct cfs_membership *members, const uint8_t *data, size_t len);

/* Which members the log names, oldest first. The first ones are those as of the log's base. */
struct cfs_membership_mark {
    uint64_t index;
    struct cfs_membership members;
};

struct cfs_membership_history {
    struct cfs_membership_mark *marks;
    size_t count, capacity;
};

void cfs_membership_history_reset(struct cfs_membership_history *history, uint64_t index,
                                  const struct cfs_membership *members);
void cfs_membership_history_close(struct cfs_membership_history *history);
void cfs_membership_history_add(struct cfs_membership_history *history, uint64_t index,
                                const struct cfs_membership *members);
/* Entries from `index` on are gone. */
void cfs_membership_history_truncate(struct cfs_membership_history *history, uint64_t index);
/* Entries up to `index` are compacted. */
void cfs_membership_history_compact(struct cfs_membership_history *history, uint64_t index);
/* As of `index`, which is not before the base. */
const struct cfs_membership_mark *
cfs_membership_history_at(const struct cfs_membership_history *history, uint64_t index);

#endif
