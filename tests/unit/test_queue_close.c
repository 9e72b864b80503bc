/* Closing queues: what becomes of the message that was being read and of what was written, at the
 * close that is sure to be the last and at RELEASE. */
#include "fs/clock.h"
#include "queue_file_world.h"

#define EXITING 0x4u
#define KILLED 0x404u
#define READER 20
#define CHILD 30

/* A world with processes of its own: READER opens, and has a CHILD when a test says so. */
struct story {
    struct world *w;
    struct fake_proc proc;
};

static int story_open(void **state)
{
    struct story *s = calloc(1, sizeof *s);

    world_open((void **)&s->w);
    world_open_proc(s->w, &s->proc);
    fake_put_process(&s->proc, READER, 0, "");
    fake_put_process(&s->proc, CHILD, 0, "");
    *state = s;
    return 0;
}

static int story_close(void **state)
{
    struct story *s = *state;

    world_close((void **)&s->w);
    fake_proc_close(&s->proc);
    free(s);
    return 0;
}

static void has_child(const struct story *s)
{
    fake_put_thread(&s->proc, READER, READER, 0, "30 ");
}

static void has_no_child(const struct story *s)
{
    fake_put_thread(&s->proc, READER, READER, 0, "");
}

static void ends(const struct story *s, int pid, unsigned flags, int exit_code)
{
    fake_put_end(&s->proc, pid, flags, exit_code, true);
}

static struct cfs_handle *opened(struct cfs_handle *handle)
{
    handle->queue->opener = READER;
    return handle;
}

static struct cfs_handle *open_reader(struct story *s)
{
    return opened(open_queue(s->w, O_RDONLY, CFS_FRAMING_WRITE));
}

static void reads(struct story *s, struct cfs_handle *handle, int pid, size_t size)
{
    struct fuse_req *req = request(s->w);
    uint64_t before = engine.count;

    req->ctx.pid = pid;
    handle->node->tree->read(&s->w->fs, req, handle, size, 0);
    if (engine.count > before)
        hand_out(7, "hello");
    assert_replied(req, 0);
}

static void nothing_is_asked_by(struct story *s, struct cfs_handle *handle, int pid)
{
    uint64_t before = engine.count;

    assert_replied(flush(s->w, handle, pid), 0);
    assert_int_equal(engine.count, before);
}

/* --- the last FLUSH ---------------------------------------------------------------------- */

static void what_was_read_is_acknowledged_before_close_returns(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);
    struct fuse_req *req;
    uint64_t asked;

    reads(s, handle, READER, 4096);
    req = flush(s->w, handle, READER);
    assert_settles(CFS_OP_ACK, 7);
    assert_int_equal(req->replies, 0);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    asked = engine.count;
    cfs_handle_close(handle);
    assert_int_equal(engine.count, asked);
    assert_null(s->w->fs.handles.releasing);
}

static void so_is_what_an_orderly_exit_leaves(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    reads(s, handle, READER, 4096);
    ends(s, READER, EXITING, 0x100);
    flush(s->w, handle, READER);
    assert_settles(CFS_OP_ACK, 7);
}

static void bytes_unread_go_back(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);
    struct fuse_req *req;

    reads(s, handle, READER, 4);
    req = flush(s->w, handle, READER);
    assert_settles(CFS_OP_GIVE_BACK, 7);
    answer_error(CFS_ERR_NOT_CLAIMED); /* its time had come: it is back all the same */
    assert_replied(req, 0);
}

static void what_a_signal_ends_goes_back(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    reads(s, handle, READER, 4096);
    ends(s, READER, KILLED, 9);
    flush(s->w, handle, READER);
    assert_settles(CFS_OP_GIVE_BACK, 7);
}

static void a_close_that_comes_too_late_is_an_error(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);
    struct fuse_req *req;

    reads(s, handle, READER, 4096);
    req = flush(s->w, handle, READER);
    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, EIO);
}

static void a_close_is_not_interrupted(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);
    struct fuse_req *req;

    reads(s, handle, READER, 4096);
    req = flush(s->w, handle, READER);
    interrupt(req);
    assert_int_equal(cfs_pendings_cancel_due(&s->w->fs, CFS_NEVER - 1), CFS_NEVER);
    assert_false(engine.asked[engine.count - 1].cancelled);
    answer_error(CFS_ERR_TIMED_OUT);
    assert_replied(req, ETIMEDOUT);
}

static void who_has_read_nothing_asks_for_nothing(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    nothing_is_asked_by(s, handle, READER);
    cfs_handle_close(handle);
    assert_int_equal(engine.asked[engine.count - 1].request.op, CFS_OP_QUEUE_STAT);
}

