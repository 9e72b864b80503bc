/* Many small extents of a file become a few, on the replica that has them. */
#include "contents_world.h"

#include "../sim/store.h"

#define BLOCK 262144u

static struct sim_store store;

static void save(struct world *w)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_contents_save(w->contents, &part.pieces);
    sim_store_checkpoint(&store, &checkpoint);
    cfs_contents_saved(w->contents);
    free(part.pieces.data);
}

static int close_all(void **state)
{
    sim_store_close(&store);
    store = (struct sim_store){0};
    return world_close(state);
}

/* Orders the next block's extents; their number, -1: nothing is to be done. */
static int order(struct world *w, struct cfs_read *read)
{
    *read = (struct cfs_read){0};
    if (!cfs_contents_compact_next(w->contents, &read->keys))
        return -1;
    return (int)(read->keys.len / (4 + 9));
}

static void done(struct world *w, struct cfs_read *read)
{
    struct cfs_writer pieces = {0};

    sim_store_read(&store, read, &pieces);
    cfs_contents_compact(w->contents, pieces.data, pieces.len);
    free(pieces.data);
    free(read->keys.data);
}

/* All there is to do. How many extents were read. */
static int compact(struct world *w)
{
    struct cfs_read read;
    int count, all = 0;

    while ((count = order(w, &read)) >= 0) {
        all += count;
        done(w, &read);
    }
    return all;
}

/* Letters with gaps of a byte between them, from `offset` on. */
static void scatter(struct world *w, uint64_t offset, int count)
{
    for (int i = 0; i < count; i++)
        put(w, CFS_PUT_WRITE, offset + 2 * (uint64_t)i, (char[]){(char)('a' + i % 26), 0});
}

static void a_crowd_becomes_one(void **state)
{
    struct world *w = *state;
    struct cfs_content_info before;
    uint64_t digest;
    uint32_t on_disk;

    scatter(w, 10, 65);
    before = info(w);
    digest = cfs_contents_digest(w->contents);
    save(w);
    assert_int_equal(stretches(w, &on_disk), 130);
    assert_int_equal(on_disk, 65);
    assert_int_equal(compact(w), 65);
    assert_int_equal(stretches(w, &on_disk), 2); /* the gap before it is none of it */
    assert_int_equal(on_disk, 0);
    reads_from(w, 0, 16, "..........a");
    assert_int_equal(info(w).version, before.version);
    assert_int_equal(info(w).changed, before.changed);
    assert_int_equal(info(w).size, before.size);
    assert_int_equal(cfs_contents_digest(w->contents), digest);
    save(w);
    assert_int_equal(stretches(w, &on_disk), 2);
    assert_int_equal(on_disk, 1);
    assert_int_equal(store.states[0].count, 2); /* the file and its extent */
    assert_int_equal(compact(w), 0);
}

static void a_few_stay_as_they_are(void **state)
{
    struct world *w = *state;
    uint32_t on_disk;

    scatter(w, 0, 64);
    save(w);
    assert_int_equal(compact(w), 0);
    assert_int_equal(stretches(w, &on_disk), 127);
}

/* Each block for itself; an extent that is in two of them stays in the other. */
static void only_crowded_blocks_are_read(void **state)
{
    struct world *w = *state;
    struct cfs_read read;
    uint32_t on_disk;

    scatter(w, 0, 40);
    scatter(w, BLOCK + 100, 70);
    put(w, CFS_PUT_WRITE, 2 * BLOCK - 1, "xyz");
    scatter(w, 2 * BLOCK + 100, 40);
    save(w);
    assert_int_equal(order(w, &read), 71);
    done(w, &read);
    assert_int_equal(order(w, &read), -1);
    reads_from(w, BLOCK + 100, 1, "a");
    reads_from(w, 2 * BLOCK - 1, 1, "x");
    stretches(w, &on_disk);
    assert_int_equal(on_disk, 81);
}

static void there_is_a_limit_between_saves(void **state)
{
    struct world *w = *state;

    for (uint64_t block = 0; block < 20; block++)
        for (uint64_t i = 0; i < 65; i++) {
            struct cfs_request request = put_of(CFS_PUT_WRITE, block * BLOCK + 2 * i, "x");
            request.cache_put.max = UINT64_MAX;
            apply(w, request);
        }
    save(w);
    assert_int_equal(compact(w), 16 * 65);
    save(w);
    assert_int_equal(compact(w), 4 * 65);
}

static void what_changes_meanwhile_is_left_or_taken_as_it_is(void **state)
{
    struct world *w = *state;
    struct cfs_read read;
    uint32_t on_disk;

    scatter(w, 0, 70);
    save(w);
    assert_int_equal(order(w, &read), 70);
    put(w, CFS_PUT_WRITE, 2, "B"); /* in memory, and no extent of that piece any more */
    save(w);
    done(w, &read);
    assert_int_equal(stretches(w, &on_disk), 139); /* B is on the disk and was not read */
    assert_int_equal(compact(w), 70);              /* it was noted once more */
    assert_int_equal(stretches(w, &on_disk), 1);
    reads_from(w, 2, 1, "B");
}

static void a_file_may_go_meanwhile(void **state)
{
    struct world *w = *state;
    struct cfs_read read;

    scatter(w, 0, 70);
    save(w);
    assert_int_equal(order(w, &read), 70);
    drop(w, FILE_1);
    save(w);
    done(w, &read);
    assert_int_equal(compact(w), 0);
    cfs_contents_compact(w->contents, NULL, 0); /* nobody asked */
}

static void a_file_may_become_small_meanwhile(void **state)
{
    struct world *w = *state;
    struct cfs_read read;
    uint32_t on_disk;

    scatter(w, 0, 70);
    save(w);
    assert_int_equal(order(w, &read), 70);
    put(w, CFS_PUT_TRUNCATE, 5, "");
    done(w, &read);
    assert_int_equal(stretches(w, &on_disk), 5);
    assert_int_equal(compact(w), 0);
}

/* Their numbers are taken up where they were. */
static void loaded_contents_go_on(void **state)
{
    struct world *w = *state;
    uint32_t on_disk;

    scatter(w, 0, 70);
    save(w);
    compact(w);
    save(w);
    cfs_contents_free(w->contents);
    w->contents = cfs_contents_new();
    for (size_t i = 0; i < store.states[0].count; i++) {
        const struct sim_item *item = &store.states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        assert_int_equal(cfs_contents_load(w->contents, &piece), 0);
    }
    scatter(w, 200, 70);
    save(w);
    assert_int_equal(compact(w), 71);
    assert_int_equal(stretches(w, &on_disk), 1);
    reads_from(w, 200, 1, "a");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, world_open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_crowd_becomes_one),
        WITH_STORE(a_few_stay_as_they_are),
        WITH_STORE(only_crowded_blocks_are_read),
        WITH_STORE(there_is_a_limit_between_saves),
        WITH_STORE(what_changes_meanwhile_is_left_or_taken_as_it_is),
        WITH_STORE(a_file_may_go_meanwhile),
        WITH_STORE(a_file_may_become_small_meanwhile),
        WITH_STORE(loaded_contents_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
