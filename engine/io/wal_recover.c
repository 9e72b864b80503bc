/* What a start finds, and where writing goes on.
 *
 * The writer has one batch under way at a time and goes on only when fdatasync(2) has returned. So
 * the first bad batch is the one that a crash tore, and nothing intact lies behind it; or something
 * intact does, and then the bad batch was durable, was promised to others, and is lost: the node
 * must not start. Damage to the very last batch cannot be told from a torn one; cut_bytes reports
 * either.
 *
 * Reading a batch does not prove that it is on the disk. The last one may sit in the page cache
 * alone: its fdatasync was never called, or it failed, and the kernel then calls the pages clean.
 * So it is written again before anyone builds on it; those before it were synced, or it would not
 * be there. */
#include "io/wal_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "core/entry.h"

struct recovery {
    const struct cfs_wal_dir *dir;
    cfs_wal_record_fn record;
    void *arg;
    uint8_t *data;   /* the loaded segment */
    uint64_t loaded; /* its number */
    struct cfs_wal_end *end;
    struct cfs_wal_place last; /* the last intact batch; segment 0: none */
    uint32_t last_bytes;
    struct cfs_wal_place bad; /* the first bytes in use behind the end; segment 0: none */
};

static int load(struct recovery *r, uint64_t number)
{
    char name[CFS_WAL_NAME_BYTES];
    int rv;

    if (r->loaded == number)
        return 0;
    r->loaded = 0;
    rv = cfs_wal_segment_load(r->dir, number, r->data);
    if (rv == 0) {
        r->loaded = number;
        return 0;
    }
    cfs_wal_segment_name(name, number);
    if (rv == -EBADMSG)
        cfs_log(CFS_LOG_ERROR, "%s/%s is not a file of %u bytes. " CFS_WAL_ADVICE, r->dir->path,
                name, CFS_WAL_SEGMENT_BYTES, r->dir->path);
    else
        cfs_log(CFS_LOG_ERROR, "cannot read %s/%s: %s", r->dir->path, name, strerror(-rv));
    return -1;
}

static int refuse(const struct recovery *r, struct cfs_wal_place place, const char *why)
{
    char name[CFS_WAL_NAME_BYTES];

    cfs_wal_segment_name(name, place.segment);
    cfs_log(CFS_LOG_ERROR, "%s/%s is damaged at offset %" PRIu32 ": %s. " CFS_WAL_ADVICE,
            r->dir->path, name, place.offset, why, r->dir->path);
    return -1;
}

static bool batch_at(const struct recovery *r, struct cfs_wal_place place,
                     struct cfs_wal_batch *batch)
{
    return cfs_wal_check(r->data + place.offset, CFS_WAL_SEGMENT_BYTES - place.offset, r->dir->mark,
                         place, batch);
}

/* The next batch begins a segment. */
static struct cfs_wal_start start_here(const struct recovery *r)
{
    return (struct cfs_wal_start){
        .segment = r->end->place.segment, .sequence = r->end->sequence, .lsn = r->end->records + 1};
}

/* Hands over the records of the batch at the end and moves the end behind it. */
static int take_batch(struct recovery *r, const struct cfs_wal_batch *batch)
{
    struct cfs_reader reader = {.data = r->data + r->end->place.offset + CFS_WAL_HEAD_BYTES,
                                .len = batch->bytes - CFS_WAL_HEAD_BYTES};
    struct cfs_record record;
    uint32_t i;

    for (i = 0; i < batch->records; i++) {
        if (cfs_wal_get_record(&reader, &record) != 0)
            return refuse(r, r->end->place, "its checksum is right, but it holds no known record");
        r->record(r->arg, &record);
        cfs_entry_unref(record.entry);
    }
    if (r->end->place.offset == 0 && r->last.segment != 0)
        cfs_wal_starts_add(&r->end->starts, start_here(r));
    r->end->records += batch->records;
    r->last = r->end->place;
    r->last_bytes = batch->bytes;
    r->end->place.offset += batch->bytes;
    r->end->sequence++;
    return 0;
}

/* From the end on, as far as batch follows batch. */
static int walk(struct recovery *r)
{
    struct cfs_wal_batch batch;
    struct cfs_wal_place next = r->end->place;

    for (;;) {
        if (load(r, next.segment) != 0)
            return -1;
        if (batch_at(r, next, &batch) && batch.sequence == r->end->sequence) {
            r->end->place = next;
            if (take_batch(r, &batch) != 0)
                return -1;
            next = r->end->place;
        } else if (next.offset > 0 && next.segment < r->end->last) {
            /* What did not fit into the rest of a segment begins the next. */
            next = (struct cfs_wal_place){.segment = next.segment + 1};
        } else {
            return 0;
        }
    }
}

