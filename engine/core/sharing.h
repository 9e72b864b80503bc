/* What a node may keep of the cache (docs/coherence.md): for each group the epoch under which it
 * asks the home for shares, and the lease that all it was granted hangs on. Which inodes that is
 * the files know.
 *
 * Leases run from the first sending of what renewed them, and end on this side strictly before the
 * home's (env.h, clock guard). A recall strikes out the answers that it may have overtaken. */
#ifndef CFS_CORE_SHARING_H
#define CFS_CORE_SHARING_H

#include <uthash.h>

#include "core/env.h"

/* Recalled items that are remembered of a group: an answer that more of them may have overtaken is
 * not shared. */
#define CFS_RECALLS_KEPT 64u

struct cfs_recall_round;
struct cfs_own_change;

struct cfs_recalled_item {
    cfs_ino ino;
    uint64_t name; /* a hash, so that now and then one too many counts; 0: all of the inode */
    bool contents;
};

/* What the node shares with one home. */
struct cfs_shares {
    cfs_group_id group;
    cfs_node_id leader; /* 0: none yet */
    uint64_t term;
    uint64_t epoch;       /* grows with each, was never used by a life before; 0: none drawn yet */
    bool kept;            /* something was shared under it */
    bool lapsing;         /* the files have not yet given up what was shared before: none is new */
    cfs_time lease_until; /* kept: the shares are void from then on */
    cfs_time keep_due;    /* kept: next SHARE_KEEP */
    uint64_t recalls;     /* items recalled so far, and changed by the node itself */
    struct cfs_recalled_item recalled[CFS_RECALLS_KEPT]; /* the newest of them */
    struct cfs_own_change *own; /* what the node's own changes touch that are under way */
};

/* When and how a request was put to the home. */
struct cfs_share_ask {
    uint64_t epoch; /* 0: without asking for a share */
    cfs_time sent;  /* first under that epoch */
    uint64_t recalls;
};

struct cfs_sharing {
    struct cfs_env *env;
    cfs_time lease;            /* as set */
    struct cfs_shares *groups; /* owned; by id */
    uint32_t group_count;
    struct cfs_recall_round *rounds; /* recalls that the files work on */
    size_t round_count, round_capacity;
    uint64_t last_round;
};

void cfs_sharing_init(struct cfs_sharing *sharing, struct cfs_env *env,
                      const struct cfs_core_config *config);
void cfs_sharing_close(struct cfs_sharing *sharing);

/* Another leader of `group` serves, or none that is known (0). */
void cfs_sharing_leader(struct cfs_sharing *sharing, cfs_group_id group, cfs_node_id leader,
                        uint64_t term);

/* Before anything else is done with an event: shares whose lease is over are void, whatever
 * arrives. */
void cfs_sharing_check(struct cfs_sharing *sharing);

/* A request is sent (again) to the home; zeroed before the first time. Returns the epoch to name.
 */
uint64_t cfs_sharing_ask(struct cfs_sharing *sharing, cfs_group_id group,
                         struct cfs_share_ask *ask);

/* Its answer is about to be said: confirms its share, or strikes it out. */
void cfs_sharing_confirm(struct cfs_sharing *sharing, cfs_group_id group,
                         const struct cfs_share_ask *ask, const struct cfs_request *request,
                         struct cfs_answer *answer);

/* A change of the node's own is sent for the first time; it is over, or can never happen any more;
 * and what it was told (NULL: nothing). The home does not recall from the node that changes: until
 * a change is over nothing that it touches is shared, nor what was under way when it was. Not for
 * changes from outside the files. */
void cfs_sharing_change_begins(struct cfs_sharing *sharing, cfs_group_id group,
                               const struct cfs_request *request);
void cfs_sharing_change_ends(struct cfs_sharing *sharing, cfs_group_id group,
                             const struct cfs_request *request);
void cfs_sharing_changed(struct cfs_sharing *sharing, cfs_group_id group,
                         const struct cfs_request *request, const struct cfs_answer *answer);

/* The session is lost, and with it what is known of the changes that were under way: epochs are
 * over, and who comes with one that is over is recalled from like any other. */
void cfs_sharing_session_lost(struct cfs_sharing *sharing);

/* RECALL: to the files; when they are done (CFS_EV_RECALLED), RECALLED. */
void cfs_sharing_recall(struct cfs_sharing *sharing, const struct cfs_message *message);
void cfs_sharing_recalled(struct cfs_sharing *sharing, uint64_t id);

/* SHARE_KEPT. */
void cfs_sharing_kept(struct cfs_sharing *sharing, const struct cfs_message *message);

/* CFS_EV_LAPSED. */
void cfs_sharing_lapsed(struct cfs_sharing *sharing, cfs_group_id group, uint64_t epoch);

void cfs_sharing_tick(struct cfs_sharing *sharing);
cfs_time cfs_sharing_deadline(const struct cfs_sharing *sharing);

/* For how long from `now` what was answered under `share` may be kept. */
cfs_time cfs_sharing_valid(const struct cfs_sharing *sharing, const struct cfs_cache_share *share,
                           cfs_time now);

#endif
