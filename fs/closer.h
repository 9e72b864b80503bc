/* Who closes a descriptor, and why.
 *
 * FLUSH comes while the closing process stands still, in close(2) or in its exit, and /proc tells
 * what befalls it. RELEASE, which follows the last close, comes from nobody in particular, and
 * after close(2) has returned: what has to be true by then, or to be reported, is done at the FLUSH
 * of which it is clear that it is the last. */
#ifndef CFS_FS_CLOSER_H
#define CFS_FS_CLOSER_H

#include "fs/node.h"

enum cfs_close_reason {
    CFS_CLOSE_UNSEEN,  /* a process that /proc does not show */
    CFS_CLOSE_ORDERLY, /* close(2), or an exit of its own will */
    CFS_CLOSE_KILLED,  /* a signal ends it */
};

struct cfs_closer {
    int proc;
    uint32_t pid; /* 0: unseen */
    bool ends;
    enum cfs_close_reason reason;
};

/* Looks at the process that thread `tid` belongs to; `proc` is a descriptor of /proc, borrowed. */
void cfs_closer_look(struct cfs_closer *closer, int proc, uint32_t tid);

/* Whether thread `tid` is one of that process. One that has ended is none. */
bool cfs_closer_has_thread(const struct cfs_closer *closer, uint32_t tid);

/* Whether the open file may go on being used through another descriptor of that process, or by a
 * child that inherited one: it has children, or another descriptor of a file whose name is `base`
 * and whose inode number is `ino`, or nobody can tell. */
bool cfs_closer_may_share(const struct cfs_closer *closer, const char *base, uint64_t ino);

#endif
