/* The data directory. Two daemons on one log would vote twice in one term; so it is locked while it
 * is open.
 *
 * A new directory gets its first segment, then its identity: an identity without segments is a log
 * that somebody removed, segments without an identity are a log whose identity somebody removed. */
#include "io/wal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"

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

/* Whether there is at most the blank first segment of a directory that a crash left half made. */
static bool is_new(const struct cfs_wal_dir *dir, uint64_t last)
{
    uint8_t *data;
    bool blank;

    if (last == 0)
        return true;
    data = cfs_alloc(CFS_WAL_SEGMENT_BYTES);
    blank = last == 1 && cfs_wal_segment_load(dir, 1, data) == 0 && data[0] == 0 &&
            memcmp(data, data + 1, CFS_WAL_SEGMENT_BYTES - 1) == 0;
    free(data);
    return blank;
}

static int make_log(struct cfs_wal_dir *dir, cfs_node_id node, uint64_t last,
                    const struct cfs_wal_origin *origin)
{
    int fd = last > 0 ? 0 : cfs_wal_segment_make(dir, 1);

    if (fd < 0) {
        errno = -fd;
        return refuse(dir, "the first segment");
    }
    if (last == 0)
        close(fd);
    fd = origin->restored ? 0 : cfs_wal_amnesia_worsen(dir, CFS_BLANK);
    if (fd < 0) {
        errno = -fd;
        return refuse(dir, "amnesia");
    }
    return cfs_wal_identity_write(dir, node, origin);
}

static int check_mark(const struct cfs_wal_dir *dir, struct cfs_wal_begin begin)
{
    if (begin.mark == 0 || begin.mark == dir->mark)
        return 0;
    cfs_log(CFS_LOG_ERROR,
            "the checkpoint in %s is of another log than its wal- files. " CFS_WAL_ADVICE,
            dir->path, dir->path);
    return -1;
}

static int open_log(struct cfs_wal_dir *dir, cfs_node_id node, struct cfs_wal_begin begin,
                    struct cfs_wal_origin *origin)
{
    uint64_t last;
    int known = cfs_wal_identity_read(dir, node, origin);

    if (known < 0 || (known && check_mark(dir, begin) != 0) ||
        cfs_wal_segment_last(dir, begin.segment, &last) != 0)
        return -1;
    if (!known && begin.segment == 1 && begin.mark == 0 && is_new(dir, last))
        return make_log(dir, node, last, origin);
    if (known && last > 0)
        return cfs_wal_segment_remove_before(dir, begin.segment);
    cfs_log(CFS_LOG_ERROR,
            "%s has %s: a part of the log was removed, so the node cannot start. " CFS_WAL_ADVICE,
            dir->path,
            known      ? "an identity but no wal- files"
            : last > 0 ? "wal- files but no identity"
                       : "a checkpoint but no log",
            dir->path);
    return -1;
}

int cfs_wal_dir_open(struct cfs_wal_dir *dir, const char *path, cfs_node_id node,
                     struct cfs_wal_begin begin, struct cfs_wal_origin *origin)
{
    size_t size = strlen(path) + 1;

    *dir = (struct cfs_wal_dir){.path = cfs_alloc(size), .fd = -1, .lock_fd = -1};
    memcpy(dir->path, path, size);
    if (open_dir(dir) != 0 || lock_dir(dir) != 0 || open_log(dir, node, begin, origin) != 0)
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
