/* What was written in many small pieces becomes one: else a file that is written a byte at a time
 * would be a map of as many extents. Extents that are saved have to be read for that, so a save
 * notes which files it may be worth for, and their crowded blocks are read one after the other.
 *
 * It is each replica's own affair, as all that concerns extents. The new ones have numbers of their
 * own, with the highest bit, which no index of an entry has. */
#include "core/contents_internal.h"

#include <stdlib.h>
#include <string.h>

/* That many stretches in a block are too many: less than 4 KiB each. */
#define BLOCK 262144u
#define CROWD 64u
/* Blocks between two saves: they are in memory until the next one. */
#define BLOCKS_MAX 16u

void cfs_content_note_crowd(struct cfs_contents *contents, struct cfs_content *content)
{
    struct cfs_compaction *compaction = &contents->compaction;

    if (content->count <= CROWD || content->noted)
        return;
    content->noted = true;
    compaction->noted = cfs_array_room(compaction->noted, compaction->count, &compaction->capacity,
                                       sizeof *compaction->noted);
    compaction->noted[compaction->count++] = content->item.id;
}

void cfs_contents_allow_compaction(struct cfs_contents *contents)
{
    contents->compaction.left = BLOCKS_MAX;
}

/* The stretches of the block that `offset` is in. */
static void find_block(const struct cfs_content *content, uint64_t offset, size_t *first,
                       size_t *last)
{
    uint64_t block = offset - offset % BLOCK;

    *first = cfs_content_stretch_at(content, block);
    *last = cfs_content_stretch_at(content, block + BLOCK - 1);
    if (*last < content->count && content->map[*last].offset < block + BLOCK)
        ++*last;
}

/* The first crowded block at or behind `offset`, by a byte that is in it. */
static bool find_crowd(const struct cfs_content *content, uint64_t *offset)
{
    size_t first, last, at;

    while ((at = cfs_content_stretch_at(content, *offset)) < content->count) {
        if (content->map[at].offset > *offset)
            *offset = content->map[at].offset;
        find_block(content, *offset, &first, &last);
        if (last - first > CROWD)
            return true;
        *offset += BLOCK - *offset % BLOCK;
    }
    return false;
}

static void put_key(struct cfs_writer *keys, uint64_t number)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_EXTENT, number);

    cfs_put_bytes(keys, key.bytes, key.len);
}

/* Each of them once. */
static void put_keys(const struct cfs_content *content, uint64_t offset, struct cfs_writer *keys)
{
    size_t first, last;

    find_block(content, offset, &first, &last);
    for (size_t i = first; i < last; i++) {
        struct cfs_extent *extent = content->map[i].extent;
        if (!extent->data && !extent->wanted)
            put_key(keys, extent->item.id);
        extent->wanted = true;
    }
    for (size_t i = first; i < last; i++)
        content->map[i].extent->wanted = false;
}

/* The next file that was noted and is still there. */
static struct cfs_content *next_noted(struct cfs_contents *contents)
{
    struct cfs_compaction *compaction = &contents->compaction;
    struct cfs_content *content = NULL;

    while (compaction->count && !content)
        content = cfs_content_find(contents, compaction->noted[--compaction->count]);
    if (content)
        content->noted = false;
    compaction->ino = content ? content->item.id : 0;
    compaction->at = 0;
    return content;
}

bool cfs_contents_compact_next(struct cfs_contents *contents, struct cfs_writer *keys)
{
    struct cfs_compaction *compaction = &contents->compaction;
    struct cfs_content *content = cfs_content_find(contents, compaction->ino);

    if (!compaction->left)
        return false;
    while (!content || !find_crowd(content, &compaction->at)) {
        content = next_noted(contents);
        if (!content)
            return false;
    }
    put_keys(content, compaction->at, keys);
    compaction->left--;
    return compaction->reading = true;
}

/* Extents lend the bytes of the pieces for a moment, or give them back. */
static void lend(struct cfs_contents *contents, struct cfs_reader pieces, bool give)
{
    struct cfs_piece piece;

    while (cfs_piece_next(&pieces, &piece)) {
        struct cfs_reader key = {.data = piece.key, .len = piece.key_len};
        struct cfs_extent *extent =
            (struct cfs_extent *)cfs_id_find(&contents->extents, cfs_piece_number(&key));
        if (!extent || extent->len != piece.value_len)
            continue;
        if (give && !extent->data)
            extent->data = piece.value;
        else if (!give && extent->data == piece.value)
            extent->data = NULL;
    }
}

/* The bytes from `start` to `end`, gaps included; NULL: some of them are on the disk. */
static uint8_t *gather(const struct cfs_content *content, uint64_t start, uint64_t end,
                       const size_t range[2])
{
    uint8_t *bytes = cfs_alloc_zeroed(1, end - start);

    for (size_t i = range[0]; i < range[1]; i++) {
        const struct cfs_content_stretch *stretch = &content->map[i];
        uint64_t from = stretch->offset > start ? stretch->offset : start;
        uint64_t to = stretch->offset + stretch->len;
        if (!stretch->extent->data) {
            free(bytes);
            return NULL;
        }
        to = to < end ? to : end;
        memcpy(bytes + (from - start),
               stretch->extent->data + stretch->from + (from - stretch->offset), to - from);
    }
    return bytes;
}

static void compact(struct cfs_contents *contents, struct cfs_content *content, uint64_t offset,
                    struct cfs_reader pieces)
{
    uint64_t start = offset - offset % BLOCK, end = start + BLOCK, last_end;
    const struct cfs_content_stretch *last;
    size_t range[2];
    uint8_t *bytes;

    find_block(content, offset, &range[0], &range[1]);
    if (range[1] - range[0] <= CROWD)
        return;
    last = &content->map[range[1] - 1];
    last_end = last->offset + last->len;
    end = last_end < end ? last_end : end;
    start = content->map[range[0]].offset > start ? content->map[range[0]].offset : start;
    lend(contents, pieces, true);
    bytes = gather(content, start, end, range);
    lend(contents, pieces, false);
    if (!bytes)
        return;
    cfs_content_changed(contents, content);
    cfs_content_take(contents, content, start, bytes, (uint32_t)(end - start),
                     CFS_EXTENT_COMPACTED | ++contents->compacted);
}

void cfs_contents_compact(struct cfs_contents *contents, const uint8_t *data, size_t len)
{
    struct cfs_compaction *compaction = &contents->compaction;
    struct cfs_content *content;

    if (!compaction->reading)
        return;
    compaction->reading = false;
    content = cfs_content_find(contents, compaction->ino);
    if (content)
        compact(contents, content, compaction->at, (struct cfs_reader){.data = data, .len = len});
    compaction->at += BLOCK - compaction->at % BLOCK;
}
