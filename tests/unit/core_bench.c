/* The bench: builders of messages and requests, and looking through what was ordered. */
#include "core_bench.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

void bench_open(struct bench *bench, uint32_t members)
{
    *bench = (struct bench){.config = {.node = BENCH_SELF,
                                       .member_count = members,
                                       .heartbeat = CFS_MS(60),
                                       .lease = CFS_MS(200),
                                       .election = CFS_MS(250),
                                       .session = CFS_SECONDS(5),
                                       .timeout = CFS_SECONDS(5),
                                       .cache_lease = CFS_SECONDS(1)},
                            .env = {.self = BENCH_SELF, .now = CFS_SECONDS(1000), .random = 7}};
    for (uint32_t i = 0; i < members; i++)
        bench->config.members[i] = i + 1;
    bench->env.effects = &bench->effects;
}

struct cfs_membership bench_members(const struct bench *bench)
{
    struct cfs_membership members = {0};

    for (uint32_t i = 0; i < bench->config.member_count; i++)
        members.voters |= CFS_NODE_BIT(bench->config.members[i]);
    return members;
}

void bench_raft_init(struct bench *bench, struct cfs_raft *raft)
{
    struct cfs_membership first = bench_members(bench);

    cfs_raft_init(raft, &bench->env, 0, &bench->config, &first);
}

void bench_close(struct bench *bench)
{
    cfs_env_close(&bench->env);
    cfs_effects_close(&bench->effects);
}

void bench_clear(struct bench *bench)
{
    cfs_effects_clear(&bench->effects);
}

void bench_pass(struct bench *bench, cfs_time duration)
{
    bench->env.now += duration;
    bench->env.wall = bench->env.now;
}

uint32_t bench_effect_count(const struct bench *bench, enum cfs_effect_type type)
{
    uint32_t count = 0;

    for (size_t i = 0; i < bench->effects.count; i++)
        count += bench->effects.items[i].type == type;
    return count;
}

const struct cfs_effect *bench_effect(const struct bench *bench, enum cfs_effect_type type)
{
    for (size_t i = bench->effects.count; i > 0; i--)
        if (bench->effects.items[i - 1].type == type)
            return &bench->effects.items[i - 1];
    return NULL;
}

static bool is_sent(const struct cfs_effect *effect, enum cfs_message_type type, cfs_node_id to)
{
    return effect->type == CFS_FX_SEND && effect->message.type == type &&
           (!to || effect->message.to == to);
}

uint32_t bench_sent_count(const struct bench *bench, enum cfs_message_type type, cfs_node_id to)
{
    uint32_t count = 0;

    for (size_t i = 0; i < bench->effects.count; i++)
        count += is_sent(&bench->effects.items[i], type, to);
    return count;
}

const struct cfs_message *bench_sent(const struct bench *bench, enum cfs_message_type type,
                                     cfs_node_id to)
{
    for (size_t i = bench->effects.count; i > 0; i--)
        if (is_sent(&bench->effects.items[i - 1], type, to))
            return &bench->effects.items[i - 1].message;
    return NULL;
}

struct cfs_command bench_command(const struct cfs_message *message)
{
    struct cfs_command command;

    assert_non_null(message);
    assert_int_equal(message->type, CFS_MSG_FORWARD);
    assert_int_equal(cfs_command_decode(&command, message->forward.command, message->forward.len),
                     0);
    return command;
}

static struct cfs_request named(enum cfs_op op, const char *name)
{
    struct cfs_request request = {.op = op};

    assert_true(strlen(name) < sizeof request.name);
    strcpy(request.name, name);
    return request;
}

struct cfs_request bench_flock(const char *name, uint64_t handle, enum cfs_lock_mode mode,
                               bool wait)
{
    struct cfs_request request = named(CFS_OP_ACQUIRE, name);

    request.acquire = (struct cfs_acquire){
        .mode = mode, .kind = CFS_FLOCK, .form = CFS_FORM_FILE, .wait = wait, .handle = handle};
    return request;
}

struct cfs_request bench_lockfile(const char *name)
{
    struct cfs_request request = named(CFS_OP_ACQUIRE, name);

    request.acquire = (struct cfs_acquire){
        .mode = CFS_EXCLUSIVE, .kind = CFS_LOCKFILE, .form = CFS_FORM_FILE, .perm = 0644};
    return request;
}

struct cfs_request bench_unflock(const char *name, uint64_t handle)
{
    struct cfs_request request = named(CFS_OP_RELEASE, name);

    request.release = (struct cfs_release){.kind = CFS_FLOCK, .handle = handle};
    return request;
}

struct cfs_request bench_get(const char *name)
{
    return named(CFS_OP_GET, name);
}

