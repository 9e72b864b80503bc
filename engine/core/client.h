/* The asking side of a node: its session with the cluster, and its requests until they are
 * answered.
 *
 * The session is with group 0. Requests go to the group that is responsible for their name; towards
 * each group they are a sequence of their own, in the one session (channel).
 *
 * A change gets a sequence number when it is first sent; after that it is resent, with the same
 * bytes, until it is answered. A request given up (timeout, interrupt) is never merely forgotten: a
 * CANCEL makes its sequence inapplicable, or takes back what it was granted. Leases run from the
 * sending of the request that renewed them, and end on this side strictly before the cluster's
 * (env.h, clock guard). */
#ifndef CFS_CORE_CLIENT_H
#define CFS_CORE_CLIENT_H

#include <uthash.h>

#include "core/command.h"
#include "core/env.h"
#include "core/placement.h"
#include "core/queue.h"
#include "core/sharing.h"

struct cfs_call;
struct cfs_moving;

/* Files without a name that a node collects at a time. */
#define CFS_CLIENT_ORPHANS_MAX 16u

/* What goes to one group. */
struct cfs_channel {
    cfs_group_id group;
    cfs_node_id leader; /* that serves; 0: unknown */
    uint64_t leader_term;
    bool silent;      /* it was asked, and has not answered in time, or cannot be reached */
    bool available;   /* false: a call has ended when no leader had answered for the timeout, nor
                         has one since */
    cfs_time contact; /* when a leader last answered, dated back to the sending if known; later by
                         the time for which the node did not run since */
    cfs_time
        locate_due; /* when to ask again who leads; CFS_NEVER: known, or nobody wants to know */
    uint64_t next_sequence;
    struct cfs_call *by_sequence;
    struct cfs_call *unsent; /* wait for a session or a leader; lists, oldest first */
    struct cfs_call *active; /* changes that were sent */
    struct cfs_call *queued; /* acquires that wait in a lock's queue */
    struct cfs_call *reads;  /* reads that were sent */
    uint32_t loose_ends;     /* given-up calls of open files that are not settled */
    uint64_t *acks;          /* sequences whose end of wait is to be acknowledged */
    size_t ack_count, ack_capacity;
};

enum cfs_session_state { CFS_SESSION_NONE, CFS_SESSION_OPENING, CFS_SESSION_OPEN };

struct cfs_client {
    struct cfs_env *env;
    const struct cfs_core_config *config;
    const struct cfs_placement *placement; /* the core's */

    enum cfs_session_state state;
    cfs_session_id session;
    uint64_t nonce;          /* OPENING: of this attempt */
    cfs_session_id replaces; /* the node's session in the cluster, as last heard; 0: none */
    bool resume;             /* the daemon has just started: it may find its old session alive */
    bool leaving;            /* asked to close: opens no other */
    bool removed; /* the cluster said that the node is none of its own any more, and nothing else
                     since */
    cfs_time counted;     /* as cfs_client_counted says, last */
    cfs_time open_sent;   /* OPENING: first sending */
    cfs_time renewed;     /* OPEN: sending time of what last renewed it */
    cfs_time session_due; /* next keepalive or resend of OPEN_SESSION */

    struct cfs_channel *channels; /* owned; by group */
    uint32_t channel_count;
    uint64_t next_read;
    struct cfs_call *by_id, *by_read;
    struct cfs_moving *moving;               /* messages that this node moves between groups */
    cfs_ino orphans[CFS_CLIENT_ORPHANS_MAX]; /* that this node collects */
    uint32_t orphan_count;
    struct cfs_sharing sharing; /* what it may keep of the cache */
    uint32_t call_count;
    cfs_time calls_due; /* next look at all calls */
};

void cfs_client_init(struct cfs_client *client, struct cfs_env *env,
                     const struct cfs_core_config *config, const struct cfs_placement *placement);
void cfs_client_close(struct cfs_client *client);

/* The first event: begins to open a session. */
void cfs_client_start(struct cfs_client *client);

void cfs_client_request(struct cfs_client *client, uint64_t id, const struct cfs_request *request);
void cfs_client_cancel(struct cfs_client *client, uint64_t id);
void cfs_client_leave(struct cfs_client *client);

/* Another leader of `group` serves, or none (0): everything unanswered is sent again. */
void cfs_client_leader(struct cfs_client *client, cfs_group_id group, cfs_node_id leader,
                       uint64_t term);

/* A node says who leads a group: of whose replica this node has none. */
void cfs_client_located(struct cfs_client *client, const struct cfs_message *message);

/* A leader of group 0 sent this node the log at `at`: it had it among the members, and may count on
 * it. That the node is none of the cluster's own is true only if it is said once more. */
void cfs_client_counted(struct cfs_client *client, cfs_time at);

/* What was sent to `peer` may be lost. */
void cfs_client_unreachable(struct cfs_client *client, cfs_node_id peer);

void cfs_client_answer(struct cfs_client *client, struct cfs_message *message);
void cfs_client_kept_alive(struct cfs_client *client, const struct cfs_message *message);
/* The node did not run for `duration`, up to now: no call has grown older meanwhile. */
void cfs_client_halted(struct cfs_client *client, cfs_time duration);
/* Shorter ones do not count. */
cfs_time cfs_client_halt_min(const struct cfs_client *client);
/* Before anything else is done with an event: a session that has lapsed is lost, whatever arrives.
 */
void cfs_client_check_session(struct cfs_client *client);
void cfs_client_tick(struct cfs_client *client);
cfs_time cfs_client_deadline(const struct cfs_client *client);

