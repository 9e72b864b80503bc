/* The tree of the cache as pieces: what a save says, what it leaves out, and what no tree is made
 * of. Random trees are saved and loaded in test_names_model.c. */
#include "names_world.h"

#include "../sim/store.h"
#include "core/command.h"
#include "core/piece.h"

/* Saves; returns how many pieces were said, and how many of them put and delete inodes. */
struct said {
    uint32_t pieces, puts, deletes;
};
static struct said save(struct world *w, struct sim_store *store)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};
    struct said said = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;

    cfs_names_save(w->names, &part.pieces);
    reader = (struct cfs_reader){.data = part.pieces.data, .len = part.pieces.len};
    for (; cfs_piece_next(&reader, &piece); said.pieces++) {
        said.puts += piece.put && piece.key[0] == CFS_PIECE_INODE;
        said.deletes += !piece.put && piece.key[0] == CFS_PIECE_INODE;
    }
    assert_false(reader.failed);
    sim_store_checkpoint(store, &checkpoint);
    free(part.pieces.data);
    return said;
}

static void says(struct said said, uint32_t pieces, uint32_t puts, uint32_t deletes)
{
    assert_int_equal(said.pieces, pieces);
    assert_int_equal(said.puts, puts);
    assert_int_equal(said.deletes, deletes);
}

/* Loads all that is stored; NULL: it is refused. */
static struct cfs_names *load_all(const struct sim_store *store)
{
    struct cfs_names *names = cfs_names_new();
    bool good = true;

    for (size_t i = 0; good && i < store->states[0].count; i++) {
        const struct sim_item *item = &store->states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        good = cfs_names_load(names, &piece) == 0;
    }
    if (good && cfs_names_loaded(names))
        return names;
    cfs_names_free(names);
    return NULL;
}

/* What is stored makes the same tree. */
static void check(const struct world *w, const struct sim_store *store)
{
    struct cfs_names *names = load_all(store);

    assert_non_null(names);
    assert_int_equal(cfs_names_digest(names), cfs_names_digest(w->names));
    assert_int_equal(cfs_names_count(names), cfs_names_count(w->names));
    cfs_names_free(names);
}

static void a_save_says_what_changed_since_the_last(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    cfs_ino d, f;

    says(save(w, &store), 0, 0, 0);
    check(w, &store);
    d = make_directory(w, ROOT, "d");
    f = make_file(w, d, "f");
    make_it(w, d, "l", CFS_INODE_SYMLINK);
    says(save(w, &store), 5, 4, 0); /* with root and counter */
    check(w, &store);
    says(save(w, &store), 0, 0, 0);
    set_perm(w, f, 0600);
    set_perm(w, f, 0644);
    says(save(w, &store), 2, 1, 0);
    check(w, &store);
    assert_int_equal(remove_it(w, d, "f", false), CFS_OK);
    says(save(w, &store), 3, 2, 0);
    check(w, &store);
    assert_int_equal(forget(w, f), CFS_OK);
    says(save(w, &store), 2, 0, 1);
    check(w, &store);
    sim_store_close(&store);
}

static void what_came_and_went_between_two_saves_is_in_neither(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    cfs_ino f;

    make_file(w, ROOT, "g");
    says(save(w, &store), 3, 2, 0);
    f = make_file(w, ROOT, "f");
    assert_int_equal(remove_it(w, ROOT, "f", false), CFS_OK);
    assert_int_equal(forget(w, f), CFS_OK);
    says(save(w, &store), 2, 1, 0);
    check(w, &store);
    sim_store_close(&store);
}

static void a_directory_may_be_younger_than_what_is_in_it(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    cfs_ino a = make_directory(w, ROOT, "a"), b = make_directory(w, ROOT, "b");

    make_file(w, a, "f");
    assert_int_equal(rename_it(w, ROOT, "a", b, "a"), CFS_OK);
    save(w, &store);
    check(w, &store);
    sim_store_close(&store);
}

static void numbers_are_not_given_out_again_after_a_restart(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    struct cfs_names *loaded;

    cfs_names_renew(w->names, 1000000);
    says(save(w, &store), 1, 0, 0);
    check(w, &store);
    loaded = load_all(&store);
    cfs_names_free(w->names);
    w->names = loaded;
    assert_int_equal(make_file(w, ROOT, "f"), cfs_renewed(1, 1000000) + 1);
    save(w, &store);
    check(w, &store);
    sim_store_close(&store);
}

