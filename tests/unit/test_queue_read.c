/* Reading queues: a message over several reads, its end, waiting, one behind the other, and who
 * takes nothing. */
#include "fs/clock.h"
#include "queue_file_world.h"

static struct cfs_handle *open_reader(struct world *w, int flags)
{
    return open_queue(w, O_RDONLY | flags, CFS_FRAMING_WRITE);
}

static void the_first_read_asks_for_a_message_and_waits(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = start_read(w, open_reader(w, 0), 4096);
    const struct cfs_consume *consume = &last_asked()->consume;

    assert_int_equal(last_asked()->op, CFS_OP_CONSUME);
    assert_string_equal(last_asked()->name, "q");
    assert_true(consume->wait);
    assert_true(consume->bound);
    assert_false(consume->leased);
    assert_int_equal(consume->max, 1);
    assert_int_equal(req->replies, 0);
    hand_out(7, "hello");
    assert_read(req, "hello");
}

static void the_bytes_come_over_as_many_reads_as_it_takes(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req = start_read(w, handle, 2);

    hand_out(7, "hello");
    assert_read(req, "he");
    assert_read(start_read(w, handle, 2), "ll");
    assert_read(start_read(w, handle, 2), "o");
    assert_int_equal(last_asked()->op, CFS_OP_CONSUME); /* not acknowledged yet */
}

static void reading_the_end_acknowledges(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req;

    take(w, handle, 7, "hello");
    req = start_read(w, handle, 4096);
    assert_settles(CFS_OP_ACK, 7);
    assert_int_equal(req->replies, 0);
    answer_error(CFS_OK);
    assert_read(req, "");
    take(w, handle, 8, "next"); /* and the next read begins the next message */
}

static void a_claim_that_has_passed_is_an_error_at_the_end(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req;

    take(w, handle, 7, "hello");
    req = start_read(w, handle, 4096);
    answer_error(CFS_ERR_NOT_CLAIMED);
    assert_replied(req, EIO);
    take(w, handle, 8, "next");
}

static void an_end_that_could_not_be_said_is_said_again(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req;

    take(w, handle, 7, "hello");
    req = start_read(w, handle, 4096);
    answer_error(CFS_ERR_TIMED_OUT);
    assert_replied(req, ETIMEDOUT);
    req = start_read(w, handle, 4096);
    assert_settles(CFS_OP_ACK, 7);
    answer_error(CFS_OK);
    assert_read(req, "");
}

static void a_message_of_a_lost_session_ends_in_an_error(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req;

    start_read(w, handle, 3);
    hand_out(7, "hello");
    cfs_handles_lose(&w->fs.handles);
    assert_read(start_read(w, handle, 4096), "lo");
    req = start_read(w, handle, 4096);
    assert_replied(req, EIO);
    assert_int_equal(last_asked()->op, CFS_OP_CONSUME); /* nobody was asked */
    take(w, handle, 8, "next");
}

/* The session is lost while the acknowledgement is on its way. */
static struct fuse_req *lose_at_the_end(struct world *w, struct cfs_handle *handle)
{
    struct fuse_req *req;

    take(w, handle, 7, "hello");
    req = start_read(w, handle, 4096);
    assert_settles(CFS_OP_ACK, 7);
    cfs_handles_lose(&w->fs.handles);
    return req;
}

static void an_acknowledgement_that_was_answered_counts(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req = lose_at_the_end(w, handle);

    answer_error(CFS_OK);
    assert_read(req, "");
    take(w, handle, 8, "next");
}

static void one_of_which_nobody_knows_is_not_called_too_late(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req = lose_at_the_end(w, handle);

    answer_error(CFS_ERR_TIMED_OUT);
    assert_replied(req, ETIMEDOUT);
    assert_replied(start_read(w, handle, 4096), EIO); /* now it is over */
    take(w, handle, 8, "next");
}

static void a_read_that_does_not_wait_says_so(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, O_NONBLOCK);
    struct fuse_req *req = start_read(w, handle, 4096);

    assert_false(last_asked()->consume.wait);
    answer_error(CFS_ERR_EMPTY);
    assert_replied(req, EAGAIN);
    handle->flags &= ~O_NONBLOCK; /* fcntl(2) */
    start_read(w, handle, 4096);
    assert_true(last_asked()->consume.wait);
}

static void removing_the_queue_ends_the_wait(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = start_read(w, open_reader(w, 0), 4096);

    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, ENOENT);
}

