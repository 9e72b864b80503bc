/* The nodes of the cluster and where they are reached: what is wanted. Part of the replicated
 * machine of group 0. Which of them vote follows from it (home_members.c). */
#ifndef CFS_CORE_NODE_TABLE_H
#define CFS_CORE_NODE_TABLE_H

#include "coordfs/request.h"
#include "core/membership.h"
#include "core/piece.h"

/* Zeroed memory is an empty table: the cluster has not said yet who belongs to it. */
struct cfs_node_table {
    struct cfs_node_info nodes[CFS_NODE_MAX + 1]; /* by id; id 0: none */
    uint64_t version;                             /* grows with every change */
    bool changed;                                 /* since the last save */
    cfs_node_set saved;                           /* ids in the last save */
};

cfs_node_set cfs_node_table_all(const struct cfs_node_table *table);

/* The first members, once: nothing when the table has any. */
void cfs_node_table_fill(struct cfs_node_table *table, const struct cfs_node_info *nodes,
                         uint32_t count);

/* Others take the place of all that are there; who has the same id has the same weight. */
void cfs_node_table_replace(struct cfs_node_table *table, const struct cfs_node_info *nodes,
                            uint32_t count);

/* EXISTS: a node of that id is at another address, and has not moved. NOT_FOUNDED: the table is
 * empty. BUSY: another node is being replaced by this one. NOT_MEMBER: there is no such node to
 * remove or replace, or it is the last one. */
enum cfs_error cfs_node_table_change(struct cfs_node_table *table,
                                     const struct cfs_member_change *change);

/* Who replaces `node`; 0: nobody. */
cfs_node_id cfs_node_table_heir(const struct cfs_node_table *table, cfs_node_id node);

void cfs_node_info_put(struct cfs_writer *writer, const struct cfs_node_info *info);
void cfs_node_info_get(struct cfs_reader *reader, struct cfs_node_info *info);

void cfs_node_table_save(struct cfs_node_table *table, struct cfs_writer *pieces);
int cfs_node_table_load(struct cfs_node_table *table, const struct cfs_piece *piece);

uint64_t cfs_node_table_digest(const struct cfs_node_table *table);

#endif
