/* Priorities are not stored: they are hashes of addresses, the larger one above. */
#include "core/tree.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

/* SplitMix64's finaliser. */
static uint64_t priority(const struct cfs_tree_node *node)
{
    uint64_t z = (uintptr_t)node;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Divides a tree into what is before the key and what is behind it. */
static void split(struct cfs_tree_node *tree, const void *key, cfs_tree_compare_fn compare,
                  struct cfs_tree_node **before, struct cfs_tree_node **behind)
{
    while (tree) {
        if (compare(key, tree) > 0) {
            *before = tree;
            before = &tree->right;
            tree = tree->right;
        } else {
            *behind = tree;
            behind = &tree->left;
            tree = tree->left;
        }
    }
    *before = *behind = NULL;
}

/* Makes one tree of two, of which the first is before the second. */
static struct cfs_tree_node *join(struct cfs_tree_node *first, struct cfs_tree_node *second)
{
    struct cfs_tree_node *tree = NULL, **link = &tree;

    while (first && second) {
        if (priority(first) > priority(second)) {
            *link = first;
            link = &first->right;
            first = first->right;
        } else {
            *link = second;
            link = &second->left;
            second = second->left;
        }
    }
    *link = first ? first : second;
    return tree;
}

void cfs_tree_add(struct cfs_tree_node **root, struct cfs_tree_node *node, const void *key,
                  cfs_tree_compare_fn compare)
{
    uint64_t own = priority(node);

    while (*root && priority(*root) > own)
        root = compare(key, *root) < 0 ? &(*root)->left : &(*root)->right;
    split(*root, key, compare, &node->left, &node->right);
    *root = node;
}

void cfs_tree_remove(struct cfs_tree_node **root, struct cfs_tree_node *node, const void *key,
                     cfs_tree_compare_fn compare)
{
    while (*root != node) {
        assert(*root);
        root = compare(key, *root) < 0 ? &(*root)->left : &(*root)->right;
    }
    *root = join(node->left, node->right);
}

struct cfs_tree_node *cfs_tree_find(struct cfs_tree_node *root, const void *key,
                                    cfs_tree_compare_fn compare)
{
    int order;

    while (root && (order = compare(key, root)))
        root = order < 0 ? root->left : root->right;
    return root;
}

struct cfs_tree_node *cfs_tree_first(struct cfs_tree_node *root)
{
    while (root && root->left)
        root = root->left;
    return root;
}

struct cfs_tree_node *cfs_tree_take_first(struct cfs_tree_node **root)
{
    struct cfs_tree_node *first;

    if (!*root)
        return NULL;
    while ((*root)->left)
        root = &(*root)->left;
    first = *root;
    *root = first->right;
    return first;
}

/* As deep as the tree, which is not deep. */
bool cfs_tree_each(struct cfs_tree_node *root, const void *key, cfs_tree_compare_fn compare,
                   cfs_tree_visit_fn visit, void *arg)
{
    for (; root; root = root->right) {
        bool behind = !key || compare(key, root) < 0;
        if (behind && (!cfs_tree_each(root->left, key, compare, visit, arg) || !visit(arg, root)))
            return false;
    }
    return true;
}
