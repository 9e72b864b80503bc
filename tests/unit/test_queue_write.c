/* Writing to queues: what is one message in each framing, and writes that come in pieces. */
#include <stdio.h>
#include <sys/syscall.h>

#include "queue_file_world.h"

static struct cfs_handle *open_writer(struct world *w, enum cfs_framing framing)
{
    return open_queue(w, O_WRONLY, framing);
}

static struct fuse_req *write_bytes(struct world *w, struct cfs_handle *handle, const char *data,
                                    size_t size, uint64_t offset, bool append)
{
    struct fuse_req *req = request(w);

    req->ctx.pid = 1234; /* no such process unless a test makes it */
    cfs_queue_write(&w->fs, req, handle, data, size, offset, append);
    return req;
}

/* The messages of the last request, each followed by a bar. */
static const char *produced(void)
{
    static char text[256];
    const struct cfs_produce *produce = &last_asked()->produce;
    uint32_t at = 0;

    assert_int_equal(last_asked()->op, CFS_OP_PRODUCE);
    *text = '\0';
    for (uint32_t i = 0; i < (produce->lengths ? produce->count : 1); i++) {
        uint32_t len = produce->lengths ? produce->lengths[i] : produce->len;
        strncat(text, (const char *)produce->data + at, len);
        strcat(text, "|");
        at += len;
    }
    assert_int_equal(at, produce->len);
    return text;
}

static void assert_written(const struct fuse_req *req, size_t size)
{
    assert_replied(req, 0);
    assert_int_equal(req->len, size);
}

/* --- framing=write ----------------------------------------------------------------------- */

static void each_write_is_a_message(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    struct fuse_req *req = start_write(w, handle, "one\ntwo\n");

    assert_string_equal(produced(), "one\ntwo\n|");
    assert_string_equal(last_asked()->name, "q");
    assert_null(last_asked()->produce.lengths);
    assert_true(last_asked()->produce.wait);
    assert_int_equal(req->replies, 0); /* answered is durable */
    answer_error(CFS_OK);
    assert_written(req, 8);
    start_write(w, handle, "x");
    assert_string_equal(produced(), "x|");
}

static void a_full_queue_makes_wait_who_does_not_mind(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    struct fuse_req *req;

    handle->flags |= O_NONBLOCK;
    req = start_write(w, handle, "x");
    assert_false(last_asked()->produce.wait);
    answer_error(CFS_ERR_FULL);
    assert_replied(req, EAGAIN);
}

static void a_queue_that_is_gone_takes_nothing(void **state)
{
    struct world *w = *state;
    struct fuse_req *req = start_write(w, open_writer(w, CFS_FRAMING_WRITE), "x");

    answer_error(CFS_ERR_NO_QUEUE);
    assert_replied(req, ENOENT);
}

static void a_message_has_less_than_a_mebibyte(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    char *data = calloc(1, 1048576);
    uint64_t asked = engine.count;

    assert_replied(write_bytes(w, handle, data, 1048576, 0, false), EMSGSIZE);
    assert_int_equal(engine.count, asked);
    free(data);
}

/* Thread 1234, which stands still in write(2) of `size` bytes. */
static void put_writer(const struct fake_proc *proc, long number, unsigned long size)
{
    char text[128];

    snprintf(text, sizeof text, "%ld 0x3 0x7f5caeaf1030 0x%lx 0x0 0x0 0x0 0x7ffc9f3eddd8 0x7f5c\n",
             number, size);
    fake_put(proc, text, "1234/syscall");
}

/* Memory that does not begin at a page: 1 MiB and less comes as two pieces. */
static void a_write_in_pieces_is_one_message(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    char *data = calloc(1, 1048576);
    struct fake_proc proc;
    uint64_t asked;

    world_open_proc(w, &proc);
    for (int append = 0; append < 2; append++) {
        uint64_t begin = append ? 100 : 0;
        struct fuse_req *req;
        put_writer(&proc, SYS_write, 1048575);
        asked = engine.count;
        assert_written(write_bytes(w, handle, data, 1048528, begin, append), 1048528);
        assert_int_equal(engine.count, asked);
        req = write_bytes(w, handle, data, 47, begin + 1048528, append);
        assert_int_equal(last_asked()->produce.len, 1048575);
        answer_error(CFS_OK);
        assert_written(req, 47);
    }
    fake_proc_close(&proc);
    free(data);
}