/* --- not the last ------------------------------------------------------------------------ */

static void other_descriptors_keep_the_message(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    reads(s, handle, READER, 3);
    fake_put_fd(&s->proc, READER, 5, "/mnt/queues/q", 40, handle->node->ino);
    nothing_is_asked_by(s, handle, READER);
    reads(s, handle, READER, 4096);
    assert_int_equal(handle->queue->at, 5);
}

static void children_keep_the_message(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    has_child(s);
    reads(s, handle, CHILD, 3);
    nothing_is_asked_by(s, handle, CHILD); /* head -c 3 <&3 */
    reads(s, handle, READER, 4096);
    nothing_is_asked_by(s, handle, READER);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_ACK, 7);
}

static void another_reader_keeps_it_too(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    reads(s, handle, CHILD, 3);
    nothing_is_asked_by(s, handle, READER);
}

static void so_do_more_readers_than_can_be_remembered(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    for (int i = 0; i < 5; i++)
        reads(s, handle, READER + i, 0);
    assert_int_equal(handle->queue->reader_count, CFS_READERS_MAX + 1);
    reads(s, handle, READER + 4, 0);
    assert_int_equal(handle->queue->reader_count, CFS_READERS_MAX + 1);
    nothing_is_asked_by(s, handle, READER);
}

static void one_who_did_not_open_it_is_not_sure_to_be_the_last(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    handle->queue->opener = CHILD;
    reads(s, handle, READER, 4096);
    nothing_is_asked_by(s, handle, READER);
}

/* --- RELEASE ----------------------------------------------------------------------------- */

static struct cfs_handle *read_and_shared(struct story *s, size_t size)
{
    struct cfs_handle *handle = open_reader(s);

    has_child(s);
    reads(s, handle, READER, size);
    return handle;
}

static void release_goes_by_the_last_close(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = read_and_shared(s, 4096);

    nothing_is_asked_by(s, handle, READER);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_ACK, 7);
    assert_true(cfs_handles_releasing(&s->w->fs.handles, s->w->fs.handles.last_release));
    answer_error(CFS_OK);
    assert_null(s->w->fs.handles.releasing);
}

static void release_gives_back_what_was_not_read(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = read_and_shared(s, 2);

    nothing_is_asked_by(s, handle, READER);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_GIVE_BACK, 7);
}

static void release_gives_back_what_a_killed_reader_had(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = read_and_shared(s, 4096);

    ends(s, READER, KILLED, 15);
    nothing_is_asked_by(s, handle, READER);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_GIVE_BACK, 7);
}

static void a_killed_child_that_read_nothing_does_not_count(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = read_and_shared(s, 4096);

    nothing_is_asked_by(s, handle, READER);
    ends(s, CHILD, KILLED, 9);
    nothing_is_asked_by(s, handle, CHILD);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_ACK, 7);
}

/* The reader was not seen: it may have been a thread of it. */
static void one_who_may_have_read_does(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);

    has_child(s);
    reads(s, handle, 99, 4096);
    nothing_is_asked_by(s, handle, READER);
    ends(s, CHILD, KILLED, 9);
    nothing_is_asked_by(s, handle, CHILD);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_GIVE_BACK, 7);
}

static void what_nobody_was_seen_to_close_goes_back(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = read_and_shared(s, 4096);

    nothing_is_asked_by(s, handle, 99);
    cfs_handle_close(handle);
    assert_settles(CFS_OP_GIVE_BACK, 7);
}

static void what_was_lost_is_not_given_back(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);
    uint64_t asked;

    reads(s, handle, READER, 4);
    asked = engine.count;
    cfs_handles_lose(&s->w->fs.handles);
    assert_replied(flush(s->w, handle, READER), 0);
    cfs_handle_close(handle);
    assert_int_equal(engine.count, asked);
}

static void a_close_that_would_acknowledge_what_was_lost_is_an_error(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_reader(s);
    uint64_t asked;

    reads(s, handle, READER, 4096);
    asked = engine.count;
    cfs_handles_lose(&s->w->fs.handles);
    assert_replied(flush(s->w, handle, READER), EIO);
    cfs_handle_close(handle);
    assert_int_equal(engine.count, asked);
}

static void a_directory_is_closed_without_further_ado(void **state)
{
    struct story *s = *state;
    struct fuse_req *req = request(s->w);
    struct cfs_handle *handle = cfs_handle_new(&s->w->fs, queues_dir(s->w), req);

    cfs_handles_lose(&s->w->fs.handles);
    cfs_handle_close(handle);
    assert_int_equal(engine.count, 0);
}