static void a_loaded_tree_goes_on(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    cfs_ino d = make_directory(w, ROOT, "d"), f = make_file(w, d, "f");
    struct cfs_names *loaded;

    assert_int_equal(remove_it(w, d, "f", false), CFS_OK);
    save(w, &store);
    loaded = load_all(&store);
    cfs_names_free(w->names);
    w->names = loaded;
    assert_int_equal(cfs_names_next_orphan(w->names, 0, w->now.time + CFS_SECONDS(60)), f);
    assert_int_equal(forget(w, f), CFS_OK);
    assert_int_equal(remove_it(w, ROOT, "d", true), CFS_OK);
    says(save(w, &store), 4, 2, 1);
    check(w, &store);
    sim_store_close(&store);
}

/* Every piece cut short anywhere, with a byte more or with any one byte changed, is refused or
 * makes a tree that can be used and saved: nothing breaks. Another version is refused. */
static struct cfs_piece piece_of(const struct sim_item *item)
{
    return (struct cfs_piece){true, item->key, item->value, item->key_len, item->value_len};
}

static void load_damaged(const struct sim_store *store, size_t which, struct cfs_piece damaged,
                         bool good)
{
    struct cfs_names *names = cfs_names_new();
    struct cfs_writer pieces = {0};
    bool loaded = true;

    for (size_t i = 0; loaded && i < store->states[0].count; i++) {
        struct cfs_piece piece = i == which ? damaged : piece_of(&store->states[0].items[i]);
        loaded = cfs_names_load(names, &piece) == 0;
    }
    loaded = loaded && cfs_names_loaded(names);
    assert_true(good || !loaded);
    if (loaded) {
        cfs_names_digest(names);
        cfs_names_save(names, &pieces);
        free(pieces.data);
    }
    cfs_names_free(names);
}

static void damage(const struct sim_store *store, size_t which)
{
    struct cfs_piece whole = piece_of(&store->states[0].items[which]), piece = whole;
    uint8_t *bytes = malloc(whole.value_len + 1);

    piece.value = bytes;
    memcpy(bytes, whole.value, whole.value_len);
    bytes[whole.value_len] = 0;
    for (piece.value_len = 0; piece.value_len <= whole.value_len + 1; piece.value_len++)
        load_damaged(store, which, piece, piece.value_len == whole.value_len);
    piece.value_len = whole.value_len;
    for (uint32_t i = 0; i < whole.value_len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] = whole.value[i] ^ (uint8_t)(1u << bit);
            load_damaged(store, which, piece, i > 0);
        }
        bytes[i] = whole.value[i];
    }
    piece.put = false;
    load_damaged(store, which, piece, false);
    free(bytes);
}

static void damaged_pieces_break_nothing(void **state)
{
    struct world *w = *state;
    struct sim_store store = {0};
    cfs_ino d = make_directory(w, ROOT, "d"), e = make_directory(w, d, "e");

    make_file(w, e, "f");
    make_it(w, e, "l", CFS_INODE_SYMLINK);
    make_file(w, d, "gone");
    make_directory(w, d, "gone too");
    assert_int_equal(remove_it(w, d, "gone", false), CFS_OK);
    assert_int_equal(remove_it(w, d, "gone too", true), CFS_OK);
    save(w, &store);
    for (size_t i = 0; i < store.states[0].count; i++)
        damage(&store, i);
    check(w, &store);
    sim_store_close(&store);
}

/* A piece of an inode that is right but for what is asked for. */
struct claim {
    cfs_ino ino, parent;
    enum cfs_inode_type type;
    const char *name;  /* with a parent */
    uint64_t orphaned; /* without */
};
static int load_claim(struct cfs_names *names, struct claim claim)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_INODE, claim.ino);
    struct cfs_writer value = {0};
    struct cfs_piece piece = {.put = true, .key = key.bytes, .key_len = key.len};
    int result;

    cfs_put_u8(&value, CFS_NAMES_VERSION);
    cfs_put_u8(&value, (uint8_t)claim.type);
    for (int i = 0; i < 3; i++)
        cfs_put_u32(&value, 1);
    for (int i = 0; i < 4; i++)
        cfs_put_u64(&value, 90);
    cfs_put_u64(&value, claim.parent);
    if (claim.name) {
        cfs_put_string(&value, claim.name);
    } else {
        cfs_put_u64(&value, claim.orphaned);
        cfs_put_u64(&value, 0);
    }
    piece.value = value.data;
    piece.value_len = (uint32_t)value.len;
    result = cfs_names_load(names, &piece);
    free(value.data);
    return result;
}

/* In which numbers up to 100 were given out. */
static struct cfs_names *empty(void)
{
    struct cfs_names *names = cfs_names_new();
    const uint8_t key = CFS_PIECE_NAMES, value[] = {CFS_NAMES_VERSION, 100, 0, 0, 0, 0, 0, 0, 0};
    struct cfs_piece piece = {true, &key, value, 1, sizeof value};

