/* The rules of the lock table: who gets the lock, who waits, and whose turn it is. How holds and
 * waits end is in test_lock_end.c, what can be seen of locks in test_lock_look.c, and what random
 * commands make of all rules together in test_lock_model.c. */
#include "lock_world.h"

static void test_a_lockfile_is_held_until_removed(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", lockfile(10));
    refused(w, 2, "a", lockfile(20), CFS_ERR_EXISTS);
    granted(w, 2, "b", lockfile(20));
    assert_int_equal(unlink_as(w, "a", 1000), CFS_OK);
    assert_false(held(w, "a"));
    granted(w, 2, "a", lockfile(20));
}

static void test_a_lockfile_asked_again_exists(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", lockfile(10));
    refused(w, 1, "a", lockfile(10), CFS_ERR_EXISTS);
    refused(w, 1, "a", directory(10), CFS_ERR_EXISTS);
}

static void test_removing_a_lockfile_wakes_the_next(void **state)
{
    struct world *w = *state;
    uint64_t waiter;

    granted(w, 1, "a", lockfile(10));
    waiter = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    assert_int_equal(unlink_as(w, "a", 0), CFS_OK);
    woken(w, waiter);
}

static void test_flock_on_a_directory(void **state)
{
    struct world *w = *state;
    struct cfs_acquire ask_dir = flock_of(10, CFS_SHARED);

    granted(w, 1, "d", directory(10));
    refused(w, 1, "d", ask_dir, CFS_ERR_IS_DIRECTORY);
    refused(w, 2, "d", no_wait(flock_of(20, CFS_EXCLUSIVE)), CFS_ERR_IS_DIRECTORY);
    /* no conflict, so that the true answer is not hidden behind "held" */
    assert_false(cfs_lock_table_conflicts(w->table, 2, "d", &ask_dir));
}

static void test_a_directory_shares_its_name_with_nobody(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    refused(w, 1, "a", directory(10), CFS_ERR_EXISTS);
}

static void test_shared_holders_and_an_exclusive_one(void **state)
{
    struct world *w = *state;
    uint64_t writer;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 2, "a", flock_of(20, CFS_SHARED));
    assert_int_equal(info_of(w, "a").mode, CFS_SHARED);
    assert_int_equal(info_of(w, "a").holder_count, 2);
    writer = queued(w, 3, "a", flock_of(30, CFS_EXCLUSIVE));
    release(w, 1, "a", 10);
    waits(w, writer);
    release(w, 2, "a", 20);
    woken(w, writer);
    assert_int_equal(info_of(w, "a").mode, CFS_EXCLUSIVE);
}

static void test_a_later_shared_request_does_not_overtake(void **state)
{
    struct world *w = *state;
    uint64_t writer, reader;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    writer = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    reader = queued(w, 3, "a", flock_of(30, CFS_SHARED));
    refused(w, 3, "a", no_wait(flock_of(31, CFS_SHARED)), CFS_ERR_WOULD_BLOCK);
    release(w, 1, "a", 10);
    woken(w, writer);
    waits(w, reader);
    release(w, 2, "a", 20);
    woken(w, reader);
}

static void test_all_shared_waiters_up_to_the_next_exclusive(void **state)
{
    struct world *w = *state;
    uint64_t readers[2], writer, late;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    readers[0] = queued(w, 2, "a", flock_of(20, CFS_SHARED));
    readers[1] = queued(w, 3, "a", flock_of(30, CFS_SHARED));
    writer = queued(w, 2, "a", flock_of(21, CFS_EXCLUSIVE));
    late = queued(w, 3, "a", flock_of(31, CFS_SHARED));
    release(w, 1, "a", 10);
    assert_true(woken(w, readers[0]) < woken(w, readers[1]));
    waits(w, writer);
    waits(w, late);
}

static void test_would_block(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    refused(w, 2, "a", no_wait(flock_of(20, CFS_SHARED)), CFS_ERR_WOULD_BLOCK);
    refused(w, 2, "a", no_wait(leased(0, 1000)), CFS_ERR_WOULD_BLOCK);
    refused(w, 2, "a", lockfile(20), CFS_ERR_EXISTS);
    assert_int_equal(cfs_lock_table_waiter_count(w->table), 0);
    release(w, 1, "a", 10);
    granted(w, 2, "a", no_wait(flock_of(20, CFS_EXCLUSIVE)));
}

