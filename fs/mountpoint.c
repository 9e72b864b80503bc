/* Mount points, and `coordfs umount`. */
#include "fs/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/memory.h"
#include "fs/proc.h"

#define TYPE "fuse.coordfs"

static int open_proc(void)
{
    return open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool find_mount(const char *path, struct cfs_mount_line *mount)
{
    int proc = open_proc();
    bool found = proc >= 0 && cfs_proc_find_mount(proc, 0, 0, path, mount);

    if (proc >= 0)
        close(proc);
    return found;
}

bool cfs_mountpoint_is_coordfs(const char *path)
{
    struct cfs_mount_line mount;

    return find_mount(path, &mount) && strcmp(mount.type, TYPE) == 0;
}

static bool is_below(const char *target, const char *path)
{
    size_t len = strlen(path);

    return strncmp(target, path, len) == 0 && (target[len] == '/' || target[len] == '\0');
}

/* False when it has none, or the buffer is too small. */
static bool read_link(int dir, const char *name, char *target, size_t size)
{
    ssize_t len = readlinkat(dir, name, target, size);

    if (len < 0 || (size_t)len == size)
        return false;
    target[len] = '\0';
    return true;
}

/* Whether the mount of that path is the one in another. */
static bool is_inner(const char *path)
{
    const char *name = strrchr(path, '/');
    char *outer;
    bool is;

    if (!name || strcmp(name, "/cache") != 0)
        return false;
    outer = cfs_fs_format("%.*s", (int)(name - path), path);
    is = cfs_mountpoint_is_coordfs(outer);
    free(outer);
    return is;
}

/* It is a mount of its own, or a directory of the mount. */
bool cfs_mountpoint_is_cache(int fd)
{
    static const char name[] = "/cache";
    char link[64], target[PATH_MAX + 16];
    struct cfs_mount_line mount;
    struct statx attr;
    int proc = open_proc();
    size_t len;
    bool found = proc >= 0 &&
                 statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &attr) == 0 &&
                 cfs_proc_find_mount(proc, 0, attr.stx_mnt_id, NULL, &mount) &&
                 strcmp(mount.type, TYPE) == 0;

    snprintf(link, sizeof link, "self/fd/%d", fd);
    found = found && read_link(proc, link, target, sizeof target);
    if (proc >= 0)
        close(proc);
    if (!found)
        return false;
    len = strlen(mount.path);
    return is_inner(mount.path) ||
           (strncmp(target, mount.path, len) == 0 && is_below(target + len, name));
}

