/* Open files of locks/: flock, the place in the queue, content, and who may do what. */
#include <errno.h>
#include <sys/file.h>

#include "fs_world.h"

static struct fuse_req *ask_flock(struct world *w, struct cfs_handle *handle, int operation)
{
    struct fuse_req *req = request(w);

    cfs_lock_flock(&w->fs, req, handle, operation);
    return req;
}

static struct fuse_req *ask_write(struct world *w, struct cfs_handle *handle, const char *text,
                                  uint64_t offset, bool append)
{
    struct fuse_req *req = request(w);

    cfs_lock_write(&w->fs, req, handle, text, strlen(text), offset, append);
    return req;
}

static void flock_becomes_an_acquire(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req = ask_flock(w, handle, LOCK_SH);
    const struct cfs_acquire *acquire = &last_asked()->acquire;

    assert_int_equal(last_asked()->op, CFS_OP_ACQUIRE);
    assert_string_equal(last_asked()->name, "job");
    assert_int_equal(acquire->mode, CFS_SHARED);
    assert_int_equal(acquire->kind, CFS_FLOCK);
    assert_true(acquire->wait);
    assert_int_equal(acquire->handle, handle->id);
    assert_int_equal(acquire->process.pid, getpid());
    assert_int_equal(acquire->uid, 1000);
    assert_int_equal(acquire->perm, 0640);
    assert_int_equal(acquire->ticket, 0);
    answer_token(3);
    assert_replied(req, 0);
    assert_int_equal(handle->mode, CFS_SHARED);
    assert_ptr_equal(w->fs.waits.held, &handle->held);
}

static void lock_nb_does_not_wait(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req = ask_flock(w, handle, LOCK_EX | LOCK_NB);

    assert_int_equal(last_asked()->acquire.mode, CFS_EXCLUSIVE);
    assert_false(last_asked()->acquire.wait);
    assert_null(w->fs.pendings.by_tid);
    answer_error(CFS_ERR_WOULD_BLOCK);
    assert_replied(req, EWOULDBLOCK);
    assert_int_equal(handle->mode, 0);
}

static void unlocking_what_holds_nothing_asks_nobody(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = ask_flock(w, open_lock(w, "job", false), LOCK_UN);

    assert_replied(req, 0);
    assert_int_equal(engine.count, 0);
}

static void unlocking_gives_back(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req;

    ask_flock(w, handle, LOCK_EX);
    answer_token(3);
    req = ask_flock(w, handle, LOCK_UN);
    assert_int_equal(last_asked()->op, CFS_OP_RELEASE);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    assert_int_equal(handle->mode, 0);
    assert_false(handle->may_hold);
    assert_null(w->fs.waits.held);
}

static void who_is_in_touch_does_not_wait_for_an_unlock(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req;
    uint64_t first = handle->id, release;

    engine.in_touch = true;
    ask_flock(w, handle, LOCK_EX);
    answer_token(3);
    req = ask_flock(w, handle, LOCK_UN);
    assert_replied(req, 0);
    assert_int_equal(last_asked()->op, CFS_OP_RELEASE);
    assert_int_equal(last_asked()->release.handle, first);
    release = engine.count;
    assert_int_equal(handle->mode, 0);
    assert_false(handle->may_hold);
    /* A leader that asks has to wait for it all the same. */
    assert_true(cfs_handles_releasing(&w->fs.handles, w->fs.handles.last_release));

    req = ask_flock(w, handle, LOCK_EX);
    assert_int_not_equal(last_asked()->acquire.handle, first);
    answer_id(release, &(struct cfs_answer){0});
    assert_false(cfs_handles_releasing(&w->fs.handles, w->fs.handles.last_release));
    answer_token(4);
    assert_replied(req, 0);
    assert_int_equal(handle->mode, CFS_EXCLUSIVE);
    assert_int_equal(handle->token, 4);
}

static void an_unlock_waits_while_another_thread_asks(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    uint64_t first = handle->id;
    struct fuse_req *unlocking;

    engine.in_touch = true;
    ask_flock(w, handle, LOCK_SH);
    answer_token(3);
    ask_flock(w, handle, LOCK_EX);
    unlocking = ask_flock(w, handle, LOCK_UN);
    assert_int_equal(handle->id, first);
    answer_error(CFS_OK);
    assert_replied(unlocking, 0);
}

/* The engine goes on giving back what it could not give back in time; so does a close. */
static void an_unlock_without_a_majority_still_lets_go(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req;

    ask_flock(w, handle, LOCK_EX);
    answer_token(3);
    req = ask_flock(w, handle, LOCK_UN);
    answer_error(CFS_ERR_TIMED_OUT);
    assert_replied(req, ETIMEDOUT);
    assert_int_equal(handle->mode, 0);
    assert_true(handle->may_hold);
}

