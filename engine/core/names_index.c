/* From a directory and a name to the inode, by hash: the tree of a directory, which is there for
 * its order, would cost a large one a walk through cold memory for each lookup. Few of a million
 * names have the same 32 bits, so those that do are a list. */
#include <string.h>

#include "core/digest.h"
#include "core/names_internal.h"

static uint64_t hash_of(const struct cfs_inode *directory, const char *name)
{
    uint64_t digest = cfs_digest_number(CFS_DIGEST_START, directory->item.id);

    return cfs_digest_bytes(digest, name, strlen(name)) >> 32;
}

/* The first of those with the hash, or NULL. */
static struct cfs_inode *first(const struct cfs_names *names, uint64_t hash)
{
    struct cfs_id_item *item = cfs_id_find(&names->by_name, hash);

    return item ? (struct cfs_inode *)((char *)item - offsetof(struct cfs_inode, by_name)) : NULL;
}

struct cfs_inode *cfs_inode_in(const struct cfs_names *names, const struct cfs_inode *directory,
                               const char *name)
{
    struct cfs_inode *inode = first(names, hash_of(directory, name));

    while (inode && (inode->parent != directory || strcmp(inode->name, name) != 0))
        inode = inode->same;
    return inode;
}

void cfs_names_index_add(struct cfs_names *names, struct cfs_inode *inode)
{
    struct cfs_inode *before;

    inode->by_name.id = hash_of(inode->parent, inode->name);
    before = first(names, inode->by_name.id);
    if (before) {
        inode->same = before->same;
        before->same = inode;
    } else {
        inode->same = NULL;
        cfs_id_add(&names->by_name, &inode->by_name);
    }
}

void cfs_names_index_remove(struct cfs_names *names, struct cfs_inode *inode)
{
    struct cfs_inode *before = first(names, inode->by_name.id);

    if (before != inode) {
        while (before->same != inode)
            before = before->same;
        before->same = inode->same;
        return;
    }
    cfs_id_remove(&names->by_name, &inode->by_name);
    if (inode->same)
        cfs_id_add(&names->by_name, &inode->same->by_name);
}
