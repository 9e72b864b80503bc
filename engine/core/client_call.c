/* Requests from the asking to the answer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/client.h"

/* Loss is reported as a rule; these are for the loss nobody noticed. */
#define RESEND_AFTER CFS_MS(300)
#define RESEND_QUEUED_AFTER CFS_SECONDS(2)
/* One look at all calls serves everything that became due in between. */
#define LOOK_GAP CFS_MS(10)
/* How long an interrupted wait may take to leave its queue before the caller is let go anyway. */
#define CANCEL_GRACE CFS_MS(50)

static void move(struct cfs_call *call, struct cfs_call **list)
{
    if (call->list)
        DL_DELETE(*call->list, call);
    call->list = list;
    if (list)
        DL_APPEND(*list, call);
}

void cfs_client_look_at(struct cfs_client *client, cfs_time due)
{
    if (due < client->calls_due)
        client->calls_due = due;
}

struct cfs_call *cfs_client_add(struct cfs_client *client, struct cfs_channel *channel,
                                enum cfs_command_kind kind)
{
    struct cfs_call *call = cfs_alloc_zeroed(1, sizeof *call);

    call->channel = channel;
    call->kind = kind;
    call->deadline = call->give_up = call->resend = CFS_NEVER;
    client->call_count++;
    move(call, &channel->unsent);
    return call;
}

struct cfs_call *cfs_client_find(const struct cfs_channel *channel, uint64_t sequence)
{
    struct cfs_call *call;

    HASH_FIND(hh_sequence, channel->by_sequence, &sequence, sizeof sequence, call);
    return call;
}

static void forget_id(struct cfs_client *client, struct cfs_call *call)
{
    if (call->id)
        HASH_DELETE(hh_id, client->by_id, call);
    call->id = 0;
}

void cfs_client_drop(struct cfs_client *client, struct cfs_call *call)
{
    /* Acquires may have waited for it: the next look at the calls sends them. */
    if (call->late && --call->channel->loose_ends == 0)
        cfs_client_look_at(client, client->env->now);
    cfs_client_move_dropped(client, call);
    cfs_client_orphan_dropped(client, call);
    cfs_client_change_dropped(client, call);
    forget_id(client, call);
    if (call->sequence && call->read)
        HASH_DELETE(hh_sequence, client->by_read, call);
    else if (call->sequence)
        HASH_DELETE(hh_sequence, call->channel->by_sequence, call);
    move(call, NULL);
    client->call_count--;
    free(call->data);
    free(call->numbers);
    free(call->bytes.data);
    free(call);
}

uint64_t cfs_client_oldest(const struct cfs_channel *channel)
{
    return channel->active ? channel->active->sequence : channel->next_sequence;
}

static void take_acks(struct cfs_channel *channel, struct cfs_command *command)
{
    size_t kept = 0;

    /* What may be refused without the log carries nothing that belongs there. */
    if (cfs_command_is_try(command))
        return;
    for (size_t i = 0; i < channel->ack_count; i++) {
        uint64_t ack = channel->acks[i];
        if (command->ack_count < CFS_ACKS_MAX && ack < command->oldest)
            command->acks[command->ack_count++] = ack;
        else
            channel->acks[kept++] = ack;
    }
    channel->ack_count = kept;
}

static struct cfs_command command_of(const struct cfs_client *client, const struct cfs_call *call)
{
    return (struct cfs_command){.kind = call->kind,
                                .node = client->env->self,
                                .session = client->session,
                                .request = call->request,
                                .target = call->target,
                                .undo = call->undo};
}

/* The first sending of a change gives it its identity and its bytes. */
static void identify(struct cfs_client *client, struct cfs_call *call)
{
    struct cfs_command command = command_of(client, call);
    struct cfs_channel *channel = call->channel;

    call->sequence = command.sequence = channel->next_sequence++;
    HASH_ADD(hh_sequence, channel->by_sequence, sequence, sizeof call->sequence, call);
    move(call, &channel->active);
    command.oldest = cfs_client_oldest(channel);
    take_acks(channel, &command);
    cfs_command_encode(&call->bytes, &command);
}

