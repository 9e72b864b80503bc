/* How holds and waits end: given back, removed, undone, given up, with their session, with their
 * ttl. */
#include "lock_world.h"

static void test_who_may_remove(void **state)
{
    struct world *w = *state;

    assert_int_equal(unlink_as(w, "a", 0), CFS_ERR_NOT_HELD);
    granted(w, 1, "a", lockfile(10));
    assert_int_equal(unlink_as(w, "a", 1001), CFS_ERR_NOT_PERMITTED);
    assert_int_equal(rmdir_as(w, "a", 1000), CFS_ERR_NOT_DIRECTORY);
    assert_int_equal(unlink_as(w, "a", 1000), CFS_OK);
    granted(w, 1, "d", directory(10));
    assert_int_equal(unlink_as(w, "d", 1000), CFS_ERR_IS_DIRECTORY);
    assert_int_equal(rmdir_as(w, "d", 0), CFS_OK);
    granted(w, 1, "f", flock_of(10, CFS_EXCLUSIVE));
    assert_int_equal(unlink_as(w, "f", 1000), CFS_ERR_BUSY);
    assert_int_equal(unlink_as(w, "f", 0), CFS_ERR_BUSY);
    granted(w, 1, "l", leased(0, 1000));
    assert_int_equal(unlink_as(w, "l", 0), CFS_ERR_BUSY);
}

static void test_a_dismissed_waiter_leaves_no_trace(void **state)
{
    struct world *w = *state;
    uint64_t writer, reader;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    writer = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    reader = queued(w, 3, "a", flock_of(30, CFS_SHARED));
    assert_int_equal(info_of(w, "a").waiters, 2);
    assert_true(cfs_lock_table_dismiss(w->table, 2, writer, tick(w), CFS_ERR_INTERRUPTED));
    assert_int_equal(end_of(w, writer)->error, CFS_ERR_INTERRUPTED);
    assert_true(end_of(w, writer)->ticket > 0);
    woken(w, reader); /* nothing is in its way any more */
    assert_int_equal(info_of(w, "a").waiters, 0);
    assert_false(cfs_lock_table_dismiss(w->table, 2, writer, tick(w), CFS_ERR_INTERRUPTED));
    assert_false(cfs_lock_table_dismiss(w->table, 3, reader, tick(w), CFS_ERR_INTERRUPTED));
}

static void test_undo_gives_a_grant_back(void **state)
{
    struct world *w = *state;
    uint64_t first, waiter;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = w->sequence;
    waiter = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    cfs_lock_table_undo(w->table, 2, waiter, tick(w)); /* waits: not a grant */
    waits(w, waiter);
    cfs_lock_table_undo(w->table, 1, first, tick(w));
    woken(w, waiter);
    cfs_lock_table_undo(w->table, 1, first, tick(w));
    assert_true(held(w, "a"));
    cfs_lock_table_undo(w->table, 2, waiter, tick(w));
    assert_false(held(w, "a"));
}

static void test_undo_after_leased_grant(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", leased(0, 1000));
    cfs_lock_table_undo(w->table, 1, w->sequence, tick(w));
    assert_false(held(w, "a"));
    assert_int_equal(cfs_lock_table_next_expiry(w->table), CFS_NEVER);
}

static void test_what_was_promised_twice_is_not_undone(void **state)
{
    struct world *w = *state;
    uint64_t first;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = w->sequence;
    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    cfs_lock_table_undo(w->table, 1, first, tick(w));
    assert_true(held(w, "a"));
    cfs_lock_table_undo(w->table, 1, w->sequence, tick(w));
    assert_true(held(w, "a"));
}

static void test_releasing_what_is_not_held(void **state)
{
    struct world *w = *state;
    struct cfs_release file = {.kind = CFS_LOCKFILE, .token = 1};

    release(w, 1, "a", 10);
    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    release(w, 1, "a", 11);
    release(w, 2, "a", 10);
    assert_true(held(w, "a"));
    assert_int_equal(cfs_lock_table_release(w->table, 1, tick(w), "a", &file), CFS_OK);
    assert_true(held(w, "a"));
}

