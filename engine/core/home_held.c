/* Answers that wait for pieces from the disk, each for one reading at a time. */
#include "core/home_held.h"

#include <assert.h>

bool cfs_home_held_is(const struct cfs_home *home, const struct cfs_held_key *key)
{
    struct cfs_held *held;

    HASH_FIND(hh, home->held, key, sizeof *key, held);
    return held;
}

void cfs_home_held_add(struct cfs_home *home, struct cfs_held *held)
{
    HASH_ADD(hh, home->held, key, sizeof held->key, held);
}

static void end_reading(struct cfs_home *home, struct cfs_held *held)
{
    if (!held->read)
        return;
    assert(home->held_by_read);
    HASH_DELETE(hh_read, home->held_by_read, held);
}

struct cfs_writer *cfs_home_held_read(struct cfs_home *home, struct cfs_held *held)
{
    struct cfs_effect *effect = cfs_effects_add(home->env->effects, CFS_FX_READ);

    end_reading(home, held);
    effect->id = held->read = ++home->env->last_id;
    effect->read.group = home->raft->group;
    HASH_ADD(hh_read, home->held_by_read, read, sizeof held->read, held);
    return &effect->read.keys;
}

void cfs_home_held_end(struct cfs_home *home, struct cfs_held *held)
{
    HASH_DELETE(hh, home->held, held);
    end_reading(home, held);
    held->free(held);
}

void cfs_home_drop_held(struct cfs_home *home)
{
    while (home->held)
        cfs_home_held_end(home, home->held);
}

void cfs_home_pieces_read(struct cfs_home *home, const struct cfs_read_pieces *read)
{
    struct cfs_reader pieces = {.data = read->data, .len = read->len};
    struct cfs_held *held;

    HASH_FIND(hh_read, home->held_by_read, &read->id, sizeof read->id, held);
    if (held)
        held->came(home, held, &pieces);
}
