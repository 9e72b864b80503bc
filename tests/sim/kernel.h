/* What stands between a node's processes and its daemon: requests are queued, as in /dev/fuse, and
 * read in order a little later. A close(2) returns at once and leaves its release in that queue. */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include "coordfs/request.h"

struct sim;
struct sim_node;
struct sim_process;

#define SIM_HANDLES_MAX 24u
#define SIM_NAMES_MAX 8u

/* An open file. */
struct sim_handle {
    uint64_t id; /* 0: free; never reused */
    uint32_t name;
    uint32_t owners; /* processes of the node that have it open: a bit set by their numbers */
    bool held, lost; /* lost: with the session; only close is left */
    bool asked;      /* a lock was asked for through it: close sends a release */
    enum cfs_lock_mode mode;
    cfs_token token;
    uint64_t ticket; /* of an interrupted wait */
};

/* A request on its way. */
struct sim_op {
    uint64_t id;
    struct sim_node *node;
    struct sim_process *process; /* NULL: a close's release, for which nobody waits */
    struct cfs_request request;
    uint32_t name;
    uint8_t content[16];
    cfs_time submitted;
    bool handed; /* read by the daemon */
    bool cancelled;
    cfs_time cancelled_at;
    struct sim_op *prev, *next;

    /* For the checkers, as of the submission. */
    cfs_token floor;                      /* a new acquisition's token is larger */
    cfs_token dead;                       /* a token at or below it is no longer held */
    cfs_token exclusive;                  /* whatever is held has at least this token */
    uint64_t arrivals;                    /* acquires of the name so far */
    uint64_t arrivals_all[SIM_NAMES_MAX]; /* LIST: of every name */
    bool others_busy;                     /* somebody else held the name, or might have */
    uint32_t busy_names;                  /* LIST: the same as a bit set */
    uint64_t content_number;              /* WRITE: which content it is */
    uint64_t holds_made;                  /* how many holds there had been */
    bool retried;                         /* LEASED: the same key was asked for before */
    cfs_token known;                      /* largest token of the name anyone had seen */
};

struct sim_queued {
    uint64_t op;
    bool cancel;
};

struct sim_drain {
    uint64_t id;
    uint64_t mark; /* waits for every release with an op id up to it; 0: not begun */
    struct sim_drain *prev, *next;
};

struct sim_kernel {
    struct sim *sim;
    struct sim_node *node;
    uint64_t last_op, last_handle; /* ids; they go on from life to life */
    struct sim_op *ops;            /* unanswered, oldest first */
    struct sim_queued *queue;
    size_t queue_count, queue_capacity;
    bool read_coming;
    struct sim_drain *drains;
    uint64_t collect_id; /* of the newest collection asked for */
    struct sim_handle handles[SIM_HANDLES_MAX];
};

void sim_kernel_init(struct sim_kernel *kernel, struct sim *sim, struct sim_node *node);
void sim_kernel_close(struct sim_kernel *kernel);

/* A process asks; `process` is told the answer. NULL: nobody waits. */
struct sim_op *sim_kernel_submit(struct sim_kernel *kernel, struct sim_process *process,
                                 const struct cfs_request *request, uint32_t name);

/* The process gives up waiting. */
void sim_kernel_cancel(struct sim_kernel *kernel, struct sim_op *op);

/* The daemon's side. */
void sim_kernel_start(struct sim_kernel *kernel);
void sim_kernel_answered(struct sim_kernel *kernel, uint64_t id, const struct cfs_answer *answer);
void sim_kernel_drain(struct sim_kernel *kernel, uint64_t id);
void sim_kernel_collect(struct sim_kernel *kernel, uint64_t id);
void sim_kernel_session_lost(struct sim_kernel *kernel);
void sim_kernel_crash(struct sim_kernel *kernel);

/* NULL when all are in use. */
struct sim_handle *sim_kernel_open(struct sim_kernel *kernel, uint32_t name, uint32_t owner);

/* close(2) by one of its owners; the last one's ends the hold. */
void sim_kernel_close_handle(struct sim_kernel *kernel, struct sim_handle *handle, uint32_t owner);

#endif
