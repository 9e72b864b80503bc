/* What is always there: the root, the directories of the trees, and .coordfs/, where the cluster
 * tells what it knows about itself. All of it is the table below. Nothing here ever waits or fails,
 * and the kernel may remember it for good: every path into the mount begins here. */
#include "fs/tree_fixed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/memory.h"

#define FOR_EVER_S 1e9

struct cfs_fixed {
    uint64_t id;
    uint64_t parent;
    const char *name;
    mode_t mode;
    const struct cfs_tree *tree;
    const char *page; /* files: what the engine calls it */
    bool json;
};

#define PAGE(id, name, page, json)                                                                 \
    {                                                                                              \
        (id), CFS_FIXED_STATUS_DIR, (name), S_IFREG | 0444, &cfs_tree_fixed, (page), (json)        \
    }

/* locks/ and queues/ are open to everybody and not sticky: fs.protected_regular would refuse
 * O_CREAT of a name that is another user's. Who may remove one is checked where the removal takes
 * effect. */
static const struct cfs_fixed table[] = {
    {CFS_FIXED_ROOT, 0, "", S_IFDIR | 0555, &cfs_tree_fixed, NULL, false},
    {CFS_FIXED_LOCKS, CFS_FIXED_ROOT, "locks", S_IFDIR | 0777, &cfs_tree_locks, NULL, false},
    {CFS_FIXED_QUEUES, CFS_FIXED_ROOT, "queues", S_IFDIR | 0777, &cfs_tree_queues, NULL, false},
    {CFS_FIXED_CACHE, CFS_FIXED_ROOT, "cache", S_IFDIR | 0777, &cfs_tree_cache, NULL, false},
    {CFS_FIXED_STATUS_DIR, CFS_FIXED_ROOT, ".coordfs", S_IFDIR | 0555, &cfs_tree_fixed, NULL,
     false},
    PAGE(CFS_FIXED_STATUS, "status", "status", false),
    PAGE(CFS_FIXED_STATUS_JSON, "status.json", "status", true),
    PAGE(CFS_FIXED_NODES, "nodes", "nodes", false),
    PAGE(CFS_FIXED_NODES_JSON, "nodes.json", "nodes", true),
    PAGE(CFS_FIXED_LOCKS_PAGE, "locks", "locks", false),
    PAGE(CFS_FIXED_LOCKS_PAGE_JSON, "locks.json", "locks", true),
    PAGE(CFS_FIXED_WAITS, "waits", "waits", false),
    PAGE(CFS_FIXED_WAITS_JSON, "waits.json", "waits", true),
    PAGE(CFS_FIXED_QUEUES_PAGE, "queues", "queues", false),
    PAGE(CFS_FIXED_QUEUES_PAGE_JSON, "queues.json", "queues", true),
    PAGE(CFS_FIXED_RING, "ring", "ring", false),
    PAGE(CFS_FIXED_RING_JSON, "ring.json", "ring", true),
    PAGE(CFS_FIXED_CACHE_PAGE, "cache", "cache", false),
    PAGE(CFS_FIXED_CACHE_PAGE_JSON, "cache.json", "cache", true),
};

#define TABLE_COUNT (sizeof table / sizeof *table)

void cfs_fixed_add(struct cfs_fs *fs)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        struct cfs_node *node = cfs_node_add_fixed(&fs->nodes, table[i].id, table[i].name);
        node->fixed = &table[i];
        node->tree = table[i].tree;
        node->mode = table[i].mode;
    }
}

static nlink_t link_count(const struct cfs_fixed *fixed)
{
    nlink_t count = S_ISDIR(fixed->mode) ? 2 : 1;

    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (table[i].parent == fixed->id && S_ISDIR(table[i].mode))
            count++;
    return count;
}

/* Files have size 0, as in /proc: what they say is made when they are opened. */
static struct stat attributes(const struct cfs_node *node)
{
    struct stat attr = {.st_ino = node->ino,
                        .st_mode = node->mode,
                        .st_nlink = link_count(node->fixed),
                        .st_blksize = 4096,
                        .st_atim = node->made,
                        .st_mtim = node->made,
                        .st_ctim = node->made};

