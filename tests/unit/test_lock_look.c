/* What a held lock looks like: content, attributes, listings, digests. */
#include "lock_world.h"

static void test_content(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", lockfile(10));
    cfs_wall_time written;

    content_is(w, "a", NULL, 0);
    assert_int_equal(write_at(w, "a", token, 0, "hello"), CFS_OK);
    written = w->now.wall;
    assert_int_equal(info_of(w, "a").mtime, written);
    assert_int_equal(write_at(w, "a", token, 7, "x"), CFS_OK);
    content_is(w, "a", "hello\0\0x", 8);
    assert_int_equal(write_at(w, "a", token, 1, "u"), CFS_OK);
    content_is(w, "a", "hullo\0\0x", 8);
    written = w->now.wall;
    assert_int_equal(write_at(w, "a", token, 20, ""), CFS_OK);
    content_is(w, "a", "hullo\0\0x", 8);
    assert_int_equal(info_of(w, "a").mtime, written);
    unlink_as(w, "a", 0);
    granted(w, 1, "a", lockfile(10));
    content_is(w, "a", NULL, 0);
}

static void test_only_the_exclusive_holder_writes(void **state)
{
    struct world *w = *state;
    cfs_token shared = granted(w, 1, "s", flock_of(10, CFS_SHARED)), old;

    assert_int_equal(write_at(w, "s", shared, 0, "x"), CFS_ERR_NOT_HOLDER);
    assert_int_equal(write_at(w, "s", 0, 0, "x"), CFS_ERR_NOT_HOLDER);
    assert_int_equal(write_at(w, "none", shared, 0, "x"), CFS_ERR_NOT_HOLDER);
    old = granted(w, 1, "a", lockfile(10));
    unlink_as(w, "a", 0);
    granted(w, 2, "a", lockfile(20));
    assert_int_equal(write_at(w, "a", old, 0, "x"), CFS_ERR_NOT_HOLDER);
    content_is(w, "a", NULL, 0);
}

static void test_content_has_a_limit(void **state)
{
    struct world *w = *state;
    cfs_token token = granted(w, 1, "a", lockfile(10));

    assert_int_equal(write_at(w, "a", token, CFS_CONTENT_MAX - 1, "x"), CFS_OK);
    assert_int_equal(info_of(w, "a").content_len, CFS_CONTENT_MAX);
    assert_int_equal(write_at(w, "a", token, CFS_CONTENT_MAX - 1, "xy"), CFS_ERR_TOO_BIG);
    assert_int_equal(write_at(w, "a", token, CFS_CONTENT_MAX, "x"), CFS_ERR_TOO_BIG);
    assert_int_equal(write_at(w, "a", token, UINT64_MAX, "x"), CFS_ERR_TOO_BIG);
    assert_int_equal(write_at(w, "a", token, UINT64_MAX - 1, "xyz"), CFS_ERR_TOO_BIG);
}

static void test_content_goes_with_the_last_exclusive_hold(void **state)
{
    struct world *w = *state;
    cfs_token file = granted(w, 1, "a", lockfile(10)), other;

    assert_int_equal(write_at(w, "a", file, 0, "10\n"), CFS_OK);
    other = granted(w, 1, "a", flock_of(10, CFS_EXCLUSIVE));
    content_is(w, "a", "10\n", 3);
    assert_int_equal(write_at(w, "a", other, 0, "11\n"), CFS_OK);
    unlink_as(w, "a", 1000);
    content_is(w, "a", "11\n", 3);
    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    content_is(w, "a", NULL, 0);
}

