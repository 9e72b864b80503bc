/* The next segment, made ahead of time: 16 MiB of zeros take longer than a commit may. One thread,
 * one segment in stock at most; it also removes old ones, and before it makes a new one, for that
 * may need their space. A disk that is full is asked again every second, for space comes
 * back; so a writer who stands before an empty stock waits, unless the log is about to close. */
#include "io/wal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"
#include "io/thread.h"

#define RETRY_SECONDS 1

struct cfs_wal_supply {
    const struct cfs_wal_dir *dir;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* on CLOCK_MONOTONIC */
    /* Under mutex. */
    uint64_t ordered;    /* 0: none */
    int fd;              /* of the one ordered; -1: not made yet */
    int error;           /* -errno of the last attempt; 0: none since the order */
    bool urgent;         /* the writer waits */
    bool leaving;        /* it is not to wait any longer */
    bool at_once;        /* the next attempt is due */
    bool refused;        /* what the writer waits for will not come */
    bool full;           /* the last attempt found no room */
    int event_fd;        /* told when that changes; borrowed */
    uint64_t remembered; /* a set of groups: the amnesia of these is to be cleared */
    cfs_group_id last_group;
    bool closing;
    uint64_t first, last; /* the segments that exist */
    uint64_t keep;        /* those before it are to be removed */
};

/* One that is there may be from an attempt that ended when its name could not be made durable. */
static int open_or_make(const struct cfs_wal_dir *dir, uint64_t number)
{
    int fd = cfs_wal_segment_open(dir, number), rv;

    if (fd == -ENOENT)
        return cfs_wal_segment_make(dir, number);
    if (fd < 0 || fsync(dir->fd) == 0)
        return fd;
    rv = -errno;
    close(fd);
    return rv;
}

static void wait_to_retry(struct cfs_wal_supply *supply)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_SECONDS;
    while (!supply->closing && !supply->at_once && supply->first >= supply->keep)
        if (pthread_cond_timedwait(&supply->changed, &supply->mutex, &until) == ETIMEDOUT)
            return;
}

/* Once per order and cause, not once per second. */
static void note_failure(struct cfs_wal_supply *supply, int error)
{
    char name[CFS_WAL_NAME_BYTES];

    if (supply->error == error)
        return;
    supply->error = error;
    cfs_wal_segment_name(name, supply->ordered);
    cfs_log(CFS_LOG_WARNING, "cannot make the next segment %s/%s: %s; will try again",
            supply->dir->path, name, strerror(-error));
}

