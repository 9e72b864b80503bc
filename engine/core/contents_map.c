/* Which bytes of a file are where: stretches in a sorted array, and the extents that they show. */
#include "core/contents_internal.h"

#include <stdlib.h>
#include <string.h>

struct cfs_extent *cfs_extent_new(struct cfs_contents *contents, uint64_t number, uint32_t len)
{
    struct cfs_extent *extent = cfs_alloc_zeroed(1, sizeof *extent);

    extent->item.id = number;
    extent->len = len;
    cfs_id_add(&contents->extents, &extent->item);
    return extent;
}

void cfs_extent_forget(struct cfs_extent *extent)
{
    extent->data = NULL;
    cfs_entry_unref(extent->entry);
    extent->entry = NULL;
    free(extent->own);
    extent->own = NULL;
    extent->capacity = 0;
}

static void unuse(struct cfs_contents *contents, struct cfs_extent *extent)
{
    if (--extent->uses)
        return;
    cfs_extent_gone(contents, extent);
    cfs_extent_forget(extent);
    cfs_id_remove(&contents->extents, &extent->item);
    free(extent);
}

static uint64_t end_of(const struct cfs_content_stretch *stretch)
{
    return stretch->offset + stretch->len;
}

size_t cfs_content_stretch_at(const struct cfs_content *content, uint64_t offset)
{
    size_t low = 0, high = content->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (end_of(&content->map[middle]) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void insert(struct cfs_content *content, size_t at, struct cfs_content_stretch stretch)
{
    content->map =
        cfs_array_room(content->map, content->count, &content->capacity, sizeof *content->map);
    memmove(&content->map[at + 1], &content->map[at], (content->count - at) * sizeof *content->map);
    content->map[at] = stretch;
    content->count++;
    stretch.extent->uses++;
}

void cfs_content_show(struct cfs_content *content, struct cfs_content_stretch stretch)
{
    insert(content, content->count, stretch);
}

static void cut_front(struct cfs_content_stretch *stretch, uint64_t offset)
{
    uint32_t by = (uint32_t)(offset - stretch->offset);

    stretch->offset += by;
    stretch->from += by;
    stretch->len -= by;
}

/* What reaches over `offset` becomes two; where what begins there is, or would be. */
static size_t divide(struct cfs_content *content, uint64_t offset)
{
    size_t at = cfs_content_stretch_at(content, offset);
    struct cfs_content_stretch behind;

    if (at == content->count || content->map[at].offset >= offset)
        return at;
    behind = content->map[at];
    cut_front(&behind, offset);
    content->map[at].len -= behind.len;
    insert(content, at + 1, behind);
    return at + 1;
}

/* Where something that begins at `offset` is to be put into the map, when it is cleared. */
static size_t clear(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                    uint64_t end)
{
    size_t first = divide(content, offset), last = divide(content, end);

    if (first == last)
        return first;
    for (size_t i = first; i < last; i++)
        unuse(contents, content->map[i].extent);
    memmove(&content->map[first], &content->map[last],
            (content->count - last) * sizeof *content->map);
    content->count -= last - first;
    return first;
}

void cfs_content_clear(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                       uint64_t end)
{
    if (!content->count || offset >= end)
        return;
    clear(contents, content, offset, end);
    if (content->count)
        return;
    free(content->map);
    content->map = NULL;
    content->capacity = 0;
}

static void keep(struct cfs_contents *contents, struct cfs_extent *extent, const uint8_t *data)
{
    struct cfs_entry *source = contents->source;

    if (source) {
        assert(data >= source->data && data + extent->len <= source->data + source->len);
        extent->entry = cfs_entry_ref(source);
        extent->data = data;
    } else {
        extent->data = extent->own = cfs_alloc_copy(data, extent->len);
        extent->capacity = extent->len;
    }
}

/* Whether what is written behind this one can become a part of its extent. */
static bool can_grow(const struct cfs_content_stretch *stretch, uint64_t offset, uint32_t len)
{
    const struct cfs_extent *extent = stretch->extent;

    return end_of(stretch) == offset && !extent->saved &&
           stretch->from + stretch->len == extent->len && len <= CFS_EXTENT_GROWN_MAX &&
           extent->len + len <= CFS_EXTENT_GROWN_MAX;
}

static void grow(struct cfs_content_stretch *stretch, const uint8_t *data, uint32_t len)
{
    struct cfs_extent *extent = stretch->extent;
    uint32_t capacity = extent->capacity ? extent->capacity : extent->len;
    uint8_t *own;

    while (capacity < extent->len + len)
        capacity *= 2;
    if (capacity != extent->capacity) {
        own = cfs_alloc(capacity);
        memcpy(own, extent->data, extent->len);
        cfs_extent_forget(extent);
        extent->data = extent->own = own;
        extent->capacity = capacity;
    }
    memcpy(extent->own + extent->len, data, len);
    extent->len += len;
    stretch->len += len;
}

void cfs_content_write(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                       const uint8_t *data, uint32_t len, uint64_t number)
{
    size_t at = clear(contents, content, offset, offset + len);
    struct cfs_extent *extent;

    if (at && can_grow(&content->map[at - 1], offset, len)) {
        grow(&content->map[at - 1], data, len);
        return;
    }
    extent = cfs_extent_new(contents, number, len);
    keep(contents, extent, data);
    insert(content, at, (struct cfs_content_stretch){offset, 0, len, extent});
}

void cfs_content_take(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                      uint8_t *data, uint32_t len, uint64_t number)
{
    size_t at = clear(contents, content, offset, offset + len);
    struct cfs_extent *extent = cfs_extent_new(contents, number, len);

    extent->data = extent->own = data;
    extent->capacity = len;
    insert(content, at, (struct cfs_content_stretch){offset, 0, len, extent});
}

/* Adds what is read from `at` on, up to `end` at most; where it ends. */
static uint64_t add(struct cfs_stretch *out, const struct cfs_content_stretch *next, uint64_t at,
                    uint64_t end)
{
    bool zeros = !next || next->offset > at;
    uint64_t until = !next ? end : zeros ? next->offset : end_of(next);

    if (until > end)
        until = end;
    *out = (struct cfs_stretch){.len = (uint32_t)(until - at)};
    if (zeros)
        return until;
    out->extent = next->extent->item.id;
    out->from = next->from + (uint32_t)(at - next->offset);
    out->data = next->extent->data ? next->extent->data + out->from : NULL;
    return until;
}

struct cfs_stretch *cfs_contents_read(const struct cfs_contents *contents, cfs_ino ino,
                                      uint64_t offset, uint32_t len, uint32_t *count)
{
    const struct cfs_content *content = cfs_content_find(contents, ino);
    uint64_t size = content ? content->info.size : 0, end;
    struct cfs_stretch *out = NULL;
    size_t at, capacity = 0;

    *count = 0;
    if (!content || offset >= size)
        return NULL;
    end = len < size - offset ? offset + len : size;
    at = cfs_content_stretch_at(content, offset);
    while (offset < end) {
        const struct cfs_content_stretch *next = at < content->count ? &content->map[at] : NULL;
        out = cfs_array_room(out, *count, &capacity, sizeof *out);
        offset = add(&out[(*count)++], next, offset, end);
        at += next && offset == end_of(next);
    }
    return out;
}
