/* Random changes of a few files against plain arrays of bytes: after every step all that is read
 * must be what the model has, and a twin that is saved now and then, compacted, and replaced by
 * what was saved, must have the same digest and, with what its store has, the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/store.h"
#include "core/contents.h"

#define SEEDS 12
#define STEPS 1500
#define FILES 3
#define VALUE_MAX 3000u /* max_value */

struct file {
    uint8_t bytes[VALUE_MAX];
    uint64_t size, version;
    cfs_wall_time mtime;
};

struct run {
    uint64_t seed, step, random;
    struct file files[FILES];
    struct cfs_contents *contents, *twin;
    struct sim_store store; /* of the twin */
    bool saving;            /* what was saved is not durable yet */
    bool compacting;        /* the twin waits for `keys` */
    struct cfs_writer keys;
    struct cfs_moment moment;
};

#define CHECK(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %lu step %lu: ", (run)->seed, (run)->step);                          \
            fail_msg("%s", #condition);                                                            \
        }                                                                                          \
    } while (0)

static uint64_t pick(struct run *run, uint64_t bound)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

/* The bytes of an extent as the twin's store has it. */
static const uint8_t *on_disk(const struct run *run, uint64_t number, struct cfs_writer *pieces)
{
    struct cfs_piece_key key = cfs_piece_key_number(CFS_PIECE_EXTENT, number);
    struct cfs_read read = {0};
    struct cfs_reader reader;
    struct cfs_piece piece;

    pieces->len = 0;
    cfs_put_bytes(&read.keys, key.bytes, key.len);
    sim_store_read(&run->store, &read, pieces);
    free(read.keys.data);
    reader = (struct cfs_reader){.data = pieces->data, .len = pieces->len};
    CHECK(run, cfs_piece_next(&reader, &piece));
    return piece.value;
}

static void check_reading(struct run *run, const struct cfs_contents *contents, size_t f,
                          uint64_t offset, uint32_t len)
{
    const struct file *file = &run->files[f];
    uint64_t expected = offset < file->size ? file->size - offset : 0, at = offset;
    struct cfs_writer pieces = {0};
    uint32_t count;
    struct cfs_stretch *all = cfs_contents_read(contents, f + 1, offset, len, &count);
    static const uint8_t zeros[VALUE_MAX];

    for (uint32_t i = 0; i < count; at += all[i++].len) {
        const uint8_t *data = all[i].data;
        if (!data && all[i].extent)
            data = on_disk(run, all[i].extent, &pieces) + all[i].from;
        CHECK(run, all[i].len && all[i].len <= file->size - at);
        CHECK(run, memcmp(data ? data : zeros, file->bytes + at, all[i].len) == 0);
    }
    CHECK(run, at - offset == (expected < len ? expected : len));
    free(all);
    free(pieces.data);
}

static void check(struct run *run)
{
    uint64_t bytes = 0;

    for (size_t f = 0; f < FILES; f++) {
        struct cfs_content_info info = cfs_contents_info(run->contents, f + 1);
        uint64_t offset = pick(run, VALUE_MAX);
        uint32_t len = (uint32_t)pick(run, VALUE_MAX);
        CHECK(run, info.size == run->files[f].size);
        CHECK(run, info.version == run->files[f].version);
        CHECK(run, info.mtime == run->files[f].mtime);
        bytes += info.size;
        check_reading(run, run->contents, f, 0, VALUE_MAX);
        check_reading(run, run->contents, f, offset, len);
        check_reading(run, run->twin, f, 0, VALUE_MAX);
        check_reading(run, run->twin, f, offset, len);
    }
    CHECK(run, bytes == cfs_contents_bytes(run->contents));
    CHECK(run, bytes == cfs_contents_bytes(run->twin));
    CHECK(run, cfs_contents_digest(run->contents) == cfs_contents_digest(run->twin));
}

/* What the change does to the model; false: it is refused. */
static bool model_put(struct run *run, struct file *file, const struct cfs_cache_put *put)
{
    bool truncate = put->kind == CFS_PUT_TRUNCATE, replace = put->kind == CFS_PUT_REPLACE;
    uint64_t offset = put->kind == CFS_PUT_APPEND ? file->size : replace ? 0 : put->offset;
    uint64_t end = truncate ? offset : offset + put->len;

    if ((put->conditional && put->expected != file->version) || end > put->max)
        return false;
    if (!put->len && !truncate && !replace)
        return true;
    if (truncate || replace) {
        uint64_t from = replace ? 0 : end;
        if (from < file->size)
            memset(file->bytes + from, 0, file->size - from);
        file->size = end;
    }
    if (!truncate)
        memcpy(file->bytes + offset, put->data, put->len);
    file->size = end > file->size ? end : file->size;
    file->version = run->moment.index;
    file->mtime = run->moment.wall > file->mtime ? run->moment.wall : file->mtime + 1;
    return true;
}

