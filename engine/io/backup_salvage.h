/* A backup of what the data directory of a stopped node holds: the way back when a majority of the
 * disks is lost for good. */
#ifndef CFS_IO_BACKUP_SALVAGE_H
#define CFS_IO_BACKUP_SALVAGE_H

#include "io/backup_file.h"

/* Fills `out`, which is open; then finish. `origin` receives what it begins with, `groups` (bits)
 * what is in it, `behind` (bits) which of these the node itself knew to be incomplete. The
 * directory stays as a start of the node would leave it. 0, or -1: a log line or out->why says
 * why. */
int cfs_backup_salvage(struct cfs_backup_out *out, const char *data,
                       struct cfs_backup_origin *origin, uint64_t *groups, uint64_t *behind);

#endif
