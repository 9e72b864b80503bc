/* Looks at everything every now and then, and takes the run from stage to stage. */
#include "check_live.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "sim.h"

#define LOOK_EVERY CFS_MS(20)
/* A request is answered within the timeout and this. */
#define ANSWER_SLACK CFS_MS(500)
/* Room is known within this, once everything is repaired. */
#define ROOM_SLACK CFS_MS(500)

static const char *const stage_names[] = {"run", "settle", "work", "end", "probe", "agree", "done"};

/* Requests. */

static cfs_time wait_began(const struct sim_node *node, const struct sim_op *op)
{
    cfs_time began = op->submitted > node->resumed ? op->submitted : node->resumed;
    bool blocks = op->request.op == CFS_OP_ACQUIRE && op->request.acquire.wait;

    if (!blocks)
        return began;
    if (!op->cancelled)
        return CFS_NEVER;
    return op->cancelled_at > began ? op->cancelled_at : began;
}

static void check_requests(struct sim *sim, const struct sim_node *node)
{
    cfs_time allowed = sim->swarm.timeout * 101 / 100 + ANSWER_SLACK;

    if (node->state != SIM_UP || node->leaving)
        return;
    for (const struct sim_op *op = node->kernel.ops; op; op = op->next) {
        cfs_time began = wait_began(node, op);
        if (began == CFS_NEVER || sim->world.now <= began + allowed)
            continue;
        sim_fail(sim, "answer-in-time",
                 "node %u has not answered request %" PRIu64 " for %" PRIu64 " ms", node->id,
                 op->id, (sim->world.now - began) / 1000);
    }
}

void sim_live_stepped(struct sim *sim, struct sim_node *node)
{
    if (node->view.session && !node->member_since)
        node->member_since = sim->world.now;
}

/* A cluster is founded by all its members together, and one of them may stand still. Then: what
 * became of a change that was under way when its node stood still and its session lapsed
 * cannot be told; everything else can be asked again. */
static bool may_time_out(const struct sim *sim, const struct sim_op *op)
{
    enum cfs_op kind = op->request.op;
    bool change = kind != CFS_OP_GET && kind != CFS_OP_LIST && kind != CFS_OP_ACQUIRE;

    if (!sim->swarm.healthy || !op->node->member_since || op->submitted < op->node->member_since)
        return true;
    return change && op->submitted < op->node->resumed;
}

/* Some disk has to have been full, and while nodes are cut off the others may not hear that it has
 * room again. */
static bool may_be_full(const struct sim *sim, const struct sim_op *op)
{
    bool was_full = false;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        was_full |= sim->nodes[i].full_until != 0;
    return was_full && op->submitted < sim->swarm.quiet_at + ROOM_SLACK;
}

void sim_live_judge(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    if (error == CFS_ERR_TIMED_OUT && !may_time_out(sim, op))
        sim_fail(sim, "timed-out",
                 "request %" PRIu64 " of node %u is told that the cluster is silent", op->id,
                 op->node->id);
    if (error == CFS_ERR_NO_SPACE && !may_be_full(sim, op))
        sim_fail(sim, "no-space", "request %" PRIu64 " of node %u is told that disks are full",
                 op->id, op->node->id);
}

/* Stages. */

static const char *unsettled(const struct sim *sim)
{
    bool serving = false;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->state != SIM_UP)
            return "a node does not run";
        if (!node->session)
            return "a node has no session";
        if (!node->view.available)
            return "a node answers without asking the cluster";
        serving |= node->view.serving;
    }
    if (sim_members_forgetful(sim, NULL))
        return "a node has not got everything again that it lost";
    if (!sim_members_complete(sim))
        return "a node is not in the cluster";
    return serving ? sim_groups_unsettled(sim) : "nobody serves";
}

static const char *disagreement(const struct sim *sim)
{
    const struct sim_node *first = &sim->nodes[0];

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->state != SIM_UP || first->state != SIM_UP)
            return "a node does not run";
        if (node->view.applied != first->view.applied ||
            node->view.applied != node->view.last_index)
            return "a replica is behind";
        if (cfs_core_digest(node->core, 0) != cfs_core_digest(first->core, 0))
            return "replicas differ";
    }
    return NULL;
}

static const char *locks_left(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        if (sim->nodes[i].view.held || sim->nodes[i].view.waiting)
            return "a lock is held, or waited for, by nobody";
    return NULL;
}

/* A process of its own on each node sweeps lockfiles that their makers left behind, on which others
 * may wait, and then takes and removes every lock. */

static void ask_probe(struct sim *sim)
{
    struct sim_live_check *live = &sim->live;
    struct sim_process *process = &sim->processes[live->probe_node][SIM_PROCESSES_MAX - 1];
    struct cfs_request request = {.op = CFS_OP_ACQUIRE,
                                  .acquire = {.mode = CFS_EXCLUSIVE,
                                              .kind = CFS_LOCKFILE,
                                              .form = CFS_FORM_FILE,
                                              .process = {1, 1},
                                              .perm = 0600}};

    strcpy(request.name, sim_name(live->probe_name));
    if (live->stage == SIM_STAGE_END || live->probe_removes) {
        request.op = CFS_OP_REMOVE;
        request.remove = (struct cfs_remove){.form = live->probe_form};
    }
    process->node = &sim->nodes[live->probe_node];
    process->number = SIM_PROCESSES_MAX - 1;
    process->probes = live->probing = true;
    sim_kernel_submit(&process->node->kernel, process, &request, live->probe_name);
}

