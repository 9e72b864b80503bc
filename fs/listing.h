/* Directories whose entries the cluster knows: read in pages, each asked for when reading comes to
 * it, so each shows the cluster of that moment. Pages are kept in the handle until it is closed or
 * reading begins anew (rewinddir(3)), because seekdir(3) may go back to them. */
#ifndef CFS_FS_LISTING_H
#define CFS_FS_LISTING_H

#include "fs/tree.h"

struct cfs_listing {
    /* What is asked for the page behind those that `handle` has. */
    struct cfs_request (*question)(const struct cfs_handle *handle);
    /* Appends its names with cfs_listing_add, and says in handle->more whether there are others. */
    void (*add)(struct cfs_handle *handle, const struct cfs_answer *answer);
    /* Inode number and type (0: not said) of the entry `name` of `dir`. */
    struct stat (*entry)(const struct cfs_node *dir, const char *name);
    /* The inode number of "..". */
    uint64_t (*parent)(const struct cfs_node *dir);
};

/* Replies to READDIR. */
void cfs_listing_read(const struct cfs_listing *listing, struct cfs_fs *fs, fuse_req_t req,
                      struct cfs_handle *handle, size_t size, uint64_t offset);

/* The same for a directory that always has the same `names`, NUL-terminated, one after the other;
 * question and add are not used. */
void cfs_listing_read_fixed(const struct cfs_listing *listing, fuse_req_t req,
                            struct cfs_handle *handle, const char *names, size_t len, size_t size,
                            uint64_t offset);

/* Appends names as above. */
void cfs_listing_add(struct cfs_handle *handle, const char *names, size_t len);

/* The last of them; "" when there is none. */
const char *cfs_listing_last(const struct cfs_handle *handle);

#endif