static void test_a_lockfile_is_released_by_its_token(void **state)
{
    struct world *w = *state;
    struct cfs_release r = {.kind = CFS_LOCKFILE};

    r.token = granted(w, 1, "a", lockfile(10));
    cfs_lock_table_release(w->table, 2, tick(w), "a", &r);
    assert_true(held(w, "a")); /* another session's */
    cfs_lock_table_release(w->table, 1, tick(w), "a", &r);
    assert_false(held(w, "a"));
    granted(w, 1, "a", lockfile(10));
    cfs_lock_table_release(w->table, 1, tick(w), "a", &r);
    assert_true(held(w, "a")); /* an older token */
}

static void test_the_end_of_a_session(void **state)
{
    struct world *w = *state;
    uint64_t own, other, third;

    granted(w, 1, "file", lockfile(10));
    granted(w, 1, "flock", flock_of(11, CFS_EXCLUSIVE));
    granted(w, 1, "leased", leased(0, 1000));
    granted(w, 2, "held", flock_of(20, CFS_EXCLUSIVE));
    own = queued(w, 1, "held", flock_of(12, CFS_EXCLUSIVE));
    third = queued(w, 3, "held", flock_of(30, CFS_EXCLUSIVE));
    other = queued(w, 2, "flock", flock_of(21, CFS_EXCLUSIVE));
    cfs_lock_table_end_session(w->table, 1, tick(w));
    waits(w, own); /* dropped without a word */
    woken(w, other);
    assert_false(held(w, "file"));
    assert_true(held(w, "leased"));
    assert_int_equal(info_of(w, "held").waiters, 1);
    cfs_lock_table_end_session(w->table, 1, tick(w));
    release(w, 2, "held", 20);
    woken(w, third);
}

static void test_a_dying_session_is_granted_nothing(void **state)
{
    struct world *w = *state;
    uint64_t own, next;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    own = queued(w, 1, "a", flock_of(11, CFS_EXCLUSIVE));
    next = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    cfs_lock_table_end_session(w->table, 1, tick(w));
    waits(w, own);
    woken(w, next);
}

static void test_a_session_ends_lock_by_lock_in_the_order_of_names(void **state)
{
    struct world *w = *state;
    uint64_t c, a, b;

    granted(w, 1, "c", flock_of(10, CFS_EXCLUSIVE));
    granted(w, 1, "a", flock_of(11, CFS_EXCLUSIVE));
    granted(w, 1, "b", flock_of(12, CFS_EXCLUSIVE));
    b = queued(w, 2, "b", flock_of(20, CFS_EXCLUSIVE));
    c = queued(w, 2, "c", flock_of(21, CFS_EXCLUSIVE));
    a = queued(w, 2, "a", flock_of(22, CFS_EXCLUSIVE));
    cfs_lock_table_end_session(w->table, 1, tick(w));
    assert_true(woken(w, a) < woken(w, b) && woken(w, b) < woken(w, c));
}

static void test_a_resumed_session_keeps_its_lockfiles(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "file", lockfile(10));
    uint64_t first = w->sequence, waiter;

    granted(w, 1, "flock", flock_of(11, CFS_EXCLUSIVE));
    waiter = queued(w, 2, "flock", flock_of(20, CFS_EXCLUSIVE));
    cfs_lock_table_move_session(w->table, 1, 9, tick(w));
    woken(w, waiter);
    assert_int_equal(info_of(w, "file").token, token);
    assert_int_equal(info_of(w, "file").holders[0].node, 1);
    assert_int_equal(write_at(w, "file", token, 0, "x"), CFS_OK);
    cfs_lock_table_undo(w->table, 1, first, tick(w)); /* the old session's requests are history */
    cfs_lock_table_undo(w->table, 9, first, tick(w));
    cfs_lock_table_end_session(w->table, 1, tick(w));
    assert_true(held(w, "file"));
    granted(w, 9, "file", flock_of(10, CFS_EXCLUSIVE)); /* the same process still */
    cfs_lock_table_end_session(w->table, 9, tick(w));
    assert_false(held(w, "file"));
}

static void test_a_session_moved_to_itself(void **state)
{
    struct world *w = *state;

    granted(w, 1, "b", lockfile(10));
    granted(w, 1, "c", flock_of(10, CFS_EXCLUSIVE));
    granted(w, 1, "a", lockfile(10));
    cfs_lock_table_move_session(w->table, 1, 1, tick(w));
    assert_true(held(w, "a") && held(w, "b"));
    assert_false(held(w, "c"));
}

