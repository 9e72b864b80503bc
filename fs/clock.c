/* CLOCK_BOOTTIME: it goes on while the machine sleeps, as leases do. */
#include "fs/clock.h"

#include <time.h>

cfs_time cfs_fs_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return CFS_SECONDS(now.tv_sec) + (cfs_time)now.tv_nsec / 1000;
}