void raft_bench_open(struct raft_bench *rb, uint32_t members)
{
    *rb = (struct raft_bench){0};
    bench_open(&rb->bench, members);
    bench_raft_init(&rb->bench, &rb->raft);
    cfs_raft_start(&rb->raft);
}

void raft_bench_close(struct raft_bench *rb)
{
    cfs_raft_close(&rb->raft);
    bench_close(&rb->bench);
}

void raft_bench_durable(struct raft_bench *rb)
{
    cfs_env_persisted(&rb->bench.env, rb->bench.env.lsn);
    cfs_raft_persisted(&rb->raft);
}

void raft_bench_receive(struct raft_bench *rb, struct cfs_message message)
{
    message.to = BENCH_SELF;
    cfs_raft_receive(&rb->raft, &message);
    cfs_message_clear(&message);
}

void raft_bench_tick(struct raft_bench *rb, cfs_time duration)
{
    bench_pass(&rb->bench, duration);
    cfs_raft_tick(&rb->raft);
}

void raft_bench_heartbeat(struct raft_bench *rb, cfs_node_id leader, uint64_t term)
{
    raft_bench_receive(rb, (struct cfs_message){.type = CFS_MSG_APPEND,
                                                .from = leader,
                                                .term = term,
                                                .append = {.sent = 77, .serving = true}});
}

void raft_bench_time_out(struct raft_bench *rb)
{
    raft_bench_tick(rb, 2 * rb->bench.config.election + 1);
}

void raft_bench_lead(struct raft_bench *rb)
{
    uint64_t term = rb->raft.term + 1;

    raft_bench_time_out(rb);
    for (cfs_node_id peer = 2; peer <= rb->bench.config.member_count; peer++)
        raft_bench_receive(rb, raft_vote(peer, term, true, 0));
    for (cfs_node_id peer = 2; peer <= rb->bench.config.member_count; peer++)
        raft_bench_receive(rb, raft_vote(peer, term, false, 0));
    raft_bench_durable(rb);
    assert_int_equal(rb->raft.role, CFS_LEADER);
    raft_bench_durable(rb); /* its first entry too */
}

void raft_bench_acknowledge(struct raft_bench *rb, cfs_node_id peer, uint64_t match, cfs_time sent)
{
    raft_bench_receive(
        rb, (struct cfs_message){
                .type = CFS_MSG_APPEND_REPLY,
                .from = peer,
                .term = rb->raft.term,
                .append_reply = {.success = true, .match = match, .sent = sent, .sound = true}});
}

void raft_bench_has_all(struct raft_bench *rb, cfs_node_id peer)
{
    raft_bench_acknowledge(rb, peer, cfs_log_last_index(&rb->raft.log), rb->bench.env.now);
}

struct cfs_message raft_vote_request(cfs_node_id from, uint64_t term, bool pre, uint64_t last_index,
                                     uint64_t last_term)
{
    return (struct cfs_message){
        .type = CFS_MSG_VOTE,
        .from = from,
        .term = term,
        .vote = {.pre = pre, .last_index = last_index, .last_term = last_term}};
}

struct cfs_message raft_vote(cfs_node_id from, uint64_t term, bool pre, cfs_time promise)
{
    return (struct cfs_message){.type = CFS_MSG_VOTE_REPLY,
                                .from = from,
                                .term = term,
                                .vote_reply = {.pre = pre, .granted = true, .promise = promise}};
}

struct cfs_message raft_entries(cfs_node_id from, uint64_t term, uint64_t prev_index,
                                uint64_t prev_term, uint32_t count, uint64_t entry_term)
{
    struct cfs_message message = {.type = CFS_MSG_APPEND,
                                  .from = from,
                                  .term = term,
                                  .append = {.prev_index = prev_index,
                                             .prev_term = prev_term,
                                             .sent = 77,
                                             .serving = true,
                                             .entry_count = count}};

    message.append.entries = cfs_alloc(count * sizeof *message.append.entries);
    for (uint32_t i = 0; i < count; i++)
        message.append.entries[i] =
            cfs_entry_new(CFS_ENTRY_NOOP, prev_index + 1 + i, entry_term, NULL, 0);
    return message;
}

void client_bench_open(struct client_bench *cb)
{
    client_bench_open_groups(cb, 0);
}

void client_bench_open_groups(struct client_bench *cb, uint32_t groups)
{
    *cb = (struct client_bench){0};
    bench_open(&cb->bench, 3);
    bench_pass(&cb->bench, 0);
    cb->bench.config.groups = groups;
    cfs_placement_found(&cb->bench.placement, groups, cb->bench.config.members, 3);
    cfs_client_init(&cb->client, &cb->bench.env, &cb->bench.config, &cb->bench.placement);
    cfs_client_start(&cb->client);
}