static void send_change(struct cfs_client *client, struct cfs_call *call)
{
    struct cfs_message message = {.type = CFS_MSG_FORWARD,
                                  .group = call->channel->group,
                                  .to = call->channel->leader,
                                  .term = call->channel->leader_term};

    if (!call->sequence)
        identify(client, call);
    message.forward.command = cfs_alloc_copy(call->bytes.data, call->bytes.len);
    message.forward.len = (uint32_t)call->bytes.len;
    message.forward.epoch = cfs_client_epoch_for(client, call);
    message.forward.outside = call->request.outside;
    cfs_env_send_along(client->env, &message);
}

static void send_read(struct cfs_client *client, struct cfs_call *call)
{
    struct cfs_message message = {.type = CFS_MSG_READ,
                                  .group = call->channel->group,
                                  .to = call->channel->leader,
                                  .term = call->channel->leader_term,
                                  .read = {.op = call->request.op}};

    if (cfs_op_is_of_queue(call->request.op))
        message.read.queue = call->request.queue_read;
    else if (call->request.op >= CFS_OP_CACHE_LOOKUP)
        message.read.cache = call->request.cache_read;
    message.read.cache.epoch = cfs_client_epoch_for(client, call);
    if (!call->sequence) {
        call->sequence = client->next_read++;
        HASH_ADD(hh_sequence, client->by_read, sequence, sizeof call->sequence, call);
        move(call, &call->channel->reads);
    }
    message.read.id = call->sequence;
    memcpy(message.read.name, call->request.name, sizeof message.read.name);
    cfs_env_send(client->env, &message);
}

static bool is_of_handle(const struct cfs_call *call)
{
    const struct cfs_request *request = &call->request;

    if (call->kind != CFS_CMD_REQUEST)
        return false;
    return (request->op == CFS_OP_ACQUIRE && request->acquire.kind == CFS_FLOCK) ||
           (request->op == CFS_OP_RELEASE && request->release.kind == CFS_FLOCK);
}

static uint64_t handle_of(const struct cfs_call *call)
{
    return call->request.op == CFS_OP_ACQUIRE ? call->request.acquire.handle
                                              : call->request.release.handle;
}

static bool has_loose_end(const struct cfs_call *list, uint64_t handle)
{
    for (; list; list = list->next)
        if (list->late && handle_of(list) == handle)
            return true;
    return false;
}

/* What was given up through an open file, a release or an acquire with its CANCEL, may still
 * arrive, and must not touch what the same open file takes after it. */
static bool must_wait(const struct cfs_call *call)
{
    const struct cfs_channel *channel = call->channel;

    if (!channel->loose_ends || call->sequence || !is_of_handle(call) ||
        call->request.op != CFS_OP_ACQUIRE)
        return false;
    return has_loose_end(channel->active, handle_of(call)) ||
           has_loose_end(channel->queued, handle_of(call)) ||
           has_loose_end(channel->unsent, handle_of(call));
}

/* A wait is asked for again now and then: the answer shows that there is still a leader. */
static cfs_time resend_queued_after(const struct cfs_client *client)
{
    cfs_time often = client->config->timeout / 3;

    return often < RESEND_QUEUED_AFTER ? often : RESEND_QUEUED_AFTER;
}

void cfs_client_send(struct cfs_client *client, struct cfs_call *call)
{
    if (!call->channel->leader)
        cfs_client_locate(client, call->channel);
    if (!call->channel->leader || call->abandoned ||
        (!call->read && client->state != CFS_SESSION_OPEN) || must_wait(call))
        return;
    call->resend =
        client->env->now + (call->is_queued ? resend_queued_after(client) : RESEND_AFTER);
    cfs_client_look_at(client, call->resend);
    if (call->read)
        send_read(client, call);
    else
        send_change(client, call);
}

void cfs_client_send_unsent(struct cfs_client *client, struct cfs_channel *channel)
{
    struct cfs_call *call, *next;

    DL_FOREACH_SAFE (channel->unsent, call, next)
        cfs_client_send(client, call);
}

