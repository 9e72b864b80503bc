/* Values over HTTP: what is asked of the engine on the way from a key to its file, and what is
 * answered. */
#include "http_api_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
    int result = http_api_set_up(state);
    struct http_world *w = *state;

    w->config.max_value = 4 * CFS_PUT_MAX;
    return result;
}

static void reply_is(struct http_world *w, const char *status, const char *text)
{
    http_turn_until(w, http_replied);
    http_assert_status(w, status);
    http_assert_has(w, text);
}

/* Until the engine has been asked `count` times; what it is asked last. */
static const struct cfs_request *asked(struct http_world *w, uint64_t count)
{
    http_turn_until_asked(w, count);
    assert_int_equal(http_engine.count, count);
    assert_true(http_asked(count)->outside);
    return http_asked(count);
}

static void looks_up(struct http_world *w, uint64_t count, cfs_ino directory, const char *name)
{
    const struct cfs_request *request = asked(w, count);

    assert_int_equal(request->op, CFS_OP_CACHE_LOOKUP);
    assert_int_equal(request->cache_read.ino, directory);
    assert_string_equal(request->name, name);
}

static void finds(uint64_t id, cfs_ino ino, enum cfs_inode_type type)
{
    http_answer(id, &(struct cfs_answer){
                        .cache.inode = {.ino = ino, .type = type, .uid = 7, .perm = 0640}});
}

static void post(struct http_world *w, const char *line, const char *headers, const char *body)
{
    http_request_with(w, line, headers, body, strlen(body));
}

/* Of one name, which is asked for first. */
static void finds_file(struct http_world *w, cfs_ino ino)
{
    looks_up(w, 1, CFS_CACHE_ROOT, "f");
    finds(1, ino, CFS_INODE_FILE);
}

static void lacks_file(struct http_world *w)
{
    looks_up(w, 1, CFS_CACHE_ROOT, "f");
    http_answer_error(1, CFS_ERR_NO_FILE);
}

/* ---- the way ---- */

static void a_key_is_a_path(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/a/two%20words/c", "");
    looks_up(w, 1, CFS_CACHE_ROOT, "a");
    finds(1, 5, CFS_INODE_DIRECTORY);
    looks_up(w, 2, 5, "two words");
    finds(2, 6, CFS_INODE_DIRECTORY);
    looks_up(w, 3, 6, "c");
    http_answer_error(3, CFS_ERR_NO_FILE);
    reply_is(w, "404", "\"code\":\"no_file\"");
}

static void what_is_no_key_is_refused(void **state)
{
    static const char *const bad[] = {"",      "/a",    "a/",   "a//b", "../a",
                                      "a/./b", "a%2Fb", "a%00", "a%2"};
    struct http_world *w = *state;
    char line[64];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "GET /cache/%s", bad[i]);
        http_request(w, line, "");
        reply_is(w, "400", "'key' is names");
    }
    assert_int_equal(http_engine.count, 0);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /cache/a/b%FF/c", "", "v");
    looks_up(w, 1, CFS_CACHE_ROOT, "a");
    finds(1, 5, CFS_INODE_DIRECTORY);
    looks_up(w, 2, 5, "b\xff");
    http_answer_error(2, CFS_ERR_NO_FILE);
    reply_is(w, "404", "{\"error\":\"there is no directory 'a/b?'\",\"code\":\"no_file\"}");
}

static void a_directory_is_made_on_the_way_where_that_is_asked_for(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /cache/a/f?parents=1", "", "v");
    looks_up(w, 1, CFS_CACHE_ROOT, "a");
    http_answer_error(1, CFS_ERR_NO_FILE);
    assert_int_equal(asked(w, 2)->op, CFS_OP_CACHE_MAKE);
    assert_int_equal(http_asked(2)->cache_make.type, CFS_INODE_DIRECTORY);
    assert_string_equal(http_asked(2)->name, "a");
    http_answer_error(2, CFS_ERR_FILE_EXISTS); /* somebody else did, just now */
    looks_up(w, 3, CFS_CACHE_ROOT, "a");
    finds(3, 5, CFS_INODE_DIRECTORY);
    looks_up(w, 4, 5, "f");
    http_answer_error(4, CFS_ERR_TIMED_OUT);
    reply_is(w, "503", "no_quorum");
}

static void links_and_files_lead_nowhere(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/f/b", "");
    finds_file(w, 5);
    reply_is(w, "409", "file_not_directory");
    http_request(w, "GET /cache/a/b", "");
    looks_up(w, 2, CFS_CACHE_ROOT, "a");
    finds(2, 5, CFS_INODE_SYMLINK);
    reply_is(w, "409", "is_symlink");
    http_request(w, "GET /cache/a", "");
    looks_up(w, 3, CFS_CACHE_ROOT, "a");
    finds(3, 5, CFS_INODE_DIRECTORY);
    reply_is(w, "409", "file_is_directory");
}

