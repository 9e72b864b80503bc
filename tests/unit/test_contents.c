/* Changes of files' contents and what is read after them. What is saved: test_contents_state.c. */
#include "contents_world.h"

static void a_file_that_was_never_written_is_all_zeros(void **state)
{
    struct world *w = *state;
    struct cfs_content_info none = {0}, is = info(w);
    uint32_t count = 1;

    assert_memory_equal(&is, &none, sizeof none);
    assert_null(cfs_contents_read(w->contents, FILE_1, 0, 10, &count));
    assert_int_equal(count, 0);
    assert_false(cfs_contents_dropped(w->contents, FILE_1));
    assert_int_equal(cfs_contents_count(w->contents), 0);
}

static void bytes_are_written_where_they_belong(void **state)
{
    struct world *w = *state;

    assert_int_equal(put(w, CFS_PUT_WRITE, 0, "abcdefgh"), CFS_OK);
    reads(w, "abcdefgh");
    put(w, CFS_PUT_WRITE, 2, "XY"); /* inside */
    reads(w, "abXYefgh");
    put(w, CFS_PUT_WRITE, 0, "123"); /* over the beginning, and a part of what was inside */
    reads(w, "123Yefgh");
    put(w, CFS_PUT_WRITE, 6, "ZZZ"); /* over the end */
    reads(w, "123YefZZZ");
    put(w, CFS_PUT_WRITE, 0, "all of it, and more");
    reads(w, "all of it, and more");
    assert_int_equal(cfs_contents_bytes(w->contents), 19);
    assert_int_equal(cfs_contents_count(w->contents), 1);
}

static void a_gap_reads_as_zeros(void **state)
{
    struct world *w = *state;

    put(w, CFS_PUT_WRITE, 3, "abc");
    reads(w, "...abc");
    put(w, CFS_PUT_WRITE, 8, "d");
    reads(w, "...abc..d");
    put(w, CFS_PUT_WRITE, 4, "BCDE");
    reads(w, "...aBCDEd");
    reads_from(w, 1, 4, "..aB");
    reads_from(w, 4, 1, "B");
    reads_from(w, 8, 100, "d");
    reads_from(w, 9, 1, "");
    reads_from(w, UINT64_MAX, 1, "");
    reads_from(w, 0, 0, "");
}

static void what_is_appended_comes_to_the_end(void **state)
{
    struct world *w = *state;
    uint32_t on_disk;

    put(w, CFS_PUT_APPEND, 99, "a");
    for (int i = 0; i < 100; i++)
        put(w, CFS_PUT_APPEND, 0, "b");
    assert_int_equal(info(w).size, 101);
    assert_int_equal(stretches(w, &on_disk), 1); /* small ones become one */
    reads_from(w, 0, 3, "abb");
    reads_from(w, 98, 9, "bbb");
}

/* Also where it is not at the end of the file, but of the extent. */
static void what_is_written_behind_the_last_write_joins_it(void **state)
{
    struct world *w = *state;
    uint32_t on_disk;

    put(w, CFS_PUT_WRITE, 0, "0123456789");
    put(w, CFS_PUT_WRITE, 2, "a");
    put(w, CFS_PUT_WRITE, 3, "b");
    put(w, CFS_PUT_WRITE, 4, "c");
    reads(w, "01abc56789");
    assert_int_equal(stretches(w, &on_disk), 3);
    put(w, CFS_PUT_WRITE, 3, "X");
    put(w, CFS_PUT_WRITE, 4, "Y"); /* what is shown before it is not the end of its extent */
    reads(w, "01aXY56789");
    assert_int_equal(stretches(w, &on_disk), 4);
}

static void extents_do_not_grow_without_bound(void **state)
{
    struct world *w = *state;
    static char kib[1025];
    uint32_t on_disk;

    memset(kib, 'k', 1024);
    for (int i = 0; i < 130; i++)
        put(w, CFS_PUT_APPEND, 0, kib);
    assert_int_equal(stretches(w, &on_disk), 3);
}

static void all_is_replaced(void **state)
{
    struct world *w = *state;

    put(w, CFS_PUT_REPLACE, 5, "first");
    reads(w, "first");
    put(w, CFS_PUT_REPLACE, 0, "2nd");
    reads(w, "2nd");
    put(w, CFS_PUT_REPLACE, 0, "");
    reads(w, "");
    assert_int_equal(info(w).version, w->moment.index);
}

