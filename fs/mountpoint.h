/* Directories that are, were or will be mounted on. They are found in the kernel's list rather than
 * by touching what is mounted there: a mount whose daemon is gone answers errors, and one whose
 * daemon stands still nothing. */
#ifndef CFS_FS_MOUNTPOINT_H
#define CFS_FS_MOUNTPOINT_H

#include <stdbool.h>
#include <stddef.h>

/* `directory` as the kernel names it: absolute, without links. malloc'd; NULL and a sentence in
 * `why` when there is none. */
char *cfs_mountpoint_resolve(const char *directory, char *why, size_t size);

/* Whether a coordfs is mounted there. */
bool cfs_mountpoint_is_coordfs(const char *path);

/* Whether the open file or directory is in the cache/ of a mount. */
bool cfs_mountpoint_is_cache(int fd);

/* Whether the daemon of the mount there is gone. Waits for one that is there. */
bool cfs_mountpoint_is_dead(const char *path);

/* Makes `path` fit to be mounted on: removes a mount of ours whose daemon is gone. 0, or -1 and a
 * sentence in `why`: no directory, mounted already. */
int cfs_mountpoint_prepare(const char *path, char *why, size_t size);

/* The command `coordfs umount`: unmounts `directory`, at once and for good when `lazy`. 0, or -1
 * after saying on stderr why not and who has files open. */
int cfs_umount(const char *directory, bool lazy);

#endif
