/* The group's bench: what node_core and a shell do around a group, in the test's own steps. */
#include "core_group_bench.h"

#include <stdio.h>
#include <stdlib.h>

static void make(struct group_bench *gb, cfs_node_id node)
{
    *gb = (struct group_bench){0};
    bench_open(&gb->bench, 3);
    gb->bench.config.node = gb->bench.env.self = node;
    gb->bench.config.snapshot_bytes = GROUP_CHUNK;
    gb->bench.env.random = gb->bench.env.last_id = 1000 * node;
    struct cfs_membership members = bench_members(&gb->bench);
    cfs_group_init(&gb->group, &gb->bench.env, 0, &gb->bench.config, &members);
}

void group_bench_open(struct group_bench *gb, cfs_node_id node)
{
    make(gb, node);
    cfs_raft_start(&gb->group.raft);
}

int group_bench_restart(struct group_bench *gb, cfs_node_id node, const struct sim_store *store)
{
    const struct sim_saved *state = &store->states[0];

    make(gb, node);
    if (cfs_group_restore_head(&gb->group, state->head, state->head_len) != 0)
        return -1;
    for (size_t i = 0; i < state->count; i++) {
        const struct sim_item *item = &state->items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        if (cfs_group_restore_piece(&gb->group, &piece) != 0)
            return -1;
    }
    cfs_raft_start(&gb->group.raft);
    return 0;
}

void group_bench_close(struct group_bench *gb)
{
    cfs_group_close(&gb->group);
    bench_close(&gb->bench);
    sim_store_close(&gb->store);
}

static void settle(struct group_bench *gb)
{
    struct cfs_message message;

    cfs_group_settle(&gb->group);
    while (cfs_env_take_inbox(&gb->bench.env, &message))
        cfs_message_clear(&message);
}

void group_bench_receive(struct group_bench *gb, struct cfs_message message)
{
    message.to = gb->bench.env.self;
    cfs_group_receive(&gb->group, &message);
    cfs_message_clear(&message);
    settle(gb);
}

void group_bench_tick(struct group_bench *gb, cfs_time duration)
{
    bench_pass(&gb->bench, duration);
    cfs_group_tick(&gb->group);
    settle(gb);
}

void group_bench_durable(struct group_bench *gb)
{
    cfs_env_persisted(&gb->bench.env, gb->bench.env.lsn);
    cfs_group_persisted(&gb->group);
    settle(gb);
}

void group_bench_acknowledge(struct group_bench *gb, cfs_node_id peer, uint64_t match)
{
    group_bench_receive(gb, (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                                 .from = peer,
                                                 .term = gb->group.raft.term,
                                                 .append_reply = {.success = true,
                                                                  .match = match,
                                                                  .sent = gb->bench.env.now,
                                                                  .sound = true}});
}

void group_bench_commit(struct group_bench *gb)
{
    group_bench_durable(gb);
    group_bench_acknowledge(gb, 3, cfs_log_last_index(&gb->group.raft.log));
    assert_int_equal(gb->group.raft.applied, cfs_log_last_index(&gb->group.raft.log));
}

void group_bench_lead(struct group_bench *gb)
{
    uint64_t term = gb->group.raft.term + 1;

    group_bench_tick(gb, 2 * gb->bench.config.election + 1);
    for (int pre = 1; pre >= 0; pre--)
        for (cfs_node_id peer = 2; peer <= 3; peer++)
            group_bench_receive(gb, raft_vote(peer, term, pre, 0));
    group_bench_commit(gb);
    assert_true(gb->group.home.serving);
}

static void propose(struct group_bench *gb, const struct cfs_command *command)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    cfs_raft_propose(&gb->group.raft, CFS_ENTRY_COMMAND, writer.data, (uint32_t)writer.len);
    free(writer.data);
}

void group_bench_open_session(struct group_bench *gb)
{
    propose(gb, &(struct cfs_command){.kind = CFS_CMD_OPEN_SESSION,
                                      .node = 3,
                                      .sequence = 500,
                                      .nonce = 500,
                                      .session_term = gb->bench.config.session});
    group_bench_commit(gb);
}

void group_bench_hold(struct group_bench *gb, const char *prefix, uint32_t count)
{
    const struct cfs_session *session = cfs_sessions_of_node(&gb->group.machine->sessions, 3);
    char name[64];

    assert_non_null(session);
    for (uint32_t i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "%s%u", prefix, i);
        propose(gb, &(struct cfs_command){.kind = CFS_CMD_REQUEST,
                                          .node = 3,
                                          .session = session->id,
                                          .sequence = ++gb->sequence,
                                          .oldest = gb->sequence,
                                          .request = bench_lockfile(name)});
    }
    group_bench_commit(gb);
}

uint64_t group_bench_checkpoint(struct group_bench *gb)
{
    struct cfs_checkpoint checkpoint = {.keep_lsn = UINT64_MAX};
    uint64_t keep;

    cfs_group_save(&gb->group, &checkpoint);
    sim_store_checkpoint(&gb->store, &checkpoint);
    cfs_group_saved(&gb->group);
    keep = checkpoint.keep_lsn;
    cfs_checkpoint_clear(&checkpoint);
    return keep;
}

void group_bench_leave_behind(struct group_bench *gb)
{
    group_bench_lead(gb);
    group_bench_open_session(gb);
    group_bench_hold(gb, "lock", 10);
    group_bench_fall_behind(gb);
}

void group_bench_fall_behind(struct group_bench *gb)
{
    group_bench_checkpoint(gb);
    cfs_group_unreachable(&gb->group, 2);
    group_bench_receive(
        gb, (struct cfs_message){.type = CFS_MSG_APPEND_REPLY,
                                 .from = 2,
                                 .term = gb->group.raft.term,
                                 .append_reply = {.sent = gb->bench.env.now, .sound = true}});
    bench_clear(&gb->bench);
    cfs_group_flush(&gb->group);
}

void group_bench_fetch(struct group_bench *gb)
{
    const struct cfs_effect *effect = bench_effect(&gb->bench, CFS_FX_FETCH);
    struct cfs_fetched fetched;

    assert_non_null(effect);
    sim_store_fetch(&gb->store, effect->id, &effect->fetch, &fetched);
    cfs_snapshot_fetched(&gb->group, &fetched);
    cfs_part_clear(&fetched.part);
}

void group_bench_stage(struct group_bench *gb)
{
    const struct cfs_effect *effect = bench_effect(&gb->bench, CFS_FX_STAGE);

    assert_non_null(effect);
    sim_store_stage(&gb->store, &effect->stage);
    cfs_snapshot_staged(&gb->group, effect->id);
    settle(gb);
}
