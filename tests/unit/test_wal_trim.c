/* The log that begins later than at its first segment: where it must begin for a record, what a
 * trim removes, what a start does with a trim that a crash cut short, and whose log it is. */
#include <assert.h>
#include <pthread.h>

#include "wal_world.h"

#define SEGMENTS 4

/* A log of SEGMENTS segments; `starts[s]` receives the number of the first record of segment s. */
static void fill(struct world *w, uint64_t starts[SEGMENTS + 1])
{
    uint32_t segment = 1;

    starts[1] = w->stored;
    w->big = BIG_BYTES;
    open_log(w);
    while (segment < SEGMENTS) {
        commit(w, 8);
        if (stats_of(w).segment != segment)
            starts[++segment] = w->stored - 8;
    }
    commit(w, 8);
    assert_int_equal(stats_of(w).segment, SEGMENTS);
}

static void await_segments(struct world *w, uint32_t count)
{
    for (int ms = 0; ms < WAIT_MS && stats_of(w).segments != count; ms++)
        poll(NULL, 0, 1);
    assert_int_equal(stats_of(w).segments, count);
    assert_int_equal(stats_of(w).disk_bytes, (uint64_t)count * CFS_WAL_SEGMENT_BYTES);
}

static bool exists(const struct world *w, uint64_t segment)
{
    return access(path_of(w, segment, ""), F_OK) == 0;
}

/* From now on the log is opened to begin with record `number`, the first of its segment. */
static void begin_with(struct world *w, uint64_t number)
{
    w->begin = cfs_wal_begin_for(w->wal, number - w->first + 1);
    w->first = number;
}

static void test_the_lsn_goes_on_where_recovery_ended(void **state)
{
    struct world *w = *state;
    uint64_t durable = 99;

    open_log(w);
    assert_int_equal(cfs_wal_recovered(w->wal), 0);
    commit(w, 7);
    assert_int_equal(cfs_wal_recovered(w->wal), 0);
    close_log(w);
    open_log(w);
    assert_int_equal(cfs_wal_recovered(w->wal), 7);
    assert_int_equal(cfs_wal_durable(w->wal, &durable), 0);
    assert_int_equal(durable, 7);
    commit(w, 2); /* lsn 8 and 9: the log asserts it */
    assert_int_equal(cfs_wal_durable(w->wal, &durable), 0);
    assert_int_equal(durable, 9);
}

static void test_begins_at_the_segment_of_the_record(void **state)
{
    struct world *w = *state;
    uint64_t starts[SEGMENTS + 1], segment = 1;

    fill(w, starts);
    for (int life = 0; life < 2; life++, segment = 1) {
        for (uint64_t number = 0; number < w->stored; number++) {
            while (segment < SEGMENTS && number >= starts[segment + 1])
                segment++;
            assert_int_equal(cfs_wal_begin_for(w->wal, number + 1).segment, segment);
            assert_int_equal(cfs_wal_begin_for(w->wal, number + 1).sequence,
                             starts[segment] / 8 + 1);
        }
        assert_int_equal(cfs_wal_begin_for(w->wal, w->stored + 1).segment, SEGMENTS);
        close_log(w);
        open_log(w); /* and recovery finds the same */
    }
}

static void test_a_new_log_begins_at_its_first_batch(void **state)
{
    struct world *w = *state;

    open_log(w);
    assert_int_equal(cfs_wal_begin_for(w->wal, 1).segment, 1);
    assert_int_equal(cfs_wal_begin_for(w->wal, 1).sequence, 1);
    cfs_wal_trim(w->wal, cfs_wal_begin_for(w->wal, 1));
    commit(w, 3);
    close_log(w);
    open_log(w);
    assert_int_equal(stats_of(w).segments, 1);
}

static void test_a_trimmed_log_opens_with_what_is_left(void **state)
{
    struct world *w = *state;
    uint64_t starts[SEGMENTS + 1];

    fill(w, starts);
    begin_with(w, starts[3]);
    assert_int_equal(w->begin.segment, 3);
    cfs_wal_trim(w->wal, w->begin);
    await_segments(w, 2);
    assert_false(exists(w, 1) || exists(w, 2));
    assert_true(exists(w, 3) && exists(w, 4));
    assert_int_equal(cfs_wal_begin_for(w->wal, 1).segment, 3);
    commit(w, 8);
    close_log(w);
    open_log(w);
    assert_int_equal(stats_of(w).segments, 2);
    assert_int_equal(cfs_wal_begin_for(w->wal, 1).segment, 3);
    commit(w, 1);
    close_log(w);
    open_log(w);
}

