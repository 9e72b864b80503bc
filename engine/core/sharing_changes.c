/* A node's own changes, whose home does not ask the node itself to give anything up. While one is
 * under way, or may be, what it touches is not shared; and an answer that it may have overtaken is
 * struck out, as by a recall. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/planted.h"
#include "core/sharing_internal.h"

/* Instead of a name: any of the directory's. Hashes of names are odd. */
#define ANY_NAME 2u

/* What a change touches: a name in a directory, or (0) the inode or the contents themselves. */
struct cfs_own_change {
    struct own_key {
        cfs_ino ino;
        uint64_t name, contents;
    } key;
    uint32_t count; /* of changes */
    UT_hash_handle hh;
};

static struct own_key key_of(cfs_ino ino, uint64_t name, bool contents)
{
    struct own_key key;

    memset(&key, 0, sizeof key); /* uthash takes all its bytes */
    key.ino = ino;
    key.name = name;
    key.contents = contents;
    return key;
}

static void add(struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents)
{
    struct own_key key = key_of(ino, name, contents);
    struct cfs_own_change *own;

    HASH_FIND(hh, shares->own, &key, sizeof key, own);
    if (!own) {
        own = cfs_alloc_zeroed(1, sizeof *own);
        own->key = key;
        HASH_ADD(hh, shares->own, key, sizeof own->key, own);
    }
    own->count++;
}

static void take(struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents)
{
    struct own_key key = key_of(ino, name, contents);
    struct cfs_own_change *own;

    HASH_FIND(hh, shares->own, &key, sizeof key, own);
    assert(own);
    if (--own->count)
        return;
    HASH_DEL(shares->own, own);
    free(own);
}

static void strike_out(struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents)
{
    if (name != ANY_NAME && !CFS_PLANTED(BUG_OWN_UNMARKED))
        cfs_sharing_remember(shares, ino, name, contents);
}

typedef void (*touch_fn)(struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents);

static void touch_name(struct cfs_shares *shares, cfs_ino directory, const char *name,
                       touch_fn touch)
{
    touch(shares, directory, cfs_sharing_hash(name), false);
    touch(shares, directory, ANY_NAME, false);
}

/* As far as the node can tell. */
static void touch_all(struct cfs_shares *shares, const struct cfs_request *request, touch_fn touch)
{
    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        touch_name(shares, request->cache_make.parent, request->name, touch);
        break;
    case CFS_OP_CACHE_REMOVE:
        touch_name(shares, request->cache_remove.parent, request->name, touch);
        break;
    case CFS_OP_CACHE_RENAME:
        touch_name(shares, request->cache_rename.parent, request->name, touch);
        touch_name(shares, request->cache_rename.to_parent, request->cache_rename.to, touch);
        break;
    case CFS_OP_CACHE_SETNODE:
        touch(shares, request->cache_set.ino, 0, false);
        break;
    default:
        touch(shares, cfs_request_contents(request), 0, cfs_op_is_of_contents(request->op));
    }
}

void cfs_sharing_change_begins(struct cfs_sharing *sharing, cfs_group_id group,
                               const struct cfs_request *request)
{
    struct cfs_shares *shares = &sharing->groups[group];

    touch_all(shares, request, strike_out);
    touch_all(shares, request, add);
}

void cfs_sharing_change_ends(struct cfs_sharing *sharing, cfs_group_id group,
                             const struct cfs_request *request)
{
    touch_all(&sharing->groups[group], request, take);
}

void cfs_sharing_changed(struct cfs_sharing *sharing, cfs_group_id group,
                         const struct cfs_request *request, const struct cfs_answer *answer)
{
    struct cfs_shares *shares = &sharing->groups[group];
    bool takes_names = request->op == CFS_OP_CACHE_REMOVE || request->op == CFS_OP_CACHE_RENAME;

    touch_all(shares, request, strike_out);
    if (!answer || !takes_names)
        return;
    strike_out(shares, answer->id, 0, false);
    strike_out(shares, answer->token, 0, false);
}

static bool is_touched(const struct cfs_shares *shares, cfs_ino ino, uint64_t name, bool contents)
{
    struct own_key key = key_of(ino, name, contents);
    const struct cfs_own_change *own;

    HASH_FIND(hh, shares->own, &key, sizeof key, own);
    return own;
}

static bool is_name_touched(const struct cfs_shares *shares, cfs_ino directory, const char *name)
{
    return is_touched(shares, directory, cfs_sharing_hash(name), false);
}

/* Also when it is a directory in which a name changes. */
static bool is_node_touched(const struct cfs_shares *shares, cfs_ino ino)
{
    return is_touched(shares, ino, 0, false) || is_touched(shares, ino, ANY_NAME, false);
}

static bool is_list_touched(const struct cfs_shares *shares, cfs_ino directory,
                            const struct cfs_answer *answer)
{
    for (uint32_t i = 0; i < answer->cache.entry_count; i++)
        if (is_node_touched(shares, answer->cache.entries[i].ino))
            return true;
    return is_node_touched(shares, directory);
}

/* What is read or listed by its number has perhaps the name that is being taken. */
bool cfs_sharing_is_changing(const struct cfs_shares *shares, const struct cfs_request *request,
                             const struct cfs_answer *answer)
{
    const struct cfs_cache_rename *rename = &request->cache_rename;
    const struct cfs_inode_info *inode = &answer->cache.inode;

    if (!shares->own || CFS_PLANTED(BUG_OWN_UNMARKED))
        return false;
    if (cfs_op_is_of_contents(request->op))
        return is_touched(shares, cfs_request_contents(request), 0, true);
    if (inode->ino && is_node_touched(shares, inode->ino))
        return true;
    switch (request->op) {
    case CFS_OP_CACHE_LOOKUP:
        return is_name_touched(shares, request->cache_read.ino, request->name);
    case CFS_OP_CACHE_LIST:
        return is_list_touched(shares, request->cache_read.ino, answer) ||
               is_touched(shares, inode->parent, ANY_NAME, false);
    case CFS_OP_CACHE_MAKE:
        return is_name_touched(shares, request->cache_make.parent, request->name);
    case CFS_OP_CACHE_REMOVE:
        return is_name_touched(shares, request->cache_remove.parent, request->name);
    case CFS_OP_CACHE_RENAME:
        return is_name_touched(shares, rename->parent, request->name) ||
               is_name_touched(shares, rename->to_parent, rename->to);
    default:
        return is_touched(shares, inode->parent, ANY_NAME, false);
    }
}

void cfs_sharing_forget_changes(struct cfs_shares *shares)
{
    struct cfs_own_change *own, *next;

    HASH_ITER (hh, shares->own, own, next) {
        HASH_DEL(shares->own, own);
        free(own);
    }
}
