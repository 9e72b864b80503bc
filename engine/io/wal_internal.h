/* What the files of the log share; only they and their test include this.
 *
 *   wal_dir.c      the directory: lock, new or known
 *   wal_identity.c whose log it is
 *   wal_amnesia.c  what the log has lost, until it is there again
 *   wal_format.c   batches and records as bytes
 *   wal_segment.c  one segment file: make, open, load
 *   wal_supply.c   the next segment, made ahead of time; old ones, removed
 *   wal_starts.c   which record begins which segment
 *   wal_recover.c  what a start finds, and where writing goes on
 *   wal.c          collecting, writing, the durable mark
 */
#ifndef CFS_IO_WAL_INTERNAL_H
#define CFS_IO_WAL_INTERNAL_H

#include "core/codec.h"
#include "io/wal.h"

#define CFS_WAL_FORMAT 2u /* of identity and batches */
#define CFS_WAL_SEGMENT_BYTES 16777216u
#define CFS_WAL_BATCH_BYTES 4194304u /* of one batch, its head included */
#define CFS_WAL_HEAD_BYTES 40u       /* before the records of a batch */
#define CFS_WAL_ALIGN 8u             /* of batches and records */
#define CFS_WAL_NAME_BYTES 32u       /* room for the name of a segment */

/* What to do about a log that cannot be trusted; takes the directory. A member that lost its log
 * has forgotten votes and entries: harmless only while those who count on them are all there. */
#define CFS_WAL_ADVICE                                                                             \
    "Nothing was changed. Put the file back as it was; or, while all other members run under one " \
    "leader, move %s away and start again: the leader then sends everything anew"

/* The data directory, locked. */
struct cfs_wal_dir {
    char *path;
    int fd, lock_fd;
    uint64_t mark; /* random, drawn when the log was made; in each of its batches, never 0 */
};

/* Opens, makes if missing, locks; a new directory gets its first segment and then its identity.
 * Segments before `begin` are what a trim left, and go. 0, or -1 after a log line. Close in any
 * case. */
int cfs_wal_dir_open(struct cfs_wal_dir *dir, const char *path, cfs_node_id node,
                     struct cfs_wal_begin begin, struct cfs_wal_origin *origin);
void cfs_wal_dir_close(struct cfs_wal_dir *dir);

/* Fills in `origin` and the mark. 1, 0 when there is no identity, -1 after a log line. */
int cfs_wal_identity_read(struct cfs_wal_dir *dir, cfs_node_id node, struct cfs_wal_origin *origin);

/* Draws the mark. 0, or -1 after a log line. */
int cfs_wal_identity_write(struct cfs_wal_dir *dir, cfs_node_id node,
                           const struct cfs_wal_origin *origin);

/* wal_amnesia.c: a file that stays until the node remembers again. Worsen and clear are durable
 * when they return: 0, or -errno. */
struct cfs_wal_amnesia {
    enum cfs_amnesia of[CFS_GROUPS_MAX + 1]; /* by group */
};
void cfs_wal_amnesia_read(const struct cfs_wal_dir *dir, struct cfs_wal_amnesia *amnesia);
/* Of each group at least `to` is lost. */
int cfs_wal_amnesia_worsen(const struct cfs_wal_dir *dir, enum cfs_amnesia to);
/* The node remembers those of the set `groups`; `last` is the last group there is. */
int cfs_wal_amnesia_clear(const struct cfs_wal_dir *dir, uint64_t groups, cfs_group_id last);

/* Where a batch lies. */
struct cfs_wal_place {
    uint64_t segment; /* 1 and up */
    uint32_t offset;
};

/* A batch as found on disk. */
struct cfs_wal_batch {
    uint64_t sequence;
    uint32_t bytes; /* with its head */
    uint32_t records;
};

/* Appends the record, padded to CFS_WAL_ALIGN. */
void cfs_wal_put_record(struct cfs_writer *writer, const struct cfs_record *record);

/* Bytes of the encoded record at `data`. */
uint32_t cfs_wal_record_bytes(const uint8_t *data);

/* The next record; its entry, if it has one, is a new reference. 0, or -1 if it is malformed. */
int cfs_wal_get_record(struct cfs_reader *reader, struct cfs_record *record);

/* Writes the head of `batch` into the first bytes at `data`; the records follow it. */
void cfs_wal_seal(uint8_t *data, const struct cfs_wal_batch *batch, uint64_t mark,
                  struct cfs_wal_place place);

/* Whether an intact batch of this log begins at `data` and fits into `room` bytes. */
bool cfs_wal_check(const uint8_t *data, size_t room, uint64_t mark, struct cfs_wal_place place,
                   struct cfs_wal_batch *batch);

void cfs_wal_segment_name(char name[CFS_WAL_NAME_BYTES], uint64_t number);

