/* The locks as their users see them, judged on true time.
 *
 * A hold is relied on from the moment its acquire was ANSWERED until its release is SUBMITTED, or
 * its node says that the session is lost, or crashes; a node that stands still relies on its locks
 * until its lease ends by its own clock. No two conflicting holds are ever relied on at once. What
 * an error left unclear is kept as a residue: it may be held by the cluster, and nobody may rely on
 * it. */
#ifndef SIM_CHECK_LOCKS_H
#define SIM_CHECK_LOCKS_H

#include "core/entry.h"
#include "kernel.h"
#include "process.h"

enum sim_hold_state {
    SIM_HELD,    /* relied on */
    SIM_ENDING,  /* a release or a conversion is under way */
    SIM_RESIDUE, /* nobody knows, or nobody relies on it any more; the cluster may still hold it */
    SIM_GONE,    /* certainly given back */
};

struct sim_hold {
    uint64_t number; /* of creation */
    uint32_t name;
    enum sim_hold_state state;
    cfs_node_id node;
    uint32_t process; /* its number on the node */
    struct cfs_process identity;
    enum cfs_lock_kind kind;
    enum cfs_lock_mode mode;
    enum cfs_lock_form form;
    uint32_t uid;
    bool first; /* nobody else held the name then: it is owned by uid */
    uint64_t handle;
    cfs_session_id session; /* of the node, when it was answered */
    cfs_token token;        /* 0: unknown */
    cfs_token floor;        /* unknown: as its request had it */
    cfs_time since;         /* answered */
    cfs_time until;         /* not relied on from then on; CFS_NEVER: no bound */
    cfs_time gone;
    uint64_t op;      /* ENDING: the request that ends it */
    bool closed;      /* ENDING: by close(2), which has returned */
    bool unsettled;   /* RESIDUE: the acquire may still be applied */
    cfs_time settled; /* and could until then; 0: it was not unsettled, or is still */
    bool undone; /* RESIDUE: its caller got an error: the node gives back what it may be granted */
    uint32_t writes; /* WRITE requests under way */
    bool content_unclear;
    uint64_t content;               /* number of the newest content written; 0: empty */
    cfs_time written;               /* when that was answered */
    uint32_t owners, owners_before; /* processes that have the handle open; before the last fork */
    cfs_time shared;                /* when that was */
};

struct sim_holds {
    struct sim_hold *items;
    size_t count, capacity;
};

struct sim_lock_name {
    struct sim_holds live, past;        /* past: GONE */
    cfs_token newest, newest_exclusive; /* of answered acquires */
    cfs_token known;                    /* the largest that anyone saw */
    cfs_token dead;                     /* none up to it is held any more: somebody has seen so */
    uint64_t arrivals;                  /* acquires submitted */
    uint32_t acquires;                  /* under way */
    bool tainted;                       /* an acquire over HTTP ended without a clear answer */
    cfs_time removed;                   /* when a REMOVE last succeeded, or may have */
    uint32_t removes; /* REMOVE requests under way, or of unknown outcome: no lockfile is certain */
    uint32_t unclear_removes[CFS_MEMBERS_MAX + 1]; /* those of unknown outcome, by node */
};

/* A blocking acquire that has ended, for deadlocks found a moment later. */
struct sim_past_wait {
    cfs_node_id node;
    uint32_t process, name;
    cfs_time from, to;
};

#define SIM_PAST_WAITS 256u

struct sim_lock_check {
    struct sim_lock_name names[SIM_NAMES_MAX];
    uint64_t holds_made;
    struct sim_past_wait waits[SIM_PAST_WAITS]; /* a ring */
    size_t wait_count;
    cfs_session_id sessions[CFS_MEMBERS_MAX + 1]; /* by node: alive as far as commits were seen */
    uint64_t openings[CFS_MEMBERS_MAX + 1];       /* their nonces */
    bool paused[CFS_MEMBERS_MAX + 1];
    uint32_t deadlocks, refusals, grants; /* counts, for the curious */
};

void sim_locks_close(struct sim_lock_check *check);

/* A request sets out; its answer arrives. */
void sim_locks_submitted(struct sim *sim, struct sim_op *op);
void sim_locks_answered(struct sim *sim, const struct sim_op *op, const struct cfs_answer *answer);

/* Who has the handle open has changed. */
void sim_locks_owners(struct sim *sim, const struct sim_node *node,
                      const struct sim_handle *handle);

/* A node sends a message: perhaps an opening of its session; it says that one is open. */
void sim_locks_session_asked(struct sim *sim, struct sim_node *node,
                             const struct cfs_message *message);
void sim_locks_session_opened(struct sim *sim, const struct sim_node *node);

/* The fortunes of a node. */
void sim_locks_node_lost(struct sim *sim, struct sim_node *node);
void sim_locks_node_left(struct sim *sim, struct sim_node *node);
void sim_locks_node_crashed(struct sim *sim, struct sim_node *node);
void sim_locks_node_paused(struct sim *sim, struct sim_node *node);
void sim_locks_node_stepped(struct sim *sim, struct sim_node *node);

/* An entry was committed, for the first time as far as anyone saw. */
void sim_locks_committed(struct sim *sim, const struct sim_node *witness,
                         const struct cfs_entry *entry);

/* What it believes, to the trace. */
void sim_locks_say(struct sim *sim);

/* Shared by the parts of the checker. */
bool sim_hold_relied_on(const struct sim *sim, const struct sim_hold *hold);
void sim_hold_gone(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold);
struct sim_hold *sim_hold_add(struct sim *sim, const struct sim_op *op, enum sim_hold_state state);
void sim_locks_remember_wait(struct sim *sim, const struct sim_op *op);
void sim_locks_unclear(struct sim *sim, const struct sim_op *op, bool undone);
bool sim_name_busy(const struct sim *sim, const struct sim_lock_name *name);
void sim_locks_read_answered(struct sim *sim, const struct sim_op *op,
                             const struct cfs_answer *answer);
void sim_locks_deadlock_answered(struct sim *sim, const struct sim_op *op);

#endif
