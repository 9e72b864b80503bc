/* Permission bits, as the kernel reads them. */
#include "fs/access.h"

#define GROUPS_MAX 256

static bool in_group(fuse_req_t req, gid_t own, gid_t gid)
{
    gid_t groups[GROUPS_MAX];
    int count;

    if (own == gid)
        return true;
    count = fuse_req_getgroups(req, GROUPS_MAX, groups);
    for (int i = 0; i < count && i < GROUPS_MAX; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

bool cfs_access_allowed(fuse_req_t req, uid_t uid, gid_t gid, const struct cfs_owner *owner,
                        mode_t want)
{
    bool others = (owner->perm & want) == want;

    if (uid == 0)
        return true;
    if (uid == owner->uid)
        return (owner->perm >> 6 & want) == want;
    if (((owner->perm >> 3 & want) == want) == others)
        return others; /* the groups, which /proc has to be asked for, do not matter */
    return in_group(req, gid, owner->gid) ? !others : others;
}