/* --- claim ------------------------------------------------------------------------------- */

static void a_claim_whose_path_was_read_stays(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = opened(open_claim(s->w, O_RDONLY));
    uint64_t asked;

    reads(s, handle, READER, 4096);
    asked = engine.count;
    assert_replied(flush(s->w, handle, READER), 0);
    cfs_handle_close(handle);
    assert_int_equal(engine.count, asked);
}

static void one_whose_path_was_not_read_goes_back(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = opened(open_claim(s->w, O_RDONLY));

    reads(s, handle, READER, 3);
    flush(s->w, handle, READER);
    assert_settles(CFS_OP_GIVE_BACK, 7);
}

static void the_claims_of_who_is_killed_go_back(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = opened(open_claim(s->w, O_RDONLY));
    struct fuse_req *req;

    for (int i = 0; i < 2; i++) { /* a path, and its end */
        reads(s, handle, READER, 4096);
        reads(s, handle, READER, 4096);
    }
    handle->queue->claims[0] = 5;
    ends(s, READER, KILLED, 9);
    req = flush(s->w, handle, READER);
    assert_int_equal(last_asked()->op, CFS_OP_GIVE_BACK);
    assert_int_equal(last_asked()->settle.count, 2);
    assert_int_equal(last_asked()->settle.ids[0], 5);
    assert_int_equal(last_asked()->settle.ids[1], 7);
    answer_error(CFS_ERR_NOT_CLAIMED); /* those that are there have gone back */
    assert_replied(req, 0);
}

static void the_claims_of_who_is_not_seen_stay(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = opened(open_claim(s->w, O_RDONLY));
    uint64_t asked;

    reads(s, handle, 99, 4096);
    asked = engine.count;
    assert_replied(flush(s->w, handle, 99), 0);
    cfs_handle_close(handle);
    assert_int_equal(engine.count, asked);
}

/* --- what was written -------------------------------------------------------------------- */

static struct cfs_handle *open_writer(struct story *s, enum cfs_framing framing)
{
    return opened(open_queue(s->w, O_WRONLY, framing));
}

static void writes(struct story *s, struct cfs_handle *handle, int pid, const char *text)
{
    struct fuse_req *req = request(s->w);

    req->ctx.pid = pid;
    cfs_queue_write(&s->w->fs, req, handle, text, strlen(text), 0, false);
    assert_replied(req, 0);
}

static void assert_sends(const char *text)
{
    assert_int_equal(last_asked()->op, CFS_OP_PRODUCE);
    assert_int_equal(last_asked()->produce.len, strlen(text));
    assert_memory_equal(last_asked()->produce.data, text, strlen(text));
}

static void the_rest_is_sent_before_close_returns(void **state)
{
    struct story *s = *state;

    for (enum cfs_framing i = CFS_FRAMING_LINE; i <= CFS_FRAMING_FILE; i++) {
        struct cfs_handle *handle = open_writer(s, i);
        struct fuse_req *req;
        uint64_t asked;
        start_write(s->w, handle, "no newline");
        req = flush(s->w, handle, READER);
        assert_sends("no newline");
        assert_int_equal(req->replies, 0);
        answer_error(CFS_OK);
        assert_replied(req, 0);
        asked = engine.count;
        cfs_handle_close(handle);
        assert_int_equal(engine.count, asked);
    }
}

static void close_reports_what_could_not_be_sent(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);
    struct fuse_req *req;

    start_write(s->w, handle, "x");
    req = flush(s->w, handle, READER);
    answer_error(CFS_ERR_NO_SPACE);
    assert_replied(req, ENOSPC);
}

/* As long as a call waits for a majority. */
static void close_waits_for_room_for_a_while(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);
    struct fuse_req *req;
    cfs_time due;

    start_write(s->w, handle, "x");
    req = flush(s->w, handle, READER);
    assert_true(last_asked()->produce.wait);
    due = cfs_pendings_cancel_due(&s->w->fs, cfs_fs_now());
    assert_true(due > cfs_fs_now() + CFS_SECONDS(4) && due <= cfs_fs_now() + CFS_SECONDS(5));
    assert_int_equal(cfs_pendings_cancel_due(&s->w->fs, due), CFS_NEVER);
    assert_true(engine.asked[engine.count - 1].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(req, ETIMEDOUT);
}

static void what_a_killed_writer_left_half_done_is_not_sent(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);
    uint64_t asked = engine.count;

    writes(s, handle, READER, "half");
    ends(s, READER, KILLED, 9);
    assert_replied(flush(s->w, handle, READER), 0);
    cfs_handle_close(handle);
    assert_int_equal(engine.count, asked);
}

