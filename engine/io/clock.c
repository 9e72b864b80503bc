#include "io/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t read_us(clockid_t clock)
{
    struct timespec now;
    int rv = clock_gettime(clock, &now);

    assert(rv == 0);
    (void)rv;
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

cfs_time cfs_clock_now(void)
{
    return read_us(CLOCK_BOOTTIME);
}

cfs_wall_time cfs_clock_wall(void)
{
    return read_us(CLOCK_REALTIME);
}
