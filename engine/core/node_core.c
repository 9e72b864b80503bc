/* One step: an event goes to the part it concerns, then everything that follows from it settles. */
#include "core/node_core.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/node_core_internal.h"
#include "core/planted.h"

#ifdef CFS_PLANTED_BUGS
enum cfs_planted cfs_planted_bug;
#endif

#define EACH_GROUP(core, group)                                                                    \
    for (struct cfs_group *group = (core)->groups; group < (core)->groups + (core)->group_count;   \
         group++)

static struct cfs_group *find_group(struct cfs_core *core, cfs_group_id id)
{
    return id < core->group_count ? &core->groups[id] : NULL;
}

/* The first voters of a group, if this node is one of them: of others it need not know. */
static struct cfs_membership founders(const struct cfs_core *core, cfs_group_id group)
{
    struct cfs_membership members = {0};

    for (uint32_t i = 0; i < core->config.member_count; i++)
        members.voters |= CFS_NODE_BIT(core->config.members[i]);
    if (group)
        members.voters = cfs_placement_set(&core->placement, group);
    if (group && !(members.voters & CFS_NODE_BIT(core->config.node)))
        members.voters = 0;
    return members;
}

static void init_groups(struct cfs_core *core)
{
    const struct cfs_core_config *config = &core->config;

    core->group_count = config->groups + 1;
    core->groups = cfs_alloc_zeroed(core->group_count, sizeof *core->groups);
    cfs_placement_found(&core->placement, config->groups, config->members, config->member_count);
    for (cfs_group_id id = 0; id < core->group_count; id++) {
        struct cfs_membership members = founders(core, id);
        cfs_group_init(&core->groups[id], &core->env, id, config, &members);
        if (id)
            cfs_group_place(&core->groups[id], &core->groups[0], &core->placement);
    }
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
    core->look_due = CFS_NEVER;
    init_groups(core);
    cfs_client_init(&core->client, &core->env, &core->config, &core->placement);
    return core;
}

void cfs_core_free(struct cfs_core *core)
{
    if (!core)
        return;
    cfs_client_close(&core->client);
    EACH_GROUP (core, group)
        cfs_group_close(group);
    free(core->groups);
    cfs_env_close(&core->env);
    free(core->rounds);
    free(core);
}

void cfs_core_set_amnesia(struct cfs_core *core, cfs_group_id id, enum cfs_amnesia amnesia)
{
    struct cfs_group *group = find_group(core, id);

    if (group)
        group->raft.amnesia = amnesia;
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
    if (!group || (record->type == CFS_RECORD_ENTRY && !cfs_raft_understands(record->entry)))
        return -1;
    cfs_raft_restore(&group->raft, record, core->env.lsn);
    return 0;
}

int cfs_core_restored(const struct cfs_core *core)
{
    EACH_GROUP (core, group)
        if (!cfs_group_restored(group))
            return -1;
    return 0;
}

/* What is asked of a leader that this node is not, or not in that term: whoever asked has no
 * replica that could tell it. */
static bool is_astray(const struct cfs_group *group, const struct cfs_message *message)
{
    return group->id && (message->type == CFS_MSG_FORWARD || message->type == CFS_MSG_READ) &&
           (!group->home.serving || message->term != group->raft.term);
}

static void receive_for_group(struct cfs_core *core, struct cfs_message *message)
{
    struct cfs_group *group = &core->groups[message->group];

    if (is_astray(group, message))
        cfs_core_redirect(core, message);
    cfs_group_receive(group, message);
}

static void receive(struct cfs_core *core, struct cfs_message *message)
{
    if (!find_group(core, message->group)) {
        cfs_message_clear(message);
        return;
    }
    switch (message->type) {
    case CFS_MSG_LOCATE:
        cfs_core_answer_locate(core, message);
        break;
    case CFS_MSG_LOCATED:
        cfs_core_located(core, message);
        break;
    case CFS_MSG_ANSWER:
        cfs_client_answer(&core->client, message);
        break;
    case CFS_MSG_KEEPALIVE_REPLY:
        cfs_client_kept_alive(&core->client, message);
        break;
    case CFS_MSG_RECALL:
        cfs_sharing_recall(&core->client.sharing, message);
        break;
    case CFS_MSG_SHARE_KEPT:
        cfs_sharing_kept(&core->client.sharing, message);
        break;
    case CFS_MSG_DRAIN:
        cfs_core_begin_round(core, CFS_FX_DRAIN, message);
        break;
    case CFS_MSG_COLLECT:
        cfs_core_begin_round(core, CFS_FX_COLLECT, message);
        break;
    default:
        receive_for_group(core, message);
    }
    cfs_message_clear(message);
}

/* Others that have no replica hear who serves, without asking. */
static void settle_group(struct cfs_core *core, struct cfs_group *group)
{
    cfs_group_settle(group);
    if (!group->id || !group->home.serving || group->announced == group->raft.term)
        return;
    group->announced = group->raft.term;
    cfs_core_announce(core, group->id);
}

