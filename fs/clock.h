/* The node's clock, as the engine has it: for graces and timeouts on this side. */
#ifndef CFS_FS_CLOCK_H
#define CFS_FS_CLOCK_H

#include "coordfs/types.h"

/* Microseconds of CLOCK_BOOTTIME. */
cfs_time cfs_fs_now(void);

#endif
