/* The log against everything a crash, a disk or an administrator may do to its files while no
 * daemon runs. Each commit here is one batch, so the statistics tell where batches lie. */
#include <inttypes.h>

#include "wal_world.h"

#define BATCHES 5

/* BATCHES commits of 2 records each; `ends` receives where each batch ends. Closed afterwards. */
static void write_batches(struct world *w, uint64_t ends[BATCHES])
{
    open_log(w);
    for (int i = 0; i < BATCHES; i++) {
        commit(w, 2);
        ends[i] = stats_of(w).bytes;
    }
    close_log(w);
}

/* After the last batch was damaged: all earlier ones are there, and nothing of it is left. */
static void expect_torn(struct world *w, uint64_t at, size_t len)
{
    uint8_t left[4096];

    w->stored -= 2;
    open_log(w);
    assert_said(w, "unfinished batch");
    assert_true(stats_of(w).cut_bytes > 0);
    close_log(w);
    w->stored += 2;
    peek(w, 1, at, left, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(left[i], 0);
}

static void test_cuts_a_batch_torn_at_any_byte(void **state)
{
    static const uint8_t zeros[4096];
    struct world *w = *state;
    uint64_t ends[BATCHES], at;
    uint8_t image[4096], now[4096];
    size_t len;

    write_batches(w, ends);
    at = ends[BATCHES - 2];
    len = ends[BATCHES - 1] - at;
    assert_true(len <= sizeof(image));
    peek(w, 1, at, image, len);
    for (size_t i = 0; i < len; i += BYTE_STEP) {
        /* The first i bytes reached the disk. */
        poke(w, 1, at, image, len);
        poke(w, 1, at + i, zeros, len - i);
        peek(w, 1, at, now, len);
        if (i > 0 && memcmp(now, image, len) != 0)
            expect_torn(w, at, len);
        /* All but the first i did, and not what was meant for byte i. */
        poke(w, 1, at, image, len);
        poke(w, 1, at, zeros, i);
        flip(w, 1, at + i);
        expect_torn(w, at, len);
    }
    w->stored -= 2;
    open_log(w);
    assert_int_equal(stats_of(w).cut_bytes, 0);
    commit(w, 3);
    close_log(w);
    open_log(w);
}

static void test_refuses_damage_before_the_last_batch(void **state)
{
    struct world *w = *state;
    uint64_t ends[BATCHES];
    char where[64];

    write_batches(w, ends);
    for (int i = 0; i < BATCHES - 1; i++) {
        uint64_t start = i == 0 ? 0 : ends[i - 1];

        snprintf(where, sizeof(where), "wal-0000000000000001 is damaged at offset %" PRIu64 ":",
                 start);
        for (uint64_t at = start; at < ends[i]; at += 9 * BYTE_STEP) {
            flip(w, 1, at);
            assert_refused(w, where);
            assert_said(w, "move ");
            flip(w, 1, at);
        }
    }
    open_log(w);
}

static void test_refuses_damage_in_an_earlier_segment(void **state)
{
    struct world *w = *state;
    uint64_t end;

    open_log(w);
    fill_until(w, 2);
    end = stats_of(w).bytes;
    commit(w, 1);
    close_log(w);
    flip(w, 1, 8u * (BIG_BYTES + 1000)); /* within the second batch of segment 1 */
    assert_refused(w, "wal-0000000000000001 is damaged at offset");
    flip(w, 1, 8u * (BIG_BYTES + 1000));
    flip(w, 2, 100);
    assert_refused(w, "wal-0000000000000002 is damaged at offset 0:");
    flip(w, 2, 100);
    assert_true(end > CFS_WAL_SEGMENT_BYTES / 2);
    open_log(w);
}

static void test_cuts_a_torn_batch_that_began_a_segment(void **state)
{
    struct world *w = *state;

    open_log(w);
    fill_until(w, 2);
    close_log(w);
    flip(w, 2, 5000);
    w->stored -= 8;
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 8 * BIG_BYTES);
    commit(w, 1); /* fits into the rest of segment 1 */
    assert_int_equal(stats_of(w).segment, 1);
    commit(w, 8);
    assert_int_equal(stats_of(w).segment, 2);
    close_log(w);
    open_log(w);
}

