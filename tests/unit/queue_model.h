/* The queues once more, as slowly and plainly as it can be said: all messages, all waits and all
 * keys lie in arrays, and every question is answered by looking at all of them. Test code: the real
 * ones must agree with it. A body is nothing but its length. */
#ifndef TESTS_UNIT_QUEUE_MODEL_H
#define TESTS_UNIT_QUEUE_MODEL_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue.h"

#define MODEL_QUEUES 3
#define MODEL_MESSAGES 2048
#define MODEL_WAITS 256
#define MODEL_KEYS 4096
#define MODEL_ENDS 1024
#define MODEL_LENGTHS 3

struct model_message {
    bool used;
    int queue;
    cfs_message_id id;
    uint64_t turn;
    enum cfs_message_place place;
    uint32_t len, deliveries;
    cfs_claim_id claim; /* INFLIGHT, as all below */
    cfs_time expiry;
    struct cfs_asker asker;
    cfs_session_id session;
    bool bound;
};

struct model_wait {
    bool used, produces;
    int queue;
    struct cfs_asker asker;
    uint64_t serial, key;
    struct cfs_consume consume;
    uint32_t count, lengths[MODEL_LENGTHS];
};

struct model_key {
    bool used;
    int queue;
    uint64_t key;
    cfs_message_id id;
    cfs_time since;
};

struct model_queue {
    bool there;
    uint32_t uid;
    struct cfs_queue_config config;
};

/* What somebody was told. */
struct model_end {
    struct cfs_asker asker;
    enum cfs_error error;
    cfs_message_id id;
    uint32_t count;
    cfs_claim_id claim;    /* of the first of them */
    cfs_message_id handed; /* likewise */
    uint32_t len, deliveries;
};

struct model {
    struct model_queue queues[MODEL_QUEUES];
    struct model_message messages[MODEL_MESSAGES];
    struct model_wait waits[MODEL_WAITS];
    struct model_key keys[MODEL_KEYS];
    struct model_end ends[MODEL_ENDS]; /* of the operation under way */
    size_t end_count;
    uint64_t last;
    struct cfs_moment now;
};

static const char *const model_names[MODEL_QUEUES] = {"b", "c", "a"};

/* The order in which an operation on many queues goes through them. */
static const int model_sorted[MODEL_QUEUES] = {2, 0, 1};

#define EACH_MESSAGE(m, x)                                                                         \
    for (struct model_message *x = (m)->messages; x < (m)->messages + MODEL_MESSAGES; x++)         \
        if (x->used)
#define EACH_WAIT(m, x)                                                                            \
    for (struct model_wait *x = (m)->waits; x < (m)->waits + MODEL_WAITS; x++)                     \
        if (x->used)
#define EACH_KEY(m, x)                                                                             \
    for (struct model_key *x = (m)->keys; x < (m)->keys + MODEL_KEYS; x++)                         \
        if (x->used)

static inline uint64_t model_count(struct model *m, int queue, enum cfs_message_place place)
{
    uint64_t count = 0;

    EACH_MESSAGE(m, x)
    count += x->queue == queue && x->place == place;
    return count;
}

static inline uint64_t model_bytes(struct model *m, int queue, bool dead_too)
{
    uint64_t bytes = 0;

    EACH_MESSAGE(m, x)
    bytes += x->queue == queue && (dead_too || x->place != CFS_DEAD) ? x->len : 0;
    return bytes;
}

static inline bool model_fits(struct model *m, int queue, uint32_t count, uint64_t len)
{
    const struct cfs_queue_config *config = &m->queues[queue].config;
    uint64_t present = model_count(m, queue, CFS_READY) + model_count(m, queue, CFS_INFLIGHT);

    if (!present)
        return true;
    if (config->max_messages && present + count > config->max_messages)
        return false;
    return !config->max_bytes || model_bytes(m, queue, false) + len <= config->max_bytes;
}

