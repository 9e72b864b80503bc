/* The window of a group's log that is in memory. Indices begin at 1; index 0 is the empty log's,
 * with term 0 (thesis 3.5). */
#ifndef CFS_CORE_LOG_H
#define CFS_CORE_LOG_H

#include "core/entry.h"

/* Zeroed memory is an empty log. */
struct cfs_log {
    struct cfs_entry **entries; /* entries[i] has index i + 1; one reference each */
    size_t count, capacity;
};

void cfs_log_close(struct cfs_log *log);

uint64_t cfs_log_last_index(const struct cfs_log *log);
uint64_t cfs_log_last_term(const struct cfs_log *log);

/* 0 for index 0 and for indices beyond the end. */
uint64_t cfs_log_term_at(const struct cfs_log *log, uint64_t index);

/* Borrowed; NULL when there is none. */
struct cfs_entry *cfs_log_get(const struct cfs_log *log, uint64_t index);

/* Takes the reference; entry->index must be the last index + 1. */
void cfs_log_append(struct cfs_log *log, struct cfs_entry *entry);

/* Drops all entries from `index` on. */
void cfs_log_truncate(struct cfs_log *log, uint64_t index);

#endif