static void unlocking_leaves_another_threads_wait_alone(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *waiting, *unlocking;
    uint64_t acquire;

    ask_flock(w, handle, LOCK_SH);
    answer_token(3);
    waiting = ask_flock(w, handle, LOCK_EX);
    acquire = engine.count;
    unlocking = ask_flock(w, handle, LOCK_UN);
    answer_error(CFS_OK);
    assert_replied(unlocking, 0);
    assert_true(handle->may_hold);
    answer_id(acquire, &(struct cfs_answer){.token = 4});
    assert_replied(waiting, 0);
    assert_int_equal(handle->mode, CFS_EXCLUSIVE);
}

static void who_asks_again_at_once_keeps_its_place(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req = ask_flock(w, handle, LOCK_EX);
    struct cfs_answer interrupted = {.error = CFS_ERR_INTERRUPTED, .ticket = 77};

    answer_last(&interrupted);
    assert_replied(req, EINTR);
    ask_flock(w, handle, LOCK_EX);
    assert_int_equal(last_asked()->acquire.ticket, 77);
    answer_last(&(struct cfs_answer){.error = CFS_ERR_INTERRUPTED});
    ask_flock(w, handle, LOCK_EX); /* a place is kept once */
    assert_int_equal(last_asked()->acquire.ticket, 0);
    answer_last(&interrupted);
    ask_flock(w, handle, LOCK_SH); /* and for the same wish */
    assert_int_equal(last_asked()->acquire.ticket, 0);
    answer_last(&interrupted);
    handle->place.until = 1; /* and for a second */
    ask_flock(w, handle, LOCK_SH);
    assert_int_equal(last_asked()->acquire.ticket, 0);
}

static void only_the_exclusive_holder_writes(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req;

    assert_replied(ask_write(w, handle, "x", 0, false), ENOLCK);
    ask_flock(w, handle, LOCK_SH);
    answer_token(3);
    assert_replied(ask_write(w, handle, "x", 0, false), ENOLCK);
    ask_flock(w, handle, LOCK_EX);
    answer_token(4);
    req = ask_write(w, handle, "hello", 2, false);
    assert_int_equal(last_asked()->op, CFS_OP_WRITE);
    assert_int_equal(last_asked()->write.token, 4);
    assert_int_equal(last_asked()->write.offset, 2);
    answer_error(CFS_OK);
    assert_replied(req, 0);
    assert_int_equal(req->len, 5);
    req = ask_write(w, handle, "x", 0, false);
    answer_error(CFS_ERR_NOT_HOLDER); /* lost to a conversion that failed, or to rm */
    assert_replied(req, ENOLCK);
}

static void the_maker_of_a_lockfile_writes(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", true);

    ask_write(w, handle, "1\n", 0, false);
    assert_int_equal(last_asked()->write.token, 100);
    answer_error(CFS_OK);
}

static void appending_goes_to_the_end_of_this_acquisition(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);

    ask_flock(w, handle, LOCK_EX);
    answer_token(3);
    ask_write(w, handle, "one\n", 99, true);
    assert_int_equal(last_asked()->write.offset, 0);
    answer_error(CFS_OK);
    ask_write(w, handle, "two\n", 99, true);
    assert_int_equal(last_asked()->write.offset, 4);
    answer_error(CFS_OK);
    ask_flock(w, handle, LOCK_EX); /* what one holds already: the same acquisition */
    answer_token(3);
    ask_write(w, handle, "x", 99, true);
    assert_int_equal(last_asked()->write.offset, 8);
    answer_error(CFS_OK);
    ask_flock(w, handle, LOCK_UN);
    answer_error(CFS_OK);
    ask_flock(w, handle, LOCK_EX);
    answer_token(4);
    ask_write(w, handle, "new", 99, true);
    assert_int_equal(last_asked()->write.offset, 0);
}

static void content_is_bounded(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", true);

    assert_replied(ask_write(w, handle, "x", CFS_CONTENT_MAX, false), EFBIG);
    assert_replied(ask_write(w, handle, "x", UINT64_MAX, false), EFBIG);
    ask_write(w, handle, "x", CFS_CONTENT_MAX - 1, false);
    assert_int_equal(last_asked()->op, CFS_OP_WRITE);
}

/* What it held is gone with the asking: others may hold the name by now. */
static void a_refused_conversion_has_let_go(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);

    ask_flock(w, handle, LOCK_SH);
    answer_token(3);
    ask_flock(w, handle, LOCK_EX | LOCK_NB);
    answer_error(CFS_ERR_WOULD_BLOCK);
    assert_int_equal(handle->mode, 0);
    assert_true(handle->may_hold); /* a close asks all the same */
    ask_flock(w, handle, LOCK_SH);
    answer_token(5);
    ask_flock(w, handle, LOCK_EX);
    answer_last(&(struct cfs_answer){.error = CFS_ERR_DEADLOCK, .ticket = 9});
    assert_int_equal(handle->mode, 0);
    assert_null(w->fs.waits.held);
}