/* ---- GET ---- */

static void fetched(uint64_t id, uint64_t version, uint64_t size, const char *data, uint32_t len)
{
    http_answer(id, &(struct cfs_answer){
                        .cache = {.content = {.version = version, .changed = 1, .size = size},
                                  .data = (const uint8_t *)data,
                                  .len = len}});
}

static void a_value_is_the_body(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/f", "");
    finds_file(w, 5);
    assert_int_equal(asked(w, 2)->op, CFS_OP_CACHE_FETCH);
    assert_int_equal(http_asked(2)->cache_read.ino, 5);
    fetched(2, 9, 5, "value", 5);
    reply_is(w, "200", "\r\n\r\nvalue");
    http_assert_has(w, "ETag: \"5-9\"\r\n");
    http_assert_has(w, "Content-Type: application/octet-stream\r\n");
}

static void an_empty_value_is_one(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/f", "");
    finds_file(w, 5);
    asked(w, 2);
    http_answer(2, &(struct cfs_answer){0});
    reply_is(w, "200", "ETag: \"5-0\"\r\n");
    http_assert_has(w, "Content-Length: 0\r\n");
}

/* It is read piece by piece, and all pieces are of one version. */
static void a_value_that_changes_while_it_is_read_is_read_anew(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/f", "");
    finds_file(w, 5);
    asked(w, 2);
    fetched(2, 9, 6, "old", 3);
    assert_int_equal(asked(w, 3)->cache_read.offset, 3);
    fetched(3, 10, 6, "new", 3);
    looks_up(w, 4, CFS_CACHE_ROOT, "f");
    finds(4, 5, CFS_INODE_FILE);
    assert_int_equal(asked(w, 5)->cache_read.offset, 0);
    fetched(5, 10, 6, "new", 3);
    assert_int_equal(asked(w, 6)->cache_read.offset, 3);
    fetched(6, 10, 6, "er!", 3);
    reply_is(w, "200", "\r\n\r\nnewer!");
}

static void what_is_gone_is_looked_for_again(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/f", "");
    finds_file(w, 5);
    asked(w, 2);
    http_answer_error(2, CFS_ERR_STALE);
    looks_up(w, 3, CFS_CACHE_ROOT, "f");
    finds(3, 6, CFS_INODE_FILE);
    assert_int_equal(asked(w, 4)->cache_read.ino, 6);
    fetched(4, 9, 1, "v", 1);
    reply_is(w, "200", "ETag: \"6-9\"\r\n");
}

static void who_knows_the_value_is_told_so(void **state)
{
    struct http_world *w = *state;

    http_request(w, "GET /cache/f", "If-None-Match: \"4-1\", \"5-9\"\r\n");
    finds_file(w, 5);
    asked(w, 2);
    fetched(2, 9, 5, "value", 5);
    reply_is(w, "304", "ETag: \"5-9\"\r\n");
}

/* ---- POST ---- */

static void a_value_is_replaced_by_one_change(void **state)
{
    struct http_world *w = *state;
    const struct cfs_cache_put *put;

    post(w, "POST /cache/f", "", "value");
    finds_file(w, 5);
    put = &asked(w, 2)->cache_put;
    assert_int_equal(http_asked(2)->op, CFS_OP_CACHE_PUT);
    assert_true(put->ino == 5 && put->kind == CFS_PUT_REPLACE && !put->conditional);
    assert_int_equal(put->max, 4 * CFS_PUT_MAX);
    assert_int_equal(put->len, 5);
    assert_memory_equal(put->data, "value", 5);
    http_answer(2, &(struct cfs_answer){.id = 9});
    reply_is(w, "200", "{\"key\":\"f\",\"version\":9}");
    http_assert_has(w, "ETag: \"5-9\"\r\n");
}

/* What was asked for third after a MAKE beside; its name in `name`. */
static void makes_beside(struct http_world *w, char name[CFS_NAME_MAX + 1])
{
    const struct cfs_request *request = asked(w, 2);

    assert_int_equal(request->op, CFS_OP_CACHE_MAKE);
    assert_true(request->cache_make.exclusive);
    assert_int_equal(request->cache_make.parent, CFS_CACHE_ROOT);
    assert_memory_equal(request->name, ".f.coordfs-", 11);
    strcpy(name, request->name);
}

