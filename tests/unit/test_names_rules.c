/* Changes to the tree of the cache that are refused, and with which error when several would fit:
 * as Linux has them. Nothing changes by one that is refused, which apply() of the world sees to. */
#include "names_world.h"

static void refused(struct world *w, struct cfs_request request, enum cfs_error error)
{
    assert_int_equal(apply(w, &request), error);
    assert_int_equal(w->answer.id, 0);
    assert_int_equal(w->answer.token, 0);
}

static void nothing_is_made_where_no_directory_is(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f"), gone = make_directory(w, ROOT, "gone");

    assert_int_equal(remove_it(w, ROOT, "gone", true), CFS_OK);
    refused(w, making(0, "x", CFS_INODE_FILE), CFS_ERR_NO_FILE);
    refused(w, making(12345, "x", CFS_INODE_FILE), CFS_ERR_NO_FILE);
    refused(w, making(gone, "x", CFS_INODE_FILE), CFS_ERR_NO_FILE);
    refused(w, making(file, "x", CFS_INODE_FILE), CFS_ERR_FILE_NOT_DIRECTORY);
    refused(w, removing(gone, "x", false), CFS_ERR_NO_FILE);
    refused(w, removing(file, "x", false), CFS_ERR_FILE_NOT_DIRECTORY);
    refused(w, renaming(gone, "x", ROOT, "y"), CFS_ERR_NO_FILE);
    refused(w, renaming(ROOT, "f", gone, "y"), CFS_ERR_NO_FILE);
    refused(w, renaming(ROOT, "f", file, "y"), CFS_ERR_FILE_NOT_DIRECTORY);
    refused(w, renaming(file, "x", ROOT, "y"), CFS_ERR_FILE_NOT_DIRECTORY);
}

static void a_name_that_is_taken_is_not_made(void **state)
{
    struct world *w = *state;
    struct cfs_request request = making(ROOT, "d", CFS_INODE_FILE);

    make_directory(w, ROOT, "d");
    make_file(w, ROOT, "f");
    make_it(w, ROOT, "l", CFS_INODE_SYMLINK);
    refused(w, request, CFS_ERR_FILE_EXISTS);
    request.cache_make.exclusive = false;
    refused(w, request, CFS_ERR_FILE_EXISTS);
    strcpy(request.name, "l");
    refused(w, request, CFS_ERR_FILE_EXISTS);
    strcpy(request.name, "f");
    request.cache_make.type = CFS_INODE_DIRECTORY;
    refused(w, request, CFS_ERR_FILE_EXISTS);
    refused(w, making(ROOT, "f", CFS_INODE_FILE), CFS_ERR_FILE_EXISTS);
}

static void names_that_are_none_are_refused(void **state)
{
    struct world *w = *state;
    const char *const bad[] = {"", ".", "..", "a/b", "/"};

    make_file(w, ROOT, "f");
    make_directory(w, ROOT, "d");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refused(w, making(ROOT, bad[i], CFS_INODE_FILE), CFS_ERR_INVALID);
        refused(w, removing(ROOT, bad[i], false), CFS_ERR_INVALID);
        refused(w, removing(ROOT, bad[i], true), CFS_ERR_INVALID);
        refused(w, renaming(ROOT, bad[i], ROOT, "x"), CFS_ERR_INVALID);
        refused(w, renaming(ROOT, "f", ROOT, bad[i]), CFS_ERR_INVALID);
        refused(w, exchanging(ROOT, "f", ROOT, bad[i]), CFS_ERR_INVALID);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct world *w = *state;
    static const uint8_t long_target[CFS_TARGET_MAX + 1] = {[0 ... CFS_TARGET_MAX] = 'x'};
    struct cfs_request request = making(ROOT, "x", (enum cfs_inode_type)0);

    refused(w, request, CFS_ERR_INVALID);
    request.cache_make.type = (enum cfs_inode_type)4;
    refused(w, request, CFS_ERR_INVALID);
    request = making(ROOT, "x", CFS_INODE_SYMLINK);
    request.cache_make.target_len = 0;
    refused(w, request, CFS_ERR_INVALID);
    request.cache_make.target = (const uint8_t *)"a\0b";
    request.cache_make.target_len = 3;
    refused(w, request, CFS_ERR_INVALID);
    request.cache_make.target = long_target;
    request.cache_make.target_len = sizeof long_target;
    refused(w, request, CFS_ERR_INVALID);
    request.cache_make.target_len = CFS_TARGET_MAX;
    assert_int_equal(apply(w, &request), CFS_OK);
    request = making(ROOT, "y", CFS_INODE_FILE);
    request.cache_make.target = long_target;
    request.cache_make.target_len = 1;
    refused(w, request, CFS_ERR_INVALID);
    refused(w, request_of(CFS_OP_CACHE_PUT, "x"), CFS_ERR_INVALID);
    request = exchanging(ROOT, "x", ROOT, "y");
    request.cache_rename.no_replace = true;
    refused(w, request, CFS_ERR_INVALID);
}

