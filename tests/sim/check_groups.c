/* Compares what the groups do with what group 0 has decided. */
#include "check_groups.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/command.h"
#include "core/placement.h"
#include "sim.h"

void sim_groups_close(struct sim_groups_check *check)
{
    free(check->sessions);
}

/* Sessions. */

static struct sim_session *session_at(struct sim_groups_check *check, cfs_session_id id)
{
    while (check->count <= id) {
        check->sessions = cfs_array_room(check->sessions, check->count, &check->capacity,
                                         sizeof *check->sessions);
        check->sessions[check->count++] = (struct sim_session){0};
    }
    return &check->sessions[id];
}

void sim_groups_session_opened(struct sim *sim, cfs_session_id session, uint64_t index)
{
    session_at(&sim->groups, session)->opened = index;
}

void sim_groups_session_ended(struct sim *sim, cfs_session_id session, uint64_t index)
{
    session_at(&sim->groups, session)->ended = index;
}

/* What a leader itself had to say; what it owns is nothing. */
static bool is_command(struct cfs_command *command, const struct cfs_entry *entry,
                       enum cfs_command_kind kind)
{
    if (entry->kind != CFS_ENTRY_COMMAND ||
        cfs_command_decode(command, entry->data, entry->len) != 0)
        return false;
    cfs_command_clear(command);
    return command->kind == kind;
}

void sim_groups_proposed(struct sim *sim, const struct sim_node *node, cfs_group_id group,
                         const struct cfs_entry *entry)
{
    struct cfs_command command;
    uint64_t ended;

    if (!group || !is_command(&command, entry, CFS_CMD_ADOPT_SESSION))
        return;
    ended = session_at(&sim->groups, command.target)->ended;
    if (ended && sim_raft_root_before(sim, node) >= ended)
        sim_fail(sim, "adopted-sessions",
                 "node %u has group %u take up session %" PRIu64
                 " of node %u, whose end at %" PRIu64 " it has seen",
                 node->id, group, command.target, command.owner, ended);
}

void sim_groups_committed(struct sim *sim, cfs_group_id group, const struct cfs_entry *entry)
{
    const struct sim_session *session;
    struct cfs_command command;

    if (!is_command(&command, entry, CFS_CMD_EXPIRE_SESSION))
        return;
    session = session_at(&sim->groups, command.target);
    if (session->opened && !session->ended)
        sim_fail(sim, "adopted-sessions", "group %u ends session %" PRIu64 ", which lives", group,
                 command.target);
}

/* Places. All nodes belong to the cluster by now; what weight each has the most advanced says. */

static void place(const struct sim *sim, struct cfs_placement *placement)
{
    const struct sim_node *best = &sim->nodes[0];
    struct cfs_node_info infos[CFS_NODE_MAX];
    struct cfs_node_table table = {0};

    for (uint32_t i = 1; i < sim->swarm.node_count; i++)
        if (sim->nodes[i].view.applied > best->view.applied)
            best = &sim->nodes[i];
    for (uint32_t i = cfs_core_nodes(best->core, infos); i-- > 0;)
        table.nodes[infos[i].id] = infos[i];
    cfs_placement_follow(placement, sim->swarm.groups, &table, 0);
}

/* The replicas of a group as a node knows them; 0 when it has none itself. */
static cfs_node_set replicas_on(const struct sim_node *node, cfs_group_id group)
{
    struct cfs_member_view members[CFS_NODE_MAX];
    cfs_node_set all = 0;

    for (uint32_t i = cfs_core_members(node->core, group, members); i-- > 0;)
        all |= CFS_NODE_BIT(members[i].node);
    return all;
}

static const char *misplaced(const struct sim *sim, cfs_group_id group, cfs_node_set wanted)
{
    bool served = false;

    for (uint32_t i = 0; i < sim->swarm.node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        cfs_node_set replicas = replicas_on(node, group);
        served |= node->views[group].serving;
        if (wanted & CFS_NODE_BIT(node->id) && replicas != wanted)
            return "a group is not where it should be";
        if (!(wanted & CFS_NODE_BIT(node->id)) && replicas)
            return "a node keeps a replica that its group does not need";
        if (node->views[group].changing)
            return "a group still moves";
        if (!node->views[group].available)
            return "a node answers for a group without asking it";
    }
    return served ? NULL : "nobody serves a group";
}

const char *sim_groups_unsettled(const struct sim *sim)
{
    struct cfs_placement placement;
    const char *why = NULL;

    place(sim, &placement);
    for (cfs_group_id group = 1; group <= sim->swarm.groups && !why; group++)
        why = misplaced(sim, group, cfs_placement_set(&placement, group));
    return why;
}

static const char *differing(const struct sim *sim, cfs_group_id group, cfs_node_set wanted,
                             const struct sim_node *first)
{
    const struct cfs_core_view *best = &first->views[group];

    if (!best->serving)
        return "a group is not led by the node that should";
    if (best->held)
        return "a guest's lock is held by nobody";
    CFS_EACH_NODE (id, wanted) {
        const struct sim_node *node = &sim->nodes[id - 1];
        const struct cfs_core_view *view = &node->views[group];
        if (view->applied != best->applied || view->applied != view->last_index)
            return "a replica of a group is behind";
        if (cfs_core_digest(node->core, group) != cfs_core_digest(first->core, group))
            return "replicas of a group differ";
    }
    return NULL;
}

const char *sim_groups_disagreement(const struct sim *sim)
{
    struct cfs_placement placement;
    const char *why = sim_groups_unsettled(sim);

    place(sim, &placement);
    for (cfs_group_id group = 1; group <= sim->swarm.groups && !why; group++)
        why = differing(sim, group, cfs_placement_set(&placement, group),
                        &sim->nodes[placement.nodes[group][0] - 1]);
    return why;
}
