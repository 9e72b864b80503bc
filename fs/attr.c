/* From FUSE_SET_ATTR_* to CFS_SET_*. */
#include "fs/attr.h"

#include "fs/clock.h"

static uint32_t wanted_fields(int fields)
{
    uint32_t wanted = 0;

    if (fields & FUSE_SET_ATTR_MODE)
        wanted |= CFS_SET_PERM;
    if (fields & FUSE_SET_ATTR_UID)
        wanted |= CFS_SET_UID;
    if (fields & FUSE_SET_ATTR_GID)
        wanted |= CFS_SET_GID;
    if (fields & FUSE_SET_ATTR_MTIME_NOW)
        wanted |= CFS_SET_MTIME_NOW;
    else if (fields & FUSE_SET_ATTR_MTIME)
        wanted |= CFS_SET_MTIME;
    return wanted;
}

struct cfs_setattr cfs_setattr_of(const struct stat *attr, int fields, uid_t caller)
{
    return (struct cfs_setattr){.fields = wanted_fields(fields),
                                .caller = caller,
                                .perm = attr->st_mode & 07777,
                                .uid = attr->st_uid,
                                .gid = attr->st_gid,
                                .size = (uint64_t)attr->st_size,
                                .mtime = cfs_wall_time_of(attr->st_mtim)};
}
