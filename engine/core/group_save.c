/* Checkpoints: what the machine has become since the last one goes to the disk, and with it the log
 * up to there may go. */
#include "core/alloc.h"
#include "core/group.h"
#include "core/planted.h"

/* Of the entries that a checkpoint covers the newest stay a while: who is behind by no more is sent
 * entries, not a snapshot. */
#define KEEP_BYTES 2097152u
/* A transfer under way keeps what comes after its snapshot, or it would be followed by another; but
 * not for ever. */
#define KEEP_BYTES_MAX 67108864u

void cfs_group_save(struct cfs_group *group, struct cfs_checkpoint *checkpoint)
{
    struct cfs_group_head head = cfs_raft_head(&group->raft);
    struct cfs_part part = {.group = group->id};
    uint64_t keep = cfs_raft_keep_lsn(&group->raft);

    if (CFS_PLANTED(BUG_COMPACT_UNSAVED))
        keep = group->env->lsn + 1;
    if (keep < checkpoint->keep_lsn)
        checkpoint->keep_lsn = keep;
    cfs_group_head_encode(&part.head, &head);
    cfs_machine_save(group->machine, &part.pieces);
    checkpoint->parts =
        cfs_realloc(checkpoint->parts, (checkpoint->part_count + 1) * sizeof *checkpoint->parts);
    checkpoint->parts[checkpoint->part_count++] = part;
    group->ordered_index = head.base.index;
    group->unsaved_bytes = 0;
}

/* Up to where entries may go: `saved` or, to spare those who are a little behind, before it. */
static uint64_t compactable(const struct cfs_group *group)
{
    const struct cfs_log *log = &group->raft.log;
    uint64_t oldest = cfs_snapshot_oldest(group), index = group->saved_index, kept = 0;
    uint64_t spare = group->config->checkpoint_bytes / 4;

    if (spare > KEEP_BYTES)
        spare = KEEP_BYTES;
    if (group->id)
        spare /= 4; /* there are many of them */
    if (oldest < index && log->bytes < KEEP_BYTES_MAX)
        index = oldest;
    while (index > log->base.index) {
        kept += cfs_entry_bytes(cfs_log_get(log, index)->len);
        if (kept > spare)
            break;
        index--;
    }
    return index;
}

/* A block of a file after the other: what has to be read for one is read before the next. */
static void compact_files(struct cfs_group *group)
{
    struct cfs_contents *contents = group->machine->contents;
    struct cfs_writer keys = {0};
    struct cfs_effect *effect;

    while (cfs_contents_compact_next(contents, &keys) && !keys.len)
        cfs_contents_compact(contents, NULL, 0);
    if (!keys.len)
        return;
    effect = cfs_effects_add(group->env->effects, CFS_FX_READ);
    effect->id = group->compaction_read = ++group->env->last_id;
    effect->read = (struct cfs_read){.group = group->id, .keys = keys};
}

void cfs_group_pieces_read(struct cfs_group *group, const struct cfs_read_pieces *read)
{
    if (read->id != group->compaction_read) {
        cfs_home_pieces_read(&group->home, read);
        return;
    }
    group->compaction_read = 0;
    cfs_contents_compact(group->machine->contents, read->data, read->len);
    compact_files(group);
}

void cfs_group_saved(struct cfs_group *group)
{
    if (group->ordered_index > group->saved_index)
        group->saved_index = group->ordered_index;
    cfs_machine_saved(group->machine);
    if (!group->compaction_read)
        compact_files(group);
    cfs_raft_log_compact(&group->raft, compactable(group));
}
