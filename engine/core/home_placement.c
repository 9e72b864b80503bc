/* From the nodes that a group other than 0 should have its replicas on (placement.h) to those that
 * it has, step by step as in home_members.c: new ones learn first, then old and new decide
 * together, then the new ones alone. Of the groups that a node leads one moves at a time: what is
 * copied must not crowd out what is asked.
 *
 * And leadership goes home, to the first node of the placement, when that has been up to date for a
 * while: whoever fails again and again would else take it along each time. */
#include "core/group.h"
#include "core/home_steps.h"

#define HOME_AFTER CFS_SECONDS(2)

static cfs_node_set missing(const struct cfs_home *home, cfs_node_set wanted)
{
    return wanted & ~home->raft->members.voters;
}

static bool all_ready(const struct cfs_home *home, cfs_node_set nodes)
{
    CFS_EACH_NODE (node, nodes)
        if (!cfs_home_is_ready(home, node))
            return false;
    return true;
}

/* Somebody is on his way, and can be waited for. */
static bool is_learning(const struct cfs_home *home, cfs_node_set wanted)
{
    CFS_EACH_NODE (node, missing(home, wanted))
        if (!cfs_home_node_alive(home, node))
            return false;
    return missing(home, wanted) != 0;
}

static bool next_step(const struct cfs_home *home, cfs_node_set wanted, struct cfs_membership *next)
{
    const struct cfs_membership *now = &home->raft->members;

    *next = *now;
    if (now->outgoing) {
        next->outgoing = 0;
        next->learners = missing(home, wanted);
    } else if (now->learners != missing(home, wanted)) {
        next->learners = missing(home, wanted);
    } else if (now->voters != wanted && all_ready(home, missing(home, wanted)) &&
               cfs_home_can_decide(home, wanted)) {
        *next = (struct cfs_membership){.voters = wanted, .outgoing = now->voters};
    }
    return !cfs_membership_equal(next, now);
}

static void go_home(struct cfs_home *home)
{
    cfs_node_id first = home->placement->nodes[home->raft->group][0];
    cfs_time since;

    if (!first || first == home->env->self || !(home->raft->members.voters & CFS_NODE_BIT(first)) ||
        !cfs_home_is_ready(home, first) || home->raft->progress[first].full) {
        home->first_ready = CFS_NEVER;
        return;
    }
    if (home->first_ready == CFS_NEVER)
        home->first_ready = home->env->now;
    since =
        home->first_ready > home->raft->leader_since ? home->first_ready : home->raft->leader_since;
    if (home->env->now >= since + HOME_AFTER)
        cfs_raft_transfer(home->raft, first);
}

void cfs_home_placement_tick(struct cfs_home *home)
{
    cfs_group_id group = home->raft->group;
    cfs_node_set wanted = cfs_placement_set(home->placement, group);
    struct cfs_membership next;

    if (!wanted || home->raft->members_index > home->raft->commit)
        return;
    if (!next_step(home, wanted, &next)) {
        if (home->env->moving == group && !is_learning(home, wanted))
            home->env->moving = 0;
        go_home(home);
        return;
    }
    if (home->env->moving && home->env->moving != group)
        return;
    home->env->moving = group;
    if (next.outgoing && cfs_home_hand_over(home, next.voters))
        return;
    cfs_raft_change_members(home->raft, &next);
}
