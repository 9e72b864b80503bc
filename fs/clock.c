/* CLOCK_BOOTTIME: it goes on while the machine sleeps, as leases do. */
#include "fs/clock.h"

cfs_time cfs_fs_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return CFS_SECONDS(now.tv_sec) + (cfs_time)now.tv_nsec / 1000;
}

struct timespec cfs_timespec_of(cfs_wall_time at)
{
    return (struct timespec){.tv_sec = (time_t)(at / 1000000),
                             .tv_nsec = (long)(at % 1000000) * 1000};
}

cfs_wall_time cfs_wall_time_of(struct timespec at)
{
    return at.tv_sec < 0 ? 0
                         : (cfs_wall_time)at.tv_sec * 1000000 + (cfs_wall_time)at.tv_nsec / 1000;
}

void cfs_print_time(FILE *out, cfs_wall_time at)
{
    time_t seconds = (time_t)(at / 1000000);
    char text[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "%s.%03uZ", text, (unsigned)(at % 1000000 / 1000));
}
