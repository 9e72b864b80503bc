/* Answers as bytes: what goes in comes out, and damage is refused or means itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/command.h"

static const uint8_t content[] = "12345\n";

static const struct cfs_holder_info two_holders[] = {
    {.node = 1, .kind = CFS_FLOCK, .process = {.pid = 5, .start = 6}},
    {.node = 0, .kind = CFS_LEASED, .owner = "worker-7"},
};

static struct cfs_answer lock_answer(void)
{
    return (struct cfs_answer){.lock = {.form = CFS_FORM_FILE,
                                        .mode = CFS_SHARED,
                                        .token = 11,
                                        .since = 12,
                                        .mtime = 13,
                                        .uid = 14,
                                        .gid = 15,
                                        .perm = 0640,
                                        .waiters = 17,
                                        .more_holders = 18,
                                        .holder_count = 2,
                                        .holders = two_holders,
                                        .content = content,
                                        .content_len = sizeof content}};
}

static struct cfs_writer answer_bytes(const struct cfs_answer *answer)
{
    struct cfs_writer writer = {0};

    cfs_answer_encode(&writer, answer);
    return writer;
}

static void test_short_answers(void **state)
{
    (void)state;
    for (int error = 0; error < CFS_ERROR_COUNT; error++) {
        struct cfs_answer answer = {.error = error, .token = 1000 + error, .ticket = 7, .id = 8},
                          got;
        struct cfs_writer writer = answer_bytes(&answer);
        void *owned;

        assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
        assert_int_equal(got.error, error);
        assert_int_equal(got.token, 1000 + error);
        assert_int_equal(got.ticket, 7);
        assert_int_equal(got.id, 8);
        assert_null(owned);
        assert_int_equal(got.lock.form, 0);
        assert_null(got.names);
        free(writer.data);
    }
}

static void test_an_answer_with_a_lock(void **state)
{
    struct cfs_answer answer = lock_answer(), got;
    struct cfs_writer writer = answer_bytes(&answer);
    const struct cfs_holder_info *holders;
    void *owned;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
    holders = got.lock.holders;
    assert_int_equal(got.lock.form, CFS_FORM_FILE);
    assert_int_equal(got.lock.mode, CFS_SHARED);
    assert_int_equal(got.lock.token, 11);
    assert_int_equal(got.lock.since, 12);
    assert_int_equal(got.lock.mtime, 13);
    assert_int_equal(got.lock.uid, 14);
    assert_int_equal(got.lock.gid, 15);
    assert_int_equal(got.lock.perm, 0640);
    assert_int_equal(got.lock.waiters, 17);
    assert_int_equal(got.lock.content_len, sizeof content);
    assert_memory_equal(got.lock.content, content, sizeof content);
    assert_int_equal(got.lock.more_holders, 18);
    assert_int_equal(got.lock.holder_count, 2);
    assert_ptr_equal(got.lock.holders, owned);
    assert_int_equal(holders[0].node, 1);
    assert_int_equal(holders[0].kind, CFS_FLOCK);
    assert_int_equal(holders[0].process.pid, 5);
    assert_int_equal(holders[0].process.start, 6);
    assert_string_equal(holders[0].owner, "");
    assert_int_equal(holders[1].kind, CFS_LEASED);
    assert_string_equal(holders[1].owner, "worker-7");
    free(owned);
    free(writer.data);
}

static void test_an_answer_with_names(void **state)
{
    static const char names[] = "a\0b c\0zzz";
    struct cfs_answer answer = {.names = names, .names_len = sizeof names, .more = true}, got;
    struct cfs_writer writer = answer_bytes(&answer);
    void *owned;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
    assert_int_equal(got.names_len, sizeof names);
    assert_memory_equal(got.names, names, sizeof names);
    assert_true(got.more);
    free(writer.data);
}

static const struct cfs_message_info two_messages[] = {
    {.id = 1,
     .claim = 2,
     .deliveries = 3,
     .sent = 4,
     .left = 5,
     .node = 6,
     .body = content,
     .len = sizeof content},
    {.id = 7},
};

static void test_an_answer_with_messages(void **state)
{
    struct cfs_answer answer = {.messages = two_messages, .message_count = 2}, got;
    struct cfs_writer writer = answer_bytes(&answer);
    void *owned;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
    assert_int_equal(got.message_count, 2);
    assert_ptr_equal(got.messages, owned);
    assert_int_equal(got.messages[0].id, 1);
    assert_int_equal(got.messages[0].claim, 2);
    assert_int_equal(got.messages[0].deliveries, 3);
    assert_int_equal(got.messages[0].sent, 4);
    assert_int_equal(got.messages[0].left, 5);
    assert_int_equal(got.messages[0].node, 6);
    assert_int_equal(got.messages[0].len, sizeof content);
    assert_memory_equal(got.messages[0].body, content, sizeof content);
    assert_int_equal(got.messages[1].id, 7);
    assert_int_equal(got.messages[1].len, 0);
    free(owned);
    free(writer.data);
}

static const uint64_t three_ids[] = {5, 0x1122334455667788, 7};

static void test_an_answer_with_ids(void **state)
{
    struct cfs_answer answer = {.ids = three_ids, .id_count = 3, .more = true}, got;
    struct cfs_writer writer = answer_bytes(&answer);
    void *owned;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
    assert_int_equal(got.id_count, 3);
    assert_memory_equal(got.ids, three_ids, sizeof three_ids);
    assert_true(got.more);
    free(owned);
    free(writer.data);
}

static struct cfs_answer queue_answer(void)
{
    return (struct cfs_answer){.queue = {.uid = 1,
                                         .gid = 2,
                                         .perm = 0640,
                                         .mtime = 4,
                                         .ctime = 5,
                                         .ready = 6,
                                         .inflight = 7,
                                         .dead = 8,
                                         .bytes = 9,
                                         .consumers = 10,
                                         .producers = 11,
                                         .node = 12,
                                         .config = {.visibility_ms = 13,
                                                    .max_deliveries = 14,
                                                    .max_messages = 15,
                                                    .max_bytes = 16,
                                                    .framing = CFS_FRAMING_LINE}}};
}

static void test_an_answer_with_a_queue(void **state)
{
    struct cfs_answer answer = queue_answer(), got;
    struct cfs_writer writer = answer_bytes(&answer);
    void *owned;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
    assert_null(owned);
    assert_int_equal(got.queue.uid, 1);
    assert_int_equal(got.queue.gid, 2);
    assert_int_equal(got.queue.perm, 0640);
    assert_int_equal(got.queue.mtime, 4);
    assert_int_equal(got.queue.ctime, 5);
    assert_int_equal(got.queue.ready, 6);
    assert_int_equal(got.queue.inflight, 7);
    assert_int_equal(got.queue.dead, 8);
    assert_int_equal(got.queue.bytes, 9);
    assert_int_equal(got.queue.consumers, 10);
    assert_int_equal(got.queue.producers, 11);
    assert_int_equal(got.queue.node, 12);
    assert_int_equal(got.queue.config.visibility_ms, 13);
    assert_int_equal(got.queue.config.max_deliveries, 14);
    assert_int_equal(got.queue.config.max_messages, 15);
    assert_int_equal(got.queue.config.max_bytes, 16);
    assert_int_equal(got.queue.config.framing, CFS_FRAMING_LINE);
    free(writer.data);
}

/* A part of the cluster may have no queues, and still there are other parts. */
static void test_a_part_without_names(void **state)
{
    struct cfs_answer answer = {.part = 3}, got;
    struct cfs_writer writer = answer_bytes(&answer);
    void *owned;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), 0);
    assert_int_equal(got.part, 3);
    assert_int_equal(got.names_len, 0);
    free(writer.data);
}

