/* EDEADLK only for a real cycle. The judge knows the processes, not the order of the queues, and
 * looks at everything that was so at any time while the refused request waited: more edges than
 * there ever were at once. Where even they close no cycle there was none. */
#include <inttypes.h>

#include "sim.h"

struct search {
    struct sim *sim;
    cfs_time from, to;
    uint32_t target;  /* the process that was refused */
    uint32_t visited; /* a bit set of processes */
    bool found;
};

static uint32_t process_bit(cfs_node_id node, uint32_t number)
{
    return (node - 1) * SIM_PROCESSES_MAX + number;
}

/* The names the process waited for in that time: a bit set. */
static uint32_t waits_of(const struct search *search, uint32_t process)
{
    const struct sim_lock_check *check = &search->sim->locks;
    const struct sim_process *p =
        &search->sim->processes[process / SIM_PROCESSES_MAX][process % SIM_PROCESSES_MAX];
    uint32_t names = 0;

    if (p->op && p->op->request.op == CFS_OP_ACQUIRE && p->op->request.acquire.wait)
        names |= 1u << p->op->name;
    for (size_t i = 0; i < SIM_PAST_WAITS && i < check->wait_count; i++) {
        const struct sim_past_wait *wait = &check->waits[i];
        if (process_bit(wait->node, wait->process) == process && wait->to >= search->from)
            names |= 1u << wait->name;
    }
    return names;
}

static void visit(struct search *search, uint32_t process);

/* All who had the file open must have waited; then the hold leads to each of them. Who came to have
 * it open meanwhile may have done so before or after. */
static void follow_hold(struct search *search, const struct sim_hold *hold)
{
    bool changed = hold->shared >= search->from;
    uint32_t may = changed ? hold->owners | hold->owners_before : hold->owners;
    uint32_t must = changed ? hold->owners & hold->owners_before : hold->owners;

    if (hold->kind == CFS_LOCKFILE || (hold->state == SIM_GONE && hold->gone < search->from))
        return;
    if (!may)
        may = 1u << hold->process;
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++)
        if ((must >> i & 1) && !waits_of(search, process_bit(hold->node, i)))
            return;
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++)
        if (may >> i & 1)
            visit(search, process_bit(hold->node, i));
}

static void follow_name(struct search *search, uint32_t number, uint32_t process)
{
    const struct sim_lock_name *name = &search->sim->locks.names[number];

    /* Somebody may hold it over HTTP, nobody knows who. */
    if (name->tainted)
        search->found = true;
    for (size_t i = 0; i < name->live.count; i++)
        follow_hold(search, &name->live.items[i]);
    for (size_t i = 0; i < name->past.count; i++)
        follow_hold(search, &name->past.items[i]);
    for (uint32_t other = 0; other < CFS_MEMBERS_MAX * SIM_PROCESSES_MAX; other++)
        if (other != process && other != search->target && (waits_of(search, other) >> number & 1))
            visit(search, other);
}

static void follow_process(struct search *search, uint32_t process)
{
    uint32_t names = waits_of(search, process);

    for (uint32_t n = 0; n < search->sim->swarm.name_count; n++)
        if (names >> n & 1)
            follow_name(search, n, process);
}

static void visit(struct search *search, uint32_t process)
{
    if (process == search->target)
        search->found = true;
    if (search->found || (search->visited >> process & 1))
        return;
    search->visited |= 1u << process;
    follow_process(search, process);
}

void sim_locks_deadlock_answered(struct sim *sim, const struct sim_op *op)
{
    struct search search = {.sim = sim,
                            .from = op->submitted,
                            .to = sim->world.now,
                            .target = process_bit(op->node->id, op->process->number)};

    sim->locks.deadlocks++;
    follow_process(&search, search.target);
    if (!search.found)
        sim_fail(sim, "deadlock", "node %u, process %u was refused %s, but there is no cycle",
                 op->node->id, op->process->number, sim_name(op->name));
}