static void settle(struct cfs_core *core)
{
    struct cfs_message message;
    bool more = true;

    while (more) {
        more = false;
        EACH_GROUP (core, group)
            settle_group(core, group);
        cfs_core_drive_moves(core);
        cfs_core_collect_orphans(core);
        cfs_core_follow_leaders(core);
        while (cfs_env_take_inbox(&core->env, &message)) {
            receive(core, &message);
            more = true;
        }
    }
}

static void staged(struct cfs_core *core, uint64_t id)
{
    EACH_GROUP (core, group)
        cfs_snapshot_staged(group, id);
}

static void fetched(struct cfs_core *core, struct cfs_fetched *fetched)
{
    EACH_GROUP (core, group)
        cfs_snapshot_fetched(group, fetched);
    cfs_part_clear(&fetched->part);
}

static void tell_caught_up(struct cfs_core *core)
{
    EACH_GROUP (core, group)
        if (cfs_raft_caught_up(&group->raft))
            cfs_effects_add(core->env.effects, CFS_FX_CAUGHT_UP)->id = group->id;
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
    cfs_core_place(core);
}

/* A node that was removed goes on until the groups it has replicas of have moved. Its table may
 * never tell: who is no replica of group 0 any more need not hear why. */
static void follow_removal(struct cfs_core *core)
{
    cfs_time counted = core->groups[0].raft.counted;

    if (counted > core->client.counted)
        cfs_client_counted(&core->client, counted);
    if (core->client.removed != core->removed) {
        core->removed = core->client.removed;
        cfs_core_place(core);
    }
    if (!core->removed || core->told_removed || cfs_core_is_needed(core))
        return;
    core->told_removed = true;
    cfs_effects_add(core->env.effects, CFS_FX_REMOVED);
}

static void tick(struct cfs_core *core)
{
    cfs_env_tick(&core->env);
    EACH_GROUP (core, group)
        cfs_group_tick(group);
    cfs_core_follow_leaders(core);
    cfs_client_tick(&core->client);
    if (core->env.now >= core->look_due)
        cfs_core_look_around(core);
}

static void persisted(struct cfs_core *core, uint64_t lsn)
{
    cfs_env_persisted(&core->env, lsn);
    EACH_GROUP (core, group)
        cfs_group_persisted(group);
}

static void unreachable(struct cfs_core *core, cfs_node_id peer, bool refused)
{
    EACH_GROUP (core, group) {
        if (refused)
            cfs_raft_refused(&group->raft, peer);
        else
            cfs_group_unreachable(group, peer);
    }
    cfs_client_unreachable(&core->client, peer);
}

static void flush(struct cfs_core *core)
{
    EACH_GROUP (core, group)
        cfs_group_flush(group);
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
        cfs_core_drained(core, event->id);
        break;
    case CFS_EV_STUCK:
        cfs_core_collected(core, event);
        break;
    case CFS_EV_CHECKPOINTED:
        cfs_core_checkpointed(core, event->id);
        break;
    case CFS_EV_SAVE:
        core->save_wanted = true;
        break;
    case CFS_EV_HOLD_MOVES:
        core->env.moves_held = event->until;
        break;
    case CFS_EV_STAGED:
        staged(core, event->id);
        break;
    case CFS_EV_FETCHED:
        fetched(core, event->fetched);
        break;
    case CFS_EV_READ:
        cfs_group_pieces_read(&core->groups[event->read->group], event->read);
        break;
    case CFS_EV_RECALLED:
        cfs_sharing_recalled(&core->client.sharing, event->id);
        break;
    case CFS_EV_LAPSED:
        cfs_sharing_lapsed(&core->client.sharing, event->lapsed.group, event->lapsed.epoch);
        break;
    case CFS_EV_LEAVE:
        cfs_client_leave(&core->client);
        break;
    }
}

static void start(struct cfs_core *core)
{
    core->started = true;
    if (core->config.groups)
        core->look_due = core->env.now;
    EACH_GROUP (core, group)
        cfs_raft_start(&group->raft);
    cfs_client_start(&core->client);
}

/* For how long the node did not run though the core had asked for a tick: its process was stopped,
 * or its machine suspended. 0: not so long that it counts, as nearly always. */
static cfs_time halt(const struct cfs_core *core, cfs_time now)
{
    cfs_time from;

    if (!core->started || now < core->env.now + cfs_client_halt_min(&core->client))
        return 0;
    from = cfs_core_deadline(core);
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
    cfs_sharing_check(&core->client.sharing);
    cfs_core_note_founding(core);
    dispatch(core, event);
    settle(core);
    cfs_core_order_checkpoint(core);
    tell_caught_up(core);
    tell_nodes(core);
    follow_removal(core);
    core->env.effects = NULL;
}

cfs_time cfs_core_deadline(const struct cfs_core *core)
{
    cfs_time due = cfs_client_deadline(&core->client);

    for (uint32_t i = 0; i < core->group_count; i++)
        due = cfs_earlier(due, cfs_group_deadline(&core->groups[i]));
    due = cfs_earlier(due, cfs_env_deadline(&core->env));
    return cfs_earlier(due, core->look_due);
}

bool cfs_core_wants_flush(const struct cfs_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++)
        if (core->groups[i].raft.dirty)
            return true;
    return false;
}
