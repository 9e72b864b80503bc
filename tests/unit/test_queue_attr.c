/* stat of a queue and of what belongs to it, the setters, and extended attributes. */
#include "queue_file_world.h"

static mode_t mode_of(struct world *w, struct cfs_node *dir, const char *name, mode_t perm)
{
    struct cfs_queue_info info = QUEUE;
    struct fuse_req *req;

    info.perm = perm;
    req = look_up(w, dir, name, &info);
    assert_replied(req, 0);
    return req->entry.attr.st_mode;
}

static void stat_shows_an_empty_file(void **state)
{
    struct world *w = *state;
    const struct stat *attr = &look_up(w, queues_dir(w), "q", &QUEUE)->entry.attr;

    assert_int_equal(attr->st_mode, S_IFREG | 0640);
    assert_int_equal(attr->st_uid, 5);
    assert_int_equal(attr->st_gid, 6);
    assert_int_equal(attr->st_nlink, 1);
    assert_int_equal(attr->st_size, 0);
    assert_int_equal(attr->st_blocks, 0);
    assert_int_equal(attr->st_mtim.tv_sec, 2);
    assert_int_equal(attr->st_mtim.tv_nsec, 500000000);
    assert_int_equal(attr->st_ctim.tv_sec, 2);
}

static void permissions_follow_from_the_queues(void **state)
{
    struct world *w = *state;
    struct cfs_node *opened = find(w, queues_dir(w), ".q", &QUEUE);

    assert_int_equal(mode_of(w, queues_dir(w), ".q", 0), S_IFDIR | 0777);
    assert_int_equal(mode_of(w, opened, "claim", 0642), S_IFREG | 0440);
    assert_int_equal(mode_of(w, opened, "config", 0642), S_IFREG | 0644);
    assert_int_equal(mode_of(w, opened, "config", 0600), S_IFREG | 0600);
    assert_int_equal(mode_of(w, opened, "inflight", 0640), S_IFDIR | 0770);
    assert_int_equal(mode_of(w, opened, "dead", 0604), S_IFDIR | 0707);
    assert_int_equal(mode_of(w, opened, "ready", 0222), S_IFDIR | 0000);
}

static void the_inode_numbers_are_those_of_the_paths(void **state)
{
    struct world *w = *state;
    struct cfs_node *opened = find(w, queues_dir(w), ".q", &QUEUE);
    char longest[CFS_NAME_MAX + 1] = {0};

    assert_int_equal(find(w, opened, "claim", &QUEUE)->ino, cfs_ino_of("queues", ".q/claim"));
    assert_int_equal(find(w, opened, "ready", &QUEUE)->ino, cfs_ino_of("queues", ".q/ready"));
    memset(longest, 'x', CFS_NAME_MAX);
    assert_int_not_equal(cfs_message_ino(CFS_PART_INFLIGHT, longest, UINT64_MAX),
                         cfs_message_ino(CFS_PART_INFLIGHT, longest, UINT64_MAX - 1));
}

static struct fuse_req *get_attr(struct world *w, struct cfs_node *node)
{
    struct fuse_req *req = request(w);

    node->tree->getattr(&w->fs, req, node);
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_STAT);
    return req;
}

/* open(2) asks between LOOKUP and OPEN; and fstat(2) of what is open. */
static void a_file_of_a_queue_that_is_gone_still_has_attributes(void **state)
{
    struct world *w = *state;
    struct cfs_node *opened = find(w, queues_dir(w), ".q", &QUEUE);
    struct fuse_req *req = get_attr(w, find(w, queues_dir(w), "q", &QUEUE));

    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, 0);
    assert_int_equal(req->attr.st_nlink, 0);
    assert_int_equal(req->attr.st_mode, S_IFREG | 0640);
    req = get_attr(w, opened);
    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, ENOENT);
}

static void what_changes_is_seen(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = find(w, queues_dir(w), "q", &QUEUE);
    struct cfs_queue_info info = QUEUE;
    struct fuse_req *req = get_attr(w, node);

    info.perm = 0600;
    info.config.framing = CFS_FRAMING_FILE;
    answer_queue(&info);
    assert_int_equal(req->attr.st_mode, S_IFREG | 0600);
    assert_int_equal(node->framing, CFS_FRAMING_FILE);
}

/* --- setattr ----------------------------------------------------------------------------- */

static struct fuse_req *set_attr(struct world *w, const struct stat *attr, int fields)
{
    struct cfs_node *node = find(w, queues_dir(w), "q", &QUEUE);
    struct fuse_req *req = request(w);

