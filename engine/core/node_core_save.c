/* Checkpoints: all groups together, in one transaction, for they share the log that it shortens;
 * one at a time. */
#include "core/node_core_internal.h"

static bool wants_checkpoint(const struct cfs_core *core)
{
    uint64_t unsaved = 0, most = core->config.checkpoint_bytes;

    for (uint32_t i = 0; i < core->group_count; i++)
        unsaved += core->groups[i].unsaved_bytes;
    return core->save_wanted || (most && unsaved >= most);
}

/* A group that is being replaced on the disk can say nothing of itself, and without it no record
 * may go. */
static bool may_save(const struct cfs_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++)
        if (cfs_snapshot_switching(&core->groups[i]) || !cfs_raft_may_save(&core->groups[i].raft))
            return false;
    return !core->checkpoint_id;
}

static void save(struct cfs_core *core, struct cfs_checkpoint *checkpoint)
{
    checkpoint->keep_lsn = UINT64_MAX;
    for (uint32_t i = 0; i < core->group_count; i++) {
        const struct cfs_home *home = &core->groups[i].home;
        if (home->serving && cfs_home_lease_valid(home))
            checkpoint->led |= (uint64_t)1 << i;
        cfs_group_save(&core->groups[i], checkpoint);
    }
}

void cfs_core_order_checkpoint(struct cfs_core *core)
{
    struct cfs_effect *effect;

    if (!wants_checkpoint(core) || !may_save(core))
        return;
    core->save_wanted = false;
    effect = cfs_effects_add(core->env.effects, CFS_FX_CHECKPOINT);
    effect->id = core->checkpoint_id = ++core->env.last_id;
    save(core, &effect->checkpoint);
}

void cfs_core_checkpointed(struct cfs_core *core, uint64_t id)
{
    if (id != core->checkpoint_id)
        return;
    core->checkpoint_id = 0;
    for (uint32_t i = 0; i < core->group_count; i++)
        cfs_group_saved(&core->groups[i]);
}

/* It has been one, and something was in its log. */
static bool is_there(const struct cfs_group *group)
{
    return cfs_log_last_index(&group->raft.log) && cfs_membership_all(&group->raft.members);
}

void cfs_core_salvage(struct cfs_core *core, struct cfs_checkpoint *out)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        if (!is_there(&core->groups[i]))
            continue;
        cfs_group_take_all(&core->groups[i]);
        cfs_group_save(&core->groups[i], out);
    }
}