static void apply(struct run *run, struct cfs_contents *contents, struct cfs_request request,
                  struct cfs_answer *answer)
{
    struct cfs_cache_put *put = &request.cache_put;
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_COMMAND, 1, 1, put->data, put->len);

    put->data = entry->data;
    cfs_contents_set_source(contents, pick(run, 2) ? entry : NULL);
    cfs_contents_apply(contents, run->moment, &request, answer);
    cfs_contents_set_source(contents, NULL);
    cfs_entry_unref(entry);
}

/* Often where the last one ended, and small; in some runs nearly always writes, of a few bytes, so
 * that files become crowded. */
static void change(struct run *run)
{
    static const enum cfs_put_kind kinds[] = {CFS_PUT_WRITE,  CFS_PUT_WRITE,   CFS_PUT_WRITE,
                                              CFS_PUT_WRITE,  CFS_PUT_WRITE,   CFS_PUT_APPEND,
                                              CFS_PUT_APPEND, CFS_PUT_REPLACE, CFS_PUT_TRUNCATE};
    static uint64_t last_end;
    uint8_t data[VALUE_MAX];
    size_t f = pick(run, FILES);
    struct file *file = &run->files[f];
    struct cfs_answer answer = {0}, twin_answer = {0};
    struct cfs_request request = {.op = CFS_OP_CACHE_PUT};
    struct cfs_cache_put *put = &request.cache_put;
    uint64_t before = file->version;
    bool good, scattered = run->seed % 2 && pick(run, 100);

    *put = (struct cfs_cache_put){
        .ino = f + 1, .kind = kinds[pick(run, scattered ? 5 : 9)], .max = VALUE_MAX};
    put->offset = pick(run, 3) ? pick(run, VALUE_MAX) : last_end;
    put->len = put->kind == CFS_PUT_TRUNCATE ? 0
                                             : (uint32_t)pick(run, scattered      ? 5
                                                                   : pick(run, 4) ? 30
                                                                                  : 700);
    put->conditional = pick(run, 10) == 0;
    put->expected = file->version + (pick(run, 4) == 0);
    put->data = data;
    for (uint32_t i = 0; i < put->len; i++)
        data[i] = (uint8_t)(1 + pick(run, 255));
    last_end = put->offset + put->len;
    run->moment.index++;
    run->moment.time++;
    run->moment.wall = 1000 + pick(run, 1000) + run->step * 10;
    good = model_put(run, file, put);
    apply(run, run->contents, request, &answer);
    apply(run, run->twin, request, &twin_answer);
    CHECK(run, good == !answer.error);
    CHECK(run, answer.error == twin_answer.error);
    CHECK(run, answer.token == before && answer.id == file->version);
    CHECK(run, twin_answer.token == before && twin_answer.id == file->version);
}

static void save(struct run *run)
{
    struct cfs_part part = {0};
    struct cfs_checkpoint checkpoint = {.parts = &part, .part_count = 1};

    cfs_contents_save(run->twin, &part.pieces);
    sim_store_checkpoint(&run->store, &checkpoint);
    free(part.pieces.data);
    run->saving = true;
}

static void saved(struct run *run)
{
    if (run->saving)
        cfs_contents_saved(run->twin);
    run->saving = false;
}

/* It takes two steps: much may happen in between. */
static void compact(struct run *run)
{
    struct cfs_read read = {.keys = run->keys};
    struct cfs_writer pieces = {0};

    if (!run->compacting) {
        run->keys.len = 0;
        run->compacting = cfs_contents_compact_next(run->twin, &run->keys);
        return;
    }
    sim_store_read(&run->store, &read, &pieces);
    cfs_contents_compact(run->twin, pieces.data, pieces.len);
    free(pieces.data);
    run->compacting = false;
}

static void reload(struct run *run)
{
    save(run);
    run->saving = run->compacting = false;
    cfs_contents_free(run->twin);
    run->twin = cfs_contents_new();
    for (size_t i = 0; i < run->store.states[0].count; i++) {
        const struct sim_item *item = &run->store.states[0].items[i];
        struct cfs_piece piece = {true, item->key, item->value, item->key_len, item->value_len};
        CHECK(run, cfs_contents_load(run->twin, &piece) == 0);
    }
    CHECK(run, cfs_contents_loaded(run->twin));
}

static void run_seed(uint64_t seed)
{
    struct run *run = calloc(1, sizeof *run);

    run->seed = run->random = seed;
    run->contents = cfs_contents_new();
    run->twin = cfs_contents_new();
    for (run->step = 0; run->step < STEPS; run->step++) {
        uint64_t chance = pick(run, 200);
        if (chance < 10) {
            saved(run);
            save(run);
        } else if (chance < 20) {
            saved(run);
        } else if (chance == 20) {
            saved(run);
            reload(run);
        }
        change(run);
        if (pick(run, 3) == 0)
            compact(run);
        check(run);
    }
    cfs_contents_free(run->contents);
    cfs_contents_free(run->twin);
    sim_store_close(&run->store);
    free(run->keys.data);
    free(run);
}

static void random_changes_do_what_the_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_do_what_the_model_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
