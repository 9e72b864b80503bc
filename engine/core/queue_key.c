/* Keys of what was produced, so that what is produced twice is there once: for some minutes, and so
 * many of a queue. Group time and the commands alone decide which are known. */
#include <stdlib.h>

#include "core/queue_internal.h"

static void drop_old(struct cfs_queues *queues, struct cfs_queue *queue, cfs_time now)
{
    while (queue->keys && queue->keys->since + CFS_PRODUCE_KEY_TIME <= now)
        cfs_produce_key_drop(queues, queue->keys);
}

const struct cfs_produce_key *
cfs_produce_key_find(struct cfs_queues *queues, struct cfs_queue *queue, uint64_t key, cfs_time now)
{
    struct cfs_produce_key *known;

    drop_old(queues, queue, now);
    HASH_FIND(hh, queue->keys, &key, sizeof key, known);
    return known;
}

void cfs_produce_key_add(struct cfs_queues *queues, struct cfs_queue *queue, uint64_t key,
                         cfs_message_id id, cfs_time since)
{
    struct cfs_produce_key *known;

    if (CFS_PLANTED(BUG_FORGET_KEY))
        return;
    known = cfs_alloc_zeroed(1, sizeof *known);
    drop_old(queues, queue, since);
    if (HASH_COUNT(queue->keys) == CFS_PRODUCE_KEYS_MAX)
        cfs_produce_key_drop(queues, queue->keys);
    *known = (struct cfs_produce_key){.key = key, .id = id, .since = since, .queue = queue};
    HASH_ADD(hh, queue->keys, key, sizeof known->key, known);
    cfs_produce_key_new(queues, known);
}

void cfs_produce_key_drop(struct cfs_queues *queues, struct cfs_produce_key *key)
{
    cfs_produce_key_gone(queues, key);
    HASH_DELETE(hh, key->queue->keys, key);
    free(key);
}
