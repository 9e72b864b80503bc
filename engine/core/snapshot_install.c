/* The follower's side of a snapshot. Its pieces fill a machine beside the one that is in use, and a
 * staging area on the disk; in the end both take the place of what was there:
 *
 *   chunk      loaded and staged; when the stage is durable the next one is asked for
 *   last one   first a record in the log: entries before it are void once this installation is done
 *              then the last stage, which makes the new state the group's, head and all
 *              then machine and log are replaced
 *
 * A crash at any point leaves the old state with the old log, or the new state, whose head names
 * the installation and so voids the old entries. From the record on the group is `replaced`: it
 * takes no entries and no part in elections, for what it would answer by is about to go. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/group.h"
#include "core/planted.h"

enum step { RECEIVING, RECORDING, SWITCHING };

struct cfs_install {
    cfs_node_id from;
    uint64_t transfer;
    uint64_t name; /* of this installation */
    struct cfs_group_head head;
    struct cfs_machine *machine; /* owned: what it becomes */
    uint64_t next;               /* the chunk that is wanted */
    enum step step;
    uint64_t stage_id;       /* of the stage under way; 0: none */
    struct cfs_part waiting; /* RECORDING: the last stage */
    uint64_t lsn;            /* RECORDING: of the record */
};

static void machine_free(struct cfs_machine *machine)
{
    cfs_machine_close(machine);
    free(machine);
}

void cfs_snapshot_drop(struct cfs_group *group)
{
    struct cfs_install *install = group->install;

    if (!install)
        return;
    machine_free(install->machine);
    cfs_part_clear(&install->waiting);
    free(install);
    group->install = NULL;
}

bool cfs_snapshot_switching(const struct cfs_group *group)
{
    return group->install && group->install->step != RECEIVING;
}

static void reply(struct cfs_group *group, cfs_node_id to, uint64_t transfer, uint64_t next,
                  bool done)
{
    struct cfs_message message = {
        .type = CFS_MSG_SNAPSHOT_REPLY,
        .group = group->id,
        .to = to,
        .term = group->raft.term,
        .snapshot_reply = {.transfer = transfer, .next = next, .done = done}};

    cfs_env_send(group->env, &message);
}

static void begin(struct cfs_group *group, cfs_node_id from, uint64_t transfer,
                  const struct cfs_group_head *head)
{
    struct cfs_install *install = cfs_alloc_zeroed(1, sizeof *install);

    cfs_snapshot_drop(group);
    install->from = from;
    install->transfer = transfer;
    install->name = cfs_env_random(group->env, INT64_MAX - 1) + 1;
    install->head = *head;
    install->machine = cfs_alloc_zeroed(1, sizeof *install->machine);
    cfs_machine_init(install->machine, cfs_group_answered, group);
    group->install = install;
}

static bool load(struct cfs_install *install, const struct cfs_msg_snapshot *snapshot)
{
    struct cfs_reader pieces = {.data = snapshot->pieces, .len = snapshot->len};
    struct cfs_piece piece;

    while (cfs_piece_next(&pieces, &piece))
        if (cfs_machine_load(install->machine, &piece) != 0)
            return false;
    return !pieces.failed && (!snapshot->last || cfs_machine_loaded(install->machine));
}

static void stage(struct cfs_group *group, struct cfs_part *part, bool first, bool last)
{
    struct cfs_effect *effect = cfs_effects_add(group->env->effects, CFS_FX_STAGE);

    effect->id = group->install->stage_id = ++group->env->last_id;
    effect->stage = (struct cfs_stage){.part = *part, .first = first, .last = last};
    *part = (struct cfs_part){0};
}

/* The pieces of a chunk, which the message gives up. */
static struct cfs_part take_part(struct cfs_group *group, struct cfs_msg_snapshot *snapshot)
{
    struct cfs_part part = {.group = group->id,
                            .pieces = {snapshot->pieces, snapshot->len, snapshot->len}};

    snapshot->pieces = NULL;
    snapshot->len = 0;
    return part;
}

/* The head as this node keeps it. */
static void seal(struct cfs_group *group, struct cfs_part *part)
{
    struct cfs_group_head *head = &group->install->head;

    head->term = group->raft.term;
    head->vote = group->raft.vote;
    head->install = group->install->name;
    if (!head->dropped.index)
        head->dropped = group->raft.dropped;
    cfs_group_head_encode(&part->head, head);
}

static void record(struct cfs_group *group, struct cfs_part *last)
{
    struct cfs_install *install = group->install;

    install->step = RECORDING;
    install->waiting = *last;
    install->lsn = cfs_env_persist_install(group->env, group->id, install->name);
    group->raft.replaced = true;
}

