/* One step: an event goes to the part it concerns, then everything that follows from it settles. */
#include "core/node_core.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/client.h"
#include "core/home.h"
#include "core/planted.h"

#ifdef CFS_PLANTED_BUGS
enum cfs_planted cfs_planted_bug;
#endif

#define ROUNDS_MAX 1024u

/* A leader's DRAIN or COLLECT that the files are working on. */
struct round {
    uint64_t id; /* of the effect */
    struct cfs_message reply;
};

struct cfs_core {
    struct cfs_core_config config;
    struct cfs_env env;
    struct cfs_raft raft;
    struct cfs_machine machine;
    struct cfs_home home;
    struct cfs_client client;
    struct round *rounds;
    size_t round_count, round_capacity;
    uint64_t round_id;
    bool started;
};

static void answered(void *arg, struct cfs_asker asker, bool queued,
                     const struct cfs_answer *answer)
{
    struct cfs_core *core = arg;

    cfs_home_answer(&core->home, asker, queued, answer);
}

struct cfs_core *cfs_core_new(const struct cfs_core_config *config)
{
    struct cfs_core *core = cfs_alloc_zeroed(1, sizeof *core);

    core->config = *config;
    core->env = (struct cfs_env){.self = config->node,
                                 .random = config->seed,
                                 .trace = config->trace,
                                 .trace_arg = config->trace_arg};
    cfs_raft_init(&core->raft, &core->env, 0, &core->config);
    cfs_machine_init(&core->machine, answered, core);
    cfs_home_init(&core->home, &core->env, &core->raft, &core->machine, &core->config);
    cfs_client_init(&core->client, &core->env, &core->config);
    return core;
}

void cfs_core_free(struct cfs_core *core)
{
    if (!core)
        return;
    cfs_client_close(&core->client);
    cfs_home_close(&core->home);
    cfs_machine_close(&core->machine);
    cfs_raft_close(&core->raft);
    cfs_env_close(&core->env);
    free(core->rounds);
    free(core);
}

void cfs_core_restore(struct cfs_core *core, const struct cfs_record *record)
{
    core->env.durable = ++core->env.lsn;
    if (record->group == core->raft.group)
        cfs_raft_restore(&core->raft, record);
}

static bool end_round(struct cfs_core *core, uint64_t id, struct cfs_message *reply)
{
    for (size_t i = 0; i < core->round_count; i++) {
        if (core->rounds[i].id != id)
            continue;
        *reply = core->rounds[i].reply;
        core->rounds[i] = core->rounds[--core->round_count];
        return true;
    }
    return false;
}

/* Hands a leader's question to the files; the reply goes out when they have answered. */
static void begin_round(struct cfs_core *core, enum cfs_effect_type type,
                        const struct cfs_message *request)
{
    struct round round = {
        .id = ++core->round_id,
        .reply = {.group = request->group, .to = request->from, .term = request->term}};

    if (type == CFS_FX_DRAIN) {
        round.reply.type = CFS_MSG_DRAIN_REPLY;
        round.reply.drain_reply.id = request->drain.id;
    } else {
        round.reply.type = CFS_MSG_COLLECT_REPLY;
        round.reply.collect_reply.id = request->collect.id;
        round.reply.collect_reply.session = core->client.session;
    }
    /* Files that never finish a round are as good as gone; the oldest is forgotten. */
    if (core->round_count == ROUNDS_MAX)
        end_round(core, core->rounds[0].id, &(struct cfs_message){0});
    core->rounds = cfs_array_room(core->rounds, core->round_count, &core->round_capacity,
                                  sizeof *core->rounds);
    core->rounds[core->round_count++] = round;
    cfs_effects_add(core->env.effects, type)->id = round.id;
}

static void drained(struct cfs_core *core, uint64_t id)
{
    struct cfs_message reply;

    if (end_round(core, id, &reply))
        cfs_env_send(&core->env, &reply);
}

/* Shell ids become sequences; a wait that is not in a lock's queue means that its handle runs. */
static bool translate(const struct cfs_core *core, const struct cfs_event_stuck *from,
                      struct cfs_stuck *to)
{
    *to = (struct cfs_stuck){.handle = from->handle, .wait_count = from->wait_count};
    to->waits = cfs_alloc(from->wait_count * sizeof *to->waits);
    for (uint32_t i = 0; i < from->wait_count; i++) {
        to->waits[i] = cfs_client_wait_sequence(&core->client, from->waits[i]);
        if (!to->waits[i]) {
            free(to->waits);
            return false;
        }
    }
    return true;
}

