/* The log's window: indices from 1, cut and grown at the end, compacted at the beginning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"

static void grow(struct cfs_log *log, uint64_t term)
{
    cfs_log_append(log, cfs_entry_new(CFS_ENTRY_NOOP, cfs_log_last_index(log) + 1, term, NULL, 0),
                   1);
}

/* Entry i has term i / 10, time 1000 * i, a record with lsn 500 + i, and i bytes. */
static void fill(struct cfs_log *log, uint64_t last)
{
    static const uint8_t data[200];

    for (uint64_t i = cfs_log_last_index(log) + 1; i <= last; i++) {
        struct cfs_entry *entry =
            cfs_entry_new(CFS_ENTRY_COMMAND, i, i / 10, data, (uint32_t)(i % sizeof data));
        entry->time = 1000 * i;
        cfs_log_append(log, entry, 500 + i);
    }
}

static uint64_t bytes_of(const struct cfs_log *log)
{
    uint64_t bytes = 0;

    for (uint64_t i = log->base.index + 1; i <= cfs_log_last_index(log); i++)
        bytes += cfs_entry_bytes(cfs_log_get(log, i)->len);
    return bytes;
}

static void an_empty_log_ends_at_index_0_with_term_0(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    assert_int_equal(cfs_log_last_index(&log), 0);
    assert_int_equal(cfs_log_last_term(&log), 0);
    assert_int_equal(cfs_log_term_at(&log, 0), 0);
    assert_null(cfs_log_get(&log, 0));
    assert_null(cfs_log_get(&log, 1));
    cfs_log_close(&log);
}

static void what_is_appended_is_found_at_its_index(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    for (uint64_t i = 1; i <= 100; i++)
        grow(&log, i / 10);
    assert_int_equal(cfs_log_last_index(&log), 100);
    assert_int_equal(cfs_log_last_term(&log), 10);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(cfs_log_get(&log, i)->index, i);
        assert_int_equal(cfs_log_term_at(&log, i), i / 10);
    }
    cfs_log_close(&log);
}

static void beyond_the_end_there_is_nothing(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    grow(&log, 1);
    assert_null(cfs_log_get(&log, 2));
    assert_null(cfs_log_get(&log, UINT64_MAX));
    assert_int_equal(cfs_log_term_at(&log, 2), 0);
    cfs_log_close(&log);
}

static void truncation_drops_everything_from_the_index_on(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    for (uint64_t term = 1; term <= 5; term++)
        grow(&log, term);
    cfs_log_truncate(&log, 3);
    assert_int_equal(cfs_log_last_index(&log), 2);
    assert_int_equal(cfs_log_last_term(&log), 2);
    assert_null(cfs_log_get(&log, 3));
    cfs_log_truncate(&log, 9); /* behind the end: nothing to drop */
    assert_int_equal(cfs_log_last_index(&log), 2);
    grow(&log, 9);
    assert_int_equal(cfs_log_term_at(&log, 3), 9);
    cfs_log_close(&log);
}

static void a_dropped_entry_lives_on_in_whoever_else_refers_to_it(void **state)
{
    struct cfs_log log = {0};
    struct cfs_entry *entry = cfs_entry_new(CFS_ENTRY_NOOP, 1, 4, NULL, 0);

    (void)state;
    cfs_log_append(&log, cfs_entry_ref(entry), 1);
    cfs_log_truncate(&log, 1);
    assert_int_equal(entry->refs, 1);
    assert_int_equal(entry->term, 4);
    cfs_entry_unref(entry);
    cfs_log_close(&log);
}

static void a_compacted_log_begins_after_the_entry_it_was_compacted_to(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 100);
    cfs_log_compact(&log, 40);
    assert_int_equal(log.base.index, 40);
    assert_int_equal(log.base.term, 4);
    assert_int_equal(log.base.time, 40000);
    assert_int_equal(log.count, 60);
    assert_null(cfs_log_get(&log, 40));
    assert_int_equal(cfs_log_get(&log, 41)->index, 41);
    assert_int_equal(cfs_log_get(&log, 100)->index, 100);
    assert_int_equal(cfs_log_last_index(&log), 100);
    fill(&log, 110);
    assert_int_equal(cfs_log_get(&log, 110)->term, 11);
    cfs_log_close(&log);
}

/* What a follower's entry is compared with: the base's own term is still known. */
static void the_term_at_the_base_is_known_and_none_before_it(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 100);
    cfs_log_compact(&log, 40);
    assert_int_equal(cfs_log_term_at(&log, 41), 4);
    assert_int_equal(cfs_log_term_at(&log, 40), 4);
    assert_int_equal(cfs_log_term_at(&log, 39), 0);
    assert_int_equal(cfs_log_term_at(&log, 0), 0);
    cfs_log_close(&log);
}

