/* Reads of files' contents at the leader. Bytes that are on the disk are read first, as bodies of
 * messages are; what is read is for the one answer: copies that last are in the kernels of those
 * who ask. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/home_held.h"

/* A range of the answer that is to come from the disk. */
struct missing {
    uint64_t extent;
    uint32_t from, len, at; /* in the extent; in the answer */
    bool came;
};

struct held {
    struct cfs_held base;
    struct cfs_cache_read range;
    struct cfs_answer answer; /* but for the bytes, as of when they were looked for */
    uint8_t *data;            /* owned: the answer's */
    struct missing *missing;  /* owned */
    size_t count, capacity;
};

static void release(struct cfs_held *base)
{
    struct held *held = (struct held *)base;

    free(held->data);
    free(held->missing);
    free(held);
}

static void add_missing(struct held *held, const struct cfs_stretch *stretch, uint32_t at)
{
    held->missing =
        cfs_array_room(held->missing, held->count, &held->capacity, sizeof *held->missing);
    held->missing[held->count++] =
        (struct missing){stretch->extent, stretch->from, stretch->len, at, false};
}

/* What is in memory is copied: it may be gone or grow before the rest is there. */
static void gather(struct held *held, const struct cfs_stretch *stretches, uint32_t count)
{
    uint32_t at = 0, len = 0;

    for (uint32_t i = 0; i < count; i++)
        len += stretches[i].len;
    held->data = cfs_alloc_zeroed(1, len + 1);
    for (uint32_t i = 0; i < count; at += stretches[i++].len) {
        const struct cfs_stretch *stretch = &stretches[i];
        if (stretch->data)
            memcpy(held->data + at, stretch->data, stretch->len);
        else if (stretch->extent)
            add_missing(held, stretch, at);
    }
    held->answer.cache.data = held->data;
    held->answer.cache.len = len;
}

/* The bytes of the file as it is now; what is on the disk is missing. */
static void look(const struct cfs_home *home, struct held *held, struct cfs_cache_share share)
{
    const struct cfs_contents *contents = home->machine->contents;
    const struct cfs_cache_read *range = &held->range;
    uint32_t len = range->len < CFS_PUT_MAX ? range->len : CFS_PUT_MAX, count;
    struct cfs_stretch *stretches;

    free(held->data);
    held->data = NULL;
    held->count = 0;
    held->answer = (struct cfs_answer){.cache.share = share};
    if (cfs_contents_dropped(contents, range->ino)) {
        held->answer = (struct cfs_answer){.error = CFS_ERR_STALE};
        return;
    }
    held->answer.cache.content = cfs_contents_info(contents, range->ino);
    stretches = cfs_contents_read(contents, range->ino, range->offset, len, &count);
    gather(held, stretches, count);
    free(stretches);
}

/* Of one extent several ranges may be missing: it is read once. */
static bool is_ordered(const struct held *held, size_t before)
{
    for (size_t i = before; i-- > 0;)
        if (held->missing[i].extent == held->missing[before].extent)
            return true;
    return false;
}

static void order_read(struct cfs_home *home, struct held *held)
{
    struct cfs_writer *keys = cfs_home_held_read(home, &held->base);

    for (size_t i = 0; i < held->count; i++) {
        struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_EXTENT, held->missing[i].extent);
        if (!is_ordered(held, i))
            cfs_put_bytes(keys, key.bytes, key.len);
    }
}

static void take(struct held *held, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    uint64_t number = cfs_piece_number(&key);

    for (size_t i = 0; i < held->count; i++) {
        struct missing *missing = &held->missing[i];
        if (missing->extent != number || missing->from > piece->value_len ||
            missing->len > piece->value_len - missing->from)
            continue;
        memcpy(held->data + missing->at, piece->value + missing->from, missing->len);
        missing->came = true;
    }
}

/* An extent is gone when it was overwritten meanwhile, and a checkpoint knows that. If it is there,
 * a part of the disk is lost, and the node must not lead with the rest. */
static bool is_whole(const struct cfs_home *home, const struct held *held)
{
    for (size_t i = 0; i < held->count; i++)
        if (!held->missing[i].came) {
            assert(!cfs_contents_have(home->machine->contents, held->missing[i].extent));
            return false;
        }
    return true;
}

static void send(struct cfs_home *home, const struct held *held)
{
    const struct cfs_held_key *key = &held->base.key;

    cfs_home_answer_read(home, (cfs_node_id)key->node, key->sequence, &held->answer);
}

/* What the answer lacks is to be read, or it is sent. */
static void progress(struct cfs_home *home, struct held *held)
{
    if (held->count) {
        order_read(home, held);
        return;
    }
    send(home, held);
    cfs_home_held_end(home, &held->base);
}

static bool has_changed(const struct cfs_home *home, const struct held *held)
{
    return cfs_contents_info(home->machine->contents, held->range.ino).changed !=
           held->answer.cache.content.changed;
}

/* Bytes of a later state are not shared: who was to be asked to give them up may not have been. Nor
 * are those of an earlier one: a node that has changed them itself was not asked to. */
static void came(struct cfs_home *home, struct cfs_held *base, struct cfs_reader *pieces)
{
    struct held *held = (struct held *)base;
    struct cfs_piece piece;

    while (cfs_piece_next(pieces, &piece))
        take(held, &piece);
    if (has_changed(home, held))
        held->answer.cache.share = (struct cfs_cache_share){0};
    if (is_whole(home, held))
        held->count = 0;
    else
        look(home, held, (struct cfs_cache_share){0});
    progress(home, held);
}

static void answer_xattrs(struct cfs_home *home, cfs_node_id to, const struct cfs_msg_read *read)
{
    struct cfs_answer answer = {0};

    cfs_contents_xattrs(home->machine->contents, read->cache.ino, &answer);
    cfs_home_answer_read(home, to, read->id, &answer);
}

void cfs_home_fetch(struct cfs_home *home, cfs_node_id to, const struct cfs_msg_read *read,
                    struct cfs_cache_share share)
{
    struct cfs_held base = {.key = {CFS_TO_READ, to, 0, read->id}, .came = came, .free = release};
    struct held *held;

    if (read->op == CFS_OP_CACHE_XATTRS) {
        answer_xattrs(home, to, read);
        return;
    }
    if (cfs_home_held_is(home, &base.key))
        return;
    held = cfs_alloc_zeroed(1, sizeof *held);
    held->base = base;
    held->range = read->cache;
    cfs_home_held_add(home, &held->base);
    look(home, held, share);
    progress(home, held);
}
