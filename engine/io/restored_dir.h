/* The data directory of a node that begins a cluster with a state instead of with nothing.
 *
 * It holds the state of each group in the checkpoint store, the node as the only voter of each,
 * and a log whose first command in each group is that the cluster is renewed (CFS_CMD_RENEW). The
 * cluster has a number of its own: nothing that belonged to the one before fits to it. While it is
 * made a file says so, and no node starts from it: what a crash leaves is of no use. */
#ifndef CFS_IO_RESTORED_DIR_H
#define CFS_IO_RESTORED_DIR_H

#include "coordfs/config.h"
#include "core/group_head.h"
#include "io/store.h"
#include "io/wal.h"

#define CFS_RESTORING "restoring" /* the file */

struct cfs_restored_dir {
    const struct cfs_config *config;
    uint64_t cluster;
    uint64_t clock; /* microseconds since the epoch, for cfs_renewed */
    struct cfs_store *store;
    struct cfs_wal *wal;
    uint64_t begun; /* groups (bits) of which something was added */
    uint64_t last_id;
    struct cfs_log_base bases[CFS_GROUPS + 1];
};

/* Makes the directory of `config`, which is missing or empty: 0, or -1 after a log line. Close in
 * any case; `config` outlives it. */
int cfs_restored_dir_open(struct cfs_restored_dir *dir, const struct cfs_config *config);

/* Pieces of a group, later ones in the place of earlier ones; then its head, of which the base
 * counts. 0, or -1 after a log line. */
int cfs_restored_dir_add(struct cfs_restored_dir *dir, cfs_group_id group, const uint8_t *pieces,
                         uint32_t len);
int cfs_restored_dir_head(struct cfs_restored_dir *dir, cfs_group_id group,
                          const struct cfs_group_head *head);

/* All is there: what was not added is empty. 0, or -1 after a log line. */
int cfs_restored_dir_finish(struct cfs_restored_dir *dir);

/* Unless it is finished it stays unusable. */
void cfs_restored_dir_close(struct cfs_restored_dir *dir);

#endif
