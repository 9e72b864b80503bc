/* What a checkpoint says of a group beside its state: where in the log that state stands, and what
 * must not be forgotten although the records that said it are gone. */
#ifndef CFS_CORE_GROUP_HEAD_H
#define CFS_CORE_GROUP_HEAD_H

#include "core/codec.h"
#include "core/log.h"
#include "core/membership.h"

#define CFS_GROUP_HEAD_VERSION 2u /* its first byte */

/* How far a log goes that is not there any more. Zero: it never was. */
struct cfs_log_end {
    uint64_t index, term;
};

struct cfs_group_head {
    struct cfs_log_base base;      /* the last entry that the state contains */
    uint64_t term;                 /* the node's current term when it was made; 0 in a snapshot */
    cfs_node_id vote;              /* and its vote in it */
    struct cfs_membership members; /* as of the base */
    uint64_t install;              /* the last snapshot that was installed here; 0: none */
    struct cfs_log_end dropped;    /* the end of the log that was here when the group let go */
};

void cfs_group_head_encode(struct cfs_writer *writer, const struct cfs_group_head *head);

/* 0, or -1 when the bytes are no head of this version. */
int cfs_group_head_decode(struct cfs_group_head *head, const uint8_t *data, size_t len);

#endif