static inline struct model_wait *model_first_wait(struct model *m, int queue, bool produces)
{
    struct model_wait *first = NULL;

    EACH_WAIT(m, x)
    if (x->queue == queue && x->produces == produces && (!first || x->serial < first->serial))
        first = x;
    return first;
}

static inline struct model_message *model_first_ready(struct model *m, int queue)
{
    struct model_message *first = NULL;

    EACH_MESSAGE(m, x)
    if (x->queue == queue && x->place == CFS_READY && (!first || x->turn < first->turn))
        first = x;
    return first;
}

static inline void model_tell(struct model *m, struct model_end end)
{
    assert(m->end_count < MODEL_ENDS);
    m->ends[m->end_count++] = end;
}

static inline cfs_message_id model_append(struct model *m, int queue, uint32_t count,
                                          const uint32_t *lengths, uint64_t key)
{
    for (uint32_t i = 0; i < count; i++) {
        struct model_message *x = m->messages;
        while (x->used)
            assert(++x < m->messages + MODEL_MESSAGES);
        *x = (struct model_message){.used = true,
                                    .queue = queue,
                                    .id = ++m->last,
                                    .turn = m->last,
                                    .place = CFS_READY,
                                    .len = lengths[i]};
    }
    if (key) {
        struct model_key *k = m->keys;
        while (k->used)
            assert(++k < m->keys + MODEL_KEYS);
        *k = (struct model_key){true, queue, key, m->last, m->now.time};
    }
    return m->last;
}

static inline struct model_end model_hand_out(struct model *m, int queue, struct cfs_asker asker,
                                              const struct cfs_consume *how)
{
    struct model_end end = {.asker = asker};
    struct model_message *x;
    uint32_t bytes = 0;

    while (end.count < how->max && (x = model_first_ready(m, queue))) {
        if (end.count && bytes + x->len > CFS_MESSAGE_MAX)
            break;
        bytes += x->len;
        x->place = CFS_INFLIGHT;
        x->deliveries++;
        x->claim = ++m->last;
        x->expiry = m->now.time + CFS_MS(m->queues[queue].config.visibility_ms);
        x->asker = asker;
        x->session = how->leased ? 0 : asker.session;
        x->bound = how->bound;
        if (!end.count++) {
            end.claim = x->claim;
            end.handed = x->id;
            end.len = x->len;
            end.deliveries = x->deliveries;
        }
    }
    return end;
}

static inline uint32_t model_sum(const struct model_wait *wait)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < wait->count; i++)
        sum += wait->lengths[i];
    return sum;
}

static inline void model_settle(struct model *m, int queue)
{
    struct model_wait *wait;

    while ((wait = model_first_wait(m, queue, true)) &&
           model_fits(m, queue, wait->count, model_sum(wait))) {
        struct model_end end = {.asker = wait->asker};
        wait->used = false;
        end.id = model_append(m, queue, wait->count, wait->lengths, wait->key);
        model_tell(m, end);
    }
    while ((wait = model_first_wait(m, queue, false)) && model_first_ready(m, queue)) {
        wait->used = false;
        model_tell(m, model_hand_out(m, queue, wait->asker, &wait->consume));
    }
}

static inline void model_settle_all(struct model *m)
{
    for (int i = 0; i < MODEL_QUEUES; i++)
        model_settle(m, model_sorted[i]);
}

static inline void model_go_back(struct model *m, struct model_message *x)
{
    x->place = x->deliveries >= m->queues[x->queue].config.max_deliveries ? CFS_DEAD : CFS_READY;
}

static inline struct model_message *model_claim(struct model *m, int queue, cfs_claim_id claim)
{
    EACH_MESSAGE(m, x)
    if (x->queue == queue && x->place == CFS_INFLIGHT && x->claim == claim)
        return x;
    return NULL;
}

static inline struct model_message *model_dead(struct model *m, int queue, cfs_message_id id)
{
    EACH_MESSAGE(m, x)
    if (x->queue == queue && x->place == CFS_DEAD && x->id == id)
        return x;
    return NULL;
}

