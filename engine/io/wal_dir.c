/* Whose directory it is. Two daemons on one log, or a log under another node's id, would vote twice
 * in one term; so the directory is locked while it is open, and `identity` says whose it is.
 *
 * A new directory gets its first segment, then its identity: an identity without segments is a log
 * that somebody removed, segments without an identity are a log whose identity somebody removed. */
#include "io/wal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"

/* For printf and scanf alike. */
#define IDENTITY_FORM "# whose log this is; not to be edited or copied\nformat %" SCNu32 "\n"
#define IDENTITY_REST "node %" SCNu32 "\nmark %" SCNx64 "\n"
#define IDENTITY_BYTES 256

static int refuse(const struct cfs_wal_dir *dir, const char *what)
{
    cfs_log(CFS_LOG_ERROR, "cannot use the data directory %s: %s: %m", dir->path, what);
    return -1;
}

/* Best effort: without it a crash may lose the new, still empty directory, and no more. */
static void sync_parent(int fd)
{
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (parent >= 0) {
        fsync(parent);
        close(parent);
    }
}

static int open_dir(struct cfs_wal_dir *dir)
{
    bool made = mkdir(dir->path, 0700) == 0;

    if (!made && errno != EEXIST)
        return refuse(dir, "mkdir");
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0)
        return refuse(dir, "open");
    if (made)
        sync_parent(dir->fd);
    return 0;
}

/* The lock file holds the pid of who has it, for the message below. */
static int lock_dir(struct cfs_wal_dir *dir)
{
    char pid[24] = "?";

    dir->lock_fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0)
        return refuse(dir, "lock");
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return refuse(dir, "flock");
        if (pread(dir->lock_fd, pid, sizeof(pid) - 1, 0) > 0)
            pid[strcspn(pid, "\n")] = '\0';
        cfs_log(CFS_LOG_ERROR, "the data directory %s is in use by process %s", dir->path, pid);
        return -1;
    }
    if (ftruncate(dir->lock_fd, 0) != 0)
        return refuse(dir, "lock");
    snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (cfs_wal_write_all(dir->lock_fd, (const uint8_t *)pid, strlen(pid), 0) != 0)
        return refuse(dir, "lock");
    return 0;
}

/* 1 when it was read, 0 when there is none, -1 on an error. */
static int read_identity(struct cfs_wal_dir *dir, char text[IDENTITY_BYTES])
{
    int fd = openat(dir->fd, "identity", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return refuse(dir, "identity");
    len = pread(fd, text, IDENTITY_BYTES - 1, 0);
    if (len < 0)
        refuse(dir, "identity");
    else
        text[len] = '\0';
    close(fd);
    return len < 0 ? -1 : 1;
}

static int check_identity(struct cfs_wal_dir *dir, const char *text, cfs_node_id node)
{
    uint32_t format, owner;

    if (sscanf(text, IDENTITY_FORM, &format) != 1) {
        cfs_log(CFS_LOG_ERROR, "%s/identity is damaged. " CFS_WAL_ADVICE, dir->path, dir->path);
        return -1;
    }
    if (format != CFS_WAL_FORMAT) {
        cfs_log(CFS_LOG_ERROR, "%s holds a log of format %u; this coordfs knows format %u",
                dir->path, format, CFS_WAL_FORMAT);
        return -1;
    }
    if (sscanf(text, IDENTITY_FORM IDENTITY_REST, &format, &owner, &dir->mark) != 3 ||
        dir->mark == 0) {
        cfs_log(CFS_LOG_ERROR, "%s/identity is damaged. " CFS_WAL_ADVICE, dir->path, dir->path);
        return -1;
    }
    if (owner != node) {
        cfs_log(CFS_LOG_ERROR,
                "%s holds the log of node %u, and this is node %u: every node needs a directory of "
                "its own",
                dir->path, owner, node);
        return -1;
    }
    return 0;
}

static int write_identity(struct cfs_wal_dir *dir, cfs_node_id node)
{
    char text[IDENTITY_BYTES];
    int fd, rv = -1;

    while (dir->mark == 0)
        if (getrandom(&dir->mark, sizeof(dir->mark), 0) != sizeof(dir->mark))
            return refuse(dir, "getrandom");
    snprintf(text, sizeof(text), IDENTITY_FORM IDENTITY_REST, CFS_WAL_FORMAT, node, dir->mark);
    fd = openat(dir->fd, "identity.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && cfs_wal_write_all(fd, (const uint8_t *)text, strlen(text), 0) == 0 &&
        fsync(fd) == 0 && renameat(dir->fd, "identity.new", dir->fd, "identity") == 0 &&
        fsync(dir->fd) == 0)
        rv = 0;
    if (rv != 0)
        refuse(dir, "identity");
    if (fd >= 0)
        close(fd);
    return rv;
}

/* Whether there is at most the blank first segment of a directory that a crash left half made. */
static bool is_new(const struct cfs_wal_dir *dir, uint64_t segments)
{
    uint8_t *data;
    bool blank;

    if (segments == 0)
        return true;
    data = cfs_alloc(CFS_WAL_SEGMENT_BYTES);
    blank = segments == 1 && cfs_wal_segment_load(dir, 1, data) == 0 && data[0] == 0 &&
            memcmp(data, data + 1, CFS_WAL_SEGMENT_BYTES - 1) == 0;
    free(data);
    return blank;
}

static int make_log(struct cfs_wal_dir *dir, cfs_node_id node, uint64_t segments)
{
    int fd = segments > 0 ? 0 : cfs_wal_segment_make(dir, 1);

    if (fd < 0) {
        errno = -fd;
        return refuse(dir, "the first segment");
    }
    if (segments == 0)
        close(fd);
    return write_identity(dir, node);
}

static int open_log(struct cfs_wal_dir *dir, cfs_node_id node)
{
    char text[IDENTITY_BYTES];
    uint64_t segments;
    int known = read_identity(dir, text);

    if (known < 0 || (known && check_identity(dir, text, node) != 0) ||
        cfs_wal_segment_count(dir, &segments) != 0)
        return -1;
    if (!known && is_new(dir, segments))
        return make_log(dir, node, segments);
    if (known && segments > 0)
        return 0;
    cfs_log(CFS_LOG_ERROR,
            "%s has %s: a part of the log was removed, so the node cannot start. " CFS_WAL_ADVICE,
            dir->path, known ? "an identity but no wal- files" : "wal- files but no identity",
            dir->path);
    return -1;
}

int cfs_wal_dir_open(struct cfs_wal_dir *dir, const char *path, cfs_node_id node)
{
    size_t size = strlen(path) + 1;

    *dir = (struct cfs_wal_dir){.path = cfs_alloc(size), .fd = -1, .lock_fd = -1};
    memcpy(dir->path, path, size);
    if (open_dir(dir) != 0 || lock_dir(dir) != 0 || open_log(dir, node) != 0)
        return -1;
    /* The last start may have ended between a rename and its fsync. */
    return fsync(dir->fd) == 0 ? 0 : refuse(dir, "fsync");
}

void cfs_wal_dir_close(struct cfs_wal_dir *dir)
{
    if (dir->fd >= 0)
        close(dir->fd);
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    free(dir->path);
}
