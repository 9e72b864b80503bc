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
