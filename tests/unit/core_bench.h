/* A bench for parts of the core: their surroundings without a node, and all that they ordered. The
 * part under test is node 1. */
#ifndef TEST_CORE_BENCH_H
#define TEST_CORE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/client.h"
#include "core/command.h"
#include "core/env.h"
#include "core/raft.h"

#define BENCH_SELF 1u

struct bench {
    struct cfs_core_config config;
    struct cfs_env env;
    struct cfs_effects effects;     /* since bench_clear */
    struct cfs_placement placement; /* empty: there is group 0 alone */
};

/* Heartbeat 60 ms, lease 200 ms, election 250 ms, session and timeout 5 s; it is second 1000. */
void bench_open(struct bench *bench, uint32_t members);
void bench_close(struct bench *bench);
/* The first members of group 0, as the settings have them. */
struct cfs_membership bench_members(const struct bench *bench);
void bench_clear(struct bench *bench);
void bench_pass(struct bench *bench, cfs_time duration);

uint32_t bench_effect_count(const struct bench *bench, enum cfs_effect_type type);
/* The newest; NULL if there is none. */
const struct cfs_effect *bench_effect(const struct bench *bench, enum cfs_effect_type type);

/* Messages that were sent to others; `to` 0: to anyone. */
uint32_t bench_sent_count(const struct bench *bench, enum cfs_message_type type, cfs_node_id to);
const struct cfs_message *bench_sent(const struct bench *bench, enum cfs_message_type type,
                                     cfs_node_id to);

/* The command that a FORWARD carries; borrows from it. */
struct cfs_command bench_command(const struct cfs_message *message);

/* Requests. */
struct cfs_request bench_flock(const char *name, uint64_t handle, enum cfs_lock_mode mode,
                               bool wait);
struct cfs_request bench_lockfile(const char *name);
struct cfs_request bench_unflock(const char *name, uint64_t handle);
struct cfs_request bench_get(const char *name);

/* Group 0 with its first members, as yet not started. */
void bench_raft_init(struct bench *bench, struct cfs_raft *raft);

/* A raft group on the bench. */
struct raft_bench {
    struct bench bench;
    struct cfs_raft raft;
};

void raft_bench_open(struct raft_bench *rb, uint32_t members);
void raft_bench_close(struct raft_bench *rb);

/* Everything ordered so far is on the disk. */
void raft_bench_durable(struct raft_bench *rb);

/* The message comes in; what it owns is freed. */
void raft_bench_receive(struct raft_bench *rb, struct cfs_message message);

/* Time passes; then a tick. */
void raft_bench_tick(struct raft_bench *rb, cfs_time duration);

/* A heartbeat of `leader` in `term` comes in. */
void raft_bench_heartbeat(struct raft_bench *rb, cfs_node_id leader, uint64_t term);

/* Its time to stand has come: it asks for pre-votes. */
void raft_bench_time_out(struct raft_bench *rb);

/* It times out, everyone grants, all of it is durable: the leader of the next term. */
void raft_bench_lead(struct raft_bench *rb);

/* `peer` acknowledges what was sent at `sent`, durable up to `match`. */
void raft_bench_acknowledge(struct raft_bench *rb, cfs_node_id peer, uint64_t match, cfs_time sent);

/* `peer` acknowledges all that the leader has. */
void raft_bench_has_all(struct raft_bench *rb, cfs_node_id peer);

struct cfs_message raft_vote_request(cfs_node_id from, uint64_t term, bool pre, uint64_t last_index,
                                     uint64_t last_term);
struct cfs_message raft_vote(cfs_node_id from, uint64_t term, bool pre, cfs_time promise);

/* `count` entries of `entry_term` behind (prev_index, prev_term). */
struct cfs_message raft_entries(cfs_node_id from, uint64_t term, uint64_t prev_index,
                                uint64_t prev_term, uint32_t count, uint64_t entry_term);

/* The asking side of a node on the bench. The leader is node 2, in term 5. */
#define BENCH_LEADER 2u
#define BENCH_TERM 5u
#define BENCH_SESSION 40u

struct client_bench {
    struct bench bench;
    struct cfs_client client;
    uint64_t last_id;
};

/* Knows no leader yet. */
void client_bench_open(struct client_bench *cb);
/* The same with so many groups, all on nodes 1 to 3. */
void client_bench_open_groups(struct client_bench *cb, uint32_t groups);
/* The leader serves, and the session BENCH_SESSION is open; effects are cleared. */
void client_bench_open_session(struct client_bench *cb);
void client_bench_close(struct client_bench *cb);

/* The leader comes to serve, as the node's core would tell; it goes. */
void client_bench_leader(struct client_bench *cb);
void client_bench_no_leader(struct client_bench *cb);

/* Time passes; then what a step does with a tick. */
void client_bench_tick(struct client_bench *cb, cfs_time duration);

/* Time passes with a tick whenever one is due, as in the daemon. */
void client_bench_run(struct client_bench *cb, cfs_time duration);

uint64_t client_bench_request(struct client_bench *cb, struct cfs_request request);

/* The leader's answers: to a command, to the opening of the session, "you wait in the queue". */
void client_bench_answer(struct client_bench *cb, uint64_t sequence, struct cfs_answer answer);
void client_bench_opened(struct client_bench *cb, uint64_t nonce, cfs_session_id session);
void client_bench_open_refused(struct client_bench *cb, uint64_t nonce, cfs_session_id present);
void client_bench_queued(struct client_bench *cb, uint64_t sequence);
void client_bench_read_queued(struct client_bench *cb, uint64_t id);
void client_bench_read_answer(struct client_bench *cb, uint64_t id, struct cfs_answer answer);
void client_bench_kept_alive(struct client_bench *cb, cfs_time sent, bool known);

/* What was said to request `id`; NULL: nothing yet. */
const struct cfs_answer *client_bench_said(const struct client_bench *cb, uint64_t id);

/* The newest command that was sent. */
struct cfs_command client_bench_sent(const struct client_bench *cb);

#endif
