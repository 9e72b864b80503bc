/* What replicas must agree on, as one number: all but what is saved. */
#include <string.h>

#include "core/digest.h"
#include "core/names_internal.h"

static uint64_t digest_of(const struct cfs_inode *inode)
{
    const uint64_t values[] = {
        inode->item.id, inode->type,  inode->uid,      inode->gid,
        inode->perm,    inode->mtime, inode->atime,    inode->ctime,
        inode->version, inode->since, inode->orphaned, inode->parent ? inode->parent->item.id : 0,
    };
    uint64_t digest = CFS_DIGEST_START;

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        digest = cfs_digest_number(digest, values[i]);
    if (inode->parent)
        digest = cfs_digest_bytes(digest, inode->name, strlen(inode->name) + 1);
    if (inode->type == CFS_INODE_DIRECTORY) {
        digest = cfs_digest_number(digest, inode->entry_count);
        digest = cfs_digest_number(digest, inode->directory_count);
    } else if (inode->type == CFS_INODE_SYMLINK) {
        digest = cfs_digest_bytes(digest, inode->target, inode->target_len);
    }
    return digest;
}

/* Inodes are added up: they are in another order where they were loaded. */
uint64_t cfs_names_digest(const struct cfs_names *names)
{
    uint64_t sum = 0;

    for (const struct cfs_inode *inode = names->all; inode; inode = inode->next)
        sum += digest_of(inode);
    return cfs_digest_number(sum, names->last);
}
