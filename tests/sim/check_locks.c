/* Acquires, releases, removals and writes: what they mean for the holds of a name. */
#include "check_locks.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "sim.h"

/* Within this time a node without troubles gives back what it told nobody it was granted. */
#define UNDO_TIME CFS_SECONDS(1)

void sim_locks_close(struct sim_lock_check *check)
{
    for (uint32_t i = 0; i < SIM_NAMES_MAX; i++) {
        free(check->names[i].live.items);
        free(check->names[i].past.items);
    }
}

/* Holds. */

/* Somebody may be removing it, or have removed it. */
static bool in_doubt(const struct sim *sim, const struct sim_hold *hold)
{
    return hold->kind == CFS_LOCKFILE && sim->locks.names[hold->name].removes;
}

bool sim_hold_relied_on(const struct sim *sim, const struct sim_hold *hold)
{
    return hold->state == SIM_HELD && !in_doubt(sim, hold) && sim->world.now < hold->until;
}

/* As above, and lockfiles whose daemon died: their makers rely on them to the end of the lease. */
static bool excludes(const struct sim *sim, const struct sim_hold *hold)
{
    return sim_hold_relied_on(sim, hold) || (hold->state == SIM_RESIDUE && hold->token &&
                                             !in_doubt(sim, hold) && sim->world.now < hold->until);
}

static struct sim_hold *put(struct sim_holds *holds, const struct sim_hold *hold)
{
    holds->items =
        cfs_array_room(holds->items, holds->count, &holds->capacity, sizeof *holds->items);
    holds->items[holds->count] = *hold;
    return &holds->items[holds->count++];
}

struct sim_hold *sim_hold_add(struct sim *sim, const struct sim_op *op, enum sim_hold_state state)
{
    const struct cfs_acquire *acquire = &op->request.acquire;
    struct sim_hold hold = {.number = ++sim->locks.holds_made,
                            .name = op->name,
                            .state = state,
                            .node = op->node->id,
                            .process = op->process ? op->process->number : 0,
                            .identity = acquire->process,
                            .kind = acquire->kind,
                            .mode = acquire->mode,
                            .form = acquire->form,
                            .uid = acquire->uid,
                            .handle = acquire->handle,
                            .session = op->node->view.session,
                            .since = sim->world.now,
                            .until = CFS_NEVER};

    return put(&sim->locks.names[op->name].live, &hold);
}

void sim_hold_gone(struct sim *sim, struct sim_lock_name *name, struct sim_hold *hold)
{
    hold->state = SIM_GONE;
    hold->gone = sim->world.now;
    put(&name->past, hold);
    *hold = name->live.items[--name->live.count];
}

static struct sim_hold *find_handle(struct sim_lock_name *name, cfs_node_id node, uint64_t handle)
{
    for (size_t i = 0; i < name->live.count; i++) {
        struct sim_hold *hold = &name->live.items[i];
        if (hold->kind == CFS_FLOCK && hold->node == node && hold->handle == handle && hold->token)
            return hold;
    }
    return NULL;
}

static struct sim_hold *find_token(struct sim_holds *holds, cfs_token token)
{
    for (size_t i = 0; token && i < holds->count; i++)
        if (holds->items[i].token == token)
            return &holds->items[i];
    return NULL;
}

/* The hold that the request is about, if the checker knows one. */
static struct sim_hold *find_subject(struct sim *sim, const struct sim_op *op)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];
    const struct cfs_request *request = &op->request;

    if (request->op == CFS_OP_ACQUIRE)
        return request->acquire.kind == CFS_FLOCK
                   ? find_handle(name, op->node->id, request->acquire.handle)
                   : find_token(&name->live, request->acquire.renew);
    if (request->op == CFS_OP_RELEASE)
        return request->release.kind == CFS_FLOCK
                   ? find_handle(name, op->node->id, request->release.handle)
                   : find_token(&name->live, request->release.token);
    if (request->op == CFS_OP_WRITE)
        return find_token(&name->live, request->write.token);
    return NULL;
}