static void next_probe(struct sim *sim)
{
    struct sim_live_check *live = &sim->live;

    live->probe_removes = live->probe_held = false;
    live->probe_form = CFS_FORM_FILE;
    if (++live->probe_name < sim->swarm.name_count)
        return;
    live->probe_name = 0;
    live->probe_node++;
}

static void swept(struct sim *sim, enum cfs_error error)
{
    if (error == CFS_ERR_IS_DIRECTORY)
        sim->live.probe_form = CFS_FORM_DIRECTORY;
    else
        next_probe(sim);
    sim->live.probe_node %= sim->swarm.node_count;
}

static void probed(struct sim *sim, enum cfs_op op, enum cfs_error error)
{
    struct sim_live_check *live = &sim->live;

    if (op == CFS_OP_ACQUIRE) {
        /* What stands in the way may be held over HTTP, and has to expire. */
        live->probe_held = error == CFS_OK;
        live->probe_removes = error == CFS_OK || error == CFS_ERR_EXISTS;
        live->probe_form = CFS_FORM_FILE;
    } else if (error == CFS_ERR_IS_DIRECTORY) {
        live->probe_form = CFS_FORM_DIRECTORY;
    } else if (live->probe_held && error == CFS_OK) {
        next_probe(sim);
    } else {
        live->probe_removes = live->probe_held && error != CFS_ERR_NOT_HELD;
    }
    if (error == CFS_OK && live->probe_node < sim->swarm.node_count)
        ask_probe(sim);
}

void sim_live_answered(struct sim *sim, const struct sim_op *op, enum cfs_error error)
{
    sim->live.probing = false;
    if (sim->live.stage == SIM_STAGE_END)
        swept(sim, error);
    else
        probed(sim, op->request.op, error);
}

static const char *sweep(struct sim *sim)
{
    if (sim_clients_done(sim) && !sim->live.probing) {
        if (!sim_cachers_done(sim))
            return "a user of the cache has not done everything";
        return sim_workers_done(sim) ? NULL : "a queue is not empty";
    }
    if (!sim->live.probing)
        ask_probe(sim);
    return "a process still holds or waits";
}

static const char *probe(struct sim *sim)
{
    if (sim->live.probe_node == sim->swarm.node_count)
        return NULL;
    if (!sim->live.probing)
        ask_probe(sim);
    return "a lock cannot be had";
}

/* What keeps the run in its stage; NULL: nothing. */
static const char *obstacle(struct sim *sim)
{
    switch (sim->live.stage) {
    case SIM_STAGE_RUN:
        return sim->world.now > sim->swarm.quiet_at + CFS_MS(50) ? NULL : "";
    case SIM_STAGE_SETTLE:
        return unsettled(sim);
    case SIM_STAGE_WORK:
        return sim->world.now > sim->live.since + CFS_MS(300) ? NULL : "";
    case SIM_STAGE_END:
        return sweep(sim);
    case SIM_STAGE_PROBE:
        return probe(sim);
    case SIM_STAGE_AGREE:
        if (locks_left(sim))
            return locks_left(sim);
        return disagreement(sim) ? disagreement(sim) : sim_groups_disagreement(sim);
    case SIM_STAGE_DONE:
        break;
    }
    return NULL;
}

/* Long, but far from for ever: a stage may have to wait for sessions and leases to end. */
static cfs_time patience(const struct sim *sim)
{
    const struct sim_swarm *swarm = &sim->swarm;

    return CFS_SECONDS(5) + 4 * (swarm->session + swarm->timeout + swarm->ttl_max);
}

static void next_stage(struct sim *sim)
{
    assert((size_t)sim->live.stage + 1 < sizeof stage_names / sizeof *stage_names);
    sim->live.stage++;
    sim->live.since = sim->world.now;
    sim_say(sim, "-- stage: %s", stage_names[sim->live.stage]);
    sim->live.probe_node = sim->live.probe_name = 0;
    sim->live.probe_form = CFS_FORM_FILE;
    if (sim->live.stage == SIM_STAGE_END)
        sim_clients_wind_down(sim);
}

/* A request that is still open, in words; "" if there is none. */
static void describe_oldest(const struct sim *sim, char *out, size_t size)
{
    char words[300];

    *out = 0;
    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        const struct sim_op *op = sim->nodes[i].kernel.ops;
        if (!op)
            continue;
        sim_describe_request(words, sizeof words, &op->request);
        snprintf(out, size, "; node %u request %" PRIu64 ", %" PRIu64 " ms old: %s", i + 1, op->id,
                 (sim->world.now - op->submitted) / 1000, words);
        return;
    }
}

static void out_of_patience(struct sim *sim, const char *why)
{
    char oldest[400];

    describe_oldest(sim, oldest, sizeof oldest);
    sim_fail(sim, "liveness", "stage %s does not end: %s%s", stage_names[sim->live.stage], why,
             oldest);
}

static void look(struct sim *sim, void *arg, uint64_t value)
{
    struct sim_live_check *live = &sim->live;
    const char *why = obstacle(sim);

    (void)arg;
    (void)value;
    for (uint32_t i = 0; i < sim->swarm.node_count; i++)
        check_requests(sim, &sim->nodes[i]);
    if (!why)
        next_stage(sim);
    else if (live->stage != SIM_STAGE_RUN && sim->world.now > live->since + patience(sim))
        out_of_patience(sim, why);
    if (live->stage != SIM_STAGE_DONE)
        sim_at(sim, sim->world.now + LOOK_EVERY, look, NULL, 0);
}

void sim_live_start(struct sim *sim)
{
    sim_at(sim, LOOK_EVERY, look, NULL, 0);
}
