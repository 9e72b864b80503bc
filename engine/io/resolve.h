/* Names to addresses, without the loop waiting for a name server. */
#ifndef CFS_IO_RESOLVE_H
#define CFS_IO_RESOLVE_H

#include <netdb.h>

#include "io/loop.h"

#define CFS_RESOLVE_MAX 8u

struct cfs_resolved {
    char addresses[CFS_RESOLVE_MAX][NI_MAXHOST]; /* numeric, in the order of preference */
    uint32_t count;                              /* 0: the name is unknown */
    const char *why;                             /* then; static */
};

typedef void (*cfs_resolved_fn)(void *arg, const struct cfs_resolved *resolved);

struct cfs_resolve;

/* Asks on a thread of its own; `fn` is called once, by the loop and never from within this. NULL
 * when no thread can be started. */
struct cfs_resolve *cfs_resolve_start(struct cfs_loop *loop, const char *host, cfs_resolved_fn fn,
                                      void *arg);

/* `fn` is not called any more. A thread that hangs is left behind. Not after fn was called. */
void cfs_resolve_cancel(struct cfs_resolve *resolve);

#endif
