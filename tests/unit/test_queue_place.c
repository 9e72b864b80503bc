/* Messages as files: inflight/, dead/ and ready/, and what rm, touch and mv do there. */
#include <stdio.h>

#include "queue_file_world.h"

static const struct cfs_message_info MESSAGE = {.id = 41,
                                                .claim = 7,
                                                .deliveries = 3,
                                                .sent = 2500000,
                                                .left = 29999000,
                                                .node = 2,
                                                .body = (const uint8_t *)"hello",
                                                .len = 5};

static struct cfs_node *place(struct world *w, const char *name)
{
    return find(w, find(w, queues_dir(w), ".q", &QUEUE), name, &QUEUE);
}

static void answer_message(enum cfs_message_place where, uint64_t number)
{
    assert_int_equal(last_asked()->op, CFS_OP_MESSAGE_GET);
    assert_string_equal(last_asked()->name, "q");
    assert_int_equal(last_asked()->queue_read.place, where);
    assert_int_equal(last_asked()->queue_read.number, number);
    answer_last(&(struct cfs_answer){.messages = &MESSAGE, .message_count = 1});
}

static struct fuse_req *look(struct world *w, struct cfs_node *dir, const char *name)
{
    struct fuse_req *req = request(w);

    dir->tree->lookup(&w->fs, req, dir, name);
    return req;
}

static struct cfs_node *message(struct world *w, const char *where, enum cfs_message_place is)
{
    struct fuse_req *req = look(w, place(w, where), "7");

    answer_message(is, 7);
    assert_replied(req, 0);
    return cfs_node_find(&w->fs.nodes, req->entry.ino);
}

static void a_message_is_a_file(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = look(w, place(w, "inflight"), "7");

    answer_message(CFS_INFLIGHT, 7);
    assert_replied(req, 0);
    assert_int_equal(req->entry.attr.st_mode, S_IFREG | 0660);
    assert_int_equal(req->entry.attr.st_uid, 5);
    assert_int_equal(req->entry.attr.st_gid, 6);
    assert_int_equal(req->entry.attr.st_size, 5);
    assert_int_equal(req->entry.attr.st_nlink, 1);
    assert_int_equal(req->entry.attr.st_mtim.tv_sec, 2);
    assert_int_equal(req->entry.attr.st_ino, cfs_ino_of("queues", ".q/inflight/7"));
    look(w, place(w, "dead"), "7");
    answer_message(CFS_DEAD, 7);
    look(w, place(w, "ready"), "7");
    answer_message(CFS_READY, 7);
}

static void one_that_has_passed_is_none(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = message(w, "inflight", CFS_INFLIGHT);
    struct fuse_req *req = look(w, place(w, "inflight"), "7");

    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, ENOENT);
    req = request(w);
    node->tree->getattr(&w->fs, req, node);
    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, ENOENT);
}

static void names_are_numbers(void **state)
{
    static const char *const bad[] = {"0",
                                      "07",
                                      "-7",
                                      "+7",
                                      " 7",
                                      "7 ",
                                      "7a",
                                      "0x7",
                                      "x",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    struct world *w = *state;
    struct cfs_node *dir = place(w, "inflight");

    assert_int_equal(cfs_message_number("18446744073709551615"), UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_replied(look(w, dir, bad[i]), ENOENT);
}

static void its_content_is_the_message(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = message(w, "ready", CFS_READY);
    struct fuse_file_info fi = {.flags = O_RDONLY};
    struct fuse_req *req = request(w);
    uint64_t asked;

    node->tree->open(&w->fs, req, node, &fi);
    answer_message(CFS_READY, 7);
    assert_replied(req, 0);
    fi.fh = req->fh;
    asked = engine.count;
    req = request(w);
    node->tree->read(&w->fs, req, cfs_handle_of(&fi), 3, 2);
    assert_read(req, "llo");
    assert_int_equal(engine.count, asked);
    fi.flags = O_WRONLY;
    req = request(w);
    node->tree->open(&w->fs, req, node, &fi);
    assert_replied(req, EPERM);
}

/* --- touch ------------------------------------------------------------------------------- */

static struct fuse_req *touch(struct world *w, struct cfs_node *node, int fields)
{
    struct fuse_req *req = request(w);

    node->tree->setattr(&w->fs, req, node, NULL, &(struct stat){0}, fields);
    return req;
}

static void touching_a_claim_extends_it(void **state)
{
    struct world *w = *state;
    struct cfs_node *node = message(w, "inflight", CFS_INFLIGHT);
    struct fuse_req *req = touch(w, node,
                                 FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW |
                                     FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW);

    assert_settles(CFS_OP_EXTEND, 7);
    answer_error(CFS_OK);
    answer_message(CFS_INFLIGHT, 7);
    assert_replied(req, 0);
    req = touch(w, node, FUSE_SET_ATTR_MTIME);
    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, ENOENT);
    assert_replied(touch(w, node, FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME), EPERM);
    assert_replied(touch(w, node, FUSE_SET_ATTR_MODE), EPERM);
    assert_replied(touch(w, message(w, "ready", CFS_READY), FUSE_SET_ATTR_MTIME), EPERM);
}

static void touching_what_is_no_claim_makes_none(void **state)
{
    struct world *w = *state;
    struct fuse_file_info fi = {.flags = O_WRONLY | O_CREAT};
    struct fuse_req *req = request(w);
    struct cfs_node *dir = place(w, "inflight");

    dir->tree->create(&w->fs, req, dir, "7", S_IFREG | 0644, &fi);
    assert_replied(req, ENOENT);
    req = request(w);
    dir = place(w, "ready");
    dir->tree->create(&w->fs, req, dir, "7", S_IFREG | 0644, &fi);
    assert_replied(req, EPERM);
}

/* --- rm ---------------------------------------------------------------------------------- */

static struct fuse_req *rm(struct world *w, const char *where, const char *name)
{
    struct cfs_node *dir = place(w, where);
    struct fuse_req *req = request(w);

    dir->tree->unlink(&w->fs, req, dir, name);
    return req;
}

static void removing_a_claim_acknowledges(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = rm(w, "inflight", "7");

    assert_settles(CFS_OP_ACK, 7);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    req = rm(w, "inflight", "7");
    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, ENOENT);
    assert_replied(rm(w, "inflight", "seven"), ENOENT);
}

