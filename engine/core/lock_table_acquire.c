/* Asking for a lock: first whether this is asking again, then whether anybody is in the way. */
#include <assert.h>
#include <string.h>

#include "core/lock_table_internal.h"

static struct cfs_claim *leased_hold(const struct cfs_lock *lock, cfs_token token)
{
    struct cfs_claim *hold = lock ? cfs_claim_by_token(lock, token) : NULL;

    return hold && hold->ask.kind == CFS_LEASED ? hold : NULL;
}

static void set_expiry(struct cfs_lock_table *table, struct cfs_claim *hold, cfs_time expiry)
{
    hold->due.at = expiry;
    cfs_claim_changed(table, hold);
    cfs_due_changed(&table->expiries, &hold->due);
}

static bool same_owner(const struct cfs_acquire *a, const struct cfs_acquire *b)
{
    return strcmp(a->owner, b->owner) == 0;
}

/* A renewal needs to say no more than its token; what it says has to be true. */
static bool renews_another(const struct cfs_acquire *acquire, const struct cfs_acquire *held)
{
    return (acquire->mode && acquire->mode != held->mode) ||
           (acquire->owner[0] && !same_owner(acquire, held));
}

/* A key that two requests use which are not the same one. */
static bool asks_another(const struct cfs_claim *probe, const struct cfs_claim *same)
{
    return probe->ask.mode != same->ask.mode || !same_owner(&probe->ask, &same->ask);
}

static void renew(struct cfs_lock_table *table, const struct cfs_lock *lock,
                  struct cfs_moment moment, const struct cfs_acquire *acquire,
                  struct cfs_answer *answer)
{
    struct cfs_claim *hold = leased_hold(lock, acquire->renew);

    if (!hold) {
        answer->error = CFS_ERR_NOT_HOLDER;
        return;
    }
    if (renews_another(acquire, &hold->ask)) {
        answer->error = CFS_ERR_DIFFERS;
        return;
    }
    set_expiry(table, hold, moment.time + CFS_MS(acquire->ttl_ms));
    answer->token = hold->token;
}

static enum cfs_error conflict_error(const struct cfs_acquire *acquire)
{
    return acquire->kind == CFS_LOCKFILE ? CFS_ERR_EXISTS : CFS_ERR_WOULD_BLOCK;
}

static bool is_directory(const struct cfs_lock *lock, const struct cfs_acquire *acquire)
{
    return lock && lock->form == CFS_FORM_DIRECTORY && acquire->kind == CFS_FLOCK;
}

static enum cfs_outcome ask_anew(struct cfs_lock_table *table, const char *name,
                                 const struct cfs_claim *probe, struct cfs_moment moment,
                                 struct cfs_answer *answer)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);
    bool blocked = lock && cfs_claim_blocked(lock, probe);
    struct cfs_claim *claim;

    if (blocked && !probe->ask.wait) {
        answer->error = conflict_error(&probe->ask);
        return CFS_ANSWERED;
    }
    if (!lock)
        lock = cfs_lock_new(table, name);
    claim = cfs_claim_new(table, lock, probe);
    if (blocked) {
        cfs_claim_queue(table, claim);
        return CFS_QUEUED;
    }
    cfs_claim_hold(table, claim, moment);
    answer->token = claim->token;
    return CFS_ANSWERED;
}

/* It was promised twice now, so that neither promise may be undone alone: the first asker may be
 * undone for want of an answer when the second has one. */
static void answer_again(struct cfs_lock_table *table, struct cfs_claim *hold,
                         struct cfs_answer *answer)
{
    cfs_claim_set_asker(table, hold, (struct cfs_asker){0});
    answer->token = hold->token;
}

/* A client that asks anew, after its node's session was lost, is the same one; whoever else has the
 * key is another, and then nobody may give back for want of an answer. */
static void answer_again_leased(struct cfs_lock_table *table, struct cfs_claim *hold,
                                const struct cfs_claim *probe, struct cfs_answer *answer)
{
    answer_again(table, hold, answer);
    if (probe->ask.handle && hold->ask.handle == probe->ask.handle)
        cfs_claim_set_asker(table, hold, probe->asker);
    else
        hold->ask.handle = 0;
}

/* A waiter through the same file is not granted by the letting go: what is in its way is something
 * else. So the file holds nothing when it asks anew. */
