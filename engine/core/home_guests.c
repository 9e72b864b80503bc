/* Sessions as a group other than 0 sees them. They are opened, renewed and ended in group 0, of
 * which every node has a replica; the leader of another group goes by its own, which may be behind
 * but never goes back. So nobody has to tell the groups of a session that ends: whoever leads
 * compares, again and again. */
#include "core/group.h"
#include "core/planted.h"

static bool has_seen(const struct cfs_group *root, cfs_session_id session)
{
    return root->raft.applied >= session;
}

static void adopt(struct cfs_home *home, const struct cfs_session *session)
{
    if (home->adopted[session->node] == session->id)
        return;
    home->adopted[session->node] = session->id;
    cfs_home_propose(home, &(struct cfs_command){.kind = CFS_CMD_ADOPT_SESSION,
                                                 .node = home->env->self,
                                                 .owner = session->node,
                                                 .target = session->id,
                                                 .target_session = session->began});
}

bool cfs_home_admit(struct cfs_home *home, const struct cfs_command *command)
{
    const struct cfs_session *session =
        cfs_sessions_find(&home->root->machine->sessions, command->session);
    struct cfs_asker asker = {command->session, command->sequence, command->node};

    if (cfs_sessions_find(&home->machine->sessions, command->session))
        return true;
    if (session && session->node == command->node) {
        adopt(home, session);
        return true;
    }
    if (CFS_PLANTED(BUG_ADOPT_ENDED) && has_seen(home->root, command->session)) {
        adopt(home, &(struct cfs_session){
                        .id = command->session, .node = command->node, .began = command->session});
        return true;
    }
    /* Who is ahead of this node's replica of group 0 will ask again. */
    if (has_seen(home->root, command->session))
        cfs_home_answer(home, asker, false, &(struct cfs_answer){.error = CFS_ERR_LOST});
    return false;
}

static void end(struct cfs_home *home, const struct cfs_session *session)
{
    cfs_trace(home->env, "session %lu of node %u has ended: group %u follows", session->id,
              session->node, home->raft->group);
    cfs_home_propose(home, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION,
                                                 .node = home->env->self,
                                                 .target = session->id});
}

void cfs_home_reconcile(struct cfs_home *home)
{
    const struct cfs_sessions *present = &home->root->machine->sessions;

    if (home->reconciled > home->raft->applied)
        return; /* what was found last is still on its way */
    for (struct cfs_session *s = home->machine->sessions.by_id; s; s = s->hh.next) {
        const struct cfs_session *now = cfs_sessions_of_node(present, s->node);
        if ((!has_seen(home->root, s->id) && !CFS_PLANTED(BUG_END_UNSEEN)) ||
            (now && now->id == s->id))
            continue;
        if (now && now->id > s->id && now->began <= s->id)
            adopt(home, now);
        else
            end(home, s);
        home->reconciled = cfs_log_last_index(&home->raft->log);
    }
}
