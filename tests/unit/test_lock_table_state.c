/* The lock table as pieces: what a save says, what it leaves out, and what no table is made of.
 * Random tables are saved and loaded in test_lock_model.c. */
#include "lock_world.h"

#include "../sim/store.h"
#include "core/alloc.h"
#include "core/piece.h"

#define PIECES_MAX 32

/* What one save said. */
struct said {
    struct cfs_writer bytes;
    struct cfs_piece pieces[PIECES_MAX]; /* point into the bytes */
    uint32_t count;
};

static struct said save(struct cfs_lock_table *table)
{
    struct said said = {0};
    struct cfs_reader reader;

    cfs_lock_table_save(table, &said.bytes);
    reader = (struct cfs_reader){.data = said.bytes.data, .len = said.bytes.len};
    while (cfs_piece_next(&reader, &said.pieces[said.count]))
        assert_true(++said.count < PIECES_MAX);
    assert_false(reader.failed);
    return said;
}

static void forget(struct said *said)
{
    free(said->bytes.data);
}

static uint32_t count(const struct said *said, enum cfs_piece_tag tag, bool put)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < said->count; i++)
        found += said->pieces[i].key[0] == tag && said->pieces[i].put == put;
    return found;
}

/* The first one with that tag. */
static const struct cfs_piece *piece_of(const struct said *said, enum cfs_piece_tag tag)
{
    for (uint32_t i = 0; i < said->count; i++)
        if (said->pieces[i].key[0] == tag)
            return &said->pieces[i];
    fail_msg("no piece with tag %d", tag);
    return NULL;
}

static struct cfs_lock_table *new_table(struct world *w)
{
    return cfs_lock_table_new(note_end, w);
}

/* What a store makes of two saves, loaded. */
static struct cfs_lock_table *load_both(struct world *w, const struct said *first,
                                        const struct said *second)
{
    struct cfs_part part = {.pieces = first->bytes};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};
    struct cfs_lock_table *table = new_table(w);
    struct sim_store store = {0};

    sim_store_checkpoint(&store, &checkpoint);
    part.pieces = second->bytes;
    sim_store_checkpoint(&store, &checkpoint);
    for (size_t i = 0; i < store.states[0].count; i++) {
        const struct sim_item *item = &store.states[0].items[i];
        assert_int_equal(
            cfs_lock_table_load(table, &(struct cfs_piece){true, item->key, item->value,
                                                           item->key_len, item->value_len}),
            0);
    }
    assert_true(cfs_lock_table_loaded(table));
    cfs_lock_table_set_token(table, cfs_lock_table_token(w->table));
    sim_store_close(&store);
    return table;
}

/* One of each: a file with content, a directory, readers with a writer behind them, and a lease
 * that somebody waits for. */
static void fill(struct world *w)
{
    cfs_token token = granted(w, 1, "file", lockfile(7));

    assert_int_equal(write_at(w, "file", token, 0, "content"), CFS_OK);
    granted(w, 2, "directory", directory(8));
    granted(w, 1, "shared", flock_of(1, CFS_SHARED));
    granted(w, 3, "shared", flock_of(2, CFS_SHARED));
    queued(w, 2, "shared", flock_of(3, CFS_EXCLUSIVE));
    queued(w, 1, "shared", flock_of(4, CFS_SHARED));
    granted(w, 1, "lease", leased(5, 900));
    queued(w, 2, "lease", leased(6, 800));
}

static void a_table_comes_back_with_all_that_was_in_it(void **state)
{
    struct world *w = *state;
    struct said all, nothing;
    struct cfs_lock_table *again;

    fill(w);
    all = save(w->table);
    nothing = save(w->table);
    assert_int_equal(count(&all, CFS_PIECE_LOCK, true), 4);
    assert_int_equal(count(&all, CFS_PIECE_CLAIM, true), 8);
    again = load_both(w, &all, &nothing);
    assert_int_equal(cfs_lock_table_digest(again), cfs_lock_table_digest(w->table));
    assert_int_equal(cfs_lock_table_next_expiry(again), cfs_lock_table_next_expiry(w->table));
    assert_int_equal(cfs_lock_table_flock_nodes(again, NULL),
                     cfs_lock_table_flock_nodes(w->table, NULL));
    assert_int_equal(cfs_lock_table_waiter_count(again), 3);
    forget(&all);
    forget(&nothing);
    cfs_lock_table_free(again);
}

