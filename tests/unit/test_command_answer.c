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
        struct cfs_answer answer = {.error = error, .token = 1000 + error, .ticket = 7}, got;
        struct cfs_writer writer = answer_bytes(&answer);
        struct cfs_holder_info *holders;

        assert_int_equal(cfs_answer_decode(&got, &holders, writer.data, writer.len), 0);
        assert_int_equal(got.error, error);
        assert_int_equal(got.token, 1000 + error);
        assert_int_equal(got.ticket, 7);
        assert_null(holders);
        assert_int_equal(got.lock.form, 0);
        assert_null(got.names);
        free(writer.data);
    }
}

static void test_an_answer_with_a_lock(void **state)
{
    struct cfs_answer answer = lock_answer(), got;
    struct cfs_writer writer = answer_bytes(&answer);
    struct cfs_holder_info *holders;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &holders, writer.data, writer.len), 0);
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
    assert_ptr_equal(got.lock.holders, holders);
    assert_int_equal(holders[0].node, 1);
    assert_int_equal(holders[0].kind, CFS_FLOCK);
    assert_int_equal(holders[0].process.pid, 5);
    assert_int_equal(holders[0].process.start, 6);
    assert_string_equal(holders[0].owner, "");
    assert_int_equal(holders[1].kind, CFS_LEASED);
    assert_string_equal(holders[1].owner, "worker-7");
    free(holders);
    free(writer.data);
}

static void test_an_answer_with_names(void **state)
{
    static const char names[] = "a\0b c\0zzz";
    struct cfs_answer answer = {.names = names, .names_len = sizeof names, .more = true}, got;
    struct cfs_writer writer = answer_bytes(&answer);
    struct cfs_holder_info *holders;

    (void)state;
    assert_int_equal(cfs_answer_decode(&got, &holders, writer.data, writer.len), 0);
    assert_int_equal(got.names_len, sizeof names);
    assert_memory_equal(got.names, names, sizeof names);
    assert_true(got.more);
    free(writer.data);
}

static void assert_answer_refused(const struct cfs_answer *answer)
{
    struct cfs_writer writer = answer_bytes(answer);
    struct cfs_answer got;
    struct cfs_holder_info *holders;

    assert_int_equal(cfs_answer_decode(&got, &holders, writer.data, writer.len), -1);
    assert_null(holders);
    free(writer.data);
}

static void test_bad_answers(void **state)
{
    struct cfs_answer answer = {.names = "ab", .names_len = 2}; /* no NUL at the end */

    (void)state;
    assert_answer_refused(&answer);
    answer = (struct cfs_answer){.names = "a\0\0", .names_len = 3}; /* an empty name */
    assert_answer_refused(&answer);
    answer = (struct cfs_answer){.more = true}; /* behind which? */
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
    struct cfs_holder_info *holders;
    uint8_t *copy = malloc(len ? len : 1);
    int rv;

    assert_non_null(copy);
    memcpy(copy, data, len);
    rv = cfs_answer_decode(&got, &holders, copy, len);
    assert_true(rv == 0 || (!holders && !got.lock.content && !got.names));
    assert_true(!cut || rv == -1);
    if (rv == 0) {
        struct cfs_writer again = answer_bytes(&got);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, copy, len);
        free(again.data);
    }
    free(holders);
    free(copy);
}

static void test_damaged_answers(void **state)
{
    struct cfs_answer answer = lock_answer();
    struct cfs_writer writer;

    (void)state;
    answer.names = "x\0y";
    answer.names_len = 4;
    writer = answer_bytes(&answer);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_answers),        cmocka_unit_test(test_an_answer_with_a_lock),
        cmocka_unit_test(test_an_answer_with_names), cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_damaged_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
