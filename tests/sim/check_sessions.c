/* What happens to a node's locks when it stops, dies, or its session ends: as the node itself says,
 * and as the committed commands say, which must not come first. */
#include <inttypes.h>
#include <string.h>

#include "core/command.h"
#include "core/env.h" /* CFS_CLOCK_GUARD */
#include "sim.h"

typedef void (*hold_fn)(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold);

/* Calls `fn` for what the node's session holds: everything but locks over HTTP. */
static void each_hold(struct sim *sim, cfs_node_id node, hold_fn fn)
{
    for (uint32_t n = 0; n < sim->swarm.name_count; n++) {
        struct sim_lock_name *name = &sim->locks.names[n];
        for (size_t i = name->live.count; i-- > 0;)
            if (name->live.items[i].node == node && name->live.items[i].kind != CFS_LEASED)
                fn(sim, name, &name->live.items[i]);
    }
}

static void leave_residue(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    (void)sim;
    (void)name;
    hold->state = SIM_RESIDUE;
    hold->until = 0;
}

void sim_locks_node_lost(struct sim *sim, struct sim_node *node)
{
    each_hold(sim, node->id, leave_residue);
}

void sim_locks_node_left(struct sim *sim, struct sim_node *node)
{
    each_hold(sim, node->id, leave_residue);
}

void sim_locks_session_asked(struct sim *sim, struct sim_node *node,
                             const struct cfs_message *message)
{
    struct cfs_command command;

    if (message->type != CFS_MSG_FORWARD ||
        cfs_command_decode(&command, message->forward.command, message->forward.len) != 0 ||
        command.kind != CFS_CMD_OPEN_SESSION || command.nonce == node->opening)
        return;
    node->opening = command.nonce;
    node->opening_sent = sim_node_time(sim, node);
}

/* It may be relied on from the sending of its opening; what a leader sends to itself is not seen.
 */
void sim_locks_session_opened(struct sim *sim, const struct sim_node *node)
{
    cfs_time term = sim->swarm.sessions[node->id - 1];

    if (sim->locks.openings[node->id] == node->opening &&
        sim_node_time(sim, node) >= node->opening_sent + term - CFS_CLOCK_GUARD(term))
        sim_fail(sim, "late-opening", "node %u calls a session open that is over for it", node->id);
}

/* Open files die with the daemon. A lockfile outlives it, but not the lease. */
static void outlive_daemon(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    const struct sim_node *node = &sim->nodes[hold->node - 1];
    bool lives = hold->kind == CFS_LOCKFILE && hold->state == SIM_HELD;
    cfs_time end = sim_node_lease_end(sim, node);

    (void)name;
    hold->state = SIM_RESIDUE;
    hold->undone = false;
    hold->content_unclear = true;
    hold->writes = 0;
    hold->until = !lives ? 0 : hold->until < end ? hold->until : end;
}

/* Requests that were under way got no answer. */
static void abandon_requests(struct sim *sim, const struct sim_node *node)
{
    for (const struct sim_op *op = node->kernel.ops; op; op = op->next) {
        if (op->request.op == CFS_OP_REMOVE)
            sim->locks.names[op->name].unclear_removes[node->id]++;
        if (op->request.op != CFS_OP_ACQUIRE)
            continue;
        sim->locks.names[op->name].acquires--;
        sim_locks_remember_wait(sim, op);
        sim_locks_unclear(sim, op, false);
    }
}

/* Writes and releases over HTTP, of which nobody knows what became. */
static void doubt_leases(struct sim *sim, const struct sim_node *node)
{
    for (uint32_t n = 0; n < sim->swarm.name_count; n++) {
        struct sim_holds *live = &sim->locks.names[n].live;
        for (size_t i = 0; i < live->count; i++)
            if (live->items[i].node == node->id && live->items[i].state == SIM_ENDING)
                leave_residue(sim, &sim->locks.names[n], &live->items[i]);
    }
}

void sim_locks_node_crashed(struct sim *sim, struct sim_node *node)
{
    each_hold(sim, node->id, outlive_daemon);
    doubt_leases(sim, node);
    abandon_requests(sim, node);
}

/* While it stands still nobody can tell it that its session is over: its own clock does. */
static void bound_by_lease(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    cfs_time end = sim_node_lease_end(sim, &sim->nodes[hold->node - 1]);

    (void)name;
    if (hold->state == SIM_HELD && end < hold->until)
        hold->until = end;
}

void sim_locks_node_paused(struct sim *sim, struct sim_node *node)
{
    each_hold(sim, node->id, bound_by_lease);
    sim->locks.paused[node->id] = true;
}

static void unbind(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    (void)sim;
    (void)name;
    if (hold->state == SIM_HELD)
        hold->until = CFS_NEVER;
}

