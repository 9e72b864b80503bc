/* The transactions that change something. Each is all or nothing: LMDB writes pages that nobody
 * reads yet, syncs them, and then the one page that makes them the state.
 *
 * A full disk is told from a broken one by errno: LMDB answers EIO to a write that came back short,
 * which is how a full disk begins, and leaves errno alone there; a write or fdatasync that failed
 * with EIO has it in errno too. */
#include "io/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define COLLECT_RECORDS 1000u  /* removed by one transaction, at most */
#define COLLECT_BYTES 8388608u /* of their values, about */

struct change {
    struct cfs_store_db *db;
    MDB_txn *txn;
    struct cfs_store_group group;
};

static int without_short_writes(int error)
{
    return error == EIO && errno != EIO ? ENOSPC : error;
}

/* A transaction, with `body` between its begin and its commit. */
static int run(struct cfs_store_db *db, int (*body)(struct change *change, const void *arg),
               const void *arg)
{
    struct change change = {.db = db};
    int rv;

    errno = 0;
    rv = mdb_txn_begin(db->env, NULL, 0, &change.txn);
    if (rv != 0)
        return rv;
    rv = without_short_writes(body(&change, arg));
    if (rv == 0)
        return without_short_writes(mdb_txn_commit(change.txn));
    mdb_txn_abort(change.txn);
    return rv;
}

static bool counts(const MDB_val *key)
{
    return cfs_store_counts((const uint8_t *)key->mv_data + CFS_STORE_PREFIX_BYTES,
                            key->mv_size - CFS_STORE_PREFIX_BYTES);
}

/* Takes the record out of its generation's count and sum. MDB_NOTFOUND: it is not there. */
static int discount(struct change *change, MDB_val *key, struct cfs_store_generation *generation)
{
    MDB_val value;
    uint64_t sum;
    int rv = mdb_get(change->txn, change->db->pieces, key, &value);

    if (rv == 0)
        rv = cfs_store_sum_of(&value, &sum);
    if (rv != 0)
        return rv;
    generation->count--;
    generation->sum -= sum;
    return 0;
}

static int put_record(struct change *change, struct cfs_store_generation *generation,
                      const uint8_t *name, uint32_t name_len, const void *data, size_t len)
{
    struct cfs_store_key bytes;
    MDB_val key = {.mv_data = bytes.bytes};
    uint64_t sum = 0;
    int rv;

    cfs_store_key_make(&bytes, change->group.id, generation->number, name, name_len);
    key.mv_size = bytes.len;
    if (!counts(&key))
        return cfs_store_put(change->txn, change->db->pieces, &key, data, len, NULL);
    rv = discount(change, &key, generation);
    if (rv != 0 && rv != MDB_NOTFOUND)
        return rv;
    rv = cfs_store_put(change->txn, change->db->pieces, &key, data, len, &sum);
    generation->count++;
    generation->sum += sum;
    return rv;
}

static int delete_record(struct change *change, struct cfs_store_generation *generation,
                         const uint8_t *name, uint32_t name_len)
{
    struct cfs_store_key bytes;
    MDB_val key = {.mv_data = bytes.bytes};
    int rv;

    cfs_store_key_make(&bytes, change->group.id, generation->number, name, name_len);
    key.mv_size = bytes.len;
    rv = counts(&key) ? discount(change, &key, generation) : 0;
    if (rv == 0)
        rv = mdb_del(change->txn, change->db->pieces, &key, NULL);
    return rv == MDB_NOTFOUND ? 0 : rv;
}

/* One piece, as store.h says. EINVAL: malformed. */
static int apply_one(struct change *change, struct cfs_store_generation *generation,
                     struct cfs_reader *reader)
{
    uint8_t kind = cfs_get_u8(reader);
    uint32_t key_len, value_len = 0;
    const uint8_t *key = cfs_get_bytes(reader, &key_len), *value = NULL;

    if (kind == CFS_STORE_PUT)
        value = cfs_get_bytes(reader, &value_len);
    if (reader->failed || key_len == 0 || key_len > CFS_STORE_KEY_MAX ||
        value_len > CFS_STORE_VALUE_MAX)
        return EINVAL;
    if (kind == CFS_STORE_PUT)
        return put_record(change, generation, key, key_len, value, value_len);
    return kind == CFS_STORE_DELETE ? delete_record(change, generation, key, key_len) : EINVAL;
}

static int apply(struct change *change, struct cfs_store_generation *generation,
                 const struct cfs_store_part *part)
{
    struct cfs_reader reader = {.data = part->pieces, .len = part->pieces_len};
    int rv = 0;

    while (rv == 0 && reader.at < reader.len)
        rv = apply_one(change, generation, &reader);
    return rv;
}

static int put_head(struct change *change, struct cfs_store_generation *generation,
                    const struct cfs_store_part *part)
{
    return put_record(change, generation, NULL, 0, part->head, part->head_len);
}

