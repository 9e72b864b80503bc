/* A backup of a running cluster: each group from the node that leads it. */
#ifndef CFS_IO_BACKUP_TAKE_H
#define CFS_IO_BACKUP_TAKE_H

#include "io/backup_file.h"
#include "io/members_client.h"

/* Fills `out`, which is open; then finish. Everything answered before the call is in it. 0, or -1
 * and out->why. */
int cfs_backup_take(struct cfs_backup_out *out, struct cfs_members_client *client);

#endif
