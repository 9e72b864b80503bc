/* The locks of the cluster: who holds what, who waits in which order. Part of the replicated
 * machine, so every decision follows from the commands alone.
 *
 * Fairness: per name first come, first served; nobody overtakes a waiter that conflicts with him,
 * be it a shared request or one that would not wait. Compatibility is shared with shared; and holds
 * of different kinds by one process do not conflict (mail programs take two kinds on one file). */
#ifndef CFS_CORE_LOCK_TABLE_H
#define CFS_CORE_LOCK_TABLE_H

#include "core/asker.h"
#include "core/piece.h"

struct cfs_lock_table;

/* `settled` is called whenever one who waited is granted (CFS_OK and token) or sent away. */
struct cfs_lock_table *cfs_lock_table_new(cfs_settled_fn settled, void *arg);
void cfs_lock_table_free(struct cfs_lock_table *table);

/* Takes the lock, or queues up. ANSWERED: `answer` holds error (OK, EXISTS, WOULD_BLOCK,
 * NOT_HOLDER, DIFFERS, IS_DIRECTORY: flock on a directory lock) and token. Asking again for what
 * one holds in the same mode keeps token and content. A FLOCK conversion lets go first, then asks,
 * and is a new acquisition with a new token. */
enum cfs_outcome cfs_lock_table_acquire(struct cfs_lock_table *table, struct cfs_asker asker,
                                        struct cfs_moment moment, const char *name,
                                        const struct cfs_acquire *acquire,
                                        struct cfs_answer *answer);

enum cfs_error cfs_lock_table_release(struct cfs_lock_table *table, cfs_session_id session,
                                      struct cfs_moment moment, const char *name,
                                      const struct cfs_release *release);

/* unlink, rmdir: NOT_HELD, BUSY (flock or HTTP holds it), NOT_PERMITTED, IS_DIRECTORY,
 * NOT_DIRECTORY. */
enum cfs_error cfs_lock_table_remove(struct cfs_lock_table *table, struct cfs_moment moment,
                                     const char *name, const struct cfs_remove *remove);

/* NOT_HOLDER, TOO_BIG. */
enum cfs_error cfs_lock_table_write(struct cfs_lock_table *table, struct cfs_moment moment,
                                    const char *name, const struct cfs_write *write);

/* NOT_HELD, NOT_HOLDER, NOT_PERMITTED, TOO_BIG. */
enum cfs_error cfs_lock_table_setattr(struct cfs_lock_table *table, struct cfs_moment moment,
                                      const char *name, const struct cfs_setattr *setattr);

/* Takes the waiter `session`, `sequence` out of its queue and settles it with `error`; its answer
 * carries its ticket. False if it does not wait. */
bool cfs_lock_table_dismiss(struct cfs_lock_table *table, cfs_session_id session, uint64_t sequence,
                            struct cfs_moment moment, enum cfs_error error);

/* Gives back the hold that the acquire `session`, `sequence` was granted, if it is still held. */
void cfs_lock_table_undo(struct cfs_lock_table *table, cfs_session_id session, uint64_t sequence,
                         struct cfs_moment moment);

/* The end of a session: all its holds are given back and its waiters dropped without being settled.
 */
void cfs_lock_table_end_session(struct cfs_lock_table *table, cfs_session_id session,
                                struct cfs_moment moment);

/* A node came back within its session: its lockfiles pass to the new session, the rest ends as
 * above. */
void cfs_lock_table_move_session(struct cfs_lock_table *table, cfs_session_id from,
                                 cfs_session_id to, struct cfs_moment moment);

/* Ends every LEASED hold whose time has come at moment.time. */
void cfs_lock_table_expire(struct cfs_lock_table *table, struct cfs_moment moment);

/* The group time at which the next LEASED hold expires; CFS_NEVER if none. */
cfs_time cfs_lock_table_next_expiry(const struct cfs_lock_table *table);

