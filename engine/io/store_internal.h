/* What the files of the store share; only they and their test include this.
 *
 *   store.c         jobs, their thread, what is done
 *   store_dir.c     the environment: made whole or not at all, opened, refused
 *   store_record.c  keys and values as bytes; what LMDB's errors mean
 *   store_write.c   the transactions that change something
 *   store_read.c    walks through a group: for a load and for transfers
 *   store_get.c     single pieces
 *
 * Functions return 0 or a positive error, errno's or LMDB's, except where they say otherwise.
 *
 * Three tables. `meta` holds one record: format and begin of the log. `groups` says which
 * generations of a group there are. `pieces` holds generation by generation its head, under the
 * empty key, and its pieces. A snapshot being received is a generation of its own; making it the
 * current one changes one record, and what the old one leaves is removed at leisure. A generation
 * that no group knows is garbage: so a crash leaves nothing that has to be remembered. */
#ifndef CFS_IO_STORE_INTERNAL_H
#define CFS_IO_STORE_INTERNAL_H

#include <lmdb.h>

#include "core/codec.h"
#include "io/store.h"

#define CFS_STORE_FORMAT 1u
#define CFS_STORE_MAP_BYTES                                                                        \
    (UINT64_C(64) << 30)           /* of addresses; the file grows with its content                \
                                    */
#define CFS_STORE_PREFIX_BYTES 12u /* of a key in `pieces`: group, generation */

/* What to do about a store that cannot be trusted; takes the data directory. */
#define CFS_STORE_ADVICE                                                                           \
    "Nothing was changed. Put the file back as it was; or, while all other members run under one " \
    "leader, move %s away and start again: the leader then sends everything anew"

struct cfs_store_db {
    char *data, *dir; /* paths: DATA, DATA/store */
    int data_fd;      /* locked */
    MDB_env *env;
    MDB_dbi meta, groups, pieces;
    struct cfs_wal_begin wal;
};

/* All but `dir`'s lock is in the environment. 0, or -1 after a log line; close in any case. */
int cfs_store_dir_open(struct cfs_store_db *db, const char *data_dir, uint64_t map_bytes);
void cfs_store_dir_close(struct cfs_store_db *db);

/* For tests: cfs_store_open with a limit of its own. */
int cfs_store_open_sized(struct cfs_store **out, const char *data_dir, uint64_t map_bytes);

/* A key of `pieces`, big-endian, so that its order is that of group, generation and key. */
struct cfs_store_key {
    uint8_t bytes[CFS_STORE_PREFIX_BYTES + CFS_STORE_KEY_MAX];
    size_t len;
};

void cfs_store_key_make(struct cfs_store_key *key, cfs_group_id group, uint64_t generation,
                        const uint8_t *rest, uint32_t len);

/* False: the key is none of ours. */
bool cfs_store_key_parse(const MDB_val *key, cfs_group_id *group, uint64_t *generation);

/* Each value is `u64 checksum | data`; the seed is the hash of the key: data that lies under
 * another key is damaged. */
uint64_t cfs_store_checksum(const MDB_val *key, const void *data, size_t len);

/* The checksum that stands in `value`. 0 or MDB_CORRUPTED. */
int cfs_store_sum_of(const MDB_val *value, uint64_t *sum);

/* Sets `data` behind the checksum. 0 or MDB_CORRUPTED. */
int cfs_store_unseal(const MDB_val *key, const MDB_val *value, MDB_val *data);

/* A generation: number 0 is none. Count and sum of checksums (modulo 2^64) of its records tell of
 * one that is lost; large ones do not count, for a load does not see them. */
struct cfs_store_generation {
    uint64_t number, count, sum;
};

struct cfs_store_group {
    cfs_group_id id;
    uint64_t last; /* highest number of a generation that was ever used */
    struct cfs_store_generation current, staging;
};

/* Of a key of `groups`. 0 or MDB_CORRUPTED. */
int cfs_store_group_id(const MDB_val *key, cfs_group_id *id);

/* 0, MDB_NOTFOUND with a new group, or MDB_CORRUPTED. */
int cfs_store_group_get(const struct cfs_store_db *db, MDB_txn *txn, cfs_group_id id,
                        struct cfs_store_group *group);
int cfs_store_group_put(const struct cfs_store_db *db, MDB_txn *txn,
                        const struct cfs_store_group *group);

/* The record of `meta`. MDB_NOTFOUND: there is none. */
int cfs_store_meta_get(const struct cfs_store_db *db, MDB_txn *txn, uint32_t *format,
                       struct cfs_wal_begin *wal);
int cfs_store_meta_put(const struct cfs_store_db *db, MDB_txn *txn, struct cfs_wal_begin wal);

/* Puts `data` under `key` with its checksum, which it returns in `sum` unless that is NULL. */
int cfs_store_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, const void *data, size_t len,
                  uint64_t *sum);

bool cfs_store_is_full(int error);    /* there is no room */
bool cfs_store_is_damaged(int error); /* the file is not what was written */
int cfs_store_code(int error);        /* as cfs_store_done has it */

/* The transactions. What fails has changed nothing. */
int cfs_store_write_checkpoint(struct cfs_store_db *db, const struct cfs_store_job *job);
int cfs_store_write_stage(struct cfs_store_db *db, const struct cfs_store_job *job);
int cfs_store_write_forget_staging(struct cfs_store_db *db); /* of all groups */

/* Removes some records of a generation that no group knows. MDB_NOTFOUND: there is none. */
int cfs_store_write_collect(struct cfs_store_db *db);

/* Whether a piece, or head, is one that counts. */
bool cfs_store_counts(const uint8_t *key, size_t len);

/* Says that a group is damaged, and what to do. MDB_CORRUPTED. */
int cfs_store_damaged(const struct cfs_store_db *db, cfs_group_id group, const char *what);
/* The same of one record, by its key in `pieces`. */
int cfs_store_damaged_record(const struct cfs_store_db *db, cfs_group_id group, const MDB_val *key);

/* Single pieces; may be called beside all others. */
int cfs_store_get(const struct cfs_store_db *db, const struct cfs_store_job *job,
                  struct cfs_store_done *done);

/* Hands over all but the large ones. 0, or -1 after a log line. */
struct cfs_store_load {
    void (*head)(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len);
    void (*piece)(void *arg, cfs_group_id group, const uint8_t *key, uint32_t key_len,
                  const uint8_t *value, uint32_t value_len);
    void *arg;
};
int cfs_store_read_all(const struct cfs_store_db *db, const struct cfs_store_load *load);

/* Copies being read, each with its own transaction. Zeroed memory is none. */
struct cfs_store_transfer;

int cfs_store_read(struct cfs_store_db *db, struct cfs_store_transfer **transfers,
                   const struct cfs_store_job *job, struct cfs_store_done *done);
void cfs_store_end_read(struct cfs_store_transfer **transfers, uint64_t id);
void cfs_store_end_reads(struct cfs_store_transfer **transfers);

#endif
