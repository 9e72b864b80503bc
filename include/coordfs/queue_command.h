/* `coordfs queue`: looks at the queues of a running cluster, and after them. */
#ifndef COORDFS_QUEUE_COMMAND_H
#define COORDFS_QUEUE_COMMAND_H

#include "coordfs/config.h"

enum cfs_queue_verb {
    CFS_QUEUE_LS,
    CFS_QUEUE_PEEK,
    CFS_QUEUE_PURGE,
    CFS_QUEUE_KICK,
    CFS_QUEUE_STATS
};

struct cfs_queue_command {
    enum cfs_queue_verb verb;
    const char *name;  /* of the queue; STATS: NULL, all of them */
    const char *count; /* KICK: how many at most; PEEK with `json`: likewise; NULL: see --help */
    const char *place; /* PEEK: "ready", "inflight", "dead"; NULL: ready */
    const char *url;   /* of any node; NULL: the member that the settings are for */
    bool json;
};

/* Does it, and writes what there is to say to stdout, a record a line, and what is wrong to stderr.
 * The secret is that of `config`. The exit status: 0 when it is done, 1 when not, 2 when there is
 * no message to peek at. */
int cfs_queue_run(const struct cfs_queue_command *command, const struct cfs_config *config);

#endif
