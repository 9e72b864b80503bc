/* What replicas must agree on, as one number: all but what only one of them knows, as who watches
 * and what is saved. Bodies count by their length alone: some are on one replica's disk and in
 * another's memory. */
#include <string.h>

#include "core/digest.h"
#include "core/queue_internal.h"

static uint64_t mix(uint64_t digest, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        digest = cfs_digest_number(digest, values[i]);
    return digest;
}

static uint64_t mix_message(uint64_t digest, const struct cfs_queue_message *message)
{
    const uint64_t values[] = {message->item.id, message->turn,       message->place,
                               message->len,     message->deliveries, message->sent};

    return mix(digest, values, sizeof values / sizeof *values);
}

static uint64_t mix_claim(uint64_t digest, const struct cfs_queue_claim *claim)
{
    const struct cfs_queue_grant *grant = claim->grant;
    const uint64_t values[] = {claim->item.id,        claim->due.at,  grant->asker.session,
                               grant->asker.sequence, grant->session, grant->node,
                               grant->bound};

    return mix(mix_message(digest, claim->message), values, sizeof values / sizeof *values);
}

static uint64_t mix_wait(uint64_t digest, const struct cfs_queue_wait *wait)
{
    const uint64_t values[] = {
        wait->asker.session, wait->asker.sequence, wait->node,        wait->serial,
        wait->produces,      wait->consume.bound,  wait->consume.max, wait->consume.leased,
        wait->key,           wait->count,          wait->len,
    };

    digest = mix(digest, values, sizeof values / sizeof *values);
    digest = cfs_digest_bytes(digest, wait->data, wait->len);
    for (uint32_t i = 0; wait->lengths && i < wait->count; i++)
        digest = cfs_digest_number(digest, wait->lengths[i]);
    return digest;
}

static bool mix_node(void *arg, struct cfs_tree_node *node)
{
    uint64_t *digest = arg;

    *digest = mix_message(*digest, cfs_queue_message_of(node));
    return true;
}

/* Ready ones by turn, wherever they are. */
static uint64_t mix_messages(uint64_t digest, const struct cfs_queue *queue)
{
    const struct cfs_queue_claim *claim;

    cfs_tree_each(queue->returned, NULL, cfs_queue_message_compare, mix_node, &digest);
    for (const struct cfs_queue_message *m = queue->fresh; m; m = m->next)
        digest = mix_message(digest, m);
    DL_FOREACH (queue->inflight, claim)
        digest = mix_claim(digest, claim);
    cfs_tree_each(queue->dead, NULL, cfs_queue_message_compare, mix_node, &digest);
    return digest;
}

static uint64_t digest_of(const struct cfs_queue *queue)
{
    uint64_t digest = cfs_digest_bytes(CFS_DIGEST_START, queue->name, strlen(queue->name) + 1);
    const struct cfs_queue_config *config = &queue->config;
    const uint64_t values[] = {
        queue->item.id,
        queue->uid,
        queue->gid,
        queue->perm,
        queue->mtime,
        queue->ctime,
        config->visibility_ms,
        config->max_messages,
        config->max_bytes,
        config->max_deliveries,
        config->framing,
        queue->ready_count,
        queue->inflight_count,
        queue->dead_count,
        queue->bytes,
        queue->dead_bytes,
    };
    const struct cfs_queue_wait *wait;

    digest = mix(digest, values, sizeof values / sizeof *values);
    digest = mix_messages(digest, queue);
    DL_FOREACH (queue->consumers, wait)
        digest = mix_wait(digest, wait);
    DL_FOREACH (queue->producers, wait)
        digest = mix_wait(digest, wait);
    for (const struct cfs_produce_key *key = queue->keys; key; key = key->hh.next) {
        const uint64_t numbers[] = {key->key, key->id, key->since};
        digest = mix(digest, numbers, sizeof numbers / sizeof *numbers);
    }
    return digest;
}

static uint64_t mix_moves(uint64_t digest, const struct cfs_queues *queues)
{
    const struct cfs_queue_move *move;

    DL_FOREACH (queues->moves, move) {
        const uint64_t values[] = {move->id,    move->asker.session, move->asker.sequence,
                                   move->place, move->claim,         move->grant.session};
        digest = mix_message(mix(digest, values, sizeof values / sizeof *values), move->message);
    }
    for (size_t group = 0; group <= CFS_GROUPS_MAX; group++) {
        const struct cfs_deliveries *from = &queues->deliveries[group];
        for (size_t i = 0; i < from->count; i++) {
            const uint64_t values[] = {group, from->oldest, from->items[i].id,
                                       from->items[i].error};
            digest = mix(digest, values, sizeof values / sizeof *values);
        }
    }
    return digest;
}

/* Queues are added up: the order in which they are found says nothing about them. */
uint64_t cfs_queues_digest(const struct cfs_queues *queues)
{
    uint64_t sum = 0;

    for (const struct cfs_queue *queue = queues->by_name; queue; queue = queue->hh.next)
        sum += digest_of(queue);
    sum = mix_moves(sum, queues);
    return cfs_digest_number(sum, queues->last);
}
