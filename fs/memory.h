/* Memory for the files. A mount that cannot allocate must not go on half way through a request: the
 * process ends, and a crash is what the cluster is built to survive. */
#ifndef CFS_FS_MEMORY_H
#define CFS_FS_MEMORY_H

#include <stddef.h>

/* Zeroed; never NULL. The caller frees with free(3). */
void *cfs_fs_alloc(size_t size);

/* As realloc(3), for `count` items of `size` bytes; never NULL. */
void *cfs_fs_resize(void *old, size_t count, size_t size);

/* As strdup(3); never NULL. */
char *cfs_fs_strdup(const char *text);

/* As asprintf(3); never NULL. */
char *cfs_fs_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
