/* An array of references, cut and grown at its end, compacted at its beginning. */
#include "core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

uint64_t cfs_entry_bytes(uint32_t len)
{
    return sizeof(struct cfs_entry) + sizeof(struct cfs_log_slot) + len;
}

void cfs_log_close(struct cfs_log *log)
{
    cfs_log_truncate(log, log->base.index + 1);
    free(log->slots);
    *log = (struct cfs_log){0};
}

uint64_t cfs_log_last_index(const struct cfs_log *log)
{
    return log->base.index + log->count;
}

uint64_t cfs_log_last_term(const struct cfs_log *log)
{
    return cfs_log_term_at(log, cfs_log_last_index(log));
}

cfs_time cfs_log_last_time(const struct cfs_log *log)
{
    return log->count ? log->slots[log->count - 1].entry->time : log->base.time;
}

static const struct cfs_log_slot *slot_at(const struct cfs_log *log, uint64_t index)
{
    return index > log->base.index && index <= cfs_log_last_index(log)
               ? &log->slots[index - log->base.index - 1]
               : NULL;
}

uint64_t cfs_log_term_at(const struct cfs_log *log, uint64_t index)
{
    const struct cfs_log_slot *slot = slot_at(log, index);

    if (index == log->base.index)
        return log->base.term;
    return slot ? slot->entry->term : 0;
}

struct cfs_entry *cfs_log_get(const struct cfs_log *log, uint64_t index)
{
    const struct cfs_log_slot *slot = slot_at(log, index);

    return slot ? slot->entry : NULL;
}

uint64_t cfs_log_lsn(const struct cfs_log *log, uint64_t index)
{
    const struct cfs_log_slot *slot = slot_at(log, index);

    return slot ? slot->lsn : 0;
}

void cfs_log_append(struct cfs_log *log, struct cfs_entry *entry, uint64_t lsn)
{
    assert(entry->index == cfs_log_last_index(log) + 1);
    log->slots = cfs_array_room(log->slots, log->count, &log->capacity, sizeof *log->slots);
    log->slots[log->count++] = (struct cfs_log_slot){entry, lsn};
    log->bytes += cfs_entry_bytes(entry->len);
}

static void drop(struct cfs_log *log, struct cfs_log_slot *slot)
{
    log->bytes -= cfs_entry_bytes(slot->entry->len);
    cfs_entry_unref(slot->entry);
}

void cfs_log_truncate(struct cfs_log *log, uint64_t index)
{
    assert(index > log->base.index);
    while (cfs_log_last_index(log) >= index)
        drop(log, &log->slots[--log->count]);
}

/* A window that has become much smaller gives its array back. */
static void shrink(struct cfs_log *log)
{
    size_t capacity = log->count + log->count / 4 + 64;

    if (capacity >= log->capacity / 2)
        return;
    log->slots = cfs_realloc(log->slots, capacity * sizeof *log->slots);
    log->capacity = capacity;
}

void cfs_log_compact(struct cfs_log *log, uint64_t index)
{
    const struct cfs_entry *entry = cfs_log_get(log, index);
    size_t gone;

    if (!entry)
        return;
    gone = index - log->base.index;
    log->base = (struct cfs_log_base){index, entry->term, entry->time};
    for (size_t i = 0; i < gone; i++)
        drop(log, &log->slots[i]);
    log->count -= gone;
    memmove(log->slots, log->slots + gone, log->count * sizeof *log->slots);
    shrink(log);
}

void cfs_log_reset(struct cfs_log *log, struct cfs_log_base base)
{
    cfs_log_truncate(log, log->base.index + 1);
    log->base = base;
}
