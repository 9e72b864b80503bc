/* Things kept in order, where any of them may come and go: a treap (Seidel and Aragon 1996). Which
 * node is above which is left to chance, drawn from its address, so that the tree is about as
 * shallow as one that is balanced with effort, whatever the order of arrival. */
#ifndef CFS_CORE_TREE_H
#define CFS_CORE_TREE_H

#include <stdbool.h>

/* A part of what is kept; its fields are the tree's own. NULL is the empty tree. */
struct cfs_tree_node {
    struct cfs_tree_node *left, *right;
};

/* As strcmp(3): where `key` is in respect of the node. */
typedef int (*cfs_tree_compare_fn)(const void *key, const struct cfs_tree_node *node);

/* `key` is the node's; no other node may have it. */
void cfs_tree_add(struct cfs_tree_node **root, struct cfs_tree_node *node, const void *key,
                  cfs_tree_compare_fn compare);

/* It has to be there. */
void cfs_tree_remove(struct cfs_tree_node **root, struct cfs_tree_node *node, const void *key,
                     cfs_tree_compare_fn compare);

/* The one that has the key; NULL when there is none. */
struct cfs_tree_node *cfs_tree_find(struct cfs_tree_node *root, const void *key,
                                    cfs_tree_compare_fn compare);

/* NULL when there is none. */
struct cfs_tree_node *cfs_tree_first(struct cfs_tree_node *root);

/* Takes it out. */
struct cfs_tree_node *cfs_tree_take_first(struct cfs_tree_node **root);

/* Calls `visit` for those behind `key`, in order, until it returns false: then it is false too.
 * NULL: for all. */
typedef bool (*cfs_tree_visit_fn)(void *arg, struct cfs_tree_node *node);
bool cfs_tree_each(struct cfs_tree_node *root, const void *key, cfs_tree_compare_fn compare,
                   cfs_tree_visit_fn visit, void *arg);

#endif