    node->tree->setattr(&w->fs, req, node, NULL, attr, fields);
    return req;
}

static void truncating_purges(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = set_attr(w, &(struct stat){0}, FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME);

    assert_int_equal(last_asked()->op, CFS_OP_PURGE);
    assert_int_equal(last_asked()->queue_caller.uid, 1000);
    answer_error(CFS_OK);
    interrupt(req); /* it has happened */
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, CFS_NEVER - 1), CFS_NEVER);
    answer_queue(&QUEUE);
    assert_replied(req, 0);
    req = set_attr(w, &(struct stat){0}, FUSE_SET_ATTR_SIZE);
    answer_error(CFS_ERR_NOT_PERMITTED);
    assert_replied(req, EPERM);
    assert_replied(set_attr(w, &(struct stat){.st_size = 1}, FUSE_SET_ATTR_SIZE), EINVAL);
}

static void mode_owner_and_mtime_are_set_by_who_may(void **state)
{
    struct world *w = *state;
    struct stat attr = {.st_mode = S_IFREG | 0644, .st_uid = 7, .st_mtim = {9, 500000000}};
    struct fuse_req *req =
        set_attr(w, &attr, FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_MTIME);

    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_SETATTR);
    assert_int_equal(last_asked()->setattr.fields, CFS_SET_PERM | CFS_SET_UID | CFS_SET_MTIME);
    assert_int_equal(last_asked()->setattr.perm, 0644);
    assert_int_equal(last_asked()->setattr.uid, 7);
    assert_int_equal(last_asked()->setattr.mtime, 9500000);
    assert_int_equal(last_asked()->setattr.caller, 1000);
    answer_error(CFS_OK);
    answer_queue(&QUEUE);
    assert_replied(req, 0);
    req = set_attr(w, &attr, FUSE_SET_ATTR_ATIME_NOW); /* which nobody keeps */
    answer_queue(&QUEUE);
    assert_replied(req, 0);
}

/* --- extended attributes ----------------------------------------------------------------- */

static struct fuse_req *get_xattr(struct world *w, struct cfs_node *node, const char *name,
                                  size_t size)
{
    struct fuse_req *req = request(w);

    node->tree->getxattr(&w->fs, req, node, name, size);
    return req;
}

static void attributes_tell_the_backlog(void **state)
{
    static const char *const expected[][2] = {
        {"user.coordfs.ready", "3"},     {"user.coordfs.inflight", "2"},
        {"user.coordfs.dead", "1"},      {"user.coordfs.node", "2"},
        {"user.coordfs.bytes", "600"},   {"user.coordfs.consumers", "0"},
        {"user.coordfs.producers", "0"},
    };
    struct world *w = *state;
    struct cfs_node *node = find(w, queues_dir(w), "q", &QUEUE);
    struct fuse_req *req;

    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        req = get_xattr(w, node, expected[i][0], 64);
        answer_queue(&QUEUE);
        assert_read(req, expected[i][1]);
    }
    req = get_xattr(w, node, "user.coordfs.bytes", 0);
    answer_queue(&QUEUE);
    assert_int_equal(req->len, 3);
    req = get_xattr(w, node, "user.coordfs.bytes", 2);
    answer_queue(&QUEUE);
    assert_replied(req, ERANGE);
    req = get_xattr(w, node, "user.coordfs.bytes", 64);
    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, ENOENT);
    assert_replied(get_xattr(w, node, "security.capability", 64), ENODATA);
}

static void attributes_are_listed(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = find(w, queues_dir(w), "q", &QUEUE);
    struct fuse_req *req = request(w);

    node->tree->listxattr(&w->fs, req, node, 1024);
    assert_replied(req, 0);
    assert_int_equal(req->len, sizeof "user.coordfs.ready" + sizeof "user.coordfs.inflight" +
                                   sizeof "user.coordfs.dead" + sizeof "user.coordfs.bytes" +
                                   sizeof "user.coordfs.node" + sizeof "user.coordfs.consumers" +
                                   sizeof "user.coordfs.producers");
    assert_string_equal(req->data, "user.coordfs.ready");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stat_shows_an_empty_file),
        TEST(permissions_follow_from_the_queues),
        TEST(the_inode_numbers_are_those_of_the_paths),
        TEST(a_file_of_a_queue_that_is_gone_still_has_attributes),
        TEST(what_changes_is_seen),
        TEST(truncating_purges),
        TEST(mode_owner_and_mtime_are_set_by_who_may),
        TEST(attributes_tell_the_backlog),
        TEST(attributes_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