static void test_attributes_come_from_who_made_the_name_appear(void **state)
{
    struct world *w = *state;
    struct cfs_acquire first = flock_of(10, CFS_SHARED), second = flock_of(20, CFS_SHARED);
    struct cfs_lock_info info;

    first.uid = 1, first.gid = 2, first.perm = 0100640;
    second.uid = 3, second.gid = 4, second.perm = 0600;
    granted(w, 1, "a", first);
    info = info_of(w, "a");
    assert_int_equal(info.since, w->now.wall);
    assert_int_equal(info.mtime, w->now.wall);
    granted(w, 2, "a", second);
    release(w, 1, "a", 10);
    info = info_of(w, "a");
    assert_int_equal(info.uid, 1);
    assert_int_equal(info.gid, 2);
    assert_int_equal(info.perm, 0640);
    assert_int_equal(info.form, CFS_FORM_FILE);
    first.mode = CFS_EXCLUSIVE;
    queued(w, 1, "a", first);
    release(w, 2, "a", 20);
    second.wait = true;
    queued(w, 2, "a", second);
    release(w, 1, "a", 10);
    assert_int_equal(info_of(w, "a").uid, 3); /* held anew, by another */
}

static void test_holders_in_the_order_of_acquisition(void **state)
{
    struct world *w = *state;
    cfs_token newest;
    struct cfs_lock_info info;

    granted(w, 3, "a", flock_of(30, CFS_SHARED));
    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    newest = granted(w, 2, "a", flock_of(20, CFS_SHARED));
    info = info_of(w, "a");
    assert_int_equal(info.holder_count, 3);
    assert_int_equal(info.holders[0].node, 3);
    assert_int_equal(info.holders[1].node, 1);
    assert_int_equal(info.holders[2].process.pid, 20);
    assert_int_equal(info.token, newest);
    assert_int_equal(info.since, w->now.wall);
    release(w, 2, "a", 20);
    assert_true(info_of(w, "a").token < newest);
}

static enum cfs_error setattr(struct world *w, const char *name, struct cfs_setattr x)
{
    return cfs_lock_table_setattr(w->table, tick(w), name, &x);
}

static void test_setattr(void **state)
{
    struct world *w = *state;
    struct cfs_setattr looks = {.fields = CFS_SET_PERM | CFS_SET_GID | CFS_SET_MTIME,
                                .caller = 1000,
                                .perm = 0600,
                                .gid = 7,
                                .mtime = 42};
    struct cfs_lock_info info;

    assert_int_equal(setattr(w, "a", looks), CFS_ERR_NOT_HELD);
    granted(w, 1, "a", lockfile(10));
    assert_int_equal(setattr(w, "a", looks), CFS_OK);
    info = info_of(w, "a");
    assert_int_equal(info.perm, 0600);
    assert_int_equal(info.gid, 7);
    assert_int_equal(info.uid, 1000);
    assert_int_equal(info.mtime, 42);
    looks.caller = 1001;
    assert_int_equal(setattr(w, "a", looks), CFS_ERR_NOT_PERMITTED);
    looks = (struct cfs_setattr){.fields = CFS_SET_UID | CFS_SET_MTIME_NOW, .caller = 0, .uid = 5};
    assert_int_equal(setattr(w, "a", looks), CFS_OK);
    assert_int_equal(info_of(w, "a").uid, 5);
    assert_int_equal(info_of(w, "a").mtime, w->now.wall);
}

static void test_setting_the_size(void **state)
{
    struct world *w = *state;
    struct cfs_setattr size = {.fields = CFS_SET_SIZE, .caller = 4321, .size = 2};

    granted(w, 2, "s", flock_of(20, CFS_SHARED));
    size.token = w->answer.token;
    assert_int_equal(setattr(w, "s", size), CFS_ERR_NOT_HOLDER);
    size.token = granted(w, 1, "a", lockfile(10));
    write_at(w, "a", size.token, 0, "hello");
    assert_int_equal(setattr(w, "a", size), CFS_OK);
    content_is(w, "a", "he", 2);
    assert_int_equal(info_of(w, "a").mtime, w->now.wall);
    size.size = 4;
    assert_int_equal(setattr(w, "a", size), CFS_OK);
    content_is(w, "a", "he\0\0", 4);
    size.size = 0;
    assert_int_equal(setattr(w, "a", size), CFS_OK);
    content_is(w, "a", NULL, 0);
    size.size = CFS_CONTENT_MAX + 1;
    assert_int_equal(setattr(w, "a", size), CFS_ERR_TOO_BIG);
    size.size = 1;
    size.token++;
    assert_int_equal(setattr(w, "a", size), CFS_ERR_NOT_HOLDER);
}

