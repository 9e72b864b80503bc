/* `coordfs member`: looks at the nodes of a running cluster, and changes them. */
#ifndef COORDFS_MEMBER_H
#define COORDFS_MEMBER_H

#include "coordfs/config.h"

enum cfs_member_verb { CFS_MEMBER_LIST, CFS_MEMBER_ADD, CFS_MEMBER_REMOVE, CFS_MEMBER_REPLACE };

struct cfs_member_command {
    enum cfs_member_verb verb;
    const char *node;   /* ADD, REPLACE: ID@HOST:PORT; REMOVE: ID */
    const char *old;    /* REPLACE: ID */
    const char *url;    /* of any node; NULL: the member that the settings are for */
    bool move;          /* ADD: the node is there, and gets another address */
    const char *weight; /* ADD, REPLACE: the node's share of the groups; NULL: as it was */
    bool no_wait;       /* until the change is complete */
};

/* Does it, and says on stdout and stderr what happens and what to do next. The secret is that of
 * `config`. The exit status: 0 when it is done. */
int cfs_member_run(const struct cfs_member_command *command, const struct cfs_config *config);

#endif
