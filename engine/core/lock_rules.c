/* Who conflicts with whom, and the grant rule: from the head of the queue, whoever conflicts
 * neither with a holder nor with an earlier waiter that still waits.
 *
 * Claims conflict unless both are shared, or they are of different kinds and of one process. That
 * exception is why a queue cannot be cut off at its first blocked waiter: one behind it may be of
 * the holder's own process. It exists only between flock and lockfiles, so the walk ends at an
 * exclusive waiter when no waiter of the other kind is left (cfs_claim_blocks_all); in practice
 * that is at once.
 *
 * One open file never conflicts with itself (flock(2)): when several threads or children wait
 * through it, each grant converts what the file holds by then. In the queue they are waiters like
 * any others. */
#include "core/lock_table_internal.h"
#include "core/planted.h"

/* Clients over HTTP are no processes of the cluster. A directory shares its name with no file. */
static bool same_process(const struct cfs_claim *a, const struct cfs_claim *b)
{
    return a->ask.form == b->ask.form && a->ask.kind != CFS_LEASED && b->ask.kind != CFS_LEASED &&
           a->session == b->session && a->ask.process.pid != 0 &&
           a->ask.process.pid == b->ask.process.pid && a->ask.process.start == b->ask.process.start;
}

static bool same_file(const struct cfs_claim *a, const struct cfs_claim *b)
{
    return a->ask.kind == CFS_FLOCK && b->ask.kind == CFS_FLOCK && a->session == b->session &&
           a->ask.handle == b->ask.handle;
}

bool cfs_claim_conflicts_with_waiter(const struct cfs_claim *claim, const struct cfs_claim *waiter)
{
    if (claim->ask.mode == CFS_SHARED && waiter->ask.mode == CFS_SHARED)
        return false;
    return claim->ask.kind == waiter->ask.kind || !same_process(claim, waiter);
}

bool cfs_claim_conflicts_with_holder(const struct cfs_claim *claim, const struct cfs_claim *holder)
{
    if (CFS_PLANTED(BUG_TWO_HOLDERS) && holder->ask.mode == CFS_SHARED)
        return false;
    return cfs_claim_conflicts_with_waiter(claim, holder) && !same_file(claim, holder);
}

static bool blocked_by_holder(const struct cfs_lock *lock, const struct cfs_claim *claim)
{
    const struct cfs_claim *holder;

    if (claim->ask.mode == CFS_SHARED && !lock->exclusive_holders)
        return false;
    DL_FOREACH (lock->holders, holder)
        if (cfs_claim_conflicts_with_holder(claim, holder))
            return true;
    return false;
}

static bool ahead_of(const struct cfs_claim *waiter, const struct cfs_claim *claim)
{
    return waiter != claim && waiter->ticket <= claim->ticket;
}

static bool blocked_by_exclusive(const struct cfs_lock *lock, const struct cfs_claim *claim)
{
    const struct cfs_claim *waiter;

    DL_FOREACH2 (lock->exclusives, waiter, exclusive_next) {
        if (!ahead_of(waiter, claim))
            return false;
        if (cfs_claim_conflicts_with_waiter(claim, waiter))
            return true;
    }
    return false;
}

static bool blocked_by_waiter(const struct cfs_lock *lock, const struct cfs_claim *claim)
{
    const struct cfs_claim *waiter;

    DL_FOREACH (lock->waiters, waiter) {
        if (!ahead_of(waiter, claim))
            return false;
        if (cfs_claim_conflicts_with_waiter(claim, waiter))
            return true;
    }
    return false;
}

bool cfs_claim_blocked(const struct cfs_lock *lock, const struct cfs_claim *claim)
{
    if (blocked_by_holder(lock, claim))
        return true;
    return claim->ask.mode == CFS_SHARED ? blocked_by_exclusive(lock, claim)
                                         : blocked_by_waiter(lock, claim);
}

bool cfs_claim_blocks_all(const struct cfs_lock *lock, const struct cfs_claim *waiter)
{
    if (waiter->ask.mode != CFS_EXCLUSIVE)
        return false;
    if (waiter->ask.kind == CFS_LEASED)
        return true;
    return !lock->waiting[waiter->ask.kind == CFS_FLOCK ? CFS_LOCKFILE : CFS_FLOCK];
}

/* True if earlier waiters have to be looked at again: the file's older hold was in their way. */
static bool grant_waiter(struct cfs_lock_table *table, struct cfs_claim *claim,
                         struct cfs_moment moment)
{
    struct cfs_asker asker = claim->asker;
    struct cfs_claim *held =
        claim->ask.kind == CFS_FLOCK ? cfs_claim_same(table, claim->lock, claim) : NULL;
    bool converts = held && held->ask.mode != claim->ask.mode;

    cfs_claim_unqueue(table, claim);
    if (held && !converts) {
        cfs_claim_drop(table, claim);
        cfs_claim_set_asker(table, held, (struct cfs_asker){0});
        claim = held;
    } else {
        if (converts)
            cfs_claim_drop(table, held);
        cfs_claim_hold(table, claim, moment);
    }
    table->settled(table->arg, asker, &(struct cfs_answer){.token = claim->token});
    return converts;
}

static void grant_waiters(struct cfs_lock_table *table, struct cfs_lock *lock,
                          struct cfs_moment moment)
{
    struct cfs_claim *claim = lock->waiters;

    while (claim) {
        struct cfs_claim *next = claim->next;
        if (!cfs_claim_blocked(lock, claim)) {
            if (grant_waiter(table, claim, moment))
                next = lock->waiters;
        } else if (cfs_claim_blocks_all(lock, claim)) {
            return;
        }
        claim = next;
    }
}

static bool some_exclusive_is_free(const struct cfs_lock *lock)
{
    const struct cfs_claim *waiter;

    DL_FOREACH2 (lock->exclusives, waiter, exclusive_next) {
        if (!cfs_claim_blocked(lock, waiter))
            return true;
        if (cfs_claim_blocks_all(lock, waiter))
            return false;
    }
    return false;
}

/* Readers may give up one by one in a queue of thousands; each was in the way of writers only. */
void cfs_lock_waiter_left(struct cfs_lock_table *table, struct cfs_lock *lock,
                          enum cfs_lock_mode left, struct cfs_moment moment)
{
    if (left == CFS_EXCLUSIVE || some_exclusive_is_free(lock))
        grant_waiters(table, lock, moment);
}

void cfs_lock_settle(struct cfs_lock_table *table, struct cfs_lock *lock, struct cfs_moment moment)
{
    grant_waiters(table, lock, moment);
    cfs_lock_tidy(table, lock);
}