/* Says the answer to the shell, if it still waits for one. */
static void say(struct cfs_client *client, struct cfs_call *call, const struct cfs_answer *answer,
                uint8_t *buffer, void *owned)
{
    struct cfs_effect *effect = cfs_effects_add(client->env->effects, CFS_FX_ANSWER);

    effect->id = call->id;
    effect->answer = *answer;
    if (buffer) /* not when it is given up: it may still happen */
        cfs_client_confirm_share(client, call, &effect->answer);
    effect->answer.queued = call->is_queued || answer->ticket;
    effect->buffer = buffer;
    effect->owned = owned;
    forget_id(client, call);
}

void cfs_client_reply(struct cfs_client *client, struct cfs_call *call, enum cfs_error error)
{
    if (call->id)
        say(client, call, &(struct cfs_answer){.error = error}, NULL, NULL);
}

/* Whether the leader could read it: what it cannot read it cannot answer. */
static bool makes_sense(const struct cfs_client *client, const struct cfs_call *call)
{
    struct cfs_command command = command_of(client, call);
    struct cfs_writer writer = {0};
    bool valid;

    if (call->read)
        return true;
    cfs_command_encode(&writer, &command);
    valid = cfs_command_valid(writer.data, writer.len);
    free(writer.data);
    return valid;
}

/* The group that is responsible for what is asked. */
static struct cfs_channel *channel_for(const struct cfs_client *client,
                                       const struct cfs_request *request)
{
    const struct cfs_placement *placement = client->placement;
    cfs_group_id group = 0;

    if (request->op == CFS_OP_QUEUE_LIST && placement->groups)
        group = (cfs_group_id)(request->queue_read.number % cfs_placement_shards(placement)) + 1;
    else if (cfs_op_is_of_queue(request->op))
        group = cfs_placement_group_of(placement, request->name);
    else if (cfs_op_is_of_names(request->op))
        group = cfs_placement_names_group(placement);
    else if (cfs_op_is_of_contents(request->op))
        group = cfs_placement_contents_group(placement, cfs_request_contents(request));
    return &client->channels[group];
}

void cfs_client_request(struct cfs_client *client, uint64_t id, const struct cfs_request *request)
{
    enum cfs_error error = cfs_client_check(client, request);
    struct cfs_channel *channel = channel_for(client, request);
    struct cfs_call *call = cfs_client_add(client, channel, CFS_CMD_REQUEST);

    call->read = cfs_op_is_read(request->op);
    call->deadline = client->env->now + client->config->timeout;
    call->id = id;
    HASH_ADD(hh_id, client->by_id, id, sizeof call->id, call);
    if (!error)
        cfs_client_own(client, call, request);
    if (!error && !makes_sense(client, call))
        error = CFS_ERR_INVALID;
    if (error) {
        cfs_client_reply(client, call, error);
        cfs_client_drop(client, call);
        return;
    }
    cfs_client_change_asked(client, call);
    cfs_client_look_at(client, call->deadline);
    if (channel->available || request->op == CFS_OP_RELEASE)
        cfs_client_send(client, call);
    if (!channel->available)
        cfs_client_give_up(client, call, CFS_ERR_TIMED_OUT);
}

static void cancel_target(struct cfs_client *client, struct cfs_call *target, bool undo)
{
    struct cfs_call *cancel = cfs_client_add(client, target->channel, CFS_CMD_CANCEL);

    cancel->target = target->sequence;
    cancel->undo = undo;
    cfs_client_send(client, cancel);
}

/* Whatever the LEASED acquire was granted in a session that is lost. */
static void give_back(struct cfs_client *client, const struct cfs_call *call)
{
    struct cfs_call *release = cfs_client_add(client, call->channel, CFS_CMD_REQUEST);

    release->request.op = CFS_OP_RELEASE;
    memcpy(release->request.name, call->request.name, sizeof release->request.name);
    release->request.release =
        (struct cfs_release){.kind = CFS_LEASED, .handle = call->request.acquire.handle};
    cfs_client_send(client, release);
}

/* Such a release is good in any session, and done once whenever it arrives. */
static bool gives_back(const struct cfs_call *call)
{
    const struct cfs_request *request = &call->request;

    return call->kind == CFS_CMD_REQUEST && request->op == CFS_OP_RELEASE &&
           request->release.kind == CFS_LEASED && request->release.handle;
}

