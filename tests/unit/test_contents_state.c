/* Contents as pieces: what a save says, what it leaves out, and what no contents are made of.
 * Random contents are saved and loaded in test_contents_model.c. */
#include "contents_world.h"

#include "../sim/store.h"

/* What a save said, and what the store has of all saves. */
struct saves {
    struct cfs_writer said;
    struct sim_store store;
};

static void save(struct world *w, struct saves *saves)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    saves->said.len = 0;
    cfs_contents_save(w->contents, &saves->said);
    part.pieces = saves->said;
    sim_store_checkpoint(&saves->store, &checkpoint);
}

static void forget(struct saves *saves)
{
    free(saves->said.data);
    sim_store_close(&saves->store);
}

static uint32_t said(const struct saves *saves, enum cfs_piece_tag tag, bool put)
{
    struct cfs_reader reader = {.data = saves->said.data, .len = saves->said.len};
    struct cfs_piece piece;
    uint32_t count = 0;

    while (cfs_piece_next(&reader, &piece))
        count += piece.key[0] == tag && piece.put == put;
    return count;
}

static uint32_t stored(const struct saves *saves, enum cfs_piece_tag tag)
{
    uint32_t count = 0;

    for (size_t i = 0; i < saves->store.states[0].count; i++)
        count += saves->store.states[0].items[i].key[0] == tag;
    return count;
}

static struct cfs_piece piece_of(const struct saves *saves, size_t i)
{
    const struct sim_item *item = &saves->store.states[0].items[i];

    return (struct cfs_piece){true, item->key, item->value, item->key_len, item->value_len};
}

/* False: it is refused. */
static bool load_all(struct cfs_contents *contents, const struct saves *saves)
{
    for (size_t i = 0; i < saves->store.states[0].count; i++) {
        struct cfs_piece piece = piece_of(saves, i);
        if (cfs_contents_load(contents, &piece) != 0)
            return false;
    }
    return cfs_contents_loaded(contents);
}

/* What was saved takes the place of the contents. */
static void reload(struct world *w, const struct saves *saves)
{
    uint64_t digest = cfs_contents_digest(w->contents);

    cfs_contents_free(w->contents);
    w->contents = cfs_contents_new();
    assert_true(load_all(w->contents, saves));
    assert_int_equal(cfs_contents_digest(w->contents), digest);
}

static void set_attr(struct world *w)
{
    assert_int_equal(apply(w, (struct cfs_request){.op = CFS_OP_CACHE_XATTR,
                                                   .name = "user.a",
                                                   .cache_xattr = {.ino = FILE_1,
                                                                   .value = (const uint8_t *)"1",
                                                                   .len = 1}}),
                     CFS_OK);
}

/* Three stretches of two extents, an attribute, and a file that is gone. */
static void fill(struct world *w)
{
    put(w, CFS_PUT_WRITE, 2, "abcdef");
    put(w, CFS_PUT_WRITE, 4, "X");
    set_attr(w);
    drop(w, FILE_1 + 1);
}

static void contents_come_back_with_all_that_was_in_them(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};
    struct cfs_content_info before;
    struct cfs_answer answer = {0};
    uint32_t on_disk;

    fill(w);
    before = info(w);
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_CONTENT, true), 2);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, true), 2);
    reload(w, &saves);
    assert_int_equal(info(w).mtime, before.mtime);
    assert_int_equal(cfs_contents_bytes(w->contents), 8);
    assert_int_equal(stretches(w, &on_disk), 4);
    assert_int_equal(on_disk, 3);
    cfs_contents_xattrs(w->contents, FILE_1, &answer);
    assert_int_equal(answer.cache.len, 12);
    assert_true(cfs_contents_dropped(w->contents, FILE_1 + 1));
    save(w, &saves);
    assert_int_equal(saves.said.len, 0);
    forget(&saves);
}

static void bytes_that_are_on_the_disk_are_not_kept(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};
    uint32_t on_disk;

    fill(w);
    save(w, &saves);
    reads(w, "..abXdef"); /* it may never become durable */
    put(w, CFS_PUT_WRITE, 7, "Y");
    cfs_contents_saved(w->contents);
    assert_int_equal(stretches(w, &on_disk), 5);
    assert_int_equal(on_disk, 3);
    reads_from(w, 7, 1, "Y");
    reads_from(w, 0, 2, "..");
    forget(&saves);
}

static void an_extent_is_saved_once_and_goes_with_its_last_byte(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};

    fill(w);
    save(w, &saves);
    cfs_contents_saved(w->contents);
    put(w, CFS_PUT_WRITE, 2, "ab"); /* the first one is still to be seen behind the X */
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, true), 1);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, false), 0);
    put(w, CFS_PUT_TRUNCATE, 5, "");
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, false), 1);
    put(w, CFS_PUT_REPLACE, 0, "all");
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, false), 2);
    assert_int_equal(stored(&saves, CFS_PIECE_EXTENT), 1);
    reload(w, &saves);
    assert_int_equal(info(w).size, 3);
    forget(&saves);
}

static void what_came_and_went_between_saves_is_never_mentioned(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};

    for (int i = 0; i < 10; i++)
        put(w, CFS_PUT_REPLACE, 0, "replaced");
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, true), 1);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, false), 0);
    forget(&saves);
}

