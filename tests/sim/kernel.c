/* The queue to the daemon, drains of it, and the question which open files are stuck. */
#include "kernel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "describe.h"
#include "sim.h"

void sim_kernel_init(struct sim_kernel *kernel, struct sim *sim, struct sim_node *node)
{
    *kernel = (struct sim_kernel){.sim = sim, .node = node};
}

static void drop_op(struct sim_kernel *kernel, struct sim_op *op)
{
    DL_DELETE(kernel->ops, op);
    free(op);
}

static void drop_drain(struct sim_kernel *kernel, struct sim_drain *drain)
{
    DL_DELETE(kernel->drains, drain);
    free(drain);
}

void sim_kernel_close(struct sim_kernel *kernel)
{
    while (kernel->ops)
        drop_op(kernel, kernel->ops);
    while (kernel->drains)
        drop_drain(kernel, kernel->drains);
    free(kernel->queue);
    kernel->queue = NULL;
}

static struct sim_op *find_op(const struct sim_kernel *kernel, uint64_t id)
{
    struct sim_op *op;

    DL_SEARCH_SCALAR(kernel->ops, op, id, id);
    return op;
}

/* The queue. */

static void hand_over(struct sim_kernel *kernel, struct sim_queued item)
{
    struct sim_op *op = find_op(kernel, item.op);
    struct cfs_event event = {.type = item.cancel ? CFS_EV_CANCEL : CFS_EV_REQUEST, .id = item.op};

    if (!op)
        return;
    if (!item.cancel) {
        op->handed = true;
        event.request = &op->request;
    }
    sim_node_event(kernel->sim, kernel->node, kernel->node->life, &event);
}

static void read_all(struct sim_kernel *kernel)
{
    uint64_t life = kernel->node->life;
    size_t count = kernel->queue_count;

    for (size_t i = 0; i < count && kernel->node->life == life; i++)
        hand_over(kernel, kernel->queue[i]);
    if (kernel->node->life != life)
        return;
    kernel->queue_count -= count;
    memmove(kernel->queue, kernel->queue + count, kernel->queue_count * sizeof *kernel->queue);
}

static void read_queue(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_kernel *kernel = arg;

    if (kernel->node->life != life)
        return;
    if (kernel->node->state == SIM_PAUSED) {
        sim_at(sim, kernel->node->resume_at + 1, read_queue, kernel, life);
        return;
    }
    kernel->read_coming = false;
    read_all(kernel);
}

static void enqueue(struct sim_kernel *kernel, struct sim_queued item)
{
    struct sim *sim = kernel->sim;
    cfs_time late = sim_random_between(&sim->random_node, 5, sim->swarm.lateness_max);

    kernel->queue = cfs_array_room(kernel->queue, kernel->queue_count, &kernel->queue_capacity,
                                   sizeof *kernel->queue);
    kernel->queue[kernel->queue_count++] = item;
    if (kernel->read_coming)
        return;
    kernel->read_coming = true;
    sim_at(sim, sim->world.now + late, read_queue, kernel, kernel->node->life);
}

static void say_submitted(struct sim_kernel *kernel, const struct sim_op *op)
{
    char words[512];

    if (!kernel->sim->world.trace)
        return;
    sim_describe_request(words, sizeof words, &op->request);
    sim_say(kernel->sim, "n%u request %" PRIu64 " by process %d: %s", kernel->node->id, op->id,
            op->process ? (int)op->process->number : -1, words);
}

struct sim_op *sim_kernel_submit(struct sim_kernel *kernel, struct sim_process *process,
                                 const struct cfs_request *request, uint32_t name)
{
    struct sim_op *op = cfs_alloc_zeroed(1, sizeof *op);

    op->id = ++kernel->last_op;
    op->node = kernel->node;
    op->process = process;
    op->request = *request;
    op->name = name;
    op->submitted = kernel->sim->world.now;
    if (request->op == CFS_OP_WRITE) {
        memcpy(op->content, request->write.data, request->write.len);
        op->request.write.data = op->content;
    }
    say_submitted(kernel, op);
    DL_APPEND(kernel->ops, op);
    sim_locks_submitted(kernel->sim, op);
    enqueue(kernel, (struct sim_queued){.op = op->id});
    return op;
}