/* What does not fit a message is left out: those handles count as running. */
static void collected(struct cfs_core *core, const struct cfs_event *event)
{
    struct cfs_message reply;
    struct cfs_msg_collect_reply *collected;
    uint32_t waits = 0;

    if (!end_round(core, event->id, &reply))
        return;
    collected = &reply.collect_reply;
    collected->stuck = cfs_alloc(event->stuck_count * sizeof *collected->stuck);
    for (uint32_t i = 0; i < event->stuck_count && collected->stuck_count < CFS_REQUESTS_MAX; i++) {
        const struct cfs_event_stuck *stuck = &event->stuck[i];
        if (stuck->wait_count > CFS_REQUESTS_MAX - waits ||
            !translate(core, stuck, &collected->stuck[collected->stuck_count]))
            continue;
        collected->stuck_count++;
        waits += stuck->wait_count;
    }
    cfs_env_send(&core->env, &reply);
}

static void receive(struct cfs_core *core, struct cfs_message *message)
{
    switch (message->type) {
    case CFS_MSG_VOTE:
    case CFS_MSG_VOTE_REPLY:
    case CFS_MSG_APPEND:
    case CFS_MSG_APPEND_REPLY:
        if (message->group == core->raft.group)
            cfs_raft_receive(&core->raft, message);
        break;
    case CFS_MSG_FORWARD:
    case CFS_MSG_READ:
    case CFS_MSG_KEEPALIVE:
    case CFS_MSG_DRAIN_REPLY:
    case CFS_MSG_COLLECT_REPLY:
        cfs_home_receive(&core->home, message);
        break;
    case CFS_MSG_ANSWER:
        cfs_client_answer(&core->client, message);
        break;
    case CFS_MSG_KEEPALIVE_REPLY:
        cfs_client_kept_alive(&core->client, message);
        break;
    case CFS_MSG_DRAIN:
        begin_round(core, CFS_FX_DRAIN, message);
        break;
    case CFS_MSG_COLLECT:
        begin_round(core, CFS_FX_COLLECT, message);
        break;
    case CFS_MSG_TYPE_COUNT:
        break;
    }
    cfs_message_clear(message);
}

static void apply(struct cfs_core *core)
{
    struct cfs_raft *raft = &core->raft;
    uint64_t end =
        CFS_PLANTED(BUG_APPLY_UNCOMMITTED) ? cfs_log_last_index(&raft->log) : raft->commit;

    while (raft->applied < end) {
        uint64_t queued = core->machine.queued;
        cfs_machine_apply(&core->machine, cfs_log_get(&raft->log, ++raft->applied));
        if (core->home.serving && core->machine.queued > queued)
            cfs_home_waiter_queued(&core->home);
    }
}

static void follow_leadership(struct cfs_core *core)
{
    struct cfs_raft *raft = &core->raft;
    cfs_node_id leader;

    if (cfs_raft_serving(raft) != core->home.serving) {
        if (core->home.serving)
            cfs_home_stop(&core->home);
        else
            cfs_home_start(&core->home);
        if (core->home.serving)
            cfs_raft_broadcast_heartbeat(raft); /* so that the others send what they hold back */
    }
    if (core->home.serving)
        leader = core->config.node;
    else
        leader = raft->leader_serving ? raft->leader : 0;
    if (leader != core->client.leader || (leader && raft->term != core->client.leader_term))
        cfs_client_leader(&core->client, leader, raft->term);
}

static void settle(struct cfs_core *core)
{
    struct cfs_message message;
    bool more = true;

    while (more) {
        more = false;
        apply(core);
        follow_leadership(core);
        if (core->home.serving)
            cfs_home_progress(&core->home);
        while (cfs_env_take_inbox(&core->env, &message)) {
            receive(core, &message);
            more = true;
        }
    }
}

static void tick(struct cfs_core *core)
{
    cfs_raft_tick(&core->raft);
    follow_leadership(core); /* who has just stepped down proposes nothing */
    cfs_home_tick(&core->home);
    cfs_client_tick(&core->client);
}

static void dispatch(struct cfs_core *core, const struct cfs_event *event)
{
    switch (event->type) {
    case CFS_EV_TICK:
        tick(core);
        break;
    case CFS_EV_FLUSH:
        cfs_raft_flush(&core->raft);
        break;
    case CFS_EV_MESSAGE:
        receive(core, event->message);
        break;
    case CFS_EV_PERSISTED:
        cfs_env_persisted(&core->env, event->lsn);
        cfs_raft_persisted(&core->raft);
        break;
    case CFS_EV_REFUSED:
        cfs_raft_refused(&core->raft, event->peer);
        cfs_client_unreachable(&core->client, event->peer);
        break;
    case CFS_EV_UNREACHABLE:
        cfs_raft_unreachable(&core->raft, event->peer);
        cfs_client_unreachable(&core->client, event->peer);
        break;
    case CFS_EV_REQUEST:
        cfs_client_request(&core->client, event->id, event->request);
        break;
    case CFS_EV_CANCEL:
        cfs_client_cancel(&core->client, event->id);
        break;
    case CFS_EV_DRAINED:
        drained(core, event->id);
        break;
    case CFS_EV_STUCK:
        collected(core, event);
        break;
    case CFS_EV_LEAVE:
        cfs_client_leave(&core->client);
        break;
    }
}

