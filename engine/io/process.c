#include "io/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

uint64_t cfs_process_resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "re"); /* proc(5): size, resident, ... in pages */
    uint64_t resident;

    if (!statm)
        return 0;
    if (fscanf(statm, "%*u %" SCNu64, &resident) != 1)
        resident = 0;
    fclose(statm);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
