/* What is known of each inode that the kernel knows: what this node shares of it, and what of that
 * is also here. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fs/cache.h"
#include "fs/memory.h"

/* --- inodes -------------------------------------------------------------------------------- */

struct cfs_cache_inode *cfs_cache_find(struct cfs_cache *cache, cfs_ino ino)
{
    struct cfs_cache_inode *inode;

    HASH_FIND(hh, cache->inodes, &ino, sizeof ino, inode);
    return inode;
}

struct cfs_cache_inode *cfs_cache_inode_of(struct cfs_cache *cache, cfs_ino ino)
{
    struct cfs_cache_inode *inode = cfs_cache_find(cache, ino);

    if (inode)
        return inode;
    inode = cfs_fs_alloc(sizeof *inode);
    inode->ino = ino;
    HASH_ADD(hh, cache->inodes, ino, sizeof inode->ino, inode);
    return inode;
}

fuse_ino_t cfs_cache_id(const struct cfs_cache *cache, cfs_ino ino)
{
    return cache->ids + ino;
}

uint64_t cfs_cache_shown_ino(const struct cfs_cache *cache, cfs_ino ino)
{
    return ino == CFS_CACHE_ROOT ? cfs_cache_id(cache, ino) : ino;
}

static void free_names(struct cfs_cache_inode *dir)
{
    struct cfs_cache_name *name, *next;
    struct cfs_cache_cookie *cookie, *next_cookie;
    struct cfs_notify_name *waiting;

    HASH_ITER (hh, dir->names, name, next) {
        HASH_DEL(dir->names, name);
        free(name);
    }
    HASH_ITER (hh, dir->cookies, cookie, next_cookie) {
        HASH_DEL(dir->cookies, cookie);
        free(cookie);
    }
    free(dir->cookie_of);
    while ((waiting = dir->names_next)) {
        dir->names_next = waiting->next;
        free(waiting);
    }
}

void cfs_cache_inode_free(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    struct cfs_cache_behind *behind, *next;

    cfs_cache_uncharge(cache, inode);
    HASH_DEL(cache->inodes, inode);
    free_names(inode);
    LL_FOREACH_SAFE(inode->behind, behind, next)
    {
        free(behind); /* at the end of the mount, when nothing is stored any more */
    }
    free(inode->target);
    free(inode->head);
    free(inode->shown.head);
    free(inode);
}

static void free_if_unused(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    if (inode->lookups || inode->refs || inode->ino == CFS_CACHE_ROOT)
        return;
    assert(!inode->parked && !inode->writes && !inode->jobs && !inode->hold.parked);
    cfs_cache_inode_free(cache, inode);
}

struct cfs_cache_inode *cfs_cache_ref(struct cfs_cache_inode *inode)
{
    inode->refs++;
    return inode;
}

void cfs_cache_unref(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    assert(inode->refs);
    inode->refs--;
    free_if_unused(cache, inode);
}

void cfs_cache_told_of(struct cfs_cache_inode *inode)
{
    inode->lookups++;
}

void cfs_cache_forget(struct cfs_cache *cache, cfs_ino ino, uint64_t count)
{
    struct cfs_cache_inode *inode = cfs_cache_find(cache, ino);

    if (!inode)
        return;
    inode->lookups -= count < inode->lookups ? count : inode->lookups;
    if (!inode->lookups) {
        inode->shown.known = false;
        inode->size.at_least = inode->size.at_most = 0;
    }
    free_if_unused(cache, inode);
}

/* --- what is shared of one ----------------------------------------------------------------- */

cfs_time cfs_cache_valid(struct cfs_cache *cache, const struct cfs_cache_share *share)
{
    return share->epoch ? cfs_engine_cache_valid(cache->engine, share) : 0;
}

void cfs_cache_drop_info(struct cfs_cache_inode *inode)
{
    inode->has_info = false;
    inode->info_share.epoch = 0;
}

void cfs_cache_drop_content(struct cfs_cache_inode *inode)
{
    inode->has_content = false;
    inode->content_share.epoch = 0;
    free(inode->head);
    inode->head = NULL;
    inode->head_len = 0;
}

void cfs_cache_keep_info(struct cfs_cache_inode *inode, const struct cfs_cache_answer *answer)
{
    inode->type = answer->inode.type;
    if (!inode->target && answer->target) {
        inode->target = cfs_fs_alloc(answer->inode.size + 1);
        memcpy(inode->target, answer->target, answer->inode.size);
    }
    if (!answer->share.epoch)
        return;
    inode->info = answer->inode;
    inode->info_share = answer->share;
    inode->has_info = true;
}

/* The bytes that were kept are of an older version, or of the same: then they stay. */
void cfs_cache_keep_content(struct cfs_cache_inode *inode, const struct cfs_cache_answer *answer)
{
    if (!answer->share.epoch)
        return;
    if (!inode->has_content || inode->content.version != answer->content.version)
        cfs_cache_drop_content(inode);
    inode->content = answer->content;
    inode->content_share = answer->share;
    inode->has_content = true;
}

void cfs_cache_keep_head(struct cfs_cache_inode *inode, const uint8_t *data, uint32_t len)
{
    if (!inode->has_content)
        return;
    len = len < CFS_CACHE_HEAD ? len : CFS_CACHE_HEAD;
    free(inode->head);
    inode->head = cfs_fs_alloc(len);
    if (len)
        memcpy(inode->head, data, len);
    inode->head_len = len;
}