static void unlink_is_for_files_and_rmdir_for_empty_directories(void **state)
{
    struct world *w = *state;
    cfs_ino directory = make_directory(w, ROOT, "d");

    make_file(w, directory, "f");
    refused(w, removing(ROOT, "x", false), CFS_ERR_NO_FILE);
    refused(w, removing(ROOT, "x", true), CFS_ERR_NO_FILE);
    refused(w, removing(ROOT, "d", false), CFS_ERR_FILE_IS_DIRECTORY);
    refused(w, removing(directory, "f", true), CFS_ERR_FILE_NOT_DIRECTORY);
    refused(w, removing(ROOT, "d", true), CFS_ERR_DIRECTORY_NOT_EMPTY);
    assert_int_equal(remove_it(w, directory, "f", false), CFS_OK);
    assert_int_equal(remove_it(w, ROOT, "d", true), CFS_OK);
}

static void a_rename_replaces_like_by_like(void **state)
{
    struct world *w = *state;
    cfs_ino full = make_directory(w, ROOT, "full");
    struct cfs_request request;

    make_directory(w, ROOT, "d");
    make_file(w, ROOT, "f");
    make_file(w, full, "x");
    refused(w, renaming(ROOT, "x", ROOT, "f"), CFS_ERR_NO_FILE);
    refused(w, renaming(ROOT, "d", ROOT, "f"), CFS_ERR_FILE_NOT_DIRECTORY);
    refused(w, renaming(ROOT, "f", ROOT, "d"), CFS_ERR_FILE_IS_DIRECTORY);
    refused(w, renaming(ROOT, "f", ROOT, "full"), CFS_ERR_FILE_IS_DIRECTORY);
    refused(w, renaming(ROOT, "d", ROOT, "full"), CFS_ERR_DIRECTORY_NOT_EMPTY);
    refused(w, exchanging(ROOT, "f", ROOT, "none"), CFS_ERR_NO_FILE);
    request = renaming(ROOT, "f", ROOT, "d");
    request.cache_rename.no_replace = true;
    refused(w, request, CFS_ERR_FILE_EXISTS);
    strcpy(request.cache_rename.to, "f"); /* though it would do nothing */
    refused(w, request, CFS_ERR_FILE_EXISTS);
    strcpy(request.cache_rename.to, "new");
    assert_int_equal(apply(w, &request), CFS_OK);
}

static void no_directory_goes_below_itself(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a"), b = make_directory(w, a, "b");
    cfs_ino c = make_directory(w, b, "c");

    make_file(w, c, "f");
    refused(w, renaming(ROOT, "a", a, "x"), CFS_ERR_LOOP);
    refused(w, renaming(ROOT, "a", c, "x"), CFS_ERR_LOOP);
    refused(w, renaming(ROOT, "a", c, "f"), CFS_ERR_LOOP);
    refused(w, renaming(ROOT, "a", a, "b"), CFS_ERR_LOOP);
    refused(w, renaming(b, "c", ROOT, "a"), CFS_ERR_DIRECTORY_NOT_EMPTY);
    refused(w, renaming(c, "f", ROOT, "a"), CFS_ERR_DIRECTORY_NOT_EMPTY);
    refused(w, exchanging(ROOT, "a", b, "c"), CFS_ERR_LOOP);
    refused(w, exchanging(b, "c", ROOT, "a"), CFS_ERR_LOOP);
    refused(w, exchanging(c, "f", ROOT, "a"), CFS_ERR_LOOP);
    assert_int_equal(rename_it(w, b, "c", ROOT, "c"), CFS_OK);
    assert_int_equal(rename_it(w, ROOT, "a", c, "a"), CFS_OK);
}