bool sim_name_busy(const struct sim *sim, const struct sim_lock_name *name)
{
    if (name->acquires || name->tainted)
        return true;
    for (size_t i = 0; i < name->live.count; i++) {
        const struct sim_hold *hold = &name->live.items[i];
        if (hold->state != SIM_ENDING || !hold->closed || !sim->swarm.calm)
            return true;
    }
    return false;
}

/* Submission. */

static void note_names(struct sim *sim, struct sim_op *op)
{
    for (uint32_t i = 0; i < sim->swarm.name_count; i++) {
        op->arrivals_all[i] = sim->locks.names[i].arrivals;
        if (sim_name_busy(sim, &sim->locks.names[i]))
            op->busy_names |= 1u << i;
    }
}

static void begin_end(struct sim_hold *hold, const struct sim_op *op)
{
    if (hold->state != SIM_HELD)
        return;
    hold->state = SIM_ENDING;
    hold->op = op->id;
    hold->closed = !op->process;
}

/* A lower bound: granted when it was asked for, on the fastest of clocks. */
static cfs_time lease_end(const struct sim_op *op)
{
    return op->retried ? 0 : op->submitted + CFS_MS(op->request.acquire.ttl_ms) * 98 / 100;
}

static void submitted_acquire(struct sim_lock_name *name, struct sim_op *op,
                              struct sim_hold *subject)
{
    op->arrivals = ++name->arrivals;
    name->acquires++;
    /* A renewal may also shorten. */
    if (subject && op->request.acquire.renew && lease_end(op) < subject->until)
        subject->until = lease_end(op);
    if (subject && subject->kind == CFS_FLOCK && subject->mode != op->request.acquire.mode)
        begin_end(subject, op);
}

void sim_locks_submitted(struct sim *sim, struct sim_op *op)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];
    struct sim_hold *subject;

    if (op->request.op == CFS_OP_LIST) {
        note_names(sim, op);
        return;
    }
    op->floor = name->newest;
    op->exclusive = name->newest_exclusive;
    op->known = name->known;
    op->dead = name->dead;
    op->arrivals = name->arrivals;
    op->others_busy = sim_name_busy(sim, name);
    op->holds_made = sim->locks.holds_made;
    subject = find_subject(sim, op);
    if (op->request.op == CFS_OP_ACQUIRE)
        submitted_acquire(name, op, subject);
    else if (op->request.op == CFS_OP_REMOVE)
        name->removes++;
    else if (subject && op->request.op == CFS_OP_RELEASE)
        begin_end(subject, op);
    else if (subject && op->request.op == CFS_OP_WRITE)
        subject->writes++;
}

/* Acquires. */

static bool is_unclear(const struct sim *sim, enum cfs_error error)
{
    return error == CFS_ERR_TIMED_OUT || error == CFS_ERR_LOST || error == CFS_ERR_IO ||
           error == CFS_ERR_TOO_MANY || (error == CFS_ERR_INTERRUPTED && !sim->swarm.calm);
}

void sim_locks_unclear(struct sim *sim, const struct sim_op *op, bool undone)
{
    struct sim_hold *hold;

    if (op->request.acquire.kind == CFS_LEASED) {
        sim->locks.names[op->name].tainted = true;
        return;
    }
    hold = sim_hold_add(sim, op, SIM_RESIDUE);
    hold->until = 0;
    hold->unsettled = true;
    hold->undone = undone;
    hold->floor = op->floor;
}

static bool is_of_process(const struct sim_hold *hold, cfs_node_id node,
                          const struct cfs_process *process)
{
    return hold->node == node && process->pid && hold->identity.pid == process->pid &&
           hold->identity.start == process->start;
}

static bool compatible(const struct sim_hold *a, const struct sim_hold *b)
{
    return (a->mode == CFS_SHARED && b->mode == CFS_SHARED) ||
           (is_of_process(a, b->node, &b->identity) && a->kind != b->kind);
}

