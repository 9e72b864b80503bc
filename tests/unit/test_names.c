/* Changes to the tree of the cache that are done, and what can be seen of them. Which of them are
 * refused is in test_names_rules.c. */
#include "names_world.h"

#include "core/command.h"

static void a_name_is_there_once_it_is_made(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f");
    struct cfs_inode_info info = w->answer.cache.inode;

    assert_int_equal(file, w->now.index + ROOT);
    assert_int_equal(look_up(w, ROOT, "f"), file);
    assert_int_equal(info.ino, file);
    assert_int_equal(info.parent, ROOT);
    assert_int_equal(info.type, CFS_INODE_FILE);
    assert_int_equal(info.uid, USER);
    assert_int_equal(info.gid, 100);
    assert_int_equal(info.perm, 0640);
    assert_int_equal(info.nlink, 1);
    assert_int_equal(info.size, 0);
    assert_int_equal(info.mtime, w->now.wall);
    assert_int_equal(info.atime, w->now.wall);
    assert_int_equal(info.ctime, w->now.wall);
    assert_int_equal(cfs_names_count(w->names), 2);
}

static void a_file_that_is_there_is_answered_unless_it_has_to_be_new(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f");
    struct cfs_request request = making(ROOT, "f", CFS_INODE_FILE);
    uint64_t before = cfs_names_digest(w->names);

    request.cache_make.exclusive = false;
    request.cache_make.uid = 7;
    assert_int_equal(apply(w, &request), CFS_OK);
    assert_int_equal(w->answer.id, file);
    assert_int_equal(w->answer.cache.inode.uid, USER);
    assert_int_equal(cfs_names_digest(w->names), before);
}

static void the_root_is_there_and_everybodys(void **state)
{
    struct world *w = *state;
    struct cfs_inode_info info = info_of(w, ROOT);
    struct cfs_request request = setting(ROOT, CFS_CACHE_UID | CFS_CACHE_GID | CFS_CACHE_PERM);

    assert_int_equal(info.type, CFS_INODE_DIRECTORY);
    assert_int_equal(info.parent, ROOT);
    assert_int_equal(info.perm, 0777);
    assert_int_equal(info.uid, 0);
    assert_int_equal(info.nlink, 2);
    request.cache_set.uid = 1;
    request.cache_set.gid = 2;
    request.cache_set.perm = 01755;
    assert_int_equal(apply(w, &request), CFS_OK);
    info = info_of(w, ROOT);
    assert_int_equal(info.uid, 1);
    assert_int_equal(info.gid, 2);
    assert_int_equal(info.perm, 01755);
    assert_int_equal(info.ctime, w->now.wall);
    assert_int_equal(info.mtime, 0);
}

static void a_directory_counts_what_is_in_it(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a"), b = make_directory(w, a, "b");
    struct cfs_inode_info info;

    make_file(w, a, "f");
    make_it(w, a, "l", CFS_INODE_SYMLINK);
    info = info_of(w, a);
    assert_int_equal(info.nlink, 3);
    assert_int_equal(info.size, 3);
    assert_int_equal(info_of(w, ROOT).nlink, 3);
    assert_int_equal(remove_it(w, a, "b", true), CFS_OK);
    assert_int_equal(info_of(w, a).nlink, 2);
    assert_int_equal(info_of(w, b).nlink, 0);
}

static void a_symlink_is_as_long_as_its_target_and_everybodys(void **state)
{
    struct world *w = *state;
    cfs_ino link = make_it(w, ROOT, "l", CFS_INODE_SYMLINK);
    struct cfs_inode_info info = info_of(w, link);

    assert_int_equal(info.size, 6);
    assert_int_equal(info.perm, 0777);
}

static void what_is_made_in_a_set_group_id_directory_is_its_groups(void **state)
{
    struct world *w = *state;
    cfs_ino directory = make_directory(w, ROOT, "d");
    struct cfs_request request = setting(directory, CFS_CACHE_GID | CFS_CACHE_PERM);
    struct cfs_inode_info info;

    request.cache_set.gid = 7;
    request.cache_set.perm = 02770;
    assert_int_equal(apply(w, &request), CFS_OK);
    info = info_of(w, make_file(w, directory, "f"));
    assert_int_equal(info.gid, 7);
    assert_int_equal(info.perm, 0640);
    info = info_of(w, make_directory(w, directory, "sub"));
    assert_int_equal(info.gid, 7);
    assert_int_equal(info.perm, 02640);
}

