/* The leader's bench: what node_core does around home.c, in the test's own steps. */
#include "core_home_bench.h"

#include <stdlib.h>
#include <string.h>

static void answered(void *arg, struct cfs_asker asker, bool queued,
                     const struct cfs_answer *answer)
{
    struct home_bench *hb = arg;

    cfs_home_answer(&hb->home, asker, queued, answer);
}

/* Messages to the leader itself; its own files are no part of the bench. */
static void drop_inbox(struct home_bench *hb)
{
    struct cfs_message message;

    while (cfs_env_take_inbox(&hb->rb.bench.env, &message))
        cfs_message_clear(&message);
}

void home_bench_settle(struct home_bench *hb)
{
    struct cfs_raft *raft = &hb->rb.raft;

    while (raft->applied < raft->commit) {
        uint32_t waiting = cfs_lock_table_waiter_count(hb->machine.locks);
        cfs_machine_apply(&hb->machine, cfs_log_get(&raft->log, ++raft->applied));
        if (hb->home.serving && cfs_lock_table_waiter_count(hb->machine.locks) > waiting)
            cfs_home_waiter_queued(&hb->home);
    }
    if (cfs_raft_serving(raft) && !hb->home.serving)
        cfs_home_start(&hb->home);
    else if (!cfs_raft_serving(raft) && hb->home.serving)
        cfs_home_stop(&hb->home);
    if (hb->home.serving)
        cfs_home_progress(&hb->home);
    drop_inbox(hb);
}

void home_bench_contact(struct home_bench *hb)
{
    for (cfs_node_id peer = 2; peer <= 3; peer++)
        raft_bench_acknowledge(&hb->rb, peer, hb->rb.raft.progress[peer].match,
                               hb->rb.bench.env.now);
    home_bench_settle(hb);
}

void home_bench_commit(struct home_bench *hb)
{
    raft_bench_durable(&hb->rb);
    for (cfs_node_id peer = 2; peer <= 3; peer++)
        raft_bench_acknowledge(&hb->rb, peer, home_bench_log_end(hb), hb->rb.bench.env.now);
    home_bench_settle(hb);
}

void home_bench_open_session(struct home_bench *hb, cfs_node_id node, cfs_time term)
{
    home_bench_forward(hb, &(struct cfs_command){.kind = CFS_CMD_OPEN_SESSION,
                                                 .node = node,
                                                 .sequence = 500 + term,
                                                 .nonce = 500 + term,
                                                 .target = hb->sessions[node],
                                                 .session_term = term});
    home_bench_commit(hb);
    hb->sessions[node] = home_bench_log_end(hb);
    assert_non_null(cfs_sessions_find(&hb->machine.sessions, hb->sessions[node]));
}

void home_bench_init(struct home_bench *hb)
{
    *hb = (struct home_bench){0};
    raft_bench_open(&hb->rb, 3);
    cfs_machine_init(&hb->machine, answered, hb);
    cfs_home_init(&hb->home, &hb->rb.bench.env, &hb->rb.raft, &hb->machine, &hb->rb.bench.config);
}

void home_bench_serve(struct home_bench *hb)
{
    raft_bench_lead(&hb->rb);
    bench_pass(&hb->rb.bench, CFS_MS(210));
    home_bench_commit(hb);
    assert_true(hb->home.serving);
}

void home_bench_open(struct home_bench *hb)
{
    home_bench_init(hb);
    home_bench_serve(hb);
    home_bench_open_session(hb, 2, hb->rb.bench.config.session);
    home_bench_open_session(hb, 3, hb->rb.bench.config.session);
    cfs_home_tick(&hb->home);
    bench_clear(&hb->rb.bench);
}

void home_bench_close(struct home_bench *hb)
{
    cfs_home_close(&hb->home);
    cfs_machine_close(&hb->machine);
    raft_bench_close(&hb->rb);
}

void home_bench_tick(struct home_bench *hb, cfs_time duration)
{
    bench_pass(&hb->rb.bench, duration);
    cfs_home_tick(&hb->home);
    home_bench_settle(hb);
}