/* A sticky directory of user 1 with things of users 2 and 3. */
static cfs_ino make_sticky(struct world *w)
{
    cfs_ino sticky = make_directory(w, ROOT, "tmp");
    struct cfs_request request = setting(sticky, CFS_CACHE_UID | CFS_CACHE_PERM);
    const char *const things[] = {"two", "three"};

    request.cache_set.uid = 1;
    request.cache_set.perm = 01777;
    assert_int_equal(apply(w, &request), CFS_OK);
    for (uint32_t i = 0; i < 2; i++) {
        request = making(sticky, things[i], CFS_INODE_FILE);
        request.cache_make.uid = 2 + i;
        assert_int_equal(apply(w, &request), CFS_OK);
    }
    return sticky;
}

static void in_a_sticky_directory_each_takes_his_own(void **state)
{
    struct world *w = *state;
    cfs_ino sticky = make_sticky(w);
    struct cfs_request request = removing(sticky, "two", false);

    request.cache_remove.uid = 3;
    refused(w, request, CFS_ERR_NOT_PERMITTED);
    request.cache_remove.directory = true; /* before it is asked what it is */
    refused(w, request, CFS_ERR_NOT_PERMITTED);
    request = renaming(sticky, "two", ROOT, "mine");
    request.cache_rename.uid = 3;
    refused(w, request, CFS_ERR_NOT_PERMITTED);
    request = renaming(sticky, "three", sticky, "two");
    request.cache_rename.uid = 3;
    refused(w, request, CFS_ERR_NOT_PERMITTED);
    request.cache_rename.exchange = true;
    refused(w, request, CFS_ERR_NOT_PERMITTED);
    request.cache_rename.uid = 0; /* root may, */
    assert_int_equal(apply(w, &request), CFS_OK);
    request = removing(sticky, "two", false);
    request.cache_remove.uid = 1; /* the directory's owner, */
    assert_int_equal(apply(w, &request), CFS_OK);
    request = renaming(sticky, "three", sticky, "four");
    request.cache_rename.uid = 2; /* and the file's */
    assert_int_equal(apply(w, &request), CFS_OK);
}

static void times_of_files_are_elsewhere(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f"), link = make_it(w, ROOT, "l", CFS_INODE_SYMLINK);
    struct cfs_request request = setting(link, CFS_CACHE_MTIME_NOW);

    assert_int_equal(apply(w, &request), CFS_OK);
    refused(w, setting(file, CFS_CACHE_MTIME_NOW), CFS_ERR_INVALID);
    refused(w, setting(file, CFS_CACHE_PERM | CFS_CACHE_ATIME), CFS_ERR_INVALID);
    refused(w, setting(link, 128), CFS_ERR_INVALID);
    refused(w, setting(12345, CFS_CACHE_PERM), CFS_ERR_NO_FILE);
}

static void only_orphans_are_forgotten(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f");

    refused(w, forgetting(file), CFS_ERR_INVALID);
    refused(w, forgetting(ROOT), CFS_ERR_INVALID);
    refused(w, forgetting(12345), CFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(nothing_is_made_where_no_directory_is),
        IN_WORLD(a_name_that_is_taken_is_not_made),
        IN_WORLD(names_that_are_none_are_refused),
        IN_WORLD(what_makes_no_sense_is_refused),
        IN_WORLD(unlink_is_for_files_and_rmdir_for_empty_directories),
        IN_WORLD(a_rename_replaces_like_by_like),
        IN_WORLD(no_directory_goes_below_itself),
        IN_WORLD(in_a_sticky_directory_each_takes_his_own),
        IN_WORLD(times_of_files_are_elsewhere),
        IN_WORLD(only_orphans_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
