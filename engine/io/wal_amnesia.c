/* What the log has lost. A log that was made anew may stand where another one was; one that was cut
 * may have had a whole batch there. Either way the node may have forgotten what it promised, and
 * that must not be forgotten too: a file says so, of all groups by a word, or of each by a letter,
 * until the node remembers again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordfs/log.h"
#include "io/wal_internal.h"

static const char *const words[] = {[CFS_TORN] = "torn\n", [CFS_BLANK] = "blank\n"};
static const char letters[] = {[CFS_REMEMBERS] = '-', [CFS_TORN] = 't', [CFS_BLANK] = 'b'};

#define TEXT_BYTES (CFS_GROUPS_MAX + 2) /* a letter per group, and a newline */

static void set_all(struct cfs_wal_amnesia *amnesia, enum cfs_amnesia to)
{
    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        amnesia->of[group] = to;
}

static bool parse_letters(struct cfs_wal_amnesia *amnesia, const char *text)
{
    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++) {
        const char *letter = memchr(letters, text[group], sizeof letters);
        if (!letter)
            return false;
        amnesia->of[group] = (enum cfs_amnesia)(letter - letters);
    }
    return text[CFS_GROUPS_MAX + 1] == '\n';
}

/* What cannot be read counts as the worst. */
void cfs_wal_amnesia_read(const struct cfs_wal_dir *dir, struct cfs_wal_amnesia *amnesia)
{
    char text[TEXT_BYTES + 1] = "";
    int fd = openat(dir->fd, "amnesia", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len;

    set_all(amnesia, fd < 0 && errno == ENOENT ? CFS_REMEMBERS : CFS_BLANK);
    if (fd < 0)
        return;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len == TEXT_BYTES && !parse_letters(amnesia, text))
        set_all(amnesia, CFS_BLANK);
    else if (len > 0 && len < TEXT_BYTES && strcmp(text, words[CFS_TORN]) == 0)
        set_all(amnesia, CFS_TORN);
}

/* Whole or not at all: half of it would count as the worst. */
static int write_text(const struct cfs_wal_dir *dir, const char *text, size_t len)
{
    int fd = openat(dir->fd, "amnesia.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rv = fd < 0 ? -errno : cfs_wal_write_all(fd, (const uint8_t *)text, len, 0);

    if (rv == 0 && (fsync(fd) != 0 || renameat(dir->fd, "amnesia.new", dir->fd, "amnesia") != 0 ||
                    fsync(dir->fd) != 0))
        rv = -errno;
    if (fd >= 0)
        close(fd);
    return rv;
}

static bool all_are(const struct cfs_wal_amnesia *amnesia, cfs_group_id last, enum cfs_amnesia what)
{
    for (cfs_group_id group = 0; group <= last; group++)
        if (amnesia->of[group] != what)
            return false;
    return true;
}

static int write_amnesia(const struct cfs_wal_dir *dir, const struct cfs_wal_amnesia *amnesia)
{
    char text[TEXT_BYTES];

    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        text[group] = letters[amnesia->of[group]];
    text[CFS_GROUPS_MAX + 1] = '\n';
    return write_text(dir, text, sizeof text);
}

int cfs_wal_amnesia_worsen(const struct cfs_wal_dir *dir, enum cfs_amnesia to)
{
    struct cfs_wal_amnesia amnesia;

    cfs_wal_amnesia_read(dir, &amnesia);
    if (all_are(&amnesia, CFS_GROUPS_MAX, CFS_REMEMBERS) || to == CFS_BLANK)
        return write_text(dir, words[to], strlen(words[to]));
    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        if (amnesia.of[group] < to)
            amnesia.of[group] = to;
    return write_amnesia(dir, &amnesia);
}

int cfs_wal_amnesia_clear(const struct cfs_wal_dir *dir, uint64_t groups, cfs_group_id last)
{
    struct cfs_wal_amnesia amnesia;

    cfs_wal_amnesia_read(dir, &amnesia);
    for (cfs_group_id group = 0; group <= CFS_GROUPS_MAX; group++)
        if (groups >> group & 1)
            amnesia.of[group] = CFS_REMEMBERS;
    if (!all_are(&amnesia, last, CFS_REMEMBERS))
        return write_amnesia(dir, &amnesia);
    if (unlinkat(dir->fd, "amnesia", 0) != 0 && errno != ENOENT)
        return -errno;
    return fsync(dir->fd) == 0 ? 0 : -errno;
}
