/* What tests of replication share: one of three nodes on the bench, and what it says to whom. */
#ifndef TEST_RAFT_FIXTURE_H
#define TEST_RAFT_FIXTURE_H

#include "core_bench.h"

static struct raft_bench rb;

static inline int set_up(void **state)
{
    raft_bench_open(&rb, 3);
    *state = &rb;
    return 0;
}

static inline int tear_down(void **state)
{
    raft_bench_close(*state);
    return 0;
}

static inline const struct cfs_msg_append_reply *reply_to(cfs_node_id leader)
{
    const struct cfs_message *message = bench_sent(&rb.bench, CFS_MSG_APPEND_REPLY, leader);

    return message ? &message->append_reply : NULL;
}

static inline const struct cfs_msg_append *sent_to(cfs_node_id follower)
{
    const struct cfs_message *message = bench_sent(&rb.bench, CFS_MSG_APPEND, follower);

    return message ? &message->append : NULL;
}

static inline void propose(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        cfs_raft_propose(&rb.raft, CFS_ENTRY_COMMAND, "x", 1);
}

static inline void reject(cfs_node_id peer, uint64_t hint)
{
    raft_bench_receive(
        &rb, (struct cfs_message){
                 .type = CFS_MSG_APPEND_REPLY,
                 .from = peer,
                 .term = rb.raft.term,
                 .append_reply = {.match = hint, .sent = rb.bench.env.now, .sound = true}});
}

/* A leader whose followers have everything up to its first entry and are not probed. */
static inline void lead(void)
{
    raft_bench_lead(&rb);
    cfs_raft_flush(&rb.raft);
    raft_bench_acknowledge(&rb, 2, rb.raft.noop_index, rb.bench.env.now);
    raft_bench_acknowledge(&rb, 3, rb.raft.noop_index, rb.bench.env.now);
    bench_clear(&rb.bench);
}

#endif
