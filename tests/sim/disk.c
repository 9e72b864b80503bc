/* An array of records and three marks in it. */
#include "disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static void drop_from(struct sim_disk *disk, size_t count)
{
    while (disk->count > count)
        cfs_entry_unref(disk->records[--disk->count].entry);
    if (disk->flipped > count)
        disk->flipped = 0;
    if (disk->batch > count)
        disk->batch = count;
    if (disk->durable > count)
        disk->durable = count;
}

void sim_disk_close(struct sim_disk *disk)
{
    drop_from(disk, 0);
    free(disk->records);
    sim_store_close(&disk->store);
    *disk = (struct sim_disk){0};
}

void sim_disk_append(struct sim_disk *disk, const struct cfs_record *record, uint64_t lsn)
{
    disk->records =
        cfs_array_room(disk->records, disk->count, &disk->capacity, sizeof *disk->records);
    disk->records[disk->count++] = *record;
    assert(lsn == disk->trimmed + disk->count);
    (void)lsn;
}

uint64_t sim_disk_lsn(const struct sim_disk *disk)
{
    return disk->trimmed + disk->count;
}

uint64_t sim_disk_sync(struct sim_disk *disk, uint64_t lsn)
{
    assert(lsn <= sim_disk_lsn(disk));
    if (lsn > disk->trimmed + disk->durable) {
        disk->batch = disk->durable;
        disk->durable = lsn - disk->trimmed;
    }
    return disk->trimmed + disk->durable;
}

void sim_disk_trim(struct sim_disk *disk, uint64_t lsn)
{
    size_t gone = lsn > disk->trimmed + 1 ? lsn - disk->trimmed - 1 : 0;

    if (gone > disk->durable)
        gone = disk->durable;
    for (size_t i = 0; i < gone; i++)
        cfs_entry_unref(disk->records[i].entry);
    disk->count -= gone;
    disk->durable -= gone;
    disk->batch -= disk->batch < gone ? disk->batch : gone;
    disk->flipped -= disk->flipped < gone ? disk->flipped : gone;
    disk->trimmed += gone;
    memmove(disk->records, disk->records + gone, disk->count * sizeof *disk->records);
}

void sim_disk_crash(struct sim_disk *disk, size_t kept)
{
    if (disk->durable + kept < disk->count)
        drop_from(disk, disk->durable + kept);
    if (disk->count > disk->durable)
        disk->batch = disk->durable;
    sim_store_crash(&disk->store);
}

void sim_disk_flip(struct sim_disk *disk, size_t record)
{
    assert(record < disk->durable);
    disk->flipped = record + 1;
}

void sim_disk_flip_store(struct sim_disk *disk)
{
    disk->store_flipped = true;
}

bool sim_disk_is_damaged(const struct sim_disk *disk)
{
    return disk->flipped || disk->store_flipped;
}

void sim_disk_tear(struct sim_disk *disk)
{
    for (cfs_group_id group = 0; group < SIM_GROUPS; group++)
        if (disk->amnesia[group] == CFS_REMEMBERS)
            disk->amnesia[group] = CFS_TORN;
}

bool sim_disk_recover(struct sim_disk *disk)
{
    if (disk->store_flipped || (disk->flipped && disk->flipped <= disk->batch))
        return false;
    if (!disk->flipped)
        return true;
    drop_from(disk, disk->batch);
    sim_disk_tear(disk);
    return true;
}

void sim_disk_replace(struct sim_disk *disk)
{
    sim_disk_close(disk);
    sim_disk_forget(disk, CFS_BLANK);
}

void sim_disk_forget(struct sim_disk *disk, enum cfs_amnesia amnesia)
{
    for (cfs_group_id group = 0; group < SIM_GROUPS; group++)
        disk->amnesia[group] = amnesia;
}

bool sim_disk_restore(struct sim_disk *disk, struct cfs_core *core)
{
    disk->trimmed = 0;
    disk->durable = disk->count;
    for (cfs_group_id group = 0; group < SIM_GROUPS; group++)
        cfs_core_set_amnesia(core, group, disk->amnesia[group]);
    if (!sim_store_restore(&disk->store, core))
        return false;
    for (size_t i = 0; i < disk->count; i++)
        if (cfs_core_restore(core, &disk->records[i]) != 0)
            return false;
    return cfs_core_restored(core) == 0;
}