static void removing_takes_the_name_and_leaves_an_orphan(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f");
    struct cfs_inode_info info;

    assert_int_equal(remove_it(w, ROOT, "f", false), CFS_OK);
    assert_int_equal(w->answer.id, file);
    assert_int_equal(look_up(w, ROOT, "f"), 0);
    info = info_of(w, file);
    assert_int_equal(info.nlink, 0);
    assert_int_equal(info.parent, 0);
    assert_int_equal(info.ctime, w->now.wall);
    assert_true(info.mtime < info.ctime);
    set_perm(w, file, 0600); /* as fchmod(2) may */
    assert_int_equal(info_of(w, file).perm, 0600);
    assert_int_equal(forget(w, file), CFS_OK);
    assert_int_equal(cfs_names_count(w->names), 1);
    assert_int_equal(forget(w, file), CFS_OK);
}

static void renaming_moves_what_is_there(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a"), b = make_directory(w, ROOT, "b");
    cfs_ino sub = make_directory(w, a, "sub"), file = make_file(w, sub, "f");

    assert_int_equal(rename_it(w, a, "sub", b, "moved"), CFS_OK);
    assert_int_equal(w->answer.id, sub);
    assert_int_equal(w->answer.token, 0);
    assert_int_equal(look_up(w, a, "sub"), 0);
    assert_int_equal(look_up(w, b, "moved"), sub);
    assert_int_equal(look_up(w, sub, "f"), file);
    assert_int_equal(info_of(w, sub).parent, b);
    assert_int_equal(info_of(w, a).nlink, 2);
    assert_int_equal(info_of(w, b).nlink, 3);
    assert_int_equal(rename_it(w, b, "moved", b, "other"), CFS_OK);
    assert_int_equal(look_up(w, b, "other"), sub);
    assert_int_equal(info_of(w, b).size, 1);
}

static void what_is_renamed_over_is_an_orphan(void **state)
{
    struct world *w = *state;
    cfs_ino new = make_file(w, ROOT, ".new"), old = make_file(w, ROOT, "f");
    cfs_ino empty = make_directory(w, ROOT, "empty"), full = make_directory(w, ROOT, "full");

    make_file(w, full, "x");
    assert_int_equal(rename_it(w, ROOT, ".new", ROOT, "f"), CFS_OK);
    assert_int_equal(w->answer.id, new);
    assert_int_equal(w->answer.token, old);
    assert_int_equal(look_up(w, ROOT, "f"), new);
    assert_int_equal(info_of(w, old).nlink, 0);
    assert_int_equal(rename_it(w, ROOT, "full", ROOT, "empty"), CFS_OK);
    assert_int_equal(w->answer.token, empty);
    assert_int_equal(look_up(w, ROOT, "empty"), full);
    assert_int_equal(info_of(w, ROOT).nlink, 3);
}

static void renaming_onto_itself_changes_nothing(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f");
    uint64_t before = cfs_names_digest(w->names);

    assert_int_equal(rename_it(w, ROOT, "f", ROOT, "f"), CFS_OK);
    assert_int_equal(w->answer.id, file);
    assert_int_equal(w->answer.token, 0);
    assert_int_equal(exchange(w, ROOT, "f", ROOT, "f"), CFS_OK);
    assert_int_equal(cfs_names_digest(w->names), before);
}

static void an_exchange_leaves_both_names(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a"), file = make_file(w, ROOT, "f");
    cfs_ino sub = make_directory(w, a, "sub");

    make_file(w, sub, "not empty");
    assert_int_equal(exchange(w, ROOT, "f", a, "sub"), CFS_OK);
    assert_int_equal(w->answer.id, file);
    assert_int_equal(w->answer.token, 0);
    assert_int_equal(look_up(w, ROOT, "f"), sub);
    assert_int_equal(look_up(w, a, "sub"), file);
    assert_int_equal(info_of(w, sub).parent, ROOT);
    assert_int_equal(info_of(w, a).nlink, 2);
    assert_int_equal(info_of(w, ROOT).nlink, 4);
    assert_int_equal(info_of(w, ROOT).size, 2);
}

static void each_change_has_a_time_and_a_version_of_its_own(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a"), b = make_directory(w, ROOT, "b");
    cfs_ino file = make_file(w, a, "f");
    struct cfs_inode_info was = info_of(w, a), is;

    assert_int_equal(was.mtime, w->now.wall);
    assert_int_equal(was.version, file);
    w->now.wall -= 1000; /* another leader, whose clock is behind */
    assert_int_equal(rename_it(w, a, "f", b, "f"), CFS_OK);
    is = info_of(w, a);
    assert_true(is.mtime > was.mtime && is.ctime > was.ctime && is.version > was.version);
    assert_int_equal(is.atime, was.atime);
    was = is;
    is = info_of(w, b);
    assert_int_equal(is.version, was.version);
    is = info_of(w, file);
    assert_int_equal(is.version, was.version);
    assert_true(is.ctime > is.mtime);
}

