/* An array of references, cut and grown at its end. */
#include "core/log.h"

#include <assert.h>
#include <stdlib.h>

#include "core/alloc.h"

void cfs_log_close(struct cfs_log *log)
{
    cfs_log_truncate(log, 1);
    free(log->entries);
    *log = (struct cfs_log){0};
}

uint64_t cfs_log_last_index(const struct cfs_log *log)
{
    return log->count;
}

uint64_t cfs_log_last_term(const struct cfs_log *log)
{
    return cfs_log_term_at(log, log->count);
}

uint64_t cfs_log_term_at(const struct cfs_log *log, uint64_t index)
{
    const struct cfs_entry *entry = cfs_log_get(log, index);

    return entry ? entry->term : 0;
}

struct cfs_entry *cfs_log_get(const struct cfs_log *log, uint64_t index)
{
    return index >= 1 && index <= log->count ? log->entries[index - 1] : NULL;
}

void cfs_log_append(struct cfs_log *log, struct cfs_entry *entry)
{
    assert(entry->index == log->count + 1);
    log->entries = cfs_array_room(log->entries, log->count, &log->capacity, sizeof *log->entries);
    log->entries[log->count++] = entry;
}

void cfs_log_truncate(struct cfs_log *log, uint64_t index)
{
    assert(index >= 1);
    while (log->count >= index)
        cfs_entry_unref(log->entries[--log->count]);
}
