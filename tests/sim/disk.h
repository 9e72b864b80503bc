/* A node's disk: the log's records in the order they were written, of which a prefix is durable,
 * and beside it the checkpoint store (store.h). It knows no time: whoever drives it decides when a
 * sync ends. Records are numbered as the core numbers them: from 1 on in every life. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "core/node_core.h"
#include "store.h"

struct sim_disk {
    struct cfs_record *records; /* hold their entries' references; lsn n is records[n - 1] */
    size_t count, capacity;
    size_t durable;
    uint64_t trimmed; /* in this life: records[0] has lsn trimmed + 1 */
    struct sim_store store;
    enum cfs_amnesia amnesia[SIM_GROUPS]; /* of the next start, by group */
};

void sim_disk_close(struct sim_disk *disk);

/* Takes the reference that `record` holds. */
void sim_disk_append(struct sim_disk *disk, const struct cfs_record *record, uint64_t lsn);

/* The lsn of the newest record. */
uint64_t sim_disk_lsn(const struct sim_disk *disk);

/* Everything up to `lsn` is on stable storage; returns the lsn to report. */
uint64_t sim_disk_sync(struct sim_disk *disk, uint64_t lsn);

/* Records before `lsn` are not needed. */
void sim_disk_trim(struct sim_disk *disk, uint64_t lsn);

/* Power fails: what is not durable is lost, but for its first `kept` records. */
void sim_disk_crash(struct sim_disk *disk, size_t kept);

/* A new disk: nothing is on it. */
void sim_disk_replace(struct sim_disk *disk);

/* What the next start will be told that the disk lost of every group. */
void sim_disk_forget(struct sim_disk *disk, enum cfs_amnesia amnesia);

/* Hands a new core what survived. False when the core will not have it. */
bool sim_disk_restore(struct sim_disk *disk, struct cfs_core *core);

#endif
