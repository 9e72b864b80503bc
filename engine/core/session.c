/* Two hash tables: sessions by id, and per session its remembered answers by sequence. */
#include "core/session.h"

#include <stdlib.h>

#include "core/alloc.h"

void cfs_sessions_close(struct cfs_sessions *sessions)
{
    while (sessions->by_id)
        cfs_sessions_remove(sessions, sessions->by_id);
    free(sessions->gone.data);
    sessions->gone = (struct cfs_writer){0};
}

struct cfs_session *cfs_sessions_add(struct cfs_sessions *sessions, cfs_session_id id,
                                     cfs_node_id node, uint64_t nonce, cfs_time term)
{
    struct cfs_session *session = cfs_alloc_zeroed(1, sizeof *session);

    session->id = session->began = id;
    session->node = node;
    session->nonce = nonce;
    session->term = term;
    session->oldest = 1;
    HASH_ADD(hh, sessions->by_id, id, sizeof session->id, session);
    return session;
}

static void forget(struct cfs_remembered **table, struct cfs_remembered *remembered)
{
    HASH_DEL(*table, remembered);
    free(remembered);
}

void cfs_sessions_remove(struct cfs_sessions *sessions, struct cfs_session *session)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_SESSION, session->id);

    if (session->saved)
        cfs_piece_delete(&sessions->gone, &key);
    while (session->answers)
        forget(&session->answers, session->answers);
    while (session->waits)
        forget(&session->waits, session->waits);
    HASH_DEL(sessions->by_id, session);
    free(session);
}

struct cfs_session *cfs_sessions_find(const struct cfs_sessions *sessions, cfs_session_id id)
{
    struct cfs_session *session;

    HASH_FIND(hh, sessions->by_id, &id, sizeof id, session);
    return session;
}

struct cfs_session *cfs_sessions_of_node(const struct cfs_sessions *sessions, cfs_node_id node)
{
    for (struct cfs_session *session = sessions->by_id; session; session = session->hh.next)
        if (session->node == node)
            return session;
    return NULL;
}

static struct cfs_remembered *find(struct cfs_remembered *table, uint64_t sequence)
{
    struct cfs_remembered *remembered;

    HASH_FIND(hh, table, &sequence, sizeof sequence, remembered);
    return remembered;
}

struct cfs_remembered *cfs_session_recall(const struct cfs_session *session, uint64_t sequence)
{
    struct cfs_remembered *remembered = find(session->answers, sequence);

    return remembered ? remembered : find(session->waits, sequence);
}

void cfs_session_remember(struct cfs_session *session, uint64_t sequence,
                          enum cfs_answer_state state, const struct cfs_answer *answer)
{
    struct cfs_remembered *remembered = cfs_session_recall(session, sequence);

    if (!remembered) {
        remembered = cfs_alloc_zeroed(1, sizeof *remembered);
        remembered->sequence = sequence;
        if (state == CFS_ANSWER_WAITING)
            HASH_ADD(hh, session->waits, sequence, sizeof remembered->sequence, remembered);
        else
            HASH_ADD(hh, session->answers, sequence, sizeof remembered->sequence, remembered);
    }
    remembered->state = state;
    if (answer) {
        remembered->error = answer->error;
        remembered->token = answer->token;
        remembered->ticket = answer->ticket;
        remembered->id = answer->message_count ? answer->messages[0].claim : answer->id;
        remembered->count = answer->message_count;
    }
}

void cfs_session_forget(struct cfs_session *session, uint64_t oldest)
{
    if (oldest > session->oldest)
        session->oldest = oldest;
    /* Answers stand about in order of sequence; one out of order goes with a later call. */
    while (session->answers && session->answers->sequence < session->oldest)
        forget(&session->answers, session->answers);
}

void cfs_session_acknowledge(struct cfs_session *session, uint64_t sequence)
{
    struct cfs_remembered *remembered = find(session->waits, sequence);

    if (remembered && remembered->state == CFS_ANSWER_DONE)
        forget(&session->waits, remembered);
}