/* The one who waits is told by the table that was loaded. */
static void waits_go_on_in_a_loaded_table(void **state)
{
    struct world *w = *state;
    struct said all, nothing;
    struct cfs_lock_table *old = w->table;
    uint64_t waiting;

    granted(w, 1, "x", flock_of(1, CFS_EXCLUSIVE));
    waiting = queued(w, 2, "x", flock_of(2, CFS_EXCLUSIVE));
    all = save(old);
    nothing = save(old);
    w->table = load_both(w, &all, &nothing);
    release(w, 1, "x", 1);
    assert_int_equal(woken(w, waiting), 2);
    forget(&all);
    forget(&nothing);
    cfs_lock_table_free(old);
}

static void a_save_says_what_has_changed_and_nothing_else(void **state)
{
    struct world *w = *state;
    struct said said;

    fill(w);
    said = save(w->table);
    forget(&said);
    said = save(w->table);
    assert_int_equal(said.count, 0);
    queued(w, 3, "file", flock_of(9, CFS_EXCLUSIVE));
    said = save(w->table);
    assert_int_equal(said.count, 1); /* not the lock, not its other claims */
    assert_int_equal(count(&said, CFS_PIECE_CLAIM, true), 1);
    forget(&said);
    release(w, 3, "shared", 2);
    said = save(w->table);
    assert_int_equal(said.count, 1);
    assert_int_equal(count(&said, CFS_PIECE_CLAIM, false), 1);
    forget(&said);
}

static void a_write_saves_the_lock_and_not_its_claims(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "file", lockfile(7));
    struct said said = save(w->table);

    forget(&said);
    assert_int_equal(write_at(w, "file", token, 0, "content"), CFS_OK);
    said = save(w->table);
    assert_int_equal(said.count, 1);
    assert_int_equal(count(&said, CFS_PIECE_LOCK, true), 1);
    forget(&said);
}

static void what_ended_since_the_last_save_is_deleted(void **state)
{
    struct world *w = *state;
    struct said before, after;
    struct cfs_lock_table *again;

    fill(w);
    before = save(w->table);
    assert_int_equal(unlink_as(w, "file", 0), CFS_OK);
    assert_int_equal(rmdir_as(w, "directory", 0), CFS_OK);
    after = save(w->table);
    assert_int_equal(count(&after, CFS_PIECE_LOCK, false), 2);
    assert_int_equal(count(&after, CFS_PIECE_CLAIM, false), 2);
    assert_int_equal(after.count, 4);
    again = load_both(w, &before, &after);
    assert_int_equal(cfs_lock_table_digest(again), cfs_lock_table_digest(w->table));
    forget(&before);
    forget(&after);
    cfs_lock_table_free(again);
}

static void what_came_and_went_between_saves_is_never_mentioned(void **state)
{
    struct world *w = *state;
    struct said said;

    granted(w, 1, "x", flock_of(1, CFS_EXCLUSIVE));
    release(w, 1, "x", 1);
    said = save(w->table);
    assert_int_equal(said.count, 0);
    forget(&said);
}

/* Its deletion must not come after it. */
static void a_name_that_went_and_came_back_is_there(void **state)
{
    struct world *w = *state;
    struct said before, after;
    struct cfs_lock_table *again;

    granted(w, 1, "x", lockfile(7));
    before = save(w->table);
    assert_int_equal(unlink_as(w, "x", 0), CFS_OK);
    granted(w, 2, "x", flock_of(1, CFS_SHARED));
    after = save(w->table);
    again = load_both(w, &before, &after);
    assert_int_equal(cfs_lock_table_digest(again), cfs_lock_table_digest(w->table));
    forget(&before);
    forget(&after);
    cfs_lock_table_free(again);
}

/* A table that was loaded saves the next changes as the one that it was saved from would have. */
static void a_loaded_table_goes_on_saving_where_the_last_save_ended(void **state)
{
    struct world *w = *state;
    struct said all, nothing, said;
    struct cfs_lock_table *old = w->table;

    fill(w);
    all = save(old);
    nothing = save(old);
    w->table = load_both(w, &all, &nothing);
    said = save(w->table);
    assert_int_equal(said.count, 0);
    release(w, 1, "shared", 1);
    granted(w, 1, "new", lockfile(3));
    said = save(w->table);
    assert_int_equal(count(&said, CFS_PIECE_CLAIM, false), 1);
    assert_int_equal(count(&said, CFS_PIECE_CLAIM, true), 1);
    assert_int_equal(count(&said, CFS_PIECE_LOCK, true), 1);
    for (uint32_t i = 0; i < all.count; i++) /* the new claim takes no other's place */
        if (all.pieces[i].key[0] == CFS_PIECE_CLAIM)
            for (uint32_t j = 0; j < said.count; j++)
                assert_false(said.pieces[j].put &&
                             said.pieces[j].key_len == all.pieces[i].key_len &&
                             !memcmp(said.pieces[j].key, all.pieces[i].key, 9));
    forget(&all);
    forget(&nothing);
    forget(&said);
    cfs_lock_table_free(old);
}

