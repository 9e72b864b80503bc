/* A process that outlives the daemon by a moment.
 *
 * A daemon that was killed is not gone as long as one of its threads stands still in the kernel,
 * which a notification does that waits for a directory's lock (cache_notify.h). Whoever has that
 * lock may have a request in /dev/fuse that nobody has read, and the kernel fails those of a
 * connection only when it is closed, which that thread keeps it from. So another process sees that
 * the daemon is no more, and aborts the connection; then all of them get on.
 *
 * There is one for a daemon, and it belongs to one thread at a time. */
#ifndef CFS_FS_GUARD_H
#define CFS_FS_GUARD_H

#include <stdint.h>

/* Starts it; by the thread that is there as long as the daemon is, before there are others, and
 * before there is much memory to be shared. What keeps it from working cfs_guard_watch logs. */
void cfs_guard_start(void);

/* The connection of the FUSE file system with this device number, as makedev(3), is to be aborted
 * if the daemon ends from now on. */
void cfs_guard_watch(uint64_t device);

/* The connection is aborted now: there is no mount any more, but threads may stand still in it. */
void cfs_guard_abort(void);

/* Ends it, with nothing aborted. */
void cfs_guard_end(void);

#endif