    assert_int_equal(cfs_names_load(names, &piece), 0);
    assert_int_equal(cfs_names_load(names, &piece), -1);
    return names;
}

/* The second claim is refused, or the whole. */
static void make_no_tree(struct claim first, struct claim second)
{
    struct cfs_names *names = empty();

    assert_int_equal(load_claim(names, first), 0);
    assert_true(load_claim(names, second) != 0 || !cfs_names_loaded(names));
    cfs_names_free(names);
}

static void what_makes_no_tree_is_refused(void **state)
{
    const struct claim d = {50, ROOT, CFS_INODE_DIRECTORY, "d", 0};
    const struct claim f = {51, ROOT, CFS_INODE_FILE, "f", 0};
    const struct claim gone = {52, 0, CFS_INODE_DIRECTORY, NULL, 60};
    struct cfs_names *names = empty();

    (void)state;
    assert_int_equal(load_claim(names, d), 0);
    assert_int_equal(load_claim(names, f), 0);
    assert_int_equal(load_claim(names, gone), 0);
    assert_true(cfs_names_loaded(names));
    cfs_names_free(names);
    make_no_tree(d, d);
    make_no_tree(d, (struct claim){50, ROOT, CFS_INODE_DIRECTORY, "another name", 0});
    make_no_tree(d, (struct claim){53, ROOT, CFS_INODE_FILE, "d", 0});
    make_no_tree(d, (struct claim){53, 99, CFS_INODE_FILE, "x", 0}); /* nowhere */
    make_no_tree(f, (struct claim){53, 51, CFS_INODE_FILE, "x", 0}); /* in a file */
    make_no_tree(gone, (struct claim){53, 52, CFS_INODE_FILE, "x", 0});
    make_no_tree(gone, (struct claim){53, 0, CFS_INODE_FILE, NULL, 60});
    make_no_tree(d, (struct claim){53, 53, CFS_INODE_DIRECTORY, "x", 0}); /* in itself */
    make_no_tree(d, (struct claim){101, ROOT, CFS_INODE_FILE, "x", 0});   /* not given out */
    make_no_tree(d, (struct claim){0, ROOT, CFS_INODE_FILE, "x", 0});
    make_no_tree(d, (struct claim){53, 101, CFS_INODE_FILE, "x", 0});
    make_no_tree(d, (struct claim){53, 0, CFS_INODE_FILE, NULL, 101});
    make_no_tree(d, (struct claim){53, 0, CFS_INODE_FILE, NULL, 0});
    make_no_tree(d, (struct claim){53, ROOT, CFS_INODE_FILE, "..", 0});
    make_no_tree(d, (struct claim){53, ROOT, (enum cfs_inode_type)4, "x", 0});
    make_no_tree(d, (struct claim){ROOT, 0, CFS_INODE_FILE, NULL, 0});
    make_no_tree(d, (struct claim){ROOT, 50, CFS_INODE_DIRECTORY, "x", 0});
    make_no_tree(d, (struct claim){ROOT, 0, CFS_INODE_DIRECTORY, NULL, 60});
    make_no_tree((struct claim){ROOT, 0, CFS_INODE_DIRECTORY, NULL, 0},
                 (struct claim){ROOT, 0, CFS_INODE_DIRECTORY, NULL, 0});
    make_no_tree((struct claim){60, 61, CFS_INODE_DIRECTORY, "round", 0},
                 (struct claim){61, 60, CFS_INODE_DIRECTORY, "and round", 0});
}

static void foreign_pieces_are_refused(void **state)
{
    struct world *w = *state;
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_CONTENT, 50);
    const uint8_t value[] = {CFS_NAMES_VERSION, 100, 0, 0, 0, 0, 0, 0, 0};
    const uint8_t long_key[] = {CFS_PIECE_NAMES, 1};
    struct cfs_piece piece = {true, key.bytes, value, key.len, sizeof value};

    assert_int_equal(cfs_names_load(w->names, &piece), -1);
    piece.key = long_key;
    piece.key_len = sizeof long_key;
    assert_int_equal(cfs_names_load(w->names, &piece), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_save_says_what_changed_since_the_last),
        IN_WORLD(what_came_and_went_between_two_saves_is_in_neither),
        IN_WORLD(a_directory_may_be_younger_than_what_is_in_it),
        IN_WORLD(numbers_are_not_given_out_again_after_a_restart),
        IN_WORLD(a_loaded_tree_goes_on),
        IN_WORLD(damaged_pieces_break_nothing),
        cmocka_unit_test(what_makes_no_tree_is_refused),
        IN_WORLD(foreign_pieces_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
