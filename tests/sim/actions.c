/* The things a process may do, one function each. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static struct cfs_request request_of(enum cfs_op op, uint32_t name)
{
    struct cfs_request request = {.op = op};

    strcpy(request.name, sim_name(name));
    return request;
}

static uint32_t any_name(struct sim *sim)
{
    return (uint32_t)sim_random_below(&sim->random_client, sim->swarm.name_count);
}

static enum cfs_lock_mode any_mode(struct sim *sim)
{
    return sim_random_chance(&sim->random_client, sim->swarm.exclusive_permille) ? CFS_EXCLUSIVE
                                                                                 : CFS_SHARED;
}

typedef bool (*handle_test)(const struct sim_handle *handle);

static bool is_open(const struct sim_handle *handle)
{
    return handle->id != 0;
}

static bool is_held(const struct sim_handle *handle)
{
    return handle->held && !handle->lost;
}

static bool is_exclusive(const struct sim_handle *handle)
{
    return is_held(handle) && handle->mode == CFS_EXCLUSIVE;
}

static bool is_idle(const struct sim_handle *handle)
{
    return handle->id && !handle->held;
}

/* One of the process' open files that passes the test, at random; NULL if there is none. */
static struct sim_handle *pick_handle(struct sim *sim, struct sim_process *process,
                                      handle_test test)
{
    struct sim_handle *handles = process->node->kernel.handles, *picked = NULL;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++) {
        if (!handles[i].id || !(handles[i].owners >> process->number & 1) || !test(&handles[i]))
            continue;
        if (sim_random_below(&sim->random_client, ++seen) == 0)
            picked = &handles[i];
    }
    return picked;
}

static uint32_t count_handles(const struct sim_process *process)
{
    const struct sim_handle *handles = process->node->kernel.handles;
    uint32_t count = 0;

    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++)
        count += handles[i].id && (handles[i].owners >> process->number & 1);
    return count;
}

static void ask_flock(struct sim *sim, struct sim_process *process, struct sim_handle *handle,
                      enum cfs_lock_mode mode, bool wait)
{
    struct cfs_request request = request_of(CFS_OP_ACQUIRE, handle->name);

    request.acquire = (struct cfs_acquire){.mode = mode,
                                           .kind = CFS_FLOCK,
                                           .form = CFS_FORM_FILE,
                                           .wait = wait,
                                           .handle = handle->id,
                                           .process = process->identity,
                                           .uid = process->uid,
                                           .gid = process->uid,
                                           .perm = 0644,
                                           .ticket = wait ? handle->ticket : 0};
    handle->asked = true;
    handle->ticket = 0;
    process->using = handle;
    sim_process_ask(sim, process, &request, handle->name);
}

static bool flock_new(struct sim *sim, struct sim_process *process, bool wait)
{
    struct sim_handle *handle = pick_handle(sim, process, is_idle);

    if (handle && handle->owners != 1u << process->number)
        handle = NULL;
    if (!handle && count_handles(process) < 3)
        handle = sim_kernel_open(&process->node->kernel, any_name(sim), process->number);
    if (!handle)
        return false;
    ask_flock(sim, process, handle, any_mode(sim), wait);
    return true;
}

static bool convert(struct sim *sim, struct sim_process *process)
{
    struct sim_handle *handle = pick_handle(sim, process, is_held);

    if (!handle || handle->owners != 1u << process->number)
        return false;
    ask_flock(sim, process, handle, any_mode(sim), sim_random_chance(&sim->random_client, 500));
    return true;
}

/* Keeps the token of an exclusive hold that ends here: nothing may be written under it any more. */
static void remember_past(struct sim_process *process, const struct sim_handle *handle)
{
    if (!is_exclusive(handle))
        return;
    process->past.name = handle->name;
    process->past.token = handle->token;
}

static bool unlock(struct sim *sim, struct sim_process *process)
{
    struct sim_handle *handle = pick_handle(sim, process, is_held);
    struct cfs_request request;

    if (!handle || handle->owners != 1u << process->number)
        return false;
    remember_past(process, handle);
    request = request_of(CFS_OP_RELEASE, handle->name);
    request.release = (struct cfs_release){.kind = CFS_FLOCK, .handle = handle->id};
    handle->held = false;
    sim_process_ask(sim, process, &request, handle->name);
    return true;
}

static bool close_one(struct sim *sim, struct sim_process *process)
{
    struct sim_handle *handle = pick_handle(sim, process, is_open);

    if (!handle)
        return false;
    sim_kernel_close_handle(&process->node->kernel, handle, process->number);
    return true;
}

/* fork(2): another process of the node has the same open file. */
static bool share(struct sim *sim, struct sim_process *process)
{
    struct sim_handle *handle = pick_handle(sim, process, is_held);
    uint32_t other = (uint32_t)sim_random_below(&sim->random_client, sim->swarm.process_count);

    if (!handle || other == process->number || sim_process(sim, process->node, other)->op)
        return false;
    handle->owners |= 1u << other;
    sim_locks_owners(sim, process->node, handle);
    return true;
}

static enum cfs_lock_form any_form(struct sim *sim)
{
    return sim_random_chance(&sim->random_client, 200) ? CFS_FORM_DIRECTORY : CFS_FORM_FILE;
}

static bool create(struct sim *sim, struct sim_process *process)
{
    uint32_t name = any_name(sim);
    struct cfs_request request = request_of(CFS_OP_ACQUIRE, name);

    request.acquire = (struct cfs_acquire){.mode = CFS_EXCLUSIVE,
                                           .kind = CFS_LOCKFILE,
                                           .form = any_form(sim),
                                           .process = process->identity,
                                           .uid = process->uid,
                                           .gid = process->uid,
                                           .perm = 0600};
    sim_process_ask(sim, process, &request, name);
    return true;
}