static void assert_answer_refused(const struct cfs_answer *answer)
{
    struct cfs_writer writer = answer_bytes(answer);
    struct cfs_answer got;
    void *owned;

    assert_int_equal(cfs_answer_decode(&got, &owned, writer.data, writer.len), -1);
    assert_null(owned);
    free(writer.data);
}

static void test_bad_answers(void **state)
{
    struct cfs_answer answer = {.names = "ab", .names_len = 2}; /* no NUL at the end */

    (void)state;
    assert_answer_refused(&answer);
    answer = (struct cfs_answer){.names = "a\0\0", .names_len = 3}; /* an empty name */
    assert_answer_refused(&answer);
    answer = (struct cfs_answer){.part = 1, .more = true}; /* behind which? */
    assert_answer_refused(&answer);
    answer = queue_answer();
    answer.queue.config.visibility_ms = 0;
    assert_answer_refused(&answer);
    answer = (struct cfs_answer){.error = CFS_ERROR_COUNT};
    assert_answer_refused(&answer);
    answer = lock_answer();
    answer.lock.form = 3;
    assert_answer_refused(&answer);
    answer = lock_answer();
    answer.lock.mode = 0;
    assert_answer_refused(&answer);
}

static void check_damaged_answer(const uint8_t *data, size_t len, bool cut)
{
    struct cfs_answer got;
    void *owned;
    uint8_t *copy = malloc(len ? len : 1);
    int rv;

    assert_non_null(copy);
    memcpy(copy, data, len);
    rv = cfs_answer_decode(&got, &owned, copy, len);
    assert_true(rv == 0 || (!owned && !got.lock.content && !got.names));
    assert_true(!cut || rv == -1);
    if (rv == 0) {
        struct cfs_writer again = answer_bytes(&got);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, copy, len);
        free(again.data);
    }
    free(owned);
    free(copy);
}

static void damage(const struct cfs_answer *answer)
{
    struct cfs_writer writer = answer_bytes(answer);

    for (size_t len = 0; len < writer.len; len++)
        check_damaged_answer(writer.data, len, true);
    for (size_t at = 0; at < writer.len; at++) {
        uint8_t was = writer.data[at];
        for (unsigned value = 0; value < 256; value++) {
            writer.data[at] = (uint8_t)value;
            check_damaged_answer(writer.data, writer.len, false);
        }
        writer.data[at] = was;
    }
    free(writer.data);
}

static void test_damaged_answers(void **state)
{
    struct cfs_answer lock = lock_answer(), queue = queue_answer();

    (void)state;
    damage(&lock);
    damage(&queue);
    damage(&(struct cfs_answer){.names = "x\0y", .names_len = 4, .part = 1});
    damage(&(struct cfs_answer){.messages = two_messages, .message_count = 2});
    damage(&(struct cfs_answer){.ids = three_ids, .id_count = 3});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_answers),        cmocka_unit_test(test_an_answer_with_a_lock),
        cmocka_unit_test(test_an_answer_with_names), cmocka_unit_test(test_an_answer_with_messages),
        cmocka_unit_test(test_an_answer_with_ids),   cmocka_unit_test(test_an_answer_with_a_queue),
        cmocka_unit_test(test_a_part_without_names), cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_damaged_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