static void check_exclusion(struct sim *sim, const struct sim_lock_name *name, uint32_t number,
                            const struct sim_hold *hold)
{
    for (size_t i = 0; i < name->live.count; i++) {
        const struct sim_hold *other = &name->live.items[i];
        if (other == hold || !excludes(sim, other) || !excludes(sim, hold) ||
            compatible(hold, other))
            continue;
        sim_fail(sim, "mutual-exclusion",
                 "%s was granted to node %u with token %" PRIu64
                 " while node %u holds it with %" PRIu64,
                 sim_name(number), hold->node, hold->token, other->node, other->token);
    }
}

/* What the token has to exceed. An earlier request of the same handle that ended unclear may have
 * been granted then, and is only confirmed now. */
static cfs_token floor_of(const struct sim_lock_name *name, const struct sim_op *op)
{
    cfs_token floor = op->floor;

    for (size_t i = 0; i < name->live.count; i++) {
        const struct sim_hold *hold = &name->live.items[i];
        if ((hold->unsettled || hold->undone) && hold->kind == CFS_FLOCK &&
            hold->node == op->node->id && hold->handle == op->request.acquire.handle &&
            hold->floor < floor)
            floor = hold->floor;
    }
    return floor;
}

/* Its process took the name as a lockfile too, which a flock of its own does not stand against. */
static bool newest_is_its_own(const struct sim_lock_name *name, const struct sim_op *op)
{
    for (size_t i = 0; i < name->live.count; i++) {
        const struct sim_hold *hold = &name->live.items[i];
        if (hold->token == name->newest && hold->kind == CFS_LOCKFILE &&
            is_of_process(hold, op->node->id, &op->request.acquire.process))
            return true;
    }
    return false;
}

static void check_token(struct sim *sim, const struct sim_lock_name *name, const struct sim_op *op,
                        cfs_token token)
{
    bool exclusive = op->request.acquire.mode == CFS_EXCLUSIVE;
    cfs_token floor = floor_of(name, op);

    /* What is answered late may have been removed, or have expired, and been acquired by others. */
    if (op->request.acquire.kind == CFS_FLOCK && !newest_is_its_own(name, op)) {
        if (floor < name->newest_exclusive)
            floor = name->newest_exclusive;
        if (floor < name->newest && exclusive)
            floor = name->newest;
    }
    if (token <= floor)
        sim_fail(sim, "fencing-tokens", "%s: node %u acquired token %" PRIu64 " after %" PRIu64,
                 sim_name(op->name), op->node->id, token, floor);
}

/* A process that takes a name in two ways still has the older one when it gives back the newer. */
static bool held_twice(struct sim_lock_name *name, struct sim_hold *hold)
{
    bool twice = false;

    for (size_t i = 0; i < name->live.count; i++) {
        struct sim_hold *other = &name->live.items[i];
        if (other == hold || !compatible(other, hold))
            continue;
        twice = true;
        other->content_unclear = hold->content_unclear = true;
    }
    return twice;
}

/* It may have been granted while its process had the name in another way, whose end was heard
 * first: then it began with the content of that one. */
static bool overlapped(const struct sim_lock_name *name, const struct sim_hold *hold,
                       const struct sim_op *op)
{
    for (size_t i = 0; i < name->past.count; i++)
        if (name->past.items[i].gone >= op->submitted && compatible(&name->past.items[i], hold))
            return true;
    return false;
}

static void note_token(struct sim_lock_name *name, struct sim_hold *hold)
{
    if (hold->token > name->newest)
        name->newest = hold->token;
    if (hold->mode == CFS_EXCLUSIVE && !held_twice(name, hold) &&
        hold->token > name->newest_exclusive)
        name->newest_exclusive = hold->token;
    if (hold->token > name->known)
        name->known = hold->token;
}

/* It may be gone, or not: nobody will ever know which token it had. */
static void doubt(struct sim_hold *hold)
{
    hold->state = SIM_RESIDUE;
    hold->until = 0;
    hold->token = 0;
}

