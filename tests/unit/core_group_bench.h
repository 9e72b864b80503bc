/* A whole raft group on the bench, as one node has it, with a checkpoint store beside it. What the
 * group orders is performed when the test says so. */
#ifndef TEST_CORE_GROUP_BENCH_H
#define TEST_CORE_GROUP_BENCH_H

#include "core_bench.h"

#include "../sim/store.h"
#include "core/group.h"

#define GROUP_CHUNK 64u /* bytes in a chunk of a snapshot: about one piece */

struct group_bench {
    struct bench bench;
    struct cfs_group group;
    struct sim_store store;
    uint64_t sequence; /* of the newest command */
};

/* A follower that has just started; node 1 of three if nothing else is said. */
void group_bench_open(struct group_bench *gb, cfs_node_id node);
/* The same with what a store holds; -1: it is refused. */
int group_bench_restart(struct group_bench *gb, cfs_node_id node, const struct sim_store *store);
void group_bench_close(struct group_bench *gb);

void group_bench_receive(struct group_bench *gb, struct cfs_message message);
void group_bench_tick(struct group_bench *gb, cfs_time duration);
void group_bench_durable(struct group_bench *gb);

/* All grant; it leads and serves, and its first entry is committed. */
void group_bench_lead(struct group_bench *gb);

/* `peer` has everything up to `match` on its disk. */
void group_bench_acknowledge(struct group_bench *gb, cfs_node_id peer, uint64_t match);

/* Leader: node 3 and itself have everything on disk. */
void group_bench_commit(struct group_bench *gb);

/* Leader: node 3 opens a session, holds `count` more lockfiles named PREFIX1, ...; committed. */
void group_bench_open_session(struct group_bench *gb);
void group_bench_hold(struct group_bench *gb, const char *prefix, uint32_t count);

/* Makes a checkpoint: saves, stores, reports. Returns what it said may go. */
uint64_t group_bench_checkpoint(struct group_bench *gb);

/* Node 2 is so far behind that it needs a snapshot: lockfiles, a checkpoint, no entries. */
void group_bench_leave_behind(struct group_bench *gb);
/* The same of a leader that has lockfiles already. */
void group_bench_fall_behind(struct group_bench *gb);

/* The newest FETCH is answered from the store. */
void group_bench_fetch(struct group_bench *gb);
/* The newest STAGE is on the disk. */
void group_bench_stage(struct group_bench *gb);

#endif
