/* The waits of the table, as the wait-for graph wants them.
 *
 * Of the waiters before a waiter not all are named. Once an exclusive one is met that conflicts
 * with every waiter before it, what is before that one is reached through it: whoever follows
 * blockers from blocker to blocker meets the same waits and holds, and a long queue costs a step
 * per waiter instead of one per pair. */
#include <stdlib.h>

#include "core/lock_table_internal.h"

/* What keeps one waiter from being granted. Reused from waiter to waiter. */
struct blockers {
    struct cfs_hold_vertex *holds;
    struct cfs_asker *ahead;
    size_t hold_count, hold_capacity;
    size_t ahead_count, ahead_capacity;
};

static void collect_holds(struct blockers *blockers, const struct cfs_claim *waiter)
{
    const struct cfs_claim *hold;

    blockers->hold_count = 0;
    DL_FOREACH (waiter->lock->holders, hold) {
        if (!cfs_claim_conflicts_with_holder(waiter, hold))
            continue;
        blockers->holds = cfs_array_room(blockers->holds, blockers->hold_count,
                                         &blockers->hold_capacity, sizeof *blockers->holds);
        blockers->holds[blockers->hold_count++] = (struct cfs_hold_vertex){
            .session = hold->session,
            .node = hold->node,
            .kind = hold->ask.kind,
            .process = hold->ask.process,
            .handle = hold->ask.handle,
            .owner = hold->ask.owner,
        };
    }
}

static void add_ahead(struct blockers *blockers, const struct cfs_claim *ahead)
{
    blockers->ahead = cfs_array_room(blockers->ahead, blockers->ahead_count,
                                     &blockers->ahead_capacity, sizeof *blockers->ahead);
    blockers->ahead[blockers->ahead_count++] = ahead->asker;
}

/* An exclusive waiter's: nearest first. */
static void collect_ahead(struct blockers *blockers, const struct cfs_claim *waiter)
{
    const struct cfs_lock *lock = waiter->lock;
    const struct cfs_claim *ahead = waiter;

    while (ahead != lock->waiters) {
        ahead = ahead->prev;
        if (!cfs_claim_conflicts_with_waiter(waiter, ahead))
            continue;
        add_ahead(blockers, ahead);
        if (cfs_claim_blocks_all(lock, ahead))
            return;
    }
}

/* A shared waiter's: from the nearest exclusive one, `ahead`, on. */
static void collect_exclusives(struct blockers *blockers, const struct cfs_claim *waiter,
                               const struct cfs_claim *ahead)
{
    const struct cfs_lock *lock = waiter->lock;

    while (ahead) {
        if (cfs_claim_conflicts_with_waiter(waiter, ahead)) {
            add_ahead(blockers, ahead);
            if (cfs_claim_blocks_all(lock, ahead))
                return;
        }
        ahead = ahead == lock->exclusives ? NULL : ahead->exclusive_prev;
    }
}

static void tell(struct blockers *blockers, const struct cfs_claim *waiter, cfs_wait_fn wait,
                 void *arg)
{
    struct cfs_wait_vertex vertex = {
        .name = waiter->lock->name,
        .mode = waiter->ask.mode,
        .process = waiter->ask.process,
        .asker = waiter->asker,
        .ticket = waiter->ticket,
        .leased = waiter->ask.kind == CFS_LEASED,
        .owner = waiter->ask.owner,
    };

    wait(arg, &vertex, blockers->holds, (uint32_t)blockers->hold_count, blockers->ahead,
         (uint32_t)blockers->ahead_count);
}

static void each_wait_of(const struct cfs_lock *lock, struct blockers *blockers, cfs_wait_fn wait,
                         void *arg)
{
    const struct cfs_claim *waiter, *exclusive = NULL;

    DL_FOREACH (lock->waiters, waiter) {
        collect_holds(blockers, waiter);
        blockers->ahead_count = 0;
        if (waiter->ask.mode == CFS_SHARED)
            collect_exclusives(blockers, waiter, exclusive);
        else
            collect_ahead(blockers, exclusive = waiter);
        tell(blockers, waiter, wait, arg);
    }
}

void cfs_lock_table_each_wait(const struct cfs_lock_table *table, cfs_wait_fn wait, void *arg)
{
    struct blockers blockers = {0};

    for (const struct cfs_lock *lock = table->locks; lock; lock = lock->hh.next)
        each_wait_of(lock, &blockers, wait, arg);
    free(blockers.holds);
    free(blockers.ahead);
}
