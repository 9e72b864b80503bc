/* Open files: what a close gives back, what a lost session does, and when a close is over. */
#include <sys/file.h>

#include "fs_world.h"

static int polls_notified;

int fuse_lowlevel_notify_poll(struct fuse_pollhandle *ph)
{
    (void)ph;
    polls_notified++;
    return 0;
}

void fuse_pollhandle_destroy(struct fuse_pollhandle *ph)
{
    free(ph);
}

static struct fuse_req *ask_flock(struct world *w, struct cfs_handle *handle, int operation)
{
    struct fuse_req *req = request(w);

    cfs_lock_flock(&w->fs, req, handle, operation);
    return req;
}

static struct cfs_handle *hold(struct world *w, const char *name, cfs_token token)
{
    struct cfs_handle *handle = open_lock(w, name, false);
    struct fuse_req *req = ask_flock(w, handle, LOCK_EX);

    answer_token(token);
    assert_replied(req, 0);
    return handle;
}

static void closing_what_holds_nothing_asks_nobody(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "a", false);

    cfs_handle_close(handle);
    assert_int_equal(engine.count, 0);
    assert_null(w->fs.handles.open);
    assert_null(w->fs.handles.releasing);
}

static void closing_what_holds_gives_it_back(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = hold(w, "a", 7);
    uint64_t id = handle->id;

    cfs_handle_close(handle);
    assert_int_equal(last_asked()->op, CFS_OP_RELEASE);
    assert_int_equal(last_asked()->release.kind, CFS_FLOCK);
    assert_int_equal(last_asked()->release.handle, id);
    assert_true(cfs_handles_releasing(&w->fs.handles, w->fs.handles.last_release));
    answer_error(CFS_OK);
    assert_false(cfs_handles_releasing(&w->fs.handles, w->fs.handles.last_release));
    assert_null(w->fs.waits.held);
}

/* A drain waits for the closes that were there, not for those that come later. */
static void closes_are_told_apart_by_their_order(void **state)
{
    struct world *w = *state;
    struct cfs_handle *first = hold(w, "a", 1), *second = hold(w, "b", 2);
    uint64_t mark;

    cfs_handle_close(first);
    mark = w->fs.handles.last_release;
    cfs_handle_close(second);
    answer_error(CFS_OK); /* the second one's */
    assert_true(cfs_handles_releasing(&w->fs.handles, mark));
    answer_id(engine.count - 1, &(struct cfs_answer){.error = CFS_OK});
    assert_false(cfs_handles_releasing(&w->fs.handles, mark));
}

static void a_lockfile_outlives_its_handle(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "a", true);

    assert_int_equal(cfs_handle_exclusive(handle), 100);
    cfs_handle_close(handle);
    assert_int_equal(last_asked()->op, CFS_OP_ACQUIRE);
    assert_null(w->fs.handles.releasing);
}

/* The kernel does so only when the connection is cut, but a lock must not be lost over it. */
static void a_grant_for_a_closed_handle_is_given_back(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "a", false);
    uint64_t acquire;

    ask_flock(w, handle, LOCK_EX);
    acquire = engine.count;
    cfs_handle_close(handle);
    assert_true(engine.asked[acquire - 1].cancelled);
    answer_error(CFS_OK); /* the release: there was nothing yet */
    assert_true(cfs_handles_releasing(&w->fs.handles, w->fs.handles.last_release));
    answer_id(acquire, &(struct cfs_answer){.token = 9});
    assert_int_equal(last_asked()->op, CFS_OP_RELEASE);
    answer_error(CFS_OK);
    assert_null(w->fs.handles.releasing);
}

static void a_lost_session_ends_all_that_hold(void **state)
{
    struct world *w = *state;
    struct cfs_handle *holds = hold(w, "a", 1), *idle = open_lock(w, "b", false);
    struct cfs_handle *lockfile = open_lock(w, "c", true);

    holds->poll = malloc(1);
    polls_notified = 0;
    cfs_handles_lose(&w->fs.handles);
    assert_int_equal(polls_notified, 1);
    assert_true(holds->lost && lockfile->lost);
    assert_false(idle->lost);
    assert_null(w->fs.waits.held);
    assert_replied(ask_flock(w, holds, LOCK_EX), EIO);
    assert_replied(ask_flock(w, holds, LOCK_UN), EIO);
    cfs_handle_close(holds); /* the session took it: there is nothing to give back */
    assert_int_not_equal(last_asked()->op, CFS_OP_RELEASE);
}

/* The engine asks for him anew when there is a session again. */
static void a_lost_session_spares_who_only_waits(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "a", false);
    struct fuse_req *waiting = ask_flock(w, handle, LOCK_EX);

    cfs_handles_lose(&w->fs.handles);
    assert_false(handle->lost);
    answer_token(5);
    assert_replied(waiting, 0);
    assert_int_equal(handle->mode, CFS_EXCLUSIVE);
}

/* Who waits for a conversion holds too, or did. */
static void a_grant_for_a_lost_handle_is_given_back(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "a", false);
    struct fuse_req *converting;

    ask_flock(w, handle, LOCK_SH);
    answer_token(4);
    converting = ask_flock(w, handle, LOCK_EX);
    cfs_handles_lose(&w->fs.handles);
    answer_token(5);
    assert_replied(converting, EIO);
    assert_int_equal(last_asked()->op, CFS_OP_RELEASE);
    assert_int_equal(handle->mode, 0);
    answer_error(CFS_OK);
}

static void a_process_is_looked_up_once_per_thread(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "a", false);

    cfs_handle_identify(handle, (uint32_t)getpid());
    assert_int_equal(handle->process.pid, getpid());
    assert_int_equal(handle->parent, getppid());
    assert_true(handle->process.start > 0);
    handle->process.start = 1;
    cfs_handle_identify(handle, (uint32_t)getpid());
    assert_int_equal(handle->process.start, 1);
    cfs_handle_identify(handle, 0); /* a process of another pid namespace */
    assert_int_equal(handle->process.pid, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closing_what_holds_nothing_asks_nobody),
        TEST(closing_what_holds_gives_it_back),
        TEST(closes_are_told_apart_by_their_order),
        TEST(a_lockfile_outlives_its_handle),
        TEST(a_grant_for_a_closed_handle_is_given_back),
        TEST(a_lost_session_ends_all_that_hold),
        TEST(a_lost_session_spares_who_only_waits),
        TEST(a_grant_for_a_lost_handle_is_given_back),
        TEST(a_process_is_looked_up_once_per_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
