/* The session of cache/: mounted inside of the other one, and read by the same thread.
 *
 * Who is not root cannot mount in a mount that is closed to others, for root's helper is kept out
 * too. There the other session serves cache/ (cfs_cache_open_within), and what is said here of
 * mounting and reading does not apply.
 *
 * The mount point lies in the mount proper, which has to answer while it is mounted on: so that is
 * done by a thread of its own, which ends with it. Should the mount be taken away while the other
 * one stays (umount(8) does so on its way to a mount that turns out to be in use), it is made
 * again. What the engine watches is an epoll descriptor: /dev/fuse, what the other threads have
 * done, a timer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

#include "coordfs/log.h"
#include "fs/cache.h"
#include "fs/clock.h"
#include "fs/guard.h"
#include "fs/memory.h"
#include "fs/mount.h"
#include "fs/mountpoint.h"
#include "fs/proc.h"

/* Requests read in one turn: the engine's other work must not wait for long. */
#define TURN_MAX 16
/* How long after it was taken away the mount is made again. */
#define AGAIN CFS_SECONDS(1)

static void mount_again(struct cfs_cache *cache);

/* --- the timer ----------------------------------------------------------------------------- */

static void set_timer(struct cfs_cache *cache, cfs_time at)
{
    struct itimerspec value = {0};

    cache->timer_at = at;
    if (at != CFS_NEVER)
        value.it_value = (struct timespec){.tv_sec = (time_t)(at / 1000000),
                                           .tv_nsec = (long)(at % 1000000) * 1000};
    timerfd_settime(cache->timer_fd, TFD_TIMER_ABSTIME, &value, NULL);
}

void cfs_cache_wake_at(struct cfs_cache *cache, cfs_time at)
{
    if (at < cache->timer_at)
        set_timer(cache, at ? at : 1);
}