static void test_kinds_of_one_process_do_not_conflict(void **state)
{
    struct world *w = *state;
    struct cfs_acquire other_start = flock_of(10, CFS_EXCLUSIVE);

    granted(w, 1, "a", lockfile(10));
    refused(w, 2, "a", no_wait(flock_of(10, CFS_EXCLUSIVE)), CFS_ERR_WOULD_BLOCK);
    other_start.process.start = 2;
    refused(w, 1, "a", no_wait(other_start), CFS_ERR_WOULD_BLOCK);
    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    assert_int_equal(info_of(w, "a").holder_count, 2);
    refused(w, 1, "a", no_wait(flock_of(11, CFS_EXCLUSIVE)), CFS_ERR_WOULD_BLOCK);
    assert_int_equal(unlink_as(w, "a", 1000), CFS_OK);
    assert_true(held(w, "a")); /* by flock, still */
    assert_int_equal(unlink_as(w, "a", 1000), CFS_ERR_BUSY);
    release(w, 1, "a", 10);
    assert_false(held(w, "a"));
}

static void test_one_kind_of_one_process_conflicts(void **state)
{
    struct world *w = *state;
    struct cfs_acquire second = flock_of(11, CFS_EXCLUSIVE);

    second.process = (struct cfs_process){10, 1};
    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    refused(w, 1, "a", no_wait(second), CFS_ERR_WOULD_BLOCK);
}

static void test_an_unknown_process_is_not_even_itself(void **state)
{
    struct world *w = *state;
    struct cfs_acquire unknown = flock_of(10, CFS_EXCLUSIVE);

    unknown.process = (struct cfs_process){0};
    granted(w, 1, "a", lockfile(0));
    refused(w, 1, "a", no_wait(unknown), CFS_ERR_WOULD_BLOCK);
}

/* The exception that lets one behind a blocked waiter through. */
static void test_the_holders_own_process_passes_only_who_does_not_conflict(void **state)
{
    struct world *w = *state;
    uint64_t reader;

    granted(w, 1, "a", lockfile(10));
    reader = queued(w, 2, "a", flock_of(20, CFS_SHARED));
    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    release(w, 1, "a", 10);
    refused(w, 1, "a", no_wait(flock_of(10, CFS_EXCLUSIVE)), CFS_ERR_WOULD_BLOCK);
    waits(w, reader);
}

/* Only the reader was in the lockfile's way: both others are of its own process and of the other
 * kind. */
static void test_a_reader_that_leaves_the_queue(void **state)
{
    struct world *w = *state;
    struct cfs_acquire second = flock_of(11, CFS_EXCLUSIVE), file = lockfile(10);
    uint64_t reader, sibling, behind;

    second.process = (struct cfs_process){10, 1};
    file.wait = true;
    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    reader = queued(w, 2, "a", flock_of(20, CFS_SHARED));
    sibling = queued(w, 1, "a", second);
    behind = queued(w, 1, "a", file);
    cfs_lock_table_dismiss(w->table, 2, reader, tick(w), CFS_ERR_INTERRUPTED);
    woken(w, behind);
    waits(w, sibling);
}

static void test_tokens_grow(void **state)
{
    struct world *w = *state;
    cfs_token first = granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE)), second, third;
    uint64_t waiter = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));

    release(w, 1, "a", 10);
    second = woken(w, waiter);
    release(w, 2, "a", 20);
    assert_false(held(w, "a")); /* and forgotten */
    third = granted(w, 1, "a", lockfile(10));
    assert_true(first < second && second < third);
}

static void test_flock_again_in_the_same_mode_keeps_all(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    uint64_t waiter;

    assert_int_equal(write_at(w, "a", token, 0, "x"), CFS_OK);
    waiter = queued(w, 2, "a", flock_of(20, CFS_SHARED));
    assert_int_equal(granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE)), token);
    assert_int_equal(granted(w, 1, "a", no_wait(flock_of(10, CFS_EXCLUSIVE))), token);
    content_is(w, "a", "x", 1);
    waits(w, waiter);
    assert_int_equal(info_of(w, "a").holder_count, 1);
}

static void test_conversion_lets_go_first(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    uint64_t writer, converter;

    assert_true(granted(w, 1, "a", flock_of(10, CFS_SHARED)) > token); /* nobody waited */
    writer = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    converter = queued(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    woken(w, writer);
    waits(w, converter);
    assert_int_equal(info_of(w, "a").holder_count, 1);
    release(w, 2, "a", 20);
    woken(w, converter);
}

static void test_a_failed_conversion_has_lost_the_hold(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 2, "a", flock_of(20, CFS_SHARED));
    refused(w, 1, "a", no_wait(flock_of(10, CFS_EXCLUSIVE)), CFS_ERR_WOULD_BLOCK);
    assert_int_equal(info_of(w, "a").holder_count, 1);
    assert_int_equal(info_of(w, "a").holders[0].node, 2);
}