static void granted(struct sim *sim, const struct sim_op *op, const struct cfs_answer *answer)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];
    const struct cfs_acquire *acquire = &op->request.acquire;
    struct sim_hold *hold = find_subject(sim, op);
    bool kept = hold && hold->token == answer->token && hold->mode == acquire->mode;

    sim->locks.grants++;
    if (acquire->kind != CFS_LEASED && !op->node->session)
        sim_fail(sim, "session", "node %u was granted %s without a session", op->node->id,
                 sim_name(op->name));
    if (acquire->renew && answer->token != acquire->renew)
        sim_fail(sim, "fencing-tokens", "%s: renewing %" PRIu64 " gave %" PRIu64,
                 sim_name(op->name), acquire->renew, answer->token);
    if (!kept && !acquire->renew)
        check_token(sim, name, op, answer->token);
    if (kept) {
        hold->state = SIM_HELD;
        hold->until = acquire->kind == CFS_LEASED ? lease_end(op) : CFS_NEVER;
        check_exclusion(sim, name, op->name, hold);
        return;
    }
    if (hold)
        sim_hold_gone(sim, name, hold);
    hold = sim_hold_add(sim, op, SIM_HELD);
    hold->token = answer->token;
    hold->first = name->live.count == 1;
    hold->owners = hold->owners_before = op->process ? 1u << op->process->number : 0;
    if (acquire->kind == CFS_LEASED)
        hold->until = lease_end(op);
    note_token(name, hold);
    hold->content_unclear |= overlapped(name, hold, op);
    /* Somebody may have removed it before its maker heard of it. */
    if (acquire->kind == CFS_LOCKFILE && name->removed >= op->submitted)
        doubt(hold);
    check_exclusion(sim, name, op->name, hold);
}

static void check_refusal(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    const struct sim_lock_name *name = &sim->locks.names[op->name];

    if (op->request.acquire.wait)
        sim_fail(sim, "refusal", "node %u would have waited for %s and was answered %s",
                 op->node->id, sim_name(op->name), cfs_error_word(error));
    if (!op->others_busy && name->arrivals == op->arrivals)
        sim_fail(sim, "refusal", "node %u was answered %s for %s, which is free", op->node->id,
                 cfs_error_word(error), sim_name(op->name));
}

/* It lets go first, then asks. Only where the answer says nothing of the cluster may it have kept.
 */
static void conversion_failed(struct sim *sim, const struct sim_op *op, struct sim_hold *hold,
                              enum cfs_error error)
{
    bool refused = error == CFS_ERR_WOULD_BLOCK || error == CFS_ERR_DEADLOCK;

    if (hold->state == SIM_ENDING && hold->op == op->id && refused) {
        sim_hold_gone(sim, &sim->locks.names[op->name], hold);
    } else if (hold->state != SIM_RESIDUE) {
        hold->state = SIM_RESIDUE;
        hold->until = 0;
    }
}

static void not_granted(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    struct sim_hold *hold = find_subject(sim, op);

    sim->locks.refusals++;
    if (error == CFS_ERR_EXISTS || error == CFS_ERR_WOULD_BLOCK)
        check_refusal(sim, op, error);
    else if (error == CFS_ERR_DEADLOCK)
        sim_locks_deadlock_answered(sim, op);
    else if (error == CFS_ERR_INTERRUPTED && !op->cancelled)
        sim_fail(sim, "interrupt", "node %u: request %" PRIu64 " was not given up", op->node->id,
                 op->id);
    else if ((error == CFS_ERR_NOT_HOLDER || error == CFS_ERR_NOT_HELD) && hold &&
             sim_hold_relied_on(sim, hold))
        sim_fail(sim, "forgotten", "node %u cannot renew %s, token %" PRIu64, op->node->id,
                 sim_name(op->name), hold->token);
    if (hold && hold->kind == CFS_FLOCK)
        conversion_failed(sim, op, hold, error);
    if (is_unclear(sim, error))
        sim_locks_unclear(sim, op, true);
}

