/* Claims: handing out, and what their holders do with them. */
#include <stdlib.h>
#include <string.h>

#include "core/queue_internal.h"

struct cfs_queue_claim *cfs_queue_claim_find(const struct cfs_queues *queues,
                                             const struct cfs_queue *queue, cfs_claim_id id)
{
    struct cfs_queue_claim *claim = (struct cfs_queue_claim *)cfs_id_find(&queues->claims, id);

    return claim && claim->message->queue == queue ? claim : NULL;
}

static struct cfs_queue_grant *grant_get(struct cfs_queues *queues,
                                         const struct cfs_queue_grant *like, cfs_claim_id claim)
{
    struct cfs_queue_grant *grant;
    struct cfs_queue_session *session;

    HASH_FIND(hh, queues->grants, &like->asker, sizeof like->asker, grant);
    if (!grant) {
        grant = cfs_alloc_copy(like, sizeof *like);
        grant->first = grant->last = claim;
        grant->count = 0;
        HASH_ADD(hh, queues->grants, asker, sizeof grant->asker, grant);
        if (grant->session) {
            session = cfs_queue_session_get(queues, grant->session);
            DL_APPEND2(session->grants, grant, session_prev, session_next);
        }
    }
    if (claim < grant->first)
        grant->first = claim;
    if (claim > grant->last)
        grant->last = claim;
    grant->count++;
    return grant;
}

/* Behind those with smaller numbers: as a rule there are no others. Loaded ones are sorted in the
 * end. */
static void enlist(const struct cfs_queues *queues, struct cfs_queue *queue,
                   struct cfs_queue_claim *claim)
{
    struct cfs_queue_claim *after = queue->inflight ? queue->inflight->prev : NULL;

    while (!queues->loading && after && after->item.id > claim->item.id)
        after = after == queue->inflight ? NULL : after->prev;
    DL_APPEND_ELEM(queue->inflight, after, claim);
    queue->inflight_count++;
}

struct cfs_queue_claim *cfs_queue_claim_new(struct cfs_queues *queues,
                                            struct cfs_queue_message *message, cfs_claim_id id,
                                            cfs_time expiry, const struct cfs_queue_grant *like)
{
    struct cfs_queue_claim *claim = cfs_alloc_zeroed(1, sizeof *claim);
    struct cfs_queue *queue = message->queue;

    claim->item.id = id;
    claim->due.at = expiry;
    claim->message = message;
    claim->grant = grant_get(queues, like, id);
    message->place = CFS_INFLIGHT;
    message->claim = claim;
    cfs_id_add(&queues->claims, &claim->item);
    cfs_due_add(&queues->expiries, &claim->due);
    enlist(queues, queue, claim);
    queue->bytes += message->len;
    cfs_queue_message_changed(queues, message);
    return claim;
}

static void end_grant(struct cfs_queues *queues, struct cfs_queue_grant *grant)
{
    struct cfs_queue_session *session;

    HASH_DELETE(hh, queues->grants, grant);
    if (grant->session) {
        session = cfs_queue_session_get(queues, grant->session);
        DL_DELETE2(session->grants, grant, session_prev, session_next);
        cfs_queue_session_tidy(queues, session);
    }
    free(grant);
}

void cfs_queue_claim_drop(struct cfs_queues *queues, struct cfs_queue_claim *claim)
{
    struct cfs_queue *queue = claim->message->queue;

    DL_DELETE(queue->inflight, claim);
    queue->inflight_count--;
    queue->bytes -= claim->message->len;
    cfs_due_remove(&queues->expiries, &claim->due);
    cfs_id_remove(&queues->claims, &claim->item);
    if (--claim->grant->count == 0)
        end_grant(queues, claim->grant);
    free(claim);
}

struct cfs_message_info cfs_queue_message_info(const struct cfs_queue_message *message,
                                               cfs_time now)
{
    struct cfs_message_info info = {.id = message->item.id,
                                    .deliveries = message->deliveries,
                                    .sent = message->sent,
                                    .body = message->body,
                                    .len = message->len};

    if (message->place != CFS_INFLIGHT)
        return info;
    info.claim = message->claim->item.id;
    info.node = message->claim->grant->node;
    info.left = message->claim->due.at > now ? message->claim->due.at - now : 0;
    return info;
}