static inline void model_add_wait(struct model *m, struct model_wait wait)
{
    struct model_wait *x = m->waits;

    while (x->used)
        assert(++x < m->waits + MODEL_WAITS);
    *x = wait;
    x->used = true;
    x->serial = ++m->last;
}

static inline enum cfs_outcome model_consume(struct model *m, int queue, struct cfs_asker asker,
                                             const struct cfs_consume *how, struct model_end *end)
{
    *end = (struct model_end){.asker = asker, .error = CFS_ERR_NO_QUEUE};
    if (!m->queues[queue].there)
        return CFS_ANSWERED;
    end->error = CFS_ERR_EMPTY;
    if (model_first_ready(m, queue))
        *end = model_hand_out(m, queue, asker, how);
    else if (how->wait) {
        model_add_wait(m, (struct model_wait){.queue = queue, .asker = asker, .consume = *how});
        return CFS_QUEUED;
    }
    return CFS_ANSWERED;
}

static inline const struct model_key *model_known(struct model *m, int queue, uint64_t key)
{
    EACH_KEY(m, k)
    if (k->queue == queue && k->key == key && key && k->since + CFS_SECONDS(600) > m->now.time)
        return k;
    return NULL;
}

static inline struct model_wait *model_waiting_key(struct model *m, int queue, uint64_t key)
{
    EACH_WAIT(m, x)
    if (x->queue == queue && x->produces && key && x->key == key)
        return x;
    return NULL;
}

/* `wait` is what would wait; its key too. */
static inline enum cfs_outcome model_produce(struct model *m, struct model_wait wait, bool waits,
                                             struct model_end *end)
{
    const struct model_key *known = model_known(m, wait.queue, wait.key);
    struct model_wait *same = model_waiting_key(m, wait.queue, wait.key);

    *end = (struct model_end){.asker = wait.asker, .error = CFS_ERR_NO_QUEUE};
    if (!m->queues[wait.queue].there)
        return CFS_ANSWERED;
    end->error = CFS_OK;
    if (known) {
        end->id = known->id;
    } else if (same && waits) {
        model_tell(m, (struct model_end){.asker = same->asker, .error = CFS_ERR_INTERRUPTED});
        same->asker = wait.asker;
        return CFS_QUEUED;
    } else if (!same && !model_first_wait(m, wait.queue, true) &&
               model_fits(m, wait.queue, wait.count, model_sum(&wait))) {
        end->id = model_append(m, wait.queue, wait.count, wait.lengths, wait.key);
        model_settle(m, wait.queue);
    } else if (waits) {
        model_add_wait(m, wait);
        return CFS_QUEUED;
    } else {
        end->error = CFS_ERR_FULL;
    }
    return CFS_ANSWERED;
}

/* Removes a session, or passes on to `heir` what may pass on. */
static inline void model_end_session(struct model *m, cfs_session_id session, cfs_session_id heir)
{
    EACH_WAIT(m, w)
    if (w->asker.session == session)
        w->used = false;
    EACH_MESSAGE(m, x)
    {
        if (x->place != CFS_INFLIGHT || x->session != session)
            continue;
        if (heir && !x->bound)
            x->session = heir;
        else
            model_go_back(m, x);
    }
    model_settle_all(m);
}

static inline void model_undo(struct model *m, cfs_session_id session, uint64_t sequence)
{
    int queue = -1;

    EACH_MESSAGE(m, x)
    {
        if (x->place != CFS_INFLIGHT || x->asker.session != session ||
            x->asker.sequence != sequence)
            continue;
        x->place = CFS_READY;
        x->deliveries--;
        queue = x->queue;
    }
    if (queue >= 0)
        model_settle(m, queue);
}

static inline void model_expire(struct model *m)
{
    EACH_MESSAGE(m, x)
    if (x->place == CFS_INFLIGHT && x->expiry <= m->now.time)
        model_go_back(m, x);
    model_settle_all(m);
}

#endif