/* A group that is new is no error. */
static int begin_group(struct change *change, cfs_group_id id)
{
    int rv = cfs_store_group_get(change->db, change->txn, id, &change->group);

    return rv == MDB_NOTFOUND ? 0 : rv;
}

static int checkpoint_part(struct change *change, const struct cfs_store_part *part)
{
    struct cfs_store_group *group = &change->group;
    int rv = begin_group(change, part->group);

    if (rv == 0 && group->current.number == 0)
        group->current.number = ++group->last;
    if (rv == 0)
        rv = apply(change, &group->current, part);
    if (rv == 0)
        rv = put_head(change, &group->current, part);
    return rv == 0 ? cfs_store_group_put(change->db, change->txn, group) : rv;
}

static int checkpoint(struct change *change, const void *arg)
{
    const struct cfs_store_job *job = arg;
    int rv = 0;

    for (uint32_t i = 0; rv == 0 && i < job->part_count; i++)
        rv = checkpoint_part(change, &job->parts[i]);
    if (rv == 0 && job->wal.segment != 0)
        rv = cfs_store_meta_put(change->db, change->txn, job->wal);
    return rv;
}

int cfs_store_write_checkpoint(struct cfs_store_db *db, const struct cfs_store_job *job)
{
    return run(db, checkpoint, job);
}

static int stage(struct change *change, const void *arg)
{
    const struct cfs_store_job *job = arg;
    struct cfs_store_group *group = &change->group;
    int rv = begin_group(change, job->parts[0].group);

    if (rv == 0 && job->first)
        group->staging = (struct cfs_store_generation){.number = ++group->last};
    if (rv == 0 && group->staging.number == 0)
        rv = ENOENT;
    if (rv == 0)
        rv = apply(change, &group->staging, &job->parts[0]);
    if (rv == 0 && job->last)
        rv = put_head(change, &group->staging, &job->parts[0]);
    if (rv == 0 && job->last) {
        group->current = group->staging;
        group->staging = (struct cfs_store_generation){0};
    }
    return rv == 0 ? cfs_store_group_put(change->db, change->txn, group) : rv;
}

int cfs_store_write_stage(struct cfs_store_db *db, const struct cfs_store_job *job)
{
    assert(job->part_count == 1);
    return run(db, stage, job);
}

static int forget_one(struct change *change, const MDB_val *key)
{
    cfs_group_id id;
    int rv = cfs_store_group_id(key, &id);

    if (rv == 0)
        rv = cfs_store_group_get(change->db, change->txn, id, &change->group);
    if (rv != 0 || change->group.staging.number == 0)
        return rv;
    change->group.staging = (struct cfs_store_generation){0};
    return cfs_store_group_put(change->db, change->txn, &change->group);
}

static int forget_staging(struct change *change, const void *arg)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    int rv = mdb_cursor_open(change->txn, change->db->groups, &cursor);

    (void)arg;
    if (rv != 0)
        return rv;
    while (rv == 0) {
        rv = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (rv == 0)
            rv = forget_one(change, &key);
    }
    mdb_cursor_close(cursor);
    return rv == MDB_NOTFOUND ? 0 : rv;
}

int cfs_store_write_forget_staging(struct cfs_store_db *db)
{
    return run(db, forget_staging, NULL);
}

/* Leaps from generation to generation. MDB_NOTFOUND: a group knows each. */
static int find_garbage(struct change *change, MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
    struct cfs_store_key from;
    cfs_group_id group = 0;
    uint64_t generation = 0;
    int rv;

    for (;; generation++) {
        cfs_store_key_make(&from, group, generation, NULL, 0);
        *key = (MDB_val){.mv_size = from.len, .mv_data = from.bytes};
        rv = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
        if (rv == 0 && !cfs_store_key_parse(key, &group, &generation))
            rv = MDB_CORRUPTED;
        if (rv == 0)
            rv = begin_group(change, group);
        if (rv != 0 || (generation != change->group.current.number &&
                        generation != change->group.staging.number))
            return rv;
    }
}

static int collect(struct change *change, const void *arg)
{
    uint8_t prefix[CFS_STORE_PREFIX_BYTES];
    size_t records = 0, bytes = 0;
    MDB_val key, value;
    MDB_cursor *cursor;
    int rv = mdb_cursor_open(change->txn, change->db->pieces, &cursor);

    (void)arg;
    if (rv != 0)
        return rv;
    rv = find_garbage(change, cursor, &key, &value);
    if (rv == 0)
        memcpy(prefix, key.mv_data, sizeof(prefix));
    while (rv == 0 && records < COLLECT_RECORDS && bytes < COLLECT_BYTES &&
           key.mv_size >= sizeof(prefix) && memcmp(key.mv_data, prefix, sizeof(prefix)) == 0) {
        bytes += value.mv_size;
        records++;
        rv = mdb_cursor_del(cursor, 0);
        if (rv == 0)
            rv = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rv == MDB_NOTFOUND && records > 0 ? 0 : rv;
}

int cfs_store_write_collect(struct cfs_store_db *db)
{
    return run(db, collect, NULL);
}
