/* The session with the kernel.
 *
 * /dev/fuse is read by the engine's thread, some requests a turn, and never in the middle of
 * another request. What the engine watches is an epoll descriptor with two things in it: /dev/fuse,
 * and a timer for interrupted requests whose grace runs out (pending.h). */
#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "fs/clock.h"
#include "fs/memory.h"
#include "fs/mountpoint.h"
#include "fs/ops.h"
#include "fs/proc.h"
#include "fs/tree_fixed.h"

/* Requests read in one turn: the engine's other work must not wait for long. */
#define TURN_MAX 16
/* Requests read in one go when somebody asks whether closes are under way. */
#define DRAIN_MAX 4096

/* --- reading ----------------------------------------------------------------------------- */

static void gone(struct cfs_fs *fs)
{
    if (fs->gone)
        return;
    cfs_log(CFS_LOG_INFO, "%s is unmounted", fs->mountpoint);
    fs->gone = true;
    cfs_engine_unwatch(fs->engine, fs->watch_fd);
    cfs_engine_stop(fs->engine);
}

static void set_timer(struct cfs_fs *fs, cfs_time at)
{
    struct itimerspec value = {0};

    if (at == fs->timer_at)
        return;
    fs->timer_at = at;
    if (at != CFS_NEVER)
        value.it_value = (struct timespec){.tv_sec = (time_t)(at / 1000000),
                                           .tv_nsec = (long)(at % 1000000) * 1000};
    timerfd_settime(fs->timer_fd, TFD_TIMER_ABSTIME, &value, NULL);
}