/* The highest number of a segment, 0 if there is none; removes half-made ones. 0, or -1 after a log
 * line: one from `first` on is missing. */
int cfs_wal_segment_last(const struct cfs_wal_dir *dir, uint64_t first, uint64_t *last);

/* Removes all segments before `first`; one that cannot be removed is logged and stays. 0, or -1
 * after a log line: the directory cannot be read. */
int cfs_wal_segment_remove_before(const struct cfs_wal_dir *dir, uint64_t first);

/* 0, also when there is none; or -errno. */
int cfs_wal_segment_remove(const struct cfs_wal_dir *dir, uint64_t number);

/* Makes a segment of zeros, durable under its name. A descriptor or -errno. */
int cfs_wal_segment_make(const struct cfs_wal_dir *dir, uint64_t number);

/* Opens one that exists. A descriptor, or -errno; -EBADMSG when its size is wrong. */
int cfs_wal_segment_open(const struct cfs_wal_dir *dir, uint64_t number);

/* Reads it whole into `data` of CFS_WAL_SEGMENT_BYTES. 0 or -errno. */
int cfs_wal_segment_load(const struct cfs_wal_dir *dir, uint64_t number, uint8_t *data);

/* As pwrite(2), but all of it. 0 or -errno. */
int cfs_wal_write_all(int fd, const uint8_t *data, size_t len, uint64_t offset);

/* Where each segment begins that holds a batch or is the next to get one; ascending, never empty
 * once the log is open. Zeroed memory is an empty list. */
struct cfs_wal_start {
    uint64_t segment;
    uint64_t sequence; /* of its first batch */
    uint64_t lsn;      /* of its first record */
};
struct cfs_wal_starts {
    struct cfs_wal_start *items;
    size_t count, capacity;
};

void cfs_wal_starts_add(struct cfs_wal_starts *starts, struct cfs_wal_start start);
void cfs_wal_starts_close(struct cfs_wal_starts *starts);

/* The last one that begins at or before `lsn`, or the first. */
struct cfs_wal_start cfs_wal_starts_find(const struct cfs_wal_starts *starts, uint64_t lsn);

/* Forgets the segments before `segment`, but never the last. Returns the first that is left. */
uint64_t cfs_wal_starts_drop(struct cfs_wal_starts *starts, uint64_t segment);

/* Where the intact log ends. */
struct cfs_wal_end {
    struct cfs_wal_place place; /* of the next batch */
    uint64_t sequence;          /* of the next batch */
    uint64_t records;           /* handed over */
    uint64_t cut_bytes;         /* not zero, behind the end: a torn batch, zeroed */
    uint64_t last;              /* segment that exists; may be one after the end, still blank */
    struct cfs_wal_starts starts;
};

/* Hands over all records from `begin` on, cuts a torn tail, makes durable what was read. 0, or -1
 * after a log line. The caller closes end->starts in any case. */
int cfs_wal_recover(const struct cfs_wal_dir *dir, struct cfs_wal_begin begin,
                    cfs_wal_record_fn record, void *arg, struct cfs_wal_end *end);

/* Makes and removes segments on a thread of its own. `first` to `last` exist. */
struct cfs_wal_supply;

struct cfs_wal_supply *cfs_wal_supply_new(const struct cfs_wal_dir *dir, uint64_t first,
                                          uint64_t last, int event_fd); /* NULL and errno */
void cfs_wal_supply_free(struct cfs_wal_supply *supply);                /* NULL is allowed */

/* Clears the amnesia of `group`; `last` is the last group there is. */
void cfs_wal_supply_remember(struct cfs_wal_supply *supply, cfs_group_id group, cfs_group_id last);

/* Begins to make segment `number`; tries again each second if that fails. For the writer. */
void cfs_wal_supply_order(struct cfs_wal_supply *supply, uint64_t number);

/* Waits for segment `number`, also for room for it. A descriptor, or -errno when it cannot be made
 * for another reason, or the log closes. For the writer. */
int cfs_wal_supply_take(struct cfs_wal_supply *supply, uint64_t number);

/* From now on the writer is not kept waiting for room. */
void cfs_wal_supply_leave(struct cfs_wal_supply *supply);

/* There was no room at the last attempt. */
bool cfs_wal_supply_is_full(struct cfs_wal_supply *supply);

/* Begins to remove the segments before `number`, oldest first. */
void cfs_wal_supply_trim(struct cfs_wal_supply *supply, uint64_t number);

/* How many segments exist. */
uint32_t cfs_wal_supply_count(struct cfs_wal_supply *supply);

/* Makes the log's descriptor readable. */
void cfs_wal_signal(int event_fd);

/* For tests: replaces fdatasync(2); before the first submit. */
void cfs_wal_set_sync(struct cfs_wal *wal, int (*sync)(int fd));

#endif
