/* The names in locks/: what the kernel is told of a lock, and what becomes of one it does not take.
 */
#include <errno.h>

#include "fs_world.h"

static const struct cfs_lock_info FILE_LOCK = {.form = CFS_FORM_FILE,
                                               .mode = CFS_EXCLUSIVE,
                                               .token = 7,
                                               .uid = 5,
                                               .gid = 6,
                                               .perm = 0604,
                                               .since = 1500000,
                                               .mtime = 2500000,
                                               .content_len = 3,
                                               .content = (const uint8_t *)"abc"};

static struct fuse_req *lookup(struct world *w, const char *name, const struct cfs_lock_info *lock)
{
    struct cfs_answer answer = {.error = lock ? CFS_OK : CFS_ERR_NOT_HELD};
    struct fuse_req *req = request(w);

    if (lock)
        answer.lock = *lock;
    cfs_tree_locks.lookup(&w->fs, req, locks_dir(w), name);
    assert_int_equal(last_asked()->op, CFS_OP_GET);
    assert_string_equal(last_asked()->name, name);
    answer_last(&answer);
    return req;
}

static struct cfs_node *node_of(struct world *w, const struct fuse_req *req)
{
    return cfs_node_find(&w->fs.nodes, req->entry.ino);
}

static void a_name_exists_while_it_is_held(void **state)
{
    struct world *w = *state;

    assert_replied(lookup(w, "job", NULL), ENOENT);
    assert_replied(lookup(w, "job", &FILE_LOCK), 0);
}

static void stat_shows_the_lock(void **state)
{
    struct world *w = *state;
    const struct stat *attr = &lookup(w, "job", &FILE_LOCK)->entry.attr;

    assert_int_equal(attr->st_mode, S_IFREG | 0604);
    assert_int_equal(attr->st_uid, 5);
    assert_int_equal(attr->st_gid, 6);
    assert_int_equal(attr->st_nlink, 1);
    assert_int_equal(attr->st_size, 3);
    assert_int_equal(attr->st_mtim.tv_sec, 2);
    assert_int_equal(attr->st_mtim.tv_nsec, 500000000);
    assert_int_equal(attr->st_ino, cfs_ino_of("locks", "job"));
}

static void the_kernel_keeps_nothing_of_it(void **state)
{
    struct world *w = *state;
    struct fuse_req *first = lookup(w, "job", &FILE_LOCK), *second = lookup(w, "job", &FILE_LOCK);

    assert_true(first->entry.entry_timeout == 0);
    assert_true(first->entry.attr_timeout == 0);
    assert_int_not_equal(first->entry.ino, second->entry.ino);
    assert_int_equal(first->entry.attr.st_ino, second->entry.attr.st_ino);
}

static void a_reply_nobody_takes_leaves_no_node(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    req->result = -ENOENT;
    cfs_tree_locks.lookup(&w->fs, req, locks_dir(w), "job");
    answer_last(&(struct cfs_answer){.lock = FILE_LOCK});
    assert_null(node_of(w, req));
}

static void a_lock_directory_is_the_same_node_as_long_as_it_is_held(void **state)
{
    struct world *w = *state;
    struct cfs_lock_info lock = {.form = CFS_FORM_DIRECTORY, .token = 7, .perm = 0755};
    uint64_t first = lookup(w, "d", &lock)->entry.ino;

    assert_int_equal(lookup(w, "d", &lock)->entry.ino, first);
    assert_int_equal(cfs_node_find(&w->fs.nodes, first)->lookups, 2);
    lock.token = 8;
    assert_int_not_equal(lookup(w, "d", &lock)->entry.ino, first);
}

static struct fuse_req *get_attr(struct world *w, struct cfs_node *node,
                                 const struct cfs_answer *answer)
{
    struct fuse_req *req = request(w);

    cfs_lock_getattr(&w->fs, req, node);
    answer_last(answer);
    return req;
}

static void an_open_file_keeps_its_attributes_when_nothing_is_held(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req =
        get_attr(w, handle->node, &(struct cfs_answer){.error = CFS_ERR_NOT_HELD});

    assert_replied(req, 0);
    assert_int_equal(req->attr.st_mode, S_IFREG | 0640);
    assert_int_equal(req->attr.st_uid, 1000);
    assert_int_equal(req->attr.st_nlink, 0);
}

/* open(2) asks for them between LOOKUP and OPEN, to see whether it may. */
static void so_does_one_that_is_about_to_be_opened(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = node_of(w, lookup(w, "job", &FILE_LOCK));
    struct fuse_req *req = get_attr(w, node, &(struct cfs_answer){.error = CFS_ERR_NOT_HELD});

    assert_replied(req, 0);
    assert_int_equal(req->attr.st_mode, S_IFREG | 0604);
    assert_int_equal(req->attr.st_nlink, 0);
}

