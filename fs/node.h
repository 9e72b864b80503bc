/* What the kernel knows of this mount: node ids, and how often it was told each of them.
 *
 * Directories of the namespace are fixed nodes with ids of their own. Every lookup of a lock's file
 * answers a node with a fresh id, never used again in this mount: the kernel holds an inode's lock
 * during write(2), and requests of two processes must not queue up behind it. The inode number that
 * stat shows is another thing: a function of the name, the same on all nodes.
 *
 * Others have names (cfs_node_find_named), and a lookup may answer them again: directories (a lock
 * made by mkdir, as long as it is held, or a queue opened up), else a process whose directory it is
 * would lose its way, and queues, for those who read (fs/queue_attr.c). */
#ifndef CFS_FS_NODE_H
#define CFS_FS_NODE_H

#include <sys/stat.h>
#include <uthash.h>

#include "coordfs/queue.h"
#include "coordfs/types.h"

struct cfs_tree;  /* fs/tree.h */
struct cfs_fixed; /* fs/tree_fixed.h */

struct cfs_node {
    uint64_t id;
    uint64_t ino;     /* st_ino */
    uint64_t lookups; /* times the kernel was told of it and has not forgotten */
    uint32_t refs;    /* parked requests and open files; freed when both are 0 */
    uint32_t handles; /* open files */
    const struct cfs_tree *tree;
    const struct cfs_fixed *fixed; /* NULL for all that comes and goes */
    mode_t mode;                   /* type and permissions, as made or as last seen */
    uid_t uid;
    gid_t gid;
    struct timespec made;     /* the times of what is not held */
    cfs_token token;          /* of what is named: the acquisition it stands for; of queues: 1 */
    bool lost;                /* an open file of it lost its lock: stat answers EIO too */
    enum cfs_framing framing; /* queues: as last seen, which open(2) does just before it opens */
    uint64_t seen;            /* queues: the engine's id of the request that has shown it */
    uint64_t number;          /* a message's or a claim's file: its id */
    UT_hash_handle hh, hh_name;
    /* Together the key of what is named. `part` 0: `name` is a lock; else it is a queue, and this
     * one of the files that belong to it (fs/queues.h). */
    uint64_t part;
    char name[];
};

struct cfs_nodes {
    struct cfs_node *by_id;
    struct cfs_node *named; /* the newest with a token, by part and name */
    uint64_t next_id;
};

void cfs_nodes_init(struct cfs_nodes *nodes);
void cfs_nodes_close(struct cfs_nodes *nodes);

/* Adds a node that stays, with the id `id`. */
struct cfs_node *cfs_node_add_fixed(struct cfs_nodes *nodes, uint64_t id, const char *name);

/* A node that the kernel has not been told of, with a fresh id and one reference, the caller's. */
struct cfs_node *cfs_node_new(struct cfs_nodes *nodes, const struct cfs_tree *tree,
                              const char *name);

/* NULL when there is none. */
struct cfs_node *cfs_node_find(const struct cfs_nodes *nodes, uint64_t id);

/* The node that stands for acquisition `token` of `part` of `name`; NULL when the kernel knows
 * none. */
struct cfs_node *cfs_node_find_named(const struct cfs_nodes *nodes, uint64_t part, const char *name,
                                     cfs_token token);

/* Nobody is to be told of it any more. */
void cfs_node_unname(struct cfs_nodes *nodes, struct cfs_node *node);

/* The kernel has been told of the node, once more. */
void cfs_node_told(struct cfs_nodes *nodes, struct cfs_node *node);

/* The kernel forgets `count` of the times it was told of node `id`. */
void cfs_node_forget(struct cfs_nodes *nodes, uint64_t id, uint64_t count);

struct cfs_node *cfs_node_ref(struct cfs_node *node);
void cfs_node_unref(struct cfs_nodes *nodes, struct cfs_node *node);

/* The inode number of `name` in the tree `tree` ("locks"): the same on every node of the cluster,
 * and none of those that the fixed nodes have. */
uint64_t cfs_ino_of(const char *tree, const char *name);

#endif