/* Resolves all but the last part, then that too unless a mount is in the way. */
char *cfs_mountpoint_resolve(const char *directory, char *why, size_t size)
{
    char *copy = cfs_fs_strdup(directory), *copy_too = cfs_fs_strdup(directory);
    const char *base = basename(copy_too);
    char *parent = realpath(dirname(copy), NULL);
    char *path = NULL;
    bool special = strcmp(base, ".") == 0 || strcmp(base, "..") == 0 || strcmp(base, "/") == 0;

    if (parent && !special) {
        path = cfs_fs_format("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, base);
        if (cfs_mountpoint_is_coordfs(path))
            goto cleanup;
        free(path);
    }
    path = realpath(directory, NULL);
    if (!path)
        snprintf(why, size, "there is no directory %s: %s", directory, strerror(errno));

cleanup:
    free(parent);
    free(copy);
    free(copy_too);
    return path;
}

/* --- unmounting -------------------------------------------------------------------------- */

/* Who is not root needs the set-uid helper. 0 or -errno; on stderr it says itself what is wrong. */
static int run_fusermount(const char *path, bool lazy)
{
    pid_t child = fork();
    int status = 0;

    if (child < 0)
        return -errno;
    if (child == 0) {
        execlp("fusermount3", "fusermount3", "-u", lazy ? "-z" : "--", path, (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOENT;
    return status == 0 ? 0 : -EBUSY;
}

static int unmount(const char *path, bool lazy)
{
    if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    return errno == EPERM ? run_fusermount(path, lazy) : -errno;
}

bool cfs_mountpoint_is_dead(const char *path)
{
    struct statvfs values;

    /* Not stat(2): the kernel remembers what that says about the root. */
    return statvfs(path, &values) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

int cfs_mountpoint_prepare(const char *path, char *why, size_t size)
{
    struct stat attr;
    int error;

    if (cfs_mountpoint_is_coordfs(path)) {
        if (!cfs_mountpoint_is_dead(path)) {
            snprintf(why, size, "%s is mounted already; coordfs umount %s ends that", path, path);
            return -1;
        }
        error = unmount(path, true);
        if (error) {
            snprintf(why, size, "%s has a dead mount, which cannot be removed: %s", path,
                     strerror(-error));
            return -1;
        }
    }
    if (stat(path, &attr) != 0 || !S_ISDIR(attr.st_mode)) {
        snprintf(why, size, "%s is no directory; make one with mkdir", path);
        return -1;
    }
    return 0;
}

/* --- who is in the way ------------------------------------------------------------------- */

struct search {
    const char *path;
    bool found; /* in the process looked at now */
};

static bool see_link(void *arg, uint32_t pid, uint32_t fd, const char *target)
{
    struct search *search = arg;

    (void)pid, (void)fd;
    search->found = is_below(target, search->path);
    return !search->found;
}

static bool link_is_below(int proc, uint32_t pid, const char *name, const char *path)
{
    char link[64], target[PATH_MAX + 16];

    snprintf(link, sizeof link, "%" PRIu32 "/%s", pid, name);
    return read_link(proc, link, target, sizeof target) && is_below(target, path);
}

static void print_holder(int proc, uint32_t pid)
{
    char command[256] = "";

    cfs_proc_read(proc, command, sizeof command, "%" PRIu32 "/comm", pid);
    command[strcspn(command, "\n")] = '\0';
    fprintf(stderr, "  %" PRIu32 "\t%s\n", pid, command);
}

/* Links are read and not followed: that would ask the mount. */
static void print_holders(const char *path)
{
    struct search search = {.path = path};
    struct cfs_pids pids = {0};
    int proc = open_proc();

    if (proc < 0)
        return;
    cfs_proc_list(proc, &pids);
    for (size_t i = 0; i < pids.count; i++) {
        search.found = false;
        cfs_proc_each_fd(proc, pids.items[i], see_link, &search);
        if (search.found || link_is_below(proc, pids.items[i], "cwd", path) ||
            link_is_below(proc, pids.items[i], "root", path))
            print_holder(proc, pids.items[i]);
    }
    cfs_pids_close(&pids);
    close(proc);
}

/* cache/ lies in the mount and goes first. When that was all that could be done the daemon mounts
 * it once more. */
static int unmount_both(const char *path, bool lazy)
{
    char *inner = cfs_fs_format("%s/cache", path);
    int error = 0;

    if (!lazy && cfs_mountpoint_is_coordfs(inner))
        error = unmount(inner, false);
    if (!error)
        error = unmount(path, lazy); /* a lazy one takes the other along */
    free(inner);
    return error;
}

int cfs_umount(const char *directory, bool lazy)
{
    char why[PATH_MAX + 256];
    char *path = cfs_mountpoint_resolve(directory, why, sizeof why);
    int error = -1;

    if (!path) {
        fprintf(stderr, "coordfs: %s\n", why);
        goto cleanup;
    }
    if (!cfs_mountpoint_is_coordfs(path)) {
        fprintf(stderr, "coordfs: no coordfs is mounted on %s\n", path);
        goto cleanup;
    }
    error = unmount_both(path, lazy);
    if (error == -EBUSY) {
        fprintf(stderr,
                "coordfs: %s is in use by these processes; end them, or detach it with "
                "coordfs umount -l:\n",
                path);
        print_holders(path);
    } else if (error) {
        fprintf(stderr, "coordfs: cannot unmount %s: %s\n", path, strerror(-error));
    }

cleanup:
    free(path);
    return error ? -1 : 0;
}
