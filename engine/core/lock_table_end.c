/* How claims end without their holder's doing: a wait given up or refused, a grant nobody heard of,
 * a session's end, a ttl's end.
 *
 * What ends many claims at once first takes them all away and only then grants, lock by lock in the
 * order of their names: nothing goes to one who is on the way out, and the outcome depends on
 * nothing that replicas might not share. */
#include <stdlib.h>
#include <string.h>

#include "core/lock_table_internal.h"

/* The locks that one operation took claims from. Zeroed memory is none. */
struct touched {
    struct cfs_lock **locks;
    size_t count, capacity;
};

static void touch(struct touched *touched, struct cfs_lock *lock)
{
    if (lock->touched)
        return;
    lock->touched = true;
    touched->locks = cfs_array_room(touched->locks, touched->count, &touched->capacity,
                                    sizeof(struct cfs_lock *));
    touched->locks[touched->count++] = lock;
}

static int by_name(const void *a, const void *b)
{
    struct cfs_lock *const *first = a, *const *second = b;

    return strcmp((*first)->name, (*second)->name);
}

static void settle_touched(struct cfs_lock_table *table, struct touched *touched,
                           struct cfs_moment moment)
{
    if (touched->count > 1)
        qsort(touched->locks, touched->count, sizeof(struct cfs_lock *), by_name);
    for (size_t i = 0; i < touched->count; i++) {
        touched->locks[i]->touched = false;
        cfs_lock_settle(table, touched->locks[i], moment);
    }
    free(touched->locks);
}

bool cfs_lock_table_dismiss(struct cfs_lock_table *table, cfs_session_id session, uint64_t sequence,
                            struct cfs_moment moment, enum cfs_error error)
{
    struct cfs_claim *claim = cfs_claim_by_asker(table, session, sequence);
    struct cfs_answer answer = {.error = error};
    struct cfs_asker asker;
    struct cfs_lock *lock;
    enum cfs_lock_mode mode;

    if (!claim || claim->state != CFS_CLAIM_QUEUED)
        return false;
    asker = claim->asker;
    lock = claim->lock;
    mode = claim->ask.mode;
    answer.ticket = claim->ticket;
    cfs_claim_drop(table, claim);
    table->settled(table->arg, asker, &answer);
    cfs_lock_waiter_left(table, lock, mode, moment);
    return true;
}

void cfs_lock_table_undo(struct cfs_lock_table *table, cfs_session_id session, uint64_t sequence,
                         struct cfs_moment moment)
{
    struct cfs_claim *claim = cfs_claim_by_asker(table, session, sequence);
    struct cfs_lock *lock;

    if (!claim || claim->state != CFS_CLAIM_HOLDING)
        return;
    lock = claim->lock;
    cfs_claim_drop(table, claim);
    cfs_lock_settle(table, lock, moment);
}

/* Takes all claims of a session away, but for its lockfiles if they pass on to session `heir`. */
static void end_claims(struct cfs_lock_table *table, cfs_session_id id, cfs_session_id heir,
                       struct cfs_moment moment)
{
    struct cfs_lock_session *session = cfs_lock_session_find(table, id);
    struct cfs_claim *claim = session ? session->claims : NULL, *next;
    struct cfs_claim *last = claim ? claim->session_prev : NULL;
    struct touched touched = {0};

    /* Up to what is the last one now: an heir may be the same session. The record goes with the
     * last of its claims, so nothing is read from it once that has gone. */
    for (bool more = claim != NULL; more; claim = next) {
        more = claim != last;
        next = claim->session_next;
        touch(&touched, claim->lock);
        if (heir && claim->state == CFS_CLAIM_HOLDING && claim->ask.kind == CFS_LOCKFILE) {
            cfs_claim_set_asker(table, claim, (struct cfs_asker){0});
            cfs_claim_move(table, claim, heir, claim->node);
        } else {
            cfs_claim_drop(table, claim);
        }
    }
    settle_touched(table, &touched, moment);
}

void cfs_lock_table_end_session(struct cfs_lock_table *table, cfs_session_id session,
                                struct cfs_moment moment)
{
    end_claims(table, session, 0, moment);
}

void cfs_lock_table_move_session(struct cfs_lock_table *table, cfs_session_id from,
                                 cfs_session_id to, struct cfs_moment moment)
{
    end_claims(table, from, to, moment);
}

static struct cfs_claim *claim_of(struct cfs_due *due)
{
    return (struct cfs_claim *)((char *)due - offsetof(struct cfs_claim, due));
}

void cfs_lock_table_expire(struct cfs_lock_table *table, struct cfs_moment moment)
{
    struct touched touched = {0};

    while (cfs_due_next(&table->expiries) <= moment.time) {
        struct cfs_claim *claim = claim_of(table->expiries.items[0]);
        touch(&touched, claim->lock);
        cfs_claim_drop(table, claim);
    }
    settle_touched(table, &touched, moment);
}

cfs_time cfs_lock_table_next_expiry(const struct cfs_lock_table *table)
{
    return cfs_due_next(&table->expiries);
}
