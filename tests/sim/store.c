/* Sorted arrays; states in simulations are small. */
#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/node_core.h"
#include "core/piece.h"

static void item_clear(struct sim_item *item)
{
    free(item->key);
    free(item->value);
}

static void state_clear(struct sim_saved *state)
{
    for (size_t i = 0; i < state->count; i++)
        item_clear(&state->items[i]);
    free(state->items);
    free(state->head);
    *state = (struct sim_saved){0};
}

void sim_store_crash(struct sim_store *store)
{
    while (store->copies)
        sim_store_end_fetch(store, store->copies->transfer);
}

void sim_store_close(struct sim_store *store)
{
    sim_store_crash(store);
    for (size_t i = 0; i < SIM_GROUPS; i++) {
        state_clear(&store->states[i]);
        state_clear(&store->staged[i]);
    }
}

static int compare(const struct sim_item *item, const struct cfs_piece *piece)
{
    uint32_t shorter = item->key_len < piece->key_len ? item->key_len : piece->key_len;
    int order = memcmp(item->key, piece->key, shorter);

    return order ? order : (int)item->key_len - (int)piece->key_len;
}

/* The first item that does not come before the piece. */
static size_t place_of(const struct sim_saved *state, const struct cfs_piece *piece)
{
    size_t low = 0, high = state->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&state->items[middle], piece) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put(struct sim_saved *state, const struct cfs_piece *piece)
{
    size_t at = place_of(state, piece);
    struct sim_item item = {.key = cfs_alloc_copy(piece->key, piece->key_len),
                            .value = cfs_alloc_copy(piece->value, piece->value_len),
                            .key_len = piece->key_len,
                            .value_len = piece->value_len};

    if (at < state->count && compare(&state->items[at], piece) == 0) {
        item_clear(&state->items[at]);
    } else {
        state->items =
            cfs_array_room(state->items, state->count, &state->capacity, sizeof *state->items);
        memmove(state->items + at + 1, state->items + at,
                (state->count - at) * sizeof *state->items);
        state->count++;
    }
    state->items[at] = item;
}

static void delete (struct sim_saved *state, const struct cfs_piece *piece)
{
    size_t at = place_of(state, piece);

    if (at == state->count || compare(&state->items[at], piece) != 0)
        return;
    item_clear(&state->items[at]);
    state->count--;
    memmove(state->items + at, state->items + at + 1, (state->count - at) * sizeof *state->items);
}

static void take(struct sim_saved *state, const struct cfs_part *part)
{
    struct cfs_reader pieces = {.data = part->pieces.data, .len = part->pieces.len};
    struct cfs_piece piece;

    while (cfs_piece_next(&pieces, &piece))
        (piece.put ? put : delete)(state, &piece);
    if (!part->head.len)
        return;
    free(state->head);
    state->head = cfs_alloc_copy(part->head.data, part->head.len);
    state->head_len = part->head.len;
}

void sim_store_checkpoint(struct sim_store *store, const struct cfs_checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < checkpoint->part_count; i++)
        take(&store->states[checkpoint->parts[i].group], &checkpoint->parts[i]);
}

void sim_store_stage(struct sim_store *store, const struct cfs_stage *stage)
{
    struct sim_saved *staged = &store->staged[stage->part.group];

    if (stage->first)
        state_clear(staged);
    take(staged, &stage->part);
    if (!stage->last)
        return;
    state_clear(&store->states[stage->part.group]);
    store->states[stage->part.group] = *staged;
    *staged = (struct sim_saved){0};
}

static struct sim_copy *copy_for(struct sim_store *store, uint64_t transfer,
                                 const struct sim_saved *state)
{
    struct sim_copy *copy;

    DL_FOREACH (store->copies, copy)
        if (copy->transfer == transfer)
            return copy;
    copy = cfs_alloc_zeroed(1, sizeof *copy);
    copy->transfer = transfer;
    copy->state.head = cfs_alloc_copy(state->head, state->head_len);
    copy->state.head_len = state->head_len;
    for (size_t i = 0; i < state->count; i++) {
        const struct sim_item *item = &state->items[i];
        put(&copy->state,
            &(struct cfs_piece){true, item->key, item->value, item->key_len, item->value_len});
    }
    DL_APPEND(store->copies, copy);
    return copy;
}

static void put_item(struct cfs_writer *pieces, const struct sim_item *item)
{
    struct cfs_piece_key key = {.len = item->key_len};

    memcpy(key.bytes, item->key, item->key_len);
    cfs_piece_put(pieces, &key,
                  &(struct cfs_writer){item->value, item->value_len, item->value_len});
}

void sim_store_fetch(struct sim_store *store, uint64_t transfer, const struct cfs_fetch *fetch,
                     struct cfs_fetched *fetched)
{
    struct sim_copy *copy = copy_for(store, transfer, &store->states[fetch->group]);
    struct cfs_part *part = &fetched->part;

    *fetched = (struct cfs_fetched){.transfer = transfer, .part = {.group = fetch->group}};
    cfs_put_raw(&part->head, copy->state.head, copy->state.head_len);
    while (copy->at < copy->state.count && part->pieces.len < fetch->bytes)
        put_item(&part->pieces, &copy->state.items[copy->at++]);
    fetched->last = copy->at == copy->state.count;
    if (fetched->last)
        sim_store_end_fetch(store, transfer);
}

void sim_store_end_fetch(struct sim_store *store, uint64_t transfer)
{
    struct sim_copy *copy, *next;

    DL_FOREACH_SAFE (store->copies, copy, next) {
        if (copy->transfer != transfer)
            continue;
        DL_DELETE(store->copies, copy);
        state_clear(&copy->state);
        free(copy);
    }
}

void sim_store_read(const struct sim_store *store, const struct cfs_read *read,
                    struct cfs_writer *pieces)
{
    const struct sim_saved *state = &store->states[read->group];
    struct cfs_reader keys = {.data = read->keys.data, .len = read->keys.len};

    while (keys.at < keys.len) {
        struct cfs_piece piece = {0};
        size_t at;
        piece.key = cfs_get_bytes(&keys, &piece.key_len);
        at = place_of(state, &piece);
        if (at < state->count && compare(&state->items[at], &piece) == 0)
            put_item(pieces, &state->items[at]);
    }
}

bool sim_store_restore(const struct sim_store *store, struct cfs_core *core)
{
    for (size_t g = 0; g < SIM_GROUPS; g++) {
        const struct sim_saved *state = &store->states[g];
        if (!state->head)
            continue;
        if (cfs_core_restore_head(core, (cfs_group_id)g, state->head, state->head_len) != 0)
            return false;
        for (size_t i = 0; i < state->count; i++) {
            const struct sim_item *item = &state->items[i];
            if (item->key[0] >= CFS_PIECE_BODY)
                continue;
            if (cfs_core_restore_piece(core, (cfs_group_id)g, item->key, item->key_len, item->value,
                                       item->value_len) != 0)
                return false;
        }
    }
    return true;
}
