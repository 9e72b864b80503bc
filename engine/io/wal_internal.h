/* What the files of the log share; only they and their test include this.
 *
 *   wal_dir.c      whose directory it is: lock, identity
 *   wal_format.c   batches and records as bytes
 *   wal_segment.c  one segment file: make, open, load
 *   wal_supply.c   the next segment, made ahead of time
 *   wal_recover.c  what a start finds, and where writing goes on
 *   wal.c          collecting, writing, the durable mark
 */
#ifndef CFS_IO_WAL_INTERNAL_H
#define CFS_IO_WAL_INTERNAL_H

#include "core/codec.h"
#include "io/wal.h"

#define CFS_WAL_FORMAT 1u
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

/* Opens, makes if missing, locks; a new directory gets its first segment and then its identity. 0,
 * or -1 after a log line. Close in any case. */
int cfs_wal_dir_open(struct cfs_wal_dir *dir, const char *path, cfs_node_id node);
void cfs_wal_dir_close(struct cfs_wal_dir *dir);

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

/* Counts the segments and removes half-made ones. 0, or -1 after a log line: one is missing. */
int cfs_wal_segment_count(const struct cfs_wal_dir *dir, uint64_t *count);

/* Makes a segment of zeros, durable under its name. A descriptor or -errno. */
int cfs_wal_segment_make(const struct cfs_wal_dir *dir, uint64_t number);

/* Opens one that exists. A descriptor, or -errno; -EBADMSG when its size is wrong. */
int cfs_wal_segment_open(const struct cfs_wal_dir *dir, uint64_t number);

/* Reads it whole into `data` of CFS_WAL_SEGMENT_BYTES. 0 or -errno. */
int cfs_wal_segment_load(const struct cfs_wal_dir *dir, uint64_t number, uint8_t *data);

/* As pwrite(2), but all of it. 0 or -errno. */
int cfs_wal_write_all(int fd, const uint8_t *data, size_t len, uint64_t offset);

/* Where the intact log ends. */
struct cfs_wal_end {
    struct cfs_wal_place place; /* of the next batch */
    uint64_t sequence;          /* of the next batch */
    uint64_t cut_bytes;         /* not zero, behind the end: a torn batch, zeroed */
};

/* Hands over all records, cuts a torn tail, makes durable what was read. 0, or -1 after a log
 * line. */
int cfs_wal_recover(const struct cfs_wal_dir *dir, cfs_wal_record_fn record, void *arg,
                    struct cfs_wal_end *end);

/* Makes segments on a thread of its own. All functions are for the one thread that writes. */
struct cfs_wal_supply;

struct cfs_wal_supply *cfs_wal_supply_new(const struct cfs_wal_dir *dir); /* NULL and errno */
void cfs_wal_supply_free(struct cfs_wal_supply *supply);                  /* NULL is allowed */

/* Begins to make segment `number`; tries again each second if that fails. */
void cfs_wal_supply_order(struct cfs_wal_supply *supply, uint64_t number);

/* Waits for segment `number`. A descriptor, or -errno when it cannot be made now. */
int cfs_wal_supply_take(struct cfs_wal_supply *supply, uint64_t number);

/* For tests: replaces fdatasync(2); before the first submit. */
void cfs_wal_set_sync(struct cfs_wal *wal, int (*sync)(int fd));

#endif