static void run_timers(struct cfs_cache *cache)
{
    cfs_time now = cfs_fs_now(), next = CFS_NEVER;
    uint64_t expirations;

    if (cache->timer_at > now)
        return;
    if (read(cache->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        cfs_log(CFS_LOG_WARNING, "reading a timer: %s", strerror(errno));
    cache->timer_at = CFS_NEVER; /* those who are called may set it to something sooner */
    next = cfs_earlier(next, cfs_cache_look_held(cache, now));
    next = cfs_earlier(next, cfs_cache_look_locked(cache, now));
    next = cfs_earlier(next, cfs_cache_look_killed(cache, now));
    if (cache->again_at && cache->again_at <= now)
        mount_again(cache);
    else if (cache->again_at)
        next = cfs_earlier(next, cache->again_at);
    cfs_cache_wake_at(cache, next);
}

/* --- reading ------------------------------------------------------------------------------- */

static void tell_ready(struct cfs_cache *cache, bool mounted)
{
    void (*on_ready)(struct cfs_fs * fs, bool mounted) = cache->on_ready;

    cache->on_ready = NULL;
    if (on_ready)
        on_ready(cache->fs, mounted);
}

static void gone(struct cfs_cache *cache)
{
    if (cache->gone)
        return;
    cfs_log(CFS_LOG_INFO, "%s is unmounted", cache->mountpoint);
    cache->gone = true;
    epoll_ctl(cache->watch_fd, EPOLL_CTL_DEL, fuse_session_fd(cache->session), NULL);
    cache->again_at = cfs_fs_now() + AGAIN;
    cfs_cache_wake_at(cache, cache->again_at);
}

/* Processes one request; false when the kernel has none. */
static bool process_one(struct cfs_cache *cache)
{
    int result;

    if (!cache->served || cache->gone)
        return false;
    do
        result = fuse_session_receive_buf(cache->session, &cache->buffer);
    while (result == -EINTR);
    if (result == -EAGAIN)
        return false;
    if (result > 0)
        fuse_session_process_buf(cache->session, &cache->buffer);
    if (result <= 0 || fuse_session_exited(cache->session)) {
        gone(cache);
        return false;
    }
    tell_ready(cache, true); /* that was INIT, the first there is */
    return true;
}

static void serve(struct cfs_cache *cache)
{
    int fd = fuse_session_fd(cache->session);
    struct epoll_event event = {.events = EPOLLIN};
    int flags = fcntl(fd, F_GETFL);

    cache->served = true;
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        epoll_ctl(cache->watch_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return;
    cfs_log(CFS_LOG_ERROR, "cannot serve %s: %s", cache->mountpoint, strerror(errno));
    tell_ready(cache, false);
}

static void watch(struct cfs_cache *cache, uint64_t device)
{
    cache->device = device;
    cfs_guard_watch(device);
}

/* The mounting thread is done. */
static void mounted(struct cfs_cache *cache)
{
    struct cfs_mount_line mount;

    pthread_join(cache->mounter, NULL);
    cache->mounting = false;
    if (!cache->mount_failed) {
        if (cfs_proc_find_mount(cache->proc_fd, 0, 0, cache->mountpoint, &mount))
            watch(cache, mount.device);
        else
            cfs_log(CFS_LOG_WARNING, "/proc does not show %s: nobody watches over it",
                    cache->mountpoint);
        serve(cache);
        return;
    }
    cfs_log(CFS_LOG_ERROR, "cannot mount on %s; libfuse has said why on stderr", cache->mountpoint);
    tell_ready(cache, false);
}

static void take_jobs(struct cfs_cache *cache)
{
    struct cfs_notify_job *next;

    for (struct cfs_notify_job *job = cfs_notifier_done(cache->notifier); job; job = next) {
        next = job->next;
        cfs_cache_job_done(cache, job);
    }
}

static void take_done(struct cfs_cache *cache)
{
    uint64_t count;

    if (read(cache->done_fd, &count, sizeof count) < 0)
        return;
    if (cache->mounting && __atomic_load_n(&cache->mount_done, __ATOMIC_ACQUIRE))
        mounted(cache);
    take_jobs(cache);
}

static bool readable(void *arg)
{
    struct cfs_cache *cache = arg;

    take_done(cache);
    for (int i = 0; i < TURN_MAX; i++) {
        if (!process_one(cache)) {
            run_timers(cache);
            return false;
        }
    }
    run_timers(cache);
    return true;
}

/* --- making the mount ---------------------------------------------------------------------- */

static void *mount_it(void *arg)
{
    struct cfs_cache *cache = arg;
    uint64_t one = 1;

    cache->mount_failed = fuse_session_mount(cache->session, cache->mountpoint) != 0;
    __atomic_store_n(&cache->mount_done, true, __ATOMIC_RELEASE);
    if (write(cache->done_fd, &one, sizeof one) < 0)
        cfs_log(CFS_LOG_ERROR, "an eventfd cannot be written to");
    return NULL;
}

static bool new_session(struct cfs_cache *cache)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    char *all = cfs_fs_format("subtype=coordfs,default_permissions%s%s%s",
                              cache->config->allow_other ? ",allow_other" : "",
                              *cache->fs->options ? "," : "", cache->fs->options);

    cache->session = NULL;
    if (fuse_opt_add_arg(&args, "coordfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, all) == 0)
        cache->session = fuse_session_new(&args, &cfs_cache_ops, sizeof cfs_cache_ops, cache->fs);
    fuse_opt_free_args(&args);
    free(all);
    return cache->session;
}

static bool begin_to_mount(struct cfs_cache *cache)
{
    int error;

    cache->served = cache->gone = cache->mount_done = false;
    if (!new_session(cache))
        return false;
    cache->notifier = cfs_notifier_new(cache->session, cache->done_fd);
    error = cache->notifier ? pthread_create(&cache->mounter, NULL, mount_it, cache) : EAGAIN;
    if (error)
        cfs_log(CFS_LOG_ERROR, "cannot mount on %s: %s", cache->mountpoint, strerror(error));
    cache->mounting = !error;
    return !error;
}

static bool open_descriptors(struct cfs_cache *cache)
{
    struct epoll_event event = {.events = EPOLLIN};

    cache->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    cache->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cache->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (cache->watch_fd >= 0 && cache->done_fd >= 0 && cache->timer_fd >= 0 &&
        epoll_ctl(cache->watch_fd, EPOLL_CTL_ADD, cache->done_fd, &event) == 0 &&
        epoll_ctl(cache->watch_fd, EPOLL_CTL_ADD, cache->timer_fd, &event) == 0 &&
        cfs_engine_watch(cache->engine, cache->watch_fd, readable, cache) == 0) {
        cache->watched = true;
        return true;
    }
    cfs_log(CFS_LOG_ERROR, "cannot serve %s: %s", cache->mountpoint, strerror(errno));
    return false;
}

struct cfs_cache *cfs_cache_of(fuse_req_t req)
{
    const struct cfs_fs *fs = fuse_req_userdata(req);

    return fs->cache;
}

static struct cfs_cache *new_cache(struct cfs_fs *fs)
{
    struct cfs_cache *cache = cfs_fs_alloc(sizeof *cache);

    cache->fs = fs;
    cache->engine = fs->engine;
    cache->config = fs->config;
    cache->mountpoint = cfs_fs_format("%s/cache", fs->mountpoint);
    cache->proc_fd = fs->proc_fd;
    cache->timer_at = CFS_NEVER;
    cache->watch_fd = cache->done_fd = cache->timer_fd = -1;
    cfs_cache_inode_of(cache, CFS_CACHE_ROOT)->type = CFS_INODE_DIRECTORY;
    return cache;
}

struct cfs_cache *cfs_cache_open(struct cfs_fs *fs, void (*ready)(struct cfs_fs *fs, bool mounted))
{
    struct cfs_cache *cache = new_cache(fs);

    cache->on_ready = ready;
    if (open_descriptors(cache) && begin_to_mount(cache))
        return cache;
    cfs_cache_unmount(cache);
    cfs_cache_close(cache);
    return NULL;
}

struct cfs_cache *cfs_cache_open_within(struct cfs_fs *fs)
{
    struct cfs_cache *cache = new_cache(fs);

    cache->ids = CFS_CACHE_IDS;
    if (open_descriptors(cache))
        cache->notifier = cfs_notifier_new(fs->session, cache->done_fd);
    if (cache->notifier) {
        watch(cache, fs->waits.device);
        return cache;
    }
    cfs_cache_unmount(cache);
    cfs_cache_close(cache);
    return NULL;
}

/* What is left of the old session: answers that still come go nowhere, quietly. Its kernel has
 * forgotten everything, and so do we. */
static void mount_again(struct cfs_cache *cache)
{
    struct cfs_cache_inode *inode, *next;

    cache->again_at = 0;
    if (!cfs_mountpoint_is_coordfs(cache->fs->mountpoint))
        return;         /* it was detached, and lives as long as somebody has it open */
    if (cache->calls) { /* they belong to it */
        cache->again_at = cfs_fs_now() + AGAIN;
        cfs_cache_wake_at(cache, cache->again_at);
        return;
    }
    cfs_notifier_end(cache->notifier);
    take_jobs(cache);
    cfs_notifier_free(cache->notifier);
    cache->notifier = NULL;
    fuse_session_unmount(cache->session); /* which sees that it is, and closes what is left */
    fuse_session_destroy(cache->session);
    HASH_ITER (hh, cache->inodes, inode, next)
        cfs_cache_forget(cache, inode->ino, UINT64_MAX);
    if (!begin_to_mount(cache))
        cfs_log(CFS_LOG_ERROR, "%s stays unmounted", cache->mountpoint);
}

void cfs_cache_unmount(struct cfs_cache *cache)
{
    cache->closing = true;
    if (cache->watched)
        cfs_engine_unwatch(cache->engine, cache->watch_fd);
    cache->watched = false;
    if (cache->mounting) /* the mount proper is gone: it has ended, or will at once */
        pthread_join(cache->mounter, NULL);
    cache->mounting = false;
    if (!cache->session)
        return;
    cache->gone = true;
    fuse_session_exit(cache->session);
    fuse_session_unmount(cache->session);
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

void cfs_cache_close(struct cfs_cache *cache)
{
    struct cfs_cache_recalling *recalling;
    struct cfs_cache_inode *inode, *next;

    cache->closing = true;
    cfs_cache_told_close(cache);
    cfs_notifier_free(cache->notifier);
    cache->notifier = NULL;
    while ((recalling = cache->recallings)) {
        cache->recallings = recalling->next;
        free(recalling);
    }
    while (cache->calls) {
        cache->calls->req = NULL;
        cfs_cache_call_close(cache->calls);
    }
    HASH_ITER (hh, cache->inodes, inode, next)
        cfs_cache_inode_free(cache, inode);
    if (cache->session)
        fuse_session_destroy(cache->session);
    free(cache->buffer.mem);
    close_descriptor(cache->watch_fd);
    close_descriptor(cache->done_fd);
    close_descriptor(cache->timer_fd);
    free(cache->mountpoint);
    free(cache);
}
