/* Extended attributes that are made when they are asked for: a table of names, and of how each is
 * printed from the engine's answer. */
#ifndef CFS_FS_XATTR_H
#define CFS_FS_XATTR_H

#include <stdio.h>

#include "coordfs/request.h"
#include "fs/fuse.h"

struct cfs_xattr {
    const char *name; /* NULL: the end of the table */
    void (*print)(FILE *out, const struct cfs_answer *answer);
};

/* NULL when `table` has none of that name. */
const struct cfs_xattr *cfs_xattr_find(const struct cfs_xattr *table, const char *name);

/* Reply to GETXATTR and LISTXATTR with room for `size` bytes; 0 asks how much is needed. `table`
 * NULL: there are none. */
void cfs_xattr_reply(fuse_req_t req, const struct cfs_xattr *xattr, const struct cfs_answer *answer,
                     size_t size);
void cfs_xattr_reply_list(fuse_req_t req, const struct cfs_xattr *table, size_t size);

#endif