static bool is_want_of_room(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

static void set_full(struct cfs_wal_supply *supply, bool full)
{
    bool changed = full != supply->full;

    supply->full = full;
    if (changed)
        cfs_wal_signal(supply->event_fd);
}

/* Under the mutex, which it gives up while the disk is at work. */
static void attempt(struct cfs_wal_supply *supply)
{
    /* One that began before the writer came, or was told not to wait, does not decide. */
    bool urgent = supply->urgent, leaving = supply->leaving;
    uint64_t number = supply->ordered;
    int fd;

    supply->at_once = false;
    pthread_mutex_unlock(&supply->mutex);
    fd = open_or_make(supply->dir, number);
    pthread_mutex_lock(&supply->mutex);
    if (fd >= 0) {
        supply->fd = fd;
        supply->last = number > supply->last ? number : supply->last;
        set_full(supply, false);
        pthread_cond_broadcast(&supply->changed);
        return;
    }
    note_failure(supply, fd);
    set_full(supply, is_want_of_room(fd));
    if (urgent && (leaving || !supply->full)) {
        supply->refused = true;
        pthread_cond_broadcast(&supply->changed);
    } else {
        wait_to_retry(supply);
    }
}

/* Under the mutex, as above. One that cannot be removed is left to the next open. */
static void remove_oldest(struct cfs_wal_supply *supply)
{
    char name[CFS_WAL_NAME_BYTES];
    uint64_t number = supply->first;
    int rv;

    pthread_mutex_unlock(&supply->mutex);
    rv = cfs_wal_segment_remove(supply->dir, number);
    cfs_wal_segment_name(name, number);
    if (rv != 0)
        cfs_log(CFS_LOG_WARNING, "cannot remove the old segment %s/%s: %s", supply->dir->path, name,
                strerror(-rv));
    pthread_mutex_lock(&supply->mutex);
    supply->first = number + 1;
}

/* Under the mutex, as above. What cannot be cleared is said again at the next open. */
static void clear_amnesia(struct cfs_wal_supply *supply)
{
    uint64_t groups = supply->remembered;
    cfs_group_id last = supply->last_group;
    int rv;

    supply->remembered = 0;
    pthread_mutex_unlock(&supply->mutex);
    rv = cfs_wal_amnesia_clear(supply->dir, groups, last);
    if (rv != 0)
        cfs_log(CFS_LOG_WARNING, "cannot remove %s/amnesia: %s", supply->dir->path, strerror(-rv));
    pthread_mutex_lock(&supply->mutex);
}

static void *run(void *arg)
{
    struct cfs_wal_supply *supply = arg;

    pthread_mutex_lock(&supply->mutex);
    while (!supply->closing) {
        if (supply->remembered)
            clear_amnesia(supply);
        else if (supply->first < supply->keep)
            remove_oldest(supply);
        else if (supply->ordered == 0 || supply->fd >= 0 || supply->refused)
            pthread_cond_wait(&supply->changed, &supply->mutex);
        else
            attempt(supply);
    }
    pthread_mutex_unlock(&supply->mutex);
    return NULL;
}

struct cfs_wal_supply *cfs_wal_supply_new(const struct cfs_wal_dir *dir, uint64_t first,
                                          uint64_t last, int event_fd)
{
    struct cfs_wal_supply *supply = cfs_alloc_zeroed(1, sizeof(*supply));
    pthread_condattr_t attr;
    int rv;

    supply->dir = dir;
    supply->fd = -1;
    supply->event_fd = event_fd;
    supply->first = supply->keep = first;
    supply->last = last;
    pthread_mutex_init(&supply->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&supply->changed, &attr);
    pthread_condattr_destroy(&attr);
    rv = cfs_thread_start(&supply->thread, "coordfs-segment", run, supply);
    if (rv == 0)
        return supply;
    pthread_cond_destroy(&supply->changed);
    pthread_mutex_destroy(&supply->mutex);
    free(supply);
    errno = -rv;
    return NULL;
}

void cfs_wal_supply_free(struct cfs_wal_supply *supply)
{
    if (!supply)
        return;
    pthread_mutex_lock(&supply->mutex);
    supply->closing = true;
    pthread_cond_broadcast(&supply->changed);
    pthread_mutex_unlock(&supply->mutex);
    pthread_join(supply->thread, NULL);
    if (supply->fd >= 0)
        close(supply->fd);
    pthread_cond_destroy(&supply->changed);
    pthread_mutex_destroy(&supply->mutex);
    free(supply);
}

void cfs_wal_supply_remember(struct cfs_wal_supply *supply, cfs_group_id group, cfs_group_id last)
{
    pthread_mutex_lock(&supply->mutex);
    supply->remembered |= (uint64_t)1 << group;
    supply->last_group = last;
    pthread_cond_broadcast(&supply->changed);
    pthread_mutex_unlock(&supply->mutex);
}

void cfs_wal_supply_order(struct cfs_wal_supply *supply, uint64_t number)
{
    pthread_mutex_lock(&supply->mutex);
    if (supply->ordered != number) {
        supply->ordered = number;
        supply->error = 0;
        pthread_cond_broadcast(&supply->changed);
    }
    pthread_mutex_unlock(&supply->mutex);
}

int cfs_wal_supply_take(struct cfs_wal_supply *supply, uint64_t number)
{
    int fd;

    cfs_wal_supply_order(supply, number);
    pthread_mutex_lock(&supply->mutex);
    supply->urgent = supply->at_once = true;
    pthread_cond_broadcast(&supply->changed);
    while (supply->fd < 0 && !supply->refused)
        pthread_cond_wait(&supply->changed, &supply->mutex);
    fd = supply->fd >= 0 ? supply->fd : supply->error;
    supply->ordered = 0;
    supply->fd = -1;
    supply->urgent = supply->refused = false;
    pthread_mutex_unlock(&supply->mutex);
    return fd;
}

void cfs_wal_supply_leave(struct cfs_wal_supply *supply)
{
    pthread_mutex_lock(&supply->mutex);
    supply->leaving = supply->at_once = true;
    pthread_cond_broadcast(&supply->changed);
    pthread_mutex_unlock(&supply->mutex);
}

bool cfs_wal_supply_is_full(struct cfs_wal_supply *supply)
{
    bool full;

    pthread_mutex_lock(&supply->mutex);
    full = supply->full;
    pthread_mutex_unlock(&supply->mutex);
    return full;
}

void cfs_wal_supply_trim(struct cfs_wal_supply *supply, uint64_t number)
{
    pthread_mutex_lock(&supply->mutex);
    if (number > supply->keep) {
        supply->keep = number;
        pthread_cond_broadcast(&supply->changed);
    }
    pthread_mutex_unlock(&supply->mutex);
}

uint32_t cfs_wal_supply_count(struct cfs_wal_supply *supply)
{
    uint32_t count;

    pthread_mutex_lock(&supply->mutex);
    count = (uint32_t)(supply->last - supply->first + 1);
    pthread_mutex_unlock(&supply->mutex);
    return count;
}
