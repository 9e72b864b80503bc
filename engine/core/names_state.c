/* The tree as pieces: what changed since the last save, and a tree made of what was saved. Nothing
 * that is loaded is believed: what makes no sense is refused. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/command_internal.h"
#include "core/names_internal.h"

#define VERSION CFS_NAMES_VERSION

void cfs_inode_changed(struct cfs_names *names, struct cfs_inode *inode)
{
    if (inode->changed)
        return;
    inode->changed = true;
    names->changes.inodes = cfs_array_room(names->changes.inodes, names->changes.count,
                                           &names->changes.capacity, sizeof *names->changes.inodes);
    names->changes.inodes[names->changes.count++] = inode->item.id;
}

void cfs_inode_gone(struct cfs_names *names, const struct cfs_inode *inode)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_INODE, inode->item.id);

    if (inode->saved)
        cfs_piece_delete(&names->changes.gone, &key);
}

/* Saving. */

static void save_counter(struct cfs_names *names, struct cfs_writer *pieces,
                         struct cfs_writer *value)
{
    struct cfs_piece_key key = {.bytes = {CFS_PIECE_NAMES}, .len = 1};

    if (names->last == names->saved_last)
        return;
    names->saved_last = names->last;
    cfs_put_u8(value, VERSION);
    cfs_put_u64(value, names->last);
    cfs_piece_put(pieces, &key, value);
    value->len = 0;
}

/* Where it is: in a directory, among the orphans, or nowhere, as the root. */
static void put_place(struct cfs_writer *value, const struct cfs_inode *inode)
{
    cfs_put_u64(value, inode->parent ? inode->parent->item.id : 0);
    if (inode->parent) {
        cfs_put_string(value, inode->name);
    } else {
        cfs_put_u64(value, inode->orphaned);
        cfs_put_u64(value, inode->since);
    }
}

static void save_inode(struct cfs_inode *inode, struct cfs_writer *pieces, struct cfs_writer *value)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_INODE, inode->item.id);

    cfs_put_u8(value, VERSION);
    cfs_put_u8(value, inode->type);
    cfs_put_u32(value, inode->uid);
    cfs_put_u32(value, inode->gid);
    cfs_put_u32(value, inode->perm);
    cfs_put_u64(value, inode->mtime);
    cfs_put_u64(value, inode->atime);
    cfs_put_u64(value, inode->ctime);
    cfs_put_u64(value, inode->version);
    put_place(value, inode);
    if (inode->type == CFS_INODE_SYMLINK)
        cfs_put_bytes(value, inode->target, inode->target_len);
    cfs_piece_put(pieces, &key, value);
    value->len = 0;
    inode->saved = true;
    inode->changed = false;
}

void cfs_names_save(struct cfs_names *names, struct cfs_writer *pieces)
{
    struct cfs_writer *gone = &names->changes.gone, value = {0};

    cfs_put_raw(pieces, gone->data, gone->len);
    free(gone->data);
    *gone = (struct cfs_writer){0};
    save_counter(names, pieces, &value);
    for (size_t i = 0; i < names->changes.count; i++) {
        struct cfs_inode *inode = cfs_inode_find(names, names->changes.inodes[i]);
        if (inode)
            save_inode(inode, pieces, &value);
    }
    free(names->changes.inodes);
    names->changes.inodes = NULL;
    names->changes.count = names->changes.capacity = 0;
    free(value.data);
}

/* Loading. Directories may come behind what is in them, so names are linked when all are there. */

static int load_counter(struct cfs_names *names, struct cfs_reader *value)
{
    if (names->last != CFS_CACHE_ROOT)
        return -1;
    names->last = names->saved_last = cfs_get_u64(value);
    return cfs_reader_whole(value) && names->last > CFS_CACHE_ROOT ? 0 : -1;
}

static bool is_given(const struct cfs_names *names, uint64_t number)
{
    return number > CFS_CACHE_ROOT && number <= names->last;
}

static void get_name(struct cfs_names *names, struct cfs_inode *inode, cfs_ino parent,
                     struct cfs_reader *value)
{
    char name[CFS_NAME_MAX + 1];

    cfs_get_string(value, name, sizeof name);
    if (value->failed || !cfs_name_valid(name) ||
        (parent != CFS_CACHE_ROOT && !is_given(names, parent))) {
        value->failed = true;
        return;
    }
    inode->name = cfs_alloc_copy(name, strlen(name) + 1);
    names->links = cfs_array_room(names->links, names->link_count, &names->link_capacity,
                                  sizeof *names->links);
    names->links[names->link_count++] = (struct cfs_inode_link){inode, parent};
}