void client_bench_open_session(struct client_bench *cb)
{
    client_bench_open(cb);
    client_bench_leader(cb);
    client_bench_opened(cb, client_bench_sent(cb).nonce, BENCH_SESSION);
    assert_int_equal(cb->client.state, CFS_SESSION_OPEN);
    bench_clear(&cb->bench);
}

void client_bench_close(struct client_bench *cb)
{
    cfs_client_close(&cb->client);
    bench_close(&cb->bench);
}

void client_bench_leader(struct client_bench *cb)
{
    cfs_client_leader(&cb->client, 0, BENCH_LEADER, BENCH_TERM);
}

void client_bench_no_leader(struct client_bench *cb)
{
    cfs_client_leader(&cb->client, 0, 0, BENCH_TERM);
}

void client_bench_tick(struct client_bench *cb, cfs_time duration)
{
    bench_pass(&cb->bench, duration);
    cfs_client_check_session(&cb->client);
    cfs_client_tick(&cb->client);
}

void client_bench_run(struct client_bench *cb, cfs_time duration)
{
    cfs_time until = cb->bench.env.now + duration, due;

    while ((due = cfs_client_deadline(&cb->client)) <= until)
        client_bench_tick(cb, due > cb->bench.env.now ? due - cb->bench.env.now : 0);
    bench_pass(&cb->bench, until - cb->bench.env.now);
}

uint64_t client_bench_request(struct client_bench *cb, struct cfs_request request)
{
    cfs_client_request(&cb->client, ++cb->last_id, &request);
    return cb->last_id;
}

static void receive_answer(struct client_bench *cb, struct cfs_msg_answer answer,
                           const struct cfs_answer *content)
{
    struct cfs_message message = {
        .type = CFS_MSG_ANSWER, .from = BENCH_LEADER, .term = BENCH_TERM, .answer = answer};
    struct cfs_writer writer = {0};

    if (content) {
        cfs_answer_encode(&writer, content);
        message.answer.answer = writer.data;
        message.answer.len = (uint32_t)writer.len;
    }
    cfs_client_answer(&cb->client, &message);
    cfs_message_clear(&message);
}

void client_bench_answer(struct client_bench *cb, uint64_t sequence, struct cfs_answer answer)
{
    receive_answer(
        cb, (struct cfs_msg_answer){.to = CFS_TO_COMMAND, .session = BENCH_SESSION, .id = sequence},
        &answer);
}

void client_bench_opened(struct client_bench *cb, uint64_t nonce, cfs_session_id session)
{
    receive_answer(cb, (struct cfs_msg_answer){.to = CFS_TO_COMMAND, .id = nonce},
                   &(struct cfs_answer){.token = session});
}

void client_bench_open_refused(struct client_bench *cb, uint64_t nonce, cfs_session_id present)
{
    receive_answer(cb, (struct cfs_msg_answer){.to = CFS_TO_COMMAND, .id = nonce},
                   &(struct cfs_answer){.error = CFS_ERR_BUSY, .token = present});
}

void client_bench_queued(struct client_bench *cb, uint64_t sequence)
{
    receive_answer(
        cb,
        (struct cfs_msg_answer){
            .to = CFS_TO_COMMAND, .session = BENCH_SESSION, .id = sequence, .queued = true},
        NULL);
}

void client_bench_read_answer(struct client_bench *cb, uint64_t id, struct cfs_answer answer)
{
    receive_answer(cb, (struct cfs_msg_answer){.to = CFS_TO_READ, .id = id}, &answer);
}

void client_bench_read_queued(struct client_bench *cb, uint64_t id)
{
    receive_answer(cb, (struct cfs_msg_answer){.to = CFS_TO_READ, .id = id, .queued = true}, NULL);
}

void client_bench_kept_alive(struct client_bench *cb, cfs_time sent, bool known)
{
    cfs_client_kept_alive(
        &cb->client,
        &(struct cfs_message){
            .type = CFS_MSG_KEEPALIVE_REPLY,
            .from = BENCH_LEADER,
            .term = BENCH_TERM,
            .keepalive_reply = {.session = BENCH_SESSION, .known = known, .sent = sent}});
}

const struct cfs_answer *client_bench_said(const struct client_bench *cb, uint64_t id)
{
    for (size_t i = 0; i < cb->bench.effects.count; i++)
        if (cb->bench.effects.items[i].type == CFS_FX_ANSWER && cb->bench.effects.items[i].id == id)
            return &cb->bench.effects.items[i].answer;
    return NULL;
}

struct cfs_command client_bench_sent(const struct client_bench *cb)
{
    return bench_command(bench_sent(&cb->bench, CFS_MSG_FORWARD, BENCH_LEADER));
}
