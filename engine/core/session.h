/* The sessions of the cluster and the answers they may still ask for. Part of the replicated
 * machine.
 *
 * A command is known by (session, sequence). What it was answered is remembered until the session
 * says, by the `oldest` of a later command, that it has the answer. An acquire that waits in a
 * lock's queue may do so for days and must not hold that mark back: it is acknowledged by name. So
 * a command that arrives twice, or again after a change of leader, happens once (Raft thesis 6.3).
 */
#ifndef CFS_CORE_SESSION_H
#define CFS_CORE_SESSION_H

#include <uthash.h>

#include "coordfs/request.h"
#include "core/piece.h"

enum cfs_answer_state { CFS_ANSWER_WAITING = 1, CFS_ANSWER_DONE };

struct cfs_remembered {
    uint64_t sequence; /* key */
    enum cfs_answer_state state;
    enum cfs_error error; /* DONE, as those below */
    cfs_token token;
    uint64_t ticket;
    uint64_t id;    /* PRODUCE: of the last message; CONSUME: the first claim */
    uint32_t count; /* CONSUME: of messages */
    UT_hash_handle hh;
};

struct cfs_session {
    cfs_session_id id; /* key: the log index of its OPEN_SESSION */
    cfs_node_id node;
    uint64_t nonce;       /* of its opening */
    cfs_session_id began; /* the first of those that it resumed one after the other; or itself */
    cfs_time term;        /* from a renewal to its end, as its opening said */
    uint64_t oldest;      /* sequences below it are answered and forgotten */
    bool doomed; /* its node was removed: it is not renewed, resumed or replaced, it ends */
    bool saved;  /* it is in the last save */
    struct cfs_remembered *answers; /* of commands that were answered at once, about in order */
    struct cfs_remembered *waits;   /* of acquires that waited: kept until acknowledged by name */
    UT_hash_handle hh;
};

/* Zeroed memory is an empty table. */
struct cfs_sessions {
    struct cfs_session *by_id;
    struct cfs_writer gone; /* pieces: what was saved and is no more */
};

void cfs_sessions_close(struct cfs_sessions *sessions);

struct cfs_session *cfs_sessions_add(struct cfs_sessions *sessions, cfs_session_id id,
                                     cfs_node_id node, uint64_t nonce, cfs_time term);
void cfs_sessions_remove(struct cfs_sessions *sessions, struct cfs_session *session);

/* NULL when there is none. */
struct cfs_session *cfs_sessions_find(const struct cfs_sessions *sessions, cfs_session_id id);
struct cfs_session *cfs_sessions_of_node(const struct cfs_sessions *sessions, cfs_node_id node);

/* The command `sequence` as remembered; NULL when it was never applied, or is forgotten. */
struct cfs_remembered *cfs_session_recall(const struct cfs_session *session, uint64_t sequence);

/* Remembers, or changes what is remembered. */
void cfs_session_remember(struct cfs_session *session, uint64_t sequence,
                          enum cfs_answer_state state, const struct cfs_answer *answer);

/* Forgets what was answered at once and is below `oldest`. */
void cfs_session_forget(struct cfs_session *session, uint64_t oldest);

/* Forgets an acquire that waited and whose end the session knows. */
void cfs_session_acknowledge(struct cfs_session *session, uint64_t sequence);

/* Appends all sessions as pieces, and which are no more since the last save. */
void cfs_sessions_save(struct cfs_sessions *sessions, struct cfs_writer *pieces);

/* A saved session; 0, or -1 when the piece is none. */
int cfs_sessions_load(struct cfs_sessions *sessions, const struct cfs_piece *piece);

#endif
