/* Batches and records as bytes; little-endian.
 *
 *   batch   u64 checksum | u64 mark | u64 sequence | u32 bytes | u32 records
 *           u32 magic | u32 format | its records
 *   record  u32 bytes | u32 type | u32 group | u32 vote or kind | u64 term
 *           ENTRY: u64 index | u64 time | u64 wall | u32 len | data
 *           zeros up to the next multiple of 8
 *
 * The checksum covers all that follows it and is seeded with segment and offset: bytes that lie
 * where they were not written are no batch. The mark is random and unknown to those who choose the
 * content of a lock, so no content can pass for a batch in the search that recovery makes. */
#include "io/wal_internal.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <xxhash.h>

#include "core/entry.h"

#define MAGIC 0x42534643u /* "CFSB" */
#define RECORD_BYTES 24u
#define ENTRY_BYTES 52u /* an entry record without its data */

struct head {
    uint64_t checksum, mark, sequence;
    uint32_t bytes, records, magic, format;
};
static_assert(sizeof(struct head) == CFS_WAL_HEAD_BYTES, "no padding");
static_assert(ENTRY_BYTES + CFS_COMMAND_MAX + CFS_WAL_HEAD_BYTES < CFS_WAL_BATCH_BYTES,
              "any record fits a batch");
static_assert(CFS_WAL_BATCH_BYTES <= CFS_WAL_SEGMENT_BYTES, "any batch fits a segment");

static uint32_t align(uint32_t bytes)
{
    return (bytes + CFS_WAL_ALIGN - 1) / CFS_WAL_ALIGN * CFS_WAL_ALIGN;
}

static void put_entry(struct cfs_writer *writer, const struct cfs_entry *entry)
{
    uint32_t at = ENTRY_BYTES + entry->len;

    cfs_put_u64(writer, entry->index);
    cfs_put_u64(writer, entry->time);
    cfs_put_u64(writer, entry->wall);
    cfs_put_bytes(writer, entry->data, entry->len);
    for (; at % CFS_WAL_ALIGN; at++)
        cfs_put_u8(writer, 0);
}

void cfs_wal_put_record(struct cfs_writer *writer, const struct cfs_record *record)
{
    const struct cfs_entry *entry = record->type == CFS_RECORD_ENTRY ? record->entry : NULL;

    assert(entry || record->type == CFS_RECORD_HARD_STATE || record->type == CFS_RECORD_INSTALL);
    cfs_put_u32(writer, entry ? align(ENTRY_BYTES + entry->len) : RECORD_BYTES);
    cfs_put_u32(writer, record->type);
    cfs_put_u32(writer, record->group);
    cfs_put_u32(writer, entry ? (uint32_t)entry->kind : record->vote);
    cfs_put_u64(writer, entry ? entry->term : record->term);
    if (entry)
        put_entry(writer, entry);
}

uint32_t cfs_wal_record_bytes(const uint8_t *data)
{
    uint32_t bytes;

    memcpy(&bytes, data, sizeof(bytes));
    return le32toh(bytes);
}

static struct cfs_entry *get_entry(struct cfs_reader *reader, uint32_t kind, uint64_t term)
{
    uint64_t index = cfs_get_u64(reader);
    cfs_time time = cfs_get_u64(reader);
    cfs_wall_time wall = cfs_get_u64(reader);
    uint32_t len = 0;
    const uint8_t *data = cfs_get_bytes(reader, &len);
    struct cfs_entry *entry;

    if (reader->failed)
        return NULL;
    entry = cfs_entry_new((enum cfs_entry_kind)kind, index, term, data, len);
    entry->time = time;
    entry->wall = wall;
    return entry;
}

int cfs_wal_get_record(struct cfs_reader *reader, struct cfs_record *record)
{
    size_t start = reader->at;
    uint32_t bytes = cfs_get_u32(reader);
    uint32_t type = cfs_get_u32(reader);
    uint32_t choice;

    *record = (struct cfs_record){.type = (enum cfs_record_type)type};
    record->group = cfs_get_u32(reader);
    choice = cfs_get_u32(reader);
    record->term = cfs_get_u64(reader);
    if (reader->failed || bytes % CFS_WAL_ALIGN != 0 || bytes > reader->len - start)
        return -1;
    if (type == CFS_RECORD_HARD_STATE)
        record->vote = choice;
    else if (type == CFS_RECORD_ENTRY)
        record->entry = get_entry(reader, choice, record->term);
    if (type != CFS_RECORD_HARD_STATE && type != CFS_RECORD_INSTALL && !record->entry)
        return -1;
    if (align((uint32_t)(reader->at - start)) != bytes) {
        cfs_entry_unref(record->entry);
        return -1;
    }
    reader->at = start + bytes;
    return 0;
}

/* Over head and records; `data` begins with the head. */
static uint64_t checksum(const uint8_t *data, uint32_t bytes, struct cfs_wal_place place)
{
    uint64_t seed = place.segment * CFS_WAL_SEGMENT_BYTES + place.offset;

    return XXH3_64bits_withSeed(data + sizeof(uint64_t), bytes - sizeof(uint64_t), seed);
}

void cfs_wal_seal(uint8_t *data, const struct cfs_wal_batch *batch, uint64_t mark,
                  struct cfs_wal_place place)
{
    struct head head = {
        .mark = htole64(mark),
        .sequence = htole64(batch->sequence),
        .bytes = htole32(batch->bytes),
        .records = htole32(batch->records),
        .magic = htole32(MAGIC),
        .format = htole32(CFS_WAL_FORMAT),
    };

    memcpy(data, &head, sizeof(head));
    head.checksum = htole64(checksum(data, batch->bytes, place));
    memcpy(data, &head.checksum, sizeof(head.checksum));
}

bool cfs_wal_check(const uint8_t *data, size_t room, uint64_t mark, struct cfs_wal_place place,
                   struct cfs_wal_batch *batch)
{
    struct head head;

    if (room < sizeof(head))
        return false;
    memcpy(&head, data, sizeof(head));
    if (le64toh(head.mark) != mark || le32toh(head.magic) != MAGIC)
        return false;
    *batch = (struct cfs_wal_batch){.sequence = le64toh(head.sequence),
                                    .bytes = le32toh(head.bytes),
                                    .records = le32toh(head.records)};
    if (batch->bytes < sizeof(head) || batch->bytes > room || batch->bytes % CFS_WAL_ALIGN != 0)
        return false;
    return le64toh(head.checksum) == checksum(data, batch->bytes, place) &&
           le32toh(head.format) == CFS_WAL_FORMAT;
}