static void unless_it_was_a_child_of_who_opened_the_file(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);

    has_child(s);
    writes(s, handle, CHILD, "one");
    ends(s, CHILD, KILLED, 9);
    nothing_is_asked_by(s, handle, CHILD);
    has_no_child(s);
    flush(s->w, handle, READER);
    assert_sends("one");
}

static void a_killed_child_that_wrote_nothing_does_not_count(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);

    has_child(s);
    writes(s, handle, READER, "one");
    nothing_is_asked_by(s, handle, READER);
    ends(s, CHILD, KILLED, 9);
    nothing_is_asked_by(s, handle, CHILD);
    cfs_handle_close(handle);
    assert_sends("one");
}

/* (cmd1; cmd2) > q */
static void the_closes_of_children_do_not_end_a_file(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);

    has_child(s);
    start_write(s->w, handle, "one");
    ends(s, CHILD, EXITING, 0);
    nothing_is_asked_by(s, handle, CHILD);
    has_no_child(s);
    start_write(s->w, handle, "two");
    ends(s, READER, EXITING, 0);
    flush(s->w, handle, READER);
    assert_sends("onetwo");
}

static void what_is_left_is_sent_at_release(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_LINE);

    has_child(s);
    start_write(s->w, handle, "tail");
    nothing_is_asked_by(s, handle, READER);
    cfs_handle_close(handle);
    assert_sends("tail");
    assert_null(s->w->fs.handles.releasing); /* a drain does not wait for room in a queue */
    answer_error(CFS_ERR_FULL);
    assert_null(s->w->fs.pendings.all);
}

static void a_spoiled_file_is_told_of_again_at_its_close(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = open_writer(s, CFS_FRAMING_FILE);

    handle->queue->spoiled = true;
    assert_replied(flush(s->w, handle, READER), EMSGSIZE);
    assert_replied(flush(s->w, handle, READER), 0);
}

static void an_open_file_may_have_both_to_settle(void **state)
{
    struct story *s = *state;
    struct cfs_handle *handle = opened(open_queue(s->w, O_RDWR, CFS_FRAMING_FILE));
    struct fuse_req *req;

    start_write(s->w, handle, "out");
    reads(s, handle, READER, 4096);
    req = flush(s->w, handle, READER);
    assert_sends("out");
    answer_error(CFS_OK);
    assert_settles(CFS_OP_ACK, 7);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    cfs_handle_close(handle);
    assert_null(s->w->fs.pendings.all);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, story_open, story_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_read_is_acknowledged_before_close_returns),
        TEST(so_is_what_an_orderly_exit_leaves),
        TEST(bytes_unread_go_back),
        TEST(what_a_signal_ends_goes_back),
        TEST(a_close_that_comes_too_late_is_an_error),
        TEST(a_close_is_not_interrupted),
        TEST(who_has_read_nothing_asks_for_nothing),
        TEST(other_descriptors_keep_the_message),
        TEST(children_keep_the_message),
        TEST(another_reader_keeps_it_too),
        TEST(so_do_more_readers_than_can_be_remembered),
        TEST(one_who_did_not_open_it_is_not_sure_to_be_the_last),
        TEST(release_goes_by_the_last_close),
        TEST(release_gives_back_what_was_not_read),
        TEST(release_gives_back_what_a_killed_reader_had),
        TEST(a_killed_child_that_read_nothing_does_not_count),
        TEST(one_who_may_have_read_does),
        TEST(what_nobody_was_seen_to_close_goes_back),
        TEST(what_was_lost_is_not_given_back),
        TEST(a_close_that_would_acknowledge_what_was_lost_is_an_error),
        TEST(a_directory_is_closed_without_further_ado),
        TEST(a_claim_whose_path_was_read_stays),
        TEST(one_whose_path_was_not_read_goes_back),
        TEST(the_claims_of_who_is_killed_go_back),
        TEST(the_claims_of_who_is_not_seen_stay),
        TEST(the_rest_is_sent_before_close_returns),
        TEST(close_reports_what_could_not_be_sent),
        TEST(close_waits_for_room_for_a_while),
        TEST(what_a_killed_writer_left_half_done_is_not_sent),
        TEST(unless_it_was_a_child_of_who_opened_the_file),
        TEST(a_killed_child_that_wrote_nothing_does_not_count),
        TEST(the_closes_of_children_do_not_end_a_file),
        TEST(what_is_left_is_sent_at_release),
        TEST(a_spoiled_file_is_told_of_again_at_its_close),
        TEST(an_open_file_may_have_both_to_settle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