static void the_open_claim_does_not_give_it_back_then(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_claim(w, O_RDONLY);

    start_read(w, handle, 4096);
    hand_out(7, "hello");
    assert_int_equal(handle->queue->claim_count, 1);
    rm(w, "inflight", "7");
    answer_error(CFS_OK);
    assert_int_equal(handle->queue->claim_count, 0);
}

static void removing_a_dead_letter_drops_it(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = rm(w, "dead", "7");

    assert_int_equal(last_asked()->op, CFS_OP_ACK);
    assert_int_equal(last_asked()->settle.place, CFS_DEAD);
    assert_int_equal(last_asked()->settle.ids[0], 7);
    answer_error(CFS_ERR_NO_MESSAGE);
    assert_replied(req, ENOENT);
}

static void what_waits_is_not_removed(void **state)
{
    assert_replied(rm(*state, "ready", "7"), EPERM);
}

/* --- mv ---------------------------------------------------------------------------------- */

static struct fuse_req *mv(struct world *w, const char *from, struct cfs_node *to, const char *name,
                           unsigned flags)
{
    struct cfs_node *dir = place(w, from);
    struct fuse_req *req = request(w);

    dir->tree->rename(&w->fs, req, dir, "7", to, name, flags);
    return req;
}

static void assert_moves(enum cfs_message_place from, const char *to)
{
    assert_int_equal(last_asked()->op, CFS_OP_MESSAGE_MOVE);
    assert_string_equal(last_asked()->name, "q");
    assert_int_equal(last_asked()->message_move.place, from);
    assert_int_equal(last_asked()->message_move.id, 7);
    assert_string_equal(last_asked()->message_move.to, to);
}

static void onto_its_queue_or_into_ready_goes_back(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = mv(w, "inflight", queues_dir(w), "q", 0);

    assert_moves(CFS_INFLIGHT, "q");
    answer_error(CFS_OK);
    assert_replied(req, 0);
    req = mv(w, "inflight", place(w, "ready"), "7", RENAME_NOREPLACE);
    assert_moves(CFS_INFLIGHT, "q");
    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, ENOENT);
    mv(w, "dead", place(w, "ready"), "7", 0);
    assert_moves(CFS_DEAD, "q");
    answer_error(CFS_OK);
    mv(w, "dead", queues_dir(w), "q", 0);
    assert_moves(CFS_DEAD, "q");
    answer_error(CFS_OK);
}

static void onto_another_queue_is_a_write_to_that(void **state)
{
    struct world *w = *state;
    struct cfs_queue_info other = QUEUE;
    struct fuse_req *req = mv(w, "inflight", queues_dir(w), "r", 0);

    assert_string_equal(last_asked()->name, "r");
    answer_queue(&other);
    assert_replied(req, EACCES);
    other.perm = 0602;
    req = mv(w, "inflight", queues_dir(w), "r", 0);
    answer_queue(&other);
    assert_moves(CFS_INFLIGHT, "r");
    answer_error(CFS_ERR_FULL);
    assert_replied(req, EAGAIN);
    req = mv(w, "dead", queues_dir(w), "r", 0);
    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, ENOENT);
}

