/* Collecting and writing. The loop encodes records into one buffer while the writer has another;
 * they swap when the writer is idle and something was submitted. The entries' reference counts are
 * thus touched by the loop alone, and the loop waits for nothing but a mutex that nobody holds
 * during I/O.
 *
 * The writer: batch to the page cache, fdatasync(2), durable mark, event, next. One batch is under
 * way at a time; recovery depends on it. A write or sync that failed is never tried again: the
 * kernel may have dropped the pages and would report success.
 *
 * Limit: only what the node has outstanding (CFS_REQUESTS_MAX) bounds the collecting buffer. */
#include "io/wal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/clock.h"
#include "io/thread.h"
#include "io/wal_internal.h"

#define KEEP_BYTES_MAX 1048576u /* a buffer that a burst made larger is given back */

/* Encoded records, after room for a batch's head. */
struct buffer {
    struct cfs_writer bytes;
    uint64_t records;
};

struct cfs_wal {
    struct cfs_wal_dir dir;
    struct cfs_wal_supply *supply;
    int event_fd;
    pthread_t writer;
    bool running;
    uint64_t recovered; /* records */

    /* The writer's own. */
    int fd; /* of the segment it writes */
    struct cfs_wal_place place;
    uint64_t sequence;
    struct buffer writing;
    int (*sync)(int fd);

    pthread_mutex_t mutex;
    pthread_cond_t work;
    /* Under mutex. */
    struct buffer collecting;
    uint64_t appended, durable; /* lsn */
    struct cfs_wal_starts starts;
    bool submitted, closing, failed;
    struct cfs_wal_stats stats;
};

static void clear(struct buffer *buffer)
{
    if (buffer->bytes.capacity > KEEP_BYTES_MAX) {
        free(buffer->bytes.data);
        buffer->bytes = (struct cfs_writer){0};
    }
    buffer->bytes.len = 0;
    buffer->records = 0;
}

void cfs_wal_append(struct cfs_wal *wal, const struct cfs_record *record, uint64_t lsn)
{
    struct cfs_writer *bytes = &wal->collecting.bytes;
    size_t before;

    pthread_mutex_lock(&wal->mutex);
    assert(lsn == wal->appended + 1);
    wal->appended = lsn;
    if (!wal->failed) {
        while (bytes->len < CFS_WAL_HEAD_BYTES)
            cfs_put_u64(bytes, 0);
        before = bytes->len;
        cfs_wal_put_record(bytes, record);
        assert(bytes->len - before <= CFS_WAL_BATCH_BYTES - CFS_WAL_HEAD_BYTES);
        (void)before;
        wal->collecting.records++;
    }
    pthread_mutex_unlock(&wal->mutex);
}

void cfs_wal_submit(struct cfs_wal *wal)
{
    bool wake;

    pthread_mutex_lock(&wal->mutex);
    wake = wal->collecting.records > 0 && !wal->submitted;
    wal->submitted |= wake;
    pthread_mutex_unlock(&wal->mutex);
    if (wake)
        pthread_cond_signal(&wal->work);
}

void cfs_wal_signal(int event_fd)
{
    int rv = eventfd_write(event_fd, 1);

    /* At its highest value it is readable, which is all we want. */
    assert(rv == 0 || errno == EAGAIN);
    (void)rv;
}

static void fail(struct cfs_wal *wal, const char *what, int error, const char *so)
{
    char name[CFS_WAL_NAME_BYTES];

    cfs_wal_segment_name(name, wal->place.segment);
    cfs_log(CFS_LOG_ERROR, "%s %s/%s: %s; %s", what, wal->dir.path, name, strerror(-error), so);
    pthread_mutex_lock(&wal->mutex);
    wal->failed = true;
    pthread_mutex_unlock(&wal->mutex);
    cfs_wal_signal(wal->event_fd);
}

static void publish(struct cfs_wal *wal, const struct cfs_wal_batch *batch, uint64_t sync_us)
{
    struct cfs_wal_stats *stats = &wal->stats;

    pthread_mutex_lock(&wal->mutex);
    wal->durable += batch->records;
    stats->syncs++;
    stats->records += batch->records;
    stats->bytes += batch->bytes;
    cfs_histogram_add(&stats->sync, sync_us);
    stats->sync_us_last = sync_us;
    if (sync_us > stats->sync_us_max)
        stats->sync_us_max = sync_us;
    pthread_mutex_unlock(&wal->mutex);
    cfs_wal_signal(wal->event_fd);
}

