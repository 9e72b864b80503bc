/* Whose log it is. A log under another node's id would vote twice in one term, so the file
 * `identity` in the data directory names the node; beside it the mark that all batches carry, and
 * what the cluster was when the log was made. It is written once, whole or not at all, and its last
 * line is a checksum: with another mark the log would look as if it held no batch of ours. */
#include "io/wal_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

#include "coordfs/log.h"
#include "core/alloc.h"

/* For printf and scanf alike. */
#define IDENTITY_FORM "# whose log this is; not to be edited or copied\nformat %" SCNu32 "\n"
#define IDENTITY_REST "node %" SCNu32 "\nmark %" SCNx64 "\ncluster %" SCNx64 "\nmembers"
#define SUM_BYTES 24 /* of the last line, and its NUL */
#define IDENTITY_BYTES (CFS_WAL_MEMBERS_MAX + 256)

static int refuse(const struct cfs_wal_dir *dir)
{
    cfs_log(CFS_LOG_ERROR, "cannot use the data directory %s: identity: %m", dir->path);
    return -1;
}

static int refuse_damaged(const struct cfs_wal_dir *dir)
{
    cfs_log(CFS_LOG_ERROR, "%s/identity is damaged. " CFS_WAL_ADVICE, dir->path, dir->path);
    return -1;
}

/* 1 when it was read, 0 when there is none, -1 on an error. */
static int load(const struct cfs_wal_dir *dir, char text[IDENTITY_BYTES])
{
    int fd = openat(dir->fd, "identity", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return refuse(dir);
    len = pread(fd, text, IDENTITY_BYTES - 1, 0);
    if (len < 0)
        refuse(dir);
    else
        text[len] = '\0';
    close(fd);
    return len < 0 ? -1 : 1;
}

/* The last line, cut off the text: whether it is the checksum of what is before it. */
static bool take_checksum(char *text)
{
    char *last = strstr(text, "\nsum ");
    uint64_t sum;
    int at = 0;

    if (!last || sscanf(last, "\nsum %" SCNx64 "\n%n", &sum, &at) != 1 || last[at] != '\0' ||
        last[at - 1] != '\n')
        return false;
    last[1] = '\0';
    return XXH3_64bits(text, strlen(text)) == sum;
}

/* " TEXT\n" and nothing behind it; the text may be empty. */
static bool take_members(const char *rest, char *members)
{
    size_t len = strlen(rest);

    if (len < 2 || len - 2 > CFS_WAL_MEMBERS_MAX || rest[0] != ' ' ||
        strchr(rest, '\n') != rest + len - 1)
        return false;
    memcpy(members, rest + 1, len - 2);
    members[len - 2] = '\0';
    return true;
}

static int check(struct cfs_wal_dir *dir, char *text, cfs_node_id node,
                 struct cfs_wal_origin *origin)
{
    struct cfs_wal_origin found = {0};
    uint32_t format, owner;
    int at = 0;

    if (sscanf(text, IDENTITY_FORM, &format) != 1)
        return refuse_damaged(dir);
    if (format != CFS_WAL_FORMAT) {
        cfs_log(CFS_LOG_ERROR, "%s holds a log of format %u; this coordfs knows format %u",
                dir->path, format, CFS_WAL_FORMAT);
        return -1;
    }
    if (!take_checksum(text))
        return refuse_damaged(dir);
    sscanf(text, IDENTITY_FORM IDENTITY_REST "%n", &format, &owner, &dir->mark, &found.cluster,
           &at);
    if (at == 0 || dir->mark == 0 || !take_members(text + at, found.members))
        return refuse_damaged(dir);
    if (node && owner != node) {
        cfs_log(CFS_LOG_ERROR,
                "%s holds the log of node %u, and this is node %u: every node needs a directory of "
                "its own",
                dir->path, owner, node);
        return -1;
    }
    found.owner = owner;
    *origin = found;
    return 0;
}

int cfs_wal_identity_read(struct cfs_wal_dir *dir, cfs_node_id node, struct cfs_wal_origin *origin)
{
    char text[IDENTITY_BYTES];
    int known = load(dir, text);

    if (known == 1 && check(dir, text, node, origin) != 0)
        return -1;
    return known;
}

int cfs_wal_peek(const char *path, cfs_node_id node, struct cfs_wal_origin *origin)
{
    struct cfs_wal_dir dir = {.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int known;

    if (dir.fd < 0 && errno == ENOENT)
        return 0;
    dir.path = cfs_alloc_copy(path, strlen(path) + 1);
    known = dir.fd < 0 ? refuse(&dir) : cfs_wal_identity_read(&dir, node, origin);
    if (dir.fd >= 0)
        close(dir.fd);
    free(dir.path);
    return known;
}

static int replace(const struct cfs_wal_dir *dir, const char *text)
{
    int fd = openat(dir->fd, "identity.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rv = -1;

    if (fd >= 0 && cfs_wal_write_all(fd, (const uint8_t *)text, strlen(text), 0) == 0 &&
        fsync(fd) == 0 && renameat(dir->fd, "identity.new", dir->fd, "identity") == 0 &&
        fsync(dir->fd) == 0)
        rv = 0;
    if (rv != 0)
        refuse(dir);
    if (fd >= 0)
        close(fd);
    return rv;
}

int cfs_wal_identity_write(struct cfs_wal_dir *dir, cfs_node_id node,
                           const struct cfs_wal_origin *origin)
{
    char text[IDENTITY_BYTES];
    int len;

    assert(strlen(origin->members) <= CFS_WAL_MEMBERS_MAX && !strchr(origin->members, '\n'));
    while (dir->mark == 0)
        if (getrandom(&dir->mark, sizeof(dir->mark), 0) != sizeof(dir->mark))
            return refuse(dir);
    len = snprintf(text, sizeof(text), IDENTITY_FORM IDENTITY_REST " %s\n", CFS_WAL_FORMAT, node,
                   dir->mark, origin->cluster, origin->members);
    assert(len > 0 && (size_t)len + SUM_BYTES < sizeof(text));
    snprintf(text + len, SUM_BYTES, "sum %016" PRIx64 "\n", XXH3_64bits(text, (size_t)len));
    return replace(dir, text);
}
