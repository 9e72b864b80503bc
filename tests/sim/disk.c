/* An array of records and three marks in it. */
#include "disk.h"

#include <assert.h>
#include <stdlib.h>

#include "core/alloc.h"

static void drop_from(struct sim_disk *disk, size_t count)
{
    while (disk->count > count)
        cfs_entry_unref(disk->records[--disk->count].entry);
}

void sim_disk_close(struct sim_disk *disk)
{
    drop_from(disk, 0);
    free(disk->records);
    *disk = (struct sim_disk){0};
}

void sim_disk_append(struct sim_disk *disk, const struct cfs_record *record, uint64_t lsn)
{
    disk->records =
        cfs_array_room(disk->records, disk->count, &disk->capacity, sizeof *disk->records);
    disk->records[disk->count++] = *record;
    assert(lsn == disk->count);
    (void)lsn;
}

uint64_t sim_disk_sync(struct sim_disk *disk, size_t count)
{
    assert(count <= disk->count);
    if (count > disk->durable)
        disk->durable = count;
    return disk->durable;
}

void sim_disk_crash(struct sim_disk *disk, size_t kept)
{
    if (disk->durable + kept < disk->count)
        drop_from(disk, disk->durable + kept);
}

void sim_disk_restore(struct sim_disk *disk, struct cfs_core *core)
{
    disk->durable = disk->count;
    for (size_t i = 0; i < disk->count; i++)
        cfs_core_restore(core, &disk->records[i]);
}
