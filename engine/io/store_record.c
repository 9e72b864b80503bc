/* Keys and values as bytes. Integers in keys are big-endian, for their order; those in values
 * little-endian, as everywhere (core/codec.h). */
#include "io/store_internal.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CHECKSUM_BYTES sizeof(uint64_t)

void cfs_store_key_make(struct cfs_store_key *key, cfs_group_id group, uint64_t generation,
                        const uint8_t *rest, uint32_t len)
{
    uint32_t first = htobe32(group);
    uint64_t second = htobe64(generation);

    assert(len <= CFS_STORE_KEY_MAX);
    memcpy(key->bytes, &first, sizeof(first));
    memcpy(key->bytes + sizeof(first), &second, sizeof(second));
    if (len > 0)
        memcpy(key->bytes + CFS_STORE_PREFIX_BYTES, rest, len);
    key->len = CFS_STORE_PREFIX_BYTES + len;
}

bool cfs_store_key_parse(const MDB_val *key, cfs_group_id *group, uint64_t *generation)
{
    uint32_t first;
    uint64_t second;

    if (key->mv_size < CFS_STORE_PREFIX_BYTES ||
        key->mv_size > CFS_STORE_PREFIX_BYTES + CFS_STORE_KEY_MAX)
        return false;
    memcpy(&first, key->mv_data, sizeof(first));
    memcpy(&second, (const uint8_t *)key->mv_data + sizeof(first), sizeof(second));
    *group = be32toh(first);
    *generation = be64toh(second);
    return true;
}

uint64_t cfs_store_checksum(const MDB_val *key, const void *data, size_t len)
{
    return XXH3_64bits_withSeed(data, len, XXH3_64bits(key->mv_data, key->mv_size));
}

int cfs_store_sum_of(const MDB_val *value, uint64_t *sum)
{
    if (value->mv_size < CHECKSUM_BYTES)
        return MDB_CORRUPTED;
    memcpy(sum, value->mv_data, CHECKSUM_BYTES);
    *sum = le64toh(*sum);
    return 0;
}

int cfs_store_unseal(const MDB_val *key, const MDB_val *value, MDB_val *data)
{
    uint64_t sum;
    int rv = cfs_store_sum_of(value, &sum);

    if (rv != 0)
        return rv;
    data->mv_data = (uint8_t *)value->mv_data + CHECKSUM_BYTES;
    data->mv_size = value->mv_size - CHECKSUM_BYTES;
    return cfs_store_checksum(key, data->mv_data, data->mv_size) == sum ? 0 : MDB_CORRUPTED;
}

int cfs_store_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, const void *data, size_t len,
                  uint64_t *sum)
{
    uint64_t checksum = cfs_store_checksum(key, data, len);
    uint64_t stored = htole64(checksum);
    MDB_val value = {.mv_size = CHECKSUM_BYTES + len};
    int rv = mdb_put(txn, dbi, key, &value, MDB_RESERVE);

    if (rv != 0)
        return rv;
    memcpy(value.mv_data, &stored, CHECKSUM_BYTES);
    if (len > 0)
        memcpy((uint8_t *)value.mv_data + CHECKSUM_BYTES, data, len);
    if (sum)
        *sum = checksum;
    return 0;
}

static int get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, struct cfs_reader *reader)
{
    MDB_val value, data;
    int rv = mdb_get(txn, dbi, key, &value);

    if (rv == 0)
        rv = cfs_store_unseal(key, &value, &data);
    if (rv == 0)
        *reader = (struct cfs_reader){.data = data.mv_data, .len = data.mv_size};
    return rv;
}

int cfs_store_group_id(const MDB_val *key, cfs_group_id *id)
{
    uint32_t name;

    if (key->mv_size != sizeof(name))
        return MDB_CORRUPTED;
    memcpy(&name, key->mv_data, sizeof(name));
    *id = be32toh(name);
    return 0;
}

static void get_generation(struct cfs_reader *reader, struct cfs_store_generation *generation)
{
    generation->number = cfs_get_u64(reader);
    generation->count = cfs_get_u64(reader);
    generation->sum = cfs_get_u64(reader);
}

