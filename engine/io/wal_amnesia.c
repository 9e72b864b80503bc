/* What the log has lost. A log that was made anew may stand where another one was; one that was cut
 * may have had a whole batch there. Either way the node may have forgotten what it promised, and
 * that must not be forgotten too: a file says so until the node remembers again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "io/wal_internal.h"

static const char *const words[] = {[CFS_TORN] = "torn\n", [CFS_BLANK] = "blank\n"};

/* What cannot be read counts as the worst. */
enum cfs_amnesia cfs_wal_amnesia_read(const struct cfs_wal_dir *dir)
{
    char text[16] = "";
    int fd = openat(dir->fd, "amnesia", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len;

    if (fd < 0)
        return errno == ENOENT ? CFS_REMEMBERS : CFS_BLANK;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    return len > 0 && strcmp(text, words[CFS_TORN]) == 0 ? CFS_TORN : CFS_BLANK;
}

/* Whole or not at all: half of a word would count as the worst. */
int cfs_wal_amnesia_write(const struct cfs_wal_dir *dir, enum cfs_amnesia amnesia)
{
    const char *word = words[amnesia];
    int fd = openat(dir->fd, "amnesia.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rv = fd < 0 ? -errno : cfs_wal_write_all(fd, (const uint8_t *)word, strlen(word), 0);

    if (rv == 0 && (fsync(fd) != 0 || renameat(dir->fd, "amnesia.new", dir->fd, "amnesia") != 0 ||
                    fsync(dir->fd) != 0))
        rv = -errno;
    if (fd >= 0)
        close(fd);
    return rv;
}

int cfs_wal_amnesia_clear(const struct cfs_wal_dir *dir)
{
    if (unlinkat(dir->fd, "amnesia", 0) != 0 && errno != ENOENT)
        return -errno;
    return fsync(dir->fd) == 0 ? 0 : -errno;
}