static void what_was_cut_off_does_not_come_back(void **state)
{
    struct world *w = *state;

    put(w, CFS_PUT_WRITE, 0, "abcdef");
    put(w, CFS_PUT_TRUNCATE, 3, "");
    reads(w, "abc");
    put(w, CFS_PUT_TRUNCATE, 6, "");
    reads(w, "abc...");
    put(w, CFS_PUT_APPEND, 0, "x");
    reads(w, "abc...x");
    put(w, CFS_PUT_TRUNCATE, 0, "");
    reads(w, "");
    assert_int_equal(cfs_contents_bytes(w->contents), 0);
}

static void each_change_has_a_version_and_says_the_one_before(void **state)
{
    struct world *w = *state;
    uint64_t first;

    put(w, CFS_PUT_WRITE, 0, "a");
    first = w->answer.id;
    assert_int_equal(first, w->moment.index);
    assert_int_equal(w->answer.token, 0);
    assert_int_equal(w->answer.cache.content.size, 1);
    put(w, CFS_PUT_TRUNCATE, 1, "");
    assert_int_equal(w->answer.id, w->moment.index);
    assert_int_equal(w->answer.token, first);
    first = w->answer.id;
    put(w, CFS_PUT_WRITE, 9, ""); /* nothing is written: nothing changes */
    assert_int_equal(w->answer.id, first);
    assert_int_equal(w->answer.token, first);
    reads(w, "a");
}

static void a_write_may_depend_on_the_version(void **state)
{
    struct world *w = *state;
    struct cfs_request request = put_of(CFS_PUT_REPLACE, 0, "a");

    request.cache_put.conditional = true;
    request.cache_put.expected = 1;
    assert_int_equal(cfs_contents_refusal(w->contents, &request), CFS_ERR_CHANGED);
    assert_int_equal(apply(w, request), CFS_ERR_CHANGED);
    assert_int_equal(cfs_contents_count(w->contents), 0);
    request.cache_put.expected = 0;
    assert_int_equal(cfs_contents_refusal(w->contents, &request), CFS_OK);
    assert_int_equal(apply(w, request), CFS_OK);
    assert_int_equal(apply(w, request), CFS_ERR_CHANGED);
    assert_int_equal(w->answer.id, info(w).version);
    request.cache_put.expected = info(w).version;
    assert_int_equal(apply(w, request), CFS_OK);
}

static void nothing_ends_beyond_the_limit(void **state)
{
    const enum cfs_put_kind kinds[] = {CFS_PUT_WRITE, CFS_PUT_APPEND, CFS_PUT_REPLACE};
    struct world *w = *state;
    struct cfs_request request;

    put(w, CFS_PUT_WRITE, 0, "abc");
    for (size_t i = 0; i < 3; i++) {
        request = put_of(kinds[i], 2, "defg");
        request.cache_put.max = 3;
        assert_int_equal(apply(w, request), CFS_ERR_VALUE_TOO_BIG);
    }
    request = put_of(CFS_PUT_TRUNCATE, 4, "");
    request.cache_put.max = 3;
    assert_int_equal(apply(w, request), CFS_ERR_VALUE_TOO_BIG);
    request = put_of(CFS_PUT_WRITE, UINT64_MAX, "de");
    request.cache_put.max = UINT64_MAX - 1;
    assert_int_equal(apply(w, request), CFS_ERR_VALUE_TOO_BIG);
    request = put_of(CFS_PUT_WRITE, 0, "d"); /* below the limit in a file that is larger */
    request.cache_put.max = 1;
    assert_int_equal(apply(w, request), CFS_OK);
    reads(w, "dbc");
}

static void times_grow_with_each_change(void **state)
{
    struct world *w = *state;
    struct cfs_content_info before;

    put(w, CFS_PUT_WRITE, 0, "a");
    before = info(w);
    assert_int_equal(before.mtime, w->moment.wall);
    assert_int_equal(before.ctime, w->moment.wall);
    assert_int_equal(before.atime, 0);
    w->moment.wall -= 5000; /* another leader's clock */
    put(w, CFS_PUT_WRITE, 0, "b");
    assert_int_equal(info(w).mtime, before.mtime + 1);
    assert_int_equal(info(w).ctime, before.ctime + 1);
    put(w, CFS_PUT_WRITE, 0, "c");
    assert_int_equal(info(w).mtime, before.mtime + 2);
}

static enum cfs_error touch(struct world *w, struct cfs_cache_set set)
{
    set.ino = FILE_1;
    return apply(w, (struct cfs_request){.op = CFS_OP_CACHE_TOUCH, .cache_set = set});
}

