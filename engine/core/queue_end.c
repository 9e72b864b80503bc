/* How claims end without their holder's doing: their time is over, nobody has heard of them, or
 * their session ends; and what else ends with a session.
 *
 * What ends many claims at once first takes them all away and only then hands out, queue by queue
 * in the order of their names: nothing goes to one who is on the way out, and the outcome depends
 * on nothing that replicas might not share. */
#include <stdlib.h>
#include <string.h>

#include "core/queue_internal.h"

/* Claims that one call of cfs_queues_expire ends, about. */
#define EXPIRE_MAX 4096u

/* The queues that one operation took something from. Zeroed memory is none. */
struct touched {
    struct cfs_queue **queues;
    size_t count, capacity;
};

static void touch(struct touched *touched, struct cfs_queue *queue)
{
    if (queue->touched)
        return;
    queue->touched = true;
    touched->queues = cfs_array_room(touched->queues, touched->count, &touched->capacity,
                                     sizeof(struct cfs_queue *));
    touched->queues[touched->count++] = queue;
}

static int by_name(const void *a, const void *b)
{
    struct cfs_queue *const *first = a, *const *second = b;

    return strcmp((*first)->name, (*second)->name);
}

static void settle_touched(struct cfs_queues *queues, struct touched *touched,
                           struct cfs_moment moment)
{
    if (touched->count > 1)
        qsort(touched->queues, touched->count, sizeof(struct cfs_queue *), by_name);
    for (size_t i = 0; i < touched->count; i++) {
        touched->queues[i]->touched = false;
        cfs_queue_settle(queues, touched->queues[i], moment);
    }
    free(touched->queues);
}

struct cfs_queue_session *cfs_queue_session_get(struct cfs_queues *queues, cfs_session_id id)
{
    struct cfs_queue_session *session;

    HASH_FIND(hh, queues->sessions, &id, sizeof id, session);
    if (!session) {
        session = cfs_alloc_zeroed(1, sizeof *session);
        session->id = id;
        HASH_ADD(hh, queues->sessions, id, sizeof session->id, session);
    }
    return session;
}

void cfs_queue_session_tidy(struct cfs_queues *queues, struct cfs_queue_session *session)
{
    if (session->ending || session->grants || session->waits)
        return;
    HASH_DELETE(hh, queues->sessions, session);
    free(session);
}

void cfs_queue_claim_return(struct cfs_queues *queues, struct cfs_queue_claim *claim)
{
    struct cfs_queue_message *message = claim->message;

    cfs_queue_claim_drop(queues, claim);
    if (message->deliveries >= message->queue->config.max_deliveries)
        cfs_queue_message_bury(queues, message);
    else
        cfs_queue_message_return(queues, message);
}

/* The claims of a grant that are left, oldest first: the grant goes with the last of them. */
static size_t claims_of(const struct cfs_queues *queues, const struct cfs_queue_grant *grant,
                        struct cfs_queue_claim *claims[CFS_CONSUME_MAX])
{
    size_t count = 0;

    for (cfs_claim_id id = grant->first; id <= grant->last; id++) {
        struct cfs_queue_claim *claim = (struct cfs_queue_claim *)cfs_id_find(&queues->claims, id);
        if (claim)
            claims[count++] = claim;
    }
    return count;
}

void cfs_queues_undo(struct cfs_queues *queues, cfs_session_id session, uint64_t sequence,
                     struct cfs_moment moment)
{
    struct cfs_asker_key key;
    struct cfs_queue_claim *claims[CFS_CONSUME_MAX];
    struct cfs_queue_grant *grant;
    struct cfs_queue *queue;
    size_t count;