static void times_are_set_and_do_not_hold_back_those_that_follow(void **state)
{
    struct world *w = *state;
    cfs_ino a = make_directory(w, ROOT, "a");
    struct cfs_request request = setting(a, CFS_CACHE_ATIME | CFS_CACHE_MTIME);
    struct cfs_inode_info info;

    request.cache_set.atime = 17;
    request.cache_set.mtime = UINT64_MAX;
    assert_int_equal(apply(w, &request), CFS_OK);
    info = w->answer.cache.inode;
    assert_int_equal(info.ino, a);
    assert_int_equal(info.atime, 17);
    assert_int_equal(info.mtime, UINT64_MAX);
    assert_int_equal(info.ctime, w->now.wall);
    make_file(w, a, "f");
    assert_int_equal(info_of(w, a).mtime, w->now.wall);
    request.cache_set.mtime = w->now.wall + 10; /* what the next one is going to have */
    w->now.wall -= 10;
    assert_int_equal(apply(w, &request), CFS_OK);
    assert_int_equal(remove_it(w, a, "f", false), CFS_OK);
    assert_int_equal(info_of(w, a).mtime, w->now.wall + 1);
    request = setting(a, CFS_CACHE_ATIME_NOW | CFS_CACHE_MTIME_NOW);
    assert_int_equal(apply(w, &request), CFS_OK);
    info = w->answer.cache.inode;
    assert_int_equal(info.atime, w->now.wall);
    assert_int_equal(info.mtime, w->now.wall);
}

static void setting_nothing_changes_nothing(void **state)
{
    struct world *w = *state;
    cfs_ino file = make_file(w, ROOT, "f");
    struct cfs_request request = setting(file, 0);
    uint64_t before = cfs_names_digest(w->names);

    assert_int_equal(apply(w, &request), CFS_OK);
    assert_int_equal(w->answer.cache.inode.ino, file);
    assert_int_equal(cfs_names_digest(w->names), before);
}

static void a_restored_cluster_gives_out_no_number_twice(void **state)
{
    struct world *w = *state;
    cfs_ino before, after;
    uint64_t clock = 1000000;

    before = make_file(w, ROOT, "f");
    w->now.index = 3; /* its log begins anew */
    assert_int_equal(make_file(w, ROOT, "g"), before + 1);
    cfs_names_renew(w->names, clock);
    after = make_file(w, ROOT, "h");
    assert_int_equal(after, cfs_renewed(before + 1, clock) + 1);
    assert_int_equal(info_of(w, ROOT).version, after);
    assert_int_equal(remove_it(w, ROOT, "h", false), CFS_OK);
    assert_true(info_of(w, after).version > after);
    w->now.index = clock * 2; /* and comes to where nothing was given out */
    assert_int_equal(make_file(w, ROOT, "i"), clock * 2 + 1 + ROOT);
}

static void whoever_goes_deep_comes_back(void **state)
{
    struct world *w = *state;
    cfs_ino at = ROOT, top = 0;

    for (int i = 0; i < 500; i++) {
        at = make_directory(w, at, "d");
        top = top ? top : at;
    }
    assert_int_equal(rename_it(w, ROOT, "d", at, "d"), CFS_ERR_LOOP);
    assert_int_equal(look_up(w, ROOT, "d"), top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_name_is_there_once_it_is_made),
        IN_WORLD(a_file_that_is_there_is_answered_unless_it_has_to_be_new),
        IN_WORLD(the_root_is_there_and_everybodys),
        IN_WORLD(a_directory_counts_what_is_in_it),
        IN_WORLD(a_symlink_is_as_long_as_its_target_and_everybodys),
        IN_WORLD(what_is_made_in_a_set_group_id_directory_is_its_groups),
        IN_WORLD(removing_takes_the_name_and_leaves_an_orphan),
        IN_WORLD(renaming_moves_what_is_there),
        IN_WORLD(what_is_renamed_over_is_an_orphan),
        IN_WORLD(renaming_onto_itself_changes_nothing),
        IN_WORLD(an_exchange_leaves_both_names),
        IN_WORLD(each_change_has_a_time_and_a_version_of_its_own),
        IN_WORLD(times_are_set_and_do_not_hold_back_those_that_follow),
        IN_WORLD(setting_nothing_changes_nothing),
        IN_WORLD(a_restored_cluster_gives_out_no_number_twice),
        IN_WORLD(whoever_goes_deep_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
