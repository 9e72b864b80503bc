/* How the queues keep their state; shared by the files queue*.c and by nobody else.
 *
 * One message is one record, at most 80 bytes beside its body; it is in one of these places:
 *
 *   fresh      ready and never handed out since it came to the tail: a list, at the tail of which
 *              messages arrive
 *   returned   ready again: a tree in the order of turns, all of them before what is fresh
 *   in flight  it has a claim, and the claim is in the queue's list, in the order of claims
 *   dead       a tree in the order of ids
 *   moving     to another group (queue_move.c): a list of moves
 *
 * A turn is given out at the tail and kept until the message is done with: so what goes back finds
 * its old place. Ids, turns, claims and serials are numbers from one counter.
 *
 * All claims of one consume belong to one grant, which knows with which session they end. Between
 * two calls from outside these hold:
 *   - who waits for a message waits because none is ready;
 *   - who waits for room waits because there is none for the first in the queue, and the queue has
 *     messages that are ready or in flight;
 *   - a grant has a claim.
 * Hashes and heap only find things. Wherever an order can reach an outcome it is that of turns, of
 * waiters or of names, never that of a hash. */
#ifndef CFS_CORE_QUEUE_INTERNAL_H
#define CFS_CORE_QUEUE_INTERNAL_H

#include <assert.h>

#include "core/alloc.h"
#include "core/codec.h"
#include "core/due_heap.h"
#include "core/entry.h"
#include "core/id_table.h"
#include "core/planted.h"
#include "core/queue.h"
#include "core/tree.h"

#define uthash_malloc(size) cfs_alloc(size)
#include <uthash.h>
#include <utlist.h>

/* How long, and of how many, a queue remembers the keys of what was produced. */
#define CFS_PRODUCE_KEY_TIME CFS_SECONDS(600)
#define CFS_PRODUCE_KEYS_MAX 1024u
/* Bodies that wait for room in all queues of a group: they are in memory. */
#define CFS_PRODUCE_WAITING_MAX 67108864u

/* The place of a message that moves to another group; nobody can ask for it. */
#define CFS_QUEUE_MOVING ((enum cfs_message_place)0)

struct cfs_queue;
struct cfs_queue_claim;
struct cfs_queue_move;

struct cfs_queue_message {
    struct cfs_id_item item; /* its id */
    struct cfs_queue *queue;
    uint64_t turn; /* dead: its id */
    union {
        struct cfs_tree_node node;      /* returned, dead */
        struct cfs_queue_message *next; /* fresh */
        struct cfs_queue_claim *claim;  /* in flight */
        struct cfs_queue_move *move;    /* moving */
    };
    const uint8_t *body; /* in what `bodies` keeps; NULL: it is on the disk, or empty */
    cfs_wall_time sent;
    uint32_t deliveries;
    uint32_t len : 20;
    uint32_t place : 2;      /* enum cfs_message_place */
    uint32_t changed : 1;    /* since the last save */
    uint32_t saved : 1;      /* it is in the last save */
    uint32_t body_saved : 1; /* and its body, or in one before */
};
static_assert(CFS_MESSAGE_MAX < 1u << 20, "the length of a body has its bits");
static_assert(sizeof(struct cfs_queue_message) <= 72, "a million messages are 80 MB, no more");

/* What one consume was handed. */
struct cfs_asker_key {
    cfs_session_id session;
    uint64_t sequence;
};

struct cfs_queue_grant {
    struct cfs_asker_key asker; /* who may undo it */
    cfs_session_id session;     /* with which its claims end; 0: with their time alone */
    cfs_node_id node;           /* of that session */
    bool bound;                 /* they end with the node's life */
    cfs_claim_id first, last;   /* of its claims */
    uint32_t count;             /* of those that are left */
    struct cfs_queue_grant *session_prev, *session_next; /* in the session's list */
    UT_hash_handle hh;
};

struct cfs_queue_claim {
    struct cfs_id_item item; /* its id */
    struct cfs_due due;      /* when it goes back */
    struct cfs_queue_message *message;
    struct cfs_queue_grant *grant;
    struct cfs_queue_claim *prev, *next; /* in the queue's list */
};