void cfs_cache_keep_beginning(struct cfs_cache_inode *inode, const struct cfs_cache_answer *answer)
{
    cfs_cache_keep_content(inode, answer);
    if (answer->share.epoch)
        cfs_cache_keep_head(inode, answer->data, answer->len);
}

void cfs_cache_show(struct cfs_cache_inode *inode, const struct cfs_content_info *content,
                    const uint8_t *head, uint32_t head_len)
{
    struct cfs_cache_shown *shown = &inode->shown;
    bool whole = head_len == content->size;

    if (shown->known && shown->content.version == content->version && (shown->head || !whole)) {
        shown->content = *content; /* times may have been set */
        return;
    }
    free(shown->head);
    *shown = (struct cfs_cache_shown){.known = true, .content = *content};
    if (!whole)
        return;
    shown->head = cfs_fs_alloc(head_len);
    if (head_len)
        memcpy(shown->head, head, head_len);
}

bool cfs_cache_has_info(struct cfs_cache *cache, const struct cfs_cache_inode *inode)
{
    return inode->has_info && cfs_cache_valid(cache, &inode->info_share);
}

bool cfs_cache_has_content(struct cfs_cache *cache, const struct cfs_cache_inode *inode)
{
    return inode->has_content && cfs_cache_valid(cache, &inode->content_share);
}

/* --- names --------------------------------------------------------------------------------- */

struct cfs_cache_name *cfs_cache_name_find(const struct cfs_cache_inode *dir, const char *name)
{
    struct cfs_cache_name *found;

    HASH_FIND_STR(dir->names, name, found);
    return found;
}

void cfs_cache_name_keep(struct cfs_cache_inode *dir, const char *name, cfs_ino child,
                         const struct cfs_cache_share *share)
{
    struct cfs_cache_name *kept = cfs_cache_name_find(dir, name);
    size_t len = strlen(name);

    if (!share->epoch)
        return;
    if (!kept) {
        kept = cfs_fs_alloc(sizeof *kept + len + 1);
        memcpy(kept->name, name, len + 1);
        HASH_ADD_STR(dir->names, name, kept);
    }
    kept->child = child;
    kept->share = *share;
}

void cfs_cache_name_drop(struct cfs_cache_inode *dir, const char *name)
{
    struct cfs_cache_name *kept = cfs_cache_name_find(dir, name);

    if (!kept)
        return;
    HASH_DEL(dir->names, kept);
    free(kept);
}

/* --- positions in listings ----------------------------------------------------------------- */

/* 1 is behind ".", 2 behind "..". */
#define COOKIE_FIRST 3

uint64_t cfs_cache_cookie(struct cfs_cache_inode *dir, const char *name)
{
    struct cfs_cache_cookie *cookie;
    size_t len = strlen(name);

    HASH_FIND_STR(dir->cookies, name, cookie);
    if (cookie)
        return cookie->number;
    cookie = cfs_fs_alloc(sizeof *cookie + len + 1);
    memcpy(cookie->name, name, len + 1);
    cookie->number = dir->cookie_count + COOKIE_FIRST;
    HASH_ADD_STR(dir->cookies, name, cookie);
    /* Room grows by doubling: a power of two is full. */
    if (!(dir->cookie_count & (dir->cookie_count - 1)))
        dir->cookie_of =
            cfs_fs_resize(dir->cookie_of, dir->cookie_count ? dir->cookie_count * 2 : 1,
                          sizeof(struct cfs_cache_cookie *));
    dir->cookie_of[dir->cookie_count++] = cookie;
    return cookie->number;
}

const char *cfs_cache_cookie_name(const struct cfs_cache_inode *dir, uint64_t cookie)
{
    if (cookie < COOKIE_FIRST || cookie - COOKIE_FIRST >= dir->cookie_count)
        return NULL;
    return dir->cookie_of[cookie - COOKIE_FIRST]->name;
}

/* --- by last use --------------------------------------------------------------------------- */

void cfs_cache_uncharge(struct cfs_cache *cache, struct cfs_cache_inode *inode)
{
    if (!inode->charged)
        return;
    cache->charged -= inode->charged;
    cache->counts.values--;
    inode->charged = 0;
    DL_DELETE(cache->by_use, inode);
}

void cfs_cache_charge(struct cfs_cache *cache, struct cfs_cache_inode *inode, uint64_t bytes)
{
    struct cfs_cache_inode *oldest;

    cfs_cache_uncharge(cache, inode);
    inode->charged = bytes < CFS_CACHE_PAGE ? CFS_CACHE_PAGE : bytes;
    cache->charged += inode->charged;
    cache->counts.values++;
    DL_APPEND(cache->by_use, inode);
    while (cache->config->cache_size && cache->charged > cache->config->cache_size &&
           (oldest = cache->by_use) != inode) {
        cache->counts.evictions++;
        cfs_cache_uncharge(cache, oldest);
        cfs_cache_drop_content(oldest);
        cfs_cache_forget_pages(cache, oldest, NULL);
    }
}

/* --- what there is of all this ------------------------------------------------------------- */

void cfs_cache_count(const struct cfs_cache *cache, struct cfs_cache_counts *counts)
{
    *counts = cache->counts;
    counts->inodes = HASH_COUNT(cache->inodes);
    counts->bytes = cache->charged;
}
