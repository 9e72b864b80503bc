/* Memory that is there, or no process. */
#include "fs/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordfs/log.h"

static void *checked(void *memory)
{
    if (!memory) {
        cfs_log(CFS_LOG_ERROR, "out of memory: the node stops");
        abort();
    }
    return memory;
}

void *cfs_fs_alloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *cfs_fs_resize(void *old, size_t count, size_t size)
{
    if (!count || !size)
        count = size = 1;
    return checked(count > SIZE_MAX / size ? NULL : realloc(old, count * size));
}

char *cfs_fs_strdup(const char *text)
{
    return checked(strdup(text));
}

char *cfs_fs_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return checked(text);
}
