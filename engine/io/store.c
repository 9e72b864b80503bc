/* Jobs, one thread that does them in order, and what is done. The thread has the environment to
 * itself, its read transactions too; the loop shares two lists with it. But GETs have a thread of
 * their own, which only reads: somebody waits for them, and a checkpoint may take long.
 *
 * A job that changes something is done only if all before it were: what failed for want of room
 * fails all such jobs behind it, until the caller has taken note and may submit them again. So a
 * checkpoint never lacks what an earlier one was to bring.
 *
 * Between jobs the thread removes old generations, a bounded transaction at a time. */
#include "io/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/clock.h"
#include "io/store_internal.h"
#include "io/thread.h"

struct item {
    struct cfs_store_job job;
    struct cfs_store_done done;
    bool doomed; /* one before it failed, and the caller did not know yet */
    struct item *prev, *next;
};

struct cfs_store {
    struct cfs_store_db db;
    int event_fd;
    pthread_t thread, reader;
    bool running, reading;

    /* The thread's own. */
    struct cfs_store_transfer *transfers;
    bool garbage; /* there may be some */
    bool later;   /* there is some, and no room to remove it */
    bool full;    /* was said to be */

    pthread_mutex_t mutex;
    pthread_cond_t work, wanted;
    /* Under mutex. */
    struct item *jobs, *gets, *done; /* oldest first */
    uint32_t failures;               /* among `done`, of jobs that were to change something */
    bool closing, failed;
    struct cfs_store_stats stats;
};

static bool changes(const struct cfs_store_job *job)
{
    return job->kind == CFS_STORE_CHECKPOINT || job->kind == CFS_STORE_STAGE;
}

static void free_item(struct item *item)
{
    for (uint32_t i = 0; i < item->job.part_count; i++) {
        free(item->job.parts[i].head);
        free(item->job.parts[i].pieces);
    }
    free(item->job.parts);
    free(item->job.keys);
    free(item);
}

/* Under the mutex: so the fd is readable exactly while there is something to take. */
static void signal_loop(struct cfs_store *store)
{
    int rv = eventfd_write(store->event_fd, 1);

    assert(rv == 0 || errno == EAGAIN);
    (void)rv;
}

void cfs_store_submit(struct cfs_store *store, struct cfs_store_job *job)
{
    struct item *item = cfs_alloc_zeroed(1, sizeof(*item));
    bool get = job->kind == CFS_STORE_GET;

    item->job = *job;
    *job = (struct cfs_store_job){0};
    pthread_mutex_lock(&store->mutex);
    item->doomed = store->failures > 0 && changes(&item->job);
    if (get)
        DL_APPEND(store->gets, item);
    else
        DL_APPEND(store->jobs, item);
    pthread_mutex_unlock(&store->mutex);
    pthread_cond_signal(get ? &store->wanted : &store->work);
}

static void fail(struct cfs_store *store, int error)
{
    cfs_log(CFS_LOG_ERROR,
            "cannot use %s/data.mdb: %s; what the disk holds now is not known, so the node must "
            "stop",
            store->db.dir, mdb_strerror(error));
    store->garbage = store->later = false;
    pthread_mutex_lock(&store->mutex);
    store->failed = true;
    signal_loop(store);
    pthread_mutex_unlock(&store->mutex);
}

/* Once, not once per attempt. */
static void note_space(struct cfs_store *store, int error)
{
    bool full = cfs_store_is_full(error);

    if (full && !store->full)
        cfs_log(CFS_LOG_WARNING, "no room for a checkpoint in %s: %s; the log is kept meanwhile",
                store->db.dir, mdb_strerror(error));
    if (error == 0 || full)
        store->full = full;
}

static uint64_t bytes_of(const struct cfs_store_job *job)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < job->part_count; i++)
        bytes += job->parts[i].head_len + job->parts[i].pieces_len;
    return bytes;
}

static void measure_file(struct cfs_store *store)
{
    MDB_envinfo info;
    MDB_stat pages;

    mdb_env_info(store->db.env, &info);
    mdb_env_stat(store->db.env, &pages);
    pthread_mutex_lock(&store->mutex);
    store->stats.disk_bytes = ((uint64_t)info.me_last_pgno + 1) * pages.ms_psize;
    pthread_mutex_unlock(&store->mutex);
}