/* A step after it went on: had the session been over, the core would have said so. */
void sim_locks_node_stepped(struct sim *sim, struct sim_node *node)
{
    if (!sim->locks.paused[node->id])
        return;
    sim->locks.paused[node->id] = false;
    if (node->session)
        each_hold(sim, node->id, unbind);
}

/* The committed commands. */

static void end_hold(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    sim_hold_gone(sim, name, hold);
}

static void doubt_lockfile(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    if (hold->kind != CFS_LOCKFILE)
        return;
    leave_residue(sim, name, hold);
    hold->token = 0;
}

/* No command of that session is applied any more: what it removed is removed. */
static void settle_removes(struct sim *sim, cfs_node_id node)
{
    for (uint32_t n = 0; n < sim->swarm.name_count; n++) {
        struct sim_lock_name *name = &sim->locks.names[n];
        if (!name->unclear_removes[node])
            continue;
        for (size_t i = 0; i < name->live.count; i++)
            doubt_lockfile(sim, name, &name->live.items[i]);
        name->removed =
            sim->world.now; /* or before: whoever hears late of his lockfile may have lost it */
        name->removes -= name->unclear_removes[node];
        name->unclear_removes[node] = 0;
    }
}

/* The cluster gives away what the node held. The node must have known before. */
static void session_ended(struct sim *sim, cfs_node_id id)
{
    struct sim_node *node = &sim->nodes[id - 1];
    bool believes =
        node->session && !node->leaving && node->view.session == sim->locks.sessions[id];

    if (believes && (node->state == SIM_UP || sim->world.now < sim_node_lease_end(sim, node)))
        sim_fail(sim, "session-lease", "session %" PRIu64 " ends while node %u still relies on it",
                 sim->locks.sessions[id], id);
    sim->locks.sessions[id] = 0;
    settle_removes(sim, id);
    each_hold(sim, id, end_hold);
}

static void resume_hold(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    if (hold->kind == CFS_FLOCK) {
        sim_hold_gone(sim, name, hold);
    } else {
        if (hold->unsettled)
            hold->settled = sim->world.now;
        hold->unsettled = false;
        if (!hold->token)
            return;
        hold->state = SIM_HELD;
        hold->since = sim->world.now;
        hold->until = CFS_NEVER;
    }
}

/* Whether the machine took the opening, or knew it for a late copy or a repetition: it replaces
 * what the node has by then. The witness may be further already, so what it has now says only that
 * nothing was opened since the node was removed. */
static bool took_effect(const struct sim *sim, const struct sim_node *witness,
                        const struct cfs_command *open, uint64_t index)
{
    struct cfs_member_view members[CFS_NODE_MAX];
    uint32_t count = cfs_core_members(witness->core, 0, members);

    if (open->target != sim->locks.sessions[open->node])
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (members[i].node == open->node)
            return members[i].session >= index;
    return false;
}

static void session_opened(struct sim *sim, const struct cfs_command *command, uint64_t index)
{
    cfs_session_id *session = &sim->locks.sessions[command->node];

    if (*session && command->resume) {
        settle_removes(sim, command->node);
        each_hold(sim, command->node, resume_hold);
    } else {
        session_ended(sim, command->node);
    }
    *session = index;
    sim->locks.openings[command->node] = command->nonce;
}

static void session_expired(struct sim *sim, cfs_session_id session)
{
    for (cfs_node_id id = 1; id <= sim->swarm.node_count; id++)
        if (session && sim->locks.sessions[id] == session)
            session_ended(sim, id);
}

static void tell_groups(struct sim *sim, const cfs_session_id *before, uint64_t index)
{
    for (cfs_node_id id = 1; id <= sim->swarm.node_count; id++) {
        if (sim->locks.sessions[id] == before[id])
            continue;
        if (before[id])
            sim_groups_session_ended(sim, before[id], index);
        if (sim->locks.sessions[id])
            sim_groups_session_opened(sim, sim->locks.sessions[id], index);
    }
}

void sim_locks_committed(struct sim *sim, const struct sim_node *witness,
                         const struct cfs_entry *entry)
{
    struct cfs_command command;
    cfs_session_id before[sizeof sim->locks.sessions / sizeof *sim->locks.sessions];

    if (entry->kind != CFS_ENTRY_COMMAND ||
        cfs_command_decode(&command, entry->data, entry->len) != 0)
        return;
    memcpy(before, sim->locks.sessions, sizeof before);
    if (command.kind == CFS_CMD_OPEN_SESSION && took_effect(sim, witness, &command, entry->index))
        session_opened(sim, &command, entry->index);
    else if (command.kind == CFS_CMD_EXPIRE_SESSION)
        session_expired(sim, command.target);
    else if (command.kind == CFS_CMD_CLOSE_SESSION)
        session_expired(sim, command.session);
    tell_groups(sim, before, entry->index);
}
