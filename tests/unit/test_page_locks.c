/* The pages .coordfs/locks and .coordfs/waits: who holds, who waits for whom. */
#include "lock_world.h"
#include "status_world.h"

static struct cfs_status looking_at(const struct world *w)
{
    struct cfs_status status = status_of_a_leader();

    status.locks = w->table;
    return status;
}

static void text_is(const struct world *w, const char *page, const char *expected)
{
    struct cfs_status status = looking_at(w);
    char *text = cfs_page_make(page, false, &status);

    assert_string_equal(text, expected);
    free(text);
}

static void test_nothing_held_is_said_too(void **state)
{
    text_is(*state, "locks",
            "# 0 held, as node 1 has applied the log up to index 118; not a linearizable read\n"
            "name  mode  holder  token  waiters  since\n");
    text_is(*state, "waits",
            "# 0 waiting, as node 1 has applied the log up to index 118; not a linearizable read\n"
            "name  waiter  mode  place  held_by  behind\n");
}

static void test_locks_are_listed_oldest_first(void **state)
{
    struct world *w = *state;

    granted(w, 2, "zeta", lockfile(20));
    granted(w, 1, "alpha", flock_of(10, CFS_SHARED));
    granted(w, 3, "alpha", flock_of(11, CFS_SHARED));
    granted(w, 1, "web", leased(1, 1000));
    queued(w, 1, "zeta", flock_of(12, CFS_EXCLUSIVE));
    text_is(w, "locks",
            "# 3 held, as node 1 has applied the log up to index 118; not a linearizable read\n"
            "name   mode       holder     token  waiters  since\n"
            "zeta   exclusive  2:20           1        1  1970-01-01T00:00:00.005Z\n"
            "alpha  shared     1:10,3:11      3        0  1970-01-01T00:00:00.005Z\n"
            "web    exclusive  client         4        0  1970-01-01T00:00:00.005Z\n");
}

static void test_names_cannot_break_a_line(void **state)
{
    struct world *w = *state;

    granted(w, 1, "two words\n\\", lockfile(10));
    granted(w, 1, "\xc3\xbc", lockfile(10));
    granted(w, 1, "\xff", lockfile(10));
    text_is(w, "locks",
            "# 3 held, as node 1 has applied the log up to index 118; not a linearizable read\n"
            "name                  mode       holder  token  waiters  since\n"
            "two\\040words\\012\\134  exclusive  1:10        1        0  1970-01-01T00:00:00.005Z\n"
            "\xc3\xbc                     exclusive  1:10        2        0  "
            "1970-01-01T00:00:00.005Z\n"
            "%FF                   exclusive  1:10        3        0  1970-01-01T00:00:00.005Z\n");
}

static void test_waits_name_who_is_in_the_way(void **state)
{
    struct world *w = *state;

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 2, "a", flock_of(20, CFS_SHARED));
    queued(w, 3, "a", flock_of(30, CFS_EXCLUSIVE));
    queued(w, 1, "a", flock_of(11, CFS_SHARED));
    queued(w, 2, "a", leased(5, 1000));
    granted(w, 1, "b", lockfile(12));
    queued(w, 3, "b", flock_of(31, CFS_EXCLUSIVE));
    text_is(w, "waits",
            "# 4 waiting, as node 1 has applied the log up to index 118; not a linearizable read\n"
            "name  waiter  mode       place  held_by    behind\n"
            "a     3:30    exclusive      1  1:10,2:20  -\n"
            "a     1:11    shared         2  -          3:30\n"
            "a     client  exclusive      3  1:10,2:20  1:11,3:30\n"
            "b     3:31    exclusive      1  1:12       -\n");
}

static void test_json_says_the_same(void **state)
{
    struct world *w = *state;
    struct cfs_status status = looking_at(w);
    const json_t *row;
    json_t *root;

    granted(w, 1, "a", lockfile(10));
    assert_int_equal(write_at(w, "a", w->answer.token, 0, "content"), CFS_OK);
    queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    root = page_as_json("locks", &status);
    row = json_array_get(json_object_get(root, "locks"), 0);
    assert_number(root, "node", 1);
    assert_number(root, "applied", 118);
    assert_number(root, "held", 1);
    assert_number(row, "token", 1);
    assert_number(row, "waiters", 1);
    assert_null(json_object_get(row, "content")); /* GET /lock/a has it */
    json_decref(root);
    root = page_as_json("waits", &status);
    row = json_array_get(json_object_get(root, "waits"), 0);
    assert_number(root, "waiting", 1);
    assert_string_equal(json_string_value(json_object_get(row, "waiter")), "2:20");
    assert_string_equal(json_string_value(json_object_get(row, "held_by")), "1:10");
    assert_true(json_is_null(json_object_get(row, "behind")));
    json_decref(root);
}

static void assert_page_ends(const struct world *w, const char *page, const char *list,
                             const char *end)
{
    struct cfs_status status = looking_at(w);
    json_t *root = page_as_json(page, &status);
    char *text = cfs_page_make(page, false, &status);

    assert_int_equal(json_array_size(json_object_get(root, list)), CFS_PAGE_ROWS_MAX);
    assert_string_equal(text + strlen(text) - strlen(end), end);
    json_decref(root);
    free(text);
}

static void test_pages_are_bounded_and_say_so(void **state)
{
    struct world *w = *state;
    char name[32];

    for (uint32_t i = 0; i < CFS_PAGE_ROWS_MAX + 7; i++) {
        snprintf(name, sizeof name, "lock-%u", i);
        granted(w, 1, name, lockfile(10));
    }
    for (uint32_t i = 0; i < CFS_PAGE_ROWS_MAX + 9; i++)
        queued(w, 2, "lock-3", flock_of(100 + i, CFS_EXCLUSIVE));
    assert_page_ends(w, "locks", "locks", "\n# and 7 more\n");
    assert_page_ends(w, "waits", "waits", "\n# and 9 more\n");
}

static void test_a_crowd_ahead_is_cut_short(void **state)
{
    struct world *w = *state;
    struct cfs_status status = looking_at(w);
    const json_t *row;
    json_t *root;

    granted(w, 1, "a", lockfile(10));
    for (uint32_t i = 0; i < 100; i++)
        queued(w, 2, "a", flock_of(20 + i, CFS_SHARED));
    queued(w, 3, "a", flock_of(200, CFS_EXCLUSIVE));
    root = page_as_json("waits", &status);
    row = json_array_get(json_object_get(root, "waits"), 100);
    assert_number(row, "place", 101);
    assert_string_equal(json_string_value(json_object_get(row, "behind")),
                        "2:119,2:118,2:117,2:116,2:115,2:114,2:113,2:112,"
                        "2:111,2:110,2:109,2:108,2:107,2:106,2:105,2:104");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_nothing_held_is_said_too),   IN_WORLD(test_locks_are_listed_oldest_first),
        IN_WORLD(test_names_cannot_break_a_line),  IN_WORLD(test_waits_name_who_is_in_the_way),
        IN_WORLD(test_json_says_the_same),         IN_WORLD(test_pages_are_bounded_and_say_so),
        IN_WORLD(test_a_crowd_ahead_is_cut_short),
    };

    return cmocka_run_group_tests_name("page_locks", tests, NULL, NULL);
}
