/* Parked requests: replied to exactly once, whatever comes first, and given up when interrupted. */
#include "fs/clock.h"
#include "fs_world.h"

static void reply_error(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    cfs_pending_reply_error(pending, answer->error);
}

static struct cfs_pending *park(struct world *w, struct fuse_req *req, uint32_t tid)
{
    struct cfs_request asked = cfs_lock_request(CFS_OP_GET, "a");
    struct cfs_pending *pending = cfs_pending_new(&w->fs, req, NULL, NULL);

    pending->tid = tid;
    cfs_pending_submit(pending, &asked, reply_error);
    return pending;
}

static void an_answer_is_replied_once_and_the_request_forgotten(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    park(w, req, 0);
    assert_int_equal(req->replies, 0);
    answer_error(CFS_ERR_NOT_HELD);
    assert_replied(req, ENOENT);
    assert_null(w->fs.pendings.all);
}

static void an_answer_may_come_before_the_question_returns(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    engine.refuse = CFS_ERR_TOO_MANY;
    park(w, req, 0);
    assert_replied(req, EAGAIN);
    assert_null(w->fs.pendings.all);
}

static void ask_again(struct cfs_pending *pending, const struct cfs_answer *answer)
{
    struct cfs_request asked = cfs_lock_request(CFS_OP_GET, "b");

    assert_int_equal(answer->error, CFS_OK);
    pending->committed = true;
    cfs_pending_submit(pending, &asked, reply_error);
}

static void a_reply_may_need_two_questions(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);
    struct cfs_pending *pending = cfs_pending_new(&w->fs, req, NULL, NULL);
    struct cfs_request asked = cfs_lock_request(CFS_OP_SETATTR, "b");

    cfs_pending_submit(pending, &asked, ask_again);
    answer_error(CFS_OK);
    assert_int_equal(req->replies, 0);
    interrupt(req); /* what was asked first has happened: it is not called interrupted now */
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, CFS_NEVER - 1), CFS_NEVER);
    assert_false(engine.asked[1].cancelled);
    answer_error(CFS_OK);
    assert_replied(req, 0);
}

static void an_interrupted_flock_is_given_up_at_once(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    park(w, req, 4711);
    interrupt(req);
    assert_false(engine.asked[0].cancelled); /* not from within libfuse */
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, cfs_fs_now()), CFS_NEVER);
    assert_true(engine.asked[0].cancelled);
    assert_int_equal(req->replies, 0); /* the engine says how it ended */
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(req, EINTR);
}

static void an_interrupt_may_come_before_the_request_is_parked(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    req->interrupted = true;
    park(w, req, 4711);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_true(engine.asked[0].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(req, EINTR);
}

static void a_grant_that_came_before_the_interrupt_counts(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    park(w, req, 4711);
    interrupt(req);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, cfs_fs_now()), CFS_NEVER);
    assert_false(engine.asked[0].cancelled);
}

static void other_requests_get_a_moment_to_be_answered(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);
    cfs_time due;

    park(w, req, 0);
    interrupt(req);
    due = cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_true(due > cfs_fs_now() && due < cfs_fs_now() + CFS_SECONDS(1));
    assert_false(engine.asked[0].cancelled);
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, due), CFS_NEVER);
    assert_true(engine.asked[0].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(req, EINTR);
}

static void a_flock_goes_before_what_has_a_moment_left(void **state)
{
    struct world *w = *state;
    struct fuse_req *slow = request(w), *urgent = request(w);

    park(w, slow, 0);
    park(w, urgent, 4711);
    interrupt(slow);
    interrupt(urgent);
    assert_int_not_equal(cfs_pendings_cancel_due(&w->fs, cfs_fs_now()), CFS_NEVER);
    assert_false(engine.asked[0].cancelled);
    assert_true(engine.asked[1].cancelled);
}

static void what_waits_for_others_is_given_up_at_once_too(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);
    struct cfs_pending *pending = park(w, req, 0);

    pending->waits = true;
    interrupt(req);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_true(engine.asked[0].cancelled);
    assert_int_equal(cfs_pendings_parked(&w->fs.pendings, 0), 0); /* it waits for no lock */
}

