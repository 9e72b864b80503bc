/* The queues of a group: their messages, who has claimed them, who waits. Part of the replicated
 * machine, so every decision follows from the commands alone.
 *
 * A message is ready, in flight or dead. It is handed out by a claim, and goes back to its old
 * place at the head of the queue when the claim ends without an acknowledgement: because it is
 * given back, its time or its session is over, or nobody has heard of it. Who waits, for a message
 * or for room, is served first come, first served, and nobody overtakes him.
 *
 * Bodies are in memory until they are saved; after that they are on the disk alone, each a piece of
 * its own (CFS_PIECE_BODY, by the message's id). A message whose body is there is shown without it:
 * `len` says how long it is, `body` is NULL.
 *
 * Ids of messages and claims come from one counter: they grow, and none is used twice. */
#ifndef CFS_CORE_QUEUE_H
#define CFS_CORE_QUEUE_H

#include "core/asker.h"
#include "core/piece.h"

struct cfs_entry;
struct cfs_queues;

/* `settled` is called whenever one who waited has his messages, or room for them (id), or is sent
 * away. */
struct cfs_queues *cfs_queues_new(cfs_settled_fn settled, void *arg);
void cfs_queues_free(struct cfs_queues *queues);

/* Bodies that are produced from now on lie in this log entry, which is kept until they are saved;
 * NULL: they are copied. The log has it in memory until then as well. */
void cfs_queues_set_source(struct cfs_queues *queues, struct cfs_entry *entry);

/* Adds messages at the tail, or queues up for room. ANSWERED: `answer` has the id of the last one,
 * or an error: NO_QUEUE, FULL, TOO_MANY (bytes that wait). A key that waits already is asked again:
 * he who asked before is settled INTERRUPTED. */
enum cfs_outcome cfs_queues_produce(struct cfs_queues *queues, struct cfs_asker asker,
                                    struct cfs_moment moment, const char *name,
                                    const struct cfs_produce *produce, struct cfs_answer *answer);

/* Hands out messages, or queues up for one. ANSWERED: `answer` has messages, whose claims count up,
 * or an error: NO_QUEUE, EMPTY. Its pointers are borrowed until the next change. */
enum cfs_outcome cfs_queues_consume(struct cfs_queues *queues, struct cfs_asker asker,
                                    struct cfs_moment moment, const char *name,
                                    const struct cfs_consume *consume, struct cfs_answer *answer);

/* What the claims from `first` on, `count` of them, were handed: those that are left, for an answer
 * that is given again. False: none is. As above. */
bool cfs_queues_handed(struct cfs_queues *queues, struct cfs_moment moment, cfs_claim_id first,
                       uint32_t count, struct cfs_answer *answer);

/* NOT_CLAIMED, ACK of the dead NO_MESSAGE, when some of the ids are none in that queue: the others
 * are done all the same. */
enum cfs_error cfs_queues_ack(struct cfs_queues *queues, struct cfs_moment moment, const char *name,
                              const struct cfs_settle *settle);
enum cfs_error cfs_queues_give_back(struct cfs_queues *queues, struct cfs_moment moment,
                                    const char *name, const struct cfs_settle *settle);
enum cfs_error cfs_queues_extend(struct cfs_queues *queues, struct cfs_moment moment,
                                 const char *name, const struct cfs_settle *settle);

/* To a queue of another group (queue_move.c): ANSWERED NOT_CLAIMED, NO_MESSAGE, or QUEUED until
 * cfs_queues_moved. */
enum cfs_outcome cfs_queues_move_away(struct cfs_queues *queues, struct cfs_asker asker,
                                      const char *name, const struct cfs_message_move *move,
                                      struct cfs_answer *answer);

/* The move has ended, unless it is known to have: who asked is settled with the error. A message
 * that comes back under its claim goes further where its session lives no more. */
typedef bool (*cfs_session_lives_fn)(void *arg, cfs_session_id session);
void cfs_queues_moved(struct cfs_queues *queues, struct cfs_moment moment,
                      const struct cfs_moved *moved, cfs_session_lives_fn lives, void *arg);

/* A message that moves from another group comes to the tail of queue `name`, once: NO_QUEUE, FULL;
 * INTERRUPTED for a copy that comes after the move's end. */
enum cfs_error cfs_queues_deliver(struct cfs_queues *queues, struct cfs_moment moment,
                                  const char *name, const struct cfs_delivery *delivery);

/* Moves to other groups that are under way, the oldest first: the first one after `after`. Names
 * are borrowed until the next change. */
struct cfs_move_info {
    uint64_t id, oldest; /* oldest: of all that are under way */
    const char *from, *to;
};
uint32_t cfs_queues_move_count(const struct cfs_queues *queues);
bool cfs_queues_next_move(const struct cfs_queues *queues, uint64_t after,
                          struct cfs_move_info *info);

/* To a queue of the same group: NOT_CLAIMED, NO_MESSAGE, NO_QUEUE, FULL: also when somebody waits
 * for room there. */
enum cfs_error cfs_queues_move(struct cfs_queues *queues, struct cfs_moment moment,
                               const char *name, const struct cfs_message_move *move);

