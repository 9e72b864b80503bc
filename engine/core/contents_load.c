/* Contents made of what was saved, one piece after the other in the order of their keys: files, and
 * what is left of those that were dropped. Nothing is believed: what makes no sense is refused.
 * Extents' bytes may be left out; those that come stay where they are. */
#include <stdlib.h>
#include <string.h>

#include "core/command_internal.h"
#include "core/contents_internal.h"
#include "core/digest.h"

static uint64_t end_of_map(const struct cfs_content *content)
{
    const struct cfs_content_stretch *last;

    if (!content->count)
        return 0;
    last = &content->map[content->count - 1];
    return last->offset + last->len;
}

/* Several stretches may show parts of one extent. */
static void load_stretch(struct cfs_contents *contents, struct cfs_content *content,
                         struct cfs_reader *value)
{
    struct cfs_content_stretch stretch = {.offset = cfs_get_u64(value)};
    uint64_t number, size = content->info.size;
    uint32_t extent_len;

    stretch.from = cfs_get_u32(value);
    stretch.len = cfs_get_u32(value);
    number = cfs_get_u64(value);
    extent_len = cfs_get_u32(value);
    stretch.extent = (struct cfs_extent *)cfs_id_find(&contents->extents, number);
    if (value->failed || !number || !stretch.len || extent_len > CFS_PUT_MAX ||
        stretch.from > extent_len || stretch.len > extent_len - stretch.from ||
        stretch.offset < end_of_map(content) || stretch.offset > size ||
        stretch.len > size - stretch.offset ||
        (stretch.extent && stretch.extent->len != extent_len)) {
        value->failed = true;
        return;
    }
    if (number & CFS_EXTENT_COMPACTED && (number ^ CFS_EXTENT_COMPACTED) > contents->compacted)
        contents->compacted = number ^ CFS_EXTENT_COMPACTED;
    if (!stretch.extent) {
        stretch.extent = cfs_extent_new(contents, number, extent_len);
        stretch.extent->saved = true;
    }
    cfs_content_show(content, stretch);
}

/* Names, each with its value. */
static bool is_blob(const uint8_t *data, uint32_t len)
{
    struct cfs_reader blob = {.data = data, .len = len};

    while (blob.at < len && !blob.failed) {
        const uint8_t *end = memchr(data + blob.at, 0, len - blob.at);
        uint32_t value_len;
        if (!end || end == data + blob.at)
            return false;
        blob.at = (size_t)(end - data) + 1;
        cfs_get_bytes(&blob, &value_len);
    }
    return !blob.failed && len <= CFS_XATTRS_MAX;
}

static int load_file(struct cfs_contents *contents, cfs_ino ino, struct cfs_reader *value)
{
    struct cfs_content *content = cfs_content_new(contents, ino);
    struct cfs_content_info *info = &content->info;
    const uint8_t *xattrs;
    uint32_t count;

    content->saved = true;
    info->version = cfs_get_u64(value);
    info->changed = cfs_get_u64(value);
    cfs_content_set_size(contents, content, cfs_get_u64(value));
    info->mtime = cfs_get_u64(value);
    info->atime = cfs_get_u64(value);
    info->ctime = cfs_get_u64(value);
    content->written = cfs_get_u64(value);
    xattrs = cfs_get_bytes(value, &content->xattrs_len);
    content->xattrs = cfs_alloc_copy(xattrs, content->xattrs_len);
    if (!is_blob(content->xattrs, content->xattrs_len))
        return -1;
    for (count = cfs_get_u32(value); count && !value->failed; count--)
        load_stretch(contents, content, value);
    return cfs_reader_whole(value) && info->version <= info->changed && info->changed ? 0 : -1;
}

static int load_dropped(struct cfs_contents *contents, cfs_ino ino, struct cfs_reader *value)
{
    uint64_t index = cfs_get_u64(value);
    cfs_time since = cfs_get_u64(value);

    if (!cfs_reader_whole(value))
        return -1;
    cfs_dropped_add(contents, ino, index, since)->saved = true;
    return 0;
}

static int load_extent(const struct cfs_contents *contents, uint64_t number,
                       const struct cfs_piece *piece)
{
    const struct cfs_extent *extent =
        (const struct cfs_extent *)cfs_id_find(&contents->extents, number);

    return extent && extent->len == piece->value_len ? 0 : -1;
}

int cfs_contents_load(struct cfs_contents *contents, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    uint64_t number = cfs_piece_number(&key);

    if (!piece->put || key.failed || !number)
        return -1;
    if (piece->key[0] == CFS_PIECE_EXTENT)
        return load_extent(contents, number, piece);
    cfs_get_enum(&value, CFS_CONTENT_VERSION, CFS_CONTENT_VERSION);
    if (value.failed || piece->key[0] != CFS_PIECE_CONTENT || cfs_content_find(contents, number) ||
        cfs_dropped_find(contents, number))
        return -1;
    if (cfs_get_enum(&value, CFS_CONTENT_FILE, CFS_CONTENT_DROPPED) == CFS_CONTENT_FILE)
        return value.failed ? -1 : load_file(contents, number, &value);
    return load_dropped(contents, number, &value);
}

static int by_index(const struct cfs_dropped *a, const struct cfs_dropped *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

bool cfs_contents_loaded(struct cfs_contents *contents)
{
    DL_SORT(contents->oldest_dropped, by_index);
    return true;
}

/* The digest. Bytes are on one replica's disk and in another's memory, and how they are divided
 * into extents differs: of them counts the version. */
static uint64_t digest_of(const struct cfs_content *content)
{
    const struct cfs_content_info *info = &content->info;
    const uint64_t values[] = {content->item.id, info->version, info->changed, info->size,
                               info->mtime,      info->atime,   info->ctime,   content->written};
    uint64_t digest = CFS_DIGEST_START;

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        digest = cfs_digest_number(digest, values[i]);
    return cfs_digest_bytes(digest, content->xattrs, content->xattrs_len);
}

/* Files are added up: the order in which they are found says nothing about them. */
uint64_t cfs_contents_digest(const struct cfs_contents *contents)
{
    const struct cfs_dropped *dropped;
    uint64_t sum = 0, digest = CFS_DIGEST_START;

    for (size_t i = 0; i < contents->by_ino.count; i++)
        for (const struct cfs_id_item *item = contents->by_ino.buckets[i]; item; item = item->chain)
            sum += digest_of((const struct cfs_content *)item);
    DL_FOREACH (contents->oldest_dropped, dropped) {
        digest = cfs_digest_number(digest, dropped->item.id);
        digest = cfs_digest_number(cfs_digest_number(digest, dropped->index), dropped->since);
    }
    return cfs_digest_number(digest, sum);
}