/* A file does not become a directory, nor one directory another: the kernel would call it bad. */
static void a_node_is_not_mistaken_for_another_lock(void **state)
{
    struct world *w = *state;
    struct cfs_answer other = {.lock = {.form = CFS_FORM_DIRECTORY, .token = 8, .perm = 0755}};
    struct cfs_lock_info directory = {.form = CFS_FORM_DIRECTORY, .token = 7, .perm = 0700};
    struct fuse_req *req = get_attr(w, node_of(w, lookup(w, "job", &FILE_LOCK)), &other);

    assert_replied(req, 0);
    assert_int_equal(req->attr.st_mode, S_IFREG | 0604);
    assert_int_equal(req->attr.st_nlink, 0);
    req = get_attr(w, node_of(w, lookup(w, "job", &directory)), &other);
    assert_replied(req, ENOENT);
}

/* That lock and no other: it may have been removed, and its name taken by somebody else. */
static void assert_taken_back(const char *name, cfs_token token)
{
    assert_int_equal(last_asked()->op, CFS_OP_RELEASE);
    assert_string_equal(last_asked()->name, name);
    assert_int_equal(last_asked()->release.kind, CFS_LOCKFILE);
    assert_int_equal(last_asked()->release.token, token);
    answer_error(CFS_OK);
}

static void a_lock_its_maker_never_heard_of_is_taken_back(void **state)
{
    struct world *w = *state;
    struct fuse_file_info fi = {.flags = O_RDWR | O_CREAT | O_EXCL};
    struct fuse_req *req = request(w);

    req->result = -ENOENT;
    cfs_tree_locks.create(&w->fs, req, locks_dir(w), "job", S_IFREG | 0600, &fi);
    answer_token(3);
    assert_taken_back("job", 3);
    assert_null(w->fs.handles.open);

    req = request(w);
    req->result = -ENOENT;
    cfs_tree_locks.mkdir(&w->fs, req, locks_dir(w), "d", 0700);
    answer_token(4);
    assert_taken_back("d", 4);
    assert_null(w->fs.pendings.all);
}

static void removing_says_who_asks_and_what_is_expected(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    cfs_tree_locks.unlink(&w->fs, req, locks_dir(w), "job");
    assert_int_equal(last_asked()->remove.form, CFS_FORM_FILE);
    assert_int_equal(last_asked()->remove.uid, 1000);
    answer_error(CFS_ERR_BUSY);
    assert_replied(req, EBUSY);
    req = request(w);
    cfs_tree_locks.rmdir(&w->fs, req, locks_dir(w), "job");
    assert_int_equal(last_asked()->remove.form, CFS_FORM_DIRECTORY);
    answer_error(CFS_OK);
    assert_replied(req, 0);
}

static struct fuse_req *set_attr(struct world *w, struct cfs_handle *handle, int fields,
                                 const struct stat *attr)
{
    struct fuse_req *req = request(w);

    cfs_lock_setattr(&w->fs, req, handle->node, handle, attr, fields);
    return req;
}

static void resizing_without_the_exclusive_hold_does_nothing(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = set_attr(w, open_lock(w, "job", false),
                                    FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME, &(struct stat){0});

    assert_int_equal(last_asked()->op, CFS_OP_GET);
    answer_last(&(struct cfs_answer){.lock = FILE_LOCK});
    assert_replied(req, 0);
    assert_int_equal(req->attr.st_size, 3);
}

static void the_holder_resizes(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", true);
    struct fuse_req *req = set_attr(w, handle, FUSE_SET_ATTR_SIZE, &(struct stat){.st_size = 9});

    assert_int_equal(last_asked()->op, CFS_OP_SETATTR);
    assert_int_equal(last_asked()->setattr.fields, CFS_SET_SIZE);
    assert_int_equal(last_asked()->setattr.token, 100);
    answer_error(CFS_OK);
    assert_int_equal(last_asked()->op, CFS_OP_GET);
    answer_last(&(struct cfs_answer){.lock = FILE_LOCK});
    assert_replied(req, 0);
    assert_int_equal(handle->content_len, 9);
    assert_replied(
        set_attr(w, handle, FUSE_SET_ATTR_SIZE, &(struct stat){.st_size = CFS_CONTENT_MAX + 1}),
        EFBIG);
}

/* touch(1) opens with O_CREAT and sets times; fchmod before flock sets the mode of the lock to be.
 */
static void an_open_file_that_holds_nothing_can_be_touched(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req =
        set_attr(w, handle, FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_MODE,
                 &(struct stat){.st_mode = 0600});

    assert_int_equal(last_asked()->setattr.fields, CFS_SET_MTIME_NOW | CFS_SET_PERM);
    answer_error(CFS_ERR_NOT_HELD);
    assert_replied(req, 0);
    assert_int_equal(req->attr.st_mode, S_IFREG | 0600);
}