/* Makes sure that `bytes` more fit into the segment. 0 or -errno. */
static int make_room(struct cfs_wal *wal, uint32_t bytes)
{
    struct cfs_wal_start start = {.segment = wal->place.segment + 1, .sequence = wal->sequence};
    int fd;

    if (bytes <= CFS_WAL_SEGMENT_BYTES - wal->place.offset)
        return 0;
    fd = cfs_wal_supply_take(wal->supply, start.segment);
    if (fd < 0)
        return fd;
    close(wal->fd);
    wal->fd = fd;
    wal->place = (struct cfs_wal_place){.segment = start.segment};
    pthread_mutex_lock(&wal->mutex);
    start.lsn = wal->durable + 1; /* one batch at a time: all before it is durable */
    cfs_wal_starts_add(&wal->starts, start);
    wal->stats.segment = start.segment;
    pthread_mutex_unlock(&wal->mutex);
    return 0;
}

/* `data` begins with room for the head. */
static int write_batch(struct cfs_wal *wal, uint8_t *data, const struct cfs_wal_batch *batch)
{
    cfs_time start;
    int rv = make_room(wal, batch->bytes);

    if (rv != 0) {
        fail(wal, "cannot make the segment after", rv, "the node must stop until there is room");
        return -1;
    }
    cfs_wal_seal(data, batch, wal->dir.mark, wal->place);
    start = cfs_clock_now();
    rv = cfs_wal_write_all(wal->fd, data, batch->bytes, wal->place.offset);
    if (rv == 0 && wal->sync(wal->fd) != 0)
        rv = -errno;
    if (rv != 0) {
        fail(wal, "cannot write", rv,
             "what the disk holds now is not known, so the node must stop");
        return -1;
    }
    wal->place.offset += batch->bytes;
    wal->sequence++;
    publish(wal, batch, cfs_clock_now() - start);
    if (wal->place.offset > CFS_WAL_SEGMENT_BYTES / 2)
        cfs_wal_supply_order(wal->supply, wal->place.segment + 1);
    return 0;
}

/* As many records from `at` on as one batch may hold. */
static struct cfs_wal_batch carve(const struct cfs_wal *wal, size_t at)
{
    const struct cfs_writer *bytes = &wal->writing.bytes;
    struct cfs_wal_batch batch = {.sequence = wal->sequence, .bytes = CFS_WAL_HEAD_BYTES};
    uint32_t next;

    for (; at < bytes->len; at += next) {
        next = cfs_wal_record_bytes(bytes->data + at);
        if (batch.bytes + next > CFS_WAL_BATCH_BYTES)
            break;
        batch.bytes += next;
        batch.records++;
    }
    return batch;
}

/* All that was collected. The head of a second batch overwrites the end of the first, which is on
 * the disk by then: so each batch is one piece of memory, one checksum, one pwrite. */
static int write_all(struct cfs_wal *wal)
{
    struct cfs_writer *bytes = &wal->writing.bytes;
    struct cfs_wal_batch batch;
    size_t at = CFS_WAL_HEAD_BYTES;

    while (at < bytes->len) {
        batch = carve(wal, at);
        if (write_batch(wal, bytes->data + at - CFS_WAL_HEAD_BYTES, &batch) != 0)
            return -1;
        at += batch.bytes - CFS_WAL_HEAD_BYTES;
    }
    return 0;
}

/* Waits for a submit and takes what was collected; false when there is none and the log closes. */
static bool take_work(struct cfs_wal *wal)
{
    struct buffer spare = wal->writing;
    bool taken;

    clear(&spare);
    pthread_mutex_lock(&wal->mutex);
    while (!wal->submitted && !wal->closing)
        pthread_cond_wait(&wal->work, &wal->mutex);
    taken = wal->submitted;
    wal->submitted = false;
    wal->writing = taken ? wal->collecting : spare;
    if (taken)
        wal->collecting = spare;
    pthread_mutex_unlock(&wal->mutex);
    return taken;
}

static void *run_writer(void *arg)
{
    struct cfs_wal *wal = arg;

    while (take_work(wal))
        if (write_all(wal) != 0)
            break;
    return NULL;
}

static int start(struct cfs_wal *wal, const struct cfs_wal_end *end)
{
    int rv = 0;

    wal->place = end->place;
    wal->sequence = end->sequence;
    wal->recovered = wal->appended = wal->durable = end->records;
    wal->stats.segment = end->place.segment;
    wal->stats.cut_bytes = end->cut_bytes;
    wal->fd = cfs_wal_segment_open(&wal->dir, end->place.segment);
    wal->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wal->supply =
        cfs_wal_supply_new(&wal->dir, wal->starts.items[0].segment, end->last, wal->event_fd);
    if (wal->fd < 0 || wal->event_fd < 0 || !wal->supply)
        rv = wal->fd < 0 ? wal->fd : -errno;
    if (rv == 0)
        rv = cfs_thread_start(&wal->writer, "coordfs-wal", run_writer, wal);
    wal->running = rv == 0;
    if (rv != 0)
        cfs_log(CFS_LOG_ERROR, "cannot start the log in %s: %s", wal->dir.path, strerror(-rv));
    return rv;
}

