/* The files as main sees them: mount, unmount. All of it is for the engine's thread. */
#ifndef CFS_FS_FS_H
#define CFS_FS_FS_H

#include "coordfs/engine.h"

struct cfs_config;
struct cfs_fs;

/* What the caller may want to know. Either function may be NULL. */
struct cfs_fs_events {
    void *arg;
    /* Once: the mount answers from now on. */
    void (*ready)(void *arg);
    /* The node's session with the cluster has opened, or was lost. */
    void (*session)(void *arg, bool opened);
};

/* Mounts on the directory `mountpoint`, an absolute path without links, and has the engine watch
 * it. `options` are mount(8)'s, comma-separated. 0, or -1 after saying on the log what is wrong.
 * All pointers but `options` and `events` are borrowed until cfs_fs_free. */
int cfs_fs_mount(struct cfs_fs **out, struct cfs_engine *engine, const struct cfs_config *config,
                 const char *mountpoint, const char *options, const struct cfs_fs_events *events);

/* Takes the mount away, lazily where files are open. After cfs_engine_run has returned. */
void cfs_fs_unmount(struct cfs_fs *fs);

/* After cfs_engine_close: no answer may come any more. */
void cfs_fs_free(struct cfs_fs *fs);

#endif