static void take_chunk(struct cfs_group *group, struct cfs_msg_snapshot *snapshot)
{
    struct cfs_install *install = group->install;
    struct cfs_part part;

    if (!load(install, snapshot)) {
        cfs_trace(group->env, "ignores a malformed snapshot from node %u", install->from);
        cfs_snapshot_drop(group);
        return;
    }
    part = take_part(group, snapshot);
    if (!snapshot->last) {
        stage(group, &part, install->next == 0, false);
        return;
    }
    record(group, &part);
}

/* The snapshot's last entry stands in the log: so does all that led to it (3.5), and the leader had
 * it committed. What comes behind it there may have been acknowledged and counted, so the log stays
 * (5.3). True: there is nothing to install. */
static bool has_already(struct cfs_group *group, const struct cfs_log_base *base)
{
    struct cfs_raft *raft = &group->raft;

    if (base->index > raft->commit && base->term &&
        cfs_log_term_at(&raft->log, base->index) == base->term)
        raft->commit = base->index;
    return base->index <= raft->commit;
}

void cfs_snapshot_receive(struct cfs_group *group, struct cfs_message *message)
{
    struct cfs_msg_snapshot *snapshot = &message->snapshot;
    struct cfs_group_head head;

    if (cfs_snapshot_switching(group) ||
        cfs_group_head_decode(&head, snapshot->head, snapshot->head_len) != 0)
        return;
    if (!cfs_raft_hear_leader(&group->raft, message)) {
        reply(group, message->from, snapshot->transfer, 0, false);
        return;
    }
    group->raft.counted = group->env->now;
    if (has_already(group, &head.base)) {
        if (group->install && group->install->transfer == snapshot->transfer)
            cfs_snapshot_drop(group);
        if (head.base.index <= group->raft.durable_index) /* else the next copy is answered */
            reply(group, message->from, snapshot->transfer, 0, true);
        return;
    }
    if (snapshot->offset == 0 &&
        (!group->install || group->install->transfer != snapshot->transfer ||
         group->install->from != message->from)) {
        cfs_trace(group->env, "receives a snapshot up to index %lu from node %u", head.base.index,
                  message->from);
        begin(group, message->from, snapshot->transfer, &head);
    }
    if (!group->install || group->install->transfer != snapshot->transfer) {
        reply(group, message->from, snapshot->transfer, 0, false);
    } else if (snapshot->offset != group->install->next) {
        reply(group, message->from, snapshot->transfer, group->install->next, false);
    } else if (!group->install->stage_id) {
        take_chunk(group, snapshot);
    }
}

/* What it has voted and how far its log went it remembers: all of the log, for what is not applied
 * yet may have been acknowledged and counted. So it votes for nobody who has less, takes no part in
 * founding the group again, and if it comes back gets everything anew. */
void cfs_group_retire(struct cfs_group *group, uint64_t term)
{
    struct cfs_part part = {.group = group->id};
    struct cfs_group_head head = {.dropped = cfs_raft_log_end(&group->raft)};

    if (cfs_snapshot_switching(group))
        return;
    if (CFS_PLANTED(BUG_DROP_HALF))
        head.base = cfs_raft_head(&group->raft).base;
    if (CFS_PLANTED(BUG_DROP_ALL))
        head.dropped = (struct cfs_log_end){0};
    begin(group, 0, 0, &head);
    cfs_trace(group->env, "is needed by group %u no more: drops what it has of it", group->id);
    /* Leaders of the past say nothing to it any more, and it tells nobody of one. */
    cfs_raft_become_follower(&group->raft, term, 0);
    cfs_machine_save(group->install->machine, &part.pieces);
    record(group, &part);
}

void cfs_snapshot_persisted(struct cfs_group *group)
{
    struct cfs_install *install = group->install;

    if (!install || install->step != RECORDING || group->env->durable < install->lsn)
        return;
    install->step = SWITCHING;
    seal(group, &install->waiting);
    stage(group, &install->waiting, install->next == 0, true);
}

static void take_over(struct cfs_group *group)
{
    struct cfs_install *install = group->install;
    struct cfs_machine *old = group->machine;

    if (install->from)
        cfs_trace(group->env, "takes over the snapshot: goes on from index %lu",
                  install->head.base.index);
    group->machine = group->home.machine = install->machine;
    install->machine = old;
    cfs_raft_installed(&group->raft, &install->head);
    group->ordered_index = group->saved_index = install->head.base.index;
    group->unsaved_bytes = 0;
    if (install->from)
        reply(group, install->from, install->transfer, 0, true);
    cfs_snapshot_drop(group);
}

uint64_t cfs_snapshot_received(const struct cfs_group *group)
{
    return group->install ? group->install->next : 0;
}

void cfs_snapshot_staged(struct cfs_group *group, uint64_t id)
{
    struct cfs_install *install = group->install;

    if (!install || install->stage_id != id)
        return;
    install->stage_id = 0;
    if (install->step == SWITCHING) {
        take_over(group);
        return;
    }
    install->next++;
    reply(group, install->from, install->transfer, install->next, false);
}
