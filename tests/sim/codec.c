/* One message, one batch. */
#include "codec.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "io/wire.h"
#include "sim.h"

static bool same_bytes(const void *a, const void *b, size_t len)
{
    return !len || memcmp(a, b, len) == 0;
}

static bool same_entry(const struct cfs_entry *a, const struct cfs_entry *b)
{
    return a->index == b->index && a->term == b->term && a->time == b->time && a->wall == b->wall &&
           a->kind == b->kind && a->len == b->len && same_bytes(a->data, b->data, a->len);
}

static bool same_append(const struct cfs_msg_append *a, const struct cfs_msg_append *b)
{
    bool same = a->prev_index == b->prev_index && a->prev_term == b->prev_term &&
                a->commit == b->commit && a->sent == b->sent && a->lease == b->lease &&
                a->sound_at == b->sound_at && a->serving == b->serving &&
                a->entry_count == b->entry_count;

    for (uint32_t i = 0; same && i < a->entry_count; i++)
        same = same_entry(a->entries[i], b->entries[i]);
    return same;
}

static bool same_answer(const struct cfs_msg_answer *a, const struct cfs_msg_answer *b)
{
    return a->to == b->to && a->session == b->session && a->id == b->id && a->queued == b->queued &&
           a->len == b->len && same_bytes(a->answer, b->answer, a->len);
}

static bool same_stuck(const struct cfs_msg_collect_reply *a, const struct cfs_msg_collect_reply *b)
{
    bool same = a->id == b->id && a->session == b->session && a->stuck_count == b->stuck_count;

    for (uint32_t i = 0; same && i < a->stuck_count; i++)
        same = a->stuck[i].handle == b->stuck[i].handle &&
               a->stuck[i].wait_count == b->stuck[i].wait_count &&
               same_bytes(a->stuck[i].waits, b->stuck[i].waits,
                          a->stuck[i].wait_count * sizeof *a->stuck[i].waits);
    return same;
}

static bool same_snapshot(const struct cfs_msg_snapshot *a, const struct cfs_msg_snapshot *b)
{
    return a->transfer == b->transfer && a->offset == b->offset && a->last == b->last &&
           a->head_len == b->head_len && a->len == b->len &&
           same_bytes(a->head, b->head, a->head_len) && same_bytes(a->pieces, b->pieces, a->len);
}

static bool same_read(const struct cfs_msg_read *a, const struct cfs_msg_read *b)
{
    return a->id == b->id && a->op == b->op && strcmp(a->name, b->name) == 0 &&
           a->queue.place == b->queue.place && a->queue.number == b->queue.number &&
           a->cache.ino == b->cache.ino && a->cache.offset == b->cache.offset &&
           a->cache.len == b->cache.len && a->cache.patient == b->cache.patient &&
           a->cache.epoch == b->cache.epoch;
}

static bool same_recall(const struct cfs_msg_recall *a, const struct cfs_msg_recall *b)
{
    bool same = a->id == b->id && a->contents == b->contents && a->count == b->count;

    for (uint32_t i = 0; same && i < a->count; i++)
        same =
            a->items[i].ino == b->items[i].ino && strcmp(a->items[i].name, b->items[i].name) == 0;
    return same;
}

static bool same_forward(const struct cfs_msg_forward *a, const struct cfs_msg_forward *b)
{
    return a->epoch == b->epoch && a->outside == b->outside && a->len == b->len &&
           same_bytes(a->command, b->command, a->len);
}

static bool same(const struct cfs_message *a, const struct cfs_message *b)
{
    if (a->type != b->type || a->group != b->group || a->from != b->from || a->to != b->to ||
        a->term != b->term)
        return false;
    switch (a->type) {
    case CFS_MSG_APPEND:
        return same_append(&a->append, &b->append);
    case CFS_MSG_FORWARD:
        return same_forward(&a->forward, &b->forward);
    case CFS_MSG_READ:
        return same_read(&a->read, &b->read);
    case CFS_MSG_ANSWER:
        return same_answer(&a->answer, &b->answer);
    case CFS_MSG_COLLECT_REPLY:
        return same_stuck(&a->collect_reply, &b->collect_reply);
    case CFS_MSG_RECALL:
        return same_recall(&a->recall, &b->recall);
    case CFS_MSG_SNAPSHOT:
        return same_snapshot(&a->snapshot, &b->snapshot);
    default: /* numbers and truths; the core leaves nothing between them */
        return same_bytes(&a->vote, &b->vote, sizeof *a - offsetof(struct cfs_message, vote));
    }
}

/* The cluster's number is any. */
static bool pass(struct sim *sim, const struct cfs_message *message, struct cfs_batch *batch,
                 const char **why)
{
    const struct cfs_batch_head head = {
        .cluster = sim->seed, .from = message->from, .to = message->to};
    static char sentence[256];
    uint8_t *data;
    size_t len;
    bool passed;

    *why = "has a number that does not fit";
    if (cfs_wire_encode(&data, &len, &head, message, 1) != 0)
        return false;
    *why = sentence;
    passed = cfs_wire_decode(batch, data, len, sentence, sizeof sentence) == 0;
    free(data);
    if (passed && len > cfs_wire_size_empty() + cfs_wire_size(message))
        *why = "is longer than was foreseen";
    else if (passed && (batch->count != 1 || !same(message, &batch->messages[0])))
        *why = "has become another";
    else if (passed)
        return true;
    return false;
}

void sim_codec_pass(struct sim *sim, struct cfs_message *message)
{
    struct cfs_batch batch = {0};
    const char *why;

    if (!pass(sim, message, &batch, &why)) {
        sim_fail(sim, "wire", "a message %s from node %u to node %u: it %s",
                 cfs_message_type_name(message->type), message->from, message->to, why);
    } else {
        cfs_message_clear(message);
        *message = batch.messages[0];
        batch.messages[0] = (struct cfs_message){0};
    }
    cfs_batch_clear(&batch);
}
