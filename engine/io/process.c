#include "io/process.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define LARGE_BYTES 131072 /* where malloc(3) begins, before it adapts */
#define SPARE_BYTES 4194304

void cfs_process_return_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
}

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
