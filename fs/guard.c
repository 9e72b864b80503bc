/* The connections are directories of a file system of the kernel's, fusectl, each with a file
 * `abort`. It need not be mounted anywhere: who may mount opens it by itself. */
#include "fs/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "fs/descriptors.h"

/* As in fs/fuse/control.c of the kernel; no header has it. */
#define FUSE_CTL_SUPER_MAGIC 0x65735543

/* Where others mount it, and who is not root finds the connections of his own. */
#define CONNECTIONS "/sys/fs/fuse/connections"
#define GUARD_NAME "cfs-guard"
/* In place of a device: abort now. */
#define ABORT UINT64_MAX

static struct {
    int socket; /* a datagram names the connection to watch; closed at a clean end */
    pid_t child;
    int error; /* why there is none */
} guard = {.socket = -1, .error = ECHILD};

/* -1 and errno. */
static int open_connections(void)
{
    int context = fsopen("fusectl", FSOPEN_CLOEXEC), fd = -1;
    struct statfs attr;

    if (context >= 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(context, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (context >= 0)
        close(context);
    if (fd < 0)
        fd = open(CONNECTIONS, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && (fstatfs(fd, &attr) != 0 || attr.f_type != FUSE_CTL_SUPER_MAGIC)) {
        close(fd);
        fd = -1;
        errno = ENODEV; /* nothing is mounted there */
    }
    return fd;
}

/* The file is that of this connection, also if another gets its number later. */
static int open_abort(int connections, uint64_t device)
{
    char name[64];

    snprintf(name, sizeof name, "%u/abort", minor(device));
    return device ? openat(connections, name, O_WRONLY | O_CLOEXEC) : -1;
}

/* ---- the process -------------------------------------------------------------------------- */

static volatile sig_atomic_t abort_fd = -1;

static bool abort_connection(void)
{
    return abort_fd < 0 || write((int)abort_fd, "1", 1) == 1;
}

static void on_death(int number)
{
    (void)number;
    _exit(abort_connection() ? 0 : 1);
}

/* Whoever kills daemons by their name or command line does not mean the guard, which is needed just
 * then: it has neither. The arguments lie behind one another, the first one at the beginning. */
static void rename_process(void)
{
    char arguments[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = 0, got;

    prctl(PR_SET_NAME, GUARD_NAME);
    while (fd >= 0 && (got = read(fd, arguments, sizeof arguments)) > 0)
        len += got;
    if (fd >= 0)
        close(fd);
    if (len <= (ssize_t)sizeof GUARD_NAME)
        return;
    memset(program_invocation_name, 0, (size_t)len);
    memcpy(program_invocation_name, GUARD_NAME, sizeof GUARD_NAME);
}

/* The socket is no sign of the daemon's death, for a thread that does not end keeps it open. */
static _Noreturn void watch(int connections, int socket, pid_t daemon)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    uint64_t device;
    int fd;

    rename_process();
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGUSR1, on_death);
    cfs_leave_terminal(); /* nothing of the daemon's is kept open: no lock, no address */
    cfs_close_all_but(connections, socket);
    if (chdir("/") != 0 || prctl(PR_SET_PDEATHSIG, SIGUSR1) != 0 || getppid() != daemon)
        _exit(1);
    while (recv(socket, &device, sizeof device, 0) == sizeof device) {
        if (device == ABORT) {
            abort_connection();
            continue;
        }
        fd = (int)abort_fd;
        abort_fd = open_abort(connections, device);
        if (fd >= 0)
            close(fd);
    }
    _exit(0);
}

/* ---- the daemon --------------------------------------------------------------------------- */

/* False when there is none; then guard.error says why. */
static bool tell_guard(uint64_t device)
{
    if (guard.socket < 0)
        return false;
    if (send(guard.socket, &device, sizeof device, MSG_NOSIGNAL) == sizeof device)
        return true;
    guard.error = errno;
    return false;
}

/* Before a core is dumped the kernel waits for all threads, also for one that does not come. */
static void on_crash(int number)
{
    (void)number;
    tell_guard(ABORT);
}

/* Once: what has raised it does so again. Where somebody else has a handler, as sanitizers have, it
 * stays. */
static void watch_crashes(void)
{
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND}, old;

    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        if (sigaction(crashes[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(crashes[i], &action, NULL);
}

void cfs_guard_start(void)
{
    int connections = open_connections(), ends[2];
    pid_t self = getpid();

    guard.error = errno;
    if (connections < 0)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        guard.error = errno;
        close(connections);
        return;
    }
    guard.child = fork();
    guard.error = errno;
    if (guard.child == 0) {
        close(ends[0]);
        watch(connections, ends[1], self);
    }
    close(connections);
    close(ends[1]);
    if (guard.child < 0) {
        close(ends[0]);
        return;
    }
    guard.socket = ends[0];
    watch_crashes();
}

void cfs_guard_watch(uint64_t device)
{
    if (tell_guard(device))
        return;
    cfs_log(
        CFS_LOG_WARNING,
        "cannot watch over the connection (%s): if this daemon is killed, programs in cache/ may "
        "hang until it is aborted by hand: echo 1 > " CONNECTIONS "/N/abort",
        strerror(guard.error));
}

void cfs_guard_abort(void)
{
    tell_guard(ABORT);
}

void cfs_guard_end(void)
{
    if (guard.socket < 0)
        return;
    tell_guard(0);
    close(guard.socket);
    guard.socket = -1;
    while (waitpid(guard.child, NULL, 0) < 0 && errno == EINTR)
        continue;
}
