/* Shared by the parts of the Redis store:
 *
 *   redis_queue.c    the seam; who this node is to Redis; the tick that ends what is over
 *   redis_call.c     requests from the asking to the answer
 *   redis_overview.c what pages show
 *   redis_durable.c  how durable that Redis is
 *
 * A call is in one of four lists, oldest first. A change gets its number when it is first sent; the
 * first in `open` has the least number that the node has no answer to, and Redis forgets the
 * answers below it. A wait that Redis has taken up is in `queued`: its number does not hold up that
 * mark, and Redis is told by name when its end is known. */
#ifndef CFS_IO_REDIS_QUEUE_INTERNAL_H
#define CFS_IO_REDIS_QUEUE_INTERNAL_H

#include <uthash.h>

#include "io/redis_answer.h"
#include "io/redis_link.h"
#include "io/redis_queue.h"

/* The text of engine/io/redis, made by CMakeLists.txt. */
extern const char cfs_redis_script[];

/* Ends of waits that one tick tells. */
#define CFS_REDIS_ACKS_MAX 1000u

struct cfs_redis_call {
    uint64_t id;     /* the engine's; 0: nobody waits for the answer any more */
    uint64_t serial; /* what names it to replies that are under way */
    uint64_t number; /* of a change that was sent; else 0 */
    struct cfs_request request;
    void *owned[2]; /* what the request points to */
    bool undo;      /* GIVE_BACK of claims that nobody has heard of */
    bool queued;
    bool cancelling;      /* Redis is told not to do it any more, or what became of it is asked */
    bool under_way;       /* sent, and not answered since */
    bool stale;           /* queued: news of its end may have been lost */
    bool twice;           /* sent more than once: it may have been queued unheard */
    enum cfs_error wrong; /* what is wrong with the request itself */
    cfs_time deadline;    /* CFS_NEVER: as long as Redis is heard of */
    cfs_time give_up;     /* answered INTERRUPTED then */
    struct cfs_redis_call **list, *prev, *next;
    UT_hash_handle hh_id, hh_serial, hh_number;
};

/* A node whose session is succeeded: it has some time to say so itself. */
struct cfs_redis_heir {
    cfs_session_id session; /* that is succeeded */
    cfs_time since;
};

struct cfs_redis_queue {
    struct cfs_loop *loop;
    const struct cfs_config *config;
    struct cfs_queue_store_events events;
    struct cfs_redis_url url;
    struct cfs_redis_link *link, *channel;
    char prefix[32]; /* of all keys */
    char channel_name[80];
    uint64_t life; /* of this daemon */
    cfs_time timeout;

    cfs_session_id session;  /* the node's; 0: none */
    bool greeted;            /* Redis has taken it for the one that may ask */
    cfs_session_id greeting; /* of the hello that is under way; 0: none is */
    char heir_to[64];        /* an epoch that is of another founding of the cluster; "": none */
    bool leaving;
    bool left; /* and Redis has heard of it, or is not there to hear */
    struct cfs_redis_heir heirs[CFS_NODE_MAX + 1];

    bool available;      /* false: a call has ended without an answer, and none came since */
    bool said_away;      /* in the log */
    bool deaf;           /* the channel has been down since it was up last */
    char said[320];      /* in the log, of how durable it is */
    cfs_time contact;    /* when Redis last answered a node that it knows */
    cfs_time awake;      /* when this node was last seen to run */
    cfs_time complained; /* in the log, of an error that it answered */

    struct cfs_timer tick;
    bool ticking; /* one is under way */
    cfs_time ticked;
    struct cfs_timer hello; /* once more */
    uint64_t *acks;         /* waits whose end is known, and Redis is to be told so */
    size_t ack_count, ack_capacity;
    size_t acks_under_way; /* of them: the first ones */

    uint64_t next_number, next_serial;
    struct cfs_redis_call *unsent, *open, *queued, *reads;
    struct cfs_redis_call *by_id, *by_serial, *by_number;
    uint32_t call_count;
    struct cfs_timer look; /* at all calls */
    struct cfs_redis_loan loan;

    struct cfs_queue_overview overview;
    cfs_time overview_asked, overview_looked_at; /* 0: never */
};

/* Begins a command of the script: who asks, then `verb`'s own arguments are to follow. */
void cfs_redis_begin(const struct cfs_redis_queue *queue, struct cfs_redis_args *args,
                     const char *verb, uint64_t number);
void cfs_redis_run(struct cfs_redis_queue *queue, struct cfs_redis_args *args,
                   cfs_redis_reply_fn fn, void *arg);

/* Redis has answered: it is there. */
void cfs_redis_heard(struct cfs_redis_queue *queue);
/* It does not know this node, or no more. */
void cfs_redis_unknown(struct cfs_redis_queue *queue);
/* It answered an error of its own. */
void cfs_redis_complain(struct cfs_redis_queue *queue, const char *error);
/* Claims go back at that time, about. */
void cfs_redis_tick_at(struct cfs_redis_queue *queue, cfs_time at);

/* redis_call.c */
void cfs_redis_calls_init(struct cfs_redis_queue *queue);
void cfs_redis_calls_close(struct cfs_redis_queue *queue);
void cfs_redis_submit(struct cfs_redis_queue *queue, uint64_t id,
                      const struct cfs_request *request);
void cfs_redis_cancel(struct cfs_redis_queue *queue, uint64_t id);
/* The least number without an answer. */
uint64_t cfs_redis_oldest(const struct cfs_redis_queue *queue);
/* Redis knows this node: everything that is not under way is sent. */
void cfs_redis_send_all(struct cfs_redis_queue *queue);
/* What was under way is not any more. */
void cfs_redis_calls_down(struct cfs_redis_queue *queue);
/* News of waits may have been lost: what became of them is asked as soon as that is possible. */
void cfs_redis_doubt_waits(struct cfs_redis_queue *queue);
/* News on the channel. */
void cfs_redis_news(struct cfs_redis_queue *queue, const char *text, size_t len);
/* A timer came now that was set for `planned`: if that is late the node did not run, and no call
 * has grown older. */
void cfs_redis_halted(struct cfs_redis_queue *queue, cfs_time planned);
/* The first acks have arrived. */
void cfs_redis_acked(struct cfs_redis_queue *queue);

/* redis_overview.c. Asks for it, if it is due; while the link is up. */
void cfs_redis_renew_overview(struct cfs_redis_queue *queue);
const struct cfs_queue_overview *cfs_redis_overview(void *self);
void cfs_redis_overview_close(struct cfs_redis_queue *queue);

/* redis_durable.c: says in the log how durable what is answered is, if it is less than it might. */
void cfs_redis_ask_durable(struct cfs_redis_queue *queue);

#endif
