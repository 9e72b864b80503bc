/* libfuse's low-level interface, in one version for all files of fs/. */
#ifndef CFS_FS_FUSE_H
#define CFS_FS_FUSE_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#endif