/* From when it is saved an extent is as it is. */
static void what_is_saved_does_not_grow(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};

    put(w, CFS_PUT_APPEND, 0, "a");
    save(w, &saves);
    put(w, CFS_PUT_APPEND, 0, "b");
    put(w, CFS_PUT_APPEND, 0, "c");
    reads(w, "abc");
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_EXTENT, true), 1);
    cfs_contents_saved(w->contents);
    reload(w, &saves);
    forget(&saves);
}

/* How extents are divided depends on when a replica saved: nothing else does. */
static void replicas_agree_whenever_they_save(void **state)
{
    struct world *w = *state, other = {.contents = cfs_contents_new(), .moment = w->moment};
    struct saves saves = {0};
    uint32_t here, there, on_disk;

    for (int i = 0; i < 8; i++) {
        put(w, CFS_PUT_APPEND, 0, "abc");
        put(&other, CFS_PUT_APPEND, 0, "abc");
        save(w, &saves);
    }
    here = stretches(w, &on_disk);
    there = stretches(&other, &on_disk);
    assert_int_equal(here, 8);
    assert_int_equal(there, 1);
    assert_int_equal(cfs_contents_digest(w->contents), cfs_contents_digest(other.contents));
    put(&other, CFS_PUT_WRITE, 0, "x");
    assert_int_not_equal(cfs_contents_digest(w->contents), cfs_contents_digest(other.contents));
    cfs_contents_free(other.contents);
    forget(&saves);
}

static void a_dropped_file_leaves_its_number(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};

    fill(w);
    save(w, &saves);
    drop(w, FILE_1);
    save(w, &saves);
    assert_int_equal(stored(&saves, CFS_PIECE_EXTENT), 0);
    assert_int_equal(stored(&saves, CFS_PIECE_CONTENT), 2);
    reload(w, &saves);
    assert_true(cfs_contents_dropped(w->contents, FILE_1));
    w->moment.time += CFS_SECONDS(3600) - 20; /* the one that went first, by a moment */
    put(w, CFS_PUT_WRITE, 0, "x");
    assert_int_equal(w->answer.error, CFS_ERR_STALE);
    save(w, &saves);
    assert_int_equal(stored(&saves, CFS_PIECE_CONTENT), 1);
    reload(w, &saves);
    w->moment.time += CFS_SECONDS(1);
    put(w, CFS_PUT_WRITE, 0, "x");
    assert_int_equal(w->answer.error, CFS_OK);
    save(w, &saves);
    assert_int_equal(said(&saves, CFS_PIECE_CONTENT, true), 1);
    reload(w, &saves); /* a file has the key that the number had */
    assert_false(cfs_contents_dropped(w->contents, FILE_1));
    forget(&saves);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};

    fill(w);
    save(w, &saves);
    for (size_t i = 0; i < saves.store.states[0].count; i++) {
        struct cfs_piece whole = piece_of(&saves, i), piece = whole;
        for (uint32_t len = 0; len < whole.value_len; len++) {
            struct cfs_contents *fresh = cfs_contents_new();
            for (size_t before = 0; before < i; before++) {
                struct cfs_piece other = piece_of(&saves, before);
                assert_int_equal(cfs_contents_load(fresh, &other), 0);
            }
            piece.value_len = len;
            assert_int_equal(cfs_contents_load(fresh, &piece), -1);
            cfs_contents_free(fresh);
        }
        piece.put = false;
        piece.value_len = whole.value_len;
        assert_int_equal(cfs_contents_load(w->contents, &piece), -1);
        if (whole.key[0] == CFS_PIECE_CONTENT) /* it is there already */
            assert_int_equal(cfs_contents_load(w->contents, &whole), -1);
    }
    forget(&saves);
}

/* Each byte of a piece, changed: it is refused, or means something else that is as sound. */
static void no_byte_is_believed(void **state)
{
    struct world *w = *state;
    struct saves saves = {0};

    fill(w);
    save(w, &saves);
    for (size_t i = 0; i < saves.store.states[0].count; i++) {
        struct sim_item *item = &saves.store.states[0].items[i];
        for (uint32_t at = 0; at < item->value_len * 8; at++) {
            struct cfs_contents *fresh = cfs_contents_new();
            uint32_t count;
            item->value[at / 8] ^= (uint8_t)(1u << at % 8);
            if (load_all(fresh, &saves))
                free(cfs_contents_read(fresh, FILE_1, 0, 100, &count));
            item->value[at / 8] ^= (uint8_t)(1u << at % 8);
            cfs_contents_free(fresh);
        }
    }
    forget(&saves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(contents_come_back_with_all_that_was_in_them),
        IN_WORLD(bytes_that_are_on_the_disk_are_not_kept),
        IN_WORLD(an_extent_is_saved_once_and_goes_with_its_last_byte),
        IN_WORLD(what_came_and_went_between_saves_is_never_mentioned),
        IN_WORLD(what_is_saved_does_not_grow),
        IN_WORLD(replicas_agree_whenever_they_save),
        IN_WORLD(a_dropped_file_leaves_its_number),
        IN_WORLD(what_makes_no_sense_is_refused),
        IN_WORLD(no_byte_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