static enum cfs_outcome ask_again_flock(struct cfs_lock_table *table, struct cfs_claim *held,
                                        const char *name, const struct cfs_claim *probe,
                                        struct cfs_moment moment, struct cfs_answer *answer)
{
    struct cfs_lock *lock = held->lock;

    if (held->ask.mode == probe->ask.mode) {
        answer_again(table, held, answer);
        return CFS_ANSWERED;
    }
    cfs_claim_drop(table, held);
    cfs_lock_settle(table, lock, moment);
    return ask_anew(table, name, probe, moment, answer);
}

static enum cfs_outcome ask_again_leased(struct cfs_lock_table *table, struct cfs_claim *same,
                                         const struct cfs_claim *probe, struct cfs_moment moment,
                                         struct cfs_answer *answer)
{
    struct cfs_asker before = same->asker;
    cfs_time expiry = moment.time + CFS_MS(probe->ask.ttl_ms);

    if (asks_another(probe, same)) {
        answer->error = CFS_ERR_DIFFERS;
        return CFS_ANSWERED;
    }
    if (same->state == CFS_CLAIM_HOLDING) {
        if (expiry > same->due.at)
            set_expiry(table, same, expiry);
        answer_again_leased(table, same, probe, answer);
        return CFS_ANSWERED;
    }
    if (!probe->ask.wait) {
        answer->error = CFS_ERR_WOULD_BLOCK;
        return CFS_ANSWERED;
    }
    cfs_claim_set_asker(table, same, probe->asker);
    same->ask.handle = probe->ask.handle;
    cfs_claim_move(table, same, probe->session, probe->node);
    table->settled(table->arg, before, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED});
    return CFS_QUEUED;
}

enum cfs_outcome cfs_lock_table_acquire(struct cfs_lock_table *table, struct cfs_asker asker,
                                        struct cfs_moment moment, const char *name,
                                        const struct cfs_acquire *acquire,
                                        struct cfs_answer *answer)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);
    struct cfs_claim probe = cfs_claim_probe(asker, moment.index, acquire);
    struct cfs_claim *same;

    assert(cfs_name_valid(name));
    assert(acquire->kind != CFS_LOCKFILE || acquire->mode == CFS_EXCLUSIVE);
    *answer = (struct cfs_answer){0};
    if (acquire->kind == CFS_LEASED && acquire->renew) {
        renew(table, lock, moment, acquire, answer);
        return CFS_ANSWERED;
    }
    if (is_directory(lock, acquire)) {
        answer->error = CFS_ERR_IS_DIRECTORY;
        return CFS_ANSWERED;
    }
    same = lock ? cfs_claim_same(table, lock, &probe) : NULL;
    if (same && acquire->kind == CFS_FLOCK)
        return ask_again_flock(table, same, name, &probe, moment, answer);
    if (same)
        return ask_again_leased(table, same, &probe, moment, answer);
    return ask_anew(table, name, &probe, moment, answer);
}

bool cfs_lock_table_conflicts(const struct cfs_lock_table *table, cfs_session_id session,
                              const char *name, const struct cfs_acquire *acquire)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);
    struct cfs_claim probe =
        cfs_claim_probe((struct cfs_asker){.session = session}, UINT64_MAX, acquire);
    struct cfs_claim *same;

    if (!lock || is_directory(lock, acquire) || (acquire->kind == CFS_LEASED && acquire->renew))
        return false;
    same = cfs_claim_same(table, lock, &probe);
    if (same && acquire->kind == CFS_LEASED)
        return same->state == CFS_CLAIM_QUEUED && !asks_another(&probe, same);
    if (same && same->ask.mode == acquire->mode)
        return same->state == CFS_CLAIM_QUEUED;
    if (same) /* a conversion lets go first, even when it is refused then: it needs the log */
        return false;
    return cfs_claim_blocked(lock, &probe);
}

bool cfs_lock_table_converts(const struct cfs_lock_table *table, cfs_session_id session,
                             const char *name, const struct cfs_acquire *acquire)
{
    struct cfs_lock *lock = cfs_lock_find(table, name);
    struct cfs_claim probe =
        cfs_claim_probe((struct cfs_asker){.session = session}, UINT64_MAX, acquire);
    const struct cfs_claim *same;

    if (!lock || acquire->kind != CFS_FLOCK)
        return false;
    same = cfs_claim_same(table, lock, &probe);
    return same && same->ask.mode != acquire->mode;
}
