/* From the nodes that are wanted (node_table.h) to the members that are, step by step: whoever
 * leads compares the two and proposes the next step, so a change goes on under a new leader where
 * the old one left it.
 *
 *   a new node is a learner first, until it has nearly all of the log (4.2.1)
 *   then old and new voters decide together, then the new ones alone (4.3)
 *   a leader that is to go hands leadership to one who stays before that
 *
 * Up to five nodes vote; more of them learn. */
#include "core/group.h"
#include "core/home_steps.h"

/* A learner this close to the log's end is no burden on commits. */
#define NEAR_ENTRIES 256u

bool cfs_home_is_ready(const struct cfs_home *home, cfs_node_id node)
{
    const struct cfs_raft *raft = home->raft;
    const struct cfs_progress *progress = &raft->progress[node];

    return node == home->env->self ||
           (!progress->snapshot && !progress->forgetful && cfs_home_node_alive(home, node) &&
            progress->acked && progress->match + NEAR_ENTRIES >= cfs_log_last_index(&raft->log));
}

/* A replaced node votes until its heir does. */
static bool is_on_its_way_out(const struct cfs_home *home, cfs_node_id node)
{
    cfs_node_id heir = cfs_node_table_heir(&home->machine->nodes, node);

    return heir && cfs_home_is_ready(home, heir);
}

static cfs_node_set with_ready(const struct cfs_home *home, cfs_node_set voters,
                               cfs_node_set candidates)
{
    CFS_EACH_NODE (node, candidates)
        if (cfs_node_set_count(voters) < CFS_MEMBERS_MAX && cfs_home_is_ready(home, node))
            voters |= CFS_NODE_BIT(node);
    return voters;
}

/* Who stays, then who is ready, up to five. A place that is given up is the heir's. */
static cfs_node_set wanted_voters(const struct cfs_home *home)
{
    const struct cfs_node_table *table = &home->machine->nodes;
    cfs_node_set all = cfs_node_table_all(table), voters = 0, heirs = 0, others = 0;

    CFS_EACH_NODE (node, all & home->raft->members.voters)
        if (!is_on_its_way_out(home, node))
            voters |= CFS_NODE_BIT(node);
    CFS_EACH_NODE (node, all & ~home->raft->members.voters) {
        if (table->nodes[node].replaces)
            heirs |= CFS_NODE_BIT(node);
        else if (!cfs_node_table_heir(table, node))
            others |= CFS_NODE_BIT(node);
    }
    return with_ready(home, with_ready(home, voters, heirs), others);
}

bool cfs_home_can_decide(const struct cfs_home *home, cfs_node_set voters)
{
    struct cfs_membership alone = {.voters = voters};
    cfs_node_set ready = 0;

    CFS_EACH_NODE (node, voters)
        if (cfs_home_is_ready(home, node))
            ready |= CFS_NODE_BIT(node);
    return cfs_membership_is_quorum(&alone, ready);
}

static cfs_node_set alive_of(const struct cfs_home *home, cfs_node_set nodes)
{
    cfs_node_set alive = 0;

    CFS_EACH_NODE (node, nodes)
        if (cfs_home_node_alive(home, node))
            alive |= CFS_NODE_BIT(node);
    return alive;
}

static bool hand_to_one_of(struct cfs_home *home, cfs_node_set nodes)
{
    CFS_EACH_NODE (node, alive_of(home, nodes))
        if (cfs_raft_transfer(home->raft, node))
            return true;
    return false;
}

static cfs_node_set with_room(const struct cfs_home *home, cfs_node_set nodes)
{
    cfs_node_set room = 0;

    CFS_EACH_NODE (node, nodes)
        if (!home->raft->progress[node].full)
            room |= CFS_NODE_BIT(node);
    return room;
}