static void test_a_leased_lock_expires(void **state)
{
    struct world *w = *state;
    struct cfs_moment later;
    uint64_t waiter;

    assert_int_equal(cfs_lock_table_next_expiry(w->table), CFS_NEVER);
    granted(w, 1, "a", leased(0, 1000));
    assert_int_equal(cfs_lock_table_next_expiry(w->table), w->now.time + CFS_MS(1000));
    assert_int_equal(info_of(w, "a").holders[0].node, 0);
    assert_string_equal(info_of(w, "a").holders[0].owner, "client");
    waiter = queued(w, 2, "a", leased(0, 500));
    later = tick(w);
    later.time = cfs_lock_table_next_expiry(w->table) - 1;
    cfs_lock_table_expire(w->table, later);
    waits(w, waiter);
    later.time++;
    cfs_lock_table_expire(w->table, later);
    woken(w, waiter);
    assert_int_equal(cfs_lock_table_next_expiry(w->table), later.time + CFS_MS(500));
}

/* Taken and given back in an order that has nothing to do with their age: the next to expire is
 * always known. */
static void test_the_next_of_many_to_expire(void **state)
{
    enum { SLOTS = 100, STEPS = 5000 };
    struct world *w = *state;
    cfs_time expiry[SLOTS];
    cfs_token token[SLOTS] = {0};
    uint32_t random = 1;
    char name[8];

    memset(expiry, 0xff, sizeof expiry); /* CFS_NEVER */
    for (int step = 0; step < STEPS; step++) {
        cfs_time next = CFS_NEVER;
        uint32_t slot = (random = random * 1664525 + 1013904223) >> 16, ttl = slot % 997;
        slot %= SLOTS;
        snprintf(name, sizeof name, "n%u", slot);
        if (token[slot]) {
            assert_int_equal(release_leased(w, name, token[slot]), CFS_OK);
            token[slot] = 0;
            expiry[slot] = CFS_NEVER;
        } else {
            token[slot] = granted(w, 1, name, leased(0, ttl));
            expiry[slot] = w->now.time + CFS_MS(ttl);
        }
        for (int i = 0; i < SLOTS; i++)
            next = expiry[i] < next ? expiry[i] : next;
        assert_int_equal(cfs_lock_table_next_expiry(w->table), next);
    }
}

static void test_renewing(void **state)
{
    struct world *w = *state;
    struct cfs_acquire renewal = leased(0, 3000);

    renewal.renew = granted(w, 1, "a", leased(0, 1000));
    granted(w, 1, "b", leased(0, 2000));
    assert_int_equal(granted(w, 2, "a", renewal), renewal.renew); /* through any node */
    assert_int_equal(cfs_lock_table_next_expiry(w->table), w->now.time - CFS_MS(1) + CFS_MS(2000));
    refused(w, 1, "b", renewal, CFS_ERR_NOT_HOLDER);
    refused(w, 1, "none", renewal, CFS_ERR_NOT_HOLDER);
    assert_int_equal(release_leased(w, "a", renewal.renew), CFS_OK);
    refused(w, 1, "a", renewal, CFS_ERR_NOT_HOLDER);
}

static void test_releasing_a_leased_lock(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", leased(0, 1000)), other;

    other = granted(w, 1, "f", flock_of(10, CFS_EXCLUSIVE));
    assert_int_equal(release_leased(w, "a", token + 7), CFS_ERR_NOT_HOLDER);
    assert_int_equal(release_leased(w, "f", other), CFS_ERR_NOT_HOLDER);
    assert_int_equal(release_leased(w, "a", token), CFS_OK);
    assert_int_equal(release_leased(w, "a", token), CFS_ERR_NOT_HELD);
}

static void test_a_key_makes_asking_twice_asking_once(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", leased(5, 1000));
    uint64_t first = w->sequence;

    assert_int_equal(granted(w, 2, "a", leased(5, 1000)), token);
    assert_int_equal(cfs_lock_table_next_expiry(w->table), w->now.time + CFS_MS(1000));
    granted(w, 2, "a", leased(5, 10));
    assert_true(cfs_lock_table_next_expiry(w->table) > w->now.time + CFS_MS(10));
    cfs_lock_table_undo(w->table, 1, first, tick(w)); /* the second ask was answered: it stays */
    assert_int_equal(info_of(w, "a").token, token);
    refused(w, 2, "a", no_wait(leased(6, 1000)), CFS_ERR_WOULD_BLOCK);
    granted(w, 2, "b", leased(5, 1000)); /* another name is another lock */
    assert_int_equal(info_of(w, "a").holder_count, 1);
}