/* Outside of libfuse: the engine may answer at once what is given up. */
static void cancel_due(struct cfs_fs *fs)
{
    uint64_t expirations;

    if (!fs->pendings.due && fs->timer_at == CFS_NEVER)
        return;
    set_timer(fs, cfs_pendings_cancel_due(fs, cfs_fs_now()));
    if (read(fs->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        cfs_log(CFS_LOG_WARNING, "reading a timer: %s", strerror(errno));
}

/* A mount without cache/ would be a trap for programs that keep values there: it ends. */
static void cache_ready(struct cfs_fs *fs, bool served)
{
    if (!served)
        cfs_engine_stop(fs->engine);
    else if (fs->events.ready)
        fs->events.ready(fs->events.arg);
}

static void open_cache(struct cfs_fs *fs)
{
    if (!fs->whole) {
        fs->cache = cfs_cache_open(fs, cache_ready);
        if (!fs->cache)
            cfs_engine_stop(fs->engine);
        return;
    }
    fs->cache = cfs_cache_open_within(fs);
    cfs_log(CFS_LOG_WARNING, "cache/ is no mount of its own, because this one is closed to others: "
                             "each open of a file in it asks the daemon, which the mount option "
                             "allow_other would spare");
    cache_ready(fs, fs->cache);
}

/* Processes one request; false when the kernel has none. */
static bool process_one(struct cfs_fs *fs)
{
    int result;

    if (fs->gone)
        return false;
    do
        result = fuse_session_receive_buf(fs->session, &fs->buffer);
    while (result == -EINTR);
    if (result == -EAGAIN)
        return false;
    if (result > 0) {
        fs->processing = true;
        fuse_session_process_buf(fs->session, &fs->buffer);
        fs->processing = false;
        cancel_due(fs);
    }
    if (result <= 0 || fuse_session_exited(fs->session)) {
        gone(fs);
        return false;
    }
    if (!fs->ready) { /* that was INIT, the first there is */
        fs->ready = true;
        open_cache(fs);
    }
    return true;
}

/* Processes up to `max` requests; true when there may be more. */
static bool process(struct cfs_fs *fs, int max)
{
    for (int i = 0; i < max; i++)
        if (!process_one(fs))
            return false;
    return true;
}

static bool readable(void *arg)
{
    struct cfs_fs *fs = arg;

    cancel_due(fs);
    return process(fs, TURN_MAX);
}

/* --- what the engine asks ---------------------------------------------------------------- */

static void session_lost(void *arg)
{
    struct cfs_fs *fs = arg;

    cfs_handles_lose(&fs->handles);
    if (fs->events.session)
        fs->events.session(fs->events.arg, false);
}

static void session_opened(void *arg)
{
    struct cfs_fs *fs = arg;

    if (fs->events.session)
        fs->events.session(fs->events.arg, true);
}

/* A close is in /dev/fuse when close(2) returns, so reading that to the end finds all there were
 * when this was first called. Later ones are not waited for, or a busy node would never be done. */
static bool drained(void *arg)
{
    struct cfs_fs *fs = arg;

    if (fs->processing)
        return false; /* asked from within a request: its buffer is in use */
    if (!fs->drain.asked) {
        fs->drain.asked = true;
        fs->drain.read = false;
    }
    if (!fs->drain.read) {
        if (process(fs, DRAIN_MAX))
            return false;
        fs->drain.read = true;
        fs->drain.last = fs->handles.last_release;
    }
    if (cfs_handles_releasing(&fs->handles, fs->drain.last))
        return false;
    fs->drain.asked = false;
    return true;
}

static uint32_t stuck_handles(void *arg, const struct cfs_stuck_handle **out)
{
    struct cfs_fs *fs = arg;

    if (!fs->pendings.by_tid || !fs->waits.held)
        return 0;
    return cfs_waits_stuck(&fs->waits, out);
}

static void cache_recall(void *arg, const struct cfs_cache_recall *recall)
{
    struct cfs_fs *fs = arg;

    if (fs->cache)
        cfs_cache_recall(fs->cache, recall);
    else
        cfs_engine_cache_recalled(fs->engine, recall->id);
}

static void cache_lapse(void *arg, cfs_group_id group, uint64_t epoch)
{
    struct cfs_fs *fs = arg;

    if (fs->cache)
        cfs_cache_lapse(fs->cache, group, epoch);
    else
        cfs_engine_cache_lapsed(fs->engine, group, epoch);
}

static uint64_t parked(void *arg, uint32_t tid)
{
    const struct cfs_fs *fs = arg;

    return cfs_pendings_parked(&fs->pendings, tid);
}

/* --- making a mount ---------------------------------------------------------------------- */

static int open_descriptors(struct cfs_fs *fs)
{
    fs->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    fs->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    fs->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fs->proc_fd < 0 || fs->watch_fd < 0 || fs->timer_fd < 0) {
        cfs_log(CFS_LOG_ERROR, "cannot mount: %s", strerror(errno));
        return -1;
    }
    return 0;
}

static int new_session(struct cfs_fs *fs, const char *options)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    char *all =
        cfs_fs_format("subtype=coordfs,default_permissions%s%s%s",
                      fs->config->allow_other ? ",allow_other" : "", *options ? "," : "", options);

    if (fuse_opt_add_arg(&args, "coordfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, all) == 0)
        fs->session = fuse_session_new(&args, fs->whole ? &cfs_whole_ops : &cfs_fuse_ops,
                                       sizeof cfs_fuse_ops, fs);
    fuse_opt_free_args(&args);
    free(all);
    if (!fs->session || fuse_session_mount(fs->session, fs->mountpoint) != 0) {
        cfs_log(CFS_LOG_ERROR, "cannot mount on %s; libfuse has said why on stderr",
                fs->mountpoint);
        return -1;
    }
    return 0;
}

static int watch(struct cfs_fs *fs)
{
    int fd = fuse_session_fd(fs->session);
    int flags = fcntl(fd, F_GETFL);
    struct epoll_event event = {.events = EPOLLIN};
    int error = 0;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        epoll_ctl(fs->watch_fd, EPOLL_CTL_ADD, fd, &event) < 0 ||
        epoll_ctl(fs->watch_fd, EPOLL_CTL_ADD, fs->timer_fd, &event) < 0)
        error = -errno;
    if (!error)
        error = cfs_engine_watch(fs->engine, fs->watch_fd, readable, fs);
    if (error)
        cfs_log(CFS_LOG_ERROR, "cannot serve %s: %s", fs->mountpoint, strerror(-error));
    return error ? -1 : 0;
}

/* How descriptors of this mount are recognised in /proc, also under other names. */
static void know_mount(struct cfs_fs *fs)
{
    struct cfs_mount_line mount;

    cfs_waits_init(&fs->waits, fs->proc_fd, parked, fs);
    fs->waits.shared = fs->config->allow_other;
    if (!cfs_proc_find_mount(fs->proc_fd, 0, 0, fs->mountpoint, &mount))
        return;
    fs->waits.mount_id = mount.id;
    fs->waits.device = mount.device;
}

static void cache_counts(void *arg, struct cfs_cache_counts *counts)
{
    const struct cfs_fs *fs = arg;

    if (fs->cache)
        cfs_cache_count(fs->cache, counts);
}

int cfs_fs_mount(struct cfs_fs **out, struct cfs_engine *engine, const struct cfs_config *config,
                 const char *mountpoint, const char *options, const struct cfs_fs_events *events)
{
    struct cfs_fs *fs = cfs_fs_alloc(sizeof *fs);
    struct cfs_files files = {.arg = fs,
                              .session_lost = session_lost,
                              .session_opened = session_opened,
                              .drained = drained,
                              .stuck_handles = stuck_handles,
                              .cache_recall = cache_recall,
                              .cache_lapse = cache_lapse,
                              .cache_counts = cache_counts};

    fs->engine = engine;
    fs->config = config;
    fs->events = *events;
    fs->mountpoint = cfs_fs_strdup(mountpoint);
    fs->options = cfs_fs_strdup(options);
    fs->whole = geteuid() != 0 && !config->allow_other;
    fs->timer_at = CFS_NEVER;
    fs->proc_fd = fs->watch_fd = fs->timer_fd = -1;
    cfs_nodes_init(&fs->nodes);
    cfs_fixed_add(fs);
    if (open_descriptors(fs) != 0 || new_session(fs, options) != 0 || watch(fs) != 0) {
        cfs_fs_unmount(fs);
        cfs_fs_free(fs);
        return -1;
    }
    know_mount(fs);
    cfs_engine_set_files(engine, &files);
    *out = fs;
    return 0;
}

/* libfuse leaves a mount alone whose connection was cut: it would say "not connected" for ever. */
static void remove_dead_mount(const struct cfs_fs *fs)
{
    if (cfs_mountpoint_is_coordfs(fs->mountpoint) && cfs_mountpoint_is_dead(fs->mountpoint))
        umount2(fs->mountpoint, MNT_DETACH);
}

void cfs_fs_unmount(struct cfs_fs *fs)
{
    if (!fs->session)
        return;
    if (!fs->gone)
        cfs_engine_unwatch(fs->engine, fs->watch_fd);
    fs->gone = true;
    if (fs->cache && !fs->cache->mounting)
        cfs_cache_unmount(fs->cache);
    fuse_session_exit(fs->session); /* answers that come still go nowhere, quietly */
    fuse_session_unmount(fs->session);
    if (fs->cache && fs->cache->mounting)
        cfs_cache_unmount(fs->cache); /* whose thread waits for answers of this one */
    remove_dead_mount(fs);
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

void cfs_fs_free(struct cfs_fs *fs)
{
    if (fs->cache)
        cfs_cache_close(fs->cache);
    cfs_pendings_free(fs);
    cfs_handles_free(&fs->handles);
    cfs_nodes_close(&fs->nodes);
    cfs_waits_close(&fs->waits);
    if (fs->session)
        fuse_session_destroy(fs->session);
    free(fs->buffer.mem);
    close_descriptor(fs->watch_fd);
    close_descriptor(fs->timer_fd);
    close_descriptor(fs->proc_fd);
    free(fs->mountpoint);
    free(fs->options);
    free(fs);
}