/* All of it or nothing. */
static void test_setattr_that_fails_changes_nothing(void **state)
{
    struct world *w = *state;
    struct cfs_setattr both = {.fields = CFS_SET_SIZE | CFS_SET_PERM, .caller = 1000, .size = 9};

    granted(w, 1, "a", lockfile(10));
    assert_int_equal(setattr(w, "a", both), CFS_ERR_NOT_HOLDER);
    assert_int_equal(info_of(w, "a").perm, 0644);
    both.token = w->answer.token;
    both.caller = 1001;
    assert_int_equal(setattr(w, "a", both), CFS_ERR_NOT_PERMITTED);
    content_is(w, "a", NULL, 0);
}

static char *list_behind(struct world *w, const char *after, struct cfs_answer *page)
{
    char *list;

    *page = (struct cfs_answer){0};
    list = cfs_lock_table_list(w->table, after, page);
    assert_ptr_equal(list, page->names);
    return list;
}

static void test_the_list_is_sorted(void **state)
{
    struct world *w = *state;
    struct cfs_answer page;
    char *list = list_behind(w, "", &page);

    assert_non_null(list);
    assert_int_equal(page.names_len, 0);
    free(list);
    granted(w, 1, "b", lockfile(10));
    granted(w, 1, "\xc3\xa4", lockfile(10));
    granted(w, 1, "a", directory(10));
    granted(w, 1, "ab", flock_of(10, CFS_SHARED));
    queued(w, 2, "b", flock_of(20, CFS_SHARED));
    list = list_behind(w, "", &page);
    assert_int_equal(page.names_len, sizeof "a\0ab\0b\0\xc3\xa4");
    assert_memory_equal(list, "a\0ab\0b\0\xc3\xa4", page.names_len);
    assert_false(page.more);
    free(list);
    list = list_behind(w, "ab", &page);
    assert_int_equal(page.names_len, sizeof "b\0\xc3\xa4");
    assert_memory_equal(list, "b\0\xc3\xa4", page.names_len);
    free(list);
    list = list_behind(w, "aa", &page); /* it need not be held any more */
    assert_string_equal(list, "ab");
    free(list);
    free(list_behind(w, "\xc3\xa4", &page));
    assert_int_equal(page.names_len, 0);
    assert_int_equal(cfs_lock_table_held_count(w->table), 4);
    assert_int_equal(cfs_lock_table_waiter_count(w->table), 1);
}

/* Pages are full but for the last one, and together they are the whole. */
static void test_a_long_list_comes_in_pages(void **state)
{
    struct world *w = *state;
    const unsigned count = CFS_LIST_BYTES_MAX / 256 * 2 + 1; /* of 256 bytes with the NUL */
    char name[CFS_NAME_MAX + 1], last[CFS_NAME_MAX + 1] = "";
    struct cfs_answer page = {.more = true};
    unsigned seen = 0, pages = 0;

    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%0255u", i);
        granted(w, 1, name, lockfile(10));
    }
    while (page.more) {
        char *list = list_behind(w, last, &page);
        assert_int_equal(page.names_len, page.more ? CFS_LIST_BYTES_MAX : 256);
        for (uint32_t at = 0; at < page.names_len; at += 256, seen++) {
            snprintf(name, sizeof name, "%0255u", seen);
            assert_string_equal(list + at, name);
        }
        strcpy(last, name);
        free(list);
        pages++;
    }
    assert_int_equal(seen, count);
    assert_int_equal(pages, 3);
}