static int checkpoint(struct cfs_store *store, const struct cfs_store_job *job)
{
    cfs_time start = cfs_clock_now();
    struct cfs_store_stats *stats = &store->stats;
    int rv = cfs_store_write_checkpoint(&store->db, job);
    uint64_t us = (cfs_clock_now() - start) / 1000;

    if (rv != 0)
        return rv;
    pthread_mutex_lock(&store->mutex);
    stats->checkpoints++;
    stats->bytes += bytes_of(job);
    stats->us_last = us;
    if (us > stats->us_max)
        stats->us_max = us;
    pthread_mutex_unlock(&store->mutex);
    return 0;
}

/* A positive error, as those of store_internal.h. */
static int perform(struct cfs_store *store, struct item *item)
{
    const struct cfs_store_job *job = &item->job;

    switch (job->kind) {
    case CFS_STORE_CHECKPOINT:
        return checkpoint(store, job);
    case CFS_STORE_STAGE:
        store->garbage |= job->first || job->last;
        return cfs_store_write_stage(&store->db, job);
    case CFS_STORE_READ:
        return cfs_store_read(&store->db, &store->transfers, job, &item->done);
    case CFS_STORE_END_READ:
        cfs_store_end_read(&store->transfers, job->transfer);
        return 0;
    case CFS_STORE_GET:
        return cfs_store_get(&store->db, job, &item->done);
    }
    return EINVAL;
}

/* Takes the item. */
static void finish(struct cfs_store *store, struct item *item, int error)
{
    struct item *other;

    item->done.kind = item->job.kind;
    item->done.id = item->job.id;
    item->done.group = item->job.group;
    item->done.error = error;
    pthread_mutex_lock(&store->mutex);
    if (error != 0 && changes(&item->job)) {
        store->failures++;
        DL_FOREACH (store->jobs, other)
            other->doomed |= changes(&other->job);
    }
    DL_APPEND(store->done, item);
    signal_loop(store);
    pthread_mutex_unlock(&store->mutex);
}

static void do_job(struct cfs_store *store, struct item *item)
{
    int rv, error;

    if (store->failed || item->doomed) {
        finish(store, item, store->failed ? -EIO : -ENOSPC);
        return;
    }
    rv = perform(store, item);
    error = cfs_store_code(rv);
    if (changes(&item->job)) {
        note_space(store, rv);
        measure_file(store);
    }
    if (error == -EIO || (error == -EBADMSG && changes(&item->job))) {
        fail(store, rv);
        error = -EIO;
    }
    finish(store, item, error);
}

/* On a full disk this waits for the next job: removing needs some room too. */
static void collect(struct cfs_store *store)
{
    int rv = cfs_store_write_collect(&store->db);

    store->garbage = rv == 0;
    store->later = cfs_store_is_full(rv);
    if (rv != 0 && rv != MDB_NOTFOUND && !store->later)
        fail(store, rv);
}

/* The next job, NULL when there is none and something else is to be done; false: it is over. */
static bool take_job(struct cfs_store *store, struct item **item)
{
    bool more;

    pthread_mutex_lock(&store->mutex);
    while (!store->jobs && !store->closing && !store->garbage)
        pthread_cond_wait(&store->work, &store->mutex);
    *item = store->jobs;
    if (*item)
        DL_DELETE(store->jobs, *item);
    more = *item || !store->closing;
    pthread_mutex_unlock(&store->mutex);
    return more;
}

static void *run(void *arg)
{
    struct cfs_store *store = arg;
    struct item *item;

    while (take_job(store, &item)) {
        if (item) {
            do_job(store, item);
            store->garbage |= store->later;
        }
        if (store->garbage && !store->failed)
            collect(store);
    }
    cfs_store_end_reads(&store->transfers);
    return NULL;
}

/* The oldest GET; NULL: it is over. */
static struct item *take_get(struct cfs_store *store)
{
    struct item *item;

    pthread_mutex_lock(&store->mutex);
    while (!store->gets && !store->closing)
        pthread_cond_wait(&store->wanted, &store->mutex);
    item = store->gets;
    if (item)
        DL_DELETE(store->gets, item);
    pthread_mutex_unlock(&store->mutex);
    return item;
}

static void *run_gets(void *arg)
{
    struct cfs_store *store = arg;
    struct item *item;

    while ((item = take_get(store)))
        finish(store, item, cfs_store_code(perform(store, item)));
    return NULL;
}