/* For how long the node did not run though the core had asked for a tick: its process was stopped,
 * or its machine suspended. */
static cfs_time halt(const struct cfs_core *core, cfs_time now)
{
    cfs_time from = core->started ? cfs_core_deadline(core) : CFS_NEVER;

    if (from < core->env.now)
        from = core->env.now; /* what lies before it was seen to pass */
    return now > from ? now - from : 0;
}

void cfs_core_step(struct cfs_core *core, const struct cfs_event *event,
                   struct cfs_effects *effects)
{
    cfs_time halted = halt(core, event->now);

    core->env.now = event->now;
    core->env.wall = event->wall;
    core->env.effects = effects;
    if (!core->started) {
        core->started = true;
        cfs_raft_start(&core->raft);
        cfs_client_start(&core->client);
    }
    cfs_client_halted(&core->client, halted);
    cfs_client_check_session(&core->client);
    dispatch(core, event);
    settle(core);
    core->env.effects = NULL;
}

cfs_time cfs_core_deadline(const struct cfs_core *core)
{
    cfs_time due = cfs_raft_deadline(&core->raft);

    if (cfs_home_deadline(&core->home) < due)
        due = cfs_home_deadline(&core->home);
    if (cfs_client_deadline(&core->client) < due)
        due = cfs_client_deadline(&core->client);
    return due;
}

bool cfs_core_wants_flush(const struct cfs_core *core)
{
    return core->raft.dirty;
}

static const char *role_name(const struct cfs_raft *raft)
{
    static const char *const names[] = {[CFS_FOLLOWER] = "follower",
                                        [CFS_PRE_CANDIDATE] = "pre-candidate",
                                        [CFS_CANDIDATE] = "candidate",
                                        [CFS_LEADER] = "leader"};

    return names[raft->role];
}

static void view_members(const struct cfs_core *core, struct cfs_core_view *view)
{
    bool leader = core->raft.role == CFS_LEADER;

    view->member_count = core->config.member_count;
    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct cfs_progress *progress = &core->raft.progress[i];
        const struct cfs_session *session =
            cfs_sessions_of_node(&core->machine.sessions, core->config.members[i]);
        view->members[i].node = core->config.members[i];
        view->members[i].session = session ? session->id : 0;
        if (core->raft.role == CFS_FOLLOWER && view->members[i].node == core->raft.leader)
            view->members[i].heard = core->raft.heard;
        if (!leader)
            continue;
        bool self = progress->node == core->config.node;
        view->members[i].match = self ? core->raft.durable_index : progress->match;
        view->members[i].heard = self ? core->env.now : progress->acked;
    }
}

void cfs_core_view(const struct cfs_core *core, struct cfs_core_view *view)
{
    const struct cfs_raft *raft = &core->raft;

    *view = (struct cfs_core_view){
        .role = role_name(raft),
        .leader = raft->leader,
        .term = raft->term,
        .commit = raft->commit,
        .applied = raft->applied,
        .last_index = cfs_log_last_index(&raft->log),
        .durable_index = raft->durable_index,
        .elections = raft->elections,
        .leaderships = raft->leaderships,
        .serving = core->home.serving,
        .leader_since = raft->role == CFS_LEADER ? raft->leader_since : 0,
        .lease_until = cfs_raft_lease_until(raft),
        .session = core->client.state == CFS_SESSION_OPEN ? core->client.session : 0,
        .available = core->client.available,
        .held = cfs_lock_table_held_count(core->machine.locks),
        .waiting = cfs_lock_table_waiter_count(core->machine.locks),
        .outstanding = core->client.call_count,
        .session_count = HASH_COUNT(core->machine.sessions.by_id)};
    view_members(core, view);
}

uint64_t cfs_core_commit(const struct cfs_core *core, bool *leads)
{
    *leads = core->raft.role == CFS_LEADER;
    return core->raft.commit;
}

const struct cfs_entry *cfs_core_entry(const struct cfs_core *core, uint64_t index)
{
    return cfs_log_get(&core->raft.log, index);
}

const struct cfs_lock_table *cfs_core_locks(const struct cfs_core *core)
{
    return core->machine.locks;
}

uint64_t cfs_core_digest(const struct cfs_core *core)
{
    return cfs_machine_digest(&core->machine);
}
