/* One step: an event goes to the part it concerns, then everything that follows from it settles. */
#include "core/node_core.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/client.h"
#include "core/group.h"
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

/* Today there is one; messages, records and checkpoints name theirs. */
#define GROUPS 1u

struct cfs_core {
    struct cfs_core_config config;
    struct cfs_env env;
    struct cfs_group groups[GROUPS];
    struct cfs_client client;
    struct round *rounds;
    size_t round_count, round_capacity;
    uint64_t round_id;
    uint64_t checkpoint_id;             /* of the checkpoint under way; 0: none */
    const struct cfs_machine *nodes_of; /* whose nodes were told last, in which version */
    uint64_t nodes_version;
    bool started;
};

static struct cfs_group *find_group(struct cfs_core *core, cfs_group_id id)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (core->groups[i].id == id)
            return &core->groups[i];
    return NULL;
}

struct cfs_core *cfs_core_new(const struct cfs_core_config *config)
{
    struct cfs_core *core = cfs_alloc_zeroed(1, sizeof *core);

    core->config = *config;
    /* Numbers of an earlier life must not mean anything in this one. */
    core->env = (struct cfs_env){.self = config->node,
                                 .last_id = (config->seed * 0x9e3779b97f4a7c15u) >> 2,
                                 .random = config->seed,
                                 .trace = config->trace,
                                 .trace_arg = config->trace_arg};
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_init(&core->groups[i], &core->env, (cfs_group_id)i, &core->config);
    cfs_client_init(&core->client, &core->env, &core->config);
    return core;
}

void cfs_core_free(struct cfs_core *core)
{
    if (!core)
        return;
    cfs_client_close(&core->client);
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_close(&core->groups[i]);
    cfs_env_close(&core->env);
    free(core->rounds);
    free(core);
}

void cfs_core_set_amnesia(struct cfs_core *core, enum cfs_amnesia amnesia)
{
    for (size_t i = 0; i < GROUPS; i++)
        core->groups[i].raft.amnesia = amnesia;
}

int cfs_core_restore_head(struct cfs_core *core, cfs_group_id id, const uint8_t *head, size_t len)
{
    struct cfs_group *group = find_group(core, id);

    return group ? cfs_group_restore_head(group, head, len) : -1;
}

int cfs_core_restore_piece(struct cfs_core *core, cfs_group_id id, const uint8_t *key,
                           uint32_t key_len, const uint8_t *value, uint32_t value_len)
{
    struct cfs_group *group = find_group(core, id);

    return group ? cfs_group_restore_piece(group, &(struct cfs_piece){.put = true,
                                                                      .key = key,
                                                                      .key_len = key_len,
                                                                      .value = value,
                                                                      .value_len = value_len})
                 : -1;
}

int cfs_core_restore(struct cfs_core *core, const struct cfs_record *record)
{
    struct cfs_group *group = find_group(core, record->group);

    core->env.durable = ++core->env.lsn;
    if (!group)
        return -1;
    cfs_raft_restore(&group->raft, record, core->env.lsn);
    return 0;
}

int cfs_core_restored(const struct cfs_core *core)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (!cfs_group_restored(&core->groups[i]))
            return -1;
    return 0;
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

/* What is for the replica of a group; who has none ignores it. */
static void receive_for_group(struct cfs_core *core, struct cfs_message *message)
{
    struct cfs_group *group = find_group(core, message->group);

    if (group)
        cfs_group_receive(group, message);
}

static void receive(struct cfs_core *core, struct cfs_message *message)
{
    switch (message->type) {
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
    default:
        receive_for_group(core, message);
    }
    cfs_message_clear(message);
}

static void follow_leader(struct cfs_core *core)
{
    const struct cfs_group *group = &core->groups[0];
    cfs_node_id leader = cfs_group_leader(group);
    uint64_t term = group->raft.term;

    /* Whom nobody has made a replica yet has nobody to ask: it might hear that it is not one. */
    if (!cfs_membership_all(&group->raft.members))
        leader = 0;
    if (leader != core->client.leader || (leader && term != core->client.leader_term))
        cfs_client_leader(&core->client, leader, term);
}

static void settle(struct cfs_core *core)
{
    struct cfs_message message;
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < GROUPS; i++)
            cfs_group_settle(&core->groups[i]);
        follow_leader(core);
        while (cfs_env_take_inbox(&core->env, &message)) {
            receive(core, &message);
            more = true;
        }
    }
}

/* One checkpoint at a time, of all groups together. A group that is being replaced on the disk can
 * say nothing of itself, and without it no record may go. */