static void a_wait_is_given_up_at_once(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req = start_read(w, handle, 4096);

    interrupt(req);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_true(engine.asked[engine.count - 1].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(req, EINTR);
    take(w, handle, 7, "next");
}

/* It was handed out before the signal: it is read, or goes back with the close. */
static void a_message_that_came_before_the_signal_is_read(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = start_read(w, open_reader(w, 0), 4096);

    interrupt(req);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    hand_out(7, "hello");
    assert_read(req, "hello");
}

static void what_the_kernel_did_not_take_is_still_to_be_read(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req = start_read(w, handle, 4096);

    req->result = -ENOENT;
    hand_out(7, "hello");
    assert_read(start_read(w, handle, 4096), "hello");
}

static void who_copies_files_reads_nothing_and_takes_nothing(void **state)
{
    struct world *w = *state;
    uint64_t asked;

    for (int i = 0; i < 2; i++) {
        struct cfs_handle *handle = open_reader(w, i ? O_NOFOLLOW : O_NOATIME);
        asked = engine.count;
        assert_read(start_read(w, handle, 4096), "");
        assert_int_equal(engine.count, asked);
    }
}

/* A read of more than the kernel sends at once: the last piece finds the end, but the program was
 * not told of it. */
static void a_later_piece_of_a_read_acknowledges_nothing(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *req = start_read(w, handle, 5);

    hand_out(7, "hello");
    assert_read(req, "hello");
    req = request(w);
    cfs_queue_read(&w->fs, req, handle, 4096, 5);
    assert_read(req, "");
    assert_int_equal(last_asked()->op, CFS_OP_CONSUME);
    start_read(w, handle, 4096);
    assert_settles(CFS_OP_ACK, 7);
}

static void readers_of_one_open_file_go_one_behind_the_other(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *first = start_read(w, handle, 3), *second = start_read(w, handle, 4096);
    struct fuse_req *third = start_read(w, handle, 4096);
    uint64_t asked = engine.count;

    hand_out(7, "hello");
    assert_read(first, "hel");
    assert_read(second, "lo");
    assert_int_equal(engine.count, asked + 1); /* the third reads the end */
    assert_settles(CFS_OP_ACK, 7);
    answer_error(CFS_OK);
    assert_read(third, "");
    assert_null(w->fs.pendings.all);
}

static void each_of_them_is_interrupted_by_itself(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w, 0);
    struct fuse_req *first = start_read(w, handle, 4096), *second = start_read(w, handle, 4096);
    struct fuse_req *third = start_read(w, handle, 4096);

    interrupt(second);
    assert_int_equal(second->replies, 0); /* not from within libfuse */
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_replied(second, EINTR);
    assert_false(engine.asked[engine.count - 1].cancelled);
    interrupt(first);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(first, EINTR);
    hand_out(7, "hello"); /* asked for by the third now */
    assert_read(third, "hello");
    assert_null(w->fs.pendings.all);
}

static void claim_answers_a_path_and_keeps_the_claim(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_claim(w, O_RDONLY);
    struct fuse_req *req = start_read(w, handle, 4096);
    uint64_t asked = engine.count;

    assert_int_equal(last_asked()->op, CFS_OP_CONSUME);
    assert_false(last_asked()->consume.bound); /* it outlives the daemon */
    hand_out(12, "body");
    assert_read(req, ".q/inflight/12\n");
    assert_read(start_read(w, handle, 4096), "");
    assert_int_equal(engine.count, asked);
    req = start_read(w, handle, 4096);
    hand_out(13, "body");
    assert_read(req, ".q/inflight/13\n");
    assert_int_equal(handle->queue->claim_count, 2);
    cfs_queue_forget_claim(&w->fs, "q", 12);
    cfs_queue_forget_claim(&w->fs, "other", 13);
    assert_int_equal(handle->queue->claim_count, 1);
    assert_int_equal(handle->queue->claims[0], 13);
}

static void of_very_many_claims_the_newest_are_remembered(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_claim(w, O_RDONLY);
    struct cfs_queue_file *queue = handle->queue;

    queue->claim_count = CFS_CONSUME_MAX;
    for (uint32_t i = 0; i < CFS_CONSUME_MAX; i++)
        queue->claims[i] = i + 1;
    start_read(w, handle, 4096);
    hand_out(1000, "body");
    assert_int_equal(queue->claim_count, CFS_CONSUME_MAX);
    assert_int_equal(queue->claims[0], 2);
    assert_int_equal(queue->claims[CFS_CONSUME_MAX - 1], 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_read_asks_for_a_message_and_waits),
        TEST(the_bytes_come_over_as_many_reads_as_it_takes),
        TEST(reading_the_end_acknowledges),
        TEST(a_claim_that_has_passed_is_an_error_at_the_end),
        TEST(an_end_that_could_not_be_said_is_said_again),
        TEST(an_acknowledgement_that_was_answered_counts),
        TEST(one_of_which_nobody_knows_is_not_called_too_late),
        TEST(a_message_of_a_lost_session_ends_in_an_error),
        TEST(a_read_that_does_not_wait_says_so),
        TEST(removing_the_queue_ends_the_wait),
        TEST(a_wait_is_given_up_at_once),
        TEST(a_message_that_came_before_the_signal_is_read),
        TEST(what_the_kernel_did_not_take_is_still_to_be_read),
        TEST(who_copies_files_reads_nothing_and_takes_nothing),
        TEST(a_later_piece_of_a_read_acknowledges_nothing),
        TEST(readers_of_one_open_file_go_one_behind_the_other),
        TEST(each_of_them_is_interrupted_by_itself),
        TEST(claim_answers_a_path_and_keeps_the_claim),
        TEST(of_very_many_claims_the_newest_are_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