static void a_new_value_is_written_beside_and_renamed(void **state)
{
    struct http_world *w = *state;
    char name[CFS_NAME_MAX + 1];

    post(w, "POST /cache/f?mode=0600", "", "value");
    lacks_file(w);
    makes_beside(w, name);
    assert_int_equal(http_asked(2)->cache_make.perm, 0600);
    http_answer(2, &(struct cfs_answer){.id = 6});
    assert_int_equal(asked(w, 3)->cache_put.ino, 6);
    assert_int_equal(http_asked(3)->cache_put.len, 5);
    http_answer(3, &(struct cfs_answer){.id = 9});
    assert_int_equal(asked(w, 4)->op, CFS_OP_CACHE_RENAME);
    assert_string_equal(http_asked(4)->name, name);
    assert_string_equal(http_asked(4)->cache_rename.to, "f");
    assert_false(http_asked(4)->cache_rename.no_replace);
    http_answer(4, &(struct cfs_answer){.id = 6});
    reply_is(w, "201", "{\"key\":\"f\",\"version\":9}");
    http_assert_has(w, "ETag: \"6-9\"\r\n");
    assert_int_equal(http_engine.count, 4);
}

static void a_large_value_goes_in_pieces_and_keeps_its_owner(void **state)
{
    struct http_world *w = *state;
    size_t len = 2 * CFS_PUT_MAX + 7;
    char *body = calloc(1, len), name[CFS_NAME_MAX + 1];

    http_request_with(w, "POST /cache/f", "", body, len);
    finds_file(w, 5);
    makes_beside(w, name);
    assert_true(http_asked(2)->cache_make.uid == 7 && http_asked(2)->cache_make.perm == 0640);
    http_answer(2, &(struct cfs_answer){.id = 6});
    for (uint64_t i = 0; i < 3; i++) {
        const struct cfs_cache_put *put = &asked(w, 3 + i)->cache_put;
        assert_int_equal(put->kind, i ? CFS_PUT_WRITE : CFS_PUT_REPLACE);
        assert_int_equal(put->offset, i * CFS_PUT_MAX);
        assert_int_equal(put->len, i < 2 ? CFS_PUT_MAX : 7);
        http_answer(3 + i, &(struct cfs_answer){.id = 9 + i});
    }
    assert_int_equal(asked(w, 6)->op, CFS_OP_CACHE_RENAME);
    http_answer(6, &(struct cfs_answer){.id = 6, .token = 5});
    reply_is(w, "200", "ETag: \"6-11\"\r\n");
    free(body);
}

static void what_fails_leaves_nothing_beside(void **state)
{
    struct http_world *w = *state;
    char name[CFS_NAME_MAX + 1];

    post(w, "POST /cache/f", "", "value");
    lacks_file(w);
    makes_beside(w, name);
    http_answer(2, &(struct cfs_answer){.id = 6});
    asked(w, 3);
    http_answer_error(3, CFS_ERR_NO_SPACE);
    reply_is(w, "507", "no_space");
    assert_int_equal(asked(w, 4)->op, CFS_OP_CACHE_REMOVE);
    assert_string_equal(http_asked(4)->name, name);
}

static void a_value_beyond_the_limit_is_refused(void **state)
{
    struct http_world *w = *state;

    w->config.max_value = 4096;
    http_request(w, "POST /cache/f", "Content-Length: 4097\r\n");
    reply_is(w, "413", "the body has more than 4096 bytes");
}

/* ---- conditions ---- */

static void a_version_is_compared_and_swapped(void **state)
{
    struct http_world *w = *state;
    const struct cfs_cache_put *put;

    post(w, "POST /cache/f", "If-Match: \"5-9\"\r\n", "value");
    finds_file(w, 5);
    put = &asked(w, 2)->cache_put;
    assert_true(put->conditional && put->expected == 9);
    http_answer_error(2, CFS_ERR_CHANGED);
    reply_is(w, "412", "\"code\":\"changed\"");
}

static void another_file_is_not_that_version(void **state)
{
    static const char *const others[] = {"\"6-9\"", "\"5-\"", "5-9", "W/\"5-9\"", "\"5-9\"x", "x"};
    struct http_world *w = *state;
    char header[64];

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(header, sizeof header, "If-Match: %s\r\n", others[i]);
        post(w, "POST /cache/f", header, "value");
        looks_up(w, i + 1, CFS_CACHE_ROOT, "f");
        finds(i + 1, 5, CFS_INODE_FILE);
        reply_is(w, "412", "\"code\":\"changed\"");
    }
}

static void what_has_to_be_there_is_not_made(void **state)
{
    struct http_world *w = *state;

    post(w, "POST /cache/f", "If-Match: *\r\n", "value");
    lacks_file(w);
    reply_is(w, "412", "\"code\":\"changed\"");
}

