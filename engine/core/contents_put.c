/* Changes of a file's bytes. */
#include "core/contents_internal.h"
#include "core/planted.h"

cfs_wall_time cfs_content_time(cfs_wall_time wall, cfs_wall_time before)
{
    return wall > before ? wall : before + 1;
}

/* Where what is put ends; UINT64_MAX: beyond all numbers. */
static uint64_t end_of(const struct cfs_content *content, const struct cfs_cache_put *put)
{
    uint64_t offset = put->offset, len = put->len;

    if (put->kind == CFS_PUT_TRUNCATE)
        len = 0;
    if (put->kind == CFS_PUT_REPLACE)
        offset = 0;
    if (put->kind == CFS_PUT_APPEND && !CFS_PLANTED(BUG_APPEND_AT_OFFSET))
        offset = content ? content->info.size : 0;
    return offset <= UINT64_MAX - len ? offset + len : UINT64_MAX;
}

/* As with setrlimit(2)'s RLIMIT_FSIZE, what ends below `max` may be written to a larger file. */
enum cfs_error cfs_content_put_refusal(const struct cfs_content *content,
                                       const struct cfs_cache_put *put)
{
    if (put->conditional && put->expected != (content ? content->info.version : 0))
        return CFS_ERR_CHANGED;
    return end_of(content, put) > put->max ? CFS_ERR_VALUE_TOO_BIG : CFS_OK;
}

/* An mtime that somebody set may be years ahead: the next one is behind those that changes gave,
 * and only has to differ from one that was set. */
static void stamp(struct cfs_content *content, struct cfs_moment moment)
{
    struct cfs_content_info *info = &content->info;
    cfs_wall_time mtime = cfs_content_time(moment.wall, content->written);

    mtime += mtime == info->mtime;
    info->mtime = content->written = mtime;
    info->ctime = cfs_content_time(moment.wall, info->ctime);
    info->version = info->changed = moment.index;
}

void cfs_content_put(struct cfs_contents *contents, struct cfs_content *content,
                     struct cfs_moment moment, const struct cfs_cache_put *put)
{
    uint64_t end = end_of(content, put), size = content->info.size;

    if (put->kind == CFS_PUT_TRUNCATE || put->kind == CFS_PUT_REPLACE) {
        if (!CFS_PLANTED(BUG_GAP_KEEPS))
            cfs_content_clear(contents, content, put->kind == CFS_PUT_REPLACE ? 0 : end, size);
        cfs_content_set_size(contents, content, end);
    } else if (end > size) {
        cfs_content_set_size(contents, content, end);
    }
    if (put->kind != CFS_PUT_TRUNCATE && put->len)
        cfs_content_write(contents, content, end - put->len, put->data, put->len, moment.index);
    stamp(content, moment);
}