static int start(struct cfs_store *store)
{
    int rv = 0;

    store->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (store->event_fd < 0)
        rv = -errno;
    if (rv == 0)
        rv = cfs_thread_start(&store->thread, "coordfs-store", run, store);
    store->running = rv == 0;
    if (rv == 0)
        rv = cfs_thread_start(&store->reader, "coordfs-read", run_gets, store);
    store->reading = rv == 0;
    if (rv != 0)
        cfs_log(CFS_LOG_ERROR, "cannot start the store in %s: %s", store->db.dir, strerror(-rv));
    return rv;
}

/* Whoever sent a snapshot begins it again: what was staged is of no use. */
static int forget_staging(struct cfs_store *store)
{
    int rv = cfs_store_write_forget_staging(&store->db);

    if (rv == 0 || cfs_store_is_full(rv))
        return 0;
    cfs_log(CFS_LOG_ERROR, "cannot write %s/data.mdb: %s", store->db.dir, mdb_strerror(rv));
    return -1;
}

int cfs_store_open_sized(struct cfs_store **out, const char *data_dir, uint64_t map_bytes)
{
    struct cfs_store *store = cfs_alloc_zeroed(1, sizeof(*store));

    store->event_fd = -1;
    store->garbage = true;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->wanted, NULL);
    if (cfs_store_dir_open(&store->db, data_dir, map_bytes) != 0 || forget_staging(store) != 0) {
        cfs_store_close(store);
        return -1;
    }
    measure_file(store);
    if (start(store) != 0) {
        cfs_store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

int cfs_store_open(struct cfs_store **out, const char *data_dir)
{
    return cfs_store_open_sized(out, data_dir, CFS_STORE_MAP_BYTES);
}

int cfs_store_load(struct cfs_store *store,
                   void (*head)(void *arg, cfs_group_id group, const uint8_t *head, uint32_t len),
                   void (*piece)(void *arg, cfs_group_id group, const uint8_t *key,
                                 uint32_t key_len, const uint8_t *value, uint32_t value_len),
                   void *arg)
{
    return cfs_store_read_all(&store->db,
                              &(struct cfs_store_load){.head = head, .piece = piece, .arg = arg});
}

struct cfs_wal_begin cfs_store_wal_begin(const struct cfs_store *store)
{
    return store->db.wal;
}

int cfs_store_fd(const struct cfs_store *store)
{
    return store->event_fd;
}

bool cfs_store_take(struct cfs_store *store, struct cfs_store_done *done)
{
    struct item *item;
    eventfd_t count;

    pthread_mutex_lock(&store->mutex);
    item = store->done;
    if (item) {
        DL_DELETE(store->done, item);
        *done = item->done;
        store->failures -= item->done.error != 0 && changes(&item->job);
    } else if (eventfd_read(store->event_fd, &count) != 0) {
        assert(errno == EAGAIN);
    }
    pthread_mutex_unlock(&store->mutex);
    if (item)
        free_item(item);
    return item;
}

bool cfs_store_failed(struct cfs_store *store)
{
    bool failed;

    pthread_mutex_lock(&store->mutex);
    failed = store->failed;
    pthread_mutex_unlock(&store->mutex);
    return failed;
}

void cfs_store_stats(struct cfs_store *store, struct cfs_store_stats *stats)
{
    pthread_mutex_lock(&store->mutex);
    *stats = store->stats;
    pthread_mutex_unlock(&store->mutex);
}

static void free_items(struct item *items)
{
    struct item *item, *next;

    DL_FOREACH_SAFE (items, item, next) {
        free(item->done.head);
        free(item->done.pieces);
        free_item(item);
    }
}

void cfs_store_close(struct cfs_store *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->mutex);
    store->closing = true;
    pthread_mutex_unlock(&store->mutex);
    pthread_cond_signal(&store->work);
    pthread_cond_signal(&store->wanted);
    if (store->running)
        pthread_join(store->thread, NULL);
    if (store->reading)
        pthread_join(store->reader, NULL);
    free_items(store->jobs);
    free_items(store->gets);
    free_items(store->done);
    cfs_store_dir_close(&store->db);
    if (store->event_fd >= 0)
        close(store->event_fd);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->wanted);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}
