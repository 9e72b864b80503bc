/* Single pieces of a group's state, as the newest transaction left them: those that are not there
 * are left out. Large ones are never changed once they are written, so it does not matter which
 * transaction that is. */
#include <errno.h>
#include <stdlib.h>

#include "io/store_internal.h"

static int get_one(const struct cfs_store_db *db, MDB_txn *txn, const struct cfs_store_group *group,
                   const uint8_t *name, uint32_t len, struct cfs_writer *pieces)
{
    struct cfs_store_key bytes;
    MDB_val key = {.mv_data = bytes.bytes}, value, data;
    int rv;

    cfs_store_key_make(&bytes, group->id, group->current.number, name, len);
    key.mv_size = bytes.len;
    rv = mdb_get(txn, db->pieces, &key, &value);
    if (rv == MDB_NOTFOUND)
        return 0;
    if (rv == 0 && cfs_store_unseal(&key, &value, &data) != 0)
        rv = cfs_store_damaged_record(db, group->id, &key);
    if (rv != 0)
        return rv;
    cfs_put_u8(pieces, CFS_STORE_PUT);
    cfs_put_bytes(pieces, name, len);
    cfs_put_bytes(pieces, data.mv_data, (uint32_t)data.mv_size);
    return 0;
}

static int get_all(const struct cfs_store_db *db, MDB_txn *txn, const struct cfs_store_job *job,
                   struct cfs_writer *pieces)
{
    struct cfs_reader keys = {.data = job->keys, .len = job->keys_len};
    struct cfs_store_group group;
    int rv = cfs_store_group_get(db, txn, job->group, &group);

    while (rv == 0 && keys.at < keys.len) {
        uint32_t len;
        const uint8_t *key = cfs_get_bytes(&keys, &len);
        if (keys.failed || len == 0 || len > CFS_STORE_KEY_MAX)
            return EINVAL;
        rv = get_one(db, txn, &group, key, len, pieces);
    }
    return rv == MDB_NOTFOUND ? 0 : rv; /* of a group that is not there no piece is */
}

int cfs_store_get(const struct cfs_store_db *db, const struct cfs_store_job *job,
                  struct cfs_store_done *done)
{
    struct cfs_writer pieces = {0};
    MDB_txn *txn;
    int rv = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);

    if (rv != 0)
        return rv;
    rv = get_all(db, txn, job, &pieces);
    mdb_txn_abort(txn);
    if (rv == 0) {
        done->pieces = pieces.data;
        done->pieces_len = pieces.len;
    } else {
        free(pieces.data);
    }
    return rv;
}
