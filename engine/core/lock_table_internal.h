/* How the lock table keeps its state; shared by the files lock_*.c and by nobody else.
 *
 * One acquire is one claim: made once, first in its lock's queue and then, or at once, among its
 * holders. Between two calls from outside these hold:
 *   - a lock is recorded exactly while it has a holder, so what is recorded is what is listed;
 *   - no waiter could be granted: each conflicts with a holder or with a waiter before it;
 *   - the queue is ordered by ticket, the holders by token;
 *   - content is there only while somebody holds exclusively.
 * Hashes and heap only find things. Wherever an order can reach an outcome it is that of the queue,
 * of the tokens or of the names, never that of a hash. */
#ifndef CFS_CORE_LOCK_TABLE_INTERNAL_H
#define CFS_CORE_LOCK_TABLE_INTERNAL_H

#include <assert.h>

#include "core/alloc.h"
#include "core/codec.h"
#include "core/due_heap.h"
#include "core/lock_table.h"

#define uthash_malloc(size) cfs_alloc(size)
#include <uthash.h>
#include <utlist.h>

#define CFS_KIND_COUNT (CFS_LEASED + 1)
#define CFS_NODE_BITS 64u /* cfs_lock_table_flock_nodes answers a bit per node */
static_assert(CFS_NODE_MAX < CFS_NODE_BITS, "every node has its bit");

/* What asking again is recognised by: a FLOCK hold by its open file, a LEASED claim by its key. */
struct cfs_claim_identity {
    uint64_t lock; /* its serial */
    uint64_t kind; /* 0: the claim has no identity now */
    uint64_t session;
    uint64_t number; /* handle or key */
};

enum cfs_claim_state { CFS_CLAIM_LOOSE, CFS_CLAIM_QUEUED, CFS_CLAIM_HOLDING };

struct cfs_claim {
    uint64_t serial; /* of creation; names its piece */
    bool saved, changed; /* it is in the last save; it, or nothing of it, is not yet */
    enum cfs_claim_state state;
    struct cfs_lock *lock;
    struct cfs_asker asker; /* whom its end is told, and who may undo it; sequence 0: nobody */
    cfs_session_id session; /* with which it ends; 0: LEASED holds, which end with their ttl */
    cfs_node_id node;       /* of that session */
    struct cfs_acquire ask; /* as it was asked; form is FILE for all but lockfiles */
    uint64_t ticket;
    cfs_token token; /* HOLDING, as the three below */
    cfs_wall_time since;
    struct cfs_due due; /* LEASED: when it expires */
    struct cfs_claim_identity identity;
    struct cfs_claim *prev, *next; /* in the lock's queue, or among its holders */
    struct cfs_claim *exclusive_prev, *exclusive_next; /* among the exclusive ones in the queue */
    struct cfs_claim *session_prev, *session_next;     /* in the session's list */
    struct cfs_claim *changed_prev, *changed_next;     /* since the last save */
    UT_hash_handle hh_asker, hh_identity;
};

struct cfs_lock {
    uint64_t serial; /* never used twice; names the lock in identities */
    struct cfs_claim *holders, *waiters;
    struct cfs_claim *exclusives; /* the exclusive waiters, in the same order */
    uint32_t holder_count, waiter_count;
    uint32_t exclusive_holders;
    uint32_t waiting[CFS_KIND_COUNT]; /* waiters of each kind */
    /* From the acquisition that made the name appear. */
    enum cfs_lock_form form;
    uint32_t uid, gid, perm;
    cfs_wall_time mtime;
    uint8_t *content;
    uint32_t content_len;
    bool touched; /* within one operation: already noted as changed */
    bool saved, changed; /* as of a claim */
    struct cfs_lock *changed_prev, *changed_next;
    UT_hash_handle hh;
    char name[];
};

/* What ends with one session. */
struct cfs_lock_session {
    cfs_session_id id;
    struct cfs_claim *claims;
    UT_hash_handle hh;
};

/* What the next save has to say. */
struct cfs_lock_changes {
    struct cfs_lock *locks;
    struct cfs_claim *claims;
    struct cfs_writer gone; /* pieces: what was saved and is no more */
};

struct cfs_lock_table {
    cfs_settled_fn settled;
    void *arg;
    cfs_token token; /* of the newest acquisition of any name, so that freed names need no memory */
    uint64_t serial; /* of the newest lock record */
    uint64_t claim_serial; /* of the newest claim */
    struct cfs_lock_changes changes;
    uint32_t waiter_count;
    uint32_t flock_holds[CFS_NODE_BITS]; /* by node */
    struct cfs_lock *locks;              /* by name */
    struct cfs_lock_session *sessions;   /* by id */
    struct cfs_claim *by_asker;          /* by session and sequence */
    struct cfs_claim *by_identity;
    struct cfs_due_heap expiries; /* of LEASED holds */
    struct cfs_holder_info *infos; /* what cfs_lock_table_get lends */
    size_t info_capacity;
};

