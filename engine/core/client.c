/* The node's session: opening, renewing, losing, closing it; and who leads which group. */
#include "core/client.h"

#include <stdlib.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/planted.h"

#define RESEND_AFTER CFS_MS(250)
#define LOCATE_AFTER CFS_MS(100)
/* Whoever was removed and is still needed by some group may be added again. */
#define ASK_AGAIN_AFTER CFS_SECONDS(1)

void cfs_client_init(struct cfs_client *client, struct cfs_env *env,
                     const struct cfs_core_config *config, const struct cfs_placement *placement)
{
    *client = (struct cfs_client){.env = env,
                                  .config = config,
                                  .placement = placement,
                                  .resume = true,
                                  .session_due = CFS_NEVER,
                                  .calls_due = CFS_NEVER,
                                  /* Answers to a life before must not fit this one's reads. */
                                  .next_read = cfs_env_random(env, INT64_MAX / 2) + 1};
    client->channel_count = config->groups + 1;
    client->channels = cfs_alloc_zeroed(client->channel_count, sizeof *client->channels);
    for (uint32_t i = 0; i < client->channel_count; i++)
        client->channels[i] = (struct cfs_channel){
            .group = i, .available = true, .next_sequence = 1, .locate_due = CFS_NEVER};
    cfs_sharing_init(&client->sharing, env, config);
}

static void drop_list(struct cfs_client *client, struct cfs_call **list)
{
    while (*list)
        cfs_client_drop(client, *list);
}

void cfs_client_close(struct cfs_client *client)
{
    for (uint32_t i = 0; i < client->channel_count; i++) {
        struct cfs_channel *channel = &client->channels[i];
        drop_list(client, &channel->unsent);
        drop_list(client, &channel->active);
        drop_list(client, &channel->queued);
        drop_list(client, &channel->reads);
        free(channel->acks);
    }
    free(client->channels);
    client->channels = NULL;
    client->channel_count = 0;
    cfs_sharing_close(&client->sharing);
}

static cfs_time keepalive_period(const struct cfs_client *client)
{
    cfs_time shorter = client->config->session < client->config->timeout ? client->config->session
                                                                         : client->config->timeout;

    return shorter / 3;
}

static void begin_session(struct cfs_client *client)
{
    client->state = CFS_SESSION_OPENING;
    client->session = 0;
    client->nonce = cfs_env_random(client->env, INT64_MAX - 1) + 1;
    client->open_sent = 0;
    for (uint32_t i = 0; i < client->channel_count; i++)
        client->channels[i].next_sequence = 1;
    client->session_due = client->env->now;
}

void cfs_client_start(struct cfs_client *client)
{
    for (uint32_t i = 0; i < client->channel_count; i++)
        client->channels[i].contact = client->env->now;
    begin_session(client);
}

static void send_open(struct cfs_client *client)
{
    struct cfs_command command = {.kind = CFS_CMD_OPEN_SESSION,
                                  .node = client->env->self,
                                  .sequence = client->nonce,
                                  .nonce = client->nonce,
                                  .target = client->replaces,
                                  .session_term = client->config->session,
                                  .resume = client->resume};
    struct cfs_message message = {.type = CFS_MSG_FORWARD,
                                  .to = client->channels[0].leader,
                                  .term = client->channels[0].leader_term};
    struct cfs_writer writer = {0};

    if (!client->open_sent)
        client->open_sent = client->env->now;
    cfs_command_encode(&writer, &command);
    message.forward.command = writer.data;
    message.forward.len = (uint32_t)writer.len;
    cfs_env_send(client->env, &message);
}

static void send_keepalive(struct cfs_client *client)
{
    struct cfs_message message = {.type = CFS_MSG_KEEPALIVE,
                                  .to = client->channels[0].leader,
                                  .term = client->channels[0].leader_term,
                                  .keepalive = {.session = client->session,
                                                .oldest = cfs_client_oldest(&client->channels[0]),
                                                .sent = client->env->now}};

    cfs_env_send(client->env, &message);
}

/* Until it is answered, a lost keepalive or opening is repeated soon. */
static void send_session(struct cfs_client *client)
{
    client->session_due = CFS_NEVER;
    if (!client->channels[0].leader || (client->leaving && client->state != CFS_SESSION_OPEN))
        return;
    client->session_due = client->env->now + RESEND_AFTER;
    if (client->state == CFS_SESSION_OPENING)
        send_open(client);
    else if (client->state == CFS_SESSION_OPEN)
        send_keepalive(client);
}

static void session_effect(struct cfs_client *client, enum cfs_session_change change)
{
    cfs_effects_add(client->env->effects, CFS_FX_SESSION)->session = change;
}

void cfs_client_lose_session(struct cfs_client *client)
{
    cfs_trace(client->env, "session %lu is lost", client->session);
    client->resume = false;
    cfs_sharing_session_lost(&client->sharing);
    session_effect(client, CFS_SESSION_LOST);
    cfs_client_end_calls(client);
    if (client->leaving)
        cfs_client_session_closed(client);
    else
        begin_session(client);
}

