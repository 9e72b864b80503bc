/* Who may do what, where the kernel cannot judge: it checks what it was told of a name, and by the
 * time of the call that may stand for something else. */
#ifndef CFS_FS_ACCESS_H
#define CFS_FS_ACCESS_H

#include "coordfs/types.h"
#include "fs/fuse.h"

/* Owner and permission bits of a file. */
struct cfs_owner {
    uid_t uid;
    gid_t gid;
    mode_t perm;
};

/* Whether `uid`, in the group `gid` and in those of the process that sent `req`, may do `want` (4
 * read, 2 write) with a file of `owner`. */
bool cfs_access_allowed(fuse_req_t req, uid_t uid, gid_t gid, const struct cfs_owner *owner,
                        mode_t want);

#endif
