/* .NAME/: a queue opened up, for work that takes longer than reading a file.
 *
 *     claim       reading it claims the oldest message, and answers its path: .NAME/inflight/ID
 *     inflight/   the messages that are claimed (queue_place.c)
 *     dead/       those that were handed out too often
 *     ready/      those that wait
 *     config      the queue's settings (queue_config.c)
 *
 * All of it is there as long as the queue is, and nothing can be made or removed in it. */
#include <errno.h>
#include <string.h>

#include "fs/listing.h"
#include "fs/queues.h"
#include "fs/tree_fixed.h"

static const char names[] = "claim\0config\0dead\0inflight\0ready";

struct entry {
    const char *name;
    enum cfs_queue_part part;
    mode_t type; /* as listed: what reading it changes passes for a FIFO, as a queue does */
};

static const struct entry entries[] = {
    {"claim", CFS_PART_CLAIM, S_IFIFO}, {"config", CFS_PART_CONFIG, S_IFREG},
    {"dead", CFS_PART_DEAD, S_IFDIR},   {"inflight", CFS_PART_INFLIGHT, S_IFDIR},
    {"ready", CFS_PART_READY, S_IFDIR},
};

static const struct entry *find(const char *name)
{
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

static void lookup(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    const struct entry *entry = find(name);

    if (entry)
        cfs_queue_lookup(fs, req, entry->part, dir->name);
    else
        fuse_reply_err(req, ENOENT);
}

static struct stat stat_entry(const struct cfs_node *dir, const char *name)
{
    const struct entry *entry = find(name);

    return (struct stat){.st_ino = cfs_queue_ino(entry->part, dir->name), .st_mode = entry->type};
}

static uint64_t parent(const struct cfs_node *dir)
{
    (void)dir;
    return CFS_FIXED_QUEUES;
}

static void readdir_names(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                          uint64_t offset)
{
    static const struct cfs_listing listing = {.entry = stat_entry, .parent = parent};

    (void)fs;
    cfs_listing_read_fixed(&listing, req, handle, names, sizeof names, size, offset);
}

const struct cfs_tree cfs_tree_queue_opened = {
    .lookup = lookup,
    .readdir = readdir_names,
    .getattr = cfs_queue_getattr,
};

const struct cfs_tree cfs_tree_queue_claim = {
    .getattr = cfs_queue_getattr,
    .open = cfs_queue_open,
    .read = cfs_queue_read,
    .poll = cfs_queue_poll,
    .flush = cfs_queue_flush,
    .release = cfs_queue_release,
    .lose = cfs_queue_lose,
};
