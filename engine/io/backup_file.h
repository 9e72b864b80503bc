/* A backup: what a cluster holds, in one file.
 *
 *     "coordfs backup format 1\n", then records, little-endian:
 *     u32 bytes of the whole record | u32 kind | what the kind says | u64 checksum of all before it
 *
 *     ORIGIN   u64 cluster | u64 taken | u64 newest | u32 node | string made by | u32 groups
 *              | u32 nodes, each u32 id | string host | u32 port
 *     CHUNK    u32 group | u32 number | u8 last | head, for the last one | pieces
 *     END      u64 records before it | u64 sum of their checksums
 *
 * ORIGIN comes first and END last. The chunks of a group are numbered from 0 on and may stand among
 * those of others; their pieces count in this order (core/piece.h), and the last one brings the
 * group's head. So what is missing, doubled or out of place is noticed as what is damaged is. */
#ifndef CFS_IO_BACKUP_FILE_H
#define CFS_IO_BACKUP_FILE_H

#include <stdio.h>

#include "coordfs/request.h"
#include "core/codec.h"

#define CFS_BACKUP_FORMAT 1u
#define CFS_BACKUP_RECORD_MAX 8388608u  /* bytes: a piece may be larger than a chunk */
#define CFS_BACKUP_CHUNK_BYTES 1048576u /* of pieces in one chunk, about */

enum cfs_backup_kind { CFS_BACKUP_ORIGIN = 1, CFS_BACKUP_CHUNK, CFS_BACKUP_END };

struct cfs_backup_origin {
    uint64_t cluster;
    cfs_wall_time taken;
    cfs_wall_time newest; /* of the last change in it, where that is known; else 0 */
    cfs_node_id node;     /* of whose data directory it was made; 0: of a running cluster */
    char made_by[32];     /* version of coordfs */
    uint32_t groups;      /* beside group 0 that the cluster has, in the file or not */
    struct cfs_node_info nodes[CFS_NODE_MAX]; /* id and address */
    uint32_t node_count;
};

struct cfs_backup_chunk {
    cfs_group_id group;
    uint32_t number;
    bool last;
    const uint8_t *head, *pieces; /* borrowed */
    uint32_t head_len, pieces_len;
};

struct cfs_backup_record {
    enum cfs_backup_kind kind;
    uint64_t checksum;
    union {
        struct cfs_backup_origin origin;
        struct cfs_backup_chunk chunk; /* borrowed from the bytes */
        struct {
            uint64_t count, sum;
        } end;
    };
};

/* Appends a record as it stands in the file. */
void cfs_backup_put_origin(struct cfs_writer *writer, const struct cfs_backup_origin *origin);
void cfs_backup_put_chunk(struct cfs_writer *writer, const struct cfs_backup_chunk *chunk);

/* Whether `data` is one whole, intact record. */
bool cfs_backup_read_record(struct cfs_backup_record *record, const uint8_t *data, size_t len);

#define CFS_BACKUP_WHY_BYTES 4608u

/* Being written: as PATH.new, which gets its name when all of it is on the disk. Zeroed memory is
 * closed. */
struct cfs_backup_out {
    char *path, *temporary; /* owned */
    FILE *file;
    uint64_t count, sum, bytes;
    char why[CFS_BACKUP_WHY_BYTES]; /* what went wrong: a sentence */
};

/* 0, or -1 and `why`; then close. */
int cfs_backup_out_open(struct cfs_backup_out *out, const char *path);
int cfs_backup_out_add(struct cfs_backup_out *out, const uint8_t *record, size_t len);
/* Adds the end; the file is there, in the place of one that had its name, or as before. */
int cfs_backup_out_finish(struct cfs_backup_out *out);
/* What is not finished is removed. */
void cfs_backup_out_close(struct cfs_backup_out *out);

/* Being read. Zeroed memory is closed. */
struct cfs_backup_in {
    const char *path; /* the caller's */
    FILE *file;
    uint64_t at;    /* where the last record begins */
    uint32_t bytes; /* of it */
    uint64_t count, sum;
    struct cfs_backup_origin origin;
    uint32_t next[CFS_GROUPS_MAX + 1]; /* number of the group's next chunk */
    uint64_t whole;                    /* groups (bits) whose last chunk was read */
    uint8_t *data;                     /* owned: the record */
    char why[CFS_BACKUP_WHY_BYTES];
};

/* Reads the beginning: format and origin. 0, or -1 and `why`, which names file and offset; close in
 * any case. */
int cfs_backup_in_open(struct cfs_backup_in *in, const char *path);
/* The next chunk, valid until the next call: 1; 0: that was all, and it is whole; -1 and `why`. */
int cfs_backup_in_next(struct cfs_backup_in *in, struct cfs_backup_chunk *chunk);
void cfs_backup_in_close(struct cfs_backup_in *in);

#endif