void sim_locks_remember_wait(struct sim *sim, const struct sim_op *op)
{
    struct sim_lock_check *check = &sim->locks;

    if (!op->request.acquire.wait || !op->process)
        return;
    check->waits[check->wait_count++ % SIM_PAST_WAITS] =
        (struct sim_past_wait){.node = op->node->id,
                               .process = op->process->number,
                               .name = op->name,
                               .from = op->submitted,
                               .to = sim->world.now};
}

static void acquire_answered(struct sim *sim, const struct sim_op *op,
                             const struct cfs_answer *answer)
{
    sim->locks.names[op->name].acquires--;
    sim_locks_remember_wait(sim, op);
    if (op->node->leaving)
        sim_locks_unclear(sim, op, false);
    else if (answer->error == CFS_OK)
        granted(sim, op, answer);
    else
        not_granted(sim, op, answer->error);
}

/* What ends a hold, and what is written under it. */

static void release_answered(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];
    struct sim_hold *hold = find_subject(sim, op);

    if (!hold)
        return;
    if (hold->state == SIM_ENDING && hold->op == op->id) {
        bool over = error == CFS_ERR_NOT_HOLDER || error == CFS_ERR_NOT_HELD;
        if (over && sim->world.now < hold->until && hold->kind == CFS_LEASED)
            sim_fail(sim, "forgotten", "node %u cannot give back %s, token %" PRIu64, op->node->id,
                     sim_name(op->name), hold->token);
        hold->state = SIM_RESIDUE;
        hold->until = 0;
        if (error == CFS_OK || over)
            sim_hold_gone(sim, name, hold);
    } else if (hold->state == SIM_RESIDUE && error == CFS_OK && !hold->unsettled &&
               op->node->session && hold->session == op->node->view.session) {
        sim_hold_gone(sim, name, hold);
    }
}

static void check_removal(struct sim *sim, const struct sim_op *op, const struct sim_hold *hold)
{
    const struct cfs_remove *remove = &op->request.remove;

    if (!sim_hold_relied_on(sim, hold) || hold->number > op->holds_made || !hold->first)
        return;
    if (remove->form != hold->form || (remove->uid && remove->uid != hold->uid))
        sim_fail(sim, "permission", "node %u removed %s as user %u, form %u", op->node->id,
                 sim_name(op->name), remove->uid, remove->form);
}

/* A lockfile was removed: the one that was there before, or one that was made meanwhile. */
static void removed(struct sim *sim, const struct sim_op *op, struct sim_hold *hold)
{
    check_removal(sim, op, hold);
    if (hold->number <= op->holds_made && !hold->unsettled && hold->settled <= op->submitted) {
        sim_hold_gone(sim, &sim->locks.names[op->name], hold);
    } else {
        doubt(hold);
    }
}

/* In the end every lockfile is somebody's: what was answered with an error has been given back. A
 * removal of before may be answered when much has happened since. */
static void check_ghost(struct sim *sim, const struct sim_op *op)
{
    const struct sim_lock_name *name = &sim->locks.names[op->name];

    if (sim->live.stage < SIM_STAGE_END || !op->process->probes || name->removes || name->acquires)
        return;
    for (size_t i = 0; i < name->live.count; i++) {
        const struct sim_hold *hold = &name->live.items[i];
        if (hold->kind == CFS_LOCKFILE &&
            (!hold->undone || op->submitted < hold->since + UNDO_TIME))
            return;
    }
    sim_fail(sim, "ghost", "node %u removed the lockfile %s, which nobody was told to have made",
             op->node->id, sim_name(op->name));
}