static void abandon(struct cfs_client *client, struct cfs_call *call)
{
    call->abandoned = true;
    cancel_target(client, call,
                  call->request.op == CFS_OP_ACQUIRE || call->request.op == CFS_OP_CONSUME);
}

/* The caller is let go; what it asked for must not happen later. A release is the exception:
 * whoever could not say "released" in time still wants it to be. */
void cfs_client_give_up(struct cfs_client *client, struct cfs_call *call, enum cfs_error error)
{
    bool release = call->request.op == CFS_OP_RELEASE && call->kind == CFS_CMD_REQUEST;

    /* A leader that still answers others makes this one's bad luck its own. */
    if (client->env->now >= call->channel->contact + client->config->timeout) {
        call->channel->available = false;
        cfs_client_locate(client, call->channel);
    }
    cfs_client_reply(client, call, error);
    call->deadline = call->give_up = CFS_NEVER;
    if (call->leftover)
        give_back(client, call);
    if (!release && (call->read || !call->sequence)) {
        cfs_client_drop(client, call);
        return;
    }
    if (is_of_handle(call)) {
        call->late = true;
        call->channel->loose_ends++;
    }
    if (release)
        return;
    abandon(client, call);
}

void cfs_client_cancel(struct cfs_client *client, uint64_t id)
{
    struct cfs_call *call;

    HASH_FIND(hh_id, client->by_id, &id, sizeof id, call);
    if (!call || call->cancelling)
        return;
    if (call->read || !call->sequence ||
        (call->request.op != CFS_OP_ACQUIRE && !cfs_request_may_wait(&call->request))) {
        cfs_client_give_up(client, call, CFS_ERR_INTERRUPTED);
        return;
    }
    call->cancelling = true;
    call->give_up = client->env->now + CANCEL_GRACE;
    cfs_client_look_at(client, call->give_up);
    cancel_target(client, call, false);
}

/* The wait's end is known here: the cluster may forget it. */
static void acknowledge(struct cfs_channel *channel, uint64_t sequence)
{
    channel->acks = cfs_array_room(channel->acks, channel->ack_count, &channel->ack_capacity,
                                   sizeof *channel->acks);
    channel->acks[channel->ack_count++] = sequence;
}

static void now_queued(struct cfs_client *client, struct cfs_call *call)
{
    if (call->is_queued)
        return;
    call->is_queued = call->waits = true;
    call->deadline = CFS_NEVER; /* from now on it depends on contact alone */
    call->resend = client->env->now + resend_queued_after(client);
    cfs_client_look_at(client, call->resend);
    cfs_client_look_at(client, call->channel->contact + client->config->timeout);
    if (!call->read)
        move(call, &call->channel->queued);
    /* A leftover that had been given up when its bytes still said "wait". */
    if (!call->id && !call->abandoned)
        abandon(client, call);
}

static bool may_have_waited(const struct cfs_call *call)
{
    return call->kind == CFS_CMD_REQUEST && cfs_request_may_wait(&call->request);
}

/* A cancel is settled, and with it the call that it was about, should that answer be lost. */
static void end_cancelled(struct cfs_client *client, const struct cfs_call *cancel)
{
    struct cfs_call *call = cfs_client_find(cancel->channel, cancel->target);

    if (!call || call->id)
        return;
    if (may_have_waited(call))
        acknowledge(call->channel, call->sequence);
    cfs_client_drop(client, call);
}

