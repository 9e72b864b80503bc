/* Records of locks, and the life of a claim: probe, new, queued or holding, dropped. Each step
 * keeps counts and indices; which steps are taken, and in which order, is decided in the other
 * files. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock_table_internal.h"
#include "core/planted.h"

struct cfs_lock_table *cfs_lock_table_new(cfs_settled_fn settled, void *arg)
{
    struct cfs_lock_table *table = cfs_alloc_zeroed(1, sizeof *table);

    assert(settled);
    table->settled = settled;
    table->arg = arg;
    return table;
}

struct cfs_lock *cfs_lock_find(const struct cfs_lock_table *table, const char *name)
{
    struct cfs_lock *lock;

    HASH_FIND(hh, table->locks, name, strlen(name), lock);
    return lock;
}

struct cfs_lock *cfs_lock_new(struct cfs_lock_table *table, const char *name)
{
    size_t len = strlen(name);
    struct cfs_lock *lock = cfs_alloc_zeroed(1, sizeof *lock + len + 1);

    assert(len <= CFS_NAME_MAX);
    memcpy(lock->name, name, len);
    lock->serial = ++table->serial;
    HASH_ADD_KEYPTR(hh, table->locks, lock->name, len, lock);
    cfs_lock_changed(table, lock);
    return lock;
}

static void forget(struct cfs_lock_table *table, struct cfs_lock *lock)
{
    cfs_lock_gone(table, lock);
    HASH_DELETE(hh, table->locks, lock);
    free(lock->content);
    free(lock);
}

void cfs_lock_tidy(struct cfs_lock_table *table, struct cfs_lock *lock)
{
    if (lock->holders)
        return;
    assert(!lock->waiters);
    forget(table, lock);
}

void cfs_lock_table_free(struct cfs_lock_table *table)
{
    struct cfs_lock *lock, *next;

    HASH_ITER (hh, table->locks, lock, next) {
        while (lock->waiters)
            cfs_claim_drop(table, lock->waiters);
        while (lock->holders)
            cfs_claim_drop(table, lock->holders);
        forget(table, lock);
    }
    assert(!table->sessions && !table->by_asker && !table->by_identity);
    free(table->changes.gone.data);
    free(table->expiries.items);
    free(table->infos);
    free(table);
}

struct cfs_claim cfs_claim_probe(struct cfs_asker asker, uint64_t index,
                                 const struct cfs_acquire *acquire)
{
    struct cfs_claim claim = {.asker = asker,
                              .session = asker.session,
                              .node = asker.node,
                              .ask = *acquire,
                              .ticket = index};

    /* A place in the future would be one that nobody ever had. */
    if (acquire->ticket && acquire->ticket < index)
        claim.ticket = acquire->ticket;
    if (acquire->kind != CFS_LOCKFILE)
        claim.ask.form = CFS_FORM_FILE;
    return claim;
}

struct cfs_claim *cfs_claim_new(struct cfs_lock_table *table, struct cfs_lock *lock,
                                const struct cfs_claim *probe)
{
    struct cfs_claim *claim = cfs_alloc_copy(probe, sizeof *probe);

    claim->lock = lock;
    claim->serial = ++table->claim_serial;
    cfs_claim_changed(table, claim);
    cfs_index_asker(table, claim);
    cfs_index_session(table, claim);
    if (claim->ask.kind == CFS_LEASED)
        cfs_index_identity(table, claim);
    return claim;
}

static void count_waiter(struct cfs_lock_table *table, const struct cfs_claim *claim, int by)
{
    struct cfs_lock *lock = claim->lock;

    table->waiter_count += by;
    lock->waiter_count += by;
    lock->waiting[claim->ask.kind] += by;
}

/* From the tail, where all but those who take up an old place belong. */
static void enqueue(struct cfs_lock *lock, struct cfs_claim *claim)
{
    struct cfs_claim *after = lock->waiters ? lock->waiters->prev : NULL;

    while (after && after->ticket > claim->ticket)
        after = after == lock->waiters ? NULL : after->prev;
    DL_APPEND_ELEM(lock->waiters, after, claim);
}

static void enqueue_exclusive(struct cfs_lock *lock, struct cfs_claim *claim)
{
    struct cfs_claim *after = lock->exclusives ? lock->exclusives->exclusive_prev : NULL;

    while (after && after->ticket > claim->ticket)
        after = after == lock->exclusives ? NULL : after->exclusive_prev;
    DL_APPEND_ELEM2(lock->exclusives, after, claim, exclusive_prev, exclusive_next);
}

void cfs_claim_queue(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    enqueue(claim->lock, claim);
    if (claim->ask.mode == CFS_EXCLUSIVE)
        enqueue_exclusive(claim->lock, claim);
    claim->state = CFS_CLAIM_QUEUED;
    cfs_claim_changed(table, claim);
    count_waiter(table, claim, 1);
}

void cfs_claim_unqueue(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    assert(claim->state == CFS_CLAIM_QUEUED);
    DL_DELETE(claim->lock->waiters, claim);
    if (claim->ask.mode == CFS_EXCLUSIVE)
        DL_DELETE2(claim->lock->exclusives, claim, exclusive_prev, exclusive_next);
    claim->state = CFS_CLAIM_LOOSE;
    count_waiter(table, claim, -1);
}

