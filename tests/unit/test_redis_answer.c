/* Answers of the script are believed as far as they make sense. */
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "io/redis_answer.h"

struct fixture {
    redisReply elements[8], *pointers[8], reply;
    struct cfs_redis_told told;
    struct cfs_redis_loan loan;
    struct cfs_answer answer;
};

static void add(struct fixture *f, char *text, size_t len)
{
    redisReply *element = &f->elements[f->reply.elements];

    *element = (redisReply){.type = REDIS_REPLY_STRING, .str = text, .len = len};
    f->pointers[f->reply.elements++] = element;
}

/* An answer of one word and one value. */
static enum cfs_error read_value(struct fixture *f, enum cfs_op op, char *word, char *value)
{
    *f = (struct fixture){.reply = {.type = REDIS_REPLY_ARRAY, .element = f->pointers}};
    add(f, word, strlen(word));
    add(f, value, strlen(value));
    assert_true(cfs_redis_told(&f->told, &f->reply));
    cfs_redis_read_answer(op, &f->told, &f->loan, &f->answer);
    return f->answer.error;
}

static void a_word_is_an_error_or_none(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(read_value(&f, CFS_OP_ACK, "ok", ""), CFS_OK);
    assert_int_equal(read_value(&f, CFS_OP_ACK, "not_claimed", ""), CFS_ERR_NOT_CLAIMED);
    assert_int_equal(read_value(&f, CFS_OP_PRODUCE, "full", ""), CFS_ERR_FULL);
    assert_int_equal(read_value(&f, CFS_OP_ACK, "late", ""), CFS_ERR_IO);
    assert_int_equal(read_value(&f, CFS_OP_ACK, "", ""), CFS_ERR_IO);
}

static void messages_are_lines_of_numbers_and_bytes(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(read_value(&f, CFS_OP_CONSUME, "ok", "1 2 3 4 5 6 2\nab7 8 9 10 11 12 0\n"),
                     CFS_OK);
    assert_int_equal(f.answer.message_count, 2);
    assert_int_equal(f.answer.messages[0].id, 1);
    assert_int_equal(f.answer.messages[0].claim, 2);
    assert_int_equal(f.answer.messages[0].deliveries, 3);
    assert_int_equal(f.answer.messages[0].sent, 4);
    assert_int_equal(f.answer.messages[0].left, 5);
    assert_int_equal(f.answer.messages[0].node, 6);
    assert_memory_equal(f.answer.messages[0].body, "ab", 2);
    assert_int_equal(f.answer.messages[1].len, 0);
}

static void what_is_cut_or_too_long_is_an_error(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(read_value(&f, CFS_OP_CONSUME, "ok", "1 2 3 4 5 6 3\nab"), CFS_ERR_IO);
    assert_int_equal(read_value(&f, CFS_OP_CONSUME, "ok", "1 2 3"), CFS_ERR_IO);
    assert_int_equal(read_value(&f, CFS_OP_CONSUME, "ok", "one"), CFS_ERR_IO);
    assert_int_equal(read_value(&f, CFS_OP_PRODUCE, "ok", ""), CFS_ERR_IO);
    assert_int_equal(read_value(&f, CFS_OP_QUEUE_STAT, "ok", "1 2 3"), CFS_ERR_IO);
    assert_int_equal(f.answer.message_count, 0);
}

static void what_is_no_list_of_words_is_no_answer(void **state)
{
    redisReply number = {.type = REDIS_REPLY_INTEGER}, *one = &number;
    redisReply list = {.type = REDIS_REPLY_ARRAY, .elements = 1, .element = &one};
    struct cfs_redis_told told;

    (void)state;
    assert_false(cfs_redis_told(&told, &number));
    assert_false(cfs_redis_told(&told, &list));
    list.elements = 0;
    assert_false(cfs_redis_told(&told, &list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_an_error_or_none),
        cmocka_unit_test(messages_are_lines_of_numbers_and_bytes),
        cmocka_unit_test(what_is_cut_or_too_long_is_an_error),
        cmocka_unit_test(what_is_no_list_of_words_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
