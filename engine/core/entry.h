/* A log entry: immutable once made, shared by the log and the messages that carry it. */
#ifndef CFS_CORE_ENTRY_H
#define CFS_CORE_ENTRY_H

#include "coordfs/types.h"

enum cfs_entry_kind {
    CFS_ENTRY_NOOP = 1,    /* a new leader's first entry (Raft thesis 6.4) */
    CFS_ENTRY_COMMAND = 2, /* an encoded struct cfs_command */
    CFS_ENTRY_MEMBERS = 3, /* an encoded struct cfs_membership: in force from here on (4.1) */
};

struct cfs_entry {
    uint64_t index, term;
    cfs_time time;      /* replicated group time, continued by each leader */
    cfs_wall_time wall; /* the leader's wall clock when it appended: for people */
    uint32_t refs;      /* one thread owns all of them */
    uint32_t len;
    enum cfs_entry_kind kind;
    uint8_t data[]; /* len bytes */
};

/* A new entry with one reference and room for `len` bytes of data, copied if `data` is given. */
struct cfs_entry *cfs_entry_new(enum cfs_entry_kind kind, uint64_t index, uint64_t term,
                                const void *data, uint32_t len);
struct cfs_entry *cfs_entry_ref(struct cfs_entry *entry);
void cfs_entry_unref(struct cfs_entry *entry); /* NULL is allowed */

#endif