static void remove_answered(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];

    if (is_unclear(sim, error) || error == CFS_ERR_INTERRUPTED) {
        name->unclear_removes[op->node->id]++;
        return;
    }
    name->removes--;
    if (error == CFS_OK)
        check_ghost(sim, op);
    if (error == CFS_OK)
        name->removed = sim->world.now;
    for (size_t i = name->live.count; i-- > 0;) {
        struct sim_hold *hold = &name->live.items[i];
        if (hold->kind != CFS_LOCKFILE)
            continue;
        if (error == CFS_OK)
            removed(sim, op, hold);
        else if (error == CFS_ERR_NOT_HELD && sim_hold_relied_on(sim, hold) &&
                 hold->number <= op->holds_made)
            sim_fail(sim, "forgotten",
                     "node %u cannot remove %s, which node %u holds with %" PRIu64, op->node->id,
                     sim_name(op->name), hold->node, hold->token);
    }
}

static void write_answered(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];
    struct sim_hold *hold = find_token(&name->live, op->request.write.token);
    struct sim_hold *past = find_token(&name->past, op->request.write.token);

    if (past && past->gone < op->submitted && error == CFS_OK)
        sim_fail(sim, "fencing",
                 "node %u wrote to %s under token %" PRIu64 ", which it had given back",
                 op->node->id, sim_name(op->name), past->token);
    if (!hold)
        return;
    if (hold->writes)
        hold->writes--;
    if (error == CFS_OK) {
        hold->content = op->content_number;
        hold->written = sim->world.now;
    } else if (is_unclear(sim, error) || error == CFS_ERR_INTERRUPTED) {
        hold->content_unclear = true;
    } else if (error != CFS_ERR_NO_SPACE && sim_hold_relied_on(sim, hold)) {
        sim_fail(sim, "forgotten", "node %u cannot write to %s under token %" PRIu64 ": %s",
                 op->node->id, sim_name(op->name), hold->token, cfs_error_word(error));
    }
}

void sim_locks_answered(struct sim *sim, const struct sim_op *op, const struct cfs_answer *answer)
{
    if (answer->error == CFS_ERR_INVALID || answer->error == CFS_ERR_TOO_BIG ||
        answer->error == CFS_ERR_NAME_TOO_LONG)
        sim_fail(sim, "answer", "node %u refuses a request that is in order: %s", op->node->id,
                 cfs_error_word(answer->error));
    switch (op->request.op) {
    case CFS_OP_ACQUIRE:
        acquire_answered(sim, op, answer);
        break;
    case CFS_OP_RELEASE:
        release_answered(sim, op, answer->error);
        break;
    case CFS_OP_REMOVE:
        remove_answered(sim, op, answer->error);
        break;
    case CFS_OP_WRITE:
        write_answered(sim, op, answer->error);
        break;
    default:
        sim_locks_read_answered(sim, op, answer);
        break;
    }
}

void sim_locks_owners(struct sim *sim, const struct sim_node *node, const struct sim_handle *handle)
{
    struct sim_hold *hold = find_handle(&sim->locks.names[handle->name], node->id, handle->id);

    if (!hold)
        return;
    hold->owners_before = hold->owners;
    hold->owners = handle->owners;
    hold->shared = sim->world.now;
}

void sim_locks_say(struct sim *sim)
{
    static const char *const states[] = {"held", "ending", "residue", "gone"};

    for (uint32_t n = 0; n < sim->swarm.name_count; n++) {
        const struct sim_lock_name *name = &sim->locks.names[n];
        sim_say(sim, "judge: %s: %u acquires and %u removals open%s", sim_name(n), name->acquires,
                name->removes, name->tainted ? ", tainted" : "");
        for (size_t i = 0; i < name->live.count; i++) {
            const struct sim_hold *hold = &name->live.items[i];
            sim_say(sim,
                    "judge:   n%u process %u token %" PRIu64 " mode %u kind %u handle %" PRIu64
                    " owners %x since %.6f until %.6f %s",
                    hold->node, hold->process, hold->token, hold->mode, hold->kind, hold->handle,
                    hold->owners, (double)hold->since / 1e6,
                    hold->until == CFS_NEVER ? -1.0 : (double)hold->until / 1e6,
                    states[hold->state]);
        }
    }
}
