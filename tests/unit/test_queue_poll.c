/* poll: readable when a message is ready, and told when one is. */
#include <poll.h>

#include "queue_file_world.h"

static const unsigned READABLE = POLLIN | POLLRDNORM, WRITABLE = POLLOUT | POLLWRNORM;

static struct cfs_handle *open_reader(struct world *w)
{
    polls_notified = 0;
    return open_queue(w, O_RDONLY | O_NONBLOCK, CFS_FRAMING_WRITE);
}

static struct fuse_req *start_poll(struct world *w, struct cfs_handle *handle, bool notify)
{
    struct fuse_req *req = request(w);

    free(handle->poll);
    handle->poll = notify ? malloc(1) : NULL;
    handle->node->tree->poll(&w->fs, req, handle);
    return req;
}

static void answer_ready(uint64_t ready)
{
    struct cfs_queue_info info = QUEUE;

    info.ready = ready;
    answer_queue(&info);
}

static void a_queue_with_a_message_is_readable(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);
    struct fuse_req *req = start_poll(w, handle, false);

    answer_ready(1);
    assert_replied(req, 0);
    assert_int_equal(req->events, READABLE);
    req = start_poll(w, handle, false);
    answer_ready(0);
    assert_int_equal(req->events, 0);
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_STAT); /* nobody wants to be told */
}

static void who_polls_in_vain_is_told_once_there_is_one(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);
    struct fuse_req *req = start_poll(w, handle, true);

    answer_ready(0);
    assert_int_equal(req->events, 0);
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_AWAIT);
    assert_string_equal(last_asked()->name, "q");
    assert_int_equal(polls_notified, 0);
    answer_error(CFS_OK);
    assert_int_equal(polls_notified, 1);
    assert_null(handle->queue->awaiting);
}

static void it_is_asked_for_once(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);
    uint64_t asked;

    start_poll(w, handle, true);
    answer_ready(0);
    start_poll(w, handle, true);
    asked = engine.count;
    answer_ready(0);
    assert_int_equal(engine.count, asked);
}

/* epoll with EPOLLET does not poll again until it is told: after a read that found nothing. */
static void a_read_in_vain_has_to_be_told_too(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);
    struct fuse_req *req;

    start_poll(w, handle, true);
    answer_ready(1);
    req = start_read(w, handle, 4096);
    answer_error(CFS_ERR_EMPTY);
    assert_replied(req, EAGAIN);
    assert_int_equal(last_asked()->op, CFS_OP_QUEUE_AWAIT);
    answer_error(CFS_OK);
    assert_int_equal(polls_notified, 1);
}

static void half_a_message_is_readable_without_asking(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);
    uint64_t asked;

    take(w, handle, 7, "hello"); /* its end is still to be read */
    asked = engine.count;
    assert_int_equal(start_poll(w, handle, true)->events, READABLE);
    assert_int_equal(engine.count, asked);
}

static void writing_is_always_possible(void **state)
{
    struct world *w = *state;
    struct cfs_handle *writer = open_queue(w, O_WRONLY, CFS_FRAMING_WRITE);
    struct cfs_handle *both = open_queue(w, O_RDWR, CFS_FRAMING_WRITE);
    struct fuse_req *req = start_poll(w, writer, true);

    assert_int_equal(req->events, WRITABLE);
    req = start_poll(w, both, false);
    answer_ready(0);
    assert_int_equal(req->events, WRITABLE);
    req = start_poll(w, both, false);
    answer_ready(1);
    assert_int_equal(req->events, READABLE | WRITABLE);
}

static void a_queue_that_is_gone_is_an_error(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);
    struct fuse_req *req = start_poll(w, handle, true);

    answer_error(CFS_ERR_NO_QUEUE);
    assert_int_equal(req->events, POLLERR | POLLHUP);
    req = start_poll(w, handle, true);
    answer_error(CFS_ERR_TIMED_OUT);
    assert_int_equal(req->events, POLLERR);
}

static void a_close_stops_asking(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_reader(w);

    start_poll(w, handle, true);
    answer_ready(0);
    cfs_handle_close(handle);
    assert_true(engine.asked[engine.count - 1].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_int_equal(polls_notified, 0);
    assert_null(w->fs.pendings.all);
}

static void claim_is_polled_as_the_queue_is(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = start_poll(w, open_claim(w, O_RDONLY), true);

    answer_ready(2);
    assert_int_equal(req->events, READABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queue_with_a_message_is_readable),
        TEST(who_polls_in_vain_is_told_once_there_is_one),
        TEST(it_is_asked_for_once),
        TEST(a_read_in_vain_has_to_be_told_too),
        TEST(half_a_message_is_readable_without_asking),
        TEST(writing_is_always_possible),
        TEST(a_queue_that_is_gone_is_an_error),
        TEST(a_close_stops_asking),
        TEST(claim_is_polled_as_the_queue_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