static void test_what_would_conflict(void **state)
{
    struct world *w = *state;
    struct cfs_acquire shared = flock_of(10, CFS_SHARED), exclusive = flock_of(10, CFS_EXCLUSIVE);
    struct cfs_acquire other = flock_of(11, CFS_SHARED), file = lockfile(99), http = leased(5, 10);

    assert_false(cfs_lock_table_conflicts(w->table, 1, "a", &exclusive));
    granted(w, 1, "a", shared);
    assert_false(cfs_lock_table_conflicts(w->table, 1, "a", &shared));
    assert_false(cfs_lock_table_conflicts(w->table, 1, "a", &exclusive)); /* only itself */
    assert_false(cfs_lock_table_conflicts(w->table, 1, "a", &other));
    assert_true(cfs_lock_table_conflicts(w->table, 1, "a", &file));
    assert_true(cfs_lock_table_conflicts(w->table, 1, "a", &http));
    queued(w, 2, "a", flock_of(20, CFS_EXCLUSIVE));
    assert_false(cfs_lock_table_conflicts(w->table, 1, "a", &shared));
    /* Its conversion would be refused, but not without letting go first: that is no mere question.
     */
    assert_false(cfs_lock_table_conflicts(w->table, 1, "a", &exclusive));
    assert_true(cfs_lock_table_conflicts(w->table, 1, "a", &other));
    granted(w, 1, "h", http);
    assert_false(cfs_lock_table_conflicts(w->table, 2, "h", &http));
    http.key = 6;
    assert_true(cfs_lock_table_conflicts(w->table, 2, "h", &http));
    http.renew = 1;
    assert_false(cfs_lock_table_conflicts(w->table, 2, "h", &http));
}

static void test_the_nodes_that_hold_by_flock(void **state)
{
    struct world *w = *state;

    assert_int_equal(cfs_lock_table_flock_nodes(w->table, NULL), 0);
    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 3, "a", flock_of(30, CFS_SHARED));
    granted(w, 3, "a", flock_of(31, CFS_SHARED));
    granted(w, 2, "b", lockfile(20));
    assert_int_equal(cfs_lock_table_flock_nodes(w->table, "a"), 1 << 1 | 1 << 3);
    assert_int_equal(cfs_lock_table_flock_nodes(w->table, "b"), 0);
    assert_int_equal(cfs_lock_table_flock_nodes(w->table, "c"), 0);
    release(w, 3, "a", 30);
    assert_int_equal(cfs_lock_table_flock_nodes(w->table, NULL), 1 << 1 | 1 << 3);
    release(w, 3, "a", 31);
    assert_int_equal(cfs_lock_table_flock_nodes(w->table, NULL), 1 << 1);
    cfs_lock_table_end_session(w->table, 1, tick(w));
    assert_int_equal(cfs_lock_table_flock_nodes(w->table, NULL), 0);
}

struct wait_note {
    uint64_t sequence;
    uint32_t holds, ahead;
    uint64_t first_ahead;
};

struct wait_notes {
    struct wait_note items[8];
    size_t count;
};

static void note_wait(void *arg, const struct cfs_wait_vertex *waiter,
                      const struct cfs_hold_vertex *holds, uint32_t hold_count,
                      const struct cfs_asker *ahead, uint32_t ahead_count)
{
    struct wait_notes *notes = arg;

    for (uint32_t i = 0; i < hold_count; i++)
        assert_int_equal(holds[i].kind, CFS_FLOCK);
    notes->items[notes->count++] = (struct wait_note){
        waiter->asker.sequence, hold_count, ahead_count, ahead_count ? ahead[0].sequence : 0};
}

