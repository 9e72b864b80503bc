/* The node's clock, as the engine has it, for graces and timeouts on this side; and the times that
 * people see. */
#ifndef CFS_FS_CLOCK_H
#define CFS_FS_CLOCK_H

#include <stdio.h>
#include <time.h>

#include "coordfs/types.h"

/* Microseconds of CLOCK_BOOTTIME. */
cfs_time cfs_fs_now(void);

/* As stat(2) has it, and back. What was before 1970 is 1970. */
struct timespec cfs_timespec_of(cfs_wall_time at);
cfs_wall_time cfs_wall_time_of(struct timespec at);

/* RFC 3339, with milliseconds. */
void cfs_print_time(FILE *out, cfs_wall_time at);

#endif
