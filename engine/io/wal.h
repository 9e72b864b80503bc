/* The write-ahead log: records of all groups in one sequence of segments, one fdatasync for all
 * that arrived while the one before ran. A thread of its own writes and syncs, so that a slow disk
 * never holds up the loop; it shares nothing with the loop but two buffers and a durable mark. */
#ifndef CFS_IO_WAL_H
#define CFS_IO_WAL_H

#include "core/effect.h"
#include "core/node_core.h"
#include "io/histogram.h"

struct cfs_wal;

#define CFS_WAL_MEMBERS_MAX 2000u

/* Where the log begins: its first segment, the sequence number of the first batch in it, and the
 * mark of the log that it was said of (0: of any). A new log begins at {1, 1, 0}. With its mark, a
 * checkpoint is not taken for that of another log, nor for that of none. */
struct cfs_wal_begin {
    uint64_t segment, sequence, mark;
};

/* What the cluster was when the log was made. The log keeps it and does not look at it. */
struct cfs_wal_origin {
    cfs_node_id owner; /* as read: whose log it is */
    bool restored;     /* of a new log: nothing was before it but what is in the checkpoint store */
    uint64_t cluster;
    char members[2048]; /* one line of at most CFS_WAL_MEMBERS_MAX bytes */
};

/* One recovered record, in the order written; it (and a reference to its entry) is the caller's
 * only during the call. */
typedef void (*cfs_wal_record_fn)(void *arg, const struct cfs_record *record);

/* What the log in `dir` says about itself, before it is opened: 1; 0 where there is none yet; -1
 * after a log line: it is another node's than `node` (0: no matter), of an unknown format, or
 * damaged. */
int cfs_wal_peek(const char *dir, cfs_node_id node, struct cfs_wal_origin *origin);

/* Opens or creates the log in directory `dir` (made with mode 0700 when missing) for node `node`,
 * locks it against a second daemon, calls `record` for all that it holds from `begin` on; segments
 * before are what an interrupted trim left, and are removed. `origin` is written into a new
 * directory, and replaced by what an existing one says. A torn tail (a batch whose fdatasync never
 * returned) is cut and logged; a bad batch before the tail, a missing segment, another node's
 * directory, an unknown format, or a directory in use fails: 0 or -1, and the log names file and
 * offset. */
int cfs_wal_open(struct cfs_wal **out, const char *dir, cfs_node_id node,
                 struct cfs_wal_begin begin, struct cfs_wal_origin *origin,
                 cfs_wal_record_fn record, void *arg);

/* What the log lost of a group, as far as it can tell: it was made anew, or its end was cut where
 * something stood. That is said of every open until cfs_wal_remember. */
enum cfs_amnesia cfs_wal_amnesia(const struct cfs_wal *wal, cfs_group_id group);

/* The node has again what was lost of `group`; forgets about it soon, on another thread. `last` is
 * the last group there is. */
void cfs_wal_remember(struct cfs_wal *wal, cfs_group_id group, cfs_group_id last);

/* How many records the open handed over: they are lsn 1 to this. */
uint64_t cfs_wal_recovered(const struct cfs_wal *wal);

/* Adds a record to the batch being collected. `lsn` grows by one each time and goes on where the
 * recovered records ended. */
void cfs_wal_append(struct cfs_wal *wal, const struct cfs_record *record, uint64_t lsn);

/* Hands the batch to the writer if it is idle; else it goes by itself when the writer is done. */
void cfs_wal_submit(struct cfs_wal *wal);

/* Readable (eventfd(2)) when the durable mark moved or the log failed. */
int cfs_wal_fd(const struct cfs_wal *wal);

/* Resets the fd; `lsn` receives the durable mark, at first that of the recovered records. 0, or -1
 * once a write or fdatasync failed: the node must stop, for what the disk then holds is unknown
 * (LWN "PostgreSQL's fsync() surprise"). */
int cfs_wal_durable(struct cfs_wal *wal, uint64_t *lsn);

/* The next segment cannot be made for want of room; what is left of the last one is for what frees
 * some, and after that records wait. Tried again every second; cfs_wal_fd tells of a change. */
bool cfs_wal_is_full(const struct cfs_wal *wal);

struct cfs_wal_stats {
    uint64_t syncs, records, bytes;
    uint64_t sync_us_last, sync_us_max;
    struct cfs_histogram sync; /* a batch: pwrite and fdatasync */
    uint64_t pending;          /* records that are not durable yet */
    uint64_t segment;          /* the one being written */
    uint32_t segments;         /* files there are, with one made ahead */
    uint64_t disk_bytes;       /* of them */
    uint64_t cut_bytes; /* cut at open: a torn batch, or damage to the last one that was durable */
};
void cfs_wal_stats(struct cfs_wal *wal, struct cfs_wal_stats *stats);

/* Where the log must begin so that record `lsn` and all later ones are kept. Any thread. */
struct cfs_wal_begin cfs_wal_begin_for(struct cfs_wal *wal, uint64_t lsn);

/* Nothing before `begin`, one of cfs_wal_begin_for's, will be asked for: its segments are removed
 * soon, on another thread. The caller has made `begin` durable. */
void cfs_wal_trim(struct cfs_wal *wal, struct cfs_wal_begin begin);

/* Writes and syncs what was submitted, then closes. */
void cfs_wal_close(struct cfs_wal *wal);

#endif
