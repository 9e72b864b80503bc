#include "coordfs/beside.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

int cfs_name_beside(char beside[CFS_NAME_MAX + 1], const char *name)
{
    int kept = (int)(CFS_NAME_MAX - sizeof ".coordfs-0123456789abcdef");
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -1;
    snprintf(beside, CFS_NAME_MAX + 1, ".%.*s.coordfs-%016" PRIx64, kept, name, random);
    return 0;
}