/* What CFS_OP_GET answers: false if not held. `info`'s pointers are borrowed until the next change.
 */
bool cfs_lock_table_get(struct cfs_lock_table *table, const char *name, struct cfs_lock_info *info);

/* Whether an acquire that does not wait would conflict now, and nothing would change by it. A
 * conversion lets go first, so it never answers here: false. */
bool cfs_lock_table_conflicts(const struct cfs_lock_table *table, cfs_session_id session,
                              const char *name, const struct cfs_acquire *acquire);

/* Whether the acquire asks another mode for what the same open file holds. */
bool cfs_lock_table_converts(const struct cfs_lock_table *table, cfs_session_id session,
                             const char *name, const struct cfs_acquire *acquire);

/* Calls `lock` for each held lock, those that are held longest first, until it returns false. What
 * it is shown is its only during the call. */
typedef bool (*cfs_lock_fn)(void *arg, const char *name, const struct cfs_lock_info *info);
void cfs_lock_table_each(const struct cfs_lock_table *table, cfs_lock_fn lock, void *arg);

/* The nodes with FLOCK holds on `name` (NULL: on any name): a bit set, bit n for node n. */
uint64_t cfs_lock_table_flock_nodes(const struct cfs_lock_table *table, const char *name);

/* What CFS_OP_LIST answers: the held names behind `after`, sorted, up to CFS_LIST_BYTES_MAX bytes;
 * fills in names, names_len and more. malloc'd, and the answer's names. */
char *cfs_lock_table_list(const struct cfs_lock_table *table, const char *after,
                          struct cfs_answer *answer);

uint32_t cfs_lock_table_held_count(const struct cfs_lock_table *table);
uint32_t cfs_lock_table_waiter_count(const struct cfs_lock_table *table);

/* A request that waits, and a hold, as vertices of the wait-for graph; name, mode and processes are
 * for people. */
struct cfs_wait_vertex {
    const char *name; /* of the lock */
    enum cfs_lock_mode mode;
    struct cfs_process process;
    struct cfs_asker asker;
    uint64_t ticket; /* its place; larger is newer */
    bool leased;
    const char *owner; /* LEASED: the client's name; "" unknown */
};

struct cfs_hold_vertex {
    cfs_session_id session;
    cfs_node_id node;
    enum cfs_lock_kind kind;
    struct cfs_process process;
    uint64_t handle;   /* FLOCK */
    const char *owner; /* LEASED */
};

/* Calls `wait` for every waiter, those of one lock in the order of its queue, with the holds and
 * the earlier waiters, nearest first, that keep it from being granted. Pointers are borrowed during
 * the call. */
typedef void (*cfs_wait_fn)(void *arg, const struct cfs_wait_vertex *waiter,
                            const struct cfs_hold_vertex *holds, uint32_t hold_count,
                            const struct cfs_asker *ahead, uint32_t ahead_count);
void cfs_lock_table_each_wait(const struct cfs_lock_table *table, cfs_wait_fn wait, void *arg);

/* Appends what has changed since the last save as pieces (piece.h): the first time, everything. */
void cfs_lock_table_save(struct cfs_lock_table *table, struct cfs_writer *pieces);

/* One piece of a saved table into a table that is being loaded: locks before claims. 0, or -1 when
 * it is no piece of a lock table. Then, once all are there: whether they make a whole. */
int cfs_lock_table_load(struct cfs_lock_table *table, const struct cfs_piece *piece);
bool cfs_lock_table_loaded(const struct cfs_lock_table *table);

/* The newest token, which the machine saves with its counters. */
cfs_token cfs_lock_table_token(const struct cfs_lock_table *table);
void cfs_lock_table_set_token(struct cfs_lock_table *table, cfs_token token);

/* A digest of everything that replicas must agree on. */
uint64_t cfs_lock_table_digest(const struct cfs_lock_table *table);

#endif
