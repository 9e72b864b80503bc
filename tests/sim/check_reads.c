/* Reads are linearizable: what was answered before a read began is in it, and what one read has
 * seen no later read unsees. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

/* Relied on since before the read began: it cannot but be there. */
static bool is_certain(const struct sim *sim, const struct sim_op *op, const struct sim_hold *hold)
{
    return sim_hold_relied_on(sim, hold) && hold->since < op->submitted;
}

/* Nobody else held the name at any time during the read, not even its own process in another way.
 */
static bool is_alone(const struct sim_lock_name *name, const struct sim_op *op,
                     const struct sim_hold *hold)
{
    for (size_t i = 0; i < name->live.count; i++)
        if (&name->live.items[i] != hold)
            return false;
    for (size_t i = 0; i < name->past.count; i++)
        if (name->past.items[i].gone >= op->submitted)
            return false;
    return hold->mode == CFS_EXCLUSIVE && !name->acquires;
}

static void check_content(struct sim *sim, const struct sim_op *op, const struct sim_hold *hold,
                          const struct cfs_lock_info *info)
{
    char expected[16] = "";

    if (hold->writes || hold->content_unclear || hold->written >= op->submitted)
        return;
    if (hold->content)
        snprintf(expected, sizeof expected, "%06u", (unsigned)(hold->content % 1000000));
    if (info->content_len != strlen(expected) ||
        (info->content_len && memcmp(info->content, expected, info->content_len) != 0))
        sim_fail(sim, "linearizable-reads",
                 "node %u read the content \"%.*s\" of %s instead of \"%s\"", op->node->id,
                 (int)info->content_len, (const char *)info->content, sim_name(op->name), expected);
}

/* The lock is shown as held, and so is this hold certainly. */
static void check_shown(struct sim *sim, const struct sim_op *op, const struct sim_hold *hold,
                        const struct cfs_lock_info *info)
{
    const struct sim_lock_name *name = &sim->locks.names[op->name];
    bool alone = is_alone(name, op, hold);

    if (info->token < hold->token || (alone && info->token != hold->token))
        sim_fail(sim, "linearizable-reads",
                 "node %u read token %" PRIu64 " of %s, which node %u holds with %" PRIu64,
                 op->node->id, info->token, sim_name(op->name), hold->node, hold->token);
    if (alone && info->mode != hold->mode)
        sim_fail(sim, "linearizable-reads", "node %u read mode %u of %s, which is held exclusively",
                 op->node->id, info->mode, sim_name(op->name));
    if (alone && (info->holder_count != 1 ||
                  info->holders[0].node != (hold->kind == CFS_LEASED ? 0 : hold->node)))
        sim_fail(sim, "linearizable-reads", "node %u read %u holders of %s, which node %u holds",
                 op->node->id, info->holder_count, sim_name(op->name), hold->node);
    if (alone && info->token == hold->token)
        check_content(sim, op, hold, info);
}

static void check_past(struct sim *sim, const struct sim_op *op, cfs_token token)
{
    const struct sim_holds *past = &sim->locks.names[op->name].past;

    for (size_t i = 0; i < past->count; i++)
        if (past->items[i].token == token && past->items[i].gone < op->submitted)
            sim_fail(sim, "linearizable-reads",
                     "node %u read token %" PRIu64 " of %s, which had been given back",
                     op->node->id, token, sim_name(op->name));
}

static void shown(struct sim *sim, const struct sim_op *op, const struct cfs_lock_info *info)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];
    cfs_token token = info->token;

    if (token <= op->dead || token < op->exclusive)
        sim_fail(sim, "linearizable-reads",
                 "node %u read token %" PRIu64 " of %s, though %" PRIu64
                 " had been acquired or all up to %" PRIu64 " been seen to be gone",
                 op->node->id, token, sim_name(op->name), op->exclusive, op->dead);
    if (!op->others_busy && name->arrivals == op->arrivals)
        sim_fail(sim, "linearizable-reads",
                 "node %u read %s to be held, token %" PRIu64 ", though nobody had asked for it",
                 op->node->id, sim_name(op->name), token);
    check_past(sim, op, token);
    for (size_t i = 0; i < name->live.count; i++)
        if (is_certain(sim, op, &name->live.items[i]))
            check_shown(sim, op, &name->live.items[i], info);
    if (token > name->known)
        name->known = token;
    if (info->mode == CFS_EXCLUSIVE && info->holder_count == 1 && token - 1 > name->dead)
        name->dead = token - 1;
}

static void not_shown(struct sim *sim, const struct sim_op *op)
{
    struct sim_lock_name *name = &sim->locks.names[op->name];

    for (size_t i = 0; i < name->live.count; i++)
        if (is_certain(sim, op, &name->live.items[i]))
            sim_fail(sim, "forgotten",
                     "node %u read %s to be free, which node %u holds with token %" PRIu64,
                     op->node->id, sim_name(op->name), name->live.items[i].node,
                     name->live.items[i].token);
    if (op->known > name->dead)
        name->dead = op->known;
}

static bool listed(const struct cfs_answer *answer, const char *name)
{
    const char *at = answer->names, *end = answer->names + answer->names_len;

    for (; at < end; at += strlen(at) + 1)
        if (strcmp(at, name) == 0)
            return true;
    return false;
}

static void check_listed(struct sim *sim, const struct sim_op *op, uint32_t number, bool is_listed)
{
    const struct sim_lock_name *name = &sim->locks.names[number];
    bool busy = (op->busy_names >> number & 1) || name->arrivals != op->arrivals_all[number];

    if (is_listed && !busy)
        sim_fail(sim, "linearizable-reads", "node %u lists %s, though nobody had asked for it",
                 op->node->id, sim_name(number));
    for (size_t i = 0; i < name->live.count && !is_listed; i++)
        if (is_certain(sim, op, &name->live.items[i]))
            sim_fail(sim, "forgotten",
                     "node %u does not list %s, which node %u holds with token %" PRIu64,
                     op->node->id, sim_name(number), name->live.items[i].node,
                     name->live.items[i].token);
}

void sim_locks_read_answered(struct sim *sim, const struct sim_op *op,
                             const struct cfs_answer *answer)
{
    if (op->request.op == CFS_OP_LIST && answer->error == CFS_OK) {
        for (uint32_t i = 0; i < sim->swarm.name_count; i++)
            check_listed(sim, op, i, listed(answer, sim_name(i)));
    } else if (op->request.op == CFS_OP_GET && answer->error == CFS_OK) {
        shown(sim, op, &answer->lock);
    } else if (op->request.op == CFS_OP_GET && answer->error == CFS_ERR_NOT_HELD) {
        not_shown(sim, op);
    }
}