void cfs_queue_grant(struct cfs_queues *queues, struct cfs_queue *queue, struct cfs_asker asker,
                     struct cfs_moment moment, const struct cfs_consume *consume,
                     struct cfs_answer *answer)
{
    struct cfs_queue_grant grant = {.asker = {asker.session, asker.sequence},
                                    .session = consume->leased ? 0 : asker.session,
                                    .node = consume->leased ? 0 : asker.node,
                                    .bound = consume->bound};
    cfs_time expiry = moment.time + CFS_MS(queue->config.visibility_ms) /
                                        (CFS_PLANTED(BUG_EARLY_RETURN) ? 2 : 1);
    uint32_t count = 0, bytes = 0;

    while (count < consume->max && queue->ready_count) {
        struct cfs_queue_message *message = cfs_queue_message_first(queue);
        if (count && message->len > CFS_MESSAGE_MAX - bytes)
            break;
        bytes += message->len;
        cfs_queue_message_take(queue);
        message->deliveries++;
        cfs_queue_claim_new(queues, message, ++queues->last, expiry, &grant);
        queues->infos[count++] = cfs_queue_message_info(message, moment.time);
    }
    assert(count);
    answer->messages = queues->infos;
    answer->message_count = count;
}

bool cfs_queues_handed(struct cfs_queues *queues, struct cfs_moment moment, cfs_claim_id first,
                       uint32_t count, struct cfs_answer *answer)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < count && i < CFS_CONSUME_MAX; i++) {
        struct cfs_queue_claim *claim =
            (struct cfs_queue_claim *)cfs_id_find(&queues->claims, first + i);
        if (claim)
            queues->infos[found++] = cfs_queue_message_info(claim->message, moment.time);
    }
    answer->messages = queues->infos;
    answer->message_count = found;
    return found > 0;
}

static enum cfs_error ack_dead(struct cfs_queues *queues, const struct cfs_queue *queue,
                               const struct cfs_settle *settle)
{
    enum cfs_error error = CFS_OK;

    for (uint32_t i = 0; i < settle->count; i++) {
        struct cfs_queue_message *message =
            cfs_queue_message_find(queues, queue, settle->ids[i], CFS_DEAD);
        if (!message) {
            error = CFS_ERR_NO_MESSAGE;
            continue;
        }
        cfs_queue_message_exhume(message);
        cfs_queue_message_drop(queues, message);
    }
    return error;
}

/* What is to be done with each claim. */
typedef void (*claim_fn)(struct cfs_queues *queues, struct cfs_queue_claim *claim,
                         struct cfs_moment moment);

static enum cfs_error each_claim(struct cfs_queues *queues, struct cfs_moment moment,
                                 const char *name, const struct cfs_settle *settle, claim_fn fn)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    enum cfs_error error = CFS_OK;

    for (uint32_t i = 0; i < settle->count; i++) {
        struct cfs_queue_claim *claim = cfs_queue_claim_find(queues, queue, settle->ids[i]);
        if (claim)
            fn(queues, claim, moment);
        else
            error = CFS_ERR_NOT_CLAIMED;
    }
    if (queue)
        cfs_queue_settle(queues, queue, moment);
    return error;
}

static void ack(struct cfs_queues *queues, struct cfs_queue_claim *claim, struct cfs_moment moment)
{
    struct cfs_queue_message *message = claim->message;

    (void)moment;
    cfs_queue_claim_drop(queues, claim);
    cfs_queue_message_drop(queues, message);
}

enum cfs_error cfs_queues_ack(struct cfs_queues *queues, struct cfs_moment moment, const char *name,
                              const struct cfs_settle *settle)
{
    if (settle->place == CFS_DEAD)
        return ack_dead(queues, cfs_queue_find(queues, name), settle);
    return each_claim(queues, moment, name, settle, ack);
}

static void give_back(struct cfs_queues *queues, struct cfs_queue_claim *claim,
                      struct cfs_moment moment)
{
    (void)moment;
    cfs_queue_claim_return(queues, claim);
}

enum cfs_error cfs_queues_give_back(struct cfs_queues *queues, struct cfs_moment moment,
                                    const char *name, const struct cfs_settle *settle)
{
    return each_claim(queues, moment, name, settle, give_back);
}

static void extend(struct cfs_queues *queues, struct cfs_queue_claim *claim,
                   struct cfs_moment moment)
{
    const struct cfs_queue *queue = claim->message->queue;

    claim->due.at = moment.time + CFS_MS(queue->config.visibility_ms);
    cfs_due_changed(&queues->expiries, &claim->due);
    cfs_queue_message_changed(queues, claim->message);
}

enum cfs_error cfs_queues_extend(struct cfs_queues *queues, struct cfs_moment moment,
                                 const char *name, const struct cfs_settle *settle)
{
    return each_claim(queues, moment, name, settle, extend);
}