static void a_log_compacted_to_its_end_still_ends_there(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 50);
    cfs_log_compact(&log, 50);
    assert_int_equal(log.count, 0);
    assert_int_equal(log.bytes, 0);
    assert_int_equal(cfs_log_last_index(&log), 50);
    assert_int_equal(cfs_log_last_term(&log), 5);
    assert_int_equal(cfs_log_last_time(&log), 50000);
    cfs_log_close(&log);
}

static void nothing_is_compacted_before_the_base_or_beyond_the_end(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 50);
    cfs_log_compact(&log, 30);
    cfs_log_compact(&log, 30);
    cfs_log_compact(&log, 7);
    cfs_log_compact(&log, 51);
    assert_int_equal(log.base.index, 30);
    assert_int_equal(log.count, 20);
    cfs_log_close(&log);
}

static void a_truncated_log_keeps_its_base(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 50);
    cfs_log_compact(&log, 30);
    cfs_log_truncate(&log, 31);
    assert_int_equal(cfs_log_last_index(&log), 30);
    assert_int_equal(cfs_log_last_term(&log), 3);
    grow(&log, 9);
    assert_int_equal(cfs_log_term_at(&log, 31), 9);
    cfs_log_close(&log);
}

static void a_reset_log_is_empty_after_its_new_base(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 50);
    cfs_log_reset(&log, (struct cfs_log_base){400, 7, 99});
    assert_int_equal(log.count, 0);
    assert_int_equal(log.bytes, 0);
    assert_int_equal(cfs_log_last_index(&log), 400);
    assert_int_equal(cfs_log_last_term(&log), 7);
    assert_int_equal(cfs_log_last_time(&log), 99);
    grow(&log, 8);
    assert_int_equal(cfs_log_get(&log, 401)->term, 8);
    cfs_log_close(&log);
}

/* By it the records that a checkpoint needs beside it are found. */
static void each_entry_knows_its_record(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 50);
    cfs_log_compact(&log, 30);
    assert_int_equal(cfs_log_lsn(&log, 30), 0);
    assert_int_equal(cfs_log_lsn(&log, 31), 531);
    assert_int_equal(cfs_log_lsn(&log, 50), 550);
    assert_int_equal(cfs_log_lsn(&log, 51), 0);
    cfs_log_close(&log);
}

static void its_bytes_are_those_of_the_entries_in_the_window(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    assert_true(cfs_entry_bytes(0) >= sizeof(struct cfs_entry)); /* an empty one is not free */
    assert_int_equal(cfs_entry_bytes(1000) - cfs_entry_bytes(0), 1000);
    fill(&log, 100);
    assert_int_equal(log.bytes, bytes_of(&log));
    cfs_log_compact(&log, 60);
    assert_int_equal(log.bytes, bytes_of(&log));
    cfs_log_truncate(&log, 90);
    assert_int_equal(log.bytes, bytes_of(&log));
    cfs_log_close(&log);
}

/* After a burst of entries a compacted log does not keep the memory of the burst. */
static void a_window_that_has_become_small_gives_memory_back(void **state)
{
    struct cfs_log log = {0};

    (void)state;
    fill(&log, 5000);
    cfs_log_compact(&log, 4990);
    assert_true(log.capacity < 200);
    fill(&log, 6000);
    assert_int_equal(cfs_log_get(&log, 6000)->index, 6000);
    cfs_log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_ends_at_index_0_with_term_0),
        cmocka_unit_test(what_is_appended_is_found_at_its_index),
        cmocka_unit_test(beyond_the_end_there_is_nothing),
        cmocka_unit_test(truncation_drops_everything_from_the_index_on),
        cmocka_unit_test(a_dropped_entry_lives_on_in_whoever_else_refers_to_it),
        cmocka_unit_test(a_compacted_log_begins_after_the_entry_it_was_compacted_to),
        cmocka_unit_test(the_term_at_the_base_is_known_and_none_before_it),
        cmocka_unit_test(a_log_compacted_to_its_end_still_ends_there),
        cmocka_unit_test(nothing_is_compacted_before_the_base_or_beyond_the_end),
        cmocka_unit_test(a_truncated_log_keeps_its_base),
        cmocka_unit_test(a_reset_log_is_empty_after_its_new_base),
        cmocka_unit_test(each_entry_knows_its_record),
        cmocka_unit_test(its_bytes_are_those_of_the_entries_in_the_window),
        cmocka_unit_test(a_window_that_has_become_small_gives_memory_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
