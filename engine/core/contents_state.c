/* Contents as pieces: what changed since the last save. The map of a file and what is known of it
 * is one piece, each extent another, which is written once. What came and went between two saves is
 * in neither of them. */
#include <stdlib.h>

#include "core/contents_internal.h"

void cfs_content_changed(struct cfs_contents *contents, struct cfs_content *content)
{
    if (content->changed)
        return;
    content->changed = true;
    DL_APPEND2(contents->changes.contents, content, changed_prev, changed_next);
}

static void delete_number(struct cfs_contents *contents, enum cfs_piece_tag tag, uint64_t number)
{
    struct cfs_piece_key key = cfs_piece_key_number(tag, number);

    cfs_piece_delete(&contents->changes.gone, &key);
}

void cfs_content_gone(struct cfs_contents *contents, struct cfs_content *content)
{
    if (content->changed)
        DL_DELETE2(contents->changes.contents, content, changed_prev, changed_next);
    if (content->saved)
        delete_number(contents, CFS_PIECE_CONTENT, content->item.id);
}

void cfs_extent_gone(struct cfs_contents *contents, const struct cfs_extent *extent)
{
    if (extent->saved)
        delete_number(contents, CFS_PIECE_EXTENT, extent->item.id);
}

void cfs_dropped_new(struct cfs_contents *contents, struct cfs_dropped *dropped)
{
    DL_APPEND2(contents->changes.dropped, dropped, unsaved_prev, unsaved_next);
}

void cfs_dropped_gone(struct cfs_contents *contents, struct cfs_dropped *dropped)
{
    if (dropped->saved)
        delete_number(contents, CFS_PIECE_CONTENT, dropped->item.id);
    else
        DL_DELETE2(contents->changes.dropped, dropped, unsaved_prev, unsaved_next);
}

/* Saving. */

static void put(struct cfs_writer *pieces, enum cfs_piece_tag tag, uint64_t number,
                struct cfs_writer *value)
{
    struct cfs_piece_key key = cfs_piece_key_number(tag, number);

    cfs_piece_put(pieces, &key, value);
    value->len = 0;
}

static void save_extent(struct cfs_contents *contents, struct cfs_extent *extent,
                        struct cfs_writer *pieces)
{
    struct cfs_writer value = {0};

    if (extent->saved)
        return;
    cfs_put_raw(&value, extent->data, extent->len);
    put(pieces, CFS_PIECE_EXTENT, extent->item.id, &value);
    free(value.data);
    extent->saved = true;
    contents->said.items = cfs_array_room(contents->said.items, contents->said.count,
                                          &contents->said.capacity, sizeof *contents->said.items);
    contents->said.items[contents->said.count++] = extent->item.id;
}

static void save_content(struct cfs_contents *contents, struct cfs_content *content,
                         struct cfs_writer *pieces, struct cfs_writer *value)
{
    const struct cfs_content_info *info = &content->info;

    cfs_put_u8(value, CFS_CONTENT_VERSION);
    cfs_put_u8(value, CFS_CONTENT_FILE);
    cfs_put_u64(value, info->version);
    cfs_put_u64(value, info->changed);
    cfs_put_u64(value, info->size);
    cfs_put_u64(value, info->mtime);
    cfs_put_u64(value, info->atime);
    cfs_put_u64(value, info->ctime);
    cfs_put_u64(value, content->written);
    cfs_put_bytes(value, content->xattrs, content->xattrs_len);
    cfs_put_u32(value, (uint32_t)content->count);
    for (size_t i = 0; i < content->count; i++) {
        const struct cfs_content_stretch *stretch = &content->map[i];
        cfs_put_u64(value, stretch->offset);
        cfs_put_u32(value, stretch->from);
        cfs_put_u32(value, stretch->len);
        cfs_put_u64(value, stretch->extent->item.id);
        cfs_put_u32(value, stretch->extent->len);
        save_extent(contents, stretch->extent, pieces);
    }
    put(pieces, CFS_PIECE_CONTENT, content->item.id, value);
    content->saved = true;
    content->changed = false;
    cfs_content_note_crowd(contents, content);
}

static void save_dropped(struct cfs_dropped *dropped, struct cfs_writer *pieces,
                         struct cfs_writer *value)
{
    cfs_put_u8(value, CFS_CONTENT_VERSION);
    cfs_put_u8(value, CFS_CONTENT_DROPPED);
    cfs_put_u64(value, dropped->index);
    cfs_put_u64(value, dropped->since);
    put(pieces, CFS_PIECE_CONTENT, dropped->item.id, value);
    dropped->saved = true;
}

void cfs_contents_save(struct cfs_contents *contents, struct cfs_writer *pieces)
{
    struct cfs_writer *gone = &contents->changes.gone, value = {0};
    struct cfs_dropped *dropped, *next_dropped;
    struct cfs_content *content, *next;

    /* First what went: what was dropped has the key that its contents had. */
    cfs_put_raw(pieces, gone->data, gone->len);
    free(gone->data);
    *gone = (struct cfs_writer){0};
    DL_FOREACH_SAFE2(contents->changes.contents, content, next, changed_next)
    save_content(contents, content, pieces, &value);
    contents->changes.contents = NULL;
    DL_FOREACH_SAFE2(contents->changes.dropped, dropped, next_dropped, unsaved_next)
    save_dropped(dropped, pieces, &value);
    contents->changes.dropped = NULL;
    cfs_contents_allow_compaction(contents);
    free(value.data);
}

void cfs_contents_saved(struct cfs_contents *contents)
{
    for (size_t i = 0; i < contents->said.count; i++) {
        struct cfs_id_item *item = cfs_id_find(&contents->extents, contents->said.items[i]);
        if (item)
            cfs_extent_forget((struct cfs_extent *)item);
    }
    free(contents->said.items);
    contents->said.items = NULL;
    contents->said.count = contents->said.capacity = 0;
}