static void times_can_be_set(void **state)
{
    struct world *w = *state;
    uint64_t version;

    put(w, CFS_PUT_WRITE, 0, "a");
    version = info(w).version;
    touch(w, (struct cfs_cache_set){
                 .fields = CFS_CACHE_ATIME | CFS_CACHE_MTIME, .atime = 5, .mtime = 1u << 30});
    assert_int_equal(info(w).atime, 5);
    assert_int_equal(info(w).mtime, 1u << 30);
    assert_int_equal(info(w).ctime, w->moment.wall);
    assert_int_equal(info(w).version, version);
    assert_int_equal(info(w).changed, w->moment.index);
    assert_int_equal(w->answer.id, version);
    assert_int_equal(w->answer.cache.content.mtime, 1u << 30);
    put(w, CFS_PUT_WRITE, 0, "b"); /* it was far ahead: it does not stay so */
    assert_int_equal(info(w).mtime, w->moment.wall);
    touch(w, (struct cfs_cache_set){.fields = CFS_CACHE_ATIME_NOW | CFS_CACHE_MTIME_NOW});
    assert_int_equal(info(w).atime, w->moment.wall);
    assert_int_equal(info(w).mtime, w->moment.wall);
    touch(w, (struct cfs_cache_set){.fields = CFS_CACHE_MTIME, .mtime = w->moment.wall + 200});
    put(w, CFS_PUT_WRITE, 0, "c"); /* at that very time */
    assert_int_equal(info(w).mtime, w->moment.wall + 1);
}

static void times_are_kept_of_what_was_never_written(void **state)
{
    struct world *w = *state;

    touch(w, (struct cfs_cache_set){.fields = CFS_CACHE_MTIME, .mtime = 77});
    assert_int_equal(info(w).version, 0);
    assert_int_equal(info(w).changed, w->moment.index);
    assert_int_equal(info(w).mtime, 77);
    assert_int_equal(info(w).atime, 0);
    touch(w, (struct cfs_cache_set){.fields = CFS_CACHE_ATIME}); /* the epoch, not never */
    assert_int_equal(info(w).atime, 1);
}

/* Attributes. */

static enum cfs_error set_attr(struct world *w, const char *name, const char *value,
                               struct cfs_cache_xattr how)
{
    struct cfs_request request = {.op = CFS_OP_CACHE_XATTR, .cache_xattr = how};

    strcpy(request.name, name);
    request.cache_xattr.ino = FILE_1;
    request.cache_xattr.value = (const uint8_t *)value;
    request.cache_xattr.len = (uint32_t)strlen(value);
    return apply(w, request);
}

static void has_attrs(const struct world *w, const char *blob, uint32_t len)
{
    struct cfs_answer answer = {0};

    cfs_contents_xattrs(w->contents, FILE_1, &answer);
    assert_int_equal(answer.error, CFS_OK);
    assert_int_equal(answer.cache.len, len);
    if (len)
        assert_memory_equal(answer.cache.data, blob, len);
}

static void attributes_are_set_replaced_and_removed(void **state)
{
    const struct cfs_cache_xattr set = {0}, create = {.create = true}, replace = {.replace = true},
                                 gone = {.remove = true};
    struct world *w = *state;

    has_attrs(w, "", 0);
    assert_int_equal(set_attr(w, "user.a", "1", gone), CFS_ERR_NO_ATTRIBUTE);
    assert_int_equal(set_attr(w, "user.a", "1", replace), CFS_ERR_NO_ATTRIBUTE);
    assert_int_equal(cfs_contents_count(w->contents), 0);
    assert_int_equal(set_attr(w, "user.a", "1", create), CFS_OK);
    assert_int_equal(set_attr(w, "user.a", "2", create), CFS_ERR_FILE_EXISTS);
    has_attrs(w, "user.a\0\1\0\0\0001", 12);
    assert_int_equal(set_attr(w, "user", "", set), CFS_OK);
    has_attrs(w, "user.a\0\1\0\0\0001user\0\0\0\0", 21);
    assert_int_equal(set_attr(w, "user.a", "23", replace), CFS_OK);
    has_attrs(w, "user\0\0\0\0\0user.a\0\2\0\0\00023", 22);
    assert_int_equal(set_attr(w, "user", "", gone), CFS_OK);
    has_attrs(w, "user.a\0\2\0\0\00023", 13);
    assert_int_equal(info(w).version, 0);
    assert_int_equal(info(w).changed, w->moment.index);
    assert_int_equal(info(w).ctime, w->moment.wall);
    put(w, CFS_PUT_REPLACE, 0, "bytes"); /* which leaves them alone */
    has_attrs(w, "user.a\0\2\0\0\00023", 13);
    assert_int_equal(set_attr(w, "user.a", "", gone), CFS_OK);
    has_attrs(w, "", 0);
    reads(w, "bytes");
}

