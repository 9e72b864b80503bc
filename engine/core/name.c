/* What may be a name. */
#include <string.h>

#include "coordfs/request.h"

bool cfs_name_valid(const char *name)
{
    size_t len = strnlen(name, CFS_NAME_MAX + 1);

    return len >= 1 && len <= CFS_NAME_MAX && !memchr(name, '/', len) && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}