static void order_checkpoint(struct cfs_core *core)
{
    struct cfs_effect *effect;
    bool wanted = false;

    for (size_t i = 0; i < GROUPS; i++) {
        if (cfs_snapshot_switching(&core->groups[i]))
            return;
        wanted |= cfs_group_wants_checkpoint(&core->groups[i]);
    }
    if (!wanted || core->checkpoint_id)
        return;
    effect = cfs_effects_add(core->env.effects, CFS_FX_CHECKPOINT);
    effect->id = core->checkpoint_id = ++core->env.last_id;
    effect->checkpoint.keep_lsn = UINT64_MAX;
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_save(&core->groups[i], &effect->checkpoint);
}

static void checkpointed(struct cfs_core *core, uint64_t id)
{
    if (id != core->checkpoint_id)
        return;
    core->checkpoint_id = 0;
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_saved(&core->groups[i]);
}

static void staged(struct cfs_core *core, uint64_t id)
{
    for (size_t i = 0; i < GROUPS; i++)
        cfs_snapshot_staged(&core->groups[i], id);
}

static void fetched(struct cfs_core *core, struct cfs_fetched *fetched)
{
    for (size_t i = 0; i < GROUPS; i++)
        cfs_snapshot_fetched(&core->groups[i], fetched);
    cfs_part_clear(&fetched->part);
}

/* All of them together: what was forgotten is one disk's. */
static void tell_caught_up(struct cfs_core *core)
{
    if (cfs_raft_caught_up(&core->groups[0].raft))
        cfs_effects_add(core->env.effects, CFS_FX_CAUGHT_UP);
}

static void tell_nodes(struct cfs_core *core)
{
    const struct cfs_machine *machine = core->groups[0].machine;

    if (machine->nodes.version == core->nodes_version &&
        (machine == core->nodes_of || !machine->nodes.version))
        return;
    core->nodes_of = machine;
    core->nodes_version = machine->nodes.version;
    cfs_effects_add(core->env.effects, CFS_FX_NODES);
}

static void tick(struct cfs_core *core)
{
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_tick(&core->groups[i]);
    follow_leader(core);
    cfs_client_tick(&core->client);
}

static void persisted(struct cfs_core *core, uint64_t lsn)
{
    cfs_env_persisted(&core->env, lsn);
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_persisted(&core->groups[i]);
}

static void unreachable(struct cfs_core *core, cfs_node_id peer, bool refused)
{
    for (size_t i = 0; i < GROUPS; i++) {
        if (refused)
            cfs_raft_refused(&core->groups[i].raft, peer);
        else
            cfs_group_unreachable(&core->groups[i], peer);
    }
    cfs_client_unreachable(&core->client, peer);
}

static void flush(struct cfs_core *core)
{
    for (size_t i = 0; i < GROUPS; i++)
        cfs_group_flush(&core->groups[i]);
}

static void dispatch(struct cfs_core *core, const struct cfs_event *event)
{
    switch (event->type) {
    case CFS_EV_TICK:
        tick(core);
        break;
    case CFS_EV_FLUSH:
        flush(core);
        break;
    case CFS_EV_MESSAGE:
        receive(core, event->message);
        break;
    case CFS_EV_PERSISTED:
        persisted(core, event->lsn);
        break;
    case CFS_EV_REFUSED:
    case CFS_EV_UNREACHABLE:
        unreachable(core, event->peer, event->type == CFS_EV_REFUSED);
        break;
    case CFS_EV_DISK:
        core->env.disk_full = event->full;
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
    case CFS_EV_CHECKPOINTED:
        checkpointed(core, event->id);
        break;
    case CFS_EV_STAGED:
        staged(core, event->id);
        break;
    case CFS_EV_FETCHED:
        fetched(core, event->fetched);
        break;
    case CFS_EV_LEAVE:
        cfs_client_leave(&core->client);
        break;
    }
}

static void start(struct cfs_core *core)
{
    core->started = true;
    for (size_t i = 0; i < GROUPS; i++)
        cfs_raft_start(&core->groups[i].raft);
    cfs_client_start(&core->client);
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
    if (!core->started)
        start(core);
    cfs_client_halted(&core->client, halted);
    cfs_client_check_session(&core->client);
    dispatch(core, event);
    settle(core);
    order_checkpoint(core);
    tell_caught_up(core);
    tell_nodes(core);
    core->env.effects = NULL;
}

cfs_time cfs_core_deadline(const struct cfs_core *core)
{
    cfs_time due = cfs_client_deadline(&core->client);

    for (size_t i = 0; i < GROUPS; i++)
        if (cfs_group_deadline(&core->groups[i]) < due)
            due = cfs_group_deadline(&core->groups[i]);
    return due;
}

