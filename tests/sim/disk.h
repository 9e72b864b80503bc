/* A node's disk: the log's records in the order they were written, of which a prefix is durable,
 * and beside it the checkpoint store (store.h). It knows no time: whoever drives it decides when a
 * sync ends. Records are numbered as the core numbers them: from 1 on in every life.
 *
 * Bits may flip. Checksums find that at the next start, as in the real log (io/wal_recover.c): what
 * has one sync is a batch; a bad batch with others behind it, or a bad state in the store, keeps
 * the node from starting; the last batch may as well be one that a crash tore, and is cut. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "core/node_core.h"
#include "store.h"

struct sim_disk {
    struct cfs_record *records; /* hold their entries' references; lsn n is records[n - 1] */
    size_t count, capacity;
    size_t durable;
    size_t batch;       /* where the newest durable batch begins */
    size_t flipped;     /* the record with a wrong bit, counted from 1; 0: none */
    bool store_flipped; /* there is one in the store */
    uint64_t trimmed;   /* in this life: records[0] has lsn trimmed + 1 */
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

/* A bit flips: in a durable record, counted from 0, or in the store. */
void sim_disk_flip(struct sim_disk *disk, size_t record);
void sim_disk_flip_store(struct sim_disk *disk);
bool sim_disk_is_damaged(const struct sim_disk *disk);

/* Half of a batch is on it, and is cut: that it was a whole one cannot be ruled out. */
void sim_disk_tear(struct sim_disk *disk);

/* What a start does first. False: what is damaged was durable, and the node must not start. */
bool sim_disk_recover(struct sim_disk *disk);

/* A new disk: nothing is on it. */
void sim_disk_replace(struct sim_disk *disk);

/* What the next start will be told that the disk lost of every group. */
void sim_disk_forget(struct sim_disk *disk, enum cfs_amnesia amnesia);

/* Hands a new core what survived. False when the core will not have it. */
bool sim_disk_restore(struct sim_disk *disk, struct cfs_core *core);

#endif
