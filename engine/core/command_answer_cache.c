/* What answers say of the cache, as bytes; a part of command_answer.c. First a byte that says which
 * parts follow; what is not there is zero. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/command_internal.h"

enum parts { SHARE = 1, INODE = 2, TARGET = 4, CONTENT = 8, DATA = 16, ENTRIES = 32, ALL = 63 };

static unsigned parts_of(const struct cfs_cache_answer *cache)
{
    unsigned parts = 0;

    if (cache->share.epoch)
        parts |= SHARE;
    if (cache->inode.ino)
        parts |= INODE;
    if (cache->inode.ino && cache->inode.type == CFS_INODE_SYMLINK && cache->target)
        parts |= TARGET;
    if (cache->content.version || cache->content.changed)
        parts |= CONTENT;
    if (cache->len)
        parts |= DATA;
    if (cache->entry_count)
        parts |= ENTRIES;
    return parts;
}

bool cfs_answer_is_of_cache(const struct cfs_answer *answer)
{
    return parts_of(&answer->cache);
}

static void put_inode(struct cfs_writer *writer, const struct cfs_inode_info *inode)
{
    cfs_put_u64(writer, inode->ino);
    cfs_put_u64(writer, inode->parent);
    cfs_put_u8(writer, (uint8_t)inode->type);
    cfs_put_u32(writer, inode->uid);
    cfs_put_u32(writer, inode->gid);
    cfs_put_u32(writer, inode->perm);
    cfs_put_u32(writer, inode->nlink);
    cfs_put_u64(writer, inode->size);
    cfs_put_u64(writer, inode->mtime);
    cfs_put_u64(writer, inode->atime);
    cfs_put_u64(writer, inode->ctime);
    cfs_put_u64(writer, inode->version);
}

static void get_inode(struct cfs_reader *reader, struct cfs_inode_info *inode)
{
    inode->ino = cfs_get_u64(reader);
    inode->parent = cfs_get_u64(reader);
    inode->type = cfs_get_enum(reader, CFS_INODE_FILE, CFS_INODE_SYMLINK);
    inode->uid = cfs_get_u32(reader);
    inode->gid = cfs_get_u32(reader);
    inode->perm = cfs_get_perm(reader);
    inode->nlink = cfs_get_u32(reader);
    inode->size = cfs_get_u64(reader);
    inode->mtime = cfs_get_u64(reader);
    inode->atime = cfs_get_u64(reader);
    inode->ctime = cfs_get_u64(reader);
    inode->version = cfs_get_u64(reader);
    if (!inode->ino)
        reader->failed = true;
}

static void put_content(struct cfs_writer *writer, const struct cfs_content_info *content)
{
    cfs_put_u64(writer, content->version);
    cfs_put_u64(writer, content->changed);
    cfs_put_u64(writer, content->size);
    cfs_put_u64(writer, content->mtime);
    cfs_put_u64(writer, content->atime);
    cfs_put_u64(writer, content->ctime);
}

static void get_content(struct cfs_reader *reader, struct cfs_content_info *content)
{
    content->version = cfs_get_u64(reader);
    content->changed = cfs_get_u64(reader);
    content->size = cfs_get_u64(reader);
    content->mtime = cfs_get_u64(reader);
    content->atime = cfs_get_u64(reader);
    content->ctime = cfs_get_u64(reader);
}

static void put_entries(struct cfs_writer *writer, const struct cfs_answer *answer)
{
    cfs_put_u8(writer, answer->more);
    cfs_put_bytes(writer, answer->names, answer->names_len);
    cfs_put_u32(writer, answer->cache.entry_count);
    for (uint32_t i = 0; i < answer->cache.entry_count; i++)
        put_inode(writer, &answer->cache.entries[i]);
}

static uint32_t count_names(const char *names, uint32_t len)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < len; at++)
        count += !names[at];
    return count;
}

/* As many as there are names. */
static void get_entries(struct cfs_reader *reader, struct cfs_answer *answer, void **owned)
{
    struct cfs_inode_info *entries;
    uint32_t count;

    answer->more = cfs_get_bool(reader);
    answer->names = cfs_get_names(reader, &answer->names_len);
    count = cfs_get_u32(reader);
    if (reader->failed || !count || count > CFS_ENTRIES_MAX ||
        count != count_names(answer->names, answer->names_len)) {
        reader->failed = true;
        return;
    }
    *owned = entries = cfs_alloc_zeroed(count, sizeof *entries);
    for (uint32_t i = 0; i < count; i++)
        get_inode(reader, &entries[i]);
    answer->cache.entries = entries;
    answer->cache.entry_count = count;
}

void cfs_put_cache_answer(struct cfs_writer *writer, const struct cfs_answer *answer)
{
    const struct cfs_cache_answer *cache = &answer->cache;
    unsigned parts = parts_of(cache);

    cfs_put_u8(writer, (uint8_t)parts);
    if (parts & SHARE) {
        cfs_put_u32(writer, cache->share.group);
        cfs_put_u64(writer, cache->share.epoch);
        cfs_put_u8(writer, cache->share.exclusive);
    }
    if (parts & INODE)
        put_inode(writer, &cache->inode);
    if (parts & TARGET)
        cfs_put_bytes(writer, cache->target, (uint32_t)cache->inode.size);
    if (parts & CONTENT)
        put_content(writer, &cache->content);
    if (parts & DATA)
        cfs_put_bytes(writer, cache->data, cache->len);
    if (parts & ENTRIES)
        put_entries(writer, answer);
}

static void get_target(struct cfs_reader *reader, struct cfs_cache_answer *cache)
{
    uint32_t len;

    cache->target = (const char *)cfs_get_target(reader, &len);
    if (len != cache->inode.size)
        reader->failed = true;
}

static void get_share(struct cfs_reader *reader, struct cfs_cache_share *share)
{
    share->group = cfs_get_u32(reader);
    share->epoch = cfs_get_u64(reader);
    share->exclusive = cfs_get_bool(reader);
    if (share->group > CFS_GROUPS_MAX)
        reader->failed = true;
}

void cfs_get_cache_answer(struct cfs_reader *reader, struct cfs_answer *answer, void **owned)
{
    struct cfs_cache_answer *cache = &answer->cache;
    unsigned parts = cfs_get_enum(reader, SHARE, ALL);

    if (parts & SHARE)
        get_share(reader, &cache->share);
    if (parts & INODE)
        get_inode(reader, &cache->inode);
    if (parts & TARGET)
        get_target(reader, cache);
    if (parts & CONTENT)
        get_content(reader, &cache->content);
    if (parts & DATA)
        cache->data = cfs_get_bytes(reader, &cache->len);
    if (cache->len > CFS_PUT_MAX)
        reader->failed = true;
    if (parts & ENTRIES)
        get_entries(reader, answer, owned);
    if (parts != parts_of(cache)) /* what is said to be there is there */
        reader->failed = true;
}