bool cfs_home_hand_over(struct cfs_home *home, cfs_node_set wanted)
{
    struct cfs_raft *raft = home->raft;
    cfs_node_set heirs = alive_of(home, wanted & raft->members.voters);

    if (wanted & CFS_NODE_BIT(home->env->self) || !heirs)
        return false;
    if (!hand_to_one_of(home, with_room(home, heirs)))
        hand_to_one_of(home, heirs);
    return true; /* or it is tried again */
}

/* A leader whose disk is full hands on to a voter that has room. */
static bool leave_full_disk(struct cfs_home *home)
{
    cfs_node_set heirs = home->raft->members.voters & ~CFS_NODE_BIT(home->env->self);

    if (home->root)
        heirs &= cfs_placement_set(home->placement, home->raft->group);
    else if (cfs_node_table_all(&home->machine->nodes))
        heirs &= wanted_voters(home); /* who is to go would hand back */
    return home->env->disk_full && hand_to_one_of(home, with_room(home, heirs));
}

/* The step from the members that are to those that are wanted; false: none. */
static bool next_step(struct cfs_home *home, struct cfs_membership *next)
{
    const struct cfs_membership *now = &home->raft->members;
    cfs_node_set all = cfs_node_table_all(&home->machine->nodes);
    cfs_node_set voters = wanted_voters(home);

    *next = *now;
    if (now->outgoing) {
        next->outgoing = 0;
        next->learners = all & ~now->voters;
    } else if (now->learners != (all & ~now->voters)) {
        next->learners = all & ~now->voters;
    } else if (voters != now->voters && cfs_home_can_decide(home, voters)) {
        next->voters = voters;
        next->outgoing = now->voters;
        next->learners = all & ~voters & ~now->voters;
    }
    return !cfs_membership_equal(next, now);
}

/* It votes, or would if there were not enough others. */
static bool has_arrived(const struct cfs_home *home, cfs_node_id heir)
{
    cfs_node_set voters = home->raft->members.voters;

    return voters & CFS_NODE_BIT(heir) ||
           (cfs_node_set_count(voters) >= CFS_MEMBERS_MAX && cfs_home_is_ready(home, heir));
}

/* A node that has been replaced goes for good when it does not vote any more. */
static void drop_replaced(struct cfs_home *home)
{
    const struct cfs_node_table *table = &home->machine->nodes;

    CFS_EACH_NODE (heir, cfs_node_table_all(table)) {
        cfs_node_id old = table->nodes[heir].replaces;
        if (!old || !has_arrived(home, heir) ||
            cfs_membership_deciding(&home->raft->members) & CFS_NODE_BIT(old))
            continue;
        cfs_home_propose(home, &(struct cfs_command){.kind = CFS_CMD_DROP_NODE,
                                                     .node = home->env->self,
                                                     .target = old});
        home->members_due = home->env->now + home->config->election;
    }
}

static void fill(struct cfs_home *home)
{
    struct cfs_command command = {.kind = CFS_CMD_FILL_NODES, .node = home->env->self};

    for (uint32_t i = 0; i < home->config->member_count; i++)
        command.nodes[command.node_count++] = home->config->addresses[i];
    cfs_home_propose(home, &command);
    home->members_due = home->env->now + home->config->election;
}

void cfs_home_members_tick(struct cfs_home *home)
{
    struct cfs_membership next;
    cfs_node_set all;

    if (home->env->now < home->members_due)
        return;
    home->members_due = home->env->now + home->config->heartbeat;
    if (leave_full_disk(home))
        return;
    if (home->root) {
        cfs_home_placement_tick(home);
        return;
    }
    all = cfs_node_table_all(&home->machine->nodes);
    /* Groups are founded by the first members: until they all are, nobody comes or goes. */
    if (!all && home->config->addresses && home->config->member_count && !home->awaits_groups)
        fill(home);
    if (!all || home->raft->members_index > home->raft->commit)
        return;
    drop_replaced(home);
    if (!next_step(home, &next))
        return;
    if (next.outgoing && cfs_home_hand_over(home, next.voters))
        return;
    cfs_raft_change_members(home->raft, &next);
}