static void a_limit_is_kept_until_the_answer(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);
    struct cfs_pending *limited = park(w, req, 0);
    cfs_time now = cfs_fs_now();

    cfs_pending_limit(limited, now + CFS_SECONDS(5));
    cfs_pending_limit(limited, now + CFS_SECONDS(7)); /* the sooner of two */
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, now), now + CFS_SECONDS(5));
    assert_false(engine.asked[0].cancelled);
    assert_int_equal(cfs_pendings_cancel_due(&w->fs, now + CFS_SECONDS(5)), CFS_NEVER);
    assert_true(engine.asked[0].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    limited = park(w, request(w), 0);
    cfs_pending_limit(limited, now + CFS_SECONDS(5));
    answer_error(CFS_OK);
    assert_null(w->fs.pendings.due);
}

static void what_is_interrupted_goes_before_what_has_a_limit(void **state)
{
    struct world *w = *state;
    struct fuse_req *urgent = request(w);

    cfs_pending_limit(park(w, request(w), 0), cfs_fs_now() + CFS_SECONDS(5));
    park(w, urgent, 4711);
    interrupt(urgent);
    assert_int_not_equal(cfs_pendings_cancel_due(&w->fs, cfs_fs_now()), CFS_NEVER);
    assert_false(engine.asked[0].cancelled);
    assert_true(engine.asked[1].cancelled);
}

static void reply_and_close(struct cfs_pending *pending)
{
    cfs_pending_reply_error(pending, CFS_ERR_INTERRUPTED);
    cfs_pending_close(pending);
}

static void one_may_wait_on_this_node(void **state)
{
    struct world *w = *state;
    struct cfs_request asked = cfs_lock_request(CFS_OP_GET, "a");
    struct fuse_req *given_up = request(w), *served = request(w), *asking = request(w);
    struct cfs_pending *pending = cfs_pending_new(&w->fs, given_up, NULL, NULL);

    pending->waits = true;
    cfs_pending_wait(pending, reply_and_close);
    interrupt(given_up);
    assert_int_equal(given_up->replies, 0);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_replied(given_up, EINTR);

    pending = cfs_pending_new(&w->fs, served, NULL, NULL);
    cfs_pending_wait(pending, reply_and_close);
    cfs_pending_wake(pending);
    cfs_pending_reply_errno(pending, 0);
    cfs_pending_close(pending);
    assert_replied(served, 0);

    pending = cfs_pending_new(&w->fs, asking, NULL, NULL);
    pending->waits = true;
    cfs_pending_wait(pending, reply_and_close);
    interrupt(asking); /* and is woken before that has been looked at */
    cfs_pending_wake(pending);
    cfs_pending_submit(pending, &asked, reply_error);
    cfs_pendings_cancel_due(&w->fs, cfs_fs_now());
    assert_true(engine.asked[0].cancelled);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_replied(asking, EINTR);
    assert_null(w->fs.pendings.all);
}

static void only_what_goes_on_waiting_counts_as_parked(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    assert_int_equal(cfs_pendings_parked(&w->fs.pendings, 4711), 0);
    park(w, req, 4711);
    park(w, request(w), 0);
    assert_int_equal(cfs_pendings_parked(&w->fs.pendings, 4711), 1);
    assert_int_equal(cfs_pendings_parked(&w->fs.pendings, 0), 0);
    interrupt(req);
    assert_int_equal(cfs_pendings_parked(&w->fs.pendings, 4711), 0);
    answer_id(1, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED});
    assert_null(w->fs.pendings.by_tid);
}

static void the_mount_may_end_while_requests_wait(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    park(w, req, 4711);
    interrupt(req);
    cfs_pendings_free(&w->fs);
    assert_int_equal(req->replies, 0);
    assert_null(w->fs.pendings.all);
    assert_null(w->fs.pendings.due);
    assert_null(w->fs.pendings.by_tid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_replied_once_and_the_request_forgotten),
        TEST(an_answer_may_come_before_the_question_returns),
        TEST(a_reply_may_need_two_questions),
        TEST(an_interrupted_flock_is_given_up_at_once),
        TEST(an_interrupt_may_come_before_the_request_is_parked),
        TEST(a_grant_that_came_before_the_interrupt_counts),
        TEST(other_requests_get_a_moment_to_be_answered),
        TEST(a_flock_goes_before_what_has_a_moment_left),
        TEST(what_waits_for_others_is_given_up_at_once_too),
        TEST(a_limit_is_kept_until_the_answer),
        TEST(what_is_interrupted_goes_before_what_has_a_limit),
        TEST(one_may_wait_on_this_node),
        TEST(only_what_goes_on_waiting_counts_as_parked),
        TEST(the_mount_may_end_while_requests_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