static void what_has_to_be_new_replaces_nothing(void **state)
{
    struct http_world *w = *state;
    char name[CFS_NAME_MAX + 1];

    post(w, "POST /cache/f", "If-None-Match: *\r\n", "value");
    lacks_file(w);
    makes_beside(w, name);
    http_answer(2, &(struct cfs_answer){.id = 6});
    asked(w, 3);
    http_answer(3, &(struct cfs_answer){.id = 9});
    assert_true(asked(w, 4)->cache_rename.no_replace);
    http_answer_error(4, CFS_ERR_FILE_EXISTS);
    reply_is(w, "412", "\"code\":\"changed\"");
    assert_int_equal(asked(w, 5)->op, CFS_OP_CACHE_REMOVE);
    post(w, "POST /cache/f", "If-None-Match: *\r\n", "value");
    looks_up(w, 6, CFS_CACHE_ROOT, "f");
    finds(6, 5, CFS_INODE_FILE);
    reply_is(w, "412", "\"code\":\"changed\"");
}

static void conditions_that_cannot_be_kept_are_refused(void **state)
{
    struct http_world *w = *state;
    char *body = calloc(1, CFS_PUT_MAX + 1);

    http_request_with(w, "POST /cache/f", "If-Match: \"5-9\"\r\n", body, CFS_PUT_MAX + 1);
    reply_is(w, "413", "with If-Match");
    post(w, "POST /cache/f", "If-None-Match: \"5-9\"\r\n", "v");
    reply_is(w, "400", "'If-None-Match'");
    post(w, "POST /cache/f", "If-None-Match: *\r\nIf-Match: *\r\n", "v");
    reply_is(w, "400", "'If-Match'");
    post(w, "POST /cache/f?parents=yes", "", "v");
    reply_is(w, "400", "'parents'");
    post(w, "POST /cache/f?mode=9", "", "v");
    reply_is(w, "400", "'mode'");
    http_request(w, "DELETE /cache/f", "If-Match: \"5-9\"\r\n");
    reply_is(w, "400", "'If-Match'");
    assert_int_equal(http_engine.count, 0);
    free(body);
}

/* ---- DELETE, invalidate ---- */

static void files_and_directories_are_removed(void **state)
{
    struct http_world *w = *state;

    http_request(w, "DELETE /cache/f", "");
    finds_file(w, 5);
    assert_int_equal(asked(w, 2)->op, CFS_OP_CACHE_REMOVE);
    assert_false(http_asked(2)->cache_remove.directory);
    http_answer(2, &(struct cfs_answer){.id = 5});
    reply_is(w, "200", "{\"key\":\"f\"}");
    http_request(w, "DELETE /cache/f", "");
    looks_up(w, 3, CFS_CACHE_ROOT, "f");
    finds(3, 6, CFS_INODE_DIRECTORY);
    assert_true(asked(w, 4)->cache_remove.directory);
    http_answer_error(4, CFS_ERR_DIRECTORY_NOT_EMPTY);
    reply_is(w, "409", "directory_not_empty");
}

static void to_invalidate_is_to_change_nothing(void **state)
{
    struct http_world *w = *state;

    http_request(w, "POST /cache/invalidate/f", "");
    finds_file(w, 5);
    assert_int_equal(asked(w, 2)->op, CFS_OP_CACHE_TOUCH);
    assert_true(http_asked(2)->cache_set.ino == 5 && http_asked(2)->cache_set.fields == 0);
    http_answer(2, &(struct cfs_answer){0});
    reply_is(w, "200", "{\"key\":\"f\"}");
    http_request(w, "POST /cache/invalidate/f", "");
    looks_up(w, 3, CFS_CACHE_ROOT, "f");
    http_answer_error(3, CFS_ERR_NO_FILE);
    reply_is(w, "404", "no_file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, http_api_tear_down)
        T(a_key_is_a_path),
        T(what_is_no_key_is_refused),
        T(a_directory_that_is_not_there_is_named),
        T(a_directory_is_made_on_the_way_where_that_is_asked_for),
        T(links_and_files_lead_nowhere),
        T(a_value_is_the_body),
        T(an_empty_value_is_one),
        T(a_value_that_changes_while_it_is_read_is_read_anew),
        T(what_is_gone_is_looked_for_again),
        T(who_knows_the_value_is_told_so),
        T(a_value_is_replaced_by_one_change),
        T(a_new_value_is_written_beside_and_renamed),
        T(a_large_value_goes_in_pieces_and_keeps_its_owner),
        T(what_fails_leaves_nothing_beside),
        T(a_value_beyond_the_limit_is_refused),
        T(a_version_is_compared_and_swapped),
        T(another_file_is_not_that_version),
        T(what_has_to_be_there_is_not_made),
        T(what_has_to_be_new_replaces_nothing),
        T(conditions_that_cannot_be_kept_are_refused),
        T(files_and_directories_are_removed),
        T(to_invalidate_is_to_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
