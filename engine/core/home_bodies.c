/* Answers with messages whose bodies are on the disk: they wait until these have been read. What is
 * read is for the one answer and is not kept: the next one who is handed the message is another. */
#include <assert.h>
#include <stdlib.h>

#include "core/home_held.h"
#include "core/planted.h"

struct held {
    struct cfs_held base;
    struct cfs_answer answer;
    struct cfs_message_info *messages; /* owned: the answer's */
    uint8_t **bodies;                  /* owned: theirs, as far as they are there; `count` */
    uint32_t count;
};

static bool lacks_body(const struct cfs_message_info *message)
{
    return message->len && !message->body;
}

static bool lacks_bodies(const struct cfs_answer *answer)
{
    for (uint32_t i = 0; i < answer->message_count; i++)
        if (lacks_body(&answer->messages[i]))
            return true;
    return false;
}

static void order_read(struct cfs_home *home, struct held *held)
{
    struct cfs_writer *keys = cfs_home_held_read(home, &held->base);

    for (uint32_t i = 0; i < held->answer.message_count; i++) {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_BODY, held->messages[i].id);
        if (lacks_body(&held->messages[i]))
            cfs_put_bytes(keys, key.bytes, key.len);
    }
}

static void keep_messages(struct held *held)
{
    struct cfs_answer *answer = &held->answer;

    held->count = answer->message_count;
    held->messages = cfs_alloc_copy(answer->messages, held->count * sizeof *held->messages);
    held->bodies = cfs_alloc_zeroed(held->count, sizeof(uint8_t *));
    answer->messages = held->messages;
    for (uint32_t i = 0; i < held->count; i++) {
        struct cfs_message_info *message = &held->messages[i];
        if (message->body)
            message->body = held->bodies[i] = cfs_alloc_copy(message->body, message->len);
    }
}

static void release(struct cfs_held *base)
{
    struct held *held = (struct held *)base;

    for (uint32_t i = 0; i < held->count; i++)
        free(held->bodies[i]);
    free(held->bodies);
    free(held->messages);
    free(held);
}

static void take_body(struct held *held, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    uint64_t id = cfs_piece_number(&key);

    for (uint32_t i = 0; i < held->count; i++) {
        struct cfs_message_info *message = &held->messages[i];
        bool is_its = message->id == id || CFS_PLANTED(BUG_MIX_BODIES);
        if (is_its && message->len == piece->value_len && lacks_body(message))
            message->body = held->bodies[i] = cfs_alloc_copy(piece->value, piece->value_len);
    }
}

/* A body is gone when its message is: the claim passed meanwhile, and somebody else was quicker. If
 * the message is there, a part of the disk is lost, and the node must not lead with the rest. */
static void leave_out_gone(const struct cfs_home *home, struct held *held)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < held->count; i++) {
        if (!lacks_body(&held->messages[i]))
            held->messages[kept++] = held->messages[i];
        else
            assert(!cfs_queues_have(home->machine->queues, held->messages[i].id));
    }
    held->answer.message_count = kept;
}

static void send(struct cfs_home *home, const struct held *held)
{
    const struct cfs_held_key *key = &held->base.key;
    struct cfs_asker asker = {key->session, key->sequence, (cfs_node_id)key->node};

    if (key->to == CFS_TO_COMMAND)
        cfs_home_answer(home, asker, false, &held->answer);
    else
        cfs_home_answer_read(home, asker.node, asker.sequence, &held->answer);
}

static void came(struct cfs_home *home, struct cfs_held *base, struct cfs_reader *pieces)
{
    struct held *held = (struct held *)base;
    bool claimed = held->messages[0].claim;
    struct cfs_piece piece;

    while (cfs_piece_next(pieces, &piece))
        take_body(held, &piece);
    leave_out_gone(home, held);
    if (!held->answer.message_count)
        held->answer.error = claimed ? CFS_ERR_NOT_CLAIMED : CFS_ERR_NO_MESSAGE;
    send(home, held);
    cfs_home_held_end(home, base);
}

bool cfs_home_hold(struct cfs_home *home, enum cfs_answer_to to, struct cfs_asker asker,
                   const struct cfs_answer *answer)
{
    struct cfs_held base = {
        .key = {to, asker.node, asker.session, asker.sequence}, .came = came, .free = release};
    struct held *held;

    if (!lacks_bodies(answer))
        return false;
    if (cfs_home_held_is(home, &base.key))
        return true;
    held = cfs_alloc_zeroed(1, sizeof *held);
    held->base = base;
    held->answer = *answer;
    keep_messages(held);
    cfs_home_held_add(home, &held->base);
    order_read(home, held);
    return true;
}