static void test_a_log_is_trimmed_again_and_again(void **state)
{
    struct world *w = *state;

    w->big = BIG_BYTES;
    open_log(w);
    for (uint32_t round = 2; round < 7; round++) {
        fill_until(w, round);
        begin_with(w, w->stored - 8);
        assert_int_equal(w->begin.segment, round);
        cfs_wal_trim(w->wal, w->begin);
        await_segments(w, 1);
        close_log(w);
        open_log(w);
    }
}

static void test_the_segment_being_written_is_never_removed(void **state)
{
    struct world *w = *state;

    open_log(w);
    fill_until(w, 2);
    cfs_wal_trim(w->wal, (struct cfs_wal_begin){.segment = 99, .sequence = 9999});
    await_segments(w, 1);
    begin_with(w, w->stored - 8);
    assert_int_equal(w->begin.segment, 2);
    commit(w, 1);
    close_log(w);
    open_log(w);
}

/* A crash in a trim: the directory forgot some removals, in any order. */
static void test_a_start_finishes_an_interrupted_trim(void **state)
{
    struct world *w = *state;
    uint64_t starts[SEGMENTS + 1];

    fill(w, starts);
    begin_with(w, starts[4]);
    close_log(w);
    assert_int_equal(unlink(path_of(w, 2, "")), 0);
    open_log(w);
    assert_false(exists(w, 1) || exists(w, 3));
    assert_int_equal(stats_of(w).segments, 1);
}

static void test_refuses_a_trimmed_log_that_lacks_a_part(void **state)
{
    struct world *w = *state;
    uint64_t starts[SEGMENTS + 1];
    char away[300];

    fill(w, starts);
    begin_with(w, starts[2]);
    close_log(w);
    snprintf(away, sizeof(away), "%s/away", w->root);
    assert_int_equal(rename(path_of(w, 3, ""), away), 0);
    assert_refused(w, "wal-0000000000000003 is missing and later segments are there");
    assert_int_equal(rename(away, path_of(w, 3, "")), 0);
    assert_int_equal(rename(path_of(w, 2, ""), away), 0);
    assert_refused(w, "wal-0000000000000002 is missing and later segments are there");
    w->begin.segment = 5;
    assert_refused(w, "wal-0000000000000005 is missing and earlier segments are there");
    assert_true(exists(w, 1)); /* who is refused has changed nothing */
    w->begin.segment = 2;
    assert_int_equal(rename(away, path_of(w, 2, "")), 0);
    open_log(w);
}

static void test_refuses_a_log_begun_with_another_sequence(void **state)
{
    struct world *w = *state;

    open_log(w);
    fill_until(w, 2);
    begin_with(w, w->stored - 8);
    close_log(w);
    w->begin.sequence++;
    assert_refused(w, "wal-0000000000000002 is damaged at offset 0");
    w->begin.sequence--;
    open_log(w);
}

static void test_refuses_a_checkpoint_without_a_log(void **state)
{
    struct world *w = *state;

    w->begin = (struct cfs_wal_begin){.segment = 3, .sequence = 40, .mark = 5};
    assert_refused(w, "a checkpoint but no log");
    w->begin = (struct cfs_wal_begin){.segment = 1, .sequence = 1, .mark = 5};
    assert_refused(w, "a checkpoint but no log");
    w->begin.mark = 0;
    open_log(w);
}

static void test_refuses_the_checkpoint_of_another_log(void **state)
{
    struct world *w = *state;

    open_log(w);
    commit(w, 3);
    begin_with(w, 0);
    close_log(w);
    open_log(w);
    close_log(w);
    w->begin.mark ^= 1;
    assert_refused(w, "the checkpoint in ");
    assert_said(w, "is of another log");
}

static void test_a_torn_batch_may_be_all_of_a_trimmed_log(void **state)
{
    struct world *w = *state;

    open_log(w);
    fill_until(w, 2);
    begin_with(w, w->stored - 8);
    close_log(w);
    flip(w, 2, 5000);
    w->stored -= 8;
    open_log(w);
    assert_true(stats_of(w).cut_bytes > 8 * BIG_BYTES);
    assert_int_equal(cfs_wal_begin_for(w->wal, 1).segment, 2);
    assert_int_equal(cfs_wal_begin_for(w->wal, 1).sequence, w->begin.sequence);
    commit(w, 8);
    close_log(w);
    open_log(w);
    assert_int_equal(w->seen - w->first, 8);
}

