/* Requests to the cache, for tests of all layers. */
#ifndef TESTS_UNIT_CACHE_REQUESTS_H
#define TESTS_UNIT_CACHE_REQUESTS_H

#include <string.h>

#include "coordfs/request.h"

static inline struct cfs_request of_cache(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, name);
    return request;
}

static inline struct cfs_request make_inode(cfs_ino parent, const char *name,
                                            enum cfs_inode_type type)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_MAKE, name);

    request.cache_make =
        (struct cfs_cache_make){.parent = parent, .type = type, .uid = 1000, .perm = 0640};
    return request;
}

static inline struct cfs_request make_file(cfs_ino parent, const char *name)
{
    return make_inode(parent, name, CFS_INODE_FILE);
}

static inline struct cfs_request make_directory(cfs_ino parent, const char *name)
{
    return make_inode(parent, name, CFS_INODE_DIRECTORY);
}

static inline struct cfs_request remove_file(cfs_ino parent, const char *name)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_REMOVE, name);

    request.cache_remove = (struct cfs_cache_remove){.parent = parent};
    return request;
}

static inline struct cfs_request rename_to(cfs_ino parent, const char *name, cfs_ino to_parent,
                                           const char *to)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_RENAME, name);

    request.cache_rename = (struct cfs_cache_rename){.parent = parent, .to_parent = to_parent};
    strcpy(request.cache_rename.to, to);
    return request;
}

/* `value` is borrowed. */
static inline struct cfs_request put_value(cfs_ino ino, const char *value)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_PUT, "");

    request.cache_put = (struct cfs_cache_put){.ino = ino,
                                               .kind = CFS_PUT_REPLACE,
                                               .max = 1000,
                                               .data = (const uint8_t *)value,
                                               .len = (uint32_t)strlen(value)};
    return request;
}

static inline struct cfs_request look_up(cfs_ino directory, const char *name)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_LOOKUP, name);

    request.cache_read.ino = directory;
    return request;
}

static inline struct cfs_request fetch(cfs_ino ino)
{
    struct cfs_request request = of_cache(CFS_OP_CACHE_FETCH, "");

    request.cache_read = (struct cfs_cache_read){.ino = ino, .len = 64};
    return request;
}

#endif
