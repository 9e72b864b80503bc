/* What SETATTR asks for, in the engine's words. */
#ifndef CFS_FS_ATTR_H
#define CFS_FS_ATTR_H

#include "coordfs/request.h"
#include "fs/fuse.h"

/* All but the size, as `caller`. Without fields when it asks for nothing that is kept. */
struct cfs_setattr cfs_setattr_of(const struct stat *attr, int fields, uid_t caller);

#endif