void cfs_client_session_closed(struct cfs_client *client)
{
    cfs_trace(client->env, "session %lu is closed", client->session);
    client->state = CFS_SESSION_NONE;
    session_effect(client, CFS_SESSION_CLOSED);
}

/* Until when a session may be relied on that was renewed by what was sent at `sent`. */
static cfs_time lease_end(const struct cfs_client *client, cfs_time sent)
{
    return sent + client->config->session - CFS_CLOCK_GUARD(client->config->session);
}

static cfs_time session_end(const struct cfs_client *client)
{
    return client->state == CFS_SESSION_OPEN ? lease_end(client, client->renewed) : CFS_NEVER;
}

void cfs_client_contact(struct cfs_channel *channel, cfs_time at)
{
    channel->available = true;
    channel->silent = false;
    if (at > channel->contact)
        channel->contact = at;
}

/* The answer took longer than the session may be relied on. Nobody was told of it, so that the next
 * one can still resume what it has taken over. */
static void open_again(struct cfs_client *client)
{
    cfs_trace(client->env, "session %lu has been open for too long by now", client->replaces);
    begin_session(client);
    send_session(client);
}

void cfs_client_counted(struct cfs_client *client, cfs_time at)
{
    client->counted = at;
    if (!client->removed)
        return;
    client->removed = false;
    begin_session(client);
}

static void was_removed(struct cfs_client *client)
{
    /* Asked before, it may have been answered before too. */
    if (client->counted >= client->open_sent) {
        begin_session(client);
        client->session_due = client->env->now + RESEND_AFTER;
        return;
    }
    if (!client->removed)
        cfs_trace(client->env, "was removed from the cluster");
    client->session_due = client->env->now + ASK_AGAIN_AFTER;
    client->removed = true;
}

static void session_opened(struct cfs_client *client, struct cfs_msg_answer *message)
{
    struct cfs_answer answer;
    void *owned = NULL;

    if (client->state != CFS_SESSION_OPENING || message->id != client->nonce ||
        cfs_answer_decode(&answer, &owned, message->answer, message->len) != 0)
        return;
    free(owned);
    if (answer.error == CFS_ERR_REMOVED) {
        was_removed(client);
        return;
    }
    if (answer.error) {
        /* Again, knowing which session it replaces; soon, if that is what it knew. */
        if (client->replaces != answer.token) {
            client->replaces = answer.token;
            send_session(client);
        }
        return;
    }
    client->replaces = answer.token;
    if (client->env->now >= lease_end(client, client->open_sent) &&
        !CFS_PLANTED(BUG_LATE_OPENING)) {
        open_again(client);
        return;
    }
    client->state = CFS_SESSION_OPEN;
    client->removed = false;
    client->session = answer.token;
    client->resume = false;
    client->renewed = client->open_sent;
    client->session_due = client->renewed + keepalive_period(client);
    cfs_trace(client->env, "session %lu is open", client->session);
    session_effect(client, CFS_SESSION_OPENED);
    cfs_client_end_open_calls(client);
    for (uint32_t i = 0; i < client->channel_count; i++)
        cfs_client_send_unsent(client, &client->channels[i]);
}

void cfs_client_answer(struct cfs_client *client, struct cfs_message *message)
{
    struct cfs_channel *channel = &client->channels[message->group];

    /* What was unanswered has been sent to the new leader, whose answer is the one that holds. */
    if (message->answer.to == CFS_TO_COMMAND && message->term < channel->leader_term)
        return;
    cfs_client_contact(channel, client->env->now);
    if (message->answer.to == CFS_TO_COMMAND && !message->answer.session)
        session_opened(client, &message->answer);
    else
        cfs_client_call_answered(client, channel, &message->answer);
}

void cfs_client_kept_alive(struct cfs_client *client, const struct cfs_message *message)
{
    const struct cfs_msg_keepalive_reply *reply = &message->keepalive_reply;

    if (client->state != CFS_SESSION_OPEN || reply->session != client->session)
        return;
    cfs_client_contact(&client->channels[0], reply->sent);
    if (!reply->known) {
        cfs_client_lose_session(client);
        return;
    }
    if (reply->sent > client->renewed)
        client->renewed = reply->sent;
    client->session_due = reply->sent + keepalive_period(client);
}

static void resend_list(struct cfs_client *client, struct cfs_call *list)
{
    struct cfs_call *call, *next;

    DL_FOREACH_SAFE (list, call, next)
        cfs_client_send(client, call);
}

static void resend_all(struct cfs_client *client, struct cfs_channel *channel)
{
    if (!channel->leader)
        return;
    if (channel->group == 0)
        send_session(client);
    resend_list(client, channel->active);
    resend_list(client, channel->queued);
    resend_list(client, channel->reads);
    cfs_client_send_unsent(client, channel);
}

void cfs_client_leader(struct cfs_client *client, cfs_group_id group, cfs_node_id leader,
                       uint64_t term)
{
    struct cfs_channel *channel = &client->channels[group];

    channel->leader = leader;
    channel->leader_term = term;
    channel->silent = false;
    cfs_sharing_leader(&client->sharing, group, leader, term);
    resend_all(client, channel);
    cfs_client_locate(client, channel);
}

