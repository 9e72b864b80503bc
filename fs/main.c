/* coordfs: the command, and the life of a node.
 *
 *     command line -> engine: recover, listen -> mount -> run -> unmount -> leave -> close
 *
 * Without -f a child does all of it, and its parent returns once the mount answers; not once the
 * cluster does, for its first node finds no majority. Engine and files share one thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "coordfs/config.h"
#include "coordfs/engine.h"
#include "coordfs/log.h"
#include "fs/descriptors.h"
#include "fs/fs.h"
#include "fs/guard.h"
#include "fs/mountpoint.h"
#include "fs/options.h"
#include "fs/value_file.h"

/* How long a clean stop may take to give back what the node holds. */
#define LEAVE_MS 2000

/* What the mount's events are about. */
struct life {
    const struct cfs_options *options;
    int parent;   /* pipe to who waits for the mount; -1: nobody */
    bool ready;   /* the mount answers */
    bool serving; /* the cluster does */
};

/* For the signal handler, which has no other way to it. */
static struct cfs_engine *volatile running;

static void on_signal(int number)
{
    (void)number;
    if (running)
        cfs_engine_stop(running);
}

static void install_signals(struct cfs_engine *engine)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    running = engine;
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGHUP, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static void on_ready(void *arg)
{
    struct life *life = arg;

    life->ready = true;
    sd_notifyf(0, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)getpid(),
               life->serving ? "serving" : "mounted, looking for the cluster");
    if (life->parent < 0)
        return;
    cfs_log_open(life->options->config.log_level, true);
    cfs_leave_terminal();
    if (write(life->parent, "", 1) != 1)
        cfs_log(CFS_LOG_WARNING, "who started the mount did not wait for it");
    close(life->parent);
    life->parent = -1;
}

static void on_session(void *arg, bool opened)
{
    struct life *life = arg;

    life->serving = opened;
    sd_notify(0, opened ? "STATUS=serving" : "STATUS=cut off from the cluster");
}

/* Everything from the recovery of the log to a clean end. */
static int serve(const struct cfs_options *options, const char *mountpoint, int parent)
{
    struct life life = {.options = options, .parent = parent};
    struct cfs_fs_events events = {.arg = &life, .ready = on_ready, .session = on_session};
    struct cfs_engine *engine = NULL;
    struct cfs_fs *fs = NULL;
    int result = -1;

    cfs_log_open(options->config.log_level, options->config.use_syslog);
    cfs_guard_start();
    if (cfs_engine_open(&engine, &options->config) != 0)
        goto cleanup;
    install_signals(engine);
    if (cfs_fs_mount(&fs, engine, &options->config, mountpoint, options->mount_options, &events) !=
        0)
        goto cleanup;
    if (chdir("/") != 0) /* paths are absolute by now */
        cfs_log(CFS_LOG_WARNING, "chdir /: %s", strerror(errno));
    result = cfs_engine_run(engine);
    sd_notify(0, "STOPPING=1\nSTATUS=giving back what it holds");
    cfs_fs_unmount(fs);
    cfs_guard_abort();
    if (result == 0 && cfs_engine_leave(engine, LEAVE_MS) != 0)
        cfs_log(CFS_LOG_WARNING, "no majority: what this node holds ends with its session");
    if (!life.ready)
        result = -1;

cleanup:
    install_signals(NULL);
    if (engine)
        cfs_engine_close(engine);
    if (fs)
        cfs_fs_free(fs);
    cfs_guard_end();
    return result;
}

/* Relative paths would mean something else once the daemon has left its directory. */
static int make_absolute(char *path, size_t size)
{
    char *given = NULL, *directory = NULL;
    int len, result = -1;

    if (!*path || *path == '/')
        return 0;
    given = strdup(path);
    directory = getcwd(NULL, 0);
    if (given && directory) {
        len = snprintf(path, size, "%s/%s", directory, given);
        result = len > 0 && (size_t)len < size ? 0 : -1;
    }
    free(given);
    free(directory);
    return result;
}

/* The parent of a daemon: 0 once the mount answers, 1 if the child ended before. */
static int await_child(int pipe_fd, pid_t child)
{
    char byte;
    ssize_t got;
    int status;

    do
        got = read(pipe_fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        return 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return 1;
}

static int serve_in_background(const struct cfs_options *options, const char *mountpoint)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        fprintf(stderr, "coordfs: cannot go into the background: %s\n", strerror(errno));
        return 1;
    }
    if (child) {
        close(ends[1]);
        return await_child(ends[0], child);
    }
    /* Nothing that its starter happened to have open: a lock, the pipe of a test. */
    cfs_close_all_but(ends[1], ends[1]);
    setsid();
    return serve(options, mountpoint, ends[1]) == 0 ? 0 : 1;
}

static int run_mount(struct cfs_options *options)
{
    char why[PATH_MAX + 256];
    char *mountpoint = cfs_mountpoint_resolve(options->directory, why, sizeof why);
    int result = 1;

    if (!mountpoint || cfs_mountpoint_prepare(mountpoint, why, sizeof why) != 0)
        fprintf(stderr, "coordfs: %s\n", why);
    else if (make_absolute(options->config.data, sizeof options->config.data) != 0 ||
             make_absolute(options->config.secret_file, sizeof options->config.secret_file) != 0)
        fprintf(stderr, "coordfs: the current directory has no usable name\n");
    else if (options->config.foreground)
        result = serve(options, mountpoint, -1) == 0 ? 0 : 1;
    else
        result = serve_in_background(options, mountpoint);
    free(mountpoint);
    return result;
}

static int run(struct cfs_options *options)
{
    switch (options->command) {
    case CFS_COMMAND_HELP:
        printf("%s%s%s", cfs_options_usage, cfs_config_help(), cfs_options_notes);
        return 0;
    case CFS_COMMAND_VERSION:
        puts("coordfs " CFS_VERSION);
        return 0;
    case CFS_COMMAND_UMOUNT:
        return cfs_umount(options->directory, options->lazy) == 0 ? 0 : 1;
    case CFS_COMMAND_MEMBER:
        return cfs_member_run(&options->member, &options->config);
    case CFS_COMMAND_QUEUE:
        return cfs_queue_run(&options->queue, &options->config);
    case CFS_COMMAND_VALUE:
        return options->value.in_mount ? cfs_value_file_run(&options->value)
                                       : cfs_value_run(&options->value, &options->config);
    case CFS_COMMAND_BACKUP:
        return cfs_backup_run(&options->backup, &options->config);
    case CFS_COMMAND_RESTORE:
        return cfs_restore_run(&options->restore, &options->config);
    case CFS_COMMAND_MOUNT:
        return run_mount(options);
    }
    return 1;
}

/* Whoever was started without stdin, stdout or stderr would get those numbers for files of its own,
 * write messages into them and put /dev/null in their place. */
static int fill_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    static struct cfs_options options; /* large for a stack */
    char why[PATH_MAX + 256] = "";
    int result = 1;

    if (fill_descriptors() != 0)
        return 1;
    if (cfs_options_parse(&options, argc, argv, why, sizeof why) == 0)
        result = run(&options);
    else
        fprintf(stderr, "coordfs: %s\n", why);
    cfs_options_close(&options);
    return result;
}