/* What is no table. `held` is a table with one lockfile, saved: its lock, then its claim. */

static struct said one_lockfile(struct world *w)
{
    struct said said;

    granted(w, 1, "x", lockfile(7));
    said = save(w->table);
    assert_int_equal(said.count, 2);
    return said;
}

/* Loads `first` unless NULL, then a copy of `second`, which ends where the piece ends. */
static int load_two(struct world *w, const struct cfs_piece *first, struct cfs_piece second)
{
    struct cfs_lock_table *table = new_table(w);
    uint8_t *key = cfs_alloc_copy(second.key, second.key_len);
    uint8_t *value = cfs_alloc_copy(second.value, second.value_len);
    int result;

    if (first)
        assert_int_equal(cfs_lock_table_load(table, first), 0);
    second.key = key;
    second.value = value;
    result = cfs_lock_table_load(table, &second);
    cfs_lock_table_free(table);
    free(key);
    free(value);
    return result;
}

static void a_piece_that_is_cut_or_too_long_is_refused(void **state)
{
    struct world *w = *state;
    struct said held = one_lockfile(w);
    struct cfs_piece lock = held.pieces[0], claim = held.pieces[1];
    uint8_t longer[512] = {0};

    for (uint32_t len = 0; len < lock.value_len; len++) {
        struct cfs_piece cut = lock;
        cut.value_len = len;
        assert_int_equal(load_two(w, NULL, cut), -1);
    }
    for (uint32_t len = 0; len < claim.value_len; len++) {
        struct cfs_piece cut = claim;
        cut.value_len = len;
        assert_int_equal(load_two(w, &lock, cut), -1);
    }
    assert_int_equal(load_two(w, &lock, claim), 0);
    memcpy(longer, claim.value, claim.value_len);
    claim.value = longer;
    claim.value_len++;
    assert_int_equal(load_two(w, &lock, claim), -1);
    memcpy(longer, lock.value, lock.value_len);
    lock.value = longer;
    lock.value_len++;
    assert_int_equal(load_two(w, NULL, lock), -1);
    forget(&held);
}

/* A copy of the value with another byte in one place. */
static int load_changed(struct world *w, const struct cfs_piece *first, struct cfs_piece piece,
                        uint32_t at, uint8_t byte)
{
    uint8_t *value = cfs_alloc_copy(piece.value, piece.value_len);
    int result;

    value[at] = byte;
    piece.value = value;
    result = load_two(w, first, piece);
    free(value);
    return result;
}

static void a_piece_of_another_version_is_refused(void **state)
{
    struct world *w = *state;
    struct said held = one_lockfile(w);
    const struct cfs_piece *lock = &held.pieces[0], *claim = &held.pieces[1];

    assert_int_equal(load_changed(w, NULL, *lock, 0, 1), 0);
    assert_int_equal(load_changed(w, NULL, *lock, 0, 0), -1);
    assert_int_equal(load_changed(w, NULL, *lock, 0, 2), -1);
    assert_int_equal(load_changed(w, lock, *claim, 0, 1), 0);
    assert_int_equal(load_changed(w, lock, *claim, 0, 2), -1);
    forget(&held);
}

/* After the version, a lock has its form; a claim the name of its lock, its state, and whose it
 * is. */
static void values_that_nothing_has_are_refused(void **state)
{
    struct world *w = *state;
    struct said held = one_lockfile(w);
    const struct cfs_piece *lock = &held.pieces[0], *claim = &held.pieces[1];
    uint32_t at = 1 + 4 + 1; /* behind the name "x" */

    assert_int_equal(load_changed(w, NULL, *lock, 1, 77), -1);
    assert_int_equal(claim->value[at], 2); /* it holds */
    assert_int_equal(load_changed(w, lock, *claim, at, 0), -1);
    assert_int_equal(load_changed(w, lock, *claim, at, 3), -1);
    assert_int_equal(load_changed(w, lock, *claim, at + 29, 63), 0);
    assert_int_equal(load_changed(w, lock, *claim, at + 29, 64), -1); /* its node */
    forget(&held);
}