/* Behind the last byte at or after `from` that is not zero; `from` if there is none. */
static uint32_t used(const uint8_t *data, uint32_t from)
{
    uint32_t at = CFS_WAL_SEGMENT_BYTES;
    uint64_t word;

    for (; at > from; at -= CFS_WAL_ALIGN) {
        memcpy(&word, data + at - CFS_WAL_ALIGN, sizeof(word));
        if (word != 0)
            return at;
    }
    return from;
}

/* The loaded segment holds no batch: zeros from `place` to `until`. */
static int cut(struct recovery *r, struct cfs_wal_place place, uint32_t until)
{
    char name[CFS_WAL_NAME_BYTES];
    int fd = cfs_wal_segment_open(r->dir, place.segment);
    int rv = fd;
    uint32_t i;

    for (i = place.offset; i < until; i++)
        r->end->cut_bytes += r->data[i] != 0;
    memset(r->data + place.offset, 0, until - place.offset);
    /* First what cannot be seen any more afterwards: that something stood here. */
    if (rv >= 0) {
        int told = cfs_wal_amnesia_worsen(r->dir, CFS_TORN);
        rv = told < 0 ? told : rv;
    }
    if (rv >= 0)
        rv = cfs_wal_write_all(fd, r->data + place.offset, until - place.offset, place.offset);
    if (rv >= 0 && fdatasync(fd) != 0)
        rv = -errno;
    if (fd >= 0)
        close(fd);
    cfs_wal_segment_name(name, place.segment);
    if (rv < 0)
        cfs_log(CFS_LOG_ERROR, "cannot cut the torn end of %s/%s: %s", r->dir->path, name,
                strerror(-rv));
    else
        cfs_log(CFS_LOG_WARNING, "%s/%s: cut an unfinished batch, bytes %" PRIu32 " to %" PRIu32,
                r->dir->path, name, place.offset, until);
    return rv < 0 ? -1 : 0;
}

/* Calls `act` for the part in use of each segment from the end on. */
static int each_rest(struct recovery *r,
                     int (*act)(struct recovery *r, struct cfs_wal_place place, uint32_t until))
{
    struct cfs_wal_place place = r->end->place;
    uint32_t until;

    for (; place.segment <= r->end->last; place.segment++, place.offset = 0) {
        if (load(r, place.segment) != 0)
            return -1;
        until = used(r->data, place.offset);
        if (until > place.offset && act(r, place, until) != 0)
            return -1;
    }
    return 0;
}

static int refuse_batches(struct recovery *r, struct cfs_wal_place place, uint32_t until)
{
    struct cfs_wal_batch batch;

    if (r->bad.segment == 0)
        r->bad = place;
    for (; place.offset < until; place.offset += CFS_WAL_ALIGN)
        if (batch_at(r, place, &batch))
            return refuse(r, r->bad,
                          "a later batch is intact, so what stood here was durable and is lost");
    return 0;
}

static int write_last_again(struct recovery *r)
{
    char name[CFS_WAL_NAME_BYTES];
    int fd, rv;

    if (r->last.segment == 0)
        return 0;
    if (load(r, r->last.segment) != 0)
        return -1;
    rv = fd = cfs_wal_segment_open(r->dir, r->last.segment);
    if (fd >= 0)
        rv = cfs_wal_write_all(fd, r->data + r->last.offset, r->last_bytes, r->last.offset);
    if (fd >= 0 && rv == 0 && fdatasync(fd) != 0)
        rv = -errno;
    if (fd >= 0)
        close(fd);
    if (rv == 0)
        return 0;
    cfs_wal_segment_name(name, r->last.segment);
    cfs_log(CFS_LOG_ERROR, "cannot write %s/%s: %s", r->dir->path, name, strerror(-rv));
    return -1;
}

int cfs_wal_recover(const struct cfs_wal_dir *dir, struct cfs_wal_begin begin,
                    cfs_wal_record_fn record, void *arg, struct cfs_wal_end *end)
{
    struct recovery r = {.dir = dir, .record = record, .arg = arg, .end = end};
    int rv = -1;

    *end = (struct cfs_wal_end){.place = {.segment = begin.segment}, .sequence = begin.sequence};
    cfs_wal_starts_add(&end->starts, start_here(&r)); /* whether it holds a batch or not */
    if (cfs_wal_segment_last(dir, begin.segment, &end->last) != 0)
        return -1;
    r.data = cfs_alloc(CFS_WAL_SEGMENT_BYTES);
    if (walk(&r) == 0 && each_rest(&r, refuse_batches) == 0 && each_rest(&r, cut) == 0 &&
        write_last_again(&r) == 0)
        rv = 0;
    free(r.data);
    return rv;
}