void home_bench_tick_in_contact(struct home_bench *hb, cfs_time duration)
{
    bench_pass(&hb->rb.bench, duration);
    home_bench_contact(hb);
    cfs_home_tick(&hb->home);
    home_bench_settle(hb);
}

void home_bench_receive(struct home_bench *hb, struct cfs_message message)
{
    message.to = BENCH_SELF;
    cfs_home_receive(&hb->home, &message);
    cfs_message_clear(&message);
    home_bench_settle(hb);
}

struct cfs_command home_bench_command(struct home_bench *hb, cfs_node_id node,
                                      struct cfs_request request)
{
    return (struct cfs_command){.kind = CFS_CMD_REQUEST,
                                .node = node,
                                .session = hb->sessions[node],
                                .sequence = ++hb->sequences[node],
                                .oldest = 1,
                                .request = request};
}

void home_bench_forward(struct home_bench *hb, const struct cfs_command *command)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    home_bench_receive(
        hb, (struct cfs_message){.type = CFS_MSG_FORWARD,
                                 .from = command->node,
                                 .term = hb->rb.raft.term,
                                 .forward = {.command = writer.data, .len = (uint32_t)writer.len}});
}

uint64_t home_bench_ask(struct home_bench *hb, cfs_node_id node, struct cfs_request request)
{
    struct cfs_command command = home_bench_command(hb, node, request);

    home_bench_forward(hb, &command);
    return command.sequence;
}

uint64_t home_bench_do(struct home_bench *hb, cfs_node_id node, struct cfs_request request)
{
    uint64_t sequence = home_bench_ask(hb, node, request);

    home_bench_commit(hb);
    return sequence;
}

void home_bench_read(struct home_bench *hb, cfs_node_id node, uint64_t id, enum cfs_op op,
                     const char *name)
{
    struct cfs_message message = {
        .type = CFS_MSG_READ, .from = node, .term = hb->rb.raft.term, .read = {.id = id, .op = op}};

    strcpy(message.read.name, name);
    home_bench_receive(hb, message);
}

void home_bench_keepalive(struct home_bench *hb, cfs_node_id node, cfs_session_id session,
                          uint64_t oldest)
{
    home_bench_receive(hb, (struct cfs_message){
                               .type = CFS_MSG_KEEPALIVE,
                               .from = node,
                               .term = hb->rb.raft.term,
                               .keepalive = {.session = session, .oldest = oldest, .sent = 4711}});
}

void home_bench_drained(struct home_bench *hb, cfs_node_id node, uint64_t id)
{
    home_bench_receive(hb, (struct cfs_message){.type = CFS_MSG_DRAIN_REPLY,
                                                .from = node,
                                                .term = hb->rb.raft.term,
                                                .drain_reply = {.id = id}});
}

const struct cfs_msg_answer *home_bench_said(const struct home_bench *hb, enum cfs_answer_to to,
                                             cfs_node_id node, uint64_t id,
                                             struct cfs_answer *answer)
{
    const struct cfs_effects *effects = &hb->rb.bench.effects;
    void *owned = NULL;

    for (size_t i = effects->count; i > 0; i--) {
        const struct cfs_message *message = &effects->items[i - 1].message;
        if (effects->items[i - 1].type != CFS_FX_SEND || message->type != CFS_MSG_ANSWER ||
            message->to != node || message->answer.to != to || message->answer.id != id)
            continue;
        if (answer && !message->answer.queued) {
            assert_int_equal(
                cfs_answer_decode(answer, &owned, message->answer.answer, message->answer.len),
                0);
            free(owned);
            answer->lock.holders = NULL;
            answer->messages = NULL;
            answer->ids = NULL;
        }
        return &message->answer;
    }
    return NULL;
}

enum cfs_error home_bench_error(const struct home_bench *hb, enum cfs_answer_to to,
                                cfs_node_id node, uint64_t id)
{
    struct cfs_answer answer = {0};
    const struct cfs_msg_answer *said = home_bench_said(hb, to, node, id, &answer);

    assert_non_null(said);
    assert_false(said->queued);
    return answer.error;
}

uint64_t home_bench_log_end(const struct home_bench *hb)
{
    return cfs_log_last_index(&hb->rb.raft.log);
}