static void attributes_have_little_room(void **state)
{
    const struct cfs_cache_xattr set = {0};
    struct world *w = *state;
    static char value[CFS_XATTRS_MAX + 2];

    memset(value, 'v', CFS_XATTRS_MAX - 6);
    assert_int_equal(set_attr(w, "a", value, set), CFS_OK);
    assert_int_equal(set_attr(w, "b", "", set), CFS_ERR_ATTRIBUTES_FULL);
    value[CFS_XATTRS_MAX - 6] = 'v';
    assert_int_equal(set_attr(w, "a", value, set), CFS_ERR_ATTRIBUTES_FULL);
    assert_int_equal(set_attr(w, "a", "v", set), CFS_OK);
    assert_int_equal(set_attr(w, "b", "", set), CFS_OK);
}

/* Files that are gone. */

static void a_dropped_file_stays_dropped(void **state)
{
    struct cfs_request fetch = {.op = CFS_OP_CACHE_FETCH, .cache_read = {.ino = FILE_1}};
    struct world *w = *state;
    struct cfs_answer answer = {0};

    put(w, CFS_PUT_WRITE, 0, "abc");
    put(w, CFS_PUT_WRITE, 1, "x");
    assert_int_equal(drop(w, FILE_1), CFS_OK);
    assert_int_equal(drop(w, FILE_1), CFS_OK);
    assert_int_equal(cfs_contents_count(w->contents), 0);
    assert_int_equal(cfs_contents_bytes(w->contents), 0);
    assert_true(cfs_contents_dropped(w->contents, FILE_1));
    assert_int_equal(cfs_contents_refusal(w->contents, &fetch), CFS_ERR_STALE);
    assert_int_equal(put(w, CFS_PUT_WRITE, 0, "abc"), CFS_ERR_STALE);
    assert_int_equal(put(w, CFS_PUT_WRITE, 0, ""), CFS_ERR_STALE);
    assert_int_equal(touch(w, (struct cfs_cache_set){.fields = CFS_CACHE_ATIME_NOW}),
                     CFS_ERR_STALE);
    assert_int_equal(set_attr(w, "user.a", "", (struct cfs_cache_xattr){0}), CFS_ERR_STALE);
    cfs_contents_xattrs(w->contents, FILE_1, &answer);
    assert_int_equal(answer.error, CFS_ERR_STALE);
    assert_int_equal(drop(w, FILE_1 + 1), CFS_OK); /* it was never written */
    assert_true(cfs_contents_dropped(w->contents, FILE_1 + 1));
}

static void dropped_files_are_forgotten_in_time(void **state)
{
    struct world *w = *state;

    drop(w, FILE_1);
    w->moment.time += CFS_SECONDS(3600) - 20;
    drop(w, FILE_1 + 1);
    assert_true(cfs_contents_dropped(w->contents, FILE_1));
    drop(w, FILE_1 + 2);
    assert_false(cfs_contents_dropped(w->contents, FILE_1));
    assert_true(cfs_contents_dropped(w->contents, FILE_1 + 1));
    for (cfs_ino ino = 100; ino < 100 + 70000; ino++)
        drop(w, ino);
    assert_false(cfs_contents_dropped(w->contents, FILE_1 + 2));
    assert_false(cfs_contents_dropped(w->contents, 100));
    assert_true(cfs_contents_dropped(w->contents, 100 + 10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_file_that_was_never_written_is_all_zeros),
        IN_WORLD(bytes_are_written_where_they_belong),
        IN_WORLD(a_gap_reads_as_zeros),
        IN_WORLD(what_is_appended_comes_to_the_end),
        IN_WORLD(what_is_written_behind_the_last_write_joins_it),
        IN_WORLD(extents_do_not_grow_without_bound),
        IN_WORLD(all_is_replaced),
        IN_WORLD(what_was_cut_off_does_not_come_back),
        IN_WORLD(each_change_has_a_version_and_says_the_one_before),
        IN_WORLD(a_write_may_depend_on_the_version),
        IN_WORLD(nothing_ends_beyond_the_limit),
        IN_WORLD(times_grow_with_each_change),
        IN_WORLD(times_can_be_set),
        IN_WORLD(times_are_kept_of_what_was_never_written),
        IN_WORLD(attributes_are_set_replaced_and_removed),
        IN_WORLD(attributes_have_little_room),
        IN_WORLD(a_dropped_file_stays_dropped),
        IN_WORLD(dropped_files_are_forgotten_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
