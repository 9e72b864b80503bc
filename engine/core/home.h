/* The leader's side of service: commands into the log, linearizable reads, session terms, and the
 * wait-for graph. All of it is soft state that a new leader builds anew.
 *
 * close(2) returns before the kernel's RELEASE is answered, so "held through an open file" is
 * believed only after the holder's node has finished the releases it had queued (DRAIN): reads and
 * acquires that do not wait ask for that before they answer "held". */
#ifndef CFS_CORE_HOME_H
#define CFS_CORE_HOME_H

#include "core/lines.h"
#include "core/machine.h"
#include "core/raft.h"

struct cfs_group;
struct cfs_placement;
struct cfs_renewal;
struct cfs_question;
struct cfs_await;
struct cfs_held;
struct cfs_awaited;

/* Open questions. A step looks only at those for which something can have changed: there may be
 * thousands, and heartbeats wait while they are looked at. */
struct cfs_questions {
    struct cfs_question *open;     /* all of them, by who asked what */
    struct cfs_question *ready;    /* to be looked at in this step; lists, oldest first */
    struct cfs_question *waiting;  /* for the log and the lease, in the order of `after` */
    struct cfs_question *draining; /* for their drains, in the order of their deadlines */
    struct cfs_question *patient;  /* for a recall to end, in the order of their deadlines */
    struct cfs_question *by_drain; /* the same, by drain */
    uint64_t drain_id;             /* of the newest drain */
    uint64_t seen;                 /* applied index at the last look at those that drain */
    uint64_t recalled;             /* recalls that had ended at the last look at the patient */
};

/* Who waits for a message to be ready and takes none. They cost nothing while they wait but an
 * acknowledgement of each resend, which tells those that are still wanted. */
struct cfs_awaits {
    struct cfs_await *by_asker;
    struct cfs_await *oldest; /* list, by when they were heard of last */
    struct cfs_awaited *queues;
};

/* A collection of what is stuck on all nodes; two in a row must find the same cycle. */
struct cfs_collection {
    uint64_t id;
    bool active;
    cfs_time due;      /* next start; CFS_NEVER: nobody waits */
    cfs_time deadline; /* active: who has not replied by then runs */
    uint32_t repeats;  /* short-term repetitions left: processes may be on their way to wait(2) */
    cfs_node_set awaited;
    bool suspected; /* the last round found `suspect` */
    struct cfs_asker suspect;
    struct cfs_msg_collect_reply replies[CFS_NODE_MAX + 1]; /* by node id; owned */
};

struct cfs_home {
    struct cfs_env *env;
    struct cfs_raft *raft;
    struct cfs_machine *machine;
    const struct cfs_core_config *config;
    bool serving;
    struct cfs_renewal *renewals; /* by session */
    struct cfs_questions questions;
    struct cfs_awaits awaits;
    struct cfs_lines lines;               /* of the cache */
    struct cfs_held *held, *held_by_read; /* answers that wait for pieces: by asker, by read */
    cfs_time check_due;                   /* of session terms */
    cfs_time members_due;                 /* next look at who the members should be */
    uint64_t expiry_index;                /* of the newest EXPIRE_LEASED in the log */
    struct cfs_collection collection;
    bool awaits_groups; /* of group 0: not every other group has been heard of */

    /* Of a group other than 0. */
    const struct cfs_group *root; /* group 0; NULL: this is it */
    const struct cfs_placement *placement;
    cfs_session_id adopted[CFS_NODE_MAX + 1]; /* by node: the newest in the log since it serves */
    uint64_t reconciled;  /* index of what the last comparison with group 0 had to say */
    cfs_time first_ready; /* since when the node that should lead could; CFS_NEVER: it could not */
};

void cfs_home_init(struct cfs_home *home, struct cfs_env *env, struct cfs_raft *raft,
                   struct cfs_machine *machine, const struct cfs_core_config *config);
void cfs_home_close(struct cfs_home *home);

/* The raft group began or ceased to serve on this node. */
void cfs_home_start(struct cfs_home *home);
void cfs_home_stop(struct cfs_home *home);

/* FORWARD, READ, KEEPALIVE, DRAIN_REPLY, COLLECT_REPLY, RECALLED, SHARE_KEEP; ignored unless
 * serving. */
void cfs_home_receive(struct cfs_home *home, struct cfs_message *message);

/* The machine has answered a command: passes it on to the node that asked, while serving. */
void cfs_home_answer(struct cfs_home *home, struct cfs_asker asker, bool queued,
                     const struct cfs_answer *answer);

/* Answers what can be answered by now: after entries were applied or the lease was renewed. */
void cfs_home_progress(struct cfs_home *home);

void cfs_home_tick(struct cfs_home *home);
cfs_time cfs_home_deadline(const struct cfs_home *home);

/* Sends an encoded answer, whose bytes it takes; NULL: it waits. For a read: the asker's node, and
 * the read's id as the sequence. */
void cfs_home_say(struct cfs_home *home, enum cfs_answer_to to, struct cfs_asker asker,
                  const struct cfs_writer *answer);

/* Parts with files of their own. */
/* Takes what both own. */
void cfs_home_ask(struct cfs_home *home, struct cfs_message *message, struct cfs_command *try);
/* The answer to a read, `id` of node `to`; NULL: it waits. */
void cfs_home_answer_read(struct cfs_home *home, cfs_node_id to, uint64_t id,
                          const struct cfs_answer *answer);
