/* What is asked of the tree and changes nothing. */
#include <string.h>

#include "core/names_internal.h"
#include "core/planted.h"

/* What a change touches. */

struct touched {
    struct cfs_cache_recall_item *items;
    uint32_t count;
};

/* Each item once. */
static void add_item(struct touched *touched, cfs_ino ino, const char *name)
{
    struct cfs_cache_recall_item *item = &touched->items[touched->count];

    for (uint32_t i = 0; i < touched->count; i++)
        if (touched->items[i].ino == ino && strcmp(touched->items[i].name, name) == 0)
            return;
    assert(touched->count < CFS_RECALL_ITEMS_MAX);
    *item = (struct cfs_cache_recall_item){.ino = ino};
    strcpy(item->name, name);
    touched->count++;
}

/* The name in a directory, and what has it. */
static void add_entry(const struct cfs_names *names, struct touched *touched, cfs_ino directory,
                      const char *name)
{
    const struct cfs_inode *parent = cfs_inode_find(names, directory), *inode = NULL;

    if (parent && parent->type == CFS_INODE_DIRECTORY)
        inode = cfs_inode_in(names, parent, name);
    add_item(touched, directory, name);
    if (inode)
        add_item(touched, inode->item.id, "");
}

uint32_t cfs_names_touched(const struct cfs_names *names, const struct cfs_request *request,
                           struct cfs_cache_recall_item out[CFS_RECALL_ITEMS_MAX])
{
    struct touched touched = {.items = out};

    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        if (!CFS_PLANTED(BUG_MISSING_UNTOLD))
            add_item(&touched, request->cache_make.parent, request->name);
        break;
    case CFS_OP_CACHE_REMOVE:
        add_entry(names, &touched, request->cache_remove.parent, request->name);
        break;
    case CFS_OP_CACHE_RENAME:
        add_entry(names, &touched, request->cache_rename.parent, request->name);
        if (!CFS_PLANTED(BUG_RENAME_UNTOLD))
            add_entry(names, &touched, request->cache_rename.to_parent, request->cache_rename.to);
        break;
    case CFS_OP_CACHE_SETNODE:
        add_item(&touched, request->cache_set.ino, "");
        break;
    case CFS_OP_CACHE_FORGET:
        add_item(&touched, request->cache_drop.ino, "");
        break;
    default:
        break;
    }
    return touched.count;
}

bool cfs_names_is_directory(const struct cfs_names *names, cfs_ino ino)
{
    const struct cfs_inode *inode = cfs_inode_find(names, ino);

    return inode && inode->type == CFS_INODE_DIRECTORY;
}

/* Reads. */

static void answer_inode(const struct cfs_inode *inode, struct cfs_answer *answer)
{
    answer->cache.inode = cfs_inode_info(inode);
    if (inode->type == CFS_INODE_SYMLINK)
        answer->cache.target = inode->target;
}

static void look_up(const struct cfs_names *names, const struct cfs_inode *directory,
                    const char *name, struct cfs_answer *answer)
{
    const struct cfs_inode *inode = cfs_inode_in(names, directory, name);

    if (inode)
        answer_inode(inode, answer);
    else
        answer->error = CFS_ERR_NO_FILE;
}

/* A page of a directory: what is in it, and the bytes of their names with the NULs. */
struct page {
    const struct cfs_inode **inodes;
    uint32_t count, most;
    size_t bytes;
    bool more;
};
static_assert(CFS_ENTRIES_MAX * (CFS_NAME_MAX + 1) <= CFS_LIST_BYTES_MAX,
              "a page of entries is a page of names");

static bool add_to_page(void *arg, struct cfs_tree_node *node)
{
    struct page *page = arg;
    const struct cfs_inode *inode = cfs_inode_of(node);

    page->more = page->count == page->most;
    if (page->more)
        return false;
    page->inodes[page->count++] = inode;
    page->bytes += strlen(inode->name) + 1;
    return true;
}

/* One piece of memory: the entries, behind them their names. */
static void *list(const struct cfs_inode *directory, const char *behind, uint32_t most,
                  struct cfs_answer *answer)
{
    const struct cfs_inode *inodes[CFS_ENTRIES_MAX];
    struct page page = {.inodes = inodes, .most = CFS_ENTRIES_MAX};
    struct cfs_inode_info *entries;
    char *end;

    if (most && most < page.most)
        page.most = most;
    cfs_tree_each(directory->entries, *behind ? behind : NULL, cfs_inode_compare_names, add_to_page,
                  &page);
    entries = cfs_alloc(page.count * sizeof *entries + page.bytes + 1);
    end = (char *)(entries + page.count);
    answer->names = end;
    for (uint32_t i = 0; i < page.count; i++) {
        entries[i] = cfs_inode_info(inodes[i]);
        end = stpcpy(end, inodes[i]->name) + 1;
    }
    answer->names_len = (uint32_t)page.bytes;
    answer->more = page.more;
    answer->cache.inode = cfs_inode_info(directory);
    answer->cache.entries = entries;
    answer->cache.entry_count = page.count;
    return entries;
}

void *cfs_names_read(const struct cfs_names *names, enum cfs_op op, const char *name,
                     const struct cfs_cache_read *read, struct cfs_answer *answer)
{
    const struct cfs_inode *inode = cfs_inode_find(names, read->ino);

    answer->error = CFS_OK;
    if (!inode)
        answer->error = CFS_ERR_NO_FILE;
    else if (op == CFS_OP_CACHE_NODE)
        answer_inode(inode, answer);
    else if (op != CFS_OP_CACHE_LOOKUP && op != CFS_OP_CACHE_LIST)
        answer->error = CFS_ERR_INVALID;
    else if (inode->type != CFS_INODE_DIRECTORY)
        answer->error = CFS_ERR_FILE_NOT_DIRECTORY;
    else if (op == CFS_OP_CACHE_LOOKUP)
        look_up(names, inode, name, answer);
    else
        return list(inode, name, read->len, answer);
    return NULL;
}

/* They lost their names one after the other, so the first is the one that waits longest. One that
 * is an orphan no more was before all that are left, or nobody knows: from the beginning. */
cfs_ino cfs_names_next_orphan(const struct cfs_names *names, cfs_ino after, cfs_time now)
{
    const struct cfs_inode *inode = cfs_inode_find(names, after);
    cfs_time stays = CFS_PLANTED(BUG_ORPHAN_AT_ONCE) ? 0 : CFS_ORPHAN_TIME;

    inode = cfs_inode_orphan_behind(names, inode ? inode->orphaned : 0);
    return inode && now >= inode->since && now - inode->since >= stays ? inode->item.id : 0;
}

uint64_t cfs_names_count(const struct cfs_names *names)
{
    return names->inodes.count;
}