static void finish(struct cfs_client *client, struct cfs_call *call, struct cfs_msg_answer *message)
{
    struct cfs_answer answer;
    void *owned = NULL;
    bool lost = false; /* the cluster does not know the session any more */

    if (cfs_answer_decode(&answer, &owned, message->answer, message->len) != 0) {
        cfs_trace(client->env, "ignores a malformed answer");
        return;
    }
    cfs_client_move_answered(client, call, &answer);
    cfs_client_orphan_answered(client, call, &answer);
    if (call->id) {
        say(client, call, &answer, message->answer, owned);
        message->answer = NULL;
        message->len = 0;
    } else {
        free(owned);
    }
    if (may_have_waited(call) && !call->read)
        acknowledge(call->channel, call->sequence);
    if (call->kind == CFS_CMD_CANCEL)
        end_cancelled(client, call);
    if (call->kind == CFS_CMD_CLOSE_SESSION)
        cfs_client_session_closed(client);
    else if (answer.error == CFS_ERR_LOST)
        lost = true;
    cfs_client_drop(client, call);
    if (lost)
        cfs_client_lose_session(client);
}

void cfs_client_call_answered(struct cfs_client *client, struct cfs_channel *channel,
                              struct cfs_msg_answer *message)
{
    struct cfs_call *call;

    if (message->to == CFS_TO_READ) {
        HASH_FIND(hh_sequence, client->by_read, &message->id, sizeof message->id, call);
    } else {
        if (message->session != client->session || client->state != CFS_SESSION_OPEN)
            return;
        call = cfs_client_find(channel, message->id);
    }
    if (!call || call->channel != channel)
        return;
    if (!message->queued)
        finish(client, call, message);
    else if (may_have_waited(call))
        now_queued(client, call);
    else
        cfs_trace(client->env, "ignores that a request waits which cannot");
}

/* What can be asked again in the next session, as if for the first time: what it was granted in the
 * last one has ended with that, or is known by its key. */
static bool can_be_asked_anew(const struct cfs_call *call)
{
    const struct cfs_request *request = &call->request;

    return request->op == CFS_OP_ACQUIRE || request->op == CFS_OP_CONSUME ||
           (request->op == CFS_OP_PRODUCE && request->produce.key);
}

static void ask_anew(struct cfs_client *client, struct cfs_call *call)
{
    HASH_DELETE(hh_sequence, call->channel->by_sequence, call);
    free(call->bytes.data);
    call->bytes = (struct cfs_writer){0};
    call->sequence = 0;
    if (call->is_queued) /* it had none; from now on it is held for the timeout like any other */
        call->deadline = client->env->now + client->config->timeout;
    call->is_queued = false;
    call->resend = CFS_NEVER;
    move(call, &call->channel->unsent);
    cfs_client_look_at(client, call->deadline);
}

/* Whether a change that was sent in a lost session has happened can no longer be asked: its caller
 * is told "timed out" as soon as the next session opens, at the latest at its deadline. */
static void leave_open(struct cfs_client *client, struct cfs_call *call)
{
    ask_anew(client, call);
    call->abandoned = true;
}

/* A LEASED hold outlives the session: whoever asked and no longer waits has it given back. */
static void ask_leased_anew(struct cfs_client *client, struct cfs_call *call)
{
    if (call->cancelling)
        cfs_client_reply(client, call, CFS_ERR_INTERRUPTED);
    if (call->id) {
        ask_anew(client, call);
        call->leftover = true;
    } else {
        give_back(client, call);
        cfs_client_drop(client, call);
    }
}

static void end_call(struct cfs_client *client, struct cfs_call *call)
{
    const struct cfs_request *request = &call->request;
    bool released = request->op == CFS_OP_RELEASE &&
                    request->release.kind != CFS_LEASED; /* by the end itself */
    bool leased = call->kind == CFS_CMD_REQUEST && request->op == CFS_OP_ACQUIRE &&
                  request->acquire.kind == CFS_LEASED;

    if (leased && !request->acquire.renew) {
        ask_leased_anew(client, call);
    } else if (gives_back(call) || (call->id && !call->cancelling && can_be_asked_anew(call))) {
        ask_anew(client, call);
    } else if (call->id && !call->cancelling && !released) {
        leave_open(client, call);
    } else {
        cfs_client_reply(client, call, call->cancelling ? CFS_ERR_INTERRUPTED : CFS_OK);
        cfs_client_drop(client, call);
    }
}