void sim_kernel_cancel(struct sim_kernel *kernel, struct sim_op *op)
{
    if (op->cancelled)
        return;
    op->cancelled = true;
    op->cancelled_at = kernel->sim->world.now;
    sim_say(kernel->sim, "n%u request %" PRIu64 " is given up", kernel->node->id, op->id);
    enqueue(kernel, (struct sim_queued){.op = op->id, .cancel = true});
}

/* Drains. */

static bool releases_up_to(const struct sim_kernel *kernel, uint64_t mark)
{
    const struct sim_op *op;

    DL_FOREACH (kernel->ops, op)
        if (op->request.op == CFS_OP_RELEASE && op->id <= mark)
            return true;
    return false;
}

static void finish_drains(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_kernel *kernel = arg;
    struct sim_drain *drain, *next;

    (void)sim;
    DL_FOREACH_SAFE (kernel->drains, drain, next) {
        struct cfs_event event = {.type = CFS_EV_DRAINED, .id = drain->id};
        if (kernel->node->life != life || kernel->node->state != SIM_UP)
            return;
        if (!drain->mark || releases_up_to(kernel, drain->mark))
            continue;
        drop_drain(kernel, drain);
        sim_node_event(kernel->sim, kernel->node, life, &event);
    }
}

static void begin_drains(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_kernel *kernel = arg;
    struct sim_drain *drain;

    if (kernel->node->life != life)
        return;
    if (kernel->node->state == SIM_PAUSED) {
        sim_at(sim, kernel->node->resume_at + 1, begin_drains, kernel, life);
        return;
    }
    DL_FOREACH (kernel->drains, drain)
        if (!drain->mark)
            drain->mark = kernel->last_op + 1;
    read_all(kernel);
    finish_drains(sim, kernel, life);
}

void sim_kernel_drain(struct sim_kernel *kernel, uint64_t id)
{
    struct sim_drain *drain = cfs_alloc_zeroed(1, sizeof *drain);

    drain->id = id;
    DL_APPEND(kernel->drains, drain);
    sim_at(kernel->sim, kernel->sim->world.now + 1, begin_drains, kernel, kernel->node->life);
}

void sim_kernel_answered(struct sim_kernel *kernel, uint64_t id, const struct cfs_answer *answer)
{
    struct sim *sim = kernel->sim;
    struct sim_op *op = find_op(kernel, id);

    if (!op || !op->handed) {
        sim_fail(sim, "answered-once", "node %u answers request %" PRIu64 ", which is not open",
                 kernel->node->id, id);
        return;
    }
    sim_say(sim, "n%u request %" PRIu64 " answered: %s token %" PRIu64, kernel->node->id, id,
            cfs_error_word(answer->error), answer->token);
    sim_mix(sim, id << 8 | answer->error);
    sim_mix(sim, answer->token);
    sim_live_judge(sim, op, answer->error);
    sim_locks_answered(sim, op, answer);
    if (op->process)
        sim_process_answered(sim, op->process, op, answer);
    if (op->request.op == CFS_OP_RELEASE && kernel->drains)
        sim_at(sim, sim->world.now + 1, finish_drains, kernel, kernel->node->life);
    drop_op(kernel, op);
}

/* Stuck handles. */

static bool blocked(const struct sim_process *process)
{
    const struct sim_op *op = process->op;

    return op && op->handed && !op->cancelled && op->request.op == CFS_OP_ACQUIRE &&
           op->request.acquire.kind == CFS_FLOCK && op->request.acquire.wait;
}

