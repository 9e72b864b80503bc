/* Backups that clients read from this node: copies of the groups that it leads, chunk by chunk.
 *
 *     POST /backup                   begins one, with a checkpoint, so that the next is small
 *     POST /backup/ID?step=hold      for a moment no message leaves a group for another one
 *     POST /backup/ID?step=copy      another checkpoint, of which copies are opened: which groups
 *     GET /backup/ID?group=G&chunk=N    the next record of that group (backup_file.h)
 *     DELETE /backup/ID              it is given up
 *
 * All that was answered before the copy was asked for is in it: it is of a checkpoint that was
 * ordered after that, of groups that this node led at that moment. A message that moves to a queue
 * of another group is first there and then gone here. So if all nodes hold moves before any of them
 * copies, and until all have, no message is missing in both; one may be in both.
 *
 * Reading is the store's work, on its own thread, a chunk at a time. A copy keeps the space of what
 * is replaced meanwhile, so a backup that nobody reads ends after a while. */
#ifndef CFS_IO_BACKUPS_H
#define CFS_IO_BACKUPS_H

#include "io/checkpoints.h"
#include "io/http_server.h"

#define CFS_BACKUPS_MAX 2u              /* at once; each is a chunk of each group in memory */
#define CFS_BACKUP_IDLE CFS_SECONDS(60) /* then it ends */
#define CFS_BACKUP_HOLD CFS_SECONDS(3)  /* from the step, or until the first chunk is asked for */

struct cfs_backups;

struct cfs_backups_events {
    void *arg;
    void (*save)(void *arg);                       /* steps CFS_EV_SAVE */
    void (*hold_moves)(void *arg, cfs_time until); /* and CFS_EV_HOLD_MOVES */
};

struct cfs_backups *cfs_backups_new(struct cfs_loop *loop, struct cfs_checkpoints *checkpoints,
                                    cfs_node_id self, const struct cfs_backups_events *events);
/* Answers who waits. NULL is allowed. */
void cfs_backups_free(struct cfs_backups *backups);

/* The routes; `id` is what stands behind /backup/. */
void cfs_backups_begin(struct cfs_backups *backups, struct cfs_http_request *request);
void cfs_backups_step(struct cfs_backups *backups, struct cfs_http_request *request,
                      const char *id);
void cfs_backups_read(struct cfs_backups *backups, struct cfs_http_request *request,
                      const char *id);
void cfs_backups_end(struct cfs_backups *backups, struct cfs_http_request *request, const char *id);

/* As struct cfs_checkpoints_events has them. */
void cfs_backups_saved(struct cfs_backups *backups, uint64_t order, uint64_t led);
void cfs_backups_fetched(struct cfs_backups *backups, uint64_t number,
                         const struct cfs_store_done *done);

#endif