/* The kernel keeps a flock on a directory to itself. */
static void a_directory_is_opened_only_by_who_knows_it_to_be_one(void **state)
{
    struct world *w = *state;
    struct cfs_lock_info lock = {.form = CFS_FORM_DIRECTORY, .token = 7, .perm = 0755};
    struct cfs_node *node = node_of(w, lookup(w, "d", &lock));
    struct fuse_file_info fi = {.flags = O_RDONLY};
    struct fuse_req *req = request(w);

    node->tree->opendir(&w->fs, req, node, &fi);
    assert_replied(req, EISDIR);
    req = request(w);
    locks_dir(w)->tree->opendir(&w->fs, req, locks_dir(w), &fi);
    assert_replied(req, EISDIR);
    fi.flags |= O_DIRECTORY;
    req = request(w);
    node->tree->opendir(&w->fs, req, node, &fi);
    assert_replied(req, 0);
}

static void a_directory_is_read_from_one_snapshot(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);
    struct cfs_handle *handle;
    struct fuse_file_info fi = {.flags = O_DIRECTORY};

    cfs_tree_locks.opendir(&w->fs, req, locks_dir(w), &fi);
    fi.fh = req->fh;
    handle = cfs_handle_of(&fi);
    req = request(w);
    cfs_tree_locks.readdir(&w->fs, req, handle, 4096, 0);
    assert_int_equal(last_asked()->op, CFS_OP_LIST);
    answer_last(&(struct cfs_answer){.names = "one\0three", .names_len = 10});
    /* ".", "..", "one" and "three": 24 bytes and the name, rounded up to 8. */
    assert_int_equal(req->len, 4 * 32);
    req = request(w);
    cfs_tree_locks.readdir(&w->fs, req, handle, 4096, 2 + 4); /* behind "one" */
    assert_int_equal(engine.count, 1);
    assert_int_equal(req->len, 32);
    req = request(w);
    cfs_tree_locks.readdir(&w->fs, req, handle, 4096, 2 + 10);
    assert_int_equal(req->len, 0);
}

static struct fuse_req *read_directory(struct world *w, struct cfs_handle *handle, uint64_t offset)
{
    struct fuse_req *req = request(w);

    cfs_tree_locks.readdir(&w->fs, req, handle, 4096, offset);
    return req;
}

static void a_long_listing_comes_in_pages(void **state)
{
    struct world *w = *state;
    struct fuse_file_info fi = {.flags = O_DIRECTORY};
    struct fuse_req *req = request(w);
    struct cfs_handle *handle;

    cfs_tree_locks.opendir(&w->fs, req, locks_dir(w), &fi);
    fi.fh = req->fh;
    handle = cfs_handle_of(&fi);
    req = read_directory(w, handle, 0);
    assert_string_equal(last_asked()->name, "");
    answer_last(&(struct cfs_answer){.names = "one\0two", .names_len = 8, .more = true});
    assert_int_equal(req->len, 4 * 32);
    req = read_directory(w, handle, 2 + 8); /* behind "two" */
    assert_int_equal(last_asked()->op, CFS_OP_LIST);
    assert_string_equal(last_asked()->name, "two");
    answer_last(&(struct cfs_answer){.names = "x", .names_len = 2});
    assert_int_equal(req->len, 32);
    assert_int_equal(read_directory(w, handle, 2 + 10)->len, 0);
    assert_int_equal(read_directory(w, handle, 2)->len, 3 * 32); /* seekdir(3) */
    assert_int_equal(engine.count, 2);
    read_directory(w, handle, 0); /* rewinddir(3) */
    assert_string_equal(last_asked()->name, "");
    answer_last(&(struct cfs_answer){.names = "y", .names_len = 2, .more = true});
    req = read_directory(w, handle, 2 + 8); /* an offset of before: what is there now is shorter */
    answer_last(&(struct cfs_answer){.names = "z", .names_len = 2, .more = true});
    answer_error(CFS_ERR_TIMED_OUT);
    assert_replied(req, ETIMEDOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_exists_while_it_is_held),
        TEST(stat_shows_the_lock),
        TEST(the_kernel_keeps_nothing_of_it),
        TEST(a_reply_nobody_takes_leaves_no_node),
        TEST(a_lock_directory_is_the_same_node_as_long_as_it_is_held),
        TEST(an_open_file_keeps_its_attributes_when_nothing_is_held),
        TEST(so_does_one_that_is_about_to_be_opened),
        TEST(a_node_is_not_mistaken_for_another_lock),
        TEST(a_lock_its_maker_never_heard_of_is_taken_back),
        TEST(removing_says_who_asks_and_what_is_expected),
        TEST(resizing_without_the_exclusive_hold_does_nothing),
        TEST(the_holder_resizes),
        TEST(an_open_file_that_holds_nothing_can_be_touched),
        TEST(a_directory_is_opened_only_by_who_knows_it_to_be_one),
        TEST(a_directory_is_read_from_one_snapshot),
        TEST(a_long_listing_comes_in_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
