/* Files' bytes at the leader: what is on the disk is read first, once for all resends; what went
 * meanwhile is looked for again. */
#include "core_home_bench.h"

#include <stdlib.h>
#include <string.h>

#define FILE_1 ((cfs_ino)7)

static struct home_bench hb;
static uint64_t last_index; /* of changes */

static void write_at(uint64_t offset, const char *data)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_PUT,
                                  .cache_put = {.ino = FILE_1,
                                                .kind = CFS_PUT_WRITE,
                                                .offset = offset,
                                                .max = 1000,
                                                .data = (const uint8_t *)data,
                                                .len = (uint32_t)strlen(data)}};
    struct cfs_answer answer = {0};

    cfs_contents_apply(hb.machine.contents,
                       (struct cfs_moment){.index = ++last_index, .wall = last_index}, &request,
                       &answer);
    assert_int_equal(answer.error, CFS_OK);
}

static void to_disk(void)
{
    struct cfs_writer pieces = {0};

    cfs_machine_save(&hb.machine, &pieces);
    cfs_machine_saved(&hb.machine);
    free(pieces.data);
}

/* "ab" and "cd" on the disk, then a gap, then "e" in memory. */
static int set_up(void **state)
{
    home_bench_open(&hb);
    last_index = 100;
    write_at(0, "ab");
    to_disk();
    write_at(2, "cd");
    to_disk();
    write_at(6, "e");
    bench_clear(&hb.rb.bench);
    *state = &hb;
    return 0;
}

static int tear_down(void **state)
{
    home_bench_close(*state);
    return 0;
}

static void fetch(uint64_t id, uint64_t offset, uint32_t len)
{
    home_bench_receive(&hb, (struct cfs_message){
                                .type = CFS_MSG_READ,
                                .from = 3,
                                .term = hb.rb.raft.term,
                                .read = {.id = id,
                                         .op = CFS_OP_CACHE_FETCH,
                                         .cache = {.ino = FILE_1, .offset = offset, .len = len}}});
}

static uint32_t reads(void)
{
    return bench_effect_count(&hb.rb.bench, CFS_FX_READ);
}

static uint32_t keys(void)
{
    const struct cfs_effect *effect = bench_effect(&hb.rb.bench, CFS_FX_READ);

    return (uint32_t)(effect->read.keys.len / (4 + 9));
}

/* The disk answers the newest reading: a word of `words` for each of the extents it asked for; "-":
 * there is none. */
static void read_done(const char *words)
{
    const struct cfs_effect *effect = bench_effect(&hb.rb.bench, CFS_FX_READ);
    struct cfs_reader reader = {.data = effect->read.keys.data, .len = effect->read.keys.len};
    struct cfs_writer pieces = {0};

    while (reader.at < reader.len) {
        struct cfs_piece_key key = {0};
        size_t len = strcspn(words, " ");
        const uint8_t *name = cfs_get_bytes(&reader, &key.len);
        struct cfs_writer value = {0};
        memcpy(key.bytes, name, key.len);
        assert_int_equal(name[0], CFS_PIECE_EXTENT);
        assert_true(len > 0);
        if (*words != '-') {
            cfs_put_raw(&value, words, len);
            cfs_piece_put(&pieces, &key, &value);
            free(value.data);
        }
        words += len;
        words += *words == ' ';
    }
    assert_false(*words);
    cfs_home_pieces_read(&hb.home, &(struct cfs_read_pieces){
                                       .id = effect->id, .data = pieces.data, .len = pieces.len});
    free(pieces.data);
}

/* Zeros are dots. Returns the version. */
static uint64_t has_bytes(uint64_t id, const char *bytes)
{
    const struct cfs_msg_answer *said = home_bench_said(&hb, CFS_TO_READ, 3, id, NULL);
    struct cfs_answer answer;
    void *owned;

    assert_non_null(said);
    assert_int_equal(cfs_answer_decode(&answer, &owned, said->answer, said->len), 0);
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.cache.len, strlen(bytes));
    for (size_t i = 0; bytes[i]; i++)
        assert_int_equal(answer.cache.data[i], bytes[i] == '.' ? 0 : bytes[i]);
    free(owned);
    return answer.cache.content.version;
}

static void answered(uint64_t id, const char *bytes)
{
    assert_int_equal(has_bytes(id, bytes), cfs_contents_info(hb.machine.contents, FILE_1).version);
}

static bool is_answered(uint64_t id)
{
    return home_bench_said(&hb, CFS_TO_READ, 3, id, NULL);
}

static void what_is_in_memory_waits_for_nothing(void **state)
{
    (void)state;
    fetch(1, 4, 100);
    answered(1, "..e");
    fetch(2, 7, 100); /* behind the end */
    answered(2, "");
    fetch(3, 0, 0);
    answered(3, "");
    assert_int_equal(reads(), 0);
    assert_null(hb.home.held);
}

static void what_is_on_the_disk_is_read_first(void **state)
{
    (void)state;
    fetch(1, 0, 100);
    assert_int_equal(reads(), 1);
    assert_int_equal(keys(), 2);
    assert_false(is_answered(1));
    read_done("ab cd");
    answered(1, "abcd..e");
    assert_null(hb.home.held);
    fetch(2, 1, 2);
    assert_int_equal(keys(), 2);
    read_done("ab cd");
    answered(2, "bc");
    fetch(3, 3, 4);
    assert_int_equal(keys(), 1);
    read_done("cd");
    answered(3, "d..e");
}