/* Nearest first, and no further than an exclusive one, through whom the rest is reached. */
static void test_what_a_waiter_waits_for(void **state)
{
    struct world *w = *state;
    struct wait_notes notes = {0};
    uint64_t waiters[4];

    granted(w, 1, "a", flock_of(10, CFS_SHARED));
    granted(w, 2, "a", flock_of(20, CFS_SHARED));
    waiters[0] = queued(w, 3, "a", flock_of(30, CFS_EXCLUSIVE));
    waiters[1] = queued(w, 3, "a", flock_of(31, CFS_SHARED));
    waiters[2] = queued(w, 3, "a", flock_of(32, CFS_SHARED));
    waiters[3] = queued(w, 3, "a", flock_of(33, CFS_EXCLUSIVE));
    cfs_lock_table_each_wait(w->table, note_wait, &notes);
    assert_int_equal(notes.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(notes.items[i].sequence, waiters[i]);
    assert_int_equal(notes.items[0].holds, 2);
    assert_int_equal(notes.items[0].ahead, 0);
    assert_int_equal(notes.items[1].holds, 0);
    assert_int_equal(notes.items[1].ahead, 1);
    assert_int_equal(notes.items[2].first_ahead, waiters[0]);
    assert_int_equal(notes.items[3].holds, 2);
    assert_int_equal(notes.items[3].ahead, 3);
    assert_int_equal(notes.items[3].first_ahead, waiters[2]);
}

static void test_the_digest_sees_every_difference(void **state)
{
    struct world *w = *state;
    uint64_t digests[8];
    cfs_token token;

    digests[0] = cfs_lock_table_digest(w->table);
    token = granted(w, 1, "a", lockfile(10));
    digests[1] = cfs_lock_table_digest(w->table);
    write_at(w, "a", token, 0, "x");
    digests[2] = cfs_lock_table_digest(w->table);
    write_at(w, "a", token, 0, "y");
    digests[3] = cfs_lock_table_digest(w->table);
    queued(w, 2, "a", flock_of(20, CFS_SHARED));
    digests[4] = cfs_lock_table_digest(w->table);
    setattr(w, "a", (struct cfs_setattr){.fields = CFS_SET_PERM, .perm = 0});
    digests[5] = cfs_lock_table_digest(w->table);
    cfs_lock_table_end_session(w->table, 2, tick(w));
    digests[6] = cfs_lock_table_digest(w->table);
    unlink_as(w, "a", 0);
    digests[7] = cfs_lock_table_digest(w->table); /* empty again, but for the counter of tokens */
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(digests[i] != digests[j]);
}

struct listing {
    char names[64];
    uint32_t holders, left; /* of all locks; how many more are wanted */
};

static bool list_lock(void *arg, const char *name, const struct cfs_lock_info *info)
{
    struct listing *listing = arg;

    strcat(strcat(listing->names, name), " ");
    listing->holders += info->holder_count;
    return --listing->left > 0;
}

static void test_each_lock_is_shown_oldest_first_until_it_is_enough(void **state)
{
    struct world *w = *state;
    struct listing all = {.left = 10}, two = {.left = 2};

    granted(w, 1, "b", lockfile(10));
    granted(w, 1, "c", flock_of(1, CFS_SHARED));
    granted(w, 1, "a", lockfile(10));
    granted(w, 2, "c", flock_of(2, CFS_SHARED));
    unlink_as(w, "b", 0);
    granted(w, 1, "b", lockfile(10));
    cfs_lock_table_each(w->table, list_lock, &all);
    assert_string_equal(all.names, "c a b ");
    assert_int_equal(all.holders, 4);
    cfs_lock_table_each(w->table, list_lock, &two);
    assert_string_equal(two.names, "c a ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_content),
        IN_WORLD(test_only_the_exclusive_holder_writes),
        IN_WORLD(test_content_has_a_limit),
        IN_WORLD(test_content_goes_with_the_last_exclusive_hold),
        IN_WORLD(test_attributes_come_from_who_made_the_name_appear),
        IN_WORLD(test_holders_in_the_order_of_acquisition),
        IN_WORLD(test_setattr),
        IN_WORLD(test_setting_the_size),
        IN_WORLD(test_setattr_that_fails_changes_nothing),
        IN_WORLD(test_the_list_is_sorted),
        IN_WORLD(test_a_long_list_comes_in_pages),
        IN_WORLD(test_what_would_conflict),
        IN_WORLD(test_the_nodes_that_hold_by_flock),
        IN_WORLD(test_what_a_waiter_waits_for),
        IN_WORLD(test_each_lock_is_shown_oldest_first_until_it_is_enough),
        IN_WORLD(test_the_digest_sees_every_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
