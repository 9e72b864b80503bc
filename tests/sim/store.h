/* The checkpoint store of a simulated disk: per group a head and pieces, replaced by whole
 * transactions; a staging area beside each; and the consistent copies that transfers read. */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include "core/event.h"

struct cfs_core;

struct sim_item {
    uint8_t *key, *value;
    uint32_t key_len, value_len;
};

/* Pieces in the order of their keys. */
struct sim_saved {
    uint8_t *head;
    size_t head_len;
    struct sim_item *items;
    size_t count, capacity;
};

/* What one transfer reads: a copy as it was when the transfer began. */
struct sim_copy {
    uint64_t transfer;
    struct sim_saved state;
    size_t at;
    struct sim_copy *prev, *next;
};

#define SIM_GROUPS 1u

struct sim_store {
    struct sim_saved states[SIM_GROUPS], staged[SIM_GROUPS];
    struct sim_copy *copies;
};

void sim_store_close(struct sim_store *store);

/* Transactions: each happens as a whole. */
void sim_store_checkpoint(struct sim_store *store, const struct cfs_checkpoint *checkpoint);
void sim_store_stage(struct sim_store *store, const struct cfs_stage *stage);

/* The next pieces of the transfer's copy; the caller owns what `fetched` receives. */
void sim_store_fetch(struct sim_store *store, uint64_t transfer, const struct cfs_fetch *fetch,
                     struct cfs_fetched *fetched);
void sim_store_end_fetch(struct sim_store *store, uint64_t transfer);

/* Single pieces, as they are now: puts of those that are there. */
void sim_store_read(const struct sim_store *store, const struct cfs_read *read,
                    struct cfs_writer *pieces);

/* The process that read copies is gone. */
void sim_store_crash(struct sim_store *store);

/* Hands a new core what is there, but for bodies; false when it will not have it. */
bool sim_store_restore(const struct sim_store *store, struct cfs_core *core);

#endif
