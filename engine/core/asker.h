/* Who asks the machine's tables, at which point of the log, and how the end of a wait is told. */
#ifndef CFS_CORE_ASKER_H
#define CFS_CORE_ASKER_H

#include "coordfs/request.h"

/* Who asks: the node's session and the sequence of the command. A wait is named by the two. */
struct cfs_asker {
    cfs_session_id session; /* 0 only in tests */
    uint64_t sequence;
    cfs_node_id node;
};

/* Where and when in the log a command stands. */
struct cfs_moment {
    uint64_t index;     /* of the log entry; the ticket of who then waits for a lock */
    cfs_time time;      /* group time */
    cfs_wall_time wall; /* for people */
};

/* A waiter's end: what it waited for, or an error. Called while the table changes: must not call
 * back into it. */
typedef void (*cfs_settled_fn)(void *arg, struct cfs_asker asker, const struct cfs_answer *answer);

enum cfs_outcome { CFS_ANSWERED, CFS_QUEUED };

#endif
