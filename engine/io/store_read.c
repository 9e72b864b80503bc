/* Walks through a group: its head, then its pieces in key order, each checked before it is handed
 * over, and in the end their number and the sum of their checksums. A load walks all groups up to
 * what is large, a transfer walks one group in several steps; either sees one moment of the store.
 */
#include "io/store_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "coordfs/log.h"
#include "core/alloc.h"

struct walk {
    const struct cfs_store_db *db;
    MDB_cursor *cursor;
    struct cfs_store_group group;
    struct cfs_store_generation seen; /* so far */
    const uint8_t *key, *value;       /* where it stands; borrowed from the transaction */
    uint32_t key_len, value_len;
    bool large; /* it sees large ones too */
    bool ended; /* it stands nowhere */
};

static int end(struct walk *walk)
{
    const struct cfs_store_generation *stored = &walk->group.current;

    walk->ended = true;
    if (walk->seen.count == stored->count && walk->seen.sum == stored->sum)
        return 0;
    return cfs_store_damaged(walk->db, walk->group.id,
                             "some of its pieces are not those that were stored");
}

/* Stands on the record that `op` leads to. */
static int stand(struct walk *walk, MDB_val *key, MDB_cursor_op op)
{
    MDB_val value, data;
    cfs_group_id group;
    uint64_t generation, sum;
    bool counts;
    int rv = mdb_cursor_get(walk->cursor, key, &value, op);

    if (rv == MDB_NOTFOUND)
        return end(walk);
    if (rv != 0)
        return cfs_store_is_damaged(rv)
                   ? cfs_store_damaged(walk->db, walk->group.id, mdb_strerror(rv))
                   : rv;
    if (!cfs_store_key_parse(key, &group, &generation))
        return cfs_store_damaged(walk->db, walk->group.id, "a key that no coordfs wrote follows");
    counts = cfs_store_counts((const uint8_t *)key->mv_data + CFS_STORE_PREFIX_BYTES,
                              key->mv_size - CFS_STORE_PREFIX_BYTES);
    if (group != walk->group.id || generation != walk->group.current.number ||
        (!counts && !walk->large)) /* they are the last */
        return end(walk);
    if (cfs_store_unseal(key, &value, &data) != 0 || cfs_store_sum_of(&value, &sum) != 0 ||
        data.mv_size > UINT32_MAX)
        return cfs_store_damaged_record(walk->db, walk->group.id, key);
    walk->seen.count += counts;
    walk->seen.sum += counts ? sum : 0;
    walk->key = (const uint8_t *)key->mv_data + CFS_STORE_PREFIX_BYTES;
    walk->key_len = (uint32_t)(key->mv_size - CFS_STORE_PREFIX_BYTES);
    walk->value = data.mv_data;
    walk->value_len = (uint32_t)data.mv_size;
    return 0;
}

static int next(struct walk *walk)
{
    MDB_val key;

    return stand(walk, &key, MDB_NEXT);
}

/* Stands on the head. MDB_NOTFOUND: the group has no state. Close in any case. */
static int open_walk(struct walk *walk, const struct cfs_store_db *db, MDB_txn *txn,
                     cfs_group_id group)
{
    struct cfs_store_key first;
    MDB_val key;
    int rv = cfs_store_group_get(db, txn, group, &walk->group);

    walk->db = db;
    if (cfs_store_is_damaged(rv))
        return cfs_store_damaged(db, group, "its generations: the checksum is wrong");
    if (rv == 0 && walk->group.current.number == 0)
        rv = MDB_NOTFOUND;
    if (rv == 0)
        rv = mdb_cursor_open(txn, db->pieces, &walk->cursor);
    if (rv != 0)
        return rv;
    cfs_store_key_make(&first, group, walk->group.current.number, NULL, 0);
    key = (MDB_val){.mv_size = first.len, .mv_data = first.bytes};
    rv = stand(walk, &key, MDB_SET_RANGE);
    if (rv == 0 && (walk->ended || walk->key_len != 0))
        rv = cfs_store_damaged(db, group, "its head is missing");
    return rv;
}

static void close_walk(struct walk *walk)
{
    if (walk->cursor)
        mdb_cursor_close(walk->cursor);
    walk->cursor = NULL;
}

static int load_group(const struct cfs_store_db *db, MDB_txn *txn, cfs_group_id group,
                      const struct cfs_store_load *load)
{
    struct walk walk = {0};
    int rv = open_walk(&walk, db, txn, group);

    if (rv == 0) {
        load->head(load->arg, group, walk.value, walk.value_len);
        rv = next(&walk);
    }
    while (rv == 0 && !walk.ended) {
        load->piece(load->arg, group, walk.key, walk.key_len, walk.value, walk.value_len);
        rv = next(&walk);
    }
    close_walk(&walk);
    return rv == MDB_NOTFOUND ? 0 : rv; /* known for what it receives alone */
}