/* QUEUE_EXISTS. */
enum cfs_error cfs_queues_make(struct cfs_queues *queues, struct cfs_moment moment,
                               const char *name, const struct cfs_queue_make *make);

/* NO_QUEUE, NOT_PERMITTED, NOT_EMPTY. Who waits for a message is settled NO_QUEUE. */
enum cfs_error cfs_queues_remove(struct cfs_queues *queues, const char *name, uint32_t uid);

/* NO_QUEUE, NOT_PERMITTED. */
enum cfs_error cfs_queues_purge(struct cfs_queues *queues, struct cfs_moment moment,
                                const char *name, uint32_t uid);
enum cfs_error cfs_queues_setattr(struct cfs_queues *queues, struct cfs_moment moment,
                                  const char *name, const struct cfs_setattr *setattr);
/* Values in range, as commands are. */
enum cfs_error cfs_queues_configure(struct cfs_queues *queues, struct cfs_moment moment,
                                    const char *name, const struct cfs_queue_set *set);

/* Takes the waiter `session`, `sequence` out and settles it with `error`. False if it does not
 * wait. */
bool cfs_queues_dismiss(struct cfs_queues *queues, cfs_session_id session, uint64_t sequence,
                        struct cfs_moment moment, enum cfs_error error);

/* What the consume `session`, `sequence` was handed, and nobody has heard of, goes back as if it
 * had never been handed out. */
void cfs_queues_undo(struct cfs_queues *queues, cfs_session_id session, uint64_t sequence,
                     struct cfs_moment moment);

/* The end of a session: its claims go back, its waiters are dropped without being settled. */
void cfs_queues_end_session(struct cfs_queues *queues, cfs_session_id session,
                            struct cfs_moment moment);

/* A node came back within its session: claims that are not bound pass to the new one, the rest ends
 * as above. */
void cfs_queues_move_session(struct cfs_queues *queues, cfs_session_id from, cfs_session_id to,
                             struct cfs_moment moment);

/* Ends claims whose time has come at moment.time; of very many some are left for the next call. */
void cfs_queues_expire(struct cfs_queues *queues, struct cfs_moment moment);

/* The group time at which the next claim expires; CFS_NEVER if none. */
cfs_time cfs_queues_next_expiry(const struct cfs_queues *queues);

/* What a PRODUCE or CONSUME that does not wait would be told now without anything being changed by
 * it; CFS_OK: nothing, it has to be applied. */
enum cfs_error cfs_queues_refusal(const struct cfs_queues *queues,
                                  const struct cfs_request *request);

/* Reads. Pointers in the answers are borrowed until the next change; `now` is group time. */

/* Whether there is a queue; then `info`, but for the node. */
bool cfs_queues_stat(const struct cfs_queues *queues, const char *name,
                     struct cfs_queue_info *info);

/* Names, as cfs_lock_table_list. malloc'd, and the answer's names. */
char *cfs_queues_list(const struct cfs_queues *queues, const char *after,
                      struct cfs_answer *answer);

/* Ids in a place, CFS_MESSAGE_LIST_MAX at most: NO_QUEUE. malloc'd, and the answer's ids. */
uint64_t *cfs_queues_list_messages(const struct cfs_queues *queues, const char *name,
                                   const struct cfs_queue_read *read, struct cfs_answer *answer);

/* One message: NO_QUEUE, NO_MESSAGE, NOT_CLAIMED. Place 0: one that moves to another group, by its
 * move. */
void cfs_queues_get(struct cfs_queues *queues, const char *name, const struct cfs_queue_read *read,
                    cfs_time now, struct cfs_answer *answer);

/* Whether there is such a message, in any queue and place. */
bool cfs_queues_have(const struct cfs_queues *queues, cfs_message_id id);

/* The next time a message is ready in `name`, or the queue is removed, its name is to be taken from
 * cfs_queues_take_woken, once. Known to this replica alone. */
void cfs_queues_watch(struct cfs_queues *queues, const char *name);

/* False: there is none. */
bool cfs_queues_take_woken(struct cfs_queues *queues, char name[CFS_NAME_MAX + 1]);

/* Calls `queue` for each queue, in no particular order, until it returns false. */
typedef bool (*cfs_queue_fn)(void *arg, const char *name, const struct cfs_queue_info *info);
void cfs_queues_each(const struct cfs_queues *queues, cfs_queue_fn queue, void *arg);

/* Appends what has changed since the last save as pieces (piece.h): the first time, everything. */
void cfs_queues_save(struct cfs_queues *queues, struct cfs_writer *pieces);

/* What the last save said is durable: the bodies in it are forgotten here. */
void cfs_queues_saved(struct cfs_queues *queues);

/* A restored cluster begins: its numbers go on as cfs_renewed says (command.h). */
void cfs_queues_renew(struct cfs_queues *queues, uint64_t clock);

/* One piece of saved queues into new ones, in the order of their keys. 0, or -1 when it is no piece
 * of queues. Then, once all are there: whether they make a whole. */
int cfs_queues_load(struct cfs_queues *queues, const struct cfs_piece *piece);
bool cfs_queues_loaded(struct cfs_queues *queues);

/* A digest of everything that replicas must agree on. */
uint64_t cfs_queues_digest(const struct cfs_queues *queues);

#endif
