/* What a process does next, and what an answer means to it. */
#include "process.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim.h"

const char *sim_name(uint32_t name)
{
    static const char *const names[SIM_NAMES_MAX] = {"apple", "birch", "cedar", "dogwood",
                                                     "elm",   "fir",   "gorse", "hazel"};

    return names[name];
}

struct sim_process *sim_process(struct sim *sim, const struct sim_node *node, uint32_t number)
{
    return &sim->processes[node->id - 1][number];
}

static void wake(struct sim *sim, void *arg, uint64_t number);

static void wake_after(struct sim *sim, struct sim_process *process, cfs_time delay)
{
    sim_at(sim, sim->world.now + delay, wake, process, ++process->wake);
}

/* A node on which nobody changes anything is not held up by what cannot be committed: it goes on
 * asking. */
static bool only_reads(const struct sim *sim, const struct sim_process *process)
{
    return sim->swarm.reading_nodes >> process->node->id & 1;
}

static void wake_later(struct sim *sim, struct sim_process *process)
{
    cfs_time longest =
        sim->winding_down || only_reads(sim, process) ? CFS_MS(5) : sim->swarm.think_max;

    wake_after(sim, process, 10 + sim_random_below(&sim->random_client, longest));
}

static void be_born(struct sim *sim, struct sim_process *process)
{
    process->identity.pid = (uint32_t)sim_random_between(&sim->random_client, 2, 30);
    process->identity.start = ++sim->processes_born;
    process->dying = false;
}

/* A killed process: the kernel closes what it had open, another takes its place. */
static void die(struct sim *sim, struct sim_process *process)
{
    struct sim_kernel *kernel = &process->node->kernel;

    sim_say(sim, "n%u process %u dies", process->node->id, process->number);
    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++)
        if (kernel->handles[i].id && (kernel->handles[i].owners >> process->number & 1))
            sim_kernel_close_handle(kernel, &kernel->handles[i], process->number);
    be_born(sim, process);
}

static void work(struct sim *sim, struct sim_process *process)
{
    enum sim_action action =
        sim_random_weighted(&sim->random_client, sim->swarm.action_weights, SIM_ACTION_COUNT);

    if (only_reads(sim, process))
        action = sim_random_chance(&sim->random_client, 900) ? SIM_GET : SIM_LIST;
    if (action == SIM_DIE)
        die(sim, process);
    else
        sim_act(sim, process, action);
}

static void wake(struct sim *sim, void *arg, uint64_t number)
{
    struct sim_process *process = arg;

    if (number != process->wake || process->op || process->done)
        return;
    if (process->node->state == SIM_DOWN) {
        wake_later(sim, process);
        return;
    }
    if (process->dying)
        die(sim, process);
    else if (!sim->winding_down)
        work(sim, process);
    else if (!sim_give_back(sim, process))
        process->done = true;
    if (!process->op)
        wake_later(sim, process);
}

void sim_clients_start(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        for (uint32_t k = 0; k < sim->swarm.process_count; k++) {
            struct sim_process *process = &sim->processes[i][k];
            process->node = &sim->nodes[i];
            process->number = k;
            process->uid = k == 0 ? 0 : 1000 + k;
            be_born(sim, process);
            wake_later(sim, process);
        }
    }
}

void sim_clients_wind_down(struct sim *sim)
{
    sim->winding_down = true;
}

bool sim_clients_done(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        for (uint32_t k = 0; k < sim->swarm.process_count; k++)
            if (!sim->processes[i][k].done)
                return false;
    return true;
}

static void give_up(struct sim *sim, void *arg, uint64_t id)
{
    struct sim_process *process = arg;

    if (!process->op || process->op->id != id || process->node->state == SIM_DOWN)
        return;
    process->dying = sim_random_chance(&sim->random_client, 200);
    sim_kernel_cancel(&process->node->kernel, process->op);
}

/* A signal may interrupt any request, also one that has only just set out: then giving up overtakes
 * it. */
static void lose_patience(struct sim *sim, struct sim_process *process)
{
    const struct sim_op *op = process->op;
    struct sim_random *random = &sim->random_client;
    bool blocks = op->request.op == CFS_OP_ACQUIRE && op->request.acquire.wait;
    bool over_http = blocks && op->request.acquire.kind == CFS_LEASED;
    bool at_once = sim_random_chance(random, 300);
    uint32_t permille = blocks ? sim->swarm.cancel_permille : sim->swarm.cancel_permille / 4;
    cfs_time patience = sim_random_below(random, at_once ? CFS_MS(4) : sim->swarm.patience_max);

    if (over_http || sim_random_chance(random, permille))
        sim_at(sim, sim->world.now + patience, give_up, process, op->id);
}

struct sim_op *sim_process_ask(struct sim *sim, struct sim_process *process,
                               const struct cfs_request *request, uint32_t name)
{
    sim->operations++;
    process->op = sim_kernel_submit(&process->node->kernel, process, request, name);
    lose_patience(sim, process);
    return process->op;
}

static void flock_answered(struct sim_process *process, const struct sim_op *op,
                           const struct cfs_answer *answer)
{
    struct sim_handle *handle = process->using;

    if (!handle || handle->id != op->request.acquire.handle)
        return;
    handle->held = answer->error == CFS_OK;
    handle->lost = false;
    handle->mode = op->request.acquire.mode;
    handle->token = answer->token;
    handle->ticket = answer->ticket;
}

static void lease_answered(struct sim_process *process, const struct sim_op *op,
                           const struct cfs_answer *answer)
{
    struct sim_lease *lease = &process->lease;
    bool refused = answer->error == CFS_ERR_WOULD_BLOCK || answer->error == CFS_ERR_DEADLOCK ||
                   answer->error == CFS_ERR_NOT_HOLDER || answer->error == CFS_ERR_NOT_HELD;

    lease->held = answer->error == CFS_OK;
    lease->unclear = !lease->held && !refused && !op->request.acquire.renew;
    lease->token = answer->token;
    lease->mode = op->request.acquire.mode;
}

void sim_process_answered(struct sim *sim, struct sim_process *process, const struct sim_op *op,
                          const struct cfs_answer *answer)
{
    const struct cfs_request *request = &op->request;

    process->op = NULL;
    if (process->probes) {
        sim_live_answered(sim, op, answer->error);
        return;
    }
    if (request->op == CFS_OP_ACQUIRE && request->acquire.kind == CFS_FLOCK)
        flock_answered(process, op, answer);
    else if (request->op == CFS_OP_ACQUIRE && request->acquire.kind == CFS_LEASED)
        lease_answered(process, op, answer);
    else if (request->op == CFS_OP_ACQUIRE && answer->error == CFS_OK)
        process->made |= 1u << op->name;
    else if (request->op == CFS_OP_REMOVE && answer->error == CFS_OK)
        process->made &= ~(1u << op->name);
    process->using = NULL;
    wake_later(sim, process);
}

void sim_process_broken(struct sim *sim, struct sim_process *process)
{
    if (process->op && process->op_leases)
        process->lease.unclear = true;
    process->op = NULL;
    process->using = NULL;
    process->past.token = 0;
    wake_later(sim, process);
}
