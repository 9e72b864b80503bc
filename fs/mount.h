/* One mount: the session with the kernel and all that hangs on it. Private to fs/; one thread, the
 * engine's, is in here. */
#ifndef CFS_FS_MOUNT_H
#define CFS_FS_MOUNT_H

#include "coordfs/config.h"
#include "coordfs/engine.h"
#include "fs/cache.h"
#include "fs/fs.h"
#include "fs/fuse.h"
#include "fs/handle.h"
#include "fs/node.h"
#include "fs/pending.h"
#include "fs/waits.h"

struct cfs_fs {
    struct cfs_engine *engine;
    const struct cfs_config *config;
    struct cfs_fs_events events;
    char *mountpoint;        /* as the kernel shows it */
    char *options;           /* mount(8)'s */
    bool whole;              /* its session is that of cache/ too: nothing can be mounted in it */
    struct cfs_cache *cache; /* NULL: not yet */
    struct fuse_session *session;
    struct fuse_buf buffer; /* the request being processed */
    int watch_fd;           /* readable when the kernel has a request or the timer is due */
    int timer_fd;
    cfs_time timer_at; /* CFS_NEVER: not set */
    int proc_fd;
    bool processing; /* `buffer` is in use */
    bool ready;      /* the kernel and libfuse have agreed */
    bool gone;       /* the kernel serves this mount no more */

    struct cfs_nodes nodes;
    struct cfs_handles handles;
    struct cfs_pendings pendings;
    struct cfs_waits waits;

    struct {           /* the question of struct cfs_files.drained */
        bool asked;    /* it was asked, and has not been answered true yet */
        bool read;     /* all that the kernel had queued by then has been read */
        uint64_t last; /* the last close among it */
    } drain;
};

#endif