/* Who waits for a message, or for room. */
struct cfs_queue_wait {
    struct cfs_asker_key asker;
    cfs_node_id node;
    uint64_t serial; /* names its piece; the order of the waiters */
    struct cfs_queue *queue;
    bool produces;
    bool saved, changed;
    struct cfs_consume consume;
    uint64_t key; /* of the produce; 0: none */
    uint32_t count, len;
    uint32_t *lengths;                                  /* owned */
    uint8_t *data;                                      /* owned */
    struct cfs_queue_wait *prev, *next;                 /* in the queue's list */
    struct cfs_queue_wait *session_prev, *session_next; /* in the session's list */
    struct cfs_queue_wait *changed_prev, *changed_next; /* since the last save */
    UT_hash_handle hh;                                  /* by asker */
    UT_hash_handle hh_key;                              /* in the queue, by key */
};

/* A message on its way to a queue of another group, and where it came from. */
struct cfs_queue_move {
    uint64_t id;
    struct cfs_asker_key asker; /* who is to be told */
    cfs_node_id node;
    struct cfs_queue_message *message;
    enum cfs_message_place place; /* INFLIGHT, with the two below, or DEAD */
    cfs_claim_id claim;
    struct cfs_queue_grant grant; /* what belongs to the asking, nothing that links it */
    struct cfs_queue_move *prev, *next;
    char to[CFS_NAME_MAX + 1];
};

/* How moves from another group ended here, as long as that group may ask again. */
struct cfs_delivered {
    uint64_t id;
    enum cfs_error error;
};
struct cfs_deliveries {
    uint64_t oldest; /* below it nobody asks */
    struct cfs_delivered *items;
    size_t count, capacity;
    bool changed; /* since the last save */
};

/* A key that was produced with. The table keeps them in the order in which that was. */
struct cfs_produce_key {
    uint64_t key;
    cfs_message_id id; /* the answer; names its piece */
    cfs_time since;
    bool saved;
    struct cfs_produce_key *unsaved_prev, *unsaved_next;
    struct cfs_queue *queue;
    UT_hash_handle hh;
};

struct cfs_queue {
    struct cfs_id_item item; /* its serial: names it in pieces */
    struct cfs_tree_node by_name;
    uint32_t uid, gid, perm;
    cfs_wall_time mtime, ctime;
    struct cfs_queue_config config;
    struct cfs_queue_message *fresh, *newest; /* the first and the last of the list */
    struct cfs_tree_node *returned, *dead;
    struct cfs_queue_claim *inflight;
    struct cfs_queue_wait *consumers, *producers;
    struct cfs_queue_wait *waiting_keys; /* of producers */
    struct cfs_produce_key *keys;
    uint64_t ready_count, inflight_count, dead_count;
    uint64_t bytes, dead_bytes; /* of bodies: in all places, among the dead */
    uint32_t consumer_count, producer_count;
    uint32_t moving_count;
    bool watched; /* cfs_queues_watch */
    bool touched; /* within one operation: already noted as changed */
    bool saved, changed;
    struct cfs_queue *changed_prev, *changed_next;
    UT_hash_handle hh; /* by name */
    char name[];
};
static_assert(sizeof(struct cfs_queue) < 400, "a million names are names above all");

/* What ends with one session. */
struct cfs_queue_session {
    cfs_session_id id;
    struct cfs_queue_grant *grants;
    struct cfs_queue_wait *waits;
    bool ending; /* it is being gone through: the record stays */
    UT_hash_handle hh;
};

/* What bodies lie in that are in memory: entries of the log, and data that waited for room. Such
 * memory goes as a whole, when all bodies in it are saved. */
struct cfs_body_memory {
    struct cfs_entry **entries; /* references */
    uint8_t **buffers;          /* owned */
    size_t entry_count, entry_capacity, buffer_count, buffer_capacity;
};

/* Ids of messages that changed since the last save; some may be gone by now. */
struct cfs_id_list {
    uint64_t *items;
    size_t count, capacity;
};

