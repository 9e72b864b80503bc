/* The clocks of this machine. */
#ifndef CFS_IO_CLOCK_H
#define CFS_IO_CLOCK_H

#include "coordfs/types.h"

cfs_time cfs_clock_now(void);       /* CLOCK_BOOTTIME */
cfs_wall_time cfs_clock_wall(void); /* CLOCK_REALTIME */

#endif
