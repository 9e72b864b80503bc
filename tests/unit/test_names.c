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
    assert_int_equal(forget(w, file), CFS_OK);
    assert_int_equal(cfs_names_count(w->names), 1);
    assert_int_equal(forget(w, file), CFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_name_is_there_once_it_is_made),
        IN_WORLD(removing_takes_the_name_and_leaves_an_orphan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