static void nothing_else_is_moved(void **state)
{
    struct world *w = *state;
    struct cfs_node *other_ready = find(w, find(w, queues_dir(w), ".r", &QUEUE), "ready", &QUEUE);

    assert_replied(mv(w, "ready", queues_dir(w), "q", 0), EPERM);
    assert_replied(mv(w, "ready", queues_dir(w), "r", 0), EPERM);
    assert_replied(mv(w, "inflight", place(w, "dead"), "7", 0), EPERM);
    assert_replied(mv(w, "inflight", place(w, "inflight"), "8", 0), EPERM);
    assert_replied(mv(w, "inflight", other_ready, "7", 0), EPERM);
    assert_replied(mv(w, "inflight", queues_dir(w), ".q", 0), EPERM);
    assert_replied(mv(w, "inflight", locks_dir(w), "q", 0), EPERM);
    assert_replied(mv(w, "inflight", queues_dir(w), "q", RENAME_EXCHANGE), EPERM);
}

/* --- ls, attributes ---------------------------------------------------------------------- */

static void numbers_are_listed_in_pages(void **state)
{
    struct world *w = *state;
    struct cfs_node *dir = place(w, "ready");
    struct fuse_file_info fi = {.flags = O_DIRECTORY};
    struct fuse_req *req = request(w);
    const uint64_t first[] = {9, 10, UINT64_MAX}, second[] = {4};

    cfs_reply_open(&w->fs, req, dir, &fi, NULL, 0);
    fi.fh = req->fh;
    req = request(w);
    dir->tree->readdir(&w->fs, req, cfs_handle_of(&fi), 4096, 0);
    assert_int_equal(last_asked()->op, CFS_OP_MESSAGE_LIST);
    assert_int_equal(last_asked()->queue_read.place, CFS_READY);
    assert_int_equal(last_asked()->queue_read.number, 0);
    answer_last(&(struct cfs_answer){.ids = first, .id_count = 3, .more = true});
    assert_int_equal(req->len, 4 * 32 + 48);
    assert_memory_equal(req->data + 4 * 32 + 24, "18446744073709551615", 20);
    req = request(w);
    dir->tree->readdir(&w->fs, req, cfs_handle_of(&fi), 4096, 2 + 2 + 3 + 21);
    assert_true(last_asked()->queue_read.number == UINT64_MAX);
    answer_last(&(struct cfs_answer){.ids = second, .id_count = 1});
    assert_int_equal(req->len, 32);
}

static void attributes_tell_of_the_delivery(void **state)
{
    static const char *const expected[][2] = {{"user.coordfs.id", "41"},
                                              {"user.coordfs.deliveries", "3"},
                                              {"user.coordfs.sent", "1970-01-01T00:00:02.500Z"},
                                              {"user.coordfs.node", "2"},
                                              {"user.coordfs.left", "29.999"}};
    struct world *w = *state;
    struct cfs_node *node = message(w, "inflight", CFS_INFLIGHT);
    struct fuse_req *req;

    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        req = request(w);
        node->tree->getxattr(&w->fs, req, node, expected[i][0], 64);
        answer_message(CFS_INFLIGHT, 7);
        assert_read(req, expected[i][1]);
    }
    req = request(w);
    node = message(w, "dead", CFS_DEAD);
    node->tree->getxattr(&w->fs, req, node, "user.coordfs.left", 64);
    assert_replied(req, ENODATA);
    req = request(w);
    node->tree->listxattr(&w->fs, req, node, 1024);
    assert_int_equal(req->len, sizeof "user.coordfs.id" + sizeof "user.coordfs.deliveries" +
                                   sizeof "user.coordfs.sent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_a_file),
        TEST(one_that_has_passed_is_none),
        TEST(names_are_numbers),
        TEST(its_content_is_the_message),
        TEST(touching_a_claim_extends_it),
        TEST(touching_what_is_no_claim_makes_none),
        TEST(removing_a_claim_acknowledges),
        TEST(the_open_claim_does_not_give_it_back_then),
        TEST(removing_a_dead_letter_drops_it),
        TEST(what_waits_is_not_removed),
        TEST(onto_its_queue_or_into_ready_goes_back),
        TEST(onto_another_queue_is_a_write_to_that),
        TEST(nothing_else_is_moved),
        TEST(numbers_are_listed_in_pages),
        TEST(attributes_tell_of_the_delivery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
