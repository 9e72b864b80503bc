/* Inodes, and the trees they are in. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/names_internal.h"

struct cfs_inode *cfs_inode_find(const struct cfs_names *names, cfs_ino ino)
{
    return (struct cfs_inode *)cfs_id_find(&names->inodes, ino);
}

struct cfs_inode *cfs_inode_new(struct cfs_names *names, cfs_ino ino, enum cfs_inode_type type)
{
    struct cfs_inode *inode = cfs_alloc_zeroed(1, sizeof *inode);

    inode->item.id = ino;
    inode->type = (uint8_t)type;
    cfs_id_add(&names->inodes, &inode->item);
    DL_APPEND(names->all, inode);
    return inode;
}

void cfs_inode_drop(struct cfs_names *names, struct cfs_inode *inode)
{
    assert(!inode->parent && !inode->orphaned);
    cfs_id_remove(&names->inodes, &inode->item);
    DL_DELETE(names->all, inode);
    if (inode->type == CFS_INODE_SYMLINK)
        free(inode->target);
    free(inode->name);
    free(inode);
}

struct cfs_inode *cfs_inode_of(struct cfs_tree_node *node)
{
    return (struct cfs_inode *)((char *)node - offsetof(struct cfs_inode, node));
}

static const struct cfs_inode *const_inode_of(const struct cfs_tree_node *node)
{
    return (const struct cfs_inode *)((const char *)node - offsetof(struct cfs_inode, node));
}

int cfs_inode_compare_names(const void *name, const struct cfs_tree_node *node)
{
    return strcmp(name, const_inode_of(node)->name);
}

static int compare_orphans(const void *number, const struct cfs_tree_node *node)
{
    uint64_t key = *(const uint64_t *)number, own = const_inode_of(node)->orphaned;

    return (key > own) - (key < own);
}

void cfs_inode_link(struct cfs_names *names, struct cfs_inode *directory, const char *name,
                    struct cfs_inode *inode)
{
    inode->name = cfs_alloc_copy(name, strlen(name) + 1);
    inode->parent = directory;
    cfs_names_index_add(names, inode);
    cfs_tree_add(&directory->entries, &inode->node, name, cfs_inode_compare_names);
    directory->entry_count++;
    directory->directory_count += inode->type == CFS_INODE_DIRECTORY;
}

void cfs_inode_unlink(struct cfs_names *names, struct cfs_inode *inode)
{
    struct cfs_inode *directory = inode->parent;

    cfs_names_index_remove(names, inode);
    cfs_tree_remove(&directory->entries, &inode->node, inode->name, cfs_inode_compare_names);
    directory->entry_count--;
    directory->directory_count -= inode->type == CFS_INODE_DIRECTORY;
    free(inode->name);
    inode->name = NULL;
    inode->parent = NULL;
}

void cfs_inode_orphan(struct cfs_names *names, struct cfs_inode *inode, uint64_t number,
                      cfs_time since)
{
    inode->orphaned = number;
    inode->since = since;
    cfs_tree_add(&names->orphans, &inode->node, &number, compare_orphans);
}

void cfs_inode_adopt(struct cfs_names *names, struct cfs_inode *inode)
{
    cfs_tree_remove(&names->orphans, &inode->node, &inode->orphaned, compare_orphans);
    inode->orphaned = 0;
}

static bool take_one(void *arg, struct cfs_tree_node *node)
{
    *(struct cfs_inode **)arg = cfs_inode_of(node);
    return false;
}

struct cfs_inode *cfs_inode_orphan_behind(const struct cfs_names *names, uint64_t number)
{
    struct cfs_inode *found = NULL;

    cfs_tree_each(names->orphans, &number, compare_orphans, take_one, &found);
    return found;
}

struct cfs_inode *cfs_inode_orphan_at(const struct cfs_names *names, uint64_t number)
{
    struct cfs_tree_node *node = cfs_tree_find(names->orphans, &number, compare_orphans);

    return node ? cfs_inode_of(node) : NULL;
}

bool cfs_inode_is_above(const struct cfs_inode *inode, const struct cfs_inode *directory)
{
    while (directory && directory != inode)
        directory = directory->parent;
    return directory;
}

static uint32_t nlink_of(const struct cfs_inode *inode)
{
    if (inode->orphaned)
        return 0;
    return inode->type == CFS_INODE_DIRECTORY ? 2 + inode->directory_count : 1;
}

static uint64_t size_of(const struct cfs_inode *inode)
{
    switch (inode->type) {
    case CFS_INODE_DIRECTORY:
        return inode->entry_count;
    case CFS_INODE_SYMLINK:
        return inode->target_len;
    default:
        return 0;
    }
}

static cfs_ino parent_of(const struct cfs_inode *inode)
{
    if (inode->parent)
        return inode->parent->item.id;
    return inode->orphaned ? 0 : CFS_CACHE_ROOT;
}

struct cfs_inode_info cfs_inode_info(const struct cfs_inode *inode)
{
    return (struct cfs_inode_info){
        .ino = inode->item.id,
        .parent = parent_of(inode),
        .type = (enum cfs_inode_type)inode->type,
        .uid = inode->uid,
        .gid = inode->gid,
        .perm = inode->perm,
        .nlink = nlink_of(inode),
        .size = size_of(inode),
        .mtime = inode->mtime,
        .atime = inode->atime,
        .ctime = inode->ctime,
        .version = inode->version,
    };
}