/* A recycled or copied segment: right in itself, at the wrong place. */
static void test_a_copied_segment_brings_nothing_back(void **state)
{
    struct world *w = *state;
    uint8_t *data = cfs_alloc(CFS_WAL_SEGMENT_BYTES);
    int fd;

    open_log(w);
    commit(w, 50);
    close_log(w);
    peek(w, 1, 0, data, CFS_WAL_SEGMENT_BYTES);
    fd = open(path_of(w, 2, ""), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    poke(w, 2, 0, data, CFS_WAL_SEGMENT_BYTES);
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 0);
    close_log(w);
    open_log(w);
    assert_int_equal(stats_of(w).cut_bytes, 0);
    free(data);
}

/* The rest of another log of the same node: right place, right sequence, another log's mark. */
static void test_another_logs_bytes_bring_nothing_back(void **state)
{
    struct world *w = *state;
    uint64_t ends[BATCHES];
    char data[4096];
    size_t len;

    write_batches(w, ends);
    len = ends[BATCHES - 1] - ends[BATCHES - 2];
    peek(w, 1, ends[BATCHES - 2], data, len);
    w->stored = 0;
    snprintf(w->dir, sizeof(w->dir), "%s/2", w->root);
    open_log(w);
    for (int i = 0; i < BATCHES - 1; i++)
        commit(w, 2);
    assert_int_equal(stats_of(w).bytes, ends[BATCHES - 2]);
    close_log(w);
    poke(w, 1, ends[BATCHES - 2], data, len);
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 0);
}

static void test_refuses_an_unknown_format(void **state)
{
    struct world *w = *state;
    char text[256] = "";
    FILE *file;
    char *format;

    open_log(w);
    close_log(w);
    file = fopen(path_of(w, 0, "identity"), "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    format = strstr(text, "format 2");
    assert_non_null(format);
    format[strlen("format ")] = '1';
    write_text(w, "identity", text);
    assert_refused(w, "of format 1; this coordfs knows format 2");
    write_text(w, "identity", "nonsense\n");
    assert_refused(w, "identity is damaged");
}

static void test_refuses_a_log_that_lacks_a_part(void **state)
{
    struct world *w = *state;
    char away[512];

    open_log(w);
    fill_until(w, 3);
    close_log(w);
    snprintf(away, sizeof(away), "%s/away", w->root);

    assert_int_equal(rename(path_of(w, 2, ""), away), 0);
    assert_refused(w, "wal-0000000000000002 is missing");
    assert_int_equal(rename(away, path_of(w, 2, "")), 0);

    assert_int_equal(rename(path_of(w, 0, "identity"), away), 0);
    assert_refused(w, "wal- files but no identity");
    assert_int_equal(rename(away, path_of(w, 0, "identity")), 0);

    assert_int_equal(truncate(path_of(w, 3, ""), 1000), 0);
    assert_refused(w, "wal-0000000000000003 is not a file of 16777216 bytes");

    for (uint64_t i = 1; i <= 4; i++)
        unlink(path_of(w, i, ""));
    assert_refused(w, "an identity but no wal- files");
}

static void test_finishes_a_creation_that_a_crash_cut_short(void **state)
{
    struct world *w = *state;

    open_log(w);
    close_log(w);
    assert_int_equal(unlink(path_of(w, 0, "identity")), 0);
    write_text(w, "wal-0000000000000002.new", "half");
    open_log(w);
    commit(w, 5);
    assert_int_equal(access(path_of(w, 0, "wal-0000000000000002.new"), F_OK), -1);
    close_log(w);
    open_log(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(cuts_a_batch_torn_at_any_byte),
        TEST(refuses_damage_before_the_last_batch),
        TEST(refuses_damage_in_an_earlier_segment),
        TEST(cuts_a_torn_batch_that_began_a_segment),
        TEST(a_copied_segment_brings_nothing_back),
        TEST(another_logs_bytes_bring_nothing_back),
        TEST(refuses_an_unknown_format),
        TEST(refuses_a_log_that_lacks_a_part),
        TEST(finishes_a_creation_that_a_crash_cut_short),
    };

    return cmocka_run_group_tests_name("wal_recover", tests, NULL, NULL);
}