static void a_claim_of_an_unknown_lock_is_refused(void **state)
{
    struct world *w = *state;
    struct said held = one_lockfile(w);

    assert_int_equal(load_two(w, NULL, held.pieces[1]), -1);
    assert_int_equal(load_changed(w, &held.pieces[0], held.pieces[1], 5, 'y'), -1);
    forget(&held);
}

static void a_lock_that_is_there_already_is_refused(void **state)
{
    struct world *w = *state;
    struct said held = one_lockfile(w);

    assert_int_equal(load_two(w, &held.pieces[0], held.pieces[0]), -1);
    forget(&held);
}

/* Two claims of one acquire, or two holds of one open file: whichever it is, one is wrong. */
static void a_claim_in_the_place_of_another_is_refused(void **state)
{
    struct world *w = *state;
    struct cfs_lock_table *table = new_table(w);
    struct said held;
    struct cfs_piece claim;
    uint8_t key[9];

    granted(w, 1, "x", flock_of(1, CFS_SHARED));
    held = save(w->table);
    claim = *piece_of(&held, CFS_PIECE_CLAIM);
    assert_int_equal(cfs_lock_table_load(table, piece_of(&held, CFS_PIECE_LOCK)), 0);
    assert_int_equal(cfs_lock_table_load(table, &claim), 0);
    memcpy(key, claim.key, 9);
    key[8]++; /* as another one, with the same asker */
    claim.key = key;
    assert_int_equal(cfs_lock_table_load(table, &claim), -1);
    uint8_t *value = cfs_alloc_copy(claim.value, claim.value_len);
    value[1 + 4 + 1 + 1 + 8]++; /* another asker, the same open file */
    claim.value = value;
    assert_int_equal(cfs_lock_table_load(table, &claim), -1);
    free(value);
    forget(&held);
    cfs_lock_table_free(table);
}

static void a_lock_that_nobody_holds_makes_no_whole_table(void **state)
{
    struct world *w = *state;
    struct cfs_lock_table *table = new_table(w);
    struct said held = one_lockfile(w);

    assert_true(cfs_lock_table_loaded(table));
    assert_int_equal(cfs_lock_table_load(table, &held.pieces[0]), 0);
    assert_false(cfs_lock_table_loaded(table));
    assert_int_equal(cfs_lock_table_load(table, &held.pieces[1]), 0);
    assert_true(cfs_lock_table_loaded(table));
    forget(&held);
    cfs_lock_table_free(table);
}

static void deletions_foreign_tags_and_impossible_names_are_refused(void **state)
{
    struct world *w = *state;
    struct said held = one_lockfile(w);
    struct cfs_piece lock = held.pieces[0], deletion = lock, foreign = held.pieces[1];
    uint8_t key[9] = {CFS_PIECE_TAG_COUNT};

    deletion.put = false;
    assert_int_equal(load_two(w, NULL, deletion), -1);
    foreign.key = key;
    assert_int_equal(load_two(w, &lock, foreign), -1);
    lock.key = (const uint8_t[]){CFS_PIECE_LOCK, '.', '.'};
    lock.key_len = 3;
    assert_int_equal(load_two(w, NULL, lock), -1);
    lock.key_len = 1; /* no name at all */
    assert_int_equal(load_two(w, NULL, lock), -1);
    forget(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_table_comes_back_with_all_that_was_in_it),
        IN_WORLD(waits_go_on_in_a_loaded_table),
        IN_WORLD(a_save_says_what_has_changed_and_nothing_else),
        IN_WORLD(a_write_saves_the_lock_and_not_its_claims),
        IN_WORLD(what_ended_since_the_last_save_is_deleted),
        IN_WORLD(what_came_and_went_between_saves_is_never_mentioned),
        IN_WORLD(a_name_that_went_and_came_back_is_there),
        IN_WORLD(a_loaded_table_goes_on_saving_where_the_last_save_ended),
        IN_WORLD(a_piece_that_is_cut_or_too_long_is_refused),
        IN_WORLD(a_piece_of_another_version_is_refused),
        IN_WORLD(values_that_nothing_has_are_refused),
        IN_WORLD(a_claim_of_an_unknown_lock_is_refused),
        IN_WORLD(a_lock_that_is_there_already_is_refused),
        IN_WORLD(a_claim_in_the_place_of_another_is_refused),
        IN_WORLD(a_lock_that_nobody_holds_makes_no_whole_table),
        IN_WORLD(deletions_foreign_tags_and_impossible_names_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