static void one_that_is_too_long_is_refused_at_its_first_piece(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    char *data = calloc(1, 1048576);
    struct fake_proc proc;
    uint64_t asked = engine.count;
    struct fuse_req *req;

    world_open_proc(w, &proc);
    put_writer(&proc, SYS_write, 1048576);
    assert_replied(write_bytes(w, handle, data, 1048528, 0, false), EMSGSIZE);
    put_writer(&proc, SYS_writev, 3); /* which does not tell how long it is */
    assert_replied(write_bytes(w, handle, data, 1048528, 0, false), EMSGSIZE);
    assert_int_equal(engine.count, asked);
    put_writer(&proc, SYS_write, 1048528); /* this one is all there is */
    req = write_bytes(w, handle, data, 1048528, 0, false);
    assert_int_equal(last_asked()->produce.len, 1048528);
    answer_error(CFS_OK);
    assert_written(req, 1048528);
    fake_proc_close(&proc);
    free(data);
}

static void what_cannot_be_seen_to_be_whole_is_refused(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    char *data = calloc(1, 1048576);
    struct fake_proc proc;

    world_open_proc(w, &proc);
    fake_put(&proc, "running\n", "1234/syscall");
    assert_replied(write_bytes(w, handle, data, 1048575, 0, false), EMSGSIZE);
    write_bytes(w, handle, data, 1048576 - 4096, 0, false); /* needs no looking */
    assert_int_equal(last_asked()->produce.len, 1048576 - 4096);
    fake_proc_close(&proc);
    free(data);
}

/* The caller is told that the first piece was written. */
static void a_last_piece_that_fails_is_told_by_the_next_write(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    char *data = calloc(1, 1048576);
    struct fake_proc proc;
    struct fuse_req *req;

    world_open_proc(w, &proc);
    put_writer(&proc, SYS_write, 1048575);
    write_bytes(w, handle, data, 1048528, 0, false);
    req = write_bytes(w, handle, data, 47, 1048528, false);
    answer_error(CFS_ERR_NO_SPACE);
    assert_replied(req, ENOSPC);
    assert_replied(start_write(w, handle, "x"), ENOSPC);
    start_write(w, handle, "y");
    assert_string_equal(produced(), "y|");
    fake_proc_close(&proc);
    free(data);
}

static void a_write_that_was_cut_short_is_told_by_the_next_write(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);
    char *data = calloc(1, 1048576);
    struct fake_proc proc;

    world_open_proc(w, &proc);
    put_writer(&proc, SYS_write, 1048575);
    write_bytes(w, handle, data, 1048528, 0, false);
    assert_replied(start_write(w, handle, "x"), EIO);
    start_write(w, handle, "y");
    assert_string_equal(produced(), "y|");
    fake_proc_close(&proc);
    free(data);
}

/* The first 256 are a message of their own, as the caller is told by the number of bytes. */
static void a_later_piece_of_very_many_is_refused(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_WRITE);

    write_bytes(w, handle, "abcdef", 6, 0, false);
    answer_error(CFS_OK);
    assert_replied(write_bytes(w, handle, "gh", 2, 6, false), EMSGSIZE);
    write_bytes(w, handle, "gh", 2, 6, true); /* O_APPEND begins where the last write ended */
    assert_string_equal(produced(), "gh|");
}

/* --- framing=line ------------------------------------------------------------------------ */

static void each_line_is_a_message_without_its_newline(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_LINE);
    uint64_t asked = engine.count;
    struct fuse_req *req = start_write(w, handle, "one\ntwo\n\n\nthree\n");

    assert_string_equal(produced(), "one|two|three|"); /* messages of no bytes do not exist */
    assert_int_equal(engine.count, asked + 1);
    answer_error(CFS_OK);
    assert_written(req, 16);
    assert_int_equal(handle->queue->rest_len, 0);
}

static void a_line_begun_is_ended_by_later_writes(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_LINE);
    uint64_t asked = engine.count;
    struct fuse_req *req;

    assert_written(start_write(w, handle, "he"), 2);
    assert_written(start_write(w, handle, "ll"), 2);
    assert_int_equal(engine.count, asked);
    req = start_write(w, handle, "o\nx\nwor");
    assert_string_equal(produced(), "hello|x|");
    answer_error(CFS_OK);
    assert_written(req, 7);
    req = start_write(w, handle, "ld\n");
    assert_string_equal(produced(), "world|");
    answer_error(CFS_OK);
    assert_written(req, 3);
    assert_written(start_write(w, handle, "\n"), 1);
}

static void lines_that_were_not_queued_were_not_written(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_LINE);
    struct fuse_req *req;

    start_write(w, handle, "a");
    req = start_write(w, handle, "b\nc");
    answer_error(CFS_ERR_FULL);
    assert_replied(req, EAGAIN);
    req = start_write(w, handle, "b\nc");
    assert_string_equal(produced(), "ab|");
    answer_error(CFS_OK);
    assert_written(req, 3);
}