/* On a disk of 36 MiB a third segment needs the first one's space. */
static void test_a_trim_gives_a_full_disk_its_room_back(void **state)
{
    struct world *w = *state;
    uint64_t start;

    if (mkdir(w->dir, 0700) != 0 || mount("none", w->dir, "tmpfs", 0, "size=36m") != 0)
        skip();
    w->big = BIG_BYTES;
    open_log(w);
    fill_until(w, 2);
    start = w->stored - 8;
    catch_stderr(w);
    commit(w, 80); /* past the half of the second */
    await_said(w, "No space left on device; will try again");
    release_stderr(w);
    begin_with(w, start);
    cfs_wal_trim(w->wal, w->begin);
    fill_until(w, 3);
    close_log(w);
    open_log(w);
}

static void *ask_for_begins(void *arg)
{
    struct cfs_wal_stats stats;
    struct cfs_wal_begin begin;

    do {
        begin = cfs_wal_begin_for(arg, UINT64_MAX);
        cfs_wal_stats(arg, &stats);
        assert(stats.segment >= begin.segment);
        cfs_wal_trim(arg, begin);
    } while (stats.segment < 3);
    return NULL;
}

static void test_trims_while_it_is_written(void **state)
{
    struct world *w = *state;
    pthread_t thread;

    open_log(w);
    assert_int_equal(pthread_create(&thread, NULL, ask_for_begins, w->wal), 0);
    fill_until(w, 3);
    pthread_join(thread, NULL);
    begin_with(w, w->stored - 8);
    cfs_wal_trim(w->wal, w->begin);
    await_segments(w, 1);
    close_log(w);
    open_log(w);
}

static void test_remembers_what_the_cluster_was(void **state)
{
    static const char text[] = "1@10.0.0.1:7000+2@[::1]:7000 and more";
    struct world *w = *state;

    w->origin = (struct cfs_wal_origin){.cluster = 0xfedcba9876543210u};
    strcpy(w->origin.members, text);
    open_log(w);
    close_log(w);
    w->origin = (struct cfs_wal_origin){.cluster = 5, .members = "another"};
    open_log(w);
    assert_int_equal(w->origin.cluster, 0xfedcba9876543210u);
    assert_string_equal(w->origin.members, text);
}

static void test_the_members_may_be_none_or_many(void **state)
{
    struct world *w = *state;

    open_log(w);
    close_log(w);
    strcpy(w->origin.members, "another");
    open_log(w);
    assert_string_equal(w->origin.members, "");
    close_log(w);

    snprintf(w->dir, sizeof(w->dir), "%s/2", w->root);
    memset(w->origin.members, 'm', CFS_WAL_MEMBERS_MAX);
    w->origin.cluster = UINT64_MAX;
    open_log(w);
    close_log(w);
    w->origin = (struct cfs_wal_origin){0};
    open_log(w);
    assert_int_equal(w->origin.cluster, UINT64_MAX);
    assert_int_equal(strspn(w->origin.members, "m"), CFS_WAL_MEMBERS_MAX);
    assert_int_equal(strlen(w->origin.members), CFS_WAL_MEMBERS_MAX);
}

static void test_refuses_an_identity_that_is_not_whole(void **state)
{
    struct world *w = *state;
    char text[512] = "", changed[600];
    FILE *file;
    size_t len;

    strcpy(w->origin.members, "1@a:1+2@b:2");
    open_log(w);
    close_log(w);
    file = fopen(path_of(w, 0, "identity"), "r");
    assert_non_null(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    for (size_t i = 0; i < len; i += BYTE_STEP) {
        memcpy(changed, text, len);
        changed[i] = '\0'; /* ends here */
        write_text(w, "identity", changed);
        assert_refused(w, "identity is damaged");
    }
    snprintf(changed, sizeof(changed), "%smore\n", text);
    write_text(w, "identity", changed);
    assert_refused(w, "identity is damaged");
    write_text(w, "identity", text);
    open_log(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_lsn_goes_on_where_recovery_ended),
        TEST(begins_at_the_segment_of_the_record),
        TEST(a_new_log_begins_at_its_first_batch),
        TEST(a_trimmed_log_opens_with_what_is_left),
        TEST(a_log_is_trimmed_again_and_again),
        TEST(the_segment_being_written_is_never_removed),
        TEST(a_start_finishes_an_interrupted_trim),
        TEST(refuses_a_trimmed_log_that_lacks_a_part),
        TEST(refuses_a_log_begun_with_another_sequence),
        TEST(refuses_a_checkpoint_without_a_log),
        TEST(refuses_the_checkpoint_of_another_log),
        TEST(a_torn_batch_may_be_all_of_a_trimmed_log),
        TEST(a_trim_gives_a_full_disk_its_room_back),
        TEST(trims_while_it_is_written),
        TEST(remembers_what_the_cluster_was),
        TEST(the_members_may_be_none_or_many),
        TEST(refuses_an_identity_that_is_not_whole),
    };

    return cmocka_run_group_tests_name("wal_trim", tests, NULL, NULL);
}
