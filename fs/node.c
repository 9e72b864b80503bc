/* Node ids and who still refers to them. */
#include "fs/node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "coordfs/limits.h"
#include "fs/memory.h"

/* Ids and inode numbers below are for fixed nodes. */
#define FIRST_ID 256u

void cfs_nodes_init(struct cfs_nodes *nodes)
{
    *nodes = (struct cfs_nodes){.next_id = FIRST_ID};
}

void cfs_nodes_close(struct cfs_nodes *nodes)
{
    struct cfs_node *node, *next;

    HASH_CLEAR(hh_name, nodes->named);
    HASH_ITER (hh, nodes->by_id, node, next) {
        HASH_DEL(nodes->by_id, node);
        free(node);
    }
}

static struct cfs_node *make(uint64_t id, const char *name)
{
    struct cfs_node *node = cfs_fs_alloc(sizeof *node + strlen(name) + 1);

    node->id = id;
    strcpy(node->name, name);
    clock_gettime(CLOCK_REALTIME, &node->made);
    return node;
}

struct cfs_node *cfs_node_add_fixed(struct cfs_nodes *nodes, uint64_t id, const char *name)
{
    struct cfs_node *node = make(id, name);

    assert(id < FIRST_ID);
    node->ino = id;
    node->refs = 1;
    HASH_ADD(hh, nodes->by_id, id, sizeof node->id, node);
    return node;
}

struct cfs_node *cfs_node_new(struct cfs_nodes *nodes, const struct cfs_tree *tree,
                              const char *name)
{
    struct cfs_node *node = make(nodes->next_id++, name);

    node->tree = tree;
    node->refs = 1;
    return node;
}

struct cfs_node *cfs_node_find(const struct cfs_nodes *nodes, uint64_t id)
{
    struct cfs_node *node;

    HASH_FIND(hh, nodes->by_id, &id, sizeof id, node);
    return node;
}

struct key {
    uint64_t part;
    char name[CFS_NAME_MAX + 1];
};

static_assert(offsetof(struct cfs_node, name) ==
                  offsetof(struct cfs_node, part) + offsetof(struct key, name),
              "part and name of a node lie as in a key");

static struct cfs_node *newest_named(const struct cfs_nodes *nodes, uint64_t part, const char *name)
{
    struct key key = {.part = part};
    struct cfs_node *node;

    assert(strlen(name) < sizeof key.name);
    strcpy(key.name, name);
    HASH_FIND(hh_name, nodes->named, &key, offsetof(struct key, name) + strlen(name), node);
    return node;
}

struct cfs_node *cfs_node_find_named(const struct cfs_nodes *nodes, uint64_t part, const char *name,
                                     cfs_token token)
{
    struct cfs_node *node = newest_named(nodes, part, name);

    return node && node->token == token ? node : NULL;
}

/* The newest acquisition is the one that lookups will ask for. */
static void name_node(struct cfs_nodes *nodes, struct cfs_node *node)
{
    struct cfs_node *old = newest_named(nodes, node->part, node->name);

    if (old)
        HASH_DELETE(hh_name, nodes->named, old);
    HASH_ADD_KEYPTR(hh_name, nodes->named, &node->part,
                    offsetof(struct key, name) + strlen(node->name), node);
}

void cfs_node_told(struct cfs_nodes *nodes, struct cfs_node *node)
{
    node->lookups++;
    if (cfs_node_find(nodes, node->id) == node)
        return;
    HASH_ADD(hh, nodes->by_id, id, sizeof node->id, node);
    if (node->token)
        name_node(nodes, node);
}

static bool is_named(const struct cfs_nodes *nodes, const struct cfs_node *node)
{
    return node->token && newest_named(nodes, node->part, node->name) == node;
}

void cfs_node_unname(struct cfs_nodes *nodes, struct cfs_node *node)
{
    if (is_named(nodes, node))
        HASH_DELETE(hh_name, nodes->named, node);
}

static void free_if_unused(struct cfs_nodes *nodes, struct cfs_node *node)
{
    if (node->lookups || node->refs)
        return;
    /* It is in the tables from the first time the kernel was told until here. */
    if (cfs_node_find(nodes, node->id) == node)
        HASH_DEL(nodes->by_id, node);
    cfs_node_unname(nodes, node);
    free(node);
}

void cfs_node_forget(struct cfs_nodes *nodes, uint64_t id, uint64_t count)
{
    struct cfs_node *node = cfs_node_find(nodes, id);

    if (!node || node->fixed)
        return;
    node->lookups -= count < node->lookups ? count : node->lookups;
    free_if_unused(nodes, node);
}

struct cfs_node *cfs_node_ref(struct cfs_node *node)
{
    node->refs++;
    return node;
}

void cfs_node_unref(struct cfs_nodes *nodes, struct cfs_node *node)
{
    assert(node->refs > 0);
    node->refs--;
    free_if_unused(nodes, node);
}

uint64_t cfs_ino_of(const char *tree, const char *name)
{
    char path[64 + CFS_NAME_MAX + 1]; /* the longest: queues/.NAME/inflight/18446744073709551615 */
    int len = snprintf(path, sizeof path, "%s/%s", tree, name);
    uint64_t ino;

    assert(len > 0 && (size_t)len < sizeof path);
    ino = XXH3_64bits(path, (size_t)len);
    return ino < FIRST_ID ? ino + FIRST_ID : ino;
}