static struct cfs_acquire as(const char *owner, enum cfs_lock_mode mode, struct cfs_acquire ask)
{
    ask.mode = mode;
    strcpy(ask.owner, owner);
    return ask;
}

/* What the answer says of the hold is what the request said: so that has to be true. */
static void test_a_renewal_that_says_something_else_is_refused(void **state)
{
    struct world *w = *state;
    struct cfs_acquire renewal = leased(0, 3000);
    cfs_time expiry;

    renewal.renew = granted(w, 1, "a", as("alice", CFS_SHARED, leased(0, 1000)));
    expiry = cfs_lock_table_next_expiry(w->table);
    refused(w, 2, "a", as("alice", CFS_EXCLUSIVE, renewal), CFS_ERR_DIFFERS);
    refused(w, 2, "a", as("", CFS_EXCLUSIVE, renewal), CFS_ERR_DIFFERS);
    refused(w, 2, "a", as("bob", CFS_SHARED, renewal), CFS_ERR_DIFFERS);
    refused(w, 2, "a", as("bob", 0, renewal), CFS_ERR_DIFFERS);
    assert_int_equal(cfs_lock_table_next_expiry(w->table), expiry);
    granted(w, 2, "a", as("alice", CFS_SHARED, renewal));
    granted(w, 2, "a", as("", 0, renewal));
    assert_true(cfs_lock_table_next_expiry(w->table) > expiry);
}

static void test_a_key_of_another_request_is_refused(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", as("alice", CFS_SHARED, leased(5, 1000)));
    const struct cfs_acquire asks[] = {as("alice", CFS_EXCLUSIVE, leased(5, 1000)),
                                       as("bob", CFS_SHARED, leased(5, 1000)),
                                       as("", CFS_SHARED, leased(5, 1000))};

    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        const struct cfs_acquire try = no_wait(asks[i]);

        assert_false(cfs_lock_table_conflicts(w->table, 2, "a", &try)); /* for the log to say */
        refused(w, 2, "a", try, CFS_ERR_DIFFERS);
        refused(w, 2, "a", asks[i], CFS_ERR_DIFFERS);
    }
    assert_int_equal(granted(w, 2, "a", as("alice", CFS_SHARED, leased(5, 1000))), token);
}

static void test_a_key_of_another_wait_is_refused(void **state)
{
    struct world *w = *state;
    struct cfs_acquire try = as("bob", CFS_EXCLUSIVE, no_wait(leased(5, 1000)));
    uint64_t first;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = queued(w, 1, "a", as("alice", CFS_EXCLUSIVE, leased(5, 1000)));
    assert_false(cfs_lock_table_conflicts(w->table, 2, "a", &try));
    refused(w, 2, "a", try, CFS_ERR_DIFFERS);
    try.wait = true;
    refused(w, 2, "a", try, CFS_ERR_DIFFERS);
    waits(w, first);
}

static struct cfs_acquire named(uint64_t handle, struct cfs_acquire ask)
{
    ask.handle = handle;
    return ask;
}

static enum cfs_error give_back(struct world *w, const char *name, uint64_t handle)
{
    struct cfs_release release = {.kind = CFS_LEASED, .handle = handle};

    return cfs_lock_table_release(w->table, 9, tick(w), name, &release);
}

static void test_an_asking_is_given_back_by_its_name_in_any_session(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", named(71, leased(0, 1000)));
    assert_int_equal(give_back(w, "a", 72), CFS_ERR_NOT_HOLDER);
    assert_true(held(w, "a"));
    assert_int_equal(give_back(w, "a", 71), CFS_OK);
    assert_false(held(w, "a"));
    assert_int_equal(give_back(w, "a", 71), CFS_ERR_NOT_HELD);
}

