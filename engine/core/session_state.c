/* Sessions as pieces: one each, with all the answers it may still ask for. They are few and change
 * with every command, so a save says all of them. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/command_internal.h"
#include "core/planted.h"
#include "core/session.h"

#define VERSION 2u

static void put_answers(struct cfs_writer *value, const struct cfs_remembered *table)
{
    cfs_put_u32(value, HASH_COUNT(table));
    for (const struct cfs_remembered *r = table; r; r = r->hh.next) {
        cfs_put_u64(value, r->sequence);
        cfs_put_u8(value, (uint8_t)r->state);
        cfs_put_u8(value, (uint8_t)r->error);
        cfs_put_u64(value, r->token);
        cfs_put_u64(value, r->ticket);
        cfs_put_u64(value, r->id);
        cfs_put_u32(value, r->count);
    }
}

void cfs_sessions_save(struct cfs_sessions *sessions, struct cfs_writer *pieces)
{
    cfs_put_raw(pieces, sessions->gone.data, sessions->gone.len);
    free(sessions->gone.data);
    sessions->gone = (struct cfs_writer){0};
    for (struct cfs_session *s = sessions->by_id; s; s = s->hh.next) {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_SESSION, s->id);
        struct cfs_writer value = {0};
        cfs_put_u8(&value, VERSION);
        cfs_put_u32(&value, s->node);
        cfs_put_u64(&value, s->nonce);
        cfs_put_u64(&value, s->began);
        cfs_put_u64(&value, s->term);
        cfs_put_u64(&value, s->oldest);
        cfs_put_u8(&value, s->doomed);
        put_answers(&value, CFS_PLANTED(BUG_SAVE_FORGETS_ANSWERS) ? NULL : s->answers);
        put_answers(&value, s->waits);
        cfs_piece_put(pieces, &key, &value);
        free(value.data);
        s->saved = true;
    }
}

/* `first`: the state in which those of this table are remembered at the beginning, which decides
 * the table they go to. */
static void get_answers(struct cfs_reader *value, struct cfs_session *session,
                        enum cfs_answer_state first)
{
    uint32_t count = cfs_get_u32(value);

    for (; count && !value->failed; count--) {
        uint64_t sequence = cfs_get_u64(value);
        enum cfs_answer_state state = cfs_get_enum(value, CFS_ANSWER_WAITING, CFS_ANSWER_DONE);
        struct cfs_answer answer = {.error = cfs_get_enum(value, 0, CFS_ERROR_COUNT - 1)};
        answer.token = cfs_get_u64(value);
        answer.ticket = cfs_get_u64(value);
        answer.id = cfs_get_u64(value);
        answer.message_count = cfs_get_u32(value);
        answer.messages = &(struct cfs_message_info){.claim = answer.id};
        if (value->failed)
            return;
        cfs_session_remember(session, sequence, first, NULL);
        cfs_session_remember(session, sequence, state, &answer);
    }
}

int cfs_sessions_load(struct cfs_sessions *sessions, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    uint64_t id = cfs_piece_number(&key);
    struct cfs_session *session;
    cfs_node_id node;
    uint64_t nonce, began;
    cfs_time term;

    cfs_get_enum(&value, VERSION, VERSION);
    node = cfs_get_u32(&value);
    nonce = cfs_get_u64(&value);
    began = cfs_get_u64(&value);
    term = cfs_get_u64(&value);
    if (!piece->put || key.failed || value.failed || cfs_sessions_find(sessions, id))
        return -1;
    session = cfs_sessions_add(sessions, id, node, nonce, term);
    session->began = began;
    session->oldest = cfs_get_u64(&value);
    session->doomed = cfs_get_bool(&value);
    session->saved = true;
    get_answers(&value, session, CFS_ANSWER_DONE);
    get_answers(&value, session, CFS_ANSWER_WAITING);
    return cfs_reader_whole(&value) ? 0 : -1;
}