/* The session is gone, and with it all that hung on it. */
static void end_channel_calls(struct cfs_client *client, struct cfs_channel *channel)
{
    struct cfs_call *call, *next;

    DL_FOREACH_SAFE (channel->unsent, call, next)
        if (!call->id && !call->read && !gives_back(call))
            cfs_client_drop(client, call);
    DL_FOREACH_SAFE (channel->queued, call, next)
        end_call(client, call);
    DL_FOREACH_SAFE (channel->active, call, next)
        end_call(client, call);
    channel->ack_count = 0;
}

void cfs_client_end_calls(struct cfs_client *client)
{
    for (uint32_t i = 0; i < client->channel_count; i++)
        end_channel_calls(client, &client->channels[i]);
}

static void end_abandoned(struct cfs_client *client, struct cfs_call *list)
{
    struct cfs_call *call, *next;

    DL_FOREACH_SAFE (list, call, next) {
        if (!call->abandoned)
            continue;
        cfs_client_reply(client, call, CFS_ERR_TIMED_OUT);
        cfs_client_drop(client, call);
    }
}

void cfs_client_end_open_calls(struct cfs_client *client)
{
    for (uint32_t i = 0; i < client->channel_count; i++)
        end_abandoned(client, client->channels[i].unsent);
}

static bool give_up_due(struct cfs_client *client, struct cfs_call *call, cfs_time now)
{
    bool out_of_contact = call->waits && now >= call->channel->contact + client->config->timeout;

    if (call->id && call->give_up <= now) {
        cfs_client_give_up(client, call, CFS_ERR_INTERRUPTED);
        return true;
    }
    if (!call->id || (call->deadline > now && !out_of_contact))
        return false;
    cfs_client_give_up(client, call, CFS_ERR_TIMED_OUT);
    return true;
}

static void postpone_list(struct cfs_call *list, cfs_time duration)
{
    for (; list; list = list->next) {
        if (list->deadline != CFS_NEVER)
            list->deadline += duration;
        if (list->give_up != CFS_NEVER)
            list->give_up += duration;
    }
}

void cfs_client_postpone_calls(struct cfs_client *client, cfs_time duration)
{
    for (uint32_t i = 0; i < client->channel_count; i++) {
        const struct cfs_channel *channel = &client->channels[i];
        postpone_list(channel->unsent, duration);
        postpone_list(channel->active, duration);
        postpone_list(channel->queued, duration);
        postpone_list(channel->reads, duration);
    }
}

/* What was asked a while ago was not answered; a wait is asked for again though it was. */
static bool is_unanswered(const struct cfs_client *client, const struct cfs_call *call)
{
    return !call->is_queued ||
           call->channel->contact + resend_queued_after(client) < client->env->now;
}

static void look_at_list(struct cfs_client *client, struct cfs_call *list)
{
    cfs_time now = client->env->now;
    struct cfs_call *call, *next;

    DL_FOREACH_SAFE (list, call, next) {
        if (give_up_due(client, call, now))
            continue;
        if (call->resend <= now && is_unanswered(client, call))
            cfs_client_doubt(client, call->channel);
        if (call->resend <= now)
            cfs_client_send(client, call);
        if (call->resend <= now) /* not possible now: the leader's coming will do it */
            call->resend = CFS_NEVER;
        cfs_client_look_at(client, call->resend);
        cfs_client_look_at(client, call->id ? call->deadline : CFS_NEVER);
        cfs_client_look_at(client, call->id ? call->give_up : CFS_NEVER);
        if (call->waits && call->id)
            cfs_client_look_at(client, call->channel->contact + client->config->timeout);
    }
}

static void look_at_channel(struct cfs_client *client, struct cfs_channel *channel)
{
    cfs_client_send_unsent(client, channel);
    look_at_list(client, channel->unsent);
    look_at_list(client, channel->active);
    look_at_list(client, channel->queued);
    look_at_list(client, channel->reads);
}

void cfs_client_calls_tick(struct cfs_client *client)
{
    if (client->env->now < client->calls_due)
        return;
    client->calls_due = CFS_NEVER;
    for (uint32_t i = 0; i < client->channel_count; i++)
        look_at_channel(client, &client->channels[i]);
    if (client->calls_due < client->env->now + LOOK_GAP)
        client->calls_due = client->env->now + LOOK_GAP;
}