static void put_generation(struct cfs_writer *writer, const struct cfs_store_generation *generation)
{
    cfs_put_u64(writer, generation->number);
    cfs_put_u64(writer, generation->count);
    cfs_put_u64(writer, generation->sum);
}

int cfs_store_group_get(const struct cfs_store_db *db, MDB_txn *txn, cfs_group_id id,
                        struct cfs_store_group *group)
{
    uint32_t name = htobe32(id);
    MDB_val key = {.mv_size = sizeof(name), .mv_data = &name};
    struct cfs_reader reader = {0};
    int rv = get(txn, db->groups, &key, &reader);

    *group = (struct cfs_store_group){.id = id};
    if (rv != 0)
        return rv;
    group->last = cfs_get_u64(&reader);
    get_generation(&reader, &group->current);
    get_generation(&reader, &group->staging);
    return reader.failed || reader.at != reader.len ? MDB_CORRUPTED : 0;
}

int cfs_store_group_put(const struct cfs_store_db *db, MDB_txn *txn,
                        const struct cfs_store_group *group)
{
    uint32_t name = htobe32(group->id);
    MDB_val key = {.mv_size = sizeof(name), .mv_data = &name};
    struct cfs_writer writer = {0};
    int rv;

    cfs_put_u64(&writer, group->last);
    put_generation(&writer, &group->current);
    put_generation(&writer, &group->staging);
    rv = cfs_store_put(txn, db->groups, &key, writer.data, writer.len, NULL);
    free(writer.data);
    return rv;
}

int cfs_store_meta_get(const struct cfs_store_db *db, MDB_txn *txn, uint32_t *format,
                       struct cfs_wal_begin *wal)
{
    char name[] = "store";
    MDB_val key = {.mv_size = sizeof(name) - 1, .mv_data = name};
    struct cfs_reader reader = {0};
    int rv = get(txn, db->meta, &key, &reader);

    if (rv != 0)
        return rv;
    *format = cfs_get_u32(&reader); /* all that other formats have in common with this one */
    if (*format != CFS_STORE_FORMAT)
        return reader.failed ? MDB_CORRUPTED : 0;
    wal->segment = cfs_get_u64(&reader);
    wal->sequence = cfs_get_u64(&reader);
    wal->mark = cfs_get_u64(&reader);
    return reader.failed || wal->segment == 0 || wal->sequence == 0 ? MDB_CORRUPTED : 0;
}

int cfs_store_meta_put(const struct cfs_store_db *db, MDB_txn *txn, struct cfs_wal_begin wal)
{
    char name[] = "store";
    MDB_val key = {.mv_size = sizeof(name) - 1, .mv_data = name};
    struct cfs_writer writer = {0};
    int rv;

    cfs_put_u32(&writer, CFS_STORE_FORMAT);
    cfs_put_u64(&writer, wal.segment);
    cfs_put_u64(&writer, wal.sequence);
    cfs_put_u64(&writer, wal.mark);
    rv = cfs_store_put(txn, db->meta, &key, writer.data, writer.len, NULL);
    free(writer.data);
    return rv;
}

bool cfs_store_counts(const uint8_t *key, size_t len)
{
    return len == 0 || key[0] < CFS_STORE_LARGE;
}

/* MDB_TXN_FULL: one transaction may hold some 500 MB. */
bool cfs_store_is_full(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG || error == MDB_MAP_FULL ||
           error == MDB_TXN_FULL || error == MDB_READERS_FULL;
}

bool cfs_store_is_damaged(int error)
{
    return error == MDB_CORRUPTED || error == MDB_INVALID || error == MDB_PAGE_NOTFOUND ||
           error == MDB_INCOMPATIBLE || error == MDB_VERSION_MISMATCH || error == MDB_CURSOR_FULL;
}

int cfs_store_code(int error)
{
    if (error == 0 || error == EINVAL)
        return -error;
    if (error == ENOENT || error == MDB_NOTFOUND)
        return -ENOENT;
    return cfs_store_is_full(error) ? -ENOSPC : cfs_store_is_damaged(error) ? -EBADMSG : -EIO;
}
