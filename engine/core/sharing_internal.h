/* What the parts of sharing.h share. */
#ifndef CFS_CORE_SHARING_INTERNAL_H
#define CFS_CORE_SHARING_INTERNAL_H

#include "core/sharing.h"

/* Of a name; odd. */
uint64_t cfs_sharing_hash(const char *name);

/* Answers that are under way and concern this are not shared. `name`: a hash; 0: all of the inode.
 */
void cfs_sharing_remember(struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents);

/* Whether what was answered is touched by a change of the node's own that is under way. */
bool cfs_sharing_is_changing(const struct cfs_shares *shares, const struct cfs_request *request,
                             const struct cfs_answer *answer);

void cfs_sharing_forget_changes(struct cfs_shares *shares);

#endif