bool cfs_core_wants_flush(const struct cfs_core *core)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (core->groups[i].raft.dirty)
            return true;
    return false;
}

static const char *role_name(const struct cfs_raft *raft)
{
    static const char *const names[] = {[CFS_FOLLOWER] = "follower",
                                        [CFS_PRE_CANDIDATE] = "pre-candidate",
                                        [CFS_CANDIDATE] = "candidate",
                                        [CFS_LEADER] = "leader"};

    return names[raft->role];
}

static const char *membership_role(const struct cfs_membership *members, cfs_node_id node)
{
    if (members->voters & CFS_NODE_BIT(node))
        return "voter";
    return members->outgoing & CFS_NODE_BIT(node) ? "outgoing" : "learner";
}

static cfs_time heard_from(const struct cfs_core *core, cfs_node_id node)
{
    const struct cfs_raft *raft = &core->groups[0].raft;

    if (node == core->config.node)
        return raft->role == CFS_LEADER ? core->env.now : 0;
    if (raft->role == CFS_LEADER)
        return raft->progress[node].acked;
    return raft->role == CFS_FOLLOWER && node == raft->leader ? raft->heard : 0;
}

uint32_t cfs_core_members(const struct cfs_core *core, struct cfs_member_view out[CFS_NODE_MAX])
{
    const struct cfs_raft *raft = &core->groups[0].raft;
    uint32_t count = 0;

    CFS_EACH_NODE (node, cfs_membership_all(&raft->members)) {
        const struct cfs_progress *progress = &raft->progress[node];
        const struct cfs_session *session =
            cfs_sessions_of_node(&core->groups[0].machine->sessions, node);
        bool self = node == core->config.node, leads = raft->role == CFS_LEADER;
        out[count++] = (struct cfs_member_view){
            .node = node,
            .role = membership_role(&raft->members, node),
            .match = !leads ? 0 : self ? raft->durable_index : progress->match,
            .heard = heard_from(core, node),
            .session = session ? session->id : 0};
    }
    return count;
}

void cfs_core_view(const struct cfs_core *core, struct cfs_core_view *view)
{
    const struct cfs_raft *raft = &core->groups[0].raft;

    *view = (struct cfs_core_view){
        .role = role_name(raft),
        .leader = raft->leader,
        .term = raft->term,
        .commit = raft->commit,
        .applied = raft->applied,
        .last_index = cfs_log_last_index(&raft->log),
        .durable_index = raft->durable_index,
        .base_index = raft->log.base.index,
        .log_bytes = raft->log.bytes,
        .amnesia = raft->amnesia,
        .doubted = raft->doubted,
        .changing = raft->members.outgoing || raft->members_index > raft->commit,
        .installing = core->groups[0].install != NULL,
        .elections = raft->elections,
        .leaderships = raft->leaderships,
        .serving = core->groups[0].home.serving,
        .leader_since = raft->role == CFS_LEADER ? raft->leader_since : 0,
        .lease_until = cfs_raft_lease_until(raft),
        .session = core->client.state == CFS_SESSION_OPEN ? core->client.session : 0,
        .available = core->client.available,
        .held = cfs_lock_table_held_count(core->groups[0].machine->locks),
        .waiting = cfs_lock_table_waiter_count(core->groups[0].machine->locks),
        .outstanding = core->client.call_count,
        .session_count = HASH_COUNT(core->groups[0].machine->sessions.by_id)};
    view->member_count = cfs_node_set_count(cfs_membership_all(&raft->members));
}

uint32_t cfs_core_nodes(const struct cfs_core *core, struct cfs_node_info out[CFS_NODE_MAX])
{
    const struct cfs_node_table *table = &core->groups[0].machine->nodes;
    uint32_t count = 0;

    CFS_EACH_NODE (node, cfs_node_table_all(table))
        out[count++] = table->nodes[node];
    return count;
}

uint64_t cfs_core_commit(const struct cfs_core *core, bool *leads)
{
    *leads = core->groups[0].raft.role == CFS_LEADER;
    return core->groups[0].raft.commit;
}

const struct cfs_entry *cfs_core_entry(const struct cfs_core *core, uint64_t index)
{
    return cfs_log_get(&core->groups[0].raft.log, index);
}

const struct cfs_lock_table *cfs_core_locks(const struct cfs_core *core)
{
    return core->groups[0].machine->locks;
}

uint64_t cfs_core_digest(const struct cfs_core *core)
{
    return cfs_machine_digest(core->groups[0].machine);
}
