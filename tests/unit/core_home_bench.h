/* The leader's side on the bench: node 1 leads, nodes 2 and 3 ask. Their sessions are real ones of
 * a real machine; what the log orders is committed when the test says so. */
#ifndef TEST_CORE_HOME_BENCH_H
#define TEST_CORE_HOME_BENCH_H

#include "core_bench.h"

#include "core/home.h"

struct home_bench {
    struct raft_bench rb;
    struct cfs_machine machine;
    struct cfs_home home;
    uint64_t sequences[CFS_MEMBERS_MAX + 1]; /* of the newest command, by node */
    cfs_session_id sessions[CFS_MEMBERS_MAX + 1];
};

/* Serves, with a fresh lease and a session of nodes 2 and 3 each; effects are cleared. */
void home_bench_open(struct home_bench *hb);
/* The same before it begins to serve, and how it does. */
void home_bench_init(struct home_bench *hb);
void home_bench_serve(struct home_bench *hb);
void home_bench_close(struct home_bench *hb);

/* `node` opens a session in place of the one it has. */
void home_bench_open_session(struct home_bench *hb, cfs_node_id node, cfs_time term);

/* What a step does after its event. */
void home_bench_settle(struct home_bench *hb);

/* The followers acknowledge a heartbeat that is sent now: the lease is fresh. */
void home_bench_contact(struct home_bench *hb);
/* They have everything on their disks too, and the leader on its own. */
void home_bench_commit(struct home_bench *hb);

/* Time passes: without contact, or with a heartbeat acknowledged at its end. Then a tick. */
void home_bench_tick(struct home_bench *hb, cfs_time duration);
void home_bench_tick_in_contact(struct home_bench *hb, cfs_time duration);

void home_bench_receive(struct home_bench *hb, struct cfs_message message);

/* A command of `node`'s session arrives (again); commands come with the next sequence. */
struct cfs_command home_bench_command(struct home_bench *hb, cfs_node_id node,
                                      struct cfs_request request);
void home_bench_forward(struct home_bench *hb, const struct cfs_command *command);
/* The two together. Returns the sequence. */
uint64_t home_bench_ask(struct home_bench *hb, cfs_node_id node, struct cfs_request request);
/* And commits it. */
uint64_t home_bench_do(struct home_bench *hb, cfs_node_id node, struct cfs_request request);

void home_bench_read(struct home_bench *hb, cfs_node_id node, uint64_t id, enum cfs_op op,
                     const char *name);
void home_bench_keepalive(struct home_bench *hb, cfs_node_id node, cfs_session_id session,
                          uint64_t oldest);
void home_bench_drained(struct home_bench *hb, cfs_node_id node, uint64_t id);

/* The newest answer to a command (by sequence) or read (by id) of `node`; NULL: none. `*answer` is
 * filled in, without pointers, unless it says that the acquire is queued. */
const struct cfs_msg_answer *home_bench_said(const struct home_bench *hb, enum cfs_answer_to to,
                                             cfs_node_id node, uint64_t id,
                                             struct cfs_answer *answer);
/* Its error; fails if there is none. */
enum cfs_error home_bench_error(const struct home_bench *hb, enum cfs_answer_to to,
                                cfs_node_id node, uint64_t id);

uint64_t home_bench_log_end(const struct home_bench *hb);

#endif