static void more_lines_than_a_request_takes_are_several_requests(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_LINE);
    uint32_t lines = 2 * CFS_PRODUCE_MAX + 5;
    char *data = malloc(2 * lines);
    struct fuse_req *req;

    for (uint32_t i = 0; i < lines; i++)
        data[2 * i] = 'x', data[2 * i + 1] = '\n';
    for (int fails = 0; fails < 2; fails++) {
        req = write_bytes(w, handle, data, 2 * lines, 0, false);
        assert_int_equal(last_asked()->produce.count, CFS_PRODUCE_MAX);
        answer_error(CFS_OK);
        assert_int_equal(last_asked()->produce.count, CFS_PRODUCE_MAX);
        answer_error(fails ? CFS_ERR_TIMED_OUT : CFS_OK);
        if (!fails) {
            assert_int_equal(last_asked()->produce.count, 5);
            answer_error(CFS_OK);
        }
        assert_written(req, fails ? 2 * CFS_PRODUCE_MAX : 2 * lines);
    }
    free(data);
}

static void a_line_has_less_than_a_mebibyte(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_LINE);
    char *data = malloc(1048576);
    struct fuse_req *req;

    memset(data, 'x', 1048576);
    assert_replied(write_bytes(w, handle, data, 1048576, 0, false), EMSGSIZE);
    assert_written(write_bytes(w, handle, data, 1048575, 0, false), 1048575);
    assert_replied(start_write(w, handle, "x"), EMSGSIZE);
    req = start_write(w, handle, "\nnext\n");
    assert_int_equal(last_asked()->produce.len, 1048575); /* the next does not fit beside it */
    assert_int_equal(last_asked()->produce.count, 1);
    answer_error(CFS_OK);
    assert_string_equal(produced(), "next|");
    answer_error(CFS_OK);
    assert_written(req, 6);
    data[1] = '\n'; /* a good line before one that is too long */
    write_bytes(w, handle, data, 1000, 0, false);
    answer_error(CFS_OK);
    req = write_bytes(w, handle, data + 2, 1048574, 0, false);
    assert_replied(req, EMSGSIZE);
    assert_int_equal(handle->queue->rest_len, 998);
    free(data);
}

static void what_is_kept_of_a_write_ends_with_it(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_LINE);

    start_write(w, handle, "a\n");
    assert_true(handle->queue->writing);
    assert_non_null(handle->queue->input);
    assert_replied(start_write(w, handle, "b\n"), EBUSY);
    answer_error(CFS_OK);
    assert_null(handle->queue->input);
    assert_null(w->fs.pendings.all);
}

/* --- framing=file ------------------------------------------------------------------------ */

static void a_file_is_collected(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_FILE);
    uint64_t asked = engine.count;
    struct cfs_request last;

    assert_false(cfs_queue_last_message(handle, &last));
    assert_written(start_write(w, handle, "one\n"), 4);
    assert_written(start_write(w, handle, "two\n"), 4);
    assert_int_equal(engine.count, asked);
    assert_true(cfs_queue_last_message(handle, &last));
    assert_int_equal(last.produce.len, 8);
    assert_memory_equal(last.produce.data, "one\ntwo\n", 8);
    assert_true(last.produce.wait);
}

static void a_file_that_is_too_large_is_no_message_at_all(void **state)
{
    struct world *w = *state;
    struct cfs_handle *handle = open_writer(w, CFS_FRAMING_FILE);
    char *data = calloc(1, 1048575);
    struct cfs_request last;

    assert_written(write_bytes(w, handle, data, 1048575, 0, false), 1048575);
    assert_replied(start_write(w, handle, "x"), EMSGSIZE);
    assert_replied(start_write(w, handle, "x"), EMSGSIZE);
    assert_false(cfs_queue_last_message(handle, &last));
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_write_is_a_message),
        TEST(a_full_queue_makes_wait_who_does_not_mind),
        TEST(a_queue_that_is_gone_takes_nothing),
        TEST(a_message_has_less_than_a_mebibyte),
        TEST(a_write_in_pieces_is_one_message),
        TEST(one_that_is_too_long_is_refused_at_its_first_piece),
        TEST(what_cannot_be_seen_to_be_whole_is_refused),
        TEST(a_last_piece_that_fails_is_told_by_the_next_write),
        TEST(a_write_that_was_cut_short_is_told_by_the_next_write),
        TEST(a_later_piece_of_very_many_is_refused),
        TEST(each_line_is_a_message_without_its_newline),
        TEST(a_line_begun_is_ended_by_later_writes),
        TEST(lines_that_were_not_queued_were_not_written),
        TEST(more_lines_than_a_request_takes_are_several_requests),
        TEST(a_line_has_less_than_a_mebibyte),
        TEST(what_is_kept_of_a_write_ends_with_it),
        TEST(a_file_is_collected),
        TEST(a_file_that_is_too_large_is_no_message_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