/* The sequence of the acquire `id` if it waits in a lock's queue; 0 otherwise. */
uint64_t cfs_client_wait_sequence(const struct cfs_client *client, uint64_t id);

/* client_move.c: sees a message that moves from `group`, which this node leads, through to its end;
 * again for one that is on its way: nothing. False: there are enough for now. */
bool cfs_client_move(struct cfs_client *client, cfs_group_id group,
                     const struct cfs_move_info *move);

/* client_orphans.c: collects a file that is to be forgotten by the names group, which this node
 * leads; again for one that is on its way: nothing. False: there are enough for now. */
bool cfs_client_collect(struct cfs_client *client, cfs_ino orphan);

/* Shared by the parts of the implementation. */
struct cfs_call {
    uint64_t id;       /* the shell's; 0: nobody waits for the answer */
    uint64_t sequence; /* of a change, 0: not sent yet; of a read its id */
    struct cfs_channel *channel;
    struct cfs_moving *moving; /* of which this call is a step; NULL: none */
    cfs_ino orphan;            /* whose collection it is a step of; 0: none */
    bool read;
    bool is_queued;
    bool waits;      /* was queued, be it in an earlier session: loss of contact ends it */
    bool cancelling; /* a CANCEL is on its way; the answer may still be a grant */
    bool late;       /* given up: its open file asks for nothing new until it is settled */
    bool leftover;   /* LEASED, sent in a session that is lost too: may hold since then */
    bool abandoned;  /* not to be sent (again): waits for its CANCEL, or for a session to end it */
    enum cfs_command_kind kind;
    struct cfs_request request;
    void *data, *numbers;     /* owned: what the request's data, and lengths or ids, point to */
    uint64_t target;          /* CANCEL */
    bool undo;                /* CANCEL */
    struct cfs_writer bytes;  /* encoded at the first sending */
    struct cfs_share_ask ask; /* of the cache */
    bool changes;             /* the cache: what it touches is not shared */
    cfs_time deadline;        /* answered TIMED_OUT then; CFS_NEVER: sent until answered */
    cfs_time give_up;         /* answered INTERRUPTED then, if the cancel is not settled before */
    cfs_time resend;
    struct cfs_call **list;
    struct cfs_call *prev, *next;
    UT_hash_handle hh_id, hh_sequence;
};

/* CFS_OK, or why it cannot be asked. */
enum cfs_error cfs_client_check(const struct cfs_client *client, const struct cfs_request *request);
/* The call has the request, and copies of what it points to. */
void cfs_client_own(struct cfs_client *client, struct cfs_call *call,
                    const struct cfs_request *request);
/* The files ask for it: if it is a change, what it touches is not shared until it is over. */
void cfs_client_change_asked(struct cfs_client *client, struct cfs_call *call);
/* Of the share that is asked for in sending it; 0: of none. */
uint64_t cfs_client_epoch_for(struct cfs_client *client, struct cfs_call *call);
/* What the leader says of it is about to be said: confirms its share, or strikes it out. */
void cfs_client_confirm_share(struct cfs_client *client, struct cfs_call *call,
                              struct cfs_answer *answer);
void cfs_client_change_dropped(struct cfs_client *client, struct cfs_call *call);
/* A step of a move was answered; or its call is given up. */
void cfs_client_move_answered(struct cfs_client *client, struct cfs_call *call,
                              const struct cfs_answer *answer);
void cfs_client_move_dropped(struct cfs_client *client, struct cfs_call *call);
/* The same of a collection. */
void cfs_client_orphan_answered(struct cfs_client *client, struct cfs_call *call,
                                const struct cfs_answer *answer);
void cfs_client_orphan_dropped(struct cfs_client *client, struct cfs_call *call);
void cfs_client_send(struct cfs_client *client, struct cfs_call *call);
void cfs_client_send_unsent(struct cfs_client *client, struct cfs_channel *channel);
void cfs_client_look_at(struct cfs_client *client, cfs_time due);
void cfs_client_reply(struct cfs_client *client, struct cfs_call *call, enum cfs_error error);
void cfs_client_drop(struct cfs_client *client, struct cfs_call *call);
struct cfs_call *cfs_client_find(const struct cfs_channel *channel, uint64_t sequence);
struct cfs_call *cfs_client_add(struct cfs_client *client, struct cfs_channel *channel,
                                enum cfs_command_kind kind);
void cfs_client_give_up(struct cfs_client *client, struct cfs_call *call, enum cfs_error error);
void cfs_client_calls_tick(struct cfs_client *client);
uint64_t cfs_client_oldest(const struct cfs_channel *channel);
void cfs_client_postpone_calls(struct cfs_client *client, cfs_time duration);
void cfs_client_end_calls(struct cfs_client *client);
void cfs_client_end_open_calls(struct cfs_client *client);
void cfs_client_call_answered(struct cfs_client *client, struct cfs_channel *channel,
                              struct cfs_msg_answer *message);
void cfs_client_session_closed(struct cfs_client *client);
void cfs_client_lose_session(struct cfs_client *client);
void cfs_client_contact(struct cfs_channel *channel, cfs_time at);
/* Asks who leads the channel's group, if calls wait to know. */
void cfs_client_locate(struct cfs_client *client, struct cfs_channel *channel);
/* The leader does not answer: there may be another by now. */
void cfs_client_doubt(struct cfs_client *client, struct cfs_channel *channel);

#endif