/* The client that went away was the one that came again: it has been told that it holds. */
static void test_an_asking_that_was_repeated_is_not_given_back(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", named(71, leased(5, 1000)));
    uint64_t first = w->sequence;

    assert_int_equal(granted(w, 2, "a", named(72, leased(5, 1000))), token);
    assert_int_equal(give_back(w, "a", 71), CFS_ERR_NOT_HOLDER);
    assert_int_equal(give_back(w, "a", 72), CFS_ERR_NOT_HOLDER);
    cfs_lock_table_undo(w->table, 1, first, tick(w));
    assert_int_equal(info_of(w, "a").token, token);
}

static void test_a_repeated_wait_is_given_back_by_its_new_name_alone(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", leased(0, 1000));

    queued(w, 1, "a", named(71, leased(5, 1000)));
    queued(w, 2, "a", named(72, leased(5, 1000)));
    assert_int_equal(release_leased(w, "a", token), CFS_OK);
    assert_int_equal(give_back(w, "a", 71), CFS_ERR_NOT_HOLDER);
    assert_int_equal(give_back(w, "a", 72), CFS_OK);
}

/* It was asked in a session that is lost, and asked anew in the next: both are one promise. */
static void test_asking_anew_under_the_same_name_can_be_undone(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", named(71, leased(5, 1000)));
    uint64_t anew;

    cfs_lock_table_end_session(w->table, 1, tick(w));
    assert_int_equal(granted(w, 2, "a", named(71, leased(5, 1000))), token);
    anew = w->sequence;
    cfs_lock_table_undo(w->table, 2, anew, tick(w));
    assert_false(held(w, "a"));
}

static void test_a_key_takes_over_a_wait(void **state)
{
    struct world *w = *state;
    uint64_t first, second, other;

    granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    first = queued(w, 1, "a", leased(5, 1000));
    other = queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    refused(w, 2, "a", no_wait(leased(5, 1000)), CFS_ERR_WOULD_BLOCK);
    waits(w, first);
    second = queued(w, 2, "a", leased(5, 1000));
    assert_int_equal(end_of(w, first)->error, CFS_ERR_INTERRUPTED);
    assert_int_equal(info_of(w, "a").waiters, 2);
    cfs_lock_table_end_session(w->table, 1, tick(w)); /* the wait is not its any more */
    woken(w, second);
    waits(w, other);
}

static void test_leased_waiters_end_with_the_session_that_asked(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", leased(0, 1000));
    queued(w, 2, "a", leased(0, 1000));
    cfs_lock_table_end_session(w->table, 2, tick(w));
    assert_int_equal(cfs_lock_table_waiter_count(w->table), 0);
    cfs_lock_table_end_session(w->table, 1, tick(w));
    assert_true(held(w, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_who_may_remove),
        IN_WORLD(test_a_dismissed_waiter_leaves_no_trace),
        IN_WORLD(test_undo_gives_a_grant_back),
        IN_WORLD(test_undo_after_leased_grant),
        IN_WORLD(test_what_was_promised_twice_is_not_undone),
        IN_WORLD(test_releasing_what_is_not_held),
        IN_WORLD(test_a_lockfile_is_released_by_its_token),
        IN_WORLD(test_the_end_of_a_session),
        IN_WORLD(test_a_dying_session_is_granted_nothing),
        IN_WORLD(test_a_session_ends_lock_by_lock_in_the_order_of_names),
        IN_WORLD(test_a_resumed_session_keeps_its_lockfiles),
        IN_WORLD(test_a_session_moved_to_itself),
        IN_WORLD(test_a_leased_lock_expires),
        IN_WORLD(test_the_next_of_many_to_expire),
        IN_WORLD(test_renewing),
        IN_WORLD(test_releasing_a_leased_lock),
        IN_WORLD(test_a_key_makes_asking_twice_asking_once),
        IN_WORLD(test_a_key_takes_over_a_wait),
        IN_WORLD(test_a_renewal_that_says_something_else_is_refused),
        IN_WORLD(test_a_key_of_another_request_is_refused),
        IN_WORLD(test_a_key_of_another_wait_is_refused),
        IN_WORLD(test_an_asking_is_given_back_by_its_name_in_any_session),
        IN_WORLD(test_an_asking_that_was_repeated_is_not_given_back),
        IN_WORLD(test_a_repeated_wait_is_given_back_by_its_new_name_alone),
        IN_WORLD(test_asking_anew_under_the_same_name_can_be_undone),
        IN_WORLD(test_leased_waiters_end_with_the_session_that_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