static void one_that_may_never_have_been_asked_has_not(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);

    ask_flock(w, handle, LOCK_SH);
    answer_token(3);
    ask_flock(w, handle, LOCK_EX);
    answer_error(CFS_ERR_INTERRUPTED);
    assert_int_equal(handle->mode, CFS_SHARED);
    ask_flock(w, handle, LOCK_EX | LOCK_NB);
    answer_error(CFS_ERR_TOO_MANY);
    assert_int_equal(handle->token, 3);
}

static void a_refusal_that_comes_late_leaves_a_newer_hold_alone(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    uint64_t refused;

    ask_flock(w, handle, LOCK_SH);
    answer_token(3);
    ask_flock(w, handle, LOCK_EX | LOCK_NB);
    refused = engine.count;
    ask_flock(w, handle, LOCK_SH); /* another thread */
    answer_token(4);
    answer_id(refused, &(struct cfs_answer){.error = CFS_ERR_WOULD_BLOCK});
    assert_int_equal(handle->mode, CFS_SHARED);
    assert_int_equal(handle->token, 4);
}

/* What a reader of `handle` gets of a lock of user 2000, group 777, with `perm`. */
static struct fuse_req *read_content(struct world *w, struct cfs_handle *handle, uint32_t perm,
                                     uint32_t gid)
{
    struct cfs_answer answer = {.lock = {.form = CFS_FORM_FILE,
                                         .uid = 2000,
                                         .gid = gid,
                                         .perm = perm,
                                         .content = (const uint8_t *)"secret",
                                         .content_len = 6}};
    struct fuse_req *req = request(w);

    cfs_lock_read(&w->fs, req, handle, 4, 1);
    answer_last(&answer);
    return req;
}

/* The handle was opened before that lock was taken: the kernel could not check. */
static void reading_is_checked_against_the_lock_of_now(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_lock(w, "job", false);
    struct fuse_req *req = read_content(w, handle, 0604, 5);

    assert_replied(req, 0);
    assert_memory_equal(req->data, "ecre", req->len);
    assert_replied(read_content(w, handle, 0600, 5), EACCES);
    assert_replied(read_content(w, handle, 0640, 777), 0); /* a supplementary group */
    assert_replied(read_content(w, handle, 0640, 1000), 0);
    assert_replied(read_content(w, handle, 0640, 5), EACCES);
    assert_replied(read_content(w, handle, 0604, 777), EACCES);
    handle->uid = 2000;
    assert_replied(read_content(w, handle, 0400, 5), 0);
    assert_replied(read_content(w, handle, 0044, 5), EACCES);
    handle->uid = 0;
    assert_replied(read_content(w, handle, 0, 5), 0);
}

static struct fuse_req *read_private(struct world *w, struct cfs_handle *handle, cfs_token token)
{
    struct cfs_answer answer = {.lock = {.form = CFS_FORM_FILE, .uid = 2000, .token = token}};
    struct fuse_req *req = request(w);

    cfs_lock_read(&w->fs, req, handle, 4, 0);
    answer_last(&answer);
    return req;
}

/* Also when it changed hands: its owner may be another. */
static void the_holder_reads_what_it_holds_and_no_other(void **state)
{
    struct world *w = *state;
    struct cfs_handle *file = open_lock(w, "job", true), *lock = open_lock(w, "job", false);

    assert_replied(read_private(w, file, 100), 0);
    assert_replied(read_private(w, file, 101), EACCES); /* removed, and made by somebody else */
    ask_flock(w, lock, LOCK_EX);
    answer_token(102);
    assert_replied(read_private(w, lock, 102), 0);
    assert_replied(read_private(w, lock, 103), EACCES);
    assert_replied(read_private(w, open_lock(w, "job", false), 0), EACCES);
}

static void what_is_not_held_is_empty(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = request(w);

    cfs_lock_read(&w->fs, req, open_lock(w, "job", false), 100, 0);
    answer_error(CFS_ERR_NOT_HELD);
    assert_replied(req, 0);
    assert_int_equal(req->len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flock_becomes_an_acquire),
        TEST(lock_nb_does_not_wait),
        TEST(unlocking_what_holds_nothing_asks_nobody),
        TEST(unlocking_gives_back),
        TEST(who_is_in_touch_does_not_wait_for_an_unlock),
        TEST(an_unlock_waits_while_another_thread_asks),
        TEST(an_unlock_without_a_majority_still_lets_go),
        TEST(unlocking_leaves_another_threads_wait_alone),
        TEST(who_asks_again_at_once_keeps_its_place),
        TEST(only_the_exclusive_holder_writes),
        TEST(the_maker_of_a_lockfile_writes),
        TEST(appending_goes_to_the_end_of_this_acquisition),
        TEST(content_is_bounded),
        TEST(a_refused_conversion_has_let_go),
        TEST(one_that_may_never_have_been_asked_has_not),
        TEST(a_refusal_that_comes_late_leaves_a_newer_hold_alone),
        TEST(reading_is_checked_against_the_lock_of_now),
        TEST(the_holder_reads_what_it_holds_and_no_other),
        TEST(what_is_not_held_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