static int load_groups(const struct cfs_store_db *db, MDB_txn *txn,
                       const struct cfs_store_load *load)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    cfs_group_id group = 0;
    int rv = mdb_cursor_open(txn, db->groups, &cursor);

    if (rv != 0)
        return rv;
    while (rv == 0) {
        rv = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (rv == 0 && cfs_store_group_id(&key, &group) != 0)
            rv = cfs_store_damaged(db, group, "a group that no coordfs wrote follows");
        if (rv == 0)
            rv = load_group(db, txn, group, load);
    }
    mdb_cursor_close(cursor);
    return rv == MDB_NOTFOUND ? 0 : rv;
}

int cfs_store_read_all(const struct cfs_store_db *db, const struct cfs_store_load *load)
{
    MDB_txn *txn;
    int rv = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);

    if (rv == 0) {
        rv = load_groups(db, txn, load);
        mdb_txn_abort(txn);
    }
    if (rv == 0)
        return 0;
    if (rv != MDB_CORRUPTED) /* else the line was written where it was found */
        cfs_log(CFS_LOG_ERROR, "cannot read %s/data.mdb: %s", db->dir, mdb_strerror(rv));
    return -1;
}

/* Transfers. */

struct cfs_store_transfer {
    uint64_t id;
    MDB_txn *txn;
    struct walk walk;    /* stands on the next piece to be read */
    const uint8_t *head; /* borrowed from the transaction */
    uint32_t head_len;
    struct cfs_store_transfer *prev, *next;
};

static void close_transfer(struct cfs_store_transfer **transfers,
                           struct cfs_store_transfer *transfer)
{
    DL_DELETE(*transfers, transfer);
    close_walk(&transfer->walk);
    if (transfer->txn)
        mdb_txn_abort(transfer->txn);
    free(transfer);
}

static int open_transfer(struct cfs_store_transfer *transfer, struct cfs_store_db *db,
                         cfs_group_id group)
{
    int rv = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &transfer->txn);

    transfer->walk.large = true;
    if (rv == 0)
        rv = open_walk(&transfer->walk, db, transfer->txn, group);
    if (rv != 0)
        return rv;
    transfer->head = transfer->walk.value;
    transfer->head_len = transfer->walk.value_len;
    return next(&transfer->walk);
}

static int copy_pieces(struct walk *walk, size_t bytes, struct cfs_writer *writer)
{
    int rv = 0;

    while (rv == 0 && !walk->ended) {
        size_t need = 9 + (size_t)walk->key_len + walk->value_len;

        if (writer->len > 0 && writer->len + need > bytes)
            return 0;
        cfs_put_u8(writer, CFS_STORE_PUT);
        cfs_put_bytes(writer, walk->key, walk->key_len);
        cfs_put_bytes(writer, walk->value, walk->value_len);
        rv = next(walk);
    }
    return rv;
}

static struct cfs_store_transfer *find(struct cfs_store_transfer *transfers, uint64_t id)
{
    struct cfs_store_transfer *transfer;

    DL_FOREACH (transfers, transfer)
        if (transfer->id == id)
            return transfer;
    return NULL;
}

int cfs_store_read(struct cfs_store_db *db, struct cfs_store_transfer **transfers,
                   const struct cfs_store_job *job, struct cfs_store_done *done)
{
    struct cfs_store_transfer *transfer = find(*transfers, job->transfer);
    struct cfs_writer writer = {0};
    int rv = 0;

    if (!transfer) {
        transfer = cfs_alloc_zeroed(1, sizeof(*transfer));
        transfer->id = job->transfer;
        DL_APPEND(*transfers, transfer);
        rv = open_transfer(transfer, db, job->group);
    }
    if (rv == 0)
        rv = copy_pieces(&transfer->walk, job->bytes, &writer);
    if (rv == 0) {
        done->head = cfs_alloc_copy(transfer->head, transfer->head_len);
        done->head_len = transfer->head_len;
        done->pieces = writer.data;
        done->pieces_len = writer.len;
        done->done = transfer->walk.ended;
    } else {
        free(writer.data);
    }
    if (rv != 0 || transfer->walk.ended)
        close_transfer(transfers, transfer);
    return rv;
}

void cfs_store_end_read(struct cfs_store_transfer **transfers, uint64_t id)
{
    struct cfs_store_transfer *transfer = find(*transfers, id);

    if (transfer)
        close_transfer(transfers, transfer);
}

void cfs_store_end_reads(struct cfs_store_transfer **transfers)
{
    while (*transfers)
        close_transfer(transfers, *transfers);
}
