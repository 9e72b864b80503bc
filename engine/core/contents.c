/* Contents of files: records, changes of them, what is asked of them. */
#include "core/contents_internal.h"

#include <stdlib.h>

struct cfs_contents *cfs_contents_new(void)
{
    return cfs_alloc_zeroed(1, sizeof(struct cfs_contents));
}

struct cfs_content *cfs_content_find(const struct cfs_contents *contents, cfs_ino ino)
{
    return (struct cfs_content *)cfs_id_find(&contents->by_ino, ino);
}

struct cfs_content *cfs_content_new(struct cfs_contents *contents, cfs_ino ino)
{
    struct cfs_content *content = cfs_alloc_zeroed(1, sizeof *content);

    content->item.id = ino;
    cfs_id_add(&contents->by_ino, &content->item);
    return content;
}

void cfs_content_set_size(struct cfs_contents *contents, struct cfs_content *content, uint64_t size)
{
    contents->bytes += size - content->info.size;
    content->info.size = size;
}

/* The end of one that can be found no more. */
static void release(struct cfs_contents *contents, struct cfs_content *content)
{
    cfs_content_gone(contents, content);
    cfs_content_clear(contents, content, 0, content->info.size);
    cfs_content_set_size(contents, content, 0);
    free(content->xattrs);
    free(content);
}

void cfs_contents_free(struct cfs_contents *contents)
{
    struct cfs_id_table *table = &contents->by_ino;

    for (size_t i = 0; i < table->count; i++)
        while (table->buckets[i]) {
            struct cfs_id_item *item = table->buckets[i];
            table->buckets[i] = item->chain;
            release(contents, (struct cfs_content *)item);
        }
    cfs_dropped_free(contents);
    cfs_id_table_close(table);
    cfs_id_table_close(&contents->extents);
    free(contents->changes.gone.data);
    free(contents->said.items);
    free(contents->compaction.noted);
    free(contents);
}

void cfs_contents_set_source(struct cfs_contents *contents, struct cfs_entry *entry)
{
    contents->source = entry;
}

/* 0 says that a time was never set. */
static cfs_wall_time time_of(cfs_wall_time set)
{
    return set ? set : 1;
}

static void touch(struct cfs_content *content, struct cfs_moment moment,
                  const struct cfs_cache_set *set)
{
    struct cfs_content_info *info = &content->info;

    if (set->fields & CFS_CACHE_ATIME)
        info->atime = time_of(set->atime);
    if (set->fields & CFS_CACHE_ATIME_NOW)
        info->atime = moment.wall;
    if (set->fields & CFS_CACHE_MTIME)
        info->mtime = time_of(set->mtime);
    if (set->fields & CFS_CACHE_MTIME_NOW)
        info->mtime = moment.wall;
}

static void change(struct cfs_contents *contents, struct cfs_content *content,
                   struct cfs_moment moment, const struct cfs_request *request)
{
    cfs_content_changed(contents, content);
    if (request->op == CFS_OP_CACHE_PUT) {
        cfs_content_put(contents, content, moment, &request->cache_put);
        return;
    }
    if (request->op == CFS_OP_CACHE_TOUCH)
        touch(content, moment, &request->cache_set);
    else
        cfs_content_xattr(content, request->name, &request->cache_xattr);
    content->info.ctime = cfs_content_time(moment.wall, content->info.ctime);
    content->info.changed = moment.index;
}

static void apply_drop(struct cfs_contents *contents, struct cfs_moment moment, cfs_ino ino)
{
    struct cfs_content *content = cfs_content_find(contents, ino);

    if (content) {
        cfs_id_remove(&contents->by_ino, &content->item);
        release(contents, content);
    }
    if (!cfs_dropped_find(contents, ino))
        cfs_dropped_new(contents, cfs_dropped_add(contents, ino, moment.index, moment.time));
}

/* Writing nothing changes nothing (write(2)). */
static bool is_nothing(const struct cfs_request *request)
{
    const struct cfs_cache_put *put = &request->cache_put;

    return request->op == CFS_OP_CACHE_PUT && !put->len &&
           (put->kind == CFS_PUT_WRITE || put->kind == CFS_PUT_APPEND);
}

void cfs_contents_apply(struct cfs_contents *contents, struct cfs_moment moment,
                        const struct cfs_request *request, struct cfs_answer *answer)
{
    cfs_ino ino = cfs_request_contents(request);
    struct cfs_content *content;

    cfs_dropped_tidy(contents, moment.time);
    answer->error = cfs_contents_refusal(contents, request);
    if (request->op == CFS_OP_CACHE_DROP) {
        apply_drop(contents, moment, ino);
        return;
    }
    answer->token = cfs_contents_info(contents, ino).version;
    if (!answer->error && !is_nothing(request)) {
        content = cfs_content_find(contents, ino);
        change(contents, content ? content : cfs_content_new(contents, ino), moment, request);
    }
    answer->cache.content = cfs_contents_info(contents, ino);
    answer->id = answer->cache.content.version;
}

enum cfs_error cfs_contents_refusal(const struct cfs_contents *contents,
                                    const struct cfs_request *request)
{
    cfs_ino ino = cfs_request_contents(request);
    const struct cfs_content *content = cfs_content_find(contents, ino);

    if (request->op == CFS_OP_CACHE_DROP)
        return CFS_OK;
    if (cfs_dropped_find(contents, ino))
        return CFS_ERR_STALE;
    if (request->op == CFS_OP_CACHE_PUT)
        return cfs_content_put_refusal(content, &request->cache_put);
    if (request->op == CFS_OP_CACHE_XATTR)
        return cfs_content_xattr_refusal(content, request->name, &request->cache_xattr);
    return CFS_OK;
}

struct cfs_content_info cfs_contents_info(const struct cfs_contents *contents, cfs_ino ino)
{
    const struct cfs_content *content = cfs_content_find(contents, ino);

    return content ? content->info : (struct cfs_content_info){0};
}

bool cfs_contents_dropped(const struct cfs_contents *contents, cfs_ino ino)
{
    return cfs_dropped_find(contents, ino);
}

void cfs_contents_xattrs(const struct cfs_contents *contents, cfs_ino ino,
                         struct cfs_answer *answer)
{
    const struct cfs_content *content = cfs_content_find(contents, ino);

    if (cfs_dropped_find(contents, ino))
        answer->error = CFS_ERR_STALE;
    if (!content)
        return;
    answer->cache.content = content->info;
    answer->cache.data = content->xattrs;
    answer->cache.len = content->xattrs_len;
}

bool cfs_contents_have(const struct cfs_contents *contents, uint64_t extent)
{
    return cfs_id_find(&contents->extents, extent);
}

uint64_t cfs_contents_count(const struct cfs_contents *contents)
{
    return contents->by_ino.count;
}

uint64_t cfs_contents_bytes(const struct cfs_contents *contents)
{
    return contents->bytes;
}