/* flock(2): locks of one open file are one lock, which its last grant converts. */
static void test_two_waits_through_one_file(void **state)
{
    struct world *w = *state;
    uint64_t first, same, other;
    cfs_token token;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    same = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    other = queued(w, 2, "a", flock_of(20, CFS_SHARED));
    release(w, 1, "a", 10);
    token = woken(w, first);
    assert_int_equal(woken(w, same), token);
    assert_true(woken(w, other) > token);
    assert_int_equal(info_of(w, "a").holder_count, 1);
    assert_int_equal(info_of(w, "a").mode, CFS_SHARED);
    release(w, 2, "a", 20);
    assert_false(held(w, "a"));
}

static void test_a_ticket_gives_the_place_back(void **state)
{
    struct world *w = *state;
    struct cfs_acquire again = flock_of(20, CFS_EXCLUSIVE);
    uint64_t first, second;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = queued(w, 2, "a", again);
    second = queued(w, 3, "a", flock_of(30, CFS_EXCLUSIVE));
    cfs_lock_table_dismiss(w->table, 2, first, tick(w), CFS_ERR_INTERRUPTED);
    again.ticket = end_of(w, first)->ticket;
    first = queued(w, 2, "a", again);
    release(w, 1, "a", 10);
    woken(w, first);
    waits(w, second);
}

static void test_an_old_ticket_need_not_wait_for_later_ones(void **state)
{
    struct world *w = *state;
    struct cfs_acquire again = flock_of(20, CFS_SHARED);
    uint64_t first, second;

    granted(w, 1, "a", lockfile(10));
    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    first = queued(w, 2, "a", again);
    second = queued(w, 3, "a", flock_of(30, CFS_EXCLUSIVE));
    cfs_lock_table_dismiss(w->table, 2, first, tick(w), CFS_ERR_INTERRUPTED);
    assert_int_equal(unlink_as(w, "a", 0), CFS_OK);
    waits(w, second); /* for the shared hold */
    refused(w, 2, "a", no_wait(again), CFS_ERR_WOULD_BLOCK);
    again.ticket = end_of(w, first)->ticket;
    granted(w, 2, "a", again);
}

static void test_a_ticket_from_the_future_is_the_tail(void **state)
{
    struct world *w = *state;
    struct cfs_acquire forged = flock_of(20, CFS_EXCLUSIVE);
    uint64_t first, second;

    forged.ticket = UINT64_MAX;
    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = queued(w, 2, "a", forged);
    second = queued(w, 3, "a", flock_of(30, CFS_EXCLUSIVE));
    release(w, 1, "a", 10);
    woken(w, first);
    waits(w, second);
}

/* A long queue is worked off step by step, not pair by pair: minutes if it were. */
static void test_a_long_queue(void **state)
{
    enum { LONG = 20000 };
    struct world *w = *state;

    for (uint64_t i = 1; i <= LONG; i++) {
        ask(w, 1, "a", flock_of(i, CFS_EXCLUSIVE));
        assert_int_equal(w->outcome, i == 1 ? CFS_ANSWERED : CFS_QUEUED);
    }
    for (uint64_t i = 1; i <= LONG; i++) {
        w->end_count = 0;
        release(w, 1, "a", i);
        assert_int_equal(w->end_count, i < LONG);
    }
    assert_false(held(w, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_a_lockfile_is_held_until_removed),
        IN_WORLD(test_a_lockfile_asked_again_exists),
        IN_WORLD(test_removing_a_lockfile_wakes_the_next),
        IN_WORLD(test_flock_on_a_directory),
        IN_WORLD(test_a_directory_shares_its_name_with_nobody),
        IN_WORLD(test_shared_holders_and_an_exclusive_one),
        IN_WORLD(test_a_later_shared_request_does_not_overtake),
        IN_WORLD(test_all_shared_waiters_up_to_the_next_exclusive),
        IN_WORLD(test_would_block),
        IN_WORLD(test_kinds_of_one_process_do_not_conflict),
        IN_WORLD(test_one_kind_of_one_process_conflicts),
        IN_WORLD(test_an_unknown_process_is_not_even_itself),
        IN_WORLD(test_the_holders_own_process_passes_only_who_does_not_conflict),
        IN_WORLD(test_a_reader_that_leaves_the_queue),
        IN_WORLD(test_tokens_grow),
        IN_WORLD(test_flock_again_in_the_same_mode_keeps_all),
        IN_WORLD(test_conversion_lets_go_first),
        IN_WORLD(test_a_failed_conversion_has_lost_the_hold),
        IN_WORLD(test_two_waits_through_one_file),
        IN_WORLD(test_a_ticket_gives_the_place_back),
        IN_WORLD(test_an_old_ticket_need_not_wait_for_later_ones),
        IN_WORLD(test_a_ticket_from_the_future_is_the_tail),
        IN_WORLD(test_a_long_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