/* Two stretches show parts of it. */
static void an_extent_is_read_once(void **state)
{
    (void)state;
    write_at(1, "bcd");
    to_disk();
    write_at(2, "X");
    fetch(1, 0, 4);
    assert_int_equal(keys(), 2);
    read_done("ab bcd");
    answered(1, "abXd");
}

static void a_resend_reads_nothing_again(void **state)
{
    (void)state;
    fetch(1, 0, 2);
    fetch(1, 0, 2);
    assert_int_equal(reads(), 1);
    fetch(2, 0, 2); /* another one does */
    assert_int_equal(reads(), 2);
    read_done("ab");
    assert_false(is_answered(1));
    answered(2, "ab");
}

/* It is as it was when it was looked at: the extent is still there to be read. */
static void what_is_overwritten_meanwhile_is_read_as_it_was(void **state)
{
    uint64_t version = cfs_contents_info(hb.machine.contents, FILE_1).version;

    (void)state;
    fetch(1, 0, 7);
    write_at(1, "XY");
    write_at(6, "Z");
    read_done("ab cd");
    assert_int_equal(has_bytes(1, "abcd..e"), version);
}

static void what_went_meanwhile_is_looked_for_again(void **state)
{
    (void)state;
    fetch(1, 0, 7);
    write_at(2, "XY");
    to_disk();
    read_done("ab -");
    assert_false(is_answered(1));
    assert_int_equal(reads(), 2);
    assert_int_equal(keys(), 3); /* "e" is on the disk by now */
    fetch(1, 0, 7);              /* a resend still adds nothing */
    assert_int_equal(reads(), 2);
    read_done("ab XY e");
    answered(1, "abXY..e");
    fetch(2, 0, 4);
    write_at(0, "1234");
    to_disk();
    write_at(0, "5678");
    read_done("- -"); /* now all is in memory */
    answered(2, "5678");
    assert_null(hb.home.held);
}

static void a_file_that_is_dropped_meanwhile_is_stale(void **state)
{
    struct cfs_request gone = {.op = CFS_OP_CACHE_DROP, .cache_drop = {.ino = FILE_1}};
    struct cfs_answer answer = {0};

    (void)state;
    fetch(1, 0, 7);
    cfs_contents_apply(hb.machine.contents, (struct cfs_moment){.index = ++last_index}, &gone,
                       &answer);
    to_disk();
    read_done("- -");
    assert_int_equal(home_bench_error(&hb, CFS_TO_READ, 3, 1), CFS_ERR_STALE);
    fetch(2, 0, 7);
    assert_int_equal(home_bench_error(&hb, CFS_TO_READ, 3, 2), CFS_ERR_STALE);
    assert_null(hb.home.held);
}

/* What may be kept is what it was when the home let it be kept. */
static void bytes_of_another_state_are_not_shared(void **state)
{
    const struct cfs_msg_read read = {
        .id = 1, .op = CFS_OP_CACHE_FETCH, .cache = {.ino = FILE_1, .len = 2}};
    const struct cfs_cache_share share = {.group = 1, .epoch = 5};
    struct cfs_answer answer = {0};

    (void)state;
    cfs_home_fetch(&hb.home, 3, &read, share);
    read_done("ab");
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1, &answer));
    assert_int_equal(answer.cache.share.epoch, 5);
    cfs_home_fetch(&hb.home, 3, &read, share);
    write_at(5, "Z");
    read_done("ab"); /* as they were */
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1, &answer));
    assert_int_equal(answer.cache.share.epoch, 0);
    cfs_home_fetch(&hb.home, 3, &read, share);
    write_at(0, "XY");
    to_disk();
    write_at(0, "XY"); /* it is in memory */
    read_done("-");
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1, &answer));
    assert_int_equal(answer.cache.share.epoch, 0);
}

static void attributes_are_answered_at_once(void **state)
{
    struct cfs_request set = {
        .op = CFS_OP_CACHE_XATTR,
        .name = "user.a",
        .cache_xattr = {.ino = FILE_1, .value = (const uint8_t *)"v", .len = 1}};
    struct cfs_answer answer = {0};

    (void)state;
    cfs_contents_apply(hb.machine.contents, (struct cfs_moment){.index = ++last_index}, &set,
                       &answer);
    home_bench_receive(&hb,
                       (struct cfs_message){
                           .type = CFS_MSG_READ,
                           .from = 3,
                           .term = hb.rb.raft.term,
                           .read = {.id = 1, .op = CFS_OP_CACHE_XATTRS, .cache = {.ino = FILE_1}}});
    assert_non_null(home_bench_said(&hb, CFS_TO_READ, 3, 1, &answer));
    assert_int_equal(answer.cache.len, 12);
}

static void who_does_not_lead_any_more_answers_nothing(void **state)
{
    (void)state;
    fetch(1, 0, 7);
    cfs_home_stop(&hb.home);
    assert_null(hb.home.held);
    read_done("ab cd");
    assert_false(is_answered(1));
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(what_is_in_memory_waits_for_nothing),
        ON_BENCH(what_is_on_the_disk_is_read_first),
        ON_BENCH(an_extent_is_read_once),
        ON_BENCH(a_resend_reads_nothing_again),
        ON_BENCH(what_is_overwritten_meanwhile_is_read_as_it_was),
        ON_BENCH(what_went_meanwhile_is_looked_for_again),
        ON_BENCH(a_file_that_is_dropped_meanwhile_is_stale),
        ON_BENCH(bytes_of_another_state_are_not_shared),
        ON_BENCH(attributes_are_answered_at_once),
        ON_BENCH(who_does_not_lead_any_more_answers_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
