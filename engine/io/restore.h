/* From what the disk holds to a core that goes on where it stopped. */
#ifndef CFS_IO_RESTORE_H
#define CFS_IO_RESTORE_H

#include "coordfs/config.h"
#include "core/node_core.h"
#include "io/store.h"

/* Opens checkpoint store and log of the node's data directory, hands the core all that they hold,
 * and what they lost. `origin` as for cfs_wal_open. 0, or -1 after a log line; what was opened is
 * the caller's in any case. */
int cfs_restore(struct cfs_core *core, const struct cfs_config *config,
                struct cfs_wal_origin *origin, struct cfs_store **store, struct cfs_wal **wal);

#endif