int cfs_wal_open(struct cfs_wal **out, const char *dir, cfs_node_id node,
                 struct cfs_wal_begin begin, struct cfs_wal_origin *origin,
                 cfs_wal_record_fn record, void *arg)
{
    struct cfs_wal *wal = cfs_alloc_zeroed(1, sizeof(*wal));
    struct cfs_wal_end end = {0};
    int rv;

    assert(begin.segment > 0 && begin.sequence > 0);
    wal->fd = wal->event_fd = -1;
    wal->sync = fdatasync;
    pthread_mutex_init(&wal->mutex, NULL);
    pthread_cond_init(&wal->work, NULL);
    rv = cfs_wal_dir_open(&wal->dir, dir, node, begin, origin);
    if (rv == 0)
        rv = cfs_wal_recover(&wal->dir, begin, record, arg, &end);
    wal->starts = end.starts;
    if (rv != 0 || start(wal, &end) != 0) {
        cfs_wal_close(wal);
        return -1;
    }
    *out = wal;
    return 0;
}

enum cfs_amnesia cfs_wal_amnesia(const struct cfs_wal *wal, cfs_group_id group)
{
    struct cfs_wal_amnesia amnesia;

    cfs_wal_amnesia_read(&wal->dir, &amnesia);
    return amnesia.of[group];
}

void cfs_wal_remember(struct cfs_wal *wal, cfs_group_id group, cfs_group_id last)
{
    cfs_wal_supply_remember(wal->supply, group, last);
}

uint64_t cfs_wal_recovered(const struct cfs_wal *wal)
{
    return wal->recovered;
}

struct cfs_wal_begin cfs_wal_begin_for(struct cfs_wal *wal, uint64_t lsn)
{
    struct cfs_wal_start start;

    pthread_mutex_lock(&wal->mutex);
    start = cfs_wal_starts_find(&wal->starts, lsn);
    pthread_mutex_unlock(&wal->mutex);
    return (struct cfs_wal_begin){
        .segment = start.segment, .sequence = start.sequence, .mark = wal->dir.mark};
}

void cfs_wal_trim(struct cfs_wal *wal, struct cfs_wal_begin begin)
{
    uint64_t first;

    pthread_mutex_lock(&wal->mutex);
    first = cfs_wal_starts_drop(&wal->starts, begin.segment);
    pthread_mutex_unlock(&wal->mutex);
    cfs_wal_supply_trim(wal->supply, first);
}

bool cfs_wal_is_full(const struct cfs_wal *wal)
{
    return cfs_wal_supply_is_full(wal->supply);
}

void cfs_wal_set_sync(struct cfs_wal *wal, int (*sync)(int fd))
{
    wal->sync = sync;
}

int cfs_wal_fd(const struct cfs_wal *wal)
{
    return wal->event_fd;
}

int cfs_wal_durable(struct cfs_wal *wal, uint64_t *lsn)
{
    eventfd_t count;
    bool failed;

    /* Reset first: a mark that moves in between makes it readable again. */
    if (eventfd_read(wal->event_fd, &count) != 0)
        assert(errno == EAGAIN);
    pthread_mutex_lock(&wal->mutex);
    *lsn = wal->durable;
    failed = wal->failed;
    pthread_mutex_unlock(&wal->mutex);
    return failed ? -1 : 0;
}

void cfs_wal_stats(struct cfs_wal *wal, struct cfs_wal_stats *stats)
{
    pthread_mutex_lock(&wal->mutex);
    *stats = wal->stats;
    stats->pending = wal->appended - wal->durable;
    pthread_mutex_unlock(&wal->mutex);
    stats->segments = cfs_wal_supply_count(wal->supply);
    stats->disk_bytes = (uint64_t)stats->segments * CFS_WAL_SEGMENT_BYTES;
}

void cfs_wal_close(struct cfs_wal *wal)
{
    if (!wal)
        return;
    pthread_mutex_lock(&wal->mutex);
    wal->closing = true;
    pthread_mutex_unlock(&wal->mutex);
    pthread_cond_signal(&wal->work);
    if (wal->supply)
        cfs_wal_supply_leave(wal->supply);
    if (wal->running)
        pthread_join(wal->writer, NULL);
    cfs_wal_supply_free(wal->supply);
    if (wal->fd >= 0)
        close(wal->fd);
    if (wal->event_fd >= 0)
        close(wal->event_fd);
    cfs_wal_dir_close(&wal->dir);
    cfs_wal_starts_close(&wal->starts);
    free(wal->collecting.bytes.data);
    free(wal->writing.bytes.data);
    pthread_cond_destroy(&wal->work);
    pthread_mutex_destroy(&wal->mutex);
    free(wal);
}
