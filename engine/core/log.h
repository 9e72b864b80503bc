/* The window of a group's log that is in memory. Indices begin at 1. What lies up to the base has
 * been applied and is in a checkpoint; base 0 is the empty log's, with term 0 (thesis 3.5, 5.1). */
#ifndef CFS_CORE_LOG_H
#define CFS_CORE_LOG_H

#include "core/entry.h"

/* The last entry before the window. */
struct cfs_log_base {
    uint64_t index, term;
    cfs_time time; /* group time of that entry */
};

struct cfs_log_slot {
    struct cfs_entry *entry; /* one reference */
    uint64_t lsn;            /* of its record on this node's disk */
};

/* Zeroed memory is an empty log. */
struct cfs_log {
    struct cfs_log_base base;
    struct cfs_log_slot *slots; /* slots[i] has index base.index + 1 + i */
    size_t count, capacity;
    uint64_t bytes; /* of the entries in the window, their heads included */
};

void cfs_log_close(struct cfs_log *log);

uint64_t cfs_log_last_index(const struct cfs_log *log);
uint64_t cfs_log_last_term(const struct cfs_log *log);
cfs_time cfs_log_last_time(const struct cfs_log *log);

/* 0 for index 0, for indices before the base, which are compacted, and beyond the end. */
uint64_t cfs_log_term_at(const struct cfs_log *log, uint64_t index);

/* Borrowed; NULL when there is none in the window. */
struct cfs_entry *cfs_log_get(const struct cfs_log *log, uint64_t index);

/* The lsn of an entry in the window; 0 when there is none. */
uint64_t cfs_log_lsn(const struct cfs_log *log, uint64_t index);

/* Takes the reference; entry->index must be the last index + 1. */
void cfs_log_append(struct cfs_log *log, struct cfs_entry *entry, uint64_t lsn);

/* Drops all entries from `index` on, which lies behind the base. */
void cfs_log_truncate(struct cfs_log *log, uint64_t index);

/* Moves the base forward to `index`, an entry in the window; no-op before the base. */
void cfs_log_compact(struct cfs_log *log, uint64_t index);

/* An empty window after `base`. */
void cfs_log_reset(struct cfs_log *log, struct cfs_log_base base);

/* What an entry of `len` bytes takes in the log, about. */
uint64_t cfs_entry_bytes(uint32_t len);

#endif