/* lock_table.c: records and the life of a claim. */
struct cfs_lock *cfs_lock_find(const struct cfs_lock_table *table, const char *name);
struct cfs_lock *cfs_lock_new(struct cfs_lock_table *table, const char *name);
/* Forgets the lock unless it is held; then nobody may be waiting. */
void cfs_lock_tidy(struct cfs_lock_table *table, struct cfs_lock *lock);

/* The claim `asker` would have. It is on the stack, for asking about, until cfs_claim_new. */
struct cfs_claim cfs_claim_probe(struct cfs_asker asker, uint64_t index,
                                 const struct cfs_acquire *acquire);
struct cfs_claim *cfs_claim_new(struct cfs_lock_table *table, struct cfs_lock *lock,
                                const struct cfs_claim *probe);
void cfs_claim_queue(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_claim_unqueue(struct cfs_lock_table *table, struct cfs_claim *claim);
/* Makes a claim that is in neither list a holder; nobody may be in its way. */
void cfs_claim_hold(struct cfs_lock_table *table, struct cfs_claim *claim,
                    struct cfs_moment moment);
/* Ends a claim in whatever state. The lock's waiters are for the caller to look after. */
void cfs_claim_drop(struct cfs_lock_table *table, struct cfs_claim *claim);
/* Passes a claim on to another session. */
void cfs_claim_move(struct cfs_lock_table *table, struct cfs_claim *claim, cfs_session_id session,
                    cfs_node_id node);
/* From now on `asker` is told its end, and may undo it; sequence 0: nobody. */
void cfs_claim_set_asker(struct cfs_lock_table *table, struct cfs_claim *claim,
                         struct cfs_asker asker);

/* A claim as it was saved, into whose lock it goes; NULL if another one is in its place. */
struct cfs_claim *cfs_claim_restore(struct cfs_lock_table *table, struct cfs_lock *lock,
                                    const struct cfs_claim *saved);

/* lock_table_state.c: what changed since the last save. */
void cfs_lock_changed(struct cfs_lock_table *table, struct cfs_lock *lock);
void cfs_lock_gone(struct cfs_lock_table *table, struct cfs_lock *lock);
void cfs_claim_changed(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_claim_gone(struct cfs_lock_table *table, struct cfs_claim *claim);

/* lock_index.c: finding claims. */
struct cfs_claim *cfs_claim_by_asker(const struct cfs_lock_table *table, cfs_session_id session,
                                     uint64_t sequence);
/* The claim that makes this one asking again; NULL if there is none. */
struct cfs_claim *cfs_claim_same(const struct cfs_lock_table *table, const struct cfs_lock *lock,
                                 const struct cfs_claim *claim);
struct cfs_claim *cfs_claim_by_token(const struct cfs_lock *lock, cfs_token token);
void cfs_index_asker(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_unindex_asker(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_index_identity(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_unindex_identity(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_index_session(struct cfs_lock_table *table, struct cfs_claim *claim);
void cfs_unindex_session(struct cfs_lock_table *table, struct cfs_claim *claim);
struct cfs_lock_session *cfs_lock_session_find(const struct cfs_lock_table *table,
                                               cfs_session_id id);

/* lock_rules.c: who conflicts with whom, and who is next. */
bool cfs_claim_conflicts_with_holder(const struct cfs_claim *claim, const struct cfs_claim *holder);
bool cfs_claim_conflicts_with_waiter(const struct cfs_claim *claim, const struct cfs_claim *waiter);
bool cfs_claim_blocked(const struct cfs_lock *lock, const struct cfs_claim *claim);
/* Whether each later waiter of the queue conflicts with this one. */
bool cfs_claim_blocks_all(const struct cfs_lock *lock, const struct cfs_claim *waiter);
/* Grants all that can be granted now, and forgets the lock if nobody holds it then. */
void cfs_lock_settle(struct cfs_lock_table *table, struct cfs_lock *lock, struct cfs_moment moment);
/* Grants what can be granted when nothing has happened but that a waiter of mode `left` left. */
void cfs_lock_waiter_left(struct cfs_lock_table *table, struct cfs_lock *lock,
                          enum cfs_lock_mode left, struct cfs_moment moment);

#endif
