/* One segment file. It is written full of zeros before it gets its name, so an append changes
 * neither size nor allocation, and fdatasync(2) has no metadata to write. A segment that has its
 * name is therefore whole; any other size was not our doing. */
#include "io/wal_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "core/alloc.h"

#define FILL_BYTES 262144u /* written at once: what a commit may have to wait behind */
static_assert(CFS_WAL_SEGMENT_BYTES % FILL_BYTES == 0, "a segment is filled in whole steps");

void cfs_wal_segment_name(char name[CFS_WAL_NAME_BYTES], uint64_t number)
{
    snprintf(name, CFS_WAL_NAME_BYTES, "wal-%016" PRIx64, number);
}

int cfs_wal_write_all(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t rv = pwrite(fd, data, len, (off_t)offset);

        if (rv < 0 && errno == EINTR)
            continue;
        if (rv <= 0)
            return rv < 0 ? -errno : -EIO;
        data += rv;
        len -= (size_t)rv;
        offset += (uint64_t)rv;
    }
    return 0;
}

/* Each step goes to the disk before the next: written back in bulk, 16 MiB held up commits for 9 ms
 * and more; this way for 0.6 ms. */
static int fill(int fd)
{
    uint8_t *zeros = cfs_alloc_zeroed(1, FILL_BYTES);
    uint64_t offset;
    int rv = 0;

    if (fallocate(fd, 0, 0, CFS_WAL_SEGMENT_BYTES) != 0 && errno != EOPNOTSUPP)
        rv = -errno;
    for (offset = 0; rv == 0 && offset < CFS_WAL_SEGMENT_BYTES; offset += FILL_BYTES) {
        rv = cfs_wal_write_all(fd, zeros, FILL_BYTES, offset);
        if (rv == 0)
            sync_file_range(fd, (off_t)offset, FILL_BYTES,
                            SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    }
    if (rv == 0 && fsync(fd) != 0)
        rv = -errno;
    free(zeros);
    return rv;
}

int cfs_wal_segment_make(const struct cfs_wal_dir *dir, uint64_t number)
{
    char name[CFS_WAL_NAME_BYTES], half_made[CFS_WAL_NAME_BYTES + 4];
    int fd, rv;

    cfs_wal_segment_name(name, number);
    snprintf(half_made, sizeof(half_made), "%s.new", name);
    fd = openat(dir->fd, half_made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    rv = fill(fd);
    if (rv == 0 && renameat(dir->fd, half_made, dir->fd, name) != 0)
        rv = -errno;
    if (rv == 0 && fsync(dir->fd) != 0)
        rv = -errno;
    if (rv == 0)
        return fd;
    close(fd);
    unlinkat(dir->fd, half_made, 0); /* a disk that is full has better use for it */
    return rv;
}

int cfs_wal_segment_open(const struct cfs_wal_dir *dir, uint64_t number)
{
    char name[CFS_WAL_NAME_BYTES];
    struct stat st;
    int fd, rv = 0;

    cfs_wal_segment_name(name, number);
    fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        rv = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_size != CFS_WAL_SEGMENT_BYTES)
        rv = -EBADMSG;
    if (rv == 0)
        return fd;
    close(fd);
    return rv;
}

int cfs_wal_segment_load(const struct cfs_wal_dir *dir, uint64_t number, uint8_t *data)
{
    int fd = cfs_wal_segment_open(dir, number);
    size_t len = 0;
    ssize_t rv = 1;

    if (fd < 0)
        return fd;
    while (len < CFS_WAL_SEGMENT_BYTES && rv > 0) {
        rv = pread(fd, data + len, CFS_WAL_SEGMENT_BYTES - len, (off_t)len);
        if (rv < 0 && errno == EINTR)
            rv = 1;
        else if (rv > 0)
            len += (size_t)rv;
    }
    rv = rv < 0 ? -errno : len < CFS_WAL_SEGMENT_BYTES ? -EBADMSG : 0;
    close(fd);
    return (int)rv;
}

/* The number in the name of a segment; 0 if it is none. */
static uint64_t number_of(const char *name)
{
    char again[CFS_WAL_NAME_BYTES];
    uint64_t number;

    if (strncmp(name, "wal-", 4) != 0)
        return 0;
    number = strtoull(name + 4, NULL, 16);
    cfs_wal_segment_name(again, number);
    return strcmp(name, again) == 0 ? number : 0;
}

static bool is_half_made(const char *name)
{
    size_t len = strlen(name);

    return strncmp(name, "wal-", 4) == 0 && len > 4 && strcmp(name + len - 4, ".new") == 0;
}

int cfs_wal_segment_remove(const struct cfs_wal_dir *dir, uint64_t number)
{
    char name[CFS_WAL_NAME_BYTES];

    cfs_wal_segment_name(name, number);
    return unlinkat(dir->fd, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

struct scan {
    uint64_t first; /* asked about */
    uint64_t count; /* from `first` on */
    uint64_t last;  /* the highest of all */
};

static int each_name(const struct cfs_wal_dir *dir, struct scan *scan,
                     void (*visit)(const struct cfs_wal_dir *dir, const char *name,
                                   struct scan *scan))
{
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!list) {
        cfs_log(CFS_LOG_ERROR, "cannot list %s: %m", dir->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while ((entry = readdir(list)))
        visit(dir, entry->d_name, scan);
    closedir(list);
    return 0;
}

static void count_one(const struct cfs_wal_dir *dir, const char *name, struct scan *scan)
{
    uint64_t number = number_of(name);

    if (is_half_made(name))
        unlinkat(dir->fd, name, 0);
    scan->count += number >= scan->first;
    scan->last = number > scan->last ? number : scan->last;
}

int cfs_wal_segment_last(const struct cfs_wal_dir *dir, uint64_t first, uint64_t *last)
{
    struct scan scan = {.first = first};
    char name[CFS_WAL_NAME_BYTES];
    uint64_t number = first;

    if (each_name(dir, &scan, count_one) != 0)
        return -1;
    *last = scan.last;
    if (scan.last == 0 || (scan.last >= first && scan.count == scan.last - first + 1))
        return 0;
    do
        cfs_wal_segment_name(name, number++);
    while (faccessat(dir->fd, name, F_OK, 0) == 0);
    cfs_log(CFS_LOG_ERROR,
            "%s/%s is missing and %s segments are there, so the log has a hole. " CFS_WAL_ADVICE,
            dir->path, name, scan.last >= number ? "later" : "earlier", dir->path);
    return -1;
}

static void remove_one(const struct cfs_wal_dir *dir, const char *name, struct scan *scan)
{
    uint64_t number = number_of(name);
    int rv;

    if (number == 0 || number >= scan->first)
        return;
    rv = cfs_wal_segment_remove(dir, number);
    if (rv == 0)
        return;
    cfs_log(CFS_LOG_WARNING, "cannot remove the old segment %s/%s: %s", dir->path, name,
            strerror(-rv));
}

int cfs_wal_segment_remove_before(const struct cfs_wal_dir *dir, uint64_t first)
{
    struct scan scan = {.first = first};

    return each_name(dir, &scan, remove_one);
}