static void lose_leader(struct cfs_client *client, struct cfs_channel *channel)
{
    struct cfs_call *call;

    /* Soon, but not at once: a peer that is gone would be asked without end. */
    DL_FOREACH (channel->queued, call)
        call->resend = client->env->now + RESEND_AFTER;
    cfs_client_look_at(client, client->env->now + RESEND_AFTER);
    cfs_client_doubt(client, channel);
}

void cfs_client_unreachable(struct cfs_client *client, cfs_node_id peer)
{
    for (uint32_t i = 0; i < client->channel_count; i++)
        if (client->channels[i].leader == peer)
            lose_leader(client, &client->channels[i]);
}

static bool has_calls(const struct cfs_channel *channel)
{
    return channel->unsent || channel->active || channel->queued || channel->reads;
}

/* Whoever has no replica of the group hears of its leader only by asking; and who has had no answer
 * for too long asks whether there is one again, or another. */
static bool wants_leader(const struct cfs_channel *channel)
{
    bool unsure = !channel->leader || channel->silent;

    return channel->group && (!channel->available || (unsure && has_calls(channel)));
}

static void ask_who_leads(struct cfs_client *client, struct cfs_channel *channel)
{
    cfs_node_set asked = cfs_placement_set(client->placement, channel->group);

    if (channel->leader)
        asked |= CFS_NODE_BIT(channel->leader);
    CFS_EACH_NODE (node, asked) {
        struct cfs_message message = {.type = CFS_MSG_LOCATE, .group = channel->group, .to = node};
        cfs_env_send(client->env, &message);
    }
}

void cfs_client_locate(struct cfs_client *client, struct cfs_channel *channel)
{
    if (!wants_leader(channel)) {
        channel->locate_due = CFS_NEVER;
        return;
    }
    if (channel->locate_due != CFS_NEVER && client->env->now < channel->locate_due)
        return;
    channel->locate_due = client->env->now + LOCATE_AFTER;
    ask_who_leads(client, channel);
}

void cfs_client_doubt(struct cfs_client *client, struct cfs_channel *channel)
{
    channel->silent = true;
    cfs_client_locate(client, channel);
}

void cfs_client_located(struct cfs_client *client, const struct cfs_message *message)
{
    struct cfs_channel *channel = &client->channels[message->group];
    cfs_node_id leader = message->located.leader;

    if (message->term < channel->leader_term)
        return;
    if (leader == message->from)
        cfs_client_contact(channel, client->env->now);
    if (leader != channel->leader || message->term != channel->leader_term)
        cfs_client_leader(client, channel->group, leader, message->term);
}

void cfs_client_leave(struct cfs_client *client)
{
    if (client->leaving)
        return;
    client->leaving = true;
    if (client->state != CFS_SESSION_OPEN) {
        session_effect(client, CFS_SESSION_CLOSED);
        return;
    }
    cfs_client_send(client, cfs_client_add(client, &client->channels[0], CFS_CMD_CLOSE_SESSION));
}

/* Every event comes a little late; that much is left of a call's timeout in any case. */
cfs_time cfs_client_halt_min(const struct cfs_client *client)
{
    return client->config->timeout / 10;
}

/* Silence counts only while somebody listens: else a node that wakes up would tell all its callers
 * "timed out", and turn away the next ones, before it could have heard from anyone. */
void cfs_client_halted(struct cfs_client *client, cfs_time duration)
{
    if (duration < cfs_client_halt_min(client) || CFS_PLANTED(BUG_COUNT_HALTS))
        return;
    if (client->call_count)
        cfs_trace(client->env, "stood still for %lu ms: its calls wait for longer",
                  duration / CFS_MS(1));
    for (uint32_t i = 0; i < client->channel_count; i++)
        client->channels[i].contact += duration;
    cfs_client_postpone_calls(client, duration);
}

void cfs_client_check_session(struct cfs_client *client)
{
    if (client->env->now >= session_end(client))
        cfs_client_lose_session(client);
}

void cfs_client_tick(struct cfs_client *client)
{
    if (client->env->now >= client->session_due)
        send_session(client);
    cfs_client_calls_tick(client);
    cfs_sharing_tick(&client->sharing);
    for (uint32_t i = 1; i < client->channel_count; i++)
        if (client->env->now >= client->channels[i].locate_due)
            cfs_client_locate(client, &client->channels[i]);
}

cfs_time cfs_client_deadline(const struct cfs_client *client)
{
    cfs_time due = cfs_earlier(client->calls_due, client->session_due);

    due = cfs_earlier(due, session_end(client));
    due = cfs_earlier(due, cfs_sharing_deadline(&client->sharing));
    for (uint32_t i = 1; i < client->channel_count; i++)
        due = cfs_earlier(due, client->channels[i].locate_due);
    return due;
}

uint64_t cfs_client_wait_sequence(const struct cfs_client *client, uint64_t id)
{
    const struct cfs_call *call;

    HASH_FIND(hh_id, client->by_id, &id, sizeof id, call);
    return call && call->is_queued && !call->cancelling && call->request.op == CFS_OP_ACQUIRE
               ? call->sequence
               : 0;
}
