/* Reference counting for log entries. */
#include "core/entry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

struct cfs_entry *cfs_entry_new(enum cfs_entry_kind kind, uint64_t index, uint64_t term,
                                const void *data, uint32_t len)
{
    struct cfs_entry *entry = cfs_alloc(sizeof *entry + len);

    *entry = (struct cfs_entry){
        .index = index, .term = term, .refs = 1, .len = len, .kind = kind};
    if (data)
        memcpy(entry->data, data, len);
    return entry;
}

struct cfs_entry *cfs_entry_ref(struct cfs_entry *entry)
{
    entry->refs++;
    return entry;
}

void cfs_entry_unref(struct cfs_entry *entry)
{
    if (!entry)
        return;
    assert(entry->refs > 0);
    if (--entry->refs == 0)
        free(entry);
}