    memset(&key, 0, sizeof key); /* uthash takes all its bytes */
    key.session = session;
    key.sequence = sequence;
    HASH_FIND(hh, queues->grants, &key, sizeof key, grant);
    if (!grant)
        return;
    count = claims_of(queues, grant, claims);
    assert(count);
    queue = claims[0]->message->queue;
    for (size_t i = 0; i < count; i++) {
        struct cfs_queue_message *message = claims[i]->message;
        cfs_queue_claim_drop(queues, claims[i]);
        message->deliveries--;
        if (CFS_PLANTED(BUG_UNDO_LOSES))
            cfs_queue_message_drop(queues, message);
        else
            cfs_queue_message_return(queues, message);
    }
    cfs_queue_settle(queues, queue, moment);
}

static void end_claims(struct cfs_queues *queues, const struct cfs_queue_grant *grant,
                       struct touched *touched)
{
    struct cfs_queue_claim *claims[CFS_CONSUME_MAX];
    size_t count = claims_of(queues, grant, claims);

    for (size_t i = 0; i < count; i++) {
        touch(touched, claims[i]->message->queue);
        cfs_queue_claim_return(queues, claims[i]);
    }
}

/* Nobody may undo it any more: commands of the old session are refused. */
static void move_grant(struct cfs_queues *queues, struct cfs_queue_session *from,
                       struct cfs_queue_grant *grant, cfs_session_id to)
{
    struct cfs_queue_claim *claims[CFS_CONSUME_MAX];
    size_t count = claims_of(queues, grant, claims);
    struct cfs_queue_session *session = cfs_queue_session_get(queues, to);

    DL_DELETE2(from->grants, grant, session_prev, session_next);
    DL_APPEND2(session->grants, grant, session_prev, session_next);
    grant->session = to;
    for (size_t i = 0; i < count; i++)
        cfs_queue_message_changed(queues, claims[i]->message);
}

/* Takes all of a session away, but for claims that pass on to session `heir`. */
static void end_all(struct cfs_queues *queues, cfs_session_id id, cfs_session_id heir,
                    struct cfs_moment moment)
{
    struct cfs_queue_session *session = cfs_queue_session_get(queues, id);
    struct cfs_queue_grant *grant, *next;
    struct touched touched = {0};

    assert(heir != id);
    session->ending = true;
    while (session->waits) {
        touch(&touched, session->waits->queue);
        cfs_queue_wait_drop(queues, session->waits);
    }
    DL_FOREACH_SAFE2(session->grants, grant, next, session_next)
    {
        if (heir && !grant->bound)
            move_grant(queues, session, grant, heir);
        else
            end_claims(queues, grant, &touched);
    }
    session->ending = false;
    cfs_queue_session_tidy(queues, session);
    settle_touched(queues, &touched, moment);
}

void cfs_queues_end_session(struct cfs_queues *queues, cfs_session_id session,
                            struct cfs_moment moment)
{
    end_all(queues, session, 0, moment);
}

void cfs_queues_move_session(struct cfs_queues *queues, cfs_session_id from, cfs_session_id to,
                             struct cfs_moment moment)
{
    end_all(queues, from, to, moment);
}

static struct cfs_queue_claim *claim_of(struct cfs_due *due)
{
    return (struct cfs_queue_claim *)((char *)due - offsetof(struct cfs_queue_claim, due));
}

/* All that end at one time end together: which of them is first is the heap's affair. */
void cfs_queues_expire(struct cfs_queues *queues, struct cfs_moment moment)
{
    struct touched touched = {0};
    cfs_time last = 0;

    for (size_t count = 0; cfs_due_next(&queues->expiries) <= moment.time; count++) {
        struct cfs_queue_claim *claim;
        if (count >= EXPIRE_MAX && cfs_due_next(&queues->expiries) > last)
            break;
        claim = claim_of(queues->expiries.items[0]);
        last = claim->due.at;
        touch(&touched, claim->message->queue);
        cfs_queue_claim_return(queues, claim);
    }
    settle_touched(queues, &touched, moment);
}

cfs_time cfs_queues_next_expiry(const struct cfs_queues *queues)
{
    return cfs_due_next(&queues->expiries);
}