struct cfs_queues {
    cfs_settled_fn settled;
    void *arg;
    uint64_t last;                  /* the newest number that was given out */
    uint64_t saved_last;            /* as the last save has it */
    bool loading;                   /* what is added is saved already */
    struct cfs_queue *by_name;      /* hash */
    struct cfs_tree_node *in_order; /* by name too: for listings */
    struct cfs_id_table by_serial, messages, claims;
    struct cfs_queue_grant *grants; /* by asker, as waits */
    struct cfs_queue_wait *waits;
    struct cfs_queue_session *sessions;
    struct cfs_due_heap expiries;
    struct cfs_queue_move *moves; /* to other groups, by id */
    uint32_t move_count;
    struct cfs_deliveries deliveries[CFS_GROUPS_MAX + 1]; /* from other groups */
    uint64_t waiting_bytes;                               /* of bodies that wait for room */
    struct cfs_entry *source;                             /* cfs_queues_set_source */
    struct cfs_body_memory bodies, saved_bodies;          /* saved_bodies: of the last save */
    struct {                                              /* what the next save has to say */
        struct cfs_queue *queues;
        struct cfs_queue_wait *waits;
        struct cfs_produce_key *keys;
        struct cfs_id_list messages;
        struct cfs_id_list bodies; /* said by the last save: to be forgotten when it is durable */
        struct cfs_writer gone;    /* pieces: what was saved and is no more */
    } changes;
    char **woken; /* names of queues that were watched */
    size_t woken_count, woken_capacity;
    struct cfs_message_info infos[CFS_CONSUME_MAX]; /* what answers lend */
};

/* queue.c: records of queues, and what follows from a change. */
struct cfs_queue *cfs_queue_of(const struct cfs_tree_node *node);
int cfs_queue_compare_names(const void *name, const struct cfs_tree_node *node);
struct cfs_queue *cfs_queue_find(const struct cfs_queues *queues, const char *name);
struct cfs_queue *cfs_queue_new(struct cfs_queues *queues, const char *name, uint64_t serial);
/* There is room for `count` messages of `len` bytes in all. */
bool cfs_queue_fits(const struct cfs_queue *queue, uint32_t count, uint64_t len);
/* Lets in and hands out all that can be let in and handed out now. */
void cfs_queue_settle(struct cfs_queues *queues, struct cfs_queue *queue, struct cfs_moment moment);
/* Who watches is to be told. */
void cfs_queue_wake(struct cfs_queues *queues, struct cfs_queue *queue);

/* queue_message.c: the life of a message. It is in one place, or in none between two steps. */
struct cfs_queue_message *cfs_queue_message_find(const struct cfs_queues *queues,
                                                 const struct cfs_queue *queue, cfs_message_id id,
                                                 enum cfs_message_place place);
/* A new one, in no place. The body is in what `bodies` keeps. */
struct cfs_queue_message *cfs_queue_message_new(struct cfs_queues *queues, cfs_message_id id,
                                                const uint8_t *body, uint32_t len);
void cfs_queue_message_append(struct cfs_queues *queues, struct cfs_queue *queue,
                              struct cfs_queue_message *message, uint64_t turn);
/* To its old place. */
void cfs_queue_message_return(struct cfs_queues *queues, struct cfs_queue_message *message);
void cfs_queue_message_bury(struct cfs_queues *queues, struct cfs_queue_message *message);
/* Takes the first one that is ready, or one that is dead, out of its place. */
struct cfs_queue_message *cfs_queue_message_take(struct cfs_queue *queue);
void cfs_queue_message_exhume(struct cfs_queue_message *message);
/* The first one that is ready, which stays; NULL when there is none. */
struct cfs_queue_message *cfs_queue_message_first(const struct cfs_queue *queue);
/* The end of one that is in no place. */
void cfs_queue_message_drop(struct cfs_queues *queues, struct cfs_queue_message *message);
/* Keeps bodies in memory until they are saved: where they lie, in the source or as a copy. */
const uint8_t *cfs_queue_bodies_keep(struct cfs_queues *queues, const uint8_t *bodies, size_t len);
/* The same of a buffer that is given up. */
void cfs_queue_bodies_take(struct cfs_queues *queues, uint8_t *buffer);
/* All of it to the end of another. */
void cfs_queue_bodies_move(struct cfs_body_memory *to, struct cfs_body_memory *from);
void cfs_queue_bodies_free(struct cfs_body_memory *memory);
struct cfs_queue_message *cfs_queue_message_of(struct cfs_tree_node *node);
int cfs_queue_message_compare(const void *turn, const struct cfs_tree_node *node);

