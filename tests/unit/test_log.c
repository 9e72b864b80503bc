/* The log's window: indices from 1, cut and grown at the end. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_ends_at_index_0_with_term_0),
        cmocka_unit_test(what_is_appended_is_found_at_its_index),
        cmocka_unit_test(beyond_the_end_there_is_nothing),
        cmocka_unit_test(truncation_drops_everything_from_the_index_on),
        cmocka_unit_test(a_dropped_entry_lives_on_in_whoever_else_refers_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
