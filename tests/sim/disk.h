/* A node's disk: records in the order they were written, of which a prefix is durable. It knows no
 * time: whoever drives it decides when a sync ends. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "core/node_core.h"

struct sim_disk {
    struct cfs_record *records; /* hold their entries' references; lsn n is records[n - 1] */
    size_t count, capacity;
    size_t durable;
};

void sim_disk_close(struct sim_disk *disk);

/* Takes the reference that `record` holds. */
void sim_disk_append(struct sim_disk *disk, const struct cfs_record *record, uint64_t lsn);

/* Everything up to `count` records is on stable storage; returns the lsn to report. */
uint64_t sim_disk_sync(struct sim_disk *disk, size_t count);

/* Power fails: what is not durable is lost, but for its first `kept` records. */
void sim_disk_crash(struct sim_disk *disk, size_t kept);

/* Hands a new core what survived. */
void sim_disk_restore(struct sim_disk *disk, struct cfs_core *core);

#endif