/* As a rule what it made itself. */
static bool remove_one(struct sim *sim, struct sim_process *process)
{
    bool own = process->made && sim_random_chance(&sim->random_client, 700);
    uint32_t name = own ? (uint32_t)__builtin_ctz(process->made) : any_name(sim);
    struct cfs_request request = request_of(CFS_OP_REMOVE, name);

    request.remove = (struct cfs_remove){.form = any_form(sim), .uid = process->uid};
    sim_process_ask(sim, process, &request, name);
    return true;
}

static bool write_under(struct sim *sim, struct sim_process *process, uint32_t name,
                        cfs_token token)
{
    struct cfs_request request = request_of(CFS_OP_WRITE, name);
    char text[16];

    snprintf(text, sizeof text, "%06u", (unsigned)(++sim->contents_written % 1000000));
    request.write = (struct cfs_write){
        .token = token, .data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
    sim_process_ask(sim, process, &request, name)->content_number = sim->contents_written;
    return true;
}

static bool write_held(struct sim *sim, struct sim_process *process)
{
    struct sim_handle *handle = pick_handle(sim, process, is_exclusive);

    return handle && write_under(sim, process, handle->name, handle->token);
}

static bool write_stale(struct sim *sim, struct sim_process *process)
{
    return process->past.token &&
           write_under(sim, process, process->past.name, process->past.token);
}

static bool get(struct sim *sim, struct sim_process *process)
{
    uint32_t name = any_name(sim);
    struct cfs_request request = request_of(CFS_OP_GET, name);

    sim_process_ask(sim, process, &request, name);
    return true;
}

static bool list(struct sim *sim, struct sim_process *process)
{
    struct cfs_request request = {.op = CFS_OP_LIST};

    sim_process_ask(sim, process, &request, SIM_NAMES_MAX);
    return true;
}

/* Over HTTP. */

static void ask_lease(struct sim *sim, struct sim_process *process, cfs_token renew)
{
    struct sim_lease *lease = &process->lease;
    struct cfs_request request = request_of(CFS_OP_ACQUIRE, lease->name);
    struct cfs_acquire *acquire = &request.acquire;

    *acquire = (struct cfs_acquire){
        .mode = lease->mode,
        .kind = CFS_LEASED,
        .form = CFS_FORM_FILE,
        .wait = !renew && sim_random_chance(&sim->random_client, 300),
        .uid = process->uid,
        .gid = process->uid,
        .perm = 0644,
        .ttl_ms = (uint32_t)(sim_random_between(&sim->random_client, sim->swarm.ttl_min,
                                                sim->swarm.ttl_max) /
                             1000),
        .key = renew ? 0 : lease->key,
        .renew = renew};
    snprintf(acquire->owner, sizeof acquire->owner, "client-%u-%u", process->node->id,
             process->number);
    process->op_leases = !renew;
    sim_process_ask(sim, process, &request, lease->name);
    process->op->retried = !renew && lease->unclear;
    if (process->op->retried)
        process->op->floor = lease->floor;
    else
        lease->floor = process->op->floor;
}

static bool lease_new(struct sim *sim, struct sim_process *process)
{
    struct sim_lease *lease = &process->lease;
    bool again = lease->unclear && sim_random_chance(&sim->random_client, 700);

    if (lease->held)
        return false;
    if (!again)
        *lease = (struct sim_lease){
            .name = any_name(sim), .mode = any_mode(sim), .key = ++sim->keys_used};
    ask_lease(sim, process, 0);
    return true;
}

static bool renew(struct sim *sim, struct sim_process *process)
{
    if (!process->lease.held)
        return false;
    ask_lease(sim, process, process->lease.token);
    return true;
}

static bool end_lease(struct sim *sim, struct sim_process *process)
{
    struct sim_lease *lease = &process->lease;
    struct cfs_request request = request_of(CFS_OP_RELEASE, lease->name);

    if (!lease->held)
        return false;
    lease->held = lease->unclear = false;
    request.release = (struct cfs_release){.kind = CFS_LEASED, .token = lease->token};
    sim_process_ask(sim, process, &request, lease->name);
    return true;
}

bool sim_act(struct sim *sim, struct sim_process *process, enum sim_action action)
{
    process->op_leases = false;
    switch (action) {
    case SIM_TRY_FLOCK:
        return flock_new(sim, process, false);
    case SIM_WAIT_FLOCK:
        return flock_new(sim, process, true);
    case SIM_CONVERT:
        return convert(sim, process);
    case SIM_UNLOCK:
        return unlock(sim, process);
    case SIM_CLOSE:
        return close_one(sim, process);
    case SIM_SHARE:
        return share(sim, process);
    case SIM_CREATE:
        return create(sim, process);
    case SIM_REMOVE:
        return remove_one(sim, process);
    case SIM_WRITE:
        return write_held(sim, process);
    case SIM_STALE_WRITE:
        return write_stale(sim, process);
    case SIM_GET:
        return get(sim, process);
    case SIM_LIST:
        return list(sim, process);
    case SIM_LEASE:
        return lease_new(sim, process);
    case SIM_RENEW:
        return renew(sim, process);
    case SIM_END_LEASE:
        return end_lease(sim, process);
    default:
        return false;
    }
}

bool sim_give_back(struct sim *sim, struct sim_process *process)
{
    process->op_leases = false;
    if (sim_random_chance(&sim->random_client, 300) && unlock(sim, process))
        return true;
    return close_one(sim, process) || end_lease(sim, process);
}