static void count_holder(struct cfs_lock_table *table, const struct cfs_claim *claim, int by)
{
    struct cfs_lock *lock = claim->lock;

    lock->holder_count += by;
    if (claim->ask.mode == CFS_EXCLUSIVE)
        lock->exclusive_holders += by;
    if (claim->ask.kind == CFS_FLOCK) {
        assert(claim->node < CFS_NODE_BITS);
        table->flock_holds[claim->node] += by;
    }
}

/* All but LEASED holds. */
static bool ends_with_session(const struct cfs_claim *claim)
{
    return claim->state != CFS_CLAIM_HOLDING || claim->ask.kind != CFS_LEASED;
}

/* The name appears: what it looks like follows from who made it appear. */
static void appear(struct cfs_lock *lock, const struct cfs_acquire *ask)
{
    lock->form = ask->form;
    lock->uid = ask->uid;
    lock->gid = ask->gid;
    lock->perm = ask->perm & 07777u;
}

void cfs_claim_hold(struct cfs_lock_table *table, struct cfs_claim *claim, struct cfs_moment moment)
{
    struct cfs_lock *lock = claim->lock;

    assert(claim->state == CFS_CLAIM_LOOSE);
    if (!lock->holders)
        appear(lock, &claim->ask);
    lock->mtime = claim->since = moment.wall;
    table->token += !CFS_PLANTED(BUG_TOKEN_REUSE) || !table->token;
    claim->token = table->token;
    if (claim->ask.kind == CFS_LEASED) {
        cfs_unindex_session(table, claim);
        claim->session = 0;
        claim->node = 0;
        claim->due.at = moment.time + CFS_MS(claim->ask.ttl_ms);
        cfs_due_add(&table->expiries, &claim->due);
    } else if (claim->ask.kind == CFS_FLOCK) {
        cfs_index_identity(table, claim);
    }
    claim->state = CFS_CLAIM_HOLDING;
    cfs_claim_changed(table, claim);
    cfs_lock_changed(table, lock);
    DL_APPEND(lock->holders, claim);
    count_holder(table, claim, 1);
}

static void unhold(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    struct cfs_lock *lock = claim->lock;

    DL_DELETE(lock->holders, claim);
    count_holder(table, claim, -1);
    if (claim->ask.kind == CFS_LEASED)
        cfs_due_remove(&table->expiries, &claim->due);
    if (lock->exclusive_holders || !lock->content)
        return;
    cfs_lock_changed(table, lock);
    free(lock->content);
    lock->content = NULL;
    lock->content_len = 0;
}

void cfs_claim_drop(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    if (claim->state == CFS_CLAIM_HOLDING)
        unhold(table, claim);
    else if (claim->state == CFS_CLAIM_QUEUED)
        cfs_claim_unqueue(table, claim);
    cfs_claim_gone(table, claim);
    cfs_unindex_asker(table, claim);
    cfs_unindex_identity(table, claim);
    if (ends_with_session(claim))
        cfs_unindex_session(table, claim);
    free(claim);
}

void cfs_claim_move(struct cfs_lock_table *table, struct cfs_claim *claim, cfs_session_id session,
                    cfs_node_id node)
{
    assert(claim->ask.kind != CFS_FLOCK); /* an open file stays where it is */
    cfs_unindex_session(table, claim);
    claim->session = session;
    claim->node = node;
    cfs_claim_changed(table, claim);
    cfs_index_session(table, claim);
}

void cfs_claim_set_asker(struct cfs_lock_table *table, struct cfs_claim *claim,
                         struct cfs_asker asker)
{
    cfs_unindex_asker(table, claim);
    claim->asker = asker;
    cfs_claim_changed(table, claim);
    cfs_index_asker(table, claim);
}

/* Holders are saved in no particular order; here they stand by token again. */
static void restore_holder(struct cfs_lock_table *table, struct cfs_claim *claim)
{
    struct cfs_lock *lock = claim->lock;
    struct cfs_claim *after = lock->holders ? lock->holders->prev : NULL;

    while (after && after->token > claim->token)
        after = after == lock->holders ? NULL : after->prev;
    DL_APPEND_ELEM(lock->holders, after, claim);
    count_holder(table, claim, 1);
    if (claim->ask.kind == CFS_LEASED)
        cfs_due_add(&table->expiries, &claim->due);
}

struct cfs_claim *cfs_claim_restore(struct cfs_lock_table *table, struct cfs_lock *lock,
                                    const struct cfs_claim *saved)
{
    bool holds = saved->state == CFS_CLAIM_HOLDING, leased = saved->ask.kind == CFS_LEASED;
    struct cfs_claim *claim;

    if (cfs_claim_by_asker(table, saved->asker.session, saved->asker.sequence) ||
        ((leased || holds) && cfs_claim_same(table, lock, saved)))
        return NULL;
    claim = cfs_alloc_copy(saved, sizeof *saved);
    claim->lock = lock;
    cfs_index_asker(table, claim);
    if (ends_with_session(claim))
        cfs_index_session(table, claim);
    if (leased || (holds && claim->ask.kind == CFS_FLOCK))
        cfs_index_identity(table, claim);
    if (holds)
        restore_holder(table, claim);
    else
        cfs_claim_queue(table, claim);
    return claim;
}
