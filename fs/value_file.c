/* A value is written beside the one that it replaces, and renamed: that is atomic at any size, and
 * so whoever reads sees one or the other. */
#include "fs/value_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/beside.h"
#include "fs/memory.h"
#include "fs/mountpoint.h"

enum { COPY_BYTES = 1 << 17 };

/* ---- the directory ---- */

/* Makes the directory `path`, and those above it that are not there, but none outside of a cache/.
 * Opens it; -1 and errno, EXDEV for what is outside. */
static int make_directory(const char *path)
{
    char *copy = cfs_fs_strdup(path), *copy_too = cfs_fs_strdup(path);
    char *parent = dirname(copy), *name = basename(copy_too);
    int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1, number;

    if (above < 0 && errno == ENOENT)
        above = make_directory(parent);
    if (above >= 0 && !cfs_mountpoint_is_cache(above))
        errno = EXDEV;
    else if (above >= 0 && (mkdirat(above, name, 0777) == 0 || errno == EEXIST))
        dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    number = errno;
    if (above >= 0)
        close(above);
    free(copy);
    free(copy_too);
    errno = number;
    return dir;
}

static int refuse_place(const struct cfs_value_command *command)
{
    return cfs_value_fail(command, "that is in no mount's cache/: say DIR/cache/KEY, or a KEY with "
                                   "-o config=FILE or --url URL --secret-file FILE");
}

/* The directory of the key; -1 after a message. */
static int open_directory(const struct cfs_value_command *command)
{
    char *copy = cfs_fs_strdup(command->key);
    const char *path = dirname(copy);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool missing = dir < 0 && errno == ENOENT;

    if (missing && command->parents)
        dir = make_directory(path);
    if (dir >= 0 && !cfs_mountpoint_is_cache(dir)) {
        close(dir);
        dir = -1;
        errno = EXDEV;
    }
    if (dir < 0 && errno == EXDEV)
        refuse_place(command);
    else if (dir < 0 && missing && command->verb == CFS_VALUE_PUT && !command->parents)
        cfs_value_fail(command, "there is no directory %s; -p makes it", path);
    else if (dir < 0)
        cfs_value_fail(command, "%s: %m", path);
    free(copy);
    return dir;
}

/* ---- put ---- */

/* What is there already: 0 with `old`, whose mode is 0 when nothing is; else the exit status. */
static int look(const struct cfs_value_command *command, int dir, const char *name,
                struct stat *old)
{
    *old = (struct stat){0};
    if (fstatat(dir, name, old, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : cfs_value_fail(command, "%m");
    if (command->if_absent) {
        cfs_value_fail(command, "there is a value already");
        return CFS_VALUE_NOT_SO;
    }
    if (S_ISLNK(old->st_mode))
        return cfs_value_fail(command, "that is a symbolic link: say what it leads to");
    if (!S_ISREG(old->st_mode))
        return cfs_value_fail(command, "that is a directory: say a name in it");
    return 0;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t written = write(fd, data, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        len -= (size_t)written;
    }
    return true;
}

/* Mode and owner are those of the old value, as far as the caller may say so. */
static bool be_like(int fd, const struct stat *old)
{
    if (!old->st_mode)
        return true;
    if (fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(fd, old->st_mode & 07777) == 0;
}

static int say_unwritten(const struct cfs_value_command *command)
{
    if (errno == EFBIG)
        return cfs_value_fail(command, "the value is larger than the node's max_value allows: "
                                       "nothing was changed");
    if (errno == EEXIST && command->if_absent) {
        cfs_value_fail(command, "there is a value already");
        return CFS_VALUE_NOT_SO;
    }
    return cfs_value_fail(command, "%m: nothing was changed%s",
                          errno == ETIMEDOUT ? " that is known of; look at it" : "");
}

/* Under `beside`, then renamed. 0, or -1 and errno. */
static int replace(const struct cfs_value_command *command, int dir, const char *beside,
                   const char *name, const struct stat *old, const uint8_t *data, size_t len)
{
    int fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), number;
    bool done;

    if (fd < 0)
        return -1;
    done = write_all(fd, data, len) && be_like(fd, old);
    number = errno;
    if (close(fd) != 0 && done) {
        number = errno;
        done = false;
    }
    errno = number;
    if (done && renameat2(dir, beside, dir, name, command->if_absent ? RENAME_NOREPLACE : 0) == 0)
        return 0;
    number = errno;
    unlinkat(dir, beside, 0);
    errno = number;
    return -1;
}

static int put_in(const struct cfs_value_command *command, int dir, const char *name)
{
    char beside[CFS_NAME_MAX + 1];
    uint8_t *data = NULL;
    struct stat old;
    size_t len;
    int result = look(command, dir, name, &old);

    if (result == 0)
        result = cfs_value_read_input(command, &data, &len);
    if (result == 0 && cfs_name_beside(beside, name) != 0)
        result = cfs_value_fail(command, "%m");
    if (result == 0 && replace(command, dir, beside, name, &old, data, len) != 0)
        result = say_unwritten(command);
    free(data);
    return result;
}

/* ---- get ---- */

static int copy_out(const struct cfs_value_command *command, int fd)
{
    uint8_t *bytes = cfs_fs_alloc(COPY_BYTES);
    ssize_t got;
    int result = 0;

    while ((got = read(fd, bytes, COPY_BYTES)) != 0 && result == 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            result = cfs_value_fail(command, "%m");
        else if (!write_all(STDOUT_FILENO, bytes, (size_t)got))
            result = cfs_value_fail(command, "cannot write: %m");
    }
    free(bytes);
    return result;
}

static int get_from(const struct cfs_value_command *command, int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), result;

    if (fd < 0 && errno == ENOENT) {
        cfs_value_fail(command, "there is no such value");
        return CFS_VALUE_NOT_SO;
    }
    if (fd < 0)
        return cfs_value_fail(command, "%m");
    result = copy_out(command, fd);
    close(fd);
    return result;
}

int cfs_value_file_run(const struct cfs_value_command *command)
{
    int dir = open_directory(command), result;
    char *copy;

    if (dir < 0)
        return 1;
    copy = cfs_fs_strdup(command->key);
    result = command->verb == CFS_VALUE_PUT ? put_in(command, dir, basename(copy))
                                            : get_from(command, dir, basename(copy));
    free(copy);
    close(dir);
    return result;
}