static void get_place(struct cfs_names *names, struct cfs_inode *inode, struct cfs_reader *value)
{
    cfs_ino parent = cfs_get_u64(value);
    bool root = inode == names->root;
    uint64_t orphaned;
    cfs_time since;

    if (parent && !root) {
        get_name(names, inode, parent, value);
        return;
    }
    orphaned = cfs_get_u64(value);
    since = cfs_get_u64(value);
    if (value->failed || parent || (root ? orphaned || since : !is_given(names, orphaned)) ||
        (!root && cfs_inode_orphan_at(names, orphaned)))
        value->failed = true;
    else if (!root)
        cfs_inode_orphan(names, inode, orphaned, since);
}

static void get_target(struct cfs_inode *inode, struct cfs_reader *value)
{
    uint32_t len;
    const uint8_t *target = cfs_get_bytes(value, &len);

    if (value->failed || !len || len > CFS_TARGET_MAX || memchr(target, 0, len)) {
        value->failed = true;
        return;
    }
    inode->target = cfs_alloc_copy(target, len);
    inode->target_len = len;
}

static int load_fields(struct cfs_names *names, struct cfs_inode *inode, struct cfs_reader *value)
{
    uint32_t perm;

    inode->saved = true;
    inode->uid = cfs_get_u32(value);
    inode->gid = cfs_get_u32(value);
    perm = cfs_get_u32(value);
    inode->perm = perm & CFS_PERM_MASK;
    inode->mtime = cfs_get_u64(value);
    inode->atime = cfs_get_u64(value);
    inode->ctime = cfs_get_u64(value);
    inode->version = cfs_get_u64(value);
    get_place(names, inode, value);
    if (inode->type == CFS_INODE_SYMLINK)
        get_target(inode, value);
    return cfs_reader_whole(value) && perm == inode->perm && is_given(names, inode->version) ? 0
                                                                                             : -1;
}

static int load_inode(struct cfs_names *names, cfs_ino ino, struct cfs_reader *value)
{
    enum cfs_inode_type type = cfs_get_enum(value, CFS_INODE_FILE, CFS_INODE_SYMLINK);
    bool root = ino == CFS_CACHE_ROOT;

    if (value->failed)
        return -1;
    if (root) {
        if (names->root->saved || type != CFS_INODE_DIRECTORY)
            return -1;
        return load_fields(names, names->root, value);
    }
    if (!is_given(names, ino) || cfs_inode_find(names, ino))
        return -1;
    return load_fields(names, cfs_inode_new(names, ino, type), value);
}

int cfs_names_load(struct cfs_names *names, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    cfs_ino ino;

    cfs_get_enum(&value, VERSION, VERSION);
    if (!piece->put || value.failed)
        return -1;
    if (piece->key[0] == CFS_PIECE_NAMES)
        return key.len == 1 ? load_counter(names, &value) : -1;
    ino = cfs_piece_number(&key);
    if (piece->key[0] != CFS_PIECE_INODE || key.failed)
        return -1;
    return load_inode(names, ino, &value);
}

/* Each into its directory. */
static bool link_all(struct cfs_names *names)
{
    for (size_t i = 0; i < names->link_count; i++) {
        struct cfs_inode *inode = names->links[i].inode;
        struct cfs_inode *parent = cfs_inode_find(names, names->links[i].parent);
        char *name = inode->name;
        if (!parent || parent->type != CFS_INODE_DIRECTORY || parent->orphaned ||
            cfs_inode_in(names, parent, name))
            return false;
        cfs_inode_link(names, parent, name, inode);
        free(name);
    }
    return true;
}

/* Who climbs from it comes to the root, and not round and round. Nothing is climbed twice. */
static bool climbs(const struct cfs_names *names, struct cfs_inode *inode)
{
    uint64_t steps = 0;
    struct cfs_inode *at;

    for (at = inode; !at->rooted; at = at->parent)
        if (!at->parent || steps++ > names->inodes.count)
            return false;
    for (at = inode; !at->rooted; at = at->parent)
        at->rooted = true;
    return true;
}

bool cfs_names_loaded(struct cfs_names *names)
{
    bool good = link_all(names);

    names->root->rooted = true;
    for (size_t i = 0; good && i < names->link_count; i++)
        good = climbs(names, names->links[i].inode);
    free(names->links);
    names->links = NULL;
    names->link_count = names->link_capacity = 0;
    return good;
}