/* The ids of what the owners of a handle wait for; 0 when one of them runs. */
static uint32_t owners_wait_for(struct sim *sim, const struct sim_kernel *kernel,
                                const struct sim_handle *handle, uint64_t *waits)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim->swarm.process_count; i++) {
        struct sim_process *process = sim_process(sim, kernel->node, i);
        if (!(handle->owners >> i & 1))
            continue;
        if (!blocked(process))
            return 0;
        waits[count++] = process->op->id;
    }
    return count;
}

static void report_stuck(struct sim *sim, void *arg, uint64_t life)
{
    struct sim_kernel *kernel = arg;
    uint64_t waits[SIM_HANDLES_MAX][SIM_PROCESSES_MAX];
    struct cfs_event_stuck stuck[SIM_HANDLES_MAX];
    struct cfs_event event = {.type = CFS_EV_STUCK, .id = kernel->collect_id, .stuck = stuck};

    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++) {
        const struct sim_handle *handle = &kernel->handles[i];
        uint32_t count;
        /* Also those that may hold against all appearance, after a call that ended unclear. */
        if (!handle->id || !handle->asked || handle->lost)
            continue;
        count = owners_wait_for(sim, kernel, handle, waits[event.stuck_count]);
        if (!count)
            continue;
        stuck[event.stuck_count] = (struct cfs_event_stuck){
            .handle = handle->id, .waits = waits[event.stuck_count], .wait_count = count};
        event.stuck_count++;
    }
    sim_node_event(sim, kernel->node, life, &event);
}

void sim_kernel_collect(struct sim_kernel *kernel, uint64_t id)
{
    struct sim *sim = kernel->sim;

    kernel->collect_id = id;
    sim_at(sim, sim->world.now + sim_random_between(&sim->random_node, 5, 300), report_stuck,
           kernel, kernel->node->life);
}

/* Handles. */

struct sim_handle *sim_kernel_open(struct sim_kernel *kernel, uint32_t name, uint32_t owner)
{
    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++) {
        struct sim_handle *handle = &kernel->handles[i];
        if (handle->id)
            continue;
        *handle =
            (struct sim_handle){.id = ++kernel->last_handle, .name = name, .owners = 1u << owner};
        return handle;
    }
    return NULL;
}

void sim_kernel_close_handle(struct sim_kernel *kernel, struct sim_handle *handle, uint32_t owner)
{
    struct cfs_request request = {.op = CFS_OP_RELEASE,
                                  .release = {.kind = CFS_FLOCK, .handle = handle->id}};

    handle->owners &= ~(1u << owner);
    sim_locks_owners(kernel->sim, kernel->node, handle);
    if (handle->owners)
        return;
    sim_say(kernel->sim, "n%u closes handle %" PRIu64 " of %s", kernel->node->id, handle->id,
            sim_name(handle->name));
    if (handle->asked && kernel->node->state != SIM_DOWN) {
        strcpy(request.name, sim_name(handle->name));
        sim_kernel_submit(kernel, NULL, &request, handle->name);
    }
    handle->id = 0;
}

/* The daemon's coming and going. */

void sim_kernel_start(struct sim_kernel *kernel)
{
    kernel->queue_count = 0;
    kernel->read_coming = false;
}

void sim_kernel_session_lost(struct sim_kernel *kernel)
{
    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++)
        if (kernel->handles[i].held)
            kernel->handles[i].lost = true;
}

void sim_kernel_crash(struct sim_kernel *kernel)
{
    struct sim *sim = kernel->sim;

    kernel->queue_count = 0;
    while (kernel->drains)
        drop_drain(kernel, kernel->drains);
    memset(kernel->handles, 0, sizeof kernel->handles);
    while (kernel->ops)
        drop_op(kernel, kernel->ops);
    for (uint32_t i = 0; i < sim->swarm.process_count; i++)
        sim_process_broken(sim, sim_process(sim, kernel->node, i));
}