/* queue_claim.c: claims, and the grants they belong to. */
struct cfs_queue_claim *cfs_queue_claim_find(const struct cfs_queues *queues,
                                             const struct cfs_queue *queue, cfs_claim_id id);
/* Hands out what the consume may have; one message at least is ready. */
void cfs_queue_grant(struct cfs_queues *queues, struct cfs_queue *queue, struct cfs_asker asker,
                     struct cfs_moment moment, const struct cfs_consume *consume,
                     struct cfs_answer *answer);
/* Makes the claim and, unless it is there, its grant. The message is in no place. */
struct cfs_queue_claim *cfs_queue_claim_new(struct cfs_queues *queues,
                                            struct cfs_queue_message *message, cfs_claim_id id,
                                            cfs_time expiry, const struct cfs_queue_grant *like);
/* The claim ends, and its message is in no place; with its last claim the grant ends. */
void cfs_queue_claim_drop(struct cfs_queues *queues, struct cfs_queue_claim *claim);
struct cfs_message_info cfs_queue_message_info(const struct cfs_queue_message *message,
                                               cfs_time now);

/* queue_wait.c: who waits. */
void cfs_queue_wait_drop(struct cfs_queues *queues, struct cfs_queue_wait *wait);
/* Takes it out, with its answer. */
void cfs_queue_wait_settle(struct cfs_queues *queues, struct cfs_queue_wait *wait,
                           const struct cfs_answer *answer);
/* As it was saved; takes what it owns. NULL: another one is in its place. */
struct cfs_queue_wait *cfs_queue_wait_restore(struct cfs_queues *queues,
                                              const struct cfs_queue_wait *saved);
void cfs_queue_let_in(struct cfs_queues *queues, struct cfs_queue_wait *wait,
                      struct cfs_moment moment);

/* queue_move.c: messages between groups. */
/* The message is in no place. */
void cfs_queue_move_add(struct cfs_queues *queues, const struct cfs_queue_move *like);
void cfs_queue_move_drop(struct cfs_queues *queues, struct cfs_queue_move *move);
const struct cfs_queue_message *cfs_queue_move_message(const struct cfs_queues *queues,
                                                       uint64_t id);
void cfs_delivery_add(struct cfs_deliveries *from, uint64_t id, enum cfs_error error);

/* queue_end.c: what ends with a session. */
struct cfs_queue_session *cfs_queue_session_get(struct cfs_queues *queues, cfs_session_id id);
/* Forgets it when nothing hangs on it any more. */
void cfs_queue_session_tidy(struct cfs_queues *queues, struct cfs_queue_session *session);
/* A claim ends unacknowledged: its message goes back, or is dead. The queue is to be settled. */
void cfs_queue_claim_return(struct cfs_queues *queues, struct cfs_queue_claim *claim);

/* queue_key.c: keys of what was produced. */
const struct cfs_produce_key *cfs_produce_key_find(struct cfs_queues *queues,
                                                   struct cfs_queue *queue, uint64_t key,
                                                   cfs_time now);
void cfs_produce_key_add(struct cfs_queues *queues, struct cfs_queue *queue, uint64_t key,
                         cfs_message_id id, cfs_time since);
void cfs_produce_key_drop(struct cfs_queues *queues, struct cfs_produce_key *key);

/* queue_state.c: what changed since the last save. */
void cfs_queue_changed(struct cfs_queues *queues, struct cfs_queue *queue);
void cfs_queue_gone(struct cfs_queues *queues, struct cfs_queue *queue);
void cfs_queue_message_changed(struct cfs_queues *queues, struct cfs_queue_message *message);
void cfs_queue_message_gone(struct cfs_queues *queues, struct cfs_queue_message *message);
void cfs_queue_wait_changed(struct cfs_queues *queues, struct cfs_queue_wait *wait);
void cfs_queue_wait_gone(struct cfs_queues *queues, struct cfs_queue_wait *wait);
void cfs_produce_key_new(struct cfs_queues *queues, struct cfs_produce_key *key);
void cfs_produce_key_gone(struct cfs_queues *queues, struct cfs_produce_key *key);

#endif