/* Answers a read of queues from the applied state. malloc'd: what the answer's pointers need. */
void *cfs_home_look(struct cfs_home *home, const struct cfs_msg_read *read,
                    struct cfs_answer *answer);
/* Likewise reads of the cache, whose answers it sends. */
void cfs_home_answer_cache(struct cfs_home *home, const struct cfs_message *message);
/* SHARE_KEEP. */
void cfs_home_keep_share(struct cfs_home *home, const struct cfs_message *message);

/* home_change.c: changes of the cache. */
/* What such a change would be told now if it is to fail; else CFS_OK. */
enum cfs_error cfs_home_change_refusal(const struct cfs_home *home,
                                       const struct cfs_request *request);
/* Whether it is under way: a resend, `epoch` being its own, adds nothing. */
bool cfs_home_changes(struct cfs_home *home, struct cfs_asker asker, uint64_t epoch);
/* Begins it; takes the command. */
void cfs_home_change(struct cfs_home *home, struct cfs_asker asker,
                     const struct cfs_request *request, struct cfs_msg_forward *forward);
/* Logs a put that is `laundered`. */
void cfs_home_launder(struct cfs_home *home, struct cfs_asker asker,
                      const struct cfs_request *request, const struct cfs_msg_forward *forward);
/* The machine has answered a command. */
enum cfs_change_word {
    CFS_CHANGE_AS_IT_IS, /* it was no such change, or is none any more */
    CFS_CHANGE_SHARED,   /* `shared` is what to say, a copy with a share if there is one */
    CFS_CHANGE_HELD,     /* it will be said when something more has been recalled */
};
enum cfs_change_word cfs_home_changed(struct cfs_home *home, struct cfs_asker asker,
                                      const struct cfs_answer *answer, struct cfs_answer *shared);
void cfs_home_recalled(struct cfs_home *home, const struct cfs_message *message);
void cfs_home_changes_progress(struct cfs_home *home);
void cfs_home_changes_tick(struct cfs_home *home);
cfs_time cfs_home_changes_deadline(const struct cfs_home *home);

/* Whether the answer shows messages whose bodies have to be read first: then it is kept, and sent
 * when they have been. For a read: the asker's node, and the read's id as the sequence. */
bool cfs_home_hold(struct cfs_home *home, enum cfs_answer_to to, struct cfs_asker asker,
                   const struct cfs_answer *answer);
/* Answers CACHE_FETCH and CACHE_XATTRS from the applied state, likewise. `share`: what allows the
 * answer to be kept, as of now; it is left out when the file has changed before the bytes came. */
void cfs_home_fetch(struct cfs_home *home, cfs_node_id to, const struct cfs_msg_read *read,
                    struct cfs_cache_share share);
void cfs_home_pieces_read(struct cfs_home *home, const struct cfs_read_pieces *read);
void cfs_home_drop_held(struct cfs_home *home);
/* A QUEUE_AWAIT that comes again while it waits: answered or acknowledged, true. */
bool cfs_home_awaits(struct cfs_home *home, const struct cfs_message *message);
/* Answers it if it need not wait. */
void cfs_home_await(struct cfs_home *home, const struct cfs_message *message);
/* Answers those whose queue has a message by now. */
void cfs_home_wake(struct cfs_home *home);
void cfs_home_await_tick(struct cfs_home *home);
cfs_time cfs_home_await_deadline(const struct cfs_home *home);
void cfs_home_drop_awaits(struct cfs_home *home);
void cfs_home_drop_questions(struct cfs_home *home);
void cfs_home_drained(struct cfs_home *home, const struct cfs_message *message);
void cfs_home_members_tick(struct cfs_home *home);
void cfs_home_placement_tick(struct cfs_home *home);
/* The session of a command is known to the machine, or will be by the time the command is applied;
 * else it was answered, or has to be asked again: false. */
bool cfs_home_admit(struct cfs_home *home, const struct cfs_command *command);
/* Compares the machine's sessions with those of group 0. */
void cfs_home_reconcile(struct cfs_home *home);
cfs_time cfs_home_question_deadline(const struct cfs_home *home);
/* A request has newly begun to wait. */
void cfs_home_waiter_queued(struct cfs_home *home);
void cfs_home_collect_tick(struct cfs_home *home);
void cfs_home_collected(struct cfs_home *home, struct cfs_message *message);
void cfs_home_stop_collecting(struct cfs_home *home);
cfs_time cfs_home_collect_deadline(const struct cfs_home *home);
void cfs_home_propose(struct cfs_home *home, const struct cfs_command *command);
/* Proposes a forwarded command. */
void cfs_home_log(struct cfs_home *home, struct cfs_asker asker,
                  const struct cfs_msg_forward *forward);
bool cfs_home_lease_valid(const struct cfs_home *home);
bool cfs_home_node_alive(const struct cfs_home *home, cfs_node_id node);
/* Answers again what was answered before, from the machine or from the refusals: true. */
bool cfs_home_known(struct cfs_home *home, struct cfs_asker asker);
/* An acquire that does not wait is answered without the log; its resends must hear the same. */
void cfs_home_refuse(struct cfs_home *home, struct cfs_asker asker, enum cfs_error error);

#endif