    if (node->fixed->page) {
        clock_gettime(CLOCK_REALTIME, &attr.st_mtim);
        attr.st_atim = attr.st_ctim = attr.st_mtim;
    }
    return attr;
}

static double timeout(const struct cfs_node *node)
{
    return node->fixed->page ? 0 : FOR_EVER_S;
}

void cfs_fixed_getattr(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node)
{
    struct stat attr = attributes(node);

    (void)fs;
    fuse_reply_attr(req, &attr, timeout(node));
}

static const struct cfs_fixed *find(uint64_t parent, const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (table[i].parent == parent && strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

struct fuse_entry_param cfs_fixed_entry(const struct cfs_fs *fs, enum cfs_fixed_id id)
{
    const struct cfs_node *node = cfs_node_find(&fs->nodes, id);

    return (struct fuse_entry_param){.ino = node->id,
                                     .attr = attributes(node),
                                     .attr_timeout = timeout(node),
                                     .entry_timeout = FOR_EVER_S};
}

static void lookup(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    const struct cfs_fixed *fixed = find(dir->id, name);
    struct fuse_entry_param entry;

    if (!fixed) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    entry = cfs_fixed_entry(fs, (enum cfs_fixed_id)fixed->id);
    fuse_reply_entry(req, &entry);
}

static void open_page(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *node,
                      const struct fuse_file_info *file)
{
    char *text;

    if ((file->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(req, EACCES); /* root passes the permission bits */
        return;
    }
    text = cfs_engine_page(fs->engine, node->fixed->page, node->fixed->json);
    if (text)
        cfs_reply_open(fs, req, node, file, text, strlen(text));
    else
        fuse_reply_err(req, EIO);
}

static void read_page(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                      uint64_t offset)
{
    (void)fs;
    cfs_reply_slice(req, handle->text, handle->text_len, size, offset);
}

/* Offsets: 0 before ".", 1 before "..", then 2 and up through the table. */
static void readdir_table(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                          uint64_t offset)
{
    const struct cfs_fixed *dir = handle->node->fixed;
    char *buffer = cfs_fs_alloc(size);
    size_t used = 0;

    (void)fs;
    for (uint64_t i = offset; i < TABLE_COUNT + 2; i++) {
        const struct cfs_fixed *entry = i < 2 ? dir : &table[i - 2];
        const char *name = i == 0 ? "." : i == 1 ? ".." : entry->name;
        struct stat attr = {.st_ino = i == 1 && dir->parent ? dir->parent : entry->id,
                            .st_mode = entry->mode};
        size_t needed;

        if (i >= 2 && entry->parent != dir->id)
            continue;
        needed = fuse_add_direntry(req, buffer + used, size - used, name, &attr, (off_t)i + 1);
        if (needed > size - used)
            break;
        used += needed;
    }
    fuse_reply_buf(req, buffer, used);
    free(buffer);
}

const struct cfs_tree cfs_tree_fixed = {
    .lookup = lookup,
    .getattr = cfs_fixed_getattr,
    .open = open_page,
    .read = read_page,
    .readdir = readdir_table,
};

/* Seen before the session of cache/ is mounted here, and after: what one finds must not be taken
 * for what is in it. */
static void lookup_below(struct cfs_fs *fs, fuse_req_t req, struct cfs_node *dir, const char *name)
{
    (void)fs, (void)dir, (void)name;
    fuse_reply_err(req, EIO);
}

static void readdir_below(struct cfs_fs *fs, fuse_req_t req, struct cfs_handle *handle, size_t size,
                          uint64_t offset)
{
    (void)fs, (void)handle, (void)size, (void)offset;
    fuse_reply_err(req, EIO);
}

const struct cfs_tree cfs_tree_cache = {
    .lookup = lookup_below,
    .getattr = cfs_fixed_getattr,
    .readdir = readdir_below,
};
